#!/usr/bin/env python3
"""Loss of quantisation against F32 and against llama.cpp's Q4_0, as tables in Markdown.

usage: kl.py TOOL [--clinc ENCODER.gguf] [--minilm MINILM.gguf] [--shared DIR] [--quick | --small]

TOOL is the built leafcutter. Builds kl.c beside it and runs it on stories260K (which writes the
stories to calibrate and to measure on itself), the shipped trunk (calibrated on the lines its
thresholds were set with, measured on the development lines), an encoder trained on CLINC150 by
clinc_encoder.py, and all-MiniLM-L6-v2 from tools/train/minilm.py. Each is calibrated on text of its
own kind, on 256 to 20,000 tokens of it, and on text of another kind. What is not there is said.
--quick calibrates each way once, on 16,384 tokens; --small on 1,024 (stories: 6,144), measuring 20
lines: that it runs, not figures to quote.
"""

import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SIZES = [256, 1024, 6144, 20480]


def build(tool, out):
    folder = os.path.dirname(os.path.abspath(tool))
    libs = ["-Wl,--start-group", f"{folder}/librest.a", f"{folder}/libleafcutter.a"]
    libs += ["-Wl,--end-group", "-lcjson", "-lcrypto", "-lpthread", "-lm"]
    flags = ["-std=c11", "-D_GNU_SOURCE=", "-O2", "-ffp-contract=off"]
    subprocess.run(["cc", *flags, "-o", out, HERE + "/kl.c", *libs], check=True)


def save(path, lines):
    with open(path, "w", encoding="utf-8") as f:
        f.write("".join(line.replace("\n", " ") + "\n" for line in lines))
    return path


def stories(tool, model, work, count):
    """Stories that the model tells, one a line."""
    told = []
    for seed in range(1, count + 1):
        command = [
            tool,
            "generate",
            "--model",
            model,
            "--float",
            "--temp",
            "1",
            "--seed",
            str(seed),
        ]
        command += ["-n", "250", "--prompt", ""]
        told.append(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    calibrating = count * 5 // 6
    return save(work + "/stories", told[:calibrating]), save(
        work + "/stories-held", told[calibrating:]
    )


def first_column(path, skip=1):
    with open(path, encoding="utf-8") as f:
        return [row.split("\t")[0] for row in f.read().splitlines()[skip:]]


def written():
    lines = []
    for path in sorted(glob.glob(ROOT + "/tools/train/lines/written/*.txt")):
        lines += first_column(path, 0)
    return [line for line in lines if line and not line.startswith("#")]


def report(name, program, model, held, texts, more=()):
    print(f"\n## {name}\n", flush=True)
    subprocess.run([program, model, held, *more, *texts], check=True)


def sized(text, args, sizes=SIZES):
    sizes = [max(1024, sizes[0])] if args.small else sizes
    return [text] if args.quick else [f"{text}:{n}" for n in sizes]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool")
    parser.add_argument("--clinc")
    parser.add_argument("--minilm")
    parser.add_argument("--shared", default=os.environ.get("LC_SHARED", ROOT + "/../shared/data"))
    parser.add_argument("--quick", action="store_true", help="one calibration each")
    parser.add_argument("--small", action="store_true", help="1,024 tokens, 20 lines")
    args = parser.parse_args()
    lines = ["--lines", "20"] if args.small else []
    some = ":1024" if args.small else ""
    with tempfile.TemporaryDirectory() as work:
        program = work + "/kl"
        build(args.tool, program)
        triage = save(work + "/sensor-lines", written())
        own = save(
            work + "/calibration-lines", first_column(ROOT + "/tools/train/data/calibration.tsv")
        )
        dev = save(work + "/dev", first_column(ROOT + "/tests/data/triage-dev.tsv"))
        model = args.shared + "/models/stories260K/stories260K-f32.gguf"
        clinc, held = None, None
        data = args.shared + "/text/clinc/data_full.json"
        if os.path.exists(data):
            with open(data, encoding="utf-8") as f:
                read = json.load(f)
            clinc = save(work + "/clinc", [t for t, _ in read["train"]])
            held = save(work + "/clinc-held", [t for t, _ in read["val"]])
        other = [clinc + some] if clinc else []
        report(
            "shipped trunk",
            program,
            ROOT + "/models/triage/triage-f16.gguf",
            dev,
            ["-", own + some, *sized(triage, args), *other],
            lines,
        )
        if os.path.exists(model):
            text, apart = stories(args.tool, model, work, 48 if args.small else 240)
            like = ["--like", model.replace("-f32", "-q4_0")]
            report(
                "stories260K",
                program,
                model,
                apart,
                ["-", *sized(text, args, SIZES[2:]), triage + some],
                [*like, *lines],
            )
        else:
            print(f"skipped: {model} not found")
        for name, path, most in (
            ("CLINC150 encoder", args.clinc, "500"),
            ("all-MiniLM-L6-v2", args.minilm, "150"),
        ):
            if path and clinc:
                report(
                    name,
                    program,
                    path,
                    held,
                    ["-", *sized(clinc, args), triage + some],
                    lines or ["--lines", most],
                )
            else:
                print(f"skipped: {name}: no model given, or {data} not found")


if __name__ == "__main__":
    sys.exit(main())
