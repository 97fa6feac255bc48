"""Loaders for the text sets under $LC_SHARED/text, and the weak labels drawn from them."""

import csv
import json
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
TEXT = os.path.join(os.environ.get("LC_SHARED", os.path.join(HERE, "../../../shared/data")), "text")
# Never trained on as out-of-scope examples: they measure whether the score generalises.
HELD_CLINC = ("kitchen_and_dining", "travel")


def path(*parts):
    return os.path.join(TEXT, *parts)


def lines(*parts):
    with open(path(*parts), encoding="utf-8") as file:
        return file.read().splitlines()


def clinc():
    """{split: [(text, intent)]} with the splits train val test oos_train oos_val oos_test."""
    with open(path("clinc", "data_full.json"), encoding="utf-8") as file:
        return json.load(file)


def clinc_held():
    with open(path("clinc", "domains.json"), encoding="utf-8") as file:
        domains = json.load(file)
    return {intent for name in HELD_CLINC for intent in domains[name]}


def banking(split):
    with open(path("banking77", split + ".csv"), encoding="utf-8") as file:
        return [(" ".join(r["text"].split()), r["category"]) for r in csv.DictReader(file)]


def seq(name, split):
    return list(zip(lines(name, split + ".seq.in"), lines(name, split + ".label")))


def maintnorm(split):
    """Work orders rebuilt from their tokens: (raw, normalised)."""
    out, raw, norm = [], [], []
    for row in lines("maintnorm", split + ".norm") + [""]:
        if not row.strip():
            if raw:
                out.append((" ".join(raw), " ".join(w for w in norm if w)))
            raw, norm = [], []
            continue
        left, _, right = row.partition("\t")
        raw.append(left.strip())
        norm.append(right.strip())
    return out


def maintie():
    """(text, sorted coarse entity types)."""
    with open(path("maintie", "gold_release.json"), encoding="utf-8") as file:
        return [
            (r["text"], sorted({"/".join(e["type"].split("/")[:2]) for e in r["entities"]}))
            for r in json.load(file)
        ]


def mwo2kg(name):
    out = []
    for row in lines("mwo2kg", name):
        if row.strip():
            obj = json.loads(row)
            out.append(
                (
                    " ".join(obj["tokens"]),
                    sorted({m["labels"][0].split("/")[0] for m in obj["mentions"]}),
                )
            )
    return out


def obd():
    with open(path("obd", "obd-trouble-codes.csv"), encoding="utf-8") as file:
        return [(r[0], r[1]) for r in csv.reader(file) if len(r) > 1 and len(r[1]) > 5]


# First match wins; patterns are careful rather than complete.
ORDER_RULES = [
    (
        "",
        r"no leak|leak test|leak detector|fire supp|heater|heating|hot water|cold|tripping hazard",
    ),
    (
        "leak",
        r"\bleak|\bleeking|\bdripping|\bweeping|\bblown (hose|seal|o.?ring|hyd)|\bburst|\blosing (oil|water|air|coolant|fluid)|using (oil|coolant|water)",
    ),
    (
        "overheating",
        r"over ?-?temp|overheat|over heat|high temp|hi temp|running hot|too hot|\bhot bearing|getting hot|\bsmok(e|ing)\b|burning smell",
    ),
    (
        "vibration",
        r"\bvibrat|\bshaking|\bshudder|rough running|running rough|out of balance|misalign|\bknocking|noisy|\bnoise\b|\brattl|\bsqueal",
    ),
    (
        "connectivity",
        r"\bcomms?\b.*(fault|fail|lost|loss|error|problem|down|issue)|(no|lost|loss of) comm|radio (not|u/s|fault|no)|network (fault|fail|down)|no (signal|reception)|\bwifi\b|offline",
    ),
    (
        "sensor_fault",
        r"(sensor|sender|transducer|transmitter|probe|thermocouple|encoder|prox\w*|resolver|gauge|load ?cell|pickup)\b.*(fault|fail|u/s|unserviceable|broken|not (work|read)|error|erratic|faulty|playing up|reading)|(faulty|replace|broken|u/s|unserviceable|failed) [\w ]*(sensor|sender|transducer|transmitter|probe|encoder)\b|calibrat\w* (fault|fail|error)",
    ),
    (
        "electrical",
        r"earth (fault|leak)|e/l trip|earth leakage|\bc/?b\b.*trip|circuit breaker|breaker trip|rcd|short ?circuit|\bshort(ing|ed)\b|blown fuse|fuse blown|no power|power (fail|loss|lost|supply fault)|flat batter|batter\w* flat|jump start|not charging|low voltage|over ?current|under ?voltage|over ?voltage|phase|no supply|overload|tripping|alternator (fault|not)|wiring (fault|damage)|damaged cable|contactor (fault|fail|burn)|globe blown",
    ),
    (
        "normal",
        r"^(\S+ )?(\d+ ?|<num> )?(week|wk|weekly|monthly|daily|month|yearly|annual|hour|hourly|hr)\w*\b.*(service|inspection|insp|check|pm|lube|maint)|\b(service|inspection|lube round|pm service|crack test|oil sample)s?\b( \S+)?$|pre ?-?service|grease audit|\bgeneral service\b",
    ),
]
ORDER_RULES = [(label, re.compile(rule, re.I)) for label, rule in ORDER_RULES]

