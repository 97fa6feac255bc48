#!/usr/bin/env python3
"""Packing a model of real dimensions, then loading the pack, beside llama.cpp.

usage: load.py TOOL [--arm TOOL SYSROOT COUNTER.so] [--model NAME] [--type TYPE] [--rounds N]

Makes the model (F16, random weights: mkmodel.py) and prints: seconds, peak memory and loss of
`pack`; milliseconds of loading, the median of rounds in turn with llama.cpp's own load of its Q4_0
(tests/perf/peer.c; left out when it cannot be fetched); and, counted under QEMU, instructions from
the start of the process until all is ready for the first token. At most 30 million are allowed.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

import peer

READY = 4  # LC_MARK_FIRST_LINE
INSTRUCTIONS_MAX = 30e6
CPUS = ["cortex-a53", "cortex-a76", "max"]


def watched(command):
    """(seconds, processor seconds, KiB at most, stdout) of a command."""
    start = time.monotonic()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(command, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{command[0]} failed")
        out.seek(0)
        text, used = out.read().decode(), usage.ru_utime + usage.ru_stime
    return time.monotonic() - start, used, usage.ru_maxrss, text


def packed(tool, source, pack, kind):
    command = [tool, "pack", source, "-o", pack, "--type", kind, "--json"]
    seconds, used, kib, text = watched(command)
    tensors = json.loads(text)["tensors"]
    losses = [t["sqnr_db"] for t in tensors if t["sqnr_db"] is not None]
    largest = max(t["bytes"] for t in tensors)
    print(
        f"pack --type {kind}: {seconds:.0f} s ({used:.0f} s of one processor), "
        f"peak {kib / 1024:.0f} MiB for a file of "
        f"{os.path.getsize(source) / 2**20:.0f} MiB (mapped pages included), pack "
        f"{os.path.getsize(pack) / 2**20:.0f} MiB, largest tensor of it {largest / 2**20:.0f} MiB"
    )
    print(
        f"  signal to noise of {len(losses)} quantised tensors: {min(losses):.1f} to "
        f"{max(losses):.1f} dB, median {statistics.median(losses):.1f}"
    )


def ours_ms(tool, pack):
    words = ["bench", "--model", pack, "--prompt", "1", "--gen", "1", "--reps", "1", "--json"]
    return json.loads(peer.run(tool, *words))["load_ms"]


def times(tool, pack, program, libs, q4_0, rounds):
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(ours_ms(tool, pack))
        if program:
            theirs.append(json.loads(peer.run(program, "load", libs, q4_0))["load_ms"])
    other = f", llama.cpp's Q4_0 {statistics.median(theirs):.1f} ms" if program else ""
    print(
        f"load, median of {rounds}: {statistics.median(ours):.2f} ms (least {min(ours):.2f})"
        f"{other}; load average {os.getloadavg()[0]:.1f}"
    )


def instructions(arm, sysroot, counter, pack, cpu):
    with tempfile.TemporaryDirectory() as folder:
        counts = os.path.join(folder, "counts")
        subprocess.run(
            ["qemu-aarch64", "-cpu", cpu, "-L", sysroot, "-d", "plugin", "-D", counts]
            + ["-plugin", f"{counter},symbols=off", arm, "generate", "--model", pack]
            + ["--prompt", "pump", "-n", "1", "--json"],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "LC_MARKS": "1"},
        )
        with open(counts, encoding="utf-8") as file:
            found = re.findall(r"^insn (\d+) total (\d+)", file.read(), re.M)
    return sum(int(n) for tag, n in found if int(tag) < READY)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--arm", nargs=3, metavar=("TOOL", "SYSROOT", "COUNTER"))
    parser.add_argument("--model", default="qwen2.5-0.5b")
    parser.add_argument("--type", default="q4")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--work", default="build/models")
    args = parser.parse_args()
    work = os.path.abspath(args.work)
    files = peer.Models(args.tool, work, args.model)
    source = files.gguf()
    pack = os.path.join(work, f"{args.model}.{args.type}.leaf")
    print(f"{args.model} (random weights), F16")
    packed(args.tool, source, pack, args.type)
    libs = peer.fetch("linux-x64", work)
    program = peer.build("gcc", work, "peer")
    times(args.tool, pack, program, libs, files.q4_0(), args.rounds)
    worst = 0
    for cpu in CPUS if args.arm else []:
        count = instructions(*args.arm, pack, cpu)
        worst = max(worst, count)
        print(f"  {cpu}: {count / 1e6:.2f} million instructions until ready for the first token")
    return worst > INSTRUCTIONS_MAX


if __name__ == "__main__":
    sys.exit(main())
