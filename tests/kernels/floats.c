/* floats.c - float operations: every level gives the bits of ref. */
#include "harness.h"
#include "suite.h"

enum { FLOATS_MAX = 1 << 16 };

static guard g_x, g_y, g_z, g_out;
static float want[FLOATS_MAX], input[FLOATS_MAX];

static const uint32_t sizes[] = {1, 2, 3, 4, 5, 6, 7, 8, 31, 32, 33, 64, 172, 173, 1024, 4099};
enum { SIZE_COUNT = sizeof sizes / sizeof sizes[0] };

static float *place_random(guard *g, uint32_t n, float size)
{
    float *x = guard_place(g, n * sizeof *x, 0);
    for (uint32_t i = 0; i < n; i++)
        x[i] = random_float(size);
    return x;
}

static const lc_kernels *ref(void)
{
    return lc_level_at(0);
}

/* ---- norms and addition ---- */

static void check_norms(uint32_t l, uint32_t n, bool layer, bool in_place)
{
    const lc_kernels *k = lc_level_at(l);
    float size = random_u64() & 1 ? 3.0f : 1e-6f;
    float *x = place_random(&g_x, n, size);
    float *gain = place_random(&g_y, n, 2.0f);
    float *bias = place_random(&g_z, n, 1.0f);
    float *y = in_place ? x : place_random(&g_out, n, 1.0f);
    memcpy(input, x, n * sizeof *x);
    op_case("n %u layer %d in place %d", n, layer, in_place);
    if (layer) {
        ref()->layernorm(input, gain, bias, n, 1e-5f, want);
        k->layernorm(x, gain, bias, n, 1e-5f, y);
    } else {
        ref()->rmsnorm(input, gain, n, 1e-5f, want);
        k->rmsnorm(x, gain, n, 1e-5f, y);
    }
    op_same(l, y, want, n * sizeof *y);
    op_true(l, guard_intact(in_place ? &g_x : &g_out), "wrote outside y");
}

static void op_norms(void)
{
    for (int layer = 0; layer < 2; layer++) {
        op_begin(layer ? "layernorm" : "rmsnorm");
        for (uint32_t l = 1; l < lc_level_count(); l++)
            for (uint32_t i = 0; level_runs(l) && i < SIZE_COUNT; i++)
                for (int repeat = 0; repeat < 4; repeat++)
                    check_norms(l, sizes[i], layer, repeat & 1);
        op_end();
    }
}

static void op_add(void)
{
    op_begin("add");
    for (uint32_t l = 1; l < lc_level_count(); l++) {
        for (uint32_t i = 0; level_runs(l) && i < SIZE_COUNT; i++) {
            uint32_t n = sizes[i];
            float *x = place_random(&g_x, n, 1.0f);
            float *y = place_random(&g_y, n, 1e3f);
            memcpy(want, y, n * sizeof *y);
            op_case("n %u", n);
            ref()->add(want, x, n);
            lc_level_at(l)->add(y, x, n);
            op_same(l, y, want, n * sizeof *y);
            op_true(l, guard_intact(&g_y), "wrote outside y");
        }
    }
    op_end();
}

/* ---- softmax and gates ---- */

static void check_softmax(uint32_t l, uint32_t n, float size)
{
    float *x = place_random(&g_x, n, size);
    for (uint32_t i = 0; i < n; i += 5)
        x[i] = size > 1.0f ? x[i] : i % 2 ? 0.0f : -0.0f;
    memcpy(want, x, n * sizeof *x);
    op_case("n %u size %g", n, (double)size);
    ref()->softmax(want, n);
    lc_level_at(l)->softmax(x, n);
    op_same(l, x, want, n * sizeof *x);
    op_true(l, guard_intact(&g_x), "wrote outside x");
}

static void op_softmax(void)
{
    static const float size[] = {0.0f, 1.0f, 10.0f, 80.0f, 1e4f, 1e30f};
    op_begin("softmax");
    for (uint32_t l = 1; l < lc_level_count(); l++)
        for (uint32_t i = 0; level_runs(l) && i < SIZE_COUNT; i++)
            for (uint32_t j = 0; j < sizeof size / sizeof size[0]; j++)
                check_softmax(l, sizes[i], size[j]);
    op_end();
}

static void check_act(uint32_t l, lc_act_kind kind, uint32_t n, float size, int how)
{
    float *gate = place_random(&g_x, n, size);
    float *up = how & 1 ? place_random(&g_y, n, 4.0f) : NULL;
    float *y = how & 2 ? gate : place_random(&g_out, n, 1.0f);
    memcpy(input, gate, n * sizeof *gate);
    op_case("n %u kind %d size %g up %d in place %d", n, (int)kind, (double)size, how & 1,
            how >> 1);
    ref()->act_mul(kind, input, up, n, want);
    lc_level_at(l)->act_mul(kind, gate, up, n, y);
    op_same(l, y, want, n * sizeof *y);
    op_true(l, guard_intact(how & 2 ? &g_x : &g_out), "wrote outside y");
}

static void op_acts(void)
{
    static const char *const names[] = {"silu", "gelu_tanh", "gelu_erf"};
    static const float size[] = {1.0f, 20.0f, 200.0f, 1e30f};
    for (uint32_t kind = 0; kind < 3; kind++) {
        op_begin(names[kind]);
        for (uint32_t l = 1; l < lc_level_count(); l++)
            for (uint32_t i = 0; level_runs(l) && i < SIZE_COUNT; i++)
                for (int how = 0; how < 16; how++)
                    check_act(l, (lc_act_kind)kind, sizes[i], size[how / 4], how % 4);
        op_end();
    }
}

/* ---- rope ---- */

static void check_rope(uint32_t l, uint32_t heads, uint32_t head_dim, uint32_t dims, bool neox)
{
    uint32_t n = heads * head_dim;
    float *x = place_random(&g_x, n, 3.0f);
    float *rot = place_random(&g_y, dims, 1.0f);
    memcpy(want, x, n * sizeof *x);
    op_case("heads %u head_dim %u dims %u neox %d", heads, head_dim, dims, neox);
    ref()->rope(want, heads, head_dim, dims, rot, neox);
    lc_level_at(l)->rope(x, heads, head_dim, dims, rot, neox);
    op_same(l, x, want, n * sizeof *x);
    op_true(l, guard_intact(&g_x), "wrote outside x");
}

static void op_rope(void)
{
    static const uint32_t head_dims[] = {2, 4, 6, 8, 10, 18, 32, 64, 80, 128};
    op_begin("rope");
    for (uint32_t l = 1; l < lc_level_count(); l++)
        for (uint32_t i = 0; level_runs(l) && i < sizeof head_dims / sizeof head_dims[0]; i++)
            for (uint32_t heads = 1; heads <= 5; heads += 2)
                for (uint32_t dims = 2; dims <= head_dims[i]; dims += dims < 12 ? 2 : 10)
                    for (int neox = 0; neox < 2; neox++)
                        check_rope(l, heads, head_dims[i], dims, neox);
    op_end();
}

void suite_floats(void)
{
    guard_open(&g_x, FLOATS_MAX * sizeof(float));
    guard_open(&g_y, FLOATS_MAX * sizeof(float));
    guard_open(&g_z, FLOATS_MAX * sizeof(float));
    guard_open(&g_out, FLOATS_MAX * sizeof(float));
    op_norms();
    op_add();
    op_softmax();
    op_acts();
    op_rope();
}
