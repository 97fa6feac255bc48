/* answers.c - a short list, looked through: a thousand entries against a second of a model's work.
 */
#include "answers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_BYTES 100

static void key_make(char key[KEY_BYTES], const char *dev, const char *id)
{
    snprintf(key, KEY_BYTES, "%s %s", dev, id);
}

const char *lc_answers_find(lc_answers *answers, const char *dev, const char *id)
{
    char key[KEY_BYTES];
    key_make(key, dev, id);
    for (uint32_t i = 0; i < answers->count; i++) {
        lc_answered *one = &answers->entry[i];
        if (one->key && strcmp(one->key, key) == 0) {
            one->used = ++answers->clock;
            return one->json;
        }
    }
    return NULL;
}

void lc_answers_keep(lc_answers *answers, const char *dev, const char *id, char *json)
{
    char key[KEY_BYTES];
    lc_answered *oldest = answers->count > 0 ? &answers->entry[0] : NULL;
    for (uint32_t i = 1; i < answers->count; i++) {
        if (answers->entry[i].used < oldest->used) {
            oldest = &answers->entry[i];
        }
    }
    key_make(key, dev, id);
    char *held = oldest ? strdup(key) : NULL;
    if (!held) {
        free(json);
        return;
    }
    free(oldest->key);
    free(oldest->json);
    *oldest = (lc_answered){held, json, ++answers->clock};
}

void lc_answers_free(lc_answers *answers)
{
    for (uint32_t i = 0; i < answers->count; i++) {
        free(answers->entry[i].key);
        free(answers->entry[i].json);
    }
    free(answers->entry);
    *answers = (lc_answers){0};
}
