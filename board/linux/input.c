/* input.c - reading, framing, offering; opening again. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "serial.h"
#include "template.h"
#include "topics.h"

static bool is_stream(const lc_input *in)
{
    return in->config->kind <= LC_INPUT_SERIAL;
}

static bool is_finite(const lc_input *in)
{
    return in->config->kind == LC_INPUT_STDIN || in->config->kind == LC_INPUT_FILE;
}

bool lc_input_waits(const lc_config_input *config)
{
    return config->kind <= LC_INPUT_SERIAL &&
           (config->kind != LC_INPUT_SERIAL || config->flow != LC_SERIAL_NONE);
}

lc_err lc_inputs_init(lc_inputs *inputs, const lc_config *config, lc_arena *state)
{
    lc_input *input = LC_PUSH(state, lc_input, config->input_count);
    char *line = LC_PUSH(state, char, LC_LINE_BYTES_MAX + 1);
    if (!input || !line) {
        return LC_ERR_ARENA;
    }
    *inputs = (lc_inputs){.input = input, .count = config->input_count, .line = line};
    for (uint32_t i = 0; i < config->input_count && !state->measuring; i++) {
        lc_input *in = &input[i];
        in->config = &config->input[i];
        in->source = i;
        in->watch.fd = in->fd = -1;
        in->paused = in->ended = in->said = false;
        in->reopen_ms = UINT64_MAX;
        in->reopen_wait_ms = LC_INPUT_REOPEN_MIN_MS;
        in->at = in->held = 0;
        in->bad = 0;
        lc_framer_reset(&in->framer);
    }
    return LC_OK;
}

/* ---- streams ---- */

static void stream_close(lc_input *in)
{
    lc_loop_forget(in->inputs->loop, &in->watch);
    if (in->fd > STDIN_FILENO) {
        close(in->fd);
    }
    in->fd = -1;
}

static void reopen_later(lc_input *in, const char *why)
{
    if (!in->said) {
        lc_log(LC_LOG_WARNING, "input-away: %s cannot be read (%s); trying again", in->config->path,
               why);
        in->said = true;
    }
    in->reopen_ms = lc_loop_now_ms() + in->reopen_wait_ms;
    uint32_t twice = in->reopen_wait_ms * 2;
    in->reopen_wait_ms = twice > LC_INPUT_REOPEN_MAX_MS ? LC_INPUT_REOPEN_MAX_MS : twice;
}

/* Offers the line in hand; false when the source has to wait. */
static bool line_offer(lc_input *in)
{
    lc_err err = lc_node_line(in->inputs->node, lc_loop_now_ms(), in->source, in->framer.text,
                              in->framer.bytes);
    if (err != LC_OK && lc_input_waits(in->config)) {
        in->paused = true;
        lc_loop_want(in->inputs->loop, &in->watch, 0);
        return false;
    }
    lc_framer_next(&in->framer);
    return true;
}

/* Everything that was read, line by line, until the node is busy. */
static void lines_offer(lc_input *in)
{
    while (!in->paused) {
        if (in->framer.whole) {
            line_offer(in);
        } else if (in->at < in->held) {
            in->at += (uint32_t)lc_framer_feed(&in->framer, in->buffer + in->at, in->held - in->at);
        } else {
            in->at = in->held = 0;
            return;
        }
    }
}

/* A stream is over: for good, or until it can be opened again. */
static void stream_end(lc_input *in, const char *why)
{
    stream_close(in);
    if (is_finite(in)) {
        lc_framer_end(&in->framer);
        in->ended = true;
        lines_offer(in);
        return;
    }
    if (in->framer.bytes > 0 && !in->framer.whole) { /* half a line is no line */
        in->bad++;
        lc_framer_reset(&in->framer);
    }
    reopen_later(in, why);
}

static void stream_ready(void *ctx, uint32_t events)
{
    lc_input *in = ctx;
    if (in->paused) { /* a hang-up is told even to those who want nothing */
        if (events & (EPOLLHUP | EPOLLERR)) {
            lc_loop_forget(in->inputs->loop, &in->watch);
        }
        return;
    }
    ssize_t got = read(in->fd, in->buffer, sizeof in->buffer);
    if (got > 0) {
        in->held = (uint32_t)got;
        in->at = 0;
        in->reopen_wait_ms = LC_INPUT_REOPEN_MIN_MS;
        lines_offer(in);
    } else if (got == 0) {
        stream_end(in, "end of file");
    } else if (errno != EAGAIN && errno != EINTR) {
        stream_end(in, lc_log_reason(errno));
    }
}

static int fifo_open(const char *path)
{
    struct stat st;
    if (mkfifo(path, 0620) != 0 && errno != EEXIST) {
        return -1;
    }
    /* Read and write: then it never ends when a writer goes. */
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode))) {
        close(fd);
        errno = EINVAL;
        fd = -1;
    }
    return fd;
}

static int descriptor_open(const lc_config_input *config)
{
    switch (config->kind) {
    case LC_INPUT_STDIN:
        return STDIN_FILENO;
    case LC_INPUT_FILE:
        return open(config->path, O_RDONLY | O_CLOEXEC);
    case LC_INPUT_FIFO:
        return fifo_open(config->path);
    default:
        return lc_serial_open(config->path, config->baud, (lc_serial_flow)config->flow);
    }
}

