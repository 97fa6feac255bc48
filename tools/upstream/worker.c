/* worker.c - a request's way: waiting, asked (again, if it must), answered, on its way back. */
#include "worker.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../board/linux/log.h"

#define STATE_EVERY_MS 10000u
#define STATE_LEAST_MS 200u
#define BACK_OFF_MS 250u
#define BACK_OFF_MAX_MS 8000u
#define DEADLINE_MAX_MS 600000u
#define STATE_ID 1u /* of messages; answers have the ids from 2 */
#define TIMES 64u
#define STATE_BYTES 512u
#define TRACE_BYTES_MAX 96

typedef enum job_state { FREE, WAITING, FLYING, ANSWERED, SENT } job_state;

typedef struct job {
    job_state state;
    lc_ask ask;
    char dev[64], id[LC_ASK_ID_BYTES + 1];
    char topic[LC_TOPIC_BYTES_MAX]; /* of the answer */
    uint8_t correlation[LC_WORKER_CORRELATION_MAX];
    uint16_t correlation_bytes;
    char trace[TRACE_BYTES_MAX]; /* "" none */
    uint64_t came_ms, due_ms, next_ms;
    uint32_t tries, tokens_in, tokens_out, message;
    const char *why; /* of the last failure */
    char why_text[96];
    char *answer;
    lc_http_call call;
} job;

typedef struct worker {
    const lc_worker_options *o;
    lc_desk desk;
    lc_http http;
    lc_answers answers;
    lc_ledger ledger;
    job *job;              /* [o->queue] */
    uint32_t flying, held; /* asked at the server; not yet sent */
    uint32_t message;      /* last id given */
    uint64_t hold_ms;      /* the server asked for peace until then */
    uint64_t state_ms;     /* when it is next said */
    bool state_new, leaving, left;
    uint32_t took_ms[TIMES], took; /* of the last answers */
    char share[LC_TOPIC_BYTES_MAX], state_topic[LC_TOPIC_BYTES_MAX], will[STATE_BYTES];
} worker;

static uint64_t wall_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* ---- what is said of ourselves ---- */

static int u32_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static uint32_t took_median(const worker *w)
{
    uint32_t sorted[TIMES], count = w->took < TIMES ? w->took : TIMES;
    memcpy(sorted, w->took_ms, sizeof sorted);
    qsort(sorted, count, sizeof sorted[0], u32_order);
    return count > 0 ? sorted[count / 2] : 0;
}

static void state_write(const worker *w, bool ready, char out[STATE_BYTES])
{
    double price = w->ledger.calls > 0 ? w->ledger.cost / (double)w->ledger.calls
                                       : lc_price_of(&w->o->price, 400, 60);
    snprintf(out, STATE_BYTES,
             "{\"v\":1,\"ready\":%s,\"q\":%u,\"p50\":%u,\"price\":%.6f,\"id\":\"%s\"}",
             ready ? "true" : "false", w->held, took_median(w), price, w->o->desk.id);
}

static void state_say(worker *w, uint64_t now_ms)
{
    char text[STATE_BYTES];
    state_write(w, !w->leaving, text);
    if (lc_mqtt_publish(w->desk.mqtt, STATE_ID, w->state_topic, text, (uint32_t)strlen(text), 1,
                        true) == LC_OK) {
        w->state_ms = now_ms + STATE_EVERY_MS;
        w->state_new = false;
    } else {
        w->state_ms = now_ms + STATE_LEAST_MS;
    }
}

/* Another worker of the share left or died: this one is still there. */
static void state_heard(worker *w, const char *payload, uint32_t bytes)
{
    cJSON *tree = NULL;
    if (lc_json_parse(payload, bytes, 0, &tree, NULL) == LC_OK && cJSON_IsObject(tree) &&
        !lc_json_bool(tree, "ready", true) &&
        strcmp(lc_json_text(tree, "id", ""), w->o->desk.id) != 0) {
        w->state_new = true;
    }
    cJSON_Delete(tree);
}

static void state_change(worker *w)
{
    w->state_new = true;
}

/* ---- the end of a request ---- */

