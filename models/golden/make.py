#!/usr/bin/env python3
"""Makes the tiny golden models and what an independent float64 forward pass says of them.

    python3 models/golden/make.py        # writes beside itself; needs only NumPy

tiny-causal.gguf  llama, causal, grouped-query attention, odd widths, output head of its own
tiny-bidi.gguf    llama, no causal mask, mean pooling, a classification head of 3 labels
tiny-<arch>.gguf  the other architectures, see SPECS in archs.py
*.tokens.u32      token ids fed
*.expect.f32      logits of every position [tokens][vocab]; with a classification head its outputs

The weights are random; the forward passes here and in archs.py are written from the architectures'
definitions in NumPy float64 and share no code with the project.
"""
import os
import struct

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))


# ---- GGUF writing -------------------------------------------------------------------------------

def gguf_string(s):
    b = s.encode("utf-8")
    return struct.pack("<Q", len(b)) + b


def gguf_value(v):
    """(type number, bytes) of a key's value."""
    if isinstance(v, bool):
        return 7, struct.pack("<B", v)
    if isinstance(v, int):
        return 4, struct.pack("<I", v)
    if isinstance(v, float):
        return 6, struct.pack("<f", v)
    if isinstance(v, str):
        return 8, gguf_string(v)
    kind, items = {str: (8, gguf_string), int: (5, lambda i: struct.pack("<i", i))}[type(v[0])]
    return 9, struct.pack("<IQ", kind, len(v)) + b"".join(items(i) for i in v)


def write_gguf(path, keys, tensors):
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys))
    for k, v in keys.items():
        kind, body = gguf_value(v)
        head += gguf_string(k) + struct.pack("<I", kind) + body
    offset, blobs = 0, []
    for name, t in tensors.items():
        half = t.dtype == np.float16
        data = t.astype("<f2" if half else "<f4").tobytes()
        dims = t.shape[::-1]
        head += gguf_string(name) + struct.pack("<I", len(dims))
        head += struct.pack("<%dQ" % len(dims), *dims) + struct.pack("<IQ", int(half), offset)
        blobs.append(data + b"\0" * (-len(data) % 32))
        offset += len(blobs[-1])
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % 32))
        f.writelines(blobs)


def byte_alphabet():
    """GPT-2's printable stand-ins for the 256 bytes, in byte order."""
    plain = set(range(33, 127)) | set(range(161, 173)) | set(range(174, 256))
    spare, out = 256, []
    for b in range(256):
        out.append(chr(b) if b in plain else chr(spare))
        spare += b not in plain
    return out


def tokenizer_keys():
    tokens = byte_alphabet() + ["he", "ll", "hell", "<|end|>"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * (len(tokens) - 1) + [3],
        "tokenizer.ggml.merges": ["h e", "l l", "he ll"],
        "tokenizer.ggml.bos_token_id": len(tokens) - 1,
        "tokenizer.ggml.eos_token_id": len(tokens) - 1,
        "tokenizer.ggml.add_bos_token": False,
    }, len(tokens)


# ---- the model ----------------------------------------------------------------------------------

def make_weights(rng, d, heads, kv, hd, ffn, layers, vocab, tied, classes):
    def mat(rows, cols):
        return (rng.standard_normal((rows, cols)) / np.sqrt(cols)).astype(np.float32)

    def gain(n):
        return (1 + 0.2 * rng.standard_normal(n)).astype(np.float32)

    w = {"token_embd.weight": mat(vocab, d)}
    for i in range(layers):
        w.update({
            f"blk.{i}.attn_norm.weight": gain(d),
            f"blk.{i}.attn_q.weight": mat(heads * hd, d),
            f"blk.{i}.attn_k.weight": mat(kv * hd, d),
            f"blk.{i}.attn_v.weight": mat(kv * hd, d),
            f"blk.{i}.attn_output.weight": mat(d, heads * hd),
            f"blk.{i}.ffn_norm.weight": gain(d),
            f"blk.{i}.ffn_gate.weight": mat(ffn, d),
            f"blk.{i}.ffn_up.weight": mat(ffn, d),
            f"blk.{i}.ffn_down.weight": mat(d, ffn),
        })
    w["output_norm.weight"] = gain(d)
    if not tied:
        w["output.weight"] = mat(vocab, d)
    if classes:
        w["cls.output.weight"] = mat(classes, d)
        w["cls.output.bias"] = rng.standard_normal(classes).astype(np.float32)
    return w


