#!/usr/bin/env python3
"""A card is copied to another board: what each board reports is its own.

usage: clones.py

Boards are told apart by a file that stands for /proc/device-tree/serial-number.
"""

import os
import shutil
import sys

import client
import stage

ID = "pi4-{serial}"
LINES = 60


def board(name, serial, url, device_id=ID):
    """A daemon in a folder of its own, on a board with this serial number."""
    d = stage.Daemon(name, url)
    path = d.path("serial-number")
    with open(path, "wb") as file:
        file.write(serial.encode() + b"\0")
    d.config["device"] = {"id": device_id, "serial_file": path}
    d.dev = device_id.replace("{serial}", serial[-8:])
    return d


def answered(daemon, count):
    stage.until(lambda: daemon.status()["records"]["made"] >= count, 30)


def feed(daemon, first, count):
    daemon.feed_all((stage.line(n) for n in range(first, first + count)), seconds=60)


def idle(daemon):
    return stage.until(lambda: daemon.status()["records"]["waiting"] == 0, 60)


def copy(of, to):
    """What the card of one board holds, on the other's."""
    shutil.rmtree(to.path("store"), ignore_errors=True)
    shutil.copytree(of.path("store"), to.path("store"))


def told(collector, dev, word):
    """Log messages of a device with this code."""
    found = collector.other.get((dev, "log/warning"), [])
    return [one for one in found if f'"{word}"'.encode() in one]


def copied(real, collector, url):
    """An id of the board's own: the copy is another device from its first start on."""
    first = board("first", "10000000aaaa1111", url)
    real.kill()
    first.start().wait_ready()
    feed(first, 0, LINES)
    answered(first, LINES)
    first.stop()
    second = board("second", "10000000bbbb2222", url)
    copy(first, second)
    real.start()
    collector.wait_ready()
    second.start().wait_ready()
    feed(second, 1000, LINES)
    idle(second)
    stage.until(lambda: collector.count(second.dev) >= LINES, 20)
    first_salt = first.salt()
    stage.ok(
        "a copied card: its own id, counted from its own first start, its own salt",
        sorted(collector.record.get(second.dev, {})) == [(1, n) for n in range(1, LINES + 1)]
        and second.salt() != first_salt
        and second.status()["dev"] == second.dev,
        f"{collector.count(second.dev)} {second.status()['boot']} {second.log()}",
    )
    faults = stage.account(second, collector)
    stage.ok("and nothing of the other's backlog", not faults, "\n".join(faults))
    stage.ok(
        "none of the first device's records came by the second",
        collector.count(first.dev) == 0 and not collector.differ,
        collector.record.keys(),
    )
    stage.ok("what the first had is set aside", os.path.exists(second.path("store/former/state")))
    stage.ok(
        "it is said once, in the log and to the broker",
        len(second.said("moved-in")) == 1
        and stage.until(lambda: len(told(collector, second.dev, "moved-in")) == 1, 10),
        second.log() + str(collector.other.keys()),
    )
    second.stop()
    second.start().wait_ready()
    stage.ok(
        "the next start is an ordinary one",
        second.status()["boot"] == 2 and len(second.said("moved-in")) == 1,
        second.log(),
    )
    stage.ok("and leaves when asked", second.stop() == 0)
    first.start().wait_ready()
    idle(first)
    stage.until(lambda: collector.count(first.dev) >= LINES, 20)
    faults = stage.account(first, collector)
    stage.ok("the first board reports its backlog itself, all of it", not faults, "\n".join(faults))
    first.stop()


def fixed(collector, url):
    """An id that is written in the config: the copy does not come up with it."""
    first = board("fixed-a", "10000000aaaa1111", url, "fixed").start().wait_ready()
    feed(first, 0, 5)
    idle(first)
    first.stop()
    second = board("fixed-b", "10000000bbbb2222", url, "fixed")
    copy(first, second)
    codes = []
    for _ in range(2):
        second.start()
        codes.append(second.stopped())
    stage.ok(
        "a fixed id on another board: exit 4 each time, and why",
        codes == [4, 4] and "{serial}" in second.log() and "--adopt" in second.log(),
        f"{codes} {second.log()}",
    )
    second.command.append("--adopt")
    second.start().wait_ready()
    feed(second, 100, 5)
    idle(second)
    stage.until(lambda: collector.count("fixed") >= 10, 20)
    keys = sorted(collector.record["fixed"])
    stage.ok(
        "adopted, as the card was moved: it goes on counting",
        keys == [(1, n) for n in range(1, 6)] + [(2, n) for n in range(1, 6)],
        keys,
    )
    second.stop()
    second.command.remove("--adopt")
    stage.ok("and is this board's from then on", second.start().wait_ready().status()["boot"] == 3)
    second.stop()


def main():
    stage.limit(120)
    real = stage.Mosquitto()
    collector = client.Collector(real.port)
    url = f"mqtt://127.0.0.1:{real.port}"
    copied(real, collector, url)
    fixed(collector, url)
    collector.close()
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
