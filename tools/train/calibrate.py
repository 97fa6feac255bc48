#!/usr/bin/env python3
"""Fits the calibration of the triage job on what the packed model answers.

  calibrate.py --lines CAL.tsv --text CAL.txt         writes the calibration lines
  leafcutter classify --model trunk.leaf --json --raw CAL.txt > CAL.jsonl
  calibrate.py --lines CAL.tsv --records CAL.jsonl --job models/triage/job.json

p = softmax((z + b) / T) over the eight labels; oos = sigmoid(w0 (z_oos - lse z) + w1 lse z + c).
Fitted: T and b by likelihood, w and c by logistic regression, t so that what is accepted keeps the
job's target precision (Clopper-Pearson), alpha so that the set holds the true label in 95 of 100.
"""

import argparse
import hashlib
import json
import math
import os
import random
import re

import numpy as np

import datasets
import evaluate
from evaluate import LABELS, OOS, OOS_AT, lse, softmax
from generate import Generator, written

HERE = os.path.dirname(os.path.abspath(__file__))
HAND = os.path.join(HERE, "data", "calibration.tsv")
COVERAGE = 0.95
FALSE_OOS = 0.05
CONFIDENCE = 0.95


def compose(seed):
    """The calibration lines: hand-written ones never trained on, work orders, strange text.
    The development half of the test lines is not among them: the generator was widened with it."""
    rng = random.Random(seed)
    rows = evaluate.read_tsv(HAND) + [
        (t, label) for label in LABELS + [OOS] for t in written(label, held=True)
    ]
    weak = [(t, label) for t, label in datasets.orders("test") if label]
    rows += rng.sample(weak, 40)
    held = datasets.clinc_held()
    strange = rng.sample([t for t, c in datasets.clinc()["val"] if c in held], 60)
    strange += rng.sample([t for t, _ in datasets.banking("test")], 30)
    strange += rng.sample([t for t, _ in datasets.clinc()["oos_val"]], 30)
    strange += rng.sample(Generator(seed, held=True).prose, 60)
    return rows + [(t, OOS) for t in strange]


