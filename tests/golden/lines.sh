#!/bin/bash
# Any line has a defined record: empty, very long, NUL bytes, invalid UTF-8, no last newline.
. tests/tap.sh

# record NAME FILE LINES [PATTERN...]: that many records, exit 0, each pattern in the output
record() {
    local name=$1 file=$2 lines=$3 status pattern
    shift 3
    tool classify --json "$file" > "$tmp/out" 2> "$tmp/err"
    status=$?
    if [ $status != 0 ] || [ "$(wc -l < "$tmp/out")" != "$lines" ]; then
        not_ok "$name" "exit $status, $(wc -l < "$tmp/out") records: $(head -c 500 "$tmp/err")"
        return
    fi
    for pattern in "$@"; do
        grep -qE "$pattern" "$tmp/out" || {
            not_ok "$name" "no $pattern in $(head -c 500 "$tmp/out")"
            return
        }
    done
    if LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f]' "$tmp/out"; then
        not_ok "$name" "a control byte in the record"
    elif ! iconv -f UTF-8 -t UTF-8 "$tmp/out" > /dev/null; then
        not_ok "$name" "the record is not UTF-8"
    else
        ok "$name"
    fi
}
printf 'P2 vib 7.9mm/s rising, temp 81C\n' > "$tmp/plain"
printf '\n' > "$tmp/empty"
: > "$tmp/nothing"
printf 'temp 81C' > "$tmp/unended"
printf 'temp 81C\r\nok\r\n' > "$tmp/crlf"
printf 'temp\00081C\000\n' > "$tmp/nul"
printf 'temp \xff\xfe\xc0\x80\xed\xa0\x80 81C\n' > "$tmp/utf8"
head -c 1048576 /dev/zero | tr '\0' 'a' > "$tmp/mega" && echo >> "$tmp/mega"
head -c 8192 /dev/zero | tr '\0' '7' > "$tmp/most" && echo >> "$tmp/most"
printf '"},{"label":"x" \\ \t \b \x7f\n' > "$tmp/quotes"
head -c 3000 /dev/urandom | tr -d '\n' > "$tmp/random" && echo >> "$tmp/random"

record "a plain line" "$tmp/plain" 1 '"label":"vibration"'
record "an empty line" "$tmp/empty" 1 '"decision":"reject"' 'input:empty'
record "no line at all" "$tmp/nothing" 0
record "a last line without newline" "$tmp/unended" 1 '"label":'
record "CR LF" "$tmp/crlf" 2
record "NUL bytes" "$tmp/nul" 1
record "invalid UTF-8" "$tmp/utf8" 1
record "one megabyte" "$tmp/mega" 1 '"decision":"reject"' 'input:long'
record "the longest line" "$tmp/most" 1
record "quotes and backslashes" "$tmp/quotes" 1
record "random bytes" "$tmp/random" 1
cat "$tmp"/{plain,empty,mega,nul,plain} > "$tmp/mixed"
record "a good line after bad ones" "$tmp/mixed" 5 '"label":"vibration"'
