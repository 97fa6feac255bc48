/* job_tree.c - the tree of a job file, checked key by key and written as section JOB. */
#include "job_tree.h"

#include <stdlib.h>
#include <string.h>

#include "../../runtime/job_parts.h"
#include "../node/order.h"
#include "job_labels.h"
#include "job_policy.h"

#define RULE_ARENA_BYTES (256u << 10) /* one compiled rule, to check it */
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* ---- keys ---- */

static const lc_json_key job_keys[] = {
    {"version", LC_JSON_INTEGER, 1, 1, true, "of this format"},
    {"job", LC_JSON_TEXT, 1, LC_NAME_BYTES_MAX, true, "name of the job"},
    {"ver", LC_JSON_INTEGER, 0, 4294967295.0, true, "version of the job, stands in records"},
    {"tasks", LC_JSON_ARRAY, 1, LC_TASKS_MAX, true, "questions, answered in order"},
    {"kv", LC_JSON_TEXT, 1, 8, false, "keys and values of its models: auto, f16 or i8"},
    {"trend", LC_JSON_OBJECT, 0, 0, false, "task=label: n of m lines before anything acts"},
    {"escalate", LC_JSON_OBJECT, 0, 0, false, "asking a larger model upstream"},
    {"privacy", LC_JSON_OBJECT, 0, 0, false, "what never leaves, what is removed"},
    {"report", LC_JSON_OBJECT, 0, 0, false, "how records are sent"},
    {"drift", LC_JSON_OBJECT, 0, 0, false, "when the input has changed too much"},
};

static const lc_json_key task_keys[] = {
    {"task", LC_JSON_TEXT, 1, LC_NAME_BYTES_MAX, true, "name"},
    {"when", LC_JSON_TEXT, 1, LC_EXPR_BYTES_MAX, false, "condition on earlier tasks"},
    {"labels", LC_JSON_ARRAY, 1, LC_LABELS_MAX, true, "possible answers"},
    {"stages", LC_JSON_ARRAY, 1, LC_STAGES_MAX, true, "cheapest first"},
    {"accept", LC_JSON_OBJECT, 0, 0, false, "what calibration aims at"},
    {"calibration", LC_JSON_OBJECT, 0, 0, false, "what it came to"},
};

static const lc_json_key label_keys[] = {
    {"name", LC_JSON_TEXT, 1, LC_NAME_BYTES_MAX, true, "stands in records"},
    {"text", LC_JSON_TEXT, 0, LC_LABEL_TEXT_BYTES_MAX, false, "for people"},
    {"forms", LC_JSON_ARRAY, 1, 16, false, "words that a model may answer with"},
    {"cost_miss", LC_JSON_REAL, 0, 1e6, false, "of overlooking it"},
    {"needs", LC_JSON_TEXT, 1, 16, false, "evidence: no accept without a rule for it"},
    {"action", LC_JSON_TEXT, 1, LC_LABEL_TEXT_BYTES_MAX, false, "kind:what; kind:what"},
};

static const lc_json_key stage_keys[] = {
    {"id", LC_JSON_TEXT, 1, LC_NAME_BYTES_MAX, true, "stands in records"},
    {"type", LC_JSON_TEXT, 1, 32, true, "rules, head, label_score or verify"},
    {"rules", LC_JSON_ARRAY, 1, LC_RULES_MAX, false, "rules and verify"},
    {"model", LC_JSON_TEXT, 1, 4095, false, "head, label_score: pack, relative to the job file"},
    {"adapter", LC_JSON_TEXT, 1, 4095, false, "of that pack, for this stage"},
    {"file", LC_JSON_TEXT, 1, 4095, false, "what fit wrote"},
    {"prompt", LC_JSON_TEXT, 1, 4095, false, "label_score: text file with {text} in it"},
    {"chat", LC_JSON_BOOL, 0, 0, false, "label_score: prompt as a turn of the model's template"},
};

