#!/bin/bash
# What is installed beside the programs: systemd unit, man pages, completion, broker configuration.
# Native only: nothing here depends on the level.
. tests/tap.sh
. tests/tool/broker.bash
trap 'broker_stop; rm -rf "$tmp"; echo "1..$tests_run"' EXIT
chmod 755 "$tmp"
PATH=$PATH:/usr/sbin

# ---- man pages ----

for page in leafcutter.1 leafcutterd.8; do
    tools/dist/man/make.sh "${page%.*}" "$LC_BUILD/${page%.*}" > "$tmp/$page" 2> "$tmp/err"
    is "$page is made" "0 0" "$? $(stat -c %s "$tmp/err")"
    is "$page: mandoc has nothing to say" "" "$(mandoc -T lint -W warning "$tmp/$page" 2>&1 |
        sed 's/.*man:\|^mandoc: [^:]*://')"
    mandoc -T utf8 "$tmp/$page" | sed 's/.\x08//g' | tr -s ' \n' ' ' > "$tmp/$page.txt"
done

# The page holds every option and every word of its help; a word lost in making it would not show.
missing=
for verb in $(tool --help | sed -nE 's/^  ([a-z]+)  .*/\1/p'); do
    while read -r option about; do
        grep -qF -- "$option" "$tmp/leafcutter.1.txt" || missing="$missing $verb:$option"
        last=${about##* }
        grep -qF -- "${last:0:8}" "$tmp/leafcutter.1.txt" || missing="$missing $verb:$option:$last"
    done < <(tool "$verb" --help | sed -nE 's/^  (--?[a-z0-9-]+) /\1 /p')
done
is "leafcutter.1 holds every option" "" "$missing"
missing=$("$LC_BUILD/leafcutterd" --help-config | while read -r key _; do
    grep -qF -- " $key " "$tmp/leafcutterd.8.txt" || echo "$key"
done)
is "leafcutterd.8 holds every key" "" "$missing"

# ---- make install ----

mkdir "$tmp/man"
cp "$tmp/leafcutter.1" "$tmp/leafcutterd.8" "$tmp/man"
tools/dist/install.sh "$tmp/dest/usr" /usr "$tmp"/man/*
is "what is installed" "lib/pkgconfig/leafcutter.pc
lib/systemd/system/leafcutterd.service
lib/sysusers.d/leafcutter.conf
share/bash-completion/completions/leafcutter
share/bash-completion/completions/leafcutterd
share/leafcutter/leafcutter-ca
share/leafcutter/mosquitto/leafcutter.acl
share/leafcutter/mosquitto/leafcutter.conf
share/leafcutter/schemas/ack.schema.json
share/leafcutter/schemas/audit.schema.json
share/leafcutter/schemas/birth.schema.json
share/leafcutter/schemas/collected.schema.json
share/leafcutter/schemas/config.schema.json
share/leafcutter/schemas/escalation-answer.schema.json
share/leafcutter/schemas/escalation-request.schema.json
share/leafcutter/schemas/event.schema.json
share/leafcutter/schemas/gap.schema.json
share/leafcutter/schemas/health.schema.json
share/leafcutter/schemas/job.schema.json
share/leafcutter/schemas/log.schema.json
share/leafcutter/schemas/record.schema.json
share/leafcutter/schemas/update.schema.json
share/leafcutter/schemas/worker.schema.json
share/man/man1/leafcutter.1
share/man/man8/leafcutterd.8" "$(
    cd "$tmp/dest/usr" && find . ! -type d | sed 's#^./##' | LC_ALL=C sort)"
is "readable by all" "" "$(find "$tmp/dest" -type f ! -perm 644 ! -path '*/leafcutter-ca')"

# ---- systemd ----

unit=$tmp/dest/usr/lib/systemd/system/leafcutterd.service
is "the unit starts what is installed" "/usr/bin/leafcutterd" \
    "$(sed -nE 's/^ExecStart=([^ ]*) .*/\1/p' "$unit")"
is "with the daemon's own options" "" "$(grep -oE -- ' --[a-z-]+' "$unit" | sort -u | tr -d ' ' |
    while read -r option; do
        "$LC_BUILD/leafcutterd" --help | grep -q -- "^  $option" || echo "$option"
    done)"
