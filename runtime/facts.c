/* facts.c - one pass over the text; the rules of what is a fact stand in facts.h. */
#include "facts.h"

#include <string.h>

#include "err.h"

#define DIGITS_MAX 15u /* exact in double */
#define WORD_BYTES_MAX 48u
#define LOOK_BACK_WORDS 5u /* small words skipped on the way to the key */
#define LOOK_BACK_MARKS 8u /* blanks and marks between two words */

/* ---- characters ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(char c)
{
    return is_digit(c) || is_letter(c);
}

static bool is_word(char c)
{
    return is_alnum(c) || c == '_' || c == '-' || c == '.' || (unsigned char)c >= 0x80;
}

static bool is_blank(char c)
{
    return (unsigned char)c <= 0x20;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool is_one_of(char c, const char *set)
{
    for (; *set != '\0'; set++) {
        if (*set == c) {
            return true;
        }
    }
    return false;
}

/* The text; outside of it every character is a blank. */
typedef struct source {
    const char *text;
    uint32_t bytes;
    lc_facts *facts;
} source;

static char at(const source *s, uint32_t i)
{
    return i < s->bytes ? s->text[i] : ' ';
}

static char before(const source *s, uint32_t i)
{
    return i > 0 ? s->text[i - 1] : ' ';
}

/* ---- words ---- */

static bool same_word(lc_str word, const char *lower_case)
{
    uint32_t i = 0;
    while (i < word.bytes && lower_case[i] != '\0' && lower(word.data[i]) == lower_case[i]) {
        i++;
    }
    return i == word.bytes && lower_case[i] == '\0';
}

static bool is_in(lc_str word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (same_word(word, list[i])) {
            return true;
        }
    }
    return false;
}

static bool is_small_word(lc_str word)
{
    static const char *const list[] = {
        "is",      "at",     "of",      "now",      "to",     "from",     "was",     "are",
        "a",       "the",    "by",      "read",     "reads",  "reading",  "show",    "shows",
        "showing", "rise",   "rises",   "rising",   "rose",   "fall",     "falls",   "falling",
        "fell",    "drop",   "drops",   "dropped",  "up",     "down",     "hi",      "high",
        "lo",      "low",    "about",   "approx",   "around", "ca",       "near",    "only",
        "still",   "steady", "stable",  "value",    "val",    "reached",  "reaches", "hit",
        "hits",    "over",   "under",   "above",    "below",  "measured", "meas",    "actual",
        "act",     "has",    "climbed", "climbing", "just",   "currently"};
    return is_in(word, list, sizeof list / sizeof list[0]);
}

static bool is_limit_word(lc_str word)
{
    static const char *const list[] = {"limit",     "lim",    "setpoint", "sp",   "set",
                                       "threshold", "thr",    "alarm",    "trip", "rated",
                                       "nominal",   "target", "range",    "max",  "min"};
    return is_in(word, list, sizeof list / sizeof list[0]);
}

/* The word that ends at `end`, without dots and dashes at its ends; empty when it is too long. */
static lc_str word_ending(const source *s, uint32_t end)
{
    uint32_t start = end;
    while (start > 0 && end - start <= WORD_BYTES_MAX && is_word(s->text[start - 1])) {
        start--;
    }
    if (end - start > WORD_BYTES_MAX) {
        return (lc_str){s->text, 0};
    }
    while (start < end && is_one_of(s->text[start], ".-")) {
        start++;
    }
    while (end > start && is_one_of(s->text[end - 1], ".-")) {
        end--;
    }
    return (lc_str){s->text + start, end - start};
}

static bool has_letter(lc_str word)
{
    for (uint32_t i = 0; i < word.bytes; i++) {
        if (!is_one_of(word.data[i], "0123456789.-_")) {
            return true;
        }
    }
    return false;
}

/* What stands before a number: the word that may name it, and whether it is a limit. */
typedef struct naming {
    lc_str word; /* bytes 0: none */
    bool limit;
} naming;

static naming name_before(const source *s, uint32_t i)
{
    naming none = {{s->text, 0}, false};
    for (uint32_t words = 0; words < LOOK_BACK_WORDS; words++) {
        for (uint32_t n = 0; n < LOOK_BACK_MARKS && i > 0; n++) {
            if (!is_blank(s->text[i - 1]) && !is_one_of(s->text[i - 1], "=:\"'(~*@<>")) {
                break;
            }
            if (is_one_of(s->text[i - 1], "<>")) {
                return (naming){lc_str_from("limit"), true};
            }
            i--;
        }
        lc_str word = word_ending(s, i);
        if (!has_letter(word)) {
            return none;
        }
        if (!is_small_word(word)) {
            return (naming){word, is_limit_word(word)};
        }
        i = (uint32_t)(word.data - s->text);
    }
    return none;
}

