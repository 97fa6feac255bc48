/* adapter_file.h - adapter files as verbs take them: objects (.leaf), llama.cpp's GGUF files, and
 * PEFT folders (adapter_config.json beside adapter_model.safetensors).
 */
#ifndef LC_ADAPTER_FILE_H
#define LC_ADAPTER_FILE_H

#include <limits.h>

#include "pack/lora_pack.h"
#include "ui.h"

/* Another program's adapter, mapped. */
typedef struct lc_adapter_file {
    lc_map data, config;
    char path[PATH_MAX]; /* of the file or folder, without the scale */
    lc_lora_file lora;
} lc_adapter_file;

/* Reads FILE, or FILE:SCALE when `scaled`. LC_UI_GO, or the exit code after a message; close in
 * both cases. The lc_adapter_file must not move while it is in use. */
int lc_adapter_file_open(const char *text, bool scaled, lc_adapter_file *file);
void lc_adapter_file_close(lc_adapter_file *file);

/* lc_adapter_file_object - what `--adapter FILE` means to a verb that runs a model.
 *
 *   pack  the model, mapped
 *   map   the object: a .leaf as it lies, another program's adapter made into one in memory
 *
 * LC_UI_GO, or the exit code after a message. The caller closes the map. An object's fit to the
 * model is checked where it is opened.
 */
int lc_adapter_file_object(const char *path, const lc_map *pack, lc_map *map);

/* The model of a pack with its tables on the heap, for making adapters. */
typedef struct lc_base_model {
    lc_model model;
    void *tables;
} lc_base_model;

int lc_base_model_open(const char *name, const lc_map *pack, lc_base_model *base);
void lc_base_model_close(lc_base_model *base);

/* `pack --adapter`: writes the object and prints what it is; layers: as lc_lora_pack. The exit
 * code. */
int lc_adapter_file_pack(const char *adapter, const char *base, const char *type,
                         const char *labels, uint32_t layers, const char *out, bool json);

#endif
