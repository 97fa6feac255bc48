#!/bin/sh
# model.sh - instructions a prompt token and a decoded token take on Arm cores, for a real model's
# dimensions with random weights, counted under qemu-aarch64.
#
#   tests/perf/model.sh TOOL COUNTER.so SYSROOT NATIVE_TOOL [MODEL [CPU ...]]
#
# TOOL is an aarch64 build, NATIVE_TOOL packs the model. MODEL: a name of mkmodel.py (smollm2-135m).
# A prompt of 128 tokens, the last one's logits included, then decoding at that depth: million
# instructions a token. T16 with an 8-bit head has the peer's bits. LC_TYPES and LC_PROMPT change
# the types and the prompt; LC_HOT=1 lists functions. Exact and repeatable; not cycles.
set -eu
tool=$1 counter=$2 sysroot=$3 native=$4
shift 4
model=${1:-smollm2-135m}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- cortex-a53 cortex-a72 cortex-a76 max
prompt=${LC_PROMPT:-128} gen=4
here=$(dirname "$0")
work=${LC_MODELS:-build/models}
mkdir -p "$work"
symbols=off
[ -z "${LC_HOT:-}" ] || symbols=on

[ -e "$work/$model.gguf" ] || python3 "$here/mkmodel.py" "$model" "$work/$model.gguf"
printf '%s, prompt %s: million instructions a token\n' "$model" "$prompt"
printf '%-12s %-8s %-6s %9s %9s\n' cpu level type prefill decode
for type in ${LC_TYPES:-t16 q4}; do
    pack=$work/$model.$type.leaf
    [ -e "$pack" ] || "$native" pack "$work/$model.gguf" -o "$pack" --type "$type" > /dev/null
    for cpu; do
        counts=$work/counts.$$
        LC_MARKS=1 qemu-aarch64 -cpu "$cpu" -L "$sysroot" -d plugin -D "$counts" \
            -plugin "$counter,symbols=$symbols" "$tool" bench --model "$pack" --prompt "$prompt" \
            --gen $gen --reps 1 --json > "$work/report.$$"
        level=$(sed -n 's/.*"level": *"\([^"]*\)".*/\1/p' "$work/report.$$")
        awk -v cpu="$cpu" -v level="$level" -v type="$type" -v prompt="$prompt" -v gen=$gen '
            $1 != "insn" { next }
            $2 == 4 { n = prompt } $2 == 5 { n = gen } $2 != 4 && $2 != 5 { next }
            $3 == "total" { sum[$2] = $4 / n / 1e6 }
            $3 == "symbol" && $5 / n > 20000 {
                hot[$2] = hot[$2] sprintf("%14.3f  %s\n", $5 / n / 1e6, $4)
            }
            END {
                printf "%-12s %-8s %-6s %9.2f %9.2f\n", cpu, level, type, sum[4], sum[5]
                if (hot[4]) printf "  prefill\n%s  decode\n%s", hot[4], hot[5]
                exit sum[4] == 0
            }' "$counts"
        rm -f "$counts" "$work/report.$$"
    done
done
