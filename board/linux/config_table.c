/* config_table.c - the rows, and --help-config from them. */
#include "config_table.h"

#include <string.h>

#include "log.h"

#define AT(field) offsetof(lc_config, field)
#define IN(field) offsetof(lc_config_input, field)
#define PIN(field) offsetof(lc_config_pin, field)
#define PATH_MAX_TEXT (LC_CONFIG_PATH_MAX - 1)
#define NAME_MAX_TEXT (LC_NAME_BYTES_MAX - 1)
#define BOX(path, needed, about)                                                                   \
    {                                                                                              \
        path, LC_JSON_OBJECT, 0, 0, NULL, needed, 0, NULL, 0, 0, 0, about                          \
    }
#define LIST(path, max, about)                                                                     \
    {                                                                                              \
        path, LC_JSON_ARRAY, 0, max, NULL, false, 0, NULL, 0, 0, 0, about                          \
    }
#define ITEMS(path, type, max, at, span, count, about)                                             \
    {                                                                                              \
        path, type, 0, max, NULL, false, at, NULL, 0, span, count, about                           \
    }
#define TEXT(path, min, max, preset, at, about)                                                    \
    {                                                                                              \
        path, LC_JSON_TEXT, min, max, preset, !(const char *)(preset), at, NULL, 0, 0, 0, about    \
    }
#define WORDS(path, words, first, preset, at, about)                                               \
    {                                                                                              \
        path, LC_JSON_TEXT, 1, 32, preset, !(const char *)(preset), at, words, first, 0, 0, about  \
    }
#define NUMBER(path, min, max, preset, at, about)                                                  \
    {                                                                                              \
        path, LC_JSON_INTEGER, min, max, preset, !(const char *)(preset), at, NULL, 0, 0, 0, about \
    }
#define REAL(path, min, max, preset, at, about)                                                    \
    {                                                                                              \
        path, LC_JSON_REAL, min, max, preset, false, at, NULL, 0, 0, 0, about                      \
    }
#define YESNO(path, preset, at, about)                                                             \
    {                                                                                              \
        path, LC_JSON_BOOL, 0, 0, preset, !(const char *)(preset), at, NULL, 0, 0, 0, about        \
    }

