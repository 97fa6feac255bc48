#!/usr/bin/env python3
"""Every message of daemon, worker and collector against its schema, and board/TOPICS.md against the
programs: topics, who retains, keys, examples.

usage: tells.py [--write]    --write: makes board/TOPICS.md and the schema of health anew, with
                             messages of this run as examples
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time

import client
import collect
import fake_openai
import stage

sys.path[:0] = [os.path.join(stage.ROOT, "tools/gen"), os.path.join(stage.ROOT, "tests/tool")]
import schema  # tests/tool/schema.py
import topics  # tools/gen/topics.py

ROOT, DEV = "leafcutter/v1", "pump-7"
DOCUMENT, HEALTH = "board/TOPICS.md", "tools/dist/schemas/health.schema.json"


def job_write():
    rules = [
        {"id": "R1", "if": "temp > 90", "label": "overheating", "p": 0.99},
        {"id": "R2", "if": "text ~ /drip/", "label": "leak", "p": 0.4},
        {"id": "R3", "if": "text ~ /./", "label": "normal", "p": 0.95},
    ]
    labels = [
        {"name": "overheating", "cost_miss": 9, "action": "gpio:relay=1,500ms"},
        {"name": "leak", "cost_miss": 2, "text": "something drips or sprays"},
        {"name": "normal", "cost_miss": 1},
    ]
    task = {
        "task": "fault",
        "labels": labels,
        "stages": [{"id": "rules", "type": "rules", "rules": rules}],
    }
    job = {
        "version": 1,
        "job": "pump",
        "ver": 14,
        "tasks": [task],
        "escalate": {"deadline_ms": 8000, "budget": {"calls_per_day": 200}},
        "privacy": {"redact": ["serial", "address", "name"]},
    }
    path = os.path.join(stage.folder, "pump.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(job, file)
    return path


class Seen(client.Client):
    """Messages by topic, and which were retained for somebody who came late."""

    def __init__(self, port, name):
        self.messages, self.kept = {}, set()
        super().__init__(port, name, ["#"], on_message=self.keep)
        self.wait_ready()

    def keep(self, topic, payload, retained):
        if payload:
            self.messages.setdefault(topic, []).append(payload.decode())
        if retained:
            self.kept.add(topic)

    def of(self, topic, check=lambda one: True, seconds=15):
        """The first object of a topic that is so."""

        def find():
            return next(
                (
                    one
                    for text in self.messages.get(topic, [])
                    for one in objects(text)
                    if check(one)
                ),
                None,
            )

        return stage.until(find, seconds)


def objects(text):
    found = json.loads(text)
    return found if isinstance(found, list) else [found]


def run(port):
    """All that can be said is said; what was seen, and the collector's file."""
    up = f"{ROOT}/{DEV}/up/"
    seen = Seen(port, "seen")
    url, lines = f"mqtt://127.0.0.1:{port}", os.path.join(stage.folder, "kept.jsonl")
    quiet = {"stderr": subprocess.DEVNULL}
    server = fake_openai.Server()
    collector = collect.collect(port, lines)
    collect.connected(lines)  # what it missed would come again after a minute
    worker = stage.start(
        stage.RUN
        + [stage.TOOL, "upstream", "--openai", server.url, "--broker", url, "--model", "m"],
        **quiet,
    )
    d = stage.Daemon(DEV, url, job=job_write(), broker={"ack": "e2e"})
    d.config["queue"] = {"inbox_kb": 16}
    d.start().wait_ready()
    stage.until(lambda: d.status()["upstream"]["worker"] == "ready", 15)
    writer = client.Client(port, "writer").wait_ready()
    writer.publish("homeassistant/status", "online")
    d.feed_all(["Pump P2 temp 96 C", "pump P2 temp 40 C", "P2 drips, says John Smith"], per_s=5)
    seen.of(up + "res/fault", lambda one: one.get("by") == "upstream")
    writer.publish(f"{ROOT}/{DEV}/dn/cmd/report", "{}")
    for _ in range(200):  # more than fits, while each is read
        writer.publish(f"{ROOT}/{DEV}/dn/text", "x" * 8000, qos=0)
    seen.of(up + "gap")
    seen.of(up + "audit", lambda one: one["kind"] == "command")
    kept = stage.until(lambda: d.status()["records"]["waiting"] == 0, 90)
    stage.ok("all that was told is kept, and the device knows", kept, d.status())
    late = Seen(port, "late")
    time.sleep(0.5)
    late.close()
    status = d.status()
    for one in (d.process, worker, collector):
        one.send_signal(signal.SIGTERM)
        one.wait(20)
    stage.until(lambda: "offline" in seen.messages[up + "state"], 10)
    seen.close()
    writer.close()
    with open(lines, encoding="utf-8") as file:
        return seen.messages, late.kept, file.read().splitlines(), status


def matches(path, topic):
    """Whether this topic is one of that row."""
    whole = path.replace("<homeassistant>", "homeassistant").replace("<root>", ROOT)
    whole = whole.replace("<id>", DEV)
    if not path.startswith("<"):
        whole = f"{ROOT}/{DEV}/{whole}"
    return re.fullmatch(re.sub("<[a-z]+>", "[^/]+", whole), topic)


def row_of(rows, topic):
    return next((row for row in rows if matches(row[0], topic)), None)


# ---- tests ----


