/* job_prompt.h - prompt and label forms of a `label_score` stage, as tokens of its model. For
 * job_labels.c.
 *
 * A prompt is text with `{text}` once, where the line goes; `{labels}` becomes the first form of
 * each label, with commas. One line end at its end is dropped. A blank before `{text}` belongs to
 * the line and a blank at the end to the forms, as models have learned it. Everything is encoded as
 * plain text, in parts: nothing in it can become a special token. With `chat` the prompt is a
 * user's turn of the model's template, which brings the special tokens.
 */
#ifndef LC_JOB_PROMPT_H
#define LC_JOB_PROMPT_H

#include "../../runtime/labels.h"
#include "json.h"
#include "leaf_write.h"

#define LC_PROMPT_BYTES_MAX 65536u

/* A list of tokens on the heap. */
typedef struct lc_ids {
    uint32_t *id; /* [count] */
    uint32_t count;
} lc_ids;

typedef struct lc_job_prompt {
    lc_str text; /* of the prompt file */
    bool chat;
    const cJSON *labels; /* of the task, checked */
} lc_job_prompt;

/* lc_job_prompt_put - appends the stage as section JOB has it, from the flag `blank` to the trie.
 *
 *   prefix   the tokens before the line, freed by the caller also on error
 *
 * Errors: FORMAT, LIMIT, NOT_FOUND (no template), ARENA; the message stands under `path`.
 */
lc_err lc_job_prompt_put(const lc_model *model, const lc_job_prompt *job, lc_buf *out,
                         lc_ids *prefix, const char *path, lc_json_diag *diag) LC_CHECKED;

#endif
