"""Ordinary process lines: many quantities, all in service, or one asset apart from its likes."""

from . import words

# name, unit writings, low, high, decimals
PARAMETERS = [
    ("firing rate", [" %", "%"], 20, 80, 0),
    ("flue", [" C", "C"], 120, 190, 0),
    ("flow temp", [" C", "C"], 45, 75, 0),
    ("return", [" C", "C"], 35, 60, 0),
    ("feed", [" t/h", " m3/h", " l/min"], 3, 90, 0),
    ("torque", [" Nm", " %"], 10, 70, 0),
    ("speed", [" rpm", " m/min", " m/s"], 1, 90, 1),
    ("stroke", [" %", "%"], 20, 80, 0),
    ("dose", [" ml/h", " l/h", " mg/l"], 0.2, 9, 1),
    ("pH", [""], 6.7, 7.9, 1),
    ("chlorine", [" mg/l", ""], 0.2, 1.2, 1),
    ("turbidity", [" NTU", ""], 0.1, 0.9, 1),
    ("DO", [" mg/l", ""], 1.5, 8, 1),
    ("conductivity", [" uS/cm", ""], 200, 900, 0),
    ("lux", [" lx", ""], 200, 900, 0),
    ("weight", [" kg", " t"], 2, 900, 0),
    ("count", [" pcs", ""], 20, 9000, 0),
    ("cycle", [" s", "s"], 4, 90, 1),
    ("OEE", [" %", "%"], 61, 92, 0),
    ("energy", [" kWh", "kWh"], 3, 9000, 1),
    ("power", [" kW", " MW", "kW"], 0.4, 90, 1),
    ("pf", [""], 0.9, 0.99, 2),
    ("wind", [" m/s"], 2, 14, 1),
    ("irradiance", [" W/m2"], 80, 900, 0),
    ("river", [" m", " cm"], 0.6, 4.5, 2),
    ("inflow", [" l/s", " m3/h"], 4, 90, 0),
    ("outflow", [" l/s", " m3/h"], 4, 90, 0),
    ("head", [" m"], 8, 60, 1),
    ("dp", [" Pa", " mbar"], 30, 150, 0),
    ("dew point", [" C", "C"], -40, -18, 0),
    ("steam", [" bar", " t/h"], 3, 11, 1),
    ("vacuum", [" mbar"], 40, 300, 0),
    ("brightness", [" %"], 60, 98, 0),
    ("moisture", [" %", "%"], 8, 16, 1),
    ("density", [" kg/l", ""], 0.8, 1.3, 3),
    ("brix", [""], 4, 18, 1),
    ("viscosity", [" cP"], 20, 900, 0),
    ("humidity", [" %", "%", " %RH"], 35, 65, 0),
    ("CO2", [" ppm", "ppm"], 420, 950, 0),
    ("noise", [" dB"], 48, 74, 0),
    ("fan", [" %", "%"], 25, 75, 0),
    ("valve", [" %", "%"], 10, 70, 0),
    ("amps", [" A", "A"], 2, 40, 1),
    ("volts", [" V", "V"], 228, 234, 0),
    ("freq", [" Hz"], 49.95, 50.05, 2),
    ("oil", [" C", "C", " deg"], 38, 64, 0),
    ("bearing", [" C", "C", " deg"], 30, 70, 0),
    ("vib", [" mm/s", "mm/s"], 0.3, 2.5, 1),
    ("soc", [" %", "%"], 50, 100, 0),
    ("rssi", [" dBm", ""], -82, -45, 0),
    ("ping", [" ms", "ms"], 2, 60, 0),
    ("uptime", [" d", " h"], 2, 400, 0),
    ("mem", [" %", "%"], 15, 70, 0),
    ("disk", [" %", "%"], 10, 75, 0),
    ("load", [" %", "%", ""], 10, 80, 0),
    ("queue", [""], 0, 3, 0),
    ("scan", [" ms"], 3, 40, 0),
    ("sats", [""], 7, 14, 0),
    ("room", [" C", "C"], 17, 25, 1),
    ("batt", [" V", "V", ""], 2.9, 3.4, 2),
    ("24V", ["V", " V"], 23.6, 24.5, 1),
    ("lift trips", [""], 40, 900, 0),
    ("milk", [" C", "C"], 2.8, 4.6, 1),
    ("eggs", [" trays", ""], 20, 400, 0),
    ("draught", [" m", ""], 2, 9, 1),
    ("heading", ["", " deg"], 0, 359, 0),
    ("fuel", [" %", " l"], 40, 95, 0),
    ("AdBlue", [" %"], 30, 95, 0),
    ("rail pressure", [" bar"], 300, 1500, 0),
    ("boost", [" bar"], 0.6, 1.9, 1),
]
TAIL = [
    "",
    "",
    "",
    "",
    " ok",
    " normal",
    " as planned",
    ", auto",
    ", mode RUN",
    ", no alarms",
    ", all green",
    ", on schedule",
    ", steady",
    ", duty pump 1",
    ", nothing to do",
    ", good",
    ", within limits",
    ", as yesterday",
    ", next check tomorrow",
    ", ready",
]


def ordinary(rng, grammar):
    """Several quantities in their usual ranges: normal."""
    asset = rng.choice(
        [
            words.tag(rng),
            grammar.expand("{any}"),
            f"{grammar.expand('{any}')} {rng.randint(1, 19)}",
            rng.choice(words.PLACES),
        ]
    )
    eq, sep = rng.choice([" ", " ", "=", ": "]), rng.choice([", ", ", ", " ", "; ", " | "])
    parts = []
    for name, units, low, high, decimals in rng.sample(
        PARAMETERS, rng.choice([1, 2, 2, 3, 3, 4, 5])
    ):
        number = f"{rng.uniform(low, high):.{decimals}f}" + rng.choice(units)
        parts.append(
            f"{number} {name}" if eq == " " and rng.random() < 0.15 else f"{name}{eq}{number}"
        )
    return asset + rng.choice([" ", ": ", " ", ", "]) + sep.join(parts) + rng.choice(TAIL)


