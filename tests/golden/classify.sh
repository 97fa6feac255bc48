#!/bin/sh
# classify.sh - records: equal at every level and number of threads, and defined for odd input.
# records-*.jsonl hold the deterministic part, made at level ref.
. "$(dirname "$0")/lib/tap.sh"

# Takes away what may differ from run to run.
deterministic() {
    sed -E 's/"(boot|seq|ts|up|ms)":[0-9.]+,?//g; s/"(dev|tq|src|in)":"[^"]*",?//g; s/,\}/}/'
}

# same_records EXPECTED OPTION...
same_records() {
    expected=$golden/$1
    shift
    tool classify --json "$@" "$golden/lines.txt" | deterministic > "$work/records"
    [ -s "$work/records" ] && diff "$expected" "$work/records"
}

# job NAME OPTION...: records of all lines at each level
job() {
    job_name=$1
    shift
    if [ "${LC_UPDATE:-}" = 1 ]; then
        tool classify --json --level ref "$@" "$golden/lines.txt" | deterministic \
            > "$golden/records-$job_name.jsonl"
    fi
    for level in $(levels); do
        for threads in 1 2; do
            check "$job_name $level threads $threads" same_records "records-$job_name.jsonl" \
                --level "$level" --threads $threads "$@"
        done
    done
}

# has PATTERN...: the one record in $work/record holds each of them.
has() {
    [ "$(wc -l < "$work/record")" = 1 ] || { echo "not one record"; cat "$work/record"; return 1; }
    for pattern in "$@"; do
        grep -q -F -- "$pattern" "$work/record" || {
            echo "no $pattern in:"
            cat "$work/record"
            return 1
        }
    done
}

# odd NAME PATTERN...: the record for standard input.
odd() {
    odd_name=$1
    shift
    tool classify --json "$@" > "$work/record"
}

classify() { tool classify --model models/golden/tiny-bidi.gguf --json "$@" > "$work/record"; }

# letters N
letters() { head -c "$1" /dev/zero | tr '\0' x; }

refused='"label":null'
answered='"stage":"head"'

job tiny --model models/golden/tiny-bidi.gguf
tool pack models/golden/tiny-bidi.gguf -o "$work/tiny.leaf" > "$work/said" 2>&1 ||
    not_ok "tiny model packs"
cp "$golden/job.json" "$work/"
job golden --job "$work/job.json"
tool job build "$work/job.json" -o "$work/job.leaf" > "$work/said" 2>&1 || not_ok "job builds"
check "a built bundle gives the same records" same_records records-golden.jsonl --job "$work/job.leaf"
job triage

printf '\n' | classify
check "empty line" has "$refused" '"decision":"reject"' '"why":["input:empty"]'
printf '' | classify
check "no line, no record" test ! -s "$work/record"
{ letters 1048576; echo; } | classify
check "a line of 1 MB" has "$refused" '"decision":"reject"' '"input:long"'
{ letters 8193; echo; } | classify
check "8193 bytes" has "$refused" '"input:long"'
{ letters 8192; echo; } | classify
check "8192 bytes" has "$answered" '"input:cut"'
{ letters 8192; printf '\r\n'; } | classify
check "8192 bytes, CR LF" has "$answered" '"input:cut"'
printf 'a\0b temp 5 C\n' | classify
check "NUL byte" has "$answered" '"input:utf8"' '"k":"temp"'
printf 'a \377\376 temp 5 C\n' | classify
check "invalid UTF-8" has "$answered" '"input:utf8"' '"k":"temp"'
printf '\300\200\355\240\200\n' | classify
check "overlong and surrogate" has "$answered" '"input:utf8"'
printf 'temp 81 C' | classify
check "no final newline" has "$answered" '"seq":1,' '"src":"stdin"' \
    "\"in\":\"$(printf 'temp 81 C' | sha256sum | cut -c1-16)\""
printf 'temp 81 C\r\n' | classify
check "CR LF is dropped" has "$answered" \
    "\"in\":\"$(printf 'temp 81 C' | sha256sum | cut -c1-16)\""
printf 'temp 81 C' > "$work/in.txt"
classify "$work/in.txt"
check "source is the file's name" has '"src":"in.txt"' '"dev":"local"' '"boot":0'
{ printf 'one\n\n'; letters 20000; printf '\nfour\n'; } | classify
check "one record a line" test "$(wc -l < "$work/record")" = 4
check "seq counts them" test "$(sed 's/.*"seq":\([0-9]*\).*/\1/' "$work/record" | tr '\n' ' ')" = \
    "1 2 3 4 "
finish
