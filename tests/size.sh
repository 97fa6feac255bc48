#!/bin/bash
# size.sh - what the core and the daemon weigh on 64-bit Arm: code and constants, without debug
# information. LC_BUILD is the aarch64 build folder; the first line says what is there.
. "$(dirname "$0")/tap.sh"
prefix=aarch64-linux-gnu-
[ "$(uname -m)" != aarch64 ] || prefix=

# below NAME LIMIT BYTES
below() {
    echo "# $1: $3 bytes of $2"
    is "$1 takes at most $2 bytes" yes "$([ "${3:-0}" -gt 0 ] && [ "$3" -le "$2" ] && echo yes)"
}

# Text, constants, and tables of pointers, which are constants too once the program is linked.
below "the core" 300000 "$("${prefix}size" -t "$LC_BUILD/libleafcutter.a" |
    awk '/TOTALS/ { print $1 + $2 }')"
is "the core has no variables" 0 "$("${prefix}size" -t "$LC_BUILD/libleafcutter.a" |
    awk '/TOTALS/ { print $3 }')"
"${prefix}strip" -o "$tmp/leafcutterd" "$LC_BUILD/leafcutterd"
below "the daemon" 700000 "$(stat -c %s "$tmp/leafcutterd")"
