# tap.sh - sourced by the golden scripts: running the tool, TAP lines, a scratch folder.
# LC_UPDATE=1 writes expectations anew (at level ref, natively) instead of checking them.
set -u
golden=$(cd "$(dirname "$0")" && pwd)
LC_SHARED=${LC_SHARED:-../shared/data}
LC_BUILD=${LC_BUILD:-$PWD/build/$(gcc -dumpmachine)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_CACHE_HOME=$work/cache
tap_count=0 tap_failed=0

# shellcheck disable=SC2086
tool() { ${LC_RUN:-} "$LC_BUILD/leafcutter" "$@"; }

# The kernel levels of this build that this CPU can run.
levels() {
    tool --version --json | sed 's/.*"levels":\[\([^]]*\)\].*/\1/; s/[",]/ /g'
}

ok() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1"
}

not_ok() {
    tap_count=$((tap_count + 1)) tap_failed=1
    echo "not ok $tap_count - $1"
}

skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

# check NAME COMMAND...: passes when the command does; its output is shown when it does not.
check() {
    check_name=$1
    shift
    if "$@" > "$work/said" 2>&1; then
        ok "$check_name"
    else
        not_ok "$check_name"
        sed 's/^/# /' "$work/said"
    fi
}

# expect_exit STATUS NAME ARGUMENT...: the tool leaves with STATUS and stdout stays empty.
expect_exit() {
    wanted=$1 exit_name=$2
    shift 2
    tool "$@" > "$work/out" 2> "$work/err" < /dev/null
    status=$?
    if [ $status = "$wanted" ] && [ ! -s "$work/out" ] && [ -s "$work/err" ]; then
        ok "$exit_name"
    else
        not_ok "$exit_name"
        echo "# exit $status, wanted $wanted"
        sed 's/^/# /' "$work/out" "$work/err"
    fi
}

# Last line of a script: an exit status for run.sh.
finish() {
    echo "1..$tap_count"
    exit $tap_failed
}