static lc_err stream_open(lc_input *in)
{
    in->reopen_ms = UINT64_MAX;
    in->fd = descriptor_open(in->config);
    if (in->fd < 0) {
        return LC_ERR_IO;
    }
    lc_err err = lc_loop_watch(in->inputs->loop, &in->watch, in->fd, in->paused ? 0 : EPOLLIN,
                               stream_ready, in);
    if (err != LC_OK) {
        int reason = errno;
        stream_close(in);
        errno = reason;
        return LC_ERR_IO;
    }
    if (in->said) {
        lc_log(LC_LOG_NOTICE, "input-back: %s is read again", in->config->path);
        in->said = false;
    }
    return LC_OK;
}

lc_err lc_inputs_open(lc_inputs *inputs, lc_loop *loop, lc_node *node,
                      const lc_config_input **failed)
{
    inputs->loop = loop;
    inputs->node = node;
    for (uint32_t i = 0; i < inputs->count; i++) {
        lc_input *in = &inputs->input[i];
        in->inputs = inputs;
        if (!is_stream(in) || stream_open(in) == LC_OK) {
            continue;
        }
        if (in->config->kind != LC_INPUT_SERIAL) {
            *failed = in->config;
            return LC_ERR_IO;
        }
        reopen_later(in, lc_log_reason(errno));
    }
    return LC_OK;
}

void lc_inputs_close(lc_inputs *inputs)
{
    for (uint32_t i = 0; i < inputs->count && inputs->loop; i++) {
        stream_close(&inputs->input[i]);
        inputs->input[i].reopen_ms = UINT64_MAX;
    }
}

void lc_inputs_resume(lc_inputs *inputs, uint32_t source)
{
    if (source >= inputs->count || !inputs->input[source].paused) {
        return;
    }
    lc_input *in = &inputs->input[source];
    in->paused = false;
    lines_offer(in);
    if (in->paused || in->ended || in->fd < 0) {
        return;
    }
    if (in->watch.fd < 0) { /* hung up while it was paused; what is left can still be read */
        stream_ready(in, EPOLLIN);
        if (in->fd >= 0 && lc_loop_watch(inputs->loop, &in->watch, in->fd, in->paused ? 0 : EPOLLIN,
                                         stream_ready, in) != LC_OK) {
            stream_end(in, lc_log_reason(errno));
        }
    } else {
        lc_loop_want(inputs->loop, &in->watch, EPOLLIN);
    }
}

uint64_t lc_inputs_tick(lc_inputs *inputs, uint64_t now_ms)
{
    uint64_t wake = UINT64_MAX;
    for (uint32_t i = 0; i < inputs->count; i++) {
        lc_input *in = &inputs->input[i];
        if (in->reopen_ms <= now_ms && stream_open(in) != LC_OK) {
            reopen_later(in, lc_log_reason(errno));
        }
        wake = in->reopen_ms < wake ? in->reopen_ms : wake;
    }
    return wake;
}

bool lc_inputs_ended(const lc_inputs *inputs)
{
    uint32_t finite = 0;
    for (uint32_t i = 0; i < inputs->count; i++) {
        const lc_input *in = &inputs->input[i];
        if (!is_finite(in)) {
            continue;
        }
        finite++;
        if (!in->ended || in->paused) {
            return false;
        }
    }
    return finite > 0;
}

/* ---- messages ---- */

/* A message is one line, with or without an end. */
static void line_message(lc_inputs *inputs, uint32_t source, const char *text, uint32_t bytes)
{
    bytes -= bytes > 0 && text[bytes - 1] == '\n';
    bytes -= bytes > 0 && text[bytes - 1] == '\r';
    lc_err err = lc_node_line(inputs->node, lc_loop_now_ms(), source, text, bytes);
    (void)err; /* BUSY: the node has counted the loss */
}

void lc_inputs_line(lc_inputs *inputs, uint32_t source, const char *text)
{
    line_message(inputs, source, text, (uint32_t)strlen(text));
}

void lc_inputs_text(lc_inputs *inputs, const char *payload, uint32_t bytes)
{
    line_message(inputs, inputs->count, payload, bytes);
}

static void template_message(lc_input *in, const char *payload, uint32_t bytes)
{
    lc_inputs *inputs = in->inputs;
    lc_diag diag = {0};
    size_t line_bytes = 0;
    lc_err err = lc_template_fill(in->config->tmpl, payload, bytes, inputs->line, LC_LINE_BYTES_MAX,
                                  &line_bytes, &diag);
    if (err == LC_OK) {
        line_message(inputs, in->source, inputs->line, (uint32_t)line_bytes);
        return;
    }
    in->bad++;
    if (!in->said) {
        in->said = true;
        lc_log(LC_LOG_WARNING, "input-template: a message for %s fits not: %s", in->config->id,
               diag.text);
    }
}

void lc_inputs_message(lc_inputs *inputs, const char *topic, const char *payload, uint32_t bytes)
{
    for (uint32_t i = 0; i < inputs->count; i++) {
        lc_input *in = &inputs->input[i];
        if (in->config->kind != LC_INPUT_MQTT || !lc_topics_match(in->config->topic, topic)) {
            continue;
        }
        if (in->config->tmpl[0]) {
            template_message(in, payload, bytes);
        } else {
            line_message(inputs, in->source, payload, bytes);
        }
    }
}
