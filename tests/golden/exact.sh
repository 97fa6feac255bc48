#!/bin/sh
# exact.sh - INT4 logits are the same bits at every level and number of threads.
# exact.sha256 holds one hash for each model and type, made at level ref.
. "$(dirname "$0")/lib/tap.sh"
expected=$golden/exact.sha256
stories=$LC_SHARED/models/stories260K/stories260K-f32.gguf

# tokens N VOCAB: N ids spread over the vocabulary
tokens() {
    awk -v n="$1" -v v="$2" 'BEGIN { for (i = 0; i < n; i++) printf "%s%d", i ? "," : "", i * 7919 % v }'
}

# hash MODEL TOKENS OPTION...
hash() {
    hash_model=$1 hash_tokens=$2
    shift 2
    tool logits --model "$hash_model" --tokens "$hash_tokens" --out "$work/logits" "$@" &&
        sha256sum < "$work/logits" | cut -c1-64
}

# same NAME MODEL TOKENS OPTION...
same() {
    same_name=$1
    shift
    got=$(hash "$@") || return 1
    wanted=$(awk -v name="$same_name" '$2 == name { print $1 }' "$expected")
    echo "got $got, wanted ${wanted:-nothing: no golden hash}"
    [ -n "$wanted" ] && [ "$got" = "$wanted" ]
}

# model NAME FILE TOKENS: packs each type, checks each level and thread count.
model() {
    for type in q4 t16 q8 f32; do
        pack=$work/$1-$type.leaf
        if ! tool pack "$2" -o "$pack" --type $type > "$work/said" 2>&1; then
            not_ok "$1 packs as $type"
            sed 's/^/# /' "$work/said"
            continue
        fi
        if [ "${LC_UPDATE:-}" = 1 ]; then
            echo "$(hash "$pack" "$3" --level ref) $1-$type" >> "$expected.new"
            continue
        fi
        for level in $(levels); do
            for threads in 1 2 3; do
                check "$1 $type $level threads $threads" \
                    same "$1-$type" "$pack" "$3" --level "$level" --threads $threads
            done
        done
    done
}

[ "${LC_UPDATE:-}" != 1 ] || : > "$expected.new"
model tiny models/golden/tiny-causal.gguf "$(tokens 24 200)"
if [ -f "$stories" ]; then
    model stories "$stories" "$(tokens 70 512)"
else
    echo "skipped: $stories not found"
    skip "stories260K" "$stories not found"
fi
[ "${LC_UPDATE:-}" != 1 ] || mv "$expected.new" "$expected"
finish