static const lc_json_key rule_keys[] = {
    {"id", LC_JSON_TEXT, 1, LC_NAME_BYTES_MAX, true, "stands in why"},
    {"if", LC_JSON_TEXT, 1, LC_EXPR_BYTES_MAX, true, "condition"},
    {"label", LC_JSON_TEXT, 1, LC_NAME_BYTES_MAX, true, "answer"},
    {"p", LC_JSON_REAL, 0, 1, true, "its probability"},
};

static const lc_json_key verify_keys[] = {
    {"id", LC_JSON_TEXT, 1, LC_NAME_BYTES_MAX, true, "stands in why"},
    {"if", LC_JSON_TEXT, 1, LC_EXPR_BYTES_MAX, true, "when it objects"},
    {"decision", LC_JSON_TEXT, 1, 16, true, "escalate, defer or reject"},
};

static const lc_json_key accept_keys[] = {
    {"target_precision", LC_JSON_REAL, 0, 1, false, "of accepted answers"},
    {"target_local_share", LC_JSON_REAL, 0, 1, false, "of lines answered here"},
};

static const lc_json_key calibration_keys[] = {
    {"T", LC_JSON_REAL, 0.01, 100, false, "temperature"},
    {"b", LC_JSON_ARRAY, 1, LC_LABELS_MAX, false, "bias of each label"},
    {"t", LC_JSON_REAL, 0, 1, false, "least p that is accepted"},
    {"alpha", LC_JSON_REAL, 0, 1, false, "the conformal set reaches 1 - alpha"},
    {"oos", LC_JSON_OBJECT, 0, 0, false, "out-of-scope fit"},
    {"n", LC_JSON_INTEGER, 0, 4294967295.0, false, "lines it was fitted on"},
    {"set", LC_JSON_TEXT, 64, 64, false, "SHA-256 of those lines"},
};

static const lc_json_key oos_keys[] = {
    {"w", LC_JSON_ARRAY, 2, 2, true, "weights of z_oos - lse and of lse"},
    {"c", LC_JSON_REAL, -1e3, 1e3, true, "offset"},
    {"t", LC_JSON_REAL, 0, 1, true, "out of scope above"},
};

/* ---- the writer ---- */

typedef struct writer {
    lc_json_diag *diag;
    lc_json_path path;
    lc_buf *out; /* the tasks of body */
    lc_job_body *body;
    lc_pack_files *packs;
    const cJSON *tasks;
    size_t task;   /* index of the one being written */
    bool own;      /* rules see its labels */
    bool adapters; /* all stages say which, if any: some name one, or `kv` is not auto */
    void *rule_memory;
} writer;

static lc_err fail(writer *w, const char *what)
{
    return lc_json_fail(w->diag, LC_ERR_FORMAT, w->path.text, "%s", what);
}

static void put_text(writer *w, const char *text)
{
    lc_buf_put_str(w->out, text, strlen(text));
}

static lc_err check(writer *w, const cJSON *object, const lc_json_key *key, size_t count)
{
    return lc_json_check(object, key, count, &w->path, w->diag);
}

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* The text under `key` is a name. */
static lc_err check_name(writer *w, const cJSON *object, const char *key, bool ascii)
{
    const char *name = lc_json_text(object, key, "");
    size_t back = lc_json_path_key(&w->path, key);
    if (!lc_name_valid(lc_str_from(name), ascii)) {
        return fail(w, ascii ? "only letters, digits and _ . - in this name"
                             : "no control characters in this name");
    }
    lc_json_path_back(&w->path, back);
    return LC_OK;
}

static lc_err put_name(writer *w, const cJSON *object, const char *key, bool ascii)
{
    lc_err err = check_name(w, object, key, ascii);
    if (err == LC_OK) {
        put_text(w, lc_json_text(object, key, ""));
    }
    return err;
}

/* No earlier item of the list has the same text under `key`. */
static lc_err check_unique(writer *w, const cJSON *list, const cJSON *item, const char *key)
{
    for (const cJSON *other = list->child; other != item; other = other->next) {
        if (strcmp(lc_json_text(other, key, ""), lc_json_text(item, key, "")) == 0) {
            (void)lc_json_path_key(&w->path, key);
            return lc_json_fail(w->diag, LC_ERR_FORMAT, w->path.text, "stands twice");
        }
    }
    return LC_OK;
}

