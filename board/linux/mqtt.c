/* mqtt.c - one handle of libmosquitto at a time: made and connected on a thread, used on the loop.
 */
#include "mqtt.h"

#include <errno.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "log.h"
#include "mqtt_props.h"
#include "thread.h"

#define READS_MAX 64 /* of what TLS holds back, before others get their turn */
#define PASSWORD_BYTES_MAX 256
#define SYSTEM_CA_FOLDER "/etc/ssl/certs"
#define REASON_PROTOCOL_VERSION 0x84
#define PACKET_EXTRA_BYTES 32u /* of a publication: header, lengths, number, `boot` */

typedef enum mqtt_state {
    DOWN,
    CONNECTING, /* the thread is at work */
    OPENING,    /* waits for CONNACK */
    UP
} mqtt_state;

typedef enum thread_state { THREAD_IDLE, THREAD_BUSY, THREAD_DONE, THREAD_ORPHAN } thread_state;

typedef struct in_flight {
    uint32_t id; /* 0: free */
    int mid;
} in_flight;

struct lc_mqtt {
    lc_mqtt_options options;
    lc_mqtt_events events;
    lc_loop *loop;
    char host[LC_MQTT_HOST_BYTES_MAX];
    uint16_t port;
    bool tls;
    mqtt_state state;
    bool v5; /* of this or the next connection */
    lc_mqtt_limits limits;
    bool answered; /* the broker sent a CONNACK */
    bool more;     /* TLS holds bytes back that no descriptor tells about */
    bool lost;     /* a callback said that the connection is gone */
    lc_link_reason why;
    char detail[128];
    struct mosquitto *handle;
    mosquitto_property *boot; /* of retained messages */
    lc_mqtt_request request;  /* of the message that is being told */
    lc_watch socket, done;
    in_flight flying[LC_MQTT_IDS_MAX];
    uint32_t publishing; /* id being handed over; 0 once it was acknowledged within the call */
    int filter_mid[LC_MQTT_FILTERS_MAX];
    /* the thread */
    pthread_t thread;
    sem_t wake;
    int done_fd;
    atomic_int thread_state; /* the two below belong to the thread while it is BUSY */
    struct mosquitto *made;
    int made_rc, made_errno;
};

/* libmosquitto 2.0 aborts on an MQTT 5 property that it does not know. A broker must not be able to
 * end the daemon, so an abort inside the library's reading comes back to guarded_read, and the
 * handle is given up; no lock of the library is held there. Any other abort ends the process, as it
 * should, those in our own callbacks too. */
static _Thread_local volatile sig_atomic_t reading;
static _Thread_local sigjmp_buf reading_back;

/* ---- callbacks: they note what happened ---- */

static void detail_set(lc_mqtt *mqtt, const char *text)
{
    size_t bytes = strlen(text);
    bytes = bytes < sizeof mqtt->detail ? bytes : sizeof mqtt->detail - 1;
    memcpy(mqtt->detail, text, bytes);
    mqtt->detail[bytes] = '\0';
}

static void lost_note(lc_mqtt *mqtt, lc_link_reason why, const char *detail)
{
    if (!mqtt->lost) {
        mqtt->lost = true;
        mqtt->why = why;
        detail_set(mqtt, detail);
    }
}

static lc_link_reason refusal_reason(int rc)
{
    switch (rc) {
    case 4:
    case MQTT_RC_BAD_USERNAME_OR_PASSWORD:
        return LC_LINK_PASSWORD;
    case 5:
    case MQTT_RC_BANNED:
    case MQTT_RC_NOT_AUTHORIZED:
        return LC_LINK_NOT_ALLOWED;
    case 2:
    case MQTT_RC_CLIENTID_NOT_VALID:
        return LC_LINK_ID_REFUSED;
    case 3:
    case MQTT_RC_SERVER_UNAVAILABLE:
    case MQTT_RC_SERVER_BUSY:
    case MQTT_RC_QUOTA_EXCEEDED:
    case MQTT_RC_CONNECTION_RATE_EXCEEDED:
        return LC_LINK_BROKER_BUSY;
    default:
        return LC_LINK_PROTOCOL;
    }
}

