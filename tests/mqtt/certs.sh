#!/bin/bash
# certs.sh FOLDER [DEVICE...] - keys and certificates for tests of TLS, good and bad, made now by
# leafcutter-ca.
#
#   ca other-ca                 two authorities (*.crt); their folders are *.d
#   server                      localhost and 127.0.0.1, signed by ca
#   server-expired server-name server-ca    ended yesterday; another host's; signed by other-ca
#   DEVICE DEVICE-expired DEVICE-ca         the same for each device, its id as common name
set -eu
tool=$(cd "$(dirname "$0")/../.." && pwd)/tools/dist/leafcutter-ca
mkdir -p "$1"
cd "$1"
shift
ended=(--from 20200101000000Z --until "$(date -ud yesterday +%Y%m%d%H%M%SZ)")

# made NAME AUTHORITY servers|devices FILE LEAFCUTTER_CA_ARGUMENT...: NAME.crt, NAME.key
made() {
    local name=$1 from=$2.d/$3/$4
    "$tool" --dir "$2.d" "${@:5}"
    cp "$from.crt" "$name.crt"
    cp "$from.key" "$name.key"
}

{
    for one in ca other-ca; do
        "$tool" --dir "$one.d" init
        cp "$one.d/ca.crt" "$one.crt"
    done
    made server-expired ca servers localhost server localhost 127.0.0.1 "${ended[@]}"
    made server ca servers localhost server localhost 127.0.0.1 --days 20
    made server-name ca servers elsewhere.example server elsewhere.example
    made server-ca other-ca servers localhost server localhost 127.0.0.1
    for device in "$@"; do
        made "$device-expired" ca devices "$device" device "$device" "${ended[@]}"
        made "$device" ca devices "$device" renew "$device"
        made "$device-ca" other-ca devices "$device" device "$device"
    done
    chmod 644 ./*.key # a broker that starts as root reads them as another user
} > certs.log 2>&1 || { cat certs.log >&2; exit 1; }
