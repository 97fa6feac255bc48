/* The network with tokens that branch, with several lines in one pass, and with a prefix that was
 * stored: each must have the bits that it has alone, in a line, and run again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/cpu.h"
#include "net_make.h"

/* ---- trees ---- */

static lc_err run_tree(stand *s, const uint32_t *ids, const uint32_t *parent, uint32_t n,
                       states *all)
{
    const lc_net_tree tree = {.ids = ids, .parent = parent, .n = n};
    return lc_net_run_tree(s->net, &tree, all != NULL ? take_states : NULL, all);
}

#define TREE 14u
#define PREFIX 20u

/* Three branches from the prefix, one of them deeper than the window of tiny-gemma3's local layers;
 * children stand far from their parents. */
static const uint32_t tree_parent[TREE] = {
    LC_NO_PARENT, LC_NO_PARENT, 0, LC_NO_PARENT, 2, 1, 4, 4, 6, 8, 9, 5, 10, 12};

static uint32_t path_of(uint32_t node, const uint32_t *ids, uint32_t *path)
{
    uint32_t order[TREE], n = 0;
    for (uint32_t at = node; at != LC_NO_PARENT; at = tree_parent[at]) {
        order[n++] = ids[at];
    }
    for (uint32_t i = 0; i < n; i++) {
        path[i] = order[n - 1 - i];
    }
    return n;
}

static void tree_is_its_paths(const char *name, lc_pack_type type, uint32_t kv, const lc_kernels *k,
                              uint32_t threads)
{
    stand s;
    stand_up(&s, name, type, (lc_net_options){.ctx = 40, .kv = kv, .kernels = k}, threads);
    uint32_t width = s.model.info.width, ids[TREE], path[TREE];
    float *tree = malloc(TREE * width * sizeof *tree), *line = malloc(TREE * width * sizeof *line);
    states all = {tree, width, 0}, one = {line, width, 0};
    for (uint32_t i = 0; i < TREE; i++) {
        ids[i] = (i * 37 + 5) % s.model.info.vocab;
    }
    assert_int_equal(lc_net_run(s.net, s.g.ids, PREFIX, NULL, NULL), LC_OK);
    assert_int_equal(run_tree(&s, ids, tree_parent, TREE, &all), LC_OK);
    assert_int_equal(all.n, TREE);
    assert_int_equal(lc_net_position(s.net), PREFIX);
    for (uint32_t node = 0; node < TREE; node++) {
        uint32_t n = path_of(node, ids, path);
        for (uint32_t i = 0; i < n; i++) { /* one after another */
            assert_int_equal(lc_net_run(s.net, &path[i], 1, take_states, &one), LC_OK);
        }
        assert_memory_equal(line, tree + node * width, width * sizeof *line);
        lc_net_rewind(s.net, PREFIX);
    }
    free(tree);
    free(line);
    stand_down(&s);
}

static const char *const causal[] = {"tiny-causal",  "tiny-qwen2", "tiny-qwen3", "tiny-gemma3",
                                     "tiny-granite", "tiny-lfm2",  "tiny-gemma2"};
#define CAUSAL (sizeof causal / sizeof causal[0])

static void a_tree_gives_the_bits_of_its_paths(void **state)
{
    (void)state;
    for (size_t m = 0; m < CAUSAL; m++) {
        for (uint32_t level = 0; level < lc_level_count(); level++) {
            const lc_kernels *k = lc_level_at(level);
            if ((k->needs & ~lc_cpu_features()) == 0) {
                tree_is_its_paths(causal[m], LC_PACK_F32, LC_KV_F32, k, 1);
                tree_is_its_paths(causal[m], LC_PACK_Q4, LC_KV_F16, k, 1 + level % 3);
                tree_is_its_paths(causal[m], LC_PACK_T16, LC_KV_I8, k, 2);
            }
        }
    }
}

