#!/bin/bash
# Damaged model files are refused: exit 3, with the file, the place and the reason.
# Native only: nothing here depends on the level.
. tests/tap.sh

# refused NAME FILE COMMAND...
refused() {
    local name=$1 file=$2 status
    shift 2
    "$@" > "$tmp/out" 2> "$tmp/err"
    status=$?
    if [ $status = 3 ] && grep -q "$(basename "$file")" "$tmp/err" &&
        grep -qE 'at byte [0-9]+' "$tmp/err"; then
        ok "$name"
    else
        not_ok "$name" "exit $status: $(cat "$tmp/err")"
    fi
}

# The same list of broken properties for containers: a sound pack, one number changed each.
tool pack models/golden/tiny-bidi.gguf -o "$tmp/sound.leaf" > /dev/null 2>&1
if tool inspect "$tmp/sound.leaf" > /dev/null 2>&1; then
    ok "sound.leaf is accepted"
else
    not_ok "sound.leaf is accepted"
fi
size=$(stat -c %s "$tmp/sound.leaf")

# patch NAME OFFSET BYTES...: bytes as \xNN
patch() {
    cp "$tmp/sound.leaf" "$tmp/$1.leaf"
    printf '%b' "$3" | dd of="$tmp/$1.leaf" bs=1 seek="$2" conv=notrunc status=none
    refused "$1" "$1.leaf" tool inspect "$tmp/$1.leaf"
}
patch magic 0 'lEAF'
patch version 4 '\x02'
patch kind 8 '\x63'
patch align 12 '\x03\x00\x00\x00'
patch align-huge 12 '\x00\x00\x00\x80'
patch file-bytes 16 '\x01'
patch sections-none 24 '\x00\x00\x00\x00'
patch sections-many 24 '\xff\xff\xff\xff'
patch table-outside 28 '\xff\xff\xff\x7f'
patch section-offset 136 '\xff\xff\xff\xff\xff\xff\xff\x7f'
patch section-bytes 144 '\xff\xff\xff\xff\xff\xff\xff\xff'
patch section-overlap 200 "$(dd if="$tmp/sound.leaf" bs=1 skip=136 count=8 status=none |
    od -An -v -tx1 | sed 's/ /\\x/g' | tr -d '\n')"
for bytes in 0 1 64 127 128 191 $((size / 2)) $((size - 1)); do
    head -c "$bytes" "$tmp/sound.leaf" > "$tmp/cut-$bytes.leaf"
    refused "cut to $bytes of all bytes" "cut-$bytes.leaf" tool inspect "$tmp/cut-$bytes.leaf"
done
# Content is not looked at when a file is opened, but --verify must see any changed bit.
cp "$tmp/sound.leaf" "$tmp/bit.leaf"
printf '\xa5' | dd of="$tmp/bit.leaf" bs=1 seek=$((size - 100)) conv=notrunc status=none
refused "a changed weight, with --verify" bit.leaf tool inspect --verify "$tmp/bit.leaf"

if shared suites/gguf-bad.tar.xz "malformed GGUF files"; then
    xz -dc "$LC_SHARED/suites/gguf-bad.tar.xz" | tar -x -C "$tmp"
    for file in "$tmp"/gguf-bad/*.gguf; do
        name=$(basename "$file")
        case $name in
        ok_*)
            tool pack "$file" -o "$tmp/ok.leaf" > /dev/null 2> "$tmp/err"
            is "$name is accepted" 0 $?
            ;;
        *)
            refused "$name" "$file" tool pack "$file" -o "$tmp/never.leaf"
            refused "$name, inspected" "$file" tool inspect "$file"
            ;;
        esac
    done
    is "nothing was written for a refused file" "" "$(ls "$tmp" | grep never)"
    is "every file of the manifest was there" \
        "$(grep -c '"expect"' "$tmp/gguf-bad/manifest.json")" \
        "$(ls "$tmp"/gguf-bad/*.gguf | wc -l)"
fi