def write_tsv(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.write("text\tlabel\n" + "".join(f"{t}\t{label}\n" for t, label in rows))


def fit_scale(z, truth, pull=0.02, rounds=4000, rate=0.02):
    """(T, b) of least cross-entropy; `pull` draws b to 0. Plain gradient descent with momentum."""
    log_t, b = 0.0, np.zeros(OOS_AT)
    speed_t, speed_b, hot = 0.0, np.zeros(OOS_AT), np.eye(OOS_AT)[truth]
    for _ in range(rounds):
        scale = math.exp(-log_t)
        u = (z + b) * scale
        grad = (softmax(u) - hot) / len(z)
        speed_t = 0.9 * speed_t - rate * float(-(grad * u).sum())
        speed_b = 0.9 * speed_b - rate * (grad.sum(0) * scale + pull * b)
        log_t, b = log_t + speed_t, b + speed_b
    return math.exp(log_t), b - b.mean()


def fit_oos(z, is_oos, rounds=20000, rate=0.05):
    """(w0, w1, c) of a logistic regression; the two kinds weigh alike."""
    x = np.stack([z[:, OOS_AT] - lse(z[:, :OOS_AT]), lse(z[:, :OOS_AT])], 1)
    mean, spread = x.mean(0), x.std(0)
    u, y = (x - mean) / spread, is_oos.astype(float)
    weight = np.where(is_oos, 0.5 / is_oos.sum(), 0.5 / (~is_oos).sum())
    w, c = np.zeros(2), 0.0
    for _ in range(rounds):
        grad = weight * (1 / (1 + np.exp(-(u @ w + c))) - y)
        w, c = w - rate * 20 * (u.T @ grad + 1e-3 * w), c - rate * 20 * grad.sum()
    w = w / spread
    return w, c - float(w @ mean), x


def log_choose(n, k):
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def tail(n, right, p):
    """P(at least `right` of n) at success probability p."""
    if p <= 0:
        return 0.0 if right else 1.0
    return sum(
        math.exp(log_choose(n, k) + k * math.log(p) + (n - k) * math.log1p(-p))
        for k in range(right, n + 1)
    )


def lower_bound(right, n):
    """One-sided Clopper-Pearson bound for right of n."""
    if right == 0:
        return 0.0
    low, high = 0.0, right / n
    if right == n:
        return (1 - CONFIDENCE) ** (1 / n)
    for _ in range(60):
        mid = (low + high) / 2
        low, high = (mid, high) if tail(n, right, mid) < 1 - CONFIDENCE else (low, mid)
    return low


def fit_threshold(p, right, free, target):
    """Smallest t whose accepted lines keep the target, else the best; whether it does; how many
    accepted lines with no further error it would take."""
    confident = p.max(1)
    order = [i for i in np.argsort(-confident) if free[i]]
    best, found, good = (0.0, 1.0, 0, 0), None, 0
    for n, i in enumerate(order, 1):
        good += bool(right[i])
        if n < len(order) and confident[order[n]] == confident[i]:
            continue
        bound = lower_bound(good, n)
        if bound >= target:
            found = (bound, float(confident[i]), good, n)
        if bound > best[0]:
            best = (bound, float(confident[i]), good, n)
    best = found or best
    wrong = need = best[3] - best[2]
    while lower_bound(need - wrong, max(1, need)) < target:
        need += 1
    return best, found is not None, need


def fit_alpha(p, truth):
    """1 - alpha is the mass that must be summed, label by label, to reach the truth of 95 %."""
    order = np.argsort(-p, 1)
    mass = []
    for row, ranks, want in zip(p, order, truth):
        before = sum(row[k] for k in ranks[: list(ranks).index(want)])
        mass.append(before)
    rank = min(len(mass), math.ceil((len(mass) + 1) * COVERAGE))
    return 1 - float(np.sort(mass)[rank - 1])


def set_sizes(p, alpha):
    sizes = []
    for row in -np.sort(-p, 1):
        total, size = row[0], 1
        while total < 1 - alpha and size < len(row):
            total, size = total + row[size], size + 1
        sizes.append(size)
    return np.array(sizes)


def target_of(job):
    got = re.search(r'"target_precision"\s*:\s*([0-9.]+)', job)
    return float(got.group(1)) if got else 0.98


def put(path, block):
    """Replaces the calibration object of the one task; the rest of the text stays as it is."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    at = re.search(r'^([ \t]*)"calibration"\s*:\s*\{', text, re.M)
    if not at:
        raise SystemExit(f"{path}: no calibration object to replace")
    end, depth = at.end(), 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    pad = at.group(1)
    rows = [f'{pad}  "{k}": {json.dumps(v)}' for k, v in block.items()]
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            text[: at.start()]
            + f'{pad}"calibration": {{\n'
            + ",\n".join(rows)
            + f"\n{pad}}}"
            + text[end:]
        )


def read_scores(path, count):
    with open(path, encoding="utf-8") as file:
        z = np.array([evaluate.scores(json.loads(row)) for row in file], float)
    if z.shape != (count, OOS_AT + 1):
        raise SystemExit(f"{path}: scores {z.shape} for {count} lines of {OOS_AT + 1}")
    return z


def fit(args, rows, z):
    with open(args.job, encoding="utf-8") as file:
        target = target_of(file.read())
    known = np.array([label in LABELS for _, label in rows])
    truth = np.array([LABELS.index(label) for _, label in rows if label in LABELS])
    temperature, b = fit_scale(z[known][:, :OOS_AT], truth)
    p = softmax((z[known][:, :OOS_AT] + b) / temperature)
    w, c, x = fit_oos(z, ~known)
    oos = 1 / (1 + np.exp(-(x @ w + c)))
    recall, limit = evaluate.recall_at(oos[known], oos[~known], FALSE_OOS)
    alpha = fit_alpha(p, truth)
    right = p.argmax(1) == truth
    free = (set_sizes(p, alpha) == 1) & (oos[known] <= limit)
    (bound, t, good, n), reached, need = fit_threshold(p, right, free, target)
    with open(args.lines, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    print(
        f"lines {len(rows)} in scope {known.sum()} accuracy {right.mean():.4f} T {temperature:.4f} ECE {evaluate.ece(p.max(1), right):.4f}"
    )
    print(
        f"t {t:.4f}: accepted {n} of {known.sum()}, {good} right, bound {bound:.4f}, target {target}"
    )
    if not reached:
        print(
            f"target not reached: {need} accepted lines with the same {n - good} errors would do, {max(0, need - n)} more than now"
        )
    print(
        f"alpha {alpha:.4f}: one label in the set of {float((set_sizes(p, alpha) == 1).mean()):.3f} of the lines"
    )
    print(
        f"oos.t {limit:.4f}: recall {recall:.4f} at {FALSE_OOS:.0%} false, AUROC {evaluate.auroc(oos[known], oos[~known]):.4f}"
    )

    def short(v):
        return float(f"{v:.6g}")

    put(
        args.job,
        {
            "T": short(temperature),
            "b": [short(v) for v in b],
            "t": short(math.floor(t * 1e6) / 1e6),
            "alpha": short(alpha),
            "oos": {"w": [short(v) for v in w], "c": short(c), "t": short(limit)},
            "n": len(rows),
            "set": digest,
        },
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", required=True, help="calibration lines, made when absent")
    parser.add_argument("--text", default="", help="also write the bare texts here, one a line")
    parser.add_argument("--records", default="", help="JSON lines with `z`")
    parser.add_argument("--job", default="")
    parser.add_argument("--seed", type=int, default=17)
    args = parser.parse_args()
    if not os.path.exists(args.lines):
        write_tsv(args.lines, compose(args.seed))
    rows = evaluate.read_tsv(args.lines)
    if args.text:
        with open(args.text, "w", encoding="utf-8") as file:
            file.write("".join(t + "\n" for t, _ in rows))
    if args.records:
        fit(args, rows, read_scores(args.records, len(rows)))


if __name__ == "__main__":
    main()
