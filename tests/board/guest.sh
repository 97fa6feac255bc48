# guest.sh - what the board does: sourced by its init, /guest is shared with tests/board/board.py.
# The package is installed as on any board; then the daemon runs until the file `stop` is there.
cd /guest || exit 1
/usr/bin/dpkg -i leafcutter_*.deb > dpkg.log 2>&1
echo $? > dpkg.status
id leafcutter > user.txt 2>&1
mkdir -p /run/leafcutter /var/lib/leafcutter /etc/leafcutter
cp config.json /etc/leafcutter/config.json
printf 'listener 1883 127.0.0.1\nallow_anonymous true\nuser root\n' > /run/mosquitto.conf
mosquitto -c /run/mosquitto.conf > mosquitto.log 2>&1 &
until mosquitto_pub -h 127.0.0.1 -t test -m x 2> /dev/null; do sleep 0.2; done
mosquitto_sub -h 127.0.0.1 -t 'leafcutter/#' -F '%t %p' > received.txt 2> /dev/null &
case $(gpioset --version) in
*v1*) gpioset --mode=signal gpiochip0 7=0 & ;;
*) gpioset -c gpiochip0 7=0 & ;;
esac
holder=$!
sleep 1
# What the loudspeaker plays comes out of the other end of the loop.
listen() { arecord -q -D hw:Loopback,1 -t raw -f S16_LE -r 48000 -c 1 "/run/$1" 2> arecord.log & }
listen alarm.raw
ear=$!
# From here on nothing but storage.path, /run and the shared folder can be written.
mount -t tmpfs tmpfs /var/lib/leafcutter
mount -o remount,ro /
touch /var/lib/written /etc/written 2> read-only.txt
sed 's|/var/lib/leafcutter|/var/lib/other|' config.json > /run/other.json
for config in /etc/leafcutter/config.json /run/other.json; do
    leafcutter doctor --config $config
    echo "status $?"
done > doctor.txt 2>&1
run() {
    leafcutterd --config /etc/leafcutter/config.json 2>> daemon.log &
    daemon=$!
}
leafcutterd --config /etc/leafcutter/config.json --check-config 2> check.log
echo $? > check.status
run
until grep -q 'start: device' daemon.log; do sleep 0.2; done
touch ready
# What the outside wants is a script.
while [ ! -e stop ]; do
    if [ -e do ]; then
        . ./do
        rm do
    fi
    sleep 0.1
done
kill -TERM $daemon
wait $daemon
echo $? > daemon.status
kill $ear
wait $ear
cp /run/*.raw .
kill %1 2> /dev/null
true
