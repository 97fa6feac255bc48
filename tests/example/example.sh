#!/bin/bash
# The library from a stranger's side: installed headers, C++, and the example in forty lines, which
# gives the same bytes on this machine, on ARM Linux and on ARM without an operating system.
#
# LC_BUILD is the build for aarch64, LC_NATIVE that for this machine.
. tests/tap.sh
: "${LC_NATIVE:?names the build folder for this machine}"
CROSS_CC=${CROSS_CC:-aarch64-linux-gnu-gcc}
strict="-std=c11 -O2 -Wall -Wextra -Wshadow -Wconversion -Werror"

# step NAME COMMAND...: a test that passes when the command does
step() {
    local name=$1
    shift
    if "$@" > "$tmp/log" 2>&1; then ok "$name"; else not_ok "$name" "$(cat "$tmp/log")"; fi
}

# ---- as installed ----

step "make install" make -s install DESTDIR="$tmp/tree" PREFIX=/usr
export PKG_CONFIG_PATH=$tmp/tree/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tmp/tree
flags=$(pkg-config --cflags --libs leafcutter 2>&1)
arenas=$tmp/include
mkdir "$arenas"
step "plan --header" sh -c \
    "'$LC_NATIVE/leafcutter' plan --header models/triage/triage.leaf > '$arenas/arenas.h'"
cp tests/example/example.c "$tmp/example.c"
# shellcheck disable=SC2086
step "compiles with pkg-config alone: $flags" gcc $strict -I"$arenas" -o "$tmp/native" \
    "$tmp/example.c" tests/example/data.S $flags
cat > "$tmp/user.cc" << 'END'
#include "runtime/leafcutter.h"
void lc_panic(const char *, int, const char *) { throw 0; }
int main()
{
    lc_arena state, scratch;
    lc_arena_measure(&state);
    lc_arena_measure(&scratch);
    lc_object empty = {reinterpret_cast<const uint8_t *>(""), 0};
    lc_job_options options = lc_job_options();
    options.kernels = lc_level_best(LC_CPU_BASELINE);
    lc_job *job = nullptr;
    lc_diag diag = lc_diag();
    lc_err err = lc_job_open(&empty, nullptr, nullptr, &options, &state, &scratch, &job, &diag);
    return err == LC_ERR_FORMAT ? 0 : 1;
}
END
# shellcheck disable=SC2086
step "compiles as C++11" g++ -std=c++11 -O2 -Wall -Wextra -Werror -o "$tmp/user" \
    "$tmp/user.cc" $flags
step "refuses an empty bundle from C++" "$tmp/user"

# ---- the same bytes everywhere ----

step "runs here" sh -c "'$tmp/native' > '$tmp/native.txt'"
is "a record a line" "$(wc -l < models/triage/demo.txt)" "$(wc -l < "$tmp/native.txt")"
# shellcheck disable=SC2086
step "compiles for ARM Linux" $CROSS_CC $strict -static -I. -I"$arenas" -o "$tmp/arm" \
    tests/example/example.c tests/example/data.S "$LC_BUILD/libleafcutter.a"
step "ARM Linux: the same bytes" sh -c \
    "qemu-aarch64 -cpu cortex-a53 '$tmp/arm' | cmp - '$tmp/native.txt'"

image() {
    CC=$CROSS_CC CFLAGS="-Werror -I. -I$arenas" board/bare/image.sh "$1" "$tmp/$2-$1.elf" "${@:3}"
}
# bare MACHINE NAME [QEMU OPTION...]: what the image writes to its UART; status as its program's
bare() {
    local machine=$1 name=$2
    shift 2
    timeout 300 qemu-system-aarch64 -M "$machine" -display none -monitor none -nic none \
        -semihosting-config enable=on,target=native -serial file:"$tmp/uart" \
        -kernel "$tmp/$name-$machine.elf" "$@" < /dev/null 2> "$tmp/qemu"
}
example="tests/example/example.c tests/example/data.S $LC_BUILD/libleafcutter.a"
for machine in virt raspi3b; do
    # shellcheck disable=SC2086
    step "$machine: compiles" image $machine example $example
