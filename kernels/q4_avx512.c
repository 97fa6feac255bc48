/* q4_avx512.c - 4-bit products for x86-64 servers with AVX-512 VNNI: vpdpbusd, 64 products of
 * unsigned (q + 8) by signed bytes an instruction.
 *
 * A vector holds four columns of sixteen rows, in the order of the tile: rows 0-3, 8-11 (low
 * nibbles), then 4-7, 12-15 (high); so do sums, scales and offsets, until they are stored.
 * Sums start at half - 8 * sum(a): the +8 is taken away and the shift that follows rounds. The
 * result fits int16, so one vpdpwssd multiplies it by the scale and 8 * sum(a), in the upper
 * halves, by the offset.
 */
#include "level.h"
#include "q4.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* ---- weights ---- */

/* Swaps the middle two quarters: order of the tile to order of rows, or back. */
LC_INLINE __m512i swap_middle(__m512i v)
{
    return _mm512_shuffle_i64x2(v, v, 0xd8);
}

/* q + 8 of four columns. */
LC_INLINE __m512i load_columns(const uint8_t *d)
{
    const __m256i mask = _mm256_set1_epi8(15);
    /* Flipping the top bit turns the high nibble's two's complement into q + 8. */
    __m256i v = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)d), _mm256_set1_epi8(-128));
    __m256i lo = _mm256_and_si256(v, mask);
    __m256i hi = _mm256_and_si256(_mm256_srli_epi16(v, 4), mask);
    return _mm512_inserti64x4(_mm512_castsi256_si512(lo), hi, 1);
}

/* Sixteen int8 as the low halves of 32-bit lanes, upper halves zero. */
LC_INLINE __m512i load_low_halves(const uint8_t *p)
{
    __m256i v = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
    return swap_middle(_mm512_cvtepu16_epi32(v));
}

/* Scales, and offsets in the upper halves. */
LC_INLINE __m512i load_factors(const uint8_t *tile, bool offsets)
{
    __m512i s = load_low_halves(tile);
    if (!offsets)
        return s;
    return _mm512_or_si512(s, _mm512_slli_epi32(load_low_halves(tile + LC_TILE_ROWS), 16));
}

/* ---- one group of one token ---- */

LC_INLINE __m512i broadcast_word(const int8_t *a)
{
    int32_t word;
    __builtin_memcpy(&word, a, sizeof word);
    return _mm512_set1_epi32(word);
}

/* What a group of four tokens needs besides its numbers, a lane for each token. */
typedef struct group_terms {
    __m128i start; /* half - 8 * sum(a) */
    __m128i shift;
    __m128i upper; /* c8s in the upper half */
} group_terms;

/* Lane t everywhere: a permutation, since loads are what these loops wait for. */
LC_INLINE __m512i lane_all(__m128i v, uint32_t t)
{
    return _mm512_permutexvar_epi32(_mm512_set1_epi32((int32_t)t), _mm512_castsi128_si512(v));
}

LC_INLINE __m128i load_halves(const int16_t *p, uint32_t tokens)
{
    if (tokens == 1)
        return _mm_cvtsi32_si128(*p);
    return _mm_cvtepi16_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
}

/* i: the group's first token in x. */
LC_INLINE group_terms terms_of(const lc_act *x, uint32_t i, uint32_t tokens, bool offsets)
{
    group_terms terms = {.shift =
                             _mm_sub_epi32(_mm_setzero_si128(), load_halves(x->ne + i, tokens))};
    __m128i half = _mm_srli_epi32(_mm_sllv_epi32(_mm_set1_epi32(1), terms.shift), 1);
    terms.start = _mm_sub_epi32(half, load_halves(x->c8 + i, tokens));
    if (offsets)
        terms.upper = _mm_slli_epi32(load_halves(x->c8s + i, tokens), 16);
    return terms;
}

/* acc + s * rshr(dot, e) (+ m * c8s) for token t */
LC_INLINE __m512i scale_add(__m512i acc, __m512i dot, const group_terms *terms, uint32_t t,
                            __m512i factors, bool offsets)
{
    __m512i v = _mm512_srav_epi32(dot, lane_all(terms->shift, t));
    if (offsets) /* (v & low half) | upper */
        v = _mm512_ternarylogic_epi32(v, _mm512_set1_epi32(0xffff), lane_all(terms->upper, t),
                                      0xea);
    return _mm512_dpwssd_epi32(acc, v, factors);
}

LC_INLINE void store_rows(int32_t *out, __m512i acc)
{
    _mm512_storeu_si512(out, swap_middle(acc));
}

/* ---- straight from the tile ---- */

/* Bytes that one token's weights are fetched ahead: what the core runs ahead by itself ends within
 * a few groups, and its prefetcher at each page. */
#define FETCH_AHEAD 2048

LC_INLINE void panel_dot(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t tokens,
                         const lc_act *x, int32_t *out)
{
    const int8_t *a = x->a;
    __m512i acc[LC_BLOCK], s[LC_BLOCK];
    LC_UNROLL(4)
    for (uint32_t t = 0; t < tokens; t++)
        acc[t] = _mm512_setzero_si512();
    for (uint32_t i = 0; i < groups * tokens; i += tokens) {
        const uint8_t *d = panel + lc_q4_data_offset(offsets);
        if (tokens == 1) { /* memory is what it waits for */
            LC_UNROLL(5)
            for (uint32_t j = 0; j < LC_ROUND_UP(LC_T16_BYTES, 64u); j += 64)
                __builtin_prefetch(panel + FETCH_AHEAD + j);
        }
        group_terms terms = terms_of(x, i, tokens, offsets);
        LC_UNROLL(4)
        for (uint32_t t = 0; t < tokens; t++)
            s[t] = lane_all(terms.start, t);
        LC_UNROLL(8)
        for (uint32_t j = 0; j < 8; j++) {
            __m512i w = load_columns(d + 32 * j);
            LC_UNROLL(4)
            for (uint32_t t = 0; t < tokens; t++, a += 4)
                s[t] = _mm512_dpbusd_epi32(s[t], w, broadcast_word(a));
        }
        __m512i factors = load_factors(panel, offsets);
        LC_UNROLL(4)
        for (uint32_t t = 0; t < tokens; t++)
            acc[t] = scale_add(acc[t], s[t], &terms, t, factors, offsets);
        panel += lc_q4_tile_bytes(offsets);
    }
    LC_UNROLL(4)
    for (uint32_t t = 0; t < tokens; t++)
        store_rows(out + t * LC_TILE_ROWS, acc[t]);
}

