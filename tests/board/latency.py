#!/usr/bin/env python3
"""How long from a pin, and from a line, to an output, on a board in QEMU: a table (`make latency`).

usage: latency.py [ROUNDS]      (60; LC_VM and LC_DEBS as for board.py)

The guest's kernel traces when its interrupt handler for the pin begins, when a line is about to be
written into the FIFO, when the daemon looks at the pin after its debounce time, and when an output
changes. Its clock moves a nanosecond with each instruction (QEMU's icount), so this is what the
kernel and the daemon execute, with the waits that they are told to make; how busy this machine is
does not count.
"""

import re
import sys
import tempfile

import board
from board import DOOR, LAMP, RELAY

TRACING = "/sys/kernel/tracing"
EVENT = re.compile(r"^\s*(\S+)-\d+ .*\s(\d+\.\d+): (\w+): (.*)")


def trace(vm):
    vm.do(
        f"mount -t tracefs tracefs {TRACING}; cd {TRACING}; echo mono > trace_clock;"
        "echo 8192 > buffer_size_kb; echo 1 > events/gpio/gpio_value/enable;"
        "echo 1 > events/irq/irq_handler_entry/enable; cd /guest; touch traced"
    )
    if not vm.wait_for("traced", 60):
        sys.exit("the guest's kernel cannot trace")


def press(vm, rounds):
    for _ in range(rounds):
        vm.pins.set(DOOR, 1)
        vm.changes(RELAY, [1, 0])
        vm.pins.set(DOOR, 0)
        vm.pins.watch(0.2)


def write(vm, rounds):
    line = "echo line > %s/trace_marker; echo motor temp %d C > /run/leafcutter/in; sleep 0.2; "
    both = line % (TRACING, 75) + line % (TRACING, 20)
    vm.do(f"for n in $(seq {rounds // 2}); do {both} done; touch written")
    if not vm.wait_for("written", 200):
        sys.exit("lines are not taken")


def read(vm):
    """[(milliseconds, program, event, what)]"""
    events = "name=leafcutter|gpio_value|tracing_mark_write"
    vm.do(f"grep -E '{events}' {TRACING}/trace > /run/trace; cp /run/trace new; mv new trace.txt")
    vm.wait_for("trace.txt", 60)
    found = map(EVENT.search, vm.text("trace.txt").splitlines())
    return [(float(f[2]) * 1e3, f[1], f[3], f[4]) for f in found if f]


def spans(events):
    """Milliseconds: from the pin to its output, of these after the debounce, from a line."""
    pin, after, line = [], [], []
    irq = looked = mark = None
    for ms, program, kind, what in events:
        if kind == "irq_handler_entry":
            irq, looked = ms, None
        elif kind == "tracing_mark_write":
            mark = ms
        elif irq and program == "leafcutterd" and " get " in what:
            looked = ms
        elif " set " in what and irq:
            pin.append(ms - irq)
            after.append(ms - looked)
            irq = None
        elif " set " in what and mark:
            line.append(ms - mark)
            mark = None
    return pin, after, line


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def measure(rounds):
    with tempfile.TemporaryDirectory(prefix="lc-latency-") as folder:
        vm = board.Board(folder, "-i")
        try:
            if not vm.wait_for("ready", 200):
                sys.exit("the board does not start:\n" + vm.text("console.log"))
            vm.line("motor temp 75 C")
            vm.changes(LAMP, [0])
            trace(vm)
            press(vm, rounds)
            write(vm, rounds)
            return spans(read(vm))
        finally:
            vm.process.kill()


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    names = (
        "a pin's interrupt to the output that its line moves",
        "of it after the debounce",
        "a line written into the FIFO to its output",
    )
    print("| from | n | p50 ms | p99 ms |\n|---|---|---|---|")
    for name, ms in zip(names, measure(rounds)):
        if len(ms) < rounds // 2:
            sys.exit(f"{name}: only {len(ms)} of {rounds} answered")
        print(f"| {name} | {len(ms)} | {percentile(ms, 0.5):.2f} | {percentile(ms, 0.99):.2f} |")


main()
