#!/usr/bin/env python3
"""Mistakes planted in the code that escalates, one at a time: sim_escalate must find each.

usage: mutants.py [NAME]    all unless told; `make mutants`

Each is a piece of a file, which must stand there once, and what stands there instead. The changed
file is compiled and linked before the library, so that all else is what is shipped. The first line
checks that the simulation as it is finds nothing.
"""

import os
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("LC_BUILD", "build/x86_64-linux-gnu"))
CC = os.environ.get("CC", "gcc").split()
SEEDS = "30"

ESCALATE, BUDGET, SCREEN, CORRECT = "escalate.c", "budget.c", "screen.c", "correct.c"
NEXT = "node_next.c"
MUTANTS = {
    "privacy class ignored": (
        SCREEN,
        'return lc_screen_private(policy, answers, count) ? "privacy" : screen->clear',
        "return screen->clear",
    ),
    "privacy of the conformal set ignored": (
        SCREEN,
        "i < a->task->label_count && !found; i++",
        "i < 0u && !found; i++",
    ),
    "redaction skipped": (SCREEN, "lc_redact(screen->kinds,", "lc_redact(0,"),
    "one kind is not redacted": (
        SCREEN,
        "lc_redact(screen->kinds,",
        "lc_redact(screen->kinds & ~LC_REDACT_NAME,",
    ),
    "evidence is not mapped back": (
        ESCALATE,
        "lc_redact_back(&slot->map, &slot->span[2 * i], &slot->span[2 * i + 1]);",
        "",
    ),
    "the bar is not raised": (SCREEN, "online && 1.0f - a->p >= bar;", "online;"),
    "the worker's queue ignored": (ESCALATE, "q <= LC_ESC_QUEUE_LOW) {", "q <= 1000000u) {"),
    "budget not checked": (
        BUDGET,
        "return !b->failed && calls < b->calls_max && paid && left;",
        "return true;",
    ),
    "calls not counted": (BUDGET, "hour->calls += calls;", "hour->calls += calls & 0u;"),
    "calls one too many": (BUDGET, "calls < b->calls_max &&", "calls <= b->calls_max &&"),
    "money ignored": (BUDGET, "calls < b->calls_max && paid && left;", "calls < b->calls_max;"),
    "the budget forgets after 23 hours": (
        BUDGET,
        "for (uint64_t i = 0; i < gone && i < LC_BUDGET_HOURS; i++) {",
        "b->hour[(hour + 2) % LC_BUDGET_HOURS] = (lc_budget_hour){0};\n"
        "    for (uint64_t i = 0; i < gone && i < LC_BUDGET_HOURS; i++) {",
    ),
    "the past takes it all": (
        ESCALATE,
        "return calls < (esc->budget.calls_max + 1) / 2;",
        "return calls < esc->budget.calls_max;",
    ),
    "absence of a worker ignored": (ESCALATE, "!worker_there(esc, now_ms) ", "!esc->on "),
    "a worker's end is not heard": (
        ESCALATE,
        "esc->ready = esc->worker.ready;\n    esc->ready_at",
        "esc->ready = true;\n    esc->ready_at",
    ),
    "PUBACK 0x10 ignored": (ESCALATE, "reason == REASON_UNHEARD", "reason == 0xffu"),
    "readiness outlives the link": (
        ESCALATE,
        "if (!up) { /* what a worker says is retained: it comes again */",
        "if (!esc->on) {",
    ),
    "a question left out of the audit": (
        NEXT,
        "lc_audit_put(&node->audit, &entry);\n    lc_node_audit(node, slot->sent_ms);",
        "(void)entry;",
    ),
    "the audit tells too few bytes": (NEXT, ".bytes = bytes,\n", ".bytes = bytes - 1,\n"),
    "two answers accepted": (
        ESCALATE,
        "slot->state = over ? LC_ESC_OVER : LC_ESC_FREE;\n        slot->owes",
        "slot->state = over || slot->label >= 0 ? LC_ESC_OVER : LC_ESC_FREE;\n        slot->owes",
    ),
    "the deadline is off": (
        ESCALATE,
        "bool open = !is_free(slot) && slot->state != LC_ESC_ENDED;\n        if (open",
        "bool open = !is_free(slot) && slot->state != LC_ESC_ENDED && slot->tries == 0;\n"
        "        if (open",
    ),
    "the second try hardly ends": (
        ESCALATE,
        "slot->deadline_ms = now_ms + esc->options.policy->deadline_ms;\n        return;",
        "slot->deadline_ms = now_ms + esc->options.policy->deadline_ms * 40u;\n        return;",
    ),
    "the first try ends early": (
        ESCALATE,
        ".deadline_ms = now_ms + esc->options.policy->deadline_ms,",
        ".deadline_ms = now_ms + esc->options.policy->deadline_ms / 2,",
    ),
    "the id changes on retry": (
        ESCALATE,
        "slot->state = LC_ESC_TO_SEND; /* once more, the same id */",
        "slot->state = LC_ESC_TO_SEND;\n        id_make(esc, slot->id);",
    ),
    "one id for all": (ESCALATE, "    id_make(esc, kept.id);\n", ""),
    "three tries": (ESCALATE, "#define TRIES_MAX 2u", "#define TRIES_MAX 3u"),
    "no second try": (ESCALATE, "#define TRIES_MAX 2u", "#define TRIES_MAX 1u"),
    "asked after its life": (
        ESCALATE,
        "made + (uint64_t)esc->options.policy->ttl_s * 1000u;",
        "made + (uint64_t)esc->options.policy->ttl_s * 2000u;",
    ),
    "span not checked": (
        ESCALATE,
        "s->from > s->to || s->to > slot->text_bytes",
        "s->from > s->to",
    ),
    "quote not checked": (
        ESCALATE,
        "s->quote.data && !lc_str_equal(s->quote, there)",
        "s->quote.bytes > 5 && !lc_str_equal(s->quote, there)",
    ),
    "label not checked": (
        ESCALATE,
        "int32_t label = label_find(esc->options.task[slot->task], a->label);",
        "int32_t label = label_find(esc->options.task[slot->task], a->label);\n"
        "    label = label < 0 ? 0 : label;",
    ),
    "status of an answer ignored": (
        ESCALATE,
        "a->status == LC_ESC_OK && label >= 0 && a->p >= 0",
        "label >= 0 && a->p >= 0",
    ),
    "probability not checked": (ESCALATE, "a->p >= 0 && a->p <= 1 &&", "a->p >= 0 &&"),
    "an id is compared in part": (
        ESCALATE,
        "memcmp(slot->id, id, LC_ESC_ID_BYTES) == 0",
        "memcmp(slot->id + 1, id + 1, LC_ESC_ID_BYTES - 1) == 0",
    ),
    "no end when refused": (
        ESCALATE,
        "slot->state = slot->owes ? LC_ESC_ENDED : over ? LC_ESC_OVER : LC_ESC_FREE;",
        "slot->state = over ? LC_ESC_OVER : LC_ESC_FREE;",
    ),
    "a correction acts again": (CORRECT, 'key_is(m, "act") || (lean', "(lean"),
    "a correction keeps its label": (CORRECT, 'if (key_is(m, "label"))', "if (false)"),
    "every correction is the second": (
        ESCALATE,
        "lc_correction c = {.rev = ++slot->rev,",
        "lc_correction c = {.rev = 2,",
    ),
}


