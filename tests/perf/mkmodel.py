#!/usr/bin/env python3
"""Writes a GGUF with the dimensions of a published small model and random weights.

usage: mkmodel.py [--holes] [--layers N] [--vocab N] [--q4_0] NAME OUT.gguf
                                                                NAME: a row of MODELS below

Speed, memory and load time depend on dimensions, types and vocabulary, not on what the weights say,
so a random model measures as the real one does and no download is needed. Matrices are F16, drawn
from a fixed seed; the vocabulary is made of random words, as many and as long as the real ones.
With --holes the file has no weights, only their place: enough for `inspect`. --layers and --vocab
take fewer of them than the real model has; --q4_0 draws matrices of layers as Q4_0 blocks, which
packing keeps as they are.
Needs only Python's own library.
"""
import argparse
import random
import struct
import sys

#                arch      layers width heads head_dim kv  ffn   vocab   merges  pre-tokenizer
MODELS = {
    "smollm2-135m": ("llama", 30, 576, 9, 64, 3, 1536, 49152, 48900, "smollm"),
    "smollm2-360m": ("llama", 32, 960, 15, 64, 5, 2560, 49152, 48900, "smollm"),
    "qwen2.5-0.5b": ("qwen2", 24, 896, 14, 64, 2, 4864, 151936, 151387, "qwen2"),
    "qwen3-0.6b": ("qwen3", 28, 1024, 16, 128, 8, 3072, 151936, 151387, "qwen2"),
    "gemma3-270m": ("gemma3", 18, 640, 4, 256, 1, 2048, 262144, 0, None),
    "minilm-l6": ("bert", 6, 384, 12, 32, 12, 1536, 30522, 0, None),
}
CONTEXT = {"llama": 8192, "bert": 512}
F32, F16, Q4_0 = 0, 1, 2
ALIGN = 32


# ---- keys ---------------------------------------------------------------------------------------

def text(s):
    b = s.encode("utf-8")
    return struct.pack("<Q", len(b)) + b


def value(v):
    """(type number, bytes) of a key's value; lists hold strings, floats or (as int32) integers."""
    if isinstance(v, int):
        return 4, struct.pack("<I", v)
    if isinstance(v, float):
        return 6, struct.pack("<f", v)
    if isinstance(v, str):
        return 8, text(v)
    if isinstance(v[0], str):
        return 9, struct.pack("<IQ", 8, len(v)) + b"".join(map(text, v))
    code, form = (6, "f") if isinstance(v[0], float) else (5, "i")
    return 9, struct.pack("<IQ", code, len(v)) + struct.pack(f"<{len(v)}{form}", *v)


