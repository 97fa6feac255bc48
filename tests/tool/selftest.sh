#!/bin/bash
# leafcutter selftest: fields, exit codes, the report. What it finds is tests/unit/test_selftest.c.
. tests/tap.sh
tool pack models/golden/tiny-bidi.gguf -o "$tmp/tiny.leaf" > /dev/null 2>&1
cp tests/golden/job.json "$tmp/job.json"
field() { sed -E "s/.*\"$1\":(\"[^\"]*\"|\[[^]]*\]|[a-z0-9.]+).*/\1/"; }

for threads in 1 2; do
    out=$(tool selftest --json --job "$tmp/job.json" --threads $threads)
    is "a job, $threads threads: every level is equal to ref" "0 true null" \
        "$? $(field ok <<< "$out") $(field first_difference <<< "$out")"
done
is "levels are those of this CPU" "$(levels)" \
    "$(field levels <<< "$out" | tr -d '[]"' | tr ',' ' ')"
is "its network and its lines were compared" "1 14" \
    "$(field networks <<< "$out") $(field lines <<< "$out")"
out=$(LEAFCUTTER_SHARE=$tmp tool selftest --json --model models/golden/tiny-causal.gguf)
is "a model" "0 true" "$? $(field ok <<< "$out")"
out=$(tool selftest --json --job "$tmp/job.json" --level ref)
is "one level only" '["ref"]' "$(field levels <<< "$out")"

tool selftest --job "$tmp/job.json" > "$tmp/report"
missing=
for word in leafcutter compiler board CPU features system threads levels compared result; do
    grep -q "^$word " "$tmp/report" || missing="$missing $word"
done
is "the report says where it was made" "" "$missing"

head -c 300 "$tmp/tiny.leaf" > "$tmp/short.leaf"
tool selftest --model "$tmp/short.leaf" > "$tmp/out" 2> "$tmp/err"
is "a pack cut short" "3 0" "$? $(stat -c %s "$tmp/out")"
tool selftest --model "$tmp/none.leaf" > /dev/null 2>&1
is "a model that is not there" 4 $?
tool selftest --threads 0 > /dev/null 2>&1
is "no threads" 2 $?
