/* Normalisation goes from starter to starter: what stands between is put in order, and with NFC
 * joined to the starter, before it is written. */
#include "normal.h"

#include "bytes.h"
#include "err.h"
#include "unicode.h"
#include "unicode_apart.h"
#include "unicode_join.h"

#define HANGUL_FIRST 0xac00u
#define HANGUL_COUNT 11172u
#define LEAD 0x1100u
#define VOWEL 0x1161u
#define TAIL 0x11a7u
#define LEADS 19u
#define VOWELS 21u
#define TAILS 28u
#define PARTS_MAX 4u
#define LC_NORMAL_SECOND 0x300u /* nothing below is joined to what stands before it */

/* ---- tables ---- */

/* Index of the last of n rows whose first number is at most code; n when there is none. */
static uint32_t row_before(const uint32_t *table, uint32_t n, uint32_t width, uint32_t code)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (table[middle * width] <= code) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? n : low - 1;
}

static uint32_t combining_class(uint32_t c)
{
    uint32_t i = row_before(&normal_class[0][0], LC_NORMAL_CLASSES, 2, c);
    bool inside = i < LC_NORMAL_CLASSES && c <= normal_class[i][1] >> 8;
    return inside ? normal_class[i][1] & 0xffu : 0;
}

static bool is_mark(uint32_t c)
{
    uint32_t i = row_before(&normal_mark[0][0], LC_NORMAL_MARKS, 2, c);
    return i < LC_NORMAL_MARKS && c <= normal_mark[i][1];
}

static uint32_t lower_of(uint32_t c)
{
    uint32_t i = row_before(&normal_lower[0][0], LC_NORMAL_LOWER, 3, c);
    if (i == LC_NORMAL_LOWER || c > normal_lower[i][1] >> 2) {
        return c;
    }
    uint32_t offset = c - normal_lower[i][0];
    return offset % (normal_lower[i][1] & 3u) == 0 ? normal_lower[i][2] + offset : c;
}

/* The whole canonical decomposition. */
static uint32_t take_apart(uint32_t c, uint32_t part[PARTS_MAX])
{
    uint32_t syllable = c - HANGUL_FIRST;
    if (syllable < HANGUL_COUNT) {
        part[0] = LEAD + syllable / (VOWELS * TAILS);
        part[1] = VOWEL + syllable / TAILS % VOWELS;
        part[2] = TAIL + syllable % TAILS;
        return syllable % TAILS == 0 ? 2 : 3;
    }
    uint32_t i = row_before(&normal_apart[0][0], LC_NORMAL_APART, 2, c);
    if (i == LC_NORMAL_APART || normal_apart[i][0] != c) {
        part[0] = c;
        return 1;
    }
    uint32_t start = normal_apart[i][1] >> 3, count = normal_apart[i][1] & 7u;
    for (uint32_t k = 0; k < count; k++) {
        part[k] = normal_pool[start + k];
    }
    return count;
}

