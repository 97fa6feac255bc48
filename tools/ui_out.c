/* ui_out.c - JSON, tables and progress bars. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "../runtime/bytes.h"
#include "ui.h"

/* ---- JSON ---- */

static void char_escape(FILE *to, uint32_t c)
{
    static const char letters[] = "btn?fr"; /* 8 .. 13 */
    if (c == '"' || c == '\\') {
        fprintf(to, "\\%c", (int)c);
    } else if (c >= 8 && c <= 13 && c != 11) {
        fprintf(to, "\\%c", letters[c - 8]);
    } else {
        fprintf(to, "\\u%04x", (unsigned)c);
    }
}

void lc_ui_json_string(FILE *to, const char *text, size_t bytes)
{
    fputc('"', to);
    for (size_t i = 0; i < bytes;) {
        uint32_t c = 0;
        uint32_t n = lc_utf8_decode(text + i, bytes - i, &c);
        if (n == 0) {
            fputs("\xef\xbf\xbd", to);
            n = 1;
        } else if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
            char_escape(to, c);
        } else {
            fwrite(text + i, 1, n, to);
        }
        i += n;
    }
    fputc('"', to);
}

void lc_emit_init(lc_emit *e, FILE *to)
{
    *e = (lc_emit){.to = to};
}

/* Comma and key before a value. */
static void value_begin(lc_emit *e, const char *key)
{
    if (e->filled[e->depth]) {
        fputc(',', e->to);
    }
    e->filled[e->depth] = true;
    if (key) {
        lc_ui_json_string(e->to, key, strlen(key));
        fputc(':', e->to);
    }
}

void lc_emit_open(lc_emit *e, const char *key, char bracket)
{
    lc_assert(e->depth + 1 < LC_COUNT(e->close));
    value_begin(e, key);
    fputc(bracket, e->to);
    e->depth++;
    e->close[e->depth] = bracket == '{' ? '}' : ']';
    e->filled[e->depth] = false;
}

void lc_emit_close(lc_emit *e)
{
    lc_assert(e->depth > 0);
    fputc(e->close[e->depth], e->to);
    e->depth--;
    if (e->depth == 0) {
        e->filled[0] = false;
        fputc('\n', e->to);
    }
}

void lc_emit_bytes(lc_emit *e, const char *key, const char *text, size_t bytes)
{
    value_begin(e, key);
    lc_ui_json_string(e->to, text, bytes);
}

void lc_emit_text(lc_emit *e, const char *key, const char *text)
{
    lc_emit_bytes(e, key, text, strlen(text));
}

void lc_emit_u64(lc_emit *e, const char *key, uint64_t value)
{
    value_begin(e, key);
    fprintf(e->to, "%llu", (unsigned long long)value);
}

void lc_emit_i64(lc_emit *e, const char *key, int64_t value)
{
    value_begin(e, key);
    fprintf(e->to, "%lld", (long long)value);
}

void lc_emit_real(lc_emit *e, const char *key, double value, int decimals)
{
    if (!isfinite(value)) {
        lc_emit_null(e, key);
        return;
    }
    value_begin(e, key);
    fprintf(e->to, "%.*f", decimals, value);
}

void lc_emit_bool(lc_emit *e, const char *key, bool value)
{
    value_begin(e, key);
    fputs(value ? "true" : "false", e->to);
}

void lc_emit_null(lc_emit *e, const char *key)
{
    value_begin(e, key);
    fputs("null", e->to);
}

/* ---- tables ---- */

