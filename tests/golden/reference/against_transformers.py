#!/usr/bin/env python3
"""Compares the float path with Hugging Face Transformers, an implementation of other people.

    pip install torch transformers numpy
    LC_BUILD=build/<triple> python3 tests/golden/reference/against_transformers.py [-l N] [WORD...]

Each row of CASES is built by Transformers with random weights, run there in float64, written as
GGUF and run by `leafcutter logits --float`. Small and real widths; prompts longer than the sliding
window. An encoder has no output head: its states are compared through the embedding, which has
more rows than columns, and a sequence classifier by its scores. Words select rows by name; -l N
leaves out the layers from the Nth on, for machines with little memory or time.
Not part of `make check`, which replays what models/golden/make.py computed instead.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers as hf

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "models", "golden"))

from archs import LABELS, wordpiece_keys  # noqa: E402
from make import tokenizer_keys, write_gguf  # noqa: E402

LIMIT = 1e-4
VECTOR = 0  # instead of tokens: the mean of a line's states, read through a head that copies them
LINE = "hello hot pump, the temp: 81.5 hothothot and a few more words than the window is wide"
SMALL = dict(hidden_size=64, num_attention_heads=4, intermediate_size=112)

# name: GGUF architecture, class, what its configuration says, tokens of the prompt
CASES = {
    "llama small": ("llama", hf.LlamaForCausalLM, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=3), 100),
    "llama SmolLM2-135M": ("llama", hf.LlamaForCausalLM, dict(
        hidden_size=576, num_attention_heads=9, num_key_value_heads=3, intermediate_size=1536,
        num_hidden_layers=30, tie_word_embeddings=True, rope_theta=1e5), 128),
    "qwen2 small": ("qwen2", hf.Qwen2ForCausalLM, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=3), 100),
    "qwen2 Qwen2.5-0.5B": ("qwen2", hf.Qwen2ForCausalLM, dict(
        hidden_size=896, num_attention_heads=14, num_key_value_heads=2, intermediate_size=4864,
        num_hidden_layers=24, tie_word_embeddings=True, rope_theta=1e6), 64),
    "qwen3 small": ("qwen3", hf.Qwen3ForCausalLM, dict(
        SMALL, num_key_value_heads=2, head_dim=24, num_hidden_layers=3), 100),
    "qwen3 Qwen3-0.6B": ("qwen3", hf.Qwen3ForCausalLM, dict(
        hidden_size=1024, num_attention_heads=16, num_key_value_heads=8, head_dim=128,
        intermediate_size=3072, num_hidden_layers=28, tie_word_embeddings=True,
        rope_theta=1e6), 64),
    "gemma3 small": ("gemma3", hf.Gemma3ForCausalLM, dict(
        SMALL, num_key_value_heads=1, head_dim=32, num_hidden_layers=13, sliding_window=20,
        query_pre_attn_scalar=32, tie_word_embeddings=True), 120),
    "gemma3 270m": ("gemma3", hf.Gemma3ForCausalLM, dict(
        hidden_size=640, num_attention_heads=4, num_key_value_heads=1, head_dim=256,
        intermediate_size=2048, num_hidden_layers=18, sliding_window=512,
        query_pre_attn_scalar=256, tie_word_embeddings=True), 600),
    "granite 350m": ("granite", hf.GraniteForCausalLM, dict(
        hidden_size=1024, num_attention_heads=16, num_key_value_heads=4, intermediate_size=2048,
        num_hidden_layers=28, embedding_multiplier=12.0, attention_multiplier=0.015625,
        residual_multiplier=0.246, logits_scaling=4.0, tie_word_embeddings=True,
        rope_theta=1e7), 64),
    "granite small": ("granite", hf.GraniteForCausalLM, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=3, embedding_multiplier=12.0,
        attention_multiplier=0.0625, residual_multiplier=0.22, logits_scaling=8.0,
        tie_word_embeddings=True), 100),
    "lfm2 small": ("lfm2", hf.Lfm2ForCausalLM, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=6, block_auto_adjust_ff_dim=False,
        full_attn_idxs=[2, 4], tie_word_embeddings=True), 100),
    "lfm2 350M": ("lfm2", hf.Lfm2ForCausalLM, dict(
        hidden_size=1024, num_attention_heads=16, num_key_value_heads=8, intermediate_size=4608,
        block_auto_adjust_ff_dim=False, num_hidden_layers=16, full_attn_idxs=[2, 5, 8, 10, 12, 14],
        tie_word_embeddings=True), 64),
    "gemma2 small": ("gemma2", hf.Gemma2ForCausalLM, dict(
        SMALL, num_key_value_heads=2, head_dim=32, num_hidden_layers=6, sliding_window=20,
        query_pre_attn_scalar=32, attn_logit_softcapping=2.0, final_logit_softcapping=5.0,
        tie_word_embeddings=True), 120),
    "qwen3 yarn": ("qwen3", hf.Qwen3ForCausalLM, dict(
        SMALL, num_key_value_heads=2, head_dim=32, num_hidden_layers=3,
        max_position_embeddings=256, rope_parameters=dict(
            rope_type="yarn", rope_theta=1e4, factor=4.0,
            original_max_position_embeddings=64)), 200),
    "bert small": ("bert", hf.BertModel, dict(SMALL, num_hidden_layers=3), 100),
    "bert MiniLM-L6": ("bert", hf.BertModel, dict(
        hidden_size=384, num_attention_heads=12, intermediate_size=1536, num_hidden_layers=6), 300),
    "modern-bert small": ("modern-bert", hf.ModernBertModel, dict(
        SMALL, num_hidden_layers=5, local_attention=24), 100),
    "modern-bert base": ("modern-bert", hf.ModernBertModel, dict(
        hidden_size=768, num_attention_heads=12, intermediate_size=1152, num_hidden_layers=22,
        local_attention=128), 200),
    "modern-bert classifier": ("modern-bert", hf.ModernBertForSequenceClassification, dict(
        SMALL, num_hidden_layers=4, num_labels=3, local_attention=8,
        classifier_pooling="mean"), 20),
    "bert classifier": ("bert", hf.BertForSequenceClassification, dict(
        SMALL, num_hidden_layers=2, num_labels=3), 20),
    "bert classifier MiniLM-L6": ("bert", hf.BertForSequenceClassification, dict(
        hidden_size=384, num_attention_heads=12, intermediate_size=1536, num_hidden_layers=6,
        num_labels=3), 20),
    "bert vector": ("bert", hf.BertModel, dict(SMALL, num_hidden_layers=3), VECTOR),
    "bert vector MiniLM-L6": ("bert", hf.BertModel, dict(
        hidden_size=384, num_attention_heads=12, intermediate_size=1536, num_hidden_layers=6),
        VECTOR),
    "llama classifier": ("llama", hf.LlamaForSequenceClassification, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=2, num_labels=3), 20),
    "qwen2 classifier": ("qwen2", hf.Qwen2ForSequenceClassification, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=2, num_labels=3), 20),
    "qwen3 classifier": ("qwen3", hf.Qwen3ForSequenceClassification, dict(
        SMALL, num_key_value_heads=2, head_dim=24, num_hidden_layers=2, num_labels=3), 20),
    "gemma3 classifier": ("gemma3", hf.Gemma3TextForSequenceClassification, dict(
        SMALL, num_key_value_heads=1, head_dim=32, num_hidden_layers=7, sliding_window=20,
        query_pre_attn_scalar=32, num_labels=3), 20),
}

# Names in Transformers to names in GGUF; {} is the number of the layer.
DECODER = {
    "embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output",
    "layers.{}.input_layernorm": "attn_norm", "layers.{}.self_attn.q_proj": "attn_q",
    "layers.{}.self_attn.k_proj": "attn_k", "layers.{}.self_attn.v_proj": "attn_v",
    "layers.{}.self_attn.o_proj": "attn_output", "layers.{}.self_attn.q_norm": "attn_q_norm",
    "layers.{}.self_attn.k_norm": "attn_k_norm", "layers.{}.mlp.gate_proj": "ffn_gate",
    "layers.{}.mlp.up_proj": "ffn_up", "layers.{}.mlp.down_proj": "ffn_down",
    "layers.{}.post_attention_layernorm": "ffn_norm", "score": "cls.output",
}
GEMMA = dict(DECODER, **{
    "layers.{}.post_attention_layernorm": "post_attention_norm",
    "layers.{}.pre_feedforward_layernorm": "ffn_norm",
    "layers.{}.post_feedforward_layernorm": "post_ffw_norm",
})
LFM2 = {
    "embed_tokens": "token_embd", "embedding_norm": "token_embd_norm", "lm_head": "output",
    "layers.{}.operator_norm": "attn_norm", "layers.{}.self_attn.q_proj": "attn_q",
    "layers.{}.self_attn.k_proj": "attn_k", "layers.{}.self_attn.v_proj": "attn_v",
    "layers.{}.self_attn.out_proj": "attn_output",
    "layers.{}.self_attn.q_layernorm": "attn_q_norm",
    "layers.{}.self_attn.k_layernorm": "attn_k_norm",
    "layers.{}.conv.in_proj": "shortconv.in_proj", "layers.{}.conv.conv": "shortconv.conv",
    "layers.{}.conv.out_proj": "shortconv.out_proj", "layers.{}.ffn_norm": "ffn_norm",
    "layers.{}.feed_forward.w1": "ffn_gate", "layers.{}.feed_forward.w3": "ffn_up",
    "layers.{}.feed_forward.w2": "ffn_down",
}
BERT = {
    "embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm",
    "encoder.layer.{}.attention.self.query": "attn_q",
    "encoder.layer.{}.attention.self.key": "attn_k",
    "encoder.layer.{}.attention.self.value": "attn_v",
    "encoder.layer.{}.attention.output.dense": "attn_output",
    "encoder.layer.{}.attention.output.LayerNorm": "attn_output_norm",
    "encoder.layer.{}.intermediate.dense": "ffn_up", "encoder.layer.{}.output.dense": "ffn_down",
    "encoder.layer.{}.output.LayerNorm": "layer_output_norm",
    "pooler.dense": "cls", "classifier": "cls.output",
}
MODERN_BERT = {
    "embeddings.tok_embeddings": "token_embd", "embeddings.norm": "token_embd_norm",
    "layers.{}.attn_norm": "attn_norm", "layers.{}.attn.Wqkv": "attn_qkv",
    "layers.{}.attn.Wo": "attn_output", "layers.{}.mlp_norm": "ffn_norm",
    "layers.{}.mlp.Wi": "ffn_up", "layers.{}.mlp.Wo": "ffn_down", "final_norm": "output_norm",
    "head.dense": "cls", "head.norm": "cls.norm", "classifier": "cls.output",
}
NAMES = {"gemma2": GEMMA, "gemma3": GEMMA, "lfm2": LFM2, "bert": BERT, "modern-bert": MODERN_BERT}


def gguf_name(arch, name):
    """The GGUF name of a parameter, or None for one that the model does not need."""
    stem, kind = name.rsplit(".", 1)
    for prefix in ("model.", "bert."):
        stem = stem.removeprefix(prefix)
    parts = stem.split(".")
    layer = next((p for p in parts if p.isdigit()), None)
    key = ".".join("{}" if p == layer else p for p in parts)
    theirs = NAMES.get(arch, DECODER)[key]
    return f"{f'blk.{layer}.' if layer else ''}{theirs}.{kind}"


def shuffle(model, arch):
    """Random weights in every parameter, also where Transformers starts from 0 or 1."""
    generator = torch.Generator().manual_seed(1)
    for name, p in model.named_parameters():
        r = torch.randn(p.shape, generator=generator)
        if name.endswith(".bias"):
            p.data = 0.3 * r
        elif p.dim() == 1:
            p.data = (0 if arch.startswith("gemma") else 1) + 0.2 * r
        else:
            p.data = r / p.shape[1:].numel() ** 0.5


def pairs(w, heads):
    """Rows of q and k as architectures that turn (2i, 2i + 1) have them in GGUF."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(w.shape)


