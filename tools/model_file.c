/* model_file.c - packs as they are, GGUF files and checkpoints packed once into the cache. */
#include "model_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../board/linux/crypto.h"
#include "../board/linux/leaf_write.h"
#include "pack/pack.h"
#include "source.h"

#define KEY_CHARS 16u

/* Where the pack of one source file and type lies. */
typedef struct cache_place {
    char folder[PATH_MAX];
    char name[64];    /* <source>-<type>-<stamp>.leaf */
    size_t same_name; /* bytes of name that all packs of this source and type share */
    char path[PATH_MAX + 64];
} cache_place;

/* ---- the place in the cache ---- */

static void key_print(const void *data, size_t bytes, char key[KEY_CHARS + 1])
{
    uint8_t hash[LC_SHA256_BYTES];
    lc_sha256(data, bytes, hash);
    for (size_t i = 0; i < KEY_CHARS / 2; i++) {
        snprintf(key + 2 * i, 3, "%02x", hash[i]);
    }
}

static bool folder_make(char *folder)
{
    for (char *at = folder + 1; *at; at++) {
        if (*at == '/') {
            *at = 0;
            (void)mkdir(folder, 0700);
            *at = '/';
        }
    }
    return mkdir(folder, 0700) == 0 || errno == EEXIST;
}

static bool cache_folder(char folder[PATH_MAX])
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = 0;
    if (cache && cache[0] == '/') { /* the rule of the XDG specification: relative is ignored */
        n = snprintf(folder, PATH_MAX, "%s/leafcutter", cache);
    } else if (home && home[0] == '/') {
        n = snprintf(folder, PATH_MAX, "%s/.cache/leafcutter", home);
    }
    return n > 0 && n < PATH_MAX && folder_make(folder) && access(folder, W_OK | X_OK) == 0;
}

/* What a pack was made by; another build of this program may pack differently. */
static void program_stamp(char *out, size_t max)
{
    struct stat st;
    if (stat("/proc/self/exe", &st) != 0) {
        st = (struct stat){0};
    }
    snprintf(out, max, "%lld %lld.%09ld", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
             st.st_mtim.tv_nsec);
}

static bool cache_find(const char *source, const char *type, cache_place *place)
{
    char real[PATH_MAX], program[128], stamp[PATH_MAX + 256];
    char source_key[KEY_CHARS + 1], stamp_key[KEY_CHARS + 1];
    struct stat st;
    if (!realpath(source, real) || stat(real, &st) != 0 || !cache_folder(place->folder)) {
        return false;
    }
    program_stamp(program, sizeof program);
    uint64_t files = S_ISDIR(st.st_mode) ? lc_hf_stamp(real) : 0;
    int n = snprintf(stamp, sizeof stamp, "%s %lld %lld.%09ld %llu %llu %s", program,
                     (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                     (unsigned long long)st.st_ino, (unsigned long long)files, real);
    key_print(real, strlen(real), source_key);
    key_print(stamp, (size_t)n < sizeof stamp ? (size_t)n : sizeof stamp - 1, stamp_key);
    snprintf(place->name, sizeof place->name, "%s-%s-%s.leaf", source_key, type, stamp_key);
    place->same_name = strlen(source_key) + strlen(type) + 2;
    n = snprintf(place->path, sizeof place->path, "%s/%s", place->folder, place->name);
    return n > 0 && (size_t)n < sizeof place->path;
}

/* Older packs of the same source and type are of no more use. */
static void cache_sweep(const cache_place *place)
{
    DIR *dir = opendir(place->folder);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        if (strncmp(entry->d_name, place->name, place->same_name) == 0 &&
            strcmp(entry->d_name, place->name) != 0 && lc_ui_ends_with(entry->d_name, ".leaf")) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

/* True when the cache holds a whole pack; a damaged one is taken away. */
static bool cache_map(const cache_place *place, lc_map *map)
{
    lc_leaf leaf;
    if (lc_map_open(place->path, map) != LC_OK) {
        return false;
    }
    if (lc_leaf_open(map->data, map->bytes, &leaf, NULL) != LC_OK) {
        lc_map_close(map);
        (void)unlink(place->path);
        return false;
    }
    return true;
}

/* ---- packing ---- */

static void progress_show(void *ctx, uint64_t done, uint64_t total)
{
    lc_progress_step(ctx, done, total);
}

static uint32_t processors(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 8 ? 8 : (uint32_t)n;
}

static int source_pack(const char *path, const char *type, lc_buf *out)
{
    lc_source source;
    lc_diag diag = {0};
    lc_progress progress;
    int rc = lc_source_open(path, true, &source);
    if (rc != LC_UI_GO) {
        return rc;
    }
    lc_progress_init(&progress, "packing");
    lc_pack_options options = {
        .threads = processors(), .progress = progress_show, .progress_ctx = &progress};
    bool known = lc_pack_type_find(type, &options.type);
    lc_assert(known); /* types come from verbs, not from the command line */
    lc_err err = lc_pack_gguf(source.g, &options, out, NULL, &diag);
    lc_progress_end(&progress);
    rc = err == LC_OK ? LC_UI_GO : lc_source_diag(&source, &diag);
    lc_source_close(&source);
    return rc;
}

/* Packs into the cache, or into memory where there is none. */
static int source_open(const char *path, const char *type, lc_map *map)
{
    cache_place place;
    lc_buf packed = {0};
    bool cached = cache_find(path, type, &place);
    if (cached && cache_map(&place, map)) {
        return LC_UI_GO;
    }
    int rc = source_pack(path, type, &packed);
    if (rc == LC_UI_GO && cached) {
        rc = lc_ui_write(place.path, packed.data, packed.bytes);
        cached = rc == LC_UI_GO && lc_map_open(place.path, map) == LC_OK;
        cache_sweep(&place);
        rc = LC_UI_GO;
    }
    if (rc == LC_UI_GO && !cached) {
        fprintf(stderr,
                "leafcutter: %s: no cache folder to keep the pack in; packed for this run "
                "only\n",
                path);
        if (lc_map_copy(packed.data, packed.bytes, map) != LC_OK) {
            rc = lc_ui_no_memory();
        }
    }
    lc_buf_free(&packed);
    return rc;
}

int lc_model_file_open(const char *path, const char *type, lc_map *map)
{
    lc_map source;
    if (lc_hf_is_folder(path)) {
        return source_open(path, type ? type : "q4", map);
    }
    int rc = lc_ui_map(path, &source);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (source.bytes >= 4 && memcmp(source.data, "GGUF", 4) == 0) {
        lc_map_close(&source);
        return source_open(path, type ? type : "q4", map);
    }
    *map = source; /* a pack, or what lc_model_open will refuse with a reason */
    return LC_UI_GO;
}

/* ---- float ---- */

int lc_model_file_check_float(const char *path, const lc_model *model)
{
    bool all = true;
    for (uint32_t i = 0; i < lc_model_tensors(model); i++) {
        all = all && lc_model_tensor(model, i).mat.type == LC_W_F32;
    }
    if (all) {
        return LC_UI_GO;
    }
    return lc_ui_error(LC_EXIT_REJECTED, path,
                       "leafcutter pack SOURCE.gguf -o MODEL.leaf --type f32",
                       "--float wants weights in F32, this pack has them quantised; pack its "
                       "source:");
}
