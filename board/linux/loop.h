/* loop.h - the one event loop: descriptors, a clock, signals.
 *
 * After each round of descriptors the loop calls `turn`, which runs what became due and says until
 * when the loop may sleep.
 */
#ifndef LC_LOOP_H
#define LC_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "../../runtime/err.h"

#define LC_LOOP_ALWAYS_MAX 16u

/* events: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP. */
typedef void lc_watch_fn(void *ctx, uint32_t events);

typedef struct lc_watch {
    int fd;          /* -1: not watched */
    uint32_t events; /* wanted */
    bool always;     /* a regular file, always ready, which epoll does not take */
    lc_watch_fn *fn;
    void *ctx;
} lc_watch;

typedef struct lc_loop {
    int epoll, timer;
    bool stop;
    uint64_t rounds; /* times it woke up */
    lc_watch *always[LC_LOOP_ALWAYS_MAX];
    uint32_t always_count;
} lc_loop;

/* Returns until when (lc_loop_now_ms) the loop may sleep; UINT64_MAX: until something happens. */
typedef uint64_t lc_loop_turn(void *ctx, uint64_t now_ms);

uint64_t lc_loop_now_ms(void); /* CLOCK_MONOTONIC */
uint64_t lc_loop_now_us(void);

lc_err lc_loop_open(lc_loop *loop) LC_CHECKED;
void lc_loop_close(lc_loop *loop);
/* Watches fd; the watch stays where it is until lc_loop_forget. IO, or LIMIT. */
lc_err lc_loop_watch(lc_loop *loop, lc_watch *watch, int fd, uint32_t events, lc_watch_fn *fn,
                     void *ctx) LC_CHECKED;
/* Changes what is wanted; 0 pauses. */
void lc_loop_want(lc_loop *loop, lc_watch *watch, uint32_t events);
/* Stops watching; the caller closes fd. Nothing happens for one that is not watched. */
void lc_loop_forget(lc_loop *loop, lc_watch *watch);
/* Runs until lc_loop_stop. */
lc_err lc_loop_run(lc_loop *loop, lc_loop_turn *turn, void *ctx) LC_CHECKED;
void lc_loop_stop(lc_loop *loop);

/* SIGTERM, SIGINT, SIGHUP as a descriptor; they are blocked in every thread started later. */
int lc_loop_signals(void);

#endif
