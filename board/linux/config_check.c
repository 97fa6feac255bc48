/* config_check.c - what the table cannot say. */
#include <stdio.h>
#include <string.h>

#include "config_table.h"
#include "identity.h"
#include "mqtt.h"
#include "serial.h"
#include "template.h"
#include "topics.h"

#define SERIAL_WORD "{serial}"
#define SERIAL_PART_MIN 4u
#define SERIAL_PART_MAX 8u

static lc_err fail(lc_json_diag *diag, const char *path, const char *why)
{
    return lc_json_fail(diag, LC_ERR_FORMAT, path, "%s", why);
}

/* ^[a-z0-9][a-z0-9-]*$ */
static bool id_ok(const char *id)
{
    size_t bytes = strlen(id);
    return bytes > 0 && id[0] != '-' &&
           strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == bytes;
}

static bool prefix_ok(const char *prefix)
{
    return !strpbrk(prefix, "+#") && prefix[0] != '$' && prefix[0] != '/' &&
           prefix[strlen(prefix) - 1] != '/';
}

/* {serial} in device.id becomes the end of what the board says it is. */
static lc_err serial_fill(lc_config *c, lc_json_diag *diag)
{
    char serial[LC_SERIAL_BYTES_MAX + 1], id[LC_DEVICE_BYTES_MAX + 1];
    char *at = strstr(c->dev, SERIAL_WORD);
    if (!at) {
        return LC_OK;
    }
    uint32_t bytes = lc_serial_read(c->serial_file, serial);
    if (bytes < SERIAL_PART_MIN) {
        return lc_json_fail(diag, LC_ERR_FORMAT, "device.id",
                            SERIAL_WORD ", but %s holds no serial number; name another file in "
                                        "device.serial_file, or give an id",
                            c->serial_file[0] ? c->serial_file : "device.serial_file");
    }
    const char *part = serial + (bytes > SERIAL_PART_MAX ? bytes - SERIAL_PART_MAX : 0);
    int n = snprintf(id, sizeof id, "%.*s%s%s", (int)(at - c->dev), c->dev, part,
                     at + sizeof SERIAL_WORD - 1);
    lc_assert(n > 0 && (size_t)n < sizeof id); /* the part is no longer than its word */
    memcpy(c->dev, id, sizeof id);
    return LC_OK;
}

static lc_err device_check(lc_config *c, lc_json_diag *diag)
{
    lc_err err = serial_fill(c, diag);
    if (err != LC_OK) {
        return err;
    }
    if (!id_ok(c->dev)) {
        return fail(diag, "device.id", "only a-z, 0-9 and -, not - first");
    }
    for (uint32_t i = 0; i < c->group_count; i++) {
        if (!id_ok(c->group[i])) {
            return fail(diag, "device.groups", "only a-z, 0-9 and -, not - first");
        }
    }
    if (!prefix_ok(c->topic_root)) {
        return fail(diag, "topic_root", "no + # $, and no / at its ends");
    }
    if (!prefix_ok(c->home)) {
        return fail(diag, "homeassistant.prefix", "no + # $, and no / at its ends");
    }
    return LC_OK;
}

static lc_err broker_check(lc_config *c, lc_json_diag *diag)
{
    char host[LC_MQTT_HOST_BYTES_MAX];
    uint16_t port;
    bool tls;
    lc_diag url = {0};
    if (lc_mqtt_url(c->url, host, &port, &tls, &url) != LC_OK) {
        return lc_json_fail(diag, LC_ERR_FORMAT, "broker.url", "at byte %llu: %s",
                            (unsigned long long)url.offset, url.text);
    }
    if (!tls && (c->ca[0] || c->cert[0] || c->key[0])) {
        return fail(diag, "broker.tls", "certificates need mqtts:// in broker.url");
    }
    if (!c->cert[0] != !c->key[0]) {
        return fail(diag, "broker.tls", "cert and key belong together");
    }
    if (c->ack != 0 && !c->storage[0]) {
        return fail(diag, "broker.ack", "e2e needs storage.path");
    }
    if (c->user[0] && !c->password_file[0]) {
        return fail(diag, "broker.user", "needs a password_file");
    }
    if (c->password_file[0] && !c->user[0]) {
        memcpy(c->user, c->dev, strlen(c->dev) + 1);
    }
    return LC_OK;
}

/* ---- inputs ---- */

/* Last part of a path or topic, made an id. */
static void id_make(lc_config_input *in)
{
    const char *from = in->kind == LC_INPUT_MQTT ? in->topic : in->path;
    const char *slash = strrchr(from, '/');
    from = in->kind == LC_INPUT_GPIO ? in->chip : in->kind == LC_INPUT_SOUND ? "sound" : from;
    from = in->kind == LC_INPUT_STDIN ? "stdin" : slash ? slash + 1 : from;
    size_t n = 0;
    for (; from[n] && n < LC_SOURCE_BYTES_MAX; n++) {
        char c = from[n];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.';
        in->id[n] = ok ? c : '-';
    }
    in->id[n] = '\0';
}

static lc_err input_fail(lc_json_diag *diag, uint32_t i, const char *key, const char *why)
{
    return lc_json_fail(diag, LC_ERR_FORMAT, "", "inputs[%u].%s: %s", i, key, why);
}

