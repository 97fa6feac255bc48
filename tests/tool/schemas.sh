#!/bin/bash
# The schemas in tools/dist/schemas: what the programs write and read fits them, what is wrong does
# not, and they hold the keys that the programs know.
# Native only: nothing here depends on the level.
. tests/tap.sh
schemas=tools/dist/schemas
: > "$tmp/verdicts"

# fits SCHEMA [--lines] FILE: by our own check; the verdict is kept for a second opinion at the end
fits() {
    local kept verdict
    tests/tool/schema.py "$schemas/$1.schema.json" "${@:2}" > "$tmp/verdict" 2>&1
    verdict=$?
    kept=$(mktemp "$tmp/kept.XXXXXX")
    cp "${!#}" "$kept"
    echo "$verdict $schemas/$1.schema.json $2 $kept" >> "$tmp/verdicts"
    return $verdict
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

# changed FILE: for each line `name|statement` of stdin the JSON of FILE, as `it`, with this Python
# statement applied, in $tmp/changed.N; prints `N name`
changed() {
    python3 -c '
import copy, json, re, sys
text = re.sub(r"^ *//.*", "", open(sys.argv[1]).read(), flags=re.M)
for number, line in enumerate(sys.stdin):
    name, statement = line.rstrip("\n").split("|")
    scope = {"it": json.loads(text)}
    exec(statement, scope)
    with open(f"{sys.argv[2]}.{number}", "w") as out:
        json.dump(scope["it"], out)
    print(number, name)' "$1" "$tmp/changed"
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

while read -r number name; do
    bad "config: $name" config "$tmp/changed.$number"
    "$LC_BUILD/leafcutterd" --config "$tmp/changed.$number" --check-config > /dev/null 2>&1
    is "config: $name, by the daemon" 3 $?
done < <(changed "$tmp/config.json" << 'CHANGES'
no version|del it["version"]
another version|it["version"] = 2
no device|del it["device"]
a name that is not allowed|it["device"]["id"] = "Pump_1"
an unknown key|it["colour"] = 1
an unknown key inside|it["broker"]["colour"] = 1
a number for a text|it["topic_root"] = 5
a text for a number|it["queue"] = {"window": "8"}
a fraction|it["queue"] = {"window": 1.5}
out of range|it["queue"] = {"window": 33}
an unknown word|it["log"]["level"] = "loud"
an input without source|it["inputs"][0] = {"path": "/x"}
too many inputs|it["inputs"] = [{"source": "mqtt", "topic": "t%d" % i} for i in range(16)]
a pin without line|it["outputs"] = {"gpio": {"relay": {"chip": "gpiochip0"}}}
null|it["job"] = None
a list for an object|it["storage"] = []
CHANGES
)
changed "$tmp/config.json" > /dev/null << 'CHANGES'
more|it["outputs"] = {"gpio": {"a": {"chip": "gpiochip0", "line": 17}}, "sound": {"volume": 0.5}}
CHANGES
good "config: pins and sound" config "$tmp/changed.0"
"$LC_BUILD/leafcutterd" --config "$tmp/changed.0" --check-config > /dev/null 2>&1
is "config: pins and sound, by the daemon" 0 $?

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
while read -r number name; do
    bad "record: $name" record "$tmp/changed.$number"
done < <(changed "$tmp/record" << 'CHANGES'
no seq|del it["seq"]
seq from 0|it["seq"] = 0
p over 1|it["p"] = 1.5
an unknown decision|it["decision"] = "maybe"
an unknown key|it["colour"] = "red"
a fact without place|it["facts"] = [{"k": "temp", "v": 1}]
a model without version|it["mdl"] = "9c1f02aa"
another version of the format|it["v"] = 2
true for a number|it["tok"] = True
CHANGES
)

# ---- jobs ----

for job in models/triage/job.json tests/golden/job.json tests/fuzz/tiny-job.json; do
    good "job: $job" job "$job"
done
while read -r number name; do
    mv "$tmp/changed.$number" "$tmp/changed-job.json"
    bad "job: $name" job "$tmp/changed-job.json"
    tool job check "$tmp/changed-job.json" > /dev/null 2>&1
    is "job: $name, by the tool" 3 $?
done < <(changed "$tmp/job.json" << 'CHANGES'
no labels|del it["tasks"][0]["labels"]
no stage|it["tasks"][0]["stages"] = []
an unknown stage|it["tasks"][0]["stages"][0]["type"] = "oracle"
a rule that verifies|it["tasks"][0]["stages"][2]["rules"][0]["decision"] = "accept"
a rule without probability|del it["tasks"][0]["stages"][0]["rules"][0]["p"]
a label that is reserved|it["tasks"][0]["labels"][0]["name"] = "oos"
a name with a blank|it["job"] = "my job"
an unknown key|it["tasks"][0]["colour"] = 1
another version|it["version"] = 2
CHANGES
)
# Every key of the tables that read job files; two are known there only to be refused by name.
missing=$(grep -ohE '^ +\{"[A-Za-z_]+", LC_JSON_' board/linux/job_tree.c board/linux/job_policy.c |
    grep -oE '"[^"]+"' | sort -u | grep -vE '"(file|prompt)"' |
    while read -r key; do grep -q "$key: {" $schemas/job.schema.json || echo "$key"; done)
is "job: every key of the reader" "" "$missing"

# ---- a second opinion on all of it ----

if python3 -c 'import jsonschema' 2> /dev/null; then
    is "python3-jsonschema judges the same" "" "$(python3 - "$tmp/verdicts" << 'OTHER'
import json, re, sys
import jsonschema
for line in open(sys.argv[1]):
    verdict, schema_path, *rest = line.split()
    schema = json.load(open(schema_path))
    jsonschema.Draft202012Validator.check_schema(schema)
    text = open(rest[-1]).read()
    plain = re.sub(r'("(?:\\.|[^"\\\n])*")|//[^\n]*', lambda m: m.group(1) or "", text)
    values = [json.loads(one) for one in text.splitlines()] if "--lines" in rest else \
        [json.loads(plain)]
    fits = all(jsonschema.Draft202012Validator(schema).is_valid(value) for value in values)
    if fits != (verdict == "0"):
        print(f"{schema_path}: {verdict} {fits}: {text[:200]}")
OTHER
    )"
fi
