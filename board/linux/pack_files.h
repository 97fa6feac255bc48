/* pack_files.h - the packs, adapters and prompts that a job names while it is being built. For
 * job_tree.c.
 */
#ifndef LC_PACK_FILES_H
#define LC_PACK_FILES_H

#include "../../runtime/adapter.h"
#include "job_json.h"
#include "map.h"

typedef struct lc_pack_files {
    const char *dir;        /* folder that relative paths start from */
    const lc_object *given; /* every path of a model means this pack; NULL: files */
    const char *prompt;     /* every path of a prompt means this text; NULL: files */
    lc_json_diag *diag;
    struct {
        lc_map map; /* of a file; all 0 for `given` */
        void *tables;
        lc_model model;
        char path[PATH_MAX];
    } pack[LC_PACKS_MAX];
    uint32_t count;
    struct {
        lc_map map;
        void *tables;
        lc_adapter adapter;
        uint32_t pack; /* that it belongs to */
        char path[PATH_MAX];
    } adapter[LC_ADAPTERS_MAX];
    uint32_t adapter_count;
    const lc_object *given_adapter; /* as `given` */
} lc_pack_files;

/* Index of the pack at `path`, opened when it is new. key_path is for messages. Two paths to the
 * same pack share an index. */
lc_err lc_pack_files_take(lc_pack_files *packs, const char *path, const char *key_path,
                          uint32_t *index) LC_CHECKED;
/* The same for an adapter of pack number `pack`, which must be its base. */
lc_err lc_pack_files_adapter(lc_pack_files *packs, const char *path, uint32_t pack,
                             const char *key_path, uint32_t *index) LC_CHECKED;
/* The prompt at `path`, on the heap with a NUL behind it. */
lc_err lc_pack_files_prompt(lc_pack_files *packs, const char *path, const char *key_path,
                            char **text) LC_CHECKED;
void lc_pack_files_close(lc_pack_files *packs);

#endif
