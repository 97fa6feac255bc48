/* ui.h - what every verb shares: options, errors, files, lines, JSON, tables, progress.
 *
 * A verb is `int lc_verb_<name>(int argc, char **argv)` in tools/verb_<name>.c and a row in main.c;
 * argv[0] is the verb's name, the result is the exit code.
 * What a program reads goes to stdout, what a person reads meanwhile to stderr.
 */
#ifndef LC_UI_H
#define LC_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../board/linux/map.h"
#include "../kernels/kernels.h"
#include "../runtime/err.h"

#define LC_UI_GO (-1)      /* from lc_ui_parse and the checks: carry on */
#define LC_UI_FILES_MAX 8u /* positional arguments of a verb */

enum {
    LC_EXIT_OK = 0,
    LC_EXIT_INTERNAL = 1,
    LC_EXIT_USAGE = 2,
    LC_EXIT_REJECTED = 3, /* input */
    LC_EXIT_BOARD = 4,    /* board or storage */
    LC_EXIT_BUSY = 5      /* network or busy */
};

/* ---- options ---- */

typedef enum lc_opt_type {
    LC_OPT_FLAG, /* target bool *: set to true */
    LC_OPT_TEXT, /* target const char ** */
    LC_OPT_U32,  /* target uint32_t *: decimal */
    LC_OPT_U64,  /* target uint64_t * */
    LC_OPT_REAL, /* target double *: finite */
    LC_OPT_TEXTS /* target lc_texts *: may be given several times */
} lc_opt_type;

typedef struct lc_texts {
    const char *text[LC_UI_FILES_MAX];
    uint32_t count;
} lc_texts;

typedef struct lc_opt {
    const char *name; /* "model" is --model; one letter is -n */
    const char *arg;  /* name of its argument, NULL for a flag */
    lc_opt_type type;
    void *target; /* keeps its value when the option is not given */
    const char *help;
} lc_opt;

typedef struct lc_usage {
    const char *verb;
    const char *args;  /* positional arguments as shown, "" none */
    const char *about; /* one sentence */
    const lc_opt *opt; /* [opt_count] */
    size_t opt_count;
    uint32_t files_max; /* at most LC_UI_FILES_MAX */
} lc_usage;

typedef struct lc_files {
    const char *path[LC_UI_FILES_MAX];
    uint32_t count;
} lc_files;

#define LC_OPT_ROW_JSON(flag)                                                                      \
    {                                                                                              \
        "json", NULL, LC_OPT_FLAG, (flag), "one JSON object on stdout, or one a line"              \
    }
#define LC_OPT_ROW_THREADS(n)                                                                      \
    {                                                                                              \
        "threads", "N", LC_OPT_U32, (n), "worker threads (default 1)"                              \
    }
#define LC_OPT_ROW_DECODE_THREADS(n)                                                               \
    {                                                                                              \
        "decode-threads", "N", LC_OPT_U32, (n), "of them for one token at a time (default all)"    \
    }
#define LC_OPT_ROW_ADAPTER(s)                                                                      \
    {                                                                                              \
        "adapter", "FILE", LC_OPT_TEXT, (s), "low-rank adapter: .leaf, .gguf or PEFT folder"       \
    }
#define LC_OPT_ROW_LEVEL(s)                                                                        \
    {                                                                                              \
        "level", "NAME", LC_OPT_TEXT, (s), "kernels: ref, neon80, dot, avx2 ... (default: best)"   \
    }
#define LC_OPT_ROW_KV(s)                                                                           \
    {                                                                                              \
        "kv", "KIND", LC_OPT_TEXT, (s),                                                            \
            "keys and values as f32, f16 or i8 (default: f16, or "                                 \
            "f32 as the weights)"                                                                  \
    }
#define LC_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Reads options in any order, `--name value` or `--name=value`; `--` ends them, `-` is a file.
 * Returns LC_UI_GO, or the exit code: 0 after --help, 2 after naming what is wrong. */
int lc_ui_parse(const lc_usage *usage, int argc, char **argv, lc_files *files);

/* ---- errors: `leafcutter: FILE: reason` on stderr, a remedy on its own line ---- */

