"""Lines whose meaning lies in how numbers stand to each other: value against limit, series over
time, three phases, redundant readings, a reading out of its sensor's range."""

import json

from . import words

# quantity: names, unit writings, limit range, decimals, label past the limit, side
LIMITED = [
    (
        [
            "temp",
            "T",
            "bearing temp",
            "oil temp",
            "motor temp",
            "winding",
            "coolant",
            "cabinet",
            "inlet",
            "heatsink",
            "supply",
            "brg DE",
        ],
        ["C", " C", "°C", " deg C", ""],
        (28, 160),
        0,
        "overheating",
        1,
    ),
    (
        ["freezer", "cold room", "fridge", "chill store"],
        ["C", " C", "°C"],
        (-20, 6),
        1,
        "overheating",
        1,
    ),
    (
        ["vib", "vel", "vibration", "rms", "overall", "vel_mm_s"],
        ["mm/s", " mm/s", " mm/s rms", ""],
        (2.8, 11),
        1,
        "vibration",
        1,
    ),
    (["acc", "peak", "gE", "envelope", "crest"], ["g", " g", " gE"], (1.5, 8), 1, "vibration", 1),
    (["displacement", "shaft vib", "runout"], ["um", " um", " µm"], (50, 120), 0, "vibration", 1),
    (
        ["current", "I", "amps", "motor current", "phase current"],
        ["A", " A", " amps"],
        (6, 400),
        0,
        "electrical",
        1,
    ),
    (["voltage", "U", "Uac", "L1-N"], ["V", " V", " VAC"], (240, 255), 0, "electrical", 1),
    (["voltage", "U", "bus", "supply"], ["V", " V"], (200, 380), 0, "electrical", -1),
    (["battery", "batt", "vbat", "Ubatt"], ["V", " V"], (10.8, 48), 1, "electrical", -1),
    (
        ["riso", "insulation", "IR"],
        [" kOhm", "k", " Mohm", " kohm"],
        (100, 1000),
        0,
        "electrical",
        -1,
    ),
    (["THD", "unbalance", "imbalance"], ["%", " %"], (3, 8), 1, "electrical", 1),
    (["earth leakage", "residual current", "Idn"], ["mA", " mA"], (30, 500), 0, "electrical", 1),
    (["CH4", "gas", "LPG", "LEL"], ["%LEL", " % LEL"], (10, 25), 0, "leak", 1),
    (["R32", "refrigerant", "NH3", "CO", "H2S", "R134a"], ["ppm", " ppm"], (20, 500), 0, "leak", 1),
    (
        ["leak rate", "seal leakage", "drip rate", "make-up flow", "leakage flow"],
        [" l/h", " ml/min", " l/min"],
        (2, 60),
        0,
        "leak",
        1,
    ),
    (["rssi", "RSSI", "signal", "RSRP"], [" dBm", "dBm"], (-112, -80), 0, "connectivity", -1),
    (["packet loss", "loss", "frame errors"], ["%", " %"], (2, 10), 0, "connectivity", 1),
    (["latency", "rtt", "poll time"], ["ms", " ms"], (100, 800), 0, "connectivity", 1),
    (
        ["heartbeat age", "last seen", "silence"],
        ["s", " s", " min"],
        (20, 120),
        0,
        "connectivity",
        1,
    ),
    (
        ["deviation A/B", "drift", "zero offset", "sensor deviation", "cal error"],
        ["%", " %", " K"],
        (0.5, 3),
        1,
        "sensor_fault",
        1,
    ),
    (
        ["failed logins", "auth failures", "bad PINs", "login attempts"],
        ["", " in 1 min", "/h"],
        (3, 10),
        0,
        "security",
        1,
    ),
]


def text(number, decimals):
    return f"{number:.{decimals}f}"


