/* objects.c - folders of `.leaf` files, searched by what the files say they are. */
#include "objects.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "embedded.h"

#define SHIPPED_NAME "triage.leaf"
#define ROOT_OFFSET 32u /* FORMAT.md: header */

/* ---- folders ---- */

/* Adds base[0..base_bytes) followed by tail, when it fits. */
static void folder_add(lc_objects *objects, const char *base, size_t base_bytes, const char *tail)
{
    size_t tail_bytes = strlen(tail);
    if (objects->folder_count < LC_OBJECTS_FOLDERS_MAX && base_bytes + tail_bytes < PATH_MAX) {
        char *folder = objects->folder[objects->folder_count++];
        memcpy(folder, base, base_bytes);
        memcpy(folder + base_bytes, tail, tail_bytes + 1);
    }
}

/* Bytes of path before its last '/', that slash not counted; "." has none. */
static size_t folder_bytes(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) : 0;
}

static void program_folders_add(lc_objects *objects)
{
    char program[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0) {
        return;
    }
    program[n] = 0;
    size_t base = folder_bytes(program);
    folder_add(objects, program, base, "");
    folder_add(objects, program, base, "/../share/leafcutter");
    folder_add(objects, program, base, "/../share/leafcutter/models/triage");
    folder_add(objects, program, base, "/../../models/triage"); /* build/<triple>/leafcutter */
}

void lc_objects_init(lc_objects *objects, const char *bundle_path)
{
    const char *share = getenv("LEAFCUTTER_SHARE");
    *objects = (lc_objects){0};
    if (bundle_path && strchr(bundle_path, '/')) {
        folder_add(objects, bundle_path, folder_bytes(bundle_path), "/");
    } else if (bundle_path) {
        folder_add(objects, ".", 1, "");
    }
    if (share && *share) {
        folder_add(objects, share, strlen(share), "");
        folder_add(objects, share, strlen(share), "/models/triage");
    }
    objects->local_count = objects->folder_count;
    program_folders_add(objects);
    static const char local[] = "/usr/local/share/leafcutter", system[] = "/usr/share/leafcutter";
    folder_add(objects, local, strlen(local), "/models/triage");
    folder_add(objects, local, strlen(local), "");
    folder_add(objects, system, strlen(system), "/models/triage");
    folder_add(objects, system, strlen(system), "");
}

void lc_objects_close(lc_objects *objects)
{
    for (uint32_t i = 0; i < objects->map_count; i++) {
        if (!objects->borrowed[i]) {
            lc_map_close(&objects->map[i]);
        }
    }
    objects->map_count = 0;
}

/* ---- objects ---- */

static lc_err map_keep(lc_objects *objects, const lc_map *map, bool borrowed)
{
    if (objects->map_count == sizeof objects->map / sizeof objects->map[0]) {
        return LC_ERR_LIMIT;
    }
    objects->map[objects->map_count] = *map;
    objects->borrowed[objects->map_count++] = borrowed;
    return LC_OK;
}

lc_err lc_objects_add(lc_objects *objects, const lc_map *map)
{
    return map_keep(objects, map, true);
}

lc_err lc_objects_own(lc_objects *objects, const lc_map *map)
{
    return map_keep(objects, map, false);
}

static bool root_matches(const uint8_t *data, size_t bytes, const uint8_t root[32])
{
    return bytes >= LC_LEAF_HEADER_BYTES && memcmp(data, "LEAF", 4) == 0 &&
           memcmp(data + ROOT_OFFSET, root, 32) == 0;
}

static bool file_matches(const char *path, const uint8_t root[32])
{
    uint8_t header[LC_LEAF_HEADER_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, header, sizeof header);
    close(fd);
    return n == (ssize_t)sizeof header && root_matches(header, sizeof header, root);
}

/* Writes folder/name when name ends in .leaf and the path fits. */
static bool leaf_path(const char *folder, const char *name, char path[PATH_MAX])
{
    size_t n = strlen(name);
    if (n < 6 || strcmp(name + n - 5, ".leaf") != 0 || strlen(folder) + n + 2 > PATH_MAX) {
        return false;
    }
    snprintf(path, PATH_MAX, "%.*s/%.*s", (int)strlen(folder), folder, (int)n, name);
    return true;
}

static bool folder_find(lc_objects *objects, const char *folder, const uint8_t root[32])
{
    char path[PATH_MAX];
    bool found = false;
    DIR *dir = opendir(folder);
    if (!dir) {
        return false;
    }
    for (struct dirent *entry = readdir(dir); entry && !found; entry = readdir(dir)) {
        lc_map map;
        if (leaf_path(folder, entry->d_name, path) && file_matches(path, root) &&
            lc_map_open(path, &map) == LC_OK) {
            found = map_keep(objects, &map, false) == LC_OK;
            if (!found) {
                lc_map_close(&map);
            }
        }
    }
    closedir(dir);
    return found;
}

static bool mapped_find(const lc_objects *objects, const uint8_t root[32], lc_object *object)
{
    for (uint32_t i = 0; i < objects->map_count; i++) {
        const lc_map *map = &objects->map[i];
        if (root_matches(map->data, map->bytes, root)) {
            *object = (lc_object){.data = map->data, .bytes = map->bytes};
            return true;
        }
    }
    return false;
}

lc_err lc_objects_find(void *ctx, const uint8_t root[32], lc_object *object)
{
    lc_objects *objects = ctx;
    if (mapped_find(objects, root, object)) {
        return LC_OK;
    }
    for (uint32_t i = 0; i < objects->folder_count; i++) {
        if (i == objects->local_count &&
            root_matches(lc_embedded_pack, lc_embedded_pack_bytes, root)) {
            *object = (lc_object){.data = lc_embedded_pack, .bytes = lc_embedded_pack_bytes};
            return LC_OK;
        }
        if (folder_find(objects, objects->folder[i], root)) {
            return mapped_find(objects, root, object) ? LC_OK : LC_ERR_NOT_FOUND;
        }
    }
    return LC_ERR_NOT_FOUND;
}

lc_err lc_objects_shipped(lc_objects *objects, lc_object *bundle, const char **path)
{
    static char at[PATH_MAX];
    for (uint32_t i = 0; i < objects->folder_count; i++) {
        lc_map map;
        if (i == objects->local_count && lc_embedded_bundle_bytes > 0) {
            *bundle = (lc_object){.data = lc_embedded_bundle, .bytes = lc_embedded_bundle_bytes};
            *path = "the shipped job";
            return LC_OK;
        }
        if (leaf_path(objects->folder[i], SHIPPED_NAME, at) && lc_map_open(at, &map) == LC_OK) {
            *bundle = (lc_object){.data = map.data, .bytes = map.bytes};
            *path = at;
            return map_keep(objects, &map, false);
        }
    }
    return LC_ERR_NOT_FOUND;
}