const lc_config_row lc_config_rows[] = {
    NUMBER("version", 1, 1, NULL, AT(version), "of this file's format"),
    BOX("device", true, "who this is"),
    TEXT("device.id", 1, LC_DEVICE_BYTES_MAX, NULL, AT(dev),
         "a-z 0-9 and -; also client id and name on the certificate; {serial} stands for the "
         "end of the board's serial number"),
    TEXT("device.serial_file", 0, PATH_MAX_TEXT, "/proc/device-tree/serial-number",
         AT(serial_file), "what tells this board from others, so that a copied card is noticed"),
    LIST("device.groups", LC_CONFIG_GROUPS_MAX, "groups it belongs to"),
    ITEMS("device.groups[]", LC_JSON_TEXT, LC_DEVICE_BYTES_MAX, AT(group), LC_DEVICE_BYTES_MAX + 1,
          AT(group_count), "like device.id"),
    BOX("broker", true, "where records go"),
    TEXT("broker.url", 1, PATH_MAX_TEXT, NULL, AT(url), "mqtt://host:port or mqtts://host:port"),
    TEXT("broker.user", 0, NAME_MAX_TEXT, "", AT(user),
         "user name; the device id when only a password file is given"),
    TEXT("broker.password_file", 0, PATH_MAX_TEXT, "", AT(password_file),
         "file that holds the password"),
    BOX("broker.tls", false, "certificates, for mqtts"),
    TEXT("broker.tls.ca", 0, PATH_MAX_TEXT, "", AT(ca),
         "authority that signed the broker's certificate; the system's when empty"),
    TEXT("broker.tls.cert", 0, PATH_MAX_TEXT, "", AT(cert), "this device's certificate"),
    TEXT("broker.tls.key", 0, PATH_MAX_TEXT, "", AT(key), "and its key"),
    WORDS("broker.ack", "broker|e2e", 0, "broker", AT(ack),
          "what counts as delivered: the broker's word, or only that of dn/ack"),
    WORDS("broker.protocol", "auto|5|3.1.1", 0, "auto", AT(protocol),
          "of MQTT; auto tries 5 first"),
    NUMBER("broker.keepalive_s", 5, 3600, "30", AT(keepalive_s), "between pings"),
    TEXT("topic_root", 1, NAME_MAX_TEXT, "leafcutter/v1", AT(topic_root), "before the device id"),
    BOX("homeassistant", false, "the device shows up there by itself"),
    YESNO("homeassistant.discovery", "true", AT(discovery),
          "tell it of this device; false takes back what it was told"),
    TEXT("homeassistant.prefix", 1, NAME_MAX_TEXT, "homeassistant", AT(home),
         "before its topics: its discovery prefix"),
    LIST("inputs", LC_CONFIG_INPUTS_MAX, "where lines come from, besides dn/text"),
    ITEMS("inputs[]", LC_JSON_OBJECT, 0, AT(input), sizeof(lc_config_input), AT(input_count),
          "one input"),
    WORDS("inputs[].source", "stdin|file|fifo|serial|mqtt|gpio|sensor|sound", LC_INPUT_STDIN, NULL,
          IN(kind), "what it is"),
    TEXT("inputs[].id", 0, LC_SOURCE_BYTES_MAX, "", IN(id),
         "src of its records; made from path or topic when empty"),
    TEXT("inputs[].path", 0, PATH_MAX_TEXT, "", IN(path),
         "of a file, FIFO or serial line; of a sensor the first that matches: "
         "/sys/class/hwmon/*/temp1_input"),
    NUMBER("inputs[].baud", 1200, 1000000, "9600", IN(baud), "speed of a serial line"),
    WORDS("inputs[].flow", "none|xonxoff|rtscts", 0, "none", IN(flow),
          "flow control of a serial line; without it lines can be lost, which is stated"),
    TEXT("inputs[].topic", 0, LC_TOPIC_BYTES_MAX - 1, "", IN(topic),
         "MQTT filter; + and # allowed"),
    TEXT("inputs[].template", 0, LC_CONFIG_TEMPLATE_MAX - 1, "", IN(tmpl),
         "makes a line of a JSON message: temp {temperature} C; of a sensor: temp {value} C "
         "{state}"),
    TEXT("inputs[].chip", 0, NAME_MAX_TEXT, "", IN(chip),
         "of a pin: its label, gpiochip0 or path; replugged it may have another number"),
    TEXT("inputs[].name", 0, NAME_MAX_TEXT, "", IN(line_name), "of the line on that chip"),
    NUMBER("inputs[].line", 0, LC_CONFIG_LINE_NONE, "1024", IN(line),
           "or its number; 1024: not given"),
    YESNO("inputs[].active_low", "false", IN(active_low), "pressed pulls it down"),
    NUMBER("inputs[].debounce_ms", 0, 10000, "20", IN(debounce_ms),
           "so long a level must stay to count"),
    WORDS("inputs[].use", "trigger|acknowledge|gate", LC_PIN_TRIGGER, "trigger", IN(use),
          "trigger makes a line; acknowledge puts outputs to rest; gate holds them there"),
    TEXT("inputs[].text", 0, LC_CONFIG_TEMPLATE_MAX - 1, "", IN(text),
         "line when a pin becomes active"),
    TEXT("inputs[].text_off", 0, LC_CONFIG_TEMPLATE_MAX - 1, "", IN(text_off),
         "line when it no longer is; none when empty"),
    TEXT("inputs[].device", 1, NAME_MAX_TEXT, "default", IN(device), "microphone, of ALSA"),
    NUMBER("inputs[].every_s", 1, 86400, "10", IN(every_s),
           "between looks at a sensor; over so long a level of sound is taken"),
    REAL("inputs[].change", 0, 1e9, "1", IN(change),
         "since the last line that makes another: of a sensor's value; dB of sound"),
    REAL("inputs[].scale", -1e9, 1e9, "1", IN(scale), "a value is (number + offset) * scale"),
    REAL("inputs[].offset", -1e9, 1e9, "0", IN(offset), "see scale"),
    REAL("inputs[].min", -1e9, 1e9, "-1e9", IN(min), "below it {state} is low, which is told"),
    REAL("inputs[].max", -1e9, 1e9, "1e9", IN(max), "above it {state} is high"),
    TEXT("job", 0, PATH_MAX_TEXT, "", AT(job),
         "bundle (.leaf) or job file (.json); the shipped job when empty"),
    BOX("storage", false, "what outlives a restart"),
    TEXT("storage.path", 0, PATH_MAX_TEXT, "/var/lib/leafcutter", AT(storage),
         "folder; when empty, nothing outlives a restart"),
    NUMBER("storage.journal_mb", 1, 65536, "64", AT(journal_mb),
           "records that wait for a broker; counts when the files are made"),
    BOX("outputs", false, "what labels move"),
    BOX("outputs.gpio", false, "pins by name"),
    ITEMS("outputs.gpio.*", LC_JSON_OBJECT, 0, AT(pin), sizeof(lc_config_pin), AT(pin_count),
          "one pin"),
    TEXT("outputs.gpio.*.chip", 1, NAME_MAX_TEXT, NULL, PIN(chip), "gpiochip0"),
    TEXT("outputs.gpio.*.name", 0, NAME_MAX_TEXT, "", PIN(line_name), "of the line on that chip"),
    NUMBER("outputs.gpio.*.line", 0, LC_CONFIG_LINE_NONE, "1024", PIN(line),
           "or its number; 1024: not given"),
    YESNO("outputs.gpio.*.active_low", "false", PIN(active_low), "1 pulls it down"),
    NUMBER("outputs.gpio.*.safe", 0, 1, "0", PIN(safe), "value when nobody decides"),
    NUMBER("outputs.gpio.*.per_minute", 0, 6000, "60", PIN(per_minute),
           "actions begun in a minute at most; 0: no limit"),
    BOX("outputs.sound", false, "a sound device"),
    TEXT("outputs.sound.device", 0, NAME_MAX_TEXT, "", AT(sound_device),
         "of ALSA: default, or plughw:CARD=Headphones; no sound when empty"),
    REAL("outputs.sound.volume", 0, 1, "0.8", AT(volume), "0 is silence"),
    TEXT("outputs.sound.clips", 0, PATH_MAX_TEXT, "", AT(clips),
         "folder of recordings: clip:NAME plays NAME.wav, 16 bits, one or two channels"),
    BOX("threads", false, "0: one for each core"),
    NUMBER("threads.prefill", 0, 64, "0", AT(threads_prefill), "for reading a line"),
    NUMBER("threads.decode", 0, 64, "0", AT(threads_decode),
           "of them for one token at a time; leafcutter bench --tune finds both"),
    TEXT("keys", 0, PATH_MAX_TEXT, "", AT(keys), "not used in this version"),
    BOX("log", false, "on stderr"),
    WORDS("log.level", "critical|error|warning|notice|info|debug", LC_LOG_CRITICAL, "info",
          AT(log_level), "down to this one"),
    YESNO("log.text", "false", AT(log_text), "log lines themselves: they can be personal data"),
    BOX("status", false, "what `leafcutter status` asks"),
    TEXT("status.socket", 0, 100, "/run/leafcutter/status.sock", AT(status_socket),
         "path; none when empty"),
    BOX("board", false, "what is known of this board"),
    TEXT("board.root", 0, PATH_MAX_TEXT, "", AT(board_root),
         "folder below which its /sys and /proc are, in a container; / when empty"),
    REAL("board.idle_w", 0, 1000, "0", AT(idle_w),
         "power it takes without load, for the estimate of energy; 0: as published for it"),
    REAL("board.busy_w", 0, 1000, "0", AT(busy_w), "and with all its cores busy"),
    BOX("queue", false, "sizes and times"),
    NUMBER("queue.inbox_kb", 16, 1024, "64", AT(inbox_kb), "lines that wait, for each input"),
    NUMBER("queue.outbox_kb", 64, 1048576, "4096", AT(outbox_kb),
           "records that wait in memory; what is more waits in the journal"),
    NUMBER("queue.window", 1, LC_WINDOW_MAX, "8", AT(window), "messages in flight"),
    NUMBER("queue.batch", 1, LC_BATCH_MAX, "16", AT(batch), "records of a message, with a backlog"),
    NUMBER("queue.backlog_per_s", 1, 1000000, "500", AT(backlog_per_s),
           "records of the journal's backlog, so that those of now pass"),
    NUMBER("queue.deadline_ms", 1, 600000, "5000", AT(deadline_ms),
           "a line that takes longer is answered by its cheapest stage"),
};
const size_t lc_config_row_count = sizeof lc_config_rows / sizeof lc_config_rows[0];

