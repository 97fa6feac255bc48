/* log.c - lines on stderr. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static lc_log_level level_max = LC_LOG_NOTICE;

void lc_log_level_set(lc_log_level level)
{
    level_max = level;
}

void lc_log(lc_log_level level, const char *format, ...)
{
    char line[1024];
    va_list args;
    if (level > level_max) {
        return;
    }
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *c = line; *c; c++) {
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c; /* one event, one line */
    }
    fprintf(stderr, "<%u>%s\n", (unsigned)level, line);
}

const char *lc_log_reason(int number)
{
    const char *text = strerrordesc_np(number);
    return text ? text : "unknown error";
}

void lc_log_saying(const lc_saying *saying)
{
    lc_log((lc_log_level)lc_say_level(saying->code), "%s: %s; value=%llu%s%.*s count=%llu",
           lc_say_word(saying->code), lc_say_text(saying->code), (unsigned long long)saying->value,
           saying->word.bytes > 0 ? " about=" : "", (int)saying->word.bytes,
           saying->word.bytes > 0 ? saying->word.data : "", (unsigned long long)saying->count);
}