# Verified with a program that is there; what it would start is not what is checked.
sed -E 's#^(ExecStart(Pre)?=)/usr/bin/leafcutterd.*#\1/bin/true#' "$unit" \
    > "$tmp/leafcutterd.service"
is "systemd finds no fault" "" "$(systemd-analyze verify --man=no "$tmp/leafcutterd.service" 2>&1)"
exposure=$(systemd-analyze security --offline=yes "$tmp/leafcutterd.service" 2> /dev/null |
    sed -nE 's/.*exposure level[^:]*: ([0-9.]+) .*/\1/p')
echo "# exposure level $exposure of 10"
is "little is exposed" 1 "$(awk -v e="$exposure" 'BEGIN { print e != "" && e <= 1.8 }')"
mkdir -p "$tmp/sys/etc" "$tmp/sys/usr/lib/sysusers.d"
cp "$tmp/dest/usr/lib/sysusers.d/leafcutter.conf" "$tmp/sys/usr/lib/sysusers.d/"
systemd-sysusers --root="$tmp/sys" > "$tmp/out" 2>&1
is "sysusers makes user and groups" "leafcutter dialout gpio audio" "$(
    grep -oE '^leafcutter' "$tmp/sys/etc/passwd") $(for group in dialout gpio audio; do
    grep -E "^$group:.*leafcutter" "$tmp/sys/etc/group" | cut -d : -f 1; done | paste -sd ' ')"

# ---- the broker's configuration, with roles ----

# As shipped, but for folder, ports and, as this mosquitto has no other file, where it keeps things.
ca() { tools/dist/leafcutter-ca --dir "$tmp/ca" "$@" >> "$tmp/ca.log" 2>&1; }
ca init && ca server localhost 127.0.0.1 && ca device pi4-0017 && ca device pi4-0018
is "an authority, a broker's certificate, two devices'" 0 $?
conf=$tmp/leafcutter port=$(free_port) devices=$(free_port) desks=$(free_port)
mkdir "$conf"
cp tools/dist/mosquitto/leafcutter.acl "$tmp"/ca/{ca.crt,crl.pem} "$conf"
cp "$tmp/ca/servers/localhost.crt" "$conf/server.crt"
cp "$tmp/ca/servers/localhost.key" "$conf/server.key"
password_file "$conf/passwords" blocks worker collector operator homeassistant
sed -E "s#/etc/mosquitto/leafcutter/#$conf/#
    s/^listener 1883/listener $port/
    s/^listener 8883/listener $devices/
    s/^listener 8884/listener $desks/
    s#^persistence true#&\npersistence_location $tmp/#" tools/dist/mosquitto/leafcutter.conf \
    > "$tmp/m.conf"
chmod 644 "$conf"/*
chmod 777 "$tmp"
broker_start "$tmp/m.conf" "$port"
is "mosquitto takes it" 0 $?
is "every line of it" "" "$(grep -E 'Error|Unknown config|deprecated' "$tmp/broker.log")"

# as USER: how it connects, devices by certificate, all others by password
as() {
    local own=$tmp/ca/devices/$1
    case $1 in
    pi4-*) echo "-h 127.0.0.1 -p $devices --cafile $conf/ca.crt --cert $own.crt --key $own.key" ;;
    *) echo "-h 127.0.0.1 -p $port -u $1 -P secret" ;;
    esac
}
# says HOW... -t TOPIC: does the broker take a message? Nothing: not even the connection.
says() {
    mosquitto_pub -V 5 -q 1 -d -m x "$@" 2>&1 |
        sed -nE 's/.*PUBACK.*RC:([0-9]+).*/\1/p' | sed -E 's/^(0|16)$/yes/; s/^135$/no/'
}
# may USER TOPIC: does the broker take a message of this user?
may() {
    # shellcheck disable=SC2046
    says $(as "$1") -t "$2"
}
# hears USER FILTER: does this user get what is there? Sent retained by whoever may, so that nothing
# has to be timed.
hears() {
    # shellcheck disable=SC2046
    timeout 5 mosquitto_sub -V 5 $(as "$1") -q 1 -t "$2" -C 1 -W 1 > "$tmp/heard" 2> /dev/null
    [ -s "$tmp/heard" ] && echo yes || echo no
}
retain() {
    # shellcheck disable=SC2046
    mosquitto_pub -V 5 $(as "$1") -q 1 -r -t "$2" -m kept
}

