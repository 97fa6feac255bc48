/* constrain.c - the automaton: which byte may come, and what the rest takes at least. */
#include "constrain_parts.h"

/* ---- numbers ----
 *
 * sub: bit 0 minus, bit 1 point; bits 8 to 15 digits before it, 16 to 23 after. at: the digits. */

#define NUMBER_MINUS 1u
#define NUMBER_POINT 2u
#define WHOLE_MAX 10u /* digits of LC_CONSTRAIN_BOUND */

typedef struct number {
    bool minus, point;
    uint32_t whole, decimals; /* digits */
    int64_t value;
} number;

static number number_of(const con_state *s)
{
    return (number){(s->sub & NUMBER_MINUS) != 0, (s->sub & NUMBER_POINT) != 0, s->sub >> 8 & 255,
                    s->sub >> 16 & 255, (int64_t)s->at};
}

static int64_t power10(uint32_t n)
{
    int64_t p = 1;
    while (n-- > 0) {
        p *= 10;
    }
    return p;
}

/* The magnitudes that the sign leaves, times 10^decimals; empty: least over most. */
static void number_range(const con_item *item, bool minus, int64_t *least, int64_t *most)
{
    if (minus) { /* no -0 */
        *least = item->high < 0 ? -item->high : 1;
        *most = -item->low;
    } else {
        *least = item->low > 0 ? item->low : 0;
        *most = item->high;
    }
}

static bool has_multiple(int64_t from, int64_t to, int64_t of)
{
    return from <= to && (from + of - 1) / of * of <= to;
}

/* Whether `whole` and `decimals` more digits can make it a number within the bounds. */
static bool number_reaches(const con_item *item, number n, uint32_t whole, uint32_t decimals)
{
    int64_t least, most;
    number_range(item, n.minus, &least, &most);
    if (n.whole + whole == 0 || (n.whole > 0 && n.value == 0 && !n.point && whole > 0)) {
        return false; /* no digit, or one after a leading zero */
    }
    if (n.whole + whole > WHOLE_MAX || (n.point && n.decimals + decimals == 0)) {
        return false;
    }
    bool fresh = n.whole == 0; /* of several digits the first is no zero */
    int64_t spread = power10(whole + decimals);
    int64_t unit = power10(item->decimals - n.decimals - decimals);
    int64_t from = n.value * spread, to = from + spread - 1;
    if (fresh && whole > 1) {
        from = power10(whole - 1 + decimals);
    }
    from *= unit;
    to *= unit;
    return has_multiple(from > least ? from : least, to < most ? to : most, unit);
}

/* Bytes up to a number within the bounds, the fewest or, if any will do, of the first that is
 * found; CON_NEVER: none can be reached. */
static uint32_t number_needs(const con_item *item, number n, bool any)
{
    uint32_t best = CON_NEVER;
    uint32_t whole_most = n.point ? 0 : WHOLE_MAX - n.whole;
    for (uint32_t whole = 0; whole <= whole_most && !(any && best < CON_NEVER); whole++) {
        for (uint32_t d = 0; n.decimals + d <= item->decimals; d++) {
            uint32_t bytes = whole + d + (!n.point && d > 0 ? 1 : 0);
            if (bytes < best && number_reaches(item, n, whole, d)) {
                best = bytes;
            }
        }
    }
    return best;
}

static bool number_step(const con_item *item, con_state *s, uint8_t byte)
{
    number n = number_of(s);
    if (byte == '-' && s->sub == 0) {
        n.minus = true;
        s->sub = NUMBER_MINUS;
    } else if (byte == '.' && n.whole > 0 && !n.point && item->decimals > 0) {
        n.point = true;
        s->sub |= NUMBER_POINT;
    } else if (byte >= '0' && byte <= '9') {
        bool full = n.point ? n.decimals == item->decimals
                            : n.whole == WHOLE_MAX || (n.whole == 1 && n.value == 0);
        if (full) {
            return false;
        }
        n.value = n.value * 10 + (byte - '0');
        n.whole += n.point ? 0 : 1;
        n.decimals += n.point ? 1 : 0;
        s->at = (uint64_t)n.value;
        s->sub += n.point ? 1u << 16 : 1u << 8;
    } else {
        return false;
    }
    return number_needs(item, n, true) < CON_NEVER;
}

