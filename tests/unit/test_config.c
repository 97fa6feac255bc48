/* The config: every key wrong in type, range, spelling, twice; each error names the key's path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/config_table.h"
#include "../../board/linux/serial.h"

#define BASE "\"version\":1,\"device\":{\"id\":\"pi4-0017\"},\"broker\":{\"url\":\"mqtt://h\"}"

static lc_config config;
static lc_json_diag diag;

static lc_err parse(const char *text)
{
    diag.text[0] = '\0';
    return lc_config_parse(text, strlen(text), &config, &diag);
}

/* Refused, and the message starts with this. */
static void refused(const char *text, const char *starts)
{
    lc_err err = parse(text);
    if (err == LC_OK || strncmp(diag.text, starts, strlen(starts)) != 0) {
        print_error("%s\n  gave %d: %s\n", text, (int)err, diag.text);
    }
    assert_int_not_equal(err, LC_OK);
    assert_memory_equal(diag.text, starts, strlen(starts));
}

static void accepted(const char *text)
{
    lc_err err = parse(text);
    if (err != LC_OK) {
        print_error("%s\n  gave %d: %s\n", text, (int)err, diag.text);
    }
    assert_int_equal(err, LC_OK);
}

/* ---- by the table: a config with one value put at a row's path ---- */

/* The path as it is in a file: [] becomes [0], * becomes pin. */
static void path_real(const char *pattern, char *out, size_t max)
{
    size_t n = 0;
    for (const char *at = pattern; *at; at++) {
        const char *part = *at == '*' ? "pin" : *at == ']' ? "0]" : NULL;
        n += (size_t)(part ? snprintf(out + n, max - n, "%s", part)
                           : snprintf(out + n, max - n, "%c", *at));
    }
}

/* What stands around a key so that nothing else is wrong, with a %s for the key itself. */
static const char *frame_of(const char *path)
{
    static const struct {
        const char *prefix, *frame;
    } frames[] = {
        {"device.", "{\"version\":1,\"broker\":{\"url\":\"mqtt://h\"},\"device\":{%s}}"},
        {"broker.tls.", "{\"version\":1,\"device\":{\"id\":\"a\"},"
                        "\"broker\":{\"url\":\"mqtts://h\",\"tls\":{%s}}}"},
        {"broker.", "{\"version\":1,\"device\":{\"id\":\"a\"},\"broker\":{%s}}"},
        {"inputs[].", "{" BASE ",\"inputs\":[{%s}]}"},
        {"homeassistant.", "{" BASE ",\"homeassistant\":{%s}}"},
        {"storage.", "{" BASE ",\"storage\":{%s}}"},
        {"outputs.gpio.*.", "{" BASE ",\"outputs\":{\"gpio\":{\"pin\":{%s}}}}"},
        {"outputs.sound.", "{" BASE ",\"outputs\":{\"sound\":{%s}}}"},
        {"threads.", "{" BASE ",\"threads\":{%s}}"},
        {"log.", "{" BASE ",\"log\":{%s}}"},
        {"status.", "{" BASE ",\"status\":{%s}}"},
        {"board.", "{" BASE ",\"board\":{%s}}"},
        {"queue.", "{" BASE ",\"queue\":{%s}}"},
        {"version", "{\"device\":{\"id\":\"a\"},\"broker\":{\"url\":\"mqtt://h\"},%s}"},
        {"outputs.", "{" BASE ",\"outputs\":{%s}}"},
        {"", "{" BASE ",%s}"},
    };
    size_t i = 0;
    while (strncmp(path, frames[i].prefix, strlen(frames[i].prefix)) != 0) {
        i++;
    }
    return frames[i].frame;
}

