"""Lines of several readings: which reading is out of range decides the label.

A CLASS is a kind of machine with the quantities it reports. Each quantity has its names, a kind
(unit writer of grammar.py), its range in service and, per label, its ranges out of limits.
"""

import json

from . import words
from .grammar import QUANTITIES, UNITS, show, span

# quantity: (names, kind, ok range, {label: bad ranges})
Q = {
    "bearing": (
        [
            "brg",
            "bearing",
            "bearing temp",
            "brg_temp",
            "T_brg",
            "temp",
            "temp_de",
            "tbrg",
            "t1",
            "bearing_c",
        ],
        "T",
        "bearing_ok",
        {"overheating": ["bearing_bad"]},
    ),
    "winding": (
        ["winding", "wdg temp", "stator", "motor_temp", "t_wind", "winding U"],
        "T",
        "winding_ok",
        {"overheating": ["winding_bad"]},
    ),
    "oil": (
        ["oil", "oil temp", "oil_t", "t_oil", "oil_temp"],
        "T",
        "oil_ok",
        {"overheating": ["oil_bad"]},
    ),
    "xfmr": (
        ["top oil", "oil temp", "top_oil", "wti", "hot spot"],
        "T",
        "xfmr_ok",
        {"overheating": ["xfmr_bad"]},
    ),
    "coolant": (
        ["coolant", "ECT", "coolant temp", "water temp", "cool_t", "jacket"],
        "T",
        "coolant_ok",
        {"overheating": ["coolant_bad"]},
    ),
    "inlet": (
        ["inlet", "rack inlet", "temp", "supply air", "room", "inlet_c"],
        "T",
        "inlet_ok",
        {"overheating": ["inlet_bad"]},
    ),
    "cpu": (
        ["cpu", "cpu temp", "soc_temp", "core", "temp", "cpu_c"],
        "T",
        "cpu_ok",
        {"overheating": ["cpu_bad"]},
    ),
    "freezer": (
        ["temp", "air", "air temp", "product", "t_air", "case temp"],
        "T",
        "freezer_ok",
        {"overheating": ["freezer_bad"]},
    ),
    "fridge": (
        ["temp", "air", "probe", "t", "core", "case temp"],
        "T",
        "fridge_ok",
        {"overheating": ["fridge_bad"]},
    ),
    "cabinet": (
        ["cabinet", "cab temp", "internal", "enclosure", "t_cab"],
        "T",
        "cab_ok",
        {"overheating": ["cab_bad"]},
    ),
    "sink": (
        ["heatsink", "hs temp", "igbt", "sink", "t_hs", "inv temp"],
        "T",
        "inv_ok",
        {"overheating": ["inv_bad"]},
    ),
    "disch": (
        ["discharge temp", "disch", "td", "outlet temp", "element", "airend"],
        "T",
        "disch_ok",
        {"overheating": ["disch_bad"]},
    ),
    "btemp": (
        ["batt temp", "cell temp", "t_max", "pack temp", "module temp"],
        "T",
        "batt_temp_ok",
        {"overheating": ["batt_temp_bad"]},
    ),
    "plug": (
        ["plug temp", "contact", "connector temp", "t_plug", "DC+ pin"],
        "T",
        "plug_ok",
        {"overheating": ["plug_bad"]},
    ),
    "room": (["temp", "t", "room", "temperature", "indoor"], "T", "room_ok", {}),
    "vib": (
        [
            "vib",
            "vibration",
            "vel",
            "v_rms",
            "vib_h",
            "vib_v",
            "vib_ax",
            "rms",
            "vibe",
            "overall",
            "vib de",
            "vib nde",
        ],
        "MM",
        "vib_ok",
        {"vibration": ["vib_bad", "vib_bad", "vib_warn"]},
    ),
    "acc": (
        ["acc", "accel", "peak", "gE", "a_pk", "envelope"],
        "G",
        "acc_ok",
        {"vibration": ["acc_bad"]},
    ),
    "v230": (
        ["u", "voltage", "V", "L1-N", "mains", "vac", "supply", "U1"],
        "V",
        "v230_ok",
        {"electrical": ["v230_low", "v230_high"]},
    ),
    "v400": (
        ["U12", "L1-L2", "voltage", "supply", "V_LL", "bus"],
        "V",
        "v400_ok",
        {"electrical": ["v400_low", "v400_high"]},
    ),
    "v24": (
        ["24V", "psu", "supply", "ctrl volt", "u_dc", "vdc"],
        "VDC",
        "v24_ok",
        {"electrical": ["v24_low"]},
    ),
    "v12": (
        ["batt", "battery", "vbat", "starter batt", "Ub"],
        "VDC",
        "v12_ok",
        {"electrical": ["v12_low"]},
    ),
    "cell": (
        ["cell min", "vcell", "cell_v", "min cell", "cell 12"],
        "VDC",
        "cell_ok",
        {"electrical": ["cell_low", "cell_high"]},
    ),
    "coin": (
        ["batt", "vbat", "battery", "bat_v", "vdd"],
        "VDC",
        "coin_ok",
        {"electrical": ["coin_low"]},
    ),
    "soc": (
        ["soc", "SOC", "battery", "charge", "batt"],
        "pct",
        "soc_ok",
        {"electrical": ["soc_low"]},
    ),
    "hz": (["f", "freq", "frequency", "Hz"], "HZ", "hz_ok", {"electrical": ["hz_bad"]}),
    "mohm": (
        ["riso", "iso", "insulation", "R_iso"],
        "MOHM",
        "mohm_ok",
        {"electrical": ["mohm_bad"]},
    ),
    "amps": (
        ["I", "amps", "current", "motor current", "cur", "i_rms"],
        "A",
        "14..29",
        {"electrical": ["62..180"]},
    ),
    "level": (
        ["level", "lvl", "tank", "sump level", "LT"],
        "pct",
        "level_ok",
        {"leak": ["level_low"]},
    ),
    "airp": (
        ["press", "p", "air", "pressure", "line p", "net"],
        "P",
        "air_ok",
        {"leak": ["air_low"]},
    ),
    "hydp": (["hyd press", "p", "pressure", "sys p"], "P", "hyd_ok", {"leak": ["hyd_low"]}),
    "oilp": (["oil press", "oil p", "p_oil", "lube p"], "P", "oilp_ok", {}),
    "ch4": (["CH4", "gas", "LEL", "methane"], "LEL", "ch4_ok", {"leak": ["ch4_bad"]}),
    "refr": (
        ["refrigerant", "R134a", "R32", "gas", "refr"],
        "PPM",
        "refr_ok",
        {"leak": ["refr_bad"]},
    ),
    "co2": (["co2", "CO2", "eco2"], "PPM", "420..980", {}),
    "rh": (["hum", "rh", "humidity", "RH"], "RH", "32..64", {}),
    "rssi": (
        ["rssi", "RSSI", "sig", "signal", "link"],
        "DBM",
        "rssi_ok",
        {"connectivity": ["rssi_bad"]},
    ),
    "snr": (["snr", "SNR"], "DB", "snr_ok", {"connectivity": ["snr_bad"]}),
    "loss": (
        ["loss", "pkt loss", "per", "packet_loss"],
        "pct",
        "loss_ok",
        {"connectivity": ["loss_bad"]},
    ),
    "rtt": (["rtt", "ping", "latency", "delay"], "MS", "rtt_ok", {"connectivity": ["rtt_bad"]}),
    "rpm": (["rpm", "speed", "n", "shaft speed"], "RPM", "740..2980", {}),
    "flow": (["flow", "q", "fl", "feed"], "M3", "18..70", {}),
    "load": (["load", "duty", "output", "util"], "pct", "28..82", {}),
    "kw": (["P", "power", "kW", "pwr"], "KW", "1.5..48.0", {}),
    "ma": (
        ["loop", "ai", "input", "AI3", "signal"],
        "MA",
        "ma_ok",
        {"sensor_fault": ["ma_low", "ma_high"]},
    ),
}

