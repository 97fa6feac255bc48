/* sink_sqlite.c - a table for each kind of item; one transaction for each group. */
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "../../board/linux/log.h"
#include "sink.h"

#define APPLICATION 0x4c656166 /* "Leaf" */
#define VERSION 1
#define BUSY_MS 5000

struct lc_sink {
    sqlite3 *db;
    sqlite3_stmt *put, *start;
    bool open; /* a transaction is */
};

/* `items` holds everything; the views say what each kind means. A record of a device without a
 * clock is dated by the earliest that its start can have been. */
static const char schema[] =
    "CREATE TABLE items(kind TEXT NOT NULL, dev TEXT NOT NULL, boot INTEGER NOT NULL,"
    " number INTEGER NOT NULL, rev INTEGER NOT NULL, at INTEGER NOT NULL, ts INTEGER, up INTEGER,"
    " tq TEXT, task TEXT, label TEXT, word TEXT, p REAL, body TEXT NOT NULL,"
    " PRIMARY KEY(kind, dev, boot, number, rev)) WITHOUT ROWID;"
    "CREATE INDEX items_at ON items(at);"
    "CREATE TABLE starts(dev TEXT NOT NULL, boot INTEGER NOT NULL, ts INTEGER NOT NULL,"
    " PRIMARY KEY(dev, boot)) WITHOUT ROWID;"
    "CREATE TABLE held(dev TEXT NOT NULL, boot INTEGER NOT NULL, series INTEGER NOT NULL,"
    " first INTEGER NOT NULL, last INTEGER NOT NULL,"
    " PRIMARY KEY(dev, boot, series, first)) WITHOUT ROWID;"
    "CREATE VIEW dated AS SELECT i.kind, i.dev, i.boot, i.number, i.rev, i.at,"
    " coalesce(i.ts, s.ts + i.up) AS ts, i.tq, i.task, i.label, i.word, i.p, i.body"
    " FROM items i LEFT JOIN starts s ON s.dev = i.dev AND s.boot = i.boot;"
    "CREATE VIEW records AS SELECT dev, boot, number AS seq, rev, at, ts, tq, task, label,"
    " word AS decision, p, body FROM dated WHERE kind = 'record';"
    "CREATE VIEW newest AS SELECT * FROM records r WHERE rev = (SELECT max(rev) FROM items i"
    " WHERE i.kind = 'record' AND i.dev = r.dev AND i.boot = r.boot AND i.number = r.seq);"
    "CREATE VIEW events AS SELECT dev, boot, number AS no, at, ts, task, word AS event, label, body"
    " FROM dated WHERE kind = 'event';"
    "CREATE VIEW gaps AS SELECT dev, boot, number AS gap, at, ts, word AS why,"
    " coalesce(body ->> 'of', boot) AS of, body ->> 'from' AS first, body ->> 'to' AS last,"
    " body ->> 'count' AS records, body ->> 'events' AS events, body ->> 'lines' AS lines, body"
    " FROM dated WHERE kind = 'gap';"
    "CREATE VIEW audit AS SELECT dev, boot, number AS no, at, ts, word AS kind, body FROM dated"
    " WHERE kind = 'audit';"
    "PRAGMA application_id = 1281712486; PRAGMA user_version = 1;";

static bool said(sqlite3 *db, const char *what)
{
    lc_log(LC_LOG_ERROR, "%s: %s", what, sqlite3_errmsg(db));
    return false;
}

static bool run(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK || said(db, "database");
}

static int64_t pragma(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;
    int64_t value = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
        value = sqlite3_column_int64(s, 0);
    }
    sqlite3_finalize(s);
    return value;
}

/* ---- opening ---- */

static int file_check(sqlite3 *db, const char *path)
{
    int64_t tables = pragma(db, "SELECT count(*) FROM sqlite_master");
    if (tables < 0) {
        return lc_ui_error(LC_EXIT_REJECTED, path, NULL, "%s", sqlite3_errmsg(db));
    }
    if (tables == 0) {
        bool made = run(db, "BEGIN IMMEDIATE") && run(db, schema) && run(db, "COMMIT");
        return made ? LC_UI_GO : LC_EXIT_BOARD;
    }
    if (pragma(db, "PRAGMA application_id") != APPLICATION ||
        pragma(db, "PRAGMA user_version") != VERSION) {
        return lc_ui_error(LC_EXIT_REJECTED, path, NULL, "a database, but none of this collector");
    }
    return LC_UI_GO;
}

