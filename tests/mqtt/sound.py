#!/usr/bin/env python3
"""The loudspeaker, through ALSA's own plugins instead of a card: what labels play is in a file.
A card that is missing, unplugged or stuck stops nobody.

usage: sound.py
"""

import math
import os
import struct
import sys

import hear
import stage

RATE = 48000
JOB = """{"version": 1, "job": "sounds", "ver": 1, "tasks": [{"task": "t",
 "labels": [
  {"name": "high", "cost_miss": 5, "action": "tone:880Hz,100ms/50ms,3x"},
  {"name": "long", "cost_miss": 5, "action": "tone:440Hz,60s"},
  {"name": "speak", "cost_miss": 5, "action": "clip:evacuate,2x"},
  {"name": "mute", "cost_miss": 5, "action": "clip:nowhere"},
  {"name": "gong", "cost_miss": 5, "action": "tone:880Hz,100ms/50ms,3x; clip:evacuate,2x"},
  {"name": "last", "cost_miss": 5,
   "action": "clip:nowhere; clip:evacuate; tone:880Hz,100ms/50ms,3x"}],
 "stages": [{"id": "rules", "type": "rules", "rules": [
  {"id": "a", "if": "text ~ /high/", "label": "high", "p": 0.99},
  {"id": "b", "if": "text ~ /long/", "label": "long", "p": 0.99},
  {"id": "c", "if": "text ~ /speak/", "label": "speak", "p": 0.99},
  {"id": "d", "if": "text ~ /mute/", "label": "mute", "p": 0.99},
  {"id": "e", "if": "text ~ /gong/", "label": "gong", "p": 0.99},
  {"id": "f", "if": "text ~ /last/", "label": "last", "p": 0.99}]}]}]}"""
# A file takes samples as fast as they come, so the tests need not wait for them.
ASOUNDRC = """pcm_type.null {{ }}
pcm_type.file {{ }}
pcm.speaker {{ type file  slave.pcm {{ type null }}  file {file}  format raw }}
"""


def wav(path, rate, channels, samples, bits=16):
    data = b"".join(struct.pack("<h", one) * channels for one in samples)
    width = channels * bits // 8
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * width, width, bits)
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # an odd chunk, to be passed over
    body = b"WAVE" + head + extra + b"data" + struct.pack("<I", len(data)) + data
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", len(body)) + body)


