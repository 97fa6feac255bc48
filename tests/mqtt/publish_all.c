/* publish_all.c - libmosquitto alone: publishes each line of stdin at QoS 1 and ends once all are
 * acknowledged. What rate.py compares the daemon with.
 *
 * usage: publish_all PORT TOPIC < LINES
 */
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long acked;

static void publish_done(struct mosquitto *handle, void *ctx, int mid, int reason,
                         const mosquitto_property *properties)
{
    (void)handle;
    (void)ctx;
    (void)mid;
    (void)properties;
    acked += reason < 0x80;
}

int main(int argc, char **argv)
{
    static char line[65536];
    long sent = 0;
    int rc = argc == 3 ? mosquitto_lib_init() : MOSQ_ERR_INVAL;
    struct mosquitto *handle = rc ? NULL : mosquitto_new("own", true, NULL);
    if (!handle) {
        return 2;
    }
    mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_publish_v5_callback_set(handle, publish_done);
    rc = mosquitto_connect(handle, "127.0.0.1", (int)strtol(argv[1], NULL, 10), 60);
    while (rc == MOSQ_ERR_SUCCESS && fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = '\0';
        rc = mosquitto_publish(handle, NULL, argv[2], (int)strlen(line), line, 1, false);
        sent += rc == MOSQ_ERR_SUCCESS || rc == MOSQ_ERR_NO_CONN; /* queued all the same */
        rc = rc == MOSQ_ERR_NO_CONN ? MOSQ_ERR_SUCCESS : rc;
    }
    while (rc == MOSQ_ERR_SUCCESS && acked < sent) {
        rc = mosquitto_loop(handle, 1000, 1);
    }
    mosquitto_disconnect(handle);
    mosquitto_destroy(handle);
    return rc == MOSQ_ERR_SUCCESS && sent > 0 ? 0 : 1;
}
