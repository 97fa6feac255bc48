/* facts.h - numbers with units and key=value words, found once in the text, each with its span.
 *
 * A number is a fact when it stands alone: a sign, digits, perhaps a point and digits, a unit.
 * No fact are, because they name things or are ambiguous:
 *   digits inside a word or code   P2, E-042, R32, 3rd, 33x, 0x77, v1.2, 007
 *   times, dates, versions, addresses   10:22:31, 2024-06-30, 30.06.2024, 1.2.3, 192.0.2.77, MACs
 *   ranges, fractions, paths       5-10, 3/4, /dev/tty0
 *   a comma between two digits     1,204 and 3,5 (thousands, decimal comma or list: unknown)
 *   more than 15 digits
 * The unit follows directly or after one blank, and ends where a word ends. `K` and `g` are units
 * only after a word for temperature or vibration (5K, 250 g of butter).
 *
 * The key of a number, first that applies:
 *   1. a limit is not a reading: after < > or a word such as limit, setpoint, trip, that word
 *      ("limit" for a sign)
 *   2. the word before it, over blanks, = : " ( and small words (is at of now to from rising ...),
 *      when the word or a part of it (oil_temp, temp1) is in the table of aliases and fits the unit
 *   3. what the unit usually measures: 96C is temp
 *   4. that word itself, in lower case; without one "n"
 * A word fact is key=word or "key":"word", both in lower case; its span is the word.
 */
#ifndef LC_FACTS_H
#define LC_FACTS_H

#include "bytes.h"
#include "limits.h"

typedef enum lc_dim { /* what a unit measures; its base unit */
    LC_DIM_NONE,
    LC_DIM_TEMP,     /* C */
    LC_DIM_PERCENT,  /* % */
    LC_DIM_LEL,      /* %lel */
    LC_DIM_VOLTAGE,  /* V */
    LC_DIM_CURRENT,  /* A */
    LC_DIM_POWER,    /* W */
    LC_DIM_ENERGY,   /* Wh */
    LC_DIM_FREQ,     /* Hz */
    LC_DIM_ROTATION, /* rpm */
    LC_DIM_PRESSURE, /* bar */
    LC_DIM_VELOCITY, /* mm/s */
    LC_DIM_ACCEL,    /* g */
    LC_DIM_LENGTH,   /* mm */
    LC_DIM_TIME,     /* s */
    LC_DIM_CONC,     /* ppm */
    LC_DIM_DB,       /* dB */
    LC_DIM_DBM,      /* dBm */
    LC_DIM_FLOW,     /* l/min */
    LC_DIM_MASS,     /* kg */
    LC_DIM_VOLUME,   /* l */
    LC_DIM_OHM,      /* ohm */
    LC_DIM_TORQUE,   /* Nm */
    LC_DIM_RATE      /* %/h */
} lc_dim;

/* A row of the table in units.c: value_in_base = value * scale + shift. */
typedef struct lc_unit {
    const char *text; /* as written in records: "C", "mm/s", "%" */
    const char *key;  /* default key of a number with this unit: "temp", "vib"; "": none */
    uint8_t dim;      /* lc_dim; units of one dimension can be compared */
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

/* text must be valid UTF-8; facts point into it and into `facts`. Time is linear in bytes. */
void lc_facts_find(const char *text, uint32_t bytes, lc_facts *facts);
/* digits / 10^decimals, in the unit as written. */
double lc_fact_value(const lc_fact *fact);
/* The same in the base unit of its dimension; as written when it has no unit. */
double lc_fact_base(const lc_fact *fact);

/* ---- tables (units.c) ---- */

/* The unit with exactly this spelling ("°C", "degC" and "C" are one unit), or NULL. */
const lc_unit *lc_unit_find(const char *text, uint32_t bytes);
/* The longest unit at the start of text that ends where a word ends; *length is its spelling's.
 * key is the canonical key before the number (some units need one), or NULL: any. */
const lc_unit *lc_unit_match(const char *text, uint32_t bytes, const lc_str *key,
                             uint32_t *length);
/* Canonical key of a word ("Temperature" is "temp"); data NULL when it is no alias. */
lc_str lc_key_find(const char *word, uint32_t bytes);
/* Can a canonical key be measured in this dimension? Other keys: always. */
bool lc_key_fits(lc_str key, uint8_t dim);

#endif