typedef lc_err item_writer(writer *w, const cJSON *list, const cJSON *item, const void *context);

/* The number of items, then each. `key` is the list's own name, for messages. */
static lc_err put_list(writer *w, const cJSON *list, const char *key, item_writer *put,
                       const void *context)
{
    size_t back = lc_json_path_key(&w->path, key), index = 0;
    lc_buf_put_u16(w->out, (uint16_t)cJSON_GetArraySize(list));
    for (const cJSON *item = list->child; item != NULL; item = item->next) {
        size_t inner = lc_json_path_index(&w->path, index++);
        lc_err err = put(w, list, item, context);
        if (err != LC_OK) {
            return err;
        }
        lc_json_path_back(&w->path, inner);
    }
    lc_json_path_back(&w->path, back);
    return LC_OK;
}

/* ---- labels ---- */

static const cJSON *labels_of(const cJSON *task)
{
    return get(task, "labels");
}

static int label_index(const cJSON *task, const char *name, size_t bytes)
{
    int index = 0;
    for (const cJSON *l = labels_of(task)->child; l != NULL; l = l->next, index++) {
        const char *other = lc_json_text(l, "name", "");
        if (strlen(other) == bytes && memcmp(other, name, bytes) == 0) {
            return index;
        }
    }
    return -1;
}

static lc_err check_forms(writer *w, const cJSON *label)
{
    static const lc_json_key row = {"forms", LC_JSON_TEXT, 1, LC_NAME_BYTES_MAX, false, ""};
    size_t back = lc_json_path_key(&w->path, "forms"), index = 0;
    const cJSON *forms = get(label, "forms");
    for (const cJSON *f = forms != NULL ? forms->child : NULL; f != NULL; f = f->next) {
        size_t inner = lc_json_path_index(&w->path, index++);
        lc_err err = lc_json_check_value(f, &row, &w->path, w->diag);
        if (err != LC_OK) {
            return err;
        }
        lc_json_path_back(&w->path, inner);
    }
    lc_json_path_back(&w->path, back);
    return LC_OK;
}

/* As the daemon will read it. */
static lc_err check_action(writer *w, const char *action)
{
    lc_order order[LC_ORDERS_MAX];
    uint32_t count;
    lc_diag why = {0};
    size_t back = lc_json_path_key(&w->path, "action");
    lc_err err = lc_orders_parse(lc_str_from(action), order, &count, &why);
    if (err != LC_OK) {
        return lc_json_fail(w->diag, err, w->path.text, "at byte %llu: %s",
                            (unsigned long long)why.offset, why.text);
    }
    lc_json_path_back(&w->path, back);
    return LC_OK;
}

static lc_err check_label(writer *w, const cJSON *list, const cJSON *label)
{
    lc_err err = check(w, label, label_keys, COUNT(label_keys));
    if (err == LC_OK) {
        err = check_unique(w, list, label, "name");
    }
    if (err == LC_OK) {
        err = check_forms(w, label);
    }
    if (err == LC_OK) {
        err = check_action(w, lc_json_text(label, "action", ""));
    }
    if (err == LC_OK && strcmp(lc_json_text(label, "needs", "evidence"), "evidence") != 0) {
        (void)lc_json_path_key(&w->path, "needs");
        err = fail(w, "must be evidence");
    }
    if (err == LC_OK && strcmp(lc_json_text(label, "name", ""), "oos") == 0) {
        (void)lc_json_path_key(&w->path, "name");
        err = fail(w, "oos is reserved for out of scope");
    }
    return err;
}

