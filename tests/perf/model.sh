#!/bin/sh
# model.sh - instructions a prompt token and a decoded token take on Arm cores, for a real model's
# dimensions with random weights, counted under qemu-aarch64.
#
#   tests/perf/model.sh TOOL COUNTER.so SYSROOT NATIVE_TOOL [MODEL [CPU ...]]
#
# TOOL is an aarch64 build, NATIVE_TOOL packs the model. MODEL: a name of mkmodel.py (smollm2-135m).
# A prompt of 128 tokens, the last one's logits included, then decoding at that depth: million
# instructions a token. T16 with an 8-bit head has the peer's bits; q4 is T16A. LC_TYPES and
# LC_PROMPT change the types and the prompt; LC_HOT=1 lists functions. With LC_PEER=FOLDER, where
# bench_peers.py has put llama.cpp and its model, its own counts follow. Exact and repeatable; not
# cycles.
# What budget.txt beside this file knows may be 3 % above it, more fails (exit 1).
set -eu
tool=$1 counter=$2 sysroot=$3 native=$4
shift 4
model=${1:-smollm2-135m}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- cortex-a53 cortex-a72 cortex-a76 max
prompt=${LC_PROMPT:-128} gen=4 status=0
here=$(dirname "$0")
models=${LC_MODELS:-build/models}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$models"
symbols=off
[ -z "${LC_HOT:-}" ] || symbols=on
[ -e "$models/$model.gguf" ] || python3 "$here/mkmodel.py" "$model" "$models/$model.gguf"

count() { # CPU SYSROOT PROGRAM...: counts by mark
    cpu=$1 root=$2
    shift 2
    LC_MARKS=1 qemu-aarch64 -cpu "$cpu" -L "$root" -d plugin -D "$work/counts" \
        -plugin "$counter,symbols=$symbols" "$@" > "$work/report"
}

say() { # CPU LEVEL TYPE: a row, and whether the budget allows it
    awk -v cpu="$1" -v level="$2" -v type="$3" -v model="$model" -v prompt="$prompt" -v gen=$gen '
        FILENAME != ARGV[2] {
            if ($1 == model && $2 == prompt && $3 == level && $4 == type) {
                most[4] = $5; most[5] = $6
            }
            next
        }
        $1 != "insn" { next }
        $2 == 4 { n = prompt } $2 == 5 { n = gen } $2 != 4 && $2 != 5 { next }
        $3 == "total" { sum[$2] = $4 / n / 1e6 }
        $3 == "symbol" && $5 / n > 20000 {
            hot[$2] = hot[$2] sprintf("%14.3f  %s\n", $5 / n / 1e6, $4)
        }
        END {
            over = most[4] && (sum[4] > 1.03 * most[4] || sum[5] > 1.03 * most[5])
            printf "%-12s %-8s %-6s %9.2f %9.2f  %s\n", cpu, level, type, sum[4], sum[5],
                over ? "OVER BUDGET" : most[4] ? "ok" : ""
            if (hot[4]) printf "  prefill\n%s  decode\n%s", hot[4], hot[5]
            exit over || sum[4] == 0
        }' "$here/budget.txt" "$work/counts" || status=1
}

printf '%s, prompt %s: million instructions a token\n' "$model" "$prompt"
printf '%-12s %-8s %-6s %9s %9s\n' cpu level type prefill decode
for type in ${LC_TYPES-t16 q4}; do
    pack=$models/$model.$type.leaf
    [ -e "$pack" ] ||
        "$native" pack "$models/$model.gguf" -o "$pack" --type "$type" > "$work/packed"
    for cpu; do
        count "$cpu" "$sysroot" "$tool" bench --model "$pack" --prompt "$prompt" --gen $gen \
            --reps 1 --json
        say "$cpu" "$(sed -n 's/.*"level": *"\([^"]*\)".*/\1/p' "$work/report")" "$type"
    done
done

[ -n "${LC_PEER:-}" ] || exit $status
aarch64-linux-gnu-gcc -std=c11 -D_GNU_SOURCE -O2 -o "$work/peer" "$here/peer.c" -ldl
symbols=off
for cpu; do
    # It would use SVE and SME of QEMU's newest core; boards with i8mm have neither so far.
    core=$cpu
    [ "$cpu" != max ] || core=max,sve-max-vq=1,sme=off
    count "$core" /usr/aarch64-linux-gnu "$work/peer" count "$LC_PEER" "$models/$model.q4_0.gguf" \
        "$prompt" $gen
    say "$cpu" llama.cpp q4_0
done
exit $status
