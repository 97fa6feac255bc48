/* pattern.c - Thompson's construction: pattern -> postfix items -> automaton; all states at once.
 *
 * Source  R. Cox, "Regular Expression Matching Can Be Simple And Fast" (2007), after K. Thompson,
 *         "Regular expression search algorithm", CACM 11(6), 1968.
 */
#include "pattern.h"

#include <string.h>

#include "bytes.h"

#define STATES LC_PATTERN_STATES_MAX
#define RANGES 128u
#define DEPTH 32u
#define NOWHERE 0xffffu

enum { /* kinds of states and, with the last ones, of postfix items */
       K_CHAR,
       K_ANY,
       K_CLASS,
       K_BEGIN,
       K_END,
       K_WORD_EDGE,
       K_NO_WORD_EDGE,
       K_SPLIT,
       K_MATCH,
       K_CONCAT,
       K_ALTERNATE,
       K_STAR,
       K_PLUS,
       K_MAYBE
};

typedef struct range {
    uint32_t lo, hi;
} range;

typedef struct state {
    uint8_t kind;
    bool negated;       /* class */
    uint16_t out, out1; /* next states; out1 of a split only */
    uint32_t value;     /* char: code point; class: first range */
    uint32_t ranges;    /* class: their number */
} state;

struct lc_pattern {
    uint32_t state_count, start;
    const state *state; /* [state_count] */
    const range *range; /* [range_count] */
};

typedef struct group {
    uint32_t alternatives; /* bars seen in this group */
    uint32_t atoms;        /* 0 to 2 operands that wait for concatenation or a bar */
} group;

typedef struct compiler {
    const char *source;
    uint32_t bytes, at;
    state item[2 * STATES]; /* postfix; kinds below K_CONCAT are operands */
    uint32_t item_count;
    range range[RANGES];
    uint32_t range_count;
    group stack[DEPTH];
    uint32_t depth;
    group open; /* the innermost group */
    state state[STATES];
    uint32_t state_count;
    lc_diag *diag;
} compiler;

/* ---- pattern to postfix ---- */

