/* expr.c - rule text to postfix code for a stack of truth values (operator precedence, no
 * recursion). */
#include "expr.h"

#include <string.h>

#include "pattern.h"

#define DEPTH 32u /* of brackets and operators that wait, and of the stack of values */
#define NO_FACT (-1)

typedef enum op_kind {
    OP_NUMBER, /* fact of key, relation, value in unit */
    OP_WORD,   /* fact of key is text */
    OP_HAS,    /* fact of key exists */
    OP_LABEL,  /* label of task (or of this one) is text */
    OP_P,      /* p, relation, value */
    OP_OOS,    /* oos, relation, value */
    OP_MATCH,  /* pattern occurs in the text */
    OP_NOT,
    OP_AND,
    OP_OR,
    OP_OPEN /* only while compiling: a bracket that waits */
} op_kind;

enum { LT, LE, GT, GE, EQ, NE };

typedef struct op {
    uint8_t kind;     /* op_kind */
    uint8_t relation; /* LT to NE */
    lc_str name;      /* key, or name of a task ("": this one) */
    lc_str text;
    double value;
    const lc_unit *unit;
    const lc_pattern *pattern;
} op;

struct lc_expr {
    uint32_t count;
    const op *op; /* [count] */
};

typedef struct compiler {
    const char *source;
    uint32_t bytes, at;
    const lc_expr_scope *scope; /* NULL: any label */
    lc_arena *state;
    lc_diag *diag;
    op code[LC_EXPR_OPS_MAX];
    uint32_t count;
    uint8_t waiting[DEPTH]; /* operators and brackets */
    uint32_t waiting_count;
    uint32_t values; /* on the stack after the code so far */
} compiler;

/* ---- tokens ---- */

static lc_err fail(const compiler *c, const char *text)
{
    return lc_fail(c->diag, LC_ERR_FORMAT, c->at, text);
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || (unsigned char)c >= 0x80;
}

static void skip_blanks(compiler *c)
{
    while (c->at < c->bytes && (c->source[c->at] == ' ' || c->source[c->at] == '\t' ||
                                c->source[c->at] == '\n' || c->source[c->at] == '\r')) {
        c->at++;
    }
}

/* The next character that is no blank; NUL at the end. */
static char peek(compiler *c)
{
    skip_blanks(c);
    return c->at < c->bytes ? c->source[c->at] : '\0';
}

static bool take(compiler *c, char wanted)
{
    if (peek(c) != wanted) {
        return false;
    }
    c->at++;
    return true;
}

static lc_str take_name(compiler *c)
{
    (void)peek(c);
    uint32_t start = c->at;
    while (c->at < c->bytes && is_name_char(c->source[c->at])) {
        c->at++;
    }
    return (lc_str){c->source + start, c->at - start};
}

static bool is_named(lc_str name, const char *word)
{
    return lc_str_equal(name, lc_str_from(word));
}

static bool is_reserved(lc_str name)
{
    static const char *const word[] = {"text", "label", "p", "oos", "has", "and", "or", "not"};
    for (uint32_t i = 0; i < sizeof word / sizeof word[0]; i++) {
        if (is_named(name, word[i])) {
            return true;
        }
    }
    return false;
}

/* A name, or text in single or double quotes. */
static lc_err take_text(compiler *c, lc_str *text)
{
    char quote = peek(c);
    if (quote != '"' && quote != '\'') {
        *text = take_name(c);
        return text->bytes != 0 ? LC_OK : fail(c, "a name or quoted text is missing");
    }
    uint32_t start = ++c->at;
    while (c->at < c->bytes && c->source[c->at] != quote) {
        c->at++;
    }
    if (c->at == c->bytes) {
        return fail(c, "quote is not closed");
    }
    *text = (lc_str){c->source + start, c->at - start};
    c->at++;
    return LC_OK;
}

static lc_err take_relation(compiler *c, uint8_t *out)
{
    char first = peek(c);
    bool equal = c->at + 1 < c->bytes && c->source[c->at + 1] == '=';
    if (first == '<' || first == '>') {
        *out = (uint8_t)(first == '<' ? (equal ? LE : LT) : (equal ? GE : GT));
    } else if ((first == '=' || first == '!') && equal) {
        *out = first == '=' ? EQ : NE;
    } else {
        return fail(c, "expected < <= > >= == or !=");
    }
    c->at += equal ? 2 : 1;
    return LC_OK;
}

