/* verb_audit.c - `leafcutter audit`: what the device did and why, from its storage. Reads only, so
 * it needs no daemon and disturbs none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../board/linux/config.h"
#include "../board/linux/store.h"
#include "../board/node/audit.h"
#include "../board/node/outbox.h"
#include "ui.h"
#include "verbs.h"

#define DEFAULT_STORAGE "/var/lib/leafcutter"
#define ARENA_BYTES (1u << 20)
#define CELL_BYTES 160u

typedef struct request {
    const char *storage, *config, *since, *kind, *cause;
    bool json;
    uint64_t since_ms;
} request;

typedef struct listing {
    const request *request;
    uint64_t shown, strange; /* entries; those that cannot be understood */
    uint64_t missing, next;  /* ordinals that were passed over; the next one */
} listing;

/* ---- which of them ---- */

static uint64_t number(const cJSON *tree, const char *key)
{
    double value = lc_json_real(tree, key, 0.0);
    return value > 0.0 && value < 9007199254740992.0 ? (uint64_t)value : 0;
}

/* "123" or "41:123": the record that caused it, or one of those. */
static bool record_matches(const cJSON *tree, const char *want)
{
    char *end;
    uint64_t boot = 0, seq = strtoull(want, &end, 10), last = number(tree, "seq");
    if (*end == ':') {
        boot = seq;
        seq = strtoull(end + 1, &end, 10);
    }
    uint64_t first = number(tree, "from") > 0 ? number(tree, "from") : last;
    uint64_t made = number(tree, "of") > 0 ? number(tree, "of") : number(tree, "boot");
    return *end == '\0' && last > 0 && seq >= first && seq <= last && (boot == 0 || boot == made);
}

static bool cause_matches(const cJSON *tree, const char *want)
{
    static const char *const keys[] = {"cause", "by", "id", "what", "task", "label"};
    for (size_t i = 0; i < LC_COUNT(keys); i++) {
        if (strcmp(lc_json_text(tree, keys[i], ""), want) == 0) {
            return true;
        }
    }
    return want[0] >= '0' && want[0] <= '9' && record_matches(tree, want);
}

/* One without a date is shown: nobody knows that it is older. */
static bool is_wanted(const request *r, const cJSON *tree)
{
    uint64_t ts = number(tree, "ts");
    return (!r->since || ts == 0 || ts >= r->since_ms) &&
           (!r->kind || strcmp(lc_json_text(tree, "kind", ""), r->kind) == 0) &&
           (!r->cause || cause_matches(tree, r->cause));
}

/* ---- for people ---- */

static const lc_column columns[] = {{"time", 20, false}, {"start", 5, true},   {"kind", 7, false},
                                    {"what", 32, false}, {"result", 8, false}, {"cause", 0, false}};

static void time_cell(const cJSON *tree, char *cell)
{
    uint64_t ts = number(tree, "ts");
    time_t seconds = (time_t)(ts / 1000u);
    struct tm parts;
    if (ts == 0 || !gmtime_r(&seconds, &parts) ||
        strftime(cell, CELL_BYTES, "%Y-%m-%d %H:%M:%SZ", &parts) == 0) {
        snprintf(cell, CELL_BYTES, "up %.1f s", (double)number(tree, "up") / 1000.0);
    }
}

static void part_add(char *cell, const char *format, const char *text)
{
    size_t held = strlen(cell);
    if (text[0]) {
        snprintf(cell + held, CELL_BYTES - held, format, text);
    }
}

static void number_add(char *cell, const char *format, uint64_t value)
{
    size_t held = strlen(cell);
    if (value > 0) {
        snprintf(cell + held, CELL_BYTES - held, format, (unsigned long long)value);
    }
}

/* "record 1234 fault=overheating, 57 times since record 1100" */
static void cause_cell(const cJSON *tree, char *cell)
{
    cell[0] = '\0';
    part_add(cell, "%s", lc_json_text(tree, "cause", ""));
    number_add(cell, " %llu:", number(tree, "of"));
    number_add(cell, number(tree, "of") > 0 ? "%llu" : " %llu", number(tree, "seq"));
    part_add(cell, " %s", lc_json_text(tree, "task", ""));
    part_add(cell, "=%s", lc_json_text(tree, "label", ""));
    part_add(cell, " %s", lc_json_text(tree, "by", ""));
    part_add(cell, ", id %s", lc_json_text(tree, "id", ""));
    number_add(cell, ", %llu bytes", number(tree, "bytes"));
    number_add(cell, ", try %llu", number(tree, "try"));
    number_add(cell, ", %llu redacted", number(tree, "redacted"));
    number_add(cell, ", %llu times", number(tree, "count"));
    number_add(cell, " since record %llu", number(tree, "from"));
}

static void row_print(const cJSON *tree)
{
    static char cell[4][CELL_BYTES];
    time_cell(tree, cell[0]);
    snprintf(cell[1], CELL_BYTES, "%llu", (unsigned long long)number(tree, "boot"));
    cause_cell(tree, cell[2]);
    const char *row[] = {cell[0],
                         cell[1],
                         lc_json_text(tree, "kind", "?"),
                         lc_json_text(tree, "what", "?"),
                         lc_json_text(tree, "result", "?"),
                         cell[2]};
    lc_table_row(stdout, columns, LC_COUNT(columns), row);
}

/* ---- the entries ---- */

