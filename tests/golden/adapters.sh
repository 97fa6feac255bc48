#!/bin/bash
# Adapters through the tool: logits of a 4-bit model with one have one hash at every level and
# thread count; two tasks with two adapters over one pack answer as each does alone; what does not
# fit is refused by name.
#
# adapters.sh --write writes the hash again, by level ref.
. tests/tap.sh
kept=tests/golden/expected/adapter-q4-logits.sha256
golden=models/golden

tool pack $golden/tiny-causal.gguf -o "$tmp/causal.leaf" > "$tmp/out" 2>&1 || cat "$tmp/out"
tool pack --adapter $golden/adapters/causal-all.gguf --base "$tmp/causal.leaf" -o "$tmp/all.leaf" \
    --json > "$tmp/out" 2>&1 || cat "$tmp/out"
tokens=$(od -An -v -t u4 $golden/tiny-causal.tokens.u32 | tr -s ' \n' ',' | sed 's/^,//; s/,$//')

hash() {
    tool logits --model "$tmp/causal.leaf" --tokens "$tokens" --out "$tmp/logits" "$@" \
        2> "$tmp/err" && sha256 < "$tmp/logits"
}

if [ "${1:-}" = --write ]; then
    hash --level ref --adapter "$tmp/all.leaf" > $kept
fi
for level in $(levels); do
    for threads in ${counts:-1 2}; do
        is "logits with an adapter: $level, $threads threads" "$(cat $kept)" \
            "$(hash --level "$level" --threads $threads --adapter "$tmp/all.leaf" ||
                cat "$tmp/err")"
    done
done
is "another program's file is the same adapter" "$(cat $kept)" \
    "$(hash --adapter $golden/adapters/causal-peft || cat "$tmp/err")"

# ---- jobs ----

