/* insn_count.c - QEMU plugin: executed guest instructions per symbol, split at marks.
 *
 *   gcc -std=c11 -O2 -shared -fPIC -o insn_count.so insn_count.c
 *   qemu-aarch64 -d plugin -plugin ./insn_count.so[,symbols=off] PROGRAM
 *
 * The guest marks with syscall(4093, 0x6d61726b, tag) (mark.h): instructions count for the tag of
 * the last mark, for tag 0 before the first. At exit, on stderr, per tag in order of appearance:
 *
 *   insn TAG total N
 *   insn TAG symbol NAME N          largest first; left out with symbols=off
 *   insn all total N
 *
 * Counts are exact for one thread; several threads may lose some.
 * Debian's qemu-user has no plugin header, so the few functions used are declared here from the
 * documented interface (version 1, QEMU 7.2).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

typedef void tb_callback(plugin_id id, struct qemu_plugin_tb *tb);
typedef void exit_callback(plugin_id id, void *userdata);
typedef void syscall_callback(plugin_id id, unsigned int vcpu, int64_t num, uint64_t a1,
                              uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                              uint64_t a7, uint64_t a8);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, tb_callback *cb);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id id, syscall_callback *cb);
void qemu_plugin_register_atexit_cb(plugin_id id, exit_callback *cb, void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t idx);
const char *qemu_plugin_insn_symbol(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int op, void *ptr,
                                                uint64_t imm);
void qemu_plugin_outs(const char *string);
EXPORT int qemu_plugin_install(plugin_id id, const struct qemu_info *info, int argc, char **argv);

EXPORT int qemu_plugin_version = 1;

enum { ADD_U64 = 0, SYMBOLS_MAX = 8192, TAGS_MAX = 256, NAME_BYTES = 96 };

#define MARK_CALL 4093
#define MARK_MAGIC 0x6d61726bu

typedef struct symbol {
    char name[NAME_BYTES];
    uint64_t count;            /* executed so far; the translated code adds to it */
    uint64_t seen;             /* of those, already given to a tag */
    uint64_t by_tag[TAGS_MAX]; /* in the order of tags[] */
} symbol;

static symbol *symbols[SYMBOLS_MAX];
static size_t symbol_count;
static uint64_t tags[TAGS_MAX]; /* tags[0] is 0 */
static size_t tag_count = 1;
static size_t tag_now;
static bool print_symbols = true;

static symbol *symbol_find(const char *name)
{
    static symbol *last;
    if (last && strncmp(last->name, name, NAME_BYTES - 1) == 0)
        return last;
    for (size_t i = 0; i < symbol_count; i++)
        if (strncmp(symbols[i]->name, name, NAME_BYTES - 1) == 0)
            return last = symbols[i];
    if (symbol_count == SYMBOLS_MAX)
        return symbols[0];
    symbol *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    snprintf(s->name, sizeof s->name, "%s", name);
    symbols[symbol_count++] = s;
    return last = s;
}

static void on_translate(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    size_t n = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const char *name = qemu_plugin_insn_symbol(insn);
        symbol *s = symbol_find(name && *name ? name : "?");
        qemu_plugin_register_vcpu_insn_exec_inline(insn, ADD_U64, &s->count, 1);
    }
}

/* Gives what was executed since the last mark to its tag. */
static void settle(void)
{
    for (size_t i = 0; i < symbol_count; i++) {
        symbols[i]->by_tag[tag_now] += symbols[i]->count - symbols[i]->seen;
        symbols[i]->seen = symbols[i]->count;
    }
}

static size_t tag_index(uint64_t tag)
{
    for (size_t i = 0; i < tag_count; i++)
        if (tags[i] == tag)
            return i;
    if (tag_count == TAGS_MAX)
        return 0;
    tags[tag_count] = tag;
    return tag_count++;
}

static void on_syscall(plugin_id id, unsigned int vcpu, int64_t num, uint64_t a1, uint64_t a2,
                       uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)vcpu, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (num != MARK_CALL || a1 != MARK_MAGIC)
        return;
    settle();
    tag_now = tag_index(a2);
}

static size_t tag_sorted; /* what compare_counts sorts by */

static int compare_counts(const void *a, const void *b)
{
    uint64_t x = (*(symbol *const *)a)->by_tag[tag_sorted];
    uint64_t y = (*(symbol *const *)b)->by_tag[tag_sorted];
    return (x < y) - (x > y);
}

static uint64_t print_tag(size_t t)
{
    char line[NAME_BYTES + 64];
    uint64_t total = 0;
    for (size_t i = 0; i < symbol_count; i++)
        total += symbols[i]->by_tag[t];
    snprintf(line, sizeof line, "insn %" PRIu64 " total %" PRIu64 "\n", tags[t], total);
    qemu_plugin_outs(line);
    tag_sorted = t;
    qsort(symbols, symbol_count, sizeof symbols[0], compare_counts);
    for (size_t i = 0; print_symbols && i < symbol_count && symbols[i]->by_tag[t] > 0; i++) {
        snprintf(line, sizeof line, "insn %" PRIu64 " symbol %s %" PRIu64 "\n", tags[t],
                 symbols[i]->name, symbols[i]->by_tag[t]);
        qemu_plugin_outs(line);
    }
    return total;
}

static void on_exit_print(plugin_id id, void *userdata)
{
    (void)id, (void)userdata;
    char line[64];
    uint64_t total = 0;
    settle();
    for (size_t t = 0; t < tag_count; t++)
        total += print_tag(t);
    snprintf(line, sizeof line, "insn all total %" PRIu64 "\n", total);
    qemu_plugin_outs(line);
}

int qemu_plugin_install(plugin_id id, const struct qemu_info *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "symbols=off") == 0)
            print_symbols = false;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    qemu_plugin_register_atexit_cb(id, on_exit_print, NULL);
    return 0;
}
