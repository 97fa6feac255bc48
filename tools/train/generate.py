#!/usr/bin/env python3
"""Writes seeded, labelled sensor lines: text, tab, label (out-of-scope lines too).

generate.py --seed 1 --count 200000 -o lines.tsv [--clean]
"""

import argparse
import glob
import os
import random
import zlib

from lines import compound, lexicon, noise, oos, process, relations, telemetry, voices, words
from lines.grammar import Grammar

LABELS = [
    "normal",
    "overheating",
    "vibration",
    "leak",
    "electrical",
    "sensor_fault",
    "connectivity",
    "security",
]
OOS = "oos"
SHARE = {"normal": 1.7}
# Parts of lines/written in use: a and b came first, c to e with later stages of training.
PARTS = ["abcde"]
HERE = os.path.dirname(os.path.abspath(__file__))


def phrases(label):
    """Templates of a label: alarms and short messages, people's notes, then by trade."""
    out = []
    for name in (label, label + "_notes"):
        path = os.path.join(HERE, "lines", "phrases", name + ".txt")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                out += [row.strip() for row in file if row.strip() and not row.startswith("#")]
    with open(os.path.join(HERE, "lines", "phrases", "industries.txt"), encoding="utf-8") as file:
        out += [row.split(": ", 1)[1].strip() for row in file if row.startswith(label + ": ")]
    return out


def written(label, held=False):
    """Whole lines written by hand, taken as they are; one in seven is held out of training, for
    calibration."""
    out = []
    for path in sorted(glob.glob(os.path.join(HERE, "lines", "written", label + "*.txt"))):
        part = path[:-4].rpartition("_")[2]
        if (part if part in "abcde" else "a") not in PARTS[0]:
            continue
        with open(path, encoding="utf-8") as file:
            out += [row.strip() for row in file if row.strip()]
    return [row for row in out if (zlib.crc32(row.encode("utf-8")) % 7 == 0) == held]


class Generator:
    """One random stream; `line` gives (text, label), `clean` a message without voice and noise."""

    def __init__(self, seed, held=False):
        self.rng = random.Random(seed)
        tables = dict(words.COMMON, q=oos.QUESTIONS, **self.widened())
        self.grammar = Grammar(self.rng, tables)
        self.phrases = {label: phrases(label) for label in LABELS + [OOS]}
        self.written = {label: written(label) for label in LABELS + [OOS]}
        self.lexicon = {label: lexicon.load(label) for label in LABELS}
        self.things = oos.nouns(oos.ARTIFACT)
        self.prose = oos.fortunes(held)
        glosses, examples = oos.wordnet()
        self.glosses, self.examples = glosses, examples

    @staticmethod
    def widened():
        """Asset, fluid and person slots that now and then take any noun of their kind, so that
        what is wrong is learned apart from what it is wrong with."""

        def mixed(own, other, share):
            return lambda rng: rng.choice(other if rng.random() < share else own)

        things, people, stuff = (
            oos.nouns(oos.ARTIFACT),
            oos.nouns(oos.PERSON),
            oos.nouns(oos.SUBSTANCE),
        )
        out = {
            slot: mixed(words.COMMON[slot], things, 0.2)
            for slot in ("rot", "fa", "hot", "ea", "any")
        }
        out.update(
            who=mixed(words.COMMON["who"], people, 0.2),
            fluid=mixed(words.COMMON["fluid"], stuff, 0.15),
        )
        return out

    def clean(self, label):
        """A clause of the label: a written line, the lexicon in plain frames, or a phrase."""
        if self.written[label] and self.rng.random() < 0.38:
            return self.rng.choice(self.written[label])
        if label != OOS and self.rng.random() < 0.3:
            return lexicon.line(self.rng, self.grammar, self.lexicon[label], self.things)
        return self.grammar.expand(self.rng.choice(self.phrases[label]))

    def message(self, label):
        """One clause or several, before voice and noise."""
        rng = self.rng
        draw = rng.random()
        if label == "normal" and draw < 0.15:
            return compound.over(rng, self.grammar, self.clean(rng.choice(LABELS[1:])))
        if draw < 0.14:
            return compound.among(rng, self.grammar, self.clean(label))
        if draw < 0.22:
            return compound.pair(rng, self.grammar, self.clean(label), self.clean(label))
        return self.clean(label)

    def in_scope(self, label):
        rng = self.rng
        draw = rng.random()
        if draw < 0.05 and label in process.LABELS:
            return process.line(rng, self.grammar, label)
        if draw < 0.28:
            text = (telemetry if draw < 0.18 else relations).line(rng, label)
            return noise.recase(rng, text) if rng.random() < 0.2 else text
        text = noise.roughen(rng, self.message(label))
        return voices.wrap(rng, label, text)

    def out_of_scope(self):
        rng = self.rng
        draw = rng.random()
        if draw < 0.55:
            return noise.roughen(rng, self.clean(OOS), 0.6)
        if draw < 0.65:
            return oos.gibberish(rng)
        source = self.prose if draw < 0.82 else self.examples if draw < 0.95 else self.glosses
        return noise.roughen(rng, rng.choice(source), 0.5)

    def line(self, oos_share=0.12):
        if self.rng.random() < oos_share:
            return self.out_of_scope(), OOS
        label = self.rng.choices(LABELS, [SHARE.get(name, 1) for name in LABELS])[0]
        return self.in_scope(label), label


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--clean", action="store_true", help="messages alone, no voice, no noise")
    parser.add_argument("-o", "--out", default="/dev/stdout")
    args = parser.parse_args()
    gen = Generator(args.seed)
    with open(args.out, "w", encoding="utf-8") as file:
        for at in range(args.count):
            if args.clean:
                label = LABELS[at % len(LABELS)]
                text = gen.clean(label)
            else:
                text, label = gen.line()
            file.write(text.replace("\t", " ").replace("\n", " ") + "\t" + label + "\n")


if __name__ == "__main__":
    main()
