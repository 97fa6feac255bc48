/* embedded.h - the shipped job and its model inside the program (`make STATIC=1`).
 *
 * In other builds both sizes are 0. The bytes are 64-byte aligned, as a mapped file is.
 */
#ifndef LC_EMBEDDED_H
#define LC_EMBEDDED_H

#include <stddef.h>
#include <stdint.h>

extern const uint8_t lc_embedded_bundle[]; /* models/triage/triage.leaf */
extern const size_t lc_embedded_bundle_bytes;
extern const uint8_t lc_embedded_pack[]; /* models/triage/trunk.leaf */
extern const size_t lc_embedded_pack_bytes;

#endif
