#!/usr/bin/env python3
"""The schema of the config on stdout, made from the daemon's own table of keys.

usage: config_schema.py LEAFCUTTERD > config.schema.json
"""
import json
import re
import subprocess
import sys

WIDTH = 92


def rows(program):
    """(path, what it is, range) of each line of --help-config; range None for an object."""
    text = subprocess.run([program, "--help-config"], stdout=subprocess.PIPE, check=True).stdout
    for line in text.decode().splitlines():
        yield re.match(r"(\S+)\s+(.*?)(?: \(([^()]*)\))?$", line).groups()


def parts(path):
    """inputs[].baud: inputs, [], baud."""
    return re.findall(r"\[\]|[^.\[\]]+", path)


def inside(schema, names):
    """The schema at a path."""
    for name in names:
        if name == "[]":
            schema = schema["items"]
        elif name == "*":
            schema = schema["additionalProperties"]
        else:
            schema = schema["properties"][name]
    return schema


def value(about, limits, path):
    """The schema of a plain value, and whether it must be given."""
    schema = {"description": about}
    fields = [field.strip() for field in limits.split(";")]
    text = re.match(r"text, (\d+) to (\d+) bytes", fields[0])
    number = re.match(r"(number, )?(-?\d+) to (-?\d+)$", fields[0])
    default = next((field[8:] for field in fields if field.startswith("default ")), None)
    if text:
        schema.update(type="string", minLength=int(text[1]), maxLength=int(text[2]))
    elif number:
        kind = "number" if number[1] else "integer"
        schema.update(type=kind, minimum=int(number[2]), maximum=int(number[3]))
        default = default and (float(default) if kind == "number" else int(default))
    elif fields[0] == "true|false":
        schema["type"] = "boolean"
        default = default and default == "true"
    else:
        schema["enum"] = fields[0].split("|")
    if default is not None:
        schema["default"] = default
    return schema, "needed" in fields


def build(program):
    root = {"$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "leafcutter/config-1",
            "title": "Configuration of leafcutterd, without its // comments",
            "type": "object", "properties": {}, "additionalProperties": False,
            "required": ["device", "broker"]}
    table = list(rows(program))
    for path, about, limits in table:
        names = parts(path)
        parent, name = inside(root, names[:-1]), names[-1]
        needed = False
        if limits and limits.startswith("up to"):
            schema = {"description": about, "type": "array", "maxItems": int(limits[6:]),
                      "items": {}}
        elif any(other.startswith(path + ".") for other, _, _ in table) or limits is None:
            schema = {"description": about, "type": "object", "properties": {},
                      "additionalProperties": False}
        else:
            schema, needed = value(about, limits, path)
        if needed:
            parent.setdefault("required", []).append(name)
        if name == "[]":
            parent["items"] = schema
        elif name == "*":
            parent["additionalProperties"] = schema
        else:
            parent["properties"][name] = schema
    # What a table of ranges cannot say.
    inside(root, ["device", "id"])["pattern"] = "^[a-z0-9][a-z0-9-]{0,31}$"
    inside(root, ["broker", "url"])["pattern"] = "^mqtts?://"
    inside(root, ["outputs", "gpio", "*"])["oneOf"] = [{"required": ["line"]},
                                                       {"required": ["name"]}]
    return root


def show(item, indent=0, key=""):
    """JSON with short things on one line."""
    flat = json.dumps(item, ensure_ascii=False)
    if len(flat) + indent + len(key) < WIDTH or not isinstance(item, (dict, list)):
        return flat
    pad = " " * (indent + 2)
    if isinstance(item, dict):
        lines = [f"{pad}{json.dumps(name)}: {show(inner, indent + 2, name)}"
                 for name, inner in item.items()]
        return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"
    lines = [pad + show(inner, indent + 2) for inner in item]
    return "[\n" + ",\n".join(lines) + "\n" + " " * indent + "]"


if len(sys.argv) != 2:
    sys.exit(__doc__.strip())
print(show(build(sys.argv[1])))
