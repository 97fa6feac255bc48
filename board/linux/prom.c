/* prom.c - heads, labels, escapes. */
#include "prom.h"

/* Invalid UTF-8 becomes U+FFFD; of what is valid only three characters need escaping, in a help
 * text two of them. */
static void escaped_put(lc_text *t, lc_str s, bool quotes)
{
    uint32_t point;
    for (uint32_t at = 0; at < s.bytes;) {
        uint32_t bytes = lc_utf8_decode(s.data + at, s.bytes - at, &point);
        if (bytes == 0) {
            lc_text_add(t, "\xef\xbf\xbd");
            bytes = 1;
        } else if (point == '\n') {
            lc_text_add(t, "\\n");
        } else if (point == '\\') {
            lc_text_add(t, "\\\\");
        } else if (point == '"' && quotes) {
            lc_text_add(t, "\\\"");
        } else {
            lc_text_put(t, s.data + at, bytes);
        }
        at += bytes;
    }
}

static void line_put(lc_text *t, const char *what, const char *name)
{
    lc_text_add(t, what);
    lc_text_add(t, name);
    lc_text_add(t, " ");
}

void lc_prom_head(lc_text *t, const char *name, const char *type, const char *help)
{
    line_put(t, "# HELP ", name);
    escaped_put(t, lc_str_from(help), false);
    lc_text_add(t, "\n");
    line_put(t, "# TYPE ", name);
    lc_text_add(t, type);
    lc_text_add(t, "\n");
}

void lc_prom_sample(lc_text *t, const char *name, const lc_prom_label *label, uint32_t count)
{
    lc_text_add(t, name);
    for (uint32_t i = 0; i < count; i++) {
        lc_text_add(t, i == 0 ? "{" : ",");
        lc_text_add(t, label[i].name);
        lc_text_add(t, "=\"");
        escaped_put(t, label[i].value, true);
        lc_text_add(t, "\"");
    }
    lc_text_add(t, count > 0 ? "} " : " ");
}

void lc_prom_u64(lc_text *t, const char *name, const lc_prom_label *label, uint32_t count,
                 uint64_t value)
{
    lc_prom_sample(t, name, label, count);
    lc_text_u64(t, value);
    lc_text_add(t, "\n");
}
