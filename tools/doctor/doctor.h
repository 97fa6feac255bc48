/* doctor.h - checks of everything between a sensor and the broker, each with its remedy. */
#ifndef LC_DOCTOR_H
#define LC_DOCTOR_H

#include "../../board/linux/config.h"
#include "../ui.h"

#define LC_CHECKS_MAX 64u

typedef enum lc_check_state { LC_CHECK_OK, LC_CHECK_WARN, LC_CHECK_FAIL } lc_check_state;

typedef struct lc_check {
    const char *name; /* static */
    lc_check_state state;
    int exit_code; /* of a failure: what kind it is */
    char text[400];
    char remedy[400]; /* "" none */
} lc_check;

typedef struct lc_doctor {
    lc_config config;
    bool has_config; /* read from a file */
    lc_check check[LC_CHECKS_MAX];
    uint32_t count;
} lc_doctor;

/* Adds a check; the remedy is added to the last one. */
void lc_doctor_ok(lc_doctor *doctor, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void lc_doctor_warn(lc_doctor *doctor, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* exit_code: LC_EXIT_REJECTED, LC_EXIT_BOARD or LC_EXIT_BUSY. */
void lc_doctor_fail(lc_doctor *doctor, int exit_code, const char *name, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void lc_doctor_remedy(lc_doctor *doctor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- groups of checks ---- */

void lc_doctor_clock(lc_doctor *doctor);
void lc_doctor_kernels(lc_doctor *doctor);
void lc_doctor_inputs(lc_doctor *doctor);
void lc_doctor_outputs(lc_doctor *doctor);
void lc_doctor_storage(lc_doctor *doctor);
void lc_doctor_daemon(lc_doctor *doctor);
/* Bundle and packs: found, whole, opened, and with memory for them. */
void lc_doctor_job(lc_doctor *doctor);
/* From the name of the broker to its rights; takes seconds. */
void lc_doctor_broker(lc_doctor *doctor);
/* Certificates on both sides, on a connected socket. False: a connection is not worth trying. */
bool lc_doctor_tls(lc_doctor *doctor, const char *host, int socket);

/* The exit code: that of the first failure, 0 without one. */
int lc_doctor_exit(const lc_doctor *doctor);

#endif
