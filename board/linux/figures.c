/* figures.c - the table of figures, and both ways to write it. */
#include "figures.h"

#include <string.h>
#include <time.h>

#include "cpu.h"
#include "prom.h"
#include "statm.h"

#define NAME_BYTES_MAX 96u

typedef enum figure_kind {
    COUNTER, /* grows from 0 while the daemon runs */
    GAUGE,
    MOMENT, /* ms since 1970 */
    DAY,    /* days since 1970, UTC */
    WORD,   /* a state */
    FLAGS,  /* names of the bits that are set */
    TIMES,  /* since the last up/health */
    PEAK    /* the most that was needed, of how much */
} figure_kind;

typedef struct figure_row {
    const char *part, *key; /* in JSON: {"part":{"key":..}}; part "": outermost */
    figure_kind kind;
    const char *help;
} figure_row;

typedef struct figure_value {
    bool there;
    int64_t n; /* / 10^decimals */
    uint32_t decimals;
    uint64_t room;
    const char *word;
    const lc_times *times;
} figure_value;

#define N(value) .n = (int64_t)(value)
#define SCALED(value, places) .n = (int64_t)(value), .decimals = (places)
#define OF(peak, most) .n = (int64_t)(peak), .room = (most)
#define ALWAYS true
#define SOUND (h->sound->started)
#define SENSORS (h->sensors->started)
#define LISTENS (h->listen->started)
#define ASKS lc_job_escalates(h->job)
#define POWER (h->power.idle_mw > 0)
#define YESTERDAY (y->n[LC_COST_UP_MS] > 0)
#define DRIFTS (w->state != LC_DRIFT_OFF)

/* What a day took: `day` is that of now, `yesterday` the one before. */
#define DAY_FIGURES(X, part, d, is)                                                                \
    X(part, "date", DAY, (is) && (d)->day > 0, N(d->day), "Day of UTC; none without a clock")      \
    X(part, "up_s", GAUGE, is, N(d->n[LC_COST_UP_MS] / 1000u), "Time the daemon ran")              \
    X(part, "lines", GAUGE, is, N(d->n[LC_COST_LINES]), "Lines answered")                          \
    X(part, "records", GAUGE, is, N(d->n[LC_COST_RECORDS]), "Records made")                        \
    X(part, "rules", GAUGE, is, N(d->n[LC_COST_STAGE + LC_STAGE_RULES]), "Answered by rules")      \
    X(part, "head", GAUGE, is, N(d->n[LC_COST_STAGE + LC_STAGE_HEAD]), "Answered by a head")       \
    X(part, "label_score", GAUGE, is, N(d->n[LC_COST_STAGE + LC_STAGE_LABEL_SCORE]),               \
      "Answered by scored labels")                                                                 \
    X(part, "other", GAUGE, is, N(others(d)), "Answered by none of them")                          \
    X(part, "local_share", GAUGE, is, SCALED(local_share(d), 4), "Records whose line stayed here") \
    X(part, "cpu_ms", GAUGE, is, N(d->n[LC_COST_CPU_US] / 1000u), "Time of CPUs taken")            \
    X(part, "work_ms", GAUGE, is, N(d->n[LC_COST_WORK_US] / 1000u), "Of it, to answer lines")      \
    X(part, "calls", GAUGE, is, N(d->n[LC_COST_CALLS]), "Messages to upstream")                    \
    X(part, "sent", GAUGE, is, N(d->n[LC_COST_BYTES]), "Bytes of them")                            \
    X(part, "tokens", GAUGE, is, N(d->n[LC_COST_TOKENS]), "Tokens upstream, as it says")           \
    X(part, "money", GAUGE, is, SCALED(d->n[LC_COST_MONEY], 6), "Spent upstream")                  \
    X(part, "energy_wh", GAUGE, (is) && POWER,                                                     \
      SCALED(lc_power_mwh(&h->power, d->n[LC_COST_UP_MS], d->n[LC_COST_CPU_US]), 3),               \
      "Of the whole board: an estimate from a table")                                              \
    X(part, "energy_cpu_wh", GAUGE, (is) && POWER,                                                 \
      SCALED(lc_power_mwh(&h->power, 0, d->n[LC_COST_CPU_US]), 3), "Of it, by CPU time taken")