def tensors(model, arch, classifier):
    c = model.config
    out = {}
    for name, p in model.named_parameters():
        w = p.detach().numpy().astype(np.float32)
        theirs = gguf_name(arch, name)
        if arch in ("llama", "granite") and ".attn_q." in theirs:
            w = pairs(w, c.num_attention_heads)
        if arch in ("llama", "granite") and ".attn_k." in theirs:
            w = pairs(w, c.num_key_value_heads)
        if arch.startswith("gemma") and w.ndim == 1:
            w = w + 1  # Gemma's norms multiply by 1 + weight
        if classifier or not theirs.startswith("cls"):
            out[theirs] = w.squeeze(1) if w.ndim == 3 else w
    return out


def rope_base(c, kind=None):
    p = c.rope_parameters[kind] if kind else c.rope_parameters
    return float(p["rope_theta"])


def keys(arch, c, pooling, labels):
    k = {"block_count": c.num_hidden_layers, "context_length": c.max_position_embeddings,
         "embedding_length": c.hidden_size, "feed_forward_length": c.intermediate_size,
         "attention.head_count": c.num_attention_heads}
    if "bert" in arch:
        eps = c.layer_norm_eps if arch == "bert" else c.norm_eps
        k.update({"attention.layer_norm_epsilon": eps, "attention.causal": False})
        if arch == "modern-bert":
            k.update({"attention.sliding_window": c.local_attention,
                      "rope.freq_base": rope_base(c, "full_attention"),
                      "rope.freq_base_swa": rope_base(c, "sliding_attention")})
    else:
        hd = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
        k.update({"attention.head_count_kv": c.num_key_value_heads, "attention.key_length": hd,
                  "attention.value_length": hd})
        k["attention.layer_norm_rms_epsilon"] = c.norm_eps if arch == "lfm2" else c.rms_norm_eps
    if arch == "lfm2":
        k["attention.head_count_kv"] = [0 if kind == "conv" else c.num_key_value_heads
                                        for kind in c.layer_types]
        k["shortconv.l_cache"] = c.conv_L_cache
    if labels:
        k.update({"pooling_type": pooling, "classifier.output_labels": labels})
    if arch == "gemma3":
        k.update({"attention.sliding_window": c.sliding_window,
                  "rope.freq_base": rope_base(c, "full_attention")})
        assert rope_base(c, "sliding_attention") == 1e4
    elif "bert" not in arch:
        k["rope.freq_base"] = rope_base(c)
    if arch == "gemma2":
        k.update({"attention.sliding_window": c.sliding_window,
                  "attn_logit_softcapping": c.attn_logit_softcapping,
                  "final_logit_softcapping": c.final_logit_softcapping})
    if getattr(c, "rope_parameters", {}).get("rope_type") == "yarn":
        p = c.rope_parameters
        k.update({"rope.scaling.type": "yarn", "rope.scaling.factor": p["factor"],
                  "rope.scaling.original_context_length": p["original_max_position_embeddings"]})
    if arch == "granite":
        k.update({"embedding_scale": c.embedding_multiplier,
                  "residual_scale": c.residual_multiplier,
                  "attention.scale": c.attention_multiplier,
                  "logit_scale": c.logits_scaling})
    return {"general.architecture": arch, **{f"{arch}.{n}": v for n, v in k.items()}}


