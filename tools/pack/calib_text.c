/* The text becomes tokens: a line is a text, longer ones are cut; if there are more than are
 * wanted, lines are left out evenly. Every fourth line is held out. */
#include <stdlib.h>
#include <string.h>

#include "../../runtime/limits.h"
#include "calib_parts.h"
#include "fail.h"

#define TEXT_BYTES_MAX (64u << 20)

typedef struct token_list {
    lc_buf ids, start; /* of uint32_t */
    uint32_t count, tokens;
} token_list;

static lc_err out_of_memory(lc_diag *diag)
{
    return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
}

/* Room for the longest line of the text. */
typedef struct encoder {
    lc_tok tok;
    lc_arena scratch;
    void *memory;
    char *clean;
    uint32_t *ids;
    uint32_t ids_max;
} encoder;

static const char *line_end(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline : end;
}

static lc_err encoder_open(encoder *e, const lc_buf *tokenizer, const lc_pack_options *options,
                           lc_diag *diag)
{
    size_t longest = 0;
    const char *end = options->text + options->text_bytes;
    for (const char *at = options->text; at < end; at = line_end(at, end) + 1) {
        size_t bytes = (size_t)(line_end(at, end) - at);
        longest = bytes > longest ? bytes : longest;
    }
    lc_err err = lc_tok_open(tokenizer->data, tokenizer->bytes, &e->tok, diag);
    if (err) {
        return err;
    }
    size_t bytes = LC_ROUND_UP(lc_tok_scratch_bytes(&e->tok, 3 * longest) + 64, 64);
    e->ids_max = (uint32_t)(3 * longest + 8);
    e->memory = aligned_alloc(64, bytes);
    e->clean = malloc(3 * longest + 1);
    e->ids = malloc(e->ids_max * sizeof *e->ids);
    if (!e->memory || !e->clean || !e->ids) {
        return out_of_memory(diag);
    }
    lc_arena_init(&e->scratch, e->memory, bytes);
    return LC_OK;
}

static void encoder_close(encoder *e)
{
    free(e->memory);
    free(e->clean);
    free(e->ids);
}

/* One line as one text, or as several of at most ctx tokens. */
static lc_err add_line(encoder *e, const char *line, size_t bytes, uint32_t ctx, token_list *list)
{
    uint32_t n = 0, replaced = 0;
    bool cut = false;
    size_t clean = lc_utf8_clean(line, bytes, e->clean, &replaced);
    lc_err err =
        lc_tok_encode(&e->tok, e->clean, clean, true, &e->scratch, e->ids, e->ids_max, &n, &cut);
    for (uint32_t at = 0; !err && at < n; at += ctx) {
        uint32_t part = n - at < ctx ? n - at : ctx;
        lc_buf_put_u32(&list->start, list->tokens);
        lc_buf_put(&list->ids, e->ids + at, part * sizeof *e->ids);
        list->tokens += part;
        list->count++;
    }
    return err;
}

static lc_err read_lines(const lc_buf *tokenizer, const lc_pack_options *options, uint32_t ctx,
                         token_list *list, lc_diag *diag)
{
    encoder e = {0};
    lc_err err = encoder_open(&e, tokenizer, options, diag);
    const char *end = options->text + options->text_bytes;
    for (const char *at = options->text; !err && at < end;) {
        const char *stop = line_end(at, end);
        size_t bytes = (size_t)(stop - at);
        bytes -= bytes > 0 && at[bytes - 1] == '\r';
        err = bytes > 0 ? add_line(&e, at, bytes, ctx, list) : LC_OK;
        if (err) {
            err = lc_fail(diag, err, (uint64_t)(at - options->text), "a line of the text");
        }
        at = stop + 1;
    }
    lc_buf_put_u32(&list->start, list->tokens);
    encoder_close(&e);
    return !err && (list->ids.failed || list->start.failed) ? out_of_memory(diag) : err;
}

static uint32_t start_of(const token_list *list, uint32_t i)
{
    uint32_t v;
    memcpy(&v, list->start.data + i * sizeof v, sizeof v);
    return v;
}

static void take_text(const token_list *list, uint32_t i, lc_calib_text *text)
{
    uint32_t from = start_of(list, i), n = start_of(list, i + 1) - from;
    uint32_t at = text->start[text->count++];
    memcpy(text->ids + at, list->ids.data + from * sizeof(uint32_t), n * sizeof(uint32_t));
    text->start[text->count] = at + n;
    text->longest = n > text->longest ? n : text->longest;
}

/* Every fourth of the wanted texts is held out and comes last. */
static lc_err choose(const token_list *list, uint32_t wanted, lc_calib_text *text, lc_diag *diag)
{
    uint32_t kept = 0;
    uint64_t due = 0;
    uint32_t *pick = malloc((list->count + 1) * sizeof *pick);
    text->ids = malloc((list->tokens + 1) * sizeof *text->ids);
    text->start = calloc(list->count + 2, sizeof *text->start);
    if (!pick || !text->ids || !text->start) {
        free(pick);
        return out_of_memory(diag);
    }
    for (uint32_t i = 0; i < list->count; i++) {
        due += wanted;
        if (due >= list->tokens) {
            due -= list->tokens > wanted ? list->tokens : due;
            pick[kept++] = i;
        }
    }
    for (uint32_t held = 0; held < 2; held++) {
        for (uint32_t i = 0; i < kept; i++) {
            if ((i % 4 == 3) == (held == 1)) {
                take_text(list, pick[i], text);
            }
        }
        text->calibrating = held == 0 ? text->count : text->calibrating;
    }
    free(pick);
    return kept >= LC_CALIB_TEXTS_MIN
               ? LC_OK
               : lc_fail_format(diag, LC_ERR_ARGUMENT, 0,
                                "calibration wants at least %u lines of text, not %u",
                                LC_CALIB_TEXTS_MIN, kept);
}

lc_err lc_calib_text_read(const lc_buf *tokenizer, const lc_pack_options *options, uint32_t ctx,
                          lc_calib_text *text, lc_diag *diag)
{
    token_list list = {0};
    if (options->text_bytes > TEXT_BYTES_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "the text is over 64 MiB");
    }
    lc_err err = read_lines(tokenizer, options, ctx, &list, diag);
    if (!err) {
        uint32_t wanted = options->tokens ? options->tokens : LC_CALIB_TOKENS;
        err = choose(&list, wanted, text, diag);
    }
    lc_buf_free(&list.ids);
    lc_buf_free(&list.start);
    return err;
}

void lc_calib_text_free(lc_calib_text *text)
{
    free(text->ids);
    free(text->start);
}
