#!/usr/bin/env python3
"""Checkpoint folders of Transformers against Transformers itself, and against the GGUF of the same.

    pip install torch transformers numpy sympy
    LC_BUILD=build/<triple> python3 tests/golden/reference/hf_folders.py [-l N] [WORD...]

The cases of against_transformers.py and those below are saved by save_pretrained (some in parts,
some in BF16 or F16), packed from the folder and run by `leafcutter logits --float` or `classify`;
the same weights as GGUF must give the same tensors bit for bit. Words select cases by name, -l N
leaves out the layers from the Nth on.
"""

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy as np
import torch
import transformers as hf

import against_transformers as base
from against_transformers import LABELS, SMALL, tool

MORE = {
    "llama 3 scaling": ("llama", hf.LlamaForCausalLM, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=2, max_position_embeddings=512,
        rope_parameters=dict(rope_type="llama3", rope_theta=5e5, factor=8.0, low_freq_factor=1.0,
                             high_freq_factor=4.0, original_max_position_embeddings=64)), 200),
    "llama linear scaling": ("llama", hf.LlamaForCausalLM, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=2,
        rope_parameters=dict(rope_type="linear", rope_theta=1e4, factor=4.0)), 100),
    "llama biases": ("llama", hf.LlamaForCausalLM, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=2, attention_bias=True), 60),
    "llama classifier": ("llama", hf.LlamaForSequenceClassification, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=2, num_labels=3), 20),
    "qwen2 classifier": ("qwen2", hf.Qwen2ForSequenceClassification, dict(
        SMALL, num_key_value_heads=2, num_hidden_layers=2, num_labels=3), 20),
    "qwen3 classifier": ("qwen3", hf.Qwen3ForSequenceClassification, dict(
        SMALL, num_key_value_heads=2, head_dim=24, num_hidden_layers=2, num_labels=3), 20),
    "gemma3 classifier": ("gemma3", hf.Gemma3TextForSequenceClassification, dict(
        SMALL, num_key_value_heads=1, head_dim=32, num_hidden_layers=3, sliding_window=20,
        query_pre_attn_scalar=32, num_labels=3), 20),
    "gemma3 own layer types": ("gemma3", hf.Gemma3ForCausalLM, dict(
        SMALL, num_key_value_heads=1, head_dim=32, num_hidden_layers=4, sliding_window=20,
        query_pre_attn_scalar=32, tie_word_embeddings=True, layer_types=[
            "full_attention", "sliding_attention", "sliding_attention", "full_attention"]), 80),
    "modern-bert classifier, first token": (
        "modern-bert", hf.ModernBertForSequenceClassification, dict(
            SMALL, num_hidden_layers=4, num_labels=3, local_attention=8,
            classifier_pooling="cls"), 20),
}  # fmt: skip
CASES = {**base.CASES, **MORE}
DTYPES = [torch.float32, torch.bfloat16, torch.float16]


# ---- tokenizers ---------------------------------------------------------------------------------


def tokenizer_json(arch):
    """The tiny vocabularies of models/golden as tokenizer.json."""
    top = dict(version="1.0", added_tokens=[], normalizer=None, pre_tokenizer=None,
               post_processor=None, decoder=None)  # fmt: skip
    keys = (base.wordpiece_keys() if arch == "bert" else base.tokenizer_keys())[0]
    tokens, kinds = keys["tokenizer.ggml.tokens"], keys["tokenizer.ggml.token_type"]
    if arch == "bert":
        tokens = [t[1:] if t[0] == "\u2581" else t if k == 3 else "##" + t
                  for t, k in zip(tokens, kinds)]  # fmt: skip
    top["added_tokens"] = [
        dict(id=i, content=t, special=True, single_word=False, lstrip=False, rstrip=False,
             normalized=False) for i, t in enumerate(tokens) if kinds[i] == 3]  # fmt: skip
    vocab = {t: i for i, t in enumerate(tokens)}
    if arch != "bert":
        top["pre_tokenizer"] = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True,
                                    use_regex=True)  # fmt: skip
        top["model"] = dict(type="BPE", vocab=vocab, merges=keys["tokenizer.ggml.merges"])
        return top
    top["normalizer"] = dict(type="BertNormalizer", clean_text=True, handle_chinese_chars=True,
                             strip_accents=None, lowercase=True)  # fmt: skip
    top["pre_tokenizer"] = {"type": "BertPreTokenizer"}
    top["post_processor"] = dict(type="BertProcessing", sep=["[SEP]", 3], cls=["[CLS]", 2])
    top["model"] = dict(type="WordPiece", unk_token="[UNK]", continuing_subword_prefix="##",
                        max_input_chars_per_word=100, vocab=vocab)  # fmt: skip
    return top


