/* log.h - one event per line on stderr, with the level prefix that journald reads.
 *
 *   <4>link-down: no broker; records wait reason=timeout count=3
 * Never sensor text, unless log.text is on.
 */
#ifndef LC_LOG_H
#define LC_LOG_H

#include "../node/say.h"

typedef enum lc_log_level { /* of syslog */
                            LC_LOG_CRITICAL = 2,
                            LC_LOG_ERROR = 3,
                            LC_LOG_WARNING = 4,
                            LC_LOG_NOTICE = 5,
                            LC_LOG_INFO = 6,
                            LC_LOG_DEBUG = 7
} lc_log_level;

/* Lines above this level are not written; notice until it is set. One per process. */
void lc_log_level_set(lc_log_level level);
void lc_log(lc_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What an errno means, in English; unlike strerror it never takes memory. */
const char *lc_log_reason(int number);
void lc_log_saying(const lc_saying *saying);

#endif