/* A new one is a line here. part, key, kind, when it is there, value, help. The end of a key is its
 * unit: _ms _s _kb _c. h: lc_health, c: lc_node_counts, e: of them upstream, t, y: today and
 * yesterday, w: lc_drift_look, v: lc_vitals. */
#define FIGURES(X)                                                                                 \
    X("", "up_s", GAUGE, ALWAYS, N(c->up_ms / 1000u), "Since the start")                           \
    X("", "seq", GAUGE, ALWAYS, N(c->seq), "Number of the last record")                            \
    X("lines", "in", COUNTER, ALWAYS, N(c->lines), "Lines that came")                              \
    X("lines", "lost", COUNTER, ALWAYS, N(c->lines_lost), "Lines that found no room")              \
    X("lines", "waiting", GAUGE, ALWAYS, N(c->lines_waiting), "Lines not answered yet")            \
    X("lines", "pauses", COUNTER, ALWAYS, N(c->pauses), "Times that reading of a source paused")   \
    X("records", "made", COUNTER, ALWAYS, N(c->records), "Records made")                           \
    X("records", "acked", COUNTER, ALWAYS, N(c->messages_acked), "Messages acknowledged")          \
    X("records", "waiting", GAUGE, ALWAYS, N(c->records_waiting), "Records not delivered yet")     \
    X("records", "dropped", COUNTER, ALWAYS, N(c->records_dropped), "Records lost, and stated")    \
    X("records", "accept", COUNTER, ALWAYS, N(c->decided[LC_ACCEPT]), "Records with a sure label") \
    X("records", "escalate", COUNTER, ALWAYS, N(c->decided[LC_ESCALATE]), "Asked upstream")        \
    X("records", "defer", COUNTER, ALWAYS, N(c->decided[LC_DEFER]), "With a provisional label")    \
    X("records", "reject", COUNTER, ALWAYS, N(c->decided[LC_REJECT]), "Records without a label")   \
    X("", "latency_ms", TIMES, ALWAYS, .times = lc_node_latency(h->node), "Line in to record out") \
    X("", "inference_ms", TIMES, ALWAYS, .times = lc_node_inference(h->node), "Part of the model") \
    X("", "deadlines", COUNTER, ALWAYS, N(c->deadlines), "Lines over their deadline")              \
    X("", "events", COUNTER, ALWAYS, N(c->events), "Alarms that began, changed or ended")          \
    X("", "gaps", COUNTER, ALWAYS, N(c->gaps), "Statements of loss")                               \
    X("", "audits", COUNTER, ALWAYS, N(c->audits), "Entries of the audit")                         \
    X("", "failed", COUNTER, ALWAYS, N(h->failed), "Lines that gave no record")                    \
    X("journal", "state", WORD, ALWAYS, .word = journal_word(h, c), "ok, failed or none")          \
    X("journal", "ack", WORD, ALWAYS, .word = h->config->ack == 1 ? "e2e" : "broker",              \
      "Whose word counts as delivered")                                                            \
    X("journal", "bytes", GAUGE, ALWAYS, N(c->journal_bytes), "Of what is not delivered, about")   \
    X("journal", "dropped", COUNTER, ALWAYS, N(c->records_dropped), "As records dropped")          \
    X("journal", "oldest", MOMENT, c->journal_oldest_ts_ms > 0, N(c->journal_oldest_ts_ms),        \
      "When the oldest record in it was made")                                                     \
    X("journal", "stored", COUNTER, ALWAYS, N(c->journal_stored_bytes), "Bytes written")           \
    X("journal", "text", COUNTER, ALWAYS, N(c->journal_text_bytes), "Bytes of their records")      \
    X("journal", "commits", COUNTER, ALWAYS, N(c->journal_commits), "Times it was synced")         \
    X("journal", "certain", GAUGE, ALWAYS, N(c->certain_seq), "Last record that a cut leaves")     \
    X("journal", "certain_event", GAUGE, ALWAYS, N(c->certain_event), "Last event that it leaves") \
    X("link", "state", WORD, ALWAYS, .word = link_words[c->link & 3u], "none to up")               \
    X("link", "mqtt", WORD, ALWAYS, .word = h->protocol, "Version of MQTT, while it is up")        \
    X("link", "ups", COUNTER, ALWAYS, N(c->link_ups), "Connections")                               \
    X("link", "downs", COUNTER, ALWAYS, N(c->link_downs), "Connections lost or not made")          \
    X("link", "flying", GAUGE, ALWAYS, N(c->flying), "Messages not acknowledged yet")              \
    X("link", "flying_peak", GAUGE, ALWAYS, N(c->flying_peak), "The most of them")                 \
    X("link", "refused", COUNTER, ALWAYS, N(c->messages_refused), "Messages that it refused")      \
    X("link", "unheard", COUNTER, ALWAYS, N(c->messages_unheard), "Messages without a receiver")   \
    X("acts", "begun", COUNTER, ALWAYS, N(c->acts), "Actions begun")                               \
    X("acts", "held", COUNTER, ALWAYS, N(c->acts_held), "Held back by a more urgent one")          \
    X("acts", "limited", COUNTER, ALWAYS, N(c->acts_limited), "Over the limit of a minute")        \
    X("acts", "missing", COUNTER, ALWAYS, N(c->acts_missing), "For an output that is not there")   \
    X("acts", "paused", GAUGE, ALWAYS, N(c->paused), "1 in maintenance")                           \
    X("pins", "missing", GAUGE, ALWAYS, N(lc_pins_missing(h->pins)), "Pins that are not there")    \
    X("pins", "lost", COUNTER, ALWAYS, N(h->pins->lost), "Pins that went")                         \
    X("sound", "state", WORD, SOUND, .word = atomic_load(&h->sound->away) ? "away" : "ok",         \
      "Of the loudspeaker")                                                                        \
    X("sound", "played", COUNTER, SOUND, N(atomic_load(&h->sound->played)), "Sounds played")       \
    X("sound", "dropped", COUNTER, SOUND, N(atomic_load(&h->sound->dropped)), "Not played")        \
    X("sound", "underruns", COUNTER, SOUND, N(atomic_load(&h->sound->underruns)), "Interrupted")   \
    X("sound", "lost", COUNTER, SOUND, N(atomic_load(&h->sound->lost)), "Times the card went")     \
    X("sensors", "all", GAUGE, SENSORS, N(h->sensors->count), "Sensors")                           \
    X("sensors", "missing", GAUGE, SENSORS, N(atomic_load(&h->sensors->missing)), "Not there")     \
    X("microphone", "state", WORD, LISTENS, .word = atomic_load(&h->listen->away) ? "away" : "ok", \
      "Of the microphone")                                                                         \
    X("microphone", "overruns", COUNTER, LISTENS, N(atomic_load(&h->listen->overruns)),            \
      "Times that sound was missed")                                                               \
    X("upstream", "worker", WORD, ASKS, .word = e->worker ? "ready" : "none", "Who can be asked")  \
    X("upstream", "queue", GAUGE, ASKS, N(e->queue), "Questions that wait at the worker")          \
    X("upstream", "asked", COUNTER, ASKS, N(e->asked), "Questions")                                \
    X("upstream", "retries", COUNTER, ASKS, N(e->retries), "Asked a second time")                  \
    X("upstream", "bytes", COUNTER, ASKS, N(e->bytes), "Bytes that left with questions")           \
    X("upstream", "answered", COUNTER, ASKS, N(e->answered), "Answers in time")                    \
    X("upstream", "late", COUNTER, ASKS, N(e->late), "Answers after the deadline")                 \
    X("upstream", "timeouts", COUNTER, ASKS, N(e->timeouts), "Questions without an answer")        \
    X("upstream", "refused", COUNTER, ASKS, N(e->refused), "Questions that the worker refused")    \
    X("upstream", "invalid", COUNTER, ASKS, N(e->invalid), "Answers that did not hold")            \
    X("upstream", "nobody", COUNTER, ASKS, N(e->nobody), "Questions that nobody took")             \
    X("upstream", "no_budget", COUNTER, ASKS, N(e->budget), "Lines not asked for want of budget")  \
    X("upstream", "stray", COUNTER, ASKS, N(e->stray), "Answers to no question")                   \
    X("upstream", "malformed", COUNTER, ASKS, N(e->malformed), "Answers that cannot be read")      \
    X("upstream", "open", GAUGE, ASKS, N(e->open), "Questions without an answer yet")              \
    X("upstream", "kept", GAUGE, ASKS, N(e->waiting), "Hard lines that wait to be asked")          \
    X("upstream", "kept_dropped", COUNTER, ASKS, N(e->kept_dropped), "Of them, without room")      \
    X("upstream", "kept_expired", COUNTER, ASKS, N(e->kept_expired), "Of them, too old")           \
    X("upstream", "calls_day", GAUGE, ASKS, N(e->calls_day), "Questions of the last 24 hours")     \
    X("upstream", "calls_max", GAUGE, ASKS, N(e->calls_max), "Questions allowed in 24 hours")      \
    X("upstream", "money", COUNTER, ASKS, SCALED(e->money, 6), "Spent")                            \
    X("upstream", "money_day", GAUGE, ASKS, SCALED(e->money_day, 6), "Spent in the last 24 hours") \
    X("upstream", "bar", GAUGE, ASKS, SCALED((double)e->bar * 1e4 + 0.5, 4),                       \
      "How unsure an answer must be to be asked: 1 - p")                                           \
    X("upstream", "latency_ms", TIMES, ASKS, .times = lc_node_asking(h->node),                     \
      "Question to answer")                                                                        \
    X("drift", "state", WORD, ALWAYS, .word = lc_drift_word(w->state),                             \
      "off, learning, ok or drifting")                                                             \
    X("drift", "psi", GAUGE, w->measured, SCALED((double)w->last.psi * 1e4 + 0.5, 4),              \
      "Change of labels in the last full window: PSI; of the worst task, as the next three")       \
    X("drift", "oos_rate", GAUGE, w->measured, SCALED((double)w->last.oos_rate * 1e4 + 0.5, 4),    \
      "Share out of scope or rejected")                                                            \
    X("drift", "escalated", GAUGE, w->measured, SCALED((double)w->last.escalated * 1e4 + 0.5, 4),  \
      "Share asked upstream")                                                                      \
    X("drift", "p", GAUGE, w->measured, SCALED((double)w->last.p * 1e4 + 0.5, 4), "Mean of p")     \
    X("drift", "fill", GAUGE, DRIFTS, SCALED((double)w->fill * 1e4, 4), "Of the window in work")   \
    X("drift", "windows", COUNTER, DRIFTS, N(w->windows), "Full windows")                          \
    X("drift", "began", COUNTER, DRIFTS, N(w->began), "Times that drift began")                    \
    DAY_FIGURES(X, "day", t, ALWAYS)                                                               \
    DAY_FIGURES(X, "yesterday", y, YESTERDAY)                                                      \
    X("bytes", "rss", GAUGE, ALWAYS, N(lc_statm_bytes(LC_STATM_RESIDENT)), "Resident memory")      \
    X("bytes", "state", PEAK, ALWAYS, OF(h->arenas->state.peak, h->arenas->state.size),            \
      "Arena of what stays")                                                                       \
    X("bytes", "scratch", PEAK, ALWAYS, OF(h->arenas->scratch.peak, h->arenas->scratch.size),      \
      "Arena of a line")                                                                           \
    X("bytes", "outbox", PEAK, ALWAYS, OF(c->outbox_peak_bytes, c->outbox_max_bytes),              \
      "Records that wait in memory")                                                               \
    X("bytes", "inbox_peak", GAUGE, ALWAYS, N(c->inbox_peak_bytes), "Lines of one input, most")    \
    X("board", "load", GAUGE, ALWAYS, SCALED(v->load_pct, 2), "Of the last minute; 1 is one CPU")  \
    X("board", "temp_c", GAUGE, v->has_temp, SCALED(v->temp_mc / 100, 1), "Hottest zone")          \
    X("board", "margin_c", GAUGE, v->has_margin, SCALED(v->margin_mc / 100, 1),                    \
      "To where the board slows itself down")                                                      \
    X("board", "pace", WORD, ALWAYS, .word = lc_pace_word(c->pace), "full, half or quarter")       \
    X("board", "rested_ms", COUNTER, ALWAYS, N(c->rested_ms), "Pauses between lines for its sake") \
    X("board", "throttled", FLAGS, v->has_throttle, N(v->throttle), "What is wrong now")           \
    X("board", "throttled_since_on", FLAGS, v->has_throttle, N(v->throttle >> 16),                 \
      "What was wrong since it was switched on")                                                   \
    X("board", "storage_free_kb", GAUGE, v->storage_free_kb > 0, N(v->storage_free_kb),            \
      "Room for the daemon's files")                                                               \
    X("", "cpu_ms", COUNTER, ALWAYS, N(lc_cpu_time_us() / 1000u), "Time of CPUs taken")            \
    X("", "wakeups", COUNTER, ALWAYS, N(h->loop->rounds), "Rounds of the event loop")