/* Prints and returns exit_code. file and remedy may be NULL. */
int lc_ui_error(int exit_code, const char *file, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* `leafcutter: FILE: format at byte 132: row_count over limit`; returns lc_err_exit(diag->err). */
int lc_ui_diag(const char *file, const lc_diag *diag, const char *remedy);
/* Out of memory in the tool itself: exit 4. */
int lc_ui_no_memory(void);

/* ---- files ---- */

/* Maps a file; prints `FILE: cannot open: reason` and returns 4 (3 when it is no regular file). */
int lc_ui_map(const char *path, lc_map *map);
/* Writes a whole file: temporary name beside it, sync, rename. LC_UI_GO, or 4 after a message. */
int lc_ui_write(const char *path, const void *data, size_t bytes);
/* The same for a file that `put` fills: LC_UI_GO, or an exit code after its own message. */
int lc_ui_write_by(const char *path, int (*put)(void *ctx, int fd), void *ctx);
bool lc_ui_ends_with(const char *text, const char *end);

/* Lines of FILE, or of stdin for NULL or "-", of any length. */
typedef struct lc_lines {
    int fd;
    bool owned; /* fd is ours to close */
    char separator;
    int error;      /* errno of a failed read, 0 */
    size_t limit;   /* longest line that is kept */
    char *line;     /* [limit + 2] */
    uint8_t *block; /* [LC_LINES_BLOCK] */
    size_t at, filled;
} lc_lines;
#define LC_LINES_BLOCK 65536u

/* separator '\n' (a CR before it is dropped) or '\0'. LC_UI_GO, or the exit code after a message.
 */
int lc_lines_open(lc_lines *lines, const char *path, char separator, size_t limit);
/* False at the end. *bytes > limit: the line was longer, only its first limit bytes are at *text.
 * *text lives until the next call. */
bool lc_lines_next(lc_lines *lines, const char **text, size_t *bytes);
/* True when the next line is there already: nobody has to be waited for. */
bool lc_lines_waiting(const lc_lines *lines);
/* Closes; prints a read error and returns 4, else 0. */
int lc_lines_close(lc_lines *lines, const char *path);

/* ---- what verbs about the daemon of this machine share ---- */

#define LC_UI_CONFIG_LOCAL "config.json"
#define LC_UI_CONFIG_SYSTEM "/etc/leafcutter/config.json"
#define LC_OPT_ROW_CONFIG(path)                                                                    \
    {                                                                                              \
        "config", "FILE", LC_OPT_TEXT, (path),                                                     \
            "default: " LC_UI_CONFIG_LOCAL " here, then " LC_UI_CONFIG_SYSTEM                      \
    }
/* The config to read: the one that was named, else one here, else the system's. */
const char *lc_ui_config(const char *named);
/* 2026-11-20, 2026-11-20T08:30:00 (UTC), 90m 24h 7d before now, or ms since 1970. */
bool lc_ui_time_read(const char *text, uint64_t *ms);

/* ---- JSON on a stream; keys NULL inside arrays ---- */

typedef struct lc_emit {
    FILE *to;
    uint32_t depth;
    char close[16];  /* [depth] what ends each level */
    bool filled[16]; /* [depth] something stands before: comma */
} lc_emit;

void lc_emit_init(lc_emit *e, FILE *to);
void lc_emit_open(lc_emit *e, const char *key, char bracket); /* '{' or '[' */
void lc_emit_close(lc_emit *e);                               /* a newline after the outermost */
void lc_emit_text(lc_emit *e, const char *key, const char *text);
void lc_emit_bytes(lc_emit *e, const char *key, const char *text, size_t bytes);
void lc_emit_u64(lc_emit *e, const char *key, uint64_t value);
void lc_emit_i64(lc_emit *e, const char *key, int64_t value);
void lc_emit_real(lc_emit *e, const char *key, double value, int decimals); /* NaN, inf: null */
void lc_emit_bool(lc_emit *e, const char *key, bool value);
void lc_emit_null(lc_emit *e, const char *key);
/* text as a JSON string, invalid UTF-8 as U+FFFD */
void lc_ui_json_string(FILE *to, const char *text, size_t bytes);

/* ---- tables for people: fixed widths, so that rows can stream ---- */

typedef struct lc_column {
    const char *name;
    uint32_t width; /* characters; longer text ends in ".." ; 0: as long as it is (last column) */
    bool right;
} lc_column;

void lc_table_head(FILE *to, const lc_column *column, uint32_t columns);
/* cell[columns], UTF-8; control characters are shown as blanks. */
void lc_table_row(FILE *to, const lc_column *column, uint32_t columns, const char *const *cell);

/* ---- progress on a terminal, for work over a second ---- */

typedef struct lc_progress {
    const char *label;
    bool terminal;
    bool shown;
    uint64_t start_ms, last_ms;
} lc_progress;

void lc_progress_init(lc_progress *p, const char *label);
void lc_progress_step(lc_progress *p, uint64_t done, uint64_t total);
void lc_progress_end(lc_progress *p);

/* ---- clocks, CPU ---- */

uint64_t lc_ui_now_us(void); /* monotonic */
/* The kernels of --level NAME, or the best for this CPU when name is NULL. LC_UI_GO, or 2 for a
 * word nobody knows and 4 for a level that this build or CPU lacks, after a message. */
int lc_ui_level(const char *name, const lc_kernels **kernels);
/* The lc_kv of --kv, AUTO when name is NULL. LC_UI_GO, or 2 after a message. */
int lc_ui_kv(const char *name, uint32_t *kv);
const char *lc_ui_kv_name(uint32_t kv);

#endif
