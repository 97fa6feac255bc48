/* metrics.h - counters as Prometheus reads them: answered at a port, or written to a file. */
#ifndef LC_COLLECT_METRICS_H
#define LC_COLLECT_METRICS_H

#include "../../board/linux/pages.h"
#include "../../runtime/text.h"
#include "../ui.h"

typedef struct lc_metrics {
    lc_pages pages;
    bool listens;
    const char *file;  /* NULL: at a port, or nowhere */
    uint64_t write_ms; /* when the file is next due */
    void (*print)(void *ctx, lc_text *to);
    void *ctx;
    char *text; /* [max], from the heap */
    size_t max;
} lc_metrics;

/* place: PORT, ADDR:PORT, or a file when neither; NULL none. LC_UI_GO or an exit code. */
int lc_metrics_open(lc_metrics *metrics, lc_loop *loop, const char *place);
uint64_t lc_metrics_tick(lc_metrics *metrics, uint64_t now_ms);
void lc_metrics_close(lc_metrics *metrics);

#endif