static lc_err put_label(writer *w, const cJSON *list, const cJSON *label, const void *context)
{
    (void)context;
    lc_err err = check_label(w, list, label);
    if (err == LC_OK) {
        err = put_name(w, label, "name", false);
    }
    if (err == LC_OK) {
        put_text(w, lc_json_text(label, "text", ""));
        lc_buf_put_f32(w->out, (float)lc_json_real(label, "cost_miss", 1));
        lc_buf_put_u8(w->out, get(label, "needs") != NULL);
        put_text(w, lc_json_text(label, "action", ""));
    }
    return err;
}

/* ---- rules ---- */

static bool knows_label(void *ctx, lc_str task, lc_str label)
{
    const writer *w = ctx;
    size_t i = 0;
    for (const cJSON *t = w->tasks->child; t != NULL && i <= w->task; t = t->next, i++) {
        bool meant =
            task.bytes == 0
                ? w->own && i == w->task
                : i < w->task && lc_str_equal(task, lc_str_from(lc_json_text(t, "task", "")));
        if (meant) {
            return label_index(t, label.data, label.bytes) >= 0;
        }
    }
    return false;
}

/* Compiles the text under `key` to see whether it is right, and writes the text. */
static lc_err put_expr(writer *w, const cJSON *object, const char *key, bool own)
{
    const char *source = lc_json_text(object, key, "");
    size_t back = lc_json_path_key(&w->path, key);
    lc_expr_scope scope = {knows_label, w};
    lc_diag why = {0};
    lc_arena arena;
    lc_expr *expr;
    w->own = own;
    lc_arena_init(&arena, w->rule_memory, RULE_ARENA_BYTES);
    lc_err err = lc_expr_compile_in(source, (uint32_t)strlen(source), &scope, &arena, &expr, &why);
    if (err != LC_OK) {
        return lc_json_fail(w->diag, err, w->path.text, "at byte %llu: %s",
                            (unsigned long long)why.offset, why.text);
    }
    lc_json_path_back(&w->path, back);
    put_text(w, source);
    return LC_OK;
}

static lc_err put_rule(writer *w, const cJSON *list, const cJSON *rule, const void *task)
{
    lc_err err = check(w, rule, rule_keys, COUNT(rule_keys));
    if (err == LC_OK) {
        err = check_unique(w, list, rule, "id");
    }
    if (err == LC_OK) {
        err = put_name(w, rule, "id", true);
    }
    if (err == LC_OK) {
        err = put_expr(w, rule, "if", true);
    }
    if (err != LC_OK) {
        return err;
    }
    const char *label = lc_json_text(rule, "label", "");
    int index = label_index(task, label, strlen(label));
    if (index < 0) {
        (void)lc_json_path_key(&w->path, "label");
        return fail(w, "the task has no such label");
    }
    lc_buf_put_u16(w->out, (uint16_t)index);
    lc_buf_put_f32(w->out, (float)lc_json_real(rule, "p", 0));
    return LC_OK;
}

static lc_err put_decision(writer *w, const cJSON *rule)
{
    static const char *const decision[] = {"", "escalate", "defer", "reject"}; /* lc_decision */
    for (uint8_t i = LC_ESCALATE; i <= LC_REJECT; i++) {
        if (strcmp(lc_json_text(rule, "decision", ""), decision[i]) == 0) {
            lc_buf_put_u8(w->out, i);
            return LC_OK;
        }
    }
    (void)lc_json_path_key(&w->path, "decision");
    return fail(w, "must be escalate, defer or reject");
}

static lc_err put_verify(writer *w, const cJSON *list, const cJSON *rule, const void *task)
{
    (void)task;
    lc_err err = check(w, rule, verify_keys, COUNT(verify_keys));
    if (err == LC_OK) {
        err = check_unique(w, list, rule, "id");
    }
    if (err == LC_OK) {
        err = put_name(w, rule, "id", true);
    }
    if (err == LC_OK) {
        err = put_expr(w, rule, "if", true);
    }
    return err == LC_OK ? put_decision(w, rule) : err;
}

/* ---- heads ---- */

/* A classification head: the model's, or an adapter's own. */
typedef struct head {
    const lc_str *class_name; /* [classes] */
    uint32_t classes;
} head;