static void job_free(worker *w, job *j)
{
    lc_http_end(&w->http, &j->call);
    lc_ask_free(&j->ask);
    free(j->answer);
    w->flying -= j->state == FLYING;
    w->held -= j->state == WAITING || j->state == FLYING;
    *j = (job){.call.ctx = j};
}

static char *answer_write(const job *j, const lc_reply *reply, const char *st, const char *by,
                          uint64_t ms, double cost)
{
    char *text = NULL;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    lc_emit e;
    if (!to) {
        return NULL;
    }
    lc_emit_init(&e, to);
    lc_emit_open(&e, NULL, '{');
    lc_emit_u64(&e, "v", 1);
    lc_emit_text(&e, "id", j->id);
    lc_emit_text(&e, "st", st);
    if (reply) {
        lc_emit_text(&e, "label", reply->label);
        lc_emit_real(&e, "p", reply->p, 4);
        lc_emit_open(&e, "ev", '[');
        for (uint32_t i = 0; i < reply->spans; i++) {
            lc_emit_open(&e, NULL, '[');
            lc_emit_u64(&e, NULL, reply->span[i][0]);
            lc_emit_u64(&e, NULL, reply->span[i][1]);
            lc_emit_bytes(&e, NULL, j->ask.text + reply->span[i][0],
                          reply->span[i][1] - reply->span[i][0]);
            lc_emit_close(&e);
        }
        lc_emit_close(&e);
    } else {
        lc_emit_null(&e, "label");
        lc_emit_text(&e, "why", j->why ? j->why : st);
    }
    lc_emit_text(&e, "by", by);
    lc_emit_u64(&e, "ms", ms);
    lc_emit_real(&e, "cost", cost, 6);
    lc_emit_u64(&e, "tok", (uint64_t)j->tokens_in + j->tokens_out);
    lc_emit_close(&e);
    fclose(to);
    if (text) {
        text[strcspn(text, "\n")] = '\0';
    }
    return text;
}

static void job_tell(const worker *w, const job *j, const char *st, const char *label, uint64_t ms,
                     double cost)
{
    lc_emit e;
    if (!w->o->json) {
        lc_log(LC_LOG_INFO, "%s %s: %s%s%s, %llu ms, %u tries", j->dev, j->id, st, label ? " " : "",
               label ? label : "", (unsigned long long)ms, j->tries);
        return;
    }
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_u64(&e, "ts", wall_now_ms());
    lc_emit_text(&e, "dev", j->dev);
    lc_emit_text(&e, "id", j->id);
    if (j->trace[0]) {
        lc_emit_text(&e, "trace", j->trace);
    }
    lc_emit_text(&e, "st", st);
    if (label) {
        lc_emit_text(&e, "label", label);
    } else {
        lc_emit_text(&e, "why", j->why ? j->why : st);
    }
    lc_emit_u64(&e, "ms", ms);
    lc_emit_u64(&e, "tries", j->tries);
    lc_emit_u64(&e, "in", j->tokens_in);
    lc_emit_u64(&e, "out", j->tokens_out);
    lc_emit_real(&e, "cost", cost, 6);
    lc_emit_close(&e);
    fflush(stdout);
}

static void answer_send(worker *w, job *j)
{
    uint32_t id = w->message >= UINT32_MAX - 1 ? 2 : w->message + 1;
    const lc_mqtt_request with = {.correlation = j->correlation,
                                  .correlation_bytes = j->correlation_bytes,
                                  .trace = j->trace[0] ? j->trace : NULL};
    lc_err err =
        lc_mqtt_ask(w->desk.mqtt, id, j->topic, j->answer, (uint32_t)strlen(j->answer), &with);
    if (err == LC_OK) {
        w->message = j->message = id;
        j->state = SENT;
    } else if (err == LC_ERR_LIMIT) {
        lc_log(LC_LOG_WARNING, "%s: an answer is too large for the broker", j->dev);
        job_free(w, j);
    } /* LINK, BUSY: later */
}

