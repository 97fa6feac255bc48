"""hear.py - what a recording sounds like: its level at a frequency (Goertzel), and when it is
there. Samples are 16-bit, one channel."""

import array
import math
import sys

BLOCK_MS = 10


def samples_of(data):
    """From little-endian bytes."""
    samples = array.array("h", data[: len(data) // 2 * 2])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def amplitude(samples, hertz, rate):
    """Of the part of the samples that has this frequency, 0 to 32767."""
    if not samples:
        return 0.0
    turn = 2 * math.cos(2 * math.pi * hertz / rate)
    last = before = 0.0
    for sample in samples:
        last, before = sample + turn * last - before, last
    power = last * last + before * before - turn * last * before
    return 2 * math.sqrt(max(power, 0)) / len(samples)


def pitch(samples, rate, candidates):
    """The loudest of some frequencies."""
    return max(candidates, key=lambda hertz: amplitude(samples, hertz, rate))


def pulses(samples, rate, floor=1000):
    """[(start, length)] in ms of what is louder than the floor (peak of a block)."""
    step, found, start = rate * BLOCK_MS // 1000, [], None
    for at in range(0, len(samples) + step, step):
        block = samples[at : at + step]
        loud = bool(block) and max(max(block), -min(block)) > floor
        if loud and start is None:
            start = at
        elif not loud and start is not None:
            found.append((1000 * start // rate, 1000 * (at - start) // rate))
            start = None
    return found