static const char *name_of(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

static void key_refused(const lc_config_row *row, const char *members, const char *starts)
{
    static char text[4096];
    snprintf(text, sizeof text, frame_of(row->path), members);
    refused(text, starts);
}

static void value_refused(const lc_config_row *row, const char *value)
{
    static char member[2048], path[128];
    path_real(row->path, path, sizeof path);
    snprintf(member, sizeof member, "\"%s\":%s", name_of(row->path), value);
    key_refused(row, member, path);
}

static bool is_key(const lc_config_row *row)
{
    size_t bytes = strlen(row->path);
    return row->path[bytes - 1] != ']' && row->path[bytes - 1] != '*';
}

static void every_key_of_a_wrong_type_is_refused(void **state)
{
    (void)state;
    static const struct {
        lc_json_type type;
        const char *value;
    } values[] = {{LC_JSON_TEXT, "\"x\""}, {LC_JSON_BOOL, "true"}, {LC_JSON_OBJECT, "{}"},
                  {LC_JSON_ARRAY, "[]"},   {LC_JSON_REAL, "1.5"},  {LC_JSON_INTEGER, "null"}};
    for (size_t i = 0; i < lc_config_row_count; i++) {
        const lc_config_row *row = &lc_config_rows[i];
        for (size_t j = 0; j < sizeof values / sizeof values[0] && is_key(row); j++) {
            if (values[j].type != row->type && strcmp(row->path, "device") != 0 &&
                strcmp(row->path, "broker") != 0) {
                value_refused(row, values[j].value);
            }
        }
    }
}

static void every_key_out_of_range_is_refused(void **state)
{
    (void)state;
    static char value[2048];
    for (size_t i = 0; i < lc_config_row_count; i++) {
        const lc_config_row *row = &lc_config_rows[i];
        if (row->words) {
            value_refused(row, "\"no-such-word\"");
        } else if (row->type == LC_JSON_INTEGER || row->type == LC_JSON_REAL) {
            snprintf(value, sizeof value, "%.0f", row->min - 1);
            value_refused(row, value);
            snprintf(value, sizeof value, "%.0f", row->max + 1);
            value_refused(row, value);
            value_refused(row, "1e300");
        } else if (row->type == LC_JSON_TEXT && is_key(row)) {
            int bytes = (int)row->max + 1;
            snprintf(value, sizeof value, "\"%0*d\"", bytes, 0);
            value_refused(row, value);
            if (row->min > 0) {
                value_refused(row, "\"\"");
            }
        }
    }
}

static void every_key_twice_or_misspelt_is_refused(void **state)
{
    (void)state;
    static char member[2048], path[128];
    for (size_t i = 0; i < lc_config_row_count; i++) {
        const lc_config_row *row = &lc_config_rows[i];
        if (!is_key(row) || strcmp(row->path, "device") == 0 || strcmp(row->path, "broker") == 0) {
            continue;
        }
        const char *value = row->type == LC_JSON_OBJECT    ? "{}"
                            : row->type == LC_JSON_ARRAY   ? "[]"
                            : row->type == LC_JSON_BOOL    ? "true"
                            : row->type == LC_JSON_INTEGER ? "%.0f"
                            : row->type == LC_JSON_REAL    ? "0.5"
                            : row->words                   ? "\"%.*s\""
                                                           : "\"x\"";
        char one[64];
        if (row->words) {
            snprintf(one, sizeof one, "\"%.*s\"", (int)strcspn(row->words, "|"), row->words);
        } else {
            snprintf(one, sizeof one, value, row->min);
        }
        const char *name = name_of(row->path);
        path_real(row->path, path, sizeof path);
        snprintf(member, sizeof member, "\"%s\":%s,\"%s\":%s", name, one, name, one);
        key_refused(row, member, path);
        assert_non_null(strstr(diag.text, "twice"));
        snprintf(member, sizeof member, "\"%sx\":%s", name, one);
        snprintf(path + strlen(path), sizeof path - strlen(path), "x: no such key");
        if (!strchr(row->path, '*')) {
            key_refused(row, member, path);
        }
    }
}

/* ---- by hand: what tables cannot say ---- */

static void what_is_needed_is_missed(void **state)
{
    (void)state;
    refused("{}", "version: is missing");
    refused("{\"version\":1,\"device\":{\"id\":\"a\"}}", "broker: is missing");
    refused("{\"version\":1,\"device\":{},\"broker\":{\"url\":\"mqtt://h\"}}",
            "device.id: is missing");
    refused("{" BASE ",\"inputs\":[{\"path\":\"x\"}]}", "inputs[0].source: is missing");
    refused("{" BASE ",\"inputs\":[{\"source\":\"file\"}]}", "inputs[0].path: is missing");
    refused("{" BASE ",\"inputs\":[{\"source\":\"stdin\"},{\"source\":\"mqtt\"}]}",
            "inputs[1].topic: is missing");
    refused("{" BASE ",\"outputs\":{\"gpio\":{\"relay\":{\"line\":1}}}}",
            "outputs.gpio.relay.chip: is missing");
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    char deep[256] = "{" BASE ",\"outputs\":{\"gpio\":";
    refused("", "line 1");
    refused("[]", "the config must be an object");
    refused("{" BASE "} x", "line 1");
    refused("{" BASE ",}", "line 1");
    for (int i = 0; i < 20; i++) {
        strncat(deep, "{\"a\":", sizeof deep - strlen(deep) - 1);
    }
    strncat(deep, "1}}}}}}}}}}}}}}}}}}}}}}", sizeof deep - strlen(deep) - 1);
    refused(deep, "outputs.gpio.a.a: no such key");
    static char big[LC_CONFIG_BYTES_MAX + 2];
    memset(big, ' ', sizeof big - 1);
    refused(big, "longer than");
}

static void ids_are_what_topics_can_hold(void **state)
{
    (void)state;
    static const char *const wrong[] = {"A", "-a", "a_b", "a/b", "a+", "\xC3\xA4", "a b"};
    char text[256];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        snprintf(text, sizeof text,
                 "{\"version\":1,\"device\":{\"id\":\"%s\"},\"broker\":{\"url\":\"mqtt://h\"}}",
                 wrong[i]);
        refused(text, "device.id:");
        snprintf(text, sizeof text,
                 "{\"version\":1,\"device\":{\"id\":\"a\",\"groups\":[\"%s\"]},"
                 "\"broker\":{\"url\":\"mqtt://h\"}}",
                 wrong[i]);
        refused(text, "device.groups");
    }
    refused("{" BASE ",\"topic_root\":\"a/\"}", "topic_root:");
    refused("{" BASE ",\"topic_root\":\"a/+\"}", "topic_root:");
    refused("{" BASE ",\"homeassistant\":{\"prefix\":\"a/\"}}", "homeassistant.prefix:");
}

