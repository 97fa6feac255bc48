/* mqtt_url.c - a broker's address. */
#include <stdlib.h>
#include <string.h>

#include "mqtt.h"

lc_err lc_mqtt_url(const char *url, char host[LC_MQTT_HOST_BYTES_MAX], uint16_t *port, bool *tls,
                   lc_diag *diag)
{
    const char *at = url;
    *tls = strncmp(url, "mqtts://", 8) == 0;
    if (!*tls && strncmp(url, "mqtt://", 7) != 0) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "mqtt:// or mqtts:// comes first");
    }
    at += *tls ? 8 : 7;
    bool six = *at == '['; /* an IPv6 address stands in brackets */
    at += six;
    size_t bytes = strcspn(at, six ? "]" : ":/");
    if (bytes == 0 || bytes >= LC_MQTT_HOST_BYTES_MAX || strpbrk(at, "@ \t")) {
        return lc_fail(diag, LC_ERR_FORMAT, (uint64_t)(at - url), "no host name");
    }
    memcpy(host, at, bytes);
    host[bytes] = '\0';
    at += bytes + six;
    *port = *tls ? 8883 : 1883;
    if (*at == ':') {
        char *end;
        unsigned long number = strtoul(at + 1, &end, 10);
        if (at[1] < '0' || at[1] > '9' || number == 0 || number > 65535) {
            return lc_fail(diag, LC_ERR_FORMAT, (uint64_t)(at + 1 - url), "no port, 1 to 65535");
        }
        *port = (uint16_t)number;
        at = end;
    }
    if (*at != '\0' && strcmp(at, "/") != 0) {
        return lc_fail(diag, LC_ERR_FORMAT, (uint64_t)(at - url), "nothing follows the port");
    }
    return LC_OK;
}