static const figure_row rows[] = {
#define FIGURE_ROW(part, key, kind, there, value, help) {part, key, kind, help},
    FIGURES(FIGURE_ROW)
#undef FIGURE_ROW
};
#define ROWS (sizeof rows / sizeof rows[0])

static const char *const link_words[] = {"none", "waiting", "trying", "up"};

/* ---- values ---- */

static const char *journal_word(const lc_health *h, const lc_node_counts *c)
{
    return c->keeps ? "ok" : h->config->storage[0] ? "failed" : "none";
}

/* Of 10,000 records of a day, those whose line did not leave. */
static uint64_t local_share(const lc_cost_day *day)
{
    uint64_t records = day->n[LC_COST_RECORDS], asked = day->n[LC_COST_ASKED];
    asked = asked < records ? asked : records; /* a line of yesterday may be asked today */
    return records > 0 ? (records - asked) * 10000u / records : 10000u;
}

static uint64_t others(const lc_cost_day *day)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < LC_COST_STAGES; i++) {
        bool shown = i == LC_STAGE_RULES || i == LC_STAGE_HEAD || i == LC_STAGE_LABEL_SCORE;
        count += shown ? 0 : day->n[LC_COST_STAGE + i];
    }
    return count;
}

static void values_take(const lc_health *h, uint64_t now_ms, figure_value value[ROWS])
{
    lc_node_counts counts;
    const lc_node_counts *const c = &counts;
    const lc_esc_counts *const e = &counts.esc;
    const lc_cost_day *const t = &counts.today, *const y = &counts.last_day;
    const lc_drift_look *const w = &counts.drift;
    lc_vitals vitals;
    const lc_vitals *const v = &vitals;
    lc_node_cpu(h->node, now_ms, lc_cpu_time_us());
    lc_node_look(h->node, now_ms, &counts);
    lc_vitals_read(h->sys, h->config->storage, &vitals);
    size_t i = 0;
#define FIGURE_VALUE(part, key, kind, is, given, help)                                             \
    value[i] = (figure_value){given};                                                              \
    value[i++].there = (is);
    FIGURES(FIGURE_VALUE)
#undef FIGURE_VALUE
}

