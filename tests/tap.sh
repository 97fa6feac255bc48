# tap.sh - sourced by test scripts: results as TAP, the tool of the tested build.
#
#   ok NAME | not_ok NAME [WHY] | skip NAME WHY     one test each
#   is NAME EXPECTED ACTUAL                         equal text
#   tool ARG...                                     leafcutter, emulated when LC_RUN says so
#   shared PATH NAME...                             false when shared data is absent: NAMEs skipped
#   $tmp                                            a folder that goes when the script ends
set -u
LC_SHARED=${LC_SHARED:-../shared/data}
: "${LC_BUILD:?names the build folder}"
tests_run=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"; echo "1..$tests_run"' EXIT
# Packs of GGUF files are cached: never in the user's own folder, never from an older build.
export XDG_CACHE_HOME=$tmp/cache

ok() {
    tests_run=$((tests_run + 1))
    echo "ok $tests_run - $1"
}

not_ok() {
    tests_run=$((tests_run + 1))
    echo "not ok $tests_run - $1"
    [ -z "${2:-}" ] || printf '%s\n' "$2" | head -n 20 | sed 's/^/# /'
}

skip() {
    tests_run=$((tests_run + 1))
    echo "skipped: $2"
    echo "ok $tests_run - $1 # SKIP $2"
}

is() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1" "expected: $2
got:      $3"
    fi
}

tool() {
    # shellcheck disable=SC2086
    timeout 120 ${LC_RUN:-} "$LC_BUILD/leafcutter" "$@"
}

shared() {
    local path=$LC_SHARED/$1
    shift
    [ ! -e "$path" ] || return 0
    for name in "$@"; do skip "$name" "$path not found"; done
    return 1
}

sha256() { sha256sum | cut -d ' ' -f 1; }

# levels: the kernel levels that the tested CPU runs.
levels() { tool --version | sed -n 's/^levels *//p'; }
