#!/usr/bin/env python3
"""Makes the tiny checkpoint folders hf-* and what Transformers and tokenizers make of them.

    pip install torch transformers tokenizers numpy
    python3 models/golden/folders.py        # writes beside itself

hf-llama        untied, two parts, F16, Llama 3's rotation, byte-level BPE with NFC and white tokens
hf-gemma        layer types, BF16, merges with bytes for what is no token
hf-bert         a classifier of 3 labels, F32, WordPiece
hf-modern-bert  a classifier on the mean, BF16, byte-level BPE with [CLS] and [SEP]

NAME.tokens.u32 are ids fed, NAME.expect.f32 the logits in float64 of every position, or of a
classifier its outputs; NAME.ids.txt the ids of each line of hf-lines.txt.
"""

import json
import os
import shutil
import unicodedata

import numpy as np
import torch
import transformers as hf
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
LABELS = {0: "red", 1: "green", 2: "oos"}
SIZES = dict(hidden_size=24, num_attention_heads=3, intermediate_size=40, num_hidden_layers=3)
LINES = """\
P2 temp 81.5 °C rising
pump 3 stopped: E-17, pressure low (0.8 bar)
don't panic, WE'LL see; it's 12345678 %
two  blanks,   three, \ttab and    four
  at the start
été, cafe\u0301, A\u030angstro\u0308m, Öl
straße İzmir ΣΊΣΥΦΟΣ Привет мир
温度が高い 你好 한국어 \u1112\u1161\u11ab
🔥 hot 👩‍🔧 ½ ﬁ ①
▁under▁ _under_ [x] <y> ##ing
नमस्ते สวัสดี
x\u00a0y\u2003z\u200bw
"""


def train(kind, size):
    tokenizer = Tokenizer(models.BPE())
    if kind == "bytes":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
        alphabet = list("abcdefghijklmnopqrstuvwxyz0123456789.,▁")
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=alphabet,
        show_progress=False,
        limit_alphabet=len(alphabet) + 20,
    )
    with open(__file__, encoding="utf-8") as f:
        tokenizer.train_from_iterator(f.read().split("\n"), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), model["merges"]


def special(i, text, **words):
    base = dict(
        id=i,
        content=text,
        special=True,
        single_word=False,
        lstrip=False,
        rstrip=False,
        normalized=False,
    )
    return {**base, **words}


