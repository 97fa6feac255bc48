#!/bin/sh
# cli.sh - exit codes and messages of the tool.
. "$(dirname "$0")/lib/tap.sh"
model=models/golden/tiny-causal.gguf

expect_exit 2 "no verb"
expect_exit 2 "unknown verb" frobnicate
expect_exit 2 "unknown option" classify --nonsense
expect_exit 2 "missing argument" classify --job
expect_exit 2 "label scoring is not there yet" classify --model $model --labels a,b
expect_exit 2 "unknown level" classify --level nonsense
expect_exit 2 "no threads" classify --threads 0
expect_exit 2 "too many threads" classify --threads 1000
expect_exit 2 "missing --model" generate --prompt a -n 1
expect_exit 2 "ids that are none" logits --model $model --tokens 1,x --out "$work/l"
expect_exit 2 "ids over the vocabulary" logits --model $model --tokens 1,99999 --out "$work/l"
expect_exit 3 "a model that is none" generate --model README.md --prompt a -n 1
expect_exit 3 "a folder as a model" generate --model . --prompt a -n 1
expect_exit 3 "more tokens than the context" logits --model $model --out "$work/l" \
    --tokens "$(yes 1 | head -n 40000 | paste -sd,)"
expect_exit 4 "a model that is not there" generate --model "$work/none" --prompt a -n 1
expect_exit 4 "input that is not there" classify --model models/golden/tiny-bidi.gguf "$work/none"
expect_exit 4 "a folder as input" classify --model models/golden/tiny-bidi.gguf "$work"
expect_exit 4 "output that cannot be written" logits --model $model --tokens 1 --out "$work/no/l"

# A level that another architecture has.
case $(levels) in
*avx2*) other=dot ;;
*) other=avx2 ;;
esac
expect_exit 4 "a level of another CPU" generate --model $model --prompt a -n 1 --level $other

tool pack $model -o "$work/q4.leaf" > "$work/said" 2>&1 || not_ok "tiny model packs"
expect_exit 3 "--float of a quantised pack" generate --model "$work/q4.leaf" --prompt a -n 1 --float
check "which names the command" grep -q 'pack .*--type f32' "$work/err"

for verb in classify job pack inspect plan tokenize logits generate bench; do
    tool $verb --help > "$work/out" 2> "$work/err"
    check "$verb --help" test "$?" = 0 -a -s "$work/out" -a ! -s "$work/err"
done
check "--version names the kernels" sh -c "${LC_RUN:-} '$LC_BUILD/leafcutter' --version | grep -q ^kernels"

# The cache: one pack a type, made anew when the source changes, in memory when there is no folder.
cp $model "$work/m.gguf"
generate() { tool generate --model "$work/m.gguf" --prompt abc -n 5 "$@"; }
generate > "$work/a" 2> "$work/err"
generate > "$work/b" 2>> "$work/err"
generate --float > "$work/c" 2>> "$work/err"
check "packs are kept" test "$(ls "$XDG_CACHE_HOME/leafcutter" | wc -l)" = 2
check "and used again" cmp "$work/a" "$work/b"
touch -d 2001-01-01 "$work/m.gguf"
generate > "$work/b" 2>> "$work/err"
check "a changed source is packed again" test "$(ls "$XDG_CACHE_HOME/leafcutter" | wc -l)" = 2
for pack in "$XDG_CACHE_HOME"/leafcutter/*-q4-*; do
    head -c 200 "$pack" > "$work/short" && cp "$work/short" "$pack"
done
generate > "$work/b" 2>> "$work/err"
check "a damaged pack is made anew" cmp "$work/a" "$work/b"
check "in silence" test ! -s "$work/err"
XDG_CACHE_HOME=$work/m.gguf/none generate > "$work/b" 2> "$work/err"
check "no cache folder: packed in memory" cmp "$work/a" "$work/b"
check "and says so" test -s "$work/err"
finish
