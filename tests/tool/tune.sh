#!/bin/bash
# leafcutter bench --tune and --decode-threads: what is found is what the options and the daemon
# take, and decoding keeps to its own number. No time is judged.
# Native only: nothing here depends on the level.
. tests/tap.sh
python3 tests/perf/mkmodel.py --layers 1 --vocab 512 --q4_0 smollm2-135m "$tmp/model.gguf"
tool pack "$tmp/model.gguf" -o "$tmp/model.leaf" > /dev/null 2>&1
small=(--model "$tmp/model.leaf" --prompt 8 --gen 2 --reps 1)
cores=$(nproc)
[ "$cores" -le 16 ] || cores=16

tool bench --tune "${small[@]}" --json > "$tmp/tuned.json" 2> "$tmp/err"
is "bench --tune" 0 $?
is "every number of threads up to that of cores, and the fewest that are worth it" ok "$(
    python3 - "$tmp/tuned.json" "$cores" << 'END'
import json, sys
found = json.load(open(sys.argv[1]))
cores = int(sys.argv[2])
tried = found["tried"]
assert [t["threads"] for t in tried] == list(range(1, cores + 1)), tried
for kind in ("prefill", "decode"):
    speeds = [t[kind + "_tps"] for t in tried]
    assert all(speed > 0 for speed in speeds), speeds
    chosen, worth = found["threads"][kind], 0.97 * max(speeds)
    slack = 0.1  # speeds are printed with one digit
    assert speeds[chosen - 1] >= worth - slack, (kind, chosen, speeds)
    assert all(speed <= worth + slack for speed in speeds[: chosen - 1]), (kind, chosen, speeds)
print("ok")
END
)"

tool bench --tune "${small[@]}" > "$tmp/tuned" 2> "$tmp/err"
is "a row for each of them" "$cores" "$(grep -cE '^ *[0-9]+ +[0-9.]+ +[0-9.]+$' "$tmp/tuned")"
read -r -a options < <(grep -E '^ *--threads [0-9]+ --decode-threads [0-9]+$' "$tmp/tuned")
is "options to type" 4 ${#options[@]}
for verb in bench generate; do
    more=(--prompt 8 --gen 2 --reps 1)
    [ $verb = bench ] || more=(--prompt pump -n 2)
    tool $verb --model "$tmp/model.leaf" "${more[@]}" "${options[@]}" > /dev/null 2> "$tmp/err"
    is "$verb takes them" 0 $?
done
threads=$(sed -n 's/^ *\("threads": {.*}\)$/\1/p' "$tmp/tuned")
tool init --yes --dir "$tmp/dir" > /dev/null 2>&1
sed "0,/{/s//{ $threads,/" "$tmp/dir/config.json" > "$tmp/config.json"
timeout 20 "$LC_BUILD/leafcutterd" --config "$tmp/config.json" --check-config > "$tmp/out" 2>&1
is "the daemon takes its line" "0 1" "$? $(grep -c '"threads": {' "$tmp/config.json")"

# joins TOKENS OPTION...: how often threads met
joins() {
    local tokens=$1
    shift
    tool logits --model "$tmp/model.leaf" --tokens "$tokens" --threads 2 --out "$tmp/logits" \
        --json "$@" 2> "$tmp/err" | sed -n 's/.*"joins":\([0-9]*\).*/\1/p'
}
both=$(joins 7)
is "one token on both threads" yes "$([ "${both:-0}" -gt 0 ] && echo yes)"
before=$(sha256 < "$tmp/logits")
is "one token on one of them" 0 "$(joins 7 --decode-threads 1)"
is "with the same bits" "$before" "$(sha256 < "$tmp/logits")"
prompt=$(joins 7,8,9 --decode-threads 1)
is "a prompt on both all the same" yes "$([ "${prompt:-0}" -gt 0 ] && echo yes)"
is "more than there are: all of them" "$both" "$(joins 7 --decode-threads 9)"
tool bench "${small[@]}" --decode-threads x > /dev/null 2>&1
is "a number that is none" 2 $?
