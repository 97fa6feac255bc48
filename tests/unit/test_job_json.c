/* Job files: every key wrong in type, range, spelling or place is named by its path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/leafcutter.h"
#include "job_make.h"

/* A whole job that builds. Tests change one piece of it. */
static const char good[] =
    "{\"version\":1,\"job\":\"pump\",\"ver\":14,"
    "\"tasks\":[{\"task\":\"fault\","
    "\"labels\":[{\"name\":\"red\",\"text\":\"hot\",\"forms\":[\"red\",\"r\"],\"cost_miss\":100,"
    "\"needs\":\"evidence\",\"action\":\"gpio:relay=1,500ms; tone:880Hz,3x\"},{\"name\":\"green\"}"
    "],\"stages\":[{\"id\":\"rules\",\"type\":\"rules\",\"rules\":[{\"id\":\"R1\","
    "\"if\":\"temp > 90\",\"label\":\"red\",\"p\":0.99}]},"
    "{\"id\":\"head\",\"type\":\"head\",\"model\":\"trunk.leaf\"},"
    "{\"id\":\"verify\",\"type\":\"verify\",\"rules\":[{\"id\":\"V1\","
    "\"if\":\"label == red and not temp > 60\",\"decision\":\"escalate\"}]}],"
    "\"accept\":{\"target_precision\":0.98,\"target_local_share\":0.8},"
    "\"calibration\":{\"T\":1.5,\"b\":[0.1,-0.2],\"t\":0.6,\"alpha\":0.1,"
    "\"oos\":{\"w\":[0.5,0.25],\"c\":-1,\"t\":0.7},\"n\":100,\"set\":"
    "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}},"
    "{\"task\":\"part\",\"when\":\"fault.label != green\",\"labels\":[{\"name\":\"blue\"}],"
    "\"stages\":[{\"id\":\"s\",\"type\":\"head\",\"model\":\"./trunk.leaf\"}]}],"
    "\"trend\":{\"fault=red\":{\"of\":3,\"in\":5,\"clear_after_s\":60}},"
    "\"escalate\":{\"deadline_ms\":8000,\"ttl_s\":604800,\"budget\":{\"calls_per_day\":200,"
    "\"money_per_day\":0.5}},\"privacy\":{\"never\":[\"security\"],\"redact\":[\"serial\","
    "\"address\",\"name\"]},\"report\":{\"qos\":2,\"batch\":32,\"text\":true},"
    "\"drift\":{\"window\":500,\"psi\":0.3,\"oos_rate\":0.2}}";

/* good with the first `from` replaced by `to`. */
static const char *changed(const char *from, const char *to)
{
    static char out[8192];
    const char *at = strstr(good, from);
    if (at == NULL) {
        fail_msg("no %s in the job", from);
        return "";
    }
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    return out;
}

static void a_whole_job_is_kept(void **state)
{
    (void)state;
    static job_made m;
    job_made_open(&m, good, 0, NULL);
    const lc_task *t = lc_job_task(m.job, 0);
    const lc_calibration *c = &t->calibration;
    assert_true(c->temperature == 1.5f && c->bias[1] == -0.2f && c->threshold == 0.6f);
    assert_true(c->alpha == 0.1f && c->has_oos && c->oos_w[1] == 0.25f && c->oos_c == -1);
    assert_true(c->oos_t == 0.7f && c->lines == 100 && c->set[1] == 0x23);
    assert_true(t->target_precision == 0.98f && t->target_local_share == 0.8f);
    assert_true(t->label[0].needs_evidence && t->label[0].cost_miss == 100);
    assert_false(t->label[1].needs_evidence);
    assert_true(t->label[1].cost_miss == 1 && t->label[1].text.bytes == 0);
    assert_int_equal(t->stage[1].class_of[0], 0);
    assert_int_equal(t->stage[1].class_of[2], LC_CLASS_UNUSED);
    assert_int_equal(t->stage[1].class_of[3], LC_CLASS_OOS);
    assert_int_equal(t->stage[2].rule[0].decision, LC_ESCALATE);
    const lc_policy *p = lc_job_policy(m.job);
    assert_true(p->escalates && p->deadline_ms == 8000 && p->ttl_s == 604800);
    assert_true(p->calls_per_day == 200 && p->money_per_day == 0.5f);
    assert_int_equal(p->never_count, 1);
    assert_int_equal(p->redact_count, 3);
    assert_true(p->report_qos == 2 && p->report_batch == 32 && p->report_text);
    assert_true(p->has_drift && p->drift_window == 500 && p->drift_psi == 0.3f);
    assert_int_equal(p->trend_count, 1);
    assert_true(p->trend[0].of == 3 && p->trend[0].in == 5 && p->trend[0].clear_after_s == 60);
    assert_int_equal(lc_job_packs(m.job), 1); /* two paths, one pack */
    job_made_close(&m);
}

