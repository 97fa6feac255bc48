#!/usr/bin/env python3
"""A day's lines in minutes: no growth, no leak, and after the start no call of the heap outside
libmosquitto.

usage: soak.py [--lines N] [--valgrind | --leaks]

86,400 lines unless told, a line a second for a day, given as fast as they are taken; meanwhile the
broker goes away three times. Without option the program runs under a counter of heap calls
(heap_count.c); with --valgrind under memcheck; --leaks is for a build with AddressSanitizer.
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

WARM = 0.1               # this part of the lines comes before memory is compared
GROWTH_KB_MAX = 256      # of resident memory besides what the queue came to use
LIVE_BYTES_MAX = 65536   # of growth of the heap
CALLS_PER_MESSAGE = 12   # of libmosquitto; a message is a QoS 1 publication with its answer
LAYOUT = struct.Struct("QQ3QqqQ192Q")
FIELDS = ("armed", "base", "program", "mosquitto", "other", "live", "live_max", "sites")


class HeapCount:
    """The counters of heap_count.c, which this makes and loads before the daemon."""

    def __init__(self):
        self.library = os.path.join(stage.folder, "heap_count.so")
        subprocess.run([os.environ.get("CC", "gcc"), "-D_GNU_SOURCE=", "-O2", "-shared", "-fPIC", "-o",
                        self.library, os.path.join(stage.ROOT, "tests/mqtt/heap_count.c")],
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


def trouble(real, daemon, count, over):
    """Three times during the lines the broker is gone for a second."""
    for part in (3, 5, 7):
        while len(daemon.lines) < count * part // 10 and not over.is_set():
            time.sleep(0.02)
        stage.until(lambda: daemon.status()["link"]["state"] == "up", 60)
        real.kill(signal.SIGTERM)
        time.sleep(1)
        real.start()
    stage.until(lambda: daemon.status()["link"]["downs"] == 3, 10)
    stage.until(lambda: daemon.status()["link"]["state"] == "up", 60)


def run(count, heap=None, command=(), environment=None, growth_kb=GROWTH_KB_MAX):
    real = stage.Mosquitto(name="soak", kept="end")
    collector = client.Collector(real.port, session_s=3600).wait_ready()
    d = stage.Daemon("soak", f"mqtt://127.0.0.1:{real.port}", command=command,
                     environment=heap.environment if heap else environment)
    d.start().wait_ready(60)
    begun, over = time.monotonic(), threading.Event()
    warm = int(count * WARM)
    d.feed_all((stage.line(n) for n in range(warm)), seconds=3600)
    stage.until(lambda: d.status()["records"]["waiting"] == 0, 60)
    before, rss = heap and heap.read(), d.rss_kb()
    if heap:
        heap.arm()
    breaking = threading.Thread(target=trouble, args=(real, d, count, over))
    breaking.start()
    d.feed_all((stage.line(n) for n in range(warm, count)), seconds=7200)
    over.set()
    breaking.join()
    stage.until(lambda: collector.count("soak") + sum(collector.stated("soak")) >= count, 120)
    stage.until(lambda: d.status()["records"]["waiting"] == 0, 60)
    status, rss_after = d.status(), d.rss_kb()
    after = heap and heap.read()
    if heap:
        heap.arm(False)
    took = time.monotonic() - begun
    queue = status["bytes"]["outbox"][0] // 1024
    faults = stage.account(d, collector) + stage.ordered(collector, "soak")
    stage.ok(f"{count} lines: records and stated losses, each once, in order", not faults,
             "\n".join(faults))
    stage.ok(f"resident memory grows less than {growth_kb} kB besides the queue",
             rss_after - rss < growth_kb + queue, f"{rss} kB, then {rss_after} kB; queue {queue} kB")
    stage.ok("three losses of the connection", status["link"]["downs"] == 3, status["link"])
    if heap:
        judge(heap, before, after, status)
    code = d.stop(120)
    stage.ok("leaves when asked, with nothing to complain", code == 0, f"status {code}\n{d.log()}")
    stage.note(f"{count} lines in {took:.0f} s, {sum(collector.stated('soak'))} stated lost, "
               f"{collector.again.get('soak', 0)} twice; {rss} kB resident, then {rss_after} kB")
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
    parser.add_argument("--lines", type=int, default=86400)
    parser.add_argument("--valgrind", action="store_true")
    parser.add_argument("--leaks", action="store_true")
    options = parser.parse_args()
    stage.limit(7200)
    if options.valgrind:
        command = ["valgrind", "-q", "--leak-check=full", "--show-leak-kinds=definite,indirect",
                   "--errors-for-leak-kinds=definite", "--error-exitcode=99"]
        d = run(options.lines, command=command, growth_kb=4096)
        bad = re.findall(r"^==\d+==.*", d.log(), re.M)
        stage.ok("valgrind finds nothing", not bad, "\n".join(bad))
    elif options.leaks:
        run(options.lines, growth_kb=65536, environment={
            "ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=4:" +
                            os.environ.get("ASAN_OPTIONS", "")})
    else:
        run(options.lines, heap=HeapCount())
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
