/* fuzz_esc.c - any bytes as what upstream says: the state of a worker, and the answer to a question
 * that is open, up to the correction that follows. */
#include <cjson/cJSON.h>
#include <string.h>

#include "../../board/linux/esc_json.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = {"tests/fuzz/corpus/esc/*", NULL};

static const char line[] = "pump 7 Jane Doe drips at 12.5 bar";
static lc_label labels[] = {{.name = {"leak", 4}}, {.name = {"normal", 6}}};
static const lc_task task = {.name = {"fault", 5}, .label = labels, .label_count = 2};
static const lc_policy policy = {
    .escalates = true, .deadline_ms = 8000, .ttl_s = 3600, .calls_per_day = 10, .money_per_day = 1};

static lc_escalate esc, asked; /* asked: with one question that left, and its slot */
static lc_esc_slot asked_slot;

static void question_ask(void)
{
    static const lc_esc_options options = {.policy = &policy,
                                           .job = {"pump", 4},
                                           .reply = {"r/t1/dn/esc/rsp", 15},
                                           .task = {&task},
                                           .task_count = 1};
    static const lc_esc_start start = {.boot = 1, .seed = 1};
    static const char record[] =
        "{\"v\":1,\"dev\":\"t1\",\"boot\":1,\"seq\":1,\"label\":\"normal\","
        "\"p\":0.4000,\"decision\":\"escalate\",\"why\":[],\"act\":[]}";
    static const lc_esc_worker worker = {.ready = true};
    static char text[LC_LINE_BYTES_MAX];
    static lc_redactions map;
    lc_arena arena = fuzz_arena(0, (size_t)8 << 20);
    lc_str payload;
    uint32_t bytes = 0;
    lc_err err = lc_redact(LC_REDACT_NAME, line, sizeof line - 1, text, sizeof text, &bytes, &map);
    fuzz_expect(err == LC_OK && map.count == 1, "the line holds a name");
    err = lc_escalate_init(&esc, &options, &arena);
    err = err == LC_OK ? lc_escalate_open(&esc, 0, &start) : err;
    fuzz_expect(err == LC_OK, "it opens");
    lc_escalate_link(&esc, 0, true);
    lc_escalate_worker(&esc, 0, &worker);
    const lc_question question = {.seq = 1,
                                  .record = {record, sizeof record - 1},
                                  .text = {text, bytes},
                                  .map = &map,
                                  .now = true};
    lc_escalate_ask(&esc, 0, &question);
    const lc_esc_slot *slot = lc_escalate_send(&esc, 0, 0, 1, &payload);
    fuzz_expect(slot == &esc.slot[0], "a question leaves");
    asked = esc;
    asked_slot = *slot;
}

static void reply_check(const lc_esc_reply *reply)
{
    const lc_esc_answer *a = &reply->answer;
    const char *quotes = reply->quote, *end = quotes + sizeof reply->quote;
    fuzz_expect(a->status <= LC_ESC_ERROR && a->p >= 0 && a->p <= 1, "status and p are in range");
    fuzz_expect(a->span_count <= LC_SPANS_SAID_MAX, "spans have a limit");
    fuzz_expect(a->label.bytes <= sizeof reply->label, "the label has a limit");
    for (uint32_t i = 0; i < a->span_count; i++) {
        lc_str q = a->span[i].quote;
        fuzz_expect(!q.data || (q.data >= quotes && q.data + q.bytes <= end),
                    "a quote lies where quotes are kept");
    }
}

/* A correction is one JSON object; by upstream only with a label of the list, evidence inside the
 * line. */
static void correction_check(lc_str json)
{
    const char *end = NULL;
    cJSON *object = cJSON_ParseWithLengthOpts(json.data, json.bytes, &end, false);
    fuzz_expect(object && end == json.data + json.bytes, "a correction is one JSON object");
    const cJSON *by = cJSON_GetObjectItem(object, "by"), *span;
    const char *label = cJSON_GetStringValue(cJSON_GetObjectItem(object, "label"));
    fuzz_expect(label && (strcmp(label, "normal") == 0 || (by && strcmp(label, "leak") == 0)),
                "the label is in the list");
    cJSON_ArrayForEach(span, cJSON_GetObjectItem(object, "ev"))
    {
        double from = cJSON_GetArrayItem(span, 0)->valuedouble;
        double to = cJSON_GetArrayItem(span, 1)->valuedouble;
        fuzz_expect(from >= 0 && from <= to && to < sizeof line, "evidence lies inside the line");
    }
    cJSON_Delete(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static lc_esc_reply reply, again;
    lc_esc_worker worker;
    const char *text = (const char *)data;
    lc_corrected correction;
    if (!esc.on) {
        question_ask();
    }
    if (bytes > UINT32_MAX) {
        return 0;
    }
    esc = asked;
    esc.slot[0] = asked_slot;
    if (lc_esc_worker_read(text, (uint32_t)bytes, &worker) == LC_OK) {
        lc_escalate_worker(&esc, 1, &worker);
    }
    if (lc_esc_reply_read(text, (uint32_t)bytes, &reply) != LC_OK) {
        return 0;
    }
    reply_check(&reply);
    lc_err err = lc_esc_reply_read(text, (uint32_t)bytes, &again);
    fuzz_expect(err == LC_OK && again.answer.p == reply.answer.p &&
                    again.answer.span_count == reply.answer.span_count,
                "the same again");
    lc_escalate_answer(&esc, 1, &reply.answer);
    bool mine = memcmp(reply.answer.id, asked_slot.id, LC_ESC_ID_BYTES) == 0;
    bool corrected = lc_escalate_correct(&esc, 1, 1, &correction);
    fuzz_expect(corrected == mine, "an answer to the question ends it, no other does");
    if (corrected) {
        correction_check(correction.json);
    }
    return 0;
}
