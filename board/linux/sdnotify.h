/* sdnotify.h - telling systemd: ready, alive, stopping. Without NOTIFY_SOCKET nothing happens. */
#ifndef LC_SDNOTIFY_H
#define LC_SDNOTIFY_H

#include <stdint.h>

/* "READY=1", "WATCHDOG=1", "STOPPING=1", "STATUS=...". */
void lc_sdnotify(const char *text);

#endif