static lc_link_reason loss_reason(int rc)
{
    switch (rc) {
    case MQTT_RC_SESSION_TAKEN_OVER:
        return LC_LINK_TAKEN_OVER;
    case MQTT_RC_KEEP_ALIVE_TIMEOUT:
    case MOSQ_ERR_KEEPALIVE:
        return LC_LINK_TIMEOUT;
    case MOSQ_ERR_TLS:
        return LC_LINK_TLS;
    case MOSQ_ERR_PROTOCOL:
    case MOSQ_ERR_MALFORMED_PACKET:
    case MOSQ_ERR_OVERSIZE_PACKET:
    case MQTT_RC_PROTOCOL_ERROR:
    case MQTT_RC_MALFORMED_PACKET:
        return LC_LINK_PROTOCOL;
    case MQTT_RC_SERVER_BUSY:
    case MQTT_RC_QUOTA_EXCEEDED:
        return LC_LINK_BROKER_BUSY;
    default:
        return LC_LINK_CLOSED;
    }
}

static const char *reason_text(int rc)
{
    return rc >= 0x80             ? mosquitto_reason_string(rc)
           : rc == MOSQ_ERR_ERRNO ? lc_log_reason(errno)
                                  : mosquitto_strerror(rc);
}

static void filters_subscribe(lc_mqtt *mqtt)
{
    for (uint32_t i = 0; i < mqtt->options.filter_count; i++) {
        int rc =
            mosquitto_subscribe(mqtt->handle, &mqtt->filter_mid[i], mqtt->options.filter[i], 1);
        if (rc != MOSQ_ERR_SUCCESS) {
            lost_note(mqtt, loss_reason(rc), reason_text(rc));
        }
    }
}

static void limits_take(lc_mqtt *mqtt, const mosquitto_property *list)
{
    uint32_t packet = 0;
    uint16_t receive = UINT16_MAX;
    uint8_t qos = 2, retain = 1;
    mosquitto_property_read_int32(list, MQTT_PROP_MAXIMUM_PACKET_SIZE, &packet, false);
    mosquitto_property_read_int16(list, MQTT_PROP_RECEIVE_MAXIMUM, &receive, false);
    mosquitto_property_read_byte(list, MQTT_PROP_MAXIMUM_QOS, &qos, false);
    mosquitto_property_read_byte(list, MQTT_PROP_RETAIN_AVAILABLE, &retain, false);
    mqtt->limits = (lc_mqtt_limits){packet, receive, qos, retain != 0};
}

static void connect_came(struct mosquitto *handle, void *ctx, int rc, int flags,
                         const mosquitto_property *properties)
{
    lc_mqtt *mqtt = ctx;
    sig_atomic_t was = reading;
    (void)handle;
    (void)flags;
    mqtt->answered = true;
    limits_take(mqtt, properties);
    if (rc != 0) {
        bool version = rc == REASON_PROTOCOL_VERSION || rc == 1;
        if (version && mqtt->options.protocol == LC_MQTT_AUTO) {
            mqtt->v5 = !mqtt->v5;
        }
        lost_note(mqtt, refusal_reason(rc),
                  mqtt->v5 || rc >= 0x80 ? mosquitto_reason_string(rc)
                                         : mosquitto_connack_string(rc));
        return;
    }
    mqtt->state = UP;
    filters_subscribe(mqtt);
    reading = 0;
    mqtt->events.up(mqtt->events.ctx);
    reading = was;
}

static void disconnect_came(struct mosquitto *handle, void *ctx, int rc,
                            const mosquitto_property *properties)
{
    (void)handle;
    (void)properties;
    lost_note(ctx, loss_reason(rc), reason_text(rc));
}

static void publish_done(struct mosquitto *handle, void *ctx, int mid, int reason,
                         const mosquitto_property *properties)
{
    lc_mqtt *mqtt = ctx;
    (void)handle;
    (void)properties;
    uint32_t id = 0;
    for (uint32_t i = 0; i < LC_MQTT_IDS_MAX && id == 0; i++) {
        if (mqtt->flying[i].id != 0 && mqtt->flying[i].mid == mid) {
            id = mqtt->flying[i].id;
            mqtt->flying[i].id = 0;
        }
    }
    if (id == 0 && mqtt->publishing != 0) { /* QoS 0, written at once */
        id = mqtt->publishing;
        mqtt->publishing = 0;
    }
    if (id != 0) {
        sig_atomic_t was = reading;
        reading = 0;
        mqtt->events.ack(mqtt->events.ctx, id, (uint32_t)reason);
        reading = was;
    }
}

