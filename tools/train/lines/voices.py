"""Voices: how a message is wrapped by the system or person that utters it."""

import json

from . import words

BAD_LEVELS = [
    "ERROR",
    "WARN",
    "WARNING",
    "CRIT",
    "ALARM",
    "ALERT",
    "MAJOR",
    "FAULT",
    "err",
    "warn",
    "HIGH",
    "P1",
    "E",
    "W",
    "NOTICE",
]
GOOD_LEVELS = [
    "INFO",
    "INFO",
    "info",
    "OK",
    "NOTICE",
    "I",
    "DEBUG",
    "STATUS",
    "EVENT",
    "MSG",
    "LOW",
]
DAEMONS = words.split(
    """kernel, systemd, plcd, edge-agent, collector, modbusd, mqtt-bridge, telemetry, scada, hvacd, bms, watchdog,
 monitor, sensord, upsd, snmpd, gatewayd, smartd, thermald, alarmd, fieldbus, recorder, agent, netmon, smond"""
)
NOTE_HEADS = [
    "night shift: ",
    "Day shift - ",
    "op reports ",
    "operator: ",
    "driver says ",
    "customer complains ",
    "note: ",
    "Handover: ",
    "WO: ",
    "fault report: ",
    "def. ",
    "rpt: ",
    "mech: ",
    "elec: ",
    "tech note - ",
    "inspection: ",
    "round: ",
    "@maintenance ",
    "pls note ",
    "FYI ",
    "info: ",
    "remark: ",
    "tenant called: ",
    "guest in 214: ",
    "job card: ",
    "obs: ",
]
TAILS = [" - {act}", ", {act}", ". {act}", " ({act})", " {ago}", "", "", "", "", "", "", "", ""]


def level(rng, label):
    """Severity follows the label only loosely, so that it is no short cut."""
    good = label == "normal"
    if rng.random() < 0.14:
        good = not good
    return rng.choice(GOOD_LEVELS if good else BAD_LEVELS)


def syslog(rng, label, text):
    month = rng.choice(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    )
    head = f"{month} {rng.randint(1, 28):2d} {words.clock(rng)} " if rng.random() < 0.6 else ""
    head = f"<{rng.randint(8, 190)}>{head}" if rng.random() < 0.15 else head
    pid = f"[{rng.randint(100, 9999)}]" if rng.random() < 0.4 else ""
    lvl = level(rng, label) + rng.choice([": ", " "]) if rng.random() < 0.3 else ""
    return f"{head}{words.host(rng)} {rng.choice(DAEMONS)}{pid}: {lvl}{text}"


def log(rng, label, text):
    lvl = level(rng, label)
    forms = [
        f"[{lvl}] {text}",
        f"{lvl}: {text}",
        f"{lvl} {text}",
        f"{words.clock(rng)} {lvl} {text}",
        f"{words.date(rng)} {words.clock(rng)} [{lvl}] {text}",
        f"{lvl} [{rng.choice(DAEMONS)}] {text}",
        f"{words.date(rng)}T{words.clock(rng)}Z {lvl} {words.tag(rng)} {text}",
        f"{lvl}|{words.tag(rng)}|{text}",
    ]
    return rng.choice(forms)


def plc(rng, label, text):
    code = words.fault_code(rng)
    tag = words.tag(rng)
    body = text.upper() if rng.random() < 0.6 else text
    forms = [
        f"{tag} {body}",
        f"{code} {body}",
        f"{tag} {code}: {body}",
        f"{code} - {body}",
        f"ALM {rng.randint(1, 999)} {tag} {body}",
        f"{words.date(rng)} {words.clock(rng)} {tag} {body}",
        f"{tag}.{rng.choice(['ALM', 'FLT', 'STS', 'HH', 'WRN'])} {body}",
        f"{body} [{tag}]",
        f"{body} ({code})",
        f"*** {body} ***",
        f"{tag} | {body}",
        f"{rng.choice(words.PLACES)} {body}",
    ]
    if label == "normal" and rng.random() < 0.5:
        return rng.choice([f"{tag} {body}", f"{body} [{tag}]", f"{tag}: {body}"])
    return rng.choice(forms)


def note(rng, label, text):
    head = rng.choice(NOTE_HEADS) if rng.random() < 0.6 else ""
    place = (
        f" {rng.choice(['at', 'in', '@', '-', ''])} {rng.choice(words.PLACES)}"
        if rng.random() < 0.25
        else ""
    )
    tail = rng.choice(TAILS) if label != "normal" else ""
    tail = tail.replace("{act}", rng.choice(words.COMMON["act"])).replace(
        "{ago}", rng.choice(words.COMMON["ago"])
    )
    return head + text + place + tail


def fields(rng, label, text):
    tag, lvl = words.tag(rng), level(rng, label)
    forms = [
        f'asset={tag} level={lvl} msg="{text}"',
        f"{tag};{words.clock(rng)};{text}",
        f"{words.date(rng)},{tag},{text}",
        json.dumps({"asset": tag, "msg": text}),
        json.dumps({"ts": rng.randint(1600000000, 1799999999), "sev": lvl, "text": text}),
        f"src={tag} event={text.replace(' ', '_')}",
        f"time={words.clock(rng)} tag={tag} alarm={text}",
        json.dumps({"dev": words.host(rng), "event": text}, separators=(",", ":")),
        f"{tag}: {text}",
        f"{tag} - {text}",
        f"msg={text}",
        f"{lvl},{words.host(rng)},{text}",
        f"site/{rng.choice(words.PLACES).replace(' ', '')}/{tag} {text}",
    ]
    return rng.choice(forms)


def bare(rng, label, text):
    return text


def tagged(rng, label, text):
    return words.tag(rng) + rng.choice([" ", ": ", " - ", " "]) + text


VOICES = [(bare, 34), (note, 24), (tagged, 10), (plc, 12), (log, 9), (syslog, 6), (fields, 7)]


def wrap(rng, label, text):
    voice = rng.choices([v for v, _ in VOICES], [w for _, w in VOICES])[0]
    return voice(rng, label, text)
