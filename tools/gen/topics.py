#!/usr/bin/env python3
"""board/TOPICS.md and the schema of up/health, from what the daemon says of itself.

usage: topics.py LEAFCUTTERD EXAMPLES.json FOLDER    writes TOPICS.md and health.schema.json there

EXAMPLES: {payload: message}. Tables come from `--help-topics` and `--help-health`, keys and their
meaning from the schemas in tools/dist/schemas.
"""

import json
import os
import re
import subprocess
import sys

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../dist/schemas")
UNITS = {"_ms": "milliseconds", "_s": "seconds", "_kb": "kB", "_c": "°C", "_wh": "Wh"}
HEAD = """# Topics and payloads

Made by `make topics` out of the daemon's own tables (`leafcutterd --help-topics`, `--help-health`),
the schemas in [tools/dist/schemas](../tools/dist/schemas) and messages of a real run;
`tests/mqtt/tells.py` holds every message of daemon, worker and collector to it.

Topics without another beginning are below `<topic_root>/<device id>/`, by default
`leafcutter/v1/<id>/`; `<root>` is `topic_root`, `<homeassistant>` is `homeassistant.prefix`.
Payloads are JSON in UTF-8 unless they are texts, with QoS 1. Of a record, event or audit entry
several may come as an array. Unknown keys are to be ignored: later versions add some, and change
the meaning of none. With MQTT 5 what is retained carries the user property `boot`, a question its
content type, correlation data (the 16 bytes of `id`), response topic, expiry and the user property
`trace` (`<id>/<boot>/<seq>` of the record it is about), its answer content type, correlation data
and `trace`.
"""
HEALTH = """Each number is a line of `linux/figures.c`; the object of the status socket
(`leafcutter status --json`) has the same and `sw level threads broker job ver src groups`. The
Prometheus text (`leafcutter status --metrics`, or HTTP `GET /metrics` at the socket) has them as
`leafcutter_` and the path, in base units: `lines.in` is `leafcutter_lines_in_total`, `cpu_ms`
`leafcutter_cpu_seconds_total`, `bytes.rss` `leafcutter_rss_bytes`, `link.state`
`leafcutter_link_state{state="up"} 1`.

Kinds: a counter grows from 0 while the daemon runs; a moment is in milliseconds since 1970; a word
is a state; flags are an array of words; times are `n`, the quantiles `p50` `p95` `p99` and `max`
since the last message; a peak is an array: the most that was needed, of how much."""


def table(program, option):
    text = subprocess.run([program, option], stdout=subprocess.PIPE, check=True).stdout
    return [line.split("\t") for line in text.decode().splitlines()]


def schema_of(payload, folder=SCHEMAS):
    path = os.path.join(folder, payload + ".schema.json")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


# ---- the schema of health ----


def figure_schema(key, kind, about):
    number = {"type": "number"} if key.endswith("_c") else {"type": "number", "minimum": 0}
    quantiles = ("n", "p50", "p95", "p99", "max")
    kinds = {
        "moment": {"type": "integer", "minimum": 0},
        "day": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "word": {"type": "string"},
        "flags": {"type": "array", "items": {"type": "string"}},
        "times": {
            "type": "object",
            "required": list(quantiles),
            "additionalProperties": False,
            "properties": {one: {"type": "integer", "minimum": 0} for one in quantiles},
        },
        "peak": {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {"type": "integer", "minimum": 0},
        },
    }
    return {"description": about, **kinds.get(kind, number)}


def health_schema(rows):
    stamp = schema_of("birth")["properties"]
    properties = {key: stamp[key] for key in ("v", "dev", "boot", "ts", "tq")}
    for path, kind, about in rows:
        part, _, key = path.rpartition(".")
        place = properties
        if part:
            empty = {"type": "object", "additionalProperties": False, "properties": {}}
            place = properties.setdefault(part, empty)["properties"]
        place[key] = figure_schema(key, kind, about)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "leafcutter/health-1",
        "title": "How a device is",
        "type": "object",
        "required": ["v", "dev", "boot", "tq", "up_s", "lines", "records", "link", "journal"],
        "additionalProperties": False,
        "properties": properties,
    }


def schema_text(schema):
    """A property a line, as the others are written."""

    def lines(properties, indent):
        for key, one in properties.items():
            inner = one.get("properties")
            if inner and "description" not in one:
                head = {name: value for name, value in one.items() if name != "properties"}
                yield f'{indent}{json.dumps(key)}: {json.dumps(head)[:-1]}, "properties": {{'
                yield ",\n".join(lines(inner, indent + "  "))
                yield f"{indent}}}}}"
            else:
                yield f"{indent}{json.dumps(key)}: {json.dumps(one, ensure_ascii=False)}"

    def joined(properties):
        text = ",\n".join(lines(properties, "    "))
        return text.replace("{,\n", "{\n").replace(",\n    }}", "\n    }}")

    head = {key: value for key, value in schema.items() if key != "properties"}
    text = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    return f'{{\n{text}  "properties": {{\n{joined(schema["properties"])}\n  }}\n}}\n'


