#!/usr/bin/env python3
"""`leafcutter collect` between a broker and devices: what it keeps, in both kinds of file, what it
tells devices, what it forgets; killed again and again while a daemon reports; and how fast.

usage: collect.py [--rounds N] [--rate N]    12 kills, 20,000 records unless told
"""

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request

import client
import prom
import stage

ROOT = "leafcutter/v1"


def collect(port, path, *options):
    with open(path + ".log", "ab") as log:
        return stage.start(
            stage.RUN
            + [
                stage.TOOL,
                "collect",
                "-o",
                path,
                "--broker",
                f"mqtt://127.0.0.1:{port}",
                "--id",
                "collect-" + os.path.basename(path),
                *options,
            ],
            stdout=log,
            stderr=log,
        )


def connected(path, times=1):
    def seen():
        with open(path + ".log", encoding="utf-8") as file:
            return file.read().count("connected") >= times

    return stage.until(seen, 20, 0.02)


def rows(path):
    """{(kind, dev, boot, number, rev): body} of either file, and how many items it has."""
    found = []
    if path.endswith(".jsonl"):
        with open(path, encoding="utf-8") as file:
            for text in file:
                one = json.loads(text) if text.endswith("\n") else {"kind": "held"}
                if one["kind"] != "held":
                    found.append((one["kind"], one["dev"], one["body"]))
    else:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10) as base:
            found = [
                (kind, dev, json.loads(body))
                for kind, dev, body in base.execute("SELECT kind, dev, body FROM items")
            ]
    keys = {"record": "seq", "gap": "gap"}
    held = {
        (kind, dev, body["boot"], body[keys.get(kind, "no")], body.get("rev", 1)): body
        for kind, dev, body in found
    }
    return held, len(found)


class Device(client.Client):
    """Says what a device says, hears what it is told."""

    def __init__(self, port, dev="pi4-0017"):
        self.dev, self.told = dev, {}
        super().__init__(port, dev, [f"{ROOT}/{dev}/dn/ack"], on_message=self.hear)

    def hear(self, _topic, payload, _retained):
        said = json.loads(payload)
        self.told[said["boot"]] = (said["seq"], said["no"], said["audit"], said["cor"])

    def say(self, topic, said):
        self.publish(
            f"{ROOT}/{self.dev}/up/{topic}", said if isinstance(said, str) else json.dumps(said)
        )

    def record(self, seq, boot=1, **more):
        return dict(
            {
                "v": 1,
                "dev": self.dev,
                "boot": boot,
                "seq": seq,
                "ts": 1763625600000,
                "tq": "ntp",
                "task": "fault",
                "label": "warm",
                "p": 0.9,
                "decision": "accept",
            },
            **more,
        )

    def numbered(self, key, number, boot=1, **more):
        return dict(
            {"v": 1, "dev": self.dev, "boot": boot, "ts": 1763625600000, "tq": "ntp", key: number},
            **more,
        )


