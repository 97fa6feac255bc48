#!/usr/bin/env python3
"""Records a second at QoS 1, from the daemon through a broker to a subscriber, beside what
libmosquitto alone (publish_all.c) does with the same records, one in a message, on the same broker.

usage: rate.py [--lines N] [--turns N]    20,000 lines, 3 turns unless told; the best turn counts

Judged are records that are made already, since the broker was away: with messages of up to 16
records, as shipped, and of one. Told besides: lines as they come, answered by one rule (the model
is not what is measured), each through the inbox, the worker and the journal.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time

import stage

HERE = os.path.dirname(os.path.abspath(__file__))
TOPIC = "leafcutter/v1/rate/up/res/fault"
SHARE = 0.70  # of libmosquitto's own, at least


def job_write():
    """One rule that every line fits."""
    rule = {"id": "R1", "if": "text ~ /./", "label": "normal", "p": 0.99}
    task = {
        "task": "fault",
        "labels": [{"name": "normal"}, {"name": "leak"}],
        "stages": [{"id": "rules", "type": "rules", "rules": [rule]}],
    }
    path = os.path.join(stage.folder, "rate.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"version": 1, "job": "pump", "ver": 3, "tasks": [task]}, file)
    return path


class Subscriber:
    """mosquitto_sub with a session, and a thread that counts the records in what it writes."""

    COMMAND = [
        "mosquitto_sub",
        "-h",
        "127.0.0.1",
        "-q",
        "1",
        "-V",
        "5",
        "-c",
        "-i",
        "counter",
        "-x",
        "600",
        "-t",
        TOPIC,
    ]

    def __init__(self, port):
        self.count, self.first, self.last = 0, None, None
        self.process = stage.start(self.COMMAND + ["-p", str(port)], stdout=subprocess.PIPE)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @classmethod
    def subscribe(cls, port):
        """Makes the session: what comes from now on is kept for it."""
        subprocess.run(cls.COMMAND + ["-p", str(port), "-E"], check=True)

    def run(self):
        held = b""
        while data := os.read(self.process.stdout.fileno(), 1 << 18):
            held += data
            cut = held.rfind(b"\n") + 1
            self.count += held[:cut].count(b'"seq":')
            held = held[cut:]
            self.last = time.monotonic()
            self.first = self.first or self.last

    def wait(self, count):
        """Records a second, from the first to the last that came."""
        if not stage.until(lambda: self.count >= count, 120, 0.01):
            raise TimeoutError(f"{self.count} of {count} records came")
        self.process.kill()
        self.process.wait()
        self.thread.join()
        return count / (self.last - self.first)


def feed(daemon, lines):
    with open(lines, "rb") as file, open(daemon.fifo, "wb") as fifo:
        subprocess.run(["cat"], stdin=file, stdout=fifo, check=True)


def daemon_make(port, batch):
    queue = {"batch": batch, "outbox_kb": 16384, "backlog_per_s": 100000}
    url = f"mqtt://127.0.0.1:{port}"
    return stage.Daemon("rate", url, job=job_write(), config={"queue": queue})


def alone(real, records, count):
    sub = Subscriber(real.port)
    with open(records, "rb") as lines:
        subprocess.run(
            [os.path.join(stage.folder, "publish_all"), str(real.port), TOPIC],
            stdin=lines,
            check=True,
        )
    return sub.wait(count)


def waiting(real, lines, count, batch):
    real.kill(signal.SIGTERM)  # it keeps the session
    d = daemon_make(real.port, batch).start().wait_ready()
    feed(d, lines)
    stage.until(lambda: d.status()["records"]["made"] >= count, 60)
    real.start()
    pace = Subscriber(real.port).wait(count)
    d.stop()
    return pace


def coming(real, lines, count):
    d = daemon_make(real.port, 16).start().wait_ready()
    stage.until(lambda: d.status()["link"]["state"] == "up", 10)
    sub = Subscriber(real.port)
    feed(d, lines)
    pace = sub.wait(count)
    d.stop()
    return pace


def files_make(real, count):
    """Lines, and the records that the daemon makes of them, one in a line."""
    lines, records = (os.path.join(stage.folder, name) for name in ("lines", "records"))
    with open(lines, "w", encoding="ascii") as file:
        file.writelines(stage.line(number) + "\n" for number in range(count))
    d = daemon_make(real.port, 1).start().wait_ready()
    feed(d, lines)
    with open(records, "wb") as file:
        command = Subscriber.COMMAND + ["-p", str(real.port), "-C", str(count)]
        subprocess.run(command, stdout=file, check=True)
    d.stop()
    return lines, records


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=20000)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    stage.limit(600)
    subprocess.run(
        [os.environ.get("CC", "gcc"), "-O2", os.path.join(HERE, "publish_all.c")]
        + ["-o", os.path.join(stage.folder, "publish_all"), "-lmosquitto"],
        check=True,
    )
    count, real = options.lines, stage.Mosquitto(kept="end")
    Subscriber.subscribe(real.port)
    lines, records = files_make(real, count)
    ways = {
        "libmosquitto alone": lambda: alone(real, records, count),
        "messages of up to 16": lambda: waiting(real, lines, count, 16),
        "messages of one": lambda: waiting(real, lines, count, 1),
        "lines as they come": lambda: coming(real, lines, count),
    }
    best = dict.fromkeys(ways, 0.0)
    for _ in range(options.turns):
        for name, way in ways.items():
            best[name] = max(best[name], way())
    own = best["libmosquitto alone"]
    for name, pace in best.items():
        stage.note(f"{name}: {pace:.0f} records a second, {pace / own:.2f}")
    for name in ("messages of up to 16", "messages of one"):
        stage.ok(f"{name}: at least {SHARE} of libmosquitto alone", best[name] >= SHARE * own)
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