# ---- the document ----


def type_of(one):
    if "enum" in one:
        return ", ".join(f"`{json.dumps(word)}`".replace('"', "") for word in one["enum"])
    if "$ref" in one:
        return {"probability": "0 to 1"}.get(one["$ref"].rsplit("/", 1)[1], "object")
    kinds = one.get("type", "any")
    text = " or ".join(kinds) if isinstance(kinds, list) else kinds
    text = text.replace("string", "text")
    if text == "array":
        inner = type_of(one.get("items", {}))
        return f"array of {inner}" if inner != "any" else "array"
    return text


def keys_table(schema):
    """Rows of keys; those of an object inside it follow it."""

    def rows(properties, required, before=""):
        for key, one in properties.items():
            about = one.get("description", "")
            missing = "" if key in required else "may be missing"
            about = "; ".join(word for word in (about, missing) if word)
            yield f"| `{before}{key}` | {type_of(one)} | {about} |"
            inner, end = one, "."
            if one.get("type") == "array":
                inner, end = one.get("items", {}), "[]."
            if "$ref" in inner:
                inner = schema["$defs"][inner["$ref"].rsplit("/", 1)[1]]
            if "properties" in inner:
                yield from rows(inner["properties"], inner.get("required", ()), before + key + end)

    return ["| key | type | |", "|---|---|---|"] + list(
        rows(schema["properties"], schema.get("required", ()))
    )


def unit_of(path):
    return next((unit for end, unit in UNITS.items() if path.endswith(end)), "")


def health_table(rows):
    yield "| key | kind | unit | |"
    yield "|---|---|---|---|"
    for path, kind, about in rows:
        if not path.startswith("yesterday."):
            yield f"| `{path}` | {kind} | {unit_of(path)} | {about} |"
    yield "| `yesterday` | | | as `day`, of the day before |"


def place_of(path):
    return path if path.startswith("<") else f"`{path}`"


def section(payload, topics, rows, example):
    schema = health_schema(rows) if payload == "health" else schema_of(payload)
    where = ", ".join(f"`{row[0]}`" for row in topics if row[2] == payload)
    title = schema["title"] + "." if schema else ""
    yield f"\n## {payload}\n"
    yield " ".join(word for word in (title, f"At {where}." if where else "") if word)
    if schema:
        yield f"Schema: [{payload}.schema.json](../tools/dist/schemas/{payload}.schema.json)."
    yield ""
    if payload == "health":
        yield HEALTH + "\n"
        yield from health_table(rows)
    elif schema:
        yield from keys_table(schema)
    else:
        yield {
            "command": "Any payload, `{}` will do; `id` of an object stands in the audit.",
            "discovery": "By Home Assistant's [device discovery](https://www.home-assistant.io/"
            "integrations/mqtt/#discovery-messages-and-availability), in its abbreviations; keys "
            "of entities of a task begin with the CRC-32C of its name.",
        }[payload]
    if example:
        yield f"\n```json\n{example}\n```"


def document(topics, rows, examples):
    lines = [HEAD, "| topic | who writes | payload | |", "|---|---|---|---|"]
    for path, who, payload, retained, about in topics:
        link = payload if payload == "text" else f"[{payload}](#{payload})"
        kept = "retained; " if retained == "retained" else ""
        lines.append(f"| `{path}` | {who} | {link} | {kept}{about} |")
    payloads = list(dict.fromkeys(row[2] for row in topics if row[2] != "text")) + ["collected"]
    for payload in payloads:
        lines += section(payload, topics, rows, examples.get(payload))
    return "\n".join(lines) + "\n"


def examples_of(text):
    """The examples that a document holds."""
    found = re.findall(r"^## (\S+)\n(?:(?!^## ).*\n)*?```json\n(.*)\n```", text, flags=re.M)
    return dict(found)


def files(program, examples):
    """What is to be written: path from the root of the repository, and text."""
    topics, rows = table(program, "--help-topics"), table(program, "--help-health")
    return {
        "board/TOPICS.md": document(topics, rows, examples),
        "tools/dist/schemas/health.schema.json": schema_text(health_schema(rows)),
    }


def main():
    program, examples, folder = sys.argv[1:]
    with open(examples, encoding="utf-8") as file:
        found = json.load(file)
    for path, text in files(program, found).items():
        with open(os.path.join(folder, os.path.basename(path)), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
