/* ui.c - options from one table, errors in one form, files, clock, kernels by name. */
#include "ui.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../board/linux/cpu.h"

/* ---- options ---- */

static void usage_print(const lc_usage *usage)
{
    printf("usage: leafcutter %s [options]%s%s\n%s\n", usage->verb, usage->args[0] ? " " : "",
           usage->args, usage->about);
    for (size_t i = 0; i < usage->opt_count; i++) {
        const lc_opt *opt = &usage->opt[i];
        char left[64];
        snprintf(left, sizeof left, "%s%s%s%s", opt->name[1] ? "--" : "-", opt->name,
                 opt->arg ? " " : "", opt->arg ? opt->arg : "");
        printf("  %-22s %s\n", left, opt->help);
    }
    printf("  %-22s %s\n", "--help", "this text");
}

static int usage_error(const lc_usage *usage, const char *what, const char *name)
{
    char remedy[96];
    snprintf(remedy, sizeof remedy, "leafcutter %s --help lists the options", usage->verb);
    return lc_ui_error(LC_EXIT_USAGE, NULL, remedy, "%s: %s %s", usage->verb, what, name);
}

/* The row that `word` (dashes included) names; *value is what follows a '='. */
static const lc_opt *option_find(const lc_usage *usage, const char *word, const char **value)
{
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    size_t bytes = is_long ? strcspn(name, "=") : strlen(name);
    *value = name[bytes] ? name + bytes + 1 : NULL;
    for (size_t i = 0; i < usage->opt_count; i++) {
        const lc_opt *opt = &usage->opt[i];
        bool same = strlen(opt->name) == bytes && memcmp(opt->name, name, bytes) == 0;
        if (same && (bytes > 1) == is_long) {
            return opt;
        }
    }
    return NULL;
}

static bool number_read(const char *text, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;
    if (!*text) {
        return false;
    }
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || v > (max - (uint64_t)(*text - '0')) / 10) {
            return false;
        }
        v = v * 10 + (uint64_t)(*text - '0');
    }
    *value = v;
    return true;
}

static bool real_read(const char *text, double *value)
{
    char *end = NULL;
    double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v)) {
        return false;
    }
    *value = v;
    return true;
}

static bool text_add(lc_texts *texts, const char *value)
{
    if (texts->count == LC_COUNT(texts->text)) {
        return false;
    }
    texts->text[texts->count++] = value;
    return true;
}

static bool option_store(const lc_opt *opt, const char *value)
{
    uint64_t number = 0;
    switch (opt->type) {
    case LC_OPT_FLAG:
        *(bool *)opt->target = true;
        return true;
    case LC_OPT_TEXT:
        *(const char **)opt->target = value;
        return true;
    case LC_OPT_U32:
        if (!number_read(value, UINT32_MAX, &number)) {
            return false;
        }
        *(uint32_t *)opt->target = (uint32_t)number;
        return true;
    case LC_OPT_U64:
        return number_read(value, UINT64_MAX, opt->target);
    case LC_OPT_REAL:
        return real_read(value, opt->target);
    case LC_OPT_TEXTS:
        return text_add(opt->target, value);
    }
    return false;
}

/* One option at argv[*at]; moves *at to the last word it used. */
static int option_take(const lc_usage *usage, int argc, char **argv, int *at)
{
    const char *word = argv[*at];
    const char *value = NULL;
    const lc_opt *opt = option_find(usage, word, &value);
    if (!opt) {
        return usage_error(usage, "unknown option", word);
    }
    if (!opt->arg && value) {
        return usage_error(usage, "no argument is wanted by", word);
    }
    if (opt->arg && !value) {
        if (*at + 1 >= argc) {
            return usage_error(usage, "missing argument of", word);
        }
        value = argv[++*at];
    }
    if (!option_store(opt, value)) {
        char what[128];
        bool texts = opt->type == LC_OPT_TEXTS;
        snprintf(what, sizeof what,
                 texts ? "'%.64s' is one too many of" : "'%.64s' is no number for", value);
        return usage_error(usage, what, word);
    }
    return LC_UI_GO;
}

int lc_ui_parse(const lc_usage *usage, int argc, char **argv, lc_files *files)
{
    bool options = true;
    files->count = 0;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (options && strcmp(word, "--") == 0) {
            options = false;
        } else if (options && strcmp(word, "--help") == 0) {
            usage_print(usage);
            return LC_EXIT_OK;
        } else if (options && word[0] == '-' && word[1]) {
            int rc = option_take(usage, argc, argv, &i);
            if (rc != LC_UI_GO) {
                return rc;
            }
        } else if (files->count < usage->files_max) {
            files->path[files->count++] = word;
        } else {
            return usage_error(usage, "one argument too many:", word);
        }
    }
    return LC_UI_GO;
}

/* ---- errors ---- */

int lc_ui_error(int exit_code, const char *file, const char *remedy, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "leafcutter: %s%s", file ? file : "", file ? ": " : "");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (remedy) {
        fprintf(stderr, "  %s\n", remedy);
    }
    return exit_code;
}

int lc_ui_diag(const char *file, const lc_diag *diag, const char *remedy)
{
    return lc_ui_error(lc_err_exit(diag->err), file, remedy, "%s at byte %llu: %s",
                       lc_err_text(diag->err), (unsigned long long)diag->offset,
                       diag->text ? diag->text : "no reason given");
}