/* Places that a character takes on a terminal; East Asian letters and emoji take two. */
static size_t char_width(uint32_t c)
{
    static const uint32_t wide[][2] = {{0x1100, 0x115f},   {0x2e80, 0xa4cf},  {0xac00, 0xd7a3},
                                       {0xf900, 0xfaff},   {0xfe30, 0xfe6f},  {0xff00, 0xff60},
                                       {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    for (size_t i = 0; i < LC_COUNT(wide); i++) {
        if (c >= wide[i][0] && c <= wide[i][1]) {
            return 2;
        }
    }
    return 1;
}

static size_t text_width(const char *text, size_t bytes)
{
    size_t width = 0;
    for (size_t i = 0; i < bytes;) {
        uint32_t c = 0;
        uint32_t n = lc_utf8_decode(text + i, bytes - i, &c);
        width += char_width(c);
        i += n ? n : 1;
    }
    return width;
}

/* Prints what fits into `width` places, control characters as blanks; returns the places used. */
static size_t text_print(FILE *to, const char *text, size_t bytes, size_t width)
{
    size_t used = 0;
    for (size_t i = 0; i < bytes;) {
        uint32_t c = 0;
        uint32_t n = lc_utf8_decode(text + i, bytes - i, &c);
        if (used + char_width(c) > width) {
            break;
        }
        if (n == 0) {
            fputs("\xef\xbf\xbd", to);
        } else if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            fputc(' ', to);
        } else {
            fwrite(text + i, 1, n, to);
        }
        used += char_width(c);
        i += n ? n : 1;
    }
    return used;
}

static void blanks_print(FILE *to, size_t n)
{
    for (; n > 0; n--) {
        fputc(' ', to);
    }
}

static void cell_print(FILE *to, const lc_column *column, const char *text, bool last)
{
    size_t bytes = strlen(text), width = text_width(text, bytes);
    if (column->width == 0) {
        text_print(to, text, bytes, width);
    } else if (width > column->width) {
        size_t used = text_print(to, text, bytes, column->width - 2u);
        fputs("..", to);
        blanks_print(to, column->width - 2u - used);
    } else {
        blanks_print(to, column->right ? column->width - width : 0);
        text_print(to, text, bytes, width);
        blanks_print(to, column->right || last ? 0 : column->width - width);
    }
    fputs(last ? "\n" : "  ", to);
}

void lc_table_row(FILE *to, const lc_column *column, uint32_t columns, const char *const *cell)
{
    for (uint32_t i = 0; i < columns; i++) {
        cell_print(to, &column[i], cell[i], i + 1 == columns);
    }
}

void lc_table_head(FILE *to, const lc_column *column, uint32_t columns)
{
    for (uint32_t i = 0; i < columns; i++) {
        cell_print(to, &column[i], column[i].name, i + 1 == columns);
    }
}

/* ---- progress ---- */

#define PROGRESS_AFTER_MS 1000u
#define PROGRESS_EVERY_MS 100u
#define PROGRESS_WIDTH 40

void lc_progress_init(lc_progress *p, const char *label)
{
    *p = (lc_progress){
        .label = label, .terminal = isatty(STDERR_FILENO) == 1, .start_ms = lc_ui_now_us() / 1000u};
}

void lc_progress_step(lc_progress *p, uint64_t done, uint64_t total)
{
    if (!p->terminal) {
        return;
    }
    uint64_t now = lc_ui_now_us() / 1000u;
    if (now - p->start_ms < PROGRESS_AFTER_MS || now - p->last_ms < PROGRESS_EVERY_MS) {
        return;
    }
    char bar[PROGRESS_WIDTH + 1];
    double part = total ? (double)done / (double)total : 0.0;
    part = part > 1.0 ? 1.0 : part;
    for (int i = 0; i < PROGRESS_WIDTH; i++) {
        bar[i] = i < (int)(part * PROGRESS_WIDTH) ? '#' : '.';
    }
    bar[PROGRESS_WIDTH] = 0;
    fprintf(stderr, "\r%s [%s] %3.0f %%", p->label, bar, part * 100.0);
    fflush(stderr);
    p->last_ms = now;
    p->shown = true;
}

void lc_progress_end(lc_progress *p)
{
    if (p->shown) {
        fputs("\r\033[K", stderr);
        p->shown = false;
    }
}
