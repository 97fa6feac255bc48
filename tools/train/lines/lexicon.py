"""Short predicates and findings of each label in plain frames around any noun."""

import os

HERE = os.path.dirname(os.path.abspath(__file__))

PREDICATE = [
    "{a} {p}",
    "{a} {p}",
    "the {a} {p}",
    "{tag} {p}",
    "{a} {p} {ago}",
    "{a} {tag} {p}",
    "{who}: {a} {p}",
    "{a} at {place} {p}",
    "{place}: {a} {p}",
    "{a} {p}, {n}",
    "{a} {p} again",
    "our {a} {p}",
    "one of the {a}s {p}",
    "seems the {a} {p}",
    "{a} no {d} {p}",
    "{who} says the {a} {p}",
    "{a} {p} and {p2}",
    "when {who} came in, the {a} {p}",
    "{a} in {place} {p}",
    "{tag} ({a}) {p}",
    "it {p}",
    "{d}. {a} {p}",
    "since {clock} the {a} {p}",
    "think {a} {p}",
    "{who} noticed {a} {p}",
    "{p}",
]
FINDING = [
    "{n} {a}",
    "{n} at {a}",
    "{n} on {a}",
    "{n} found at {a}",
    "{a} {n}",
    "{a}: {n}",
    "{tag} {n}",
    "{n} {place}",
    "{n} near {a}",
    "{who} reports {n} at {a}",
    "{n}",
    "{n}, {n2}",
    "{n} - {a} {tag}",
    "{a} with {n}",
    "there is {n} by the {a}",
    "{tag} {a} {n}",
    "{n} {ago} on {a}",
    "{clock} {n} {tag}",
    "{n} between {a} and {a2}",
    "check {a}, {n}",
    "possible {n} on {a}",
    "{a} stopped, {n}",
    "{n} in the {a}",
    "see {n} around {a}",
    "{n} reported from {place}",
    "code {d}: {n}",
    "{a} {d} {n}",
]


def load(label):
    """(predicates, findings) of a label."""
    got = {"p": [], "n": []}
    with open(os.path.join(HERE, "lexicon", label + ".txt"), encoding="utf-8") as file:
        for row in file:
            if row[:2] in ("p:", "n:"):
                got[row[0]] += [item.strip() for item in row[2:].split(",") if item.strip()]
    return got["p"], got["n"]


def line(rng, grammar, lexicon, nouns):
    """One clause about a noun; `nouns` are the assets and things it may be about."""
    predicates, findings = lexicon
    thing = lambda: grammar.expand("{any}") if rng.random() < 0.6 else rng.choice(nouns)
    frame = rng.choice(PREDICATE if rng.random() < 0.5 else FINDING)
    fill = {
        "{p2}": rng.choice(predicates),
        "{p}": rng.choice(predicates),
        "{n2}": rng.choice(findings),
        "{n}": rng.choice(findings),
        "{a2}": thing(),
        "{a}": thing(),
        "{d}": str(rng.randint(1, 99)),
    }
    for slot, text in fill.items():
        frame = frame.replace(slot, text)
    return grammar.expand(frame)
