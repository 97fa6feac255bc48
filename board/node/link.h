/* link.h - when to connect, when to give up, when to try again.
 *
 * The wait doubles from LC_LINK_WAIT_MIN_MS to LC_LINK_WAIT_MAX_MS with a random half, so that a
 * thousand devices do not come back together; it starts anew once a connection has lasted.
 */
#ifndef LC_LINK_H
#define LC_LINK_H

#include <stdbool.h>
#include <stdint.h>

#define LC_LINK_WAIT_MIN_MS 1000u
#define LC_LINK_WAIT_MAX_MS 60000u
#define LC_LINK_TRY_MS 20000u  /* from connect to the broker's answer */
#define LC_LINK_LAST_MS 30000u /* a connection that lasted this long was a good one */

typedef enum lc_link_state {
    LC_LINK_NONE,    /* no broker configured */
    LC_LINK_WAITING, /* until retry_ms */
    LC_LINK_TRYING,
    LC_LINK_OPEN
} lc_link_state;

/* Why a connection ended or did not come about. */
#define LC_LINK_REASON_LIST(X)                                                                     \
    X(CLOSED, "closed") /* the broker or the network closed it */                                  \
    X(UNREACHABLE, "unreachable")                                                                  \
    X(TIMEOUT, "timeout")   /* no answer to connect, to a ping, or to messages */                  \
    X(PASSWORD, "password") /* user name or password refused */                                    \
    X(NOT_ALLOWED, "not-allowed")                                                                  \
    X(ID_REFUSED, "id-refused")                                                                    \
    X(TAKEN_OVER, "taken-over") /* another client came with this id */                             \
    X(TLS, "tls")               /* certificate, key or handshake */                                \
    X(PROTOCOL, "protocol")     /* the broker sent nonsense, or refused ours */                    \
    X(BROKER_BUSY, "broker-busy")                                                                  \
    X(STOPPED, "stopped") /* by ourselves */

typedef enum lc_link_reason {
#define LC_LINK_REASON_ENUM(name, word) LC_LINK_##name,
    LC_LINK_REASON_LIST(LC_LINK_REASON_ENUM)
#undef LC_LINK_REASON_ENUM
        LC_LINK_REASON_COUNT
} lc_link_reason;

typedef struct lc_link {
    uint8_t state;     /* lc_link_state */
    bool closing;      /* told to close, waits for link_down */
    bool barren;       /* the broker took the connection, but acknowledged nothing */
    uint64_t since_ms; /* of this state */
    uint64_t retry_ms;
    uint32_t wait_ms; /* next wait, before its random half */
    uint64_t random;
    uint64_t ups, downs;
} lc_link;

void lc_link_init(lc_link *link, bool wanted, uint64_t seed);
bool lc_link_due(const lc_link *link, uint64_t now_ms);  /* time to connect */
bool lc_link_late(const lc_link *link, uint64_t now_ms); /* connecting takes too long */
uint64_t lc_link_wake_ms(const lc_link *link);
void lc_link_try(lc_link *link, uint64_t now_ms);
void lc_link_open(lc_link *link, uint64_t now_ms);
/* Whether the connection that stands was a good one, so that its end is news. */
bool lc_link_lasted(const lc_link *link, uint64_t now_ms);
void lc_link_down(lc_link *link, uint64_t now_ms);
lc_link_reason lc_link_reason_make(uint32_t number); /* PROTOCOL for one out of range */
const char *lc_link_word(lc_link_reason reason);

#endif
