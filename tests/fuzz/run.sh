#!/bin/bash
# run.sh FUZZ_BUILD SEEDS - libFuzzer on every target, FUZZ_SECONDS each (60).
#
# What it finds new is kept in FUZZ_BUILD/corpus/<target>; a crash in FUZZ_BUILD/crash-*, which
# `replay_<target> FILE` then repeats under gcc. To keep what was found for `make check`:
#
#   FUZZ_BUILD/fuzz_<target> -set_cover_merge=1 NEW FUZZ_BUILD/corpus/<target>
#   tests/fuzz/corpus/found.py keep NEW tests/fuzz/corpus/<target>.found
set -eu
build=$1 LC_SEEDS=$2
export LC_SEEDS
failed=0
for program in "$build"/fuzz_*; do
    [ -x "$program" ] || continue
    target=${program##*/fuzz_}
    corpus=$build/corpus/$target
    mkdir -p "$corpus"
    # The patterns that the target itself names, with @/ as the folder of made seeds.
    grep -A 9 'fuzz_seeds\[\] = {' "tests/fuzz/fuzz_$target.c" | tr '\n' ' ' |
        sed 's/}.*//' | grep -o '"[^"]*"' | tr -d '"' | sed "s|^@|$LC_SEEDS|" |
        while read -r pattern; do
            # shellcheck disable=SC2086
            cp -n $pattern "$corpus/"
        done
    if [ -e "tests/fuzz/corpus/$target.found" ]; then
        python3 tests/fuzz/corpus/found.py unpack "tests/fuzz/corpus/$target.found" "$corpus"
    fi
    echo "== $target"
    "$program" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=10 -rss_limit_mb=4096 \
        -max_len=1048576 -print_final_stats=1 -artifact_prefix="$build/crash-$target-" \
        "$corpus" > "$build/$target.log" 2>&1 || { failed=1; tail -n 40 "$build/$target.log"; }
    grep -E 'number_of_executed_units|peak_rss' "$build/$target.log" || true
done
exit $failed
