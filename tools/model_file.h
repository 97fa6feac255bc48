/* model_file.h - what `--model FILE` means to every verb: a pack, or a GGUF or checkpoint packed
 * once.
 *
 * Packs of GGUF files and of checkpoint folders (hf.h) are kept in $XDG_CACHE_HOME/leafcutter (else
 * ~/.cache/leafcutter), one per
 * source file and type, replaced when the source or this program changes.
 */
#ifndef LC_MODEL_FILE_H
#define LC_MODEL_FILE_H

#include "../runtime/model.h"
#include "ui.h"

/* lc_model_file_open - maps the pack of a .leaf or .gguf file, or of a folder.
 *
 *   type   "q4" "t16" "q8" "f32": how a GGUF is packed; NULL is "q4". A .leaf is taken as it is.
 *
 * Returns LC_UI_GO, or the exit code after a message. The caller closes with lc_map_close. Without
 * a usable cache folder the pack is made in memory, which stderr is told.
 */
int lc_model_file_open(const char *path, const char *type, lc_map *map);

/* LC_UI_GO when all linears of the pack are F32, else 3 after naming the command that packs it. */
int lc_model_file_check_float(const char *path, const lc_model *model);

#endif
