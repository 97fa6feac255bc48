#!/usr/bin/env python3
"""Writes a GGUF LoRA adapter of random weights for a model of mkmodel.py.

usage: mklora.py MODEL RANK all|qv OUT.gguf

Corrects all linears of every layer, or q and v alone. Needs only Python's own library.
"""

import array
import random
import struct
import sys

from mkmodel import MODELS, text, value

ALIGN = 32


def linears(width, heads, head_dim, kv, ffn):
    q, k = heads * head_dim, kv * head_dim
    return {
        "attn_q": (q, width),
        "attn_k": (k, width),
        "attn_v": (k, width),
        "attn_output": (width, q),
        "ffn_gate": (ffn, width),
        "ffn_up": (ffn, width),
        "ffn_down": (width, ffn),
    }


def floats(rng, count, spread):
    """Cheap: a block of random numbers, again and again from other starts."""
    block = array.array("f", (rng.gauss(0, spread) for _ in range(4096)))
    out = array.array("f")
    while len(out) < count:
        start = rng.randrange(4096)
        out += block[start:] + block[:start]
    return out[:count].tobytes()


def main():
    model, rank, which, path = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
    arch, layers, width, heads, head_dim, kv, ffn = MODELS[model][:7]
    rng = random.Random(1)
    chosen = ("attn_q", "attn_v") if which == "qv" else None
    tensors = []
    for i in range(layers):
        for name, (rows, cols) in linears(width, heads, head_dim, kv, ffn).items():
            if chosen is None or name in chosen:
                tensor = f"blk.{i}.{name}.weight"
                tensors.append((tensor + ".lora_a", (cols, rank), cols**-0.5))
                tensors.append((tensor + ".lora_b", (rank, rows), 0.02))
    keys = {
        "general.type": "adapter",
        "general.architecture": arch,
        "adapter.type": "lora",
        "adapter.lora.alpha": float(2 * rank),
    }
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys))
    for key, v in keys.items():
        kind, body = value(v)
        head += text(key) + struct.pack("<I", kind) + body
    blobs, offset = [], 0
    for name, shape, spread in tensors:
        head += text(name) + struct.pack("<IQQIQ", 2, *shape, 0, offset)
        data = floats(rng, shape[0] * shape[1], spread)
        blobs.append(data + b"\0" * (-len(data) % ALIGN))
        offset += len(blobs[-1])
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % ALIGN))
        f.writelines(blobs)


if __name__ == "__main__":
    main()
