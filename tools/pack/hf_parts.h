/* hf_parts.h - what the parts of the reader of Hugging Face folders share. */
#ifndef LC_HF_PARTS_H
#define LC_HF_PARTS_H

#include "../../board/linux/json.h"
#include "../../runtime/arch.h"
#include "hf.h"

#define LC_HF_CONFIG "config.json"
#define LC_HF_TOKENIZER "tokenizer.json"
#define LC_HF_TOKENIZER_CONFIG "tokenizer_config.json"
#define LC_HF_SPECIAL "special_tokens_map.json"
#define LC_HF_VOCAB "vocab.txt"
#define LC_HF_INDEX "model.safetensors.index.json"
#define LC_HF_WEIGHTS "model.safetensors"
#define LC_HF_MODULES "modules.json"
#define LC_HF_CHAT "chat_template.jinja"

typedef enum lc_hf_head {
    LC_HF_BARE,   /* the network alone */
    LC_HF_LM,     /* with an output head over the vocabulary */
    LC_HF_MASKED, /* with a head for masked words, which is left out */
    LC_HF_SCORES  /* with a classification head */
} lc_hf_head;

/* A class of Transformers. */
typedef struct lc_hf_class {
    const char *name; /* in config.json, architectures */
    lc_arch_id arch;
    lc_hf_head head;
} lc_hf_class;

/* One translation. */
typedef struct lc_hf_read {
    lc_hf *hf;
    const lc_hf_class *model;
    const lc_arch *arch;
    cJSON *config;
    bool tied;   /* no output head of its own */
    lc_buf body; /* key-values as GGUF writes them */
    uint64_t keys;
    lc_diag *diag;
} lc_hf_read;

/* An error in a file: `path: text` in diag, the file in hf->where. */
lc_err lc_hf_fail(lc_hf_read *r, const char *file, lc_err err, const char *path, const char *format,
                  ...) __attribute__((format(printf, 5, 6)));
const lc_hf_file *lc_hf_find(const lc_hf *hf, const char *name); /* NULL: not there */
/* Strict JSON, an object, no key of the outermost twice. NOT_FOUND: no such file. */
lc_err lc_hf_json(lc_hf_read *r, const char *name, cJSON **tree) LC_CHECKED;
lc_err lc_hf_unique(lc_hf_read *r, const char *file, const char *path,
                    const cJSON *object) LC_CHECKED;
/* NULL when absent or null. */
const cJSON *lc_hf_get(const cJSON *object, const char *key);
bool lc_hf_whole(const cJSON *item, uint32_t *value);

/* ---- key-values ---- */

void lc_hf_put_u32(lc_hf_read *r, const char *key, uint32_t value);
void lc_hf_put_f32(lc_hf_read *r, const char *key, double value);
void lc_hf_put_bool(lc_hf_read *r, const char *key, bool value);
void lc_hf_put_str(lc_hf_read *r, const char *key, const char *value);
void lc_hf_put_bytes(lc_hf_read *r, const char *key, const char *text, size_t bytes);
/* An array: its head, then count values by the caller. */
void lc_hf_put_array(lc_hf_read *r, const char *key, uint32_t elem_type, uint64_t count);
void lc_hf_put_text(lc_hf_read *r, const char *text, size_t bytes); /* one of an array's */
/* "<arch>.<name>" */
const char *lc_hf_key(const lc_hf_read *r, const char *name, char key[96]);

uint32_t lc_hf_head_size(const lc_hf_read *r); /* 0: not to be known */

/* ---- the parts ---- */

lc_err lc_hf_config(lc_hf_read *r) LC_CHECKED;    /* config.json and pooling */
lc_err lc_hf_tokenizer(lc_hf_read *r) LC_CHECKED; /* tokenizer.json or vocab.txt */
lc_err lc_hf_tensors(lc_hf_read *r) LC_CHECKED;   /* after the keys: fills hf->g */

/* Names in config.json, checkpoint for names in GGUF; false: none known. */
bool lc_hf_config_name(const char *ours, char theirs[LC_HF_NAME_MAX]);
bool lc_hf_tensor_name(uint32_t arch, const char *ours, char theirs[LC_HF_NAME_MAX]);
bool lc_hf_tokenizer_name(const char *ours, char theirs[LC_HF_NAME_MAX]);

#endif
