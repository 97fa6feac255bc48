/* loop.c - epoll, a timer in milliseconds, signals. */
#include "loop.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 32

uint64_t lc_loop_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t lc_loop_now_ms(void)
{
    return lc_loop_now_us() / 1000u;
}

lc_err lc_loop_open(lc_loop *loop)
{
    *loop = (lc_loop){.epoll = epoll_create1(EPOLL_CLOEXEC), .timer = -1};
    if (loop->epoll < 0) {
        return LC_ERR_IO;
    }
    loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    if (loop->timer < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->timer, &event) != 0) {
        lc_loop_close(loop);
        return LC_ERR_IO;
    }
    return LC_OK;
}

void lc_loop_close(lc_loop *loop)
{
    if (loop->timer >= 0) {
        close(loop->timer);
    }
    if (loop->epoll >= 0) {
        close(loop->epoll);
    }
    loop->epoll = loop->timer = -1;
}

/* ---- watches ---- */

lc_err lc_loop_watch(lc_loop *loop, lc_watch *watch, int fd, uint32_t events, lc_watch_fn *fn,
                     void *ctx)
{
    *watch = (lc_watch){.fd = fd, .events = events, .fn = fn, .ctx = ctx};
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0) {
        return LC_OK;
    }
    if (errno != EPERM || loop->always_count == LC_LOOP_ALWAYS_MAX) {
        watch->fd = -1;
        return errno == EPERM ? LC_ERR_LIMIT : LC_ERR_IO;
    }
    watch->always = true;
    loop->always[loop->always_count++] = watch;
    return LC_OK;
}

void lc_loop_want(lc_loop *loop, lc_watch *watch, uint32_t events)
{
    if (watch->fd < 0 || watch->events == events) {
        return;
    }
    watch->events = events;
    if (!watch->always) {
        struct epoll_event event = {.events = events, .data.ptr = watch};
        int rc = epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event);
        lc_assert(rc == 0);
    }
}

void lc_loop_forget(lc_loop *loop, lc_watch *watch)
{
    if (watch->fd < 0) {
        return;
    }
    if (!watch->always) {
        epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    }
    for (uint32_t i = 0; i < loop->always_count; i++) {
        if (loop->always[i] == watch) {
            loop->always[i] = loop->always[--loop->always_count];
        }
    }
    watch->fd = -1;
}

/* ---- running ---- */

static bool always_ready(const lc_loop *loop)
{
    bool ready = false;
    for (uint32_t i = 0; i < loop->always_count; i++) {
        ready = ready || loop->always[i]->events != 0;
    }
    return ready;
}

static void timer_set(lc_loop *loop, uint64_t until_ms)
{
    struct itimerspec when = {0}; /* zero: never */
    if (until_ms != UINT64_MAX) {
        when.it_value.tv_sec = (time_t)(until_ms / 1000u);
        when.it_value.tv_nsec = (long)(until_ms % 1000u) * 1000000;
    }
    int rc = timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &when, NULL);
    lc_assert(rc == 0);
}

static void always_call(lc_loop *loop)
{
    lc_watch *ready[LC_LOOP_ALWAYS_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < loop->always_count; i++) {
        if (loop->always[i]->events != 0) {
            ready[count++] = loop->always[i];
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (ready[i]->fd >= 0) {
            ready[i]->fn(ready[i]->ctx, EPOLLIN);
        }
    }
}

/* One round. A watch that an earlier one of the round forgot is passed over: its fd is -1. */
static lc_err round_run(lc_loop *loop, int timeout_ms)
{
    struct epoll_event event[EVENTS_MAX];
    int count = epoll_wait(loop->epoll, event, EVENTS_MAX, timeout_ms);
    if (count < 0) {
        return errno == EINTR ? LC_OK : LC_ERR_IO;
    }
    loop->rounds++;
    for (int i = 0; i < count; i++) {
        lc_watch *watch = event[i].data.ptr;
        if (!watch) { /* the timer */
            uint64_t times;
            ssize_t got = read(loop->timer, &times, sizeof times);
            (void)got;
        } else if (watch->fd >= 0) {
            watch->fn(watch->ctx, event[i].events);
        }
    }
    always_call(loop);
    return LC_OK;
}

lc_err lc_loop_run(lc_loop *loop, lc_loop_turn *turn, void *ctx)
{
    uint64_t set_ms = 0;
    lc_err err = LC_OK;
    loop->stop = false;
    while (err == LC_OK) {
        uint64_t until = turn(ctx, lc_loop_now_ms());
        if (loop->stop) {
            return LC_OK;
        }
        if (until != set_ms) {
            timer_set(loop, until);
            set_ms = until;
        }
        err = round_run(loop, always_ready(loop) ? 0 : -1);
    }
    return err;
}

void lc_loop_stop(lc_loop *loop)
{
    loop->stop = true;
}

int lc_loop_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