/* ---- JSON ---- */

static void ms_put(lc_text *t, const char *key, uint64_t us)
{
    lc_text_key(t, key);
    lc_text_u64(t, us / 1000u);
}

static void times_put(lc_text *t, const lc_times *times)
{
    lc_text_add(t, "{\"n\":");
    lc_text_u64(t, times->count);
    ms_put(t, "p50", lc_times_quantile(times, 500));
    ms_put(t, "p95", lc_times_quantile(times, 950));
    ms_put(t, "p99", lc_times_quantile(times, 990));
    ms_put(t, "max", times->max_us);
    lc_text_add(t, "}");
}

static void flags_put(lc_text *t, int64_t flags)
{
    const char *between = "[\"";
    for (uint32_t i = 0; i < LC_VITALS_FLAGS; i++) {
        if (flags >> i & 1) {
            lc_text_add(t, between);
            lc_text_add(t, lc_vitals_word(i));
            between = "\",\"";
        }
    }
    lc_text_add(t, between[1] == '"' ? "[]" : "\"]");
}

static void day_put(lc_text *t, int64_t days)
{
    char text[16];
    struct tm parts;
    time_t seconds = (time_t)days * 86400;
    size_t bytes = gmtime_r(&seconds, &parts) ? strftime(text, sizeof text, "%Y-%m-%d", &parts) : 0;
    lc_text_json(t, (lc_str){text, (uint32_t)bytes});
}

