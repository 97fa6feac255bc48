/* suite.h - the parts of the kernel test. */
#ifndef LC_SUITE_H
#define LC_SUITE_H

void suite_products(void); /* q4, q4a, q8, f32: one panel or block of rows */
void suite_quantise(void); /* QUANT_ACT */
void suite_floats(void);   /* norms, softmax, gates, rope */
void suite_attend(void);   /* keys and values as they are kept, attention over them */
void suite_matmul(void);   /* lc_acts_*, lc_matmul, lc_mat_row, dispatch */
void suite_math(void);     /* errors against libm in double */

void bench(void); /* --bench */
void count(void); /* --count: marks for insn_count.c */

#endif
