#!/usr/bin/env python3
"""Writes the trunk and its triage head as GGUF v3 (F16, norms and head bias F32).

  export.py --weights DIR/last.pt --vocabulary DIR/tok.json -o models/triage/triage-f16.gguf

Keys and tensor names are llama.cpp's; the output is tied, so no LM head is stored.
"""

import argparse
import struct

import numpy as np
import torch

import tokenizer
from sets import TRIAGE

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
F32_TENSOR, F16_TENSOR = 0, 1
ALIGN = 32


def text(value):
    data = value.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def pair(key, kind, value):
    head = text(key) + struct.pack("<I", kind)
    if kind == STRING:
        return head + text(value)
    if kind == ARRAY:
        item, values = value
        body = (
            b"".join(text(v) for v in values)
            if item == STRING
            else struct.pack(f"<{len(values)}i", *values)
        )
        return head + struct.pack("<IQ", item, len(values)) + body
    return head + struct.pack({U32: "<I", F32: "<f", BOOL: "<?"}[kind], value)


def metadata(shape, vocabulary):
    tokens, merges = tokenizer.tables(vocabulary)
    a = "llama."
    return [
        pair("general.architecture", STRING, "llama"),
        pair("general.name", STRING, "leafcutter-triage"),
        pair("general.file_type", U32, 1),
        pair(a + "block_count", U32, shape["layers"]),
        pair(a + "context_length", U32, shape["context"]),
        pair(a + "embedding_length", U32, shape["dim"]),
        pair(a + "feed_forward_length", U32, shape["ffn"]),
        pair(a + "attention.head_count", U32, shape["heads"]),
        pair(a + "attention.head_count_kv", U32, shape["heads"]),
        pair(a + "attention.layer_norm_rms_epsilon", F32, shape["eps"]),
        pair(a + "attention.causal", BOOL, False),
        pair(a + "pooling_type", U32, 1),
        pair(a + "rope.dimension_count", U32, shape["dim"] // shape["heads"]),
        pair(a + "rope.freq_base", F32, shape["base"]),
        pair(a + "vocab_size", U32, shape["vocab"]),
        pair(a + "classifier.output_labels", ARRAY, (STRING, TRIAGE)),
        pair("tokenizer.ggml.model", STRING, "gpt2"),
        pair("tokenizer.ggml.pre", STRING, "gpt-2"),
        pair("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
        pair("tokenizer.ggml.token_type", ARRAY, (I32, [1] * len(tokens))),
        pair("tokenizer.ggml.merges", ARRAY, (STRING, merges)),
        pair("tokenizer.ggml.add_bos_token", BOOL, False),
        pair("tokenizer.ggml.add_eos_token", BOOL, False),
    ]


BLOCK = [
    ("attn_norm", "attn_norm"),
    ("q", "attn_q"),
    ("k", "attn_k"),
    ("v", "attn_v"),
    ("o", "attn_output"),
    ("ffn_norm", "ffn_norm"),
    ("gate", "ffn_gate"),
    ("up", "ffn_up"),
    ("down", "ffn_down"),
]


def tensors(state, layers):
    """[(GGUF name, array)] in file order; arrays are row-major [out][in]."""
    out = [("token_embd.weight", state["embed.weight"])]
    for at in range(layers):
        out += [
            (f"blk.{at}.{theirs}.weight", state[f"blocks.{at}.{ours}.weight"])
            for ours, theirs in BLOCK
        ]
    out += [
        ("output_norm.weight", state["norm.weight"]),
        ("cls.output.weight", state["head.triage.weight"]),
        ("cls.output.bias", state["head.triage.bias"]),
    ]
    return [(name, t.float().numpy()) for name, t in out]


def write(path, shape, vocabulary, state):
    pairs, items = metadata(shape, vocabulary), tensors(state, shape["layers"])
    infos, blobs, offset = [], [], 0
    for name, array in items:
        kind = F32_TENSOR if array.ndim == 1 else F16_TENSOR
        data = array.astype("<f4" if kind == F32_TENSOR else "<f2").tobytes()
        dims = array.shape[::-1]
        infos.append(
            text(name)
            + struct.pack("<I", len(dims))
            + struct.pack(f"<{len(dims)}Q", *dims)
            + struct.pack("<IQ", kind, offset)
        )
        data += bytes(-len(data) % ALIGN)
        blobs.append(data)
        offset += len(data)
    head = (
        b"GGUF" + struct.pack("<IQQ", 3, len(items), len(pairs)) + b"".join(pairs) + b"".join(infos)
    )
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGN) + b"".join(blobs))
    return len(head) + offset


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--vocabulary", required=True)
    parser.add_argument("-o", "--out", required=True)
    args = parser.parse_args()
    saved = torch.load(args.weights)
    size = write(args.out, saved["shape"], args.vocabulary, saved["model"])
    count = sum(int(np.prod(a.shape)) for _, a in tensors(saved["model"], saved["shape"]["layers"]))
    print(f"{args.out}: {count} parameters, {size} bytes")


if __name__ == "__main__":
    main()