def byte_alphabet():
    """The 256 printable characters that byte-level BPE writes bytes as."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in plain]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(len(rest))]


def words(rng, count, taken, space):
    out, seen = [], set(taken)
    while len(out) < count:
        word = "".join(chr(97 + rng.randrange(26)) for _ in range(rng.randrange(4, 10)))
        word = space + word if rng.random() < 0.5 else word
        if word not in seen:
            seen.add(word)
            out.append(word)
    return out


def bpe_keys(rng, vocab, merges, pre):
    tokens = byte_alphabet()
    tokens += words(rng, vocab - len(tokens), tokens, "\u0120")
    pairs = {}
    while len(pairs) < merges:
        pairs[tokens[rng.randrange(vocab)] + " " + tokens[rng.randrange(vocab)]] = None
    return {"tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": pre,
            "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [1] * vocab,
            "tokenizer.ggml.merges": list(pairs)}


def spm_keys(rng, vocab):
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>"] + [f"<0x{b:02X}>" for b in range(256)]
    kinds = [3, 3, 3, 2] + [6] * 256 + [1] * (vocab - 260)
    tokens += words(rng, vocab - len(tokens), tokens, "\u2581")
    return {"tokenizer.ggml.model": "llama", "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.scores": [-float(i) for i in range(vocab)],
            "tokenizer.ggml.token_type": kinds}


def wordpiece_keys(rng, vocab):
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokens += words(rng, vocab - len(tokens), tokens, "\u2581")
    return {"tokenizer.ggml.model": "bert", "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": [3] * 5 + [1] * (vocab - 5),
            "tokenizer.ggml.unknown_token_id": 1, "bert.pooling_type": 1,
            "bert.attention.layer_norm_epsilon": 1e-12}


def model_keys(name, model):
    arch, layers, width, heads, head_dim, kv, ffn, vocab, merges, pre = model
    rng = random.Random(1)
    keys = {"general.architecture": arch, "general.name": name + " (random weights)",
            "general.file_type": 1, f"{arch}.block_count": layers,
            f"{arch}.context_length": CONTEXT.get(arch, 32768),
            f"{arch}.embedding_length": width, f"{arch}.feed_forward_length": ffn,
            f"{arch}.attention.head_count": heads, f"{arch}.attention.head_count_kv": kv,
            f"{arch}.attention.key_length": head_dim, f"{arch}.attention.value_length": head_dim,
            f"{arch}.attention.layer_norm_rms_epsilon": 1e-5 if arch == "llama" else 1e-6,
            f"{arch}.rope.freq_base": 1e5 if arch == "llama" else 1e6,
            f"{arch}.vocab_size": vocab}
    if arch == "llama":
        keys["llama.rope.dimension_count"] = head_dim
    if arch == "gemma3":
        keys["gemma3.attention.sliding_window"] = 512
    if arch == "bert":
        keys.update(wordpiece_keys(rng, vocab))
        keys.update({"tokenizer.ggml.bos_token_id": 2, "tokenizer.ggml.eos_token_id": 3})
        return keys
    keys.update(bpe_keys(rng, vocab, merges, pre) if pre else spm_keys(rng, vocab))
    keys.update({"tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2})
    return keys


# ---- tensors ------------------------------------------------------------------------------------

def bert_shapes(layers, width, ffn, vocab):
    yield "token_embd.weight", vocab, width, None
    yield "position_embd.weight", CONTEXT["bert"], width, None
    yield "token_types.weight", 2, width, None
    yield from norm("token_embd_norm", width)
    for i in range(layers):
        for part, rows, cols in (("attn_q", width, width), ("attn_k", width, width),
                                 ("attn_v", width, width), ("attn_output", width, width),
                                 ("ffn_up", ffn, width), ("ffn_down", width, ffn)):
            yield f"blk.{i}.{part}.weight", rows, cols, None
            yield f"blk.{i}.{part}.bias", 0, rows, 0.01
        yield from norm(f"blk.{i}.attn_output_norm", width)
        yield from norm(f"blk.{i}.layer_output_norm", width)


def norm(name, width):
    yield name + ".weight", 0, width, 1.0
    yield name + ".bias", 0, width, 0.01


def shapes(model):
    """(name, rows or 0 for a vector, columns, value of a vector) in file order."""
    arch, layers, width, heads, head_dim, kv, ffn, vocab, _, _ = model
    if arch == "bert":
        yield from bert_shapes(layers, width, ffn, vocab)
        return
    q_width, kv_width = heads * head_dim, kv * head_dim
    yield "token_embd.weight", vocab, width, None
    yield "output_norm.weight", 0, width, 1.0
    for i in range(layers):
        p = f"blk.{i}."
        yield p + "attn_norm.weight", 0, width, 1.0
        yield p + "ffn_norm.weight", 0, width, 1.0
        yield p + "attn_q.weight", q_width, width, None
        yield p + "attn_k.weight", kv_width, width, None
        yield p + "attn_v.weight", kv_width, width, None
        yield p + "attn_output.weight", width, q_width, None
        if arch == "qwen2":
            yield p + "attn_q.bias", 0, q_width, 0.01
            yield p + "attn_k.bias", 0, kv_width, 0.01
            yield p + "attn_v.bias", 0, kv_width, 0.01
        if arch in ("qwen3", "gemma3"):
            yield p + "attn_q_norm.weight", 0, head_dim, 1.0
            yield p + "attn_k_norm.weight", 0, head_dim, 1.0
        if arch == "gemma3":
            yield p + "post_attention_norm.weight", 0, width, 1.0
            yield p + "post_ffw_norm.weight", 0, width, 1.0
        yield p + "ffn_gate.weight", ffn, width, None
        yield p + "ffn_up.weight", ffn, width, None
        yield p + "ffn_down.weight", width, ffn, None


def high_bytes(rng, cols):
    """A table from a random byte to the upper byte of an F16: sign, exponent, two mantissa bits.
    Exponents fall off as those of a bell curve of deviation 1 / sqrt(cols) do."""
    top = 15 - (cols.bit_length() - 1) // 2
    steps = [1] * 12 + [0] * 28 + [-1] * 12 + [-2] * 6 + [-3] * 6
    return bytes((rng.getrandbits(1) << 7) | ((top + steps[i % 64]) << 2) | rng.getrandbits(2)
                 for i in range(256))


def matrix(rng, rows, cols):
    count = rows * cols
    out = bytearray(2 * count)
    out[0::2] = rng.randbytes(count)
    out[1::2] = rng.randbytes(count).translate(high_bytes(rng, cols))
    return bytes(out)


def blocks(rng, rows, cols):
    """Q4_0: of each 32 columns a scale in F16, which is positive and never far from 1 / 64, and
    nibbles."""
    count = rows * cols // 32
    out = bytearray(rng.randbytes(18 * count))
    out[1::18] = rng.randbytes(count).translate(bytes(0x20 + (i & 7) for i in range(256)))
    return bytes(out)


def padded(size):
    return -(-size // ALIGN) * ALIGN


def smaller(model, layers, vocab):
    """The same with so many layers and tokens, at most."""
    arch, all_layers, *sizes, all_vocab, merges, pre = model
    return (arch, min(layers or all_layers, all_layers), *sizes, min(vocab or all_vocab, all_vocab),
            min(merges, vocab) if vocab else merges, pre)


def write(name, path, holes=False, layers=0, vocab=0, q4_0=False):
    """layers, vocab: 0 for the real ones."""
    model = smaller(MODELS[name], layers, vocab)
    keys, tensors = model_keys(name, model), list(shapes(model))
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(keys))
    for key, v in keys.items():
        code, body = value(v)
        head += text(key) + struct.pack("<I", code) + body
    offset = 0

    def type_of(title, rows):
        return F32 if not rows else Q4_0 if q4_0 and title.startswith("blk.") else F16

    for title, rows, cols, _ in tensors:
        dims = [cols, rows] if rows else [cols]
        head += text(title) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
        kind = type_of(title, rows)
        head += struct.pack("<IQ", kind, offset)
        offset += padded({F32: 4 * cols, F16: 2 * rows * cols, Q4_0: rows * cols // 32 * 18}[kind])
    rng = random.Random(2)
    with open(path, "wb") as file:
        file.write(head + bytes(padded(len(head)) - len(head)))
        if holes:
            file.truncate(padded(len(head)) + offset)
            return
        for title, rows, cols, v in tensors:
            draw = {F16: matrix, Q4_0: blocks}.get(type_of(title, rows))
            data = draw(rng, rows, cols) if draw else struct.pack("<f", v) * cols
            file.write(data + bytes(padded(len(data)) - len(data)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--holes", action="store_true")
    parser.add_argument("--layers", type=int, default=0)
    parser.add_argument("--vocab", type=int, default=0)
    parser.add_argument("--q4_0", action="store_true")
    parser.add_argument("name", choices=MODELS)
    parser.add_argument("out")
    args = parser.parse_args()
    write(args.name, args.out, args.holes, args.layers, args.vocab, args.q4_0)


if __name__ == "__main__":
    main()
