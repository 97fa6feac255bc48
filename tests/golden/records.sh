#!/bin/bash
# Records of a model's own head and of a job with every kind of stage: equal at every level and
# thread count, from a job file as from its bundle, and with the fields that the line calls for.
#
# records.sh --write writes the expected records again, by level ref.
. tests/tap.sh
expected=tests/golden/expected
model=models/golden/tiny-bidi.gguf
write=${1:-}

# The deterministic part: all but who, when and how long.
part() {
    sed -E 's/"(dev|boot|seq|ts|tq|up|src|ms|in)":("[^"]*"|[0-9.]+),?//g; s/,\}/}/g'
}

# same NAME KEPT OPTION...: records of lines.txt are those kept
same() {
    local name=$1 kept=$expected/$2
    shift 2
    tool classify --json "$@" tests/golden/lines.txt 2> "$tmp/err" | part > "$tmp/records"
    if [ -s "$tmp/records" ] && diff "$kept" "$tmp/records" > "$tmp/diff"; then
        ok "$name"
    else
        not_ok "$name" "$(cat "$tmp/err" "$tmp/diff")"
    fi
}

# job NAME OPTION...: the same at every level
job() {
    local name=$1 level threads
    shift
    if [ "$write" = --write ]; then
        tool classify --json --level ref "$@" tests/golden/lines.txt | part \
            > "$expected/records-$name.jsonl"
    fi
    for level in $(levels); do
        for threads in ${counts:-1 2}; do
            same "$name: $level, $threads threads" "records-$name.jsonl" \
                --level "$level" --threads $threads "$@"
        done
    done
}

job head --model $model
tool pack $model -o "$tmp/tiny.leaf" > /dev/null 2> "$tmp/err" || not_ok "pack" "$(cat "$tmp/err")"
cp tests/golden/job.json "$tmp/"
job stages --job "$tmp/job.json"
if tool job build "$tmp/job.json" -o "$tmp/job.leaf" > /dev/null 2> "$tmp/err"; then
    same "stages, as a bundle" records-stages.jsonl --job "$tmp/job.leaf"
else
    not_ok "stages, as a bundle" "$(cat "$tmp/err")"
fi

# ---- labels scored after a prompt ----

printf 'It says: {text}\nIt is one of {labels}: \n' > "$tmp/prompt.txt"
counts='1 2 3 4'
job labels --model models/golden/tiny-causal.gguf --labels red,rest,blue --prompt "$tmp/prompt.txt"
tool pack models/golden/tiny-causal.gguf -o "$tmp/causal.leaf" > /dev/null 2>&1
cat > "$tmp/labels.json" << 'EOF'
{ "version": 1, "job": "model", "ver": 0,
  "tasks": [ { "task": "label", "labels": [ {"name": "red"}, {"name": "rest"}, {"name": "blue"} ],
    "stages": [ {"id": "labels", "type": "label_score", "model": "causal.leaf",
                 "prompt": "prompt.txt"} ] } ] }
EOF
tool job build "$tmp/labels.json" -o "$tmp/labels.leaf" > /dev/null 2> "$tmp/err"
for from in labels.json labels.leaf; do
    tool classify --json --job "$tmp/$from" tests/golden/lines.txt 2> "$tmp/err" | part |
        sed 's/"mdl":"[^"]*"//' > "$tmp/records"
    is "labels, as $from" "$(sed 's/"mdl":"[^"]*"//' $expected/records-labels.jsonl | sha256)" \
        "$(sha256 < "$tmp/records")"
done

# ---- what surrounds the deterministic part, and odd lines ----

# record NAME PATTERN...: standard input gives one record that holds each of them
record() {
    local name=$1 pattern
    shift
    tool classify --model $model --json > "$tmp/out" 2> "$tmp/err"
    if [ "$(wc -l < "$tmp/out")" != 1 ]; then
        not_ok "$name" "not one record: $(head -c 500 "$tmp/out" "$tmp/err")"
        return
    fi
    for pattern in "$@"; do
        grep -q -F -- "$pattern" "$tmp/out" || {
            not_ok "$name" "no $pattern in $(head -c 500 "$tmp/out")"
            return
        }
    done
    ok "$name"
}

letters() { head -c "$1" /dev/zero | tr '\0' x; }
hash_of() { printf '"in":"%s"' "$(printf '%s' "$1" | sha256 | cut -c 1-16)"; }

record "empty" '"label":null' '"decision":"reject"' '"why":["input:empty"]' < <(printf '\n')
record "a byte too long" '"label":null' '"decision":"reject"' '"input:long"' < <(letters 8193)
record "not too long" '"stage":"head"' '"input:cut"' < <(letters 8192)
record "a CR does not count" '"stage":"head"' '"input:cut"' < <(letters 8192 && printf '\r\n')
record "NUL" '"stage":"head"' '"input:utf8"' '"k":"temp"' < <(printf 'a\0b temp 5 C\n')
record "invalid UTF-8" '"stage":"head"' '"input:utf8"' '"k":"temp"' < <(printf 'a \377 temp 5 C\n')
record "no newline" '"seq":1,' '"src":"stdin"' '"dev":"local"' '"boot":0' \
    "$(hash_of 'temp 81 C')" < <(printf 'temp 81 C')
record "CR LF" "$(hash_of 'temp 81 C')" < <(printf 'temp 81 C\r\n')

printf 'temp 81 C\n' > "$tmp/in.txt"
tool classify --model $model "$tmp/in.txt" > "$tmp/out" 2> "$tmp/err"
is "src is the file's name" 1 "$(grep -c '"src":"in.txt"' "$tmp/out")"
is "labels only with --json" 0 "$(grep -c '"labels"' "$tmp/out")"
is "z with --raw" 1 "$(tool classify --model $model --raw "$tmp/in.txt" | grep -c '"z":')"
is "seq counts records" "1 2 3 4" "$( (printf 'one\n\n' && letters 20000 && printf '\nfour\n') |
    tool classify --model $model --json | sed 's/.*"seq":\([0-9]*\).*/\1/' | paste -sd ' ')"
is "a table has a row a line" "$(($(wc -l < tests/golden/lines.txt) + 1))" \
    "$(tool classify --model $model --table tests/golden/lines.txt | wc -l)"