OTHERS = [
    "others {b}",
    "sister unit {b}",
    "usually {b}",
    "normally {b}",
    "the rest {b}",
    "was {b} yesterday",
    "neighbours {b}",
    "should be {b}",
    "set {b}",
    "vs {b} requested",
    "where it used to be {b}",
    "instead of {b}",
    "target {b}",
    "twin at {b}",
    "{b} last month",
    "limit {b}",
]
APART = {  # things, unit writings, (usual low, high), factor of the one apart
    "overheating": (
        [
            "motor",
            "bearing",
            "drum",
            "disc",
            "lug",
            "phase L1 lug",
            "module",
            "cell",
            "oil",
            "outlet",
            "casing",
            "winding",
            "nozzle",
            "barrel zone",
            "mould",
            "tank",
            "freezer motor",
            "hub",
            "server",
            "rack",
            "plug",
            "coil",
            "exhaust",
            "cabinet",
            "gearbox",
            "brake",
            "roller",
            "junction",
        ],
        [" C", "C", " deg", "°C", ""],
        (38, 85),
        (1.35, 2.6),
    ),
    "vibration": (
        [
            "fan",
            "pump",
            "motor DE",
            "gearbox",
            "spindle",
            "rotor",
            "wheelset",
            "mill",
            "feed roll",
            "blower",
            "generator bearing",
            "axis",
        ],
        [" mm/s", " mm/s rms", " g", ""],
        (1.2, 3.5),
        (2.6, 6),
    ),
    "electrical": (
        [
            "motor current",
            "phase 2",
            "feeder",
            "compressor amps",
            "door motor",
            "heater bank",
            "drive current",
            "winch",
        ],
        [" A", "A", " amps"],
        (4, 60),
        (1.8, 4),
    ),
}


def apart(rng, grammar, label):
    """One value far from what its likes show; for `normal` all alike."""
    source = label if label in APART else rng.choice(sorted(APART))
    things, units, (low, high), (least, most) = APART[source]
    base, unit = rng.uniform(low, high), rng.choice(units)
    value = base * (rng.uniform(least, most) if label != "normal" else rng.uniform(0.96, 1.04))
    decimals = 1 if base < 20 else 0
    thing = rng.choice(things) if rng.random() < 0.7 else grammar.expand("{any}")
    name = f"{thing} {rng.randint(1, 12)}" if rng.random() < 0.4 else thing
    note = rng.choice(OTHERS).replace("{b}", f"{base:.{decimals}f}")
    head = rng.choice(["", "", words.tag(rng) + " ", grammar.expand("{place}") + ": "])
    return (
        head
        + name
        + rng.choice([" ", " at ", " reads ", " shows ", ": "])
        + f"{value:.{decimals}f}{unit}, "
        + note
    )


WARM = [
    ("freezer", -24, -18, 6, 30),
    ("ice cream cabinet", -24, -18, 6, 26),
    ("fridge", 2, 5, 5, 20),
    ("vaccine cooler", 2, 6, 5, 18),
    ("cold room", 0, 5, 6, 20),
    ("blast chiller", -30, -20, 8, 30),
    ("milk tank", 3, 5, 5, 20),
    ("reefer", -24, -18, 7, 28),
    ("salad counter", 2, 6, 6, 16),
    ("blood bank", 3, 5, 5, 16),
    ("meat store", -1, 3, 6, 18),
    ("wine cellar", 10, 13, 9, 20),
    ("data hall", 19, 25, 12, 28),
    ("server room", 18, 24, 12, 26),
    ("UPS room", 19, 25, 12, 24),
    ("incubator", 36, 38, 4, 8),
    ("aquarium", 24, 27, 6, 14),
    ("greenhouse", 19, 26, 17, 28),
    ("chicken house", 19, 25, 13, 20),
    ("MRI room", 19, 22, 9, 16),
]


def chilled(rng, label):
    """Rooms and cabinets that must stay cool; warm ones are overheating."""
    name, low, high, least, most = rng.choice(WARM)
    value = rng.uniform(low, high) + (rng.uniform(least, most) if label == "overheating" else 0)
    unit = rng.choice([" C", "C", " degC", " degrees", "°C", ""])
    asset = (
        f"{name} {rng.randint(1, 20)}"
        if rng.random() < 0.5
        else rng.choice([name, f"{words.tag(rng)} {name}"])
    )
    tails = (
        [
            "",
            "",
            " for {d} min",
            " and rising",
            ", door closed",
            ", stock at risk",
            ", compressor runs non stop",
            ", backup did not start",
            ", {d} h now",
            ", unit iced up",
            ", alarm",
        ]
        if label == "overheating"
        else ["", "", "", ", door closed", " ok", ", defrost done", ", logged", ", in range"]
    )
    return (
        asset
        + rng.choice([" ", " at ", ": ", " reads ", " = "])
        + f"{value:.1f}{unit}"
        + rng.choice(tails).replace("{d}", str(rng.randint(2, 59)))
    )


def line(rng, grammar, label):
    """A line for one of the labels this module knows."""
    draw = rng.random()
    if label == "normal" and draw < 0.6:
        return ordinary(rng, grammar)
    if label in ("normal", "overheating") and draw < 0.8:
        return chilled(rng, label)
    return apart(rng, grammar, label)


LABELS = ("normal", "overheating", "vibration", "electrical")
