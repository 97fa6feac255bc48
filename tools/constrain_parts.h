/* constrain_parts.h - the automaton's items and states, and the tree of the vocabulary. */
#ifndef LC_CONSTRAIN_PARTS_H
#define LC_CONSTRAIN_PARTS_H

#include "../board/linux/leaf_write.h"
#include "../runtime/limits.h"
#include "constrain.h"

#define CON_ITEMS_MAX (2u * LC_CONSTRAIN_KEYS_MAX + 2u)
#define CON_NEVER 0x3fffffffu /* tokens: cannot be written */
#define CON_NONE 0xffffffffu

/* An output is items one after the other. */
typedef enum con_kind {
    CON_BLANK, /* one blank or nothing */
    CON_TEXT,  /* these bytes */
    CON_WORDS, /* one of some words */
    CON_LIST,  /* words between commas, up to the closing bracket */
    CON_NUMBER,
    CON_STRING /* up to the closing quote */
} con_kind;

typedef struct con_item {
    uint8_t kind;             /* con_kind */
    uint32_t text;            /* TEXT: its first byte in `text` */
    uint32_t bytes;           /* TEXT: how many; STRING: at most */
    uint32_t root;            /* WORDS, LIST: node above all words */
    uint32_t max;             /* LIST: words at most */
    uint32_t decimals;        /* NUMBER: digits after the point */
    int64_t low, high;        /* NUMBER: bounds times 10^decimals */
    uint32_t after;           /* tokens that suffice for all later items */
    struct con_choice *cache; /* STRING: [cached] what may come inside, heap; NULL: not yet */
    uint32_t cached;
} con_item;

/* A tree of words. */
typedef struct con_node {
    uint32_t child, next; /* CON_NONE: none */
    uint32_t needs;       /* tokens that suffice up to the end of a word */
    uint8_t byte;
    bool end;
} con_node;

/* Where in the output: `at` is TEXT: bytes written; WORDS, LIST: node; STRING: bytes spoken for;
 * NUMBER: digits so far as a number. */
typedef struct con_state {
    uint32_t item;
    uint32_t sub; /* see the kinds in constrain.c */
    uint64_t at;
} con_state;

/* The vocabulary as a tree in preorder: children follow their parent. */
typedef struct con_leaf {
    uint32_t id;  /* token that ends here, or LC_TOKEN_NONE */
    uint32_t end; /* index after the last one below */
    uint16_t depth;
    uint8_t byte;
} con_leaf;

typedef struct con_choice {
    uint32_t id;
    uint16_t spoken; /* bytes of the string that it takes */
    uint16_t needs;  /* tokens that suffice after it */
} con_choice;

struct lc_constrain {
    con_item item[CON_ITEMS_MAX];
    uint32_t items;
    lc_buf text;         /* of all TEXT items */
    uint32_t *text_need; /* [text.bytes] tokens from each byte to the end of its item */
    con_node *node;      /* [nodes] */
    uint32_t nodes, node_room;
    bool open_end;             /* a word may begin another: the end is a choice */
    const con_item *unlimited; /* a string without limit, while its cache is filled; or NULL */
    con_leaf *leaf;            /* [leaves], the root first */
    uint32_t leaves;
    uint32_t end; /* token, see bind */
    bool closed;  /* that token was taken */
    bool partial; /* every continuation byte is a token: characters may be cut */
    const lc_tok *tok;
    con_state now;
    con_state path[LC_TOKEN_BYTES_MAX + 1];
};

/* ---- the automaton (constrain.c) ---- */

con_state lc_con_start(const lc_constrain *c, uint32_t item);
/* False: the byte may not come; state is as it was. */
bool lc_con_step(const lc_constrain *c, con_state *state, uint8_t byte);
/* Tokens that suffice from here; CON_NEVER where a cut character cannot be completed. */
uint32_t lc_con_needs(const lc_constrain *c, const con_state *state);
/* The output may end here. */
bool lc_con_accepts(const lc_constrain *c, const con_state *state);

/* ---- compiling (constrain_shape.c) ---- */

uint32_t lc_con_child(const lc_constrain *c, uint32_t node, uint8_t byte); /* or CON_NONE */

/* ---- the vocabulary (constrain_vocab.c) ---- */

bool lc_con_leaves_make(lc_constrain *c); /* false: out of memory */
uint32_t lc_con_leaf_child(const lc_constrain *c, uint32_t leaf, uint8_t byte); /* or CON_NONE */

#endif
