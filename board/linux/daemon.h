/* daemon.h - leafcutterd put together: config, memory, job, node, worker, inputs, link, loop. */
#ifndef LC_DAEMON_H
#define LC_DAEMON_H

#include "config.h"

typedef struct lc_daemon_options {
    const char *version;
    bool until_eof; /* leave when every file and stdin is read and every record acknowledged */
    bool adopt;     /* the store was another board's with this id: it is this one's now */
} lc_daemon_options;

/* Runs until a signal, or the end of its inputs; returns the exit code. Says on stderr why it could
 * not start. Once in a process. */
int lc_daemon_run(const lc_config *config, const lc_daemon_options *options);
/* Only puts the outputs of the config to their safe level, for when the daemon could not: killed.
 */
int lc_daemon_rest(const lc_config *config);

#endif
