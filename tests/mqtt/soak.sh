#!/bin/bash
# soak.sh - the long tests of the daemon, one after another; TAP, then a summary. `make soak`.
#
# Trouble of five minutes in every mode; a day's lines under the counter of heap calls and under
# memcheck, and with sanitizers when that build is there; 1,000 lines on every CPU; figures.
set -u
here=$(cd "$(dirname "$0")" && pwd)
: "${LC_BUILD:?names the build folder}"
export PYTHONDONTWRITEBYTECODE=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT
broken=0

# long PROGRAM OPTION...
long() {
    local start=$SECONDS program=$1
    shift
    echo "== $program $*"
    "$here/$program" "$@" 2>&1 | tee "$log.one"
    [ "${PIPESTATUS[0]}" = 0 ] || grep -q '^not ok ' "$log.one" || broken=$((broken + 1))
    cat "$log.one" >> "$log"
    rm "$log.one"
    echo "# $program $*: $(((SECONDS - start + 59) / 60)) min"
}

long faults.py --seconds 300
long faults.py --protocol 3.1.1
long faults.py --ack e2e
long soak.py --lines 86400
long soak.py --lines 86400 --valgrind
[ ! -x "$LC_BUILD-san/leafcutterd" ] || LC_BUILD=$LC_BUILD-san long soak.py --lines 86400
long levels.py --all
long figures.py
long rate.py
passed=$(grep -c '^ok ' "$log")
failed=$(($(grep -c '^not ok ' "$log") + broken)) # a script that broke off is a failure, too
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
