#!/bin/bash
# code.sh - the kernels' aarch64 machine code: no stack access in loops, instructions in budget.
#
# LC_BUILD is the aarch64 build folder. What is counted does not depend on this machine.
. "$(dirname "$0")/../tap.sh"
here=$(dirname "$0")
objdump=aarch64-linux-gnu-objdump
[ "$(uname -m)" != aarch64 ] || objdump=objdump

objects=()
for name in q4_neon80 q4_neon53 q4_dot q4_i8mm q8_neon80 q8_dot q8_i8mm; do
    objects+=("$LC_BUILD/kernels/$name.o")
done
if log=$("$here/spills.sh" "$objdump" "${objects[@]}" 2>&1); then
    ok "no loop of an integer kernel touches the stack"
else
    not_ok "no loop of an integer kernel touches the stack" "$log"
fi
if log=$("$here/insn_table.sh" "$LC_BUILD/tests/test_kernels" build/insn_count.so 2>&1); then
    ok "every kernel within 3 % of its instruction budget"
else
    not_ok "every kernel within 3 % of its instruction budget" \
        "$(grep -E 'OVER|nothing' <<< "$log")"
fi
