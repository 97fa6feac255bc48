/* mqtt_props.h - properties of MQTT 5, between libmosquitto's lists and our own words. mqtt.c only.
 */
#ifndef LC_MQTT_PROPS_H
#define LC_MQTT_PROPS_H

#include <mosquitto.h>
#include <mqtt_protocol.h>

#include "mqtt.h"

/* Each returns what the library says; *list grows, and is the caller's to free. */
int lc_mqtt_props_boot(uint32_t boot, mosquitto_property **list);
int lc_mqtt_props_write(const lc_mqtt_request *request, mosquitto_property **list);
/* Copies what is there; lc_mqtt_props_free gives it back. */
void lc_mqtt_props_read(const mosquitto_property *list, lc_mqtt_request *request);
void lc_mqtt_props_free(lc_mqtt_request *request);

#endif
