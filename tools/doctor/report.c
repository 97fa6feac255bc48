/* report.c - the list of checks. */
#include <stdarg.h>

#include "doctor.h"

/* A check that does not fit any more takes the last place. */
static lc_check *check_add(lc_doctor *doctor, const char *name, lc_check_state state)
{
    lc_check *check = &doctor->check[doctor->count];
    if (doctor->count + 1 < LC_CHECKS_MAX) {
        doctor->count++;
    }
    *check = (lc_check){.name = name, .state = state};
    return check;
}

void lc_doctor_ok(lc_doctor *doctor, const char *name, const char *format, ...)
{
    lc_check *check = check_add(doctor, name, LC_CHECK_OK);
    va_list args;
    va_start(args, format);
    vsnprintf(check->text, sizeof check->text, format, args);
    va_end(args);
}

void lc_doctor_warn(lc_doctor *doctor, const char *name, const char *format, ...)
{
    lc_check *check = check_add(doctor, name, LC_CHECK_WARN);
    va_list args;
    va_start(args, format);
    vsnprintf(check->text, sizeof check->text, format, args);
    va_end(args);
}

void lc_doctor_fail(lc_doctor *doctor, int exit_code, const char *name, const char *format, ...)
{
    lc_check *check = check_add(doctor, name, LC_CHECK_FAIL);
    va_list args;
    check->exit_code = exit_code;
    va_start(args, format);
    vsnprintf(check->text, sizeof check->text, format, args);
    va_end(args);
}

void lc_doctor_remedy(lc_doctor *doctor, const char *format, ...)
{
    lc_check *check = &doctor->check[doctor->count > 0 ? doctor->count - 1 : 0];
    va_list args;
    va_start(args, format);
    vsnprintf(check->remedy, sizeof check->remedy, format, args);
    va_end(args);
}

int lc_doctor_exit(const lc_doctor *doctor)
{
    for (uint32_t i = 0; i < doctor->count; i++) {
        if (doctor->check[i].state == LC_CHECK_FAIL) {
            return doctor->check[i].exit_code;
        }
    }
    return LC_EXIT_OK;
}
