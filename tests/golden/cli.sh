#!/bin/bash
# Exit codes and messages of the command line, and the cache of packs.
# Native only: nothing here depends on the level.
. tests/tap.sh
model=models/golden/tiny-causal.gguf
head=models/golden/tiny-bidi.gguf

# exits STATUS NAME ARGUMENT...: with that status, a message, and nothing on stdout
exits() {
    local wanted=$1 name=$2 status
    shift 2
    tool "$@" > "$tmp/out" 2> "$tmp/err" < /dev/null
    status=$?
    if [ $status = "$wanted" ] && [ ! -s "$tmp/out" ] && [ -s "$tmp/err" ]; then
        ok "$name"
    else
        not_ok "$name" "exit $status, wanted $wanted: $(cat "$tmp/out" "$tmp/err")"
    fi
}

exits 2 "no verb"
exits 2 "an unknown verb" frobnicate
exits 2 "an unknown option" classify --nonsense
exits 2 "a missing argument" classify --job
exits 2 "--labels without a model" classify --labels a,b
exits 2 "--prompt without --labels" classify --model $model --prompt Makefile
exits 2 "--chat without --labels" classify --model $model --chat
exits 3 "--chat of a model without a template" classify --model $model --labels a,b --chat
exits 3 "--labels of a bidirectional model" classify --model $head --labels a,b
exits 3 "labels that are named twice" classify --model $model --labels a,b,a
exits 3 "a label without a name" classify --model $model --labels a,,b
exits 3 "a prompt without a place for the line" \
    classify --model $model --labels a,b --prompt Makefile
exits 2 "an unknown level" classify --level nonsense
exits 2 "no threads" classify --threads 0
exits 2 "too many threads" classify --threads 1000
exits 2 "no model" generate --prompt a -n 1
exits 2 "ids that are none" logits --model $model --tokens 1,x --out "$tmp/l"
exits 2 "ids over the vocabulary" logits --model $model --tokens 1,99999 --out "$tmp/l"
exits 3 "a model that is none" generate --model Makefile --prompt a -n 1
exits 3 "a folder as a model" generate --model . --prompt a -n 1
exits 3 "a model without a head" classify --model $model
exits 3 "a bidirectional model as a writer" generate --model $head --prompt a -n 1
exits 3 "--chat with a model that has no template" generate --model $model --chat --prompt a -n 1
exits 2 "--system without --chat" generate --model $model --system a --prompt a -n 1
exits 3 "more tokens than the context" logits --model $model --out "$tmp/l" \
    --tokens "$(yes 1 | head -n 40000 | paste -sd ,)"
exits 4 "a model that is not there" generate --model "$tmp/none" --prompt a -n 1
exits 4 "input that is not there" classify --model $head "$tmp/none"
exits 4 "a folder as input" classify --model $head "$tmp"
exits 4 "output that cannot be written" logits --model $model --tokens 1 --out "$tmp/no/l"
case " $(levels) " in
*" avx2 "*) other=dot ;;
*) other=avx2 ;;
esac
exits 4 "a level of another CPU" generate --model $model --prompt a -n 1 --level $other

tool pack $model -o "$tmp/q4.leaf" > /dev/null 2>&1
exits 3 "--float of a quantised pack" generate --model "$tmp/q4.leaf" --prompt a -n 1 --float
is "which names the command to type" 1 "$(grep -c 'leafcutter pack .*--type f32' "$tmp/err")"
if [ -c /dev/full ]; then
    tool classify --model $head models/triage/demo.txt > /dev/full 2> "$tmp/err"
    is "a full disk is no success" 4 $?
fi

for verb in classify job pack inspect plan tokenize logits generate bench; do
    tool $verb --help > "$tmp/out" 2> "$tmp/err"
    is "$verb --help" "0 usage: leafcutter $verb" "$? $(head -n 1 "$tmp/out" | cut -d ' ' -f 1-3)"
done

# ---- the cache: one pack a type, made anew when the source changes ----

packs() { find "$XDG_CACHE_HOME/leafcutter" -name "$1" | wc -l; }
write() {
    tool generate --json --model "$tmp/m.gguf" --prompt abc -n 5 "$@" 2>> "$tmp/err" |
        sed 's/_ms":[0-9.]*//g'
}
export XDG_CACHE_HOME=$tmp/packs
cp $model "$tmp/m.gguf"
: > "$tmp/err"
first=$(write)
is "text from a GGUF" 1 "$(grep -c '"tokens":5' <<< "$first")"
is "a pack is used again" "$first" "$(write)"
write --float > /dev/null
is "one pack a type" "1 1" "$(packs '*-q4-*') $(packs '*-f32-*')"
touch -d 2001-01-01 "$tmp/m.gguf"
is "a changed source is packed again" "$first" "$(write)"
is "and its old pack is gone" 1 "$(packs '*-q4-*')"
for pack in "$XDG_CACHE_HOME"/leafcutter/*-q4-*; do
    head -c 200 "$pack" > "$tmp/short" && cp "$tmp/short" "$pack"
done
is "a damaged pack is made anew" "$first" "$(write)"
is "all that in silence" "" "$(cat "$tmp/err")"
export XDG_CACHE_HOME=$tmp/m.gguf/none
is "without a cache folder in memory" "$first" "$(write)"
is "which is said" 1 "$(grep -c 'cache folder' "$tmp/err")"
