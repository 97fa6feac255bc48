#!/bin/bash
# certs.sh FOLDER [DEVICE...] - keys and certificates for tests of TLS, good and bad, made now.
#
#   ca other-ca                 two authorities (*.crt)
#   server                      localhost and 127.0.0.1, signed by ca
#   server-expired server-name server-ca    ended yesterday; another host's; signed by other-ca
#   DEVICE DEVICE-expired DEVICE-ca         the same for each device, its id as common name
set -eu
mkdir -p "$1"
cd "$1"
shift

authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" \
        -out "$1.crt" -days 30 -subj "/CN=$1" -addext basicConstraints=critical,CA:TRUE
}

# signed NAME COMMON_NAME ALT_NAMES AUTHORITY DAYS
signed() {
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" \
        -out "$1.csr" -subj "/CN=$2"
    openssl x509 -req -in "$1.csr" -CA "$4.crt" -CAkey "$4.key" -CAcreateserial -days "$5" \
        -extfile <([ -z "$3" ] || echo "subjectAltName=$3") -out "$1.crt"
    rm "$1.csr"
}

{
    local_names=DNS:localhost,IP:127.0.0.1
    authority ca
    authority other-ca
    signed server localhost $local_names ca 20
    signed server-expired localhost $local_names ca -1
    signed server-name elsewhere DNS:elsewhere.example ca 30
    signed server-ca localhost $local_names other-ca 30
    for device in "$@"; do
        signed "$device" "$device" '' ca 30
        signed "$device-expired" "$device" '' ca -1
        signed "$device-ca" "$device" '' other-ca 30
    done
    chmod 644 ./*.key # a broker that starts as root reads them as another user
} > certs.log 2>&1 || { cat certs.log >&2; exit 1; }
