/* config_table.h - the rows: each key of the config once, with all that is known about it. */
#ifndef LC_CONFIG_TABLE_H
#define LC_CONFIG_TABLE_H

#include "config.h"

typedef struct lc_config_row {
    const char *path; /* "inputs[].baud"; "*" stands for any name */
    lc_json_type type;
    double min, max;    /* as in lc_json_key; TEXT into a field of max + 1 bytes */
    const char *preset; /* NULL: none */
    bool needed;        /* must be given where its object is */
    size_t offset;      /* in lc_config, or in the item of the list it is part of */
    const char *words;  /* "a|b|c": one of these, stored as its index (plus `first`) */
    uint32_t first;
    size_t stride; /* list: bytes of an item, whose number is counted at `count` */
    size_t count;
    const char *about;
} lc_config_row;

extern const lc_config_row lc_config_rows[];
extern const size_t lc_config_row_count;

/* The row of this path, NULL: there is no such key. */
const lc_config_row *lc_config_row_find(const char *path);
/* Whether a text is one of the words; *index is which. */
bool lc_config_word_find(const char *words, const char *text, uint32_t *index);

/* What tables cannot say: keys that belong together, forms of names. (config_check.c) */
lc_err lc_config_check(lc_config *config, lc_json_diag *diag) LC_CHECKED;

#endif