/* [-]digits[.digits], at most 15 digits, so that it is exact. */
static lc_err take_number(compiler *c, double *value)
{
    bool minus = take(c, '-');
    double number = 0, power = 1;
    uint32_t digits = 0;
    bool point = false;
    for (; c->at < c->bytes; c->at++) {
        char ch = c->source[c->at];
        if (ch == '.' && !point && digits > 0) {
            point = true;
        } else if (ch >= '0' && ch <= '9' && digits < 15) {
            number = number * 10 + (ch - '0');
            power = point ? power * 10 : power;
            digits++;
        } else {
            break;
        }
    }
    if (digits == 0 || c->source[c->at - 1] == '.') {
        return fail(c, "wrong number");
    }
    *value = (minus ? -number : number) / power;
    return LC_OK;
}

static bool at_number(compiler *c)
{
    char ch = peek(c);
    return ch == '-' || (ch >= '0' && ch <= '9');
}

/* ---- code ---- */

static lc_err emit(compiler *c, op o)
{
    if (c->count == LC_EXPR_OPS_MAX) {
        return lc_fail(c->diag, LC_ERR_LIMIT, c->at, "rule too long");
    }
    c->code[c->count++] = o;
    if (o.kind == OP_AND || o.kind == OP_OR) {
        c->values--;
    } else if (o.kind != OP_NOT && ++c->values > DEPTH) {
        return lc_fail(c->diag, LC_ERR_LIMIT, c->at, "rule nested too deep");
    }
    return LC_OK;
}

static lc_err hold(compiler *c, uint8_t kind)
{
    if (c->waiting_count == DEPTH) {
        return lc_fail(c->diag, LC_ERR_LIMIT, c->at, "rule nested too deep");
    }
    c->waiting[c->waiting_count++] = kind;
    return LC_OK;
}

/* Emits the waiting operators that bind at least as tightly as `kind`, up to a bracket. The order
 * of op_kind is the order of binding. */
static lc_err release(compiler *c, uint8_t kind)
{
    lc_err err = LC_OK;
    while (err == LC_OK && c->waiting_count > 0 && c->waiting[c->waiting_count - 1] <= kind &&
           c->waiting[c->waiting_count - 1] != OP_OPEN) {
        err = emit(c, (op){.kind = c->waiting[--c->waiting_count]});
    }
    return err;
}

/* ---- comparisons ---- */

static lc_err compile_match(compiler *c)
{
    if (!take(c, '~') || !take(c, '/')) {
        return fail(c, "text wants ~ /pattern/");
    }
    uint32_t start = c->at;
    while (c->at < c->bytes && c->source[c->at] != '/') {
        c->at += c->source[c->at] == '\\' && c->at + 1 < c->bytes ? 2 : 1;
    }
    if (c->at >= c->bytes) {
        return fail(c, "pattern is not closed by /");
    }
    lc_pattern *pattern = NULL;
    lc_diag inner = {0};
    lc_err err = lc_pattern_compile(c->source + start, c->at - start, c->state, &pattern, &inner);
    if (err != LC_OK) {
        return lc_fail(c->diag, err, start + inner.offset, inner.text);
    }
    c->at++;
    return emit(c, (op){.kind = OP_MATCH, .pattern = pattern});
}

static lc_err compile_has(compiler *c)
{
    if (!take(c, '(')) {
        return fail(c, "has wants (key)");
    }
    lc_str name = take_name(c);
    if (name.bytes == 0 || !take(c, ')')) {
        return fail(c, "has wants (key)");
    }
    lc_str key = lc_key_find(name.data, name.bytes);
    return emit(c, (op){.kind = OP_HAS, .name = key.data != NULL ? key : name});
}

/* `== name` or `!= name` after `label` or `task.label`. */
static lc_err compile_label(compiler *c, lc_str task)
{
    op o = {.kind = OP_LABEL, .name = task};
    lc_err err = take_relation(c, &o.relation);
    if (err == LC_OK && o.relation < EQ) {
        err = fail(c, "a label compares with == or !=");
    }
    if (err == LC_OK) {
        err = take_text(c, &o.text);
    }
    if (err == LC_OK && c->scope != NULL && !c->scope->knows(c->scope->ctx, task, o.text)) {
        err = fail(c, "no such label here, or no such task before this one");
    }
    return err == LC_OK ? emit(c, o) : err;
}