static void entry_show(listing *l, const lc_entry *entry)
{
    cJSON *tree = NULL;
    bool good = lc_json_parse(entry->text.data, entry->text.bytes, 0, &tree, NULL) == LC_OK &&
                cJSON_IsObject(tree) && !memchr(entry->text.data, '\n', entry->text.bytes);
    l->strange += !good;
    if (l->next > 0 && entry->ordinal > l->next) {
        l->missing += entry->ordinal - l->next;
    }
    l->next = entry->ordinal + 1;
    if (good && is_wanted(l->request, tree)) {
        if (l->request->json) {
            fwrite(entry->text.data, 1, entry->text.bytes, stdout);
            putchar('\n');
        } else {
            if (l->shown == 0) {
                lc_table_head(stdout, columns, LC_COUNT(columns));
            }
            row_print(tree);
        }
        l->shown++;
    }
    cJSON_Delete(tree);
}

static int listing_end(const listing *l, const char *storage, lc_err err, const char *trouble)
{
    if (err != LC_ERR_NOT_FOUND) {
        return lc_ui_error(LC_EXIT_BOARD, storage, NULL, "%s", trouble);
    }
    if (l->strange + l->missing > 0) {
        return lc_ui_error(LC_EXIT_REJECTED, storage, NULL,
                           "%llu entries cannot be read: they are damaged, or were replaced "
                           "meanwhile",
                           (unsigned long long)(l->strange + l->missing));
    }
    if (l->shown == 0 && !l->request->json) {
        puts("nothing of this kind");
    }
    return LC_EXIT_OK;
}

static int journal_list(const request *r, lc_store *store, const char *storage)
{
    static _Alignas(64) uint8_t memory[ARENA_BYTES];
    static lc_journal journal;
    lc_arena arena;
    lc_entry entry;
    lc_journal_options options = {.port = &store->port,
                                  .file = LC_FILE_AUDIT,
                                  .segments = 3,
                                  .segment_bytes = UINT32_MAX,
                                  .text_max = LC_OUTBOX_SMALL_MAX + LC_NAME_BYTES_MAX};
    lc_arena_init(&arena, memory, sizeof memory);
    lc_err err = lc_journal_init(&journal, &options, &arena);
    lc_assert(err == LC_OK);
    err = lc_journal_look(&journal);
    if (err == LC_ERR_FORMAT) {
        return lc_ui_error(LC_EXIT_REJECTED, storage, "a copy must be of the whole file",
                           "audit.journal: its length is that of no journal");
    }
    listing l = {.request = r};
    while (err == LC_OK) {
        err = lc_journal_step(&journal, &entry);
        if (err == LC_OK) {
            entry_show(&l, &entry);
        }
    }
    return listing_end(&l, storage, err, store->trouble);
}

/* ---- the verb ---- */

/* --storage, else what the config says, else the usual place. LC_UI_GO or an exit code. */
static int storage_find(const request *r, char path[LC_CONFIG_PATH_MAX])
{
    static lc_config config;
    static lc_json_diag diag;
    const char *file = lc_ui_config(r->config);
    snprintf(path, LC_CONFIG_PATH_MAX, "%s", r->storage ? r->storage : DEFAULT_STORAGE);
    lc_err err = r->storage ? LC_ERR_NOT_FOUND : lc_config_read(file, &config, &diag);
    if (err != LC_OK && r->config && !r->storage) {
        return lc_ui_error(lc_err_exit(err), file, NULL, "%s", diag.text);
    }
    if (err == LC_OK && !config.storage[0]) {
        return lc_ui_error(LC_EXIT_BOARD, file, "set storage.path and start the daemon again",
                           "this daemon keeps nothing");
    }
    if (err == LC_OK) {
        snprintf(path, LC_CONFIG_PATH_MAX, "%s", config.storage);
    }
    return LC_UI_GO;
}

static int audit_run(request *r)
{
    static lc_store store;
    char path[LC_CONFIG_PATH_MAX];
    uint32_t kind;
    if (r->since && !lc_ui_time_read(r->since, &r->since_ms)) {
        return lc_ui_error(LC_EXIT_USAGE, r->since, "--since 2026-11-20, --since 24h",
                           "is no time");
    }
    if (r->kind && !lc_audit_from_word(lc_str_from(r->kind), &kind)) {
        return lc_ui_error(LC_EXIT_USAGE, r->kind, "act, switch, command, ask",
                           "is no kind of entry");
    }
    int rc = storage_find(r, path);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (lc_store_look(&store, path) != LC_OK) {
        return lc_ui_error(LC_EXIT_BOARD, path,
                           errno == EACCES ? "its owner and root may read it: sudo" : NULL, "%s",
                           store.trouble);
    }
    rc = journal_list(r, &store, path);
    lc_store_close(&store);
    return rc;
}

int lc_verb_audit(int argc, char **argv)
{
    request r = {0};
    const lc_opt options[] = {
        {"since", "TIME", LC_OPT_TEXT, &r.since, "2026-11-20, 2026-11-20T08:30:00 (UTC), or 24h"},
        {"kind", "KIND", LC_OPT_TEXT, &r.kind, "act, switch, command or ask"},
        {"cause", "WHAT", LC_OPT_TEXT, &r.cause,
         "a record (123 or 41:123), an input, label, command or its id"},
        {"storage", "DIR", LC_OPT_TEXT, &r.storage, "default: as the config says"},
        LC_OPT_ROW_CONFIG(&r.config),
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {
        "audit",
        "",
        "What the device did and why: outputs moved or not, switches, commands, "
        "bytes that left.\nReads the daemon's storage, whether it runs or not.",
        options,
        LC_COUNT(options),
        0};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    return rc == LC_UI_GO ? audit_run(&r) : rc;
}