root=leafcutter/v1
wrong=
while read -r answer user topic; do
    [ "$(may "$user" "$topic")" = "$answer" ] || wrong="$wrong [$answer $user $topic]"
done << WRITES
yes pi4-0017 $root/pi4-0017/up/res/fault
yes pi4-0017 $root/pi4-0017/up/state
yes pi4-0017 $root/pi4-0017/up/esc/req
yes pi4-0017 homeassistant/device/pi4-0017/config
no pi4-0017 $root/pi4-0018/up/res/fault
no pi4-0017 $root/pi4-0018/up/esc/req
no pi4-0017 $root/pi4-0017/dn/text
no pi4-0017 $root/pi4-0017/dn/esc/rsp
no pi4-0017 $root/pi4-0018/dn/text
no pi4-0017 $root/_fleet/head
no pi4-0017 $root/_g/plant-a/dn/upd/desired
no pi4-0017 $root/_esc/state
no pi4-0017 $root/_root
no pi4-0017 $root/_art/0a1b/tab
no pi4-0017 homeassistant/device/pi4-0018/config
no pi4-0017 homeassistant/sensor/pi4-0017/config
no pi4-0017 homeassistant/status
no pi4-0017 plant/a/text
yes blocks $root/pi4-0017/dn/upd/blk
no blocks $root/pi4-0017/dn/upd/desired
no blocks $root/pi4-0017/up/res/fault
no blocks $root/_art/0a1b/tab
yes worker $root/pi4-0017/dn/esc/rsp
yes worker $root/_esc/state
no worker $root/pi4-0017/dn/cmd/reboot
no worker $root/pi4-0017/dn/text
no worker $root/pi4-0017/up/esc/req
no worker homeassistant/device/pi4-0017/config
yes collector $root/pi4-0017/dn/ack
no collector $root/pi4-0017/dn/text
no collector $root/pi4-0017/up/state
no collector $root/_esc/state
yes operator $root/pi4-0017/dn/cmd/report
yes operator $root/pi4-0017/dn/text
yes operator $root/pi4-0017/dn/upd/desired
yes operator $root/_g/plant-a/dn/upd/desired
yes operator $root/_fleet/head
yes operator $root/_root
yes operator $root/_art/0a1b/tab
no operator $root/pi4-0017/up/state
no operator $root/pi4-0017/dn/ack
no operator $root/pi4-0017/dn/esc/rsp
no operator $root/_esc/state
no operator homeassistant/device/pi4-0017/config
yes homeassistant homeassistant/status
no homeassistant $root/pi4-0017/dn/text
no homeassistant $root/_root
WRITES
is "who may write what" "" "$wrong"

retain operator $root/pi4-0018/dn/upd/desired
retain operator $root/pi4-0017/dn/upd/desired
retain operator $root/_g/plant-a/dn/upd/desired
retain operator $root/_fleet/head
retain operator $root/_root
retain operator $root/_art/0a1b/tab
retain worker $root/_esc/state
retain homeassistant homeassistant/status
retain pi4-0017 $root/pi4-0017/up/state
retain pi4-0017 $root/pi4-0017/up/esc/req
retain pi4-0017 $root/pi4-0017/up/upd/req
retain pi4-0017 homeassistant/device/pi4-0017/config
wrong=
while read -r answer user filter; do
    [ "$(hears "$user" "$filter")" = "$answer" ] || wrong="$wrong [$answer $user $filter]"