static void the_same_job_gives_the_same_bundle(void **state)
{
    (void)state;
    lc_buf a = job_make_bundle(good);
    lc_buf b = job_make_bundle(changed("{\"version\"", "// a comment\n{\"version\""));
    assert_int_equal(a.bytes, b.bytes);
    assert_memory_equal(a.data, b.data, a.bytes);
    lc_buf_free(&a);
    lc_buf_free(&b);
}

typedef struct change {
    const char *from, *to, *said; /* said: start of the message */
} change;

static void check_changes(const change *c, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *said = job_make_refused(changed(c[i].from, c[i].to));
        if (strncmp(said, c[i].said, strlen(c[i].said)) != 0) {
            fail_msg("%s for %s: \"%s\", not \"%s\"", c[i].to, c[i].from, said, c[i].said);
        }
    }
}

#define CHECK(table) check_changes(table, sizeof table / sizeof table[0])

static void names_of_things(void **state)
{
    (void)state;
    static const change c[] = {
        {"\"job\":\"pump\"", "\"job\":\"pu mp\"", "job: only letters, digits and _ . - in"},
        {"\"job\":\"pump\"", "\"job\":\"\"", "job: out of range, 1 to 64 bytes"},
        {"\"job\":\"pump\",", "", "job: is missing"},
        {"\"version\":1", "\"version\":2", "version: out of range, 1 to 1"},
        {"\"ver\":14", "\"ver\":-1", "ver: out of range"},
        {"\"ver\":14", "\"ver\":14,\"kv\":8", "kv: must be text"},
        {"\"ver\":14", "\"ver\":14,\"kv\":\"f32\"", "kv: f32 is none of auto, f16 and i8"},
        {"\"ver\":14", "\"ver\":14,\"kv\":\"I8\"", "kv: I8 is none of auto, f16 and i8"},
        {"\"ver\":14", "\"ver\":1.5", "ver: must be a whole number"},
        {"\"ver\":14", "\"vers\":14", "vers: unknown key"},
        {"\"ver\":14", "\"ver\":14,\"ver\":14", "ver: duplicate key"},
        {"\"task\":\"fault\"", "\"task\":\"a/b\"", "tasks[0].task: only letters"},
        {"\"task\":\"part\"", "\"task\":\"fault\"", "tasks[1].task: stands twice"},
        {"\"task\":\"part\",", "", "tasks[1].task: is missing"},
        {"{\"name\":\"green\"}", "{\"name\":\"red\"}", "tasks[0].labels[1].name: stands twice"},
        {"{\"name\":\"green\"}", "{\"name\":\"oos\"}", "tasks[0].labels[1].name: oos is reserved"},
        {"{\"name\":\"green\"}", "{\"name\":\"a\\u0007\"}", "tasks[0].labels[1].name: no control"},
        {"{\"name\":\"green\"}", "{\"name\":\"\\u0000\"}", "line 1, column "},
        {"{\"name\":\"green\"}", "7", "tasks[0].labels[1]: must be an object"},
        {"\"id\":\"head\"", "\"id\":\"rules\"", "tasks[0].stages[1].id: stands twice"},
        {"\"id\":\"R1\"", "\"id\":\"R 1\"", "tasks[0].stages[0].rules[0].id: only letters"},
    };
    CHECK(c);
}

