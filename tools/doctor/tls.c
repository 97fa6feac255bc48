/* tls.c - the handshake on its own, because the MQTT library only says that "a TLS error occurred".
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "doctor.h"

#define DAY_S 86400
#define SOON_DAYS 30
#define SYSTEM_CA_FOLDER "/etc/ssl/certs"

/* The newest reason of OpenSSL's own list. */
static const char *reason_text(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;
    return text ? text : "no reason given";
}

/* Days until a certificate ends; negative when it has ended. */
static int days_left(const X509 *cert)
{
    int days = 0, seconds = 0;
    return ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) ? days : 0;
}

static X509 *cert_read(const char *path)
{
    FILE *file = fopen(path, "r");
    X509 *cert = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (file) {
        fclose(file);
    }
    return cert;
}

/* Our own certificate: readable, in time, with its key, named like the device. */
static bool own_cert_check(lc_doctor *d, SSL_CTX *ctx)
{
    const lc_config *c = &d->config;
    char name[128] = "";
    if (SSL_CTX_use_certificate_chain_file(ctx, c->cert) != 1) {
        lc_doctor_fail(d, LC_EXIT_BOARD, "certificate", "%s: cannot be used: %s", c->cert,
                       reason_text());
        return false;
    }
    if (SSL_CTX_use_PrivateKey_file(ctx, c->key, SSL_FILETYPE_PEM) != 1) {
        lc_doctor_fail(d, LC_EXIT_BOARD, "certificate", "%s: cannot be used with %s: %s", c->key,
                       c->cert, reason_text());
        return false;
    }
    X509 *cert = cert_read(c->cert);
    int days = cert ? days_left(cert) : 0;
    if (cert) {
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);
    }
    X509_free(cert);
    if (days < 0) {
        lc_doctor_fail(d, LC_EXIT_REJECTED, "certificate", "%s ended %d days ago", c->cert, -days);
        lc_doctor_remedy(d, "have a new one signed for this device");
        return false;
    }
    if (strcmp(name, c->dev) != 0) {
        lc_doctor_warn(d, "certificate", "%s is for \"%s\", this device is \"%s\"", c->cert, name,
                       c->dev);
        lc_doctor_remedy(d, "brokers that take the name on the certificate as user name will not "
                            "let it write its own topics");
    } else if (days < SOON_DAYS) {
        lc_doctor_warn(d, "certificate", "%s ends in %d days", c->cert, days);
        lc_doctor_remedy(d, "have a new one signed for this device");
    } else {
        lc_doctor_ok(d, "certificate", "%s, for \"%s\", %d days left", c->cert, name, days);
    }
    return true;
}

static SSL_CTX *context_make(lc_doctor *d)
{
    const lc_config *c = &d->config;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx) {
        return NULL;
    }
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    int rc = c->ca[0] ? SSL_CTX_load_verify_locations(ctx, c->ca, NULL)
                      : SSL_CTX_load_verify_locations(ctx, NULL, SYSTEM_CA_FOLDER);
    if (rc != 1) {
        lc_doctor_fail(d, LC_EXIT_BOARD, "certificate", "%s: cannot be used: %s",
                       c->ca[0] ? c->ca : SYSTEM_CA_FOLDER, reason_text());
        lc_doctor_remedy(d, "broker.tls.ca names the authority that signed the broker's "
                            "certificate");
        SSL_CTX_free(ctx);
        return NULL;
    }
    if (c->cert[0] && !own_cert_check(d, ctx)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* The name or address that must stand on the broker's certificate. */
static void host_expect(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1) {
        SSL_set1_host(ssl, host);
        SSL_set_tlsext_host_name(ssl, host);
    }
}

static void verify_explain(lc_doctor *d, long result, int days)
{
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        lc_doctor_remedy(d,
                         "renew the broker's certificate (it ended %d days ago), or set this "
                         "clock",
                         -days);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        lc_doctor_remedy(d, "this clock is behind: set it, or wait for NTP");
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        lc_doctor_remedy(d, "use the name that stands on the certificate in broker.url");
        break;
    default:
        lc_doctor_remedy(d, "broker.tls.ca must hold the authority that signed the broker's "
                            "certificate");
    }
}

/* After the handshake: whom did we meet? */
static bool broker_cert_check(lc_doctor *d, SSL *ssl, const char *host)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    long result = SSL_get_verify_result(ssl);
    int days = cert ? days_left(cert) : 0;
    X509_free(cert);
    if (!cert) {
        lc_doctor_fail(d, LC_EXIT_BUSY, "tls", "the broker shows no certificate");
        return false;
    }
    if (result != X509_V_OK) {
        lc_doctor_fail(d, LC_EXIT_BUSY, "tls", "the certificate of %s: %s", host,
                       X509_verify_cert_error_string(result));
        verify_explain(d, result, days);
        return false;
    }
    if (days < SOON_DAYS) {
        lc_doctor_warn(d, "tls", "%s; the broker's certificate ends in %d days",
                       SSL_get_version(ssl), days);
        lc_doctor_remedy(d, "renew it");
    } else {
        lc_doctor_ok(d, "tls", "%s, certificate of %s good for %d days", SSL_get_version(ssl), host,
                     days);
    }
    return true;
}

bool lc_doctor_tls(lc_doctor *d, const char *host, int socket)
{
    bool good = false;
    ERR_clear_error();
    SSL_CTX *ctx = context_make(d);
    SSL *ssl = ctx ? SSL_new(ctx) : NULL;
    if (ssl) {
        host_expect(ssl, host);
        SSL_set_fd(ssl, socket);
        if (SSL_connect(ssl) == 1) { /* nothing is refused here, so that the reason can be told */
            good = broker_cert_check(d, ssl, host);
            SSL_shutdown(ssl);
        } else {
            lc_doctor_fail(d, LC_EXIT_BUSY, "tls", "the handshake fails: %s", reason_text());
            lc_doctor_remedy(d, "is this port for TLS? mqtt:// is for clear text; 1883 is the "
                                "usual port for it, 8883 for TLS");
        }
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return good;
}
