# cutguest.sh - what the board does for cutboard.py: sourced by its init, /guest is shared with it,
# /data is the disk. The file `start` tells it to start once; else it lives a day.
cd /guest || exit 1
/usr/bin/dpkg -i leafcutter_*.deb > dpkg.log 2>&1
mkdir -p /run/leafcutter
printf 'listener 1883 127.0.0.1\nallow_anonymous true\nuser root\n' > /run/mosquitto.conf
told() { leafcutter status --json --socket /run/leafcutter/status; }
run() {
    leafcutterd --config config.json 2>> daemon.log &
    daemon=$!
    until told > /dev/null 2>&1; do sleep 0.1; done
}
# feed FROM TO MADE: every tenth line moves the relay; MADE: records of this start then
feed() {
    perl -e 'for ($ARGV[0] .. $ARGV[1]) {
        print "pump $_ ", ($_ % 10 ? "hums" : "drips"), " at 5 bar\n"
    }' "$1" "$2" > /run/leafcutter/in
    until told | grep -q "\"made\":$3,"; do sleep 0.1; done
    sleep 1
}
if [ -e start ]; then
    run
    told > told.new && mv told.new told
    sleep 2
    touch quiet
    feed 10 10 1
    sleep 1
    kill -TERM $daemon
    wait $daemon
    echo $? > left
    exit 0
fi
# What is certain, for the host to see; it takes each away.
(while [ ! -e done ]; do
    [ -e mark ] || { told > mark.new 2> /dev/null && mv mark.new mark; }
    sleep 0.1
done) &
run
feed 1 70 70
feed 71 400 400
kill -KILL $daemon
wait $daemon
run
feed 401 520 120
touch online
kill -STOP $daemon # until somebody listens
mosquitto -c /run/mosquitto.conf > /dev/null 2>&1 &
until mosquitto_pub -h 127.0.0.1 -t test -m x 2> /dev/null; do sleep 0.1; done
mosquitto_sub -h 127.0.0.1 -q 1 -t 'leafcutter/#' -F '%t %p' > received.txt 2> /dev/null &
sleep 2
kill -CONT $daemon
delivered() { until told | grep -q '"records":{[^}]*"waiting":0'; do sleep 0.2; done; }
delivered
feed 521 570 170
delivered
sleep 1
kill -TERM $daemon
wait $daemon
echo $? > left
touch done
