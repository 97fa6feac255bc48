/* redact.h - identifiers, addresses and names out of a text: each becomes <SERIAL_n>, <ADDRESS_n>
 * or <NAME_n>, the same words the same tag. What was there stays on the device, as a map.
 *
 *   serial   numbers of things: after a word such as serial, id, asset; codes of letters and digits
 *            (from 6 characters, 3 digits on), numbers of 6 digits and more
 *   address  mail, web, IP and MAC addresses, host names, telephone numbers, streets, coordinates
 *   name     words with a capital after a title or a word such as operator, by; two or more of them
 *            in a row, unless this file knows one as a word of machines
 * Measured values with a unit stay, as do dates, times and short codes of errors: they are the
 * question. What was taken at one place goes at every other, too. In doubt more goes than must. A
 * name in small letters that no word announces anywhere is not found: what must never leave belongs
 * under `privacy.never`.
 */
#ifndef LC_REDACT_H
#define LC_REDACT_H

#include "../../runtime/bytes.h"
#include "../../runtime/err.h"

enum { LC_REDACT_SERIAL = 1, LC_REDACT_ADDRESS = 2, LC_REDACT_NAME = 4 };

#define LC_REDACTIONS_MAX 64u

/* Bytes from..to of the text stand as at..end in what leaves. */
typedef struct lc_redaction {
    uint32_t from, to, at, end;
    uint32_t kind, number;
} lc_redaction;

typedef struct lc_redactions {
    lc_redaction item[LC_REDACTIONS_MAX]; /* by place */
    uint32_t count;
} lc_redactions;

/* One of the words of `privacy.redact`; 0 for another. */
uint32_t lc_redact_kind(lc_str name);
/* lc_redact - writes the text without what these kinds take.
 *
 *   text  [bytes] UTF-8
 *   out   [max]; *out_bytes its length
 * Errors  LIMIT (it does not fit, or holds more than LC_REDACTIONS_MAX): then nothing may leave.
 */
lc_err lc_redact(uint32_t kinds, const char *text, uint32_t bytes, char *out, uint32_t max,
                 uint32_t *out_bytes, lc_redactions *map) LC_CHECKED;
/* Bytes *from..*to of what left as bytes of the text: a tag that they touch counts in whole. */
void lc_redact_back(const lc_redactions *map, uint32_t *from, uint32_t *to);

#endif