done << READS
yes pi4-0017 $root/pi4-0017/dn/#
no pi4-0017 $root/pi4-0018/dn/#
no pi4-0017 $root/pi4-0017/up/#
no pi4-0018 $root/+/up/#
no pi4-0018 \$share/esc/$root/+/up/esc/req
no pi4-0017 \$share/esc/$root/pi4-0018/dn/#
yes pi4-0017 $root/_g/plant-a/dn/upd/desired
yes pi4-0017 $root/_fleet/#
yes pi4-0017 $root/_root
yes pi4-0017 $root/_art/#
yes pi4-0017 $root/_esc/state
yes pi4-0017 homeassistant/status
no pi4-0017 homeassistant/device/#
yes blocks $root/+/up/upd/req
no blocks $root/+/up/state
no blocks $root/+/dn/#
yes worker $root/+/up/esc/req
yes worker \$share/esc/$root/+/up/esc/req
no worker $root/+/up/state
no worker $root/+/dn/#
yes collector $root/+/up/#
no collector $root/+/dn/#
no collector homeassistant/device/#
yes operator $root/+/dn/#
yes operator $root/+/up/state
yes homeassistant $root/+/up/state
yes homeassistant homeassistant/device/#
no homeassistant $root/+/dn/#
READS
is "who hears what" "" "$wrong"
is "a worker elsewhere: TLS and a password" yes \
    "$(says -h 127.0.0.1 -p "$desks" --cafile "$conf/ca.crt" -u worker -P secret \
        -t $root/_esc/state)"

# refused HOW...: nothing that the broker says of a message
refused() { [ -z "$(says "$@" -t $root/pi4-0018/up/state)" ] && echo refused || echo taken; }
tls="-h 127.0.0.1 -p $devices --cafile $conf/ca.crt"
cert() { echo "--cert $1/devices/$2.crt --key $1/devices/$2.key"; }
tools/dist/leafcutter-ca --dir "$tmp/other" init > /dev/null
tools/dist/leafcutter-ca --dir "$tmp/other" device pi4-0018 > /dev/null
# shellcheck disable=SC2046,SC2086
is "no certificate, one of another authority, a role's name as a device, no password, a wrong one" \
    "refused refused refused refused refused" "$(refused $tls) $(
    refused $tls $(cert "$tmp/other" pi4-0018)) $(
    ca device operator || echo refused) $(
    refused -h 127.0.0.1 -p "$port" -u operator) $(
    refused -h 127.0.0.1 -p "$desks" --cafile "$conf/ca.crt" -u operator -P other)"

printf 'secret\n' > "$tmp/password"
head -n 5 models/triage/demo.txt > "$tmp/lines"
tool init --yes --dir "$tmp/device" --id pi4-0017 --broker "mqtts://127.0.0.1:$devices" \
    --input "file:$tmp/lines" --job models/triage/triage.leaf --ca "$conf/ca.crt" \
    --cert "$tmp/ca/devices/pi4-0017.crt" --key "$tmp/ca/devices/pi4-0017.key" > /dev/null
tool doctor --config "$tmp/device/config.json" > "$tmp/out" 2>&1
is "doctor is content with it" "1 1 1 1" "$(grep -c '^ok    acl' "$tmp/out") $(
    grep -c '^ok    limits' "$tmp/out") $(grep -c '^ok    round-trip' "$tmp/out") $(
    grep -c '^ok    tls' "$tmp/out")"
# Its collector hears it, by password.
# shellcheck disable=SC2046
timeout 60 stdbuf -oL mosquitto_sub -V 5 $(as collector) -q 1 -t "$root/+/up/res/+" -C 1 -d \
    > "$tmp/collected" 2>&1 &
collector=$!
for _ in $(seq 200); do grep -q Subscribed "$tmp/collected" && break; sleep 0.05; done
timeout 60 "$LC_BUILD/leafcutterd" --config "$tmp/device/config.json" --until-eof 2> "$tmp/daemon"
is "a daemon reports over it, and is refused nothing" "0 0" "$? $(grep -c refused "$tmp/daemon")"
wait $collector
is "and a collector hears it" 0 "$?"

# shellcheck disable=SC2046
stdbuf -oL mosquitto_sub -V 5 $(as pi4-0018) -q 1 -t $root/pi4-0018/dn/text -d --will-qos 1 \
    --will-topic $root/pi4-0018/up/state --will-payload offline --will-retain > "$tmp/dies" 2>&1 &
dies=$!
for _ in $(seq 200); do grep -q Subscribed "$tmp/dies" && break; sleep 0.05; done
{ kill -9 $dies; wait $dies; } 2> /dev/null
for _ in $(seq 20); do # the broker notices, then it is kept
    hears operator $root/pi4-0018/up/state > /dev/null
    grep -q offline "$tmp/heard" && break