def what_is_kept(port, path, number):
    kind = path.rsplit(".", 1)[1]
    one = collect(port, path)
    connected(path)
    d = Device(port, f"dev-{kind}").wait_ready()
    d.say("res/fault", d.record(1))
    d.say("res/fault", [d.record(2), d.record(3), d.record(2)])
    d.say("res/fault", d.record(2))
    for seq, boot in ((2, 1), (2, 1), (3, 2)):  # the last by a later start
        cor = {"boot": boot, "no": 1}
        d.say("res/fault", d.record(seq, rev=2, by="upstream", label="normal", cor=cor))
    d.say("res/fault", d.record(9))
    d.say("event/fault", d.numbered("no", 1, event="alarm", seq=3))
    d.say("audit", d.numbered("no", 1, kind="act"))
    for strange in (
        "\x00",
        "{",
        "[[]]",
        '{"seq":5}',
        d.record(0),
        d.record(1.5),
        d.record(seq="5"),
        d.record(5, boot=-1),
        d.record(5, dev="another"),
        d.record(5, rev=0),
        d.record(2**60),
        "9" * 3000,
    ):
        d.say("res/fault", strange)
    stage.ok(
        f"{kind}: told what is here without a hole",
        stage.until(lambda: d.told.get(1) == (3, 1, 1, 1), 5),
        d.told,
    )
    d.say("gap", d.numbered("gap", 1, why="journal", of=1, count=4, **{"from": 4, "to": 8}))
    stage.ok(
        f"{kind}: a stated loss closes a hole",
        stage.until(lambda: d.told.get(1) == (9, 1, 1, 1), 5),
        d.told,
    )
    d.say(
        "gap", d.numbered("gap", 2, why="journal", of=1, count=0, audits=2, **{"from": 2, "to": 3})
    )
    d.say(
        "gap",
        d.numbered("gap", 3, why="journal", of=1, count=0, corrections=2, **{"from": 2, "to": 3}),
    )
    stage.ok(
        f"{kind}: of the audit and of corrections, too",
        stage.until(lambda: d.told.get(1) == (9, 1, 3, 3), 5),
        d.told,
    )
    d.say("res/fault", d.record(6))
    d.say("res/fault", d.record(1, boot=2, ts=None, tq="none", up=5000))
    stage.until(lambda: d.told.get(2) == (1, 0, 0, 1), 5)
    want = {("record", d.dev, 1, n, 1) for n in (1, 2, 3, 6, 9)} | {
        ("record", d.dev, 1, 2, 2),
        ("record", d.dev, 1, 3, 2),
        ("event", d.dev, 1, 1, 1),
        ("audit", d.dev, 1, 1, 1),
        ("gap", d.dev, 1, 1, 1),
        ("gap", d.dev, 1, 2, 1),
        ("gap", d.dev, 1, 3, 1),
        ("record", d.dev, 2, 1, 1),
    }
    held, count = rows(path)
    stage.ok(
        f"{kind}: each once, corrections beside, nothing strange",
        set(held) == want and count == len(want),
        set(held) ^ want,
    )
    one.kill()
    one.wait()
    if kind == "jsonl":
        with open(path, "ab") as file:
            file.write(b'{"kind":"record","at":1,"de')
    d.told.clear()
    one = collect(port, path)
    connected(path, 2)
    d.say("res/fault", [d.record(n) for n in range(1, 11)])
    stage.ok(
        f"{kind}: after a kill it knows what it has",
        stage.until(lambda: d.told.get(1) == (10, 1, 3, 3), 5),
        d.told,
    )
    held, count = rows(path)
    stage.ok(
        f"{kind}: and keeps nothing twice",
        count == len(held) == len(want) + 5 and ("record", d.dev, 1, 10, 1) in held,
        count,
    )
    one.send_signal(signal.SIGTERM)
    stage.ok(f"{kind}: leaves when asked", one.wait(10) == 0)
    d.close()


def dated(path):
    """Of a device without a clock: not before its start, not after it came."""
    with sqlite3.connect(path) as base:
        ts, at = base.execute("SELECT ts, at FROM records WHERE tq = 'none'").fetchone()
        newest = base.execute("SELECT label FROM newest WHERE boot = 1 AND seq = 2").fetchall()
        gap = base.execute("SELECT of, first, last, records FROM gaps").fetchall()
    stage.ok("records without a clock are dated by what came", abs(at - ts) < 1000, (ts, at))
    stage.ok(
        "views: the newest of corrections, gaps",
        newest == [("normal",)] and gap[0] == (1, 4, 8, 4),
        (newest, gap),
    )


