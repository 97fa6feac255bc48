#!/usr/bin/env python3
"""What Home Assistant is told of a device: the retained message against the published rules of its
MQTT discovery, and what its templates make of the real messages of a daemon.

usage: home.py [--real PYTHON]    PYTHON: of an environment with `homeassistant` 2025.4 and
                                   `paho-mqtt`; then the same is asked of a real one
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time

import jinja2
import jinja2.sandbox

import client
import stage

ROOT, DEV = "leafcutter/v1", "pump-7"
CONFIG, STATUS = f"homeassistant/device/{DEV}/config", "homeassistant/status"

# ---- the rules, from https://www.home-assistant.io/integrations/mqtt (device discovery payload),
# sensor.mqtt, binary_sensor.mqtt, event.mqtt, and the integrations sensor and binary_sensor ----

LONG = {
    "dev": "device",
    "o": "origin",
    "cmps": "components",
    "p": "platform",
    "avty_t": "availability_topic",
    "stat_t": "state_topic",
    "val_tpl": "value_template",
    "uniq_id": "unique_id",
    "dev_cla": "device_class",
    "ops": "options",
    "unit_of_meas": "unit_of_measurement",
    "stat_cla": "state_class",
    "ent_cat": "entity_category",
    "evt_typ": "event_types",
    "json_attr_t": "json_attributes_topic",
    "json_attr_tpl": "json_attributes_template",
    "sug_dsp_prc": "suggested_display_precision",
}
LONG_DEVICE = {"ids": "identifiers", "mf": "manufacturer", "mdl": "model", "sw": "sw_version"}
LONG_ORIGIN = {"sw": "sw_version", "url": "support_url"}
TOP = {"device", "origin", "components", "availability_topic", "state_topic", "qos", "encoding"}
DEVICE = {
    "identifiers",
    "connections",
    "name",
    "manufacturer",
    "model",
    "model_id",
    "hw_version",
    "sw_version",
    "serial_number",
    "via_device",
    "suggested_area",
    "configuration_url",
}
ANY = {
    "platform",
    "unique_id",
    "name",
    "icon",
    "qos",
    "encoding",
    "object_id",
    "entity_category",
    "entity_picture",
    "enabled_by_default",
    "availability_topic",
    "state_topic",
    "value_template",
    "json_attributes_topic",
    "json_attributes_template",
    "device_class",
}
OWN = {
    "sensor": {
        "options",
        "unit_of_measurement",
        "state_class",
        "suggested_display_precision",
        "expire_after",
        "force_update",
        "last_reset_value_template",
    },
    "binary_sensor": {"payload_on", "payload_off", "off_delay", "expire_after", "force_update"},
    "event": {"event_types"},
    "update": {"command_topic", "latest_version_topic", "payload_install", "release_url", "title"},
}
# MQTT_JSON_UPDATE_SCHEMA of homeassistant/components/mqtt/update.py: other keys are refused
UPDATE = {
    "installed_version": str,
    "latest_version": str,
    "title": str,
    "in_progress": bool,
    "update_percentage": (int, float, type(None)),
}
CLASSES = {  # device classes, and the units that go with them
    "sensor": {"enum": None, "duration": "d h min s ms", "temperature": "°C °F K"},
    "binary_sensor": {"problem": None, "connectivity": None},
    "event": {"button": None, "doorbell": None, "motion": None},
    "update": {"firmware": None},
}


def lengthened(found, names):
    long = {}
    for key, value in found.items():
        name = names.get(key, key)
        if name in long:
            raise ValueError(f"{name} twice")
        long[name] = value
    return long


def demand(true, what):
    if not true:
        raise ValueError(what)


def topic_check(topic):
    demand(
        isinstance(topic, str) and topic and not re.search("[+#\0]", topic) and len(topic) < 65536,
        f"topic {topic!r}",
    )


def sensor_check(key, one):
    if "options" in one:
        demand(one.get("device_class") == "enum", f"{key}: options without enum")
        demand(not {"unit_of_measurement", "state_class"} & set(one), f"{key}: options with a unit")
        demand(
            isinstance(one["options"], list)
            and one["options"]
            and all(isinstance(word, str) and 0 < len(word) < 256 for word in one["options"]),
            f"{key}: options {one['options']}",
        )
    units = CLASSES["sensor"].get(one.get("device_class"))
    if units and "unit_of_measurement" in one:
        demand(one["unit_of_measurement"] in units.split(), f"{key}: unit of its class")
    demand(
        one.get("state_class") in (None, "measurement", "total", "total_increasing"),
        f"{key}: state class",
    )
    precision = one.get("suggested_display_precision", 0)
    demand(isinstance(precision, int) and precision >= 0, f"{key}: precision {precision}")


def component_check(key, one, shared):
    platform = one.get("platform")
    demand(platform in OWN, f"{key}: platform {platform}")
    demand(re.fullmatch("[a-zA-Z0-9_-]+", key), f"{key}: characters of its key")
    if len(one) == 1:
        return  # to be removed
    demand(isinstance(one.get("unique_id"), str) and one["unique_id"], f"{key}: no unique_id")
    extra = set(one) - ANY - OWN[platform]
    demand(not extra, f"{key}: keys {extra} are not known")
    demand("state_topic" in one or "state_topic" in shared, f"{key}: nothing to read")
    for name in ("state_topic", "json_attributes_topic"):
        if name in one:
            topic_check(one[name])
    demand("json_attributes_template" not in one or "json_attributes_topic" in one, key)
    demand(one.get("entity_category") in (None, "diagnostic"), f"{key}: category")
    demand(
        one.get("device_class") is None or one["device_class"] in CLASSES[platform],
        f"{key}: class {one.get('device_class')}",
    )
    if platform == "sensor":
        sensor_check(key, one)
    if platform == "event":
        types = one.get("event_types")
        demand(types and all(isinstance(word, str) for word in types), f"{key}: event types")


def message_read(payload):
    """The message with its long names; ValueError says which rule it breaks."""
    top = lengthened(json.loads(payload), LONG)
    demand(set(top) <= TOP, f"keys {set(top) - TOP}")
    device = top["device"] = lengthened(top["device"], LONG_DEVICE)
    demand(set(device) <= DEVICE, f"keys of the device: {set(device) - DEVICE}")
    demand(device.get("identifiers") or device.get("connections"), "the device has no identifier")
    origin = top["origin"] = lengthened(top["origin"], LONG_ORIGIN)
    demand(origin.get("name") and origin.get("sw_version"), "the origin has no name or version")
    demand(set(origin) <= {"name", "sw_version", "support_url"}, f"origin {origin}")
    topic_check(top["availability_topic"])
    topic_check(top["state_topic"])
    parts = top["components"] = {
        key: lengthened(one, LONG) for key, one in top["components"].items()
    }
    for key, one in parts.items():
        component_check(key, one, top)
    unique = [one["unique_id"] for one in parts.values() if len(one) > 1]
    demand(len(unique) == len(set(unique)), "a unique_id comes twice")
    return top


def rendered(template, payload):
    """As Home Assistant renders it; what is not defined is an error here, a warning there."""
    home = jinja2.sandbox.SandboxedEnvironment(undefined=jinja2.StrictUndefined)
    return home.from_string(template).render(value=payload, value_json=json.loads(payload)).strip()


# ---- the scene ----


def job_write(name, labels, parts=True):
    def task(what, names, rules):
        return {
            "task": what,
            "labels": [{"name": one, "cost_miss": 9 if i == 0 else 1} for i, one in names],
            "stages": [{"id": what + "-rules", "type": "rules", "rules": rules}],
        }

    rules = [
        {"id": "R1", "if": "temp > 90", "label": "overheating", "p": 0.9875},
        {"id": "R2", "if": "text ~ /./", "label": "normal", "p": 0.9},
    ]
    part = [{"id": "P1", "if": "text ~ /motor/", "label": 'the "motor"', "p": 0.8}]
    tasks = [task("fault", list(enumerate(labels)), rules)]
    tasks += [task("part", [(0, 'the "motor"'), (1, "Lager/Öl")], part)] if parts else []
    path = os.path.join(stage.folder, name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        drift = {"drift": {"window": 10}} if parts else {}
        json.dump({"version": 1, "job": "pump", "ver": 3, "tasks": tasks, **drift}, file)
    return path


class Seen(client.Client):
    """The newest of each topic, how often it came, and whether it was retained."""

    def __init__(self, port, name="seen"):
        self.last, self.count, self.kept = {}, {}, {}
        super().__init__(port, name, ["#"], on_message=self.keep)
        self.wait_ready()

    def keep(self, topic, payload, retained):
        self.last[topic], self.kept[topic] = payload.decode(), retained
        self.count[topic] = self.count.get(topic, 0) + 1

    def up(self, what, seconds=10):
        topic = f"{ROOT}/{DEV}/up/{what}"
        return stage.until(lambda: self.last.get(topic), seconds)


class Home:
    """A real Home Assistant beside the broker, when there is one to be had."""

    def __init__(self, python, port):
        self.process = None
        if not python:
            return
        folder = os.path.join(stage.folder, "home")
        os.makedirs(folder)
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "real_home.py")
        self.errors = open(os.path.join(stage.folder, "home.log"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [python, script, str(port), folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )
        stage.started.append(self.process)
        self.process.stdout.readline()

    def look(self):
        self.process.stdin.write("look\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["entities"]

    def sees(self, name, check, seconds=30):
        def seen():
            try:
                return check(self.look())
            except (KeyError, TypeError):
                return False  # not there yet

        if self.process:
            good = stage.until(seen, seconds, 0.2)
            stage.ok(f"Home Assistant: {name}", good, json.dumps(self.look(), indent=1))

    def end(self):
        if not self.process:
            return
        self.process.stdin.write("end\n")
        self.process.stdin.flush()
        self.process.wait(30)
        self.errors.seek(0)
        ours = r"(WARNING|ERROR):homeassistant\.(components\.|helpers\.(template|entity))"
        bad = [line for line in self.errors if re.match(ours, line)]
        stage.ok("Home Assistant: no warning and no error", not bad, "".join(bad))


def of(task, end):
    return f"leafcutter_{DEV}_{task}_{end}"


def component(top, unique):
    return next(one for one in top["components"].values() if one.get("unique_id") == unique)


def daemon_start(broker, job, **home):
    d = stage.Daemon(DEV, f"mqtt://127.0.0.1:{broker.port}", job=job)
    d.config["homeassistant"] = home
    return d.start().wait_ready()


def announced(broker):
    """What a subscriber that comes later finds."""
    late = Seen(broker.port, "late")
    stage.until(lambda: CONFIG in late.last, 1)
    late.close()
    return late.last.get(CONFIG), late.kept.get(CONFIG)


# ---- tests ----


def values_check(top, seen):
    """Each entity gets the value it should, from real messages."""

    def value(unique, key="value_template", topic="state_topic"):
        one = component(top, unique)
        return rendered(one[key], seen.last[one.get(topic, top.get(topic))])

    fault, part = (json.loads(seen.up("last/" + task)) for task in ("fault", "part"))
    wanted = {
        of("fault", "label"): "overheating",
        of("fault", "p"): "98.75",
        of("part", "label"): 'the "motor"',
        of("part", "p"): "80.0",
        f"leafcutter_{DEV}_backlog": str(json.loads(seen.up("health"))["records"]["waiting"]),
        f"leafcutter_{DEV}_lost": "0",
        f"leafcutter_{DEV}_problem": "OFF",
        f"leafcutter_{DEV}_drift": "None",
    }
    found = {unique: value(unique) for unique in wanted}
    stage.ok("each entity gets its value", found == wanted, f"{found}\n{fault}\n{part}")
    attributes = json.loads(
        value(of("fault", "label"), "json_attributes_template", "json_attributes_topic")
    )
    stage.ok(
        "and what is behind it",
        attributes
        == {name: fault[name] for name in ("decision", "set", "why")} | {"source": "lines"},
        attributes,
    )
    event = json.loads(value(of("fault", "event")))
    stage.ok(
        "an alarm is an event with its label",
        (event["event_type"], event["label"], event["source"]) == ("alarm", "overheating", "lines"),
        event,
    )
    update = json.loads(value(f"leafcutter_{DEV}_job"))
    stage.ok(
        "the job is what is installed, with the keys that Home Assistant takes",
        (update["installed_version"], update["latest_version"], update["title"])
        == ("3", "3", "pump")
        and not update["in_progress"]
        and all(isinstance(one, UPDATE.get(key, ())) for key, one in update.items()),
        update,
    )
    batch = f"[{seen.last[f'{ROOT}/{DEV}/up/event/fault']}]"
    template = component(top, of("fault", "event"))["value_template"]
    stage.ok("one of a batch, too", json.loads(rendered(template, batch)) == event)


def odd_values(top, seen):
    """A line without a label, a board in trouble, a minute without lines."""
    record = json.loads(seen.up("last/part"))
    record.update(label=None, p=0.0)
    label, p = (component(top, of("part", end))["value_template"] for end in ("label", "p"))
    stage.ok(
        "no label: unknown, not zero",
        rendered(label, json.dumps(record)) == rendered(p, json.dumps(record)) == "None",
    )
    health = json.loads(seen.up("health"))
    latency = component(top, f"leafcutter_{DEV}_latency")["value_template"]
    health["latency_ms"] = {"n": 3, "p50": 1, "p95": 7, "p99": 8, "max": 9}
    some = rendered(latency, json.dumps(health))
    health["latency_ms"]["n"] = 0
    stage.ok(
        "latency, and none without lines",
        (some, rendered(latency, json.dumps(health))) == ("7", "None"),
    )
    problem = component(top, f"leafcutter_{DEV}_problem")["value_template"]
    troubles = {
        "journal": {"state": "failed"},
        "pins": {"missing": 1},
        "sensors": {"all": 2, "missing": 1},
        "sound": {"state": "away"},
        "microphone": {"state": "away"},
        "board": {"load": 1, "throttled": ["undervoltage"]},
    }
    quiet = [
        name
        for name, how in troubles.items()
        if rendered(problem, json.dumps({**health, name: how})) != "ON"
    ]
    stage.ok("each trouble is a problem", not quiet, quiet)


def drifts(broker, seen, d, top):
    """A window of hot motors, then one of cold pumps: other labels."""

    def state():
        return d.status()["drift"]["state"]

    def shown(state):
        """What the entity makes of a health message with this state."""
        writer.publish(f"{ROOT}/{DEV}/dn/cmd/report", "{}")
        topic, told = f"{ROOT}/{DEV}/up/health", f'"drift":{{"state":"{state}"'
        stage.until(lambda: told in seen.last[topic], 10)
        template = component(top, f"leafcutter_{DEV}_drift")["value_template"]
        return told in seen.last[topic] and rendered(template, seen.last[topic])

    writer = client.Client(broker.port, "asks").wait_ready()
    learning = state()
    d.feed_all(["motor temp 95 C"] * 9, per_s=100)
    same = stage.until(lambda: state() == "ok", 10) and shown("ok")
    d.feed_all(["pump temp 20 C"] * 10, per_s=100)
    other = stage.until(lambda: state() == "drifting", 10) and shown("drifting")
    stage.ok(
        "drift: unknown while it learns, then what health says",
        (learning, same, other) == ("learning", "OFF", "ON"),
        (learning, same, other, d.status()["drift"]),
    )
    stage.ok("and it is said once", len(d.said("drifting")) == 1, d.log())
    writer.close()


def told(broker, home, seen):
    d = daemon_start(broker, job_write("two", ["overheating", "normal"]))
    stage.until(lambda: CONFIG in seen.last, 10)
    payload, kept = announced(broker)
    stage.ok("it is retained", payload and kept, payload)
    try:
        top, broken = message_read(payload), ""
    except (ValueError, KeyError) as error:
        top, broken = None, repr(error)
    if not stage.ok("the message keeps the published rules", top, f"{broken} {payload}"):
        return d
    stage.note(f"{len(payload)} bytes, {len(top['components'])} entities")
    stage.ok(
        "labels are the options",
        component(top, of("part", "label"))["options"] == ['the "motor"', "Lager/Öl"],
    )
    stage.ok(
        "state and health are the topics that the device has",
        (top["availability_topic"], top["state_topic"])
        == (f"{ROOT}/{DEV}/up/state", f"{ROOT}/{DEV}/up/health"),
    )
    home.sees("the entities are there", lambda all: len(all) == len(top["components"]))
    if home.process:
        time.sleep(5)  # it subscribes when it has shown them, and alarms are not retained
    d.feed_all(["motor temp 95 C"], per_s=10)
    seen.up("event/fault")
    stage.until(lambda: "overheating" in (seen.up("last/fault") or ""), 10)
    seen.up("last/part")
    values_check(top, seen)
    odd_values(top, seen)
    home.sees(
        "label, confidence, alarm, problem",
        lambda all: all[of("fault", "label")]["state"] == "overheating"
        and all[of("fault", "p")]["state"] == "98.75"
        and all[of("fault", "event")]["attributes"]["label"] == "overheating"
        and all[of("part", "label")]["state"] == 'the "motor"'
        and all[f"leafcutter_{DEV}_problem"]["state"] == "off",
    )
    drifts(broker, seen, d, top)
    home.sees(
        "drift, and no update",
        lambda all: all[f"leafcutter_{DEV}_drift"]["state"] == "on"
        and all[f"leafcutter_{DEV}_job"]["state"] == "off"
        and all[f"leafcutter_{DEV}_job"]["attributes"]["installed_version"] == "3",
    )
    return d


def said_again(broker, seen):
    before = seen.count[CONFIG]
    writer = client.Client(broker.port, "home").wait_ready()
    writer.publish(STATUS, "offline")
    writer.publish(STATUS, "online")
    again = stage.until(lambda: seen.count[CONFIG] > before, 15)
    stage.ok("it is said again when Home Assistant starts", again)
    time.sleep(0.3)
    stage.ok("once", seen.count[CONFIG] == before + 1, seen.count[CONFIG] - before)
    writer.close()


def changed(broker, home, seen, d):
    """Another job: one task goes, the other has another label."""
    before = message_read(announced(broker)[0])["components"]
    d.stop()
    d = daemon_start(broker, job_write("one", ["overheating", "normal", "leak"], parts=False))
    stage.until(lambda: '"leak"' in seen.last[CONFIG], 10)
    after = message_read(announced(broker)[0])["components"]
    gone = {key: one for key, one in after.items() if len(one) == 1}
    stage.ok(
        "what the job no longer has is removed by its platform, the rest stays",
        set(after) == set(before)
        and sorted(before[key]["unique_id"] for key in gone)
        == [f"leafcutter_{DEV}_drift"] + [of("part", end) for end in ("event", "label", "p")]
        and all(before[key]["platform"] == one["platform"] for key, one in gone.items()),
        gone,
    )
    home.sees(
        "they go, and the new label counts",
        lambda all: not any("_part_" in unique for unique in all)
        and all[of("fault", "label")]["attributes"]["options"] == ["overheating", "normal", "leak"],
    )
    d.process.send_signal(signal.SIGKILL)
    d.process.wait()
    home.sees(
        "a device that died is unavailable",
        lambda all: {one["state"] for one in all.values()} == {"unavailable"},
    )
    d.start().wait_ready()
    home.sees(
        "and comes back", lambda all: "unavailable" not in {one["state"] for one in all.values()}
    )
    d.stop()


def turned_off(broker, home, seen):
    job = os.path.join(stage.folder, "one.json")
    d = daemon_start(broker, job, discovery=False)
    stage.until(lambda: seen.last[CONFIG] == "", 10)
    stage.ok("turned off: it is taken back", announced(broker)[0] is None, seen.last[CONFIG])
    home.sees("everything goes", lambda all: not all)
    d.stop()
    d = daemon_start(broker, job, discovery=True, prefix="own/home")
    topic = CONFIG.replace("homeassistant", "own/home")
    there = stage.until(lambda: topic in seen.last, 10)
    stage.ok(
        "another prefix, and tasks of long ago stay removed",
        there
        and sum(len(one) == 1 for one in message_read(seen.last[topic])["components"].values())
        == 4,
        seen.last.get(topic),
    )
    d.stop()


def forbidden(name, limit, word):
    """A broker that does not let it: said once, records go all the same."""
    rights = os.path.join(stage.folder, "acl")
    with open(rights, "w", encoding="ascii") as file:
        file.write("topic readwrite leafcutter/#\n")
    broker = stage.Mosquitto([f"acl_file {rights}", f"max_queued_messages {limit}"], name=name)
    seen = Seen(broker.port)
    d = stage.Daemon(
        name, f"mqtt://127.0.0.1:{broker.port}", job=os.path.join(stage.folder, "one.json")
    )
    d.start().wait_ready()
    d.feed_all(["temp 95 C"] * 20, per_s=100)
    sent = stage.until(lambda: d.said(word) and d.status()["records"]["waiting"] == 0, 30)
    stage.ok(
        f"a broker that {name} it: said once, records arrive",
        sent and len(d.said(word)) == 1 and seen.count.get(f"{ROOT}/{name}/up/res/fault"),
        d.log(),
    )
    d.stop()
    seen.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", metavar="PYTHON")
    python = parser.parse_args().real
    stage.limit(300)
    broker = stage.Mosquitto()
    seen, home = Seen(broker.port), Home(python, broker.port)
    d = told(broker, home, seen)
    said_again(broker, seen)
    changed(broker, home, seen, d)
    turned_off(broker, home, seen)
    home.end()
    forbidden("refuses", 1000, "refused")
    forbidden("hangs-up", 0, "unwelcome")  # mosquitto 2.0.11 does, with this limit
    return stage.done()


if __name__ == "__main__":
    sys.exit(main())
