/* json.c - a validating scan before cJSON, and key tables after it. */
#include "json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/bytes.h"

lc_err lc_json_fail(lc_json_diag *diag, lc_err err, const char *path, const char *format, ...)
{
    if (diag != NULL) {
        int n = path[0] != '\0' ? snprintf(diag->text, sizeof diag->text, "%s: ", path) : 0;
        size_t used = n < 0 ? 0 : (size_t)n;
        va_list args;
        va_start(args, format);
        if (used < sizeof diag->text) {
            vsnprintf(diag->text + used, sizeof diag->text - used, format, args);
        }
        va_end(args);
        diag->err = err;
    }
    return err;
}

/* ---- the scan ---- */

typedef struct scan {
    char *text; /* own copy: comments become blanks */
    size_t bytes, at;
    unsigned flags;
    char nest[LC_JSON_DEPTH_MAX]; /* '{' or '[' */
    size_t depth;
    lc_json_diag *diag;
} scan;

static lc_err scan_fail(const scan *s, lc_err err, const char *what)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < s->at && i < s->bytes; i++) {
        bool newline = s->text[i] == '\n';
        line += newline;
        column = newline ? 1 : column + ((s->text[i] & 0xc0) != 0x80);
    }
    return lc_json_fail(s->diag, err, "", "line %zu, column %zu: %s", line, column, what);
}

static lc_err wrong(const scan *s, const char *what)
{
    return scan_fail(s, LC_ERR_FORMAT, what);
}

static char peek(const scan *s)
{
    return s->at < s->bytes ? s->text[s->at] : '\0';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void blank_comment(scan *s)
{
    while (s->at < s->bytes && s->text[s->at] != '\n') {
        s->text[s->at++] = ' ';
    }
}

static void skip_blanks(scan *s)
{
    for (;;) {
        char c = peek(s);
        if (s->at < s->bytes && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
            s->at++;
        } else if ((s->flags & LC_JSON_COMMENTS) != 0 && c == '/' && s->at + 1 < s->bytes &&
                   s->text[s->at + 1] == '/') {
            blank_comment(s);
        } else {
            return;
        }
    }
}

static bool hex_value(const char *text, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        uint32_t digit;
        if (is_digit(c)) {
            digit = (uint32_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (uint32_t)(c - 'a' + 10);
        } else if (c >= 'A' && c <= 'F') {
            digit = (uint32_t)(c - 'A' + 10);
        } else {
            return false;
        }
        *value = *value * 16 + digit;
    }
    return true;
}

/* \uXXXX at the backslash; a high surrogate must be followed by a low one. */
static lc_err scan_unicode(scan *s)
{
    uint32_t unit = 0, low = 0;
    if (s->bytes - s->at < 6 || !hex_value(s->text + s->at + 2, &unit)) {
        return wrong(s, "wrong \\u escape");
    }
    if (unit == 0 && (s->flags & LC_JSON_NO_NUL) != 0) {
        return wrong(s, "\\u0000 is not allowed");
    }
    if (unit >= 0xdc00 && unit <= 0xdfff) {
        return wrong(s, "lone surrogate");
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        bool pair = s->bytes - s->at >= 12 && s->text[s->at + 6] == '\\' &&
                    s->text[s->at + 7] == 'u' && hex_value(s->text + s->at + 8, &low) &&
                    low >= 0xdc00 && low <= 0xdfff;
        if (!pair) {
            return wrong(s, "lone surrogate");
        }
        s->at += 6;
    }
    s->at += 6;
    return LC_OK;
}

static lc_err scan_escape(scan *s)
{
    char c = s->at + 1 < s->bytes ? s->text[s->at + 1] : '\0';
    if (c == 'u') {
        return scan_unicode(s);
    }
    if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL) {
        return wrong(s, "wrong escape");
    }
    s->at += 2;
    return LC_OK;
}

static lc_err scan_string(scan *s)
{
    s->at++;
    while (s->at < s->bytes && s->text[s->at] != '"') {
        uint32_t code_point = 0;
        if (s->text[s->at] == '\\') {
            lc_err err = scan_escape(s);
            if (err != LC_OK) {
                return err;
            }
            continue;
        }
        uint32_t n = lc_utf8_decode(s->text + s->at, s->bytes - s->at, &code_point);
        if (n == 0 || code_point < 0x20) {
            return wrong(s, n == 0 ? "invalid UTF-8" : "control character in a string");
        }
        s->at += n;
    }
    if (s->at >= s->bytes) {
        return wrong(s, "string is not closed");
    }
    s->at++;
    return LC_OK;
}

static bool scan_digits(scan *s)
{
    size_t start = s->at;
    while (is_digit(peek(s))) {
        s->at++;
    }
    return s->at > start;
}

