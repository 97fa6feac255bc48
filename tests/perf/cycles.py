#!/usr/bin/env python3
"""Cycles per 256 multiply-adds of each kernel's loop, by models of four cores. No board is needed.

usage: cycles.py BUILD_FOLDER [LIBS]       BUILD_FOLDER: of an aarch64 build

LIBS is the folder of llama.cpp's libraries for it (peer.py): the loops that they run, by the same
models.

A53 by a53.py; A72, Neoverse N1 (for A76) and N2 (for cores with i8mm) by llvm-mca, if it is there.
LLVM 19 models N1 and N2; its cortex-a72 and cortex-a53 are the A57 and A53 models, and llvm-mca's
in-order stage is of no use here, hence a53.py. Versions below 19 use the A57 model for N1, too:
such figures are marked with `?`. Data is assumed in the first cache.
"""

import os
import re
import shutil
import subprocess
import sys

import a53

OBJDUMP = "aarch64-linux-gnu-objdump"

# function, multiply-adds of one pass of its loop; /a: with the offsets of T16A
KERNELS = {
    "neon53": [("gemm_q4", 1024), ("gemm_q4a", 1024), ("gemv_q4", 512), ("gemv_q4a", 512)],
    "neon80": [
        ("gemm_q4", 1024),
        ("gemm_q4a", 1024),
        ("gemv_q4", 512),
        ("gemv_q4a", 512),
        ("gemm_q8", 512),
        ("gemv_q8", 256),
    ],
    "dot": [
        ("gemm_unpacked", 2048),
        ("gemm_unpacked/a", 2048),
        ("gemm_q4", 1024),
        ("gemm_q4a", 1024),
        ("gemv_q4", 512),
        ("gemv_q4a", 512),
        ("gemm_q8", 512),
        ("gemv_q8", 512),
    ],
    "i8mm": [
        ("gemm_unpacked", 2048),
        ("gemm_unpacked/a", 2048),
        ("gemm_q4", 1024),
        ("gemm_q4a", 1024),
        ("gemm_q8", 512),
    ],
}
# Of llama.cpp v0.5.0, Q4_0: library, function, multiply-adds of one pass, columns.
PEERS = [
    ("armv8.0_1", "ggml_vec_dot_q4_0_q8_0", 64, ("A53", "A72")),
    ("armv8.2_2", "ggml_gemm_q4_0_4x4_q8_0", 2048, ("N1",)),
    ("armv8.2_2", "ggml_gemv_q4_0_4x4_q8_0", 128, ("N1",)),
    ("armv8.6_1", "ggml_gemm_q4_0_4x8_q8_0", 2048, ("N2",)),
    ("armv8.6_1", "ggml_gemv_q4_0_4x8_q8_0", 128, ("N2",)),
]
# column, llvm-mca's name, levels that run there
CORES = [
    ("A53", None, ("neon53", "neon80")),
    ("A72", "cortex-a72", ("neon53", "neon80")),
    ("N1", "neoverse-n1", ("neon80", "neon53", "dot")),
    ("N2", "neoverse-n2", ("dot", "i8mm")),
]
GOAL = {
    ("A53", "neon53", "gemm_q4"): 67,
    ("A72", "neon80", "gemm_q4"): 35.5,
    ("N1", "dot", "gemm_unpacked"): 11.8,
    ("N2", "i8mm", "gemm_unpacked"): 7.9,
}


