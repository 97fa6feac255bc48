#!/usr/bin/env python3
"""Instructions that a prompt token and a decoded token take on Arm cores, by models of real size.

usage: counts.py TOOL COUNTER.so SYSROOT NATIVE_TOOL [--model NAME]... [--cpu CPU]...
                 [--type TYPE]... [--peer] [--whole] [--hot] [--out FILE]

TOOL is an aarch64 build run by qemu-aarch64, NATIVE_TOOL packs. The models are those of mkmodel.py
with random weights: a prompt of 128 tokens, the last one's logits included, then decoding at that
depth, in million instructions a token. t16 with its 8-bit head has the peer's bits, q4 is T16A.
--peer counts llama.cpp (peer.py) and its Q4_0, too.

Counted are models of one layer and of two; what the second layer adds is taken for each further
one, which layers of equal shape make exact but for what softmax's data decides (--whole counts all
layers: within 0.1 %). Instructions do not depend on what else the machine does; they are not
cycles. What budget.txt knows may be 3 % above it, more fails (exit 1). --hot lists functions.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import peer
from mkmodel import MODELS

HERE = os.path.dirname(os.path.abspath(__file__))
PROMPT, GEN = 128, 4
NAMES = ["smollm2-135m", "qwen2.5-0.5b", "qwen3-0.6b", "gemma3-270m"]
CPUS = ["cortex-a53", "cortex-a72", "cortex-a76", "max"]
LEVELS = dict(zip(CPUS, ["neon53", "neon80", "dot", "i8mm"]))
PEER = "q4_0"  # its type, which is how rows of it are known
# It would use SVE and SME of QEMU's newest core; boards with i8mm have neither so far. It needs
# fewer instructions there in passes of 32 tokens than of 128, so it may have them.
PEER_CPU = {"max": "max,sve-max-vq=1,sme=off"}
PEER_PASS = {"max": 32}
PREFILL, DECODE = 4, 5  # marks (tools/mark.h) that both begin
BUDGET = os.path.join(HERE, "budget.txt")


def budget_read():
    """(model, level, type) -> (prefill, decode)"""
    rows = {}
    with open(BUDGET, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                model, prompt, level, kind, prefill, decode = line.split()
                assert int(prompt) == PROMPT
                rows[model, level, kind] = float(prefill), float(decode)
    return rows


class Counter:
    """Runs programs on emulated cores."""

    def __init__(self, tool, plugin, sysroot, native, work):
        self.tool, self.plugin, self.sysroot = tool, os.path.abspath(plugin), sysroot
        self.native, self.work = native, work

    def run(self, cpu, root, symbols, command):
        """(counts by mark, by mark and function, stdout) of a program."""
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "counts")
            out = subprocess.run(
                ["qemu-aarch64", "-cpu", cpu, "-L", root, "-d", "plugin", "-D", log, "-plugin"]
                + [f"{self.plugin},symbols={'on' if symbols else 'off'}", *command],
                check=True,
                stdout=subprocess.PIPE,
                env={**os.environ, "LC_MARKS": "1"},
            ).stdout
            with open(log, encoding="utf-8") as file:
                text = file.read()
        total = {int(m[1]): int(m[2]) for m in re.finditer(r"^insn (\d) total (\d+)", text, re.M)}
        found = re.finditer(r"^insn (\d) symbol (\S+) (\d+)", text, re.M)
        return total, {(int(m[1]), m[2]): int(m[3]) for m in found}, out

    def ours(self, model, kind, cpu, layers, symbols):
        """Instructions by (mark, function or None for all)."""
        pack = peer.Models(self.native, self.work, model, layers).leaf(kind)
        words = ["--prompt", str(PROMPT), "--gen", str(GEN), "--reps", "1", "--json"]
        total, by_name, out = self.run(
            cpu, self.sysroot, symbols, [self.tool, "bench", "--model", pack, *words]
        )
        level = json.loads(out)["level"]
        assert level == LEVELS[cpu], f"{cpu} runs {level}"
        return {**{(mark, None): n for mark, n in total.items()}, **by_name}

    def theirs(self, model, cpu, layers):
        file = peer.Models(self.native, self.work, model, layers).q4_0()
        libs = peer.fetch("linux-arm64", self.work)
        words = ["count", libs, file, str(PROMPT), str(GEN), str(PEER_PASS.get(cpu, PROMPT))]
        program = os.path.join(self.work, "peer-arm")
        core = PEER_CPU.get(cpu, cpu)
        total, _, _ = self.run(core, "/usr/aarch64-linux-gnu", False, [program, *words])
        return {(mark, None): n for mark, n in total.items()}

    def part(self, model, kind, cpu, layers, symbols):
        if kind == PEER:
            return self.theirs(model, cpu, layers)
        return self.ours(model, kind, cpu, layers, symbols)

    def prepare(self, jobs):
        """Makes files before programs run side by side."""
        if any(kind == PEER for _, kind, _ in jobs):
            peer.build("aarch64-linux-gnu-gcc", self.work, "peer-arm")
        for model, kind in {(model, kind): None for model, kind, _ in jobs}:
            for layers in parts_of(model, self.whole):
                files = peer.Models(self.native, self.work, model, layers)
                files.q4_0() if kind == PEER else files.leaf(kind)

    whole = False


def parts_of(model, whole):
    """Numbers of layers to count with; 0: all of them."""
    return [0] if whole or MODELS[model][1] < 3 else [1, 2]


def extend(model, parts):
    """What the whole model takes, from what one layer and two take."""
    if len(parts) == 1:
        return parts[0]
    one, two = parts
    further = MODELS[model][1] - 1
    keys = one.keys() | two.keys()
    return {k: one.get(k, 0) + further * (two.get(k, 0) - one.get(k, 0)) for k in keys}


def per_token(counts, name=None):
    """(prefill, decode) in millions."""
    return (
        counts.get((PREFILL, name), 0) / PROMPT / 1e6,
        counts.get((DECODE, name), 0) / GEN / 1e6,
    )


def count(counter, jobs, symbols=False):
    """Counts by function of each (model, type, CPU), in order, a run on each core at once."""
    counter.prepare(jobs)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = [
            [
                pool.submit(counter.part, *job, layers, symbols)
                for layers in parts_of(job[0], counter.whole)
            ]
            for job in jobs
        ]
        for job, parts in zip(jobs, tasks):
            yield job, extend(job[0], [part.result() for part in parts])


def hot(counts):
    for title, at, mark in (("prefill", 0, PREFILL), ("decode", 1, DECODE)):
        rows = [(per_token(counts, name)[at], name) for m, name in counts if m == mark and name]
        print(f"  {title}")
        for millions, name in sorted(rows, reverse=True):
            if millions > 0.02:
                print(f"{millions:14.3f}  {name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("counter")
    parser.add_argument("sysroot")
    parser.add_argument("native")
    parser.add_argument("--model", action="append", choices=MODELS)
    parser.add_argument("--cpu", action="append", choices=CPUS)
    parser.add_argument("--type", action="append", choices=["t16", "q4"])
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--hot", action="store_true")
    parser.add_argument("--out")
    parser.add_argument("--work", default="build/models")
    args = parser.parse_args()
    counter = Counter(
        args.tool, args.counter, args.sysroot, args.native, os.path.abspath(args.work)
    )
    counter.whole = args.whole
    budget, over, lines = budget_read(), False, []
    kinds = (args.type or ["t16", "q4"]) + ([PEER] if args.peer else [])
    jobs = [
        (m, kind, cpu) for m in args.model or NAMES for kind in kinds for cpu in args.cpu or CPUS
    ]
    print(f"prompt {PROMPT}: million instructions a token")
    print(f"{'model':12} {'level':6} {'type':5} {'prefill':>8} {'decode':>8}")
    for (model, kind, cpu), counts in count(counter, jobs, args.hot):
        found = per_token(counts)
        most = budget.get((model, LEVELS[cpu], kind))
        worse = most and any(f > 1.03 * m for f, m in zip(found, most))
        over = over or worse
        verdict = "OVER BUDGET" if worse else "ok" if most else ""
        row = "{:6} {:5} {:8.2f} {:8.2f}".format(LEVELS[cpu], kind, *found)
        print(f"{model:12} {row}  {verdict}", flush=True)
        lines.append(f"{model:12} {PROMPT} {row}")
        if args.hot:
            hot(counts)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    return over


if __name__ == "__main__":
    sys.exit(main())