static uint32_t lower(uint32_t c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static bool is_word(uint32_t c)
{
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}

static lc_err add_item(compiler *p, state s)
{
    if (p->item_count == 2 * STATES) {
        return lc_fail(p->diag, LC_ERR_LIMIT, p->at, "pattern too long");
    }
    p->item[p->item_count++] = s;
    return LC_OK;
}

static lc_err add_operator(compiler *p, uint8_t kind)
{
    return add_item(p, (state){.kind = kind});
}

/* An operand follows: two that wait become one by concatenation. */
static lc_err begin_atom(compiler *p)
{
    if (p->open.atoms == 2) {
        p->open.atoms = 1;
        return add_operator(p, K_CONCAT);
    }
    return LC_OK;
}

static lc_err add_atom(compiler *p, state s)
{
    lc_err err = begin_atom(p);
    if (err == LC_OK) {
        err = add_item(p, s);
        p->open.atoms++;
    }
    return err;
}

static lc_err add_range(compiler *p, uint32_t lo, uint32_t hi)
{
    if (p->range_count == RANGES) {
        return lc_fail(p->diag, LC_ERR_LIMIT, p->at, "pattern has too many character ranges");
    }
    p->range[p->range_count++] = (range){lo, hi};
    return LC_OK;
}

/* Adds what \d \w \s stand for; with a capital the complement. */
static lc_err add_shorthand(compiler *p, uint32_t c)
{
    static const range digit[] = {{'0', '9'}};
    static const range word[] = {{'0', '9'}, {'_', '_'}, {'a', 'z'}, {0x80, 0x10ffff}};
    static const range space[] = {{'\t', '\r'}, {' ', ' '}};
    static const range no_digit[] = {{0, '0' - 1}, {'9' + 1, 0x10ffff}};
    static const range no_word[] = {
        {0, '0' - 1}, {'9' + 1, 'A' - 1}, {'[', '^'}, {'`', '`'}, {'{', 0x7f}};
    static const range no_space[] = {{0, '\t' - 1}, {'\r' + 1, ' ' - 1}, {' ' + 1, 0x10ffff}};
    static const struct {
        char name;
        uint8_t count;
        const range *range;
    } row[] = {{'d', 1, digit},    {'w', 4, word},    {'s', 2, space},
               {'D', 2, no_digit}, {'W', 5, no_word}, {'S', 3, no_space}};
    lc_err err = LC_OK;
    for (uint32_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        for (uint32_t k = 0; (uint32_t)row[i].name == c && k < row[i].count && err == LC_OK; k++) {
            err = add_range(p, row[i].range[k].lo, row[i].range[k].hi);
        }
    }
    return err;
}

static bool is_shorthand(uint32_t c)
{
    return c == 'd' || c == 'w' || c == 's' || c == 'D' || c == 'W' || c == 'S';
}

static lc_err next_char(compiler *p, uint32_t *c)
{
    if (p->at == p->bytes) {
        return lc_fail(p->diag, LC_ERR_FORMAT, p->at, "pattern ends too early");
    }
    uint32_t n = lc_utf8_decode(p->source + p->at, p->bytes - p->at, c);
    if (n == 0) {
        return lc_fail(p->diag, LC_ERR_FORMAT, p->at, "pattern is not UTF-8");
    }
    p->at += n;
    return LC_OK;
}

/* The character after a backslash, when it stands for itself or for a control character. */
static lc_err plain_escape(compiler *p, uint32_t c, uint32_t *value)
{
    if (c == 't' || c == 'n') {
        *value = c == 't' ? '\t' : '\n';
        return LC_OK;
    }
    if (is_word(c)) {
        return lc_fail(p->diag, LC_ERR_FORMAT, p->at - 1, "unknown escape in pattern");
    }
    *value = c;
    return LC_OK;
}

static lc_err parse_escape(compiler *p)
{
    uint32_t c = 0;
    lc_err err = next_char(p, &c);
    if (err != LC_OK) {
        return err;
    }
    if (c == 'b' || c == 'B') {
        return add_atom(p, (state){.kind = c == 'b' ? K_WORD_EDGE : K_NO_WORD_EDGE});
    }
    if (is_shorthand(c)) {
        state s = {.kind = K_CLASS, .value = p->range_count};
        err = add_shorthand(p, c);
        s.ranges = p->range_count - s.value;
        return err == LC_OK ? add_atom(p, s) : err;
    }
    state s = {.kind = K_CHAR};
    err = plain_escape(p, c, &s.value);
    return err == LC_OK ? add_atom(p, s) : err;
}

/* One end of a range inside brackets; *whole when it was a shorthand and is already added. */
static lc_err class_char(compiler *p, uint32_t c, uint32_t *value, bool *whole)
{
    *whole = false;
    *value = c;
    if (c != '\\') {
        return LC_OK;
    }
    lc_err err = next_char(p, &c);
    if (err != LC_OK) {
        return err;
    }
    if (is_shorthand(c)) {
        *whole = true;
        return add_shorthand(p, c);
    }
    return plain_escape(p, c, value);
}

static lc_err class_item(compiler *p, uint32_t c)
{
    uint32_t lo = 0;
    bool whole = false;
    lc_err err = class_char(p, c, &lo, &whole);
    if (err != LC_OK || whole) {
        return err;
    }
    uint32_t hi = lo;
    bool is_range = p->at + 1 < p->bytes && p->source[p->at] == '-' && p->source[p->at + 1] != ']';
    if (is_range) {
        p->at++;
        err = next_char(p, &c);
        if (err == LC_OK) {
            err = class_char(p, c, &hi, &whole);
        }
        if (err == LC_OK && (whole || hi < lo)) {
            err = lc_fail(p->diag, LC_ERR_FORMAT, p->at, "wrong range in brackets");
        }
    }
    return err == LC_OK ? add_range(p, lo, hi) : err;
}

static lc_err parse_class(compiler *p)
{
    state s = {.kind = K_CLASS, .value = p->range_count};
    if (p->at < p->bytes && p->source[p->at] == '^') {
        s.negated = true;
        p->at++;
    }
    for (bool first = true;; first = false) {
        uint32_t c = 0;
        lc_err err = next_char(p, &c);
        if (err != LC_OK) {
            return err;
        }
        if (c == ']' && !first) {
            break;
        }
        err = class_item(p, c);
        if (err != LC_OK) {
            return err;
        }
    }
    s.ranges = p->range_count - s.value;
    return add_atom(p, s);
}

/* Ends the operands of a group or of one side of a bar. */
static lc_err end_branch(compiler *p)
{
    if (p->open.atoms == 0) {
        return lc_fail(p->diag, LC_ERR_FORMAT, p->at, "empty alternative in pattern");
    }
    lc_err err = p->open.atoms == 2 ? add_operator(p, K_CONCAT) : LC_OK;
    p->open.atoms = 0;
    return err;
}

static lc_err end_group(compiler *p)
{
    lc_err err = end_branch(p);
    for (; err == LC_OK && p->open.alternatives > 0; p->open.alternatives--) {
        err = add_operator(p, K_ALTERNATE);
    }
    return err;
}

static lc_err open_group(compiler *p)
{
    if (p->depth == DEPTH) {
        return lc_fail(p->diag, LC_ERR_LIMIT, p->at, "pattern nested too deep");
    }
    lc_err err = begin_atom(p);
    p->stack[p->depth++] = p->open;
    p->open = (group){0};
    return err;
}

static lc_err close_group(compiler *p)
{
    if (p->depth == 0) {
        return lc_fail(p->diag, LC_ERR_FORMAT, p->at - 1, "unmatched ) in pattern");
    }
    lc_err err = end_group(p);
    p->open = p->stack[--p->depth];
    p->open.atoms++;
    return err;
}

static lc_err parse_repeat(compiler *p, uint32_t c)
{
    if (p->open.atoms == 0) {
        return lc_fail(p->diag, LC_ERR_FORMAT, p->at - 1, "nothing to repeat in pattern");
    }
    return add_operator(p, c == '*' ? K_STAR : c == '+' ? K_PLUS : K_MAYBE);
}

static lc_err parse_one(compiler *p, uint32_t c)
{
    switch (c) {
    case '\\':
        return parse_escape(p);
    case '[':
        return parse_class(p);
    case '(':
        return open_group(p);
    case ')':
        return close_group(p);
    case '|':
        p->open.alternatives++;
        return end_branch(p);
    case '*':
    case '+':
    case '?':
        return parse_repeat(p, c);
    case '{':
    case '}':
        return lc_fail(p->diag, LC_ERR_FORMAT, p->at - 1, "counted repeats are not supported");
    case '.':
        return add_atom(p, (state){.kind = K_ANY});
    case '^':
        return add_atom(p, (state){.kind = K_BEGIN});
    case '$':
        return add_atom(p, (state){.kind = K_END});
    default:
        return add_atom(p, (state){.kind = K_CHAR, .value = lower(c)});
    }
}

static lc_err parse_pattern(compiler *p)
{
    while (p->at < p->bytes) {
        uint32_t c = 0;
        lc_err err = next_char(p, &c);
        if (err == LC_OK) {
            err = parse_one(p, c);
        }
        if (err != LC_OK) {
            return err;
        }
    }
    if (p->depth != 0) {
        return lc_fail(p->diag, LC_ERR_FORMAT, p->at, "unmatched ( in pattern");
    }
    return end_group(p);
}

/* ---- postfix to automaton ---- */

/* A piece of automaton. Its unfinished ends are a list threaded through the out fields themselves:
 * an end is state * 2 (out) or state * 2 + 1 (out1). */
typedef struct fragment {
    uint16_t start, ends;
} fragment;

static uint16_t *end_slot(compiler *p, uint16_t end)
{
    return (end & 1) != 0 ? &p->state[end >> 1].out1 : &p->state[end >> 1].out;
}

static void patch(compiler *p, uint16_t ends, uint16_t target)
{
    while (ends != NOWHERE) {
        uint16_t *slot = end_slot(p, ends);
        ends = *slot;
        *slot = target;
    }
}

static uint16_t join(compiler *p, uint16_t a, uint16_t b)
{
    uint16_t last = a;
    while (*end_slot(p, last) != NOWHERE) {
        last = *end_slot(p, last);
    }
    *end_slot(p, last) = b;
    return a;
}

static lc_err add_state(compiler *p, state s, uint16_t *index)
{
    if (p->state_count == STATES) {
        return lc_fail(p->diag, LC_ERR_LIMIT, 0, "pattern has too many states");
    }
    *index = (uint16_t)p->state_count;
    p->state[p->state_count++] = s;
    return LC_OK;
}

static lc_err build_split(compiler *p, uint8_t kind, fragment *f)
{
    uint16_t split = 0;
    lc_err err = add_state(p, (state){.kind = K_SPLIT, .out = f->start, .out1 = NOWHERE}, &split);
    if (err != LC_OK) {
        return err;
    }
    uint16_t end = (uint16_t)(split * 2 + 1);
    if (kind == K_MAYBE) {
        f->ends = join(p, f->ends, end);
        f->start = split;
        return LC_OK;
    }
    patch(p, f->ends, split);
    f->ends = end;
    if (kind == K_STAR) {
        f->start = split;
    }
    return LC_OK;
}

static lc_err build_two(compiler *p, uint8_t kind, fragment *a, fragment b)
{
    if (kind == K_CONCAT) {
        patch(p, a->ends, b.start);
        a->ends = b.ends;
        return LC_OK;
    }
    uint16_t split = 0;
    lc_err err = add_state(p, (state){.kind = K_SPLIT, .out = a->start, .out1 = b.start}, &split);
    if (err == LC_OK) {
        a->start = split;
        a->ends = join(p, a->ends, b.ends);
    }
    return err;
}

static lc_err build(compiler *p, uint32_t *start)
{
    fragment stack[STATES + 1];
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->item_count; i++) {
        state s = p->item[i];
        lc_err err = LC_OK;
        if (s.kind < K_CONCAT) {
            uint16_t index = 0;
            s.out = s.out1 = NOWHERE;
            err = add_state(p, s, &index);
            stack[n++] = (fragment){index, (uint16_t)(index * 2)};
        } else if (s.kind <= K_ALTERNATE) {
            lc_assert(n >= 2);
            n--;
            err = build_two(p, s.kind, &stack[n - 1], stack[n]);
        } else {
            lc_assert(n >= 1);
            err = build_split(p, s.kind, &stack[n - 1]);
        }
        if (err != LC_OK) {
            return err;
        }
    }
    lc_assert(n == 1);
    uint16_t match = 0;
    lc_err err = add_state(p, (state){.kind = K_MATCH}, &match);
    if (err == LC_OK) {
        patch(p, stack[0].ends, match);
        *start = stack[0].start;
    }
    return err;
}