def limited(rng, label):
    """A value with its limit beside it; the comparison decides."""
    rows = [r for r in LIMITED if label in ("normal", r[4])]
    names, units, (low, high), decimals, _, side = rng.choice(rows)
    limit = rng.uniform(low, high)
    span = max(abs(limit), 4.0)
    away = span * (rng.uniform(0.04, 0.5) if label != "normal" else -rng.uniform(0.12, 0.6))
    value = limit + side * away
    if low >= 0:
        value = max(value, 0)
    unit = rng.choice(units)
    name, a, b = rng.choice(names), text(value, decimals), text(limit, decimals)
    word = rng.choice(
        ["limit", "lim", "max", "alarm", "HH", "threshold"]
        if side > 0
        else ["limit", "min", "LL", "low limit", "threshold"]
    )
    asset = rng.choice([words.tag(rng), rng.choice(words.PLACES), rng.choice(words.COMMON["any"])])
    verb = (
        rng.choice(
            ["over", "exceeds", ">", "above"] if side > 0 else ["under", "below", "<", "lower than"]
        )
        if label != "normal"
        else rng.choice(["under", "below", "<", "within"] if side > 0 else ["over", "above", ">"])
    )
    forms = [
        f"{asset} {name} {a}{unit} {word} {b}",
        f"{asset} {name} {a}{unit} ({word} {b}{unit})",
        f"{name} {a}{unit}, {word} {b}{unit} {asset}",
        f"{asset}: {name}={a} {word}={b}",
        f"{asset} {name} {a}{unit} {verb} {b}{unit}",
        json.dumps({"asset": asset, name.replace(" ", "_"): float(a), word: float(b)}),
        f"{words.date(rng)},{words.clock(rng)},{asset},{name},{a},{b}",
        f"{name} at {a}{unit} on {asset}, {word} is {b}",
    ]
    line = rng.choice(forms)
    return line + rng.choice(
        ["", "", "", " alarm", " ALARM_HI" if side > 0 else " ALARM_LO"]
        if label != "normal"
        else ["", "", " ok", " normal"]
    )


SERIES = {  # names, unit, (first low, high), step of each sample as a share of the first
    "overheating": (["temp", "bearing", "oil temp", "winding", "T"], "C", (55, 75), (0.08, 0.25)),
    "vibration": (["vib", "vel", "mm/s rms", "vibration"], " mm/s", (2.0, 4.0), (0.4, 1.2)),
    "leak": (
        ["level", "pressure", "tyre psi", "header tank", "oil level", "psi", "bar"],
        "",
        (70, 96),
        (-0.2, -0.06),
    ),
    "connectivity": (["packet loss", "loss", "missed polls", "ping ms"], "", (20, 40), (0.3, 0.9)),
    "electrical": (["Vbat", "supply volts", "battery", "bus V"], "V", (22, 24), (-0.14, -0.06)),
    "normal": (
        ["temp", "level", "pressure", "flow", "vib", "RH", "bearing", "oil temp"],
        "",
        (20, 60),
        (-0.008, 0.008),
    ),
}


def series(rng, label):
    names, unit, (low, high), (down, up) = SERIES[label]
    value = first = rng.uniform(low, high)
    decimals = 1 if first < 30 else 0
    got = [text(first, decimals)]
    for _ in range(rng.randint(2, 4)):
        value += first * rng.uniform(down, up)
        got.append(text(value, decimals))
    asset = words.tag(rng) if rng.random() < 0.6 else rng.choice(words.COMMON["any"])
    tail = rng.choice(
        ["", "", " in 10 min", " since noon", " last 4 samples", " hourly", " over the shift"]
    )
    return (
        f"{asset} {rng.choice(names)} {rng.choice([', ', ' ', ' -> ', '/']).join(got)}{unit}{tail}"
    )


def phases(rng, label):
    """Three line or phase voltages, or currents; one far off is electrical."""
    base = rng.choice([230, 230, 400, 400, 690, 480, 120])
    got = [base * rng.uniform(0.985, 1.015) for _ in range(3)]
    if label == "electrical":
        got[rng.randrange(3)] = base * rng.choice(
            [0, rng.uniform(0.05, 0.85), rng.uniform(0.6, 0.87), rng.uniform(1.13, 1.4)]
        )
        if rng.random() < 0.3:
            got = (
                [base * rng.uniform(1.12, 1.25)] * 3
                if rng.random() < 0.5
                else [base * rng.uniform(0.6, 0.86)] * 3
            )
    names = rng.choice(
        [
            ("L1", "L2", "L3"),
            ("v12", "v23", "v31"),
            ("U1", "U2", "U3"),
            ("R", "S", "T"),
            ("Va", "Vb", "Vc"),
        ]
    )
    asset, values = words.tag(rng), [int(round(v)) for v in got]
    if rng.random() < 0.35:
        return json.dumps(
            dict([("meter", asset)] + list(zip(names, values))),
            separators=rng.choice([(",", ":"), (", ", ": ")]),
        )
    eq, unit = rng.choice([" ", "=", ":"]), rng.choice(["V", " V", ""])
    return f"{asset} " + rng.choice([" ", ", "]).join(
        f"{n}{eq}{v}{unit}" for n, v in zip(names, values)
    )


