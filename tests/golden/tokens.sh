#!/bin/bash
# Token ids equal those of the original tokenizers.
# Native only: integers, and large vocabularies.
. tests/tap.sh

for vocab in gpt-2 qwen2 phi-3 bert-bge; do
    shared tokenizers "$vocab: 818 lines" "$vocab: strings with line ends" || continue
    model=$LC_SHARED/tokenizers/ggml-vocab-$vocab.gguf
    golden=$LC_SHARED/tokenizers/golden
    tool tokenize --no-special --model "$model" "$golden/lines.txt" > "$tmp/ids" 2> "$tmp/err"
    if cmp -s "$tmp/ids" "$golden/tok-$vocab.txt"; then
        ok "$vocab: 818 lines"
    else
        not_ok "$vocab: 818 lines" "$(cat "$tmp/err"; diff "$tmp/ids" "$golden/tok-$vocab.txt")"
    fi
    # Strings with line ends inside go in separated by NUL.
    python3 -c '
import sys
strings = open(sys.argv[1], "rb").read().split(b"\n__ggml_vocab_test__\n")[:-1]
sys.stdout.buffer.write(b"".join(string + b"\0" for string in strings))
' "$model.inp" > "$tmp/strings"
    tool tokenize --no-special --null --model "$model" "$tmp/strings" > "$tmp/ids" 2> "$tmp/err"
    sed 's/^ //; s/ $//' "$model.out" > "$tmp/expected"
    if diff "$tmp/ids" "$tmp/expected" > "$tmp/diff"; then
        ok "$vocab: strings with line ends"
    else
        not_ok "$vocab: strings with line ends" "$(cat "$tmp/err" "$tmp/diff")"
    fi
done
