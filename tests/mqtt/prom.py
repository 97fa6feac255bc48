#!/usr/bin/env python3
"""A strict reader of Prometheus' text format (version 0.0.4), and of what is good manners in it.

usage: prom.py METRICS [STATUS]   with the status object too: each of its numbers is in the metrics
"""

import json
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\"n])*)"(,|$)')
HELP = re.compile(r"(?:[^\\]|\\[\\n])*$")
NUMBER = re.compile(r"(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]Inf)$")
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}
BASE = {"_ms": "milliseconds", "_kb": "kilobytes", "_us": "microseconds"}  # no base units


class Broken(ValueError):
    pass


def labels_read(text):
    found, at = {}, 0
    while text and at < len(text):
        match = LABEL.match(text, at)
        if not match or match[1] in found or match[1].startswith("__"):
            raise Broken(f"labels: {text}")
        found[match[1]] = re.sub(r"\\.", lambda m: ESCAPES[m[0]], match[2])
        at = match.end()
    if text is not None and (not text or text.endswith(",")):
        raise Broken(f"labels: {text}")
    return found


def family_of(name, kinds):
    """The metric a sample belongs to: a summary has a sum and a count."""
    base = re.sub(r"_(sum|count)$", "", name)
    return base if name not in kinds and kinds.get(base) == "summary" else name


def sample_check(name, family, kind, labels, value):
    if kind == "counter" and not (family.endswith("_total") and value >= 0):
        raise Broken(f"counter {family} {value}")
    if kind != "counter" and family.endswith("_total"):
        raise Broken(f"{family} is a {kind}")
    if ("quantile" in labels) != (kind == "summary" and name == family):
        raise Broken(f"quantile of {name}")
    if any(family.replace("_total", "").endswith(end) for end in BASE):
        raise Broken(f"{family}: not in base units")


def read(text):
    """{name: kind}, {(name, ((label, value), ...)): value}."""
    kinds, helps, samples, last, over = {}, {}, {}, None, set()
    if not text.endswith("\n"):
        raise Broken("the last line has no end")
    for line in text[:-1].split("\n"):
        head = re.match(rf"# (HELP|TYPE) ({NAME}) (.+)$", line)
        if head and head[1] == "HELP":
            if head[2] in helps or not HELP.match(head[3]):
                raise Broken(line)
            helps[head[2]] = head[3]
            continue
        if head:
            if head[2] in kinds or head[3] not in ("counter", "gauge", "summary"):
                raise Broken(line)
            kinds[head[2]] = head[3]
            continue
        match = SAMPLE.match(line)
        if not match or not NUMBER.match(match[3]):
            raise Broken(f"no sample: {line!r}")
        name, labels, value = match[1], labels_read(match[2]), float(match[3])
        family = family_of(name, kinds)
        if family not in kinds or family not in helps:
            raise Broken(f"{name} has no head before it")
        if family != last:
            if family in over:
                raise Broken(f"{family} is not in one piece")
            over.add(family)
            last = family
        sample_check(name, family, kinds[family], labels, value)
        key = (name, tuple(sorted(labels.items())))
        if key in samples:
            raise Broken(f"{key} comes twice")
        samples[key] = value
    empty = [name for name in kinds if name not in over]
    if empty or set(kinds) != set(helps):
        raise Broken(f"heads without samples: {empty}")
    return kinds, samples


def leaves(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, path + (key,))
    else:
        yield path, value


OUTSIDE = (
    "v",
    "ts",
    "dev",
    "tq",
    "sw",
    "threads",
    "broker",
    "job",
    "ver",
    "src",
    "groups",
    "level",
)


def missing(samples, status):
    """Numbers and states of the status object that the metrics do not have."""
    names = {name for name, _ in samples}
    lost = []
    for path, _ in leaves(status):
        if path[0] in OUTSIDE:
            continue
        if path[0] == "bytes":
            path = (path[1], "bytes")
        if path[-1] in ("n", "p50", "p95", "p99", "max") and path[-2].endswith("_ms"):
            path = path[:-1]
        stem = "leafcutter_" + "_".join(path)
        stem = re.sub(r"_(ms|s|kb|c)$", "", stem)
        stem = re.sub(r"_bytes$", "", stem)
        if not any(name.startswith(stem) for name in names):
            lost.append(".".join(path))
    return lost


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        kinds, samples = read(file.read())
    lost = []
    if len(sys.argv) > 2:
        with open(sys.argv[2], encoding="utf-8") as file:
            lost = missing(samples, json.load(file))
    if lost:
        print("not in the metrics:", *lost)
    else:
        print(f"{len(kinds)} metrics, {len(samples)} samples")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