static void message_came(struct mosquitto *handle, void *ctx, const struct mosquitto_message *m,
                         const mosquitto_property *properties)
{
    lc_mqtt *mqtt = ctx;
    (void)handle;
    const char *payload = m->payload ? m->payload : "";
    lc_mqtt_props_read(properties, &mqtt->request);
    sig_atomic_t was = reading;
    reading = 0;
    mqtt->events.message(mqtt->events.ctx, m->topic, payload, (uint32_t)m->payloadlen, m->retain);
    reading = was;
    lc_mqtt_props_free(&mqtt->request);
}

static void subscribe_answered(struct mosquitto *handle, void *ctx, int mid, int count,
                               const int *granted, const mosquitto_property *properties)
{
    lc_mqtt *mqtt = ctx;
    (void)handle;
    (void)properties;
    for (uint32_t i = 0; i < mqtt->options.filter_count && count > 0; i++) {
        if (mqtt->filter_mid[i] == mid && mqtt->events.granted) {
            mqtt->events.granted(mqtt->events.ctx, i, (uint32_t)granted[0]);
        }
    }
}

/* ---- on the thread: make a handle and connect it ---- */

static int password_set(const lc_mqtt_options *o, struct mosquitto *handle)
{
    char password[PASSWORD_BYTES_MAX];
    if (!o->user[0]) {
        return MOSQ_ERR_SUCCESS;
    }
    int fd = open(o->password_file, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, password, sizeof password - 1) : -1;
    int reason = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (got < 0) {
        errno = reason;
        return MOSQ_ERR_AUTH; /* the library never gives this to a client */
    }
    password[got] = '\0';
    password[strcspn(password, "\r\n")] = '\0';
    int rc = mosquitto_username_pw_set(handle, o->user, password);
    explicit_bzero(password, sizeof password);
    return rc;
}

static int tls_set(const lc_mqtt_options *o, struct mosquitto *handle)
{
    const char *ca = o->ca_file[0] ? o->ca_file : NULL;
    const char *cert = o->cert_file[0] ? o->cert_file : NULL;
    int rc = mosquitto_tls_set(handle, ca, ca ? NULL : SYSTEM_CA_FOLDER, cert,
                               cert ? o->key_file : NULL, NULL);
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_tls_opts_set(handle, SSL_VERIFY_PEER, "tlsv1.2", NULL); /* or newer */
    }
    return rc;
}

static int will_set(const lc_mqtt *mqtt, struct mosquitto *handle)
{
    const lc_mqtt_options *o = &mqtt->options;
    mosquitto_property *list = NULL;
    if (!o->will_topic || !o->will_topic[0]) {
        return MOSQ_ERR_SUCCESS;
    }
    const char *payload = o->will_payload ? o->will_payload : "offline";
    int bytes = (int)strlen(payload);
    if (!mqtt->v5) {
        return mosquitto_will_set(handle, o->will_topic, bytes, payload, 1, true);
    }
    int rc = mosquitto_property_add_int32(&list, MQTT_PROP_WILL_DELAY_INTERVAL, o->will_delay_s);
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = lc_mqtt_props_boot(o->boot, &list);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_will_set_v5(handle, o->will_topic, bytes, payload, 1, true, list);
    }
    if (rc != MOSQ_ERR_SUCCESS) {
        mosquitto_property_free_all(&list);
    }
    return rc;
}

