#!/usr/bin/env python3
"""A board in QEMU with Debian's kernel: the package installs, pins trigger and labels move pins, as
seen from outside the guest. TAP.

LC_VM: folder with kernel and root.cpio (made by `make check-board`); LC_DEBS: the arm64 packages.
"""

import json
import os
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../mqtt")]
import hear  # noqa: E402
from machine import Machine  # noqa: E402

DOOR, SEEN, SERVICE, RELAY, LAMP, HELD = 2, 1, 0, 5, 6, 7
RATE = 48000
tests = 0
failed = 0


def check(name, good, why=""):
    global tests, failed
    tests += 1
    failed += not good
    print(f"{'ok' if good else 'not ok'} {tests} - {name}")
    if not good and why:
        print("\n".join("# " + line for line in str(why).splitlines()[-30:]))
    sys.stdout.flush()


class Board(Machine):
    def __init__(self, folder, *options):
        super().__init__(folder, "guest.sh")
        for name in ("job.json", "config.json"):
            shutil.copy(os.path.join(HERE, name), self.work)
        self.power_on(280, options=options)

    def wait_for(self, name, seconds):
        self.pins.watch(seconds, lambda _: self.there(name))
        return self.there(name)

    def do(self, script):
        """Shell commands, in the guest: see guest.sh."""
        self.pins.watch(20, lambda _: not os.path.exists(self.path("do")))
        with open(self.path("do.new"), "w") as file:
            file.write(script + "\n")
        os.rename(self.path("do.new"), self.path("do"))

    def line(self, text):
        self.do(f"echo '{text}' > /run/leafcutter/in")

    def said(self, text, seconds=30, times=1):
        self.pins.watch(seconds, lambda _: self.text("daemon.log").count(text) >= times)
        return self.text("daemon.log").count(text) >= times

    def changes(self, pin, expected, seconds=15):
        """The changes of a pin from now on, once there are as many as expected."""
        start = len(self.pins.of(pin))

        def seen(pins):
            return len(pins.of(pin)) - start >= len(expected)

        self.pins.watch(seconds, seen)
        return self.pins.of(pin)[start:]


def sounds(board):
    """An alarm that goes on; its daemon stopped for a while, its card unplugged."""
    pins = board.pins
    board.line("gas")
    board.do("sleep 2; kill -STOP $daemon; sleep 1; kill -CONT $daemon")
    pins.watch(5)
    pins.set(SEEN, 1)
    ran_empty = board.said("ran empty")
    check("a loudspeaker that runs empty is told", ran_empty, board.text("daemon.log"))
    pins.set(SEEN, 0)
    board.do("kill $ear; wait $ear; listen again.raw; ear=$!")
    card = "/sys/bus/platform/drivers/snd_aloop"
    board.line("gas")
    board.do(f"sleep 2; echo snd_aloop.0 > {card}/unbind")
    away = board.said("sound: device hw:Loopback,0: has gone; trying again")
    check("a card that is unplugged is told", away, board.text("daemon.log"))
    board.line("motor temp 81 C")
    got = board.changes(LAMP, [0])
    check("and stops nobody", got == [0], got)
    board.do(f"echo snd_aloop.0 > {card}/bind")
    check(
        "plugged in it plays again",
        board.said("sound: device hw:Loopback,0: there"),
        board.text("daemon.log"),
    )
    pins.set(SEEN, 1)
    pins.watch(1)
    pins.set(SEEN, 0)
    board.line("motor temp 81 C")
    board.changes(LAMP, [0])


