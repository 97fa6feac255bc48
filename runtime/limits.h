/* limits.h - every limit of the runtime in one place. Exceeding one is an error, never a crash. */
#ifndef LC_LIMITS_H
#define LC_LIMITS_H

#define LC_LINE_BYTES_MAX 8192u      /* a longer line is `input:long` */
#define LC_LINES_MAX 16u             /* that are answered together */
#define LC_CTX_MAX 32768u            /* tokens */
#define LC_VOCAB_MAX 1048576u
#define LC_TOKEN_BYTES_MAX 1024u
#define LC_LAYERS_MAX 256u
#define LC_HEADS_MAX 256u
#define LC_HEAD_DIM_MAX 512u
#define LC_WIDTH_MAX 16384u          /* model width and FFN width */
#define LC_CONV_TAPS_MAX 16u
#define LC_TOKEN_TYPES_MAX 16u
#define LC_RANK_MAX 256u             /* of an adapter */
#define LC_SECTIONS_MAX 1024u
#define LC_TENSORS_MAX 8192u
#define LC_TASKS_MAX 8u
#define LC_STAGES_MAX 8u             /* of a task */
#define LC_LABELS_MAX 256u           /* of a task */
#define LC_CLASSES_MAX 257u          /* outputs of a classification head: labels and `oos` */
#define LC_FORMS_MAX 16u             /* of a label */
#define LC_PROMPT_TOKENS_MAX 8192u   /* of a label_score stage, before the line and after it */
#define LC_TRIE_NODES_MAX 2048u      /* of all its forms */
#define LC_RULES_MAX 64u             /* of a stage */
#define LC_NAME_BYTES_MAX 64u        /* job, task, stage, label, rule names */
#define LC_PACKS_MAX 4u              /* packs of one job */
#define LC_ADAPTERS_MAX 8u           /* adapters of one job */
#define LC_JOB_OBJECTS_MAX 12u       /* packs and adapters of one job */
#define LC_TRENDS_MAX 64u            /* of a job */
#define LC_PRIVACY_MAX 32u           /* entries of `never`, and of `redact` */
#define LC_LABEL_TEXT_BYTES_MAX 512u /* a label's text, its action */
#define LC_FACTS_MAX 32u             /* of a line */
#define LC_WHY_MAX 16u               /* reasons in a record */
#define LC_EXPR_BYTES_MAX 1024u      /* source text of a rule */
#define LC_EXPR_OPS_MAX 128u
#define LC_PATTERN_STATES_MAX 256u
#define LC_RECORD_BYTES_MAX 32768u   /* one record as JSON */

/* The daemon (board/node, board/linux). */
#define LC_SOURCES_MAX 16u           /* inputs, dn/text among them */
#define LC_SOURCE_BYTES_MAX 32u      /* name of an input: `src` of records */
#define LC_DEVICE_BYTES_MAX 32u      /* device id */
#define LC_INBOX_BYTES_MIN 16384u    /* of a source; holds the longest line */
#define LC_INBOX_BYTES_MAX 1048576u
#define LC_OUTBOX_BYTES_MIN 65536u   /* holds the longest record */
#define LC_OUTBOX_BYTES_MAX 1073741824u
#define LC_WINDOW_MAX 32u            /* messages handed to the link and not acknowledged */
#define LC_BATCH_MAX 64u             /* records of one message */
#define LC_BATCH_SCAN_MAX 256u       /* records looked through for a batch of one task */
#define LC_MESSAGE_BYTES_MAX 32768u  /* payload of an outgoing message */
#define LC_PAYLOAD_BYTES_MAX 65536u  /* payload of an incoming one; larger ones the broker keeps */
#define LC_TOPIC_BYTES_MAX 256u
#define LC_CONFIG_BYTES_MAX 65536u
#define LC_CONFIG_DEPTH_MAX 8u

#endif
