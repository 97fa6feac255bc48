/* outputs.h - what the labels of a job move on this board: the config's pins under the job's names.
 */
#ifndef LC_OUTPUTS_H
#define LC_OUTPUTS_H

#include "../../runtime/job.h"
#include "../node/actor.h"
#include "config.h"

#define LC_OUTPUT_LABELS_MAX 64u /* labels of a job that have an action */

typedef struct lc_outputs {
    lc_actor_pin pin[LC_CONFIG_PINS_MAX];
    lc_actor_label label[LC_OUTPUT_LABELS_MAX];
    lc_actor_options options; /* points to both */
} lc_outputs;

/* lc_outputs_bind - takes actions and trends from the job, pins from the config; job NULL: as many
 * labels as there may be, to measure.
 * Errors: LIMIT (more labels with actions than LC_OUTPUT_LABELS_MAX). */
lc_err lc_outputs_bind(lc_outputs *outputs, const lc_config *config, const lc_job *job,
                       lc_diag *diag) LC_CHECKED;
/* Says which actions are wrong, and which want an output that this board has not: those are left
 * out. Errors: FORMAT, an action that cannot be read. */
lc_err lc_outputs_check(const lc_outputs *outputs, const lc_job *job) LC_CHECKED;

#endif
