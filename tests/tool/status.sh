#!/bin/bash
# leafcutter status: a living daemon, none, and what is no daemon.
# Native only: nothing here depends on the level.
. tests/tap.sh
. tests/tool/broker.bash
daemon=''
leave() {
    [ -z "$daemon" ] || kill "$daemon" 2> /dev/null
    wait
    rm -rf "$tmp"
    echo "1..$tests_run"
}
trap leave EXIT

tool pack models/golden/tiny-bidi.gguf -o "$tmp/tiny.leaf" > /dev/null 2>&1
cp tests/golden/job.json "$tmp/job.json"
mkfifo "$tmp/in"
# Nobody listens at that broker: the daemon answers all the same.
tool init --yes --dir "$tmp" --id pi4-0017 --broker "mqtt://127.0.0.1:$(free_port)" \
    --input "fifo:$tmp/in" --job "$tmp/job.json" > /dev/null

tool status --config "$tmp/config.json" > "$tmp/out" 2> "$tmp/err"
is "no daemon" "5 0 1" "$? $(stat -c %s "$tmp/out") $(grep -c 'no daemon listens' "$tmp/err")"

"$LC_BUILD/leafcutterd" --config "$tmp/config.json" 2> "$tmp/log" &
daemon=$!
exec 3> "$tmp/in" # opens when the daemon has opened its end
head -n 20 models/triage/demo.txt >&3
for _ in $(seq 100); do
    tool status --config "$tmp/config.json" --json > "$tmp/out" 2> /dev/null &&
        grep -q '"lines":{"in":20,"lost":0,"waiting":0' "$tmp/out" && break
    sleep 0.1
done
is "lines are counted" 1 "$(grep -c '"lines":{"in":20,"lost":0,"waiting":0' "$tmp/out")"
is "one object" 1 "$(python3 -c '
import json, sys
print(len([json.loads(line) for line in sys.stdin]))' < "$tmp/out")"
cd "$tmp" || exit 1
LC_BUILD=$(cd "$OLDPWD" && realpath "$LC_BUILD")
tool status > "$tmp/table"
is "the config of this folder names the socket" 0 $?
cd "$OLDPWD" || exit 1
missing=
for word in "device    pi4-0017, started 1 time" "program .* kernels" "job       golden 3" \
    "inputs .*in" "link .* 0 connections" "lines     20 in, 0 lost, 0 waiting" \
    "records   [0-9]+: [0-9]+ accept, 0 escalate" "queue .*waiting" "journal   ok, " \
    "gaps      0 stated" \
    "latency   p50 .*, of 20 lines" "inference p50" "late      0 lines" "arenas    state"; do
    grep -qE "^$word" "$tmp/table" || missing="$missing [$word]"
done
is "a table for people" "" "$missing"
sum=$(sed -n 's/^records //p' "$tmp/table" | tr -d ':,a-z' |
    { read -r all accept escalate defer reject
        echo $((all - accept - escalate - defer - reject)); })
is "decisions add up" 0 "$sum"
tool status --config "$tmp/config.json" --metrics > "$tmp/metrics"
tests/mqtt/prom.py "$tmp/metrics" "$tmp/out" > "$tmp/verdict" 2>&1
is "metrics, each number of the status object among them" 0 $?
is "and they are what it says" "leafcutter_lines_in_total 20" \
    "$(grep '^leafcutter_lines_in_total' "$tmp/metrics")"
tool status --config "$tmp/config.json" --metrics --json > /dev/null 2>&1
is "metrics are no object" 2 $?
exec 3>&-
kill "$daemon"
wait "$daemon"
daemon=''
tool status --config "$tmp/config.json" > /dev/null 2>&1
is "a daemon that left" 5 $?

python3 - "$tmp/other.sock" << 'SERVER' &
import socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.bind(sys.argv[1])
    server.listen()
    for _ in range(2):
        client, _ = server.accept()
        client.sendall(b"hello\n")
        client.close()
SERVER
for _ in $(seq 100); do
    [ ! -S "$tmp/other.sock" ] || break
    sleep 0.05
done
tool status --socket "$tmp/other.sock" > "$tmp/out" 2> "$tmp/err"
is "what answers is no daemon" "3 0" "$? $(stat -c %s "$tmp/out")"
tool status --socket "$tmp/other.sock" --metrics > "$tmp/out" 2> "$tmp/err"
is "nor has it metrics" "3 0" "$? $(stat -c %s "$tmp/out")"
wait
