#!/bin/bash
# What bash offers after a Tab: verbs, options, arguments, as the tool's own help names them.
# Native only: the completion runs the tool itself.
. tests/tap.sh
. tools/dist/completion/leafcutter.bash
PATH=$LC_BUILD:$PATH

# tab WORD...: what is offered for the last word, with blanks between
tab() {
    COMP_WORDS=("$@")
    COMP_CWORD=$(($# - 1))
    COMPREPLY=()
    _leafcutter "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\n' "${COMPREPLY[@]}" | paste -sd ' '
}

verbs=$(tool --help | sed -nE 's/^  ([a-z]+)  .*/\1/p')
is "every verb" "$(paste -sd " " <<< "$verbs") --help --version" "$(tab leafcutter '')"
is "a verb's beginning" classify "$(tab leafcutter clas)"
is "an option's beginning" "--threads" "$(tab leafcutter classify --thr)"
is "options of the daemon" "--config --check-config --until-eof --adopt --rest --help-config \
--help-topics --help-health --version" \
    "$(tab leafcutterd --)"
is "words of a verb" "check build" "$(tab leafcutter job '')"
is "levels of this CPU" "$(levels)" "$(tab leafcutter classify --level '')"
is "files for an option" models/triage/job.json \
    "$(tab leafcutter classify --job models/triage/job.j)"
is "folders for an option" tools/dist "$(tab leafcutter init --dir tools/dis)"
is "nothing for a number" "" "$(tab leafcutter classify --threads '')"
is "after a flag a file" models/triage/demo.txt \
    "$(tab leafcutter classify --json models/triage/demo)"
is "an unknown verb offers no option" "" "$(tab leafcutter frobnicate --)"

# Every option that --help shows is offered, for every verb.
missing=
[ -n "$verbs" ] || missing="no verb at all"
for verb in $verbs; do
    shown=$(tool "$verb" --help | grep -oE '^  --?[a-z0-9-]+' | tr -d ' ' | sort | paste -sd ' ')
    offered=$(tab leafcutter "$verb" - | tr ' ' '\n' | sort | paste -sd ' ')
    [ -n "$shown" ] && [ "$shown" = "$offered" ] || missing="$missing $verb"
done
is "every option of every verb" "" "$missing"
is "quick enough to press Tab" 1 "$(
    start=$(date +%s%N)
    tab leafcutter classify --thr > /dev/null
    echo $((($(date +%s%N) - start) / 1000000 < 2000))
)"
