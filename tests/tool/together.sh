#!/bin/bash
# Lines answered together by `classify`, at each level: the records of a file are those of its lines
# one by one, and a pipe gets each answer without having to send more. `bench --messages` measures
# such passes; no time is judged.
. tests/tap.sh
part() { sed -E 's/"(seq|ts|up|ms|src)":("[^"]*"|[0-9.]+),?//g; s/,\}/}/g'; }
model=models/golden/tiny-bidi.gguf
lines=tests/golden/lines.txt

head -n 11 $lines > "$tmp/lines"
while IFS= read -r line; do
    printf '%s\n' "$line" | tool classify --json --model $model --raw
done < "$tmp/lines" | part > "$tmp/alone"
for level in $(levels); do
    tool classify --json --model $model --raw --level "$level" "$tmp/lines" 2> "$tmp/err" |
        part > "$tmp/together"
    is "a file's records are those of its lines: $level" "11 $(sha256 < "$tmp/alone")" \
        "$(wc -l < "$tmp/together") $(sha256 < "$tmp/together")"
done

# The second line is sent when the first one's record is there, and so on.
is "a pipe is answered line by line" "1 2 3 4" "$(
    # shellcheck disable=SC2086
    LINES_OF="$tmp/lines" python3 - ${LC_RUN:-} "$LC_BUILD/leafcutter" classify --json \
        --model $model << 'END'
import json, os, subprocess, sys
tool = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
found = []
with open(os.environ["LINES_OF"], "rb") as lines:
    for line, _ in zip(lines, range(4)):
        tool.stdin.write(line)
        tool.stdin.flush()
        found.append(str(json.loads(tool.stdout.readline())["seq"]))
tool.stdin.close()
tool.wait(60)
print(" ".join(found))
END
)"

# bench_of OPTION...: what it says of messages
bench_of() {
    tool bench --prompt 4 --gen 0 --reps 2 --json "$@" 2> "$tmp/err" |
        python3 -c 'import json, sys
found = json.load(sys.stdin)
keys = ("messages", "prefix", "message_tokens")
ran = found["together_ms"] > 0 and found["alone_ms"] > 0
print(*(found[key] for key in keys), ran)
arena = found["arenas"]["scratch"]
print(arena["peak"] == arena["plan"])'
}
is "messages after a prefix" "3 6 5 True True" "$(bench_of --model models/golden/tiny-qwen3.gguf \
    --messages 3 --message-tokens 5 --prefix 6 | xargs)"
is "messages of a model with classes" "2 0 7 True True" "$(bench_of --model $model \
    --messages 2 --message-tokens 7 | xargs)"
for wrong in "--messages 65" "--messages 2 --message-tokens 0" "--messages 2 --prefix 99999" \
    "--messages 2 --prefix 4"; do
    # shellcheck disable=SC2086
    tool bench --model $model $wrong > /dev/null 2>&1
    is "refused: $wrong" 2 $?
done
