#!/usr/bin/env python3
"""Lines that the daemon makes itself: of sensors (files as fakes of /sys) and of a microphone
(ALSA's file plugin). What vanishes is told once, and is read again when it is back.

usage: senses.py
"""

import array
import math
import os
import sys
import time

import client
import stage

RATE = 16000
ASOUNDRC = """pcm_type.null {{ }}
pcm_type.file {{ }}
pcm.mic {{ type file  slave.pcm {{ type null }}  file /dev/null  infile {file}  format raw }}
"""


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(text)
    os.rename(path + ".new", path)


def tone(hertz, ms, loud=8000):
    return [int(loud * math.sin(2 * math.pi * hertz * n / RATE)) for n in range(RATE * ms // 1000)]


def alarm():
    """Three times the pattern of a smoke alarm."""
    samples = array.array("h", tone(300, 1000, 400))
    for pulse in range(9):
        samples.extend(tone(3100, 500))
        samples.extend([0] * (RATE * (1500 if pulse % 3 == 2 else 500) // 1000))
    return samples


def sensors(real, collector):
    d = stage.Daemon("sensors", f"mqtt://127.0.0.1:{real.port}")
    chip = d.path("sys/hwmon")
    write(chip + "0/temp1_input", "23125\n")
    write(d.path("sys/iio/in_voltage0_raw"), "2048\n")
    d.config["inputs"] += [
        {
            "source": "sensor",
            "id": "hall",
            "path": chip + "*/temp1_input",
            "every_s": 1,
            "scale": 0.001,
            "change": 0.5,
            "max": 60,
            "template": "hall temp {value} C {state}",
        },
        {
            "source": "sensor",
            "id": "volt",
            "path": d.path("sys/iio/in_voltage0_raw"),
            "every_s": 1,
            "offset": -48,
            "scale": 0.001,
            "change": 1,
            "template": "mains {value} V",
        },
        {
            "source": "sensor",
            "id": "gone",
            "path": d.path("sys/w1/28-*/temperature"),
            "every_s": 1,
            "template": "pipe temp {value} C",
        },
    ]
    d.config["storage"]["journal_mb"] = 1  # the least there is
    d.start().wait_ready()

    def came(src, text, seconds=10):
        digest = d.hash_of(text)
        return stage.until(
            lambda: any(
                one["src"] == src and one["in"] == digest
                for one in list(collector.record["sensors"].values())
            ),
            seconds,
        )

    def lines(src):
        return len([one for one in list(collector.record["sensors"].values()) if one["src"] == src])

    stage.ok(
        "a first value is a line",
        came("hall", "hall temp 23.12 C ok") or came("hall", "hall temp 23.13 C ok"),
        d.log(),
    )
    stage.ok("with offset and scale", came("volt", "mains 2 V"), d.log())
    stage.ok(
        "what is not there is told once",
        stage.until(
            lambda: "sensor gone" in d.log() and "no such file; trying again" in d.log(), 5
        ),
        d.log(),
    )
    stage.ok("and counted", d.status()["sensors"] == {"all": 3, "missing": 1}, d.status())
    write(chip + "0/temp1_input", "23400\n")
    time.sleep(2.5)
    stage.ok("a small change is none", lines("hall") == 1, lines("hall"))
    write(chip + "0/temp1_input", "60100\n")
    stage.ok("a limit is news", came("hall", "hall temp 60.1 C high"), d.log())
    os.remove(chip + "0/temp1_input")
    stage.ok(
        "a file that vanishes is told", stage.until(lambda: "sensor hall" in d.log(), 5), d.log()
    )
    time.sleep(2.2)
    stage.ok("once", d.log().count("sensor hall") == 1, d.log())
    write(chip + "3/temp1_input", "garbage\n")
    time.sleep(1.5)
    write(chip + "3/temp1_input", "21000\n")
    stage.ok(
        "back under another number it is read again",
        came("hall", "hall temp 21 C ok") and "sensor hall: there" in d.log(),
        d.log(),
    )
    write(d.path("sys/w1/28-00/temperature"), "4500\n")
    stage.ok("one that comes late, too", came("gone", "pipe temp 4500 C"), d.log())
    stage.ok("others are read all the while", d.status()["sensors"]["missing"] == 0, d.status())
    stage.ok("and it leaves", d.stop() == 0, d.log())


def microphone(real, collector):
    d = stage.Daemon("mic", f"mqtt://127.0.0.1:{real.port}")
    with open(d.path("in.raw"), "wb") as file:
        alarm().tofile(file)
    write(d.path("asoundrc"), ASOUNDRC.format(file=d.path("in.raw")))
    d.environment["ALSA_CONFIG_PATH"] = d.path("asoundrc")
    d.config["inputs"] += [{"source": "sound", "device": "mic", "every_s": 1, "change": 60}]
    d.start().wait_ready()

    def came(text):
        digest = d.hash_of(text)
        return stage.until(
            lambda: any(
                one["src"] == "sound" and one["in"] == digest
                for one in list(collector.record["mic"].values())
            ),
            15,
        )

    stage.ok("what a microphone hears is lines: its level", came("sound level -38 dB"), d.log())
    stage.ok("a smoke alarm", came("smoke alarm heard"), d.log())
    stage.ok("health knows of it", d.status()["microphone"]["state"] == "ok", d.status())
    stage.ok("and it leaves", d.stop() == 0, d.log())

    d = stage.Daemon("deaf", f"mqtt://127.0.0.1:{real.port}")
    write(d.path("asoundrc"), ASOUNDRC.format(file="/dev/null"))
    d.environment["ALSA_CONFIG_PATH"] = d.path("asoundrc")
    d.config["inputs"] += [{"source": "sound", "device": "nocard"}]
    d.start().wait_ready()
    stage.ok(
        "a microphone that is not there is told",
        stage.until(lambda: "device nocard: is not there; trying again" in d.log(), 5),
        d.log(),
    )
    stage.until(lambda: d.feed("a line"), 10)
    stage.ok("and stops nobody", stage.until(lambda: d.status()["records"]["made"] >= 1, 10))
    stage.ok("health says so", d.status()["microphone"]["state"] == "away", d.status())
    d.stop()


def main():
    stage.limit(120)
    real = stage.Mosquitto()
    collector = client.Collector(real.port).wait_ready()
    sensors(real, collector)
    microphone(real, collector)
    collector.close()
    return stage.done()


sys.exit(main())
