#!/bin/bash
# run.sh RESULTS TIER PROGRAM... - runs test programs, TEST_JOBS (1) at a time.
#
# A program speaks TAP (`ok 1 - name`, `not ok 2 - name`, `ok 3 - name # SKIP why`; cmocka's TAP
# too) or ends with a line `N passed, N failed, N skipped`. Leaving with an error and naming no
# failed test, or naming no test at all, counts as one failure. A skip that tests/skips.txt does
# not allow is a failure.
#
# Appends `tier program passed failed skipped seconds` to RESULTS. The environment passes through:
#   LC_RUN         put before a program of the tested architecture (an emulator with its options)
#   LC_BUILD       the build folder, where scripts find `leafcutter`
#   LC_SHARED      folder of the shared test data, which need not exist
#   TEST_SECONDS   limit for one program (900)
#   TEST_JOBS      how many programs at a time; those of one call must not share files
set -u
here=$(cd "$(dirname "$0")" && pwd)
results=$1 tier=$2
shift 2
export CMOCKA_MESSAGE_OUTPUT=TAP

# allowed TIER PROGRAM TEST: does tests/skips.txt allow this skip now?
allowed() {
    local when program test
    while read -r when program test; do
        case $when in
        '#'* | '') continue ;;
        shared) [ ! -d "$LC_SHARED" ] || continue ;;
        always) ;;
        *) [ "$when" = "$tier" ] || continue ;;
        esac
        # shellcheck disable=SC2254
        case $1 in $program) case $2 in $test) return 0 ;; esac ;; esac
    done < "$here/skips.txt"
    return 1
}

# one PROGRAM: runs it and says what came of it.
one() {
    local program=$1 log name run start status ms passed failed skipped line test sum p f s
    log=$(mktemp)
    name=$(basename "$program")
    case $program in
    *.sh | *.py) run=() ;; # scripts put LC_RUN where it belongs
    *) read -r -a run <<< "${LC_RUN:-}" ;;
    esac
    start=$(date +%s%N)
    timeout "${TEST_SECONDS:-900}" "${run[@]}" "$program" > "$log" 2>&1 < /dev/null
    status=$?
    ms=$((($(date +%s%N) - start) / 1000000))

    passed=$(grep -cE '^ok ([0-9]+)?' "$log")
    failed=$(grep -cE '^not ok ' "$log")
    skipped=0
    # cmocka says `not ok 3 # SKIP name`, TAP says `ok 3 - name # SKIP why`.
    while IFS= read -r line; do
        test=${line#*# SKIP }
        case $line in
        ok\ *)
            passed=$((passed - 1))
            test=${line%% # SKIP*} test=${test#ok } test=${test#* - }
            ;;
        *) failed=$((failed - 1)) ;;
        esac
        if allowed "$name" "$test"; then
            skipped=$((skipped + 1))
        else
            failed=$((failed + 1))
            echo "        not in tests/skips.txt: $name $test"
        fi
    done < <(grep -E '^(not )?ok .*# SKIP' "$log")
    # A program with its own summary names its skips as `skipped NAME`.
    if sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log" | tail -n 1); then
        read -r p _ f _ s _ <<< "$sum"
        passed=$((passed + p)) failed=$((failed + f))
        while read -r _ test; do
            test=$(tr -s ' ' <<< "$test")
            allowed "$name" "$test" || {
                s=$((s - 1)) failed=$((failed + 1))
                echo "        not in tests/skips.txt: $name $test"
            }
        done < <(grep '^skipped ' "$log")
        skipped=$((skipped + s))
    fi
    if [ $status != 0 ] && [ $failed = 0 ]; then
        failed=1
        echo "        $name left with status $status$([ $status != 124 ] || echo ' (too slow)')"
    fi
    [ $((passed + failed + skipped)) != 0 ] || {
        failed=1
        echo "        $name ran no test"
    }
    [ $failed = 0 ] || sed 's/^/    | /' "$log" | tail -n 60
    printf '  %-10s %-24s %6d passed %4d failed %4d skipped %6d.%01d s\n' "$tier" "$name" \
        $passed $failed $skipped $((ms / 1000)) $((ms % 1000 / 100))
    echo "$tier $name $passed $failed $skipped" >> "$results"
    rm -f "$log"
}

for program in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "${TEST_JOBS:-1}" ]; do
        wait -n
    done
    {
        said=$(one "$program")
        { # what a program has to say stands together
            flock 9
            printf '%s\n' "$said"
        } 9>> "$results"
    } &
done
wait