void lc_gemv_q4_avx512(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, false, 1, x, acc);
}

void lc_gemm_q4_avx512(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, false, LC_BLOCK, x, acc);
}

void lc_gemv_q4a_avx512(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, true, 1, x, acc);
}

void lc_gemm_q4a_avx512(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, true, LC_BLOCK, x, acc);
}

/* ---- unpacked: [groups] of factors (64 bytes), then eight times four columns of sixteen rows.
 * Padded to twice LC_UNPACKED_BYTES: sixteen rows. ---- */

enum { WEIGHTS_AT = 64, GROUP_BYTES = 2 * LC_UNPACKED_BYTES };

void lc_unpack_q4_avx512(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t row,
                         int8_t *unpacked)
{
    (void)row; /* always all sixteen */
    for (; groups > 0; groups--, panel += lc_q4_tile_bytes(offsets), unpacked += GROUP_BYTES) {
        const uint8_t *d = panel + lc_q4_data_offset(offsets);
        _mm512_storeu_si512(unpacked, load_factors(panel, offsets));
        LC_UNROLL(8)
        for (uint32_t j = 0; j < 8; j++)
            _mm512_storeu_si512(unpacked + WEIGHTS_AT + 64 * j, load_columns(d + 32 * j));
    }
}

/* Blocks of tokens, `apart` numbers of a group from each other: each load of weights serves all. */
LC_INLINE void blocks_unpacked(const int8_t *unpacked, uint32_t groups, bool offsets,
                               const lc_act *x, size_t apart, uint32_t blocks, int32_t *out)
{
    __m512i acc[2 * LC_BLOCK], s[2 * LC_BLOCK];
    LC_UNROLL(8)
    for (uint32_t t = 0; t < blocks * LC_BLOCK; t++)
        acc[t] = swap_middle(_mm512_loadu_si512(out + t * LC_TILE_ROWS));
    for (uint32_t i = 0; i < groups * LC_BLOCK; i += LC_BLOCK, unpacked += GROUP_BYTES) {
        const int8_t *a = x->a + (size_t)i * LC_GROUP;
        group_terms terms[2];
        LC_UNROLL(2)
        for (uint32_t b = 0; b < blocks; b++)
            terms[b] = terms_of(x, i + b * (uint32_t)apart, LC_BLOCK, offsets);
        LC_UNROLL(8)
        for (uint32_t t = 0; t < blocks * LC_BLOCK; t++)
            s[t] = lane_all(terms[t / LC_BLOCK].start, t % LC_BLOCK);
        LC_UNROLL(8)
        for (uint32_t j = 0; j < 8; j++, a += 4 * LC_BLOCK) {
            __m512i w = _mm512_loadu_si512(unpacked + WEIGHTS_AT + 64 * j);
            LC_UNROLL(8)
            for (uint32_t t = 0; t < blocks * LC_BLOCK; t++)
                s[t] = _mm512_dpbusd_epi32(
                    s[t], w,
                    broadcast_word(a + t / LC_BLOCK * apart * LC_GROUP + t % LC_BLOCK * 4));
        }
        __m512i factors = _mm512_loadu_si512(unpacked);
        LC_UNROLL(8)
        for (uint32_t t = 0; t < blocks * LC_BLOCK; t++)
            acc[t] = scale_add(acc[t], s[t], &terms[t / LC_BLOCK], t % LC_BLOCK, factors, offsets);
    }
    LC_UNROLL(8)
    for (uint32_t t = 0; t < blocks * LC_BLOCK; t++)
        store_rows(out + t * LC_TILE_ROWS, acc[t]);
}

LC_INLINE void gemm_unpacked(const int8_t *unpacked, uint32_t groups, bool offsets, const lc_act *x,
                             uint32_t pitch, uint32_t blocks, int32_t *out)
{
    const size_t apart = (size_t)pitch * LC_BLOCK;
    lc_act at = *x;
    while (blocks > 0) {
        uint32_t n = blocks > 1 ? 2 : 1;
        if (n == 2)
            blocks_unpacked(unpacked, groups, offsets, &at, apart, 2, out);
        else
            blocks_unpacked(unpacked, groups, offsets, &at, apart, 1, out);
        at.a += n * apart * LC_GROUP;
        at.ne += n * apart;
        at.c8 += n * apart;
        at.c8s += n * apart;
        out += n * LC_BLOCK * LC_TILE_ROWS;
        blocks -= n;
    }
}

void lc_gemm_unpacked_avx512(const int8_t *unpacked, uint32_t groups, bool offsets, const lc_act *x,
                             uint32_t pitch, uint32_t blocks, int32_t *acc)
{
    if (offsets)
        gemm_unpacked(unpacked, groups, true, x, pitch, blocks, acc);
    else
        gemm_unpacked(unpacked, groups, false, x, pitch, blocks, acc);
}

#endif