/* st: ok (with reply), refused, late, error. */
static void job_finish(worker *w, job *j, const lc_reply *reply, const char *st)
{
    const char *by = w->o->model ? w->o->model : "upstream";
    uint64_t ms = lc_loop_now_ms() - j->came_ms;
    double cost = lc_price_of(&w->o->price, j->tokens_in, j->tokens_out);
    const lc_bill bill = {wall_now_ms(), j->dev, j->id, by, st, j->tokens_in, j->tokens_out, cost};
    if (j->tries > 0) {
        lc_ledger_add(&w->ledger, &bill);
        w->took_ms[w->took++ % TIMES] = (uint32_t)ms;
    }
    job_tell(w, j, st, reply ? reply->label : NULL, ms, cost);
    free(j->answer);
    j->answer = answer_write(j, reply, st, by, ms, cost);
    w->flying -= j->state == FLYING;
    w->held--;
    j->state = ANSWERED;
    lc_http_end(&w->http, &j->call);
    if (!j->answer) {
        job_free(w, j);
        return;
    }
    if (reply || strcmp(st, "refused") == 0) { /* asked again, an error may turn out well */
        lc_answers_keep(&w->answers, j->dev, j->id, strdup(j->answer));
    }
    answer_send(w, j);
    state_change(w);
}

/* ---- the server ---- */

static bool retry_helps(const lc_http_call *call, bool cut)
{
    if (call->code != CURLE_OK) {
        return !call->too_large && call->code != CURLE_OUT_OF_MEMORY &&
               call->code != CURLE_URL_MALFORMAT && call->code != CURLE_PEER_FAILED_VERIFICATION;
    }
    return cut || call->status == 408 || call->status == 429 || call->status >= 500;
}

static void why_set(worker *w, job *j, const lc_http_call *call, const char *text)
{
    if (call->too_large) {
        text = "the answer is too large";
    } else if (call->code != CURLE_OK) {
        text = w->http.curl->easy_strerror(call->code);
    }
    if (text) {
        snprintf(j->why_text, sizeof j->why_text, "%s", text);
    } else {
        snprintf(j->why_text, sizeof j->why_text, "HTTP status %ld", call->status);
    }
    j->why = j->why_text;
}

/* Waits longer each time, as long as the server wants, with jitter; not beyond the deadline. */
static void job_retry(worker *w, job *j, bool helps, long after_s, bool whole_server)
{
    uint64_t now_ms = lc_loop_now_ms();
    uint64_t wait_ms = BACK_OFF_MS << (j->tries < 6 ? j->tries - 1 : 5);
    wait_ms = wait_ms > BACK_OFF_MAX_MS ? BACK_OFF_MAX_MS : wait_ms;
    wait_ms += (uint64_t)(now_ms * 2654435761u >> 7) % (wait_ms / 4 + 1);
    if (after_s > 0) {
        wait_ms = (uint64_t)after_s * 1000u;
    }
    if (!helps || j->tries >= w->o->tries) {
        job_finish(w, j, NULL, "error");
        return;
    }
    if (now_ms + wait_ms >= j->due_ms) {
        job_finish(w, j, NULL, "late");
        return;
    }
    if (whole_server && w->hold_ms < now_ms + wait_ms) {
        w->hold_ms = now_ms + wait_ms;
    }
    lc_http_end(&w->http, &j->call);
    w->flying--;
    j->state = WAITING;
    j->next_ms = now_ms + wait_ms;
}

static void completion_take(worker *w, job *j, lc_completion *c)
{
    static lc_json_diag diag;
    lc_reply reply;
    j->tokens_in += c->tokens_in > 0 ? c->tokens_in : (uint32_t)(strlen(j->call.sent) + 3) / 4;
    j->tokens_out += c->tokens_out > 0 ? c->tokens_out : (uint32_t)(c->bytes + 3) / 4;
    if (lc_reply_read(c->content, c->bytes, &j->ask, &reply, &diag) == LC_OK) {
        job_finish(w, j, &reply, "ok");
        return;
    }
    snprintf(j->why_text, sizeof j->why_text, "%.90s", diag.text);
    j->why = j->why_text;
    job_finish(w, j, NULL, "refused");
}

