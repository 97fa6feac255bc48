/* session.h - a model opened for a verb: file, kernels, threads, arenas, network. */
#ifndef LC_SESSION_H
#define LC_SESSION_H

#include "../board/linux/memory.h"
#include "../board/linux/tasks.h"
#include "../runtime/net.h"
#include "model_file.h"

typedef struct lc_session_options {
    const char *model; /* --model */
    const char *adapter; /* --adapter, NULL: none */
    const char *level; /* --level, NULL: best */
    const char *kv;    /* --kv, NULL: as the model wants it */
    uint32_t threads;  /* --threads */
    uint32_t single;   /* --decode-threads, 0: all of them */
    bool as_float;     /* --float */
    uint32_t ctx;      /* tokens that will be run, cut to the model's context; 0: its own */
    uint32_t batch;    /* tokens of one pass, 0: the net's choice */
    size_t text_bytes; /* longest text that will be encoded, 0: none */
} lc_session_options;

typedef struct lc_session {
    lc_map file;
    lc_map adapter_file;
    const lc_kernels *kernels;
    lc_pool pool;
    lc_memory memory;
    lc_model model;
    lc_adapter adapter; /* of adapter_file */
    lc_net *net;
    uint32_t *ids; /* [ctx] */
    float *logits; /* [vocab] */
    float *pooled; /* [width] */
    float *scores; /* [classes] */
    uint32_t ctx;
    const char *blame; /* file that a failed layout was about */
    lc_session_options options;
    uint32_t kv; /* lc_kv asked for */
} lc_session;

/* LC_UI_GO, or the exit code after a message with nothing left open. */
int lc_session_open(lc_session *session, const lc_session_options *options);
void lc_session_close(lc_session *session);
/* Starts `threads` threads, or names what is wrong with the number. */
int lc_session_threads(lc_pool *pool, uint32_t threads);
/* Token ids of text on session->ids, BOS as the file says, no end token. Prints errors. */
int lc_session_encode(lc_session *session, const char *text, size_t bytes, uint32_t *count);
/* Prints why a run failed. */
int lc_session_fail(const lc_session *session, lc_err err);
/* Index of the largest of n values; the first of equals. */
uint32_t lc_argmax(const float *value, uint32_t n);

#endif
