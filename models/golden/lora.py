"""Low-rank adapters for the golden models, and what the models say with them.

Run by make.py. Matrices of an adapter are W + scale * B A in float64, as PEFT defines them; forward
passes are those of make.py and archs.py. Two forms: llama.cpp's GGUF, whose rows are the model
file's, and PEFT folders, whose rows and names are those of the Transformers modules.
"""

import json
import os
import struct

import numpy as np

import archs
import make as llama

DIR = os.path.join(llama.HERE, "adapters")
TOKENS = 24  # of each text of a decoder
MODULES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
BERT_MODULES = {
    "attn_q": "attention.self.query",
    "attn_k": "attention.self.key",
    "attn_v": "attention.self.value",
    "attn_output": "attention.output.dense",
    "ffn_up": "intermediate.dense",
    "ffn_down": "output.dense",
}
MODERN_MODULES = {
    "attn_qkv": "attn.Wqkv",
    "attn_output": "attn.Wo",
    "ffn_up": "mlp.Wi",
    "ffn_down": "mlp.Wo",
}


# ---- files --------------------------------------------------------------------------------------


def write_safetensors(path, tensors):
    head, blobs, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, t in tensors.items():
        data = t.astype("<f2" if t.dtype == np.float16 else "<f4").tobytes()
        head[name] = {
            "dtype": "F16" if t.dtype == np.float16 else "F32",
            "shape": list(t.shape),
            "data_offsets": [at, at + len(data)],
        }
        blobs.append(data)
        at += len(data)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


def write_peft(name, tensors, config):
    folder = os.path.join(DIR, name)
    os.makedirs(folder, exist_ok=True)
    write_safetensors(os.path.join(folder, "adapter_model.safetensors"), tensors)
    whole = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": "golden",
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "lora_dropout": 0.05,
        "modules_to_save": None,
        "rank_pattern": {},
        "alpha_pattern": {},
        "use_dora": False,
        "use_rslora": False,
        **config,
    }
    with open(os.path.join(folder, "adapter_config.json"), "w") as f:
        json.dump(whole, f, indent=2, sort_keys=True)
        f.write("\n")


def write_expect(name, out):
    out.astype("<f4").tofile(os.path.join(DIR, name + ".expect.f32"))


# ---- corrections --------------------------------------------------------------------------------


def draw_pair(rng, rows, cols, rank):
    a = (rng.standard_normal((rank, cols)) / np.sqrt(cols)).astype(np.float32)
    b = (rng.standard_normal((rows, rank)) * 0.3).astype(np.float32)
    return a, b


def draw_pairs(rng, w, layers, names, rank):
    """{tensor: (A, B)}; rank is a number or a function of the tensor's name."""
    pairs = {}
    for i in layers:
        for n in names:
            tensor = f"blk.{i}.{n}.weight"
            pairs[tensor] = draw_pair(
                rng, *w[tensor].shape, rank(tensor) if callable(rank) else rank
            )
    return pairs


def merged(w, pairs, scale):
    out = {k: v.astype(np.float64) for k, v in w.items()}
    for tensor, (a, b) in pairs.items():
        s = scale(tensor) if callable(scale) else scale
        out[tensor] = out[tensor] + s * (b.astype(np.float64) @ a.astype(np.float64))
    return out


