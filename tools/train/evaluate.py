#!/usr/bin/env python3
"""Quality of the triage answers: from `classify --json` records, or from float weights.

  evaluate.py --data F.tsv --records R.jsonl [--against OTHER.jsonl]
  evaluate.py --data F.tsv --weights DIR/last.pt --vocabulary DIR/tok.json [--write-logits OUT.jsonl]

Prints accuracy in scope with its 95 % Wilson interval, macro F1, ECE, Brier score, AUROC of the
out-of-scope score, its recall at 5 % false alarms, and the most frequent confusions.
"""

import argparse
import json
import math
import os

import numpy as np

from generate import LABELS, OOS

OOS_AT = len(LABELS)


def read_tsv(path):
    """[(text, label)]; a first line `text label` names the columns."""
    rows = []
    with open(path, encoding="utf-8") as file:
        for at, row in enumerate(file.read().split("\n")):
            text, _, label = row.rstrip("\r").rpartition("\t")
            if not text or (at == 0 and (text, label) == ("text", "label")):
                continue
            rows.append((text, label))
    return rows


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def lse(z):
    top = z.max(-1)
    return top + np.log(np.exp(z - top[:, None]).sum(-1))


def oos_score(z):
    """Raw score of out of scope: the ninth logit against the eight others."""
    return z[:, OOS_AT] - lse(z[:, :OOS_AT])


def float_logits(model, tok, texts):
    import torch
    from train import encode, pad

    z = np.zeros((len(texts), OOS_AT + 1), np.float32)
    lists = encode(tok, texts, model.shape["context"])
    order = sorted(range(len(texts)), key=lambda i: len(lists[i]))
    with torch.no_grad():
        for at in range(0, len(order), 64):
            part = order[at : at + 64]
            z[part] = model.head["triage"](model.pooled(*pad([lists[i] for i in part]))).numpy()
    return z


def auroc(negative, positive):
    both = np.concatenate([negative, positive])
    ranks = np.empty(len(both))
    order = both.argsort(kind="stable")
    ranks[order] = np.arange(1, len(both) + 1)
    for value in np.unique(both):
        same = both == value
        ranks[same] = ranks[same].mean()
    n, m = len(negative), len(positive)
    return (ranks[n:].sum() - m * (m + 1) / 2) / (n * m)


def recall_at(negative, positive, false=0.05):
    """Share of positives above the threshold that at most `false` of the negatives pass."""
    limit = np.sort(negative)[::-1][int(math.floor(false * len(negative)))]
    return float((positive > limit).mean()), float(limit)


def wilson(right, n, z=1.96):
    p, d = right / n, 1 + z * z / n
    mid, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (mid - half) / d, (mid + half) / d


def macro_f1(truth, guess):
    scores = []
    for k in sorted(set(truth)):
        hit = sum(t == k and g == k for t, g in zip(truth, guess))
        wrong = sum(g == k for g in guess) + sum(t == k for t in truth)
        scores.append(2 * hit / wrong if wrong else 0.0)
    return float(np.mean(scores))


