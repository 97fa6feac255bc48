/* json.h - strict JSON, read by cJSON after an own check, and objects checked against tables.
 *
 * cJSON 1.7.15 alone accepts trailing text, numbers like 01, control characters in strings, invalid
 * UTF-8 and nesting of 1,000; here a text must be one value exactly as RFC 8259 says, nested at
 * most LC_JSON_DEPTH_MAX deep, without BOM, NUL or lone surrogates.
 */
#ifndef LC_JSON_H
#define LC_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

#include "../../runtime/err.h"

#define LC_JSON_DEPTH_MAX 64u
#define LC_JSON_BYTES_MAX (16u << 20)
#define LC_JSON_LARGE_MAX (64u << 20)

enum {
    LC_JSON_COMMENTS = 1, /* `//` up to the end of a line counts as blank */
    LC_JSON_NO_NUL = 2,   /* refuse the escape \u0000, which a C string cannot hold */
    LC_JSON_LARGE = 4     /* up to LC_JSON_LARGE_MAX bytes: vocabularies, on a desk */
};

/* What is wrong and where: `line 3, column 14: ...` or `tasks[0].labels[2].cost_miss: ...`. */
typedef struct lc_json_diag {
    lc_err err;
    char text[512];
} lc_json_diag;

/* Fills diag (when not NULL) and returns err; `path` may be "" for none. */
lc_err lc_json_fail(lc_json_diag *diag, lc_err err, const char *path, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* lc_json_parse - text to a tree.
 *
 * Errors    FORMAT, LIMIT (too long or deep), ARENA; *tree is NULL then.
 * Owner     the caller frees *tree with cJSON_Delete.
 */
lc_err lc_json_parse(const char *text, size_t bytes, unsigned flags, cJSON **tree,
                     lc_json_diag *diag) LC_CHECKED;

/* ---- tables of keys ---- */

typedef enum lc_json_type {
    LC_JSON_TEXT,    /* min, max: bytes */
    LC_JSON_REAL,    /* min, max: value, both allowed */
    LC_JSON_INTEGER, /* the same, without fraction */
    LC_JSON_BOOL,
    LC_JSON_OBJECT,
    LC_JSON_ARRAY /* min, max: items */
} lc_json_type;

typedef struct lc_json_key {
    const char *name;
    lc_json_type type;
    double min, max;
    bool required;
    const char *about; /* one line for people */
} lc_json_key;

/* Where in the tree: "tasks[0].labels[2]". */
typedef struct lc_json_path {
    char text[256];
    size_t bytes;
} lc_json_path;

/* Each returns the length to go back to with lc_json_path_back. */
size_t lc_json_path_key(lc_json_path *path, const char *key);
size_t lc_json_path_index(lc_json_path *path, size_t index);
void lc_json_path_back(lc_json_path *path, size_t bytes);

/* Every key of object is in the table, once, with type and range as the table says; no required
 * key is missing. Errors: FORMAT with the key's path. */
lc_err lc_json_check(const cJSON *object, const lc_json_key *key, size_t key_count,
                     lc_json_path *path, lc_json_diag *diag) LC_CHECKED;
/* Is item of the row's type and in its range? Used for items of arrays, too. */
lc_err lc_json_check_value(const cJSON *item, const lc_json_key *key, lc_json_path *path,
                           lc_json_diag *diag) LC_CHECKED;

/* ---- reading what was checked ---- */

const char *lc_json_text(const cJSON *object, const char *key, const char *otherwise);
double lc_json_real(const cJSON *object, const char *key, double otherwise);
bool lc_json_bool(const cJSON *object, const char *key, bool otherwise);
/* The items of an array by key; 0 when it is absent. */
size_t lc_json_count(const cJSON *object, const char *key);

#endif