/* The pack of a stage and its adapter, NULL: none, both written. */
static lc_err put_model(writer *w, const cJSON *stage, const lc_model **model,
                        const lc_adapter **adapter)
{
    uint32_t pack = 0, index = LC_JOB_NO_ADAPTER;
    const char *path = lc_json_text(stage, "adapter", NULL);
    size_t back = lc_json_path_key(&w->path, "model");
    lc_err err =
        lc_pack_files_take(w->packs, lc_json_text(stage, "model", ""), w->path.text, &pack);
    lc_json_path_back(&w->path, back);
    if (err == LC_OK && path != NULL) {
        back = lc_json_path_key(&w->path, "adapter");
        err = lc_pack_files_adapter(w->packs, path, pack, w->path.text, &index);
        lc_json_path_back(&w->path, back);
    }
    if (err != LC_OK) {
        return err;
    }
    lc_buf_put_u8(w->out, (uint8_t)pack);
    if (w->adapters) {
        lc_buf_put_u8(w->out, (uint8_t)index);
    }
    *model = &w->packs->pack[pack].model;
    *adapter = path != NULL ? &w->packs->adapter[index].adapter : NULL;
    return LC_OK;
}

/* Each label of the task needs an output of its name; other outputs are unused. */
static lc_err check_outputs(writer *w, const cJSON *task, const head *model)
{
    for (const cJSON *l = labels_of(task)->child; l != NULL; l = l->next) {
        lc_str name = lc_str_from(lc_json_text(l, "name", ""));
        bool found = false;
        for (uint32_t i = 0; i < model->classes && !found; i++) {
            found = lc_str_equal(model->class_name[i], name);
        }
        if (!found) {
            return lc_json_fail(w->diag, LC_ERR_FORMAT, w->path.text,
                                "the model has no output for label %s", name.data);
        }
    }
    return LC_OK;
}

static lc_err put_head(writer *w, const cJSON *task, const cJSON *stage)
{
    const lc_model *model = NULL;
    const lc_adapter *adapter = NULL;
    lc_err err = put_model(w, stage, &model, &adapter);
    if (err != LC_OK) {
        return err;
    }
    head h = {model->class_name, model->info.classes};
    if (adapter != NULL && adapter->classes > 0) {
        h = (head){adapter->class_name, adapter->classes};
    }
    size_t back = lc_json_path_key(&w->path, adapter != NULL ? "adapter" : "model");
    if (h.classes == 0) {
        return fail(w, "this model has no classification head");
    }
    err = check_outputs(w, task, &h);
    if (err != LC_OK) {
        return err;
    }
    lc_buf_put_u16(w->out, (uint16_t)h.classes);
    for (uint32_t i = 0; i < h.classes; i++) {
        lc_str name = h.class_name[i];
        int label = label_index(task, name.data, name.bytes);
        bool oos = lc_str_equal(name, lc_str_from("oos"));
        int class = label >= 0 ? label : oos ? LC_CLASS_OOS : LC_CLASS_UNUSED;
        lc_buf_put_u16(w->out, (uint16_t)(int16_t) class);
    }
    lc_json_path_back(&w->path, back);
    return LC_OK;
}

/* ---- label scores ---- */

static lc_err put_label_score(writer *w, const cJSON *task, const cJSON *stage)
{
    char *prompt = NULL;
    const lc_model *model = NULL;
    const lc_adapter *adapter = NULL;
    lc_err err = put_model(w, stage, &model, &adapter);
    if (err != LC_OK) {
        return err;
    }
    size_t back = lc_json_path_key(&w->path, "prompt");
    err = lc_pack_files_prompt(w->packs, lc_json_text(stage, "prompt", ""), w->path.text, &prompt);
    if (err != LC_OK) {
        return err;
    }
    const lc_job_prompt job = {lc_str_from(prompt), lc_json_bool(stage, "chat", false),
                               labels_of(task)};
    err = lc_job_labels_put(model, adapter, w->body->kv, &job, w->out,
                            &w->body->prefix[w->body->prefix_count++], w->path.text, w->diag);
    free(prompt);
    if (err == LC_OK) {
        lc_json_path_back(&w->path, back);
    }
    return err;
}

