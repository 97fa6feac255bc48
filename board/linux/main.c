/* main.c - leafcutterd's command line. */
#include <stdio.h>
#include <string.h>

#include "cpu.h"
#include "daemon.h"
#include "figures.h"
#include "log.h"
#include "topics.h"

#define EXIT_USAGE 2

static const char usage[] =
    "usage: leafcutterd --config FILE [--check-config | --rest] [--until-eof] [--adopt]\n"
    "       leafcutterd --help-config | --help-topics | --help-health | --version | --help\n"
    "\n"
    "Reads lines, answers each on this device, and publishes the records over MQTT.\n"
    "\n"
    "  --config FILE    JSON, with // comments\n"
    "  --check-config   read the config, say what is wrong, and leave: 0 or 3\n"
    "  --until-eof      leave when every file and stdin is read and every record is delivered\n"
    "  --adopt          this card was moved here on purpose: its store is this board's from now "
    "on\n"
    "  --rest           put the outputs to their safe level, and leave\n"
    "  --help-config    every key of the config\n"
    "  --help-topics    every topic of MQTT: who writes it, what it holds\n"
    "  --help-health    every number of up/health, of the status socket and its metrics\n"
    "  --version        version and kernels for this CPU\n"
    "\n"
    "exit codes: 0 ok, 1 internal, 2 usage, 3 rejected config or job, 4 board or storage, "
    "5 busy\n";

typedef struct arguments {
    const char *config;
    bool check, rest, until_eof, adopt, help, version;
    void (*tell)(FILE *out); /* a table */
} arguments;

static bool arguments_read(int argc, char **argv, arguments *a)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) {
            a->config = argv[++i];
        } else if (strncmp(argv[i], "--config=", 9) == 0) {
            a->config = argv[i] + 9;
        } else if (strcmp(argv[i], "--check-config") == 0) {
            a->check = true;
        } else if (strcmp(argv[i], "--rest") == 0) {
            a->rest = true;
        } else if (strcmp(argv[i], "--until-eof") == 0) {
            a->until_eof = true;
        } else if (strcmp(argv[i], "--adopt") == 0) {
            a->adopt = true;
        } else if (strcmp(argv[i], "--help-config") == 0) {
            a->tell = lc_config_help;
        } else if (strcmp(argv[i], "--help-topics") == 0) {
            a->tell = lc_topics_help;
        } else if (strcmp(argv[i], "--help-health") == 0) {
            a->tell = lc_figures_help;
        } else if (strcmp(argv[i], "--version") == 0) {
            a->version = true;
        } else if (strcmp(argv[i], "--help") == 0) {
            a->help = true;
        } else {
            fprintf(stderr, "leafcutterd: unknown or incomplete option %s\n", argv[i]);
            return false;
        }
    }
    return a->config || a->help || a->tell || a->version;
}

static int version_print(void)
{
    uint32_t features = lc_cpu_features();
    char names[128];
    lc_cpu_names(features, names, sizeof names);
    printf("leafcutterd %s\ncompiler %s\ncpu %s\nkernels %s\n", LC_VERSION, __VERSION__, names,
           lc_level_best(features)->name);
    return 0;
}

static int config_run(const arguments *a)
{
    static lc_config config;
    static lc_json_diag diag;
    lc_err err = lc_config_read(a->config, &config, &diag);
    if (err != LC_OK) {
        lc_log(LC_LOG_ERROR, "%s: %s", a->config, diag.text);
        return err == LC_ERR_IO ? 4 : 3;
    }
    if (a->check) {
        printf("%s: ok\n", a->config);
        return 0;
    }
    if (a->rest) {
        return lc_daemon_rest(&config);
    }
    const lc_daemon_options options = {
        .version = LC_VERSION, .until_eof = a->until_eof, .adopt = a->adopt};
    return lc_daemon_run(&config, &options);
}

int main(int argc, char **argv)
{
    arguments a = {0};
    if (!arguments_read(argc, argv, &a)) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (a.help) {
        fputs(usage, stdout);
        return 0;
    }
    if (a.tell) {
        a.tell(stdout);
        return 0;
    }
    return a.version ? version_print() : config_run(&a);
}
