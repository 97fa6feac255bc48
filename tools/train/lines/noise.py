"""Augmentation: typing errors, case, abbreviations, dropped words, spacing."""

SHORT = {
    "temperature": ["temp", "tmp", "temp.", "T"],
    "pressure": ["press", "pres", "p", "press."],
    "vibration": ["vib", "vibs", "vibr"],
    "bearing": ["brg", "brng", "bearng"],
    "motor": ["mtr", "mot"],
    "pump": ["pmp", "pump"],
    "high": ["hi", "hgh", "HI"],
    "low": ["lo", "LOW"],
    "replaced": ["repl", "c/o", "rplcd"],
    "replace": ["repl", "c/o"],
    "number": ["no", "nr", "#"],
    "hydraulic": ["hyd", "hydr", "hydrlic"],
    "electrical": ["elec", "elect"],
    "sensor": ["sens", "snsr", "sensr"],
    "communication": ["comm", "comms"],
    "connection": ["conn", "connctn"],
    "leaking": ["leakin", "lkg", "leeking", "leaking"],
    "water": ["wtr", "H2O"],
    "and": ["&", "n", "+"],
    "with": ["w/", "wth"],
    "not": ["nt", "not"],
    "unserviceable": ["u/s", "us"],
    "left": ["l/h", "LH", "lhs"],
    "right": ["r/h", "RH", "rhs"],
    "required": ["req", "reqd"],
    "maintenance": ["maint", "mtce"],
    "checked": ["chkd", "ckd", "chk"],
    "check": ["chk", "ck"],
    "alarm": ["alm", "ALM"],
    "fault": ["flt", "flt."],
    "voltage": ["volt", "volts", "V"],
    "current": ["curr", "amps"],
    "level": ["lvl", "lev"],
    "cylinder": ["cyl", "cylnder"],
    "compressor": ["comp", "compr"],
    "engine": ["eng", "engin"],
    "generator": ["gen", "genny"],
    "transformer": ["xfmr", "trafo", "tx"],
    "transmitter": ["xmtr", "tx", "transm"],
    "temperatures": ["temps"],
    "between": ["btwn"],
    "minutes": ["mins", "min"],
    "hours": ["hrs", "h"],
    "please": ["pls", "plz"],
    "gearbox": ["gbox", "g/box"],
    "breaker": ["brkr", "bkr", "c/b"],
    "conveyor": ["conv", "cv"],
    "switch": ["sw", "swtch"],
    "normal": ["norm", "nrml", "normal"],
    "found": ["fnd"],
    "running": ["runing", "rnning", "run"],
    "service": ["svc", "serv"],
    "signal": ["sig", "sgnl"],
    "network": ["ntwk", "netw"],
    "gateway": ["gw", "gtwy"],
    "calibration": ["cal", "calib"],
    "is": ["iz", ""],
    "the": ["", "teh"],
    "a": [""],
    "on": ["", "@"],
    "at": ["@", ""],
    "from": ["frm"],
}
SMALL = {
    "the",
    "a",
    "an",
    "is",
    "are",
    "was",
    "of",
    "to",
    "at",
    "in",
    "on",
    "has",
    "it",
    "its",
    "our",
    "by",
    "for",
    "that",
}
KEYS = {
    "a": "sq",
    "b": "vn",
    "c": "xv",
    "d": "sf",
    "e": "wr",
    "f": "dg",
    "g": "fh",
    "h": "gj",
    "i": "uo",
    "k": "jl",
    "l": "k",
    "m": "n",
    "n": "bm",
    "o": "ip",
    "p": "o",
    "r": "et",
    "s": "ad",
    "t": "ry",
    "u": "yi",
    "v": "cb",
    "w": "qe",
    "y": "tu",
}


def typo(rng, word):
    """One slip of the keyboard in a word without digits."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randint(0, 4)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at] + word[at:]
    if kind == 2:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 3:
        return word[:at] + rng.choice(KEYS.get(word[at].lower(), word[at])) + word[at + 1 :]
    vowels = [i for i in range(1, len(word)) if word[i] in "aeiou"]
    return "".join(c for i, c in enumerate(word) if i not in vowels) if len(vowels) < 4 else word


def shorten(rng, word):
    low = word.lower()
    return rng.choice(SHORT[low]) if low in SHORT else word


def recase(rng, text):
    draw = rng.random()
    if draw < 0.22:
        return text.lower()
    if draw < 0.32:
        return text.upper()
    if draw < 0.42:
        return text[:1].upper() + text[1:]
    if draw < 0.45:
        return text.title()
    return text


def roughen(rng, text, strength=1.0):
    """A line as people and machines really write it; digits are never changed."""
    out = []
    p_typo = rng.choice([0, 0, 0, 0.04, 0.12]) * strength
    p_short = rng.choice([0, 0, 0.2, 0.6]) * strength
    p_drop = rng.choice([0, 0, 0.3]) * strength
    for word in text.split(" "):
        if rng.random() < p_short:
            word = shorten(rng, word)
        if rng.random() < p_typo:
            word = typo(rng, word)
        small = word.lower() in SMALL
        if word and not (small and rng.random() < p_drop):
            out.append(word)
    text = recase(rng, " ".join(out))
    if rng.random() < 0.1:
        text = text.rstrip(".") + rng.choice(
            [".", "!", "...", "!!", " .", "?"] if strength else ["."]
        )
    return text
