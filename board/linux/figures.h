/* figures.h - the numbers that the daemon tells of itself, each once in a table: up/health, the
 * status object and the Prometheus text are made of it. */
#ifndef LC_FIGURES_H
#define LC_FIGURES_H

#include <stdio.h>

#include "../../runtime/text.h"
#include "health.h"

/* Each row of the table: path in the JSON, kind, help, separated by tabs. */
void lc_figures_help(FILE *out);
/* All that there are now, `"lines":{"in":20, ...},...`, behind what *t holds of an open object. */
void lc_figures_json(const lc_health *health, uint64_t now_ms, lc_text *t);
/* The same with heads: leafcutter_lines_in_total and so on. */
void lc_figures_prom(const lc_health *health, uint64_t now_ms, lc_text *t);

#endif