def chip_removed(board):
    """The chip taken from its driver while the daemon holds its lines, and given back."""
    driver = "/sys/bus/amba/drivers/pl061_gpio"
    by_number = ("door", "service")
    by_label = ("relay", "lamp", "held", "seen")
    lost = len(board.text("daemon.log"))
    board.do(f"echo 9030000.pl061 > {driver}/unbind; ls /dev/gpiochip* > chips.txt 2>&1")

    def all_of(names, what):
        log = board.text("daemon.log")[lost:]
        return all(f"pin {name}{what}" in log for name in names)

    board.pins.watch(40, lambda _: all_of(by_label + by_number, " ("))
    check(
        "a chip that is taken away is told, of each of its lines",
        all_of(by_label + by_number, " (") and "No such file" in board.text("chips.txt"),
        board.text("daemon.log")[lost:] + board.text("chips.txt"),
    )
    board.line("motor temp 84 C in the dark")
    board.pins.watch(20, lambda _: "in the dark" in board.text("received.txt"))
    check(
        "lines are classified without it",
        "in the dark" in board.text("received.txt"),
        board.text("received.txt")[-1000:],
    )
    board.do(f"echo 9030000.pl061 > {driver}/bind")
    # By its number only if it has the same one: Debian 12's kernel keeps that of a chip whose lines
    # were held, for ever.
    board.pins.watch(60, lambda _: all_of(by_label, ": there"))
    check(
        "given back, each line whose chip is named by its label is taken again",
        all_of(by_label, ": there"),
        board.text("daemon.log")[lost:],
    )
    check("at the level that is wanted", board.pins.of(LAMP)[-1:] == [0], board.pins.changes)
    board.pins.set(SEEN, 1)
    got = board.changes(LAMP, [1])
    check("and a pin acknowledges again", got[-1:] == [1], got)
    board.pins.set(SEEN, 0)
    board.line("motor temp 81 C")
    board.changes(LAMP, [0])