/* What two characters become, 0: they stay two. */
static uint32_t join(uint32_t a, uint32_t b)
{
    if (a - LEAD < LEADS && b - VOWEL < VOWELS) {
        return HANGUL_FIRST + ((a - LEAD) * VOWELS + (b - VOWEL)) * TAILS;
    }
    if (a - HANGUL_FIRST < HANGUL_COUNT && (a - HANGUL_FIRST) % TAILS == 0 && b > TAIL &&
        b < TAIL + TAILS) {
        return a + (b - TAIL);
    }
    uint32_t low = 0, high = b < LC_NORMAL_SECOND ? 0 : LC_NORMAL_PAIRS;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const uint32_t *row = normal_pair[middle];
        if (row[0] == a && row[1] == b) {
            return row[2];
        }
        if (row[0] < a || (row[0] == a && row[1] < b)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return 0;
}

/* ---- the text ---- */

typedef struct work {
    uint32_t norm;
    char *out;
    size_t bytes;
    uint32_t first; /* a starter, when there is one */
    bool started;
    uint32_t mark[LC_NORMAL_RUN]; /* behind it */
    uint8_t class[LC_NORMAL_RUN];
    uint32_t marks;
} work;

static void put(work *w, uint32_t c)
{
    uint32_t small = (w->norm & LC_NORM_LOWER) != 0 ? lower_of(c) : c;
    w->bytes += lc_utf8_encode(small, w->out + w->bytes);
    if (c == 0x130 && small != c) { /* the one whose lower case is two: i and a dot */
        w->bytes += lc_utf8_encode(0x307, w->out + w->bytes);
    }
}

/* Joins to the starter what may be: no mark of its own class or a higher one stands between. */
static void join_marks(work *w)
{
    uint32_t kept = 0, last = 0;
    for (uint32_t i = 0; i < w->marks; i++) {
        uint32_t joined = last < w->class[i] ? join(w->first, w->mark[i]) : 0;
        if (joined != 0) {
            w->first = joined;
            continue;
        }
        last = w->class[i];
        w->mark[kept] = w->mark[i];
        w->class[kept++] = w->class[i];
    }
    w->marks = kept;
}

static void flush(work *w)
{
    if (w->started) {
        put(w, w->first);
    }
    for (uint32_t i = 0; i < w->marks; i++) {
        put(w, w->mark[i]);
    }
    w->started = false;
    w->marks = 0;
}

/* Writes what stands there, joined where it may be. */
static void finish(work *w)
{
    if (w->started && (w->norm & LC_NORM_NFC) != 0) {
        join_marks(w);
    }
    flush(w);
}

/* In order of classes, behind those of the same. */
static void add_mark(work *w, uint32_t c, uint32_t class)
{
    uint32_t i = w->marks;
    if (i == LC_NORMAL_RUN) {
        finish(w);
        i = 0;
    }
    for (; i > 0 && w->class[i - 1] > class; i--) {
        w->mark[i] = w->mark[i - 1];
        w->class[i] = w->class[i - 1];
    }
    w->mark[i] = c;
    w->class[i] = (uint8_t) class;
    w->marks++;
}

static void take_part(work *w, uint32_t c)
{
    uint32_t class = combining_class(c);
    if (class != 0) {
        add_mark(w, c, class);
        return;
    }
    bool nfc = (w->norm & LC_NORM_NFC) != 0;
    if (nfc && w->started) {
        join_marks(w);
        uint32_t joined = w->marks == 0 ? join(w->first, c) : 0;
        if (joined != 0) {
            w->first = joined;
            return;
        }
    }
    flush(w);
    w->first = c;
    w->started = true;
}

static bool is_private(uint32_t c)
{
    return (c >= 0xe000 && c <= 0xf8ff) || (c >= 0xf0000 && c <= 0xffffd) ||
           (c >= 0x100000 && c <= 0x10fffd);
}

/* False: the character does not count. Of the control characters that are white space, tab and ends
 * of lines do. */
static bool clean(uint32_t *c)
{
    lc_uclass class = lc_unicode_class(*c);
    if (*c == 0x0b || *c == 0x0c || *c == 0x85) {
        return false;
    }
    if (class == LC_UCLASS_SPACE) {
        *c = ' ';
    }
    return *c != 0xfffd && class != LC_UCLASS_CONTROL && !is_private(*c);
}

static void take_char(work *w, uint32_t c)
{
    uint32_t part[PARTS_MAX];
    if ((w->norm & LC_NORM_CLEAN) != 0 && !clean(&c)) {
        return;
    }
    if ((w->norm & (LC_NORM_NFC | LC_NORM_STRIP)) == 0) {
        put(w, c);
        return;
    }
    uint32_t count = take_apart(c, part);
    for (uint32_t i = 0; i < count; i++) {
        if ((w->norm & LC_NORM_STRIP) == 0 || !is_mark(part[i])) {
            take_part(w, part[i]);
        }
    }
}

size_t lc_normal_write(uint32_t norm, const char *text, size_t bytes, char *out)
{
    work w = {.norm = norm, .out = out};
    for (size_t at = 0; at < bytes;) {
        uint32_t code_point = 0;
        uint32_t length = lc_utf8_decode(text + at, bytes - at, &code_point);
        if (length == 0) {
            finish(&w);
            w.out[w.bytes++] = text[at++];
            continue;
        }
        take_char(&w, code_point);
        at += length;
    }
    finish(&w);
    lc_assert(w.bytes <= LC_NORMAL_GROWTH * bytes);
    return w.bytes;
}