static void a_tree_that_is_none_is_refused(void **state)
{
    (void)state;
    const uint32_t ids[4] = {1, 2, 3, 4}, late[2] = {1, LC_NO_PARENT}, self[1] = {0};
    const uint32_t line[4] = {LC_NO_PARENT, 0, 1, 2}, fork[3] = {LC_NO_PARENT, 0, 0};
    stand s;
    stand_up(&s, "tiny-causal", LC_PACK_F32,
             (lc_net_options){.ctx = 12, .batch = 4, .kernels = lc_level_at(0)}, 1);
    assert_int_equal(lc_net_run(s.net, s.g.ids, 9, NULL, NULL), LC_OK);
    assert_int_equal(run_tree(&s, ids, late, 2, NULL), LC_ERR_ARGUMENT);
    assert_int_equal(run_tree(&s, ids, self, 1, NULL), LC_ERR_ARGUMENT);
    assert_int_equal(run_tree(&s, ids, line, 4, NULL), LC_ERR_LIMIT);
    assert_int_equal(run_tree(&s, ids, line, 3, NULL), LC_OK);
    assert_int_equal(run_tree(&s, ids, line, 5, NULL), LC_ERR_LIMIT);
    stand_down(&s);
    stand_up(&s, "tiny-bidi", LC_PACK_F32, (lc_net_options){.ctx = 12, .kernels = lc_level_at(0)},
             1);
    assert_int_equal(run_tree(&s, ids, line, 3, NULL), LC_OK);
    assert_int_equal(run_tree(&s, ids, fork, 3, NULL), LC_ERR_ARGUMENT);
    assert_int_equal(lc_net_run(s.net, s.g.ids, 2, NULL, NULL), LC_OK);
    assert_int_equal(run_tree(&s, ids, line, 3, NULL), LC_ERR_LIMIT);
    stand_down(&s);
}

/* Those that are wanted have the bits that they have among all. */
static void wanted_are(stand *s, const uint32_t *ids, const float *all, uint32_t count,
                       const uint32_t *wanted)
{
    uint32_t width = s->model.info.width;
    float *some = malloc(TREE * width * sizeof *some);
    states got = {some, width, 0};
    const lc_net_tree tree = {ids, tree_parent, TREE, wanted, count};
    assert_int_equal(lc_net_run_tree(s->net, &tree, take_states, &got), LC_OK);
    assert_int_equal(got.n, count);
    for (uint32_t r = 0; r < count; r++) {
        assert_memory_equal(some + r * width, all + wanted[r] * width, width * sizeof *some);
    }
    free(some);
}

static void what_is_wanted_has_the_bits_it_has_among_all(void **state)
{
    (void)state;
    const uint32_t some[] = {1, 2, 5, 9, 10, 13}, last[] = {13}, first[] = {0};
    const uint32_t twice[] = {4, 4}, beyond[] = {3, TREE};
    for (size_t m = 0; m < CAUSAL; m++) {
        stand s;
        uint32_t ids[TREE];
        float all[TREE * 512];
        stand_up(&s, causal[m], LC_PACK_Q4, (lc_net_options){.ctx = 40, .kernels = lc_level_at(0)},
                 1 + (uint32_t)m % 3);
        for (uint32_t i = 0; i < TREE; i++) {
            ids[i] = (i * 31 + 7) % s.model.info.vocab;
        }
        assert_true(s.model.info.width <= 512);
        states got = {all, s.model.info.width, 0};
        assert_int_equal(lc_net_run(s.net, s.g.ids, PREFIX, NULL, NULL), LC_OK);
        assert_int_equal(run_tree(&s, ids, tree_parent, TREE, &got), LC_OK);
        wanted_are(&s, ids, all, 6, some);
        wanted_are(&s, ids, all, 1, last);
        wanted_are(&s, ids, all, 1, first);
        lc_net_tree wrong = {ids, tree_parent, TREE, twice, 2};
        assert_int_equal(lc_net_run_tree(s.net, &wrong, NULL, NULL), LC_ERR_ARGUMENT);
        wrong.wanted = beyond;
        assert_int_equal(lc_net_run_tree(s.net, &wrong, NULL, NULL), LC_ERR_ARGUMENT);
        stand_down(&s);
    }
}

/* ---- lines ---- */

#define LINES 5u

static const uint32_t line_tokens[LINES] = {7, 1, 24, 3, 16};
#define LINE_TOKENS 51u /* of all */

/* Lines side by side, each a chain of its own. */
static void chains(uint32_t *parent, uint32_t *last)
{
    for (uint32_t i = 0, t = 0; i < LINES; i++) {
        for (uint32_t in = 0; in < line_tokens[i]; in++, t++) {
            parent[t] = in == 0 ? LC_NO_PARENT : t - 1;
        }
        last[i] = t - 1;
    }
}