static lc_err input_topic_check(const lc_config_input *in, uint32_t i, lc_json_diag *diag)
{
    lc_diag place = {0};
    if (in->path[0]) {
        return input_fail(diag, i, "path", "a topic has none");
    }
    if (!lc_topics_filter_ok(in->topic)) {
        return input_fail(diag, i, "topic",
                          in->topic[0] ? "is no filter that MQTT takes" : "is missing");
    }
    if (in->tmpl[0] && lc_template_check(in->tmpl, &place) != LC_OK) {
        return lc_json_fail(diag, LC_ERR_FORMAT, "", "inputs[%u].template: at byte %llu: %s", i,
                            (unsigned long long)place.offset, place.text);
    }
    return LC_OK;
}

static lc_err input_pin_check(lc_config_input *in, uint32_t i, lc_json_diag *diag)
{
    if (!in->chip[0] || in->path[0] || in->topic[0] || in->tmpl[0]) {
        return input_fail(diag, i, "source", "gpio wants chip, and no path, topic or template");
    }
    if (!in->line_name[0] == (in->line == LC_CONFIG_LINE_NONE)) {
        return input_fail(diag, i, "line", "a pin wants line or name, one of them");
    }
    if (in->use != LC_PIN_TRIGGER && (in->text[0] || in->text_off[0])) {
        return input_fail(diag, i, "text", "only for use trigger");
    }
    if (in->use == LC_PIN_TRIGGER && !in->text[0] && !in->text_off[0]) {
        return input_fail(diag, i, "text", "a trigger wants text or text_off");
    }
    return LC_OK;
}

static lc_err input_sensor_check(const lc_config_input *in, uint32_t i, lc_json_diag *diag)
{
    lc_diag place = {0};
    if (in->topic[0] || in->chip[0] || !in->path[0] || !in->tmpl[0]) {
        return input_fail(diag, i, "source", "sensor wants path and template, no topic or chip");
    }
    if (in->min > in->max) {
        return input_fail(diag, i, "min", "is above max");
    }
    if (lc_template_check(in->tmpl, &place) != LC_OK) {
        return lc_json_fail(diag, LC_ERR_FORMAT, "", "inputs[%u].template: at byte %llu: %s", i,
                            (unsigned long long)place.offset, place.text);
    }
    return LC_OK;
}

static lc_err input_sound_check(const lc_config *c, uint32_t i, lc_json_diag *diag)
{
    const lc_config_input *in = &c->input[i];
    if (in->topic[0] || in->chip[0] || in->path[0] || in->tmpl[0]) {
        return input_fail(diag, i, "source", "sound wants a device alone");
    }
    for (uint32_t j = 0; j < i; j++) {
        if (c->input[j].kind == LC_INPUT_SOUND) {
            return input_fail(diag, i, "source", "there is one microphone only");
        }
    }
    return LC_OK;
}

static lc_err input_check(lc_config *c, uint32_t i, lc_json_diag *diag)
{
    lc_config_input *in = &c->input[i];
    if (in->kind == LC_INPUT_MQTT) {
        return input_topic_check(in, i, diag);
    }
    if (in->kind == LC_INPUT_GPIO) {
        return input_pin_check(in, i, diag);
    }
    if (in->kind == LC_INPUT_SENSOR) {
        return input_sensor_check(in, i, diag);
    }
    if (in->kind == LC_INPUT_SOUND) {
        return input_sound_check(c, i, diag);
    }
    if (in->chip[0] || in->line_name[0] || in->text[0] || in->text_off[0]) {
        return input_fail(diag, i, "chip", "chip, name and text are for source gpio");
    }
    if (in->topic[0] || in->tmpl[0]) {
        return input_fail(diag, i, in->topic[0] ? "topic" : "template", "only for source mqtt");
    }
    if (!in->path[0] != (in->kind == LC_INPUT_STDIN)) {
        return input_fail(diag, i, "path",
                          in->kind == LC_INPUT_STDIN ? "stdin has none" : "is missing");
    }
    if (in->kind == LC_INPUT_SERIAL && !lc_serial_speed_ok(in->baud)) {
        return input_fail(diag, i, "baud", "is no speed of serial lines");
    }
    if (in->kind != LC_INPUT_SERIAL && in->flow != LC_SERIAL_NONE) {
        return input_fail(diag, i, "flow", "only for source serial");
    }
    return LC_OK;
}

static lc_err inputs_check(lc_config *c, lc_json_diag *diag)
{
    for (uint32_t i = 0; i < c->input_count; i++) {
        lc_config_input *in = &c->input[i];
        lc_err err = input_check(c, i, diag);
        if (err != LC_OK) {
            return err;
        }
        if (!in->id[0]) {
            id_make(in);
        }
        if (strcmp(in->id, "dn") == 0) {
            return input_fail(diag, i, "id", "dn is the name of dn/text");
        }
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(in->id, c->input[j].id) == 0) {
                return input_fail(diag, i, "id", "another input has this one; give it its own");
            }
        }
    }
    return LC_OK;
}

static lc_err pins_check(const lc_config *c, lc_json_diag *diag)
{
    for (uint32_t i = 0; i < c->pin_count; i++) {
        const lc_config_pin *pin = &c->pin[i];
        if (!pin->line_name[0] == (pin->line == LC_CONFIG_LINE_NONE)) {
            return lc_json_fail(diag, LC_ERR_FORMAT, "",
                                "outputs.gpio.%s.line: a pin wants line or name, one of them",
                                pin->name);
        }
    }
    return LC_OK;
}

lc_err lc_config_check(lc_config *config, lc_json_diag *diag)
{
    lc_err err = device_check(config, diag);
    err = err == LC_OK ? broker_check(config, diag) : err;
    err = err == LC_OK ? pins_check(config, diag) : err;
    return err == LC_OK ? inputs_check(config, diag) : err;
}