CLASSES = [
    (
        "pump motor fan conveyor mixer crusher gearbox blower mill",
        ["bearing", "vib", "winding", "amps", "rpm", "acc", "load", "kw"],
    ),
    ("pump", ["bearing", "vib", "flow", "airp", "amps", "level"]),
    ("compressor", ["disch", "oil", "airp", "vib", "amps", "load"]),
    ("gearbox wtg turbine nacelle", ["oil", "vib", "rpm", "kw", "bearing", "acc"]),
    ("hydraulic press excavator hpu", ["oil", "hydp", "level", "amps"]),
    ("transformer tx substation", ["xfmr", "v400", "load", "amps", "hz"]),
    ("genset engine truck generator", ["coolant", "oilp", "rpm", "v12", "hz", "v400", "kw"]),
    ("rack server crac dc", ["inlet", "cpu", "load", "v230", "rh"]),
    ("gateway edge rpi router gw", ["cpu", "rssi", "loss", "rtt", "v24"]),
    ("node sensor tag tracker meter", ["coin", "rssi", "snr", "room", "rh"]),
    ("freezer coldroom coldstore reefer", ["freezer", "v230", "rh", "amps"]),
    ("fridge cooler display vaccine", ["fridge", "v230", "rh", "coin"]),
    ("panel cabinet mcc plc", ["cabinet", "v24", "v400", "rh", "amps"]),
    ("vfd drive inverter", ["sink", "v400", "amps", "hz", "rpm"]),
    ("pv inverter string solar", ["sink", "v230", "mohm", "kw", "hz"]),
    ("battery bms pack ess ups", ["cell", "soc", "btemp", "amps", "v230"]),
    ("charger evse wallbox cp", ["plug", "v230", "amps", "kw"]),
    ("tank vessel silo receiver", ["level", "airp", "flow", "ma"]),
    ("chiller plantroom store heatpump", ["refr", "room", "rh", "airp"]),
    ("kitchen boilerroom digester garage", ["ch4", "room", "rh", "co2"]),
    ("room office lab ward zone hall greenhouse", ["room", "rh", "co2", "coin", "rssi"]),
    ("transmitter loop ai rtu", ["ma", "v24", "room"]),
    ("spindle cnc axis robot", ["bearing", "vib", "load", "rpm", "amps"]),
]

