#!/bin/sh
# insn_table.sh - executed instructions of every kernel on emulated Arm cores, against a budget.
#
#   tests/kernels/insn_table.sh TEST_KERNELS INSN_COUNT.SO [CPU...]
#
# TEST_KERNELS is an aarch64 build of the kernel test, INSN_COUNT.SO the plugin (insn_count.c).
# Prints instructions per 256 multiply-adds (products, attend), 256 weights (unpack256) or per
# element (the rest). A line of budget.txt says how many; more than 3 % above it fails (exit 1). The
# counts do not depend on the host, so this catches a slower kernel on any machine.
set -eu

program=$1
plugin=$2
shift 2
[ $# -gt 0 ] || set -- cortex-a53 max
case $plugin in */*) ;; *) plugin=./$plugin ;; esac
here=$(dirname "$0")
status=0

for cpu in "$@"; do
    echo "cpu $cpu"
    # Marks and names arrive on stdout, counts on stderr.
    qemu-aarch64 -cpu "$cpu" -d plugin -plugin "$plugin,symbols=off" "$program" --count 2>&1 |
        awk -v cpu="$cpu" '
            NF == 3 && $1 !~ /^#/ { budget[$1 " " $2] = $3; next }
            $1 == "count" { order[++n] = $2; name[$2] = $3 " " $4; macs[$2] = $5 }
            $1 == "insn" && $3 == "total" { insns[$2] = $4 }
            END {
                for (i = 1; i <= n; i++) {
                    tag = order[i]
                    split(name[tag], part, " ")
                    per = part[1] ~ /^gem|^attend|^matmul|256$/ ? 256 : 1
                    value = insns[tag] * per / macs[tag]
                    want = budget[name[tag]]
                    verdict = want == "" ? "" : value > want * 1.03 ? "OVER BUDGET" : "ok"
                    printf "  %-11s %-8s %10.2f per %-3s  %s %s\n", part[1], part[2], value,
                        per == 256 ? "256" : "1", want, verdict
                    if (verdict == "OVER BUDGET") bad = 1
                    if (want != "") checked++
                }
                if (n == 0 || checked == 0) { print "nothing counted on " cpu; bad = 1 }
                exit bad
            }' "$here/budget.txt" - || status=1
done
exit $status
