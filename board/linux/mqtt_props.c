/* mqtt_props.c - properties of requests, answers, the will and what is retained. */
#include "mqtt_props.h"

#include <stdlib.h>
#include <string.h>

#define TRACE "trace"

int lc_mqtt_props_boot(uint32_t boot, mosquitto_property **list)
{
    char text[12];
    char *at = text + sizeof text - 1;
    *at = '\0';
    do {
        *--at = (char)('0' + boot % 10);
        boot /= 10;
    } while (boot > 0);
    return mosquitto_property_add_string_pair(list, MQTT_PROP_USER_PROPERTY, "boot", at);
}

int lc_mqtt_props_write(const lc_mqtt_request *request, mosquitto_property **list)
{
    int rc = mosquitto_property_add_string(list, MQTT_PROP_CONTENT_TYPE, "application/json");
    if (rc == MOSQ_ERR_SUCCESS && request->response_topic) {
        rc = mosquitto_property_add_string(list, MQTT_PROP_RESPONSE_TOPIC, request->response_topic);
    }
    if (rc == MOSQ_ERR_SUCCESS && request->correlation_bytes > 0) {
        rc = mosquitto_property_add_binary(list, MQTT_PROP_CORRELATION_DATA, request->correlation,
                                           request->correlation_bytes);
    }
    if (rc == MOSQ_ERR_SUCCESS && request->expiry_s > 0) {
        rc = mosquitto_property_add_int32(list, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL,
                                          request->expiry_s);
    }
    if (rc == MOSQ_ERR_SUCCESS && request->trace) {
        rc = mosquitto_property_add_string_pair(list, MQTT_PROP_USER_PROPERTY, TRACE,
                                                request->trace);
    }
    return rc;
}

/* The value of the user property `trace`, from the heap. */
static char *trace_read(const mosquitto_property *list)
{
    char *name = NULL, *value = NULL;
    bool first = true;
    while ((list = mosquitto_property_read_string_pair(list, MQTT_PROP_USER_PROPERTY, &name, &value,
                                                       !first))) {
        bool found = strcmp(name, TRACE) == 0;
        free(name);
        if (found) {
            return value;
        }
        free(value);
        first = false;
    }
    return NULL;
}

void lc_mqtt_props_read(const mosquitto_property *list, lc_mqtt_request *request)
{
    char *topic = NULL;
    void *data = NULL;
    *request = (lc_mqtt_request){0};
    if (!list) {
        return;
    }
    mosquitto_property_read_string(list, MQTT_PROP_RESPONSE_TOPIC, &topic, false);
    mosquitto_property_read_binary(list, MQTT_PROP_CORRELATION_DATA, &data,
                                   &request->correlation_bytes, false);
    mosquitto_property_read_int32(list, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, &request->expiry_s,
                                  false);
    request->response_topic = topic;
    request->correlation = data;
    request->trace = trace_read(list);
}

void lc_mqtt_props_free(lc_mqtt_request *request)
{
    free((void *)request->response_topic);
    free((void *)request->correlation);
    free((void *)request->trace);
    *request = (lc_mqtt_request){0};
}