CODE_RULES = [
    ("", r"spare|reserved"),
    ("overheating", r"over ?temp|overheat|temperature (too )?high|hot lamp"),
    ("leak", r"leak detected|(small|large|gross|system) leak|evap.*leak"),
    (
        "connectivity",
        r"lost communication|communication (error|fail|lost|bus)|no communication|bus (off|fault)|invalid or missing data|missing data|data link",
    ),
    ("vibration", r"knock detected|misfire.*rough|rough road"),
    (
        "sensor_fault",
        r"(sensor|sender|transducer|probe|\bmaf\b|\bmap\b|potentiometer).*(circuit|range|signal|input|intermittent|high|low|out of|no activity|stuck|performance|fault|fail|malfunction|open|short|correlation)|correlation|signal (erratic|implausible|invalid)|out of self test range",
    ),
    (
        "electrical",
        r"short(ed)? (circuit )?to|circuit (open|failure|short|malfunction|low|high)|open circuit|battery|voltage|overcurrent|relay|ground|coil .*(primary|secondary)|glow plug|alternator|generator",
    ),
]
CODE_RULES = [(label, re.compile(rule, re.I)) for label, rule in CODE_RULES]


def weak(text, rules):
    for label, rule in rules:
        if rule.search(text):
            return label or None
    return None


def tidy(text):
    """Placeholders of the anonymised orders become what a plant would write."""
    return " ".join(
        re.sub(r"ITEM_ID|<id>|\bNA\b|\[ ?sensitive ?\]|<sensitive>", "", text)
        .replace("<num>", "2")
        .split()
    )


def orders(part):
    """[(text, weak label or None)] of all work orders; part is train or test."""
    texts = []
    for raw, norm in maintnorm("train" if part == "train" else "test"):
        texts += [raw, norm]
    names = ["train_3200.json", "dev_401.json"] if part == "train" else ["test_401.json"]
    for name in names:
        texts += [text for text, _ in mwo2kg(name)]
    if part == "train":
        texts += [text for text, _ in maintie()]
        with open(path("mwo2kg", "work_orders.csv"), encoding="utf-8", errors="replace") as file:
            texts += [r["ShortText"] for r in csv.DictReader(file) if r.get("ShortText")]
    texts = sorted({tidy(t) for t in texts if len(t) > 5})
    return [(t, weak(t, ORDER_RULES)) for t in texts]


def codes(part):
    """[(text, weak label or None)] of OBD codes, with and without their number."""
    out = []
    for at, (code, text) in enumerate(obd()):
        if (at % 10 == 0) != (part == "test"):
            continue
        label = weak(text, CODE_RULES)
        out += [(f"{code} {text}", label), (text, label)]
    return out
