/* The message for Home Assistant at its limits: many labels, odd names, what is to be removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs these above */
#include <cmocka.h>

#include "../../board/linux/json.h"
#include "../../board/node/discovery.h"

#define MAX LC_DISCOVERY_BYTES_MAX

static lc_label labels[LC_LABELS_MAX];
static char names[LC_LABELS_MAX][LC_NAME_BYTES_MAX];
static char out[MAX + 1];

static lc_task task_make(const char *name, uint32_t label_count, int label_bytes)
{
    for (uint32_t i = 0; i < label_count; i++) {
        snprintf(names[i], sizeof names[i], "%0*u", label_bytes, i);
        labels[i].name = lc_str_from(names[i]);
    }
    return (lc_task){.name = lc_str_from(name), .label = labels, .label_count = label_count};
}

/* The message as a tree, freed by the caller. */
static cJSON *tree_of(const lc_discovery *d)
{
    cJSON *tree = NULL;
    uint32_t bytes = lc_discovery_write(d, out, MAX);
    assert_true(bytes > 0 && bytes <= MAX);
    assert_int_equal(lc_json_parse(out, bytes, 0, &tree, NULL), LC_OK);
    return tree;
}

static const cJSON *entity(const cJSON *tree, const char *task, const char *end)
{
    char key[64];
    snprintf(key, sizeof key, "%08x%s", lc_discovery_key(lc_str_from(task)), end);
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(tree, "cmps");
    const cJSON *one = cJSON_GetObjectItemCaseSensitive(all, key);
    assert_non_null(one);
    return one;
}

static lc_discovery discovery_of(const lc_task *const *task, uint32_t count)
{
    return (lc_discovery){.root = lc_str_from("leafcutter/v1"),
                          .dev = lc_str_from("pi4-0017"),
                          .version = lc_str_from("1"),
                          .job = lc_str_from("pump"),
                          .task = task,
                          .task_count = count};
}

static void labels_that_do_not_fit_are_left_out(void **state)
{
    (void)state;
    lc_task few = task_make("fault", 200, 8), other = few;
    const lc_task *const task[] = {&few, &other};
    lc_discovery d = discovery_of(task, 2);
    other.name = lc_str_from("part");
    cJSON *tree = tree_of(&d);
    const cJSON *ops = cJSON_GetObjectItem(entity(tree, "fault", "_label"), "ops");
    assert_int_equal(cJSON_GetArraySize(ops), 200);
    cJSON_Delete(tree);
    few = task_make("fault", LC_LABELS_MAX, LC_NAME_BYTES_MAX - 1);
    other.label_count = LC_LABELS_MAX;
    tree = tree_of(&d);
    assert_null(cJSON_GetObjectItem(entity(tree, "fault", "_label"), "ops"));
    assert_null(cJSON_GetObjectItem(entity(tree, "fault", "_label"), "dev_cla"));
    cJSON_Delete(tree);
}

static void every_job_has_a_message(void **state)
{
    (void)state;
    static char name[LC_TASKS_MAX][LC_NAME_BYTES_MAX];
    static lc_task tasks[LC_TASKS_MAX];
    const lc_task *task[LC_TASKS_MAX];
    uint32_t gone[32];
    for (uint32_t i = 0; i < LC_TASKS_MAX; i++) {
        memset(name[i], 'a' + (int)i, sizeof name[i] - 1);
        tasks[i] = task_make(name[i], 2, 8);
        task[i] = &tasks[i];
    }
    for (uint32_t i = 0; i < 32; i++) {
        gone[i] = i * 0x01010101u;
    }
    lc_discovery d = discovery_of(task, LC_TASKS_MAX);
    d.gone = gone;
    d.gone_count = 32;
    d.has_temp = true;
    cJSON *tree = tree_of(&d);
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(tree, "cmps");
    assert_int_equal(cJSON_GetArraySize(all), 3 * LC_TASKS_MAX + 7 + 3 * 32);
    const cJSON *removed = cJSON_GetObjectItemCaseSensitive(all, "1f1f1f1f_event");
    assert_int_equal(cJSON_GetArraySize(removed), 1);
    assert_string_equal(cJSON_GetObjectItem(removed, "p")->valuestring, "event");
    assert_non_null(cJSON_GetObjectItem(all, "temperature"));
    cJSON_Delete(tree);
    assert_int_equal(lc_discovery_write(&d, out, 4000), 0); /* all of it, or nothing */
}

/* A job without limits of drift takes back the entity that an earlier one may have had. */
static void drift_comes_and_goes_with_the_job(void **state)
{
    (void)state;
    lc_task one = task_make("fault", 2, 8);
    const lc_task *task = &one;
    lc_discovery d = discovery_of(&task, 1);
    for (int has = 0; has < 2; has++) {
        d.has_drift = has == 1;
        cJSON *tree = tree_of(&d);
        const cJSON *drift = cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "cmps"), "drift");
        assert_string_equal(cJSON_GetObjectItem(drift, "p")->valuestring, "binary_sensor");
        assert_int_equal(cJSON_GetArraySize(drift) > 1, has);
        assert_int_equal(cJSON_HasObjectItem(drift, "dev_cla"), has);
        assert_null(cJSON_GetObjectItem(cJSON_GetObjectItem(tree, "cmps"), "temperature"));
        cJSON_Delete(tree);
    }
}

static void names_are_escaped(void **state)
{
    (void)state;
    lc_task odd = task_make("a\"b\\c{{ x }}", 1, 1);
    const lc_task *task = &odd;
    lc_discovery d = discovery_of(&task, 1);
    labels[0].name = lc_str_from("\"\n\xff");
    d.job = lc_str_from("\"");
    cJSON *tree = tree_of(&d);
    const cJSON *label = entity(tree, "a\"b\\c{{ x }}", "_label");
    assert_string_equal(cJSON_GetObjectItem(label, "stat_t")->valuestring,
                        "leafcutter/v1/pi4-0017/up/last/a\"b\\c{{ x }}");
    assert_string_equal(cJSON_GetObjectItem(label, "ops")->child->valuestring, "\"\n\xef\xbf\xbd");
    assert_string_equal(cJSON_GetObjectItem(label, "val_tpl")->valuestring,
                        "{{ value_json.label }}");
    cJSON_Delete(tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_that_do_not_fit_are_left_out),
        cmocka_unit_test(every_job_has_a_message),
        cmocka_unit_test(drift_comes_and_goes_with_the_job),
        cmocka_unit_test(names_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
