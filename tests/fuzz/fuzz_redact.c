/* fuzz_redact.c - any text through the redactor. Bytes 0x10 to 0x1f in it stand for identifiers,
 * names and addresses of a table, with a blank at either side: none of them may come out, whatever
 * stands around them. */
#include <string.h>

#include "../../board/node/redact.h"
#include "../../runtime/limits.h"
#include "fuzz.h"

#define ALL (LC_REDACT_SERIAL | LC_REDACT_ADDRESS | LC_REDACT_NAME)
#define GUARD 0x5a

const char *const fuzz_seeds[] = {"tests/fuzz/corpus/redact/*", NULL};

static const char *const planted[16] = {"anna.b@plant.example.com",
                                        "10.17.203.4",
                                        "fe80::1ff:fe23:4567:890a",
                                        "00:1b:44:11:3a:b7",
                                        "https://wiki.plant.example.com/p7",
                                        "+49-170-1234567",
                                        "SN-48213-XQ",
                                        "serial=ZK9Q7731",
                                        "K7-99213-BB",
                                        "operator=Miller",
                                        "Hauptstrasse",
                                        "gw7.plant.local",
                                        "user:zwickel",
                                        "X8842913377",
                                        "0170/1234567",
                                        "badge#Q7713A"};

typedef struct place {
    uint32_t from, to;
} place;

static char text[LC_LINE_BYTES_MAX];
static place there[LC_LINE_BYTES_MAX];
static uint32_t there_count;

/* The input with what its marks stand for; what is secret of it in there[]. */
static uint32_t text_make(const uint8_t *data, size_t bytes)
{
    uint32_t at = 0;
    there_count = 0;
    for (size_t i = 0; i < bytes && at + 64 < sizeof text; i++) {
        if (data[i] < 0x10 || data[i] > 0x1f) {
            text[at++] = (char)data[i];
            continue;
        }
        const char *one = planted[data[i] - 0x10];
        const char *secret = strpbrk(one, "=#");
        secret = secret ? secret + 1 : strncmp(one, "user:", 5) == 0 ? one + 5 : one;
        text[at++] = ' ';
        memcpy(text + at, one, strlen(one));
        there[there_count++] = (place){at + (uint32_t)(secret - one), at + (uint32_t)strlen(one)};
        at += (uint32_t)strlen(one);
        text[at++] = ' ';
    }
    return at;
}

/* Tags at the places of the map, and the text between them as it was. */
static void map_check(const lc_redactions *map, uint32_t bytes, const char *out, uint32_t out_bytes)
{
    uint32_t at = 0, out_at = 0;
    fuzz_expect(map->count <= LC_REDACTIONS_MAX, "the map has a limit");
    for (uint32_t i = 0; i < map->count; i++) {
        const lc_redaction *r = &map->item[i];
        fuzz_expect(r->from >= at && r->from < r->to && r->to <= bytes, "places in order");
        fuzz_expect(r->at - out_at == r->from - at && r->at < r->end && r->end <= out_bytes,
                    "tags in order");
        fuzz_expect(memcmp(out + out_at, text + at, r->from - at) == 0, "the rest stays");
        fuzz_expect(out[r->at] == '<' && out[r->end - 1] == '>', "a tag is a tag");
        at = r->to;
        out_at = r->end;
    }
    fuzz_expect(out_bytes - out_at == bytes - at &&
                    memcmp(out + out_at, text + at, bytes - at) == 0,
                "the end stays");
}

static void planted_check(const lc_redactions *map, const char *out, uint32_t out_bytes)
{
    for (uint32_t i = 0; i < there_count; i++) {
        uint32_t from = there[i].from, n = there[i].to - from;
        bool gone = false;
        for (uint32_t j = 0; j < map->count; j++) {
            gone = gone || (map->item[j].from <= from && map->item[j].to >= there[i].to);
        }
        fuzz_expect(gone, "what was planted is taken");
        for (uint32_t at = 0; at + n + 2 <= out_bytes; at++) {
            bool word = out[at] == ' ' && out[at + n + 1] == ' ';
            fuzz_expect(!word || memcmp(out + at + 1, text + from, n) != 0, "nowhere does it stay");
        }
    }
}

static void back_check(const lc_redactions *map, uint32_t bytes, uint32_t out_bytes)
{
    for (uint32_t from = 0; from < out_bytes; from += 1 + out_bytes / 16) {
        for (uint32_t to = from; to <= out_bytes; to += 1 + out_bytes / 16) {
            uint32_t a = from, b = to;
            lc_redact_back(map, &a, &b);
            fuzz_expect(a <= b && b <= bytes, "a place of what left lies in the text");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static char out[LC_LINE_BYTES_MAX + 1], second[LC_LINE_BYTES_MAX];
    lc_redactions map, other;
    uint32_t held = 0, again = 0, max = LC_LINE_BYTES_MAX, length = text_make(data, bytes);
    if (bytes > 0 && data[0] == 0xff) { /* little room */
        max = length;
    }
    out[max] = GUARD;
    lc_err err = lc_redact(ALL, text, length, out, max, &held, &map);
    fuzz_expect(out[max] == GUARD, "no more is written than there is room for");
    fuzz_expect(err == LC_OK || err == LC_ERR_LIMIT, "the only error is a limit");
    if (err != LC_OK) {
        return 0;
    }
    fuzz_expect(held <= max, "as long as it says");
    map_check(&map, length, out, held);
    planted_check(&map, out, held);
    back_check(&map, length, held);
    err = lc_redact(ALL, text, length, second, sizeof second, &again, &other);
    fuzz_expect(err == LC_OK && again == held && memcmp(out, second, held) == 0, "the same again");
    return 0;
}
