#!/bin/bash
# check.sh [levels|mqtt|static|sizes|board|cuts|board-cuts|armhf|riscv64] - what `make check` runs.
# Alone: `levels` the emulated ARM levels, `mqtt` the daemon against brokers, `static` the program
# that is one file (`make check-static`), `sizes` the long form of sizes.sh (`make check-sizes`),
# `board` the package on a board in QEMU (`make check-board`), `cuts` the daemon's disk after power
# cuts (`make check-cuts`), `board-cuts` the board's (`make check-board-cuts`), `armhf` and
# `riscv64` plain C there, emulated (`make check-armhf`, `make check-riscv64`).
#
# The last line is `N passed, N failed, N skipped`; the exit status is 0 when nothing failed.
# Environment: MAKE JOBS SAN WERROR LC_SHARED SUITE IMAGES, as the Makefile passes them.
set -eu -o pipefail
cd "$(dirname "$0")/.."
tests=$PWD/tests
MAKE=${MAKE:-make} JOBS=${JOBS:-2} SAN=${SAN:-} WERROR=${WERROR:-}
SUITE=${SUITE:-bookworm}
LC_SHARED=$(realpath -m "${LC_SHARED:-../shared/data}")
export LC_SHARED
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1}
export PYTHONDONTWRITEBYTECODE=1
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

cross/packages.sh check
mkdir -p build
results=$(mktemp build/results.XXXXXX)
trap 'rm -f "$results"' EXIT

mk() { "$MAKE" --no-print-directory -j"$JOBS" WERROR="$WERROR" "$@"; }
# built TIER TARGETS...: builds; a build that fails is one failed test, and its tier ends there.
built() {
    local tier=$1
    shift
    mk "$@" && return 0
    echo "  $tier does not build"
    echo "$tier build 0 1 0" >> "$results"
    return 1
}
say() { printf '\n== %s\n' "$*"; }

