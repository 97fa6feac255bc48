#!/usr/bin/env python3
"""Sentence vectors of an encoder's packs against the original checkpoint in Transformers.

    sentences.py VECTORS FOLDER LINES PACK...

VECTORS is vectors.c compiled, FOLDER the checkpoint of Hugging Face form, LINES a text file. Prints
for each pack the largest difference over the largest value, cosines of the normalised vectors, how
well similarities between lines are kept, and the time a line takes. The reference runs in float64
with the original tokenizer.
"""
import subprocess
import sys

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import BertModel


def reference(folder, lines):
    tokenizer = Tokenizer.from_file(folder + "/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.no_truncation()
    model = BertModel.from_pretrained(folder, attn_implementation="eager").double().eval()
    with torch.no_grad():
        return np.stack([
            model(torch.tensor([tokenizer.encode(line).ids])).last_hidden_state[0].mean(0).numpy()
            for line in lines])


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def main():
    program, folder, path, packs = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]
    with open(path, encoding="utf-8") as f:
        text = f.read()
    lines = text.rstrip("\n").split("\n")
    want = reference(folder, lines)
    near = unit(want) @ unit(want).T
    above = np.triu_indices(len(lines), 1)
    for pack in packs:
        done = subprocess.run([program, pack], input=text.encode(), capture_output=True, check=True)
        got = np.frombuffer(done.stdout, "<f4").reshape(want.shape)
        cosine = (unit(got) * unit(want)).sum(1)
        kept = np.corrcoef((unit(got) @ unit(got).T)[above], near[above])[0, 1]
        print(f"{pack}: difference {np.abs(got - want).max() / np.abs(want).max():.2g}, "
              f"cosine mean {cosine.mean():.6f} least {cosine.min():.6f}, "
              f"similarities kept {kept:.6f}; {done.stderr.decode().strip()}")


if __name__ == "__main__":
    main()
