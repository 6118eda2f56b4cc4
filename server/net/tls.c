/* TLS towards clients, by OpenSSL: 1.2 and 1.3, forward-secret authenticated ciphers, no compression,
 * no renegotiation, ALPN http/1.1. A new certificate is read beside the old one and swapped in only
 * when it is sound; connections keep the one that they began with. */
#include "net/server.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

struct vni_tls {
    const vecna_allocator *allocator;
    const char *certificate_file, *key_file; /* the server's copies */
    pthread_mutex_t lock;
    SSL_CTX *context;
};

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                           const unsigned char *in, unsigned in_bytes, void *user) {
    static const unsigned char ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)user;
    if (SSL_select_next_proto(&chosen, out_bytes, ours, sizeof ours, in, in_bytes) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL's own words for what went wrong; it has none for files that cannot be opened. */
static vecna_status openssl_error(const char *what, const char *file, vecna_error *err) {
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot use %s '%s': %s", what, file,
                           reason != NULL ? reason : "not a PEM file of that kind");
}

static vecna_status check_readable(const char *what, const char *file, vecna_error *err) {
    FILE *opened = fopen(file, "re");
    if (opened == NULL)
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read %s '%s': %s", what, file,
                               strerror(errno));
    fclose(opened);
    return VECNA_OK;
}

static vecna_status load_pair(SSL_CTX *context, const char *certificate_file, const char *key_file,
                              vecna_error *err) {
    vecna_status status = check_readable("the certificate file", certificate_file, err);
    if (status == VECNA_OK)
        status = check_readable("the key file", key_file, err);
    if (status != VECNA_OK)
        return status;
    if (SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1)
        return openssl_error("the certificate file", certificate_file, err);
    if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(context) == 1)
        return VECNA_OK;
    if (ERR_GET_REASON(ERR_peek_last_error()) != X509_R_KEY_VALUES_MISMATCH)
        return openssl_error("the key file", key_file, err);
    ERR_clear_error();
    return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                           "the key of '%s' does not belong to the certificate of '%s'", key_file,
                           certificate_file);
}

static vecna_status make_context(const char *certificate_file, const char *key_file, SSL_CTX **out,
                                 vecna_error *err) {
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    vecna_status status;
    if (context == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for TLS");
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    status = load_pair(context, certificate_file, key_file, err);
    if (status != VECNA_OK) {
        SSL_CTX_free(context);
        return status;
    }
    *out = context;
    return VECNA_OK;
}

vecna_status vni_tls_open(const char *certificate_file, const char *key_file,
                          const vecna_allocator *allocator, vni_tls **out, vecna_error *err) {
    vni_tls *tls = vecna_allocate_zero(allocator, 1, sizeof *tls);
    vecna_status status;
    if (tls == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for TLS");
    tls->allocator = allocator;
    tls->certificate_file = certificate_file;
    tls->key_file = key_file;
    status = make_context(certificate_file, key_file, &tls->context, err);
    if (status != VECNA_OK) {
        vecna_release(allocator, tls);
        return status;
    }
    pthread_mutex_init(&tls->lock, NULL);
    *out = tls;
    return VECNA_OK;
}

vecna_status vni_tls_reload(vni_tls *tls, vecna_error *err) {
    SSL_CTX *fresh, *old;
    vecna_status status = make_context(tls->certificate_file, tls->key_file, &fresh, err);
    if (status != VECNA_OK)
        return status;
    pthread_mutex_lock(&tls->lock);
    old = tls->context;
    tls->context = fresh;
    pthread_mutex_unlock(&tls->lock);
    SSL_CTX_free(old);
    return VECNA_OK;
}

void vni_tls_close(vni_tls *tls) {
    if (tls == NULL)
        return;
    pthread_mutex_destroy(&tls->lock);
    SSL_CTX_free(tls->context);
    vecna_release(tls->allocator, tls);
}

/* ---- connections: vni_tls_conn is OpenSSL's own object --------------------------------------------------- */

static SSL *ssl_of(vni_tls_conn *conn) {
    return (SSL *)(void *)conn;
}

vni_tls_conn *vni_tls_conn_new(vni_tls *tls, int fd) {
    SSL *ssl;
    pthread_mutex_lock(&tls->lock);
    ssl = SSL_new(tls->context);
    pthread_mutex_unlock(&tls->lock);
    if (ssl != NULL && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ssl = NULL;
    }
    if (ssl != NULL)
        SSL_set_accept_state(ssl);
    ERR_clear_error();
    return (vni_tls_conn *)(void *)ssl;
}

void vni_tls_conn_free(vni_tls_conn *conn) {
    SSL_free(ssl_of(conn));
}

/* 0 when OpenSSL waits for the socket, -1 for everything else. */
static int verdict(SSL *ssl, int result) {
    int reason = SSL_get_error(ssl, result);
    ERR_clear_error();
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

int vni_tls_handshake(vni_tls_conn *conn) {
    int result = SSL_do_handshake(ssl_of(conn));
    return result == 1 ? 1 : verdict(ssl_of(conn), result);
}

ptrdiff_t vni_tls_read(vni_tls_conn *conn, char *out, size_t room) {
    size_t got = 0;
    int result = SSL_read_ex(ssl_of(conn), out, room, &got);
    return result == 1 ? (ptrdiff_t)got : verdict(ssl_of(conn), result);
}

ptrdiff_t vni_tls_write(vni_tls_conn *conn, const char *data, size_t bytes) {
    size_t sent = 0;
    int result = SSL_write_ex(ssl_of(conn), data, bytes, &sent);
    return result == 1 ? (ptrdiff_t)sent : verdict(ssl_of(conn), result);
}

/* The closing word; nobody waits for the other's. */
void vni_tls_goodbye(vni_tls_conn *conn) {
    if (SSL_is_init_finished(ssl_of(conn)))
        SSL_shutdown(ssl_of(conn));
    ERR_clear_error();
}