def ece(confidence, right, bins=15):
    total = 0.0
    for low in range(bins):
        inside = (confidence > low / bins) & (confidence <= (low + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    return float(total)


def measures(p, score, labels):
    """All figures from probabilities [n][8], out-of-scope scores [n] and label names."""
    known = np.array([name in LABELS for name in labels])
    out = {"lines": len(labels)}
    if known.any():
        truth = np.array([LABELS.index(n) for n in np.array(labels)[known]])
        q = p[known]
        guess, right = q.argmax(1), q.argmax(1) == truth
        out["in_scope"], out["accuracy"] = int(known.sum()), float(right.mean())
        out["interval"] = wilson(int(right.sum()), len(right))
        out["macro_f1"] = macro_f1(truth.tolist(), guess.tolist())
        out["ece"] = ece(q.max(1), right)
        out["brier"] = float(((q - np.eye(OOS_AT)[truth]) ** 2).sum(1).mean())
    if known.any() and (~known).any():
        out["auroc_oos"] = float(auroc(score[known], score[~known]))
        out["oos_recall"], _ = recall_at(score[known], score[~known])
    return out


def brief(z, labels):
    got = measures(softmax(z[:, :OOS_AT]), oos_score(z), labels)
    return " ".join(
        f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}"
        for k, v in got.items()
        if k != "interval"
    )


def confusions(p, labels, texts, limit=20):
    counts = {}
    for q, label, text in zip(p, labels, texts):
        got = LABELS[int(q.argmax())]
        if label in LABELS and got != label:
            counts.setdefault((label, got), []).append(text)
    return sorted(counts.items(), key=lambda kv: -len(kv[1]))[:limit]


def watch_sets(dev):
    """[(name, texts, labels)] looked at while training; the final test set is never among them."""
    import random

    import datasets
    from generate import Generator

    made = Generator(424242, held=True)
    rows = [made.line(0.0) for _ in range(1000)]
    held = datasets.clinc_held()
    rng = random.Random(3)
    strange = [t for t, c in datasets.clinc()["test"] if c in held]
    strange += rng.sample([t for t, _ in datasets.banking("test")], 500) + rng.sample(
        made.prose, min(400, len(made.prose))
    )
    out = [
        (
            "made+heldout-oos",
            [r[0] for r in rows] + strange,
            [r[1] for r in rows] + [OOS] * len(strange),
        )
    ]
    weak = [
        (t, label) for t, label in datasets.orders("test") + datasets.codes("test")[::3] if label
    ]
    out.append(("weak orders", [t for t, _ in weak], [label for _, label in weak]))
    if dev and os.path.exists(dev):
        rows = read_tsv(dev)
        out.append(("dev", [t for t, _ in rows], [label for _, label in rows]))
    return out


def scores(record):
    """The nine raw scores of a record written with --raw, in label order."""
    z = record["z"]
    return [z[name] for name in LABELS + [OOS]] if isinstance(z, dict) else z


def from_records(path, count):
    """(p [n][8], out-of-scope score [n]) of a `classify --json` run; raw scores win where present."""
    p, score = [], []
    with open(path, encoding="utf-8") as file:
        for row in file:
            got = json.loads(row)
            if (
                "z" in got
                and got.get("stage", "head") == "head"
                and got.get("job", "model") == "model"
            ):
                z = np.array([scores(got)])
                p.append(softmax(z[:, :OOS_AT])[0])
                score.append(float(oos_score(z)[0]))
            else:
                p.append([got["labels"][name] for name in LABELS])
                score.append(got["oos"])
    if len(p) != count:
        raise SystemExit(f"{path}: {len(p)} records for {count} lines")
    return np.array(p), np.array(score)


def report(args, rows):
    texts, labels = [r[0] for r in rows], [r[1] for r in rows]
    if args.records:
        p, score = from_records(args.records, len(rows))
    else:
        import torch
        import tokenizer
        from model import Trunk

        saved = torch.load(args.weights)
        model = Trunk(saved["shape"], saved["sizes"], 0.0)
        model.load_state_dict(saved["model"])
        model.eval()
        z = float_logits(model, tokenizer.load(args.vocabulary), texts)
        p, score = softmax(z[:, :OOS_AT]), oos_score(z)
        if args.write_logits:
            with open(args.write_logits, "w", encoding="utf-8") as file:
                for row in z:
                    file.write(json.dumps({"z": [float(v) for v in row]}) + "\n")
    for key, value in measures(p, score, labels).items():
        print(f"{key:12} {value}")
    for (want, got), lines in confusions(p, labels, texts):
        print(f"{want} read as {got}: {len(lines)}")
        for text in lines[: args.show]:
            print("    " + text)
    if args.against:
        other, _ = from_records(args.against, len(rows))
        print(
            f"agreement    {float((p.argmax(1) == other.argmax(1)).mean()):.4f} (label with the highest p, all lines)"
        )
        print(f"largest |dp| {float(np.abs(p - other).max()):.4f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--records", default="")
    parser.add_argument("--weights", default="")
    parser.add_argument("--vocabulary", default="")
    parser.add_argument("--write-logits", default="")
    parser.add_argument("--against", default="")
    parser.add_argument("--show", type=int, default=0, help="misread lines to print per confusion")
    args = parser.parse_args()
    report(args, read_tsv(args.data))


if __name__ == "__main__":
    main()
