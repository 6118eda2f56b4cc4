/* The HTTP/1.1 parser: bytes in, structs out, no I/O and no memory of its own. */
#ifndef VNI_NET_HTTP1_H
#define VNI_NET_HTTP1_H

#include "net/net_impl.h"

/* What a call came to. Everything below 0 is minus the status to refuse the request with; `reason`
 * says why, in a sentence for the client. */
enum { VNI_HTTP_MORE = 0, VNI_HTTP_DONE = 1 };

/* A request line and its header block. Zero it, set the limits and the room, then call vni_http_head
 * with all bytes seen so far whenever there are more; the bytes must stay where they are. */
typedef struct vni_http_head {
    /* set by the caller */
    size_t limit_bytes; /* of the whole head */
    vni_field *fields;  /* room for limit_fields */
    size_t limit_fields;
    /* what was read */
    vni_method method;
    vni_text method_text, target, path, query, host;
    size_t field_count;
    int minor;              /* of HTTP/1.x */
    int64_t content_length; /* -1: no such field */
    unsigned chunked, keep_alive, expects_continue;
    size_t head_bytes; /* once done: where the body begins */
    const char *reason;
    /* where it is */
    size_t line, searched;
    unsigned stage, has_host, has_encoding, said_close, said_keep;
} vni_http_head;

int vni_http_read_head(vni_http_head *head, const char *data, size_t bytes);

/* A chunked body. Zero it, set the limits, then give it bytes as they come. */
typedef struct vni_http_chunks {
    uint64_t limit_bytes; /* of the decoded body */
    /* where it is */
    uint64_t left;   /* of the chunk */
    uint64_t total;  /* of the decoded body */
    size_t overhead; /* bytes of extensions and trailers */
    size_t digits;
    unsigned stage, trailer_at; /* trailer_at of an extension: its name, or value, has begun */
    unsigned trailers;
    char name[32]; /* of the trailer, as far as it matters */
    const char *reason;
} vni_http_chunks;

/* Takes bytes from data[*at .. bytes) until a piece of the body, the end or the end of the bytes. *at
 * moves; *piece is what was found of the body (bytes 0: nothing). DONE after the last trailer. */
int vni_http_read_chunks(vni_http_chunks *chunks, const char *data, size_t bytes, size_t *at,
                         vni_text *piece);

#endif
