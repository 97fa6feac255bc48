#!/usr/bin/env python3
"""The daemon is killed (SIGKILL) again and again: what it had answered still arrives.

With `e2e` nothing is lost, though the broker dies as well and keeps nothing; with the broker's word
alone, every record is there or lies in a loss that is stated exactly, though the journal is too
small for the outage.

usage: kills.py [--rounds N]    50 unless told (10 with sanitizers), shared between the two
"""

import argparse
import json
import random
import signal
import subprocess
import sys
import time

import client
import stage


def made(daemon):
    status = daemon.status()
    return (status["boot"], status["records"]["made"]) if status else (0, 0)


def answered(daemon, count):
    """Waits until this start has answered so many lines."""
    return stage.until(lambda: made(daemon)[1] >= count, 20, 0.01)


def kill(daemon):
    daemon.process.kill()
    daemon.process.wait()


def feed(daemon, count):
    number = len(daemon.lines)
    daemon.feed_all((stage.line(n) for n in range(number, number + count)), seconds=60)


def told_nothing_lost(rounds, chance):
    """e2e: the daemon dies when all is answered, the broker when it likes, with all it had."""
    real = stage.Mosquitto(name="e2e")
    collector = client.Recorder(real.port).wait_ready()
    d = stage.Daemon(
        "e2e",
        f"mqtt://127.0.0.1:{real.port}",
        broker={"ack": "e2e"},
        config={"queue": {"outbox_kb": 64}},
    )
    broker_deaths = 0
    for _ in range(rounds):
        d.start().wait_ready()
        dies = chance.random() < 0.4
        count = chance.randrange(20, 120)
        feed(d, count // 2)
        if dies:
            real.kill(signal.SIGKILL)
            broker_deaths += 1
        feed(d, count - count // 2)
        if not answered(d, count):
            stage.ok("e2e: every line is answered", False, d.status())
            sys.exit(stage.done())
        if dies and chance.random() < 0.5:
            real.start()
            dies = False
        time.sleep(chance.random() * 0.2)
        kill(d)
        if dies:
            real.start()
    d.start().wait_ready()
    stage.until(lambda: d.status()["records"]["waiting"] == 0, 90)
    faults = stage.account(d, collector)
    waiting = d.status()["records"]["waiting"]
    stage.ok(
        f"e2e: {rounds} kills of the daemon, {broker_deaths} of the broker: no record is lost",
        not faults and sum(collector.stated("e2e")) == 0 and collector.count("e2e") == len(d.lines),
        "\n".join(faults) + str(collector.stated("e2e")),
    )
    stage.ok("e2e: and the device knows", waiting == 0, d.status())
    done = subprocess.run(
        stage.RUN + [stage.TOOL, "audit", "--json", "--storage", d.path("store")],
        stdout=subprocess.PIPE,
        check=False,
    )
    kept = {(e["boot"], e["no"]) for e in map(json.loads, done.stdout.splitlines())}
    heard = {
        (boot, no)
        for (_, boot, key), numbers in collector.numbers.items()
        for no in numbers
        if key == "audit"
    }
    stage.ok(
        "e2e: nor any entry of the audit: each start's, as the device has them",
        heard == kept and {boot for boot, _ in kept} == set(range(1, d.runs + 1)),
        (done.returncode, heard ^ kept),
    )
    stage.ok("e2e: leaves when asked", d.stop() == 0, d.log())
    stage.note(
        f"e2e: {len(d.lines)} lines, {collector.count('e2e')} records, "
        f"{collector.again.get('e2e', 0)} twice, {sum(map(len, collector.numbers.values()))} "
        "events and entries of the audit"
    )
    collector.close()


def holes(collector, dev, least):
    """Faults: a record that is neither here nor stated, or a statement that counts wrong."""
    held, faults, missing_all = collector.record.get(dev, {}), [], 0
    gaps = [one for one in collector.gap.get(dev, {}).values() if one.get("count")]
    for boot, count in least.items():
        most = max(
            [seq for b, seq in held if b == boot]
            + [count]
            + [g["to"] for g in gaps if g.get("of", g["boot"]) == boot]
        )
        missing = {seq for seq in range(1, most + 1) if (boot, seq) not in held}
        missing_all += len(missing)
        for gap in [g for g in gaps if g.get("of", g["boot"]) == boot]:
            here = {seq for seq in missing if gap["from"] <= seq <= gap["to"]}
            if len(here) != gap["count"]:
                faults.append(f"gap {gap} but {len(here)} are missing")
            missing -= here
        if missing:
            faults.append(f"start {boot}: {sorted(missing)[:5]} of {most} are in no gap")
    return faults, missing_all


def exactly_stated(rounds, chance):
    """The broker is away for most of the rounds, longer than the journal has room; then the daemon
    is killed while it catches up."""
    real = stage.Mosquitto(name="gaps", kept="end")
    collector = client.Collector(real.port, session_s=3600).wait_ready()
    d = stage.Daemon(
        "gaps",
        f"mqtt://127.0.0.1:{real.port}",
        config={"queue": {"outbox_kb": 64, "backlog_per_s": 4000}},
    )
    d.config["storage"]["journal_mb"] = 1
    least, outage = {}, rounds * 3 // 4
    real.kill(signal.SIGTERM)
    for number in range(rounds):
        if number == outage:
            real.start()
        d.start().wait_ready()
        count = max(100, 16000 // rounds)
        if number < outage:
            feed(d, count)
            answered(d, count * 4 // 5)  # and the rest dies with it
        boot, answers = made(d)
        least[boot] = max(least.get(boot, 0), answers)
        time.sleep(chance.random() * (0.1 if number < outage else 0.6))
        kill(d)
    d.start().wait_ready()
    stage.until(lambda: d.status()["link"]["state"] == "up", 60)
    stage.until(lambda: d.status()["records"]["waiting"] == 0, 60)
    time.sleep(1.5)  # statements come once a second
    faults, missing = holes(collector, "gaps", least)
    stage.ok(
        f"broker's word: {rounds} kills: every record is here or stated, exactly",
        not faults,
        "\n".join(faults),
    )
    stage.ok("broker's word: some were lost, or nothing was tried", missing > 100, missing)
    stage.ok("broker's word: leaves when asked", d.stop() == 0, d.log())
    stage.note(
        f"broker's word: {len(d.lines)} lines, {collector.count('gaps')} records, {missing} "
        f"stated lost in {len(collector.gap.get('gaps', {}))} statements, "
        f"{collector.again.get('gaps', 0)} twice"
    )
    collector.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10 if stage.SANITIZED else 50)
    rounds = parser.parse_args().rounds
    stage.limit(300)
    chance = random.Random(1)
    told_nothing_lost(rounds * 3 // 5, chance)
    exactly_stated(rounds - rounds * 3 // 5, chance)
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
