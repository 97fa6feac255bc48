#!/usr/bin/env python3
"""The deterministic part of the daemon's records is the same, byte for byte, on every CPU and with
every number of threads: all are compared with the tool's records of this machine.

usage: levels.py [--all]

Under an emulator (LC_RUN) the daemon of the tested build reads fewer lines, and is compared with
the tool of another build when LC_NATIVE names its folder. --all: 1,000 lines on every CPU there is,
emulated ones included; it builds what it needs and takes minutes.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys

import client
import stage

LINES, LINES_EMULATED, LINES_REF = 1000, 60, 20
NATIVE = os.path.join(stage.ROOT, os.environ.get("LC_NATIVE", stage.BUILD))
OURS = re.compile(rb'"(?:dev|boot|seq|ts|tq|up|src|ms|in)":(?:"[^"]*"|[0-9.]+),?')
LABELS = re.compile(rb',"labels":\{[^}]*\}')
X86 = ("Nehalem", "Haswell") # plain C, AVX2
ARM = ("cortex-a53", "cortex-a72", "cortex-a76", "max")


def part(record):
    """A record without who, when and how long, and without what only the tool says."""
    return LABELS.sub(b"", OURS.sub(b"", record)).replace(b",}", b"}")


def lines_make(count):
    """Lines that people wrote, odd ones, then numbered ones."""
    found = []
    for name in ("models/triage/demo.txt", "tests/golden/lines.txt", "tests/data/triage-dev.tsv",
                 "tests/data/triage-final.tsv"):
        with open(os.path.join(stage.ROOT, name), "rb") as file:
            found += [line.split(b"\t")[0] for line in file.read().split(b"\n")[:-1]]
    found = [line.rstrip(b"\r") for line in found if len(line) < 4000]
    return (found + [stage.line(n).encode() for n in range(count)])[:count]


def reference(lines, *options):
    """Parts of the records that the tool makes of the lines."""
    run = [] if NATIVE != stage.BUILD else stage.RUN
    out = subprocess.run(
        run + [os.path.join(NATIVE, "leafcutter"), "classify", "--json", *options, "--job",
               os.path.join(stage.ROOT, "models/triage/triage.leaf")],
        input=b"\n".join(lines) + b"\n", stdout=subprocess.PIPE, check=True).stdout
    return [part(record) for record in out.split(b"\n")[:-1]]


class Raw(client.Client):
    """Keeps the records of a device as they came."""

    def __init__(self, port, dev):
        self.record = []
        super().__init__(port, "raw-" + dev, [f"leafcutter/v1/{dev}/up/res/+"],
                         on_message=lambda _topic, payload, _retained: self.record.append(payload))


def daemon_records(broker, dev, lines, threads, daemon=None, run=None, seconds=1800):
    """Parts of the records that a daemon publishes of the lines, one a message."""
    d = stage.Daemon(dev, f"mqtt://127.0.0.1:{broker.port}", daemon=daemon, run=run, config={
        "queue": {"batch": 1, "deadline_ms": 600000},
        "threads": {"prefill": threads}})
    got = Raw(broker.port, dev).wait_ready()
    d.start().wait_ready(60)
    d.feed_all((line.decode("latin-1") for line in lines), seconds=seconds)
    stage.until(lambda: len(got.record) >= len(lines), seconds)
    stage.note(f"{dev}: kernels {d.status()['level']}, inference {d.status()['inference_ms']}")
    d.stop()
    got.close()
    return [part(one) for one in got.record]


def compare(name, want, got):
    wrong = [n for n, pair in enumerate(zip(want, got)) if pair[0] != pair[1]]
    why = f"{len(got)} records of {len(want)}" if len(got) != len(want) else "\n".join(
        f"{n}: {want[n].decode()}\n{n}: {got[n].decode()}" for n in wrong[:3])
    stage.ok(f"{name}: {len(want)} records", not wrong and len(got) == len(want) and want, why)


def emulated(broker, name, lines, want, run, daemon=None, threads=(1,)):
    for count in threads:
        dev = re.sub("[^a-z0-9]", "-", f"{name}-{count}".lower())
        got = daemon_records(broker, dev, lines, count, daemon, run)
        compare(f"daemon, {name}, threads {count}", want[:len(lines)], got)


def make_aarch64():
    """(daemon, sysroot) of the build for boards."""
    cross = ["make", "-s", "-C", stage.ROOT, "CROSS=aarch64-linux-gnu-"]
    subprocess.run(cross + ["all"], check=True, stdout=sys.stderr)
    build, sysroot = [
        subprocess.run(cross + [goal], check=True, stdout=subprocess.PIPE).stdout.decode().strip()
        for goal in ("print-build", "print-sysroot")]
    return os.path.join(stage.ROOT, build, "leafcutterd"), sysroot


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="1,000 lines on every CPU")
    everything = parser.parse_args().all
    stage.limit(14400 if everything else 240)
    broker = stage.Mosquitto()
    lines = lines_make(LINES_EMULATED if stage.RUN else LINES)
    want = reference(lines)
    few = lines if everything else lines[:LINES_REF]
    if stage.RUN: # an emulated tier of the tests
        emulated(broker, stage.RUN[2], lines, want, stage.RUN, threads=(1, 4))
        return stage.done()
    compare("tool, level ref", want[:len(few)], reference(few, "--level", "ref"))
    emulated(broker, "this machine", lines, want, [], threads=(1, 2, 3, 4))
    if shutil.which("qemu-x86_64") and os.uname().machine == "x86_64" and not stage.SANITIZED:
        for cpu in X86:
            emulated(broker, cpu, few, want, ["qemu-x86_64", "-cpu", cpu])
    if everything:
        daemon, sysroot = make_aarch64()
        for cpu in ARM:
            emulated(broker, cpu, lines, want, ["qemu-aarch64", "-cpu", cpu, "-L", sysroot], daemon,
                     (1, 4))
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
