/* serial.h - a serial line as raw bytes: opened, set to a speed, watched for going away. */
#ifndef LC_SERIAL_H
#define LC_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lc_serial_flow { LC_SERIAL_NONE, LC_SERIAL_XONXOFF, LC_SERIAL_RTSCTS } lc_serial_flow;

/* 8 data bits, no parity, 1 stop bit, non-blocking. -1 on error; errno says why (EINVAL: no such
 * speed). */
int lc_serial_open(const char *path, uint32_t baud, lc_serial_flow flow);
bool lc_serial_speed_ok(uint32_t baud);

#endif
