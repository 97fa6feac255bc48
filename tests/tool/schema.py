#!/usr/bin/env python3
"""Does JSON fit a schema? Nothing but Python's own library, so it runs wherever the tests do.

usage: schema.py SCHEMA [--lines] [FILE]    FILE or stdin: one value (// comments allowed), or with
                                            --lines one a line

Knows the keywords that our schemas use and refuses any other, so that none is passed over. Says the
first path that does not fit, and how many values did; exit status 1 when one did not.
"""
import json
import re
import sys

NOTES = {"$schema", "$id", "$defs", "title", "description", "default"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def is_type(value, name):
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if name == "number":
        return number
    if name == "integer":
        return number and float(value).is_integer()
    return isinstance(value, TYPES[name])


def type_fault(want, value):
    names = want if isinstance(want, list) else [want]
    return None if any(is_type(value, name) for name in names) else f"is no {' or '.join(names)}"


def range_fault(word, want, value):
    size = {"minimum": value, "maximum": value} if is_type(value, "number") else {}
    if isinstance(value, str):
        size = {"minLength": len(value), "maxLength": len(value)}
    elif isinstance(value, list):
        size = {"minItems": len(value), "maxItems": len(value)}
    elif isinstance(value, dict):
        size = {"maxProperties": len(value)}
    if word not in size:
        return None
    fits = size[word] >= want if word.startswith("min") else size[word] <= want
    return None if fits else f"{word} is {want}"


class Check:
    def __init__(self, root):
        self.root = root

    def fault(self, schema, value, path="$"):
        """What is wrong first, as text, or None."""
        for word, want in schema.items():
            if word in NOTES or word in ("properties", "required"):
                continue
            found = self.keyword(schema, word, want, value, path)
            if found:
                return found if found.startswith("$") else f"{path}: {found}"
        return self.object_fault(schema, value, path) if isinstance(value, dict) else None

    def keyword(self, schema, word, want, value, path):
        if word == "type":
            return type_fault(want, value)
        if word == "enum":
            same = any(value == one and type(value) is type(one) for one in want)
            return None if same else f"is none of {want}"
        if word == "pattern":
            bad = isinstance(value, str) and not re.search(want, value)
            return f"does not fit {want}" if bad else None
        if word == "$ref":
            target = self.root
            for part in want.removeprefix("#/").split("/"):
                target = target[part]
            return self.fault(target, value, path)
        if word in ("allOf", "oneOf"):
            faults = [self.fault(one, value, path) for one in want]
            if word == "allOf":
                return next((fault for fault in faults if fault), None)
            return None if faults.count(None) == 1 else next(filter(None, faults), "fits two")
        if word == "not":
            return None if self.fault(want, value, path) else "must not be so"
        if word == "items":
            inner = enumerate(value) if isinstance(value, list) else []
            faults = (self.fault(want, one, f"{path}[{i}]") for i, one in inner)
            return next((fault for fault in faults if fault), None)
        if word in ("additionalProperties", "propertyNames"):
            return None  # object_fault
        if re.match("(min|max)[A-Z]|minimum$|maximum$", word):
            return range_fault(word, want, value)
        raise ValueError(f"{path}: no such keyword here: {word}")

    def object_fault(self, schema, value, path):
        known = schema.get("properties", {})
        other = schema.get("additionalProperties", True)
        for name in schema.get("required", []):
            if name not in value:
                return f"{path}: {name} is missing"
        for name, inner in value.items():
            where = f"{path}.{name}"
            if name not in known and other is False:
                return f"{where}: no such key"
            found = (self.fault(schema.get("propertyNames", {}), name, where) or
                     self.fault(known.get(name, other if other is not True else {}), inner, where))
            if found:
                return found
        return None


def without_comments(text):
    """JSON without its // comments; strings stay as they are."""
    return re.sub(r'("(?:\\.|[^"\\\n])*")|//[^\n]*', lambda m: m.group(1) or "", text)


def main():
    arguments = [word for word in sys.argv[1:] if word != "--lines"]
    if not arguments:
        sys.exit(__doc__.strip())
    with open(arguments[0], encoding="utf-8") as file:
        schema = json.load(file)
    source = open(arguments[1], encoding="utf-8") if len(arguments) > 1 else sys.stdin
    text = source.read()
    values = [json.loads(line) for line in text.splitlines()] if "--lines" in sys.argv else \
        [json.loads(without_comments(text))]
    check = Check(schema)
    for number, value in enumerate(values, 1):
        found = check.fault(schema, value)
        if found:
            print(f"value {number}: {found}")
            return 1
    print(f"{len(values)} fit")
    return 0 if values else 1


if __name__ == "__main__":
    sys.exit(main())
