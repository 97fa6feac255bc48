#!/bin/bash
# Packing with a text: the same pack on every machine and for every number of threads, the losses
# that are printed, and what is refused.
#
# calib.sh --write writes the expected values again (native build first).
. tests/tap.sh
kept=tests/golden/expected/calib.sha256
text=models/triage/demo.txt

# packed NAME OPTION...: packs a golden model, compares its hash with the kept one
packed() {
    local name=$1 model=$2
    shift 2
    if ! tool pack "models/golden/$model.gguf" -o "$tmp/$name.leaf" --json "$@" \
        > "$tmp/$name.json" 2> "$tmp/err"; then
        not_ok "$name" "$(cat "$tmp/err")"
        return
    fi
    local hash
    hash=$(sha256 < "$tmp/$name.leaf")
    [ "${write:-}" != --write ] || echo "$hash  $name" >> "$kept"
    is "$name" "$(sed -n "s/  $name\$//p" "$kept")" "$hash"
}

# field NAME KEY
field() { sed -n "s/.*\"$2\":\([-0-9.a-z]*\).*/\1/p" "$tmp/$1.json"; }

write=${1:-}
[ "$write" != --write ] || : > "$kept"
packed bidi tiny-bidi --text "$text" --threads 3
packed trim tiny-causal --trim "$text" --text "$text" --tokens 600
[ -z "${LC_RUN:-}" ] || exit 0 # the rest is native only: emulated it takes long and says no more
packed causal tiny-causal --text "$text" --type t16
packed bert tiny-bert --text "$text" --tokens 600
packed budget tiny-bidi --text "$text" --budget 75000 --threads 2
plain=$(tool pack models/golden/tiny-bidi.gguf -o "$tmp/plain.leaf" --json)
is "no text: kl is null" null "$(sed -n 's/.*"kl":\([a-z0-9.]*\).*/\1/p' <<< "$plain")"
is "a budget is kept" yes "$([ "$(field budget bytes)" -le 75000 ] && echo yes)"
is "a text gives kl" yes \
    "$(awk -v kl="$(field bidi kl)" 'BEGIN {print (kl > 0 && kl < 0.01) ? "yes" : kl}')"
is "a causal model has a perplexity" yes \
    "$(awk -v p="$(field causal perplexity)" 'BEGIN {print (p > 1) ? "yes" : p}')"
is "more bytes, less loss" yes \
    "$(awk -v a="$(field bidi kl)" -v b="$(field budget kl)" 'BEGIN {print (b < a) ? "yes" : b}')"

# refused EXIT WORDS OPTION...
refused() {
    local code=$1 words=$2 got
    shift 2
    tool pack models/golden/tiny-bidi.gguf -o "$tmp/no.leaf" "$@" > /dev/null 2> "$tmp/err"
    got=$?
    is "refused: $words" "$code yes no" \
        "$got $(grep -q "$words" "$tmp/err" && echo yes) $([ ! -e "$tmp/no.leaf" ] && echo no)"
}
printf 'one line\n' > "$tmp/short"
refused 2 "at least 8 lines" --text "$tmp/short"
refused 2 "takes [0-9]* at least" --budget 1000
refused 2 "which text" --tokens 100
refused 2 "do not go with it" --budget 70000 --type q8
: > "$tmp/empty"
refused 2 "no text" --trim "$tmp/empty"
