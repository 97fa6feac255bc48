#!/usr/bin/env python3
"""Trains the byte-level BPE vocabulary (GPT-2 pre-tokenizer) and encodes with it.

Digits are never merged with each other: a number is read digit by digit, so that its size shows.
Word counts are flattened (count ** 0.75), so that the vocabulary holds many words rather than many
spellings of the few that the generator likes. Needs the package `tokenizers` from PyPI.
"""

import collections
import json

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SIZE = 8192
FLATTEN = 0.75


def gpt2():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)


def flattened(texts):
    """Pieces of the pre-tokenizer, each as often as its flattened count says."""
    split, counts = gpt2(), collections.Counter()
    for text in texts:
        counts.update(text[a:b] for _, (a, b) in split.pre_tokenize_str(text) if text[a:b].strip())
    for piece in sorted(counts):
        for _ in range(max(1, round(counts[piece] ** FLATTEN)) if counts[piece] > 1 else 0):
            yield piece


def train(texts, path, size=SIZE):
    """Learns merges with digits split off, then adds the merges `blank digit`."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [gpt2(), pre_tokenizers.Digits(individual_digits=True)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=size - 10,
        show_progress=False,
        max_token_length=16,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    learner.train_from_iterator(flattened(texts), trainer)
    model = json.loads(learner.to_str())["model"]
    vocab = model["vocab"]
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in model["merges"]]
    for digit in "0123456789":
        vocab["Ġ" + digit] = len(vocab)
        merges.append(("Ġ", digit))
    whole = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    whole.pre_tokenizer = gpt2()
    whole.decoder = decoders.ByteLevel()
    whole.save(path)
    return load(path)


def load(path, dropout=None):
    tok = Tokenizer.from_file(path)
    if dropout:
        tok.model.dropout = dropout
    return tok


def tables(path):
    """(tokens in id order, merges as GGUF wants them)."""
    with open(path, encoding="utf-8") as file:
        model = json.load(file)["model"]
    tokens = [t for t, _ in sorted(model["vocab"].items(), key=lambda kv: kv[1])]
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return tokens, merges
