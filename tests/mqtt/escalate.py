#!/usr/bin/env python3
"""Hard lines go upstream: what leaves, how often, what becomes of the answers.

usage: escalate.py

Between the daemon and mosquitto stands a relay that keeps every byte that left.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time

import client
import fake_openai
import stage

ROOT = "leafcutter/v1"
STATE = f"{ROOT}/_esc/state"
DEADLINE_MS = 1500
LABELS = ["overheating", "leak", "normal", "security"]
SECRETS = ("John Smith", "SN-48213", "10.1.2.3", "badge", "anna@plant.example.com")


def job_write(name, **escalate):
    """Rules alone: what they are unsure of is hard."""
    rules = [
        {"id": "R1", "if": "text ~ /badge/", "label": "security", "p": 0.4},
        {"id": "R2", "if": "temp > 90", "label": "overheating", "p": 0.99},
        {"id": "R3", "if": "text ~ /./", "label": "normal", "p": 0.4},
    ]
    block = {"deadline_ms": DEADLINE_MS, "ttl_s": 3600, "budget": {"calls_per_day": 1000}}
    block.update(escalate)
    job = {
        "version": 1,
        "job": "pump",
        "ver": 3,
        "tasks": [
            {
                "task": "fault",
                "labels": [{"name": one} for one in LABELS],
                "stages": [{"id": "rules", "type": "rules", "rules": rules}],
            }
        ],
        "escalate": block,
        "privacy": {"never": ["security"], "redact": ["serial", "address", "name"]},
    }
    path = os.path.join(stage.folder, name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(job, file)
    return path


class Relay:
    """Passes a connection on and keeps what came from the device."""

    def __init__(self, to):
        self.to, self.sent, self.open = to, bytearray(), []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            one, _ = self.server.accept()
            try:
                other = socket.create_connection(("127.0.0.1", self.to), 5)
            except OSError:
                one.close()
                continue
            for end in (one, other):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for a, b, keep in ((one, other, True), (other, one, False)):
                threading.Thread(target=self.pump, args=(a, b, keep), daemon=True).start()

    def pump(self, a, b, keep):
        try:
            while data := a.recv(65536):
                if keep:
                    self.sent += data
                b.sendall(data)
        except OSError:
            pass
        for end in (a, b):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def questions(self):
        return self.sent.count(b'"max_tok":')


class Worker(client.Client):
    """Answers as `reply` says; None: says nothing."""

    requests = stage.Fits("escalation-request")

    def __init__(self, port, name="worker", ready=True, price=0.0, reply=None):
        self.asked, self.reply = [], reply or self.good
        super().__init__(port, name, [f"$share/esc/{ROOT}/+/up/esc/req"], on_message=self.take_ask)
        self.wait_ready()
        if ready:
            self.state(ready=True, q=0, price=price)

    def state(self, **what):
        self.publish(STATE, json.dumps({"v": 1, **what}), retain=True)

    def take_ask(self, _topic, payload, _retained):
        ask = json.loads(payload)
        self.requests.take(ask)
        self.asked.append(ask)
        answer = self.reply(ask)
        if answer is not None:
            self.answer(ask, answer)

    def answer(self, ask, answer):
        text = answer if isinstance(answer, (str, bytes)) else json.dumps(answer)
        self.publish(ask["rsp"], text, wait_s=0)

    @staticmethod
    def good(ask):
        word = ask["text"].split()[0]
        return {
            "v": 1,
            "id": ask["id"],
            "label": "leak",
            "p": 0.93,
            "by": "test",
            "ms": 1,
            "ev": [[0, len(word.encode()), word]],
            "cost": 0,
            "st": "ok",
        }


class Collector(client.Client):
    """Records of a device by (boot, seq), all revisions."""

    def __init__(self, port, dev):
        self.held, self.at = {}, {}
        super().__init__(port, "coll-" + dev, [f"{ROOT}/{dev}/up/res/#"], on_message=self.keep)
        self.wait_ready()

    def keep(self, _topic, payload, _retained):
        found = json.loads(payload)
        for one in found if isinstance(found, list) else [found]:
            key = (one["boot"], one["seq"])
            self.held.setdefault(key, {})[one.get("rev", 1)] = one
            self.at[key + (one.get("rev", 1),)] = time.monotonic()

    def rev(self, key, rev, seconds=5):
        return stage.until(lambda: self.held.get(key, {}).get(rev), seconds, 0.002)


class Scene:
    """A broker, a relay, a daemon with its job, a collector."""

    def __init__(self, dev, broker, **escalate):
        self.dev, self.broker = dev, broker
        self.relay = Relay(broker.port)
        self.collector = Collector(broker.port, dev)
        self.daemon = stage.Daemon(
            dev, f"mqtt://127.0.0.1:{self.relay.port}", job=job_write(dev, **escalate)
        )
        self.count = 0
        self.daemon.start().wait_ready()
        stage.until(lambda: self.status("link")["state"] == "up", 10)

    def status(self, key="upstream"):
        return self.daemon.status()[key]

    def ready(self, seconds=10):
        return stage.until(lambda: self.status()["worker"] == "ready", seconds)

    def feed(self, text):
        """The key of its record."""
        stage.until(lambda: self.daemon.feed(text), 5, 0.001)
        self.count += 1
        return (self.daemon.runs, self.count)

    def end(self):
        return self.daemon.stop()


def asked_and_answered(broker):
    scene = Scene("esc1", broker)
    early = scene.feed("valve drips before anybody listens")
    first = scene.collector.rev(early, 1)
    stage.ok("nobody there: defer", first and first["decision"] == "defer", first)
    worker = Worker(broker.port)
    stage.ok("the worker's state is heard", scene.ready())
    later = scene.collector.rev(early, 2)
    stage.ok(
        "a line that was hard is asked once somebody is there",
        later and later.get("by") == "upstream" and later["label"] == "leak",
        later,
    )
    key = scene.feed(
        "drip seen by operator John Smith at SN-48213 from 10.1.2.3, "
        "mail anna@plant.example.com, 12.5 bar"
    )
    one, two = scene.collector.rev(key, 1), scene.collector.rev(key, 2)
    stage.ok(
        "a hard line says escalate", one and one["decision"] == "escalate" and "rev" not in one, one
    )
    stage.ok(
        "its correction: label, probability, stage, evidence, no act",
        two
        and (
            two["label"],
            two["p"],
            two["stage"],
            two["decision"],
            two["ev"],
            two["act"],
            two["by"],
        )
        == ("leak", 0.93, "external", "accept", [[0, 4]], [], "upstream"),
        two,
    )
    ask = worker.asked[-1]
    stage.ok(
        "what was asked",
        ask["labels"] == LABELS
        and ask["try"] == 1
        and len(ask["id"]) == 32
        and ask["rsp"] == f"{ROOT}/esc1/dn/esc/rsp"
        and abs(ask["dl"] / 1000 - time.time()) < 5,
        ask,
    )
    stage.ok(
        "names, addresses, numbers of things are tags, what was measured stays",
        "<NAME_1>" in ask["text"]
        and "<SERIAL_1>" in ask["text"]
        and "12.5 bar" in ask["text"]
        and ask["facts"][0]["v"] == 12.5,
        ask,
    )
    key = scene.feed("badge 77 opened the door")
    one = scene.collector.rev(key, 1)
    stage.ok(
        "a label under `never` stays here",
        one and one["decision"] == "defer" and "privacy" in one["why"] and len(worker.asked) == 2,
        one,
    )
    figures(scene)
    leaked = [word for word in SECRETS if word.encode() in bytes(scene.relay.sent)]
    stage.ok(
        "of all bytes that left, none says what was to stay",
        not leaked and scene.relay.questions() == len(worker.asked),
        leaked,
    )
    status = scene.status()
    stage.ok(
        "what left is counted",
        status["asked"] + status["retries"] == len(worker.asked)
        and status["answered"] == len(worker.asked)
        and status["bytes"] > 0,
        status,
    )
    stage.ok("it leaves when asked", scene.end() == 0)
    worker.close()


def figures(scene):
    count, took = 100 if stage.RUN or stage.SANITIZED else 300, []
    for number in range(count):
        begun = time.monotonic()
        key = scene.feed(f"drip number {number}")
        if not scene.collector.rev(key, 2):
            break
        took.append((scene.collector.at[key + (2,)] - begun) * 1000)
    took.sort()
    stage.ok(f"{count} lines one by one are answered", len(took) == count, len(took))
    if took:
        stage.note(
            f"line to correction: p50 {took[len(took) // 2]:.2f} ms, "
            f"p99 {took[len(took) * 99 // 100]:.2f} ms"
        )


def workers_die(broker):
    scene = Scene("esc2", broker)
    hold = Worker(broker.port, "dies", reply=lambda ask: None)
    scene.ready()
    key = scene.feed("drip one")
    stage.until(lambda: hold.asked, 5)
    other = Worker(broker.port, "lives")
    hold.close()
    two = scene.collector.rev(key, 2)
    stage.ok(
        "killed in mid-request: another answers the same id, in time",
        two
        and two.get("by") == "upstream"
        and [one["id"] for one in other.asked] == [hold.asked[0]["id"]]
        and other.asked[0]["try"] == 2,
        two,
    )
    other.reply = lambda ask: None
    key = scene.feed("drip two")
    two = scene.collector.rev(key, 2)
    stage.ok(
        "silence: defer at the end of both deadlines",
        two
        and "by" not in two
        and two["decision"] == "defer"
        and two["why"][-1] == "upstream:timeout",
        two,
    )
    other.answer(other.asked[-1], Worker.good(other.asked[-1]))
    three = scene.collector.rev(key, 3)
    stage.ok("a late answer corrects once more", three and three["by"] == "upstream", three)
    odd_answers(scene, other)
    other.close()
    other_state = scene.feed("drip three")  # the state still says ready
    two = scene.collector.rev(other_state, 2)
    stage.ok(
        "PUBACK says nobody subscribes: defer at once",
        two and two["why"][-1] == "upstream:nobody",
        two,
    )
    stage.ok("it leaves when asked, again", scene.end() == 0)


def odd_answers(scene, worker):
    """Each is refused, and the line keeps its own answer."""

    def changed(**how):
        return lambda ask: dict(Worker.good(ask), **how)

    ends = {
        "label not in the list": changed(label="fire"),
        "span out of range": changed(ev=[[0, 4000]]),
        "span that goes back": changed(ev=[[3, 1]]),
        "text not as quoted": changed(ev=[[0, 4, "drop"]]),
        "status error": changed(st="error"),
        "status refused": changed(st="refused"),
    }
    for name, reply in ends.items():
        worker.reply = reply
        two = scene.collector.rev(scene.feed("drip " + name), 2)
        stage.ok(
            f"answer with {name}: defer",
            two
            and two["decision"] == "defer"
            and two["why"][-1] in ("upstream:invalid", "upstream:refused"),
            two,
        )
    waits = {
        "a wrong id": changed(id="0" * 32),
        "a short id": changed(id="12"),
        "no JSON": lambda ask: '{"v":1,"id":"' + ask["id"],
        "another version": changed(v=2),
        "p of 7": changed(p=7),
        "p of NaN": changed(p="NaN"),
        "60 KB": changed(by="x" * 60000),
        "nine spans": changed(ev=[[0, 1]] * 9),
    }
    for name, reply in waits.items():
        worker.reply = reply
        two = scene.collector.rev(scene.feed("drip " + name), 2)
        stage.ok(
            f"answer with {name}: as if none came",
            two and two["decision"] == "defer" and two["why"][-1] == "upstream:timeout",
            two,
        )
        worker.state(ready=True, q=0)
        scene.ready()
    worker.reply = lambda ask: (worker.answer(ask, Worker.good(ask)), Worker.good(ask))[1]
    key = scene.feed("drip twice")
    two = scene.collector.rev(key, 2)
    stage.until(lambda: scene.status()["stray"] >= 3, 3)
    stage.ok(
        "an answer that comes twice counts once",
        two and two.get("by") == "upstream" and 3 not in scene.collector.held[key],
        scene.status(),
    )


def budget(broker):
    scene = Scene("esc3", broker, budget={"calls_per_day": 6, "money_per_day": 0.5})
    worker = Worker(broker.port, price=0.05)
    scene.ready()
    for number in range(4):
        scene.collector.rev(scene.feed(f"drip {number}"), 2)
    scene.end()
    scene.daemon.start().wait_ready()  # what was spent outlives it
    scene.count = 0
    scene.ready()
    for number in range(8):
        key = scene.feed(f"drop {number}")
    one = scene.collector.rev(key, 1)
    stage.until(lambda: scene.relay.questions() >= 6, 3)
    time.sleep(0.3)
    stage.ok(
        "over a restart no more calls leave than the budget has",
        scene.relay.questions() == 6 == len(worker.asked) and one["decision"] == "defer",
        (scene.relay.questions(), one),
    )
    stage.ok(
        "calls and money of the day are told",
        scene.status()["calls_day"] == 6 and abs(scene.status()["money_day"] - 0.3) < 1e-6,
        scene.status(),
    )
    worker.close()
    scene.end()
    dear = Scene("esc4", broker, budget={"calls_per_day": 100, "money_per_day": 0.5})
    worker = Worker(
        broker.port, "dear", price=0.01, reply=lambda ask: dict(Worker.good(ask), cost=0.2)
    )
    dear.ready()
    for number in range(8):
        dear.collector.rev(dear.feed(f"drip {number}"), 1)
        time.sleep(0.05)
    stage.ok("money ends it, too", len(worker.asked) == 3, len(worker.asked))
    worker.state(ready=True, q=64, price=0)
    worker.close()
    dear.end()


def busy(broker):
    scene = Scene("esc5", broker)
    worker = Worker(broker.port, "busy", ready=False)
    worker.state(ready=True, q=64)
    scene.ready()
    one = scene.collector.rev(scene.feed("drip"), 1)
    stage.ok(
        "a worker with a queue is asked only what is least sure",
        one and one["decision"] == "defer" and "upstream:busy" in one["why"],
        one,
    )
    worker.publish(STATE, b"", retain=True)
    stage.ok(
        "a state that is taken back: nobody is there",
        stage.until(lambda: scene.status()["worker"] == "none", 5),
    )
    worker.close()
    scene.end()


def properties_of(broker, topics):
    """What MQTT 5 says beside one message of each topic, as mosquitto's client has it."""
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.port), "-V", "5"]
    command += ["-C", str(len(topics))]
    for topic in topics:
        command += ["-t", topic]
    watch = stage.start(
        command + ["-F", "%t %C %P"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    time.sleep(0.3)
    return watch


def offline(_broker):
    """Hard lines while there is no broker: asked when it is back (sim_escalate: after hours)."""
    count = 20
    broker = stage.Mosquitto(name="offline")
    scene = Scene("esc7", broker)
    broker.kill()
    stage.until(lambda: scene.status("link")["state"] != "up", 20)
    keys = [scene.feed(f"drip {number} while nobody is there") for number in range(count)]
    stage.until(lambda: scene.status("records")["made"] >= count, 20)
    broker.start()
    worker = Worker(broker.port, "after").wait_ready()
    begun = time.monotonic()
    worker.state(ready=True, q=0)
    revs = [scene.collector.rev(key, 2, 90) or {} for key in keys]
    stage.ok(
        "offline, then answered: each line is asked once and corrected",
        all(one.get("by") == "upstream" for one in revs)
        and all(scene.collector.held[key][1]["decision"] == "defer" for key in keys)
        and len(worker.asked) == count,
        (len(worker.asked), scene.status(), revs[:1]),
    )
    stage.note(f"offline: {count} lines answered {time.monotonic() - begun:.1f} s after a worker")
    worker.close()
    scene.end()


def real_worker(broker):
    """The tool's own worker, asking a server that answers as OpenAI's do."""
    server = fake_openai.Server()
    worker = stage.start(
        [stage.TOOL, "upstream", "--openai", server.url]
        + ["--broker", f"mqtt://127.0.0.1:{broker.port}"],
        stderr=subprocess.DEVNULL,
    )
    scene = Scene("esc6", broker)
    ways = [f"{ROOT}/esc6/up/esc/req", f"{ROOT}/esc6/dn/esc/rsp"]
    watch = properties_of(broker, ways)
    stage.ok("the tool's worker is heard", scene.ready(15))
    key = scene.feed("pump 3 drips, operator Jane Doe")
    two = scene.collector.rev(key, 2)
    stage.ok(
        "and its answer corrects the record",
        two and two.get("by") == "upstream" and two["label"] in LABELS,
        (two, scene.status()),
    )
    stage.until(lambda: watch.poll() is not None, 10)
    seen = dict(line.split(" ", 1) for line in watch.stdout.read().splitlines())
    stage.ok(
        "question and answer carry their content type and the record they are about",
        sorted(seen) == sorted(ways)
        and all(
            re.fullmatch(rf"application/json trace:esc6/{key[0]}/{key[1]}", one)
            for one in seen.values()
        ),
        seen,
    )
    scene.end()
    worker.terminate()
    worker.wait()


def main():
    stage.limit(240)
    broker = stage.Mosquitto()
    for part in (asked_and_answered, workers_die, budget, busy, offline, real_worker):
        part(broker)
        clear = client.Client(broker.port, "clear").wait_ready()
        clear.publish(STATE, b"", retain=True)
        clear.close()
    Worker.requests.judge()
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
