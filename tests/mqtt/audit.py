#!/usr/bin/env python3
"""What the device did and why: acts done and not done, switches, commands, bytes that left; in
`up/audit`, and in `leafcutter audit` with and without a daemon, after a kill, from damaged files.
What a day cost, and a board that is too warm.

usage: audit.py
"""

import json
import os
import random
import shutil
import subprocess
import sys

import client
import escalate
import stage

DEV = "audit"
ASOUNDRC = """pcm_type.null { }
pcm.speaker { type null }
"""
ACTIONS = {
    "high": (2, "tone:880Hz,20ms; gpio:relay=1,100ms"),
    "long": (9, "tone:440Hz,60s"),
    "lost": (3, "gpio:nowhere=1"),
    "normal": (1, ""),
}


def job_write():
    labels = [
        {"name": name, "cost_miss": cost, **({"action": text} if text else {})}
        for name, (cost, text) in ACTIONS.items()
    ]
    rules = [
        {"id": name, "if": f"text ~ /{name}/", "label": name, "p": 0.99} for name in ACTIONS
    ] + [{"id": "unsure", "if": "text ~ /./", "label": "normal", "p": 0.4}]
    job = {
        "version": 1,
        "job": "audited",
        "ver": 7,
        "tasks": [
            {
                "task": "fault",
                "labels": labels,
                "stages": [{"id": "rules", "type": "rules", "rules": rules}],
            }
        ],
        "escalate": {"deadline_ms": 2000, "budget": {"calls_per_day": 100}},
        "privacy": {"redact": ["serial", "address", "name"]},
    }
    path = os.path.join(stage.folder, "audited.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(job, file)
    return path


class Scene:
    """A broker, a worker upstream that notes what came, a collector, a daemon that acts."""

    def __init__(self):
        self.broker = stage.Mosquitto()
        self.bytes = {}  # of requests, by id
        self.worker = escalate.Worker(
            self.broker.port,
            reply=lambda ask: {**escalate.Worker.good(ask), "label": "high", "tok": 40},
        )
        self.worker.on_message = self.asked
        self.collector = client.Collector(self.broker.port).wait_ready()
        d = self.daemon = stage.Daemon(DEV, f"mqtt://127.0.0.1:{self.broker.port}", job=job_write())
        with open(d.path("asoundrc"), "w", encoding="ascii") as file:
            file.write(ASOUNDRC)
        d.environment["ALSA_CONFIG_PATH"] = d.path("asoundrc")
        d.config["outputs"] = {
            "sound": {"device": "speaker", "volume": 0.5},
            "gpio": {"relay": {"chip": "gpiochip99", "line": 1}},
        }
        self.seq = 0
        self.start()

    def start(self):
        self.daemon.start().wait_ready()
        self.seq = 0

    def asked(self, topic, payload, retained):
        self.bytes.setdefault(json.loads(payload)["id"], []).append(len(payload))
        self.worker.take_ask(topic, payload, retained)

    def say(self, text):
        """The number of its record."""
        stage.until(lambda: self.daemon.feed(text), 10)
        self.seq += 1
        stage.until(lambda: self.daemon.status()["seq"] >= self.seq, 10)
        return self.seq

    def command(self, name, payload=""):
        self.collector.publish(f"leafcutter/v1/{DEV}/dn/cmd/{name}", payload)

    def heard(self):
        """What came over MQTT, by start and number."""
        found = {}
        for text in self.collector.other.get((DEV, "audit"), []):
            said = json.loads(text)
            for one in said if isinstance(said, list) else [said]:
                found[(one["boot"], one["no"])] = one
        return found


def tool(*more, storage=None):
    where = (
        ()
        if "--storage" in more
        else ("--storage", storage or os.path.join(stage.folder, DEV, "store"))
    )
    return subprocess.run(
        stage.RUN + [stage.TOOL, "audit", *where, *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        check=False,
    )


def listed(*more):
    """Entries as `audit --json` has them, and its exit code."""
    done = tool("--json", *more)
    return [json.loads(text) for text in done.stdout.splitlines()], done.returncode


def only(entries, **want):
    return [e for e in entries if all(e.get(key) == value for key, value in want.items())]


def told_all(scene, count=1):
    """All that is on the disk came over MQTT, too."""

    def same():
        entries, code = listed()
        disk = {(e["boot"], e["no"]): e for e in entries}
        return code == 0 and len(disk) == len(entries) >= count and disk == scene.heard()

    return stage.until(same, 20, 0.2)


def acts(scene):
    high = scene.say("high water")
    entries = stage.until(lambda: only(listed()[0], kind="act", result="away"), 10) and listed()[0]
    mine = only(entries, seq=high, result="done", cause="record", task="fault", label="high")
    stage.ok(
        "an act names its record, in the job's words",
        sorted(e["what"] for e in mine) == ["gpio:relay=1,100ms", "tone:880Hz,20ms"],
        entries,
    )
    stage.ok(
        "a pin whose chip is not there: ordered, and said to be away",
        only(entries, result="away", what="relay", label="high", cause="board"),
        entries,
    )
    lost = scene.say("lost key")
    stage.ok(
        "an output that is not configured: missing",
        only(listed()[0], result="missing", seq=lost, what="gpio:nowhere=1", label="lost"),
        listed()[0],
    )
    start = only(listed()[0], kind="switch", what="job")
    stage.ok(
        "the job that answers is a switch, with its version and hash",
        len(start) == 1
        and start[0]["cause"] == "start"
        and start[0]["no"] == 1
        and start[0]["by"].startswith("audited 7 "),
        start,
    )


def refusals(scene):
    """Priority and rate limit: each order that is not carried out is told or counted."""
    long = scene.say("long alarm")
    held = [scene.say("high water") for _ in range(3)]
    entries = listed()[0]
    stage.ok(
        "what a more urgent sound holds back is told with its first record",
        only(entries, result="done", seq=long) and only(entries, result="held", seq=held[0]),
        entries,
    )
    for _ in range(8):
        last = scene.say("long alarm")
    count = scene.daemon.status()["acts"]
    stage.ok(
        "what comes again within a minute is counted, not told each time",
        count["held"] == 3
        and count["limited"] > 1
        and len(only(listed()[0], result="held")) == 1
        and len(only(listed()[0], result="limited")) == 1,
        (count, last),
    )
    return count


def commands(scene):
    scene.command("report", '{"id":"op-7"}')
    scene.command("reboot", '{"id":"op-8"}')
    scene.command("reboot", "\xff{nonsense")
    done = stage.until(lambda: only(listed()[0], kind="command", what="reboot"), 10)
    entries = only(listed()[0], kind="command", by="dn/cmd")
    stage.ok(
        "commands, taken and refused, with the id of who sent them",
        done
        and only(entries, what="report", result="accepted", id="op-7")
        and only(entries, what="reboot", result="refused", id="op-8")
        and len(entries) == 2,
        entries,
    )


def questions(scene):
    stage.until(lambda: scene.daemon.status()["upstream"]["worker"] == "ready", 10)
    seq = scene.say("something odd near 10.1.2.3 seen by John Smith")
    mine = stage.until(lambda: only(listed()[0], kind="ask", seq=seq), 10)
    sent = stage.until(lambda: mine and scene.bytes.get(mine[0]["what"]), 10)
    stage.ok(
        "bytes that left: as many as came, under the id of the request, redactions counted",
        mine
        and sent == [mine[0]["bytes"]]
        and mine[0]["redacted"] == 2
        and mine[0]["task"] == "fault"
        and scene.daemon.status()["upstream"]["bytes"] == sent[0],
        (mine, sent),
    )
    return mine[0]["what"], seq


def filters(request, seq):
    everything = listed()[0]
    cases = (
        (("--kind", "ask"), only(everything, kind="ask")),
        (("--cause", str(seq)), only(everything, seq=seq)),
        (("--cause", f"1:{seq}"), only(everything, seq=seq)),
        (("--cause", f"9:{seq}"), []),
        (("--cause", "op-7"), only(everything, id="op-7")),
        (("--cause", request), only(everything, what=request)),
        (("--cause", "board"), only(everything, cause="board")),
        (("--since", "1h"), everything),
        (("--since", "2099-01-01"), []),
        (("--kind", "switch", "--since", "2000-01-01T00:00:00"), only(everything, kind="switch")),
    )
    wrong = [(more, want) for more, want in cases if listed(*more) != (want, 0)]
    stage.ok("filters: by kind, cause and time", not wrong, wrong)
    table = tool("--kind", "act").stdout.splitlines()
    stage.ok(
        "a table for people",
        table[0].split() == ["time", "start", "kind", "what", "result", "cause"]
        and len(table) == 1 + len(only(everything, kind="act"))
        and any("gpio:nowhere=1" in row and "fault=lost" in row for row in table),
        table,
    )
    codes = [tool(*more).returncode for more in (("--kind", "x"), ("--since", "x"), ("x",))]
    stage.ok("what is no kind, no time, no option: exit 2", codes == [2, 2, 2], codes)


def lives(scene, counted):
    """Killed and started again, without a broker; stopped in good order."""
    before = len(listed()[0])
    scene.daemon.process.kill()
    scene.daemon.process.wait()
    stage.ok("without a daemon: the same", len(listed()[0]) == before, before)
    scene.broker.kill()
    scene.daemon.feed_end()
    scene.start()
    scene.say("high water")
    after = listed("--cause", "high")[0]
    stage.ok(
        "after a kill it goes on; the start before it is still there",
        {e["boot"] for e in after} == {1, 2} and len(listed()[0]) > before,
        after,
    )
    scene.say("long alarm")
    for _ in range(3):
        scene.say("high water")
    scene.broker.start()
    stage.ok("what was done without a broker is told when one is there", told_all(scene, before))
    acts_now = scene.daemon.status()["acts"]
    stage.ok("leaves when asked", scene.daemon.stop() == 0)
    entries = [e for e in listed()[0] if e["boot"] == 2]
    held = sum(e.get("count", 1) for e in only(entries, result="held"))
    stage.ok(
        "at its end all that was counted is told: they add up",
        held == acts_now["held"] == 3 and counted["held"] == 3,
        (held, acts_now, only(entries, result="held")),
    )
    stage.ok(
        "and why outputs went to rest",
        only(entries, kind="act", what="sound", result="rest", cause="stop", label="long")
        and only(entries, kind="switch", what="job", result="off", cause="stop"),
        entries,
    )


def costs(scene):
    """What a day took goes on after a restart."""
    scene.start()
    before = scene.daemon.status()["day"]
    for _ in range(5):
        scene.say("normal")
    day = scene.daemon.status()["day"]
    stage.ok(
        "a restart goes on with the day's counting, by stage",
        before["lines"] > 0 and day["lines"] == day["rules"] == before["lines"] + 5,
        (before, day),
    )
    scene.worker.state(ready=True, q=0, price=0)  # the broker was killed: it forgot
    stage.until(lambda: scene.daemon.status()["upstream"]["worker"] == "ready", 10)
    scene.say("something odd")
    told = stage.until(lambda: (d := scene.daemon.status()["day"])["tokens"] and d, 10)
    stage.ok(
        "calls, their bytes and tokens, and the share that stayed here",
        told
        and told["calls"] == day["calls"] + 1
        and told["tokens"] == day["tokens"] + 40
        and told["sent"] > day["sent"]
        and 0 < told["local_share"] < 1
        and told["cpu_ms"] >= told["work_ms"],
        (day, told),
    )
    where = ["--socket", scene.daemon.socket]
    text = subprocess.run(
        stage.RUN + [stage.TOOL, "status", *where], stdout=subprocess.PIPE, check=False
    ).stdout.decode()
    stage.ok("status tells people", f"{told['tokens']} tokens" in text and "today" in text, text)
    stage.ok("leaves when asked again", scene.daemon.stop() == 0)


def board_write(d, temp_mc, flags):
    """A board's own files, somewhere else."""
    zone = d.path("root/sys/class/thermal/thermal_zone0")
    firmware = d.path("root/sys/devices/platform/soc/soc:firmware")
    for path, name, text in (
        (zone, "temp", temp_mc),
        (zone, "trip_point_0_type", "passive"),
        (zone, "trip_point_0_temp", 75000),
        (firmware, "get_throttled", f"{flags:x}"),
    ):
        os.makedirs(path, exist_ok=True)
        with open(os.path.join(path, name + ".new"), "w", encoding="ascii") as file:
            file.write(f"{text}\n")
        os.rename(os.path.join(path, name + ".new"), os.path.join(path, name))


def pace(scene):
    """The pipeline slows before the board does; what then finds no room is stated."""
    for dev, temp_mc, flags, level, why in (
        ("warm", 71000, 0, "half", "temperature"),
        ("hot", 75500, 0, "quarter", "temperature"),
        ("weak", 40000, 1, "half", "undervoltage"),
    ):
        d = stage.Daemon(dev, f"mqtt://127.0.0.1:{scene.broker.port}")
        d.config["board"] = {"root": d.path("root")}
        d.config["queue"] = {"inbox_kb": 16}
        board_write(d, temp_mc, flags)
        d.start().wait_ready()
        d.feed_all([stage.line(n) for n in range(40)])
        stage.until(lambda: d.status()["records"]["made"] >= 40, 20)
        board, day = d.status()["board"], d.status()["day"]
        switch = only(listed("--storage", d.path("store"))[0], what="pace")
        stage.ok(
            f"{dev}: {level} pace, and why",
            board["pace"] == level
            and len(switch) == 1
            and (switch[0]["result"], switch[0]["cause"], switch[0]["by"]) == (level, "board", why)
            and len(d.said("slower")) == 1,
            (board, switch, d.log()),
        )
        stage.ok(
            f"{dev}: pauses in proportion to the work",
            board["rested_ms"] >= day["work_ms"] * (3 if level == "quarter" else 1) / 2,
            (board, day),
        )
        if dev == "hot":
            for number in range(600):
                text = stage.line(number)
                scene.collector.publish(f"leafcutter/v1/{dev}/dn/text", text, qos=0)
            collector = scene.collector
            whole = stage.until(
                lambda: collector.count(dev) + sum(collector.stated(dev)) == 640, 60
            )
            stage.ok(
                "hot: what comes too fast is lost and stated, to the line",
                whole and collector.stated(dev)[1] > 0,
                (collector.count(dev), collector.stated(dev)),
            )
        stage.ok(f"{dev}: leaves when asked", d.stop() == 0)


def damaged():
    """Files that were cut, or of which any byte is another."""
    store = os.path.join(stage.folder, DEV, "store")
    bad = os.path.join(stage.folder, "bad")
    good = listed()[0]
    with open(os.path.join(store, "audit.journal"), "rb") as file:
        data = file.read()
    os.mkdir(bad)
    path = os.path.join(bad, "audit.journal")

    def with_bytes(changed, *more):
        with open(path, "wb") as file:
            file.write(changed)
        return tool(*more, storage=bad)

    cut = with_bytes(data[: len(data) // 2 + 17])
    stage.ok("a file that was cut: exit 3, and why", cut.returncode == 3 and "length" in cut.stderr)
    empty = with_bytes(b"\0" * len(data))
    stage.ok("a file of zeros: nothing", empty.returncode == 0 and "nothing" in empty.stdout)
    seed = random.randrange(1 << 30)
    used = len(data.rstrip(b"\0"))
    stage.note(f"{used % (len(data) // 8) // len(good)} bytes an entry of {len(good)}")
    dice, wrong = random.Random(seed), []
    for _ in range(60):
        changed = bytearray(data)
        for _ in range(dice.randrange(1, 4)):
            changed[dice.randrange(used)] ^= 1 << dice.randrange(8)
        done = with_bytes(bytes(changed), "--json")
        rows = [json.loads(text) for text in done.stdout.splitlines()]
        if done.returncode not in (0, 3) or any(row not in good for row in rows):
            wrong.append((done.returncode, done.stderr))
    stage.ok("any bits are others: only true entries, exit 0 or 3", not wrong, (seed, wrong))
    os.unlink(path)
    gone = tool(storage=bad)
    shutil.rmtree(bad)
    nowhere = tool(storage=bad)
    stage.ok(
        "no file, no folder: exit 4",
        gone.returncode == nowhere.returncode == 4,
        gone.stderr + nowhere.stderr,
    )


def main():
    stage.limit(120)
    scene = Scene()
    acts(scene)
    counted = refusals(scene)
    commands(scene)
    request, seq = questions(scene)
    stage.ok("what the tool lists is what up/audit told, each once", told_all(scene, 10))
    filters(request, seq)
    lives(scene, counted)
    costs(scene)
    pace(scene)
    damaged()
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
