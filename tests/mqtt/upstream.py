#!/usr/bin/env python3
"""`leafcutter upstream` between a broker and a server that misbehaves: every trouble of the server,
streamed and plain; the same request twice; several workers, one of them killed; prices; dry runs.

usage: upstream.py [--server URL]

With --server a real one is asked instead, plain and streamed, by two workers of which one dies.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time

import client
import escalate
import fake_openai
import stage

ROOT = "leafcutter/v1"
LABELS = ["warm", "overheating", "normal"]


class Devices(client.Client):
    """Asks for any device, keeps answers by id and what workers say of themselves."""

    def __init__(self, port):
        self.answer, self.twice, self.states, self.number_asked = {}, 0, [], 0
        self.answers, self.told = stage.Fits("escalation-answer"), stage.Fits("worker")
        super().__init__(
            port,
            "devices",
            [f"{ROOT}/+/dn/esc/rsp", f"{ROOT}/_esc/state"],
            on_message=self.take_message,
        )

    def take_message(self, topic, payload, _retained):
        said = json.loads(payload)
        if topic.endswith("_esc/state"):
            self.told.take(said)
            self.states.append(said)
            return
        self.answers.take(said)
        self.twice += said["id"] in self.answer
        said["topic"], said["at"] = topic, time.monotonic()
        self.answer[said["id"]] = said

    def ask(self, text, dev="pi4-0001", labels=None, deadline_ms=8000, number=None, **more):
        self.number_asked += 1
        name = f"{number or self.number_asked:032x}"
        asked = {
            "v": 1,
            "id": name,
            "dl": int(time.time() * 1000) + deadline_ms,
            "try": 1,
            "job": "pump",
            "task": "fault",
            "text": text,
            "labels": labels or LABELS,
            "facts": [],
            "near": [],
            "max_tok": 60,
        }
        asked.update(more)
        self.publish(f"{ROOT}/{dev}/up/esc/req", json.dumps(asked))
        return name

    def wait(self, name, seconds=12):
        return stage.until(lambda: self.answer.get(name), seconds, 0.02) or {}


def worker(port, url, *options, name="w"):
    log = os.path.join(stage.folder, f"worker-{name}")
    out, err = open(log + ".out", "ab"), open(log + ".log", "ab")
    process = stage.start(
        stage.RUN
        + [
            stage.TOOL,
            "upstream",
            "--broker",
            f"mqtt://127.0.0.1:{port}",
            "--openai",
            url,
            "--id",
            name,
            "--json",
            *options,
        ],
        stdout=out,
        stderr=err,
    )
    process.told = log + ".out"
    process.log = log + ".log"
    return process


def told(process):
    with open(process.told, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def ready(devices, name):
    return stage.until(lambda: any(s["ready"] and s["id"] == name for s in devices.states), 20)


def faults(real, devices, server, kind):
    """Every mode once, at the same time."""
    one = worker(
        real.port,
        server.url,
        "--model",
        "big",
        "--jobs",
        "16",
        "--deadline",
        "9000",
        *(["--stream"] if kind == "streamed" else []),
        name=kind,
    )
    ready(devices, kind)
    expect = {
        "plain": "ok",
        "429x1": "ok",
        "500x2": "ok",
        "500": "error",
        "400": "error",
        "cutx1": "ok",
        "cut": "error",
        "json": "refused",
        "label": "refused",
        "range": "refused",
        "refuse": "refused",
        "huge": "error",
        "slow": "late",
    }
    if kind == "plain":
        expect["type"] = "error"
    names = {
        mode: devices.ask(
            f"warm {kind} mode:{mode} 71 C", deadline_ms=1500 if mode == "slow" else 30000
        )
        for mode in expect
    }
    got = {mode: devices.wait(name).get("st") for mode, name in names.items()}
    stage.ok(
        f"{kind}: every trouble of the server has its answer", got == expect, f"{got}\n{expect}"
    )
    good = devices.wait(names["plain"])
    text = f"warm {kind} mode:plain 71 C"
    stage.ok(
        f"{kind}: label, probability, evidence found in the line",
        good.get("label") == "warm"
        and good["p"] == 0.9
        and good["ev"] == [[0, 4, "warm"]]
        and text[slice(*good["ev"][0][:2])] == "warm"
        and good["by"] == "big",
        good,
    )
    stage.ok(
        f"{kind}: as often as it should",
        [
            server.times(f"{kind} mode:{mode} ")
            for mode in ("plain", "429x1", "500x2", "500", "400", "json", "cut")
        ]
        == [1, 2, 3, 4, 1, 1, 4],
        server.count,
    )
    late = devices.answer[names["slow"]]
    stage.ok(
        f"{kind}: late at its deadline",
        late["st"] == "late" and 1300 < late["ms"] < server.slow_s * 1000 and late["label"] is None,
        late,
    )
    seen = [
        at
        for path, headers, asked, at in server.seen
        if f"{kind} mode:429x1" in asked["messages"][1]["content"]
    ]
    stage.ok(f"{kind}: Retry-After is kept", len(seen) == 2 and seen[1] - seen[0] >= 0.95, seen)
    return one


def hostile(devices):
    """Requests that nobody may answer as asked."""
    before = len(devices.answer)
    for payload in ("", "{", "[]", '{"id":"x"}', '{"id":"' + "g" * 32 + '"}', "\x00", "9" * 5000):
        devices.publish(f"{ROOT}/pi4-0001/up/esc/req", payload)
    wrong = [
        devices.ask("", number=9001),
        devices.ask("x", labels=[{}], number=9002),
        devices.ask("x", max_tok=0, number=9003),
        devices.ask("x" * 9000, number=9004),
    ]
    got = [devices.wait(name).get("st") for name in wrong]
    stage.ok(
        "requests that make no sense: an error to whom can be answered, silence else",
        got == ["error"] * 4 and len(devices.answer) == before + 4,
        got,
    )
    name = devices.ask("warm elsewhere", rsp="leafcutter/v1/_esc/state", number=9005)
    stage.ok(
        "an answer goes to the device that asked, wherever it wants it",
        devices.wait(name).get("topic") == f"{ROOT}/pi4-0001/dn/esc/rsp",
        devices.answer,
    )


def same_twice(devices, server):
    name = devices.ask("warm once only", number=5001)
    first = dict(devices.wait(name))
    devices.ask("warm once only", number=5001)
    again = stage.until(lambda: devices.answer[name]["at"] != first["at"], 5)
    devices.ask("warm once only", dev="pi4-0002", number=5001)
    other = stage.until(lambda: "0002" in devices.answer[name]["topic"], 5)
    stage.ok(
        "the same id again: the same answer, asked once; of another device: asked anew",
        again and other and server.times("once only") == 2,
        server.times("once only"),
    )


def properties(real):
    """Response topic and correlation, as mosquitto's own client uses them."""
    asked = {"v": 1, "id": "a" * 32, "text": "overheating now", "labels": LABELS}
    got = subprocess.run(
        [
            "mosquitto_rr",
            "-h",
            "127.0.0.1",
            "-p",
            str(real.port),
            "-V",
            "5",
            "-q",
            "1",
            "-W",
            "10",
            "-t",
            f"{ROOT}/pi4-0003/up/esc/req",
            "-e",
            f"{ROOT}/pi4-0003/dn/esc/other",
            "-D",
            "publish",
            "correlation-data",
            "number-seven",
            "-F",
            "%D %p",
            "-m",
            json.dumps(asked),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    text = got.stdout.decode()
    stage.ok(
        "the answer carries the request's correlation, to its response topic",
        text.startswith("number-seven ") and '"label":"overheating"' in text,
        text + got.stderr.decode(),
    )


def leaves(one, devices, name):
    one.send_signal(signal.SIGTERM)
    with_rc = one.wait(10)
    gone = stage.until(
        lambda: devices.states[-1] == dict(devices.states[-1], ready=False, id=name), 5
    )
    stage.ok(
        f"{name}: leaves when asked and says so",
        with_rc == 0 and gone,
        f"{with_rc} {devices.states[-1:]}",
    )


def key_and_price(real, devices, server):
    key, ledger = os.path.join(stage.folder, "key"), os.path.join(stage.folder, "ledger")
    with open(key, "w", encoding="ascii") as file:
        file.write("secret-of-the-server\n")
    one = worker(
        real.port,
        server.url + "/v1/",
        "--key-file",
        key,
        "--ledger",
        ledger,
        "--price-in",
        "0.01",
        "--price-out",
        "0.03",
        name="priced",
    )
    ready(devices, "priced")
    name = devices.ask("normal priced line")
    answer = devices.wait(name)
    stage.ok("price: tokens times price", answer.get("cost") == 0.0016, answer)
    path, headers, asked, _ = server.seen[-1]
    stage.ok(
        "key: sent to the server, said nowhere else",
        headers.get("Authorization") == "Bearer secret-of-the-server"
        and "secret" not in open(one.log, encoding="utf-8").read()
        and "secret" not in open(f"/proc/{one.pid}/cmdline", encoding="utf-8").read()
        and "secret" not in json.dumps(answer),
        headers,
    )
    stage.ok(
        "one path, temperature 0, no model unless named",
        path == "/v1/chat/completions" and asked["temperature"] == 0 and "model" not in asked,
        asked,
    )
    stage.until(lambda: abs(devices.states[-1]["price"] - 0.0016) < 1e-9, 3)
    state = devices.states[-1]
    stage.ok(
        "state: ready, queue, p50, price",
        state["ready"] and state["q"] == 0 and abs(state["price"] - 0.0016) < 1e-9,
        state,
    )
    leaves(one, devices, "priced")
    got = subprocess.run(
        [stage.TOOL, "upstream", "--totals", ledger, "--json"], stdout=subprocess.PIPE, check=False
    ).stdout
    day = json.loads(got)
    stage.ok(
        "ledger: totals of the day",
        (day["calls"], day["in"], day["out"], day["cost"]) == (1, 100, 20, 0.0016),
        got,
    )


def two_workers(real, devices, server):
    """Both answer; one dies in the middle of its work, and the devices' second try saves it."""
    server.delay_s = 0.1
    both = [worker(real.port, server.url, "--jobs", "2", name=name) for name in ("left", "right")]
    ready(devices, "left")
    ready(devices, "right")
    server.most = 0
    names = [devices.ask(f"warm shared {n}") for n in range(40)]
    all_in = stage.until(lambda: all(name in devices.answer for name in names), 20)
    share = [len(told(one)) for one in both]
    stage.ok("two workers share the work", all_in and sum(share) == 40 and min(share) >= 10, share)
    stage.ok("no more at the server than jobs allow", server.most == 4, server.most)
    server.delay_s, dead = 1.0, both[0]
    asked = {devices.ask(f"warm dying {n}", number=7000 + n): n for n in range(8)}
    stage.until(lambda: server.busy == 4, 5)
    dead.kill()
    dead.wait()
    stage.until(lambda: sum(name in devices.answer for name in asked) == 4, 4)
    missing = [name for name in asked if name not in devices.answer]
    for name in missing:  # what a device does after half its time
        devices.ask(f"warm dying {asked[name]}", number=7000 + asked[name], **{"try": 2})
    answered = stage.until(lambda: all(name in devices.answer for name in asked), 8)
    stage.ok(
        "a worker killed in the middle: the other answers the second try, in time",
        answered and missing and all(devices.answer[name]["st"] == "ok" for name in asked),
        f"{len(missing)} missing",
    )
    saved = stage.until(lambda: devices.states[-1]["ready"], 5)
    will = any(not s["ready"] and s["id"] == "left" for s in devices.states)
    stage.ok(
        "its will says that it is gone, the other says that somebody is there",
        saved and will,
        devices.states[-4:],
    )
    stage.note(f"two workers: {share[0]} and {share[1]} of 40; {len(missing)} of 8 asked again")
    server.delay_s = 0.0
    leaves(both[1], devices, "right")


def pressure(real, devices, server):
    """More than the queue holds; the state tells of the queue."""
    server.delay_s = 0.6
    one = worker(real.port, server.url, "--jobs", "1", "--queue", "6", name="small")
    ready(devices, "small")
    names = [devices.ask(f"warm crowd {n}", deadline_ms=20000) for n in range(12)]
    stage.until(lambda: sum(name in devices.answer for name in names) >= 6, 8)
    time.sleep(0.5)
    queues = [s["q"] for s in devices.states if s["id"] == "small"]
    stage.ok(
        "a full queue keeps its bound and tells",
        sum(name in devices.answer for name in names) == 6 and max(queues) == 6,
        queues,
    )
    server.delay_s = 0.0
    leaves(one, devices, "small")


def broker_away(real, devices, server):
    one = worker(real.port, server.url, name="patient")
    ready(devices, "patient")
    real.kill()
    time.sleep(0.5)
    real.start()
    devices.wait_ready()
    stage.until(lambda: devices.states[-1]["id"] == "patient", 10)
    devices.states.clear()
    stage.until(lambda: devices.states, 15)
    stage.ok(
        "the broker dies: the worker comes back",
        devices.wait(devices.ask("overheating after it")).get("label") == "overheating",
    )
    leaves(one, devices, "patient")


def daemon_asks(server):
    """The whole way: a line, a daemon, the worker, the server, a correction in the collector."""
    real = stage.Mosquitto(name="whole", lines=[])
    one = worker(real.port, server.url, "--model", "big", name="whole-worker")
    scene = escalate.Scene("whole", real, deadline_ms=4000)
    heard = scene.ready()
    took = []
    for n in range(20):
        begun = time.monotonic()
        two = scene.collector.rev(scene.feed(f"drip number {n}, leak suspected"), 2)
        took.append((time.monotonic() - begun) * 1000)
        if not two or (two["label"], two["by"], two["ev"]) != ("leak", "upstream", [[0, 4]]):
            break
    stage.ok(
        "a daemon's hard lines come back corrected",
        heard and len(took) == 20 and two and two["label"] == "leak" and two["ev"] == [[0, 4]],
        two,
    )
    took.sort()
    stage.note(f"line to correction: p50 {took[10]:.1f} ms, most {took[-1]:.1f} ms")
    scene.end()
    one.send_signal(signal.SIGTERM)
    one.wait(10)


def dry_runs(server):
    before = len(server.seen)
    path = os.path.join(stage.folder, "requests")
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps({"id": "b" * 32, "text": 'say "{" \\ \u00e9', "labels": LABELS}))
        file.write("\nnonsense\n")
    got = subprocess.run(
        [stage.TOOL, "upstream", "--openai", server.url, "--dry-run", path],
        stdout=subprocess.PIPE,
        check=False,
    )
    first, second = [json.loads(line) for line in got.stdout.decode().splitlines()]
    line = json.loads(first["body"]["messages"][1]["content"])["line"]
    stage.ok(
        "dry run: what would be sent, and nothing is",
        got.returncode == 0
        and line == 'say "{" \\ \u00e9'
        and "error" in second
        and len(server.seen) == before,
        got.stdout,
    )
    for name, options, rc in (
        ("no server", [], 2),
        ("no broker", ["--openai", server.url], 2),
        ("no address", ["--openai", "ftp://x", "--broker", "mqtt://x"], 2),
        ("no key", ["--openai", server.url, "--key-file", "/nonexistent"], 4),
        ("empty key", ["--openai", server.url, "--key-file", "/dev/null"], 3),
    ):
        environment = {k: v for k, v in os.environ.items() if k != "LEAFCUTTER_BROKER"}
        found = subprocess.run(
            stage.RUN + [stage.TOOL, "upstream"] + options,
            env=environment,
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
        stage.ok(f"{name}: exit {rc}", found == rc, found)


def real_server(url):
    """Any answer will do that keeps to the schema: models differ."""
    real = stage.Mosquitto()
    devices = Devices(real.port).wait_ready()
    for kind, options in (("plain", []), ("streamed", ["--stream"])):
        both = [worker(real.port, url, *options, name=kind + side) for side in ("-left", "-right")]
        for side in ("-left", "-right"):
            ready(devices, kind + side)
        names = [
            devices.ask(f"pump {n} temp {90 + n} C, bearing warm", deadline_ms=120000, max_tok=200)
            for n in range(6)
        ]
        time.sleep(1)
        both[0].kill()
        both[0].wait()
        for n, name in enumerate(names):
            devices.ask(
                f"pump {n} temp {90 + n} C, bearing warm",
                deadline_ms=120000,
                max_tok=200,
                number=int(name, 16),
            )
        got = [devices.wait(name, 120) for name in names]
        stage.ok(
            f"{kind}: all answered within the schema, though one of two workers died",
            all(one.get("st") == "ok" and one["label"] in LABELS for one in got),
            got,
        )
        stage.note(f"{kind}: {sorted(one.get('ms', 0) for one in got)} ms")
        leaves(both[1], devices, kind + "-right")
    devices.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server")
    url = parser.parse_args().server
    stage.limit(400 if url else 120)
    if url:
        real_server(url)
        return stage.done()
    server, real = fake_openai.Server(), stage.Mosquitto(kept="end")
    devices = Devices(real.port).wait_ready()
    threads = threading.active_count()
    first = faults(real, devices, server, "plain")
    hostile(devices)
    same_twice(devices, server)
    properties(real)
    leaves(first, devices, "plain")
    leaves(faults(real, devices, server, "streamed"), devices, "streamed")
    key_and_price(real, devices, server)
    two_workers(real, devices, server)
    pressure(real, devices, server)
    broker_away(real, devices, server)
    daemon_asks(server)
    dry_runs(server)
    stage.ok(
        "no request was answered twice but those asked twice", devices.twice <= 3, devices.twice
    )
    stage.note(f"{len(server.seen)} requests at the server, {threads} threads")
    devices.answers.judge()
    devices.told.judge()
    devices.close()
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