static lc_err keep(const compiler *p, uint32_t start, lc_arena *arena, lc_pattern **pattern)
{
    lc_pattern *made = LC_PUSH(arena, lc_pattern, 1);
    state *states = LC_PUSH(arena, state, p->state_count);
    range *ranges = LC_PUSH(arena, range, p->range_count + 1);
    if (made == NULL || states == NULL || ranges == NULL) {
        return lc_fail(p->diag, LC_ERR_ARENA, 0, "no room for a pattern");
    }
    if (!arena->measuring) {
        memcpy(states, p->state, p->state_count * sizeof *states);
        memcpy(ranges, p->range, p->range_count * sizeof *ranges);
        *made = (lc_pattern){p->state_count, start, states, ranges};
    }
    *pattern = made;
    return LC_OK;
}

lc_err lc_pattern_compile(const char *source, uint32_t bytes, lc_arena *arena, lc_pattern **pattern,
                          lc_diag *diag)
{
    compiler p;
    memset(&p, 0, sizeof p);
    p.source = source;
    p.bytes = bytes;
    p.diag = diag;
    uint32_t start = 0;
    lc_err err = parse_pattern(&p);
    if (err == LC_OK) {
        err = build(&p, &start);
    }
    return err == LC_OK ? keep(&p, start, arena, pattern) : err;
}