static void value_put(lc_text *t, figure_kind kind, const figure_value *value)
{
    switch (kind) {
    case WORD:
        lc_text_json(t, lc_str_from(value->word));
        break;
    case FLAGS:
        flags_put(t, value->n);
        break;
    case TIMES:
        times_put(t, value->times);
        break;
    case PEAK:
        lc_text_add(t, "[");
        lc_text_u64(t, (uint64_t)value->n);
        lc_text_add(t, ",");
        lc_text_u64(t, value->room);
        lc_text_add(t, "]");
        break;
    case DAY:
        day_put(t, value->n);
        break;
    case COUNTER:
    case GAUGE:
    case MOMENT:
        lc_text_scaled(t, value->n, value->decimals);
        break;
    }
}

void lc_figures_json(const lc_health *health, uint64_t now_ms, lc_text *t)
{
    figure_value value[ROWS];
    const char *open = "";
    values_take(health, now_ms, value);
    for (size_t i = 0; i < ROWS; i++) {
        if (!value[i].there) {
            continue;
        }
        if (strcmp(open, rows[i].part) != 0) {
            lc_text_add(t, open[0] ? "}" : "");
            open = rows[i].part;
            if (open[0]) {
                lc_text_key(t, open);
                lc_text_add(t, "{");
            }
        }
        lc_text_key(t, rows[i].key);
        value_put(t, rows[i].kind, &value[i]);
    }
    lc_text_add(t, open[0] ? "}" : "");
}