# ---- packs --------------------------------------------------------------------------------------


def tensors_of(path):
    """(role, layer): bytes of each tensor of a pack."""
    with open(path, "rb") as f:
        data = f.read()
    count, table = struct.unpack_from("<II", data, 24)
    sections = {}
    for i in range(count):
        kind, index, at, size = struct.unpack_from("<IIQQ", data, table + 64 * i)
        sections[kind, index] = (at, size)
    at = sections[2, 0][0]
    out = {}
    for i in range(struct.unpack_from("<I", data, at)[0]):
        row = struct.unpack_from("<8I2Q", data, at + 4 + 48 * i)
        start = sections[row[5], row[6]][0] + row[8]
        out[row[0], row[1]] = row[2:5] + (data[start : start + row[9]],)
    return out


# ---- cases --------------------------------------------------------------------------------------


def make_model(name, layers):
    arch, kind, words, n = CASES[name]
    words = dict(words, num_hidden_layers=min(words["num_hidden_layers"], layers))
    classifier = "Classification" in kind.__name__
    tokenizer, vocab = base.wordpiece_keys() if arch == "bert" else base.tokenizer_keys()
    rows = vocab if classifier else 1024
    if classifier:
        words["id2label"] = dict(enumerate(LABELS))
        words["label2id"] = {t: i for i, t in enumerate(LABELS)}
    config = kind.config_class(**{**words, "vocab_size": rows, "pad_token_id": 0})
    config._attn_implementation = "eager"
    torch.manual_seed(0)
    model = kind(config).eval()
    base.shuffle(model, arch)
    return model, tokenizer, rows, n, classifier


def gguf_keys(arch, config, classifier):
    labels = LABELS if classifier else None
    k = base.keys(arch, config, base.pooling_of(arch, config) if classifier else 0, labels)
    p = config.rope_parameters if arch == "llama" else {}
    if p.get("rope_type") == "linear":
        k["llama.rope.scaling.type"], k["llama.rope.scaling.factor"] = "linear", p["factor"]
    if classifier and "bert" not in arch:
        k[f"{arch}.pooling_type"], k[f"{arch}.classifier.output_labels"] = 3, LABELS
    return k


def rope_freqs(config):
    """Llama 3's factors, as the published conversion computes them."""
    p = config.rope_parameters
    n = config.hidden_size // config.num_attention_heads
    out = []
    for f in p["rope_theta"] ** (-np.arange(0, n, 2) / n):
        length = 2 * np.pi / f
        low = p["original_max_position_embeddings"] / p["low_freq_factor"]
        high = p["original_max_position_embeddings"] / p["high_freq_factor"]
        if length < high:
            out.append(1.0)
        elif length > low:
            out.append(p["factor"])
        else:
            s = (low / length * p["low_freq_factor"] - p["low_freq_factor"]) / (
                p["high_freq_factor"] - p["low_freq_factor"]
            )
            out.append(1 / ((1 - s) / p["factor"] + s))
    return np.array(out, np.float32)


