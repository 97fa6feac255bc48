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
# With LC_PEER=FOLDER, where bench_peers.py has put llama.cpp, the time a message takes on this
# machine, beside its own prompt cache and all messages in one batch; LC_THREADS: how many threads.
set -eu
tool=$1 counter=$2 sysroot=$3 native=$4
shift 4
model=${1:-smollm2-135m}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- cortex-a53 cortex-a72 cortex-a76 max
here=$(dirname "$0") models=${LC_MODELS:-build/models} type=${LC_TYPE:-q4} threads=${LC_THREADS:-1}
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

# ---- time, beside llama.cpp ----

median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f", v[int((NR + 1) / 2)] }'; }
of() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; } # the number under a key
if [ -n "${LC_PEER:-}" ]; then
    ${CC:-gcc} -std=c11 -D_GNU_SOURCE -O2 -o "$work/peer" "$here/peer.c" -ldl
    for i in 1 2 3 4 5; do # in turn, so that what else the machine does hits both alike
        "$native" classify --json --threads "$threads" --job "$work/short.leaf" "$work/short" |
            of ms >> "$work/ours"
        "$work/peer" labels "$LC_PEER" "$models/$model.q4_0.gguf" "$threads" 96 24 8 3 \
            >> "$work/theirs"
    done
    mine=$(median < "$work/ours") alone=$(of alone_ms < "$work/theirs" | median)
    together=$(of together_ms < "$work/theirs" | median)
    printf '%s %s, %s threads, ms a message: ours %s, llama.cpp Q4_0 %s alone, %s by 8\n' \
        "$model" "$type" "$threads" "$mine" "$alone" "$together"
    awk -v mine="$mine" -v alone="$alone" -v together="$together" 'BEGIN {
        printf "times better than alone %.2f, than by 8 %.2f\n", alone / mine, together / mine }'
fi

# ---- instructions ----

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