static void text_of(sqlite3_stmt *s, int column, char *out, size_t max)
{
    const unsigned char *text = sqlite3_column_text(s, column);
    snprintf(out, max, "%s", text ? (const char *)text : "");
}

/* Numbers that are here, and those of rows that were removed for their age. */
static bool held_load(sqlite3 *db, lc_held *held)
{
    static const char rows[] =
        "SELECT dev, boot, CASE kind WHEN 'event' THEN 0 WHEN 'gap' THEN 1 WHEN 'audit' THEN 2"
        " ELSE 4 + rev END, number, number FROM items"
        " UNION ALL SELECT dev, coalesce(body ->> 'of', boot),"
        " CASE WHEN coalesce(body ->> 'count', 0) > 0 THEN 3"
        " WHEN coalesce(body ->> 'events', 0) > 0 THEN 4"
        " WHEN coalesce(body ->> 'corrections', 0) > 0 THEN 2000002 ELSE 2000000 END,"
        " body ->> 'from', body ->> 'to' FROM items WHERE kind = 'gap' AND body ->> 'from' > 0"
        " UNION ALL SELECT dev, body ->> '$.cor.boot', 2000001, body ->> '$.cor.no',"
        " body ->> '$.cor.no' FROM items WHERE kind = 'record' AND body ->> '$.cor.no' > 0"
        " UNION ALL SELECT dev, boot, series, first, last FROM held";
    sqlite3_stmt *s = NULL;
    char dev[LC_HELD_DEV_BYTES];
    int rc = sqlite3_prepare_v2(db, rows, -1, &s, NULL);
    bool good = rc == SQLITE_OK;
    while (good && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        text_of(s, 0, dev, sizeof dev);
        good = lc_held_add(
            held, dev, (uint32_t)sqlite3_column_int64(s, 1), (uint32_t)sqlite3_column_int64(s, 2),
            (uint64_t)sqlite3_column_int64(s, 3), (uint64_t)sqlite3_column_int64(s, 4));
    }
    sqlite3_finalize(s);
    return (good && rc == SQLITE_DONE) || said(db, "database");
}

static void sink_close(lc_sink *sink)
{
    sqlite3_finalize(sink->put);
    sqlite3_finalize(sink->start);
    sqlite3_close(sink->db);
    free(sink);
}

static bool statements_make(lc_sink *sink)
{
    static const char put[] = "INSERT OR IGNORE INTO items VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
    static const char start[] = "INSERT INTO starts VALUES(?,?,?) ON CONFLICT(dev, boot) DO UPDATE"
                                " SET ts = min(ts, excluded.ts)";
    return sqlite3_prepare_v2(sink->db, put, -1, &sink->put, NULL) == SQLITE_OK &&
           sqlite3_prepare_v2(sink->db, start, -1, &sink->start, NULL) == SQLITE_OK;
}

static int sink_open(const char *path, lc_held *held, lc_sink **out)
{
    lc_sink *sink = calloc(1, sizeof *sink);
    if (!sink) {
        return lc_ui_no_memory();
    }
    int rc = LC_UI_GO;
    if (sqlite3_open_v2(path, &sink->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) !=
        SQLITE_OK) {
        rc = lc_ui_error(LC_EXIT_BOARD, path, NULL, "%s", sqlite3_errmsg(sink->db));
    }
    if (rc == LC_UI_GO) {
        sqlite3_busy_timeout(sink->db, BUSY_MS);
        rc = file_check(sink->db, path);
    }
    /* FULL: a commit that came back survives a power cut. */
    if (rc == LC_UI_GO && !(run(sink->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                          "PRAGMA secure_delete = ON") &&
                            statements_make(sink) && held_load(sink->db, held))) {
        rc = LC_EXIT_BOARD;
    }
    if (rc != LC_UI_GO) {
        sink_close(sink);
        return rc;
    }
    *out = sink;
    return LC_UI_GO;
}

/* ---- writing ---- */

static void text_bind(sqlite3_stmt *s, int column, const char *text)
{
    if (text[0]) {
        sqlite3_bind_text(s, column, text, -1, SQLITE_STATIC);
    } else {
        sqlite3_bind_null(s, column);
    }
}

static void number_bind(sqlite3_stmt *s, int column, uint64_t value)
{
    if (value > 0) {
        sqlite3_bind_int64(s, column, (int64_t)value);
    } else {
        sqlite3_bind_null(s, column);
    }
}