def sine(hertz, rate, ms, loud=20000):
    return [int(loud * math.sin(2 * math.pi * hertz * n / rate)) for n in range(rate * ms // 1000)]


class Speaker(stage.Daemon):
    """A daemon whose loudspeaker is the file `out`."""

    def __init__(self, dev, device="speaker"):
        super().__init__(dev, f"mqtt://127.0.0.1:{stage.port_free()}")
        os.mkdir(self.path("clips"))
        self.out = self.path("out.raw")
        with open(self.path("asoundrc"), "w", encoding="ascii") as file:
            file.write(ASOUNDRC.format(file=self.out))
        with open(self.path("job.json"), "w", encoding="ascii") as file:
            file.write(JOB)
        self.config["job"] = self.path("job.json")
        self.config["outputs"] = {
            "sound": {"device": device, "volume": 0.5, "clips": self.path("clips")}
        }
        self.environment["ALSA_CONFIG_PATH"] = self.path("asoundrc")

    def say(self, text):
        return stage.until(lambda: self.feed(text), 10)

    def sound(self):
        return self.status()["sound"]

    def played(self, count=1, seconds=20):
        return stage.until(lambda: self.sound()["played"] >= count, seconds)

    def heard(self):
        with open(self.out, "rb") as file:
            return hear.samples_of(file.read())

    def answers(self):
        return self.status()["records"]["made"]


def tone():
    d = Speaker("tone").start().wait_ready()
    d.say("a high one")
    stage.ok("a label plays a tone", d.played(), d.log())
    samples = d.heard()
    loud = hear.pulses(samples, RATE)
    stage.ok(
        "three pulses of 100 ms, 50 ms apart",
        len(loud) == 3
        and all(90 <= length <= 110 for _, length in loud)
        and all(140 <= b[0] - a[0] <= 160 for a, b in zip(loud, loud[1:])),
        loud,
    )
    first = samples[: RATE // 10]
    stage.ok("at 880 Hz", hear.pitch(first, RATE, range(860, 905, 5)) == 880)
    level = hear.amplitude(first[480:-480], 880, RATE)
    stage.ok("at half the volume", abs(level / 16383 - 1) < 0.03, level)
    stage.ok("and leaves", d.stop() == 0, d.log())


def clip():
    d = Speaker("clip")
    wav(os.path.join(d.path("clips"), "evacuate.wav"), 16000, 2, sine(1000, 16000, 300))
    with open(os.path.join(d.path("clips"), "nowhere.wav"), "wb") as file:
        file.write(b"RIFF\xff\xff\xff\xffWAVEdata\xff\xff\xff\xff")
    d.start().wait_ready()
    d.say("speak")
    stage.ok("a label plays a recording", d.played(), d.log())
    samples = d.heard()
    end = max(at for at, one in enumerate(samples) if one)
    stage.ok("twice, at its own rate", abs(end - 2 * 4800) < 100, end)
    level = hear.amplitude(samples[1600:3200], 1000, 16000)
    stage.ok("as it was recorded, at half the volume", abs(level / 10000 - 1) < 0.03, level)
    d.say("mute")
    stage.ok(
        "one that is no recording is told",
        stage.until(lambda: "nowhere.wav: at byte 12: samples before" in d.log(), 10),
        d.log(),
    )
    d.say("a high one")
    stage.ok("and the next one plays", d.played(2), d.log())
    d.say("gong")  # the file begins anew with each sound
    stage.ok(
        "a tone, and after it a recording",
        d.played(4) and hear.amplitude(d.heard()[1600:3200], 1000, 16000) > 9000,
        d.log(),
    )
    d.say("last")
    stage.ok(
        "one that is not there holds up none of the others",
        d.played(6) and len(hear.pulses(d.heard(), RATE)) == 3 and d.sound()["dropped"] == 2,
        d.sound(),
    )
    d.stop()


def missing():
    d = Speaker("missing", "nocard").start().wait_ready()
    stage.ok(
        "a missing card is told at the start",
        stage.until(lambda: "device nocard: is not there; trying again" in d.log(), 10),
        d.log(),
    )
    d.say("a high one")
    d.say("nothing in particular")
    stage.ok("and stops nobody", stage.until(lambda: d.answers() >= 2, 10), d.status())
    stage.ok("health says so", d.sound()["state"] == "away", d.sound())
    stage.ok("and it leaves at once", d.stop(5) == 0, d.log())


def unplugged():
    """A card that goes while it plays: every write fails, until the file is one again."""
    d = Speaker("unplugged")
    os.symlink("/dev/full", d.out)
    d.start().wait_ready()
    d.say("a high one")
    stage.ok(
        "a card that goes is told",
        stage.until(lambda: "trying again" in d.log() and d.sound()["lost"] >= 1, 10),
        d.log(),
    )
    stage.ok("once", d.log().count("trying again") == 1, d.log())
    d.say("a line")
    stage.ok("others are answered meanwhile", stage.until(lambda: d.answers() >= 2, 10))
    os.symlink(d.path("back.raw"), d.out + ".new")
    os.rename(d.out + ".new", d.out)
    stage.ok(
        "when it is back the sound is heard",
        d.played(1, 20) and len(hear.pulses(d.heard(), RATE)) == 3,
        d.log(),
    )
    stage.ok("and told", "device speaker: there" in d.log(), d.log())
    d.stop()


def main():
    stage.limit(120)
    tone()
    clip()
    missing()
    unplugged()
    return stage.done()


sys.exit(main())