static void call_done(void *ctx, lc_http_call *call)
{
    static lc_json_diag diag;
    worker *w = ctx;
    job *j = call->ctx;
    lc_completion c = {0};
    bool stream = strncmp(call->type, "text/event-stream", 17) == 0;
    bool plain = strncmp(call->type, "application/json", 16) == 0;
    if (call->code != CURLE_OK || call->status != 200) {
        why_set(w, j, call, NULL);
        job_retry(w, j, retry_helps(call, false), call->retry_after_s,
                  call->code == CURLE_OK && (call->status == 429 || call->status == 503));
    } else if (!stream && !plain) {
        why_set(w, j, call, "the answer is not JSON by its type");
        job_finish(w, j, NULL, "error");
    } else if (lc_completion_read(call->body ? call->body : "", call->bytes, stream, &c, &diag) !=
               LC_OK) {
        why_set(w, j, call, diag.text);
        job_finish(w, j, NULL, "error");
    } else if (!c.whole) {
        why_set(w, j, call, "the stream was cut");
        job_retry(w, j, true, 0, false);
    } else {
        completion_take(w, j, &c);
    }
    free(c.content);
}

static void job_start(worker *w, job *j, uint64_t now_ms)
{
    char *body = lc_ask_body(&j->ask, w->o->model, w->o->stream);
    j->tries++;
    j->state = FLYING;
    w->flying++;
    if (!body || !lc_http_post(&w->http, &j->call, body, (uint32_t)(j->due_ms - now_ms))) {
        j->why = "no memory";
        job_finish(w, j, NULL, "error");
    }
}

/* ---- what comes ---- */

static uint64_t due_of(const worker *w, const lc_ask *ask, uint32_t expiry_s, uint64_t now_ms)
{
    uint64_t wall_ms = wall_now_ms(), left_ms = w->o->deadline_ms;
    if (ask->due_wall_ms > 0) {
        left_ms = ask->due_wall_ms > wall_ms ? ask->due_wall_ms - wall_ms : 0;
    } else if (expiry_s > 0) {
        left_ms = expiry_s * 1000ull;
    }
    return now_ms + (left_ms > DEADLINE_MAX_MS ? DEADLINE_MAX_MS : left_ms);
}

/* Where the answer goes: only below dn/ of the device that asked. */
static void topic_set(const worker *w, job *j, const char *wanted)
{
    char own[LC_TOPIC_BYTES_MAX];
    int n = snprintf(own, sizeof own, "%s/%s/dn/", w->o->desk.root, j->dev);
    bool fits = wanted && strncmp(wanted, own, (size_t)n) == 0 &&
                strlen(wanted) < sizeof j->topic && !strpbrk(wanted, "+#");
    if (fits) {
        snprintf(j->topic, sizeof j->topic, "%s", wanted);
    } else {
        snprintf(j->topic, sizeof j->topic, "%s/%s/dn/esc/rsp", w->o->desk.root, j->dev);
    }
}

static job *job_place(worker *w)
{
    for (uint32_t i = 0; i < w->o->queue; i++) {
        if (w->job[i].state == FREE) {
            return &w->job[i];
        }
    }
    return NULL;
}

/* The same request again while it is being answered. */
static bool job_known(const worker *w, const char *dev, const char *id)
{
    for (uint32_t i = 0; i < w->o->queue; i++) {
        const job *j = &w->job[i];
        if ((j->state == WAITING || j->state == FLYING) && strcmp(j->id, id) == 0 &&
            strcmp(j->dev, dev) == 0) {
            return true;
        }
    }
    return false;
}

/* Fills a job up to where its answer goes. */
static void job_address(worker *w, job *j, const char *dev)
{
    const lc_mqtt_request *r = lc_mqtt_asked(w->desk.mqtt);
    const char *wanted = r->response_topic;
    snprintf(j->dev, sizeof j->dev, "%s", dev);
    if (!wanted && j->ask.tree) {
        wanted = lc_json_text(j->ask.tree, "rsp", NULL);
    }
    topic_set(w, j, wanted);
    if (r->trace && strlen(r->trace) < sizeof j->trace) {
        memcpy(j->trace, r->trace, strlen(r->trace) + 1);
    }
    if (r->correlation_bytes <= sizeof j->correlation) {
        j->correlation_bytes = r->correlation_bytes;
        memcpy(j->correlation, r->correlation ? r->correlation : "", r->correlation_bytes);
    }
}