/* ---- stages ---- */

static const struct {
    const char *name;
    uint8_t type;        /* lc_stage_type; 0: not in this version */
    const char *keys[4]; /* beside id and type */
    size_t required;     /* of these, the first so many */
} stage_types[] = {
    {"rules", LC_STAGE_RULES, {"rules"}, 1},
    {"head", LC_STAGE_HEAD, {"model", "adapter", "file"}, 1},
    {"verify", LC_STAGE_VERIFY, {"rules"}, 1},
    {"label_score", LC_STAGE_LABEL_SCORE, {"model", "prompt", "adapter", "chat"}, 2},
    {"ngram", 0, {NULL}, 0},
    {"nearest", 0, {NULL}, 0},
    {"extract", 0, {NULL}, 0},
    {"external", 0, {NULL}, 0},
};

static lc_err find_type(writer *w, const cJSON *stage, size_t *row)
{
    const char *type = lc_json_text(stage, "type", "");
    for (*row = 0; *row < COUNT(stage_types); (*row)++) {
        if (strcmp(stage_types[*row].name, type) == 0) {
            if (stage_types[*row].type != 0) {
                return LC_OK;
            }
            (void)lc_json_path_key(&w->path, "type");
            return lc_json_fail(w->diag, LC_ERR_UNSUPPORTED, w->path.text, "%s: not supported yet",
                                type);
        }
    }
    (void)lc_json_path_key(&w->path, "type");
    return fail(w, "unknown type of stage");
}

/* Keys that a stage of another type may have. */
static lc_err check_stage_keys(writer *w, const cJSON *stage, size_t row)
{
    const char *const *keys = stage_types[row].keys;
    for (const cJSON *item = stage->child; item != NULL; item = item->next) {
        bool known = strcmp(item->string, "id") == 0 || strcmp(item->string, "type") == 0;
        for (size_t i = 0; i < COUNT(stage_types[row].keys) && keys[i] != NULL; i++) {
            known = known || strcmp(item->string, keys[i]) == 0;
        }
        if (!known) {
            (void)lc_json_path_key(&w->path, item->string);
            return fail(w, "not a key of this type of stage");
        }
    }
    for (size_t i = 0; i < stage_types[row].required; i++) {
        if (get(stage, keys[i]) == NULL) {
            (void)lc_json_path_key(&w->path, keys[i]);
            return fail(w, "is missing");
        }
    }
    if (get(stage, "file") != NULL) {
        (void)lc_json_path_key(&w->path, "file");
        return lc_json_fail(w->diag, LC_ERR_UNSUPPORTED, w->path.text, "not supported yet");
    }
    return LC_OK;
}

static lc_err put_stage(writer *w, const cJSON *list, const cJSON *stage, const void *task)
{
    size_t row = 0;
    lc_err err = check(w, stage, stage_keys, COUNT(stage_keys));
    if (err == LC_OK) {
        err = find_type(w, stage, &row);
    }
    if (err == LC_OK) {
        err = check_stage_keys(w, stage, row);
    }
    if (err == LC_OK) {
        err = check_unique(w, list, stage, "id");
    }
    if (err == LC_OK) {
        err = put_name(w, stage, "id", true);
    }
    if (err != LC_OK) {
        return err;
    }
    lc_buf_put_u8(w->out, stage_types[row].type);
    if (stage_types[row].type == LC_STAGE_HEAD) {
        return put_head(w, task, stage);
    }
    if (stage_types[row].type == LC_STAGE_LABEL_SCORE) {
        return put_label_score(w, task, stage);
    }
    bool rules = stage_types[row].type == LC_STAGE_RULES;
    return put_list(w, get(stage, "rules"), "rules", rules ? put_rule : put_verify, task);
}

/* ---- calibration ---- */

