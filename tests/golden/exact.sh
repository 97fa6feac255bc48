#!/bin/bash
# INT4 logits of a trained model (stories260K) have one hash for every level and thread count.
#
# exact.sh --write writes the hash again, by level ref.
. tests/tap.sh
kept=tests/golden/expected/stories260K-q4-logits.sha256

shared models/stories260K "stories260K INT4 logits" || exit 0
model=$LC_SHARED/models/stories260K/stories260K-f32.gguf
# 70 tokens spread over the vocabulary: more than one batch, and a last block that is not full.
tokens=$(for i in $(seq 0 69); do echo $((i * 7919 % 512)); done | paste -sd ,)

hash() {
    tool logits --model "$model" --tokens "$tokens" --out "$tmp/logits" "$@" 2> "$tmp/err" &&
        sha256 < "$tmp/logits"
}

if [ "${1:-}" = --write ]; then
    hash --level ref > "$kept"
fi
for level in $(levels); do
    for threads in 1 2; do
        is "stories260K INT4 logits: $level, $threads threads" "$(cat $kept)" \
            "$(hash --level "$level" --threads $threads || cat "$tmp/err")"
    done
done
