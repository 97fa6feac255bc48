/* main.c - the tool `leafcutter`: one table of verbs, --help, --version. */
#include <string.h>

#include "../board/linux/cpu.h"
#include "ui.h"
#include "verbs.h"

#ifndef LC_VERSION
#define LC_VERSION "unknown"
#endif

typedef struct verb {
    const char *name;
    const char *help;
    int (*run)(int argc, char **argv);
} verb;

static const verb verbs[] = {
    {"init", "a first config for the daemon", lc_verb_init},
    {"classify", "records for lines of sensor text", lc_verb_classify},
    {"job", "build a bundle from a job file", lc_verb_job},
    {"pack", "a GGUF file to a .leaf pack, with its loss", lc_verb_pack},
    {"inspect", "what a GGUF, pack or bundle holds", lc_verb_inspect},
    {"plan", "exact bytes that a model or job needs", lc_verb_plan},
    {"tokenize", "token ids of lines", lc_verb_tokenize},
    {"logits", "logits of given tokens, as float32", lc_verb_logits},
    {"generate", "the continuation of a prompt", lc_verb_generate},
    {"bench", "speed of this board", lc_verb_bench},
    {"status", "what the daemon of this machine is doing", lc_verb_status},
    {"audit", "what the device did, and why", lc_verb_audit},
    {"doctor", "what is wrong between sensor and broker, and the remedy", lc_verb_doctor},
    {"collect", "records what devices report, and tells them so", lc_verb_collect},
    {"upstream", "answers what devices escalate, by a larger model", lc_verb_upstream},
    {"selftest", "every kernel level of this CPU against plain C", lc_verb_selftest},
};

static int help_print(FILE *to, int exit_code)
{
    fputs("usage: leafcutter VERB [options]\n"
          "Reads lines of sensor text and answers each with a label and a probability.\n\n",
          to);
    for (size_t i = 0; i < LC_COUNT(verbs); i++) {
        fprintf(to, "  %-10s %s\n", verbs[i].name, verbs[i].help);
    }
    fputs("\n  leafcutter VERB --help    options of a verb\n"
          "  leafcutter --version      version, compiler, CPU, kernels; with --json as JSON\n"
          "\nTo begin:  echo 'P2 vib 7.9mm/s rising, temp 81C' | leafcutter classify\n",
          to);
    return exit_code;
}

/* ---- version ---- */

/* Version and commit stand in one word, "0.1.0+1a2b3c4d5e"; no '+' outside a repository. */
static void version_split(char version[64], const char **commit)
{
    snprintf(version, 64, "%s", LC_VERSION);
    char *plus = strchr(version, '+');
    *commit = plus ? plus + 1 : "unknown";
    if (plus) {
        *plus = 0;
    }
}

static bool level_runs(const lc_kernels *level, uint32_t features)
{
    return (level->needs & features) == level->needs;
}

static void version_json(const char *version, const char *commit, const char *cpu,
                         uint32_t features)
{
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_text(&e, "version", version);
    lc_emit_text(&e, "commit", commit);
    lc_emit_text(&e, "compiler", __VERSION__);
    lc_emit_text(&e, "cpu", cpu);
    lc_emit_open(&e, "levels", '[');
    for (uint32_t i = 0; i < lc_level_count(); i++) {
        if (level_runs(lc_level_at(i), features)) {
            lc_emit_text(&e, NULL, lc_level_at(i)->name);
        }
    }
    lc_emit_close(&e);
    lc_emit_text(&e, "level", lc_level_best(features)->name);
    lc_emit_close(&e);
}

static void version_text(const char *version, const char *commit, const char *cpu,
                         uint32_t features)
{
    printf("leafcutter %s\ncommit     %s\ncompiler   %s\nCPU        %s\nlevels    ", version,
           commit, __VERSION__, cpu[0] ? cpu : "no feature that kernels use");
    for (uint32_t i = 0; i < lc_level_count(); i++) {
        if (level_runs(lc_level_at(i), features)) {
            printf(" %s", lc_level_at(i)->name);
        }
    }
    printf("\nkernels    %s\n", lc_level_best(features)->name);
}

static int version_print(int argc, char **argv)
{
    bool json = false;
    const lc_opt options[] = {LC_OPT_ROW_JSON(&json)};
    const lc_usage usage = {
        "--version", "", "Version, commit, compiler, CPU, kernels.", options, LC_COUNT(options), 0};
    char version[64], cpu[64];
    const char *commit;
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc != LC_UI_GO) {
        return rc;
    }
    uint32_t features = lc_cpu_features();
    version_split(version, &commit);
    lc_cpu_names(features, cpu, sizeof cpu);
    (json ? version_json : version_text)(version, commit, cpu, features);
    return LC_EXIT_OK;
}

/* ---- start ---- */

static int verb_run(int argc, char **argv)
{
    for (size_t i = 0; i < LC_COUNT(verbs); i++) {
        if (strcmp(argv[0], verbs[i].name) == 0) {
            return verbs[i].run(argc, argv);
        }
    }
    return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter --help lists the verbs", "unknown verb %s",
                       argv[0]);
}

/* A full disk or a closed pipe must not look like success. */
static int stdout_finish(int rc)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == LC_EXIT_OK) {
        return lc_ui_error(LC_EXIT_BOARD, NULL, NULL, "cannot write to standard output");
    }
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return help_print(stderr, LC_EXIT_USAGE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        return stdout_finish(help_print(stdout, LC_EXIT_OK));
    }
    if (strcmp(argv[1], "--version") == 0) {
        return stdout_finish(version_print(argc - 1, argv + 1));
    }
    return stdout_finish(verb_run(argc - 1, argv + 1));
}