static lc_err compile_probability(compiler *c, uint8_t kind)
{
    op o = {.kind = kind};
    lc_err err = take_relation(c, &o.relation);
    if (err == LC_OK) {
        err = take_number(c, &o.value);
    }
    return err == LC_OK ? emit(c, o) : err;
}

static lc_err compile_fact(compiler *c, lc_str name)
{
    lc_str key = lc_key_find(name.data, name.bytes);
    op o = {.kind = OP_NUMBER, .name = key.data != NULL ? key : name};
    lc_err err = take_relation(c, &o.relation);
    if (err == LC_OK && !at_number(c)) {
        o.kind = OP_WORD;
        err = o.relation < EQ ? fail(c, "a number is missing") : take_text(c, &o.text);
        return err == LC_OK ? emit(c, o) : err;
    }
    if (err == LC_OK) {
        err = take_number(c, &o.value);
    }
    if (err == LC_OK) {
        uint32_t length = 0;
        o.unit = lc_unit_match(c->source + c->at, c->bytes - c->at, NULL, &length);
        c->at += length;
        err = emit(c, o);
    }
    return err;
}

static lc_err compile_comparison(compiler *c, lc_str name)
{
    if (is_named(name, "text")) {
        return compile_match(c);
    }
    if (is_named(name, "has")) {
        return compile_has(c);
    }
    if (is_named(name, "label")) {
        return compile_label(c, (lc_str){"", 0});
    }
    if (is_named(name, "p") || is_named(name, "oos")) {
        return compile_probability(c, is_named(name, "p") ? OP_P : OP_OOS);
    }
    if (name.bytes == 0 || is_reserved(name)) {
        return fail(c, "expected a comparison");
    }
    if (c->at < c->bytes && c->source[c->at] == '.') {
        c->at++;
        return is_named(take_name(c), "label") ? compile_label(c, name)
                                               : fail(c, "expected .label after a task");
    }
    return compile_fact(c, name);
}

/* ---- the whole ---- */

/* An operand is due: `not`, a bracket, or a comparison. *done when it was a comparison. */
static lc_err compile_operand(compiler *c, bool *done)
{
    *done = false;
    if (take(c, '(')) {
        return hold(c, OP_OPEN);
    }
    lc_str name = take_name(c);
    if (is_named(name, "not")) {
        return hold(c, OP_NOT);
    }
    *done = true;
    return compile_comparison(c, name);
}

static lc_err close_bracket(compiler *c)
{
    lc_err err = release(c, OP_OR);
    if (err == LC_OK && c->waiting_count == 0) {
        return fail(c, "unmatched )");
    }
    c->waiting_count -= err == LC_OK;
    return err;
}

/* An operator is due: `and`, `or`, a closing bracket. *operand: now an operand is due. */
static lc_err compile_operator(compiler *c, bool *operand)
{
    *operand = false;
    if (take(c, ')')) {
        return close_bracket(c);
    }
    lc_str name = take_name(c);
    uint8_t kind = is_named(name, "and") ? OP_AND : is_named(name, "or") ? OP_OR : OP_OPEN;
    if (kind == OP_OPEN) {
        c->at -= name.bytes;
        return fail(c, "expected and, or, or the end");
    }
    *operand = true;
    lc_err err = release(c, kind);
    return err == LC_OK ? hold(c, kind) : err;
}

static lc_err compile_all(compiler *c)
{
    bool operand = true;
    while (operand || peek(c) != '\0' || c->at < c->bytes) {
        bool done = false;
        lc_err err = operand ? compile_operand(c, &done) : compile_operator(c, &operand);
        if (err != LC_OK) {
            return err;
        }
        operand = operand && !done;
    }
    lc_err err = release(c, OP_OR);
    if (err == LC_OK && c->waiting_count != 0) {
        err = fail(c, "unmatched (");
    }
    return err;
}

lc_err lc_expr_compile(const char *source, uint32_t bytes, lc_arena *state, lc_expr **expr,
                       lc_diag *diag)
{
    return lc_expr_compile_in(source, bytes, NULL, state, expr, diag);
}