def tool(*words, text=None):
    done = subprocess.run([os.path.join(os.environ["LC_BUILD"], "leafcutter"), *words],
                          input=text, stdout=subprocess.PIPE, check=True, text=True)
    return done.stdout


def pooling_of(arch, config):
    """The number by which GGUF files call what a classifier pools."""
    if "bert" not in arch:
        return 3
    return 1 if arch != "bert" and config.classifier_pooling == "mean" else 2


def scores(path, labels):
    record = json.loads(tool("classify", "--raw", "--float", "--model", path, text=LINE))
    return [record["z"][label] for label in labels]


def line_ids(path):
    return torch.tensor([[int(i) for i in tool("tokenize", "--model", path, text=LINE).split()]])


def classify(model, arch, path, tokenizer):
    """Scores of a line. Float64 comes after the weights are written."""
    write_gguf(path, {**keys(arch, model.config, pooling_of(arch, model.config), LABELS),
                      **tokenizer}, tensors(model, arch, True))
    ids = line_ids(path)
    return scores(path, LABELS), model.double()(ids).logits[0].numpy(), ids.shape[1]


def pool(model, arch, path, tokenizer):
    """The mean state of a line, through heads of as many outputs as one may have."""
    weights, width, got = tensors(model, arch, False), model.config.hidden_size, []
    for start in range(0, width, 192):
        rows = np.eye(width, dtype=np.float32)[start:start + 192]
        labels = [f"c{i}" for i in range(len(rows))]
        write_gguf(path, {**keys(arch, model.config, 1, labels), **tokenizer},
                   {**weights, "cls.output.weight": rows})
        got += scores(path, labels)
    ids = line_ids(path)
    want = model.double()(ids).last_hidden_state[0].mean(0)
    return got, want.numpy(), ids.shape[1]