/* All lines after one prefix in one pass, of each the last token. */
static void lines_are_each_alone(const char *name, lc_pack_type type, uint32_t kv,
                                 const lc_kernels *k, uint32_t threads)
{
    stand s;
    stand_up(&s, name, type, (lc_net_options){.ctx = 60, .kv = kv, .kernels = k}, threads);
    uint32_t width = s.model.info.width, parent[LINE_TOKENS], last[LINES];
    float *all = malloc(LINES * width * sizeof *all), *alone = malloc(width * sizeof *alone);
    states together = {all, width, 0}, one = {alone, width, 0};
    chains(parent, last);
    assert_int_equal(lc_net_run(s.net, s.g.ids, PREFIX, NULL, NULL), LC_OK);
    const uint32_t *ids = s.g.ids + 3;
    const lc_net_tree tree = {ids, parent, LINE_TOKENS, last, LINES};
    assert_int_equal(lc_net_run_tree(s.net, &tree, take_states, &together), LC_OK);
    assert_int_equal(together.n, LINES);
    for (uint32_t i = 0; i < LINES; ids += line_tokens[i++]) {
        assert_int_equal(lc_net_run_last(s.net, ids, line_tokens[i], take_states, &one), LC_OK);
        assert_memory_equal(alone, all + i * width, width * sizeof *alone);
        lc_net_rewind(s.net, PREFIX);
    }
    free(all);
    free(alone);
    stand_down(&s);
}

static void lines_after_a_prefix_give_the_bits_of_each_alone(void **state)
{
    (void)state;
    for (size_t m = 0; m < CAUSAL; m++) {
        for (uint32_t level = 0; level < lc_level_count(); level++) {
            const lc_kernels *k = lc_level_at(level);
            if ((k->needs & ~lc_cpu_features()) == 0) {
                lines_are_each_alone(causal[m], LC_PACK_F32, LC_KV_F32, k, 2);
                lines_are_each_alone(causal[m], LC_PACK_Q4, LC_KV_F16, k, 1 + level % 3);
                lines_are_each_alone(causal[m], LC_PACK_T16, LC_KV_I8, k, 3);
            }
        }
    }
}

/* Texts pooled in one pass, or one by one where the batch holds less. */
static void pooled_together(const char *name, lc_pack_type type, const lc_kernels *k,
                            uint32_t pooling, uint32_t batch)
{
    stand s;
    stand_up(&s, name, type, (lc_net_options){.ctx = 60, .batch = batch, .kernels = k},
             1 + batch % 3);
    uint32_t width = s.model.info.width;
    s.model.info.pooling = pooling;
    float *all = malloc(LINES * width * sizeof *all), *alone = malloc(width * sizeof *alone);
    const uint32_t *ids = s.g.ids + 2;
    assert_int_equal(lc_net_pool_lines(s.net, ids, line_tokens, LINES, all), LC_OK);
    for (uint32_t i = 0; i < LINES; ids += line_tokens[i++]) {
        assert_int_equal(lc_net_pool(s.net, ids, line_tokens[i], alone), LC_OK);
        assert_memory_equal(alone, all + i * width, width * sizeof *alone);
    }
    free(all);
    free(alone);
    stand_down(&s);
}

static void texts_pooled_together_give_the_bits_of_each_alone(void **state)
{
    (void)state;
    static const char *const whole[] = {"tiny-bidi",        "tiny-bert",   "tiny-minilm",
                                        "tiny-modern-bert", "tiny-causal", "tiny-lfm2"};
    for (size_t m = 0; m < sizeof whole / sizeof whole[0]; m++) {
        for (uint32_t level = 0; level < lc_level_count(); level++) {
            const lc_kernels *k = lc_level_at(level);
            for (uint32_t pooling = LC_POOL_MEAN;
                 pooling <= LC_POOL_LAST && (k->needs & ~lc_cpu_features()) == 0; pooling++) {
                pooled_together(whole[m], LC_PACK_F32, k, pooling, 51);
                pooled_together(whole[m], LC_PACK_Q4, k, pooling, 52);
                pooled_together(whole[m], LC_PACK_T16, k, pooling, 20);
            }
        }
    }
}

/* ---- snapshots, chosen rows ---- */

/* What follows a prefix is the same whether it was run or loaded, in any context and batch. */
static void a_snapshot_stands_for_its_tokens(void **state)
{
    (void)state;
    for (size_t m = 0; m < CAUSAL * 3; m++) {
        stand a, b;
        float want[1024], got[1024];
        lc_net_options options = {.ctx = 80, .kv = 1 + (uint32_t)m % 3, .kernels = lc_level_at(0)};
        stand_up(&a, causal[m / 3], LC_PACK_Q4, options, 1);
        options.ctx = 48;
        options.batch = 7;
        stand_up(&b, causal[m / 3], LC_PACK_Q4, options, 1);
        states sa = {want, a.model.info.width, 0}, sb = {got, a.model.info.width, 0};
        assert_int_equal(lc_net_run(a.net, a.g.ids, PREFIX, NULL, NULL), LC_OK);
        size_t bytes = lc_net_snapshot_bytes(a.net, PREFIX);
        uint8_t *snapshot = malloc(bytes);
        lc_net_snapshot_save(a.net, snapshot);
        assert_int_equal(lc_net_snapshot_load(b.net, snapshot, bytes, NULL), LC_OK);
        assert_int_equal(lc_net_position(b.net), PREFIX);
        for (uint32_t i = 0; i < 8; i++) {
            const uint32_t *id = &a.g.ids[PREFIX + i];
            assert_int_equal(lc_net_run(a.net, id, 1, take_states, &sa), LC_OK);
            assert_int_equal(lc_net_run(b.net, id, 1, take_states, &sb), LC_OK);
            assert_memory_equal(got, want, sa.width * sizeof *want);
        }
        free(snapshot);
        stand_down(&a);
        stand_down(&b);
    }
}

