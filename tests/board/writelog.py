#!/usr/bin/env python3
"""What a power cut leaves of the daemon's files on ext4: a day's phases are recorded as the writes
that reach the disk, images as of many cuts are built from them, and the daemon starts on each. TAP.

usage: writelog.py [--images N]    IMAGES, or 8

The disk is a file behind qemu's driver `blklogwrites`; the kernel's ext4 lies on it through a loop
device. An image as of a cut holds all that was written before the last flush; of what came after it
each sector of 512 bytes is there or not by chance (ext4's superblock in whole). While the day is
recorded the daemon is asked again and again what is certain, and how long the log is then: what was
certain so long ago must be in every later image. Of each image:
  - e2fsck -p, as at boot, and ext4 take it; afterwards e2fsck finds nothing
  - the daemon starts on it by itself, under a number that no start before had
  - every record and event that was certain comes, each as it was made; none is made up
  - its next record has the number 1 of its start
The same with a daemon whose syncs do nothing must be found.
Needs root, loop devices and FUSE: says `skipped` without.
"""

import argparse
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../mqtt")]
import client  # noqa: E402
import stage  # noqa: E402

DEV = "cuts"
DISK_BYTES = 48 << 20
LOG_BYTES = 1 << 30
SECTOR = 512
SUPERBLOCK = 2  # and the sector after it go together: torn, e2fsck -p would not mend it
FLUSH, FUA, DISCARD = 1, 2, 4
MAGIC = 0x6A736677736872
BLOCK = 1 << 16


# -- the log of writes --


class Log:
    """Entries of qemu's blklogwrites (the format of dm-log-writes), as far as they are there."""

    def __init__(self, path):
        self.file = open(path, "rb", buffering=0)
        magic, version, _, sector = struct.unpack("<QQQI", self.file.read(28))
        if (magic, version, sector) != (MAGIC, 1, SECTOR):
            raise ValueError(f"{path} is no log of writes")
        self.entry, self.at = [], SECTOR  # (sector, count, flags, where its data lie)

    def read_on(self):
        """Entries so far."""
        while True:
            head = os.pread(self.file.fileno(), 32, self.at)
            sector, count, flags, _ = struct.unpack("<QQQQ", head) if len(head) == 32 else (0,) * 4
            if not count and not flags:
                return len(self.entry)
            self.entry.append((sector, count, flags, self.at + SECTOR))
            self.at += SECTOR + (0 if flags & DISCARD else count * SECTOR)

    def data(self, entry):
        sector, count, flags, at = entry
        if flags & DISCARD:
            return bytes(count * SECTOR)
        return os.pread(self.file.fileno(), count * SECTOR, at)


class Images:
    """Images as of later and later cuts."""

    def __init__(self, log, start):
        with open(start, "rb") as file:
            self.disk = bytearray(file.read())
        self.log, self.sure = log, 0

    def write(self, path, cut, chance):
        """All before the last flush; of the rest what chance keeps. Sectors kept and lost."""
        entries = self.log.entry[:cut]
        flushes = [i for i, (_, _, flags, _) in enumerate(entries) if flags & FLUSH]
        sure = flushes[-1] + 1 if flushes else 0
        for entry in entries[self.sure : sure]:
            begin = entry[0] * SECTOR
            self.disk[begin : begin + entry[1] * SECTOR] = self.log.data(entry)
        self.sure = max(self.sure, sure)
        image, kept, lost = bytearray(self.disk), 0, 0
        for entry in entries[sure:]:
            data, keep = self.log.data(entry), False
            for i in range(entry[1]):
                if entry[0] + i != SUPERBLOCK + 1 or i == 0:
                    keep = entry[2] & FUA or chance.random() < 0.5
                if keep:
                    begin = (entry[0] + i) * SECTOR
                    image[begin : begin + SECTOR] = data[i * SECTOR : (i + 1) * SECTOR]
                    kept += 1
                else:
                    lost += 1
        with open(path, "wb") as file:
            file.truncate(len(image))
            zero = bytes(BLOCK)
            for at in range(0, len(image), BLOCK):
                if image[at : at + BLOCK] != zero:
                    file.seek(at)
                    file.write(image[at : at + BLOCK])
        return kept, lost


