/* drift.c - counters of windows; the cell: version, tasks, root, then of each task whether it has a
 * reference, and its bins. */
#include "drift.h"

#include <string.h>

#include "../../kernels/math.h"
#include "../../runtime/bytes.h"
#include "bits.h"

#define VERSION 1u
#define HEAD (3u + LC_DRIFT_ROOT_BYTES)
#define BYTES_MAX (HEAD + LC_TASKS_MAX + 2u * LC_DRIFT_BINS)
#define WHOLE 65535u

_Static_assert(BYTES_MAX <= LC_CELL_BYTES_MAX, "all references fit into a cell");

/* ---- the cell ---- */

static void keep(lc_drift *d)
{
    uint8_t data[BYTES_MAX];
    uint8_t *at = data + HEAD;
    lc_put_u16(data, VERSION);
    data[2] = (uint8_t)d->task_count;
    memcpy(data + 3, d->options.root, LC_DRIFT_ROOT_BYTES);
    for (uint32_t task = 0; task < d->task_count; task++) {
        *at++ = d->task[task].learned;
        for (uint32_t i = 0; i < d->bins; i++, at += 2) {
            lc_put_u16(at, d->reference[task * d->bins + i]);
        }
    }
    if (d->keeps && lc_cell_write(&d->cell, data, (uint32_t)(at - data)) != LC_OK) {
        d->keeps = false; /* the journals say that the disk fails */
    }
}

/* Of another job or version it is nothing. */
static void restore(lc_drift *d, const uint8_t *data, uint32_t bytes)
{
    lc_reader r = lc_reader_make(data, bytes);
    bool ours = bytes == HEAD + d->task_count * (1u + 2u * d->bins) && lc_read_u16(&r) == VERSION &&
                lc_read_u8(&r) == d->task_count &&
                memcmp(data + 3, d->options.root, LC_DRIFT_ROOT_BYTES) == 0;
    r.at = HEAD;
    for (uint32_t task = 0; ours && task < d->task_count; task++) {
        d->task[task].learned = lc_read_u8(&r) == 1;
        for (uint32_t i = 0; i < d->bins; i++) {
            d->reference[task * d->bins + i] = (uint16_t)lc_read_u16(&r);
        }
    }
}

lc_err lc_drift_open(lc_drift *d, const lc_drift_options *options, uint32_t task_count,
                     const lc_port *port)
{
    uint8_t data[LC_CELL_BYTES_MAX];
    uint32_t bytes = 0;
    lc_assert(task_count > 0 && task_count <= LC_TASKS_MAX);
    *d = (lc_drift){.task_count = task_count, .bins = LC_DRIFT_BINS / task_count};
    if (!options) {
        return LC_OK;
    }
    d->options = *options;
    d->options.window = options->window > 0 ? options->window : 1;
    if (!port) {
        return LC_OK;
    }
    if (lc_cell_open(&d->cell, port, LC_CELL_DRIFT, data, sizeof data, &bytes) != LC_OK) {
        return LC_ERR_IO;
    }
    d->keeps = true;
    restore(d, data, bytes);
    return LC_OK;
}

/* ---- a full window ---- */

/* Of an empty bin half a record is assumed: a label that comes once in a window is no news, however
 * small the window, and no logarithm is infinite. */
static double share_of(double part, double least)
{
    return part > least ? part : least;
}

static float psi_of(const lc_drift *d, uint32_t task)
{
    double sum = 0, window = d->options.window, least = 0.5 / window;
    for (uint32_t i = task * d->bins; i < (task + 1) * d->bins; i++) {
        double now = share_of(d->count[i] / window, least);
        double then = share_of(d->reference[i] / (double)WHOLE, least);
        sum += (now - then) * lc_log(now / then);
    }
    return (float)sum;
}

static void learn(lc_drift *d, uint32_t task)
{
    for (uint32_t i = task * d->bins; i < (task + 1) * d->bins; i++) {
        uint64_t share = ((uint64_t)d->count[i] * WHOLE + d->options.window / 2);
        d->reference[i] = (uint16_t)(share / d->options.window);
    }
    d->task[task].learned = true;
    keep(d);
}

static lc_drift_change window_end(lc_drift *d, uint32_t task)
{
    lc_drift_task *t = &d->task[task];
    double window = d->options.window;
    if (!t->learned) {
        learn(d, task);
    }
    t->last = (lc_drift_figures){.psi = psi_of(d, task),
                                 .oos_rate = (float)(t->outside / window),
                                 .escalated = (float)(t->escalated / window),
                                 .p = (float)((double)t->p / 1e6 / window)};
    bool did = t->drifts;
    t->drifts = t->last.psi > d->options.psi || t->last.oos_rate > d->options.oos_rate;
    t->measured = true;
    t->filled = t->outside = t->escalated = 0;
    t->p = 0;
    memset(d->count + task * d->bins, 0, d->bins * sizeof *d->count);
    d->windows++;
    d->began += t->drifts && !did;
    return t->drifts == did ? LC_DRIFT_SAME : did ? LC_DRIFT_ENDED : LC_DRIFT_BEGAN;
}

lc_drift_change lc_drift_put(lc_drift *d, const lc_drift_record *record)
{
    lc_assert(record->task < d->task_count && record->label >= -1);
    if (d->options.window == 0) {
        return LC_DRIFT_SAME;
    }
    lc_drift_task *t = &d->task[record->task];
    uint32_t bin = (uint32_t)(record->label + 1);
    bin = bin < d->bins ? bin : d->bins - 1;
    d->count[record->task * d->bins + bin]++;
    t->outside += record->outside;
    t->escalated += record->escalated;
    t->p += record->p > 0 && record->p <= 1 ? (uint64_t)((double)record->p * 1e6 + 0.5) : 0;
    t->filled++;
    return t->filled == d->options.window ? window_end(d, record->task) : LC_DRIFT_SAME;
}

/* ---- looking in ---- */

static float most(float a, float b)
{
    return a > b ? a : b;
}

void lc_drift_look_at(const lc_drift *d, lc_drift_look *look)
{
    bool drifts = false;
    *look = (lc_drift_look){.last.p = 1, .windows = d->windows, .began = d->began};
    for (uint32_t i = 0; i < d->task_count && d->options.window > 0; i++) {
        const lc_drift_task *t = &d->task[i];
        look->fill = most(look->fill, (float)t->filled / (float)d->options.window);
        if (t->measured) {
            look->measured = true;
            look->last.psi = most(look->last.psi, t->last.psi);
            look->last.oos_rate = most(look->last.oos_rate, t->last.oos_rate);
            look->last.escalated = most(look->last.escalated, t->last.escalated);
            look->last.p = t->last.p < look->last.p ? t->last.p : look->last.p;
            drifts = drifts || t->drifts;
        }
    }
    look->state = d->options.window == 0 ? LC_DRIFT_OFF
                  : !look->measured      ? LC_DRIFT_LEARNING
                  : drifts               ? LC_DRIFT_DRIFTING
                                         : LC_DRIFT_OK;
}

const char *lc_drift_word(uint32_t state)
{
    static const char *const words[] = {"off", "learning", "ok", "drifting"};
    return words[state & 3u];
}
