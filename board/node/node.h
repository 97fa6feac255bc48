/* node.h - the daemon's behaviour without its operating system: events and now_ms in, actions out.
 *
 *   events   lc_node_line, _finish, _link_up, _link_down, _ack, _collected, _worker, _answer,
 *            _announce, _clock, _command, _health, _stop
 *   actions  lc_node_next gives one at a time until it has none; then lc_node_wake_ms says when
 *            to ask again if nothing happens before
 * Time is an argument, memory comes from the arena of lc_node_open, nothing is global, and no call
 * waits for anything but the disk (port.h): a test plays a year in seconds. One thread at a time
 * may call in.
 *
 * A line ends in exactly one record for each task (inference says which), or in a loss that is
 * counted and stated in up/gap. Records of a source keep their order as long as they fit into the
 * outbox; after a longer outage those of now pass those of the journal.
 */
#ifndef LC_NODE_H
#define LC_NODE_H

#include "../../runtime/arena.h"
#include "../../runtime/bytes.h"
#include "../../runtime/err.h"
#include "actor.h"
#include "audit.h"
#include "cost.h"
#include "drift.h"
#include "escalate.h"
#include "link.h"
#include "outbox.h"
#include "pace.h"
#include "port.h"
#include "say.h"
#include "stats.h"

#define LC_NODE_HEALTH_MS 60000u
#define LC_NODE_LAST_MS 1000u   /* up/last of a task, at most this often */
#define LC_NODE_GAP_MS 1000u    /* up/gap, at most this often */
#define LC_NODE_ACK_MS 30000u   /* without acknowledgement: connect anew */
#define LC_NODE_STUCK_MS 30000u /* inference that does not return after its deadline */
#define LC_NODE_WATCHDOG_MS 5000u
#define LC_NODE_ANNOUNCE_MS 5000u /* so that a thousand devices do not speak at once */

/* Where a message goes; board/linux/topics.h writes the topics. */
typedef enum lc_topic {
    LC_TOPIC_STATE,  /* retained "online" or "offline"; "offline" is the will, too */
    LC_TOPIC_BIRTH,  /* retained */
    LC_TOPIC_RES,    /* of a task */
    LC_TOPIC_LAST,   /* of a task, retained */
    LC_TOPIC_EVENT,  /* of a task */
    LC_TOPIC_HEALTH, /* retained */
    LC_TOPIC_GAP,
    LC_TOPIC_LOG, /* of a level: its number stands in `task` */
    LC_TOPIC_ASK, /* a request for upstream */
    LC_TOPIC_AUDIT,
    LC_TOPIC_DISCOVERY, /* of Home Assistant, retained */
    LC_TOPIC_UPDATE,    /* retained */
    LC_TOPIC_COUNT
} lc_topic;

typedef struct lc_node_source {
    lc_str name; /* `src` of records */
    bool waits;  /* reading can pause: nothing is ever lost here */
} lc_node_source;

typedef struct lc_node_options {
    lc_str dev;
    lc_str job; /* what answers, for the audit: "pump 14 9c1f02aa"; "" : not told */
    uint32_t boot;
    const lc_node_source *source; /* [source_count] */
    uint32_t source_count;
    const lc_str *task; /* [task_count] names */
    uint32_t task_count;
    lc_str birth;         /* payload of up/birth; "" none */
    lc_str update;        /* the same of up/upd/state */
    lc_str discovery;     /* for Home Assistant; data NULL: none, no bytes: what is there goes */
    uint32_t inbox_bytes; /* of each source */
    uint32_t outbox_bytes;
    uint32_t window, batch;
    uint32_t deadline_ms;
    const lc_actor_options *acts;  /* outputs, and which labels move them; NULL: none */
    const lc_esc_options *ask;     /* NULL: hard lines stay here */
    const lc_drift_options *drift; /* NULL: not watched */
    bool link;                     /* there is a broker to connect to */
    uint64_t seed;
    bool moved_in;          /* the store was another device's until this start */
    const lc_port *port;    /* NULL: nothing outlives a restart; the next three are not read */
    uint64_t journal_bytes; /* of both journals */
    bool e2e;               /* only lc_node_collected counts as delivered */
    uint32_t backlog_per_s; /* records of the journal's backlog, at most */
} lc_node_options;

