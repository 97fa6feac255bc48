/* reply.c - plain completions, streamed ones, and the answer inside. */
#include "reply.h"

#include <stdlib.h>
#include <string.h>

static const cJSON *part(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static void usage_read(const cJSON *tree, lc_completion *out)
{
    const cJSON *usage = part(tree, "usage");
    double in = lc_json_real(usage, "prompt_tokens", 0.0);
    double made = lc_json_real(usage, "completion_tokens", 0.0);
    if (in >= 0 && in < 1e9 && made >= 0 && made < 1e9 && in + made > 0) {
        out->tokens_in = (uint32_t)in;
        out->tokens_out = (uint32_t)made;
    }
}

static lc_err content_add(lc_completion *out, const char *text)
{
    size_t bytes = strlen(text);
    char *more = realloc(out->content, out->bytes + bytes + 1);
    if (!more) {
        return LC_ERR_ARENA;
    }
    memcpy(more + out->bytes, text, bytes + 1);
    out->content = more;
    out->bytes += bytes;
    return LC_OK;
}

/* One object: a whole completion (part `message`) or a piece of a streamed one (part `delta`). */
static lc_err object_take(const char *json, size_t bytes, const char *kind, lc_completion *out,
                          lc_json_diag *diag)
{
    cJSON *tree = NULL;
    lc_err err = lc_json_parse(json, bytes, LC_JSON_NO_NUL, &tree, diag);
    if (err == LC_OK && (!cJSON_IsObject(tree) || part(tree, "error"))) {
        err = lc_json_fail(diag, LC_ERR_FORMAT, "", "no completion");
    }
    if (err == LC_OK) {
        const cJSON *choice = cJSON_GetArrayItem(part(tree, "choices"), 0);
        const char *text = lc_json_text(part(choice, kind), "content", NULL);
        usage_read(tree, out);
        out->whole = out->whole || cJSON_IsString(part(choice, "finish_reason"));
        err = text ? content_add(out, text) : LC_OK;
    }
    cJSON_Delete(tree);
    return err;
}

/* Lines `data: {...}`, the last one `data: [DONE]`; all others say nothing to us. */
static lc_err stream_read(const char *body, size_t bytes, lc_completion *out, lc_json_diag *diag)
{
    const char *end = body + bytes;
    for (const char *at = body; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end) {
            return LC_OK; /* cut within a line: what went before says whether that is all */
        }
        size_t length = (size_t)(line_end - at);
        length -= length > 0 && at[length - 1] == '\r';
        if (length >= 5 && memcmp(at, "data:", 5) == 0) {
            size_t skip = length > 5 && at[5] == ' ' ? 6 : 5;
            if (length - skip == 6 && memcmp(at + skip, "[DONE]", 6) == 0) {
                out->whole = true;
                return LC_OK;
            }
            lc_err err = object_take(at + skip, length - skip, "delta", out, diag);
            if (err != LC_OK) {
                return err;
            }
        }
        at = line_end + 1;
    }
    return LC_OK;
}

lc_err lc_completion_read(const char *body, size_t bytes, bool stream, lc_completion *out,
                          lc_json_diag *diag)
{
    *out = (lc_completion){0};
    lc_err err = stream ? stream_read(body, bytes, out, diag)
                        : object_take(body, bytes, "message", out, diag);
    if (!stream) {
        out->whole = err == LC_OK;
    }
    if (err == LC_OK && out->whole && !out->content) {
        err = lc_json_fail(diag, LC_ERR_FORMAT, "", "the completion has no content");
    }
    if (err != LC_OK) {
        free(out->content);
        *out = (lc_completion){0};
    }
    return err;
}

/* ---- the answer ---- */

static const char *label_find(const lc_ask *q, const char *name)
{
    for (int i = 0; i < cJSON_GetArraySize(q->labels); i++) {
        const char *label = lc_ask_label(q, i);
        if (strcmp(label, name) == 0) {
            return label;
        }
    }
    return NULL;
}

/* Quotes are looked for in the line; what does not stand there is no evidence. */
static void spans_find(const cJSON *quotes, const char *text, lc_reply *reply)
{
    const cJSON *quote;
    cJSON_ArrayForEach(quote, quotes)
    {
        const char *words = cJSON_IsString(quote) ? quote->valuestring : "";
        bool fits = words[0] && strlen(words) <= LC_REPLY_QUOTE_MAX;
        const char *at = fits ? strstr(text, words) : NULL;
        if (at && reply->spans < LC_REPLY_SPANS_MAX) {
            uint32_t *span = reply->span[reply->spans++];
            span[0] = (uint32_t)(at - text);
            span[1] = span[0] + (uint32_t)strlen(words);
        }
    }
}

static lc_err answer_take(const cJSON *tree, const lc_ask *q, lc_reply *reply, lc_json_diag *diag)
{
    const char *name = lc_json_text(tree, "label", NULL);
    double percent = lc_json_real(tree, "percent", -1.0);
    if (!name) {
        return lc_json_fail(diag, LC_ERR_FORMAT, "label", "is missing");
    }
    reply->label = label_find(q, name);
    if (!reply->label) {
        return lc_json_fail(diag, LC_ERR_FORMAT, "label", "is none of the list");
    }
    if (!(percent >= 0.0 && percent <= 100.0)) {
        return lc_json_fail(diag, LC_ERR_FORMAT, "percent", "is no number from 0 to 100");
    }
    reply->p = percent / 100.0;
    spans_find(part(tree, "evidence"), q->text, reply);
    return LC_OK;
}

lc_err lc_reply_read(const char *content, size_t bytes, const lc_ask *q, lc_reply *reply,
                     lc_json_diag *diag)
{
    /* Servers that do not know the schema let models wrap their JSON in words or a fence. */
    const char *from = memchr(content, '{', bytes), *to = memrchr(content, '}', bytes);
    cJSON *tree = NULL;
    *reply = (lc_reply){0};
    if (!from || !to || to < from) {
        return lc_json_fail(diag, LC_ERR_FORMAT, "", "no JSON object");
    }
    lc_err err = lc_json_parse(from, (size_t)(to - from) + 1, LC_JSON_NO_NUL, &tree, diag);
    err = err == LC_OK ? answer_take(tree, q, reply, diag) : err;
    cJSON_Delete(tree);
    return err;
}
