/* facts.h - numbers with units and key=value pairs, found once in the text, each with its span. */
#ifndef LC_FACTS_H
#define LC_FACTS_H

#include "bytes.h"
#include "limits.h"

/* A unit of the table in facts.c: value_in_base = value * scale + shift. */
typedef struct lc_unit {
    const char *text; /* as written in records: "C", "mm/s", "%" */
    const char *key;  /* default key of a number with this unit: "temp", "vib" */
    uint8_t dim;      /* units of one dimension can be compared */
    double scale, shift;
} lc_unit;

typedef struct lc_fact {
    lc_str key;      /* lower case, canonical ("temperature" is "temp"); static or in scratch */
    int64_t digits;  /* the number as written: digits / 10^decimals */
    uint8_t decimals;
    bool is_number;  /* else `word` holds the value of a key=value pair */
    lc_str word;
    const lc_unit *unit; /* NULL: none */
    uint32_t at, end;    /* byte span in the text */
} lc_fact;

typedef struct lc_facts {
    lc_fact fact[LC_FACTS_MAX];
    uint32_t count;
    uint32_t missed; /* facts over the limit */
    char keys[1024]; /* lower-cased keys and words */
    uint32_t keys_used;
} lc_facts;

/* text must be valid UTF-8; facts point into it. */
void lc_facts_find(const char *text, uint32_t bytes, lc_facts *facts);
double lc_fact_value(const lc_fact *fact);
const lc_unit *lc_unit_find(const char *text, uint32_t bytes);

#endif
