"""The architectures beside llama: tiny models and their forward passes in NumPy float64.

Run by make.py. Matrices are stored as F16, so their values are rounded to it before the pass.
Tensor and key names are llama.cpp's; the arithmetic is that of the published model definitions.
"""
import math
import os

import numpy as np

from make import HERE, tokenizer_keys, write_gguf

LABELS = ["red", "green", "oos"]


# ---- parts --------------------------------------------------------------------------------------

def rms(x, gain, eps):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * gain


def layer_norm(x, gain, bias, eps):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + eps) * gain + bias


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


erf = np.vectorize(math.erf)


def gelu(x):
    return 0.5 * x * (1 + erf(x / np.sqrt(2)))


def yarn(base, hd, factor, original, fast=32.0, slow=1.0):
    """Frequencies and the growth of what is turned, from the definition of YaRN."""
    pairs = np.arange(hd // 2)
    freq = base ** (-2.0 * pairs / hd)

    def pair(turns):
        return hd * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))

    low, high = max(math.floor(pair(fast)), 0), min(math.ceil(pair(slow)), hd - 1)
    ramp = np.clip((pairs - low) / max(high - low, 0.001), 0, 1)
    return freq / factor * ramp + freq * (1 - ramp), 0.1 * math.log(factor) + 1


