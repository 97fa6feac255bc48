/* template.h - a line of text from a JSON message: "temp {temperature} C humidity {env.hum} %".
 *
 * {key} takes the value of a key of the message's object, {a.b} one of an inner object; `{{` and
 * `}}` are braces. Numbers are copied as written, strings are unescaped, true and false become
 * words. No heap.
 */
#ifndef LC_TEMPLATE_H
#define LC_TEMPLATE_H

#include "../../runtime/err.h"

#define LC_TEMPLATE_DEPTH_MAX 16u

/* Whether a template makes sense; diag->offset is the byte where it stops. */
lc_err lc_template_check(const char *tmpl, lc_diag *diag) LC_CHECKED;
/* lc_template_fill - writes the line, at most max bytes.
 *
 *   json      [bytes] one object, any bytes
 *   *out_bytes  length of the line
 * Errors    FORMAT (not JSON), NOT_FOUND (a key is missing, null, or not a plain value), LIMIT.
 */
lc_err lc_template_fill(const char *tmpl, const char *json, size_t bytes, char *out, size_t max,
                        size_t *out_bytes, lc_diag *diag) LC_CHECKED;

#endif