done
is "a device that dies is said to be offline" offline "$(cat "$tmp/heard")"
head -c 300000 /dev/zero | tr '\0' x > "$tmp/large"
is "too large a message is not taken" "" "$(
    mosquitto_pub -V 5 -q 1 -d -h 127.0.0.1 -p "$port" -u operator -P secret \
        -t $root/pi4-0017/dn/text -f "$tmp/large" 2>&1 | grep PUBACK)"
broker_stop
broker_start "$tmp/m.conf" "$port"
is "restarted it has what it kept" "yes yes" "$(hears pi4-0017 "$root/pi4-0017/dn/upd/desired") $(
    hears operator "$root/pi4-0018/up/state")"

# ---- leafcutter-ca ----

mkdir "$tmp/before"
cp "$tmp"/ca/devices/pi4-0018.* "$tmp/before"
mkdir "$tmp/before/devices" && mv "$tmp"/before/pi4* "$tmp/before/devices"
ca renew pi4-0018
# shellcheck disable=SC2046,SC2086
is "renewed: the one before is good, too" "taken taken" "$(
    refused $tls $(cert "$tmp/before" pi4-0018)) $(refused $tls $(cert "$tmp/ca" pi4-0018))"
ends() { # NAME FOLDER: the broker takes what is revoked now; it refuses this certificate soon
    local _
    cp "$tmp/ca/crl.pem" "$conf"
    chmod 644 "$conf/crl.pem"
    kill -HUP "$broker"
    for _ in $(seq 100); do
        # shellcheck disable=SC2046,SC2086
        [ "$(refused $tls $(cert "$2" "$1"))" = taken ] || break
        sleep 0.05
    done
}
ca revoke --old pi4-0018
ends pi4-0018 "$tmp/before"
# shellcheck disable=SC2046,SC2086
is "then revoked: the new one alone" "refused taken" "$(
    refused $tls $(cert "$tmp/before" pi4-0018)) $(refused $tls $(cert "$tmp/ca" pi4-0018))"
cp "$tmp"/ca/devices/pi4-0018.* "$tmp/before/devices"
ca revoke pi4-0018
ends pi4-0018 "$tmp/before"
# shellcheck disable=SC2046,SC2086
is "and all of a device: none, of others still" "refused taken" "$(
    refused $tls $(cert "$tmp/before" pi4-0018)) $(refused $tls $(cert "$tmp/ca" pi4-0017))"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$tmp/own.key" 2> /dev/null
openssl req -new -key "$tmp/own.key" -subj /CN=somebody-else -out "$tmp/own.csr"
ca --csr "$tmp/own.csr" --days 7 device pi4-0020
is "a request is signed for the id, not for what it says; no key is here" "CN = pi4-0020 0 no" "$(
    openssl x509 -in "$tmp/ca/devices/pi4-0020.crt" -noout -subject | sed 's/subject=//') $(
    openssl x509 -in "$tmp/ca/devices/pi4-0020.crt" -noout -checkend 600000 > /dev/null; echo $?
    ) $([ -e "$tmp/ca/devices/pi4-0020.key" ] && echo yes || echo no)"
wrong=
for id in '' A pi_4 -x ../x 'a b' ca/x "$(printf 'a%.0s' {1..33})" blocks worker collector \
    homeassistant pi4-0017; do
    ca device "$id" && wrong="$wrong [$id]"
done
ca server 'x;y' && wrong="$wrong [x;y]"
ca server localhost 'DNS:x,IP:1' && wrong="$wrong [DNS:x,IP:1]"
ca renew pi4-0099 && wrong="$wrong [renew of none]"
ca revoke pi4-0099 && wrong="$wrong [revoke of none]"
ca init && wrong="$wrong [init again]"
is "ids that are none, roles, hosts that are none, what is not there: refused" "" "$wrong"
is "keys are for their owner only" "" "$(find "$tmp/ca" -name '*.key' ! -perm 600)"
is "it says how to use it" "0 2" "$(tools/dist/leafcutter-ca --help > /dev/null; echo $?) $(
    tools/dist/leafcutter-ca > /dev/null 2>&1; echo $?)"