static lc_err scan_number(scan *s)
{
    bool good = true;
    s->at += peek(s) == '-';
    if (peek(s) == '0') {
        s->at++;
    } else {
        good = scan_digits(s);
    }
    if (good && peek(s) == '.') {
        s->at++;
        good = scan_digits(s);
    }
    if (good && (peek(s) == 'e' || peek(s) == 'E')) {
        s->at++;
        s->at += peek(s) == '+' || peek(s) == '-';
        good = scan_digits(s);
    }
    return good ? LC_OK : wrong(s, "wrong number");
}

static lc_err scan_word(scan *s)
{
    static const char *const word[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof word / sizeof word[0]; i++) {
        size_t n = strlen(word[i]);
        if (s->bytes - s->at >= n && memcmp(s->text + s->at, word[i], n) == 0) {
            s->at += n;
            return LC_OK;
        }
    }
    return wrong(s, "expected a value");
}

static lc_err scan_open(scan *s, char bracket)
{
    if (s->depth == LC_JSON_DEPTH_MAX) {
        return scan_fail(s, LC_ERR_LIMIT, "nested too deep");
    }
    s->nest[s->depth++] = bracket;
    s->at++;
    return LC_OK;
}

/* `"key" :` */
static lc_err scan_key(scan *s)
{
    skip_blanks(s);
    lc_err err = peek(s) == '"' ? scan_string(s) : wrong(s, "expected a key in quotes");
    if (err == LC_OK) {
        skip_blanks(s);
        err = peek(s) == ':' ? LC_OK : wrong(s, "expected :");
        s->at++;
    }
    return err;
}

/* A value starts. *open: it was a bracket with something in it, so that a value is due again. */
static lc_err scan_value(scan *s, bool *open)
{
    skip_blanks(s);
    char c = peek(s);
    *open = false;
    if (c == '{' || c == '[') {
        lc_err err = scan_open(s, c);
        skip_blanks(s);
        if (err == LC_OK && peek(s) != (c == '{' ? '}' : ']')) {
            *open = true;
            err = c == '{' ? scan_key(s) : LC_OK;
        }
        return err;
    }
    if (c == '"') {
        return scan_string(s);
    }
    return c == '-' || is_digit(c) ? scan_number(s) : scan_word(s);
}

/* After a value: closing brackets, then a comma when a value is due again. */
static lc_err scan_after(scan *s, bool *due)
{
    *due = false;
    for (;;) {
        skip_blanks(s);
        if (s->depth == 0) {
            return s->at == s->bytes ? LC_OK : wrong(s, "text after the value");
        }
        char inside = s->nest[s->depth - 1];
        char c = peek(s);
        if (c == ',') {
            s->at++;
            *due = true;
            return inside == '{' ? scan_key(s) : LC_OK;
        }
        if (c != (inside == '{' ? '}' : ']')) {
            return wrong(s, inside == '{' ? "expected , or }" : "expected , or ]");
        }
        s->depth--;
        s->at++;
    }
}

static lc_err scan_all(scan *s)
{
    bool due = true;
    while (due) {
        bool open = false;
        lc_err err = scan_value(s, &open);
        if (err == LC_OK && !open) {
            err = scan_after(s, &due);
        }
        if (err != LC_OK) {
            return err;
        }
    }
    return LC_OK;
}

lc_err lc_json_parse(const char *text, size_t bytes, unsigned flags, cJSON **tree,
                     lc_json_diag *diag)
{
    *tree = NULL;
    size_t most = (flags & LC_JSON_LARGE) != 0 ? LC_JSON_LARGE_MAX : LC_JSON_BYTES_MAX;
    if (bytes > most) {
        return lc_json_fail(diag, LC_ERR_LIMIT, "", "longer than %zu bytes", most);
    }
    scan s = {.text = malloc(bytes + 1), .bytes = bytes, .flags = flags, .diag = diag};
    if (s.text == NULL) {
        return lc_json_fail(diag, LC_ERR_ARENA, "", "out of memory");
    }
    if (bytes != 0) {
        memcpy(s.text, text, bytes);
    }
    s.text[bytes] = '\0';
    lc_err err = scan_all(&s);
    if (err == LC_OK) {
        *tree = cJSON_ParseWithLengthOpts(s.text, bytes + 1, NULL, 1);
        if (*tree == NULL) {
            err = lc_json_fail(diag, LC_ERR_ARENA, "", "out of memory");
        }
    }
    free(s.text);
    return err;
}

/* ---- paths ---- */

static size_t path_add(lc_json_path *path, const char *format, const char *key, size_t index)
{
    size_t back = path->bytes;
    char *to = path->text + path->bytes;
    size_t room = sizeof path->text - path->bytes;
    int n = key != NULL ? snprintf(to, room, format, key) : snprintf(to, room, "[%zu]", index);
    path->bytes = n < 0 || (size_t)n >= room ? sizeof path->text - 1 : back + (size_t)n;
    return back;
}

