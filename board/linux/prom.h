/* prom.h - Prometheus' text format: heads and samples, appended to a fixed buffer. */
#ifndef LC_PROM_H
#define LC_PROM_H

#include "../../runtime/text.h"

#define LC_PROM_TYPE "text/plain; version=0.0.4" /* content type of a page of it */

typedef struct lc_prom_label {
    const char *name;
    lc_str value;
} lc_prom_label;

/* Both lines of a metric's head; type: "counter" "gauge" "summary". */
void lc_prom_head(lc_text *t, const char *name, const char *type, const char *help);
/* A sample up to its value, which the caller appends with a newline. */
void lc_prom_sample(lc_text *t, const char *name, const lc_prom_label *label, uint32_t count);
/* The same with the value and the newline. */
void lc_prom_u64(lc_text *t, const char *name, const lc_prom_label *label, uint32_t count,
                 uint64_t value);

#endif
