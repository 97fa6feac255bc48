/* redact.c - words one after the other; each asks whether it, or what it begins, has to go. */
#include "redact.h"

#include <string.h>

#include "../../runtime/facts.h"
#include "../../runtime/text.h"

#define WORD_BYTES_MAX 64u
#define AGAIN_BYTES_MIN 3u /* of a word that goes at every place once it was taken at one */
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* A word: what stands between blanks and brackets, without the mark at its end. */
typedef struct word {
    uint32_t from, to;
    char after; /* the character that ended it, '\0' at the end of the text */
} word;

typedef struct scan {
    const char *text;
    uint32_t bytes, kinds;
    const lc_facts *facts;
    lc_redactions *map;
    bool full;
} scan;

/* ---- characters ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_letter(char c) /* a byte of UTF-8 beyond ASCII counts as one */
{
    return is_upper(c) || (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static char small(char c)
{
    return is_upper(c) ? (char)(c + 32) : c;
}

static bool is_gap(char c)
{
    return (unsigned char)c <= ' ' || (c != '\0' && strchr(",;()[]{}\"'|<>=", c) != NULL);
}

static bool is_mark(char c)
{
    return c == '.' || c == ':' || c == '!' || c == '?' || c == '#';
}

/* ---- words ---- */

static bool word_next(const scan *s, uint32_t at, word *w)
{
    while (at < s->bytes && (is_gap(s->text[at]) || is_mark(s->text[at]))) {
        at++;
    }
    w->from = at;
    while (at < s->bytes && !is_gap(s->text[at]) && s->text[at] != '#') {
        at++;
    }
    w->to = at;
    w->after = at < s->bytes ? s->text[at] : '\0';
    while (w->to > w->from && is_mark(s->text[w->to - 1])) {
        w->to--;
        w->after = s->text[w->to];
    }
    return w->to > w->from;
}

static uint32_t count_of(const scan *s, const word *w, bool (*is)(char))
{
    uint32_t n = 0;
    for (uint32_t i = w->from; i < w->to; i++) {
        n += is(s->text[i]);
    }
    return n;
}

static uint32_t count_char(const scan *s, const word *w, char c)
{
    uint32_t n = 0;
    for (uint32_t i = w->from; i < w->to; i++) {
        n += s->text[i] == c;
    }
    return n;
}

static bool word_is(const scan *s, const word *w, const char *const *table, size_t count)
{
    char low[WORD_BYTES_MAX];
    uint32_t n = w->to - w->from;
    for (uint32_t i = 0; i < n && n < sizeof low; i++) {
        low[i] = small(s->text[w->from + i]);
    }
    for (size_t i = 0; i < count && n < sizeof low; i++) {
        if (strlen(table[i]) == n && memcmp(table[i], low, n) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_word(const scan *s, const word *a, const word *b) /* of one length */
{
    for (uint32_t i = 0; i < a->to - a->from; i++) {
        if (small(s->text[a->from + i]) != small(s->text[b->from + i])) {
            return false;
        }
    }
    return true;
}

static bool ends_with(const scan *s, const word *w, const char *end)
{
    uint32_t n = (uint32_t)strlen(end), have = w->to - w->from;
    for (uint32_t i = 0; i < n && have >= n; i++) {
        if (small(s->text[w->to - n + i]) != end[i]) {
            return false;
        }
    }
    return have >= n;
}

/* A number with a unit, which stays. */
static bool is_measured(const scan *s, const word *w)
{
    for (uint32_t i = 0; i < s->facts->count; i++) {
        const lc_fact *f = &s->facts->fact[i];
        if (f->is_number && f->unit != NULL && f->at < w->to && w->from < f->end) {
            return true;
        }
    }
    return false;
}

/* ---- dates and times: digits in the places of a pattern, which stay ---- */

static bool has_shape(const scan *s, const word *w, const char *shape)
{
    uint32_t n = (uint32_t)strlen(shape);
    bool fits = w->to - w->from >= n;
    for (uint32_t i = 0; i < n && fits; i++) {
        char c = s->text[w->from + i];
        fits = shape[i] == 'd' ? is_digit(c) : c == shape[i];
    }
    return fits && (w->to - w->from == n || !is_digit(s->text[w->from + n]));
}

static bool is_time(const scan *s, const word *w)
{
    static const char *const shapes[] = {"dddd-dd-dd", "dd.dd.dddd", "dd/dd/dddd", "dd:dd:dd",
                                         "dd:dd"};
    for (size_t i = 0; i < COUNT(shapes); i++) {
        if (has_shape(s, w, shapes[i])) {
            return count_of(s, w, is_digit) <= 20;
        }
    }
    return false;
}

/* ---- addresses ---- */

static bool is_ip4(const scan *s, const word *w)
{
    uint32_t dots = 0, digits = 0, i = w->from;
    for (; i < w->to && (is_digit(s->text[i]) || s->text[i] == '.'); i++) {
        if (s->text[i] == '.') {
            if (digits == 0) {
                return false;
            }
            dots++;
            digits = 0;
        } else if (++digits > 3) {
            return false;
        }
    }
    return dots == 3 && digits > 0 && (i == w->to || s->text[i] == ':' || s->text[i] == '/');
}

static bool is_mac_or_ip6(const scan *s, const word *w)
{
    uint32_t colons = count_char(s, w, ':'), lines = count_char(s, w, '-');
    uint32_t hex = count_of(s, w, is_hex), n = w->to - w->from;
    bool pairs = n == 17 && hex == 12 && (colons == 5 || lines == 5);
    bool empty = false;
    for (uint32_t i = w->from + 1; i < w->to; i++) {
        empty = empty || (s->text[i] == ':' && s->text[i - 1] == ':');
    }
    bool six = hex + colons >= n - (n > 0 && count_char(s, w, '%') > 0 ? 1 : 0) && hex > 0 &&
               (colons >= 4 || (colons >= 2 && empty));
    return pairs || six;
}

static bool is_host(const scan *s, const word *w)
{
    static const char *const ends[] = {".com", ".net", ".org",  ".edu", ".gov",   ".local",
                                       ".lan", ".io",  ".info", ".de",  ".intern"};
    uint32_t dots = count_char(s, w, '.');
    for (size_t i = 0; i < COUNT(ends); i++) {
        if (ends_with(s, w, ends[i])) {
            return true;
        }
    }
    return dots >= 2 && is_letter(s->text[w->to - 1]) && count_of(s, w, is_letter) >= 4;
}

static bool is_link(const scan *s, const word *w)
{
    for (uint32_t i = w->from; i + 2 < w->to; i++) {
        if (s->text[i] == ':' && s->text[i + 1] == '/' && s->text[i + 2] == '/') {
            return true;
        }
    }
    return false;
}

static bool is_phone_part(const scan *s, const word *w)
{
    uint32_t digits = count_of(s, w, is_digit);
    uint32_t others = count_char(s, w, '-') + count_char(s, w, '/') + count_char(s, w, '.') +
                      count_char(s, w, '+');
    return digits > 0 && digits + others == w->to - w->from && !is_time(s, w);
}

/* "+49 170 1234567", "0170/1234567": *w grows over all of it. */
static bool is_phone(const scan *s, word *w)
{
    char first = s->text[w->from];
    if ((first != '+' && first != '0' && first != '(') || !is_phone_part(s, w)) {
        return false;
    }
    word all = *w, next;
    uint32_t digits = count_of(s, w, is_digit);
    bool parts = count_char(s, w, '-') + count_char(s, w, '/') > 0 || first == '+';
    while (word_next(s, all.to, &next) && next.from - all.to <= 2 && is_phone_part(s, &next) &&
           !is_measured(s, &next)) {
        digits += count_of(s, &next, is_digit);
        all.to = next.to;
        all.after = next.after;
        parts = true;
    }
    if (digits < 7 || !parts || count_char(s, w, '.') == 1) {
        return false;
    }
    *w = all;
    return true;
}

static bool is_place(const scan *s, const word *w) /* 52.52003 */
{
    uint32_t after = 0;
    for (uint32_t i = w->to; i > w->from && is_digit(s->text[i - 1]); i--) {
        after++;
    }
    return after >= 4 && count_char(s, w, '.') == 1 && !is_measured(s, w) &&
           count_of(s, w, is_digit) + 1 + count_char(s, w, '-') == w->to - w->from;
}

static bool is_street(const scan *s, const word *w)
{
    static const char *const ends[] = {"strasse", "straße", "street", "avenue",
                                       "gasse",   "allee",  "platz"};
    static const char *const words[] = {"street", "st",    "road",      "rd",     "avenue", "ave",
                                        "lane",   "drive", "boulevard", "square", "str"};
    for (size_t i = 0; i < COUNT(ends); i++) {
        if (ends_with(s, w, ends[i])) {
            return true;
        }
    }
    return is_upper(s->text[w->from]) && word_is(s, w, words, COUNT(words));
}

static bool is_address(const scan *s, word *w)
{
    bool mail = count_char(s, w, '@') > 0 && w->to - w->from > 2;
    return mail || is_link(s, w) || is_ip4(s, w) || is_mac_or_ip6(s, w) || is_host(s, w) ||
           is_phone(s, w) || is_place(s, w);
}

/* ---- numbers of things ---- */

static bool is_serial(const scan *s, const word *w)
{
    uint32_t digits = count_of(s, w, is_digit), letters = count_of(s, w, is_letter);
    uint32_t n = w->to - w->from;
    bool point = count_char(s, w, '.') > 0 && letters == 0;
    bool hex = n <= 6 && s->text[w->from] == '0' && small(s->text[w->from + 1]) == 'x';
    if (is_measured(s, w) || is_time(s, w) || point || hex) {
        return false;
    }
    return letters > 0 ? n >= 6 && digits >= 3 : digits >= 6;
}

/* ---- names ---- */

static bool is_machine_word(const scan *s, const word *w)
{
    static const char *const machines[] = {
        "the",      "a",         "an",         "at",      "on",        "in",        "of",
        "and",      "is",        "no",         "not",     "high",      "low",       "hot",
        "cold",     "new",       "old",        "all",     "after",     "since",     "when",
        "line",     "unit",      "pump",       "motor",   "fan",       "valve",     "sensor",
        "alarm",    "error",     "warning",    "fault",   "status",    "pressure",  "temperature",
        "temp",     "vibration", "speed",      "level",   "flow",      "voltage",   "current",
        "power",    "bearing",   "compressor", "tank",    "boiler",    "conveyor",  "inlet",
        "outlet",   "room",      "station",    "monday",  "tuesday",   "wednesday", "thursday",
        "friday",   "saturday",  "sunday",     "january", "february",  "march",     "april",
        "may",      "june",      "july",       "august",  "september", "october",   "november",
        "december", "reading",   "supply",     "water",   "oil",       "air",       "gas",
        "door"};
    return word_is(s, w, machines, COUNT(machines));
}

static bool is_name_word(const scan *s, const word *w)
{
    bool initial = w->to - w->from == 1 && w->after == '.';
    bool rest = true; /* small letters, or a hyphen, an apostrophe, a second capital: McKay */
    for (uint32_t i = w->from + 1; i < w->to; i++) {
        rest = rest && (is_letter(s->text[i]) || s->text[i] == '-');
    }
    bool shouted = count_of(s, w, is_upper) == w->to - w->from && !initial;
    bool capital = is_upper(s->text[w->from]) || (unsigned char)s->text[w->from] >= 0xc3;
    return capital && rest && !shouted && (initial || w->to - w->from >= 2) &&
           !is_machine_word(s, w);
}

/* From w on, as many words with a capital as follow each other; *w grows over them. */
static uint32_t name_run(const scan *s, word *w)
{
    word next;
    uint32_t count = 1;
    while (count < 4 && word_next(s, w->to, &next) && next.from - w->to <= 2 &&
           (w->after == ' ' || w->after == '.' || w->after == '\'') && is_name_word(s, &next)) {
        if (is_street(s, &next)) {
            return 0; /* the street takes them */
        }
        w->to = next.to;
        w->after = next.after;
        count++;
    }
    return count;
}

/* ---- words that announce ---- */

typedef enum announced { NOTHING, ANY_NAME, ANY_SERIAL, ANY_ADDRESS } announced;

static announced announces(const scan *s, const word *w)
{
    static const char *const names[] = {
        "name",   "operator",  "user",     "technician", "tech",  "engineer", "by",     "mr",
        "mrs",    "ms",        "dr",       "herr",       "frau",  "contact",  "caller", "signed",
        "worker", "inspector", "customer", "patient",    "owner", "manager",  "nurse"};
    static const char *const serials[] = {
        "serial", "sn",    "s/n",    "id",      "uuid",    "imei",      "asset",    "ticket",
        "order",  "badge", "vin",    "account", "iban",    "serial-no", "serialno", "serial_number",
        "number", "no",    "device", "meter",   "licence", "license",   "plate"};
    static const char *const addresses[] = {
        "address", "addr",  "ip",   "host", "hostname", "phone", "tel",      "telephone",
        "mobile",  "email", "mail", "fax",  "street",   "url",   "location", "gps"};
    return word_is(s, w, names, COUNT(names))           ? ANY_NAME
           : word_is(s, w, serials, COUNT(serials))     ? ANY_SERIAL
           : word_is(s, w, addresses, COUNT(addresses)) ? ANY_ADDRESS
                                                        : NOTHING;
}

/* ---- what is taken ---- */

static void take(scan *s, const word *w, uint32_t kind)
{
    lc_redactions *map = s->map;
    if ((s->kinds & kind) == 0) {
        return;
    }
    lc_redaction *last = map->count > 0 ? &map->item[map->count - 1] : NULL;
    if (last && w->from < last->to) {
        last->to = w->to > last->to ? w->to : last->to;
        return;
    }
    if (map->count == LC_REDACTIONS_MAX) {
        s->full = true;
        return;
    }
    map->item[map->count++] = (lc_redaction){.from = w->from, .to = w->to, .kind = kind};
}

static bool said_outright(const word *before)
{
    return before->after == '=' || before->after == ':' || before->after == '#';
}

/* The word after one that announces. */
static bool take_announced(scan *s, announced what, bool outright, word *w)
{
    bool digits = count_of(s, w, is_digit) > 0;
    if (what == ANY_NAME && (outright || is_name_word(s, w))) {
        name_run(s, w);
        take(s, w, LC_REDACT_NAME);
        return true;
    }
    if (what == ANY_SERIAL && (outright || digits) && !is_measured(s, w)) {
        take(s, w, LC_REDACT_SERIAL);
        return true;
    }
    if (what == ANY_ADDRESS && (outright || digits) && !is_measured(s, w)) {
        (void)is_address(s, w);
        take(s, w, LC_REDACT_ADDRESS);
        return true;
    }
    return false;
}

/* "12 Main Street", "Hauptstraße 5": with the number and the capital words beside it. */
static void take_street(scan *s, const word *two_before, const word *before, word *w)
{
    word next;
    if (before->to > before->from && w->from - before->to <= 2 &&
        (is_upper(s->text[before->from]) || is_digit(s->text[before->from]))) {
        w->from = before->from;
        if (two_before->to > two_before->from && is_digit(s->text[two_before->from]) &&
            !is_measured(s, two_before)) {
            w->from = two_before->from;
        }
    }
    if (word_next(s, w->to, &next) && is_digit(s->text[next.from]) && next.from - w->to <= 2 &&
        !is_measured(s, &next)) {
        w->to = next.to;
    }
    take(s, w, LC_REDACT_ADDRESS);
}

static void take_plain(scan *s, word *w)
{
    word run = *w;
    if (is_address(s, w)) {
        take(s, w, LC_REDACT_ADDRESS);
    } else if (is_serial(s, w)) {
        take(s, w, LC_REDACT_SERIAL);
    } else if (is_name_word(s, w) && name_run(s, &run) >= 2) {
        *w = run;
        take(s, w, LC_REDACT_NAME);
    }
}

/* "serial:4711" is two words, "10:22" and "aa:bb:..." are one. */
static void split(const scan *s, word *w)
{
    for (uint32_t i = w->from; i < w->to; i++) {
        if (s->text[i] == ':' && i > w->from) {
            word key = {w->from, i, ':'};
            if (announces(s, &key) != NOTHING) {
                *w = key;
            }
            return;
        }
    }
}

static void find(scan *s)
{
    word w, before = {0}, two_before = {0};
    announced what = NOTHING;
    for (uint32_t at = 0; word_next(s, at, &w); at = w.to) {
        split(s, &w);
        announced next = announces(s, &w);
        bool outright = said_outright(&before);
        bool value = next == NOTHING || (outright && !said_outright(&w)); /* "user: name: x" */
        if (what != NOTHING && value && take_announced(s, what, outright, &w)) {
            next = NOTHING;
        } else if (is_street(s, &w)) {
            take_street(s, &two_before, &before, &w);
        } else if (next == NOTHING) {
            take_plain(s, &w);
        }
        if (next == NOTHING && what != NOTHING && w.to - w.from <= 2 && !outright) {
            next = what; /* "serial no 7", "name is" */
        }
        what = next;
        two_before = before;
        before = w;
    }
}

/* ---- writing ---- */

/* A street reaches back over what was taken before it. */
static void merge(lc_redactions *map)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        lc_redaction *last = kept > 0 ? &map->item[kept - 1] : NULL;
        if (last && map->item[i].from < last->to) {
            last->to = map->item[i].to > last->to ? map->item[i].to : last->to;
        } else {
            map->item[kept++] = map->item[i];
        }
    }
    map->count = kept;
}

/* Whether a word is one that was taken elsewhere: of a name each, else what was taken in whole. */
static uint32_t taken_kind(const scan *s, const lc_redactions *taken, const word *w)
{
    uint32_t bytes = w->to - w->from;
    for (uint32_t i = 0; i < taken->count && bytes >= AGAIN_BYTES_MIN; i++) {
        const lc_redaction *r = &taken->item[i];
        bool name = r->kind == LC_REDACT_NAME;
        word part;
        for (uint32_t at = r->from; word_next(s, at, &part) && part.from < r->to; at = part.to) {
            bool whole = part.from == r->from && part.to == r->to;
            if (part.to - part.from == bytes && (name || whole) && same_word(s, &part, w)) {
                return r->kind;
            }
        }
    }
    return 0;
}

/* "operator=Miller called; miller said": what was taken at one place goes at every other. */
static void find_again(scan *s)
{
    const lc_redactions taken = *s->map;
    uint32_t next = 0, kind;
    word w;
    s->map->count = 0;
    for (uint32_t at = 0; taken.count > 0 && word_next(s, at, &w); at = w.to) {
        split(s, &w);
        while (next < taken.count && taken.item[next].from <= w.from) {
            const lc_redaction *r = &taken.item[next++];
            take(s, &(word){r->from, r->to, ' '}, r->kind);
        }
        if (!is_machine_word(s, &w) && !is_measured(s, &w) &&
            (kind = taken_kind(s, &taken, &w)) != 0) {
            take(s, &w, kind);
        }
    }
    for (; next < taken.count; next++) {
        const lc_redaction *r = &taken.item[next];
        take(s, &(word){r->from, r->to, ' '}, r->kind);
    }
}

/* The same words of one kind have one number. */
static void number(const scan *s, uint32_t i)
{
    lc_redactions *map = s->map;
    lc_redaction *r = &map->item[i];
    uint32_t most = 0, bytes = r->to - r->from;
    for (uint32_t j = 0; j < i && r->number == 0; j++) {
        const lc_redaction *o = &map->item[j];
        if (o->kind != r->kind) {
            continue;
        }
        most = o->number > most ? o->number : most;
        if (o->to - o->from == bytes && memcmp(s->text + o->from, s->text + r->from, bytes) == 0) {
            r->number = o->number;
        }
    }
    r->number = r->number > 0 ? r->number : most + 1;
}

static const char *tag_of(uint32_t kind)
{
    return kind == LC_REDACT_SERIAL ? "<SERIAL_" : kind == LC_REDACT_NAME ? "<NAME_" : "<ADDRESS_";
}

uint32_t lc_redact_kind(lc_str name)
{
    return lc_str_equal(name, lc_str_from("serial"))    ? LC_REDACT_SERIAL
           : lc_str_equal(name, lc_str_from("address")) ? LC_REDACT_ADDRESS
           : lc_str_equal(name, lc_str_from("name"))    ? LC_REDACT_NAME
                                                        : 0;
}

lc_err lc_redact(uint32_t kinds, const char *text, uint32_t bytes, char *out, uint32_t max,
                 uint32_t *out_bytes, lc_redactions *map)
{
    lc_facts facts;
    scan s = {text, bytes, kinds, &facts, map, false};
    map->count = 0;
    lc_facts_find(text, bytes, &facts);
    find(&s);
    merge(map);
    find_again(&s);
    lc_text t = lc_text_make(out, max);
    uint32_t at = 0;
    for (uint32_t i = 0; i < map->count; i++) {
        lc_redaction *r = &map->item[i];
        number(&s, i);
        lc_text_put(&t, text + at, r->from - at);
        r->at = (uint32_t)t.bytes;
        lc_text_add(&t, tag_of(r->kind));
        lc_text_u64(&t, r->number);
        lc_text_add(&t, ">");
        r->end = (uint32_t)t.bytes;
        at = r->to;
    }
    lc_text_put(&t, text + at, bytes - at);
    if (t.full || s.full) {
        return LC_ERR_LIMIT;
    }
    *out_bytes = (uint32_t)t.bytes;
    return LC_OK;
}

void lc_redact_back(const lc_redactions *map, uint32_t *from, uint32_t *to)
{
    int64_t start = *from, end = *to;
    for (uint32_t i = 0; i < map->count; i++) {
        const lc_redaction *r = &map->item[i];
        if (*from >= r->end) {
            start = (int64_t)*from - r->end + r->to;
        } else if (*from >= r->at) {
            start = r->from;
        }
        if (*to >= r->end) {
            end = (int64_t)*to - r->end + r->to;
        } else if (*to > r->at) {
            end = r->to;
        }
    }
    *from = (uint32_t)start;
    *to = (uint32_t)end;
}
