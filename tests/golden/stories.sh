#!/bin/bash
# stories260K, a trained model of 260,000 weights: logits and text that llama.cpp gave.
# Native only: nothing here depends on the level, and levels.sh compares levels.
. tests/tap.sh

folder=models/stories260K
shared $folder "float logits" "greedy text" "Q8_0 logits" "Q4_0 logits" || exit 0
folder=$LC_SHARED/$folder
vocab=512

floats() { od -An -v -tf4 -w4 "$1"; }

# BOS, then each row's argmax: the tokens that golden logits were computed for.
tokens_of() {
    floats "$1" | awk -v vocab=$vocab '
        BEGIN { printf "1" }
        { if (n == 0 || $1 > best) { best = $1; at = n } }
        ++n == vocab { rows[++row] = at; n = 0 }
        END { for (i = 1; i < row; i++) printf ",%d", rows[i] }'
}

# near NAME GOLDEN GGUF LIMIT [RANGE]: largest difference in absolute terms, or as a share of the
# range of the golden logits
near() {
    if ! tool logits --float --model "$folder/$3" --tokens "$(tokens_of "$folder/$2")" \
        --out "$tmp/logits" 2> "$tmp/err"; then
        not_ok "$1" "$(cat "$tmp/err")"
        return
    fi
    if said=$(paste <(floats "$folder/$2") <(floats "$tmp/logits") | awk -v limit="$4" \
        -v range="${5:-}" '
        NF != 2 { bad = 1; exit }
        NR == 1 { least = most = $1 }
        { d = $1 - $2; if (d < 0) d = -d; if (d > worst) worst = d
          if ($1 < least) least = $1; if ($1 > most) most = $1 }
        END { if (range) worst /= most - least
              printf "%g", worst; exit bad || NR < 512 || worst > limit }'); then
        ok "$1 (largest difference $said, limit $4)"
    else
        not_ok "$1" "largest difference $said, limit $4"
    fi
}
near "float logits" logits-f32.f32 stories260K-f32.gguf 1e-4
near "Q8_0 logits" logits-q8_0.f32 stories260K-q8_0.gguf 0.02 range
near "Q4_0 logits" logits-q4_0.f32 stories260K-q4_0.gguf 0.02 range

tool generate --float --model "$folder/stories260K-f32.gguf" --prompt '' -n 200 \
    > "$tmp/text" 2> "$tmp/err"
if cmp -s "$tmp/text" "$folder/expected-greedy-200.txt" ||
    diff -q <(cat "$tmp/text") <(cat "$folder/expected-greedy-200.txt"; echo) > /dev/null; then
    ok "greedy text"
else
    not_ok "greedy text" "$(cat "$tmp/text" "$tmp/err")"
fi