def rms(x, g, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * g


def rope(x, base):
    """x [tokens][heads][head_dim]; rotates pairs (2i, 2i + 1)."""
    n, _, hd = x.shape
    angle = np.arange(n)[:, None] * base ** (-np.arange(0, hd, 2) / hd)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    out = np.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * c - x[..., 1::2] * s
    out[..., 1::2] = x[..., 0::2] * s + x[..., 1::2] * c
    return out


def forward(w, ids, heads, kv, hd, layers, base, eps, causal):
    w = {k: v.astype(np.float64) for k, v in w.items()}
    x = w["token_embd.weight"][ids]
    n = len(ids)
    for i in range(layers):
        p = f"blk.{i}."
        h = rms(x, w[p + "attn_norm.weight"], eps)
        q = rope((h @ w[p + "attn_q.weight"].T).reshape(n, heads, hd), base)
        k = rope((h @ w[p + "attn_k.weight"].T).reshape(n, kv, hd), base)
        v = (h @ w[p + "attn_v.weight"].T).reshape(n, kv, hd)
        k, v = (np.repeat(t, heads // kv, axis=1) for t in (k, v))
        s = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(hd)
        if causal:
            s = np.where(np.tril(np.ones((n, n), bool)), s, -np.inf)
        a = np.exp(s - s.max(-1, keepdims=True))
        a /= a.sum(-1, keepdims=True)
        a = np.einsum("hqk,khd->qhd", a, v).reshape(n, heads * hd)
        x = x + a @ w[p + "attn_output.weight"].T
        h = rms(x, w[p + "ffn_norm.weight"], eps)
        g = h @ w[p + "ffn_gate.weight"].T
        x = x + (g / (1 + np.exp(-g)) * (h @ w[p + "ffn_up.weight"].T)) @ w[p + "ffn_down.weight"].T
    return rms(x, w["output_norm.weight"], eps)


def make(name, causal, seed, d, heads, kv, hd, ffn, layers, tokens, classes):
    rng = np.random.default_rng(seed)
    keys, vocab = tokenizer_keys()
    eps, base = 1e-5, 10000.0
    w = make_weights(rng, d, heads, kv, hd, ffn, layers, vocab, not causal, classes)
    arch = {
        "general.architecture": "llama",
        "general.name": name,
        "llama.block_count": layers,
        "llama.context_length": 96,
        "llama.embedding_length": d,
        "llama.feed_forward_length": ffn,
        "llama.attention.head_count": heads,
        "llama.attention.head_count_kv": kv,
        "llama.attention.key_length": hd,
        "llama.attention.value_length": hd,
        "llama.attention.layer_norm_rms_epsilon": eps,
        "llama.rope.dimension_count": hd,
        "llama.rope.freq_base": base,
        "llama.vocab_size": vocab,
    }
    if not causal:
        arch["llama.attention.causal"] = False
        arch["llama.pooling_type"] = 1
        arch["llama.classifier.output_labels"] = ["red", "green", "oos"]
    write_gguf(os.path.join(HERE, name + ".gguf"), {**arch, **keys}, w)
    ids = rng.integers(0, vocab, tokens)
    hidden = forward(w, ids, heads, kv, hd, layers, base, eps, causal)
    if causal:
        out = hidden @ w["output.weight"].astype(np.float64).T
    else:
        out = hidden.mean(0) @ w["cls.output.weight"].astype(np.float64).T + w["cls.output.bias"]
    ids.astype("<u4").tofile(os.path.join(HERE, name + ".tokens.u32"))
    out.astype("<f4").tofile(os.path.join(HERE, name + ".expect.f32"))


if __name__ == "__main__":
    make("tiny-causal", True, 1, d=40, heads=6, kv=2, hd=10, ffn=52, layers=3, tokens=80, classes=0)
    make("tiny-bidi", False, 2, d=48, heads=4, kv=4, hd=12, ffn=96, layers=2, tokens=70, classes=3)
    import archs  # needs what is above
    archs.make_all()
    import lora
    lora.make_all()
