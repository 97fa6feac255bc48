#!/bin/bash
# The Debian packages: lintian has nothing to say, the same tree gives the same bytes, and what is
# unpacked from them runs and compiles.
# Native only: for ARM they are installed and run by the board tests.
. tests/tap.sh

make -s deb SAN= > "$tmp/log" 2>&1
is "make deb" 0 $?
debs=$(grep '\.deb$' "$tmp/log")
is "two packages" 2 "$(wc -w <<< "$debs")"
if command -v lintian > /dev/null; then
    # shellcheck disable=SC2086
    is "lintian has nothing to say" "" \
        "$(lintian --tag-display-limit 0 $debs 2>&1 | grep -v '^running with root')"
else
    skip "lintian has nothing to say" "lintian is not installed"
fi
# shellcheck disable=SC2086
before=$(sha256sum $debs)
make -s deb SAN= > "$tmp/log" 2>&1
# shellcheck disable=SC2086
is "made again they are the same" "$before" "$(sha256sum $debs)"
for deb in $debs; do dpkg-deb -x "$deb" "$tmp/tree"; done
"$tmp/tree/usr/bin/leafcutter" classify models/triage/demo.txt > "$tmp/records" 2> "$tmp/err"
is "the unpacked tool finds the packaged job" "0 60" "$? $(wc -l < "$tmp/records")"
is "the daemon has its libraries" "" "$(ldd "$tmp/tree/usr/bin/leafcutterd" | grep 'not found')"
sed "s#@BINDIR@#/usr/bin#" tools/dist/systemd/leafcutterd.service |
    cmp -s - "$tmp/tree/lib/systemd/system/leafcutterd.service"
is "the unit" 0 $?
lib=$(echo "$tmp"/tree/usr/lib/*/libleafcutter.a)
"$LC_BUILD/leafcutter" plan --header models/triage/triage.leaf > "$tmp/arenas.h"
if gcc -std=c11 -I"$tmp" -I"$tmp/tree/usr/include/leafcutter" -o "$tmp/example" \
    "$tmp"/tree/usr/share/doc/libleafcutter-dev/examples/{example.c,data.S} "$lib" \
    2> "$tmp/err"; then
    is "the packaged example runs" 60 "$("$tmp/example" | wc -l)"
else
    not_ok "the packaged example runs" "$(cat "$tmp/err")"
fi