static int handle_set(lc_mqtt *mqtt, struct mosquitto *handle)
{
    const lc_mqtt_options *o = &mqtt->options;
    int version = mqtt->v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311;
    int rc = mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION, version);
    rc = rc ? rc : mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1);
    rc = rc ? rc : mosquitto_int_option(handle, MOSQ_OPT_SEND_MAXIMUM, (int)o->window);
    rc = rc ? rc : mosquitto_int_option(handle, MOSQ_OPT_RECEIVE_MAXIMUM, (int)o->window);
    rc = rc ? rc : password_set(o, handle);
    rc = rc ? rc : mqtt->tls ? tls_set(o, handle) : MOSQ_ERR_SUCCESS;
    rc = rc ? rc : will_set(mqtt, handle);
    mosquitto_connect_v5_callback_set(handle, connect_came);
    mosquitto_disconnect_v5_callback_set(handle, disconnect_came);
    mosquitto_publish_v5_callback_set(handle, publish_done);
    mosquitto_message_v5_callback_set(handle, message_came);
    mosquitto_subscribe_v5_callback_set(handle, subscribe_answered);
    return rc;
}

/* Blocks: name look-up, certificates, TCP. */
static int handle_connect(lc_mqtt *mqtt, struct mosquitto *handle)
{
    const lc_mqtt_options *o = &mqtt->options;
    mosquitto_property *list = NULL;
    uint32_t packet_max = o->payload_max + LC_TOPIC_BYTES_MAX + 64;
    int rc = handle_set(mqtt, handle);
    if (rc == MOSQ_ERR_SUCCESS && mqtt->v5) {
        rc = mosquitto_property_add_int32(&list, MQTT_PROP_MAXIMUM_PACKET_SIZE, packet_max);
    }
    if (rc == MOSQ_ERR_SUCCESS && mqtt->v5 && o->session_s > 0) {
        rc = mosquitto_property_add_int32(&list, MQTT_PROP_SESSION_EXPIRY_INTERVAL, o->session_s);
    }
    if (rc == MOSQ_ERR_SUCCESS) {
        rc = mosquitto_connect_bind_v5(handle, mqtt->host, mqtt->port, (int)o->keepalive_s, NULL,
                                       list);
    }
    mosquitto_property_free_all(&list);
    return rc;
}

static void handle_make(lc_mqtt *mqtt)
{
    errno = 0;
    mqtt->made = mosquitto_new(mqtt->options.client_id, mqtt->options.session_s == 0, mqtt);
    mqtt->made_rc = mqtt->made ? handle_connect(mqtt, mqtt->made) : MOSQ_ERR_NOMEM;
    mqtt->made_errno = errno;
}

static void memory_free(lc_mqtt *mqtt)
{
    mosquitto_property_free_all(&mqtt->boot);
    close(mqtt->done_fd);
    sem_destroy(&mqtt->wake);
    free(mqtt);
    mosquitto_lib_cleanup();
}

static void *thread_main(void *arg)
{
    lc_mqtt *mqtt = arg;
    for (;;) {
        while (sem_wait(&mqtt->wake) != 0) { /* EINTR */
        }
        if (atomic_load(&mqtt->thread_state) == THREAD_ORPHAN) {
            return NULL; /* idle: lc_mqtt_close joins and frees */
        }
        handle_make(mqtt);
        int busy = THREAD_BUSY;
        if (!atomic_compare_exchange_strong(&mqtt->thread_state, &busy, THREAD_DONE)) {
            mosquitto_destroy(mqtt->made); /* closed meanwhile: nobody else is left */
            memory_free(mqtt);
            return NULL;
        }
        uint64_t one = 1;
        ssize_t written = write(mqtt->done_fd, &one, sizeof one);
        lc_assert(written == (ssize_t)sizeof one);
    }
}

/* ---- on the loop ---- */

static void handle_end(lc_mqtt *mqtt)
{
    lc_loop_forget(mqtt->loop, &mqtt->socket);
    mosquitto_destroy(mqtt->handle);
    mqtt->handle = NULL;
    mqtt->state = DOWN;
    mqtt->more = false;
    memset(mqtt->flying, 0, sizeof mqtt->flying);
}

static void go_down(lc_mqtt *mqtt)
{
    bool silent = !mqtt->answered && mqtt->state == OPENING && mqtt->why == LC_LINK_CLOSED;
    if (silent && mqtt->options.protocol == LC_MQTT_AUTO) {
        mqtt->v5 = !mqtt->v5; /* some old brokers just hang up on MQTT 5 */
    }
    handle_end(mqtt);
    mqtt->events.down(mqtt->events.ctx, mqtt->why, mqtt->detail);
}