/* ---- Prometheus ---- */

typedef struct unit {
    const char *end, *base; /* of a key, of a name: base units */
    uint32_t decimals;      /* more of them */
    int64_t times;
} unit;

static const unit units[] = {
    {"_ms", "_seconds", 3, 1}, {"_s", "_seconds", 0, 1}, {"_kb", "_bytes", 0, 1024},
    {"_c", "_celsius", 0, 1},  {"", "", 0, 1},
};

static bool ends_in(const char *text, const char *end)
{
    size_t bytes = strlen(text), end_bytes = strlen(end);
    return bytes >= end_bytes && strcmp(text + bytes - end_bytes, end) == 0;
}

/* "leafcutter_link_ups_total"; what part `bytes` holds ends in its unit. */
static const unit *name_make(const figure_row *row, const char *end, char name[NAME_BYTES_MAX])
{
    const unit *u = units;
    bool bytes = strcmp(row->part, "bytes") == 0;
    lc_text t = lc_text_make(name, NAME_BYTES_MAX - 1);
    while (!ends_in(row->key, u->end)) {
        u++;
    }
    lc_text_add(&t, "leafcutter_");
    if (row->part[0] && !bytes) {
        lc_text_add(&t, row->part);
        lc_text_add(&t, "_");
    }
    lc_text_put(&t, row->key, strlen(row->key) - strlen(u->end));
    lc_text_add(&t, end);
    lc_text_add(&t, bytes ? "_bytes" : u->base);
    lc_text_add(&t, row->kind == COUNTER ? "_total" : "");
    lc_assert(!t.full);
    name[t.bytes] = '\0';
    return u;
}

