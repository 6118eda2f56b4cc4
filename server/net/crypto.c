/* What the rest of the server needs of a cryptographic library, so that OpenSSL has one user. */
#define _GNU_SOURCE
#include "net/net_impl.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <unistd.h>

/* Looked up once: the library's own short form asks its providers for the algorithm at every call, which
 * costs as much as the digest of a short text. */
static pthread_once_t fetched = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;

static void fetch(void) {
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

void vni_sha256(const void *data, size_t bytes, unsigned char out[32]) {
    pthread_once(&fetched, fetch);
    if (sha256 == NULL || EVP_Digest(data, bytes, out, NULL, sha256, NULL) != 1)
        SHA256(data, bytes, out);
}

int vni_same_bytes(const void *a, const void *b, size_t bytes) {
    return CRYPTO_memcmp(a, b, bytes) == 0;
}

/* The kernel's generator, 256 bytes a call; it cannot fail once the system is up. */
void vni_random_bytes(void *out, size_t bytes) {
    unsigned char *at = out;
    while (bytes > 0) {
        size_t part = bytes < 256 ? bytes : 256;
        if (getentropy(at, part) != 0)
            continue;
        at += part;
        bytes -= part;
    }
}

void vni_wipe(void *memory, size_t bytes) {
    OPENSSL_cleanse(memory, bytes);
}