def build(folder, file, text):
    """The simulation with this text in place of the file; text None: as it is."""
    program = os.path.join(folder, "sim")
    sources = []
    if text is not None:
        sources = [os.path.join(folder, file)]
        with open(sources[0], "w", encoding="utf-8") as out:
            out.write(text)
    libraries = [os.path.join(BUILD, name) for name in ("librest.a", "libleafcutter.a")]
    options = ["-std=c11", "-O1", "-ffp-contract=off", "-D_GNU_SOURCE=", "-iquote", "board/node"]
    command = CC + options + sources + [os.path.join(BUILD, "tests/sim/sim_escalate.o")]
    subprocess.run(command + libraries + ["-o", program], check=True, cwd=ROOT)
    return program


def found(program):
    """What the simulation says is wrong; empty: nothing."""
    try:
        run = subprocess.run([program, "1", SEEDS], stdout=subprocess.PIPE, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return "it wakes without end"
    said = run.stdout.decode().splitlines()
    wrong = [one for one in said if one.startswith(("# seed", "not ok"))] + ["it ended early"]
    return "" if run.returncode == 0 else wrong[0].strip("# ")


def changed(file, before, instead):
    with open(os.path.join(ROOT, "board/node", file), encoding="utf-8") as source:
        text = source.read()
    if text.count(before) != 1:
        raise ValueError(f"{file} holds this {text.count(before)} times, not once: {before}")
    return text.replace(before, instead)


def main():
    names, failed = sys.argv[1:] or MUTANTS, 0
    with tempfile.TemporaryDirectory(prefix="lc-") as folder:
        what = found(build(folder, None, None))
        print(f"{'not ok' if what else 'ok'} 1 - as it is: nothing is found {what}", flush=True)
        for number, name in enumerate(names, 2):
            what = found(build(folder, MUTANTS[name][0], changed(*MUTANTS[name])))
            print(f"{'ok' if what else 'not ok'} {number} - {name}", flush=True)
            print(f"#   {what or 'not found'}", flush=True)
            failed += not what
    print(f"1..{len(names) + 1}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
