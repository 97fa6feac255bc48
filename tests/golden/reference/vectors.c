/* vectors.c - sentence vectors of an encoder pack: lines in, float32 [lines][width] out.
 *
 *   vectors PACK [LEVEL] < lines > vectors.f32      milliseconds and tokens on stderr
 *
 * For measurements by sentences.py; not part of the tool.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../../board/linux/cpu.h"
#include "../../../board/linux/map.h"
#include "../../../runtime/net.h"

#define CTX 512u

typedef struct encoder {
    lc_map file;
    lc_model model;
    lc_net *net;
    lc_arena state, scratch, text;
} encoder;

static void arena_open(lc_arena *arena, size_t bytes)
{
    void *memory = aligned_alloc(LC_ARENA_ALIGN, LC_ROUND_UP(bytes + 1, LC_ARENA_ALIGN));
    if (memory == NULL) {
        exit(1);
    }
    lc_arena_init(arena, memory, bytes);
}

static void must(lc_err err, const lc_diag *diag)
{
    if (err != LC_OK) {
        fprintf(stderr, "vectors: %s: %s\n", lc_err_text(err), diag->text ? diag->text : "");
        exit(1);
    }
}

static void encoder_open(encoder *e, const char *path, const char *level)
{
    lc_diag diag = {0};
    lc_arena state, scratch;
    lc_net_options options = {.kernels = lc_level_best(lc_cpu_features())};
    if (level != NULL && lc_level_find(level) != NULL) {
        options.kernels = lc_level_find(level);
    }
    must(lc_map_open(path, &e->file), &diag);
    lc_arena_measure(&state);
    lc_arena_measure(&scratch);
    must(lc_model_open(e->file.data, e->file.bytes, &state, &e->model, &diag), &diag);
    options.ctx = e->model.info.ctx < CTX ? e->model.info.ctx : CTX;
    must(lc_net_init(&e->model, &options, &state, &scratch, &e->net, &diag), &diag);
    arena_open(&e->state, state.peak);
    arena_open(&e->scratch, scratch.peak);
    arena_open(&e->text, 1u << 20);
    must(lc_model_open(e->file.data, e->file.bytes, &e->state, &e->model, &diag), &diag);
    must(lc_net_init(&e->model, &options, &e->state, &e->scratch, &e->net, &diag), &diag);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

int main(int argc, char **argv)
{
    static uint32_t ids[CTX];
    static float pooled[LC_WIDTH_MAX];
    encoder e;
    char *line = NULL;
    size_t room = 0;
    double spent = 0.0;
    uint64_t tokens = 0, lines = 0;
    if (argc < 2) {
        return 2;
    }
    encoder_open(&e, argv[1], argc > 2 ? argv[2] : NULL);
    for (ssize_t n = getline(&line, &room, stdin); n > 0; n = getline(&line, &room, stdin)) {
        uint32_t count;
        bool cut;
        lc_diag diag = {0};
        n -= line[n - 1] == '\n';
        double start = now();
        must(lc_tok_encode(&e.model.tok, line, (size_t)n, true, &e.text, ids, CTX, &count, &cut),
             &diag);
        must(lc_net_pool(e.net, ids, count, pooled), &diag);
        spent += now() - start;
        tokens += count;
        lines++;
        if (fwrite(pooled, sizeof *pooled, e.model.info.width, stdout) != e.model.info.width) {
            return 1;
        }
    }
    fprintf(stderr, "%.2f ms a line, %.1f tokens a line, %.0f tokens a second\n",
            spent / (double)lines, (double)tokens / (double)lines, (double)tokens / spent * 1e3);
    return 0;
}