uint32_t lc_pattern_states(const lc_pattern *pattern)
{
    return pattern->state_count;
}

/* ---- search ---- */

/* The states that the automaton is in; every state at most once. */
typedef struct crowd {
    uint16_t state[STATES];
    uint32_t count;
    uint8_t present[STATES];
} crowd;

/* What the zero-width states look at: the code points on both sides. */
typedef struct place {
    bool begin, end, word_before, word_after;
} place;

static void enter(crowd *c, uint16_t s, uint16_t *stack, uint32_t *n)
{
    if (!c->present[s]) {
        c->present[s] = 1;
        stack[(*n)++] = s;
    }
}

/* Does a zero-width state let through here? */
static bool passes(uint8_t kind, const place *here)
{
    switch (kind) {
    case K_BEGIN:
        return here->begin;
    case K_END:
        return here->end;
    case K_WORD_EDGE:
        return here->word_before != here->word_after;
    case K_NO_WORD_EDGE:
        return here->word_before == here->word_after;
    default:
        return false;
    }
}

/* Adds a state and all that can be reached from it without reading. True: the match state. */
static bool spread(const lc_pattern *p, crowd *c, uint16_t first, const place *here)
{
    uint16_t stack[STATES];
    uint32_t n = 0;
    enter(c, first, stack, &n);
    while (n > 0) {
        uint16_t index = stack[--n];
        const state *s = &p->state[index];
        if (s->kind == K_MATCH) {
            return true;
        }
        if (s->kind == K_SPLIT) {
            enter(c, s->out1, stack, &n);
            enter(c, s->out, stack, &n);
        } else if (s->kind >= K_BEGIN) {
            if (passes(s->kind, here)) {
                enter(c, s->out, stack, &n);
            }
        } else {
            c->state[c->count++] = index;
        }
    }
    return false;
}

