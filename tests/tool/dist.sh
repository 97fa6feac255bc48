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
share/leafcutter/mosquitto/leafcutter.acl
share/leafcutter/mosquitto/leafcutter.conf
share/leafcutter/schemas/config.schema.json
share/leafcutter/schemas/job.schema.json
share/leafcutter/schemas/record.schema.json
share/man/man1/leafcutter.1
share/man/man8/leafcutterd.8" "$(
    cd "$tmp/dest/usr" && find . ! -type d | sed 's#^./##' | LC_ALL=C sort)"
is "readable by all" "" "$(find "$tmp/dest" -type f ! -perm 644)"

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

port=$(free_port)
cp tools/dist/mosquitto/leafcutter.acl "$tmp/leafcutter.acl"
password_file "$tmp/leafcutter.passwd" pi4-0017 pi4-0018 blocks worker collector operator \
    homeassistant
sed -E "s#/etc/mosquitto/leafcutter\.(acl|passwd)#$tmp/leafcutter.\1#
    s/^listener 1883/listener $port/
    s#^persistence true#&\npersistence_location $tmp/#" tools/dist/mosquitto/leafcutter.conf \
    > "$tmp/m.conf"
chmod 644 "$tmp"/leafcutter.*
chmod 777 "$tmp"
broker_start "$tmp/m.conf" "$port"
is "mosquitto takes it" 0 $?
is "every line of it" "" "$(grep -E 'Error|Unknown config|deprecated' "$tmp/broker.log")"

# may USER TOPIC: does the broker take a message of this user?
may() {
    mosquitto_pub -h 127.0.0.1 -V 5 -p "$port" -u "$1" -P secret -q 1 -d -t "$2" -m x 2>&1 |
        sed -nE 's/.*PUBACK.*RC:([0-9]+).*/\1/p' | sed -E 's/^(0|16)$/yes/; s/^135$/no/'
}
# hears USER FILTER TOPIC: does this user get what the operator's kind sends there? Sent retained by
# whoever may, so that nothing has to be timed.
hears() {
    timeout 5 mosquitto_sub -h 127.0.0.1 -V 5 -p "$port" -u "$1" -P secret -q 1 -t "$2" -C 1 -W 1 \
        > "$tmp/heard" 2> /dev/null
    [ -s "$tmp/heard" ] && echo yes || echo no
}
retain() { mosquitto_pub -h 127.0.0.1 -V 5 -p "$port" -u "$1" -P secret -q 1 -r -t "$2" -m kept; }

root=leafcutter/v1
wrong=
while read -r answer user topic; do
    [ "$(may "$user" "$topic")" = "$answer" ] || wrong="$wrong [$answer $user $topic]"
done << WRITES
yes pi4-0017 $root/pi4-0017/up/res/fault
yes pi4-0017 $root/pi4-0017/up/state
yes pi4-0017 homeassistant/device/pi4-0017/config
no pi4-0017 $root/pi4-0018/up/res/fault
no pi4-0017 $root/pi4-0017/dn/text
no pi4-0017 $root/pi4-0018/dn/text
no pi4-0017 $root/_fleet/head
no pi4-0017 $root/_g/plant-a/dn/upd/desired
no pi4-0017 homeassistant/device/pi4-0018/config
no pi4-0017 homeassistant/status
yes blocks $root/pi4-0017/dn/upd/blk
no blocks $root/pi4-0017/dn/upd/desired
no blocks $root/pi4-0017/up/res/fault
yes worker $root/pi4-0017/dn/esc/rsp
yes worker $root/_esc/state
no worker $root/pi4-0017/dn/cmd/reboot
yes collector $root/pi4-0017/dn/ack
no collector $root/pi4-0017/dn/text
yes operator $root/pi4-0017/dn/cmd/report
yes operator $root/pi4-0017/dn/text
yes operator $root/_g/plant-a/dn/upd/desired
yes operator $root/_fleet/head
yes operator $root/_root
yes operator $root/_art/0a1b/tab
no operator $root/pi4-0017/up/state
yes homeassistant homeassistant/status
no homeassistant $root/pi4-0017/dn/text
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
wrong=
while read -r answer user filter; do
    [ "$(hears "$user" "$filter")" = "$answer" ] || wrong="$wrong [$answer $user $filter]"
done << READS
yes pi4-0017 $root/pi4-0017/dn/#
no pi4-0017 $root/pi4-0018/dn/#
no pi4-0017 $root/pi4-0017/up/#
yes pi4-0017 $root/_g/plant-a/dn/upd/desired
yes pi4-0017 $root/_fleet/#
yes pi4-0017 $root/_root
yes pi4-0017 $root/_art/#
yes pi4-0017 $root/_esc/state
yes pi4-0017 homeassistant/status
yes blocks $root/+/up/upd/req
no blocks $root/+/up/state
yes worker $root/+/up/esc/req
no worker $root/+/up/state
yes collector $root/+/up/#
no collector $root/+/dn/#
yes operator $root/+/dn/#
yes homeassistant $root/+/up/state
READS
is "who hears what" "" "$wrong"

printf 'secret\n' > "$tmp/password"
tool init --yes --dir "$tmp/device" --id pi4-0017 --broker "mqtt://127.0.0.1:$port" \
    --password-file "$tmp/password" > /dev/null
tool doctor --config "$tmp/device/config.json" > "$tmp/out" 2>&1
is "doctor is content with it" "1 1 1" "$(grep -c '^ok    acl' "$tmp/out") $(
    grep -c '^ok    limits' "$tmp/out") $(grep -c '^ok    round-trip' "$tmp/out")"
