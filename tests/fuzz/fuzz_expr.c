/* fuzz_expr.c - rule expressions: compile hostile text, evaluate what compiles. */
#include <string.h>

#include "../../runtime/expr.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = {"tests/fuzz/corpus/expr/*", NULL};

static lc_str task_label(void *ctx, lc_str task)
{
    (void)ctx;
    return task.bytes & 1 ? lc_str_from("normal") : lc_str_from("");
}

static void evaluate(const lc_expr *expr)
{
    static const char text[] = "P2 vib 7.9 mm/s, temp 81 C, state=open, oil 3 bar, burning smell";
    static lc_facts facts;
    lc_facts_find(text, sizeof text - 1, &facts);
    lc_expr_env env = {.text = text,
                       .bytes = sizeof text - 1,
                       .facts = &facts,
                       .label = lc_str_from("leak"),
                       .p = 0.5f,
                       .oos = 0.25f,
                       .task_label = task_label};
    int32_t evidence = -1;
    bool first = lc_expr_eval(expr, &env, &evidence);
    fuzz_expect(evidence >= -1 && evidence < (int32_t)facts.count, "evidence is a fact");
    fuzz_expect(first == lc_expr_eval(expr, &env, NULL), "the same answer again");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    lc_arena state = fuzz_arena(0, (size_t)1 << 20), measure;
    lc_diag diag = {0};
    lc_expr *expr, *unused;
    lc_arena_measure(&measure);
    lc_err planned = lc_expr_compile((const char *)data, (uint32_t)bytes, &measure, &unused, NULL);
    lc_err err = lc_expr_compile((const char *)data, (uint32_t)bytes, &state, &expr, &diag);
    fuzz_expect(planned == err || err == LC_ERR_ARENA, "planning and compiling agree");
    if (err == LC_OK) {
        fuzz_expect(measure.used == state.used, "an expression takes what was planned");
        evaluate(expr);
    } else {
        fuzz_expect(diag.text && diag.offset <= bytes, "a refusal says where and why");
    }
    return 0;
}