static lc_err put_reals(writer *w, const cJSON *list, const char *key, size_t count, double most)
{
    const lc_json_key row = {key, LC_JSON_REAL, -most, most, false, ""};
    size_t back = lc_json_path_key(&w->path, key), index = 0;
    if ((size_t)cJSON_GetArraySize(list) != count) {
        return lc_json_fail(w->diag, LC_ERR_FORMAT, w->path.text, "must have %zu items", count);
    }
    for (const cJSON *item = list->child; item != NULL; item = item->next) {
        size_t inner = lc_json_path_index(&w->path, index++);
        lc_err err = lc_json_check_value(item, &row, &w->path, w->diag);
        if (err != LC_OK) {
            return err;
        }
        lc_json_path_back(&w->path, inner);
        lc_buf_put_f32(w->out, (float)item->valuedouble);
    }
    lc_json_path_back(&w->path, back);
    return LC_OK;
}

static lc_err put_bias(writer *w, const cJSON *calibration, size_t labels)
{
    const cJSON *b = get(calibration, "b");
    if (b != NULL) {
        return put_reals(w, b, "b", labels, 1e3);
    }
    for (size_t i = 0; i < labels; i++) {
        lc_buf_put_f32(w->out, 0);
    }
    return LC_OK;
}

/* u8 present, then w0, w1, c, t; zeros when absent. */
static lc_err put_oos(writer *w, const cJSON *calibration)
{
    const cJSON *oos = get(calibration, "oos");
    lc_buf_put_u8(w->out, oos != NULL);
    if (oos == NULL) {
        for (int i = 0; i < 4; i++) {
            lc_buf_put_f32(w->out, 0);
        }
        return LC_OK;
    }
    size_t back = lc_json_path_key(&w->path, "oos");
    lc_err err = check(w, oos, oos_keys, COUNT(oos_keys));
    if (err == LC_OK) {
        err = put_reals(w, get(oos, "w"), "w", 2, 1e3);
    }
    lc_buf_put_f32(w->out, (float)lc_json_real(oos, "c", 0));
    lc_buf_put_f32(w->out, (float)lc_json_real(oos, "t", 0));
    if (err == LC_OK) {
        lc_json_path_back(&w->path, back);
    }
    return err;
}

static lc_err put_set(writer *w, const cJSON *calibration)
{
    const char *hex = lc_json_text(calibration, "set", NULL);
    for (size_t i = 0; i < 32; i++) {
        static const char digits[] = "0123456789abcdef";
        uint8_t byte = 0;
        for (size_t k = 0; hex != NULL && k < 2; k++) {
            const char *digit = strchr(digits, hex[2 * i + k]);
            if (digit == NULL) {
                (void)lc_json_path_key(&w->path, "set");
                return fail(w, "must be 64 digits 0-9 a-f");
            }
            byte = (uint8_t)(byte * 16 + (digit - digits));
        }
        lc_buf_put_u8(w->out, byte);
    }
    return LC_OK;
}

static lc_err put_calibration(writer *w, const cJSON *task, size_t labels)
{
    const cJSON *c = get(task, "calibration");
    size_t back = lc_json_path_key(&w->path, "calibration");
    lc_err err = c != NULL ? check(w, c, calibration_keys, COUNT(calibration_keys)) : LC_OK;
    lc_buf_put_f32(w->out, (float)lc_json_real(c, "T", 1));
    if (err == LC_OK) {
        err = put_bias(w, c, labels);
    }
    lc_buf_put_f32(w->out, (float)lc_json_real(c, "t", 0.5));
    lc_buf_put_f32(w->out, (float)lc_json_real(c, "alpha", 0.05));
    if (err == LC_OK) {
        err = put_oos(w, c);
    }
    lc_buf_put_u32(w->out, (uint32_t)lc_json_real(c, "n", 0));
    if (err == LC_OK) {
        err = put_set(w, c);
    }
    if (err == LC_OK) {
        lc_json_path_back(&w->path, back);
    }
    return err;
}

