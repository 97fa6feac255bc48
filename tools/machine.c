/* machine.c - from /proc, the device tree and uname. */
#include "machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "../board/linux/cpu.h"
#include "../board/linux/power.h"

/* The first line of a file without its end; "" when there is none. */
static void line_read(const char *path, char *out, size_t max)
{
    FILE *file = fopen(path, "r");
    out[0] = 0;
    if (file) {
        if (!fgets(out, (int)max, file)) {
            out[0] = 0;
        }
        fclose(file);
    }
    out[strcspn(out, "\n")] = 0;
}

/* The value of "key<blanks>: value" when line is that. */
static const char *value_of(const char *line, const char *key)
{
    size_t bytes = strlen(key);
    const char *colon = strchr(line, ':');
    if (strncmp(line, key, bytes) != 0 || !colon || strspn(line + bytes, " \t:") == 0) {
        return NULL;
    }
    return colon[1] == ' ' ? colon + 2 : colon + 1;
}

/* x86 names its model; Arm gives numbers, the same for all cores or the last one's. */
static void cpu_read(char *out, size_t max)
{
    char line[256], implementer[32] = "", part[32] = "";
    FILE *file = fopen("/proc/cpuinfo", "r");
    out[0] = 0;
    while (file && fgets(line, sizeof line, file)) {
        const char *value;
        line[strcspn(line, "\n")] = 0;
        if ((value = value_of(line, "model name")) != NULL) {
            snprintf(out, max, "%s", value);
        } else if ((value = value_of(line, "CPU implementer")) != NULL) {
            snprintf(implementer, sizeof implementer, "%s", value);
        } else if ((value = value_of(line, "CPU part")) != NULL) {
            snprintf(part, sizeof part, "%s", value);
        }
    }
    if (file) {
        fclose(file);
    }
    if (out[0] == 0 && part[0] != 0) {
        snprintf(out, max, "Arm implementer %s part %s", implementer, part);
    }
}

void lc_machine_read(lc_machine *machine)
{
    struct utsname name;
    *machine = (lc_machine){0};
    lc_board_name("", machine->board, sizeof machine->board);
    if (machine->board[0] == 0) {
        line_read("/sys/class/dmi/id/product_name", machine->board, sizeof machine->board);
    }
    cpu_read(machine->cpu, sizeof machine->cpu);
    lc_cpu_names(lc_cpu_features(), machine->features, sizeof machine->features);
    if (uname(&name) == 0) {
        snprintf(machine->system, sizeof machine->system, "%.40s %.80s %.32s", name.sysname,
                 name.release, name.machine);
    }
}
