#!/usr/bin/env python3
"""Hard lines that nobody could be asked about hold through SIGKILL, and their corrections through a
broker and a collector that die: each is asked under one id, answered, collected.

usage: kept.py [--rounds N]    6 kills unless told
"""

import argparse
import json
import os
import signal
import sqlite3
import sys

import stage
from collect import collect, connected
from escalate import SECRETS, Relay, Worker, job_write

DEV = "kept"
LINES = 8


def requests_of(worker):
    """Requests by line: ids and numbers of their tries."""
    found = {}
    for ask in worker.asked:
        found.setdefault(ask["text"].split()[1], []).append((ask["id"], ask["try"]))
    return found


def corrected(path):
    """Lines by (boot, seq) that the collector has a correction of, by upstream."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as base:
        return {
            (boot, seq): json.loads(body)
            for boot, seq, body in base.execute(
                "SELECT boot, seq, body FROM records WHERE rev > 1 AND body ->> 'by' = 'upstream'"
            )
        }


class Life:
    """A daemon that is killed, its lines numbered on."""

    def __init__(self, url):
        # A deadline that no kill comes near to, so that what was asked is still open.
        job = job_write(DEV, deadline_ms=60000)
        self.daemon = stage.Daemon(DEV, url, job=job, broker={"ack": "e2e"})
        self.number = 0

    def start(self):
        self.daemon.start().wait_ready()
        stage.until(lambda: self.daemon.status()["link"]["state"] == "up", 20)

    def feed(self, count):
        lines = [f"drips n{self.number + i} here, SN-48213, John Smith" for i in range(count)]
        self.number += count
        before = self.daemon.status()["records"]["made"]
        self.daemon.feed_all(lines, seconds=30)
        return stage.until(
            lambda: self.daemon.status()["records"]["made"] == before + count, 20, 0.01
        )

    def kill(self):
        self.daemon.process.kill()
        self.daemon.process.wait()


def killed(life, broker, rounds):
    """Lines without a worker; every other life ends while a worker holds its answers back."""
    silent = []
    for number in range(rounds):
        life.start()
        life.feed(LINES)
        if number % 2:
            hold = Worker(broker.port, f"holds{number}", reply=lambda ask: None)
            stage.until(lambda: len(hold.asked) >= 8, 10)  # as many as wait at once
            silent += hold.asked
            hold.state(ready=False)
            hold.close()
        life.kill()
    return silent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2 if stage.SANITIZED else 6)
    rounds = parser.parse_args().rounds
    stage.limit(180)
    broker = stage.Mosquitto()
    relay = Relay(broker.port)
    life = Life(f"mqtt://127.0.0.1:{relay.port}")
    silent = killed(life, broker, rounds)

    store = life.daemon.path("store")
    held = {
        name: open(os.path.join(store, name), "rb").read() for name in sorted(os.listdir(store))
    }
    said = [name for name, data in held.items() for word in SECRETS if word.encode() in data]
    stage.ok(
        "what is kept of them is what may leave of them, no more",
        not said and b"<NAME_1>" in held["questions.journal"],
        said,
    )
    life.start()
    kept = life.daemon.status()["upstream"]["kept"]
    stage.ok(
        f"{rounds} kills: all {life.number} lines still wait",
        kept == life.number,
        life.daemon.status()["upstream"],
    )
    worker = Worker(broker.port)
    stage.until(lambda: life.daemon.status()["upstream"]["kept"] == 0, 30)
    stage.until(lambda: life.daemon.status()["upstream"]["open"] == 0, 30)
    asked = requests_of(worker)
    before = {ask["id"]: ask["text"].split()[1] for ask in silent}
    again = [ask["id"] for ask in worker.asked if ask["id"] in before]
    stage.ok("each is asked, once", len(asked) == life.number == len(worker.asked), len(asked))
    stage.ok("the oldest first", list(asked) == sorted(asked, key=lambda n: int(n[1:])), asked)
    stage.ok(
        "what was asked and not answered is asked again under its id, as its second try",
        len(before) == 8
        and sorted(again) == sorted(before)
        and all(asked[line] == [(one, 2)] for one, line in before.items()),
        (len(again), len(before)),
    )
    status = life.daemon.status()["upstream"]
    stage.ok(
        "each request that left was charged once",
        relay.questions() == status["calls_day"] == len(worker.asked) + len(silent),
        (relay.questions(), status["calls_day"], len(silent)),
    )
    life.kill()
    life.start()
    stage.ok(
        "what was answered does not wait after a kill",
        life.daemon.status()["upstream"]["kept"] == 0 and len(worker.asked) == life.number,
        life.daemon.status()["upstream"],
    )
    collected(life, broker, relay)
    worker.close()
    stage.ok("it leaves when asked", life.daemon.stop() == 0, life.daemon.log())
    return stage.done()


def collected(life, broker, relay):
    """Nobody has collected anything yet, though the broker took all of it; then it dies, too."""
    waiting = life.daemon.status()["records"]["waiting"]
    stage.ok("the broker's word does not deliver corrections", waiting >= 2 * life.number, waiting)
    broker.kill(signal.SIGKILL)
    life.kill()
    broker.start()
    path = os.path.join(stage.folder, "kept.sqlite")
    one = collect(broker.port, path)
    connected(path)
    life.start()
    done = stage.until(lambda: life.daemon.status()["records"]["waiting"] == 0, 60)
    found = corrected(path)
    stage.ok(
        "all corrections are collected, and the device knows",
        done and len(found) == life.number,
        (len(found), life.daemon.status()["records"]),
    )
    one.terminate()
    one.wait()
    stage.note(f"{life.number} lines, {relay.questions()} requests, {len(found)} corrections")


if __name__ == "__main__":
    sys.exit(main())
