/* real.h - logarithm and exponential from + - * / alone, so that a pack is the same on every
 * machine whatever its libm. Relative error about 1e-15. */
#ifndef LC_REAL_H
#define LC_REAL_H

double lc_real_log(double x);                   /* x normal and > 0 */
double lc_real_exp(double x);                   /* |x| <= 700 */
double lc_real_pow(double x, double y);         /* x normal and > 0, |y log x| <= 700 */
double lc_real_db(double signal, double noise); /* 10 log10(signal / noise) */

#endif