/* At the start both signs count. */
static uint32_t number_state_needs(const con_item *item, const con_state *s)
{
    number n = number_of(s);
    uint32_t plain = number_needs(item, n, false);
    if (s->sub == 0) {
        n.minus = true;
        uint32_t minus = 1 + number_needs(item, n, false);
        return plain < minus ? plain : minus;
    }
    return plain;
}

/* ---- strings ----
 *
 * sub: 0 between characters, STRING_ESCAPE after a backslash, else the bytes of a character that
 * are still missing (bits 0 and 1) and the range of the next (bits 8 to 15 and 16 to 23). */

#define STRING_ESCAPE 128u

static uint32_t string_rest(uint32_t missing, uint8_t least, uint8_t most)
{
    return missing | (uint32_t)least << 8 | (uint32_t)most << 16;
}

/* The rest that a first byte asks for; 0: it is a character; CON_NONE: it begins none. */
static uint32_t string_lead(uint8_t byte)
{
    if (byte < 0x80) {
        return byte < ' ' ? CON_NONE : 0;
    }
    if (byte < 0xc2 || byte > 0xf4) {
        return CON_NONE;
    }
    if (byte < 0xe0) {
        return string_rest(1, 0x80, 0xbf);
    }
    if (byte < 0xf0) { /* neither overlong nor surrogates */
        return string_rest(2, byte == 0xe0 ? 0xa0 : 0x80, byte == 0xed ? 0x9f : 0xbf);
    }
    return string_rest(3, byte == 0xf0 ? 0x90 : 0x80, byte == 0xf4 ? 0x8f : 0xbf);
}

static bool string_inside(const lc_constrain *c, const con_item *item, con_state *s, uint8_t byte)
{
    if (s->sub == STRING_ESCAPE) {
        s->sub = 0;
        return byte == '"' || byte == '\\' || byte == '/' || byte == 'b' || byte == 'f' ||
               byte == 'n' || byte == 'r' || byte == 't';
    }
    uint32_t missing = s->sub & 3;
    if (missing > 0) {
        if (byte < (s->sub >> 8 & 255) || byte > (s->sub >> 16 & 255)) {
            return false;
        }
        s->sub = missing > 1 ? string_rest(missing - 1, 0x80, 0xbf) : 0;
        return true;
    }
    uint32_t rest = byte == '\\' ? STRING_ESCAPE : string_lead(byte);
    if (rest == CON_NONE) {
        return false;
    }
    s->sub = rest;
    s->at += 1 + (rest & 3); /* the whole character is spoken for; an escape is one byte */
    return c->unlimited == item || s->at <= item->bytes;
}

static uint32_t string_needs(const lc_constrain *c, const con_state *s)
{
    uint32_t missing = s->sub & 3;
    if (missing > 0 && !c->partial) {
        return CON_NEVER;
    }
    return 1 + missing + (s->sub == STRING_ESCAPE ? 1 : 0);
}

/* ---- lists ---- sub: phase, and above it the words so far */

enum { LIST_BEGIN = 0, LIST_WORD = 1, LIST_BETWEEN = 2, LIST_COMMA = 3, LIST_PHASES = 4 };

