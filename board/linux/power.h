/* power.h - what a board takes from its supply, from a table: for an estimate of energy, never a
 * measurement. */
#ifndef LC_POWER_H
#define LC_POWER_H

#include <stddef.h>
#include <stdint.h>

#include "config.h"

typedef struct lc_power {
    uint32_t idle_mw; /* of the whole board without load; 0: not known */
    uint32_t busy_mw; /* with all its cores busy */
    uint32_t cores;
} lc_power;

/* The board's name as its device tree has it, "" when it has none. root: "", or a folder with
 * another /proc below it. */
void lc_board_name(const char *root, char *out, size_t max);
/* What the config says, else what was published of this board. */
void lc_power_find(const lc_config *config, lc_power *power);
/* mWh of so long up, with so much CPU time; 0 when the board's power is not known. */
uint64_t lc_power_mwh(const lc_power *power, uint64_t up_ms, uint64_t cpu_us);

#endif