int lc_ui_no_memory(void)
{
    return lc_ui_error(LC_EXIT_BOARD, NULL, NULL, "out of memory");
}

/* ---- files ---- */

int lc_ui_map(const char *path, lc_map *map)
{
    struct stat st;
    lc_err err = lc_map_open(path, map);
    if (err == LC_OK) {
        return LC_UI_GO;
    }
    int reason = errno;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        return lc_ui_error(LC_EXIT_REJECTED, path, NULL, "cannot open: not a regular file");
    }
    return lc_ui_error(LC_EXIT_BOARD, path, NULL, "cannot open: %s", strerror(reason));
}

static bool bytes_write(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        data += n;
        bytes -= (size_t)n;
    }
    return true;
}

static int cannot_write(const char *path)
{
    return lc_ui_error(LC_EXIT_BOARD, path, NULL, "cannot write: %s", strerror(errno));
}

int lc_ui_write_by(const char *path, int (*put)(void *ctx, int fd), void *ctx)
{
    size_t room = strlen(path) + 24;
    char *temporary = malloc(room);
    if (!temporary) {
        return lc_ui_no_memory();
    }
    snprintf(temporary, room, "%s.tmp.%ld", path, (long)getpid());
    int fd = open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int rc = fd >= 0 ? put(ctx, fd) : cannot_write(path);
    if (rc == LC_UI_GO && fsync(fd) != 0) {
        rc = cannot_write(path);
    }
    if (fd >= 0 && close(fd) != 0 && rc == LC_UI_GO) {
        rc = cannot_write(path);
    }
    if (rc == LC_UI_GO && rename(temporary, path) != 0) {
        rc = cannot_write(path);
    }
    if (rc != LC_UI_GO && fd >= 0) {
        unlink(temporary);
    }
    free(temporary);
    return rc;
}

typedef struct whole {
    const char *path;
    const void *data;
    size_t bytes;
} whole;

static int put_whole(void *ctx, int fd)
{
    const whole *w = ctx;
    return bytes_write(fd, w->data, w->bytes) ? LC_UI_GO : cannot_write(w->path);
}

int lc_ui_write(const char *path, const void *data, size_t bytes)
{
    whole w = {path, data, bytes};
    return lc_ui_write_by(path, put_whole, &w);
}

bool lc_ui_ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && memcmp(text + n - m, end, m) == 0;
}

/* ---- the daemon of this machine ---- */

const char *lc_ui_config(const char *named)
{
    bool here = !named && access(LC_UI_CONFIG_LOCAL, R_OK) == 0;
    return named ? named : here ? LC_UI_CONFIG_LOCAL : LC_UI_CONFIG_SYSTEM;
}

/* "90m" before now; false when it is none. */
static bool age_read(const char *text, uint64_t *ms)
{
    static const struct {
        char unit;
        uint32_t s;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end = NULL;
    uint64_t now_s = (uint64_t)time(NULL);
    uint64_t count = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    for (size_t i = 0; count > 0 && i < LC_COUNT(units); i++) {
        if (end[0] == units[i].unit && end[1] == '\0' && count <= now_s / units[i].s) {
            *ms = (now_s - count * units[i].s) * 1000u;
            return true;
        }
    }
    return false;
}

bool lc_ui_time_read(const char *text, uint64_t *ms)
{
    struct tm parts = {0};
    char *end;
    const char *rest = strptime(text, "%Y-%m-%d", &parts);
    if (rest && *rest == 'T') {
        rest = strptime(rest + 1, "%H:%M:%S", &parts);
    }
    if (rest && (*rest == '\0' || strcmp(rest, "Z") == 0)) {
        *ms = (uint64_t)timegm(&parts) * 1000u;
        return true;
    }
    if (age_read(text, ms)) {
        return true;
    }
    *ms = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

/* ---- clock, kernels ---- */

uint64_t lc_ui_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static const char *const kv_names[] = {"auto", "f32", "f16", "i8"};

int lc_ui_kv(const char *name, uint32_t *kv)
{
    *kv = LC_KV_AUTO;
    for (uint32_t i = LC_KV_F32; name && i < LC_COUNT(kv_names); i++) {
        *kv = strcmp(name, kv_names[i]) == 0 ? i : *kv;
    }
    return name && *kv == LC_KV_AUTO
               ? lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "--kv takes f32, f16 or i8, not %s", name)
               : LC_UI_GO;
}

const char *lc_ui_kv_name(uint32_t kv)
{
    return kv_names[kv];
}

int lc_ui_level(const char *name, const lc_kernels **kernels)
{
    uint32_t features = lc_cpu_features();
    if (!name) {
        *kernels = lc_level_best(features);
        return LC_UI_GO;
    }
    const lc_kernels *found = lc_level_find(name);
    if (!found && !lc_level_known(name)) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter --version lists the levels",
                           "unknown level %s", name);
    }
    if (!found) {
        return lc_ui_error(LC_EXIT_BOARD, NULL, "leafcutter --version lists the levels",
                           "level %s is not in this build", name);
    }
    if ((found->needs & features) != found->needs) {
        return lc_ui_error(LC_EXIT_BOARD, NULL, "leafcutter --version lists the levels",
                           "this CPU cannot run level %s", name);
    }
    *kernels = found;
    return LC_UI_GO;
}