static bool in_ranges(const lc_pattern *p, const state *s, uint32_t c)
{
    const range *r = p->range + s->value;
    uint32_t upper = c >= 'a' && c <= 'z' ? c - 32 : c;
    for (uint32_t i = 0; i < s->ranges; i++) {
        if ((c >= r[i].lo && c <= r[i].hi) || (upper >= r[i].lo && upper <= r[i].hi)) {
            return true;
        }
    }
    return false;
}

/* c is lower case. */
static bool reads(const lc_pattern *p, const state *s, uint32_t c)
{
    switch (s->kind) {
    case K_CHAR:
        return s->value == c;
    case K_ANY:
        return c != '\n';
    default:
        return in_ranges(p, s, c) != s->negated;
    }
}

static void clear(crowd *c)
{
    c->count = 0;
    memset(c->present, 0, sizeof c->present);
}

/* Text that is not UTF-8 is read byte by byte as U+FFFD. */
static uint32_t decode(const char *text, uint32_t bytes, uint32_t *c)
{
    uint32_t n = bytes != 0 ? lc_utf8_decode(text, bytes, c) : 0;
    if (n == 0) {
        *c = bytes != 0 ? 0xfffd : 0;
        n = bytes != 0 ? 1 : 0;
    }
    *c = lower(*c);
    return n;
}

bool lc_pattern_search(const lc_pattern *p, const char *text, uint32_t bytes)
{
    crowd crowds[2];
    crowd *now = &crowds[0], *next = &crowds[1];
    clear(now);
    uint32_t c = 0, after = 0;
    uint32_t at = 0, n = decode(text, bytes, &c);
    place here = {.begin = true, .end = bytes == 0, .word_after = n != 0 && is_word(c)};
    if (spread(p, now, (uint16_t)p->start, &here)) {
        return true;
    }
    while (n != 0) {
        at += n;
        uint32_t n_after = decode(text + at, bytes - at, &after);
        here = (place){.end = n_after == 0,
                       .word_before = is_word(c),
                       .word_after = n_after != 0 && is_word(after)};
        clear(next);
        for (uint32_t i = 0; i < now->count; i++) {
            const state *s = &p->state[now->state[i]];
            if (reads(p, s, c) && spread(p, next, s->out, &here)) {
                return true;
            }
        }
        if (spread(p, next, (uint16_t)p->start, &here)) {
            return true;
        }
        crowd *swap = now;
        now = next;
        next = swap;
        c = after;
        n = n_after;
    }
    return false;
}
