#!/bin/sh
# demo.sh BUILD LINES - the daemon against a broker of its own: what a subscriber receives.
#
# Starts mosquitto on a free port of 127.0.0.1, a subscriber, and leafcutterd on the lines; all of
# them, and the folder that they use, are gone at the end.
set -eu
build=${1:?usage: demo.sh BUILD LINES}
lines=$(realpath "${2:?usage: demo.sh BUILD LINES}")
PATH=$PATH:/usr/sbin
for program in mosquitto mosquitto_sub; do
    command -v $program > /dev/null || {
        echo "demo.sh: $program is not installed; install it to see records arrive over MQTT" >&2
        exit 0
    }
done
folder=$(mktemp -d)
broker='' reader=''
trap 'kill $broker $reader 2> /dev/null || true; wait; rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM

# A port that is taken ends mosquitto at once.
port=18830
while [ -z "$broker" ]; do
    port=$((port + 1))
    [ $port -lt 18930 ] || { echo "demo.sh: no port is free" >&2; exit 1; }
    printf 'listener %s 127.0.0.1\nallow_anonymous true\n' $port > "$folder/broker.conf"
    mosquitto -c "$folder/broker.conf" > "$folder/broker.log" 2>&1 &
    broker=$!
    sleep 0.3
    kill -0 $broker 2> /dev/null || broker=
done

cat > "$folder/config.json" << END
{ "version": 1,
  "device": {"id": "demo"},
  "broker": {"url": "mqtt://127.0.0.1:$port"},
  "inputs": [{"source": "file", "path": "$lines", "id": "demo.txt"}],
  "storage": {"path": "$folder/store"},
  "status": {"socket": ""},
  "queue": {"batch": 1},
  "log": {"level": "warning"} }
END
mosquitto_sub -h 127.0.0.1 -p $port -t 'leafcutter/v1/demo/up/#' -F '%t %p' > "$folder/received" &
reader=$!
sleep 0.3

echo
echo "The same lines through leafcutterd and a broker at 127.0.0.1:$port. A subscriber to"
echo "leafcutter/v1/demo/up/# receives:"
echo
"$build/leafcutterd" --config "$folder/config.json" --until-eof
sleep 0.3
awk '{
    topic = $1
    sub(/^leafcutter\/v1\/demo\//, "", topic)
    count[topic]++
    text = substr($0, length($1) + 2)
    sub(/"v":1,"dev":"demo","boot":1,/, "", text)
    if (count[topic] <= 3) {
        short = (length(text) > 100) ? substr(text, 1, 97) "..." : text
        printf "  %-18s %s\n", topic, short
    }
} END {
    printf "\n"
    for (topic in count) {
        printf "  %-18s %d\n", topic, count[topic] | "sort"
    }
}' "$folder/received"