STUCK = [
    "-273.15",
    "-273",
    "-127",
    "-127.0",
    "9999",
    "-9999",
    "-999",
    "NaN",
    "nan",
    "null",
    "32767",
    "-32768",
    "65535",
    "850",
    "1372",
    "###",
    "---",
    "inf",
    "OL",
    "Bad",
    "BAD",
    "err",
    "3276.7",
    "4095",
    "-200",
    "n/a (open)",
]
TREND_UP = [
    "rising",
    "climbing",
    "up",
    "increasing",
    "^",
    "(rising)",
    "trend up",
    "going up",
    "high",
    "HIGH",
    "HH",
    "alarm",
    "!",
    "ALARM",
    "over limit",
    "too high",
    ">> limit",
    "(HI)",
    "and climbing",
    "",
]
TREND_DOWN = [
    "falling",
    "dropping",
    "down",
    "low",
    "LOW",
    "LL",
    "decreasing",
    "(falling)",
    "alarm",
    "too low",
    "",
]
FINE = ["ok", "normal", "stable", "steady", "OK", "", "", "", "", "", ""]

LEAK_TEXT = [
    "valve shut",
    "no draw",
    "pump off",
    "no consumption",
    "isolated",
    "all valves closed",
    "losing",
    "make-up valve open",
    "falling overnight",
    "leak?",
    "refilled yesterday",
    "dropping since noon",
    "loss",
    "",
]


def bad_label(name, label):
    return label in Q[name][3]


def fitting(label):
    """Classes which can show this label."""
    if label in ("normal", "security", "sensor_fault"):
        return CLASSES
    return [c for c in CLASSES if any(bad_label(q, label) for q in c[1])]


def measure(rng, kind, arg):
    if kind in QUANTITIES:
        return QUANTITIES[kind](rng, arg)
    low, high, decimals = span(arg)
    return show(rng.uniform(low, high), decimals) + rng.choice(UNITS[kind])


