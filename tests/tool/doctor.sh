#!/bin/bash
# leafcutter doctor: each trouble is told from the others, named, and has a remedy and an exit code.
# Native only: nothing here depends on the level.
. tests/tap.sh
. tests/tool/broker.bash
trap 'broker_stop; rm -rf "$tmp"; echo "1..$tests_run"' EXIT
chmod 755 "$tmp" # a broker that starts as root reads as another user
unset LEAFCUTTER_BROKER

# config JSON...: a config for this broker; the words are members of the outermost object
config() {
    printf '{"version":1, "device":{"id":"pi4-0017"}, "broker":{%s}, "storage":{"path":"%s"},
        "status":{"socket":"%s"} %s}\n' "$1" "$tmp/store" "$tmp/none.sock" "${2:-}" \
        > "$tmp/config.json"
}

# doctor [OPTION...]: runs it; $status, and the checks as lines `state name text > remedy`
doctor() {
    tool doctor --json --config "$tmp/config.json" "$@" > "$tmp/out" 2> "$tmp/err"
    status=$?
    python3 -c '
import json, sys
for check in json.load(sys.stdin)["checks"]:
    print(check["state"], check["name"], check["text"], ">", check["remedy"])
' < "$tmp/out" > "$tmp/checks"
}

# doctor_until PATTERN: again, up to five times, as what it measures is another on a busy machine
doctor_until() {
    for _ in 1 2 3 4 5; do
        doctor
        ! grep -qE "^$1" "$tmp/checks" || break
    done
}

# says NAME STATUS PATTERN...: that exit status, and a check that fits each pattern
says() {
    local name=$1 wanted=$2 missing='' pattern
    shift 2
    for pattern in "$@"; do
        grep -qE "^$pattern" "$tmp/checks" || missing="$missing [$pattern]"
    done
    if [ "$status" = "$wanted" ] && [ -z "$missing" ]; then
        ok "$name"
    else
        not_ok "$name" "exit $status, wanted $wanted; missing:$missing
$(cat "$tmp/checks" "$tmp/err")"
    fi
}

# silent NAME WORD...: no check of these names
silent() {
    local name=$1 word found=''
    shift
    for word in "$@"; do found=$found$(grep -E "^[a-z]+ $word " "$tmp/checks"); done
    is "$name" "" "$found"
}

port=$(free_port)
url="\"url\":\"mqtt://127.0.0.1:$port\""
tool pack models/golden/tiny-bidi.gguf -o "$tmp/tiny.leaf" > /dev/null 2>&1
cp tests/golden/job.json "$tmp/job.json"
tool job build "$tmp/job.json" -o "$tmp/job.leaf" > /dev/null 2>&1
job=", \"job\":\"$tmp/job.leaf\""

# ---- this board ----

config "$url" "$job"
doctor --offline
says "a board without trouble" 0 "ok config " "ok job golden 3 " "ok memory " "(ok|warn) kernels " \
    "(ok|warn) clock (ntp|rtc|none)" "ok storage " "ok daemon it does not run"
silent "--offline leaves the broker alone" dns tcp mqtt

config "$url" ", \"nonsense\":1"
doctor --offline
says "a config that is wrong" 3 "fail config .*nonsense.* > .*--help-config"
rm "$tmp/config.json"
doctor --offline
says "a config that is not there" 4 "fail config .* > .*leafcutter init"

config "$url" ", \"job\":\"$tmp/none.leaf\""
doctor --offline
says "a job that is not there" 4 "fail job .*none.leaf"
head -c 400 "$tmp/job.leaf" > "$tmp/short.leaf"
config "$url" ", \"job\":\"$tmp/short.leaf\""
doctor --offline
says "a bundle cut short" 3 "fail job "
mkdir "$tmp/damaged"
cp "$tmp/job.leaf" "$tmp/tiny.leaf" "$tmp/damaged"
size=$(stat -c %s "$tmp/damaged/tiny.leaf")
printf '\x55\xaa\x55' | dd of="$tmp/damaged/tiny.leaf" bs=1 seek=$((size - 100)) conv=notrunc \
    2> /dev/null
