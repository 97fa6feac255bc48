/* `generate --labels` and `--shape` from end to end: a model of random weights, many seeds. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka needs four of the above */
#include <cmocka.h>

#include "../../board/linux/json.h"
#include "../../tools/ui.h"
#include "../../tools/verbs.h"

#define SEEDS 500u
#define MODEL "models/golden/tiny-causal.gguf"

static char folder[] = "/tmp/leafcutter-test-XXXXXX";
static FILE *captured;

/* Runs the verb with its output in `out`; returns its length. */
static size_t generate(const char *what, const char *text, uint32_t n, uint32_t seed,
                       const char *temperature, char *out, size_t room)
{
    char n_text[12], seed_text[12];
    snprintf(n_text, sizeof n_text, "%u", n);
    snprintf(seed_text, sizeof seed_text, "%u", seed);
    const char *argv[] = {"generate", "--model", MODEL,    "--prompt",  "hello", "-n", n_text,
                          "--seed",   seed_text, "--temp", temperature, what,    text, NULL};
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    rewind(captured);
    assert_int_equal(ftruncate(fileno(captured), 0), 0);
    assert_true(dup2(fileno(captured), STDOUT_FILENO) >= 0);
    int rc = lc_verb_generate(13, (char **)argv);
    fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    close(kept);
    assert_int_equal(rc, LC_EXIT_OK);
    rewind(captured);
    size_t bytes = fread(out, 1, room - 1, captured);
    assert_true(bytes > 0 && bytes < room - 1 && out[bytes - 1] == '\n');
    out[bytes - 1] = 0;
    return bytes - 1;
}

static const char *const temperatures[] = {"0", "0.7", "1.5", "20"};

static void shapes_parse(void **state)
{
    (void)state;
    static const char shape[] =
        "{\"label\":[\"leak\",\"vibration\",\"\xc3\xbc\"],\"on\":\"boolean\","
        "\"t\":{\"number\":[-40,125],\"decimals\":1},\"note\":{\"string\":24}}";
    for (uint32_t seed = 0; seed < SEEDS; seed++) {
        char out[512];
        size_t bytes = generate("--shape", shape, 56 + seed % 34, seed, temperatures[seed % 4], out,
                                sizeof out);
        cJSON *object;
        lc_json_diag diag = {.text = ""};
        if (lc_json_parse(out, bytes, 0, &object, &diag) != LC_OK) {
            fail_msg("seed %u: %s: `%s`", seed, diag.text, out);
        }
        assert_int_equal(cJSON_GetArraySize(object), 4);
        double t = cJSON_GetObjectItem(object, "t")->valuedouble;
        assert_true(t >= -40.0 && t <= 125.0);
        assert_true(strlen(cJSON_GetObjectItem(object, "note")->valuestring) <= 24);
        cJSON_Delete(object);
    }
}

static void labels_are_labels(void **state)
{
    (void)state;
    uint32_t seen[3] = {0};
    for (uint32_t seed = 0; seed < 100; seed++) {
        char out[64];
        (void)generate("--labels", "leak,leakage,fire", 12, seed, temperatures[1 + seed % 3], out,
                       sizeof out);
        uint32_t which = strcmp(out, "leak") == 0      ? 0
                         : strcmp(out, "leakage") == 0 ? 1
                         : strcmp(out, "fire") == 0    ? 2
                                                       : 3;
        if (which == 3) {
            fail_msg("seed %u: `%s`", seed, out);
        }
        seen[which]++;
    }
    assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
}

static int folder_make(void **state)
{
    (void)state;
    captured = tmpfile();
    return mkdtemp(folder) && captured ? setenv("XDG_CACHE_HOME", folder, 1) : -1;
}

static int folder_remove(void **state)
{
    char packs[64];
    (void)state;
    fclose(captured);
    snprintf(packs, sizeof packs, "%s/leafcutter", folder);
    DIR *dir = opendir(packs);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir) {
        closedir(dir);
    }
    rmdir(packs);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_parse),
        cmocka_unit_test(labels_are_labels),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
