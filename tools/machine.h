/* machine.h - what a report says about the machine it was made on. */
#ifndef LC_MACHINE_H
#define LC_MACHINE_H

typedef struct lc_machine {
    char board[96];    /* "Raspberry Pi 4 Model B Rev 1.4", "" unknown */
    char cpu[96];      /* model name, or implementer and part; "" unknown */
    char features[64]; /* that kernels use */
    char system[160];  /* "Linux 6.1.0-18-arm64 aarch64" */
} lc_machine;

void lc_machine_read(lc_machine *machine);

#endif
