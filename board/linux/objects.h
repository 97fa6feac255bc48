/* objects.h - finding packs and adapters by their root hash, and the shipped job.
 *
 * Looked through in this order: objects already mapped, the bundle's own folder, the folder named
 * by LEAFCUTTER_SHARE, the program itself (`make STATIC=1`), then beside the program, the share
 * folder of its prefix, a source tree around it, /usr/local/share and /usr/share.
 */
#ifndef LC_OBJECTS_H
#define LC_OBJECTS_H

#include <limits.h>

#include "../../runtime/job.h"
#include "map.h"

#define LC_OBJECTS_FOLDERS_MAX 12u

typedef struct lc_objects {
    char folder[LC_OBJECTS_FOLDERS_MAX][PATH_MAX];
    uint32_t folder_count;
    uint32_t local_count; /* of them before the program itself: bundle's folder, LEAFCUTTER_SHARE */
    lc_map map[LC_JOB_OBJECTS_MAX + 1];
    bool borrowed[LC_JOB_OBJECTS_MAX + 1]; /* map belongs to someone else */
    uint32_t map_count;
} lc_objects;

/* bundle_path: its folder is looked in first; NULL: none. */
void lc_objects_init(lc_objects *objects, const char *bundle_path);
/* Unmaps what lc_objects_find mapped. */
void lc_objects_close(lc_objects *objects);
/* Offers an object that is mapped already and stays so (add), or is unmapped by lc_objects_close
 * (own). LIMIT when there are too many: nothing has changed hands then. */
lc_err lc_objects_add(lc_objects *objects, const lc_map *map) LC_CHECKED;
lc_err lc_objects_own(lc_objects *objects, const lc_map *map) LC_CHECKED;
/* An lc_object_find; ctx is the lc_objects. The object lives until lc_objects_close. */
lc_err lc_objects_find(void *ctx, const uint8_t root[32], lc_object *object);
/* The shipped job, triage.leaf; *path is where it was found, for messages. NOT_FOUND. */
lc_err lc_objects_shipped(lc_objects *objects, lc_object *bundle, const char **path) LC_CHECKED;

#endif