/* A path is shown to people: a key from outside must not carry control characters to a terminal. */
size_t lc_json_path_key(lc_json_path *path, const char *key)
{
    size_t back = path->bytes;
    if (back != 0 && back < sizeof path->text - 1) {
        path->text[path->bytes++] = '.';
    }
    size_t start = path_add(path, "%s", key, 0);
    for (size_t i = start; i < path->bytes; i++) {
        unsigned char c = (unsigned char)path->text[i];
        if (c < 0x20 || c == 0x7f) {
            path->text[i] = '?';
        }
    }
    return back;
}

size_t lc_json_path_index(lc_json_path *path, size_t index)
{
    return path_add(path, NULL, NULL, index);
}

void lc_json_path_back(lc_json_path *path, size_t bytes)
{
    path->bytes = bytes;
    path->text[bytes] = '\0';
}

/* ---- tables ---- */

static bool has_type(const cJSON *item, lc_json_type type)
{
    switch (type) {
    case LC_JSON_TEXT:
        return cJSON_IsString(item);
    case LC_JSON_REAL:
    case LC_JSON_INTEGER:
        return cJSON_IsNumber(item);
    case LC_JSON_BOOL:
        return cJSON_IsBool(item);
    case LC_JSON_OBJECT:
        return cJSON_IsObject(item);
    default:
        return cJSON_IsArray(item);
    }
}

static const char *type_text(lc_json_type type)
{
    static const char *const text[] = {"text",          "a number",  "a whole number",
                                       "true or false", "an object", "a list"};
    return text[type];
}

/* What min and max of a row measure. */
static double size_of(const cJSON *item, lc_json_type type)
{
    switch (type) {
    case LC_JSON_TEXT:
        return (double)strlen(item->valuestring);
    case LC_JSON_ARRAY:
        return (double)cJSON_GetArraySize(item);
    default:
        return item->valuedouble;
    }
}

static bool is_whole(double v)
{
    return v >= -9007199254740992.0 && v <= 9007199254740992.0 && v == (double)(int64_t)v;
}

lc_err lc_json_check_value(const cJSON *item, const lc_json_key *key, lc_json_path *path,
                           lc_json_diag *diag)
{
    bool number = key->type == LC_JSON_REAL || key->type == LC_JSON_INTEGER;
    if (!has_type(item, key->type) ||
        (key->type == LC_JSON_INTEGER && !is_whole(item->valuedouble))) {
        return lc_json_fail(diag, LC_ERR_FORMAT, path->text, "must be %s", type_text(key->type));
    }
    if (key->type == LC_JSON_BOOL || key->type == LC_JSON_OBJECT) {
        return LC_OK;
    }
    double size = size_of(item, key->type);
    if (!(size >= key->min && size <= key->max)) {
        const char *unit = number ? "" : key->type == LC_JSON_TEXT ? " bytes" : " items";
        return lc_json_fail(diag, LC_ERR_FORMAT, path->text, "out of range, %.15g to %.15g%s",
                            key->min, key->max, unit);
    }
    return LC_OK;
}

static const lc_json_key *key_named(const lc_json_key *key, size_t key_count, const char *name)
{
    for (size_t i = 0; i < key_count; i++) {
        if (strcmp(key[i].name, name) == 0) {
            return &key[i];
        }
    }
    return NULL;
}

static lc_err check_member(const cJSON *object, const cJSON *item, const lc_json_key *key,
                           size_t key_count, lc_json_path *path, lc_json_diag *diag)
{
    const lc_json_key *row = key_named(key, key_count, item->string);
    if (row == NULL) {
        return lc_json_fail(diag, LC_ERR_FORMAT, path->text, "unknown key");
    }
    for (const cJSON *other = object->child; other != item; other = other->next) {
        if (strcmp(other->string, item->string) == 0) {
            return lc_json_fail(diag, LC_ERR_FORMAT, path->text, "duplicate key");
        }
    }
    return lc_json_check_value(item, row, path, diag);
}

lc_err lc_json_check(const cJSON *object, const lc_json_key *key, size_t key_count,
                     lc_json_path *path, lc_json_diag *diag)
{
    if (!cJSON_IsObject(object)) {
        return lc_json_fail(diag, LC_ERR_FORMAT, path->text, "must be an object");
    }
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        size_t back = lc_json_path_key(path, item->string);
        lc_err err = check_member(object, item, key, key_count, path, diag);
        if (err != LC_OK) {
            return err;
        }
        lc_json_path_back(path, back);
    }
    for (size_t i = 0; i < key_count; i++) {
        if (key[i].required && cJSON_GetObjectItemCaseSensitive(object, key[i].name) == NULL) {
            (void)lc_json_path_key(path, key[i].name);
            return lc_json_fail(diag, LC_ERR_FORMAT, path->text, "is missing");
        }
    }
    return LC_OK;
}

/* ---- reading ---- */

const char *lc_json_text(const cJSON *object, const char *key, const char *otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) ? item->valuestring : otherwise;
}

double lc_json_real(const cJSON *object, const char *key, double otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

bool lc_json_bool(const cJSON *object, const char *key, bool otherwise)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : otherwise;
}

size_t lc_json_count(const cJSON *object, const char *key)
{
    return (size_t)cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(object, key));
}