def logits(model, arch, path, tokenizer, rows, n):
    """Of every token of a random text; an encoder's states through its embedding."""
    folder = os.path.dirname(path)
    write_gguf(path, {**keys(arch, model.config, 0, None), **tokenizer},
               tensors(model, arch, False))
    ids = np.random.default_rng(1).integers(0, rows, n)
    model = model.double()
    out = model(torch.tensor([ids.tolist()]))
    want = out.logits[0] if hasattr(out, "logits") else (
        out.last_hidden_state[0] @ model.get_input_embeddings().weight.T)
    result = os.path.join(folder, "out.f32")
    tool("logits", "--float", "--model", path, "--tokens", ",".join(map(str, ids)),
         "--out", result)
    return np.fromfile(result, "<f4").reshape(want.shape), want.numpy(), n


def run_case(name, folder, layers):
    arch, kind, words, n = CASES[name]
    words = dict(words, num_hidden_layers=min(words["num_hidden_layers"], layers))
    classifier = "Classification" in kind.__name__
    tokenizer, vocab = wordpiece_keys() if arch == "bert" else tokenizer_keys()
    rows = vocab if classifier or n == VECTOR else 1024
    config = kind.config_class(**{**words, "vocab_size": rows, "pad_token_id": 0})
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    model = kind(config).eval()
    shuffle(model, arch)
    path = os.path.join(folder, "model.gguf")
    with torch.no_grad():
        if classifier:
            got, want, tokens = classify(model, arch, path, tokenizer)
        elif n == VECTOR:
            got, want, tokens = pool(model, arch, path, tokenizer)
        else:
            got, want, tokens = logits(model, arch, path, tokenizer, rows, n)
    return float(np.abs(np.array(got) - want).max() / np.abs(want).max()), tokens


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-l", type=int, default=1000)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    worst = 0.0
    for name in CASES:
        if options.words and not any(word in name for word in options.words):
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = folder
            error, tokens = run_case(name, folder, options.l)
        worst = max(worst, error)
        print(f"{'ok' if error < LIMIT else 'not ok'} - {name}: {tokens} tokens, "
              f"largest difference {error:.2g} of the largest value", flush=True)
    return worst >= LIMIT


if __name__ == "__main__":
    sys.exit(main())
