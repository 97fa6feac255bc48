#!/usr/bin/env python3
"""A day's lines in minutes: no growth, no leak, and after the start no call of the heap outside
libmosquitto.

usage: soak.py [--lines N] [--valgrind]

A day at a line a second is 86,400 lines (`make soak`; 8,000 unless told), given as fast as they are
taken; meanwhile the broker goes away three times. The daemon runs under a counter of heap calls
(heap_count.c), with --valgrind under memcheck; a build with AddressSanitizer finds leaks itself.
"""
import argparse
import mmap
import os
import re
import signal
import struct
import subprocess
import sys
import threading
import time

import client
import stage

WARM = 0.3               # of the lines and one loss of the broker come before memory is compared
GROWTH_KB_MAX = 256      # of resident memory afterwards
OUTBOX_KB = 512          # so small that all of it was in use by then
LIVE_BYTES_MAX = 65536   # of growth of the heap
CALLS_PER_MESSAGE = 12   # of libmosquitto; a message is a QoS 1 publication with its answer
LAYOUT = struct.Struct("QQ3QqqQ192Q")
FIELDS = ("armed", "base", "program", "mosquitto", "other", "live", "live_max", "sites")


class HeapCount:
    """The counters of heap_count.c, which this makes and loads before the daemon."""

    def __init__(self):
        self.library = os.path.join(stage.folder, "heap_count.so")
        subprocess.run([os.environ.get("CC", "gcc"), "-D_GNU_SOURCE=", "-O2", "-shared", "-fPIC",
                        "-o", self.library, os.path.join(stage.ROOT, "tests/mqtt/heap_count.c")],
                       check=True)
        path = os.path.join(stage.folder, "heap")
        with open(path, "wb") as file:
            file.write(bytes(LAYOUT.size))
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), LAYOUT.size)
        self.environment = {"LD_PRELOAD": self.library, "LC_HEAP_FILE": path}

    def arm(self, on=True):
        self.map[0:8] = struct.pack("Q", on)

    def read(self):
        values = LAYOUT.unpack(self.map[:])
        found = dict(zip(FIELDS, values))
        found["stacks"] = [values[at:at + 12] for at in range(len(FIELDS), len(values), 12)
                           if values[at]]
        return found

    @staticmethod
    def places(found):
        """The stacks of calls that should not be, as text."""
        out = []
        for stack in found["stacks"][:5]:
            at = [hex(one - found["base"] - 1) for one in stack if one]
            out.append(subprocess.run(["addr2line", "-sfe", stage.DAEMON, *at], check=False,
                                      stdout=subprocess.PIPE).stdout.decode().replace("\n", " "))
        return "\n".join(out)


def away(real, daemon):
    """The broker is gone for a second."""
    downs = daemon.status()["link"]["downs"]
    stage.until(lambda: daemon.status()["link"]["state"] == "up", 60)
    real.kill(signal.SIGTERM)
    time.sleep(1)
    real.start()
    stage.until(lambda: daemon.status()["link"]["downs"] > downs, 10)


def feed(real, daemon, numbers, breaks):
    """Lines, and the broker's absences at so many places among them."""
    feeding = threading.Thread(target=lambda: daemon.feed_all(
        (stage.line(n) for n in numbers), seconds=7200))
    feeding.start()
    for number in breaks:
        while len(daemon.lines) < number and feeding.is_alive():
            time.sleep(0.02)
        away(real, daemon)
    feeding.join()
    stage.until(lambda: daemon.status()["link"]["state"] == "up", 60)
    stage.until(lambda: daemon.status()["records"]["waiting"] == 0, 120)


def look(daemon, heap):
    status = daemon.status()
    return {"rss": daemon.rss_kb(), "status": status, "heap": heap and heap.read()}


def run(count, heap=None, command=(), environment=None, growth_kb=GROWTH_KB_MAX):
    real = stage.Mosquitto(name="soak", kept="end")
    collector = client.Collector(real.port, session_s=3600).wait_ready()
    d = stage.Daemon("soak", f"mqtt://127.0.0.1:{real.port}", command=command,
                     environment=heap.environment if heap else environment,
                     config={"queue": {"outbox_kb": OUTBOX_KB}})
    d.start().wait_ready(60)
    begun, warm = time.monotonic(), int(count * WARM)
    feed(real, d, range(warm), [warm // 2])
    before = look(d, heap)
    if heap:
        heap.arm()
    feed(real, d, range(warm, count), [count // 2, count * 3 // 4])
    after = look(d, heap)
    if heap:
        heap.arm(False)
    took = time.monotonic() - begun
    stage.until(lambda: collector.count("soak") + sum(collector.stated("soak")) >= count, 60)
    faults = stage.account(d, collector) + stage.tangled(collector, "soak")
    stage.ok(f"{count} lines: records and stated losses, each once, in order", not faults,
             "\n".join(faults))
    grown = after["rss"] - before["rss"]
    stage.ok(f"resident memory grows less than {growth_kb} kB", grown < growth_kb,
             f"{before['rss']} kB, then {after['rss']} kB")
    link = after["status"]["link"]
    stage.ok("three losses of the connection", link["downs"] == 3, link)
    if heap:
        judge(heap, before["heap"], after["heap"], after["status"])
    code = d.stop(120)
    stage.ok("leaves when asked, with nothing to complain", code == 0, f"status {code}\n{d.log()}")
    stage.note(f"{count} lines in {took:.0f} s, {sum(collector.stated('soak'))} stated lost, "
               f"{collector.again.get('soak', 0)} twice; {before['rss']} kB resident, then "
               f"{after['rss']} kB")
    collector.close()
    return d


def judge(heap, before, after, status):
    stage.ok("no call of the heap by the program after the start", after["program"] == 0,
             f"{after['program']} calls\n{heap.places(after)}")
    stage.ok("none by other libraries", after["other"] == 0,
             f"{after['other']} calls\n{heap.places(after)}")
    grown = after["live"] - before["live"]
    stage.ok(f"what lives on the heap grows less than {LIVE_BYTES_MAX} bytes",
             grown < LIVE_BYTES_MAX, f"{before['live']}, then {after['live']}")
    each = after["mosquitto"] / max(1, status["records"]["acked"])
    stage.ok(f"libmosquitto: less than {CALLS_PER_MESSAGE} calls a record",
             0 < each < CALLS_PER_MESSAGE, f"{each:.1f}")
    stage.note(f"{after['mosquitto']} heap calls, all in libmosquitto, {each:.2f} a record; "
               f"{before['live']} bytes lived after the start, {grown:+} since, most "
               f"{after['live_max']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=8000)
    parser.add_argument("--valgrind", action="store_true")
    options = parser.parse_args()
    stage.limit(7200)
    if options.valgrind:
        command = ["valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect",
                   "--errors-for-leak-kinds=definite", "--error-exitcode=99"]
        d = run(options.lines, command=command, growth_kb=4096)
        bad = re.findall(r"^==\d+==.*", d.log(), re.M)
        stage.ok("valgrind finds nothing", not bad, "\n".join(bad))
    elif stage.SANITIZED:
        run(options.lines, growth_kb=65536, environment={
            "ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=4:" +
                            os.environ.get("ASAN_OPTIONS", "")})
    else:
        run(options.lines, heap=HeapCount())
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
