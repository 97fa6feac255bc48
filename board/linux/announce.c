/* announce.c - a cell of keys: those of this job first. */
#include "announce.h"

#include "../../runtime/bytes.h"
#include "../node/bits.h"
#include "../node/cell.h"

#define VERSION 1u
#define HEAD_BYTES 4u /* version, count */
#define CELL_BYTES (HEAD_BYTES + 4u * LC_ANNOUNCE_TASKS_MAX)

_Static_assert(CELL_BYTES <= LC_CELL_BYTES_MAX && LC_TASKS_MAX <= LC_ANNOUNCE_TASKS_MAX, "fits");

typedef struct known {
    uint32_t key[LC_ANNOUNCE_TASKS_MAX + LC_TASKS_MAX];
    uint32_t count;
} known;

static bool has(const known *k, uint32_t key)
{
    bool found = false;
    for (uint32_t i = 0; i < k->count; i++) {
        found = found || k->key[i] == key;
    }
    return found;
}

/* A value that is none of ours counts as nothing: an entity more that a person has to remove. */
static lc_err known_read(lc_cell *cell, const lc_port *port, known *k)
{
    uint8_t data[CELL_BYTES];
    uint32_t bytes;
    *k = (known){.count = 0};
    lc_err err = lc_cell_open(cell, port, LC_CELL_ANNOUNCED, data, sizeof data, &bytes);
    if (err != LC_OK || bytes < HEAD_BYTES) {
        return err == LC_ERR_IO ? err : LC_OK;
    }
    lc_reader r = lc_reader_make(data, bytes);
    uint32_t version = lc_read_u16(&r), count = lc_read_u16(&r);
    if (version == VERSION && bytes == HEAD_BYTES + 4u * count) {
        for (k->count = 0; k->count < count; k->count++) {
            k->key[k->count] = lc_read_u32(&r);
        }
    }
    return LC_OK;
}

static lc_err known_write(lc_cell *cell, const known *k)
{
    uint8_t data[CELL_BYTES];
    uint32_t count = k->count < LC_ANNOUNCE_TASKS_MAX ? k->count : LC_ANNOUNCE_TASKS_MAX;
    lc_put_u16(data, VERSION);
    lc_put_u16(data + 2, (uint16_t)count);
    for (uint32_t i = 0; i < count; i++) {
        lc_put_u32(data + HEAD_BYTES + 4u * i, k->key[i]);
    }
    return lc_cell_write(cell, data, HEAD_BYTES + 4u * count);
}

/* Those of this job, then those that went; true when one is new. */
static bool known_merge(known *all, uint32_t now_count, const known *before)
{
    bool new = false;
    for (uint32_t i = 0; i < now_count; i++) {
        new = new || !has(before, all->key[i]);
    }
    for (uint32_t i = 0; i < before->count; i++) {
        if (!has(all, before->key[i])) {
            all->key[all->count++] = before->key[i];
        }
    }
    return new;
}

lc_err lc_announce_make(lc_announce *announce, const lc_discovery *discovery, bool wanted,
                        lc_store *store)
{
    lc_discovery d = *discovery;
    known before = {.count = 0}, all = {.count = 0};
    lc_cell cell;
    announce->text = (lc_str){0};
    lc_err err = store ? known_read(&cell, &store->port, &before) : LC_OK;
    if (err != LC_OK || !wanted) {
        announce->text = before.count > 0 ? (lc_str){announce->payload, 0} : (lc_str){0};
        return err;
    }
    for (uint32_t i = 0; i < d.task_count; i++) {
        all.key[all.count++] = lc_discovery_key(d.task[i]->name);
    }
    /* Before it is published: a task that was not announced after all is one line too much. */
    if (known_merge(&all, d.task_count, &before) && store) {
        err = known_write(&cell, &all);
    }
    d.gone = all.key + d.task_count;
    d.gone_count = all.count - d.task_count;
    uint32_t bytes = lc_discovery_write(&d, announce->payload, sizeof announce->payload);
    if (bytes > 0) {
        announce->text = (lc_str){announce->payload, bytes};
    }
    return err != LC_OK ? err : bytes > 0 ? LC_OK : LC_ERR_LIMIT;
}
