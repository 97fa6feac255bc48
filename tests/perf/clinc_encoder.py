#!/usr/bin/env python3
"""Trains an encoder of a million weights on CLINC150 and writes it as GGUF, for kl.py.

    clinc_encoder.py CLINC/data_full.json OUT.gguf [--minutes 10]

Same code as the shipped trunk (tools/train): llama-type blocks without a mask, mean pooling, 150
intents. It is no product; it gives the loss of quantisation on weights that were trained. Needs
torch, numpy and tokenizers.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time

import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/train"))
import export
import tokenizer
from model import Trunk

SHAPE = dict(vocab=2048, dim=128, layers=4, heads=4, ffn=384, context=64)


def pad(lists):
    width = max(map(len, lists))
    ids = torch.zeros(len(lists), width, dtype=torch.long)
    mask = torch.zeros(len(lists), width)
    for row, got in enumerate(lists):
        ids[row, : len(got)] = torch.tensor(got)
        mask[row, : len(got)] = 1
    return ids, mask


def right(model, rows):
    """Share of rows whose best label is theirs."""
    hits = 0
    with torch.no_grad():
        for at in range(0, len(rows), 256):
            part = rows[at : at + 256]
            ids, mask = pad([r[0] for r in part])
            best = model.head["triage"](model.pooled(ids, mask)).argmax(-1)
            hits += (best == torch.tensor([r[1] for r in part])).sum().item()
    return hits / len(rows)


def train(model, rows, minutes):
    rng, start, step = random.Random(3), time.time(), 0
    opt = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.05)
    part = 0.0
    while part < 1.0:
        rng.shuffle(rows)
        for at in range(0, len(rows), 128):
            part = min(1.0, (time.time() - start) / 60 / minutes)
            for group in opt.param_groups:
                group["lr"] = 2e-3 * min(1.0, step / 100) * (1.02 - part)
            batch = rows[at : at + 128]
            ids, mask = pad([r[0] for r in batch])
            z = model.head["triage"](F.dropout(model.pooled(ids, mask), 0.2))
            loss = F.cross_entropy(z, torch.tensor([r[1] for r in batch]), label_smoothing=0.05)
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            step += 1
            if part >= 1.0:
                break
        print(f"step {step} loss {loss.item():.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("out")
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    torch.manual_seed(3)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    with open(args.data, encoding="utf-8") as f:
        data = json.load(f)
    labels = sorted({label for _, label in data["train"]})
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = folder + "/tok.json"
        tok = tokenizer.train([t for t, _ in data["train"]], vocabulary, SHAPE["vocab"])
        rows = {
            part: [
                (tok.encode(t).ids[: SHAPE["context"]], labels.index(label))
                for t, label in data[part]
            ]
            for part in ("train", "test")
        }
        model = Trunk(SHAPE, {"triage": len(labels)})
        train(model, rows["train"], args.minutes)
        model.eval()
        print(f"right on test: {right(model, rows['test']):.4f}")
        export.TRIAGE = labels
        export.write(args.out, model.shape, vocabulary, model.state_dict())


if __name__ == "__main__":
    main()
