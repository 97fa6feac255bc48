#!/bin/bash
# leafcutter init: what it writes is what the daemon takes; it asks, and writes over nothing.
# Native only: nothing here depends on the level.
. tests/tap.sh
unset LEAFCUTTER_BROKER
daemon() { timeout 20 "$LC_BUILD/leafcutterd" "$@"; }
value() { python3 -c '
import json, re, sys
tree = json.loads(re.sub(r"^ *//.*", "", open(sys.argv[1]).read(), flags=re.M))
for key in sys.argv[2].split("."):
    tree = tree[int(key) if isinstance(tree, list) else key]
print(tree)' "$1" "$2"; }

# taken NAME OPTION...: init with these options, and the daemon's check of the result
taken() {
    local name=$1 out
    shift
    rm -rf "$tmp/dir"
    out=$(tool init --yes --dir "$tmp/dir" "$@" 2>&1 &&
        daemon --config "$tmp/dir/config.json" --check-config 2>&1)
    is "$name" 0 $?
    [ -f "$tmp/dir/config.json" ] || echo "# $out"
}

taken "defaults"
is "the usual broker" mqtt://127.0.0.1:1883 "$(value "$tmp/dir/config.json" broker.url)"
is "its state beside it" "$tmp/dir/state" "$(value "$tmp/dir/config.json" storage.path)"
is "a name that is allowed" 1 \
    "$(value "$tmp/dir/config.json" device.id | grep -cE '^[a-z0-9][a-z0-9-]{0,31}$')"
is "no two blanks at a line's end" 0 "$(grep -c ' $' "$tmp/dir/config.json")"
taken "every kind of input" --input \
    stdin,file:/a/b,fifo:/run/x,serial:/dev/ttyAMA0@115200,mqtt:plant/+/text
is "the speed" 115200 "$(value "$tmp/dir/config.json" inputs.3.baud)"
is "the topic" plant/+/text "$(value "$tmp/dir/config.json" inputs.4.topic)"
taken "no input" --input ''
taken "a path with quotes and backslashes" --input 'file:/a"b\c'
is "as it was given" '/a"b\c' "$(value "$tmp/dir/config.json" inputs.0.path)"
taken "TLS" --broker mqtts://broker.example --ca ca.crt --cert own.crt --key own.key
is "paths are made absolute" "$PWD/ca.crt" "$(value "$tmp/dir/config.json" broker.tls.ca)"
taken "a user" --user u --password-file /etc/p
LEAFCUTTER_BROKER=mqtt://from.environment:1 taken "the environment"
is "names the broker" mqtt://from.environment:1 "$(value "$tmp/dir/config.json" broker.url)"

# Each key is explained in the words of the daemon's table.
missing=
while read -r key; do
    about=$(daemon --help-config | sed -nE "s/^$key +//p" | sed -E 's/ \([^()]*\)$//')
    grep -qF "// $about" "$tmp/dir/config.json" || missing="$missing $key"
done << 'KEYS'
device.id
broker.url
inputs
job
storage.path
status.socket
log.level
KEYS
is "comments from the table of keys" "" "$missing"

# ---- what it does not do ----

# refused STATUS NAME OPTION...: that exit status, and no file
refused() {
    local wanted=$1 name=$2
    shift 2
    rm -rf "$tmp/dir"
    tool init --yes --dir "$tmp/dir" "$@" > "$tmp/out" 2> "$tmp/err"
    is "$name" "$wanted 0 no" "$? $(stat -c %s "$tmp/out") $(
        [ -e "$tmp/dir/config.json" ] || echo no)"
}
refused 2 "a name that is not allowed" --id Pump_1
refused 2 "an address that is none" --broker http://x
refused 2 "an input that is none" --input telepathy:5
refused 2 "a FIFO without path" --input fifo
refused 2 "a speed that is none" --input serial:/dev/x@fast
refused 2 "a certificate without its key" --broker mqtts://x --cert c.crt
refused 2 "a path too long" --job "/$(printf 'a%.0s' $(seq 3000))"
mkdir -p "$tmp/kept"
echo mine > "$tmp/kept/config.json"
tool init --yes --dir "$tmp/kept" > /dev/null 2> "$tmp/err"
is "a config that is there stays" "4 mine 1" \
    "$? $(cat "$tmp/kept/config.json") $(grep -c -- --force "$tmp/err")"
tool init --yes --dir "$tmp/kept" --force > /dev/null 2>&1
is "unless --force" 0 "$(grep -c mine "$tmp/kept/config.json")"
: > "$tmp/file"
tool init --yes --dir "$tmp/file" > /dev/null 2>&1
is "a folder that is a file" 4 $?

# ---- what it says, and asks ----

rm -rf "$tmp/dir"
next=$(tool init --yes --dir "$tmp/dir" --json | sed -E 's/.*"next":"([^"]*)".*/\1/')
is "the command to type next" "leafcutterd --config $tmp/dir/config.json" "$next"
rm -rf "$tmp/dir"
tool init --dir "$tmp/dir" > /dev/null 2>&1 < /dev/null
is "without a terminal it asks nothing" 0 $?
rm -rf "$tmp/dir"
# Answers, the first refused; then the terminal ends.
printf 'BAD NAME\npump-7\nmqtt://b:1\nserial:/dev/ttyS0,stdin\n\n' > "$tmp/answers"
script -qec "${LC_RUN:-} $LC_BUILD/leafcutter init --dir $tmp/dir" /dev/null < "$tmp/answers" \
    > "$tmp/out" 2>&1
is "on a terminal it asks" "pump-7 mqtt://b:1 /dev/ttyS0" "$(
    value "$tmp/dir/config.json" device.id) $(
    value "$tmp/dir/config.json" broker.url) $(value "$tmp/dir/config.json" inputs.0.path)"
is "again after an answer that cannot be" 1 "$(grep -c 'device.id: only a-z' "$tmp/out")"
