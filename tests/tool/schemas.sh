#!/bin/bash
# The schemas in tools/dist/schemas: what the programs write and read fits them, what is wrong does
# not, and they hold the keys that the programs know.
# Native only: nothing here depends on the level.
. tests/tap.sh
schemas=tools/dist/schemas
python3 -c 'import jsonschema' 2> /dev/null && also=yes || also=no

# fits SCHEMA [--lines] FILE: by our own check and, where it is installed, by python3-jsonschema
fits() {
    tests/tool/schema.py "$schemas/$1.schema.json" "${@:2}" > "$tmp/verdict" 2>&1
    local own=$? other
    [ $also = yes ] || return $own
    python3 - "$schemas/$1.schema.json" "${@:2}" << 'OTHER' > /dev/null 2>&1
import json, re, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
text = open(sys.argv[-1]).read()
plain = re.sub(r'("(?:\\.|[^"\\\n])*")|//[^\n]*', lambda m: m.group(1) or "", text)
values = map(json.loads, text.splitlines()) if "--lines" in sys.argv else [json.loads(plain)]
for value in values:
    jsonschema.Draft202012Validator(schema).validate(value)
OTHER
    other=$?
    [ $((own != 0)) = $((other != 0)) ] || {
        echo "two checks differ: $own $other: $(cat "$tmp/verdict")" > "$tmp/verdict"
        return 3
    }
    return $own
}

# good NAME SCHEMA [--lines] FILE | bad NAME SCHEMA FILE
good() {
    if fits "${@:2}"; then ok "$1"; else not_ok "$1" "$(cat "$tmp/verdict")"; fi
}
bad() {
    fits "${@:2}"
    local verdict=$?
    if [ $verdict = 1 ]; then ok "$1"; else not_ok "$1" "$verdict: $(cat "$tmp/verdict")"; fi
}

# ---- the config ----

"$schemas/config_schema.py" "$LC_BUILD/leafcutterd" > "$tmp/config.schema.json"
if diff "$schemas/config.schema.json" "$tmp/config.schema.json" > "$tmp/diff"; then
    ok "the config's schema is that of the daemon's table"
else
    not_ok "the config's schema is that of the daemon's table" \
        "config_schema.py leafcutterd > config.schema.json makes it anew
$(cat "$tmp/diff")"
fi
tool init --yes --dir "$tmp" --id pi4-0017 --broker mqtts://b:1 --input stdin,mqtt:a/+ > /dev/null
good "a config that init wrote" config "$tmp/config.json"

# changed EXPRESSION: the config of init with this Python statement applied to it, as c
changed() {
    python3 -c '
import json, re, sys
c = json.loads(re.sub(r"^ *//.*", "", open(sys.argv[1]).read(), flags=re.M))
exec(sys.argv[2])
json.dump(c, sys.stdout)' "$tmp/config.json" "$1" > "$tmp/changed.json"
}
while IFS='|' read -r name change; do
    changed "$change"
    bad "config: $name" config "$tmp/changed.json"
    "$LC_BUILD/leafcutterd" --config "$tmp/changed.json" --check-config > /dev/null 2>&1
    is "config: $name, by the daemon" 3 $?
done << 'CHANGES'
no version|del c["version"]
another version|c["version"] = 2
no device|del c["device"]
a name that is not allowed|c["device"]["id"] = "Pump_1"
an unknown key|c["colour"] = 1
an unknown key inside|c["broker"]["colour"] = 1
a number for a text|c["topic_root"] = 5
a text for a number|c["queue"] = {"window": "8"}
a fraction|c["queue"] = {"window": 1.5}
out of range|c["queue"] = {"window": 33}
an unknown word|c["log"]["level"] = "loud"
an input without source|c["inputs"][0] = {"path": "/x"}
too many inputs|c["inputs"] = [{"source": "mqtt", "topic": "t%d" % i} for i in range(16)]
a pin without line|c["outputs"] = {"gpio": {"relay": {"chip": "gpiochip0"}}}
null|c["job"] = None
a list for an object|c["storage"] = []
CHANGES
changed 'c["outputs"] = {"gpio": {"relay": {"chip": "gpiochip0", "line": 17, "active_low": True}},
    "sound": {"device": "default", "volume": 0.5}}; c["threads"] = {"prefill": 2}'
