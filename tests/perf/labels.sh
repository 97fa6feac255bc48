#!/bin/sh
# labels.sh - what scoring 8 labels after a prompt takes: a message of 24 tokens behind a prefix of
# 96 that the bundle holds, for a real model's dimensions with random weights.
#
#   tests/perf/labels.sh TOOL COUNTER.so SYSROOT NATIVE_TOOL [MODEL [CPU ...]]
#
# TOOL is an aarch64 build, NATIVE_TOOL packs. MODEL: a name of mkmodel.py (smollm2-135m), whose
# vocabulary has a token for each letter. Million instructions a message under qemu-aarch64: with
# the stored prefix, with the prefix run again for each message, and what the whole output head
# would take, once for each place where labels part. Exact and repeatable; not cycles.
# bench_peers.py compares times with llama.cpp.
set -eu
tool=$1 counter=$2 sysroot=$3 native=$4
shift 4
model=${1:-smollm2-135m}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- cortex-a53 cortex-a72 cortex-a76 max
here=$(dirname "$0") models=${LC_MODELS:-build/models} type=${LC_TYPE:-q4}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$models"
[ -e "$models/$model.gguf" ] || python3 "$here/mkmodel.py" "$model" "$models/$model.gguf"
pack=$models/$model.$type.leaf
[ -e "$pack" ] || "$native" pack "$models/$model.gguf" -o "$pack" --type "$type" > /dev/null

letters() { # N FIRST: so many letters
    awk -v n="$1" -v at="$2" 'BEGIN { for (i = 0; i < n; i++) printf "%c", 65 + (at + 7 * i) % 26 }'
}
prefix=$(letters 96 3)
# The line and the colon after it are 24 tokens; a line that has the prefix in it, 120.
for i in 1 2 3 4 5 6 7 8; do letters 23 $i && echo; done > "$work/short"
for i in 1 2 3 4 5 6 7 8; do printf %s "$prefix" && letters 23 $i && echo; done > "$work/long"
printf '%s{text}:' "$prefix" > "$work/short.txt"
printf '{text}:' > "$work/long.txt"
for kind in short long; do
    cat > "$work/$kind.json" << END
{ "version": 1, "job": "labels", "ver": 1, "tasks": [ { "task": "t", "labels": [
  {"name": "A"}, {"name": "B"}, {"name": "C"}, {"name": "D"}, {"name": "E"}, {"name": "F"},
  {"name": "G"}, {"name": "H"}], "stages": [ {"id": "s", "type": "label_score",
  "model": "$(realpath "$pack")", "prompt": "$kind.txt"} ] } ] }
END
    cp "$pack" "$work/model.leaf"
    "$native" job build "$work/$kind.json" -o "$work/$kind.leaf" > /dev/null
done

count() { # CPU KIND: million instructions a message
    LC_MARKS=1 qemu-aarch64 -cpu "$1" -L "$sysroot" -d plugin -D "$work/counts" \
        -plugin "$counter,symbols=off" "$tool" classify --json --job "$work/$2.leaf" \
        "$work/few" > "$work/records"
    awk '$1 == "insn" && $3 == "total" && $2 == 5 { printf "%.1f", $4 / 2e6 }' "$work/counts"
}
head_of() { # CPU: million instructions of the whole head, once: of q4 the only 8-bit matrix
    LC_MARKS=1 qemu-aarch64 -cpu "$1" -L "$sysroot" -d plugin -D "$work/counts" \
        -plugin "$counter,symbols=on" "$tool" bench --model "$pack" --prompt 24 --gen 1 --reps 1 \
        --json > "$work/report"
    awk '$1 == "insn" && $2 == 4 && $3 == "symbol" && $4 ~ /gemv_q8/ { n += $5 }
        END { printf "%.1f", n / 1e6 }' "$work/counts"
}
printf '%s %s, 8 labels, 24 tokens after 96: million instructions a message\n' "$model" "$type"
printf '%-12s %10s %10s %12s\n' cpu stored 'run again' 'whole head'
for cpu; do
    head -n 3 "$work/short" > "$work/few"
    stored=$(count "$cpu" short)
    head -n 3 "$work/long" > "$work/few"
    printf '%-12s %10s %10s %12s\n' "$cpu" "$stored" "$(count "$cpu" long)" "+$(head_of "$cpu")"
done