tool pack $golden/tiny-bert.gguf -o "$tmp/bert.leaf" > "$tmp/out" 2>&1 || cat "$tmp/out"
for which in one:1 two:-0.5; do
    tool pack --adapter $golden/adapters/bert:${which#*:} --base "$tmp/bert.leaf" \
        --labels "hot,cold,wet,oos" -o "$tmp/${which%:*}.leaf" > "$tmp/out" 2>&1 || cat "$tmp/out"
done
# The same with the corrections of the first layer only, its head behind that one: an early exit.
mkdir "$tmp/first"
cp $golden/adapters/bert/adapter_config.json "$tmp/first"
weights=adapter_model.safetensors
python3 - $golden/adapters/bert/$weights "$tmp/first/$weights" << 'PY'
import json, struct, sys
data = open(sys.argv[1], "rb").read()
start = 8 + struct.unpack("<Q", data[:8])[0]
kept, body = {}, b""
for name, t in json.loads(data[8:start]).items():
    if ".layer.0." in name or ".classifier." in name:
        begin, end = t["data_offsets"]
        kept[name] = dict(t, data_offsets=[len(body), len(body) + end - begin])
        body += data[start + begin : start + end]
head = json.dumps(kept).encode()
open(sys.argv[2], "wb").write(struct.pack("<Q", len(head)) + head + body)
PY
tool pack --adapter "$tmp/first" --base "$tmp/bert.leaf" --layers 1 --labels "hot,cold,wet,oos" \
    -o "$tmp/early.leaf" > "$tmp/out" 2>&1 || cat "$tmp/out"
cat > "$tmp/job.json" << 'JOB'
{ "version": 1, "job": "adapted", "ver": 1, "tasks": [
  {"task": "a", "labels": [{"name": "hot"}, {"name": "cold"}, {"name": "wet"}],
   "stages": [{"id": "h", "type": "head", "model": "bert.leaf", "adapter": "one.leaf"}]},
  {"task": "b", "labels": [{"name": "hot"}, {"name": "cold"}, {"name": "wet"}],
   "stages": [{"id": "h", "type": "head", "model": "bert.leaf", "adapter": "two.leaf"}]},
  {"task": "c", "labels": [{"name": "red"}, {"name": "green"}],
   "stages": [{"id": "h", "type": "head", "model": "bert.leaf"}]},
  {"task": "d", "labels": [{"name": "hot"}, {"name": "cold"}, {"name": "wet"}],
   "stages": [{"id": "h", "type": "head", "model": "bert.leaf", "adapter": "early.leaf"}]} ] }
JOB
answers() { sed -E 's/.*"task":"([^"]*)","label":("[^"]*"|null),"p":([0-9.]*).*/\1 \2 \3/'; }
alone() {
    tool classify --model "$tmp/bert.leaf" "$@" tests/golden/lines.txt | answers |
        cut -d ' ' -f 2-
}
tool job build "$tmp/job.json" -o "$tmp/job.leaf" > "$tmp/out" 2>&1 || cat "$tmp/out"
tool classify --job "$tmp/job.leaf" tests/golden/lines.txt > "$tmp/records" 2> "$tmp/err"
for task in a:one b:two c: d:early; do
    option=${task#*:}
    is "task ${task%:*} answers as ${option:-the base} does alone" \
        "$(alone ${option:+--adapter "$tmp/$option.leaf"})" \
        "$(answers < "$tmp/records" | sed -n "s/^${task%:*} //p")"
done
is "a job file answers as its bundle does" "$(answers < "$tmp/records")" \
    "$(tool classify --job "$tmp/job.json" tests/golden/lines.txt 2> "$tmp/err" | answers)"
for level in $(levels); do
    is "two adapters in one job: $level" "$(answers < "$tmp/records")" \
        "$(tool classify --job "$tmp/job.leaf" --level "$level" --threads 2 tests/golden/lines.txt |
            answers)"
done

# ---- refused ----

# refused NAME WANTED ARG...: exit 3 and these words
refused() {
    local name=$1 wanted=$2
    shift 2
    tool "$@" > "$tmp/out" 2> "$tmp/err"
    local code=$?
    if [ $code = 3 ] && grep -q "$wanted" "$tmp/err"; then
        ok "$name"
    else
        not_ok "$name" "exit $code, $(cat "$tmp/out" "$tmp/err")"
    fi
}

rm "$tmp/two.leaf"
refused "an adapter that is not there" "an adapter that the bundle names was not found" \
    classify --job "$tmp/job.leaf" tests/golden/lines.txt
sed 's/two.leaf/all.leaf/' "$tmp/job.json" > "$tmp/wrong.json"
refused "an adapter of another base in a job" \
    'tasks\[1\].stages\[0\].adapter: .*all.leaf: .*made for another base' \
    job check "$tmp/wrong.json"
refused "a pack in the place of an adapter" "object is not an adapter" \
    logits --model "$tmp/causal.leaf" --adapter "$tmp/causal.leaf" --tokens 1 --out "$tmp/x"
refused "an adapter of another base" "made for another base" \
    logits --model "$tmp/causal.leaf" --adapter "$tmp/one.leaf" --tokens 1 --out "$tmp/x"
refused "a merge that does not fit" "causal-all.gguf: general.architecture" \
    pack $golden/tiny-bert.gguf --lora $golden/adapters/causal-all.gguf -o "$tmp/x.leaf"
refused "an early exit before the last correction" \
    'layer.1.*: a correction of layer 1, of which only 1' \
    pack --adapter $golden/adapters/bert --base "$tmp/bert.leaf" --layers 1 -o "$tmp/x.leaf"
refused "an early exit without a head of its own" "wants a head of the adapter's own" \
    pack --adapter $golden/adapters/causal-qv.gguf --base "$tmp/causal.leaf" \
    --layers 1 -o "$tmp/x.leaf"
refused "an early exit behind the last layer" "an early exit after 9 of 3 layers" \
    pack --adapter "$tmp/first" --base "$tmp/bert.leaf" --layers 9 -o "$tmp/x.leaf"
