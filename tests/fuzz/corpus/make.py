#!/usr/bin/env python3
"""Writes the vocabulary-only GGUF seeds in gguf/ (one per pre-tokenizer, and one SentencePiece) and
the vocabularies in tok/ (laid out as fuzz_tok.c says), and adapters in adapter/ (as fuzz_adapter.c
says)."""

import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


def string(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, item):
    if kind == STRING:
        return string(item)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], item)


def array(kind, items):
    return struct.pack("<IQ", kind, len(items)) + b"".join(value(kind, item) for item in items)


def write(name, keys):
    with open(os.path.join(HERE, "gguf", name), "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)))
        for key, (kind, data) in keys.items():
            file.write(string(key) + struct.pack("<I", kind) + data)


def byte_alphabet():
    """The printable characters that stand for the 256 bytes in byte-level BPE."""
    plain = set(range(33, 127)) | set(range(161, 173)) | set(range(174, 256))
    spare, out = 256, []
    for byte in range(256):
        out.append(chr(byte) if byte in plain else chr(spare))
        spare += byte not in plain
    return out


def bpe(pre):
    tokens = byte_alphabet() + ["te", "mp", "temp", "\u0120temp", "<|end|>"]
    end = len(tokens) - 1
    return {
        "general.architecture": (STRING, string("llama")),
        "tokenizer.ggml.model": (STRING, string("gpt2")),
        "tokenizer.ggml.pre": (STRING, string(pre)),
        "tokenizer.ggml.tokens": (ARRAY, array(STRING, tokens)),
        "tokenizer.ggml.token_type": (ARRAY, array(I32, [1] * end + [3])),
        "tokenizer.ggml.merges": (ARRAY, array(STRING, ["t e", "m p", "te mp", "\u0120 temp"])),
        "tokenizer.ggml.bos_token_id": (U32, value(U32, end)),
        "tokenizer.ggml.eos_token_id": (U32, value(U32, end)),
        "tokenizer.ggml.add_bos_token": (BOOL, value(BOOL, True)),
    }


def spm():
    tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    types = [2, 3, 3] + [6] * 256
    words = ["\u2581", "t", "e", "m", "p", "te", "mp", "temp", "\u2581temp", "\u00b0", "\u00b0C"]
    scores = [0.0] * len(tokens) + [-float(i) for i in range(len(words))]
    return {
        "general.architecture": (STRING, string("llama")),
        "tokenizer.ggml.model": (STRING, string("llama")),
        "tokenizer.ggml.tokens": (ARRAY, array(STRING, tokens + words)),
        "tokenizer.ggml.scores": (ARRAY, array(F32, scores)),
        "tokenizer.ggml.token_type": (ARRAY, array(I32, types + [1] * len(words))),
        "tokenizer.ggml.bos_token_id": (U32, value(U32, 1)),
        "tokenizer.ggml.eos_token_id": (U32, value(U32, 2)),
        "tokenizer.ggml.unknown_token_id": (U32, value(U32, 0)),
        "tokenizer.ggml.add_space_prefix": (BOOL, value(BOOL, True)),
    }


for pretokenizer in ("gpt-2", "smollm", "qwen2", "llama-bpe", "falcon"):
    write(f"bpe-{pretokenizer}.gguf", bpe(pretokenizer))
write("spm.gguf", spm())


def tok(name, head, tokens, merges, text):
    """tokens: (type, score, text)."""
    lines = ["%d%c%s" % (kind, score, word) for kind, score, word in tokens]
    parts = [bytes(head).decode("latin-1"), "\n".join(lines), "\n".join(merges), text]
    with open(os.path.join(HERE, "tok", name), "wb") as file:
        file.write("\0".join(parts).encode())


for number, pretokenizer in enumerate(("gpt-2", "smollm", "qwen2", "llama-bpe", "falcon")):
    letters = [(1, 65, letter) for letter in "temprisng815.C\u0120"]
    joined = [(1, 65, word) for word in ("te", "mp", "temp", "\u0120temp")]
    tok(
        "bpe-" + pretokenizer,
        (3, 5 + number, 1, 29),
        [(3, 65, "<|end|>"), *letters, *joined],
        ["t e", "m p", "te mp", "\u0120 temp", "8 1"],
        "temp 81.5 temp's rising <|end|>\n",
    )
SPM = [(2, 65, "<unk>"), (3, 65, "<s>"), (3, 65, "</s>"), (6, 65, "<0x0A>"), (6, 65, "<0xC2>")]
WORDS = [
    (1, 66 + i, w) for i, w in enumerate(("\u2581", *"temp", "te", "mp", "temp", "\u2581temp"))
]
tok("spm", (1, 1, 37, 15), SPM + WORDS, [], "temp temp \u00b0\n</s>")
PIECES = ["\u2581temp", "\u2581rising", "ing", "\u2581ris", "\u25818", "1", "\u2581,", "\u2581e"]
BERT = [(2, 65, "[UNK]"), (3, 65, "[CLS]"), (3, 65, "[SEP]")]
tok(
    "wordpiece",
    (2, 1, 65, 13),
    BERT + [(1, 65, p) for p in PIECES],
    [],
    "Temp rising, 81 \u00c9 [SEP]",
)


def peft(name, model):
    """A PEFT folder of the golden adapters in one file, as fuzz_adapter.c takes it."""
    folder = os.path.join(HERE, "../../../models/golden/adapters", name)
    with open(os.path.join(folder, "adapter_config.json"), "rb") as file:
        config = file.read()
    with open(os.path.join(folder, "adapter_model.safetensors"), "rb") as file:
        tensors = file.read()
    os.makedirs(os.path.join(HERE, "adapter"), exist_ok=True)
    with open(os.path.join(HERE, "adapter", name), "wb") as file:
        file.write(struct.pack("<BI", model, len(config)) + config + tensors)


peft("causal-peft", 0)
peft("bert", 1)


GOLDEN = os.path.join(HERE, "..", "..", "..", "models", "golden")


def checkpoint(name, others=()):
    """The JSON files of a golden folder in the order of fuzz_hf.c, NUL between."""
    parts = []
    for file in ("config.json", "tokenizer.json"):
        with open(os.path.join(GOLDEN, name, file), "rb") as f:
            parts.append(f.read())
    with open(os.path.join(HERE, "hf", name), "wb") as f:
        f.write(b"\0".join(parts + [other.encode() for other in others]))


MODULES = '[{"path": "", "type": "st.Transformer"}, {"path": "1_Pooling", "type": "st.Pooling"}]'
INDEX = '{"weight_map": {"model.norm.weight": "model.safetensors"}}'
NAMES = '{"eos_token": "<eos>", "bos_token": {"content": "<bos>"}}'
checkpoint("hf-llama")
checkpoint("hf-gemma", [NAMES, "", "", "", INDEX])
checkpoint("hf-bert", ["", MODULES, '{"pooling_mode_mean_tokens": true}'])
checkpoint("hf-modern-bert")
with open(os.path.join(HERE, "hf", "vocab"), "wb") as seed:
    seed.write(b'\0\0{"do_lower_case": false}\0\0\0[PAD]\n[UNK]\n[CLS]\n[SEP]\ntemp\n##s\n8\n')
HEADER = (
    '{"__metadata__":{"format":"pt"},"e.position_ids":{"dtype":"I64","shape":[1,2],'
    '"data_offsets":[12,28]},"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},'
    '"s":{"dtype":"F32","shape":[],"data_offsets":[28,32]}}'
)
with open(os.path.join(HERE, "safetensors", "three"), "wb") as seed:
    seed.write(struct.pack("<Q", len(HEADER)) + HEADER.encode() + bytes(range(32)))
