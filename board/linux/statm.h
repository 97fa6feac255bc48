/* statm.h - how much memory this process has, by /proc/self/statm; no heap. */
#ifndef LC_STATM_H
#define LC_STATM_H

#include <stddef.h>

typedef enum lc_statm_field { LC_STATM_RESIDENT = 1, LC_STATM_DATA = 5 } lc_statm_field;

/* Bytes; 0 when it cannot be read. */
size_t lc_statm_bytes(lc_statm_field field);

#endif