/* After each call into the library: has it lost the connection, does it want to write? */
static void call_end(lc_mqtt *mqtt, int rc)
{
    if (rc != MOSQ_ERR_SUCCESS) {
        lost_note(mqtt, loss_reason(rc), reason_text(rc));
    }
    if (mqtt->lost) {
        go_down(mqtt);
        return;
    }
    uint32_t out = mosquitto_want_write(mqtt->handle) ? EPOLLOUT : 0;
    lc_loop_want(mqtt->loop, &mqtt->socket, EPOLLIN | out);
}

static void (*abort_before)(int number); /* who else wants to know */

static void abort_came(int number)
{
    if (reading) {
        siglongjmp(reading_back, 1);
    }
    signal(number, abort_before);
    raise(number);
}

static int guarded_read(lc_mqtt *mqtt)
{
    sigset_t set;
    if (sigsetjmp(reading_back, 0) == 0) {
        reading = 1;
        int rc = mosquitto_loop_read(mqtt->handle, 1);
        reading = 0;
        return rc;
    }
    reading = 0;
    if (mqtt->options.protocol == LC_MQTT_AUTO) {
        mqtt->v5 = false; /* 3.1.1 has no properties, so this happens once, and leaks once */
    }
    sigemptyset(&set); /* it was blocked while its handler ran */
    sigaddset(&set, SIGABRT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return MOSQ_ERR_MALFORMED_PACKET;
}

static int all_read(lc_mqtt *mqtt)
{
    SSL *ssl = mosquitto_ssl_get(mqtt->handle);
    int rc = MOSQ_ERR_SUCCESS;
    mqtt->more = true;
    for (int i = 0; i < READS_MAX && mqtt->more && rc == MOSQ_ERR_SUCCESS; i++) {
        rc = guarded_read(mqtt);
        mqtt->more = !mqtt->lost && rc == MOSQ_ERR_SUCCESS && ssl && SSL_has_pending(ssl) == 1;
    }
    return rc;
}

static void socket_ready(void *ctx, uint32_t events)
{
    lc_mqtt *mqtt = ctx;
    int rc = MOSQ_ERR_SUCCESS;
    if (events & EPOLLOUT) {
        rc = mosquitto_loop_write(mqtt->handle, 1);
    }
    if (rc == MOSQ_ERR_SUCCESS && !mqtt->lost && (events & ~(uint32_t)EPOLLOUT)) {
        rc = all_read(mqtt);
    }
    call_end(mqtt, rc);
}

/* Why a handle could not be connected. */
static void failure_note(lc_mqtt *mqtt)
{
    int rc = mqtt->made_rc;
    lc_link_reason why = LC_LINK_UNREACHABLE;
    const char *text =
        rc == MOSQ_ERR_ERRNO ? lc_log_reason(mqtt->made_errno) : mosquitto_strerror(rc);
    if (rc == MOSQ_ERR_TLS || (rc == MOSQ_ERR_INVAL && mqtt->tls)) {
        why = LC_LINK_TLS;
        text = rc == MOSQ_ERR_TLS ? text : "cannot read a certificate or key";
    } else if (rc == MOSQ_ERR_AUTH) {
        why = LC_LINK_PASSWORD;
        text = "cannot read the password file";
    } else if (rc == MOSQ_ERR_ERRNO) {
        why = mqtt->made_errno == ETIMEDOUT ? LC_LINK_TIMEOUT : LC_LINK_UNREACHABLE;
    }
    mqtt->lost = false;
    lost_note(mqtt, why, text);
}

static void thread_finished(void *ctx, uint32_t events)
{
    lc_mqtt *mqtt = ctx;
    uint64_t times;
    (void)events;
    ssize_t got = read(mqtt->done_fd, &times, sizeof times);
    if (got != (ssize_t)sizeof times || atomic_load(&mqtt->thread_state) != THREAD_DONE) {
        return;
    }
    atomic_store(&mqtt->thread_state, THREAD_IDLE);
    mqtt->handle = mqtt->made;
    mqtt->made = NULL;
    if (mqtt->state != CONNECTING) { /* given up meanwhile */
        handle_end(mqtt);
        return;
    }
    int fd = mqtt->made_rc == MOSQ_ERR_SUCCESS ? mosquitto_socket(mqtt->handle) : -1;
    if (fd < 0 || lc_loop_watch(mqtt->loop, &mqtt->socket, fd, EPOLLIN | EPOLLOUT, socket_ready,
                                mqtt) != LC_OK) {
        failure_note(mqtt);
        go_down(mqtt);
        return;
    }
    mqtt->state = OPENING;
}

/* ---- for everyone ---- */

static bool descriptors_open(lc_mqtt *mqtt)
{
    mqtt->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mqtt->done_fd < 0) {
        return false;
    }
    if (sem_init(&mqtt->wake, 0, 0) != 0 ||
        lc_loop_watch(mqtt->loop, &mqtt->done, mqtt->done_fd, EPOLLIN, thread_finished, mqtt) !=
            LC_OK) {
        close(mqtt->done_fd);
        return false;
    }
    return true;
}

