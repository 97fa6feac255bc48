#!/usr/bin/env python3
"""Writes gguf-blocks.bin: random blocks of every tensor type that the packer reads, and what the
`gguf` package (PyPI, MIT; 0.19.0 used) makes of them. Run by hand: pip install gguf.

For each type: u32 type, u32 weights, u32 bytes, then bytes and float32 weights, little-endian.
"""
import pathlib
import struct
import numpy as np
import gguf

TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8,
         "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "BF16": 30}
HALVES = {2: [0], 3: [0, 2], 6: [0], 7: [0, 2], 8: [0], 12: [0, 2], 13: [0, 2], 14: [208]}
BLOCKS = 3


def main():
    random = np.random.default_rng(20)
    out = bytearray()
    for number in TYPES.values():
        kind = gguf.GGMLQuantizationType(number)
        weights, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = BLOCKS if weights > 1 else 64
        data = random.integers(0, 256, (blocks, size), dtype=np.uint8)
        for at in HALVES.get(number, []):  # scales of sensible size, both signs, one subnormal
            half = random.normal(0, 0.05, blocks).astype(np.float16)
            half[-1] = np.float16(3e-6)
            data[:, at:at + 2] = half.view(np.uint8).reshape(blocks, 2)
        if weights == 1:
            values = random.normal(0, 2, blocks).astype(np.float32)
            values[:2] = [0.0, -1e-6]
            if number == 0:
                data = values.view(np.uint8).reshape(blocks, 4)
            elif number == 1:
                data = values.astype(np.float16).view(np.uint8).reshape(blocks, 2)
            else:
                data = (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
                data = data.reshape(blocks, 2)
        floats = gguf.quants.dequantize(np.ascontiguousarray(data).reshape(1, -1), kind)
        floats = np.asarray(floats, dtype="<f4").reshape(-1)
        assert np.isfinite(floats).all() and floats.size == blocks * weights
        out += struct.pack("<III", number, floats.size, data.size) + data.tobytes()
        out += floats.tobytes()
    pathlib.Path(__file__).with_name("gguf-blocks.bin").write_bytes(out)


main()