/* Every header byte matters, no length but the right one does, and no value can do harm. */
static void check_damage(uint32_t kv)
{
    stand s;
    lc_diag diag;
    stand_up(&s, "tiny-qwen3", LC_PACK_Q4,
             (lc_net_options){.ctx = 24, .kv = kv, .kernels = lc_level_best(lc_cpu_features())}, 1);
    assert_int_equal(lc_net_run(s.net, s.g.ids, PREFIX, NULL, NULL), LC_OK);
    size_t bytes = lc_net_snapshot_bytes(s.net, PREFIX);
    uint8_t *snapshot = malloc(bytes);
    lc_net_snapshot_save(s.net, snapshot);
    for (uint32_t i = 0; i < 48; i++) {
        snapshot[i] ^= 1;
        assert_int_not_equal(lc_net_snapshot_load(s.net, snapshot, bytes, &diag), LC_OK);
        assert_non_null(diag.text);
        assert_int_equal(lc_net_position(s.net), 0);
        snapshot[i] ^= 1;
    }
    for (size_t cut = 0; cut < bytes; cut += cut < 64 ? 1 : bytes / 50) {
        assert_int_equal(lc_net_snapshot_load(s.net, snapshot, cut, &diag), LC_ERR_FORMAT);
    }
    for (uint32_t byte = 0; byte < 256; byte++) { /* NaN, infinities and huge values among them */
        memset(snapshot + 48, (int)byte, bytes - 48);
        assert_int_equal(lc_net_snapshot_load(s.net, snapshot, bytes, &diag), LC_OK);
        lc_err err = lc_net_run(s.net, s.g.ids, 2, NULL, NULL);
        assert_true(err == LC_OK || err == LC_ERR_NUMBER);
    }
    free(snapshot);
    stand_down(&s);
}

static void a_damaged_snapshot_is_refused(void **state)
{
    (void)state;
    check_damage(LC_KV_F32);
    check_damage(LC_KV_F16);
    check_damage(LC_KV_I8);
}

static void chosen_logits_have_the_bits_of_all(void **state)
{
    (void)state;
    const lc_pack_type types[] = {LC_PACK_Q4, LC_PACK_T16, LC_PACK_Q8, LC_PACK_F32};
    for (size_t m = 0; m < CAUSAL * 4; m++) {
        stand s;
        float hidden[1024], all[1024], some[64];
        stand_up(&s, causal[m / 4], types[m % 4],
                 (lc_net_options){.ctx = 48, .kernels = lc_level_best(lc_cpu_features())}, 1);
        states last = {hidden, s.model.info.width, 0};
        uint32_t vocab = s.model.info.vocab, rows[64];
        for (uint32_t i = 0; i < 64; i++) {
            rows[i] = i < 8 ? vocab - 1 - i : i * 29 % vocab;
        }
        assert_true(vocab <= 1024);
        assert_int_equal(lc_net_run_last(s.net, s.g.ids, PREFIX, take_states, &last), LC_OK);
        assert_int_equal(lc_net_logits(s.net, hidden, all), LC_OK);
        assert_int_equal(lc_net_logits_rows(s.net, hidden, rows, 64, some), LC_OK);
        for (uint32_t i = 0; i < 64; i++) {
            assert_memory_equal(&some[i], &all[rows[i]], sizeof some[i]);
        }
        stand_down(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_gives_the_bits_of_its_paths),
        cmocka_unit_test(a_tree_that_is_none_is_refused),
        cmocka_unit_test(what_is_wanted_has_the_bits_it_has_among_all),
        cmocka_unit_test(lines_after_a_prefix_give_the_bits_of_each_alone),
        cmocka_unit_test(texts_pooled_together_give_the_bits_of_each_alone),
        cmocka_unit_test(a_snapshot_stands_for_its_tokens),
        cmocka_unit_test(a_damaged_snapshot_is_refused),
        cmocka_unit_test(chosen_logits_have_the_bits_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