lc_mqtt *lc_mqtt_open(lc_loop *loop, const lc_mqtt_options *options, const lc_mqtt_events *events)
{
    lc_mqtt *mqtt = calloc(1, sizeof *mqtt);
    if (!mqtt || options->window > LC_MQTT_IDS_MAX || options->filter_count > LC_MQTT_FILTERS_MAX) {
        free(mqtt);
        return NULL;
    }
    mqtt->options = *options;
    mqtt->events = *events;
    mqtt->loop = loop;
    mqtt->socket.fd = mqtt->done.fd = -1;
    mqtt->v5 = options->protocol != LC_MQTT_V311;
    mosquitto_lib_init();
    abort_before = signal(SIGABRT, abort_came);
    bool ready = lc_mqtt_url(options->url, mqtt->host, &mqtt->port, &mqtt->tls, NULL) == LC_OK &&
                 lc_mqtt_props_boot(options->boot, &mqtt->boot) == MOSQ_ERR_SUCCESS;
    if (!ready || !descriptors_open(mqtt)) {
        mosquitto_property_free_all(&mqtt->boot);
        free(mqtt);
        return NULL;
    }
    if (!lc_thread_start(&mqtt->thread, thread_main, mqtt)) {
        lc_loop_forget(loop, &mqtt->done);
        memory_free(mqtt);
        return NULL;
    }
    return mqtt;
}

void lc_mqtt_close(lc_mqtt *mqtt)
{
    if (!mqtt) {
        return;
    }
    handle_end(mqtt);
    lc_loop_forget(mqtt->loop, &mqtt->done);
    int was = atomic_exchange(&mqtt->thread_state, THREAD_ORPHAN);
    if (was == THREAD_BUSY) {
        pthread_detach(mqtt->thread); /* it frees all once the system lets it go */
        return;
    }
    mosquitto_destroy(mqtt->made);
    sem_post(&mqtt->wake);
    pthread_join(mqtt->thread, NULL);
    memory_free(mqtt);
}

void lc_mqtt_connect(lc_mqtt *mqtt)
{
    lc_assert(mqtt->state == DOWN);
    mqtt->state = CONNECTING;
    mqtt->lost = mqtt->answered = false;
    mqtt->detail[0] = '\0';
    int idle = THREAD_IDLE;
    if (atomic_compare_exchange_strong(&mqtt->thread_state, &idle, THREAD_BUSY)) {
        sem_post(&mqtt->wake);
    } /* else it is still at an attempt that was given up: that one will do */
}

void lc_mqtt_drop(lc_mqtt *mqtt, lc_link_reason reason)
{
    if (mqtt->state == DOWN) {
        return;
    }
    mqtt->lost = false;
    lost_note(mqtt, reason, "");
    go_down(mqtt);
}

void lc_mqtt_leave(lc_mqtt *mqtt)
{
    if (mqtt->state == UP) {
        mosquitto_disconnect_v5(mqtt->handle, 0, NULL);
    }
    handle_end(mqtt);
}

static in_flight *flight_free(lc_mqtt *mqtt)
{
    for (uint32_t i = 0; i < LC_MQTT_IDS_MAX; i++) {
        if (mqtt->flying[i].id == 0) {
            return &mqtt->flying[i];
        }
    }
    return NULL;
}