# -- the disk --


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Mounted:
    """An ext4 image, mounted."""

    def __init__(self, image, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        done = subprocess.run(
            ["losetup", "-f", "--show", image], check=True, stdout=subprocess.PIPE
        )
        self.device = done.stdout.decode().strip()
        run("mount", "-t", "ext4", self.device, folder)

    def close(self):
        for command in (["umount", self.folder], ["losetup", "-d", self.device]):
            subprocess.run(command, check=False, stderr=subprocess.DEVNULL)


class LoggedDisk:
    """A disk whose writes are recorded: qemu's driver behind a FUSE file."""

    def __init__(self, folder):
        self.start, self.logged = os.path.join(folder, "start.img"), os.path.join(folder, "log")
        self.disk, self.seen = os.path.join(folder, "disk.img"), os.path.join(folder, "disk")
        with open(self.start, "wb") as file:
            file.truncate(DISK_BYTES)
        run("mkfs.ext4", "-q", "-F", "-b", "4096", self.start)
        shutil.copy(self.start, self.disk)
        with open(self.logged, "wb") as file:
            file.truncate(LOG_BYTES)
        open(self.seen, "wb").close()
        self.process = stage.start(
            [
                "qemu-storage-daemon",
                "--blockdev",
                "driver=blklogwrites,node-name=d0,file.driver=file,log.driver=file,"
                f"file.filename={self.disk},log.filename={self.logged},log-sector-size={SECTOR}",
                "--export",
                f"type=fuse,id=e0,node-name=d0,mountpoint={self.seen},writable=on",
            ]
        )
        ready = stage.until(lambda: os.stat(self.seen).st_size == DISK_BYTES, 10)
        if not ready:
            raise OSError("no FUSE")

    def close(self):
        self.process.terminate()
        self.process.wait(20)


# -- a day --


def job_write(folder):
    """Rules alone; some lines are hard, and wait for an upstream that never comes."""
    path = os.path.join(folder, "cuts.json")
    job = {
        "version": 1,
        "job": "cuts",
        "ver": 1,
        "tasks": [
            {
                "task": "fault",
                "labels": [
                    {"name": "leak", "cost_miss": 50, "action": "gpio:relay=1,100ms"},
                    {"name": "normal", "cost_miss": 1},
                ],
                "stages": [
                    {
                        "id": "rules",
                        "type": "rules",
                        "rules": [
                            {"id": "R1", "if": "text ~ /drips/", "label": "leak", "p": 0.99},
                            {"id": "R2", "if": "text ~ /odd/", "label": "normal", "p": 0.4},
                            {"id": "R3", "if": "text ~ /./", "label": "normal", "p": 0.99},
                        ],
                    }
                ],
            }
        ],
        "escalate": {"deadline_ms": 1000, "ttl_s": 604800, "budget": {"calls_per_day": 100}},
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(job, file)
    return path


def line(number):
    kind = "drips" if number % 29 == 0 else "odd" if number % 7 == 0 else "hums"
    return f"pump {number % 5} {kind} at {number % 97} bar, line {number}"


class Marks(threading.Thread):
    """Every few milliseconds: what is certain, and how long the log of writes is then."""

    def __init__(self, daemon, log):
        super().__init__(daemon=True)
        self.device, self.log, self.mark, self.index = daemon, log, [], 0
        self.stop = threading.Event()
        self.start()

    def note(self):
        status = self.device.status()
        if status:
            certain = (status["journal"]["certain"], status["journal"]["certain_event"])
            self.index = self.log.read_on()
            self.mark.append((self.index, status["boot"], *certain))

    def run(self):
        while not self.stop.wait(0.005):
            self.note()

    def end(self):
        self.stop.set()
        self.join()
        self.note()


class Heard(client.Collector):
    """Records and events by (boot, number), and how long the log was, at least, when each came."""

    def __init__(self, port, marks=None):
        self.event, self.came, self.marks, self.asked = {}, {}, marks, 0
        super().__init__(port, session_s=3600)

    def keep(self, topic, payload, retained):
        super().keep(topic, payload, retained)
        kind = topic.split("/up/")[1].split("/")[0]
        if kind not in ("res", "event"):
            return
        found = json.loads(payload)
        for one in found if isinstance(found, list) else [found]:
            key = (one["boot"], one["seq" if kind == "res" else "no"])
            self.came.setdefault((kind, key), self.marks.index if self.marks else 0)
            if kind == "event":
                self.event[key] = one

    def clear(self):
        self.record.clear()
        self.event.clear()
        self.gap.clear()

    def all(self):
        """Once all that the broker has taken so far is here, too."""
        self.asked += 1
        last = str(self.asked).encode()
        self.publish(f"leafcutter/v1/{DEV}/up/last", last)
        stage.until(lambda: last in self.other.get((DEV, "last"), []), 20, 0.005)
        return {"res": dict(self.record[DEV]), "event": dict(self.event)}


def daemon_make(port, store, folder, environment=None):
    return stage.Daemon(
        DEV,
        f"mqtt://127.0.0.1:{port}",
        job=job_write(folder),
        environment=environment,
        config={
            "storage": {"path": store, "journal_mb": 4},
            "queue": {"outbox_kb": 64, "backlog_per_s": 20000},
            "outputs": {"gpio": {"relay": {"chip": "gpiochip9", "line": 5}}},
        },
    )


def made(daemon):
    status = daemon.status()
    return status["records"]["made"] if status else 0


def feed(daemon, count, begin):
    before = made(daemon)
    daemon.feed_all((line(n) for n in range(begin, begin + count)), per_s=400, seconds=60)
    stage.until(lambda: made(daemon) == before + count, 20, 0.01)
    return begin + count


def day(broker, disk, folder, environment=None):
    """First start, records, hours offline, SIGKILL, drain, actions, a good end, another start."""
    at = Mounted(disk.seen, os.path.join(folder, "day"))
    try:
        log = Log(disk.logged)
        daemon = daemon_make(broker.port, os.path.join(at.folder, "store"), folder, environment)
        marks = Marks(daemon, log)
        heard = Heard(broker.port, marks).wait_ready()
        broker.kill(signal.SIGTERM)
        number = phases(daemon, broker)
        marks.end()
        left = daemon.stop()
        truth, came = heard.all(), heard.came
        heard.close()
    finally:
        at.close()
    log.read_on()
    what = "a day" if not environment else "the same without a sync"
    stage.ok(
        f"{what}: all {number} records came, and {len(truth['event'])} events",
        left == 0 and len(truth["res"]) == number and len(truth["event"]) > number / 30,
        (left, len(truth["res"]), len(truth["event"])),
    )
    return log, marks.mark, truth, came


def phases(daemon, broker):
    """How many lines it got. The broker is down when this begins."""
    daemon.start().wait_ready()
    number = feed(daemon, 70, 0)
    number = feed(daemon, 600, number)
    daemon.process.kill()
    daemon.process.wait()
    daemon.start().wait_ready()
    number = feed(daemon, 200, number)
    broker.start()
    stage.until(lambda: daemon.status()["link"]["state"] == "up", 60)
    stage.until(lambda: daemon.status()["records"]["waiting"] == 0, 60)
    number = feed(daemon, 100, number)
    broker.kill(signal.SIGTERM)
    number = feed(daemon, 150, number)
    daemon.stop()
    broker.start()
    daemon.start().wait_ready()
    number = feed(daemon, 30, number)
    stage.until(lambda: daemon.status()["records"]["waiting"] == 0, 60)
    return number


# -- the images --


class Checker:
    """Starts the daemon on each image, hears what it has. sure, there: entries looked for, come."""

    def __init__(self, broker, folder, marks, truth, came):
        self.folder, self.broker = folder, broker
        self.marks, self.truth, self.came = marks, truth, came
        self.at = os.path.join(folder, "at")
        self.heard = Heard(broker.port).wait_ready()
        self.sure, self.there = 0, 0

    def certain(self, cut):
        """Records and events that were certain before the cut, by start; the last start then."""
        most, last = {"res": {}, "event": {}}, 0
        for index, boot, seq, number in self.marks:
            if index <= cut:
                most["res"][boot] = max(most["res"].get(boot, 0), seq)
                most["event"][boot] = max(most["event"].get(boot, 0), number)
                last = max(last, boot)
        return most, last

    def faults(self, image, cut):
        mended = subprocess.run(["e2fsck", "-p", image], check=False, stdout=subprocess.PIPE)
        if mended.returncode > 1:
            return [f"e2fsck -p says {mended.returncode}: " + mended.stdout.decode()]
        try:
            disk = Mounted(image, self.at)
        except subprocess.CalledProcessError as error:
            return ["does not mount: " + error.stderr.decode()]
        try:
            found = self.start_on(os.path.join(self.at, "store"), cut)
        finally:
            disk.close()
        sound = subprocess.run(
            ["e2fsck", "-fn", image], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        return found + ([sound.stdout.decode()] if sound.returncode else [])

    def start_on(self, store, cut):
        self.heard.clear()
        daemon = daemon_make(self.broker.port, store, self.folder)
        daemon.start()
        if not stage.until(daemon.status, 20, 0.01):
            daemon.process.kill()
            return ["does not start: " + daemon.log()[-500:]]
        status = daemon.status()
        stage.until(lambda: daemon.feed(line(1)), 10, 0.001)
        stage.until(lambda: (status["boot"], 1) in self.heard.record[DEV], 20, 0.01)
        stage.until(lambda: daemon.status()["records"]["waiting"] == 0, 30, 0.01)
        found = list(self.compare(cut, status["boot"]))
        if status["journal"]["state"] != "ok" or daemon.said("store-damaged"):
            found.append("its journals cannot be used")
        left = daemon.stop()
        os.unlink(daemon.path("log"))
        return found + ([f"left with {left}"] if left else [])

    def compare(self, cut, boot):
        most, last = self.certain(cut)
        if boot <= last:
            yield f"start {boot} after start {last}"
        got = self.heard.all()
        if (boot, 1) not in got["res"]:
            yield "its next record is not number 1"
        for kind, here in got.items():
            for key, one in here.items():
                self.there += key[0] != boot
                if key[0] != boot and self.truth[kind].get(key) != one:
                    yield f"{kind} {key} was never made so"
            sure = [(b, n) for b, to in most[kind].items() for n in range(1, to + 1)]
            sure = [key for key in sure if self.came.get((kind, key), cut + 1) > cut]
            self.sure += len(sure)
            lost = [key for key in sure if key not in here]
            if lost:
                yield f"{kind} {lost[:4]} of {len(lost)} that were certain are lost"


def can_record():
    """Why it cannot be tried here; empty: it can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("qemu-storage-daemon", "losetup", "mkfs.ext4", "e2fsck"):
        if not shutil.which(program):
            return f"{program} not found"
    free = subprocess.run(["losetup", "-f"], check=False, stdout=subprocess.PIPE, stderr=-3)
    return "" if free.returncode == 0 and os.path.exists("/dev/fuse") else "no loop device or FUSE"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=int(os.environ.get("IMAGES") or 8))
    images = parser.parse_args().images
    why_not = can_record()
    if why_not:
        print(f"ok 1 - images as of power cuts # SKIP {why_not}\n1..1")
        return 0
    stage.limit(180 + 5 * images)
    broker = stage.Mosquitto(name="cuts", kept="end")
    checker, bad = cut(broker, "well", images)
    stage.ok(
        f"{images} images: each starts by itself, all that was certain is there, nothing made up",
        bad == 0 and checker.sure > 20 * images,
        f"{bad} bad, {checker.sure} certain",
    )
    checker, bad = cut(broker, "unsynced", 4, {"LD_PRELOAD": unsynced()})
    stage.ok("a daemon whose syncs do nothing is found", bad > 0)
    return stage.done()


def unsynced():
    """A library with which nothing is synced."""
    path = os.path.join(stage.folder, "unsynced.so")
    text = b"int fsync(int f){return f<0;} int fdatasync(int f){return f<0;}"
    command = os.environ.get("CC", "cc").split()
    subprocess.run(command + ["-shared", "-fPIC", "-xc", "-", "-o", path], input=text, check=True)
    return path


def cut(broker, name, count, environment=None):
    """A day, then so many images of it: the checker, and how many images are bad."""
    folder = os.path.join(stage.folder, name)
    os.mkdir(folder)
    disk = LoggedDisk(folder)
    try:
        log, marks, truth, came = day(broker, disk, folder, environment)
    finally:
        disk.close()
    checker = Checker(broker, folder, marks, truth, came)
    bad = check(checker, Images(log, disk.start), count)
    checker.heard.close()
    return checker, bad


def check(checker, images, count):
    chance, total = random.Random(count), len(images.log.entry)
    image = os.path.join(checker.folder, "image")
    bad, kept, lost, begun = 0, 0, 0, time.monotonic()
    for i in range(count):
        cut = total * i // count + chance.randrange(1, max(2, total // count))
        some = images.write(image, cut, chance)
        kept, lost = kept + some[0], lost + some[1]
        faults = checker.faults(image, cut)
        bad += bool(faults)
        for fault in faults[:3]:
            stage.note(f"cut at {cut} of {total}: {fault}")
    flushes = sum(1 for one in images.log.entry if one[2] & FLUSH)
    stage.note(
        f"{total} writes, {flushes} flushes; of {count} images {checker.sure} certain entries "
        f"looked for, {checker.there} came; unsure sectors kept {kept}, lost {lost}; "
        f"{time.monotonic() - begun:.0f} s"
    )
    return bad


if __name__ == "__main__":
    sys.exit(main())
