#!/usr/bin/env python3
"""Trains the trunk and its heads; one seed decides all data, the clock only when to stop.

  train.py --steps 20000 --out DIR [--resume] [--teacher FILE] [--dev FILE.tsv]

Writes DIR/tok.json (vocabulary) and DIR/last.pt (averaged weights, shape, task sizes).
"""

import argparse
import math
import os
import random
import time

import torch
import torch.nn.functional as F

import evaluate
import generate
import sets
import teacher
import tokenizer
from model import Trunk

VOCABULARY_ROWS = 150000
CHUNK = 6144


def learn_vocabulary(seed, path):
    """Mostly clean messages, so that the vocabulary spells words and not typing errors."""
    mixer = sets.Mixer(seed + 1000)
    made = mixer.generator
    labels = sets.TRIAGE + sets.TRIAGE[:-1]
    rows = [made.clean(labels[at % len(labels)]) for at in range(VOCABULARY_ROWS)]
    rows += [text.upper() for text in rows[::12]] + [
        text[:1].upper() + text[1:] for text in rows[::12]
    ]
    rows += [mixer.row()[1] for _ in range(VOCABULARY_ROWS // 6)]
    rows += mixer.unlabelled + mixer.foreign[::2] + made.glosses[::6] + made.examples[::4]
    return tokenizer.train(rows, path)


def batches(rows, encoded, budget, rng):
    """Batches of rows of like length, at most `budget` tokens with padding."""
    order = sorted(range(len(rows)), key=lambda i: len(encoded[i]))
    out, batch, width = [], [], 0
    for i in order:
        width = max(width, len(encoded[i]))
        if batch and width * (len(batch) + 1) > budget:
            out.append(batch)
            batch, width = [], len(encoded[i])
        batch.append(i)
    out.append(batch)
    rng.shuffle(out)
    return out


def pad(lists):
    width = max(len(ids) for ids in lists)
    ids = torch.zeros(len(lists), width, dtype=torch.long)
    mask = torch.zeros(len(lists), width)
    for row, got in enumerate(lists):
        ids[row, : len(got)] = torch.tensor(got)
        mask[row, : len(got)] = 1
    return ids, mask


def encode(tok, texts, context):
    return [e.ids[:context] or [0] for e in tok.encode_batch(texts)]


class Swapper:
    """Puts words of like meaning in place of some words of a batch."""

    def __init__(self, near, share, seed):
        self.near, self.share = near, share
        self.random = torch.Generator().manual_seed(seed)

    def __call__(self, ids):
        pick = torch.randint(self.near.shape[1], ids.shape, generator=self.random)
        swap = torch.rand(ids.shape, generator=self.random) < self.share
        return torch.where(swap, self.near[ids, pick], ids)


class Averager:
    """Exponential moving average of the weights."""

    def __init__(self, model, decay):
        self.decay, self.step = decay, 0
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    def update(self, model):
        self.step += 1
        decay = min(self.decay, self.step / (self.step + 20))
        for key, value in model.state_dict().items():
            self.state[key].lerp_(value.detach(), 1 - decay)


def rate(step, args):
    if step < args.warmup:
        return args.lr * step / args.warmup
    part = min(1.0, (step - args.warmup) / max(1, args.steps - args.warmup))
    return args.lr * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * part)))


def groups(model, words):
    """Parameters by weight decay; an embedding with start vectors moves at a third of the rate."""
    named = list(model.named_parameters())
    return [
        {
            "params": [p for n, p in named if p.dim() == 2 and "embed" not in n],
            "weight_decay": 0.08,
            "scale": 1.0,
        },
        {"params": [p for n, p in named if p.dim() != 2], "weight_decay": 0.0, "scale": 1.0},
        {"params": [model.embed.weight], "weight_decay": 0.0, "scale": 0.33 if words else 1.0},
    ]


def losses(model, pooled, rows):
    """Sum of the tasks' losses over one batch; each row counts for its own task."""
    total, n = 0.0, len(rows)
    for task in sorted({r[0] for r in rows}):
        at = [i for i, r in enumerate(rows) if r[0] == task]
        z = model.head[task](pooled[at])
        if task == "teacher":
            want = torch.stack([rows[i][2] for i in at])
            part = 2.0 * (1 - F.cosine_similarity(z, want, dim=-1)).mean()
        else:
            want = torch.tensor([rows[i][2] for i in at])
            part = F.cross_entropy(z, want, label_smoothing=0.05)
            part = part * (1.0 if task == "triage" else 0.5)
        total = total + part * len(at) / n
    return total


