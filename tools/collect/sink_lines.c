/* sink_lines.c - one JSON object a line, appended and synced in groups. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "../../board/linux/log.h"
#include "sink.h"

#define LINE_MAX_BYTES (1u << 20)

struct lc_sink {
    int fd;
    char *path;
    char *text; /* [bytes] of the group, not yet written */
    size_t bytes;
    FILE *to;
    uint64_t size; /* of the file, up to the last group */
};

static bool said(const lc_sink *sink)
{
    lc_log(LC_LOG_ERROR, "%s: %s", sink->path, lc_log_reason(errno));
    return false;
}

/* ---- what a line says ---- */

static double whole(const cJSON *tree, const char *key, double max)
{
    double value = lc_json_real(tree, key, -1.0);
    return value >= 0.0 && value <= max && value == (double)(uint64_t)value ? value : -1.0;
}

/* {"kind":"held",...}: ranges of what was removed for its age. */
static bool held_line(const cJSON *tree, lc_held *held)
{
    const char *dev = lc_json_text(tree, "dev", "");
    double boot = whole(tree, "boot", UINT32_MAX), series = whole(tree, "series", UINT32_MAX);
    double from = whole(tree, "from", LC_ITEM_NUMBER_MAX);
    double to = whole(tree, "to", LC_ITEM_NUMBER_MAX);
    return dev[0] && strlen(dev) < LC_HELD_DEV_BYTES && boot >= 0 && series >= 0 && from > 0 &&
           to >= from &&
           lc_held_add(held, dev, (uint32_t)boot, (uint32_t)series, (uint64_t)from, (uint64_t)to);
}

/* at, dev: of the line; NULL and 0 for a held one. */
static bool line_note(const char *text, size_t bytes, lc_held *held, uint64_t *at, char dev[64])
{
    cJSON *tree = NULL;
    lc_held_kind kind;
    lc_item item;
    bool good = lc_json_parse(text, bytes, 0, &tree, NULL) == LC_OK && cJSON_IsObject(tree);
    const char *word = lc_json_text(tree, "kind", "");
    *at = 0;
    snprintf(dev, 64, "%s", lc_json_text(tree, "dev", ""));
    if (good && strcmp(word, "held") == 0) {
        good = !held || held_line(tree, held);
    } else if (good) {
        double came = whole(tree, "at", LC_ITEM_NUMBER_MAX);
        good = came >= 0 && lc_item_kind_from(word, &kind) &&
               lc_item_read(cJSON_GetObjectItemCaseSensitive(tree, "body"), kind, dev, &item) &&
               (!held || lc_item_note(held, &item));
        *at = came > 0 ? (uint64_t)came : 0;
    }
    cJSON_Delete(tree);
    return good;
}

/* ---- opening ---- */

/* What a cut left of the last line is no line. */
static bool tail_drop(lc_sink *sink, uint64_t size)
{
    char block[4096];
    for (uint64_t at = size; at > 0;) {
        size_t bytes = at < sizeof block ? (size_t)at : sizeof block;
        if (pread(sink->fd, block, bytes, (off_t)(at - bytes)) != (ssize_t)bytes) {
            return said(sink);
        }
        const char *end = memrchr(block, '\n', bytes);
        if (end) {
            sink->size = at - bytes + (uint64_t)(end - block) + 1;
            break;
        }
        at -= bytes;
    }
    return sink->size == size || ftruncate(sink->fd, (off_t)sink->size) == 0 || said(sink);
}

static int lines_read(const lc_sink *sink, lc_held *held)
{
    lc_lines lines;
    const char *text;
    char dev[64];
    size_t bytes;
    uint64_t number = 0, at;
    int rc = lc_lines_open(&lines, sink->path, '\n', LINE_MAX_BYTES);
    if (rc != LC_UI_GO) {
        return rc;
    }
    while (lc_lines_next(&lines, &text, &bytes)) {
        number++;
        if (bytes > LINE_MAX_BYTES || !line_note(text, bytes, held, &at, dev)) {
            lc_lines_close(&lines, sink->path);
            return lc_ui_error(LC_EXIT_REJECTED, sink->path, NULL,
                               "line %llu is none of this collector", (unsigned long long)number);
        }
    }
    rc = lc_lines_close(&lines, sink->path);
    return rc == LC_EXIT_OK ? LC_UI_GO : rc;
}

static void sink_close(lc_sink *sink)
{
    if (sink->to) {
        fclose(sink->to);
    }
    if (sink->fd >= 0) {
        close(sink->fd);
    }
    free(sink->text);
    free(sink->path);
    free(sink);
}

