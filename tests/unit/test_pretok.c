/* Pre-tokenizers against the published regular expressions (pretok_cases.h), and on any bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../runtime/pretok.h"
#include "pretok_cases.h"

static const lc_pretok kinds[PRETOK_CASES_KINDS] = {
    LC_PRETOK_GPT2, LC_PRETOK_SMOLLM, LC_PRETOK_QWEN2, LC_PRETOK_LLAMA_BPE, LC_PRETOK_FALCON};

static void cut(lc_pretok kind, const char *text, char *out, size_t max)
{
    size_t bytes = strlen(text);
    size_t used = 0;
    out[0] = 0;
    for (size_t at = 0; at < bytes;) {
        size_t end = lc_pretok_next(kind, text, bytes, at);
        used += (size_t)snprintf(out + used, max - used, at == 0 ? "%zu" : " %zu", end - at);
        at = end;
    }
}

static void as_published(void **state)
{
    (void)state;
    char got[4096];
    for (size_t i = 0; i < sizeof pretok_cases / sizeof *pretok_cases; i++) {
        for (size_t k = 0; k < PRETOK_CASES_KINDS; k++) {
            cut(kinds[k], pretok_cases[i].text, got, sizeof got);
            if (strcmp(got, pretok_cases[i].cuts[k]) != 0) {
                fail_msg("case %zu `%s`, pre-tokenizer %d: %s, expected %s", i,
                         pretok_cases[i].text, (int)kinds[k], got, pretok_cases[i].cuts[k]);
            }
        }
    }
}

static void any_bytes_advance(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 2000; round++) {
        char text[40];
        size_t bytes = 1 + (size_t)rand() % sizeof text;
        for (size_t i = 0; i < bytes; i++) {
            text[i] = (char)(rand() % 3 != 0 ? rand() : " '\n1a$"[rand() % 6]);
        }
        for (size_t k = 0; k < PRETOK_CASES_KINDS; k++) {
            for (size_t at = 0; at < bytes;) {
                size_t end = lc_pretok_next(kinds[k], text, bytes, at);
                assert_true(end > at && end <= bytes);
                at = end;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_published),
        cmocka_unit_test(any_bytes_advance),
    };
    return cmocka_run_group_tests_name("pretok", tests, NULL, NULL);
}
