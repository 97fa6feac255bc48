#!/usr/bin/env python3
"""Power cuts of a board in QEMU with Debian's kernel: its disk's writes are recorded for a day, the
daemon starts on images as of many cuts, on some of them on the board itself. TAP.

usage: cutboard.py [--images N] [--boots N]    IMAGES, or 80; 2 on the board

As writelog.py, but the ext4 that writes is the board's. On the board itself each start also leaves
the relay at rest until a line moves it, as seen from outside.
LC_VM: folder with kernel and root.cpio; LC_DEBS: the arm64 packages; LC_BUILD: what was built for
this machine.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../mqtt")]
import stage  # noqa: E402
import writelog  # noqa: E402
from machine import Machine  # noqa: E402

RELAY = 5


class Board(Machine):
    """Runs cutguest.sh on a disk; more: of QEMU's arguments."""

    def __init__(self, folder, more, start=False):
        super().__init__(folder, "cutguest.sh")
        os.rename(writelog.job_write(self.work), self.path("job.json"))
        with open(self.path("config.json"), "w", encoding="utf-8") as file:
            json.dump(CONFIG, file)
        if start:
            open(self.path("start"), "w").close()
        self.power_on(500, qemu=more)
        stage.started.append(self.process)


CONFIG = {
    "version": 1,
    "device": {"id": writelog.DEV},
    "broker": {"url": "mqtt://127.0.0.1:1883"},
    "inputs": [{"source": "fifo", "path": "/run/leafcutter/in", "id": "lines"}],
    "job": "/guest/job.json",
    "storage": {"path": "/data/store", "journal_mb": 4},
    "queue": {"outbox_kb": 64, "backlog_per_s": 20000},
    "status": {"socket": "/run/leafcutter/status"},
    "outputs": {"gpio": {"relay": {"chip": "gpiochip0", "line": RELAY}}},
}


def disk_make(folder):
    """A new disk, as it was at first, and the log of its writes."""
    disk, start, logged = (os.path.join(folder, name) for name in ("disk", "start", "log"))
    with open(start, "wb") as file:
        file.truncate(writelog.DISK_BYTES)
    writelog.run("mkfs.ext4", "-q", "-F", "-b", "4096", start)
    shutil.copy(start, disk)
    with open(logged, "wb") as file:
        file.truncate(writelog.LOG_BYTES)
    return disk, start, logged


def day(folder):
    """What the board did: the log, its disk at first, marks, all that came, the log's length when
    the broker came."""
    disk, start, logged = disk_make(folder)
    driver = "driver=blklogwrites,node-name=d0,file.driver=file,log.driver=file,"
    driver += f"file.filename={disk},log.filename={logged},log-sector-size={writelog.SECTOR}"
    board = Board(folder, ["-blockdev", driver, "-device", "virtio-blk-device,drive=d0"])
    log, marks, online = None, [], None
    while board.runs():
        board.pins.watch(0.05)
        if log is None and board.there("mark"):
            log = writelog.Log(logged)
        if online is None and board.there("online"):
            online = log.read_on()
        if board.there("mark"):
            told = json.loads(board.text("mark"))
            certain = (told["journal"]["certain"], told["journal"]["certain_event"])
            marks.append((log.read_on(), told["boot"], *certain))
            os.unlink(board.path("mark"))
    log.read_on()
    truth = received(board.text("received.txt"))
    moved = [level for _, pin, level in board.pins.changes if pin == RELAY]
    # A pulse covers the lines of its 100 ms: at least one in each of the four times it is fed.
    stage.ok(
        "a day of the board: 570 records came, its relay moved and rests",
        board.text("left") == "0\n"
        and len(truth["res"]) == 570
        and moved.count(1) >= 4
        and moved[-1] == 0,
        (board.text("left"), len(truth["res"]), moved, board.text("daemon.log")[-800:]),
    )
    return log, start, marks, truth, online


def received(text):
    """Records and events by (boot, number)."""
    truth = {"res": {}, "event": {}}
    for row in text.splitlines():
        topic, _, payload = row.partition(" ")
        kind = topic.split("/up/")[-1].split("/")[0]
        if kind in truth:
            found = json.loads(payload)
            for one in found if isinstance(found, list) else [found]:
                truth[kind][(one["boot"], one["seq" if kind == "res" else "no"])] = one
    return truth


def starts(folder, image, last):
    """Faults of a start on the board."""
    board = Board(
        folder,
        [
            "-drive",
            f"if=none,id=d0,file={image},format=raw",
            "-device",
            "virtio-blk-device,drive=d0",
        ],
        start=True,
    )
    at_rest = None
    while board.runs():
        board.pins.watch(0.05)
        if at_rest is None and board.there("quiet"):
            at_rest = not [one for one in board.pins.changes if one[1:] == (RELAY, 1)]
    told = json.loads(board.text("told") or "{}")
    moved = [level for _, pin, level in board.pins.changes if pin == RELAY]
    faults = {
        f"left with {board.text('left')}, {board.text('daemon.log')}": board.text("left") != "0\n",
        f"start {told.get('boot')} after {last}": told.get("boot", 0) <= last,
        "its journals cannot be used": told.get("journal", {}).get("state") != "ok",
        "the relay was not at rest": not at_rest,
        f"and then did not move: {moved}": 1 not in moved,
    }
    return [what for what, wrong in faults.items() if wrong]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=int(os.environ.get("IMAGES") or 80))
    parser.add_argument("--boots", type=int, default=2)
    arguments = parser.parse_args()
    stage.limit(800)
    begun = time.monotonic()
    log, start, marks, truth, online = day(stage.folder)
    came = {(kind, key): online for kind, here in truth.items() for key in here}
    broker = stage.Mosquitto(name="cuts", kept="end")
    checker = writelog.Checker(broker, stage.folder, marks, truth, came)
    bad = writelog.check(checker, writelog.Images(log, start), arguments.images)
    stage.ok(
        f"{arguments.images} images of it: each starts, all that was certain is there",
        bad == 0 and checker.sure > 20 * arguments.images,
        f"{bad} bad, {checker.sure} certain",
    )
    boots(log, start, checker, arguments.boots)
    stage.note(f"{time.monotonic() - begun:.0f} s in all")
    return stage.done()


def boots(log, start, checker, count):
    images, chance = writelog.Images(log, start), random.Random(count)
    for i in range(count):
        cut = len(log.entry) * (2 * i + 1) // (2 * count)
        folder = os.path.join(stage.folder, f"boot{i}")
        os.mkdir(folder)
        image = os.path.join(folder, "image")
        images.write(image, cut, chance)
        subprocess.run(["e2fsck", "-p", image], check=False, stdout=subprocess.DEVNULL)
        faults = starts(folder, image, checker.certain(cut)[1])
        stage.ok(
            f"on the board, cut at {cut} of {len(log.entry)}: starts by itself, relay at rest",
            not faults,
            "\n".join(faults),
        )


if __name__ == "__main__":
    sys.exit(main())
