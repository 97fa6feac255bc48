#!/bin/bash
# The same bits everywhere: packs, logits and records by every level, thread count and machine.
#
# levels.sh --write writes the expected values again (native build first), for a change of format
# or of the shipped model that is meant.
. tests/tap.sh
expected=tests/golden/expected
write=${1:-}

# same KEY FILE [NAME]: FILE has the hash that was kept under KEY
same() {
    local hash kept=$expected/tiny.sha256
    hash=$(sha256 < "$2")
    if [ "$write" = --write ]; then
        sed -i "/  $1\$/d" "$kept"
        echo "$hash  $1" >> "$kept"
    fi
    is "${3:-$1}" "$(sed -n "s/  $1\$//p" "$kept")" "$hash"
}

# logits MODEL TYPE...: its packs, and what they compute for the model's tokens
logits() {
    local model=$1 tokens type pack level threads
    shift
    tokens=$(od -An -v -tu4 -w4 "models/golden/$model.tokens.u32" | tr -d ' ' | paste -sd ,)
    for type in "$@"; do
        pack=$tmp/$model-$type.leaf
        tool pack --type "$type" "models/golden/$model.gguf" -o "$pack" > /dev/null \
            2> "$tmp/err" || not_ok "pack $model $type" "$(cat "$tmp/err")"
        same "$model-$type-pack" "$pack"
        for level in $(levels); do
            for threads in 1 2; do
                tool logits --model "$pack" --tokens "$tokens" --level "$level" \
                    --threads $threads --out "$tmp/logits" 2> "$tmp/err" || : > "$tmp/logits"
                same "$model-$type-logits" "$tmp/logits" \
                    "$model $type logits: $level, $threads threads"
            done
        done
    done
}
logits tiny-causal q4 t16 q8
logits tiny-bidi q4 t16 q8
for arch in qwen2 qwen3 yarn gemma2 gemma3 granite lfm2 bert modern-bert; do
    logits tiny-$arch q4
done

# The deterministic part of a record: all but who, when and how long.
part() {
    sed -E 's/"(dev|boot|seq|ts|tq|up|src|ms|in)":("[^"]*"|[0-9.]+),?//g; s/,\}/}/g'
}
# Under an emulator some of the lines, which is enough to see a difference, and one thread.
[ -z "${LC_RUN:-}" ] && lines=1000 counts="1 2" || lines=12 counts=1
head -n $lines models/triage/demo.txt > "$tmp/demo.txt"
records() {
    tool classify --json "$@" "$tmp/demo.txt" > "$tmp/records" 2> "$tmp/err" &&
        part < "$tmp/records"
}
[ "$write" != --write ] || records --level ref > "$expected/demo.jsonl"
is "a record for each demo line" "$(wc -l < models/triage/demo.txt)" \
    "$(wc -l < "$expected/demo.jsonl")"
for level in $(levels); do
    for threads in $counts; do
        name="records of the demo lines: $level, $threads threads"
        records --level "$level" --threads $threads > "$tmp/part" || : > "$tmp/part"
        if diff <(head -n $lines "$expected/demo.jsonl") "$tmp/part" > "$tmp/diff"; then
            ok "$name"
        else
            not_ok "$name" "$(cat "$tmp/err" "$tmp/diff")"
        fi
    done
done
