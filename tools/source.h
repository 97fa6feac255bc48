/* source.h - what verbs pack from: a GGUF file, or a checkpoint folder of Hugging Face form. */
#ifndef LC_SOURCE_H
#define LC_SOURCE_H

#include "pack/hf.h"
#include "ui.h"

typedef struct lc_source {
    const char *path;
    const lc_gguf *g;
    bool folder;
    lc_map map;   /* of a file */
    lc_gguf file; /* its table */
    lc_hf hf;     /* of a folder */
} lc_source;

/* weights: false when the tokenizer is all that is wanted. LC_UI_GO, or the exit code after a
 * message; then nothing needs closing. path is kept. */
int lc_source_open(const char *path, bool weights, lc_source *s);
/* The same for a file that is mapped already; the map stays the caller's. */
int lc_source_map(const char *path, const lc_map *map, lc_source *s);
/* Prints an error of the packer, about a folder in the checkpoint's own words; the exit code. */
int lc_source_diag(lc_source *s, lc_diag *diag);
void lc_source_close(lc_source *s);

#endif
