# leafcutter.bash - completion of leafcutter and leafcutterd for bash.
#
# Words come from --help of the program that is being typed, which prints its own tables: what it
# takes and what is offered here cannot differ. Source it, or install it as
# share/bash-completion/completions/leafcutter.

# _leafcutter_options PROGRAM [VERB]: each option, with the name of its argument if it has one.
_leafcutter_options() {
    "$@" --help 2> /dev/null |
        sed -nE 's/^  (--?[a-z][a-z0-9-]*)( ([A-Z][A-Z0-9a-z.,|]*))?( .*)?$/\1 \3/p'
}

# _leafcutter_words PROGRAM VERB: words that the first argument can be: `job` takes check|build.
_leafcutter_words() {
    "$@" --help 2> /dev/null |
        sed -nE '1 s/^usage: .*\] ([a-z]+(\|[a-z]+)+)( .*)?$/\1/p' | tr '|' ' '
}

# _leafcutter_argument PROGRAM OPTION KIND WORD: what an option's argument can be.
_leafcutter_argument() {
    case $2,$3 in
    --level,*)
        mapfile -t COMPREPLY < <(compgen -W \
            "$("$1" --version 2> /dev/null | sed -n 's/^levels *//p')" -- "$4")
        ;;
    --type,*) mapfile -t COMPREPLY < <(compgen -W "q4 t16 q8 f32" -- "$4") ;;
    *,DIR) mapfile -t COMPREPLY < <(compgen -d -- "$4") ;;
    *,FILE* | *,OUT* | *,IN* | *,PATH | *,F.*) mapfile -t COMPREPLY < <(compgen -f -- "$4") ;;
    *) COMPREPLY=() ;;
    esac
}

_leafcutter() {
    local program=$1 word=$2 before=$3 verb='' words='' kind
    local command=("$program")
    if [ "${program##*/}" = leafcutter ]; then
        if [ "$COMP_CWORD" = 1 ]; then
            words=$("$program" --help 2> /dev/null | sed -nE 's/^  ([a-z]+)  .*/\1/p')
            mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$word")
            return
        fi
        verb=${COMP_WORDS[1]}
        command+=("$verb")
    fi
    case $before in
    -*)
        kind=$(_leafcutter_options "${command[@]}" | sed -n "s/^$before //p")
        if [ -n "$kind" ]; then
            _leafcutter_argument "$program" "$before" "$kind" "$word"
            return
        fi
        ;;
    esac
    case $word in
    -*)
        words=$(_leafcutter_options "${command[@]}" | cut -d ' ' -f 1)
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        ;;
    *)
        [ "$COMP_CWORD" != 2 ] || [ -z "$verb" ] || words=$(_leafcutter_words "${command[@]}")
        if [ -n "$words" ]; then
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        ;;
    esac
}

complete -o filenames -o bashdefault -F _leafcutter leafcutter leafcutterd
