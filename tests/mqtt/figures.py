#!/usr/bin/env python3
"""How fast and how quiet the daemon is on this machine; prints figures, tests nothing.

usage: figures.py [--lines N] [--idle S] [--threads N]

Latency: from sending a line to dn/text until its record is here, one line at a time, and the same
with a line each 10 ms; broker and clients with TCP_NODELAY. The broker alone, a message to
ourselves and back, is measured likewise: what is left is the daemon. Idle: S seconds connected
without a line.
"""
import argparse
import json
import os
import sys
import threading
import time

import client
import stage


def quantiles(times):
    times = sorted(times)
    p50, p99 = (times[min(len(times) - 1, int(len(times) * part))] for part in (0.5, 0.99))
    return f"p50 {p50 * 1e3:.2f} ms, p99 {p99 * 1e3:.2f} ms, max {times[-1] * 1e3:.2f} ms"


class Echo(client.Client):
    """Publishes on one topic, waits on another."""

    def __init__(self, port, name, to, back):
        self.to, self.came, self.times, self.sent = to, threading.Semaphore(0), [], []
        super().__init__(port, name, [back], on_message=self.note)
        self.wait_ready()

    def note(self, _topic, payload, _retained):
        now, count = time.perf_counter(), 1
        if payload.startswith(b"["):
            count = len(json.loads(payload))
        for _ in range(count):
            self.times.append(now - self.sent[len(self.times)])
            self.came.release()

    def ask(self, text):
        self.sent.append(time.perf_counter())
        self.publish(self.to, text, qos=0)

    def one_by_one(self, count):
        for n in range(count):
            self.ask(stage.line(n))
            if not self.came.acquire(timeout=10):
                raise TimeoutError("no record for a line")
        return self.drop()

    def paced(self, count, every_s):
        begun = time.perf_counter()
        for n in range(count):
            time.sleep(max(0.0, begun + n * every_s - time.perf_counter()))
            self.ask(stage.line(n))
        for n in range(count):
            if not self.came.acquire(timeout=10):
                raise TimeoutError("no record for a line")
        return self.drop()

    def drop(self):
        times, self.times, self.sent = self.times, [], []
        return times


def usage(pid):
    """(CPU seconds, times switched away by waiting, by force) of all threads."""
    waits = forced = nanoseconds = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
            nanoseconds += int(file.read().split()[0])
        waits += stage.memory_kb(f"{pid}/task/{thread}", "voluntary_ctxt_switches")
        forced += stage.memory_kb(f"{pid}/task/{thread}", "nonvoluntary_ctxt_switches")
    return nanoseconds / 1e9, waits, forced


def idle(daemon, seconds):
    pid = daemon.process.pid
    before, rounds = usage(pid), daemon.status()["wakeups"]
    time.sleep(seconds)
    after = usage(pid)
    rounds = daemon.status()["wakeups"] - rounds - 1 # the question itself is one
    print(f"idle {seconds} s: {(after[0] - before[0]) * 100 / seconds:.4f} % of one CPU, "
          f"{(after[1] - before[1]) / seconds:.2f} waits a second, "
          f"{rounds / seconds:.2f} rounds of the loop a second")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--idle", type=int, default=60)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    stage.limit(600)
    real = stage.Mosquitto()
    d = stage.Daemon("bench", f"mqtt://127.0.0.1:{real.port}",
                     config={"threads": {"prefill": options.threads}}).start().wait_ready()
    stage.until(lambda: d.status()["link"]["state"] == "up", 10)
    time.sleep(0.5)
    alone = Echo(real.port, "alone", "alone", "alone")
    print(f"broker alone: {quantiles(alone.one_by_one(options.lines))}")
    alone.close()
    echo = Echo(real.port, "echo", "leafcutter/v1/bench/dn/text",
                "leafcutter/v1/bench/up/res/+")
    echo.one_by_one(50) # warm
    print(f"dn/text to res: {quantiles(echo.one_by_one(options.lines))}")
    print(f"the same, a line each 10 ms: {quantiles(echo.paced(options.lines // 2, 0.01))}")
    status = d.status()
    print(f"kernels {status['level']}, {status['threads']} threads, inference ms "
          f"{status['inference_ms']}")
    time.sleep(2)
    print(f"resident: {d.rss_kb()} kB, of it {d.rss_kb('RssAnon')} kB its own; "
          f"peak {d.rss_kb('VmHWM')} kB; {d.rss_kb('Threads')} threads")
    idle(d, options.idle)
    echo.close()
    d.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