static void types_and_ranges(void **state)
{
    (void)state;
    static const change c[] = {
        {"\"cost_miss\":100", "\"cost_miss\":-1", "tasks[0].labels[0].cost_miss: out of range"},
        {"\"cost_miss\":100", "\"cost_miss\":\"1\"", "tasks[0].labels[0].cost_miss: must be a num"},
        {"\"needs\":\"evidence\"", "\"needs\":\"x\"", "tasks[0].labels[0].needs: must be evidence"},
        {"\"text\":\"hot\"", "\"text\":5", "tasks[0].labels[0].text: must be text"},
        {"\"forms\":[\"red\",\"r\"]", "\"forms\":[1]", "tasks[0].labels[0].forms[0]: must be text"},
        {"\"forms\":[\"red\",\"r\"]", "\"forms\":[]", "tasks[0].labels[0].forms: out of range"},
        {"gpio:relay=1,500ms", "relay=1", "tasks[0].labels[0].action: at byte 0: an action is"},
        {"gpio:relay=1,500ms", "gpio:", "tasks[0].labels[0].action: at byte 5: a name is missing"},
        {"\"p\":0.99", "\"p\":1.01", "tasks[0].stages[0].rules[0].p: out of range, 0 to 1"},
        {"\"p\":0.99", "\"p\":null", "tasks[0].stages[0].rules[0].p: must be a number"},
        {"\"T\":1.5", "\"T\":0", "tasks[0].calibration.T: out of range, 0.01 to 100"},
        {"\"t\":0.6", "\"t\":2", "tasks[0].calibration.t: out of range"},
        {"\"alpha\":0.1", "\"alpha\":-0.1", "tasks[0].calibration.alpha: out of range"},
        {"[0.1,-0.2]", "[0.1]", "tasks[0].calibration.b: must have 2 items"},
        {"[0.1,-0.2]", "[0.1,\"x\"]", "tasks[0].calibration.b[1]: must be a number"},
        {"[0.1,-0.2]", "[0.1,1e4]", "tasks[0].calibration.b[1]: out of range"},
        {"[0.5,0.25]", "[0.5]", "tasks[0].calibration.oos.w: out of range, 2 to 2 items"},
        {"[0.5,0.25]", "[0.5,null]", "tasks[0].calibration.oos.w[1]: must be a number"},
        {"\"c\":-1", "\"c\":1e6", "tasks[0].calibration.oos.c: out of range"},
        {"\"c\":-1,", "", "tasks[0].calibration.oos.c: is missing"},
        {"\"t\":0.7", "\"t\":1.5", "tasks[0].calibration.oos.t: out of range"},
        {"\"n\":100", "\"n\":0.5", "tasks[0].calibration.n: must be a whole number"},
        {"\"0123", "\"x123", "tasks[0].calibration.set: must be 64 digits"},
        {"\"0123", "\"123", "tasks[0].calibration.set: out of range, 64 to 64 bytes"},
        {"\"target_precision\":0.98", "\"target_precision\":98", "tasks[0].accept.target_prec"},
        {"\"target_local_share\"", "\"target_share\"", "tasks[0].accept.target_share: unknown key"},
        {"\"deadline_ms\":8000", "\"deadline_ms\":0", "escalate.deadline_ms: out of range"},
        {"\"ttl_s\":604800", "\"ttl_s\":\"a week\"", "escalate.ttl_s: must be a whole number"},
        {"\"calls_per_day\":200", "\"calls\":200", "escalate.budget.calls: unknown key"},
        {"\"money_per_day\":0.5", "\"money_per_day\":-1", "escalate.budget.money_per_day: out"},
        {"[\"security\"]", "[\"\"]", "privacy.never[0]: out of range"},
        {"[\"security\"]", "\"security\"", "privacy.never: must be a list"},
        {"\"serial\"", "\"colour\"", "privacy.redact[0]: must be serial, address or name"},
        {"\"qos\":2", "\"qos\":3", "report.qos: out of range, 0 to 2"},
        {"\"text\":true", "\"text\":1", "report.text: must be true or false"},
        {"\"window\":500", "\"window\":1", "drift.window: out of range"},
        {"\"psi\":0.3", "\"psi\":-1", "drift.psi: out of range"},
        {"\"drift\":{", "\"drift\":[], \"x\":{", "drift: must be an object"},
    };
    CHECK(c);
}

static void references(void **state)
{
    (void)state;
    static const change c[] = {
        {"\"label\":\"red\",\"p\"", "\"label\":\"pink\",\"p\"",
         "tasks[0].stages[0].rules[0].label: the task has no such label"},
        {"temp > 90", "temp >", "tasks[0].stages[0].rules[0].if: at byte 6: a number is missing"},
        {"temp > 90", "text ~ /(/", "tasks[0].stages[0].rules[0].if: at byte 9: unmatched ("},
        {"temp > 90", "part.label == blue", "tasks[0].stages[0].rules[0].if: at byte 18: no such"},
        {"label == red and", "label == pink and", "tasks[0].stages[2].rules[0].if: at byte 13: no"},
        {"fault.label != green", "fault.label != pink", "tasks[1].when: at byte 19: no such"},
        {"fault.label != green", "label == blue", "tasks[1].when: at byte 13: no such label"},
        {"\"decision\":\"escalate\"", "\"decision\":\"accept\"",
         "tasks[0].stages[2].rules[0].decision: must be escalate, defer or reject"},
        {"fault=red", "fault=pink", "trend.fault=pink: must be task=label of this job"},
        {"fault=red", "fault", "trend.fault: must be task=label"},
        {"\"of\":3", "\"of\":6", "trend.fault=red: of is more than in"},
        {"\"of\":3", "\"of\":0", "trend.fault=red.of: out of range"},
        {"\"in\":5,", "", "trend.fault=red.in: is missing"},
        {"\"name\":\"blue\"", "\"name\":\"pink\"",
         "tasks[1].stages[0].model: the model has no output for label pink"},
    };
    CHECK(c);
}

