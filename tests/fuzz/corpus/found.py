#!/usr/bin/env python3
"""Inputs that libFuzzer found, as one file that `make check` replays: u32 length, bytes, and so on.

usage: found.py keep FOLDER OUT      the shortest first, none over 8 KiB, 256 KiB in all
       found.py unpack IN FOLDER     one file each, named by their hash
"""

import hashlib
import pathlib
import struct
import sys

ONE_MAX, ALL_MAX = 8192, 262144


def keep(folder, out):
    inputs = sorted((p.read_bytes() for p in pathlib.Path(folder).iterdir()), key=len)
    left, body = ALL_MAX, b""
    for data in inputs:
        if len(data) <= ONE_MAX and len(data) + 4 <= left:
            body += struct.pack("<I", len(data)) + data
            left -= len(data) + 4
    pathlib.Path(out).write_bytes(body)


def unpack(bundle, folder):
    body, at = pathlib.Path(bundle).read_bytes(), 0
    while at < len(body):
        (size,) = struct.unpack_from("<I", body, at)
        data = body[at + 4 : at + 4 + size]
        pathlib.Path(folder, hashlib.sha1(data).hexdigest()).write_bytes(data)
        at += 4 + size


if len(sys.argv) != 4 or sys.argv[1] not in ("keep", "unpack"):
    sys.exit(__doc__)
{"keep": keep, "unpack": unpack}[sys.argv[1]](*sys.argv[2:])
