"""Out-of-scope text: near misses, gibberish, prose, dictionary examples, other data sets."""

import glob
import re

FORTUNES = "/usr/share/games/fortunes"
WORDNET = "/usr/share/wordnet"
QUESTIONS = [
    "the best pizza in town",
    "the tallest mountain",
    "my flight",
    "a good name for a cat",
    "the meaning of life",
    "your favourite colour",
    "a hydraulic press used for",
    "the boiling point of water",
    "an electric car cost",
    "vibration in physics",
    "it so hot in july",
    "people talk about leaks in politics",
    "the sensor in a camera work",
    "a fuse",
    "the difference between ac and dc",
    "insulation made of",
    "i cook rice",
    "we going on saturday",
    "she so angry",
    "the concert start",
    "you mean",
    "the museum open",
    "the score",
    "we need a new kitchen tap",
    "trees lose leaves",
    "i reset my bank password",
    "volcanoes erupt",
    "cats purr",
    "steam trains popular",
]
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
# Fortune files kept out of training, to see whether the score generalises (README.md).
HELD_FORTUNES = {"literature", "science", "sports", "food"}


def gibberish(rng):
    """Random letters, keyboard walks, symbol soup, encoded bytes."""
    kind = rng.randint(0, 5)
    if kind == 0:
        return " ".join(
            "".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 11)))
            for _ in range(rng.randint(1, 6))
        )
    if kind == 1:
        row = rng.choice(
            ["qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890", "poiuytrewq", "jklasdf"]
        )
        return " ".join(
            row[rng.randint(0, 4) :] * rng.randint(1, 3) for _ in range(rng.randint(1, 3))
        )
    if kind == 2:
        return "".join(
            rng.choice("!@#$%^&*()_+-=[]{};:,.<>/?~ ") for _ in range(rng.randint(4, 30))
        )
    if kind == 3:
        return "".join(rng.choice("0123456789abcdef") for _ in range(rng.choice([16, 32, 40, 64])))
    if kind == 4:
        table = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        return "".join(rng.choice(table) for _ in range(rng.randint(12, 60))) + rng.choice(
            ["", "=", "=="]
        )
    consonants, vowels = "bcdfghjklmnprstvz", "aeiou"
    return " ".join(
        "".join(rng.choice(consonants) + rng.choice(vowels) for _ in range(rng.randint(1, 4)))
        for _ in range(rng.randint(2, 7))
    )


def sentences(text):
    for part in re.split(r"(?<=[.!?])\s+|\n\n", text):
        part = " ".join(part.split())
        if 12 <= len(part) <= 140:
            yield part


def fortunes(held):
    """Quotations and prose of Debian's fortune files; `held` picks the files kept out."""
    out = []
    for path in sorted(glob.glob(FORTUNES + "/*.u8")):
        name = path.rsplit("/", 1)[1][:-3]
        if (name in HELD_FORTUNES) != held:
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            for item in file.read().split("\n%\n"):
                out.extend(sentences(item))
    return out


def wordnet():
    """(glosses, example sentences) of WordNet 3.0."""
    glosses, examples = [], []
    for part in ("noun", "verb", "adj", "adv"):
        with open(f"{WORDNET}/data.{part}", encoding="latin-1") as file:
            for row in file:
                if row.startswith("  ") or "|" not in row:
                    continue
                head, gloss = row.split("|", 1)
                word = head.split()[4].replace("_", " ")
                quoted = re.findall(r'"([^"]+)"', gloss)
                examples.extend(q for q in quoted if 12 <= len(q) <= 120)
                meaning = gloss.split('"')[0].strip(" ;\n")
                if 8 <= len(meaning) <= 120:
                    glosses.append(f"{word}: {meaning}" if len(glosses) % 2 else meaning)
    return glosses, examples


ARTIFACT, PERSON, SUBSTANCE = "06", "18", "27"


def nouns(kind):
    """Plain one- and two-word nouns of one WordNet lexicographer file."""
    out = []
    with open(f"{WORDNET}/data.noun", encoding="latin-1") as file:
        for row in file:
            part = row.split(" ", 5)
            if not row.startswith("  ") and part[1] == kind:
                word = part[4].replace("_", " ")
                if (
                    word.islower()
                    and word.replace(" ", "").replace("-", "").isalpha()
                    and len(word) <= 22
                ):
                    out.append(word)
    return out