static lc_err put_accept(writer *w, const cJSON *task)
{
    const cJSON *accept = get(task, "accept");
    size_t back = lc_json_path_key(&w->path, "accept");
    lc_err err = accept != NULL ? check(w, accept, accept_keys, COUNT(accept_keys)) : LC_OK;
    lc_buf_put_f32(w->out, (float)lc_json_real(accept, "target_precision", 0));
    lc_buf_put_f32(w->out, (float)lc_json_real(accept, "target_local_share", 0));
    if (err == LC_OK) {
        lc_json_path_back(&w->path, back);
    }
    return err;
}

/* ---- tasks ---- */

static lc_err put_task(writer *w, const cJSON *list, const cJSON *task, const void *context)
{
    (void)context;
    lc_err err = check(w, task, task_keys, COUNT(task_keys));
    if (err == LC_OK) {
        err = check_unique(w, list, task, "task");
    }
    if (err == LC_OK) {
        err = put_name(w, task, "task", true);
    }
    if (err == LC_OK && get(task, "when") != NULL) {
        err = put_expr(w, task, "when", false);
    } else {
        put_text(w, "");
    }
    if (err == LC_OK) {
        err = put_list(w, labels_of(task), "labels", put_label, NULL);
    }
    if (err == LC_OK) {
        err = put_list(w, get(task, "stages"), "stages", put_stage, task);
    }
    if (err == LC_OK) {
        err = put_calibration(w, task, lc_json_count(task, "labels"));
    }
    if (err == LC_OK) {
        err = put_accept(w, task);
    }
    w->task++;
    return err;
}

/* ---- the whole ---- */

void lc_job_body_free(lc_job_body *body)
{
    lc_buf_free(&body->tasks);
    for (uint32_t i = 0; i < body->prefix_count; i++) {
        lc_buf_free(&body->prefix[i]);
    }
}

/* In a tree that is not checked yet. */
static bool names_adapters(const cJSON *job)
{
    const cJSON *tasks = get(job, "tasks");
    for (const cJSON *t = tasks != NULL ? tasks->child : NULL; t != NULL; t = t->next) {
        const cJSON *stages = get(t, "stages");
        for (const cJSON *s = stages != NULL ? stages->child : NULL; s != NULL; s = s->next) {
            if (get(s, "adapter") != NULL) {
                return true;
            }
        }
    }
    return false;
}

static lc_err read_kv(writer *w, const cJSON *job)
{
    const char *kind = lc_json_text(job, "kv", "auto");
    bool f16 = strcmp(kind, "f16") == 0, i8 = strcmp(kind, "i8") == 0;
    if (!f16 && !i8 && strcmp(kind, "auto") != 0) {
        return lc_json_fail(w->diag, LC_ERR_FORMAT, "kv", "%s is none of auto, f16 and i8", kind);
    }
    w->body->kv = f16 ? LC_KV_F16 : i8 ? LC_KV_I8 : LC_KV_AUTO;
    return LC_OK;
}

lc_err lc_job_tree_put(const cJSON *job, lc_pack_files *packs, lc_job_body *body,
                       lc_json_diag *diag)
{
    writer w = {.diag = diag, .out = &body->tasks, .body = body, .packs = packs};
    lc_err err = check(&w, job, job_keys, COUNT(job_keys));
    if (err == LC_OK) {
        err = check_name(&w, job, "job", true);
    }
    if (err == LC_OK) {
        err = read_kv(&w, job);
    }
    if (err != LC_OK) {
        return err;
    }
    w.rule_memory = aligned_alloc(LC_ARENA_ALIGN, RULE_ARENA_BYTES);
    if (w.rule_memory == NULL) {
        return lc_json_fail(diag, LC_ERR_ARENA, "", "out of memory");
    }
    w.tasks = get(job, "tasks");
    w.adapters = names_adapters(job) || body->kv != LC_KV_AUTO;
    err = put_list(&w, w.tasks, "tasks", put_task, NULL);
    free(w.rule_memory);
    return err == LC_OK ? lc_job_policy_put(job, &body->tasks, diag) : err;
}