def save(args, averager, model, sizes, step):
    torch.save(
        {
            "model": averager.state,
            "raw": model.state_dict(),
            "shape": model.shape,
            "sizes": sizes,
            "step": step,
        },
        args.out + "/last.tmp",
    )
    os.replace(args.out + "/last.tmp", args.out + "/last.pt")


def probe(args, averager, model, sizes, tok, step, watch):
    shadow = Trunk(model.shape, sizes, 0.0)
    shadow.load_state_dict(averager.state)
    shadow.eval()
    for name, texts, labels in watch:
        print(
            f"  {step} {name}: "
            + evaluate.brief(evaluate.float_logits(shadow, tok, texts), labels),
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=20000)
    parser.add_argument("--lr", type=float, default=1.5e-3)
    parser.add_argument("--warmup", type=int, default=300)
    parser.add_argument("--tokens", type=int, default=3072, help="tokens of a batch")
    parser.add_argument("--out", required=True)
    parser.add_argument(
        "--init", default="", help="start from the averaged weights of another run's last.pt"
    )
    parser.add_argument("--teacher", default="", help="sentence vectors made by teacher.py")
    parser.add_argument(
        "--words", default="", help="folder of the teacher's weights: start vectors of tokens"
    )
    parser.add_argument("--dev", default="../../tests/data/triage-dev.tsv")
    parser.add_argument(
        "--swap",
        type=float,
        default=0.0,
        help="share of words put out for like ones (needs --words)",
    )
    parser.add_argument("--stop", type=int, default=0, help="end before the schedule does")
    parser.add_argument("--parts", default="abcde", help="parts of lines/written to learn from")
    args = parser.parse_args()
    generate.PARTS[0] = args.parts
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    os.makedirs(args.out, exist_ok=True)
    vocabulary = args.out + "/tok.json"
    tok = (
        tokenizer.load(vocabulary)
        if os.path.exists(vocabulary)
        else learn_vocabulary(args.seed, vocabulary)
    )
    rough = tokenizer.load(vocabulary, dropout=0.08)
    mixer = sets.Mixer(args.seed)
    pool = teacher.Pool(args.teacher, args.seed) if args.teacher else None
    sizes = dict(mixer.sizes, **({"teacher": teacher.DIM} if pool else {}))
    model = Trunk(None, sizes)
    if args.words:
        model.embed.weight.data.copy_(
            teacher.token_vectors(args.words, vocabulary, model.shape["dim"])
        )
    if args.init:
        old = torch.load(args.init)["model"]
        model.load_state_dict(
            {k: v for k, v in old.items() if k in model.state_dict()}, strict=False
        )
    print("parameters", sum(p.numel() for p in model.parameters()), flush=True)
    averager = Averager(model, 0.9985)
    opt = torch.optim.AdamW(groups(model, args.words != ""), lr=args.lr, betas=(0.9, 0.98))
    swapper = (
        Swapper(teacher.neighbours(args.words, vocabulary), args.swap, args.seed)
        if args.swap
        else None
    )
    watch = evaluate.watch_sets(args.dev)
    rng = random.Random(args.seed)
    step, mean, start, seen = 0, None, time.time(), 0
    stop = args.stop or args.steps
    while step < stop:
        rows = [mixer.row() for _ in range(CHUNK)]
        if pool:
            rows += pool.rows(CHUNK // 4)
        rows = [r for r in rows if r[1].strip()]
        texts = [r[1] for r in rows]
        encoded = encode(rough if rng.random() < 0.6 else tok, texts, model.shape["context"])
        for batch in batches(rows, encoded, args.tokens, rng):
            for group in opt.param_groups:
                group["lr"] = rate(step, args) * group["scale"]
            ids, mask = pad([encoded[i] for i in batch])
            if swapper and rng.random() < 0.7:
                ids = swapper(ids)
            with torch.autocast("cpu", torch.bfloat16):
                pooled = model.pooled(ids, mask)
            loss = losses(model, pooled.float(), [rows[i] for i in batch])
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            averager.update(model)
            step, seen = step + 1, seen + len(batch)
            mean = loss.item() if mean is None else 0.99 * mean + 0.01 * loss.item()
            if step % 200 == 0:
                print(
                    f"{step} loss {mean:.4f} rows {seen} rows/s {seen / (time.time() - start):.0f}",
                    flush=True,
                )
            if step % 1000 == 0 or step == stop:
                probe(args, averager, model, sizes, tok, step, watch)
                save(args, averager, model, sizes, step)
            if step >= stop:
                break


if __name__ == "__main__":
    main()