static lc_err publish_result(lc_mqtt *mqtt, int rc)
{
    if (rc == MOSQ_ERR_OVERSIZE_PACKET || rc == MOSQ_ERR_PAYLOAD_SIZE) {
        return LC_ERR_LIMIT;
    }
    if (rc != MOSQ_ERR_SUCCESS) {
        lost_note(mqtt, loss_reason(rc), reason_text(rc));
        return LC_ERR_LINK;
    }
    return LC_OK;
}

/* libmosquitto 2.0 looks itself, but is one byte short at QoS 1, and then aborts. */
static bool fits_packet(const lc_mqtt *mqtt, const char *topic, uint32_t bytes)
{
    uint32_t limit = mqtt->limits.packet_bytes_max;
    return limit == 0 || strlen(topic) + bytes + PACKET_EXTRA_BYTES <= limit;
}

static lc_err publish(lc_mqtt *mqtt, uint32_t id, const char *topic, const void *payload,
                      uint32_t bytes, uint32_t qos, bool retain, const mosquitto_property *list)
{
    in_flight *flight = flight_free(mqtt);
    int mid = 0;
    if (mqtt->state != UP || mqtt->lost) {
        return LC_ERR_LINK;
    }
    if (!flight) {
        return LC_ERR_BUSY;
    }
    if (!fits_packet(mqtt, topic, bytes)) {
        return LC_ERR_LIMIT;
    }
    mqtt->publishing = id;
    int rc = mosquitto_publish_v5(mqtt->handle, &mid, topic, (int)bytes, payload, (int)qos, retain,
                                  mqtt->v5 ? list : NULL);
    bool acked = mqtt->publishing == 0;
    mqtt->publishing = 0;
    lc_err err = publish_result(mqtt, rc);
    if (err == LC_OK && !acked) {
        *flight = (in_flight){id, mid};
    }
    uint32_t out = mosquitto_want_write(mqtt->handle) ? EPOLLOUT : 0;
    lc_loop_want(mqtt->loop, &mqtt->socket, EPOLLIN | out);
    return err;
}

lc_err lc_mqtt_publish(lc_mqtt *mqtt, uint32_t id, const char *topic, const void *payload,
                       uint32_t bytes, uint32_t qos, bool retain)
{
    return publish(mqtt, id, topic, payload, bytes, qos, retain, retain ? mqtt->boot : NULL);
}

lc_err lc_mqtt_ask(lc_mqtt *mqtt, uint32_t id, const char *topic, const void *payload,
                   uint32_t bytes, const lc_mqtt_request *request)
{
    mosquitto_property *list = NULL;
    size_t extra = request->correlation_bytes + PACKET_EXTRA_BYTES;
    extra += request->response_topic ? strlen(request->response_topic) : 0;
    extra += request->trace ? strlen(request->trace) : 0;
    if (mqtt->state == UP && !fits_packet(mqtt, topic, bytes + (uint32_t)extra)) {
        return LC_ERR_LIMIT;
    }
    if (lc_mqtt_props_write(request, &list) != MOSQ_ERR_SUCCESS) {
        mosquitto_property_free_all(&list);
        return LC_ERR_LIMIT;
    }
    lc_err err = publish(mqtt, id, topic, payload, bytes, 1, false, list);
    mosquitto_property_free_all(&list);
    return err;
}

const lc_mqtt_request *lc_mqtt_asked(const lc_mqtt *mqtt)
{
    return &mqtt->request;
}

void lc_mqtt_tick(lc_mqtt *mqtt)
{
    if (mqtt->state != OPENING && mqtt->state != UP) {
        return;
    }
    int rc = mqtt->lost ? MOSQ_ERR_SUCCESS : mosquitto_loop_misc(mqtt->handle);
    if (rc == MOSQ_ERR_SUCCESS && !mqtt->lost && mqtt->more) {
        rc = all_read(mqtt);
    }
    call_end(mqtt, rc);
}

bool lc_mqtt_is_up(const lc_mqtt *mqtt)
{
    return mqtt->state == UP;
}

lc_mqtt_limits lc_mqtt_limits_get(const lc_mqtt *mqtt)
{
    return mqtt->limits;
}

bool lc_mqtt_is_v5(const lc_mqtt *mqtt)
{
    return mqtt->v5;
}
