/* screen.h - what may leave of a line: in its records, and for upstream. Runs where inference does.
 */
#ifndef LC_SCREEN_H
#define LC_SCREEN_H

#include "../../runtime/arena.h"
#include "../../runtime/job.h"
#include "redact.h"

typedef struct lc_screen {
    uint32_t kinds; /* LC_REDACT_* of the job */
    bool leaves;    /* text may be asked about */
    bool clear;     /* text is what the redactor let through, else nothing leaves at all */
    char *text;     /* [LC_LINE_BYTES_MAX] */
    uint32_t bytes;
    lc_redactions map;
    lc_facts facts; /* of records: those that the redactor did not touch */
    char *clean;    /* [3 * LC_LINE_BYTES_MAX] the line as UTF-8 */
} lc_screen;

lc_err lc_screen_init(lc_screen *screen, const lc_policy *policy, lc_arena *state) LC_CHECKED;
/* Whether the job keeps this line on the device: a label of any task, in its conformal set too, or
 * a task, stands under `privacy.never`; or no label is known at all. */
bool lc_screen_private(const lc_policy *policy, const lc_answer *answers, uint32_t count);
/* lc_screen_line - the last word on answers that say `escalate`, as if a link were there.
 *
 *   online  a question could be asked now; else they become `defer`
 * Records lose the facts that the redactor touched.
 *   bar     only answers that are at least so unsure (1 - p) are asked: upstream is busy
 * What may never be asked (why: `privacy`, `redact`) becomes `defer` and screen->leaves is false.
 */
void lc_screen_line(lc_screen *screen, const lc_policy *policy, lc_str line, bool online, float bar,
                    lc_answer *answers, uint32_t count);

#endif