static void broker_keys_belong_together(void **state)
{
    (void)state;
    static const struct {
        const char *broker, *starts;
    } cases[] = {
        {"\"url\":\"http://h\"", "broker.url: at byte 0"},
        {"\"url\":\"mqtt://\"", "broker.url: at byte 7"},
        {"\"url\":\"mqtt://h:0\"", "broker.url: at byte 9"},
        {"\"url\":\"mqtt://h:70000\"", "broker.url: at byte 9"},
        {"\"url\":\"mqtt://h:1x\"", "broker.url: at byte 10"},
        {"\"url\":\"mqtt://u@h\"", "broker.url: at byte 7"},
        {"\"url\":\"mqtt://h\",\"tls\":{\"ca\":\"x\"}", "broker.tls:"},
        {"\"url\":\"mqtts://h\",\"tls\":{\"cert\":\"x\"}", "broker.tls:"},
        {"\"url\":\"mqtts://h\",\"tls\":{\"key\":\"x\"}", "broker.tls:"},
        {"\"url\":\"mqtt://h\",\"user\":\"x\"", "broker.user:"},
        {"\"url\":\"mqtt://h\",\"ack\":\"e2e\"},\"storage\":{\"path\":\"\"", "broker.ack:"},
    };
    char text[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "{\"version\":1,\"device\":{\"id\":\"a\"},\"broker\":{%s}}",
                 cases[i].broker);
        refused(text, cases[i].starts);
    }
}

static void input_keys_belong_to_their_source(void **state)
{
    (void)state;
    static const struct {
        const char *input, *starts;
    } cases[] = {
        {"\"source\":\"stdin\",\"path\":\"x\"", "inputs[0].path:"},
        {"\"source\":\"file\",\"path\":\"x\",\"topic\":\"t\"", "inputs[0].topic:"},
        {"\"source\":\"file\",\"path\":\"x\",\"template\":\"t\"", "inputs[0].template:"},
        {"\"source\":\"file\",\"path\":\"x\",\"flow\":\"rtscts\"", "inputs[0].flow:"},
        {"\"source\":\"mqtt\",\"topic\":\"a/#/b\"", "inputs[0].topic:"},
        {"\"source\":\"mqtt\",\"topic\":\"a+\"", "inputs[0].topic:"},
        {"\"source\":\"mqtt\",\"topic\":\"a\",\"path\":\"x\"", "inputs[0].path:"},
        {"\"source\":\"mqtt\",\"topic\":\"a\",\"template\":\"{x\"",
         "inputs[0].template: at byte 0"},
        {"\"source\":\"serial\",\"path\":\"x\",\"baud\":9601", "inputs[0].baud:"},
        {"\"source\":\"stdin\",\"id\":\"dn\"", "inputs[0].id:"},
        {"\"source\":\"stdin\"},{\"source\":\"file\",\"path\":\"a/stdin\"", "inputs[1].id:"},
    };
    char text[512];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "{" BASE ",\"inputs\":[{%s}]}", cases[i].input);
        refused(text, cases[i].starts);
    }
}