static bool step(lc_sink *sink, sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE || said(sink->db, "database");
}

static bool sink_put(lc_sink *sink, const lc_item *item)
{
    sqlite3_stmt *s = sink->put;
    if (!sink->open && !run(sink->db, "BEGIN IMMEDIATE")) {
        return false;
    }
    sink->open = true;
    text_bind(s, 1, lc_item_kind_word(item->kind));
    text_bind(s, 2, item->dev);
    sqlite3_bind_int64(s, 3, item->boot);
    sqlite3_bind_int64(s, 4, (int64_t)item->number);
    sqlite3_bind_int64(s, 5, item->rev);
    sqlite3_bind_int64(s, 6, (int64_t)item->at);
    number_bind(s, 7, item->ts);
    number_bind(s, 8, item->up);
    text_bind(s, 9, item->tq);
    text_bind(s, 10, item->task);
    text_bind(s, 11, item->label);
    text_bind(s, 12, item->word);
    sqlite3_bind_double(s, 13, item->p);
    sqlite3_bind_text(s, 14, item->body, (int)item->body_bytes, SQLITE_STATIC);
    if (!step(sink, s)) {
        return false;
    }
    if (item->ts > 0 || item->up == 0 || item->up > item->at) {
        return true;
    }
    text_bind(sink->start, 1, item->dev);
    sqlite3_bind_int64(sink->start, 2, item->boot);
    sqlite3_bind_int64(sink->start, 3, (int64_t)(item->at - item->up));
    return step(sink, sink->start);
}

static bool sink_commit(lc_sink *sink)
{
    if (!sink->open) {
        return true;
    }
    sink->open = false;
    if (run(sink->db, "COMMIT")) {
        return true;
    }
    run(sink->db, "ROLLBACK");
    return false;
}

/* ---- forgetting ---- */

static bool held_save(lc_sink *sink, const lc_held *held)
{
    sqlite3_stmt *s = NULL;
    bool good = run(sink->db, "DELETE FROM held") &&
                sqlite3_prepare_v2(sink->db, "INSERT INTO held VALUES(?,?,?,?,?)", -1, &s, NULL) ==
                    SQLITE_OK;
    for (uint32_t i = 0; i < LC_HELD_BUCKETS; i++) {
        for (const lc_series *one = held->bucket[i]; one; one = one->next) {
            for (uint32_t r = 0; r < one->count && good; r++) {
                text_bind(s, 1, one->dev);
                sqlite3_bind_int64(s, 2, one->boot);
                sqlite3_bind_int64(s, 3, one->kind);
                sqlite3_bind_int64(s, 4, (int64_t)one->range[r].from);
                sqlite3_bind_int64(s, 5, (int64_t)one->range[r].to);
                good = step(sink, s);
            }
        }
    }
    sqlite3_finalize(s);
    return good;
}

static bool delete_where(lc_sink *sink, const char *sql, const char *dev, uint64_t before)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(sink->db, sql, -1, &s, NULL) != SQLITE_OK) {
        return said(sink->db, "database");
    }
    if (dev) {
        text_bind(s, 1, dev);
    } else {
        sqlite3_bind_int64(s, 1, (int64_t)before);
    }
    bool good = step(sink, s);
    sqlite3_finalize(s);
    return good;
}

static bool sink_forget(lc_sink *sink, const lc_held *held, uint64_t before, const char *dev,
                        uint64_t *removed)
{
    int64_t changes = sqlite3_total_changes64(sink->db);
    if (!sink_commit(sink) || !run(sink->db, "BEGIN IMMEDIATE")) {
        return false;
    }
    bool good = before == 0 || delete_where(sink, "DELETE FROM items WHERE at < ?", NULL, before);
    good = good && (!dev || delete_where(sink, "DELETE FROM items WHERE dev = ?", dev, 0));
    *removed = (uint64_t)(sqlite3_total_changes64(sink->db) - changes);
    good = good && (!dev || delete_where(sink, "DELETE FROM starts WHERE dev = ?", dev, 0));
    good = good && (*removed == 0 || held_save(sink, held));
    if (!good || !run(sink->db, "COMMIT")) {
        run(sink->db, "ROLLBACK");
        return false;
    }
    /* Nothing of it is left in the log, either. */
    return *removed == 0 || run(sink->db, "PRAGMA wal_checkpoint(TRUNCATE)");
}

const lc_sink_kind lc_sink_sqlite = {sink_open, sink_put, sink_commit, sink_forget, sink_close};