static void stages_of_other_types(void **state)
{
    (void)state;
    static const char *const later[] = {"ngram", "nearest", "extract", "external"};
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++) {
        char to[64], said[128];
        snprintf(to, sizeof to, "\"type\":\"%s\"", later[i]);
        snprintf(said, sizeof said, "tasks[0].stages[1].type: %s: not supported yet", later[i]);
        assert_string_equal(job_make_refused(changed("\"type\":\"head\"", to)), said);
    }
    static const change c[] = {
        {"\"type\":\"head\"", "\"type\":\"magic\"", "tasks[0].stages[1].type: unknown type"},
        {"\"type\":\"head\",", "", "tasks[0].stages[1].type: is missing"},
        {"\"model\":\"trunk.leaf\"", "\"model\":\"trunk.leaf\",\"file\":\"h.leaf\"",
         "tasks[0].stages[1].file: not supported yet"},
        {"\"model\":\"trunk.leaf\"", "\"model\":\"trunk.leaf\",\"prompt\":\"p\"",
         "tasks[0].stages[1].prompt: not a key of this type of stage"},
        {",\"model\":\"trunk.leaf\"", "", "tasks[0].stages[1].model: is missing"},
        {"\"type\":\"head\"", "\"type\":\"label_score\"", "tasks[0].stages[1].prompt: is missing"},
        {"\"type\":\"rules\",", "\"type\":\"rules\",\"model\":\"x\",",
         "tasks[0].stages[0].model: not a key"},
        {"\"model\":\"trunk.leaf\"", "\"weights\":\"x\"",
         "tasks[0].stages[1].weights: unknown key"},
    };
    CHECK(c);
}

static void packs_that_cannot_be_read(void **state)
{
    (void)state;
    const char *said = job_make_refused(changed("\"trunk.leaf\"", "\"none.leaf\""));
    assert_non_null(strstr(said, "tasks[0].stages[1].model: "));
    assert_non_null(strstr(said, "/none.leaf: No such file"));
    said = job_make_refused(changed("\"trunk.leaf\"", "\".\""));
    assert_non_null(strstr(said, "tasks[0].stages[1].model: "));
    char path[128];
    snprintf(path, sizeof path, "%s/bad.leaf", job_make_folder());
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("not a pack at all", f);
    fclose(f);
    said = job_make_refused(changed("\"trunk.leaf\"", "\"bad.leaf\""));
    unlink(path);
    assert_non_null(strstr(said, "bad.leaf: "));
    assert_non_null(strstr(said, " at byte "));
}

static void counts_are_limited(void **state)
{
    (void)state;
    static char many[65536];
    size_t n = (size_t)snprintf(many, sizeof many, "%s", "{\"name\":\"green\"}");
    for (uint32_t i = 1; i < LC_LABELS_MAX; i++) {
        n += (size_t)snprintf(many + n, sizeof many - n, ",{\"name\":\"l%u\"}", i);
    }
    static char job[70000];
    const char *at = strstr(good, "{\"name\":\"green\"}");
    snprintf(job, sizeof job, "%.*s%s%s", (int)(at - good), good, many, at + 16);
    assert_string_equal(job_make_refused(job), "tasks[0].labels: out of range, 1 to 256 items");
    assert_string_equal(job_make_refused("[]"), "must be an object");
    assert_string_equal(job_make_refused("{}"), "version: is missing");
    static char deep[200];
    memset(deep, '[', sizeof deep - 1);
    assert_non_null(strstr(job_make_refused(deep), "nested too deep"));
}

/* Whatever one byte becomes: a bundle that opens, or a message. */
static void any_changed_byte_builds_or_is_explained(void **state)
{
    (void)state;
    static const char put[] = "\"{}[],:0x-\x01\xff";
    static char text[sizeof good];
    for (size_t i = 0; i < sizeof good - 1; i++) {
        for (size_t k = 0; k < sizeof put - 1; k++) {
            memcpy(text, good, sizeof good);
            text[i] = put[k];
            lc_buf out = {0};
            lc_json_diag diag = {0};
            lc_err err = lc_job_build(text, sizeof good - 1, job_make_folder(), NULL, &out, &diag);
            assert_true((err == LC_OK) == (diag.text[0] == '\0'));
            assert_true((err == LC_OK) == (out.data != NULL));
            lc_buf_free(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_job_is_kept),
        cmocka_unit_test(the_same_job_gives_the_same_bundle),
        cmocka_unit_test(names_of_things),
        cmocka_unit_test(types_and_ranges),
        cmocka_unit_test(references),
        cmocka_unit_test(stages_of_other_types),
        cmocka_unit_test(packs_that_cannot_be_read),
        cmocka_unit_test(counts_are_limited),
        cmocka_unit_test(any_changed_byte_builds_or_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
