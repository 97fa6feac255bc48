#!/bin/bash
# inspect: one screen that tells whether, how fast and where a file will run.
# Native only: files and numbers, no arithmetic of levels.
. tests/tap.sh
model=models/golden/tiny-causal.gguf

tool inspect $model > "$tmp/out"
lines=$(wc -l < "$tmp/out")
is "a GGUF in one screen" yes "$([ "$lines" -le 24 ] && echo yes || echo "$lines lines")"
for word in "^arch  *llama: causal, 3 layers of 40" "^tokenizer  *gpt2/gpt-2, 260 tokens" \
    "^tensors  *30 F32" "^packed .* T16A .* bits a weight" "^memory .* at 96 tokens" "^Zero 2 W" \
    "^Pi 3B" "^Pi 4" "^Pi 5" "^i8mm" "^this machine" "Not measured on boards"; do
    is "it says $word" 1 "$(grep -c "$word" "$tmp/out")"
done
is "--all names tensors" yes "$(tool inspect --all $model | grep -q blk.2.ffn_down && echo yes)"

# What a GGUF promises is what its pack has.
tool pack $model -o "$tmp/m.leaf" > /dev/null 2>&1
tool inspect --json $model > "$tmp/gguf.json"
tool inspect --json "$tmp/m.leaf" > "$tmp/leaf.json"
tool plan --json "$tmp/m.leaf" > "$tmp/plan.json" 2> /dev/null ||
    tool plan --json --model "$tmp/m.leaf" > "$tmp/plan.json"
python3 - "$tmp" << 'END' > "$tmp/compared"
import json, sys
names = ("gguf", "leaf", "plan")
gguf, leaf, plan = (json.load(open("%s/%s.json" % (sys.argv[1], n))) for n in names)
print("packed", gguf["packed"] == leaf["packed"])
same = all(gguf["memory"][k] == leaf["memory"][k] for k in ("ctx", "state", "scratch", "io"))
print("memory", same, 0 <= leaf["memory"]["model"] - gguf["memory"]["model"] < 8192)
print("plan", leaf["memory"]["total"] == plan["total"])
rows = lambda found: [e for e in found["estimates"] if not e["kernels_timed"]]
print("estimates", len(rows(gguf)), rows(gguf) == rows(leaf))
speed = [e["prefill_tps"] for e in rows(gguf)]
print("order", speed == sorted(speed))
timed = [e for e in gguf["estimates"] if e["kernels_timed"]]
print("here", len(timed), timed[0]["prefill_tps"] > 0 and timed[0]["read_gbs"] > 0)
print("budgets", all(e["within_50_ms"] == (e["fits"] and e["line_ms"] <= 50) for e in rows(gguf)))
END
is "types and bytes of the pack" "packed True" "$(sed -n 1p "$tmp/compared")"
is "memory of the pack" "memory True True" "$(sed -n 2p "$tmp/compared")"
is "memory as plan says" "plan True" "$(sed -n 3p "$tmp/compared")"
is "the same estimates" "estimates 5 True" "$(sed -n 4p "$tmp/compared")"
is "faster boards are faster" "order True" "$(sed -n 5p "$tmp/compared")"
is "this machine is timed" "here 1 True" "$(sed -n 6p "$tmp/compared")"
is "50 ms" "budgets True" "$(sed -n 7p "$tmp/compared")"

# A bundle, with the packs that it names.
job=models/triage/triage.leaf
tool inspect --json $job > "$tmp/job.json"
tool plan --json $job > "$tmp/plan.json"
is "a job's memory and speed" "True True" "$(python3 -c '
import json, sys
job, plan = (json.load(open(p)) for p in sys.argv[1:])
print(job["memory"]["total"] == plan["total"], len(job["estimates"]) == 6)
' "$tmp/job.json" "$tmp/plan.json")"

# A job whose models keep keys and values as it says.
echo "Say: {text} It is:" > "$tmp/p.txt"
printf '{"version":1,"job":"j","ver":1,"kv":"i8","tasks":[{"task":"t","labels":[{"name":"red"},
    {"name":"rest"}],"stages":[{"id":"s","type":"label_score","model":"m.leaf",
    "prompt":"p.txt"}]}]}' \
    > "$tmp/j.json"
tool plan --json "$tmp/j.json" > "$tmp/i8.json"
sed -i 's/"kv":"i8"/"kv":"auto"/' "$tmp/j.json"
tool plan --json "$tmp/j.json" > "$tmp/own.json"
is "a job's own cache" "i8 f16 True True" "$(python3 -c '
import json, sys
i8, own = (json.load(open(p)) for p in sys.argv[1:])
print(i8["kv"]["kind"], own["kv"]["kind"], i8["kv"]["bytes"] < own["kv"]["bytes"],
      i8["arenas"]["state"] < own["arenas"]["state"])
' "$tmp/i8.json" "$tmp/own.json")"
tool plan --kv i8 "$tmp/j.json" 2> "$tmp/err"
is "--kv is for models" "2 1" "$? $(grep -c "a job says it with its key kv" "$tmp/err")"

# A checkpoint folder says the same of itself as a GGUF of its weights would.
tool inspect models/golden/hf-llama > "$tmp/out"
for word in "hf-llama: checkpoint" "^arch  *llama: causal, 3 layers of 24, 3 heads on 1 of 8" \
    "^tokenizer  *gpt2/llama-bpe, 334 tokens" "^packed .* bits a weight" \
    "^memory .* at 256 tokens" "^Zero 2 W" "^this machine"; do
    is "of a folder: $word" 1 "$(grep -c "$word" "$tmp/out")"
done

# refused NAME FILE REASON REMEDY: a line for each
refused() {
    tool inspect "$2" > "$tmp/out" 2> "$tmp/err"
    is "$1" "2 1 1" "$(wc -l < "$tmp/err") $(grep -c "$3" "$tmp/err") $(grep -c "$4" "$tmp/err")"
}

sed 's/llama\x0c/mamba\x0c/' $model > "$tmp/mamba.gguf"
refused "an architecture of others" "$tmp/mamba.gguf" "mamba is not supported" \
    "supported: llama qwen2 .*bert"
cp -r models/golden/hf-llama "$tmp/folder"
sed -i 's/"llama3"/"dynamic"/' "$tmp/folder/config.json"
refused "a scaling of others" "$tmp/folder" "scaling dynamic is not supported" \
    "supported: default, linear, llama3 and yarn"
printf 'PK\003\004archive' > "$tmp/model.pt"
refused "a PyTorch archive" "$tmp/model.pt" "model.pt" "convert it to GGUF"
printf '\100\000\000\000\000\000\000\000{"a":{}}' > "$tmp/model.safetensors"
refused "safetensors alone" "$tmp/model.safetensors" "model.safetensors" "config.json"