static void a_config_with_everything_is_read(void **state)
{
    (void)state;
    accepted("{ \"version\":1, // comments are allowed\n"
             " \"device\":{\"id\":\"pi4-0017\",\"groups\":[\"plant-a\",\"b\"]},\n"
             " \"broker\":{\"url\":\"mqtt://127.0.0.1:1883\",\"password_file\":\"\","
             "\"tls\":{\"ca\":\"\",\"cert\":\"\",\"key\":\"\"},\"ack\":\"broker\"},\n"
             " \"topic_root\":\"leafcutter/v1\",\n"
             " \"inputs\":[{\"source\":\"stdin\"},"
             "{\"source\":\"fifo\",\"path\":\"/run/leafcutter/in\"},\n"
             "  {\"source\":\"serial\",\"path\":\"/dev/ttyAMA0\",\"baud\":19200,"
             "\"flow\":\"rtscts\"},\n"
             "  {\"source\":\"mqtt\",\"topic\":\"plant/+/text\"},"
             "{\"source\":\"mqtt\",\"topic\":\"zigbee2mqtt/pump\","
             "\"template\":\"temp {temperature} C humidity {humidity} %\"}],\n"
             " \"job\":\"/usr/share/leafcutter/triage.leaf\",\n"
             " \"storage\":{\"path\":\"/var/lib/leafcutter\",\"journal_mb\":64},\n"
             " \"outputs\":{\"gpio\":{\"relay\":{\"chip\":\"gpiochip0\",\"line\":17,"
             "\"active_low\":true,\"safe\":1},\"lamp\":{\"chip\":\"c\",\"line\":3}},"
             "\"sound\":{\"device\":\"default\",\"volume\":0.5}},\n"
             " \"threads\":{\"prefill\":4,\"decode\":2}, \"keys\":\"/etc/leafcutter/root.json\","
             " \"log\":{\"level\":\"debug\",\"text\":true} }\n");
    assert_string_equal(config.dev, "pi4-0017");
    assert_int_equal(config.group_count, 2);
    assert_string_equal(config.group[1], "b");
    assert_int_equal(config.input_count, 5);
    assert_string_equal(config.input[0].id, "stdin");
    assert_string_equal(config.input[1].id, "in");
    assert_string_equal(config.input[2].id, "ttyAMA0");
    assert_int_equal(config.input[2].kind, LC_INPUT_SERIAL);
    assert_int_equal(config.input[2].baud, 19200);
    assert_int_equal(config.input[2].flow, LC_SERIAL_RTSCTS);
    assert_string_equal(config.input[3].id, "text");
    assert_int_equal(config.input[4].baud, 9600);
    assert_int_equal(config.pin_count, 2);
    assert_string_equal(config.pin[0].name, "relay");
    assert_true(config.pin[0].active_low && config.pin[0].safe == 1);
    assert_string_equal(config.pin[1].name, "lamp");
    assert_int_equal(config.pin[1].line, 3);
    assert_true(config.volume > 0.49 && config.volume < 0.51);
    assert_true(config.log_level == 7 && config.log_text);
}

static void what_is_not_given_has_its_default(void **state)
{
    (void)state;
    accepted("{" BASE "}");
    assert_string_equal(config.topic_root, "leafcutter/v1");
    assert_string_equal(config.storage, "/var/lib/leafcutter");
    assert_int_equal(config.keepalive_s, 30);
    assert_int_equal(config.window, 8);
    assert_int_equal(config.deadline_ms, 5000);
    assert_int_equal(config.log_level, 6);
    assert_int_equal(config.input_count, 0);
    accepted("{\"version\":1,\"device\":{\"id\":\"d\"},"
             "\"broker\":{\"url\":\"mqtts://[::1]:99\",\"password_file\":\"p\"}}");
    assert_string_equal(config.user, "d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_of_a_wrong_type_is_refused),
        cmocka_unit_test(every_key_out_of_range_is_refused),
        cmocka_unit_test(every_key_twice_or_misspelt_is_refused),
        cmocka_unit_test(what_is_needed_is_missed),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(ids_are_what_topics_can_hold),
        cmocka_unit_test(broker_keys_belong_together),
        cmocka_unit_test(input_keys_belong_to_their_source),
        cmocka_unit_test(a_config_with_everything_is_read),
        cmocka_unit_test(what_is_not_given_has_its_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
