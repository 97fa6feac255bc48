/* recorder.h - takes what devices report, keeps it, and tells each what is kept. */
#ifndef LC_COLLECT_RECORDER_H
#define LC_COLLECT_RECORDER_H

#include "../desk.h"
#include "sink.h"

typedef struct lc_recorder_options {
    lc_desk_options desk;
    const char *out, *metrics;
    uint32_t keep_days; /* 0: for ever */
    bool json;
} lc_recorder_options;

/* Until a signal; the exit code. */
int lc_recorder_run(const lc_recorder_options *options);

#endif