def forgets(port, path):
    kind = path.rsplit(".", 1)[1]
    dev = f"dev-{kind}"
    tool = stage.RUN + [stage.TOOL, "collect"]
    before = len(rows(path)[0])
    got = [
        subprocess.run(
            tool + ["forget", "-o", path, "--json", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            check=False,
        )
        for more in (["--before", "2020-01-01"], ["--before", "2100-01-01T00:00:00"], [])
    ]
    left = len(rows(path)[0])
    stage.ok(
        f"{kind}: forgets what is old",
        before > 10
        and left == 0
        and [g.returncode for g in got] == [0, 0, 2]
        and json.loads(got[0].stdout)["removed"] == 0
        and json.loads(got[1].stdout)["removed"] == before,
        [g.stdout for g in got],
    )
    one = collect(port, path, "--keep", "30")
    connected(path, 3)
    d = Device(port, dev).wait_ready()
    d.say("res/fault", [d.record(n) for n in range(1, 12)])
    told = stage.until(lambda: d.told.get(1) == (11, 1, 3, 3), 5)
    stage.ok(
        f"{kind}: what was forgotten for its age does not come back",
        told
        and set(rows(path)[0])
        == {
            ("record", dev, 1, n, 1)
            for n in (4, 5, 7, 8, 11)
            if ("record", dev, 1, n, 1) in rows(path)[0]
        }
        and ("record", dev, 1, 11, 1) in rows(path)[0]
        and ("record", dev, 1, 1, 1) not in rows(path)[0],
        rows(path)[0].keys(),
    )
    one.send_signal(signal.SIGTERM)
    one.wait(10)
    subprocess.run(
        tool + ["forget", "-o", path, "--dev", dev], stdout=subprocess.DEVNULL, check=False
    )
    with open(path, "rb") as file:
        stage.ok(
            f"{kind}: forgets a device, to the last byte",
            not rows(path)[0] and dev.encode() not in file.read(),
        )
    d.close()


def refuses(port):
    wrong = os.path.join(stage.folder, "wrong.sqlite")
    with sqlite3.connect(wrong) as base:
        base.execute("CREATE TABLE other(x)")
    text = os.path.join(stage.folder, "wrong.jsonl")
    with open(text, "w", encoding="ascii") as file:
        file.write("no line of ours\n")
    for name, options, rc in (
        ("no file", [], 2),
        ("another database", ["-o", wrong], 3),
        ("another text", ["-o", text], 3),
        ("a name of neither kind", ["-o", "x.csv"], 2),
        ("a folder that is not there", ["-o", "/nonexistent/x.sqlite"], 4),
        ("a port that is taken", ["-o", text + "2.jsonl", "--metrics", str(port)], 5),
        ("forget what is not there", ["forget", "-o", text + "3.jsonl", "--dev", "x"], 4),
    ):
        found = subprocess.run(
            stage.RUN + [stage.TOOL, "collect", "--broker", f"mqtt://127.0.0.1:{port}"] + options,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=20,
        ).returncode
        stage.ok(f"{name}: exit {rc}", found == rc, found)


def killed(rounds):
    """A daemon reports under e2e; daemon, collector and broker die when they like."""
    chance, real = random.Random(2), stage.Mosquitto(name="kills")
    path = os.path.join(stage.folder, "kills.sqlite")
    d = stage.Daemon(
        "kills",
        f"mqtt://127.0.0.1:{real.port}",
        broker={"ack": "e2e"},
        config={"queue": {"outbox_kb": 64, "backlog_per_s": 4000}},
    )
    one, deaths = collect(real.port, path), [0, 0, 0]
    d.start().wait_ready()
    answered = 0
    for _ in range(rounds):
        count = chance.randrange(50, 250)
        number = len(d.lines)
        d.feed_all((stage.line(n) for n in range(number, number + count)), seconds=60)
        time.sleep(chance.random() * 0.3)
        one.kill()
        one.wait()
        deaths[0] += 1
        if chance.random() < 0.4:
            stage.until(
                lambda: (d.status() or {"records": {"made": 0}})["records"]["made"]
                >= len(d.lines) - answered,
                20,
            )
            answered = len(d.lines)
            d.process.kill()
            d.process.wait()
            d.start().wait_ready()
            deaths[1] += 1
        if chance.random() < 0.3:
            real.kill()
            real.start()
            deaths[2] += 1
        one = collect(real.port, path)
    time.sleep(1)
    real.kill()  # what died with the last collector comes at the next connection, not in a minute
    real.start()
    idle = stage.until(lambda: d.status()["records"]["waiting"] == 0, 90)
    held, count = rows(path)
    records = [body for key, body in held.items() if key[0] == "record"]
    hashes = {body["in"] for body in records}
    missing = [n for n, text in enumerate(d.lines) if d.hash_of(text) not in hashes]
    stage.ok(
        f"{deaths[0]} kills of the collector, {deaths[1]} of the daemon, {deaths[2]} of the "
        "broker: no record is lost, none twice, and the device knows",
        idle and not missing and len(records) == len(d.lines) and count == len(held),
        f"{len(d.lines)} lines, {len(records)} records, {count} rows, missing {missing[:5]}, "
        f"{d.status()['records']}",
    )
    stage.note(f"kills: {len(d.lines)} lines, {len(records)} records, {count} items")
    d.stop()
    one.send_signal(signal.SIGTERM)
    one.wait(10)


def metrics_of(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {
        row.split(" ")[0]: float(row.split(" ")[1])
        for row in text.splitlines()
        if not row.startswith("#")
    }, text


def messages_file(count):
    path = os.path.join(stage.folder, "messages")
    with open(path, "w", encoding="ascii") as file:
        for n in range(1, count + 1):
            file.write(
                json.dumps(
                    {
                        "v": 1,
                        "dev": "fast",
                        "boot": 1,
                        "seq": n,
                        "ts": 1763625600000 + n,
                        "tq": "ntp",
                        "src": "tty0",
                        "job": "pump",
                        "task": "fault",
                        "label": "overheating",
                        "p": 0.9421,
                        "margin": 0.8805,
                        "set": ["overheating"],
                        "oos": 0.0312,
                        "stage": "head",
                        "decision": "accept",
                        "why": ["R1"],
                        "facts": [{"k": "temp", "v": 96, "u": "C", "at": [13, 16]}],
                        "mdl": "9c1f02aa@14",
                        "ms": 18.4,
                        "tok": 23,
                        "in": "9f86d081884c7d65",
                    },
                    separators=(",", ":"),
                )
                + "\n"
            )
    return path


def rate(count):
    """Records a second through a broker: to mosquitto_sub, and to the collector and its disk."""
    real, port = stage.Mosquitto(name="rate"), stage.port_free()
    messages, best = messages_file(count), {"mosquitto_sub": 0.0, "collect": 0.0}
    publish = [
        "mosquitto_pub",
        "-h",
        "127.0.0.1",
        "-p",
        str(real.port),
        "-q",
        "1",
        "-V",
        "5",
        "-l",
        "-t",
        f"{ROOT}/fast/up/res/fault",
    ]
    text = ""
    for turn in range(2):
        path = os.path.join(stage.folder, f"rate{turn}.sqlite")
        one = collect(real.port, path, "--metrics", str(port))
        connected(path)
        begun = time.monotonic()
        with open(messages, "rb") as lines:
            subprocess.run(publish, stdin=lines, check=True)
        key = 'leafcutter_collect_records_total{dev="fast"}'
        stage.until(lambda: metrics_of(port)[0].get(key, 0) >= count, 60, 0.02)
        best["collect"] = max(best["collect"], count / (time.monotonic() - begun))
        text = metrics_of(port)[1]
        one.send_signal(signal.SIGTERM)
        one.wait(10)
        stage.ok(f"rate: all {count} are there", rows(path)[1] == count, rows(path)[1])
        sub = stage.start(
            [
                "mosquitto_sub",
                "-h",
                "127.0.0.1",
                "-p",
                str(real.port),
                "-q",
                "1",
                "-V",
                "5",
                "-C",
                str(count),
                "-t",
                f"{ROOT}/+/up/#",
            ],
            stdout=subprocess.DEVNULL,
        )
        time.sleep(0.3)
        begun = time.monotonic()
        with open(messages, "rb") as lines:
            subprocess.run(publish, stdin=lines, check=True)
        sub.wait(60)
        best["mosquitto_sub"] = max(best["mosquitto_sub"], count / (time.monotonic() - begun))
    part = best["collect"] / best["mosquitto_sub"]  # told, not judged: machines are busy
    stage.note(
        f"rate: {best['collect']:.0f} records/s to the disk, {best['mosquitto_sub']:.0f} to "
        f"mosquitto_sub: {part:.2f}"
    )
    try:
        kinds, samples = prom.read(text)
        judged = f"{len(kinds)} metrics, {len(samples)} samples"
    except prom.Broken as broken:
        judged = broken
    stage.ok("metrics: as Prometheus has them", not isinstance(judged, prom.Broken), judged)
    stage.note(f"metrics: {judged}")


def metrics_file(port):
    path = os.path.join(stage.folder, "m.jsonl")
    one = collect(port, path, "--metrics", os.path.join(stage.folder, "m.prom"))
    there = stage.until(lambda: os.path.exists(os.path.join(stage.folder, "m.prom")), 10)
    stage.ok("metrics: in a file", there)
    got = subprocess.run(
        stage.RUN + [stage.TOOL, "collect", "-o", path, "--broker", "mqtt://x"],
        stderr=subprocess.DEVNULL,
        check=False,
        timeout=10,
    ).returncode
    stage.ok("a second collector of the same lines: exit 5", got == 5, got)
    one.send_signal(signal.SIGTERM)
    one.wait(10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--rate", type=int, default=20000)
    options = parser.parse_args()
    stage.limit(300)
    real = stage.Mosquitto()
    for number, kind in enumerate(("sqlite", "jsonl")):
        path = os.path.join(stage.folder, "kept." + kind)
        what_is_kept(real.port, path, number)
        if kind == "sqlite":
            dated(path)
        forgets(real.port, path)
    refuses(real.port)
    metrics_file(real.port)
    killed(options.rounds)
    rate(options.rate)
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
