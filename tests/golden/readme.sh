#!/bin/bash
# What README.md shows is what the commands print: labels of demo lines, the record of one line.
# Native only: nothing here depends on the level.
#
# readme.sh --write puts today's answers into README.md, for a change of the shipped model.
. tests/tap.sh

if [ "${1:-}" = --write ]; then
    tool classify --table models/triage/demo.txt > "$tmp/rows" 2> /dev/null
    command=$(sed -n "s/^\$ echo '\(.*\)' | .*leafcutter classify | cat\$/\1/p" README.md)
    tool classify <<< "$command" > "$tmp/record" 2> /dev/null
    # A row is known by its first 40 characters, the text of the line.
    while IFS= read -r row; do
        case $row in
        *'  accept '* | *'  defer '* | *'  reject '*)
            grep -F -- "${row:0:40}" "$tmp/rows" | sed 's/ *$//'
            ;;
        '{"v":1,'*) cat "$tmp/record" ;;
        *) printf '%s\n' "$row" ;;
        esac
    done < README.md > "$tmp/README.md"
    cp "$tmp/README.md" README.md
fi

# Times differ from run to run: everything after the decision's figure in milliseconds stays out.
tool classify --table models/triage/demo.txt 2> /dev/null |
    sed -E 's/ +[0-9]+\.[0-9]{2}(  .*)?$//' > "$tmp/table"
rows=0
while IFS= read -r row; do
    rows=$((rows + 1))
    short=$(sed -E 's/ +[0-9]+\.[0-9]{2}(  .*)?$//' <<< "$row")
    if grep -qxF -- "$short" "$tmp/table"; then
        ok "README row $rows"
    else
        not_ok "README row $rows" "$short"
    fi
done < <(grep -E '  (accept|defer|reject) +[0-9]+\.[0-9]{2}( |$)' README.md)
is "the README shows rows of the demo" "3" "$rows"

line=$(sed -n "s/^\$ echo '\(.*\)' | .*leafcutter classify | cat\$/\1/p" README.md)
shown=$(grep -m 1 '^{"v":1,' README.md)
got=$(tool classify <<< "$line" 2> /dev/null)
part() { sed -E 's/"(dev|boot|seq|ts|tq|up|src|ms)":("[^"]*"|[0-9.]+),?//g'; }
is "the README's record" "$(part <<< "$shown")" "$(part <<< "$got")"

# Every `make` target that is named is there.
for target in $(grep -oE '`make [a-z0-9-]+' README.md tests/README.md cross/README.md |
    sed 's/.*`make //' | sort -u); do
    if grep -qE "^$target:" Makefile; then ok "make $target"; else not_ok "make $target"; fi
done