def schemas_check(rows, messages, lines, schemas):
    """Each message fits; each payload was seen."""
    seen, wrong = {}, []

    def judge(payload, one):
        seen[payload] = seen.get(payload, 0) + 1
        if payload in schemas:
            fault = schema.Check(schemas[payload]).fault(schemas[payload], one)
            if fault:
                wrong.append(f"{payload}: {fault}: {json.dumps(one)[:200]}")

    for topic, texts in messages.items():
        row = row_of(rows, topic)
        if not row:
            wrong.append(f"{topic} is no row of --help-topics")
        elif row[2] != "text":
            for text in texts:
                for one in objects(text):
                    judge(row[2], one)
    for line in lines:
        judge("collected", json.loads(line))
    stage.ok("every message fits the schema of its topic", not wrong, "\n".join(wrong[:5]))
    silent = [row[0] for row in rows if not any(matches(row[0], topic) for topic in messages)]
    stage.ok("and every topic was heard", not silent, silent)
    stage.note(", ".join(f"{count} {payload}" for payload, count in sorted(seen.items())))


def retained_check(rows, messages, kept):
    wrong = []
    for topic in messages:
        row = row_of(rows, topic)
        if row and (row[3] == "retained") != (topic in kept):
            wrong.append(topic)
    stage.ok("retained is what is said to be", not wrong, wrong)


def status_check(status, schemas):
    """The status object is health and who it is."""
    own = ("sw", "level", "threads", "broker", "job", "ver", "src", "groups")
    rest = {key: value for key, value in status.items() if key not in own}
    fault = schema.Check(schemas["health"]).fault(schemas["health"], rest)
    stage.ok("the status object is health and who it is", not fault, fault)


def examples_make(rows, messages, lines):
    """One message of each payload: the most telling of this run."""
    found = {"collected": lines[0]}
    wanted = {
        "record": lambda one: one.get("by") == "upstream",
        "audit": lambda one: one["kind"] == "ask",
        "event": lambda one: "was" not in one,
        "worker": lambda one: one["ready"],
    }
    for topic, texts in messages.items():
        payload = row_of(rows, topic)[2]
        if payload in ("text", "command") or (payload == "record" and "/res/" not in topic):
            continue
        whole = [
            json.dumps(one, separators=(",", ":"), ensure_ascii=False)
            for text in texts
            for one in objects(text)
            if wanted.get(payload, lambda _: True)(one)
        ]
        found[payload] = (whole or texts)[-1]
    return found


def keys_of(value, path=""):
    """Paths of keys whose presence tells the kind of a message; items of arrays are left out."""
    return {f"{path}{key}" for key in value} if isinstance(value, dict) else set()


def strict_check(examples, schemas):
    """A schema that takes anything would prove nothing."""
    taken = []
    for payload, text in examples.items():
        if payload not in schemas:
            continue
        whole, required = json.loads(text), schemas[payload]["required"]
        worse = [{key: one for key, one in whole.items() if key != gone} for gone in required]
        worse += [{**whole, key: [None]} for key in whole]
        if not schemas[payload].get("additionalProperties", True):
            worse.append({**whole, "colour": "red"})
        taken += [
            f"{payload}: {json.dumps(one)[:200]}"
            for one in worse
            if not schema.Check(schemas[payload]).fault(schemas[payload], one)
        ]
    stage.ok("a key that is missing, wrong or unknown does not fit", not taken, "\n".join(taken))


def document_check(text, schemas, messages, rows):
    examples = topics.examples_of(text)
    payloads = {row[2] for row in rows} - {"text", "command"} | {"collected"}
    stage.ok("an example of each payload", set(examples) == payloads, payloads ^ set(examples))
    wrong = []
    for payload, example in examples.items():
        one = json.loads(example)
        known = set(schemas[payload]["properties"]) if payload in schemas else keys_of(one)
        if payload in schemas:
            fault = schema.Check(schemas[payload]).fault(schemas[payload], one)
            wrong += [f"{payload}: {fault}"] if fault else []
        real = [
            keys_of(each)
            for topic, texts in messages.items()
            if row_of(rows, topic) and row_of(rows, topic)[2] == payload
            for found in texts
            for each in objects(found)
        ]
        if real and not any(keys_of(one) == each for each in real):
            wrong.append(f"{payload}: no message of this run has the keys {sorted(keys_of(one))}")
        wrong += [f"{payload}: {key}" for key in keys_of(one) - known]
    stage.ok("its examples are what is sent", not wrong, "\n".join(wrong))
    return examples


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="board/TOPICS.md and health's schema")
    write = parser.parse_args().write
    stage.limit(200)
    broker = stage.Mosquitto()
    messages, kept, lines, status = run(broker.port)
    rows = topics.table(stage.DAEMON, "--help-topics")
    if write:
        made = topics.files(stage.DAEMON, examples_make(rows, messages, lines))
        for path, text in made.items():
            with open(os.path.join(stage.ROOT, path), "w", encoding="utf-8") as file:
                file.write(text)
    names = {row[2] for row in rows} | {"collected"}
    schemas = {name: found for name in names if (found := topics.schema_of(name))}
    schemas_check(rows, messages, lines, schemas)
    retained_check(rows, messages, kept)
    status_check(status, schemas)
    with open(os.path.join(stage.ROOT, DOCUMENT), encoding="utf-8") as file:
        text = file.read()
    examples = document_check(text, schemas, messages, rows)
    strict_check(examples, schemas)
    for path, made in topics.files(stage.DAEMON, examples).items():
        with open(os.path.join(stage.ROOT, path), encoding="utf-8") as file:
            stage.ok(f"{path} is up to date (make topics)", file.read() == made)
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