config "$url" ", \"job\":\"$tmp/damaged/job.leaf\""
doctor --offline
says "a pack with changed bytes" 3 "fail job .*pack 1 is damaged at byte [0-9]+: .* > copy it again"
mkdir "$tmp/alone"
cp "$tmp/job.leaf" "$tmp/alone"
config "$url" ", \"job\":\"$tmp/alone/job.leaf\""
doctor --offline
says "a bundle without its pack" 3 "fail job .* > put the pack beside the bundle"

mkfifo "$tmp/fifo"
: > "$tmp/plain"
config "$url" "$job, \"inputs\":[{\"source\":\"fifo\",\"path\":\"$tmp/fifo\"},
    {\"source\":\"fifo\",\"path\":\"$tmp/later\"}, {\"source\":\"file\",\"path\":\"$tmp/plain\"},
    {\"source\":\"stdin\"}, {\"source\":\"mqtt\",\"topic\":\"plant/+/text\"}]"
doctor --offline
says "inputs that are there" 0 "ok input .*FIFO" "ok input .*the daemon makes it" \
    "ok input .*plain, 0 bytes" "ok input .*standard input" "ok input .*topic plant/"
config "$url" "$job, \"inputs\":[{\"source\":\"file\",\"path\":\"$tmp/gone\"}]"
doctor --offline
says "a file that is not there" 4 "fail input .*gone: No such file"
config "$url" "$job, \"inputs\":[{\"source\":\"fifo\",\"path\":\"$tmp/plain\"}]"
doctor --offline
says "a FIFO that is none" 4 "fail input .*no FIFO > remove it"
config "$url" "$job, \"inputs\":[{\"source\":\"serial\",\"path\":\"/dev/null\",\"baud\":9600},
    {\"source\":\"serial\",\"path\":\"/dev/ttyNONE9\"}]"
doctor --offline
says "serial lines: none, unplugged" 4 "fail input .*/dev/null.* > is it a serial line" \
    "warn input .*ttyNONE9.* > is it plugged in"
config "$url" "$job, \"outputs\":{\"gpio\":{\"relay\":{\"chip\":\"gpiochip77\",\"line\":1}}}"
doctor --offline
says "a pin that is not there" 4 "fail output relay: /dev/gpiochip77.* > gpiodetect"
config "$url" "$job"
sed -i "s#$tmp/store#$tmp/plain/store#" "$tmp/config.json"
doctor --offline
says "storage that cannot be written" 4 "fail storage .* > storage.path must"

# ---- the way to the broker ----

config "$url" "$job"
doctor
says "nobody listens" 5 "ok dns " "fail tcp .*refused > .*start it"
silent "and nothing more is said" auth protocol acl
config '"url":"mqtt://no-such-host.invalid"' "$job"
doctor
says "a name that nobody knows" 5 "fail dns no-such-host.invalid: .* > check the name"
config "$url" "$job"
doctor --broker http://x
says "an address that is none" 3 "fail broker http://x: at byte 0"
LEAFCUTTER_BROKER=mqtt://no-such-host.invalid doctor
says "the environment comes before the config" 5 "fail dns no-such-host.invalid"

printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port" > "$tmp/m.conf"
broker_start "$tmp/m.conf" "$port" || not_ok "an open broker starts"
doctor_until "warn round-trip .* together"
says "an open broker" 0 "ok tcp " "ok auth .*without user name" "ok protocol mosquitto .*MQTT 5" \
    "ok limits packets of any size" "warn acl .*other devices" "ok commands dn/ is heard" \
    "ok retained .*no state"
says "which waits with small packets" 0 \
    "warn round-trip .* ms for 6 together > set_tcp_nodelay true"
config "$url, \"protocol\":\"3.1.1\"" "$job"
doctor
says "MQTT 3.1.1 is told" 0 "warn protocol .*3.1.1" "warn acl .*other devices"
config "$url" "$job"
mosquitto_pub -h 127.0.0.1 -p "$port" -r -q 1 -t leafcutter/v1/pi4-0017/up/state -m online
doctor
says "a state that is retained" 0 "ok retained .*as online"
heard=$(timeout 5 mosquitto_sub -h 127.0.0.1 -p "$port" \
    -t 'leafcutter/v1/pi4-0017/up/doctor/#' -W 1 2> /dev/null)
is "nothing of ours is left there" "" "$heard"
kill -STOP "$broker"
doctor
says "a broker that hangs" 5 "ok tcp " "fail mqtt no answer within"
broker_stop

printf 'set_tcp_nodelay true\nmax_packet_size 5000\nretain_available false\n' >> "$tmp/m.conf"
broker_start "$tmp/m.conf" "$port" || not_ok "a small broker starts"
doctor_until "ok round-trip"
says "a broker with nodelay, for small packets" 0 "ok round-trip " \
    "warn limits .*5000 bytes.* > max_packet_size"
broker_stop
sed -i '/max_packet_size/d' "$tmp/m.conf"
broker_start "$tmp/m.conf" "$port" || not_ok "a broker without retained messages starts"
doctor
says "a broker that retains nothing" 0 "warn limits .*no retained messages > retain_available"
broker_stop

# ---- rights ----

password_file "$tmp/users" pi4-0017 other
printf 'secret\n' > "$tmp/password"
printf 'wrong\n' > "$tmp/wrong"
printf 'pattern write leafcutter/v1/%%u/up/#\npattern read leafcutter/v1/%%u/dn/#\n' > "$tmp/acl"
printf 'listener %s 127.0.0.1\nset_tcp_nodelay true\npassword_file %s\nacl_file %s\n' \
    "$port" "$tmp/users" "$tmp/acl" > "$tmp/m.conf"
chmod 644 "$tmp"/acl "$tmp"/*password
broker_start "$tmp/m.conf" "$port" || not_ok "a broker with rights starts"
config "$url, \"password_file\":\"$tmp/password\"" "$job"
doctor
says "rights as they should be" 0 "ok auth .*user pi4-0017" "ok acl .*another device's is refused" \
    "ok commands .*cannot be told from here" "ok retained cannot be told"
doctor --user other
says "a user that is not the device" 5 \
    "fail acl leafcutter/v1/pi4-0017/up/doctor .*not authorised > "
doctor --password-file "$tmp/wrong"
says "a wrong password" 5 "fail auth .*user pi4-0017.* > .*mosquitto_passwd"
config "$url" "$job"
doctor
says "no password" 5 "fail auth .*without user name"
config "$url, \"password_file\":\"$tmp/password\", \"protocol\":\"3.1.1\"" "$job"
doctor
says "what 3.1.1 cannot tell" 0 "warn acl cannot be told" "ok commands .*cannot be told"
doctor --password-file "$tmp/wrong"
says "a wrong password, 3.1.1" 5 "fail auth "
broker_stop
printf 'pattern write leafcutter/v1/%%u/#\n' > "$tmp/acl"
broker_start "$tmp/m.conf" "$port" || not_ok "a broker with wrong rights starts"
config "$url, \"password_file\":\"$tmp/password\"" "$job"
doctor
says "dn/ that may not be read" 5 "fail commands .*not heard > .pattern read"
broker_stop

# ---- TLS ----

tests/mqtt/certs.sh "$tmp/tls" pi4-0017 pi4-0099
chmod 755 "$tmp/tls"
host=localhost # a bare machine may not know the name
getent hosts $host > /dev/null || host=127.0.0.1
url="\"url\":\"mqtts://$host:$port\""
tls() { printf '"tls":{"ca":"%s","cert":"%s","key":"%s"}' "$1" "${2:-}" "${3:-}"; }
ca=$tmp/tls/ca.crt
own="$tmp/tls/pi4-0017"

# listener NAME [LINE...]: a TLS broker with that certificate
listener() {
    broker_stop
    printf 'listener %s 127.0.0.1\nset_tcp_nodelay true\ncafile %s\ncertfile %s\nkeyfile %s\n' \
        "$port" "$ca" "$tmp/tls/$1.crt" "$tmp/tls/$1.key" > "$tmp/m.conf"
    shift
    printf '%s\n' "${@:-allow_anonymous true}" >> "$tmp/m.conf"
    broker_start "$tmp/m.conf" "$port" || not_ok "a TLS broker starts"
}

listener server
config "$url, $(tls "$ca")" "$job"
doctor
says "TLS that holds, certificate soon to end" 0 \
    "warn tls TLSv1.[23]; .*ends in (19|20) days" "ok auth "
config "\"url\":\"mqtts://127.0.0.1:$port\", $(tls "$ca")" "$job"
doctor
says "by address" 0 "(ok|warn) tls " "ok auth "
config "$url, $(tls "$tmp/tls/other-ca.crt")" "$job"
doctor
says "another authority" 5 "fail tls the certificate of $host: .* > .*must hold the authority"
silent "and no try with MQTT" auth mqtt
config "$url, $(tls "$tmp/tls/none.crt")" "$job"
doctor
says "an authority that is not there" 4 "fail certificate .*none.crt"
config "\"url\":\"mqtt://127.0.0.1:$port\"" "$job"
doctor
says "clear text to a TLS port" 5 "fail mqtt .* > .*TLS"

listener server-expired
config "$url, $(tls "$ca")" "$job"
doctor
says "a broker's certificate that has ended" 5 "fail tls .*expired > renew .*ended"
listener server-name
doctor
says "a broker's certificate for another name" 5 \
    "fail tls .*(hostname|IP address) mismatch > use the name"

listener server "require_certificate true" "use_identity_as_username true"
config "$url, $(tls "$ca")" "$job"
doctor
says "no certificate where one is wanted" 5 "fail (tls|mqtt) .* > .*certificate of this device"
config "$url, $(tls "$ca" "$own.crt" "$own.key")" "$job"
doctor
says "certificates on both sides" 0 "(ok|warn) certificate .*pi4-0017" "ok auth "
config "$url, $(tls "$ca" "$own-expired.crt" "$own-expired.key")" "$job"
doctor
says "our certificate has ended" 3 "fail certificate .*ended [01] days? ago"
config "$url, $(tls "$ca" "$own.crt" "$tmp/tls/pi4-0099.key")" "$job"
doctor
says "another key" 4 "fail certificate .*pi4-0099.key: cannot be used with .*pi4-0017.crt"
config "$url, $(tls "$ca" "$tmp/tls/pi4-0099.crt" "$tmp/tls/pi4-0099.key")" "$job"
doctor
says "another device's certificate" 0 "warn certificate .*for \"pi4-0099\", this device is" \
    "ok auth "
broker_stop
printf 'listener %s 127.0.0.1\nallow_anonymous true\n' "$port" > "$tmp/m.conf"
broker_start "$tmp/m.conf" "$port" || not_ok "an open broker starts again"
config "$url, $(tls "$ca")" "$job"
doctor
says "TLS to a clear-text port" 5 "fail tls the handshake fails.* > is this port for TLS"

# ---- for people ----

config "\"url\":\"mqtt://127.0.0.1:$port\"" "$job"
tool doctor --config "$tmp/config.json" > "$tmp/out" 2>&1
is "a table, its sum in the last line" 1 \
    "$(tail -n 1 "$tmp/out" | grep -cE '^[0-9]+ checks, [0-9]+ warnings?, 0 failures$')"
is "in lines of 100 columns" 0 "$(awk 'length > 100' "$tmp/out" | wc -l)"
