#!/usr/bin/env python3
"""Lines from files, stdin, serial lines and messages; what is retained; commands; systemd; leaving.

usage: inputs.py
"""
import json
import os
import signal
import socket
import subprocess
import sys
import time

import client
import stage

TOPICS = "leafcutter/v1"
LAST_S = 1.5  # up/last comes once a second


class Watcher(client.Client):
    """Every message below a device, as (topic below the device, payload, retained)."""

    def __init__(self, port, dev, name="watch"):
        self.seen = []
        prefix = f"{TOPICS}/{dev}/"
        super().__init__(port, f"{name}-{dev}", [prefix + "#"], on_message=lambda t, p, r:
                         self.seen.append((t[len(prefix):], p.decode(), r)))

    def of(self, topic, retained=None):
        return [payload for t, payload, r in list(self.seen)
                if t == topic and (retained is None or r == retained)]


def config_write(daemon, **more):
    daemon.config.update(more)
    path = daemon.path("config.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(daemon.config, file)
    return path


def finite(real):
    """Files and stdin are read to their end, a last line without LF too, then the daemon leaves."""
    collector = client.Collector(real.port).wait_ready()
    d = stage.Daemon("finite", f"mqtt://127.0.0.1:{real.port}")
    count = 40 if stage.RUN else 200 if stage.SANITIZED else 3000
    lines = [stage.line(n) for n in range(count)]
    with open(d.path("lines.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    path = config_write(d, inputs=[{"source": "stdin"},
                                   {"source": "file", "path": d.path("lines.txt")}])
    done = subprocess.run(stage.RUN + [stage.DAEMON, "--config", path, "--until-eof"], timeout=60,
                          input=b"first\r\n\n" + b"x" * 9000 + b"\nlast\n", check=False,
                          stderr=subprocess.PIPE)
    stage.ok("file, stdin: leaves at their end", done.returncode == 0, done.stderr.decode())
    held = collector.record["finite"].values()
    by = {src: [one for one in held if one["src"] == src] for src in ("stdin", "lines.txt")}
    stage.until(lambda: len(held) == count + 4, 5)
    stage.ok("file, stdin: each line once, in order", len(held) == count + 4 and
             not stage.ordered(collector, "finite") and len(by["lines.txt"]) == count, len(held))
    hashes = [one["in"] for one in sorted(by["lines.txt"], key=lambda one: one["seq"])]
    stage.ok("file: of its own line", hashes == [d.hash_of(one) for one in lines])
    odd = sorted(by["stdin"], key=lambda one: one["seq"])
    stage.ok("stdin: CR dropped, empty and long lines named", len(odd) == 4 and
             odd[0]["in"] == d.hash_of("first") and odd[1]["why"] == ["input:empty"] and
             odd[2]["why"] == ["input:long"] and odd[3]["in"] == d.hash_of("last"), odd)
    collector.close()


class Serial:
    """The other end of a serial line, at a path that can lead to another one later."""

    def __init__(self, path):
        self.path, self.ends = path, None
        self.plug()

    def plug(self):
        self.ends = os.openpty()
        os.symlink(os.ttyname(self.ends[1]), self.path + ".new")
        os.rename(self.path + ".new", self.path)

    def unplug(self):
        os.unlink(self.path)
        for end in self.ends:
            os.close(end)

    def write(self, data):
        os.write(self.ends[0], data)


def serial(real):
    """A serial line that comes late, is pulled out in the middle of a line, and comes back."""
    collector = client.Collector(real.port).wait_ready()
    d = stage.Daemon("serial", f"mqtt://127.0.0.1:{real.port}")
    place = d.path("tty")
    d.config["inputs"] = [{"source": "serial", "path": place, "baud": 115200, "id": "tty0"}]
    d.start().wait_ready()
    stage.ok("serial: starts without its line, says so", len(d.said("input-away")) == 1, d.log())
    line = Serial(place)
    stage.until(lambda: d.said("input-back"), 10)
    line.write(b"pump 1 temp 96 C\r\npump 2 ")
    time.sleep(0.2)
    line.write(b"temp 97 C\nhalf a li")
    stage.ok("serial: lines in pieces", stage.until(lambda: collector.count("serial") == 2, 10),
             collector.record)
    line.unplug()
    stage.ok("serial: pulled out, said", stage.until(lambda: len(d.said("input-away")) == 2, 10),
             d.log())
    line.plug()
    stage.until(lambda: len(d.said("input-back")) == 2, 20)
    line.write(b"pump 3 temp 98 C\n")
    good = stage.until(lambda: collector.count("serial") == 3, 10)
    found = sorted(collector.record["serial"].items())
    stage.ok("serial: comes back, half a line is no line", good and [one["in"] for _, one in found]
             == [d.hash_of(f"pump {n} temp {n + 95} C") for n in (1, 2, 3)], found)
    stage.ok("serial: leaves when asked", d.stop() == 0, d.log())
    line.unplug()
    collector.close()


def messages(real):
    """Retained messages are old ones; what fits no template is no line; too many are stated."""
    watch = Watcher(real.port, "messages").wait_ready()
    other = client.Client(real.port, "other").wait_ready()
    other.publish("plant/a", b"old news", retain=True)
    d = stage.Daemon("messages", f"mqtt://127.0.0.1:{real.port}",
                     config={"queue": {"inbox_kb": 16}})
    d.config["inputs"] = [{"source": "mqtt", "topic": "plant/+"},
                          {"source": "mqtt", "topic": "zigbee2mqtt/pump", "id": "zigbee",
                           "template": "temp {temperature} C state {state.valve}"}]
    d.start().wait_ready()
    stage.until(lambda: watch.of("up/birth"), 10)
    other.publish("plant/a", b"pump 1 temp 96 C\n")
    for payload in (b"{", b"[1]", b'{"temperature":1}', b'{"temperature":null,"state":{"valve":1}}',
                    b'{"temperature":96.5,"state":{"valve":"open"},"x":[{}]}'):
        other.publish("zigbee2mqtt/pump", payload)
    stage.until(lambda: len(watch.of("up/res/triage")) == 2, 5)
    stage.ok("messages: a retained one is no line, nor is one that fits no template",
             [json.loads(one)["in"] for one in watch.of("up/res/triage")] == [
                 d.hash_of("pump 1 temp 96 C"), d.hash_of("temp 96.5 C state open")],
             watch.of("up/res/triage"))
    stage.ok("messages: the template's trouble is said once", len(d.said("input-template")) == 1,
             d.log())
    flood = 400 if stage.RUN else 4000
    for n in range(flood):
        other.publish(f"{TOPICS}/messages/dn/text", b"x" * 3000 + str(n).encode(), qos=0)
    def all_there():
        status = d.status()
        lines = status["lines"]
        return status["records"]["waiting"] == 0 and lines["in"] + lines["lost"] == flood + 2 and \
            lines["waiting"] == 0
    good = stage.until(all_there, 60)
    time.sleep(LAST_S)
    lost = d.status()["lines"]["lost"]
    gaps = [json.loads(one) for one in watch.of("up/gap")]
    stage.ok("messages: those that find no room are stated, exactly", good and lost > 0 and
             lost == sum(one["lines"] for one in gaps) and
             all(one["src"] == "dn" and one["why"] == "inbox" for one in gaps),
             f"{lost} lost, {gaps} {d.status()}")
    stage.note(f"messages: {flood} of 3 kB at once, {lost} lost and stated in {len(gaps)} gaps")
    stage.ok("messages: leaves when asked", d.stop() == 0, d.log())
    other.publish("plant/a", b"", retain=True)
    watch.close()
    other.close()


RULES = {"version": 1, "job": "pump", "ver": 3, "tasks": [{
    "task": "fault", "labels": [{"name": "overheating", "cost_miss": 100}, {"name": "normal"}],
    "stages": [{"id": "rules", "type": "rules", "rules": [
        {"id": "R1", "if": "temp > 90", "label": "overheating", "p": 0.99},
        {"id": "R2", "if": "temp <= 90", "label": "normal", "p": 0.99}]}]}]}


def retained(real):
    """What a newcomer finds: state, birth and the last record of each task; events; commands; and
    the will. The job is a file with rules, compiled at the start."""
    job = os.path.join(stage.folder, "rules.json")
    with open(job, "w", encoding="utf-8") as file:
        json.dump(RULES, file)
    d = stage.Daemon("kept", f"mqtt://127.0.0.1:{real.port}", job=job).start().wait_ready()
    watch = Watcher(real.port, "kept").wait_ready()
    stage.until(lambda: watch.of("up/birth"), 10)
    d.feed_all(["pump 1 temp 96 C", "pump 2 temp 20 C"])
    time.sleep(LAST_S)
    late = Watcher(real.port, "kept", "late").wait_ready()
    time.sleep(0.2)
    birth = json.loads(late.of("up/birth", True)[0])
    stage.ok("retained: state and birth", late.of("up/state", True) == ["online"] and
             birth["boot"] == 1 and birth["job"]["tasks"][0]["task"] == "fault" and
             "overheating" in birth["job"]["tasks"][0]["labels"], late.seen)
    last = late.of("up/last/fault", True)
    stage.ok("retained: the last record", len(last) == 1 and json.loads(last[0])["seq"] == 2, last)
    stage.ok("retained: health", len(late.of("up/health", True)) == 1, late.seen)
    stage.ok("retained: records and log are not", not [t for t, _, r in late.seen if r and
             t not in ("up/state", "up/birth", "up/health", "up/last/fault", "up/upd/state")],
             late.seen)
    late.close()
    events = [json.loads(one)["event"] for one in watch.of("up/event/fault")]
    stage.ok("event: an alarm, and its end", events == ["alarm", "clear"], events)
    other = client.Client(real.port, "commander").wait_ready()
    before = len(watch.of("up/health"))
    other.publish(f"{TOPICS}/kept/dn/cmd/report", b"")
    stage.ok("command: report", stage.until(lambda: len(watch.of("up/health")) > before, 5))
    other.publish(f"{TOPICS}/kept/dn/cmd/reboot", b"")
    stage.ok("command: one that needs a signature is refused, and said",
             stage.until(lambda: d.said("command-unknown"), 5), d.log())
    stage.ok("log: warnings are published, too", stage.until(
        lambda: watch.of("up/log/warning"), 5) and
        json.loads(watch.of("up/log/warning")[0])["code"] == "command-unknown")
    other.close()
    d.process.send_signal(signal.SIGKILL)
    d.process.wait()
    stage.ok("killed: the will says offline", stage.until(
        lambda: watch.of("up/state")[-1] == "offline", 15), watch.of("up/state"))
    d.writer = None
    d.start().wait_ready()
    stage.until(lambda: watch.of("up/state")[-1] == "online", 10)
    births = [json.loads(one)["boot"] for one in watch.of("up/birth")]
    stage.ok("started again: next boot", births == [1, 2], births)
    stage.ok("asked to leave: offline", d.stop() == 0 and stage.until(
        lambda: watch.of("up/state")[-1] == "offline", 5), watch.of("up/state"))
    stage.ok("asked to leave: the status socket is gone", not os.path.exists(d.socket))
    watch.close()


def systemd(real):
    """Ready after all is open, alive each few seconds, stopping when asked."""
    path = os.path.join(stage.folder, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(20)
        d = stage.Daemon("systemd", f"mqtt://127.0.0.1:{real.port}",
                         environment={"NOTIFY_SOCKET": path}).start()
        first = notify.recv(100)
        stage.ok("systemd: READY=1 when the status socket answers",
                 first == b"READY=1" and d.status(), first)
        alive = [notify.recv(100) for _ in range(2)]
        stage.ok("systemd: WATCHDOG=1", alive == [b"WATCHDOG=1"] * 2, alive)
        stage.ok("systemd: leaves when asked", d.stop() == 0, d.log())
        rest = notify.recv(100)
        while rest == b"WATCHDOG=1":
            rest = notify.recv(100)
        stage.ok("systemd: STOPPING=1", rest == b"STOPPING=1", rest)


def refusals(real):
    """What cannot be started says why, with the right exit code."""
    d = stage.Daemon("wrong", f"mqtt://127.0.0.1:{real.port}")

    def run(code, word, *options, **config):
        path = config_write(d, **config)
        done = subprocess.run(stage.RUN + [stage.DAEMON, "--config", path, *options], check=False,
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=20)
        text = done.stderr.decode()
        stage.ok(f"start: {word}: exit {code}", done.returncode == code and word in text,
                 f"{done.returncode} {text}")

    good = dict(d.config)
    run(3, "outputs.gpio.x.line", "--check-config", outputs={"gpio": {"x": {"chip": "c"}}})
    run(3, "job: ", **dict(good, outputs={}, job=7))
    run(4, "/no/such", **dict(good, job="/no/such.leaf"))
    run(3, "config.json", **dict(good, job=d.path("config.json")))
    run(4, "storage.path", **dict(good, storage={"path": "/proc/no"}))
    run(4, "no-file", **dict(good, inputs=[{"source": "file", "path": d.path("no-file")}]))
    run(4, "config.json", **dict(good, inputs=[{"source": "fifo", "path": d.path("config.json")}]))
    d.config = good
    other = stage.Daemon("right", f"mqtt://127.0.0.1:{real.port}").start().wait_ready()
    run(5, "another daemon", **dict(good, status={"socket": other.socket}))
    stage.ok("start: the other one was not disturbed", other.status() and other.stop() == 0)


def latency(real):
    """From dn/text to up/res, one line at a time."""
    lines = 40 if stage.RUN or stage.SANITIZED else 300
    d = stage.Daemon("quick", f"mqtt://127.0.0.1:{real.port}").start().wait_ready()
    watch = Watcher(real.port, "quick").wait_ready()
    other = client.Client(real.port, "asker").wait_ready()
    stage.until(lambda: watch.of("up/birth"), 10)
    took = []
    for n in range(lines):
        begun = time.perf_counter()
        other.publish(f"{TOPICS}/quick/dn/text", stage.line(n).encode(), qos=0)
        while len(watch.seen) == 0 or len(watch.of("up/res/triage")) <= n:
            if time.perf_counter() - begun > 5:
                break
            time.sleep(0.0001)
        took.append((time.perf_counter() - begun) * 1000)
        watch.seen = watch.seen[:0] + [one for one in watch.seen if one[0] == "up/res/triage"]
    took.sort()
    stage.ok("latency: every line answered", took[-1] < 5000, took[-5:])
    rounds, cpu = d.status()["wakeups"], d.status()["cpu_ms"]
    time.sleep(5)
    idle = d.status()
    stage.note(f"latency: dn/text to res p50 {took[lines // 2]:.2f} ms, "
               f"p99 {took[lines * 99 // 100]:.2f} ms; idle: {(idle['wakeups'] - rounds) / 5:.1f} "
               f"wakeups/s, {(idle['cpu_ms'] - cpu) / 5:.1f} ms CPU/s; {d.rss_kb()} kB resident")
    stage.ok("idle: few wakeups", (idle["wakeups"] - rounds) / 5 < 5, idle)
    d.stop()
    watch.close()
    other.close()


def main():
    stage.limit(180)
    real = stage.Mosquitto()
    for part in (finite, serial, messages, retained, systemd, refusals, latency):
        part(real)
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