/* A record that inference made, rendered. */
typedef struct lc_node_record {
    uint32_t task;
    const char *json; /* [bytes] */
    uint32_t bytes;
    uint8_t decision; /* lc_decision */
    int32_t label;    /* -1: null */
    bool alarm;       /* this label is one that up/event tells about */
    float p;
    bool oos; /* out of scope */
    lc_str label_name;
    uint8_t stage;    /* lc_stage_type of the one that answered, 0 none */
    uint64_t work_us; /* CPU time of the line; of its first record, else 0 */
    lc_str ask;       /* what may leave of the line, for upstream; data NULL: nothing */
    const lc_redactions *map;
} lc_node_record;

typedef enum lc_action_kind {
    LC_DO_LOG,      /* saying */
    LC_DO_START,    /* work: answer this line, then call lc_node_finish */
    LC_DO_CANCEL,   /* work.ticket: end it at the next layer; its finish still comes */
    LC_DO_RESUME,   /* source: read on */
    LC_DO_CONNECT,  /* then lc_node_link_up or _link_down */
    LC_DO_CLOSE,    /* drop the connection, then lc_node_link_down */
    LC_DO_PUBLISH,  /* message; then lc_node_ack, unless the link goes down first */
    LC_DO_ACT,      /* act: set a pin, begin or end a sound */
    LC_DO_HEALTH,   /* render it and call lc_node_health */
    LC_DO_WATCHDOG, /* tell the supervisor that all is well */
    LC_DO_STOP      /* all is done; disconnect in good order and leave */
} lc_action_kind;

typedef struct lc_work {
    uint32_t ticket;
    uint32_t source;
    const char *text; /* [bytes], or nothing when bytes > LC_LINE_BYTES_MAX; until finish */
    uint32_t bytes;
    uint64_t seq;   /* of the first record; the next ones count on */
    uint64_t ts_ms; /* since 1970; 0 when the clock is not known */
    uint64_t up_ms; /* since start */
    lc_str tq;      /* quality of the clock */
    bool late;      /* its deadline has passed already: only stages that cost nothing */
    bool online;    /* an escalation could be asked */
    float bar;      /* if the answer is at least so unsure */
} lc_work;

typedef struct lc_message {
    uint32_t id;   /* never 0; new at each hand-over */
    uint8_t topic; /* lc_topic */
    uint8_t task;
    lc_str name; /* of the task; one that the job no longer has, too */
    uint8_t qos;
    bool retain;
    const char *payload; /* [bytes], until the next event */
    uint32_t bytes;
    const uint8_t *ask_id; /* [LC_ESC_ID_BYTES] of a request, else NULL */
    uint64_t ask_seq;      /* of its record, made by the start ask_boot */
    uint32_t ask_boot;
    uint32_t expiry_s; /* 0: none */
} lc_message;

typedef struct lc_action {
    uint8_t kind; /* lc_action_kind */
    uint32_t source;
    lc_saying saying;
    lc_work work;
    lc_message message;
    lc_actor_do act;
} lc_action;

/* Counters since start, for health and status. */
typedef struct lc_node_counts {
    uint64_t lines, lines_lost, lines_waiting, pauses;
    uint64_t records, records_waiting, records_dropped, messages_acked, messages_refused;
    uint64_t messages_unheard; /* acknowledged with "no matching subscribers" */
    uint64_t decided[4];       /* by lc_decision */
    uint64_t deadlines, events, gaps, commands, audits;
    uint64_t acts, acts_held, acts_limited, acts_missing; /* lc_actor */
    bool paused;
    uint8_t pace; /* lc_pace_level */
    uint64_t rested_ms;
    uint64_t link_ups, link_downs;
    uint32_t flying, flying_peak;
    uint32_t inbox_peak_bytes, outbox_bytes, outbox_peak_bytes, outbox_max_bytes;
    uint64_t seq; /* of the last record */
    uint64_t up_ms;
    uint8_t link; /* lc_link_state */
    bool stuck;
    bool keeps;                    /* records outlive a restart */
    uint64_t journal_bytes;        /* of what is not delivered, about */
    uint64_t journal_stored_bytes; /* written since start, of journal_text_bytes rendered */
    uint64_t journal_text_bytes;
    uint64_t journal_commits;
    uint64_t certain_seq, certain_event; /* of this start, the last that a power cut leaves */
    uint64_t journal_oldest_ts_ms; /* when the oldest of them was made, 0: none, or not known */
    lc_esc_counts esc;
    lc_cost_day today, last_day;
    lc_drift_look drift;
} lc_node_counts;

typedef struct lc_node lc_node;

/* lc_node_open - lays a node out on the arena; a measuring arena only counts.
 *
 * Errors    ARGUMENT, LIMIT (an option out of range), ARENA.
 * Owner     the caller keeps all texts of the options.
 */