def redundant(rng, label):
    """Two or three readings of one thing: agreement is normal, one far off is a sensor fault."""
    unit, (low, high) = rng.choice(
        [
            (" bar", (1, 12)),
            (" C", (15, 90)),
            ("%", (20, 80)),
            (" mm", (200, 2000)),
            (" m3/h", (5, 90)),
            (" pH", (6.5, 7.6)),
        ]
    )
    base = rng.uniform(low, high)
    got = [base * rng.uniform(0.993, 1.007) for _ in range(rng.choice([2, 3, 3]))]
    if label == "sensor_fault":
        got[rng.randrange(len(got))] = base * rng.choice(
            [0, 0.1, rng.uniform(0.2, 0.6), rng.uniform(1.6, 3)]
        )
    tag = words.loop_tag(rng).rstrip("AB")
    names = rng.choice(
        [
            [tag + c for c in "ABC"],
            ["probe 1", "probe 2", "probe 3"],
            ["TE1", "TE2", "TE3"],
            ["left", "mid", "right"],
            ["sensor", "reference", "handheld"],
            ["online", "lab", "spare"],
        ]
    )
    parts = [f"{n} {text(v, 2)}{unit}" for n, v in zip(names, got)]
    return rng.choice([" / ", ", ", " vs ", "; "]).join(parts) + rng.choice(
        ["", "", "", " same tank", " same line", f" {words.tag(rng)}"]
    )


OUTSIDE = [  # (name, unit writings, low, high): impossible for the thing measured
    ("humidity", ["%", " %RH", "% RH"], 104, 280),
    ("soil moisture", ["%", " %"], 120, 400),
    ("tank level", ["%", " %"], 108, 500),
    ("valve position", ["%", " %"], 112, 300),
    ("room temp", ["C", " C", "°C"], 180, 3000),
    ("outdoor temp", ["C", " C"], -270, -95),
    ("water temp", ["C", " C"], -90, -12),
    ("pH", [""], 15, 60),
    ("battery level", ["%"], 130, 255),
    ("RH", ["%"], -60, -2),
    ("CO2", [" ppm", "ppm"], -900, -20),
    ("level", [" mm", " m", "%"], -900, -15),
    ("flow", [" m3/h", " l/min"], -9000, -200),
    ("wind speed", [" m/s"], 160, 900),
    ("speed", [" km/h", " rpm"], 60000, 99999),
    ("weight", [" kg"], -5000, -50),
    ("cell voltage", [" V", "V"], 5.9, 9.9),
    ("oil pressure", [" bar"], 190, 999),
    ("MAF", [" g/s"], 655, 656),
    ("lux", [""], -400, -5),
    ("room humidity", ["%"], 110, 190),
    ("body temp of cow", ["C"], 60, 127),
    ("fuel level", ["%"], 110, 255),
    ("sap flow", [""], -99, -9),
]


def outside(rng, label):
    name, units, low, high = rng.choice(OUTSIDE)
    value = rng.uniform(low, high)
    shown = text(value, rng.choice([0, 1, 2]))
    asset = rng.choice([words.tag(rng), rng.choice(words.PLACES), words.host(rng)])
    forms = [
        f"{asset} {name} {shown}{rng.choice(units)}",
        f"{name} {shown}{rng.choice(units)} {asset}",
        f"{asset}: {name}={shown}",
        json.dumps({"id": asset, name.replace(" ", "_"): float(shown)}),
        f"{name} reads {shown}{rng.choice(units)} at {asset}",
    ]
    return rng.choice(forms)


def line(rng, label):
    makers = [limited, limited]
    makers += [series] if label in SERIES else []
    makers += [phases] if label in ("normal", "electrical") else []
    makers += [redundant, redundant] if label in ("normal", "sensor_fault") else []
    makers += [outside, outside] if label == "sensor_fault" else []
    return rng.choice(makers)(rng, label)