def reading(rng, name, label):
    """(key, value text, remark) of one quantity; out of range where `label` says so."""
    names, kind, good, bad = Q[name]
    key = rng.choice(names)
    if label == "sensor_fault" and "sensor_fault" not in bad:
        return key, rng.choice(STUCK) + rng.choice(["", "", "C" if kind == "T" else ""]), ""
    if label in bad:
        arg = rng.choice(bad[label])
        remark = rng.choice(TREND_DOWN if arg.endswith("_low") else TREND_UP)
        if label == "leak" and arg.endswith("_low"):
            remark = (
                rng.choice(["falling", "dropping", "falling fast", "down"])
                + " "
                + rng.choice(LEAK_TEXT)
            )
        return key, measure(rng, kind, arg), remark
    if kind == "T" and good == "bearing_ok" and label == "vibration" and rng.random() < 0.4:
        good = "warmish"
    return key, measure(rng, kind, good), rng.choice(FINE)


STATE = {
    "security": [
        ("tamper", "1"),
        ("tamper", "open"),
        ("door", "forced"),
        ("failed_logins", "{}"),
        ("auth_fail", "{}"),
        ("intrusion", "1"),
        ("lid", "open unauth"),
        ("login_fail", "{}"),
        ("unknown_mac", "1"),
        ("pir", "1 armed"),
        ("sig", "invalid"),
        ("fw_sig", "bad"),
        ("case", "opened"),
        ("usb", "unknown"),
        ("cfg_user", "unknown"),
    ],
    "connectivity": [
        ("link", "down"),
        ("status", "offline"),
        ("conn", "lost"),
        ("last_seen", "{}h"),
        ("missed", "{}"),
        ("mqtt", "disconnected"),
        ("comm", "timeout"),
        ("online", "0"),
        ("retries", "{}"),
        ("ack", "0/{}"),
        ("hb", "missed"),
        ("lte", "no service"),
        ("uplink", "fail"),
    ],
    "leak": [
        ("leak", "1"),
        ("water", "detected"),
        ("wet", "true"),
        ("flood", "1"),
        ("leak_zone", "{}"),
        ("drip", "yes"),
        ("leakage", "alarm"),
        ("rope", "wet"),
        ("bund", "wet"),
        ("gas", "leak"),
    ],
    "electrical": [
        ("breaker", "open (trip)"),
        ("mains", "fail"),
        ("fuse", "blown"),
        ("gfi", "trip"),
        ("phase_L2", "lost"),
        ("earth_fault", "1"),
        ("on_battery", "1"),
        ("undervoltage", "1"),
        ("oc_trip", "1"),
        ("charger", "fault"),
        ("psu2", "failed"),
        ("rcd", "tripped"),
        ("battery", "low"),
        ("lowbat", "1"),
        ("insulation", "low"),
    ],
    "overheating": [
        ("overtemp", "1"),
        ("otp", "trip"),
        ("thermal", "alarm"),
        ("ptc", "tripped"),
        ("smoke", "1"),
        ("temp_hh", "1"),
        ("throttled", "thermal"),
        ("fan", "stopped, hot"),
        ("cooling", "failed, temp high"),
    ],
    "vibration": [
        ("vib_alarm", "1"),
        ("vib_trip", "1"),
        ("vib_hh", "active"),
        ("imbalance", "1"),
        ("bpfo", "high"),
        ("brg_defect", "1"),
        ("crest", "9.4"),
        ("knock", "1"),
    ],
    "sensor_fault": [
        ("quality", "bad"),
        ("sensor", "fail"),
        ("probe", "open"),
        ("status", "sensor_error"),
        ("valid", "false"),
        ("stuck", "1"),
        ("cal", "failed"),
        ("adc", "saturated"),
        ("crc_err", "1"),
        ("wire_break", "1"),
        ("frozen", "true"),
        ("drift", "exceeded"),
        ("dev_ab", "high"),
    ],
    "normal": [
        ("status", "ok"),
        ("state", "run"),
        ("alarm", "0"),
        ("leak", "0"),
        ("tamper", "0"),
        ("fault", "none"),
        ("door", "closed"),
        ("link", "up"),
        ("online", "1"),
        ("mode", "auto"),
        ("err", "0"),
        ("flags", "0x00"),
        ("smoke", "0"),
        ("breaker", "closed"),
        ("quality", "good"),
        ("mains", "ok"),
        ("vib_alarm", "0"),
    ],
}


