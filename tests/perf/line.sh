#!/bin/sh
# Instructions that the shipped job takes on a 64-bit Arm core, counted under qemu-aarch64.
#
#   tests/perf/line.sh TOOL COUNTER.so SYSROOT [CPU ...]
#
# A line of 24 tokens is classified 21 times: what stands behind the first record, divided by 20, is
# the cost of a line. What stands before it is the cold start: loading, linking, the first line.
# Exact and repeatable; instructions are not cycles. With NATIVE=TOOL the median time from process
# start to the end of one line on this machine is printed, too.
set -eu
tool=$1 counter=$2 sysroot=$3
shift 3
[ $# -gt 0 ] || set -- cortex-a53 cortex-a76
pack=models/triage/trunk.leaf
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
runs=20

# Two demo lines that follow each other, words taken off the end until 24 tokens are left.
line=$(previous='' && while IFS= read -r next; do
    text="$previous $next" previous=$next
    while :; do
        count=$(printf '%s\n' "$text" |
            qemu-aarch64 -L "$sysroot" "$tool" tokenize --model $pack - | wc -w)
        [ "$count" -gt 24 ] || break
        case $text in *' '*) text=${text% *} ;; *) break ;; esac
    done
    if [ "$count" -eq 24 ]; then printf '%s\n' "$text"; break; fi
done < models/triage/demo.txt)
[ -n "$line" ] || {
    echo "tests/perf/line.sh: no 24 tokens in models/triage/demo.txt" >&2
    exit 1
}
printf 'line    %s\n' "$line"
i=0
while [ $i -le $runs ]; do printf '%s\n' "$line"; i=$((i + 1)); done > "$work/lines"

for cpu; do
    LC_MARKS=1 qemu-aarch64 -cpu "$cpu" -L "$sysroot" -d plugin -D "$work/counts" \
        -plugin "$counter,symbols=off" "$tool" classify --json "$work/lines" > "$work/records"
    level=$(qemu-aarch64 -cpu "$cpu" -L "$sysroot" "$tool" --version --json |
        sed -n 's/.*"level":"\([^"]*\)".*/\1/p')
    awk -v cpu="$cpu" -v level="$level" -v runs=$runs '
        $1 == "insn" && $3 == "total" && $2 < 5 { cold += $4 }
        $1 == "insn" && $3 == "total" && $2 == 5 { warm += $4 }
        END { printf "%-12s level %-7s  a line of 24 tokens %.2f M instructions, ", cpu, level,
                  warm / runs / 1e6
              printf "cold start to first record %.2f M\n", cold / 1e6 }' "$work/counts"
done

# The first record is the last thing such a process does, so its whole life is the cold start.
if [ -n "${NATIVE:-}" ]; then
    head -n 1 "$work/lines" > "$work/one"
    i=0
    while [ $i -lt 41 ]; do
        start=$(date +%s%N)
        "$NATIVE" classify --json "$work/one" > /dev/null
        echo $(($(date +%s%N) - start))
        i=$((i + 1))
    done | sort -n | awk '{ t[NR] = $1 }
        END { printf "this machine  cold start to first record %.1f ms (%d runs, least %.1f)\n",
              t[int((NR + 1) / 2)] / 1e6, NR, t[1] / 1e6 }'
fi