done
bare virt example -cpu cortex-a53 -m 64 -plugin "${LC_COUNT:-build/insn_count.so}" -d plugin
is "virt: ends well" 0 $?
step "virt: the same bytes" cmp "$tmp/uart" "$tmp/native.txt"
count=$(sed -n 's/^insn all total //p' "$tmp/qemu")
budget=$(sed -n 's/^virt cortex-a53 //p' tests/example/budget.txt)
echo "# $count instructions, budget $budget"
if [ "${count:-0}" -gt 0 ] && [ "$count" -le $((budget + budget * 3 / 100)) ]; then
    ok "virt: instructions within 3 % of the budget"
else
    not_ok "virt: instructions within 3 % of the budget" "counted ${count:-nothing}, budget $budget"
fi
bare raspi3b example
is "raspi3b: ends well" 0 $?
step "raspi3b: the same bytes" cmp "$tmp/uart" "$tmp/native.txt"

# ---- what a porter runs (board/PORTING.md), and that it finds what is wrong ----

# conforms NAME COMMAND...: every check passes, and there are many
conforms() {
    local name=$1
    shift
    "$@" > "$tmp/said" 2>&1
    is "$name" "0 0 yes" "$? $(grep -cv '^ok - ' "$tmp/said") \
$([ "$(grep -c '^ok - ' "$tmp/said")" -gt 20 ] && echo yes)"
}
parts="tests/port/store.c tests/port/ram.c tests/port/board.c $LC_BUILD/libleafcutter.a"
# conform FAULT [OPTION...]: the checks for ARM Linux, of a machine with that fault
conform() {
    local fault=$1
    shift
    # shellcheck disable=SC2086
    $CROSS_CC -std=c11 -O2 -ffp-contract=off -static "$@" -DFAULT="$fault" \
        -include tests/port/broken.h -o "$tmp/conform" tests/port/machine.c $parts &&
        qemu-aarch64 "$tmp/conform"
}
conforms "ARM Linux conforms" conform 0
for fault in $(sed -n 's/^#define \([A-Z_]*\) [0-9].*/\1/p' tests/port/broken.h); do
    conform "$fault" > "$tmp/said" 2>&1
    is "$fault is found" "1 yes" "$? $(grep -q '^not ok - ' "$tmp/said" && echo yes)"
done
for option in -ffp-contract=fast -ffast-math; do
    conform 0 $option > "$tmp/said" 2>&1
    is "$option is found" "1 yes" "$? $(grep -q '^not ok - ' "$tmp/said" && echo yes)"
done
for machine in virt raspi3b; do
    # shellcheck disable=SC2086
    step "$machine: the checks compile" image $machine conform tests/port/machine.c $parts
    board=()
    [ $machine = raspi3b ] || board=(-cpu cortex-a53 -m 64)
    bare $machine conform "${board[@]}"
    conforms "$machine conforms" sh -c "cat '$tmp/uart'; exit $?"
done

# ---- and when something is wrong ----

printf 'int main(void) { return *(volatile int *)0xffffffff00000000; }\n' > "$tmp/fault.c"
step "fault: compiles" image virt fault "$tmp/fault.c"
bare virt fault -cpu cortex-a72 -m 64
is "fault: status 70" 70 $?
grep -q '^exception: ESR' "$tmp/uart" && ok "fault: says where" || not_ok "fault: says where"
sed 's/triage\.leaf/job.json/' tests/example/data.S > "$tmp/data.S"
# shellcheck disable=SC2086
step "no bundle: compiles" image virt bad tests/example/example.c "$tmp/data.S" \
    "$LC_BUILD/libleafcutter.a"
bare virt bad -cpu cortex-a72 -m 64
is "no bundle: status 1" 1 $?
is "no bundle: says why" "not a .leaf file (magic)" "$(cat "$tmp/uart")"
