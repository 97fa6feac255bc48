#!/bin/sh
# make.sh leafcutter|leafcutterd COMMAND... - a man page on stdout, from the program's own --help.
#
# COMMAND runs the program (an emulator may come first). What does not come from the program's
# tables is in the .txt files beside this.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
page=${1:?usage: make.sh leafcutter|leafcutterd COMMAND...}
shift
: "${1:?usage: make.sh leafcutter|leafcutterd COMMAND...}"
day=$(LC_ALL=C date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" '+%B %-d, %Y')
version=$("$@" --version | sed -n '1 s/^[a-z]* \([^+]*\).*/\1/p')

# Text in which nothing is a macro or an escape.
plain() { sed -e 's/\\/\\e/g' -e "s/^[.']/\\\\\&&/" -e 's/`/\\(ga/g'; }

# The options of a --help as a list.
options() {
    awk '
        function flag(name) { return sub(/^--/, "", name) ? "Fl Fl " name : "Fl " substr(name, 2) }
        /^  -/ {
            if (!open) { print ".Bl -tag -width Ds"; open = 1 }
            match($0, /^  --?[a-z][a-z0-9-]*( [A-Z][A-Za-z0-9.,|]*)?( |$)/)
            left = substr($0, 3, RLENGTH - 2)
            right = substr($0, RLENGTH + 1)
            sub(/ +$/, "", left)
            sub(/^ +/, "", right)
            split(left, part, " ")
            print ".It " flag(part[1]) (part[2] == "" ? "" : " Ar " part[2])
            gsub(/\\/, "\\e", right)
            print "\\&" right
        }
        END { if (open) print ".El" }
    '
}

# verb NAME COMMAND...: its usage line, what it does, its options.
verb() {
    name=$1
    shift
    help=$("$@" "$name" --help)
    printf '.Ss %s\n.D1 %s\n.Pp\n' "$name" \
        "$(printf '%s\n' "$help" | sed -n '1 s/^usage: //p' | plain | sed 's/|/ | /g')"
    # A sentence begins a line: mandoc wants it so.
    printf '%s\n' "$help" | sed -e 1d -e '/^  -/d' | plain |
        sed 's/\([a-z)]\)\. \([A-Z]\)/\1.\n\2/g'
    printf '%s\n' "$help" | options
}

# Keys of the config as a list.
keys() {
    echo ".Bl -tag -width Ds"
    "$@" --help-config | plain | sed -E 's/^([^ ]+) +(.*)$/.It Cm \1\n\\\&\2/'
    echo ".El"
}

case $page in
leafcutter)
    printf '.Dd %s\n.Dt LEAFCUTTER 1\n.Os Leafcutter %s\n' "$day" "$version"
    cat "$here/leafcutter-head.txt"
    echo ".Sh VERBS"
    for name in $("$@" --help | sed -nE 's/^  ([a-z]+)  .*/\1/p'); do verb "$name" "$@"; done
    cat "$here/leafcutter-tail.txt"
    ;;
leafcutterd)
    printf '.Dd %s\n.Dt LEAFCUTTERD 8\n.Os Leafcutter %s\n' "$day" "$version"
    cat "$here/leafcutterd-head.txt"
    "$@" --help | options
    echo ".Sh CONFIGURATION"
    echo "A JSON file;"
    echo ".Ql //"
    echo "begins a comment up to the end of the line."
    echo "A key that is unknown or there twice, of a wrong type or out of range, is an error."
    keys "$@"
    cat "$here/leafcutterd-tail.txt"
    ;;
*)
    echo "make.sh: no page $page" >&2
    exit 2
    ;;
esac
