#!/bin/bash
# The same bits everywhere: packs, logits and records by every level, thread count and machine.
#
# levels.sh --write writes the expected values again (native build first), for a change of format
# or of the shipped model that is meant.
. tests/tap.sh
expected=tests/golden/expected
write=${1:-}

# same NAME FILE: FILE is what was kept under NAME
same() {
    local kept="$expected/$1.sha256"
    [ "$write" != --write ] || sha256 < "$2" > "$kept"
    is "${3:-$1}" "$(cat "$kept")" "$(sha256 < "$2")"
}

for model in tiny-causal tiny-bidi; do
    tokens=$(od -An -v -tu4 -w4 "models/golden/$model.tokens.u32" | tr -d ' ' | paste -sd ,)
    for type in q4 t16 q8; do
        pack=$tmp/$model-$type.leaf
        tool pack --type $type "models/golden/$model.gguf" -o "$pack" > /dev/null 2> "$tmp/err" ||
            not_ok "pack $model $type" "$(cat "$tmp/err")"
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
done

# The deterministic part of a record: all but who, when and how long.
part() {
    sed -E 's/"(dev|boot|seq|ts|tq|up|src|ms|in)":("[^"]*"|[0-9.]+),?//g; s/,\}/}/g'
}
if [ "$write" = --write ]; then
    tool classify --json --level ref models/triage/demo.txt | part > "$expected/demo.jsonl"
fi
for level in $(levels); do
    for threads in 1 2; do
        name="records of the demo lines: $level, $threads threads"
        if tool classify --json --level "$level" --threads $threads models/triage/demo.txt \
            2> "$tmp/err" | part | diff "$expected/demo.jsonl" - > "$tmp/diff"; then
            ok "$name"
        else
            not_ok "$name" "$(cat "$tmp/err" "$tmp/diff")"
        fi
    done
done
