#!/bin/bash
# A layer of each of four published models, random weights: every level and thread count has the
# bits of `ref`, and products are large enough to be split among threads (joins are printed).
#
# T16 of all four; T16A, which takes long to pack, of the smallest, of all with LC_SIZES=all (`make
# check-sizes`). sizes.sh --write writes the hashes again, by level ref.
. tests/tap.sh
kept=tests/golden/expected/sizes.sha256
write=${1:-}
# 19 tokens: panels of every level, blocks of four, three left over.
many=$(for i in $(seq 0 18); do echo $((i * 7919 % 512)); done | paste -sd ,)

# Packs have the same bits wherever they are made; an emulator would take minutes.
native() { if [ -n "${LC_NATIVE:-}" ]; then "$LC_NATIVE/leafcutter" "$@"; else tool "$@"; fi; }

# answers PACK LEVEL THREADS: hash of the logits of many tokens and of one alone; $tmp/joins
answers() {
    : > "$tmp/logits"
    : > "$tmp/report"
    for tokens in "$many" 7; do
        tool logits --model "$1" --tokens "$tokens" --level "$2" --threads "$3" --json \
            --out "$tmp/part" >> "$tmp/report" 2> "$tmp/err" || { cat "$tmp/err" && return; }
        cat "$tmp/part" >> "$tmp/logits"
    done
    sed -n 's/.*"joins":\([0-9]*\).*/\1/p' "$tmp/report" | paste -sd + |
        sed 's/+/ + /' > "$tmp/joins"
    sha256 < "$tmp/logits"
}

# made MODEL TYPE: its pack, $tmp/leaf. Q4_0 is kept as T16.
made() {
    local from=
    [ "$2" != t16 ] || from=--q4_0
    python3 tests/perf/mkmodel.py --layers 1 --vocab 512 $from "$1" "$tmp/gguf" &&
        native pack "$tmp/gguf" -o "$tmp/leaf" --type "$2" > /dev/null
}

# every MODEL TYPE: each level and number of threads
every() {
    local key=$1-$2 expected level threads found joins
    made "$1" "$2" 2> "$tmp/err" || not_ok "$1 $2" "$(cat "$tmp/err")"
    if [ "$write" = --write ]; then
        sed -i "/  $key\$/d" "$kept"
        echo "$(answers "$tmp/leaf" ref 1)  $key" >> "$kept"
    fi
    expected=$(sed -n "s/  $key\$//p" "$kept")
    for level in $(levels); do
        # Emulated, ref would take minutes, and was run on this machine.
        [ -z "${LC_RUN:-}" ] || [ "$level" != ref ] || [ "$(levels)" = ref ] || continue
        for threads in 1 2; do
            found=$(answers "$tmp/leaf" "$level" $threads)
            joins=$(cat "$tmp/joins")
            [ $threads = 1 ] || [ "${joins%% *}" -gt 0 ] || found="nothing was split"
            is "$1 $2: $level, $threads threads, $joins joins" "$expected" "$found"
        done
    done
}

models="smollm2-135m gemma3-270m qwen2.5-0.5b qwen3-0.6b"
# The newest of the emulated CPUs runs the levels of all others.
case "${LC_RUN:+emulated} $(levels)" in emulated*i8mm* | " "*) ;; *) models=smollm2-135m ;; esac
for model in $models; do every $model t16; done
[ "${LC_SIZES:-}" = all ] || models=smollm2-135m
for model in $models; do every $model q4; done