good "config: pins, sound, threads" config "$tmp/changed.json"
"$LC_BUILD/leafcutterd" --config "$tmp/changed.json" --check-config > /dev/null 2>&1
is "config: pins, sound, threads, by the daemon" 0 $?

# ---- records ----

tool pack models/golden/tiny-bidi.gguf -o "$tmp/tiny.leaf" > /dev/null 2>&1
cp tests/golden/job.json "$tmp/job.json"
for option in --json --raw; do
    tool classify $option --job "$tmp/job.json" tests/golden/lines.txt > "$tmp/records" 2> /dev/null
    good "records of classify $option" record --lines "$tmp/records"
done
is "of every line and task" 1 $(($(wc -l < "$tmp/records") > 20))
tool classify --model models/golden/tiny-bidi.gguf --json models/triage/demo.txt > "$tmp/records"
good "records of a model" record --lines "$tmp/records"
head -n 1 "$tmp/records" > "$tmp/record"
while IFS='|' read -r name change; do
    python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
exec(sys.argv[2])
json.dump(r, sys.stdout)' "$tmp/record" "$change" > "$tmp/changed.json"
    bad "record: $name" record "$tmp/changed.json"
done << 'CHANGES'
no seq|del r["seq"]
seq from 0|r["seq"] = 0
p over 1|r["p"] = 1.5
an unknown decision|r["decision"] = "maybe"
an unknown key|r["colour"] = "red"
a fact without place|r["facts"] = [{"k": "temp", "v": 1}]
a model without version|r["mdl"] = "9c1f02aa"
another version of the format|r["v"] = 2
true for a number|r["tok"] = True
CHANGES

# ---- jobs ----

for job in models/triage/job.json tests/golden/job.json tests/fuzz/tiny-job.json; do
    good "job: $job" job "$job"
done
while IFS='|' read -r name change; do
    python3 -c '
import json, re, sys
text = open(sys.argv[1]).read()
j = json.loads(re.sub(r"^ *//.*", "", text, flags=re.M))
exec(sys.argv[2])
json.dump(j, sys.stdout)' "$tmp/job.json" "$change" > "$tmp/changed-job.json"
    bad "job: $name" job "$tmp/changed-job.json"
    tool job check "$tmp/changed-job.json" > /dev/null 2>&1
    is "job: $name, by the tool" 3 $?
done << 'CHANGES'
no labels|del j["tasks"][0]["labels"]
no stage|j["tasks"][0]["stages"] = []
an unknown stage|j["tasks"][0]["stages"][0]["type"] = "oracle"
a rule that verifies|j["tasks"][0]["stages"][2]["rules"][0]["decision"] = "accept"
a rule without probability|del j["tasks"][0]["stages"][0]["rules"][0]["p"]
a label that is reserved|j["tasks"][0]["labels"][0]["name"] = "oos"
a name with a blank|j["job"] = "my job"
an unknown key|j["tasks"][0]["colour"] = 1
another version|j["version"] = 2
CHANGES
# Every key of the tables that read job files; two are known there only to be refused by name.
missing=$(grep -ohE '^ +\{"[A-Za-z_]+", LC_JSON_' board/linux/job_tree.c board/linux/job_policy.c |
    grep -oE '"[^"]+"' | sort -u | grep -vE '"(file|prompt)"' |
    while read -r key; do grep -q "$key: {" $schemas/job.schema.json || echo "$key"; done)
is "job: every key of the reader" "" "$missing"
