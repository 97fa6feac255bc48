#!/usr/bin/env python3
"""Bytes of stack that the library's entry points take at most, its callees included.

usage: stack.py PROGRAM [OBJDUMP]      of an aarch64 build

Read off the code: what each function takes from the stack pointer, and the deepest chain of calls.
A call through a pointer reaches any kernel of any level, or what TASKS says; what a caller hands in
(threads, a sink) is its own to count.
"""

import re
import subprocess
import sys

ENTRIES = [
    "lc_model_open",
    "lc_job_open",
    "lc_tok_encode",
    "lc_net_init",
    "lc_net_run",
    "lc_net_run_tree",
    "lc_net_logits",
    "lc_net_pool",
    "lc_net_classify",
    "lc_job_run",
    "lc_record_write",
    "lc_matmul",
]
KERNEL = re.compile(r"lc_\w+_(v4|ref|neon80|neon53|dot|i8mm)$")
TASKS = {
    "lc_net_multiply": ["products_task"],
    "lc_net_low_set": ["lower_task"],
    "lc_net_share": ["stem_task", "branch_task", "products_task", "lower_task"],
    "lc_net_run_forest": ["pool_sink", "score_lines"],
    "lc_net_run_wanted": ["pool_sink"],
    "lc_pack_run": ["run_heads", "run_labels"],
    "run_together": ["run_heads", "run_labels"],
}
TAKES = re.compile(r"sub\s+sp, sp, #(0x[0-9a-f]+|\d+)(, lsl #12)?|\[sp, #-(\d+)\]!")
WIDE = re.compile(r"mov\s+(x\d+), #(0x[0-9a-f]+|\d+)")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Function:
    def __init__(self, name):
        self.name, self.frame, self.calls, self.indirect = name, 0, set(), False


def functions_of(listing):
    """Functions by address."""
    found, current, wide = {}, None, {}
    for line in listing.splitlines():
        head = re.match(r"([0-9a-f]+) <(.+)>:$", line)
        if head:
            current, wide = Function(head[2]), {}
            found[int(head[1], 16)] = current
            continue
        words = line.split(None, 1)
        if len(words) < 2 or not words[0].endswith(":") or current is None:
            continue
        text = words[1]
        taken, number = TAKES.search(text), WIDE.match(text)
        if taken:
            size = int(taken[1] or taken[3], 0)
            current.frame += size << (12 if taken[2] else 0)
        if number:
            wide[number[1]] = int(number[2], 0)
        taken = re.match(r"sub\s+sp, sp, (x\d+)", text)
        if taken:
            current.frame += wide[taken[1]]
        call = re.match(r"(bl|b)\s+([0-9a-f]+) <([^+>]+)>", text)
        if call:
            current.calls.add(int(call[2], 16))
        current.indirect |= bool(re.match(r"(blr|br)\s", text))
    return found


class Stack:
    def __init__(self, functions):
        self.functions, self.known = functions, {}
        self.named = {}
        for at, f in functions.items():
            self.named.setdefault(f.name, []).append(at)
        self.kernels = {at for at, f in functions.items() if KERNEL.match(f.name)}

    def callees(self, f):
        found = set(f.calls)
        if f.indirect and not KERNEL.match(f.name):
            found |= self.kernels
            found |= {at for n in TASKS.get(f.name, []) for at in self.named.get(n, [])}
        return found & set(self.functions)

    def deepest(self, at):
        """(bytes, names) of the deepest chain that begins with a function."""
        if at not in self.known:
            f = self.functions[at]
            chains = [self.deepest(c) for c in self.callees(f) if c != at]
            below = max(chains, key=lambda chain: chain[0], default=(0, []))
            self.known[at] = f.frame + below[0], [f.name, *below[1]]
        return self.known[at]


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__.split("\n\n")[1])
    objdump = sys.argv[2] if len(sys.argv) == 3 else "aarch64-linux-gnu-objdump"
    stack = Stack(
        functions_of(run(objdump, "-d", "--no-show-raw-insn", "-j", ".text", sys.argv[1]))
    )
    for name in ENTRIES:
        size, chain = stack.deepest(stack.named[name][0])
        print(f"{name:18} {size:6}  {' > '.join(chain[1:])}")


if __name__ == "__main__":
    main()