lc_err lc_node_open(const lc_node_options *options, uint64_t now_ms, lc_arena *state,
                    lc_node **node, lc_diag *diag) LC_CHECKED;

/* ---- events ---- */

/* A line came in. bytes over LC_LINE_BYTES_MAX: it was longer, the text is not read.
 * BUSY from a source that waits: keep the line, stop reading, offer it again after LC_DO_RESUME.
 * BUSY from another: it is lost, and counted. */
lc_err lc_node_line(lc_node *node, uint64_t now_ms, uint32_t source, const char *text,
                    size_t bytes) LC_CHECKED;
/* Inference ended. The records are copied. A ticket that is not running is ignored. */
void lc_node_finish(lc_node *node, uint64_t now_ms, uint32_t ticket, const lc_node_record *record,
                    uint32_t count);
/* message_max: bytes of payload that the broker takes, 0 when it names no limit. */
void lc_node_link_up(lc_node *node, uint64_t now_ms, uint32_t message_max);
void lc_node_link_down(lc_node *node, uint64_t now_ms, lc_link_reason reason);
/* The broker's answer to a message; reason as in MQTT 5, 0 with 3.1.1. Unknown ids are ignored. */
void lc_node_ack(lc_node *node, uint64_t now_ms, uint32_t id, uint32_t reason);
void lc_node_collected(lc_node *node, uint64_t now_ms, const lc_collected *has);
/* Home Assistant has started: it is told of us again, within LC_NODE_ANNOUNCE_MS. */
void lc_node_announce(lc_node *node, uint64_t now_ms);
/* What _esc/state says; NULL: no worker any more. */
void lc_node_worker(lc_node *node, uint64_t now_ms, const lc_esc_worker *worker);
/* An answer to a request; NULL: one that cannot be read. */
void lc_node_answer(lc_node *node, uint64_t now_ms, const lc_esc_answer *answer);
/* What the wall clock says now, and how good it is ("ntp" "rtc" "none", static). */
void lc_node_clock(lc_node *node, uint64_t now_ms, uint64_t wall_ms, lc_str quality);
/* How the board is: near its limits there are pauses between lines. */
void lc_node_signs(lc_node *node, uint64_t now_ms, const lc_signs *signs);
/* CPU time since the start, of all threads. */
void lc_node_cpu(lc_node *node, uint64_t now_ms, uint64_t cpu_us);
/* id: as who sent it says, "" none. */
void lc_node_command(lc_node *node, uint64_t now_ms, lc_str name, lc_str id);
/* Somebody has seen the alarm: outputs go to rest, until another one begins. by: which input. */
void lc_node_acknowledge(lc_node *node, uint64_t now_ms, lc_str by);
/* Maintenance: lines are answered, nothing acts. */
void lc_node_pause(lc_node *node, uint64_t now_ms, bool paused, lc_str by);
/* The output of an LC_DO_ACT could not be moved: its chip is away. */
void lc_node_unmoved(lc_node *node, uint64_t now_ms, uint32_t output);
/* The payload that LC_DO_HEALTH asked for; copied, at most LC_NODE_HEALTH_BYTES_MAX. */
void lc_node_health(lc_node *node, uint64_t now_ms, const char *json, uint32_t bytes);
/* No more lines will come. Ends with LC_DO_STOP when every record is acknowledged, or after
 * flush_ms (UINT32_MAX: no limit). A later call can only shorten it. */
void lc_node_stop(lc_node *node, uint64_t now_ms, uint32_t flush_ms);

#define LC_NODE_HEALTH_BYTES_MAX 6144u

/* ---- actions ---- */

bool lc_node_next(lc_node *node, uint64_t now_ms, lc_action *action);
/* When lc_node_next may have something without a new event. */
uint64_t lc_node_wake_ms(const lc_node *node, uint64_t now_ms);

/* ---- looking in ---- */

void lc_node_look(lc_node *node, uint64_t now_ms, lc_node_counts *counts);
/* Request to answer, in the current health window. */
const lc_times *lc_node_asking(const lc_node *node);
/* Arrival of a line to its finish; start to finish. In the current and the last health window. */
const lc_times *lc_node_latency(const lc_node *node);
const lc_times *lc_node_inference(const lc_node *node);
/* Wall time for now, 0 when not known; its quality. */
uint64_t lc_node_ts_ms(const lc_node *node, uint64_t now_ms);
lc_str lc_node_tq(const lc_node *node);

#endif