static void seconds_line(lc_text *t, uint64_t us)
{
    lc_text_scaled(t, (int64_t)us, 6);
    lc_text_add(t, "\n");
}

/* Quantiles are of the time since the last up/health, sum and count since the start. */
static void summary_print(lc_text *t, const char *name, const lc_times *times)
{
    static const struct {
        const char *word;
        uint32_t permille;
    } quantiles[] = {{"0.5", 500}, {"0.95", 950}, {"0.99", 990}, {"1", 1000}};
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        const lc_prom_label label = {"quantile", lc_str_from(quantiles[i].word)};
        lc_prom_sample(t, name, &label, 1);
        if (times->count > 0) {
            seconds_line(t, lc_times_quantile(times, quantiles[i].permille));
        } else {
            lc_text_add(t, "NaN\n");
        }
    }
    lc_text_add(t, name);
    lc_text_add(t, "_sum ");
    seconds_line(t, times->total_us);
    lc_text_add(t, name);
    lc_text_add(t, "_count ");
    lc_text_u64(t, times->total);
    lc_text_add(t, "\n");
}

static void flags_print(lc_text *t, const char *name, int64_t flags)
{
    for (uint32_t i = 0; i < LC_VITALS_FLAGS; i++) {
        const lc_prom_label label = {"what", lc_str_from(lc_vitals_word(i))};
        lc_prom_u64(t, name, &label, 1, (uint64_t)(flags >> i & 1));
    }
}

static void number_print(lc_text *t, const figure_row *row, const char *end, int64_t n,
                         uint32_t decimals)
{
    char name[NAME_BYTES_MAX];
    const unit *u = name_make(row, end, name);
    lc_prom_head(t, name, row->kind == COUNTER ? "counter" : "gauge", row->help);
    lc_prom_sample(t, name, NULL, 0);
    lc_text_scaled(t, n * u->times, decimals + u->decimals);
    lc_text_add(t, "\n");
}

static void figure_print(lc_text *t, const figure_row *row, const figure_value *value)
{
    char name[NAME_BYTES_MAX];
    const lc_prom_label word = {row->key, lc_str_from(value->word ? value->word : "")};
    name_make(row, "", name);
    switch (row->kind) {
    case COUNTER:
    case GAUGE:
        number_print(t, row, "", value->n, value->decimals);
        break;
    case MOMENT:
        number_print(t, row, "_timestamp_seconds", value->n, 3);
        break;
    case DAY:
        number_print(t, row, "_timestamp_seconds", value->n * 86400, 0);
        break;
    case PEAK:
        number_print(t, row, "_peak", value->n, 0);
        number_print(t, row, "_room", (int64_t)value->room, 0);
        break;
    case WORD:
        lc_prom_head(t, name, "gauge", row->help);
        lc_prom_u64(t, name, &word, 1, 1);
        break;
    case FLAGS:
        lc_prom_head(t, name, "gauge", row->help);
        flags_print(t, name, value->n);
        break;
    case TIMES:
        lc_prom_head(t, name, "summary", row->help);
        summary_print(t, name, value->times);
        break;
    }
}

void lc_figures_prom(const lc_health *health, uint64_t now_ms, lc_text *t)
{
    figure_value value[ROWS];
    values_take(health, now_ms, value);
    for (size_t i = 0; i < ROWS; i++) {
        if (value[i].there) {
            figure_print(t, &rows[i], &value[i]);
        }
    }
}

/* ---- for people ---- */

void lc_figures_help(FILE *out)
{
    static const char *const kinds[] = {
        [COUNTER] = "counter", [GAUGE] = "gauge", [MOMENT] = "moment", [DAY] = "day",
        [WORD] = "word",       [FLAGS] = "flags", [TIMES] = "times",   [PEAK] = "peak"};
    for (size_t i = 0; i < ROWS; i++) {
        fprintf(out, "%s%s%s\t%s\t%s\n", rows[i].part, rows[i].part[0] ? "." : "", rows[i].key,
                kinds[rows[i].kind], rows[i].help);
    }
}