static int file_open(lc_sink *sink)
{
    sink->fd = open(sink->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (sink->fd < 0) {
        return lc_ui_error(LC_EXIT_BOARD, sink->path, NULL, "cannot open: %s",
                           lc_log_reason(errno));
    }
    if (flock(sink->fd, LOCK_EX | LOCK_NB) != 0) {
        return lc_ui_error(LC_EXIT_BUSY, sink->path, "stop it first", "another collector has it");
    }
    off_t size = lseek(sink->fd, 0, SEEK_END);
    return size >= 0 && tail_drop(sink, (uint64_t)size) ? LC_UI_GO : LC_EXIT_BOARD;
}

static int sink_open(const char *path, lc_held *held, lc_sink **out)
{
    lc_sink *sink = calloc(1, sizeof *sink);
    if (!sink) {
        return lc_ui_no_memory();
    }
    sink->fd = -1;
    sink->path = strdup(path);
    sink->to = open_memstream(&sink->text, &sink->bytes);
    int rc = sink->path && sink->to ? file_open(sink) : lc_ui_no_memory();
    rc = rc == LC_UI_GO ? lines_read(sink, held) : rc;
    if (rc != LC_UI_GO) {
        sink_close(sink);
        return rc;
    }
    *out = sink;
    return LC_UI_GO;
}

/* ---- writing ---- */

static bool sink_put(lc_sink *sink, const lc_item *item)
{
    fprintf(sink->to, "{\"kind\":\"%s\",\"at\":%llu,\"dev\":\"%s\",\"body\":%.*s}\n",
            lc_item_kind_word(item->kind), (unsigned long long)item->at, item->dev,
            (int)item->body_bytes, item->body);
    return !ferror(sink->to);
}

/* A group that cannot be written whole is taken back. */
static bool sink_commit(lc_sink *sink)
{
    size_t done = 0;
    if (fflush(sink->to) != 0) {
        return said(sink);
    }
    while (done < sink->bytes) {
        ssize_t wrote = write(sink->fd, sink->text + done, sink->bytes - done);
        if (wrote < 0 && errno != EINTR) {
            break;
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    bool good = done == sink->bytes && fdatasync(sink->fd) == 0;
    if (good) {
        sink->size += done;
    } else {
        said(sink);
        (void)!ftruncate(sink->fd, (off_t)sink->size);
    }
    fseek(sink->to, 0, SEEK_SET);
    fflush(sink->to);
    return good;
}

/* ---- forgetting: the file is written anew ---- */

static void held_write(const lc_held *held, FILE *to)
{
    for (uint32_t i = 0; i < LC_HELD_BUCKETS; i++) {
        for (const lc_series *one = held->bucket[i]; one; one = one->next) {
            for (uint32_t r = 0; r < one->count; r++) {
                fprintf(to,
                        "{\"kind\":\"held\",\"dev\":\"%s\",\"boot\":%u,\"series\":%u,"
                        "\"from\":%llu,\"to\":%llu}\n",
                        one->dev, one->boot, one->kind, (unsigned long long)one->range[r].from,
                        (unsigned long long)one->range[r].to);
            }
        }
    }
}

typedef struct rewrite {
    const lc_sink *sink;
    const lc_held *held;
    uint64_t before, removed;
    const char *dev;
} rewrite;

static int rewrite_put(void *ctx, int fd)
{
    rewrite *r = ctx;
    lc_lines lines;
    const char *text;
    char dev[64];
    size_t bytes;
    uint64_t at;
    FILE *to = fdopen(dup(fd), "w");
    int rc = to ? lc_lines_open(&lines, r->sink->path, '\n', LINE_MAX_BYTES) : LC_EXIT_BOARD;
    if (rc != LC_UI_GO) {
        return rc;
    }
    held_write(r->held, to);
    while (lc_lines_next(&lines, &text, &bytes)) {
        bool known = line_note(text, bytes, NULL, &at, dev);
        bool gone = known && at > 0 && (at < r->before || (r->dev && strcmp(dev, r->dev) == 0));
        r->removed += gone;
        if (!gone && (!known || at > 0)) { /* the old `held` lines are in held */
            fwrite(text, 1, bytes, to);
            fputc('\n', to);
        }
    }
    rc = lc_lines_close(&lines, r->sink->path);
    return fclose(to) == 0 && rc == LC_EXIT_OK ? LC_UI_GO : LC_EXIT_BOARD;
}

static bool sink_forget(lc_sink *sink, const lc_held *held, uint64_t before, const char *dev,
                        uint64_t *removed)
{
    rewrite r = {sink, held, before, 0, dev};
    if (!sink_commit(sink) || lc_ui_write_by(sink->path, rewrite_put, &r) != LC_UI_GO) {
        return false;
    }
    *removed = r.removed;
    close(sink->fd);
    sink->size = 0;
    return file_open(sink) == LC_UI_GO;
}

const lc_sink_kind lc_sink_lines = {sink_open, sink_put, sink_commit, sink_forget, sink_close};

const lc_sink_kind *lc_sink_of(const char *path)
{
    if (lc_ui_ends_with(path, ".sqlite") || lc_ui_ends_with(path, ".db")) {
        return &lc_sink_sqlite;
    }
    if (lc_ui_ends_with(path, ".jsonl")) {
        return &lc_sink_lines;
    }
    lc_ui_error(LC_EXIT_USAGE, path, NULL, "the name must end in .sqlite, .db or .jsonl");
    return NULL;
}