def same_as_gguf(name, model, tokenizer, classifier, folder, work):
    arch, config = CASES[name][0], model.config
    base.DECODER["score"] = base.GEMMA["score"] = "cls.output"
    tensors = base.tensors(model, arch, classifier)
    for part in ("attn_q", "attn_k") if arch == "llama" else ():
        heads = config.num_attention_heads if part == "attn_q" else config.num_key_value_heads
        for key in tensors:
            if key.endswith(part + ".bias"):
                tensors[key] = base.pairs(
                    dict(model.named_parameters())[
                        f"model.layers.{key.split('.')[1]}.self_attn.{part[-1]}_proj.bias"
                    ].detach().numpy().astype(np.float32), heads).reshape(-1)  # fmt: skip
    keys = gguf_keys(arch, config, classifier)
    if (
        getattr(config, "rope_parameters", None)
        and config.rope_parameters.get("rope_type") == "llama3"
    ):
        tensors["rope_freqs.weight"] = rope_freqs(config)
    if "own layer types" in name:
        return None  # GGUF knows patterns only
    path = os.path.join(work, "same.gguf")
    base.write_gguf(path, {**keys, **tokenizer}, tensors)
    for kind in ("f32", "q4"):
        packs = []
        for source in (path, folder):
            pack = os.path.join(work, f"{len(packs)}.leaf")
            tool("pack", source, "-o", pack, "--type", kind, "--json")
            packs.append(tensors_of(pack))
        if packs[0] != packs[1]:
            return [k for k in packs[0] if packs[0].get(k) != packs[1].get(k)][
                :4
            ] or "other tensors"
    return True


def run_case(name, work, layers, number):
    arch = CASES[name][0]
    model, tokenizer, rows, n, classifier = make_model(name, layers)
    folder = os.path.join(work, "folder")
    dtype = DTYPES[number % 3]
    for p in model.parameters():  # not the buffers, which are not saved
        p.data = p.data.to(dtype)
    model.save_pretrained(folder, max_shard_size="200KB" if number % 2 else "50GB")
    with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as f:
        json.dump(tokenizer_json(arch), f)
    parts = len([f for f in os.listdir(folder) if f.endswith(".safetensors")])
    model = model.float()
    same = same_as_gguf(name, model, tokenizer, classifier, folder, work)
    model = model.double()
    with torch.no_grad():
        if classifier:
            line = "hello hot pump, the temp: 81.5 hothothot"
            ids = [int(i) for i in tool("tokenize", "--model", folder, text=line).split()]
            want = model(torch.tensor([ids])).logits[0].numpy()
            record = json.loads(tool("classify", "--raw", "--float", "--model", folder, text=line))
            got = np.array([record["z"][label] for label in LABELS])
        else:
            ids = np.random.default_rng(1).integers(0, rows, n)
            out = model(torch.tensor([ids.tolist()]))
            want = (
                out.logits[0]
                if hasattr(out, "logits")
                else (out.last_hidden_state[0] @ model.get_input_embeddings().weight.T)
            )
            want = want.numpy()
            result = os.path.join(work, "out.f32")
            tool(
                "logits",
                "--float",
                "--model",
                folder,
                "--tokens",
                ",".join(map(str, ids)),
                "--out",
                result,
            )
            got = np.fromfile(result, "<f4").reshape(want.shape)
    error = float(np.abs(got - want).max() / np.abs(want).max())
    return error, len(ids), parts, str(dtype).split(".")[1], same


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-l", type=int, default=1000)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    bad = 0
    for number, name in enumerate(CASES):
        if options.words and not any(word in name for word in options.words):
            continue
        work = tempfile.mkdtemp()
        os.environ["XDG_CACHE_HOME"] = work
        try:
            error, tokens, parts, dtype, same = run_case(name, work, options.l, number)
        finally:
            shutil.rmtree(work)
        fine = error < base.LIMIT and same in (True, None)
        bad += not fine
        note = {True: "tensors equal the GGUF's", None: "no GGUF of it"}.get(
            same if same in (True, None) else 0, f"tensors differ: {same}"
        )
        print(
            f"{'ok' if fine else 'not ok'} - {name}: {dtype}, {parts} files, {tokens} tokens, "
            f"largest difference {error:.2g} of the largest value, {note}",
            flush=True,
        )
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
