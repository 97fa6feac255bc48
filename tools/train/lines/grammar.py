"""A small template grammar: [a|b|] chooses, {slot} or {slot:arg} fills; nothing recursive.

Numbers: {T:bearing_bad} or {T:-30..-18} prints a quantity of that kind with a unit written one
of many ways; the argument is a name of limits.py or a range `low..high`.
"""

import re

from .limits import LIMITS

CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{([A-Za-z_%0-9]+)(?::([^{}]*))?\}")
ROUNDS = 24


def span(arg):
    """(low, high, decimals) of a named limit or of `low..high`."""
    if arg in LIMITS:
        return LIMITS[arg]
    low, high = arg.split("..")
    decimals = max(len(part.partition(".")[2]) for part in (low, high))
    return float(low), float(high), decimals


def value(rng, arg):
    low, high, decimals = span(arg)
    return rng.uniform(low, high), decimals


def show(number, decimals):
    if decimals == 0:
        return str(int(round(number)))
    return f"{number:.{decimals}f}"


def joined(rng, text, units):
    """Number and unit, with or without a blank; sometimes the unit is left out of the choice."""
    return text + rng.choice(units)


def temp(rng, arg):
    number, decimals = value(rng, arg)
    if rng.random() < 0.14:
        return show(number * 9 / 5 + 32, 0) + rng.choice(["F", " F", "°F", " deg F", " °F", "degF"])
    if decimals == 0 and rng.random() < 0.2:
        decimals = 1
    return show(number, decimals) + rng.choice(
        [
            "C",
            "C",
            "C",
            " C",
            "°C",
            " °C",
            " deg C",
            "degC",
            " degrees",
            " degC",
            "c",
            "deg",
            " celsius",
        ]
    )


def vib(rng, arg):
    number, decimals = value(rng, arg)
    if rng.random() < 0.12:
        return show(number / 25.4, 2) + rng.choice([" in/s", "in/s", " ips", "ips", " in/sec"])
    return show(number, decimals) + rng.choice(
        ["mm/s", "mm/s", " mm/s", " mm/s rms", "mm/s RMS", " mm/sec", " mms"]
    )


def pressure(rng, arg):
    number, decimals = value(rng, arg)
    draw = rng.random()
    if draw < 0.17:
        return show(number * 14.5038, 0) + rng.choice(["psi", " psi", " PSI", " psig"])
    if draw < 0.27:
        return show(number * 100, 0) + rng.choice([" kPa", "kPa"])
    return show(number, decimals) + rng.choice([" bar", "bar", " bar", " bar(g)", " barg"])


def volt(rng, arg):
    number, decimals = value(rng, arg)
    return show(number, decimals) + rng.choice(
        ["V", "V", " V", " volts", " VAC", "Vac", " volt", "v"]
    )


def vdc(rng, arg):
    number, decimals = value(rng, arg)
    return show(number, decimals) + rng.choice(["V", "V", " V", " VDC", "Vdc", " volts", "v"])


UNITS = {
    "A": ["A", " A", " amps", "A", " amp"],
    "MA": [" mA", "mA", " mA", " milliamps"],
    "G": ["g", " g", " g pk", "g rms"],
    "pct": ["%", "%", " %", " percent", "pct"],
    "DBM": [" dBm", "dBm", " dBm", "dbm"],
    "DB": [" dB", "dB"],
    "MS": ["ms", " ms", " msec"],
    "PPM": ["ppm", " ppm", " PPM"],
    "LEL": ["% LEL", " %LEL", "%LEL"],
    "HZ": [" Hz", "Hz"],
    "KW": [" kW", "kW"],
    "LIT": [" l", " L", " litres", "L", " liters", " gal"],
    "RPM": [" rpm", "rpm", " RPM", " r/min"],
    "MOHM": [" Mohm", " MOhm", "M", " megohm", " MΩ"],
    "LPM": [" l/min", " L/min", " lpm", " gpm"],
    "M3": [" m3/h", "m3/h", " m³/h"],
    "DUR": ["s", " s", " sec", " min", "min", " minutes", " h", " hours"],
    "DAYS": [" days", "d", " weeks", " hours", " shifts"],
    "UM": [" um", " µm", " micron"],
    "KM": [" km", " m", " metres"],
    "RH": ["%", " %RH", "%rh", " % humidity"],
}
QUANTITIES = {"T": temp, "MM": vib, "P": pressure, "V": volt, "VDC": vdc}


def number(rng, arg):
    got, decimals = value(rng, arg)
    return show(got, decimals)


class Grammar:
    """Expands templates with one random stream over the word tables given."""

    def __init__(self, rng, tables):
        self.rng = rng
        self.tables = tables

    def slot(self, match):
        name, arg = match.group(1), match.group(2)
        if name == "n":
            return number(self.rng, arg)
        if name in QUANTITIES:
            return QUANTITIES[name](self.rng, arg)
        if name in UNITS:
            return joined(self.rng, number(self.rng, arg), UNITS[name])
        words = self.tables[name]
        return words(self.rng) if callable(words) else self.rng.choice(words)

    def choose(self, match):
        return self.rng.choice(match.group(1).split("|"))

    def expand(self, text):
        for _ in range(ROUNDS):
            before = text
            text = CHOICE.sub(self.choose, text)
            text = SLOT.sub(self.slot, text)
            if text == before:
                break
        return " ".join(text.split())