/* Sets *closed after the bracket. */
static bool list_step(const lc_constrain *c, const con_item *item, con_state *s, uint8_t byte,
                      bool *closed)
{
    uint32_t phase = s->sub % LIST_PHASES, words = s->sub / LIST_PHASES;
    if (phase == LIST_BETWEEN || (phase == LIST_BEGIN && byte == ']')) {
        *closed = byte == ']';
        if (byte == ',' && words < item->max) {
            s->sub = words * LIST_PHASES + LIST_COMMA;
            s->at = item->root;
            return true;
        }
        return *closed;
    }
    uint32_t node = lc_con_child(c, (uint32_t)s->at, byte);
    if (node == CON_NONE) {
        return false;
    }
    bool end = c->node[node].end;
    s->at = node;
    s->sub = end ? (words + 1) * LIST_PHASES + LIST_BETWEEN : words * LIST_PHASES + LIST_WORD;
    return true;
}

static uint32_t list_needs(const lc_constrain *c, const con_state *s)
{
    uint32_t phase = s->sub % LIST_PHASES;
    bool inside = phase == LIST_WORD || phase == LIST_COMMA;
    return 1 + (inside ? c->node[s->at].needs : 0);
}

/* ---- all kinds ---- */

con_state lc_con_start(const lc_constrain *c, uint32_t item)
{
    con_state s = {.item = item};
    if (item < c->items && (c->item[item].kind == CON_WORDS || c->item[item].kind == CON_LIST)) {
        s.at = c->item[item].root;
    }
    return s;
}

/* A byte inside an item; *ended: it was the item's last. */
static bool item_step(const lc_constrain *c, const con_item *item, con_state *s, uint8_t byte,
                      bool *ended)
{
    switch ((con_kind)item->kind) {
    case CON_BLANK:
        *ended = true;
        return byte == ' ';
    case CON_TEXT:
        *ended = s->at + 1 == item->bytes;
        return c->text.data[item->text + s->at++] == byte;
    case CON_WORDS: {
        uint32_t node = lc_con_child(c, (uint32_t)s->at, byte);
        s->at = node;
        *ended = node != CON_NONE && c->node[node].end && c->node[node].child == CON_NONE;
        return node != CON_NONE;
    }
    case CON_LIST:
        return list_step(c, item, s, byte, ended);
    case CON_NUMBER:
        return number_step(item, s, byte);
    default:
        *ended = s->sub == 0 && byte == '"';
        return *ended || string_inside(c, item, s, byte);
    }
}

/* Items that may end before a byte that is not theirs. */
static bool may_pass(const con_item *item, const con_state *s)
{
    return item->kind == CON_BLANK || (item->kind == CON_NUMBER && s->sub >> 8 > 0 &&
                                       number_reaches(item, number_of(s), 0, 0));
}

bool lc_con_step(const lc_constrain *c, con_state *state, uint8_t byte)
{
    con_state s = *state;
    while (s.item < c->items) {
        const con_item *item = &c->item[s.item];
        bool pass = may_pass(item, &s), ended = false;
        con_state next = s;
        if (item_step(c, item, &next, byte, &ended)) {
            *state = ended ? lc_con_start(c, s.item + 1) : next;
            return true;
        }
        if (!pass) {
            return false;
        }
        s = lc_con_start(c, s.item + 1);
    }
    return false;
}

uint32_t lc_con_needs(const lc_constrain *c, const con_state *s)
{
    if (s->item >= c->items) {
        return 0;
    }
    const con_item *item = &c->item[s->item];
    uint32_t needs = 0;
    switch ((con_kind)item->kind) {
    case CON_BLANK:
        break;
    case CON_TEXT:
        needs = c->text_need[item->text + s->at];
        break;
    case CON_WORDS:
        needs = c->node[s->at].needs;
        break;
    case CON_LIST:
        needs = list_needs(c, s);
        break;
    case CON_NUMBER:
        needs = number_state_needs(item, s);
        break;
    case CON_STRING:
        needs = string_needs(c, s);
        break;
    }
    return needs + item->after < CON_NEVER ? needs + item->after : CON_NEVER;
}

bool lc_con_accepts(const lc_constrain *c, const con_state *s)
{
    return s->item >= c->items ||
           (s->item + 1 == c->items && c->item[s->item].kind == CON_WORDS && c->node[s->at].end);
}