def disassembly(path):
    """name -> [(address, text)] of every function."""
    out = subprocess.run(
        [OBJDUMP, "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True
    ).stdout
    functions, now = {}, None
    for line in out.splitlines():
        head = re.match(r"^[0-9a-f]+ <(.*)>:$", line)
        row = re.match(r"^\s*([0-9a-f]+):\s+(.*)$", line)
        if head:
            now = functions.setdefault(head[1], [])
        elif row and now is not None:
            text = re.sub(r"\s*//.*", "", row[2]).strip()
            now.append((int(row[1], 16), re.sub(r"\s+", " ", text)))
    return functions


def hot_loop(function, offsets):
    """The longest loop without a branch inside: the instructions up to its backward branch. Of two
    nearly as long, the shorter is the one without T16A's offsets."""
    loops = []
    index = {address: i for i, (address, _) in enumerate(function)}
    for i, (address, text) in enumerate(function):
        jump = re.match(r"^(b|b\.\w+|cbn?z|tbn?z) .*?([0-9a-f]+) <", text)
        if not jump or int(jump[2], 16) > address or int(jump[2], 16) not in index:
            continue
        body = [t for _, t in function[index[int(jump[2], 16)] : i + 1]]
        if any(re.match(r"^(b|b\.\w+|cbn?z|tbn?z|ret) ", t) for t in body[:-1]):
            continue
        loops.append(body)
    longest = max(map(len, loops), default=0)
    loops = [loop for loop in loops if len(loop) > 0.8 * longest]
    return (max if offsets else min)(loops, key=len, default=[])


def mca_program():
    for name in ["llvm-mca-19", *(f"llvm-mca-{v}" for v in range(25, 19, -1)), "llvm-mca"]:
        if shutil.which(name):
            version = subprocess.run([name, "--version"], capture_output=True, text=True).stdout
            return name, int(re.search(r"version (\d+)", version)[1])
    return None, 0


def mca_cycles(program, cpu, loop):
    lines = [re.sub(r" [0-9a-f]+ <.*>$", " .L0", text) for text in loop]
    source = ".L0:\n" + "\n".join(lines) + "\n"
    run = subprocess.run(
        [program, "-mtriple=aarch64-linux-gnu", f"-mcpu={cpu}", "-iterations=100"],
        input=source,
        capture_output=True,
        text=True,
    )
    found = re.search(r"^Total Cycles:\s+(\d+)", run.stdout, re.M)
    return int(found[1]) / 100 if found else None


class Models:
    """Cycles of a loop on each core."""

    def __init__(self):
        self.program, self.version = mca_program()

    def cycles(self, cpu, loop):
        if not loop:
            return None
        if cpu is None:
            return a53.cycles(loop)
        return mca_cycles(self.program, cpu, loop) if self.program else None

    def row(self, loop, macs, runs_on):
        """(instructions, {core: cycles}) per 256 multiply-adds; runs_on(core, levels)."""
        found = {}
        for core, cpu, levels in CORES:
            value = self.cycles(cpu, loop) if runs_on(core, levels) else None
            found[core] = value and value * 256 / macs
        return len(loop) * 256 / macs, found


def ours(models, build):
    """(kernel, level, instructions, {core: cycles}) of each; 0 instructions: no loop was found."""
    for level, kernels in KERNELS.items():
        for kernel, macs in kernels:
            width = "q8" if "q8" in kernel else "q4"
            name = kernel.removesuffix("/a")
            functions = disassembly(os.path.join(build, "kernels", f"{width}_{level}.o"))
            loop = hot_loop(functions.get(f"lc_{name}_{level}", []), kernel != name)
            yield kernel, level, *models.row(loop, macs, lambda _, levels: level in levels)


def theirs(models, libs):
    """The same of llama.cpp's loops."""
    for library, name, macs, cores in PEERS:
        functions = disassembly(os.path.join(libs, f"libggml-cpu-{library}.so"))
        loop = hot_loop(functions.get(name, []), False)
        yield name, library, *models.row(loop, macs, lambda core, _: core in cores)


def cell(models, core, level, kernel, value):
    goal = GOAL.get((core, level, kernel))
    doubt = "?" if models.version < 19 and core in ("N1", "N2") else ""
    text = "-" if value is None else f"{value:.1f}{doubt}"
    return f"{text} (goal {goal})" if goal else text


def main():
    models = Models()
    print(
        f"cycles per 256 multiply-adds; A72, N1, N2: {models.program or 'llvm-mca not found'}"
        f"{f' of LLVM {models.version}' if models.program else ''}"
    )
    print(f"{'kernel':34}{'insns':>7}" + "".join(f"{core[0]:>18}" for core in CORES))
    missing = False
    rows = [*ours(models, sys.argv[1]), *(theirs(models, sys.argv[2]) if sys.argv[2:] else [])]
    for kernel, level, insns, found in rows:
        missing = missing or not insns
        cells = [cell(models, core, level, kernel, found[core]) for core, _, _ in CORES]
        print(f"{kernel + ' ' + level:34}{insns:7.1f}" + "".join(f"{c:>18}" for c in cells))
    sys.exit("a kernel's loop was not found" if missing else 0)


if __name__ == "__main__":
    main()
