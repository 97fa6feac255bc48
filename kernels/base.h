/* base.h - what every kernel file needs: fixed-width types, the four-lane float vector, limits.
 *
 * Freestanding: nothing here or in any kernel calls libc but memcpy, memmove, memset, memcmp.
 */
#ifndef LC_BASE_H
#define LC_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Shared by kernel variants built for different CPU levels, so always inlined: an out-of-line copy
 * built for dotprod must never be called on a core without it. */
#define LC_INLINE static inline __attribute__((always_inline))

/* Before a loop of at most n turns, a constant: unrolls it wholly, so that small arrays stay in
 * registers. */
#define LC_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define LC_UNROLL(n) LC_PRAGMA(clang loop unroll_count(n))
#else
#define LC_UNROLL(n) LC_PRAGMA(GCC unroll n)
#endif

#define LC_GROUP 32u          /* weights and activations that share one group scale */
#define LC_TILE_ROWS 16u      /* rows of one T16 or T16A tile */
#define LC_T16_BYTES 272u     /* int8 s[16]; u8 d[8][2][16] */
#define LC_T16A_BYTES 288u    /* int8 s[16]; int8 m[16]; u8 d[8][2][16] */
#define LC_UNPACKED_BYTES 320u /* a group of eight rows, one byte a weight, and scales */
#define LC_BLOCK 4u           /* tokens that a GEMM kernel takes at once */
#define LC_QUERIES 4u         /* queries that attention takes at once */
#define LC_EXP_MAX 8          /* largest activation group exponent */
#define LC_READ_AHEAD 64u     /* bytes a kernel may read beyond weights and activations */
#define LC_COLS_MAX 16384u    /* columns of T16 and R8 (int32 accumulator) */
#define LC_COLS_MAX_T16A 8192u

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packs and vectors are little-endian"
#endif

/* Rounds up to a multiple of a power of two. */
#define LC_ROUND_UP(n, to) (((n) + ((to) - 1u)) & ~(size_t)((to) - 1u))

#endif
