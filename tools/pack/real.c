#include "real.h"

#include <stdint.h>
#include <string.h>

/* log 2 in two parts: n * LOG2_HIGH is exact for |n| < 2^11. */
#define LOG2_HIGH 0x1.62e42fefa38p-1
#define LOG2_LOW 0x1.ef35793c7673p-45
#define LOG_10 2.302585092994045684
#define ROUNDER 0x1.8p52 /* adding and taking it away rounds to an integer */

double lc_real_log(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t n = (int32_t)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffu) | 0x3ff0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m *= 0.5;
        n++;
    }
    /* log m = 2 atanh z, |z| < 0.172: the term z^23 is below 1e-17 of the first */
    double z = (m - 1.0) / (m + 1.0), zz = z * z, sum = 0.0;
    for (int32_t k = 23; k >= 3; k -= 2) {
        sum = (sum + 1.0 / (double)k) * zz;
    }
    return (double)n * LOG2_HIGH + (2.0 * z + (2.0 * z * sum + (double)n * LOG2_LOW));
}

double lc_real_exp(double x)
{
    double n = (x / (LOG2_HIGH + LOG2_LOW) + ROUNDER) - ROUNDER;
    double r = (x - n * LOG2_HIGH) - n * LOG2_LOW; /* |r| <= 0.35 */
    double sum = 1.0;
    for (int32_t k = 15; k >= 1; k--) {
        sum = 1.0 + sum * r / (double)k;
    }
    uint64_t bits = (uint64_t)((int64_t)n + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

double lc_real_pow(double x, double y)
{
    return lc_real_exp(y * lc_real_log(x));
}

double lc_real_db(double signal, double noise)
{
    return 10.0 * (lc_real_log(signal) - lc_real_log(noise)) / LOG_10;
}