def template(first, last, ids):
    pieces = [
        {"SpecialToken": {"id": first, "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ]
    if last:
        pieces.append({"SpecialToken": {"id": last, "type_id": 0}})
    names = [n for n in (first, last) if n]
    return dict(
        type="TemplateProcessing",
        single=pieces,
        pair=pieces,
        special_tokens={n: dict(id=n, ids=[ids[n]], tokens=[n]) for n in names},
    )


def whole(model, rows, **parts):
    top = dict(
        version="1.0",
        truncation=None,
        padding=None,
        added_tokens=rows,
        normalizer=None,
        pre_tokenizer=None,
        post_processor=None,
        decoder=None,
        model=model,
    )
    return {**top, **parts}


def bpe(tokens, merges, **words):
    base = dict(
        type="BPE",
        dropout=None,
        unk_token=None,
        continuing_subword_prefix=None,
        end_of_word_suffix=None,
        fuse_unk=False,
        byte_fallback=False,
        ignore_merges=False,
    )
    return {**base, **words, "vocab": {t: i for i, t in enumerate(tokens)}, "merges": merges}


def llama_tokenizer():
    tokens, merges = train("bytes", 330)
    n = len(tokens)
    rows = [
        special(n, "<|begin|>"),
        special(n + 1, "<|end|>"),
        special(n + 2, "  ", special=False),
        special(n + 3, "   ", special=False),
    ]
    regex = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    cut = dict(type="Split", pattern={"Regex": regex}, behavior="Isolated", invert=False)
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=False)
    ends = {
        "type": "Sequence",
        "processors": [level, template("<|begin|>", None, {"<|begin|>": n})],
    }
    return (
        whole(
            bpe(tokens, merges),
            rows,
            normalizer={"type": "NFC"},
            post_processor=ends,
            pre_tokenizer={"type": "Sequence", "pretokenizers": [cut, level]},
        ),
        n + 4,
    )


def gemma_tokenizer():
    tokens, merges = train("spm", 130)
    names = ["<pad>", "<eos>", "<bos>", "<unk>"]
    tokens = names + [f"<0x{b:02X}>" for b in range(256)] + tokens
    rows = [special(i, t) for i, t in enumerate(names)]
    blank = dict(type="Split", pattern={"String": " "}, behavior="MergedWithPrevious", invert=False)
    return whole(
        bpe(tokens, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"),
        rows,
        normalizer=dict(type="Replace", pattern={"String": " "}, content="▁"),
        pre_tokenizer=blank,
        post_processor=template("<bos>", None, {"<bos>": 2}),
    ), len(tokens)


def bert_tokenizer():
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    marks = list(".,:;!?%+-/()=°▁_[]<>#'½①") + list("温度你好高い🔥")
    letters = list("abcdefghijklmnopqrstuvwxyz0123456789σιυφοπρветмἰ") + list("한국어नमसतสวดี")
    jamo = list(unicodedata.normalize("NFD", "한국어"))
    words = ["pump", "temp", "stopp", "pressure", "low", "don", "under", "hot"]
    tokens = list(
        dict.fromkeys(
            names
            + marks
            + letters
            + jamo
            + words
            + ["##" + t for t in letters + jamo + ["ing", "ed", "er"]]
        )
    )
    model = dict(
        type="WordPiece",
        unk_token="[UNK]",
        continuing_subword_prefix="##",
        max_input_chars_per_word=12,
        vocab={t: i for i, t in enumerate(tokens)},
    )
    return whole(
        model,
        [special(i, t) for i, t in enumerate(names)],
        normalizer=dict(
            type="BertNormalizer",
            clean_text=True,
            handle_chinese_chars=True,
            strip_accents=None,
            lowercase=True,
        ),
        pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor=template("[CLS]", "[SEP]", {"[CLS]": 2, "[SEP]": 3}),
    ), len(tokens)


def modern_tokenizer():
    tokens, merges = train("bytes", 300)
    n = len(tokens)
    rows = [special(n + i, t) for i, t in enumerate(("[UNK]", "[CLS]", "[SEP]", "[PAD]"))]
    level = dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)
    return (
        whole(
            bpe(tokens, merges),
            rows,
            normalizer={"type": "NFC"},
            pre_tokenizer=level,
            post_processor=template("[CLS]", "[SEP]", {"[CLS]": n + 1, "[SEP]": n + 2}),
        ),
        n + 4,
    )


CASES = {
    "hf-llama": (
        llama_tokenizer,
        hf.LlamaForCausalLM,
        torch.float16,
        "30KB",
        dict(
            SIZES,
            num_key_value_heads=1,
            max_position_embeddings=256,
            rope_parameters=dict(
                rope_type="llama3",
                rope_theta=1e4,
                factor=4.0,
                low_freq_factor=1.0,
                high_freq_factor=4.0,
                original_max_position_embeddings=16,
            ),
        ),
    ),
    "hf-gemma": (
        gemma_tokenizer,
        hf.Gemma3ForCausalLM,
        torch.bfloat16,
        "1GB",
        dict(
            SIZES,
            num_key_value_heads=1,
            head_dim=16,
            sliding_window=8,
            query_pre_attn_scalar=16,
            tie_word_embeddings=True,
            max_position_embeddings=256,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        ),
    ),
    "hf-bert": (
        bert_tokenizer,
        hf.BertForSequenceClassification,
        torch.float32,
        "1GB",
        dict(SIZES, max_position_embeddings=64, id2label=LABELS),
    ),
    "hf-modern-bert": (
        modern_tokenizer,
        hf.ModernBertForSequenceClassification,
        torch.bfloat16,
        "1GB",
        dict(
            SIZES,
            max_position_embeddings=64,
            id2label=LABELS,
            local_attention=8,
            classifier_pooling="mean",
        ),
    ),
}


def shuffle(model):
    generator = torch.Generator().manual_seed(1)
    for name, p in model.named_parameters():
        r = torch.randn(p.shape, generator=generator)
        scale = 0.2 if p.dim() == 1 else p.shape[1] ** -0.5
        start = (
            1.0
            if p.dim() == 1 and name.endswith("weight") and "gemma" not in str(type(model))
            else 0.0
        )
        p.data = start + scale * r


def make(name):
    tokenizer, kind, dtype, part, words = CASES[name]
    top, vocab = tokenizer()
    config = kind.config_class(**words, vocab_size=vocab, pad_token_id=0)
    config._attn_implementation = "eager"
    model = kind(config).eval()
    shuffle(model)
    for p in model.parameters():  # not the buffers, which are not saved
        p.data = p.data.to(dtype)
    folder = os.path.join(HERE, name)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size=part)
    for extra in {"generation_config.json"} & set(os.listdir(folder)):
        os.remove(os.path.join(folder, extra))
    path = os.path.join(folder, "tokenizer.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(top, f, ensure_ascii=False, indent=0)
        f.write("\n")
    own = Tokenizer.from_file(path)
    with open(os.path.join(HERE, name + ".ids.txt"), "w", encoding="utf-8") as f:
        for line in LINES.split("\n")[:-1]:
            f.write(" ".join(map(str, own.encode(line).ids)) + "\n")
    ids = np.random.default_rng(2).integers(4, vocab, 24)
    with torch.no_grad():
        out = model.double()(torch.tensor([ids.tolist()])).logits[0].numpy()
    ids.astype("<u4").tofile(os.path.join(HERE, name + ".tokens.u32"))
    out.astype("<f4").tofile(os.path.join(HERE, name + ".expect.f32"))


if __name__ == "__main__":
    with open(os.path.join(HERE, "hf-lines.txt"), "w", encoding="utf-8") as lines:
        lines.write(LINES)
    for case in CASES:
        make(case)