def state(rng, label):
    key, text = rng.choice(STATE[label])
    return key, text.replace("{}", str(rng.randint(4, 60))), ""


def draw(rng, label):
    """Readings of one asset, with at least one that shows the label."""
    kinds, names = rng.choice(fitting(label))
    count = min(len(names), rng.choice([1, 2, 2, 3, 3, 4, 5]))
    chosen = rng.sample(names, count)
    by_state = label == "security" or (label != "normal" and rng.random() < 0.28)
    rows = []
    if label != "normal" and not by_state:
        able = [q for q in names if label == "sensor_fault" or bad_label(q, label)]
        hit = rng.choice(able)
        chosen = [hit] + [q for q in chosen if q != hit][:count]
        rows = [reading(rng, hit, label)] + [
            reading(
                rng, q, "normal" if label != "vibration" or q in ("vib", "acc") else "vibration"
            )
            for q in chosen[1:]
        ]
    else:
        rows = [reading(rng, q, "normal") for q in chosen]
        if label != "normal" or rng.random() < 0.4:
            rows.append(state(rng, label))
    rng.shuffle(rows)
    asset = rng.choice(kinds.split()) if rng.random() < 0.45 else words.tag(rng)
    if rng.random() < 0.15:
        asset = rng.choice(words.PLACES)
    return asset, rows


def bare_number(text):
    """A value without its unit, as terse devices print it."""
    digits = "".join(c for c in text if c in "0123456789.-")
    return digits if digits.strip("-.") and text[0] in "0123456789-" else text


def plain(rng, asset, rows):
    if rng.random() < 0.25:
        rows = [(k, bare_number(v), r if rng.random() < 0.5 else "") for k, v, r in rows]
    sep = rng.choice([" ", ", ", " ", "; ", " | "])
    eq = rng.choice([" ", " ", "=", ": ", ":"])
    parts = [f"{k}{eq}{v} {r}".strip() for k, v, r in rows]
    head = rng.choice([asset + " ", asset + ": ", asset + " ", asset + " - ", "", f"[{asset}] "])
    return head + sep.join(parts)


def bare(rng, asset, rows):
    return (
        asset
        + rng.choice([" ", ", "])
        + rng.choice([" ", ", ", "/"]).join(f"{v} {r}".strip() for _, v, r in rows)
    )


def pairs(rng, asset, rows):
    head = rng.choice(["id", "dev", "asset", "node", "src", "unit", "host"])
    parts = [f"{head}={asset.replace(' ', '_')}"]
    for key, value, remark in rows:
        parts.append(f"{key.replace(' ', '_').lower()}={value.replace(' ', '')}")
        if remark and rng.random() < 0.5:
            parts.append("trend=" + remark.replace(" ", "_"))
    return rng.choice([" ", " ", ",", ";"]).join(parts)


def as_json(rng, asset, rows):
    obj = {rng.choice(["id", "dev", "asset", "device", "n"]): asset}
    for key, value, _ in rows:
        number = "".join(c for c in value if c in "0123456789.-")
        try:
            obj[key.replace(" ", "_").lower()] = float(number) if rng.random() < 0.8 else value
        except ValueError:
            obj[key.replace(" ", "_").lower()] = value
    text = json.dumps(obj, separators=rng.choice([(",", ":"), (", ", ": ")]))
    return text.replace(".0,", ",").replace(".0}", "}")


def csv_row(rng, asset, rows):
    stamp = words.date(rng) + rng.choice([" ", "T", ","]) + words.clock(rng)
    cells = [stamp, asset] if rng.random() < 0.7 else [asset, stamp]
    for key, value, remark in rows:
        cells += [key, value] + ([remark] if remark else [])
    return rng.choice([",", ";", ",", "\t"]).join(cells)


def line(rng, label):
    asset, rows = draw(rng, label)
    form = rng.choices(
        [plain, bare, pairs, as_json, csv_row], [52, 0 if label == "security" else 3, 18, 15, 12]
    )[0]
    if form is bare and any(k in ("level", "amps") for k, _, _ in rows):
        form = plain
    return form(rng, asset, rows)