native() {
    say "tests on this machine${SAN:+ with sanitizers}"
    local name=native${SAN:+-san}
    built $name SAN="$SAN" all tests || return 0
    LC_BUILD=$PWD/$(mk -s SAN="$SAN" print-build)
    export LC_BUILD
    # What is run is what the sources say, not what an old build left behind.
    mapfile -t list < <(mk -s SAN="$SAN" print-tests)
    TEST_JOBS=$JOBS "$tests/run.sh" "$results" "$name" "${list[@]}" "$tests"/golden/*.sh
    "$tests/run.sh" "$results" "$name" "$tests"/tool/*.sh
}

# The daemon against brokers, good ones and others, on the loopback interface.
mqtt() {
    say "the daemon and its broker${SAN:+, with sanitizers}"
    local name=mqtt${SAN:+-san}
    built $name SAN="$SAN" all || return 0
    LC_BUILD=$PWD/$(mk -s SAN="$SAN" print-build)
    export LC_BUILD
    "$tests/run.sh" "$results" "$name" \
        "$tests"/mqtt/{inputs,flow,faults,kills,clones}.py \
        "$tests"/mqtt/{soak,sound,senses,upstream,collect,audit,home,tells}.py
    [ -n "$SAN" ] ||
        "$tests/run.sh" "$results" "$name" "$tests"/mqtt/{test_broker,levels,escalate,kept}.py
}

# A few images as of power cuts; `make check-cuts` starts on many.
cuts() {
    say "the daemon's disk after power cuts"
    built cuts all || return 0
    LC_BUILD=$PWD/$(mk -s print-build)
    export LC_BUILD
    "$tests/run.sh" "$results" cuts "$tests/board/writelog.py"
}

house() {
    say "house rules"
    built house all > /dev/null || return 0
    "$tests/run.sh" "$results" house "$tests/house/check.py"
}

levels() {
    say "kernels, golden files and records at each ARM level (emulated)"
    local cross=aarch64-linux-gnu- cpu
    [ "$(uname -m)" != aarch64 ] || cross=
    # Named in full, so that `make check CC=...` changes the native build only.
    local build=(CROSS="$cross" CC="${cross}gcc" AR="${cross}ar")
    built levels "${build[@]}" all level-tests || return 0
    LC_BUILD=$PWD/$(mk -s "${build[@]}" print-build)
    export LC_BUILD
    mapfile -t list < <(
        mk -s "${build[@]}" print-level-tests
        grep -L '^# Native only' "$tests"/golden/*.sh "$tests"/tool/*.sh
    )
    "$tests/run.sh" "$results" code "$tests/kernels/code.sh" "$tests/size.sh"
    LC_NATIVE=$PWD/$(mk -s print-build) # to compare the daemon's records with, if it is there
    [ ! -x "$LC_NATIVE/leafcutter" ] || export LC_NATIVE
    for cpu in cortex-a53 cortex-a72 cortex-a76 max; do
        LC_RUN="qemu-aarch64 -cpu $cpu -L $(mk -s "${build[@]}" print-sysroot)"
        export LC_RUN
        TEST_JOBS=$JOBS \
            "$tests/run.sh" "$results" "${cpu#cortex-}" "${list[@]}" "$tests/mqtt/levels.py"
    done
    unset LC_RUN
    [ -z "${LC_NATIVE:-}" ] || {
        mk build/insn_count.so
        "$tests/run.sh" "$results" bare "$tests/example/example.sh"
    }
    unset LC_NATIVE
}

second_compiler() {
    say "a second compiler"
    command -v clang > /dev/null || { echo "  clang is not installed: left out"; return 0; }
    built clang CC=clang all tests || return 0
    LC_BUILD=$PWD/$(mk -s CC=clang print-build)
    export LC_BUILD
    mapfile -t list < <(mk -s CC=clang print-level-tests)
    TEST_JOBS=$JOBS "$tests/run.sh" "$results" clang "${list[@]}"
}

# The long form of sizes.sh: T16A of all four models, too.
sizes() {
    say "a layer of four models at every level, here and emulated"
    local build=(CROSS=aarch64-linux-gnu- CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar)
    export LC_SIZES=all
    built native all || return 0
    built levels "${build[@]}" all || return 0
    LC_NATIVE=$PWD/$(mk -s print-build)
    LC_BUILD=$LC_NATIVE "$tests/run.sh" "$results" native "$tests/golden/sizes.sh"
    LC_NATIVE=$LC_NATIVE LC_BUILD=$PWD/$(mk -s "${build[@]}" print-build) \
        LC_RUN="qemu-aarch64 -cpu max -L $(mk -s "${build[@]}" print-sysroot)" \
        "$tests/run.sh" "$results" max "$tests/golden/sizes.sh"
}

static() {
    say "one static file, for ARM, emulated, alone in a folder"
    cross/packages.sh static
    local build=(CROSS=aarch64-linux-gnu- CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar STATIC=1)
    built static "${build[@]}" all || return 0
    LC_BUILD=$PWD/$(mk -s "${build[@]}" print-build)
    export LC_BUILD
    "$tests/run.sh" "$results" static "$tests/static.sh"
}

# One package for every Debian: it is built for 12, SUITE is what runs on the board.
board() {
    say "the package on a board with Debian's kernel ($SUITE), emulated"
    cross/packages.sh board
    local build=(CROSS=aarch64-linux-gnu- CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar)
    built board "${build[@]}" SUITE=bookworm deb || return 0
    built board SUITE="$SUITE" "build/vm/$SUITE/root.cpio" || return 0
    LC_VM=$PWD/build/vm/$SUITE LC_DEBS=$PWD/build/deb \
        "$tests/run.sh" "$results" board "$tests/board/${1:-board.py}"
}

board_cuts() {
    built board all || return 0
    LC_BUILD=$PWD/$(mk -s print-build)
    export LC_BUILD
    board cutboard.py
}

# Machines whose only level is plain C: kernels, golden files, records of tool and daemon; and every
# unit test where a word has another size than on the others.
plain() {
    local arch=$1 triple=$2 qemu=$3 tests_of=level-tests
    [ "$arch" != armhf ] || tests_of=tests
    say "plain C on $arch, emulated"
    cross/packages.sh "$arch"
    local build=(CROSS="$triple-" CC="$triple-gcc" AR="$triple-ar")
    built "$arch" "${build[@]}" all $tests_of || return 0
    built "$arch" all || return 0 # for the daemon's records, to compare them with
    LC_NATIVE=$PWD/$(mk -s print-build)
    LC_BUILD=$PWD/$(mk -s "${build[@]}" print-build)
    LC_RUN="$qemu -L $(mk -s "${build[@]}" print-sysroot)"
    export LC_BUILD LC_RUN LC_NATIVE
    mapfile -t list < <(
        mk -s "${build[@]}" print-$tests_of | grep -v /sim_
        grep -L '^# Native only' "$tests"/golden/*.sh "$tests"/tool/*.sh
    )
    "$tests/run.sh" "$results" "$arch" "${list[@]}" "$tests/mqtt/levels.py"
    unset LC_RUN LC_NATIVE
}

case ${1:-all} in
all)
    native
    mqtt
    # house looks at what levels built, too
    [ -n "$SAN" ] || { cuts; second_compiler; levels; house; }
    ;;
levels) levels ;;
mqtt) mqtt ;;
static) static ;;
sizes) sizes ;;
board) board ;;
cuts) cuts ;;
board-cuts) board_cuts ;;
armhf) plain armhf arm-linux-gnueabihf 'qemu-arm -cpu cortex-a7' ;;
riscv64) plain riscv64 riscv64-linux-gnu 'qemu-riscv64 -cpu rv64' ;;
*)
    echo "usage: check.sh [levels|mqtt|static|sizes|board|cuts|board-cuts|armhf|riscv64]" >&2
    exit 2
    ;;
esac

# A group of tests that is not there must not look like success.
echo
must() {
    local tier=$1 program
    shift
    for program in "$@"; do
        grep -q "^$tier $program " "$results" && continue
        echo "  missing: $program in tier $tier"
        echo "missing $program 0 1 0" >> "$results"
    done
}
native=(test_journal test_kernels test_core test_net test_tok test_no_heap sim_node sim_cut
    sim_outage sim_restart sim_questions replay_leaf replay_gguf replay_job replay_expr
    replay_line replay_esc replay_redact replay_journal damaged.sh lines.sh levels.sh
    records.sh tokens.sh stories.sh cli.sh)
emulated=(test_kernels levels.sh records.sh lines.sh levels.py)
brokers=(inputs.py flow.py faults.py kills.py clones.py soak.py sound.py senses.py
    upstream.py collect.py audit.py home.py tells.py)
[ "${1:-all}" != all ] || must "native${SAN:+-san}" "${native[@]}"
case ${1:-all} in
all | mqtt)
    must "mqtt${SAN:+-san}" "${brokers[@]}"
    [ -n "$SAN" ] || must mqtt test_broker.py levels.py kept.py
    ;;
static) must static static.sh ;;
cuts) must cuts writelog.py ;;
board-cuts) must board cutboard.py ;;
board) must board board.py ;;
armhf | riscv64) must "$1" test_kernels exact.sh levels.sh records.sh levels.py ;;
esac
if [ -z "$SAN" ] && [[ ${1:-all} = all || ${1:-all} = levels ]]; then
    [ "${1:-all}" != all ] || { must house check.py; must cuts writelog.py; }
    for tier in a53 a72 a76 max; do must $tier "${emulated[@]}"; done
    [ "${1:-all}" != all ] || must bare example.sh
fi

awk '{ p += $3; f += $4; s += $5 }
    END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f != 0 || p == 0 }
' "$results"
