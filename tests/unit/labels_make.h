/* labels_make.h - bundles with label_score stages around one pack and its adapters, for tests. */
#ifndef LABELS_MAKE_H
#define LABELS_MAKE_H

#include "../../board/linux/job_json.h"
#include "../../runtime/leafcutter.h"
#include "../../tools/pack/pack.h"

#define FOLDER "models/golden/"
#define ARENA_BYTES (8u << 20)

#define STAGE "{\"id\":\"s\",\"type\":\"label_score\",\"model\":\"m.leaf\",\"prompt\":\"p.txt\"}"
#define TASK(name, labels, stages)                                                                 \
    "{\"task\":\"" name "\",\"labels\":[" labels "],\"stages\":[" stages "]}"
#define JOB(tasks) "{\"version\":1,\"job\":\"j\",\"ver\":1,\"tasks\":[" tasks "]}"
#define RED "{\"name\":\"red\"},"
#define THREE RED "{\"name\":\"rest\"},{\"name\":\"blue\"}"

/* Before and after all tests: a folder for the files below. */
int labels_set_up(void **state);
int labels_clean_up(void **state);

/* The pack that m.leaf is from now on: of a GGUF in memory or at a path. */
void labels_pack_from(const void *file, size_t bytes, lc_pack_type type);
void labels_pack(const char *gguf_path, lc_pack_type type);
extern lc_object labels_object;
/* Adapter number i, a0.leaf or a1.leaf, of that pack: from models/golden/adapters/NAME.gguf. */
void labels_adapter(uint32_t i, const char *name);
/* The same merged into a pack of that GGUF, which m.leaf is from now on. */
void labels_pack_merged(const char *gguf_path, lc_pack_type type, const char *name);
/* Finds all of these; ctx: NULL. */
lc_err labels_find(void *ctx, const uint8_t root[32], lc_object *object);

void *labels_memory(size_t bytes); /* aligned zeros, to be freed */
void labels_free(lc_object *object);

/* Job text, with p.txt as given, to a bundle; the second fails the test when it does not build. */
lc_err labels_build(const char *json, const char *prompt, lc_buf *out, lc_json_diag *diag);
lc_object labels_bundle(const char *json, const char *prompt);

/* A job opened on arenas of exactly the planned size. */
typedef struct labels_made {
    lc_object bundle;
    lc_job_options options;
    lc_arena state, scratch;
    void *memory[2];
    lc_job *job;
    lc_answer answers[LC_TASKS_MAX];
} labels_made;

lc_job_options labels_options(void); /* plain C, alone */
void labels_open(labels_made *m, lc_object bundle, const lc_job_options *options);
void labels_close(labels_made *m); /* frees the bundle, too */
/* One line; the answer of the first task. */
const lc_answer *labels_run(labels_made *m, const char *text);

#endif