static void request_take(worker *w, const char *dev, const char *payload, uint32_t bytes)
{
    static lc_json_diag diag;
    job *j = job_place(w);
    lc_ask ask;
    char id[LC_ASK_ID_BYTES + 1];
    const char *held;
    lc_err err = lc_ask_read(payload, bytes, &ask, id, &diag);
    if (!j || !id[0] || job_known(w, dev, id)) {
        if (!j || !id[0]) {
            lc_log(LC_LOG_WARNING, "%s: a request is dropped: %s", dev,
                   j ? diag.text : "the queue is full");
        }
        lc_ask_free(&ask);
        return;
    }
    uint64_t now_ms = lc_loop_now_ms();
    *j = (job){.call.ctx = j, .ask = ask, .came_ms = now_ms, .state = WAITING};
    w->held++;
    memcpy(j->id, id, sizeof id);
    job_address(w, j, dev);
    j->due_ms = due_of(w, &j->ask, lc_mqtt_asked(w->desk.mqtt)->expiry_s, now_ms);
    if (err != LC_OK) {
        snprintf(j->why_text, sizeof j->why_text, "request: %.80s", diag.text);
        j->why = j->why_text;
        job_finish(w, j, NULL, "error");
    } else if ((held = lc_answers_find(&w->answers, dev, id)) != NULL) {
        j->answer = strdup(held);
        w->held--;
        j->state = ANSWERED;
        if (j->answer) {
            answer_send(w, j);
        } else {
            job_free(w, j);
        }
    }
    state_change(w);
}

static void message_came(void *ctx, const char *topic, const char *payload, uint32_t bytes,
                         bool retained)
{
    worker *w = ctx;
    char dev[64];
    const char *rest;
    if (strcmp(topic, w->state_topic) == 0) {
        state_heard(w, payload, bytes);
    } else if (!retained && lc_desk_device(w->o->desk.root, topic, dev, &rest) &&
               strcmp(rest, "esc/req") == 0 && !w->leaving) {
        request_take(w, dev, payload, bytes);
    }
}

static void ack_came(void *ctx, uint32_t id, uint32_t reason)
{
    worker *w = ctx;
    w->left = w->left || (w->leaving && id == STATE_ID);
    for (uint32_t i = 0; i < w->o->queue; i++) {
        job *j = &w->job[i];
        if (j->state == SENT && j->message == id) {
            if (reason >= 0x80) {
                lc_log(LC_LOG_WARNING, "%s: the broker takes no answer (reason 0x%02x)", j->topic,
                       reason);
            }
            job_free(w, j);
        }
    }
}

static void link_up(void *ctx)
{
    worker *w = ctx;
    for (uint32_t i = 0; i < w->o->queue; i++) {
        if (w->job[i].state == SENT) { /* not acknowledged: again */
            w->job[i].state = ANSWERED;
        }
    }
    w->state_ms = 0;
    state_change(w);
}

/* ---- turns ---- */

static uint64_t job_turn(worker *w, job *j, uint64_t now_ms)
{
    if ((j->state == WAITING || j->state == FLYING) && now_ms >= j->due_ms) {
        job_finish(w, j, NULL, "late");
    }
    if (j->state == ANSWERED && lc_mqtt_is_up(w->desk.mqtt)) {
        answer_send(w, j);
    }
    uint64_t start_ms = j->next_ms > w->hold_ms ? j->next_ms : w->hold_ms;
    if (j->state == WAITING && now_ms >= start_ms && w->flying < w->o->jobs) {
        job_start(w, j, now_ms);
    }
    if (j->state == WAITING && w->flying < w->o->jobs && start_ms < j->due_ms) {
        return start_ms;
    }
    return j->state == WAITING || j->state == FLYING ? j->due_ms : UINT64_MAX;
}