/* Canonical key of a word or of a part of it, last part first: oil_temp, temp1. */
static lc_str key_of_word(lc_str word)
{
    lc_str key = lc_key_find(word.data, word.bytes);
    uint32_t end = word.bytes;
    while (key.data == NULL && end > 0) {
        uint32_t start = end;
        while (start > 0 && !is_one_of(word.data[start - 1], "_-.")) {
            start--;
        }
        uint32_t part = end - start;
        while (part > 0 && is_digit(word.data[start + part - 1])) {
            part--;
        }
        key = lc_key_find(word.data + start, part);
        end = start > 0 ? start - 1 : 0;
    }
    return key;
}

/* ---- keeping facts ---- */

/* A lower-case copy inside facts; data NULL when there is no room. */
static lc_str keep_lower(lc_facts *facts, lc_str word)
{
    if (word.bytes > sizeof facts->keys - facts->keys_used) {
        return (lc_str){NULL, 0};
    }
    char *to = facts->keys + facts->keys_used;
    for (uint32_t i = 0; i < word.bytes; i++) {
        to[i] = lower(word.data[i]);
    }
    facts->keys_used += word.bytes;
    return (lc_str){to, word.bytes};
}

/* Adds a fact whose key and word, where they still point into the text, are copied. */
static void add_fact(lc_facts *facts, lc_fact fact, bool copy_key)
{
    uint32_t used = facts->keys_used;
    if (facts->count == LC_FACTS_MAX) {
        facts->missed++;
        return;
    }
    if (copy_key) {
        fact.key = keep_lower(facts, fact.key);
    }
    if (!fact.is_number) {
        fact.word = keep_lower(facts, fact.word);
    }
    if (fact.key.data == NULL || (!fact.is_number && fact.word.data == NULL)) {
        facts->keys_used = used;
        facts->missed++;
        return;
    }
    facts->fact[facts->count++] = fact;
}

/* ---- numbers ---- */

/* Is text[i] the colon of a chain like 00:1a:5c? */
static bool in_colon_chain(const source *s, uint32_t i)
{
    uint32_t start = i;
    while (start > 0 && i - start <= WORD_BYTES_MAX && is_alnum(s->text[start - 1])) {
        start--;
    }
    return before(s, start) == ':' && start >= 2 && is_alnum(s->text[start - 2]);
}

/* May a number start at i, counting its sign? */
static bool may_start(const source *s, uint32_t i)
{
    char c = before(s, i);
    if (c == ',' || c == ':') {
        bool after_digit = i >= 2 && is_digit(s->text[i - 2]);
        return !after_digit && !(c == ':' && in_colon_chain(s, i - 1));
    }
    return is_blank(c) || is_one_of(c, "=([{\"'<>~|;@*!?");
}

/* May a number without a unit end before i? */
static bool may_end(const source *s, uint32_t i)
{
    char c = at(s, i);
    char next = at(s, i + 1);
    if (c == ',') {
        return !is_digit(next);
    }
    if (c == '.' || c == ':' || c == '-') {
        return !is_alnum(next) && next != '.';
    }
    return is_blank(c) || is_one_of(c, ")]}\"'<>~|;!?@*");
}

/* Reads digits, point, digits at i. Returns the end; fact->digits is valid when *plain. */
static uint32_t read_number(const source *s, uint32_t i, lc_fact *fact, bool *plain)
{
    uint32_t start = i, digits = 0;
    bool point = false;
    int64_t value = 0;
    for (;; i++) {
        char c = at(s, i);
        if (c == '.' && !point && is_digit(at(s, i + 1))) {
            point = true;
        } else if (is_digit(c)) {
            digits++;
            value = digits <= DIGITS_MAX ? value * 10 + (c - '0') : value;
            fact->decimals = (uint8_t)(fact->decimals + (point && digits <= DIGITS_MAX));
        } else {
            break;
        }
    }
    bool code = s->text[start] == '0' && is_digit(at(s, start + 1));
    fact->digits = value;
    *plain = digits <= DIGITS_MAX && !code;
    return i;
}