def rotate(x, base, halves, factor=1.0, original=None):
    """x [tokens][heads][head_dim]: pairs (i, i + n/2) with halves, else (2i, 2i + 1)."""
    n, _, hd = x.shape
    freq, grown = base ** (-np.arange(0, hd, 2) / hd) / factor, 1.0
    if original:
        freq, grown = yarn(base, hd, factor, original)
    angle = np.arange(n)[:, None] * freq
    c, s = np.cos(angle)[:, None] * grown, np.sin(angle)[:, None] * grown
    out = np.empty_like(x)
    a, b = (slice(0, hd // 2), slice(hd // 2, hd)) if halves else (slice(0, hd, 2), slice(1, hd, 2))
    out[..., a] = x[..., a] * c - x[..., b] * s
    out[..., b] = x[..., a] * s + x[..., b] * c
    return out


def attend(q, k, v, scale, seen, cap=None):
    """q [n][heads][hd], k and v [n][kv][hd]; seen [n][n] says which keys a query sees."""
    n, heads, hd = q.shape
    k, v = (np.repeat(t, heads // k.shape[1], axis=1) for t in (k, v))
    s = np.einsum("qhd,khd->hqk", q, k) * scale
    s = np.where(seen, cap * np.tanh(s / cap) if cap else s, -np.inf)
    a = np.exp(s - s.max(-1, keepdims=True))
    return np.einsum("hqk,khd->qhd", a / a.sum(-1, keepdims=True), v).reshape(n, heads * hd)


# ---- decoders -----------------------------------------------------------------------------------

def feed_forward(x, t, c):
    h = rms(x, t["ffn_norm.weight"], c["eps"])
    h = c["act"](h @ t["ffn_gate.weight"].T) * (h @ t["ffn_up.weight"].T)
    return h @ t["ffn_down.weight"].T


def short_conv(h, t):
    """LFM2: each channel sums its last few gated inputs, the oldest by the first tap."""
    before, after, x = np.split(h @ t["shortconv.in_proj.weight"].T, 3, axis=1)
    taps = t["shortconv.conv.weight"]
    past = np.concatenate([np.zeros((taps.shape[1] - 1, x.shape[1])), before * x])
    mixed = sum(past[j:j + len(x)] * taps[:, j] for j in range(taps.shape[1]))
    return (after * mixed) @ t["shortconv.out_proj.weight"].T


def decoder(w, ids, c):
    """Qwen2, Qwen3, Gemma 3, Granite: what differs is in c and in which tensors there are."""
    n, hd, eps = len(ids), c["hd"], c["eps"]
    x = w["token_embd.weight"][ids] * c.get("embed_scale", 1.0)
    back = np.arange(n)[:, None] - np.arange(n)[None, :]
    for i in range(c["layers"]):
        local = "window" in c and i % c["pattern"] != c["pattern"] - 1
        t = {k[len(f"blk.{i}."):]: v for k, v in w.items() if k.startswith(f"blk.{i}.")}
        h = rms(x, t["attn_norm.weight"], eps)
        if "shortconv.conv.weight" in t:
            x = x + short_conv(h, t)
            x = x + feed_forward(x, t, c)
            continue
        q, k, v = ((h @ t[f"attn_{p}.weight"].T + t.get(f"attn_{p}.bias", 0)).reshape(n, -1, hd)
                   for p in "qkv")
        if "attn_q_norm.weight" in t:
            q = rms(q, t["attn_q_norm.weight"], eps)
            k = rms(k, t["attn_k_norm.weight"], eps)
        base = c["base_local"] if local and "base_local" in c else c["base"]
        factor = 1.0 if local else c.get("factor", 1.0)
        q, k = (rotate(y, base, c["halves"], factor, c.get("original")) for y in (q, k))
        seen = (back >= 0) & (back < (c["window"] if local else n))
        h = attend(q, k, v, c.get("attn_scale", hd ** -0.5), seen, c.get("attn_cap"))
        h = h @ t["attn_output.weight"].T
        if "post_attention_norm.weight" in t:
            h = rms(h, t["post_attention_norm.weight"], eps)
        x = x + h * c.get("residual_scale", 1.0)
        h = feed_forward(x, t, c)
        if "post_ffw_norm.weight" in t:
            h = rms(h, t["post_ffw_norm.weight"], eps)
        x = x + h * c.get("residual_scale", 1.0)
    x = rms(x, w[c.get("last_norm", "output_norm") + ".weight"], eps)
    logits = x @ w.get("output.weight", w["token_embd.weight"]).T / c.get("logit_scale", 1.0)
    if "cap" in c:
        logits = c["cap"] * np.tanh(logits / c["cap"])
    return logits


def decoder_weights(draw, c, vocab):
    d, hd, q, kv, ffn = c["d"], c["hd"], c["heads"] * c["hd"], c["kv"] * c["hd"], c["ffn"]
    w = {"token_embd.weight": draw.matrix(vocab, d)}
    for i in range(c["layers"]):
        p = f"blk.{i}."
        w[p + "attn_norm.weight"] = draw.gain(d)
        conv = i in c.get("conv", ())
        if conv:
            w[p + "shortconv.in_proj.weight"] = draw.matrix(3 * d, d)
            w[p + "shortconv.conv.weight"] = draw.matrix(d, c["taps"]).astype(np.float32)
            w[p + "shortconv.out_proj.weight"] = draw.matrix(d, d)
        for name, rows in (("q", q), ("k", kv), ("v", kv)) if not conv else ():
            w[p + f"attn_{name}.weight"] = draw.matrix(rows, d)
            if c.get("bias"):
                w[p + f"attn_{name}.bias"] = draw.bias(rows)
        if not conv:
            w[p + "attn_output.weight"] = draw.matrix(d, q)
        if c.get("head_norm") and not conv:
            w[p + "attn_q_norm.weight"] = draw.gain(hd)
            w[p + "attn_k_norm.weight"] = draw.gain(hd)
        w[p + "ffn_norm.weight"] = draw.gain(d)
        w[p + "ffn_gate.weight"] = draw.matrix(ffn, d)
        w[p + "ffn_up.weight"] = draw.matrix(ffn, d)
        w[p + "ffn_down.weight"] = draw.matrix(d, ffn)
        if c.get("post_norm"):
            w[p + "post_attention_norm.weight"] = draw.gain(d)
            w[p + "post_ffw_norm.weight"] = draw.gain(d)
    w[c.get("last_norm", "output_norm") + ".weight"] = draw.gain(d)
    if not c.get("tied"):
        w["output.weight"] = draw.matrix(vocab, d)
    return w


# ---- encoders -----------------------------------------------------------------------------------

def bert(w, ids, c):
    n, hd, eps = len(ids), c["hd"], c["eps"]

    def norm(x, name):
        return layer_norm(x, w[name + ".weight"], w[name + ".bias"], eps)

    def dense(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    x = w["token_embd.weight"][ids] + w["position_embd.weight"][:n] + w["token_types.weight"][0]
    x = norm(x, "token_embd_norm")
    for i in range(c["layers"]):
        p = f"blk.{i}."
        q, k, v = (dense(x, p + f"attn_{y}").reshape(n, -1, hd) for y in "qkv")
        h = attend(q, k, v, hd ** -0.5, np.ones((n, n), bool))
        x = norm(x + dense(h, p + "attn_output"), p + "attn_output_norm")
        h = dense(gelu(dense(x, p + "ffn_up")), p + "ffn_down")
        x = norm(x + h, p + "layer_output_norm")
    pooled = x[0] if c["pooling"] == 2 else x.mean(0)
    if "cls.weight" in w:
        pooled = np.tanh(dense(pooled, "cls"))
    return dense(pooled, "cls.output")


def modern_bert(w, ids, c):
    n, hd, eps = len(ids), c["hd"], c["eps"]

    def norm(x, name):
        return layer_norm(x, w[name + ".weight"], 0.0, eps) if name + ".weight" in w else x

    x = norm(w["token_embd.weight"][ids], "token_embd_norm")
    apart = np.abs(np.arange(n)[:, None] - np.arange(n)[None, :])
    for i in range(c["layers"]):
        p, local = f"blk.{i}.", i % c["pattern"] != 0
        q, k, v = np.split(norm(x, p + "attn_norm") @ w[p + "attn_qkv.weight"].T, 3, axis=1)
        q, k = (rotate(y.reshape(n, -1, hd), c["base_local" if local else "base"], True)
                for y in (q, k))
        seen = apart <= (c["window"] // 2 if local else n)
        x = x + attend(q, k, v.reshape(n, -1, hd), hd ** -0.5, seen) @ w[p + "attn_output.weight"].T
        gate, up = np.split(norm(x, p + "ffn_norm") @ w[p + "ffn_up.weight"].T, 2, axis=1)
        x = x + (gelu(gate) * up) @ w[p + "ffn_down.weight"].T
    pooled = norm(x, "output_norm").mean(0)
    pooled = norm(gelu(pooled @ w["cls.weight"].T), "cls.norm")
    return pooled @ w["cls.output.weight"].T + w["cls.output.bias"]


def modern_bert_weights(draw, c, vocab):
    d, ffn = c["d"], c["ffn"]
    w = {"token_embd.weight": draw.matrix(vocab, d), "token_embd_norm.weight": draw.gain(d)}
    for i in range(c["layers"]):
        p = f"blk.{i}."
        if i > 0:
            w[p + "attn_norm.weight"] = draw.gain(d)
        w[p + "attn_qkv.weight"] = draw.matrix(3 * d, d)
        w[p + "attn_output.weight"] = draw.matrix(d, d)
        w[p + "ffn_norm.weight"] = draw.gain(d)
        w[p + "ffn_up.weight"] = draw.matrix(2 * ffn, d)
        w[p + "ffn_down.weight"] = draw.matrix(d, ffn)
    w["output_norm.weight"] = draw.gain(d)
    w["cls.weight"] = draw.matrix(d, d)
    w["cls.norm.weight"] = draw.gain(d)
    w["cls.output.weight"], w["cls.output.bias"] = draw.matrix(3, d), draw.bias(3)
    return w


def bert_weights(draw, c, vocab):
    d, ffn = c["d"], c["ffn"]
    w = {"token_embd.weight": draw.matrix(vocab, d), "position_embd.weight": draw.matrix(96, d),
         "token_types.weight": draw.matrix(2, d)}

    def norm(name):
        w[name + ".weight"], w[name + ".bias"] = draw.gain(d), draw.bias(d)

    def dense(name, rows, cols):
        w[name + ".weight"], w[name + ".bias"] = draw.matrix(rows, cols), draw.bias(rows)

    norm("token_embd_norm")
    for i in range(c["layers"]):
        p = f"blk.{i}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            dense(p + name, d, d)
        norm(p + "attn_output_norm")
        dense(p + "ffn_up", ffn, d)
        dense(p + "ffn_down", d, ffn)
        norm(p + "layer_output_norm")
    if c["pooling"] == 2:
        dense("cls", d, d)
    dense("cls.output", len(LABELS), d)
    return w


# ---- the models ---------------------------------------------------------------------------------

class Draw:
    """Random weights: matrices rounded to F16, vectors F32."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def matrix(self, rows, cols):
        return (self.rng.standard_normal((rows, cols)) / np.sqrt(cols)).astype(np.float16)

    def gain(self, n):
        return (1 + 0.2 * self.rng.standard_normal(n)).astype(np.float32)

    def bias(self, n):
        return (0.3 * self.rng.standard_normal(n)).astype(np.float32)


def wordpiece_keys():
    """A WordPiece vocabulary as GGUF stores it: U+2581 before what begins a word."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + [str(i) for i in range(10)]
    marks = list(".,:;!?%+-/()=")
    words = ["hello", "pump", "temp", "hot", "the"]
    tokens = specials + ["\u2581" + t for t in marks + letters + words] + letters + ["ing", "er"]
    return {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * 5 + [1] * (len(tokens) - 5),
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.cls_token_id": 2,
        "tokenizer.ggml.mask_token_id": 4,
    }, len(tokens)


def keys_of(c):
    arch, d = c["arch"], c["d"]
    keys = {"block_count": c["layers"], "context_length": 96, "embedding_length": d,
            "feed_forward_length": c["ffn"], "attention.head_count": c["heads"]}
    if c["run"] in ENCODERS:
        keys.update({"attention.layer_norm_epsilon": c["eps"], "attention.causal": False,
                     "pooling_type": c["pooling"], "classifier.output_labels": LABELS})
    else:
        keys.update({"attention.head_count_kv": c["kv"], "attention.key_length": c["hd"],
                     "attention.value_length": c["hd"], "rope.freq_base": c["base"],
                     "attention.layer_norm_rms_epsilon": c["eps"]})
    for ours, theirs in (("window", "attention.sliding_window"), ("cap", "final_logit_softcapping"),
                         ("attn_cap", "attn_logit_softcapping"),
                         ("factor", "rope.scaling.factor"), ("far", "rope.freq_base"),
                         ("embed_key", "embedding_scale"),
                         ("attn_scale", "attention.scale"), ("residual_scale", "residual_scale"),
                         ("logit_scale", "logit_scale")):
        if ours in c:
            keys[theirs] = c[ours]
    if "conv" in c:
        keys["attention.head_count_kv"] = [0 if i in c["conv"] else c["kv"]
                                           for i in range(c["layers"])]
        keys["shortconv.l_cache"] = c["taps"]
        del keys["attention.key_length"], keys["attention.value_length"]
    if "factor" in c:
        keys["rope.scaling.type"] = "yarn" if "original" in c else "linear"
    if "original" in c:
        keys["rope.scaling.original_context_length"] = c["original"]
    return {"general.architecture": arch, "general.name": c["name"],
            **{f"{arch}.{k}": v for k, v in keys.items()}}


SPECS = [
    dict(name="tiny-qwen2", arch="qwen2", run=decoder, seed=3, d=40, heads=4, kv=2, hd=10, ffn=56,
         layers=3, eps=1e-6, base=1e6, halves=True, act=silu, bias=True, tied=True, factor=4.0),
    dict(name="tiny-qwen3", arch="qwen3", run=decoder, seed=4, d=36, heads=4, kv=2, hd=16, ffn=52,
         layers=3, eps=1e-6, base=1e6, halves=True, act=silu, head_norm=True),
    dict(name="tiny-gemma3", arch="gemma3", run=decoder, seed=5, d=28, heads=4, kv=1, hd=16, ffn=40,
         layers=7, eps=1e-6, base=1e6, base_local=1e4, halves=True, act=gelu_tanh, head_norm=True,
         post_norm=True, tied=True, window=24, pattern=6, embed_scale=np.sqrt(28.0), factor=8.0,
         cap=20.0),
    dict(name="tiny-granite", arch="granite", run=decoder, seed=6, d=40, heads=4, kv=2, hd=10,
         ffn=56, layers=3, eps=1e-5, base=1e4, halves=False, act=silu, tied=True, embed_scale=6.0,
         embed_key=6.0, attn_scale=0.125, residual_scale=0.22, logit_scale=4.0),
    dict(name="tiny-lfm2", arch="lfm2", run=decoder, seed=10, d=40, heads=4, kv=2, hd=10, ffn=56,
         layers=5, eps=1e-5, base=1e6, halves=True, act=silu, head_norm=True, tied=True,
         conv=(0, 1, 3), taps=3, last_norm="token_embd_norm"),
    dict(name="tiny-gemma2", arch="gemma2", run=decoder, seed=11, d=28, heads=4, kv=2, hd=16,
         ffn=40, layers=4, eps=1e-6, base=1e4, halves=True, act=gelu_tanh, post_norm=True,
         tied=True, window=24, pattern=2, embed_scale=np.sqrt(28.0), cap=20.0, attn_cap=3.0),
    dict(name="tiny-yarn", arch="qwen3", run=decoder, seed=12, d=36, heads=4, kv=2, hd=16, ffn=52,
         layers=2, eps=1e-6, base=1e4, halves=True, act=silu, head_norm=True, factor=4.0,
         original=24),
    dict(name="tiny-bert", arch="bert", run=bert, seed=7, d=48, heads=4, hd=12, ffn=100, layers=3,
         eps=1e-12, pooling=2),
    dict(name="tiny-minilm", arch="bert", run=bert, seed=8, d=48, heads=3, hd=16, ffn=64, layers=2,
         eps=1e-12, pooling=1),
    dict(name="tiny-modern-bert", arch="modern-bert", run=modern_bert, seed=9, d=48, heads=4, hd=12,
         ffn=68, layers=4, eps=1e-5, pooling=1, base=2e4, far=2e4, base_local=1e4, window=16,
         pattern=3),
]
ENCODERS = {bert: (bert_weights, wordpiece_keys),
            modern_bert: (modern_bert_weights, tokenizer_keys)}


def make_all():
    for c in SPECS:
        draw = Draw(c["seed"])
        weights, tokens = ENCODERS.get(c["run"], (decoder_weights, tokenizer_keys))
        tokenizer, vocab = tokens()
        w = weights(draw, c, vocab)
        write_gguf(os.path.join(HERE, c["name"] + ".gguf"), {**keys_of(c), **tokenizer}, w)
        ids = draw.rng.integers(0, vocab, 70)
        out = c["run"]({k: v.astype(np.float64) for k, v in w.items()}, ids, c)
        ids.astype("<u4").tofile(os.path.join(HERE, c["name"] + ".tokens.u32"))
        out.astype("<f4").tofile(os.path.join(HERE, c["name"] + ".expect.f32"))