lc_err lc_expr_compile_in(const char *source, uint32_t bytes, const lc_expr_scope *scope,
                          lc_arena *state, lc_expr **expr, lc_diag *diag)
{
    if (bytes > LC_EXPR_BYTES_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "rule too long");
    }
    compiler c = {.source = source, .bytes = bytes, .scope = scope, .state = state, .diag = diag};
    lc_err err = compile_all(&c);
    if (err != LC_OK) {
        return err;
    }
    lc_assert(c.values == 1);
    lc_expr *made = LC_PUSH(state, lc_expr, 1);
    op *code = LC_PUSH(state, op, c.count);
    if (made == NULL || code == NULL) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "no room for a rule");
    }
    if (!state->measuring) {
        memcpy(code, c.code, c.count * sizeof *code);
        *made = (lc_expr){c.count, code};
    }
    *expr = made;
    return LC_OK;
}

/* ---- evaluation ---- */

typedef struct value {
    bool truth;
    int32_t fact; /* index of the fact that made it true, or NO_FACT */
} value;

static bool compare(double a, uint8_t relation, double b)
{
    switch (relation) {
    case LT:
        return a < b;
    case LE:
        return a <= b;
    case GT:
        return a > b;
    case GE:
        return a >= b;
    case EQ:
        return a == b;
    default:
        return a != b;
    }
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same_folded(lc_str a, lc_str b)
{
    bool same = a.bytes == b.bytes;
    for (uint32_t i = 0; same && i < a.bytes; i++) {
        same = lower(a.data[i]) == lower(b.data[i]);
    }
    return same;
}

static bool number_holds(const op *o, const lc_fact *f)
{
    if (!f->is_number || (f->unit != NULL && o->unit != NULL && f->unit->dim != o->unit->dim)) {
        return false;
    }
    double right = o->value;
    if (o->unit != NULL && f->unit != NULL) {
        right = right * o->unit->scale + o->unit->shift;
    }
    return compare(lc_fact_base(f), o->relation, right);
}

static bool fact_holds(const op *o, const lc_fact *f)
{
    if (!same_folded(f->key, o->name)) {
        return false;
    }
    switch (o->kind) {
    case OP_NUMBER:
        return number_holds(o, f);
    case OP_WORD:
        return !f->is_number && same_folded(f->word, o->text) == (o->relation == EQ);
    default:
        return true;
    }
}

static value eval_facts(const op *o, const lc_facts *facts)
{
    for (uint32_t i = 0; i < facts->count; i++) {
        if (fact_holds(o, &facts->fact[i])) {
            return (value){true, (int32_t)i};
        }
    }
    return (value){false, NO_FACT};
}

static bool eval_label(const op *o, const lc_expr_env *env)
{
    lc_str label = env->label;
    if (o->name.bytes != 0) {
        label = env->task_label != NULL ? env->task_label(env->ctx, o->name) : (lc_str){"", 0};
    }
    return label.bytes != 0 && lc_str_equal(label, o->text) == (o->relation == EQ);
}

static value eval_leaf(const op *o, const lc_expr_env *env)
{
    switch (o->kind) {
    case OP_LABEL:
        return (value){eval_label(o, env), NO_FACT};
    case OP_P:
        return (value){compare((double)env->p, o->relation, o->value), NO_FACT};
    case OP_OOS:
        return (value){compare((double)env->oos, o->relation, o->value), NO_FACT};
    case OP_MATCH:
        return (value){lc_pattern_search(o->pattern, env->text, env->bytes), NO_FACT};
    default:
        return eval_facts(o, env->facts);
    }
}

static value combine(uint8_t kind, value a, value b)
{
    bool truth = kind == OP_AND ? a.truth && b.truth : a.truth || b.truth;
    if (!truth) {
        return (value){false, NO_FACT};
    }
    bool use_a = a.truth && (a.fact != NO_FACT || !b.truth);
    return (value){true, use_a ? a.fact : b.fact};
}

bool lc_expr_eval(const lc_expr *expr, const lc_expr_env *env, int32_t *evidence)
{
    value stack[DEPTH];
    uint32_t n = 0;
    for (uint32_t i = 0; i < expr->count; i++) {
        const op *o = &expr->op[i];
        if (o->kind == OP_NOT) {
            stack[n - 1] = (value){!stack[n - 1].truth, NO_FACT};
        } else if (o->kind == OP_AND || o->kind == OP_OR) {
            n--;
            stack[n - 1] = combine(o->kind, stack[n - 1], stack[n]);
        } else {
            stack[n++] = eval_leaf(o, env);
        }
    }
    lc_assert(n == 1);
    if (evidence != NULL) {
        *evidence = stack[0].fact;
    }
    return stack[0].truth;
}