def heard(board):
    """What the loudspeaker played, as the other end of the loop recorded it."""
    with open(board.path("alarm.raw"), "rb") as file:
        samples = hear.samples_of(file.read())
    loud = hear.pulses(samples, RATE)
    check(
        "the alarm's tone was heard: three pulses of 100 ms",
        len(loud) > 3 and all(80 <= length <= 130 for _, length in loud[:3]),
        loud,
    )
    start = loud[0][0] * RATE // 1000
    pitch = hear.pitch(samples[start : start + RATE // 10], RATE, range(800, 961, 10))
    check("at 880 Hz", pitch == 880, pitch)
    siren = [length for start, length in loud[3:]]
    check(
        "the siren was interrupted, and silent once acknowledged", 2000 < sum(siren) < 20000, loud
    )


def audited(board):
    """What was done and why, as the device itself lists it."""
    board.do("leafcutter audit --json > audit.txt 2>&1; echo $? > audit.status")
    board.wait_for("audit.status", 40)
    entries = [json.loads(one) for one in board.text("audit.txt").splitlines() if one[:1] == "{"]

    def has(**want):
        return [e for e in entries if all(e.get(key) == value for key, value in want.items())]

    pulse = has(what="gpio:relay=1,700ms", result="done", cause="record", label="alarm")
    check("the audit names the record that moved a pin", pulse and pulse[0]["seq"] > 0, entries)
    check("who acknowledged", has(what="acknowledge", cause="input", by="seen"), entries)
    check("and what that put to rest", has(what="lamp", result="rest", by="seen"), entries)
    service = [e["result"] for e in has(kind="switch", what="maintenance", by="service")]
    check("maintenance, begun and ended", service == ["on", "off"], entries)
    check("and what it held back", has(what="gpio:lamp=1", result="paused"), entries)


def run(board):
    ready = board.wait_for("ready", 200)
    check(
        "the board boots and the daemon starts",
        ready,
        board.text("daemon.log") + board.text("console.log"),
    )
    if not ready:
        return
    check("dpkg installs the package", board.text("dpkg.status") == "0\n", board.text("dpkg.log"))
    check("which makes the user", "(dialout)" in board.text("user.txt"), board.text("user.txt"))
    check("the config is sound", board.text("check.status") == "0\n", board.text("check.log"))
    check(
        "the root is read-only",
        board.text("read-only.txt").count("Read-only file system") == 2,
        board.text("read-only.txt"),
    )
    doctor = board.text("doctor.txt")
    check(
        "doctor is content with storage that can be written, and not with the root",
        "/var/lib/leafcutter: " in doctor
        and "Read-only file system" in doctor
        and doctor.count("read-only root") == 1,
        doctor,
    )
    check(
        "and finds chips by their label",
        "relay: chip 9030000.pl061 line 5" in doctor
        and "absent: /dev/gpiochip7: No such" in doctor,
        doctor,
    )
    pins = board.pins
    pins.watch(2)
    check(
        "outputs begin at their safe level",
        pins.of(RELAY)[-1:] in ([], [0]) and pins.of(LAMP)[-1:] == [1],
        pins.changes,
    )

    pins.set(DOOR, 1)
    start = time.monotonic()
    got = board.changes(RELAY, [1, 0])
    check("a pin triggers a line, its label pulses the relay", got == [1, 0], got)
    if len(got) == 2:
        times = [t for t, pin, _ in pins.changes if pin == RELAY][-2:]
        print(
            f"# pin to relay {1000 * (times[0] - start):.0f} ms, pulse "
            f"{1000 * (times[1] - times[0]):.0f} ms (emulated)"
        )
        check("the pulse lasts 700 ms", 0.6 < times[1] - times[0] < 2.0, times)
    before = len(pins.of(RELAY))
    for level in (0, 1, 0, 1, 0, 1):  # bounces
        pins.set(DOOR, level)
    pins.watch(3)
    check("bounces are one press", len(pins.of(RELAY)) == before, pins.changes)
    pins.set(DOOR, 0)

    board.line("motor temp 75 C")
    got = board.changes(LAMP, [0])
    check("a line lights the lamp (active low)", got == [0], got)
    pins.set(SEEN, 1)
    got = board.changes(LAMP, [1])
    check("a pin acknowledges: the lamp goes out", got == [1], got)
    pins.set(SEEN, 0)
    pins.watch(1)
    pins.set(SERVICE, 1)
    pins.watch(2)
    before = len(pins.changes)
    board.line("motor temp 80 C")
    pins.watch(4)
    check("in maintenance nothing acts", len(pins.changes) == before, pins.changes[before:])
    pins.set(SERVICE, 0)
    pins.watch(2)
    board.line("motor temp 81 C")
    got = board.changes(LAMP, [0])
    check("after it labels act again", got == [0], got)
    audited(board)

    log = board.text("daemon.log")
    check(
        "a line held by another program is told",
        "pin held" in log and "another program holds it" in log,
        log,
    )
    check("a chip that is not there is told", "pin absent" in log and "no such chip" in log, log)
    board.do("kill $holder")
    there = board.said("pin held: there", 40)
    check("once it is free it is taken", there, board.text("daemon.log"))
    chip_removed(board)
    sounds(board)

    # What is seen within four seconds, the crashing daemon did.
    board.do("kill -SEGV $daemon; wait $daemon; echo $? > crash.status; sleep 4; run")
    got = board.changes(LAMP, [1], 3.5)
    check("a crash puts the outputs to rest", got[:1] == [1], got)
    check(
        "and is a crash",
        board.wait_for("crash.status", 20) and board.text("crash.status") == "139\n",
        board.text("crash.status"),
    )
    board.said("start: device", 60, 2)
    board.line("motor temp 82 C")
    got = board.changes(LAMP, [0])
    check("started again it acts", got == [0], got)
    rest = "leafcutterd --config /etc/leafcutter/config.json --rest; echo $? > rest.status"
    board.do(f"kill -KILL $daemon; wait $daemon; {rest}; run")
    board.wait_for("rest.status", 20)
    got = board.changes(LAMP, [1], 1) or pins.of(LAMP)[-1:]
    check(
        "killed, --rest does it",
        got[-1:] == [1] and board.text("rest.status") == "0\n",
        board.text("rest.status") + str(got),
    )
    board.said("start: device", 60, 3)
    open(board.path("stop"), "w").close()
    board.process.wait(120)
    check("it stops in good order", board.text("daemon.status") == "0\n", board.text("daemon.log"))
    heard(board)
    received = board.text("received.txt")
    check(
        "records reached the broker",
        '"label":"alarm"' in received
        and '"label":"hot"' in received
        and '"text":"door open"' in received,
        received[-2000:],
    )
    check(
        "the board switched off by itself", board.process.returncode == 0, board.text("console.log")
    )


def main():
    with tempfile.TemporaryDirectory(prefix="lc-board-") as folder:
        board = Board(folder)
        try:
            run(board)
        finally:
            board.process.kill()
            keep = os.environ.get("LC_KEEP")
            if keep:
                shutil.copytree(board.work, keep, dirs_exist_ok=True)
    print(f"1..{tests}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
