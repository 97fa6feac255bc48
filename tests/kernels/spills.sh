#!/bin/sh
# spills.sh - no loop of an integer kernel may touch the stack: GCC's scheduler spills GEMM tiles.
#
#   tests/kernels/spills.sh OBJDUMP KERNEL.o...
#
# Looks at every backward branch inside a function named lc_gem*; an access through sp between its
# target and itself fails (exit 1).
set -eu

objdump=$1
shift
status=0
for object in "$@"; do
    "$objdump" -d --no-show-raw-insn "$object" | awk -v object="$object" '
        function hex(s,   i, v) {
            v = 0
            for (i = 1; i <= length(s); i++)
                v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
            return v
        }
        # What is restored right before a return belongs to no loop, wherever it lies.
        function at_end(i,   j) {
            for (j = i + 1; j <= n && !jumps[j]; j++)
                if (leaves[j]) return 1
            return 0
        }
        /^[0-9a-f]+ <.*>:$/ {
            name = substr($2, 2, length($2) - 3)
            inside = name ~ /^lc_gem/
            functions += inside
            n = 0
            next
        }
        inside && $1 ~ /^[0-9a-f]+:$/ {
            at[++n] = hex(substr($1, 1, length($1) - 1))
            stack[n] = $0 ~ /\[sp/
            text[n] = $0
            leaves[n] = $2 == "ret"
            jumps[n] = $2 ~ /^(b|b\..*|cbn?z|tbn?z)$/
            if ($2 !~ /^(b|b\..*|cbn?z|tbn?z)$/) next
            for (f = 3; f < NF && $f !~ /^[0-9a-f]+$/; f++) continue
            target = hex($f)
            if (target > at[n]) next
            loops++
            for (i = n; i > 0 && at[i] >= target; i--)
                if (stack[i] && !at_end(i)) {
                    print object ": " name " touches the stack in a loop:" text[i]
                    bad = 1
                }
        }
        END {
            printf "%s: %d kernels, %d loops\n", object, functions, loops
            if (functions > 0 && loops == 0) { print "no loop found in " object; bad = 1 }
            exit bad
        }' || status=1
done
exit $status