static void choose_key(lc_fact *fact, const naming *name, lc_str canonical, bool *copy)
{
    uint8_t dim = fact->unit != NULL ? fact->unit->dim : (uint8_t)LC_DIM_NONE;
    *copy = false;
    if (canonical.data != NULL && !name->limit && lc_key_fits(canonical, dim)) {
        fact->key = canonical;
    } else if (fact->unit != NULL && fact->unit->key[0] != '\0' && !name->limit) {
        fact->key = lc_str_from(fact->unit->key);
    } else if (name->word.bytes != 0) {
        fact->key = name->word;
        *copy = true;
    } else {
        fact->key = lc_str_from("n");
    }
}

/* A number whose first digit is at i. Returns where to go on. */
static uint32_t find_number(const source *s, uint32_t i)
{
    lc_fact fact = {.is_number = true};
    bool plain = false, copy = false;
    uint32_t end = read_number(s, i, &fact, &plain);
    uint32_t start = i;
    if (is_one_of(before(s, i), "+-")) {
        start--;
        fact.digits = s->text[start] == '-' ? -fact.digits : fact.digits;
    }
    if (!plain || !may_start(s, start)) {
        return end;
    }
    naming name = name_before(s, start);
    lc_str canonical = key_of_word(name.word);
    uint32_t unit_bytes = 0;
    fact.unit = lc_unit_match(s->text + end, s->bytes - end, &canonical, &unit_bytes);
    if (fact.unit == NULL && !may_end(s, end)) {
        return end;
    }
    fact.at = start;
    fact.end = end + unit_bytes;
    choose_key(&fact, &name, canonical, &copy);
    add_fact(s->facts, fact, copy);
    return fact.end;
}

/* ---- words ---- */

/* A value that is one word from i on; bytes 0 when it is none. */
static lc_str value_word(const source *s, uint32_t i)
{
    uint32_t end = i;
    while (end - i <= WORD_BYTES_MAX && is_word(at(s, end)) && end < s->bytes) {
        end++;
    }
    if (!is_letter(at(s, i)) || end - i > WORD_BYTES_MAX ||
        !(is_blank(at(s, end)) || is_one_of(at(s, end), ",;)]}\"'|&!?"))) {
        return (lc_str){s->text, 0};
    }
    while (is_one_of(s->text[end - 1], ".-")) {
        end--;
    }
    return (lc_str){s->text + i, end - i};
}

static void add_word(const source *s, lc_str key, uint32_t value_at)
{
    lc_str word = value_word(s, value_at);
    if (key.bytes == 0 || !is_letter(key.data[0]) || word.bytes == 0) {
        return;
    }
    lc_str canonical = key_of_word(key);
    lc_fact fact = {.key = canonical.data != NULL ? canonical : key, .word = word};
    fact.at = value_at;
    fact.end = value_at + word.bytes;
    add_fact(s->facts, fact, canonical.data == NULL);
}

/* key=word and key="word", around the sign at i. */
static void find_pair(const source *s, uint32_t i)
{
    uint32_t value = is_one_of(at(s, i + 1), "\"'") ? i + 2 : i + 1;
    add_word(s, word_ending(s, i), value);
}

/* "key":"word", around the colon at i. */
static void find_json_pair(const source *s, uint32_t i)
{
    uint32_t value = at(s, i + 1) == ' ' ? i + 2 : i + 1;
    if (before(s, i) == '"' && at(s, value) == '"') {
        add_word(s, word_ending(s, i - 1), value + 1);
    }
}

void lc_facts_find(const char *text, uint32_t bytes, lc_facts *facts)
{
    source s = {text, bytes, facts};
    facts->count = facts->missed = facts->keys_used = 0;
    for (uint32_t i = 0; i < bytes;) {
        if (is_digit(text[i])) {
            i = find_number(&s, i);
            continue;
        }
        if (text[i] == '=') {
            find_pair(&s, i);
        } else if (text[i] == ':') {
            find_json_pair(&s, i);
        }
        i++;
    }
}

double lc_fact_value(const lc_fact *fact)
{
    double power = 1;
    for (uint32_t i = 0; i < fact->decimals; i++) {
        power *= 10;
    }
    return (double)fact->digits / power;
}

double lc_fact_base(const lc_fact *fact)
{
    double value = lc_fact_value(fact);
    return fact->unit != NULL ? value * fact->unit->scale + fact->unit->shift : value;
}