def halves(b, heads):
    """Rows of a GGUF's q or k (pairs side by side) in the order of Transformers."""
    hd = b.shape[0] // heads
    return b.reshape(heads, hd // 2, 2, -1).swapaxes(1, 2).reshape(b.shape)


def peft_names(pairs, modules, trunk, heads):
    """heads: {short name: heads} of rows to put in halves."""
    out = {}
    for tensor, (a, b) in pairs.items():
        _, layer, short, _ = tensor.split(".")
        module = f"base_model.model.{trunk}{layer}.{modules[short]}"
        out[module + ".lora_A.weight"] = a
        out[module + ".lora_B.weight"] = halves(b, heads[short]) if short in heads else b
    return out


# ---- llama: two GGUF files, one of them again as PEFT has it ------------------------------------


def llama_logits(w, ids):
    hidden = llama.forward(w, ids, 6, 2, 10, 3, 10000.0, 1e-5, True)
    return hidden @ w["output.weight"].T


def write_gguf_adapter(name, pairs, alpha):
    keys = {"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"}
    if alpha is not None:
        keys["adapter.lora.alpha"] = alpha
    tensors = {}
    for tensor, (a, b) in pairs.items():
        tensors[tensor + ".lora_a"], tensors[tensor + ".lora_b"] = a, b
    llama.write_gguf(os.path.join(DIR, name + ".gguf"), keys, tensors)


def make_llama():
    rng = np.random.default_rng(1)  # as tiny-causal is drawn
    _, vocab = llama.tokenizer_keys()
    w = llama.make_weights(rng, 40, 6, 2, 10, 52, 3, vocab, False, 0)
    ids = rng.integers(0, vocab, 80)[:TOKENS]
    rng = np.random.default_rng(101)
    every = draw_pairs(rng, w, range(3), MODULES, 4)
    write_gguf_adapter("causal-all", every, 8.0)
    write_expect("causal-all", llama_logits(merged(w, every, 8.0 / 4), ids))
    # alpha / sqrt(4) is the same scale
    config = {"r": 4, "lora_alpha": 4, "use_rslora": True, "target_modules": "all-linear"}
    heads = {"attn_q": 6, "attn_k": 2}
    write_peft("causal-peft", peft_names(every, MODULES, "model.layers.", heads), config)
    some = draw_pairs(rng, w, (0, 2), ("attn_q", "attn_v"), 9)
    write_gguf_adapter("causal-qv", some, None)
    write_expect("causal-qv", llama_logits(merged(w, some, 1.0), ids))


# ---- the others ---------------------------------------------------------------------------------


def drawn(name):
    """Spec, weights and ids of a model of archs.py, as it draws them."""
    c = next(s for s in archs.SPECS if s["name"] == name)
    draw = archs.Draw(c["seed"])
    weights, tokens = archs.ENCODERS.get(c["run"], (archs.decoder_weights, llama.tokenizer_keys))
    _, vocab = tokens()
    w = weights(draw, c, vocab)
    return c, w, draw.rng.integers(0, vocab, 70)


def make_qwen3():
    """Ranks and alphas by pattern."""
    c, w, ids = drawn("tiny-qwen3")
    rank = lambda t: 6 if "ffn_down" in t else 2 if ".1.attn_q." in t else 3
    alpha = lambda t: 12 if "ffn_down" in t else 3
    pairs = draw_pairs(np.random.default_rng(104), w, range(3), ("attn_q", "ffn_down"), rank)
    out = merged(w, pairs, lambda t: alpha(t) / rank(t))
    write_expect("qwen3", c["run"](out, ids[:TOKENS], c))
    config = {
        "r": 3,
        "lora_alpha": 3,
        "target_modules": ["q_proj", "down_proj"],
        "rank_pattern": {"down_proj": 6, "layers.1.self_attn.q_proj": 2},
        "alpha_pattern": {"mlp.down_proj": 12},
    }
    write_peft("qwen3", peft_names(pairs, MODULES, "model.layers.", {}), config)


def make_encoder(name, model, seed, modules, trunk, rank):
    """With a head of its own, of four classes."""
    c, w, ids = drawn(model)
    rng = np.random.default_rng(seed)
    pairs = draw_pairs(rng, w, range(c["layers"]), modules, rank)
    w["cls.output.weight"] = rng.standard_normal((4, c["d"])).astype(np.float32)
    w["cls.output.bias"] = rng.standard_normal(4).astype(np.float32)
    write_expect(name, c["run"](merged(w, pairs, 16.0 / rank), ids, c))
    tensors = peft_names(pairs, modules, trunk, {})
    tensors["base_model.model.classifier.weight"] = w["cls.output.weight"]
    tensors["base_model.model.classifier.bias"] = w["cls.output.bias"]
    write_peft(
        name,
        tensors,
        {
            "r": rank,
            "lora_alpha": 16,
            "task_type": "SEQ_CLS",
            "target_modules": sorted(modules.values()),
            "modules_to_save": ["classifier", "score"],
        },
    )


def make_all():
    os.makedirs(DIR, exist_ok=True)
    make_llama()
    make_qwen3()
    make_encoder("bert", "tiny-bert", 105, BERT_MODULES, "bert.encoder.layer.", 4)
    make_encoder("modern-bert", "tiny-modern-bert", 106, MODERN_MODULES, "model.layers.", 3)
