#!/bin/bash
# The static program needs no other file: alone in a folder it finds the shipped job in itself.
# LC_BUILD is the folder of the static aarch64 build.
. tests/tap.sh
folder=$PWD
cp "$LC_BUILD/leafcutter" "$tmp/leafcutter"
cp models/triage/demo.txt "$tmp"
run() { (cd "$tmp" && env -i PATH="$PATH" timeout 120 qemu-aarch64 ./leafcutter "$@"); }

is "it names no shared library" "" \
    "$(aarch64-linux-gnu-readelf -d "$tmp/leafcutter" 2> /dev/null | grep NEEDED)"
run classify --json demo.txt > "$tmp/records" 2> "$tmp/err"
is "it classifies with the job inside" "0 $(wc -l < models/triage/demo.txt)" \
    "$? $(wc -l < "$tmp/records")"
for verb in upstream collect; do
    run $verb --openai http://localhost 2> "$tmp/err"
    is "$verb is left out, and it says so" "4 1" "$? $(grep -c "$verb is left out" "$tmp/err")"
done
part() {
    sed -E 's/"(dev|boot|seq|ts|tq|up|src|ms|in)":("[^"]*"|[0-9.]+),?//g; s/,\}/}/g' "$1"
}
if diff <(part "$tmp/records") "$folder/tests/golden/expected/demo.jsonl" > "$tmp/diff"; then
    ok "its records are the expected ones"
else
    not_ok "its records are the expected ones" "$(cat "$tmp/err" "$tmp/diff")"
fi