const lc_config_row *lc_config_row_find(const char *path)
{
    for (size_t i = 0; i < lc_config_row_count; i++) {
        if (strcmp(lc_config_rows[i].path, path) == 0) {
            return &lc_config_rows[i];
        }
    }
    return NULL;
}

bool lc_config_word_find(const char *words, const char *text, uint32_t *index)
{
    size_t bytes = strlen(text);
    *index = 0;
    for (const char *at = words;; at = strchr(at, '|') + 1, (*index)++) {
        if (strncmp(at, text, bytes) == 0 && (at[bytes] == '|' || at[bytes] == '\0')) {
            return true;
        }
        if (!strchr(at, '|')) {
            return false;
        }
    }
}

static void range_print(const lc_config_row *row, FILE *out)
{
    if (row->words) {
        fprintf(out, "%s", row->words);
    } else if (row->type == LC_JSON_TEXT) {
        fprintf(out, "text, %.0f to %.0f bytes", row->min, row->max);
    } else if (row->type == LC_JSON_BOOL) {
        fputs("true|false", out);
    } else {
        fprintf(out, "%s%.0f to %.0f", row->type == LC_JSON_REAL ? "number, " : "", row->min,
                row->max);
    }
}

void lc_config_help(FILE *out)
{
    for (size_t i = 0; i < lc_config_row_count; i++) {
        const lc_config_row *row = &lc_config_rows[i];
        fprintf(out, "%-28s %s", row->path, row->about);
        if (row->type == LC_JSON_ARRAY) {
            fprintf(out, " (up to %.0f)", row->max);
        } else if (row->type != LC_JSON_OBJECT) {
            fputs(" (", out);
            range_print(row, out);
            if (row->needed) {
                fputs("; needed)", out);
            } else if (row->preset && row->preset[0]) {
                fprintf(out, "; default %s)", row->preset);
            } else {
                fputs(")", out);
            }
        }
        fputc('\n', out);
    }
}