static uint64_t worker_turn(void *ctx, uint64_t now_ms)
{
    worker *w = ctx;
    uint64_t wake = UINT64_MAX, flying = w->flying;
    if (w->desk.stopping && !w->leaving) {
        w->leaving = true;
        w->state_ms = 0;
    }
    for (uint32_t i = 0; i < w->o->queue; i++) {
        if (w->job[i].state != FREE) {
            uint64_t next = job_turn(w, &w->job[i], now_ms);
            wake = next < wake ? next : wake;
        }
    }
    uint64_t http_ms = lc_http_tick(&w->http, now_ms);
    if (w->flying < flying) { /* an answer came: the next may start */
        wake = now_ms;
    }
    if (lc_mqtt_is_up(w->desk.mqtt)) {
        uint64_t say_ms = w->state_new && w->state_ms > STATE_EVERY_MS
                              ? w->state_ms - STATE_EVERY_MS + STATE_LEAST_MS
                              : w->state_ms;
        if (now_ms >= say_ms) {
            state_say(w, now_ms);
            say_ms = w->state_ms;
        }
        wake = say_ms < wake ? say_ms : wake;
    }
    return http_ms < wake ? http_ms : wake;
}

/* What was taken is answered before we go. */
static bool worker_finished(void *ctx)
{
    const worker *w = ctx;
    for (uint32_t i = 0; i < w->o->queue; i++) {
        if (w->job[i].state != FREE) {
            return false;
        }
    }
    return w->left || !lc_mqtt_is_up(w->desk.mqtt);
}

/* ---- start and end ---- */

static int worker_open(worker *w)
{
    const lc_worker_options *o = w->o;
    const lc_desk_events events = {w,           link_up,        ack_came, message_came,
                                   worker_turn, worker_finished};
    static const char *filter[2];
    const lc_curl *curl = lc_curl_load();
    if (!curl) {
        return LC_EXIT_BOARD;
    }
    w->job = calloc(o->queue, sizeof *w->job);
    w->answers = (lc_answers){.entry = calloc(o->cache, sizeof(lc_answered)), .count = o->cache};
    if (!w->job || !w->answers.entry) {
        return lc_ui_no_memory();
    }
    snprintf(w->share, sizeof w->share, "$share/esc/%s/+/up/esc/req", o->desk.root);
    snprintf(w->state_topic, sizeof w->state_topic, "%s/_esc/state", o->desk.root);
    state_write(w, false, w->will);
    filter[0] = w->share;
    filter[1] = w->state_topic;
    const lc_mqtt_options mqtt = {.keepalive_s = 30,
                                  .window = LC_MQTT_IDS_MAX,
                                  .payload_max = LC_PAYLOAD_BYTES_MAX,
                                  .will_topic = w->state_topic,
                                  .will_payload = w->will,
                                  .boot = (uint32_t)(wall_now_ms() / 1000u),
                                  .filter = filter,
                                  .filter_count = 2};
    int rc = lc_desk_open(&w->desk, &o->desk, mqtt, &events);
    w->http.url = o->url;
    w->http.authorization = o->authorization;
    w->http.ca = o->ca;
    w->http.done = call_done;
    w->http.ctx = w;
    if (rc == LC_UI_GO && !lc_http_open(&w->http, curl, &w->desk.loop)) {
        rc = lc_ui_no_memory();
    }
    return rc == LC_UI_GO ? lc_ledger_open(&w->ledger, o->ledger) : rc;
}

static void worker_close(worker *w)
{
    for (uint32_t i = 0; w->job && i < w->o->queue; i++) {
        if (w->job[i].state != FREE) {
            job_free(w, &w->job[i]);
        }
    }
    if (w->http.multi) {
        lc_http_close(&w->http);
    }
    if (w->desk.mqtt) {
        lc_desk_close(&w->desk);
    }
    lc_ledger_close(&w->ledger);
    lc_answers_free(&w->answers);
    free(w->job);
}

int lc_worker_serve(const lc_worker_options *options)
{
    static worker w;
    w = (worker){.o = options, .message = STATE_ID, .ledger.fd = -1};
    int rc = worker_open(&w);
    if (rc == LC_UI_GO) {
        lc_log(LC_LOG_NOTICE, "asking %s for %s", options->url, w.share);
        rc = lc_desk_run(&w.desk);
        lc_log(LC_LOG_NOTICE, "%llu calls, cost %.6f", (unsigned long long)w.ledger.calls,
               w.ledger.cost);
    }
    worker_close(&w);
    return rc;
}
