"""The training rows of all tasks: (task, text, label number), from the generator and the sets."""

import random

import datasets
from generate import LABELS, OOS, Generator
from lines import noise, voices

TRIAGE = LABELS + [OOS]
OOS_AT = len(LABELS)


class Names:
    """Label names of one task, numbered in order of first sight."""

    def __init__(self):
        self.ids = {}

    def __call__(self, name):
        return self.ids.setdefault(name, len(self.ids))


def intents():
    """{task: [(text, label number)]} of the utterance sets (training splits)."""
    held, names = datasets.clinc_held(), {}

    def rows(task, pairs):
        number = names.setdefault(task, Names())
        return [(text, number(label)) for text, label in pairs]

    clinc = datasets.clinc()
    out = {
        "clinc": rows("clinc", [p for p in clinc["train"] if p[1] not in held]),
        "banking": rows("banking", datasets.banking("train")),
        "hwu": rows("hwu", datasets.seq("hwu64", "train")),
        "snips": rows("snips", datasets.seq("snips", "train")),
    }
    return out, {task: len(n.ids) for task, n in names.items()}


def foreign():
    """Utterances used as out-of-scope examples; BANKING77 and two CLINC domains are held out."""
    held, clinc = datasets.clinc_held(), datasets.clinc()
    rows = [t for t, label in clinc["train"] if label not in held]
    rows += [t for t, _ in clinc["oos_train"]]
    rows += [t for t, _ in datasets.seq("hwu64", "train")]
    rows += [t for t, _ in datasets.seq("snips", "train")]
    return rows


def families():
    """OBD code to its family letter and hundred, a label task of its own."""
    number = Names()
    rows = [(text, number(code[:2])) for code, text in datasets.obd() if code[0] in "PBCU"]
    return rows, len(number.ids)


class Mixer:
    """Draws training rows; everything from one seed."""

    # Share of rows by source: generated, work orders, codes, other domains as oos, other tasks.
    SOURCES = [("made", 69), ("order", 6), ("code", 2), ("foreign", 7), ("task", 16)]

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.generator = Generator(seed)
        by = {}
        for text, label in datasets.orders("train"):
            by.setdefault(label, []).append(text)
        self.orders = {k: v for k, v in by.items() if k}
        self.unlabelled = by[None]
        codes = {}
        for text, label in datasets.codes("train"):
            codes.setdefault(label, []).append(text)
        self.codes = {k: v for k, v in codes.items() if k}
        self.foreign = foreign()
        self.tasks, self.sizes = intents()
        self.tasks["family"], self.sizes["family"] = families()
        self.sizes["triage"] = len(TRIAGE)

    def weak(self, table, flat):
        """A weakly labelled row; rare labels are raised, not to equality."""
        rng = self.rng
        names = sorted(table)
        label = rng.choices(names, [len(table[n]) ** flat for n in names])[0]
        text = noise.roughen(rng, rng.choice(table[label]), 0.7)
        if rng.random() < 0.3:
            text = voices.wrap(rng, label, text)
        return "triage", text, TRIAGE.index(label)

    def row(self):
        rng = self.rng
        source = rng.choices([s for s, _ in self.SOURCES], [w for _, w in self.SOURCES])[0]
        if source == "made":
            text, label = self.generator.line()
            return "triage", text, TRIAGE.index(label)
        if source == "order":
            return self.weak(self.orders, 0.5)
        if source == "code":
            return self.weak(self.codes, 0.3)
        if source == "foreign":
            return "triage", noise.roughen(rng, rng.choice(self.foreign), 0.5), OOS_AT
        task = rng.choices(
            sorted(self.tasks), [3 if t != "family" else 1 for t in sorted(self.tasks)]
        )[0]
        text, label = rng.choice(self.tasks[task])
        return task, noise.roughen(rng, text, 0.3), label
