/* classify_table.c - line, label, p, decision, facts, ms. */
#include "classify_table.h"

#include <stdio.h>
#include <string.h>

#include "ui.h"

#define CELL_BYTES 256u

static const lc_column columns[] = {
    {"line", 44, false},    {"label", 16, false}, {"p", 6, true},
    {"decision", 8, false}, {"ms", 6, true},      {"facts", 0, false},
};

static const char *const decision_names[] = {"accept", "escalate", "defer", "reject"};

/* Text under construction; what does not fit is dropped. */
typedef struct cell {
    char text[CELL_BYTES];
    size_t used;
} cell;

static void cell_add(cell *c, const char *text, size_t bytes)
{
    size_t left = sizeof c->text - 1 - c->used;
    bytes = bytes < left ? bytes : left;
    memcpy(c->text + c->used, text, bytes);
    c->used += bytes;
    c->text[c->used] = 0;
}

static void cell_add_str(cell *c, lc_str s)
{
    cell_add(c, s.data, s.bytes);
}

static void label_cell(const lc_job *job, const lc_answer *answer, cell *c)
{
    if (lc_job_tasks(job) > 1) {
        cell_add_str(c, answer->task->name);
        cell_add(c, "=", 1);
    }
    if (answer->label >= 0) {
        cell_add_str(c, answer->task->label[answer->label].name);
    } else {
        cell_add(c, "-", 1);
    }
}

/* "temp 81 C", or "state open" for a word. */
static void fact_add(cell *c, const lc_fact *fact)
{
    cell_add_str(c, fact->key);
    cell_add(c, " ", 1);
    if (!fact->is_number) {
        cell_add_str(c, fact->word);
        return;
    }
    char number[48];
    snprintf(number, sizeof number, "%.*f", fact->decimals, lc_fact_value(fact));
    cell_add(c, number, strlen(number));
    if (fact->unit) {
        cell_add(c, " ", 1);
        cell_add(c, fact->unit->text, strlen(fact->unit->text));
    }
}

/* Rules that decided come before what was measured. */
static void facts_cell(const lc_answer *answer, cell *c)
{
    for (uint32_t i = 0; i < answer->why_count; i++) {
        cell_add(c, c->used ? ", " : "", c->used ? 2 : 0);
        cell_add_str(c, answer->why[i]);
    }
    uint32_t count = answer->facts ? answer->facts->count : 0;
    for (uint32_t i = 0; i < count; i++) {
        cell_add(c, c->used ? ", " : "", c->used ? 2 : 0);
        fact_add(c, &answer->facts->fact[i]);
    }
}

void lc_classify_head(void)
{
    lc_table_head(stdout, columns, LC_COUNT(columns));
}

void lc_classify_row(const lc_job *job, const char *text, size_t bytes, const lc_answer *answer,
                     float ms)
{
    cell line = {0}, label = {0}, facts = {0};
    char p[16] = "-", time[16];
    for (size_t i = 0; i < bytes && line.used + 1 < sizeof line.text; i++) {
        cell_add(&line, text[i] ? &text[i] : " ", 1);
    }
    label_cell(job, answer, &label);
    facts_cell(answer, &facts);
    if (answer->label >= 0) {
        snprintf(p, sizeof p, "%.4f", (double)answer->p);
    }
    snprintf(time, sizeof time, "%.2f", (double)ms);
    const char *const cells[] = {line.text, label.text, p, decision_names[answer->decision & 3],
                                 time,      facts.text};
    lc_table_row(stdout, columns, LC_COUNT(columns), cells);
}
