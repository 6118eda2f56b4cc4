/* Two texts, embedded by the same upstream and changed by the same map as a client's would be, and what that
 * does to them: dimension, norm, cosine before and after. Both are asked for at once; the answer goes out
 * when the second one is there. */
#include "dash/panel.h"

#include "vecna/metric.h"

#include <string.h>

enum { TEXTS = 2, TEXT_BYTES = 8192, PREVIEW = 8 };

typedef struct vector_pair {
    float *before, *after;
    size_t before_dim, after_dim;
    struct playground *owner;
} vector_pair;

typedef struct playground {
    vni_exchange *exchange;
    char map[65];
    vni_text texts[TEXTS];
    size_t text_count, waiting;
    vector_pair pairs[TEXTS];
    char failure[240];
    int failed;
} playground;

/* ---- the request ------------------------------------------------------------------------------------- */

/* A string value, unescaped, into memory of the exchange; 0 when it is none. */
static int read_string(vni_exchange *exchange, vecna_json *json, vni_text *out) {
    vecna_json_token token;
    vecna_error err;
    char *text;
    if (vecna_json_next(json, &token, &err) != VECNA_OK || token.kind != VECNA_JSON_STRING)
        return 0;
    text = vni_exchange_alloc(exchange, token.bytes + 1);
    if (text == NULL)
        return 0;
    out->at = text;
    out->bytes = vecna_json_unescape(&token, text);
    return 1;
}

static int read_texts(playground *it, vecna_json *json) {
    vecna_json_token token;
    vecna_error err;
    if (vecna_json_next(json, &token, &err) != VECNA_OK || token.kind != VECNA_JSON_ARRAY_BEGIN)
        return 0;
    while (it->text_count < TEXTS) {
        if (!read_string(it->exchange, json, &it->texts[it->text_count]))
            return 0;
        it->text_count++;
    }
    return vecna_json_next(json, &token, &err) == VECNA_OK && token.kind == VECNA_JSON_ARRAY_END;
}

static int read_request(playground *it) {
    vecna_json json;
    vecna_json_token token;
    vecna_error err;
    vni_text map = {"default", 7};
    vecna_json_init(&json, it->exchange->body, it->exchange->body_bytes, 8);
    if (vecna_json_next(&json, &token, &err) != VECNA_OK || token.kind != VECNA_JSON_OBJECT_BEGIN)
        return 0;
    for (;;) {
        if (vecna_json_next(&json, &token, &err) != VECNA_OK)
            return 0;
        if (token.kind == VECNA_JSON_OBJECT_END)
            break;
        if (vecna_json_is(&token, "map") ? !read_string(it->exchange, &json, &map)
            : vecna_json_is(&token, "texts") && it->text_count == 0 ? !read_texts(it, &json)
                                                                    : 1)
            return 0;
    }
    if (it->text_count != TEXTS || map.bytes >= sizeof it->map || memchr(map.at, 0, map.bytes))
        return 0;
    memcpy(it->map, map.at, map.bytes);
    it->map[map.bytes] = 0;
    for (size_t i = 0; i < TEXTS; i++)
        if (it->texts[i].bytes == 0 || it->texts[i].bytes > TEXT_BYTES)
            return 0;
    return 1;
}

/* ---- the answer --------------------------------------------------------------------------------------- */

static void write_side(vecna_json_writer *out, const char *key, const float *one, const float *two,
                       size_t one_dim, size_t two_dim) {
    vecna_json_write_key(out, key);
    vecna_json_write_object_begin(out);
    vni_member_count(out, "dim", one_dim);
    vecna_json_write_key(out, "norms");
    vecna_json_write_array_begin(out);
    vecna_json_write_f64(out, vecna_metric_norm(one, one_dim));
    vecna_json_write_f64(out, vecna_metric_norm(two, two_dim));
    vecna_json_write_array_end(out);
    vecna_json_write_key(out, "cosine");
    if (one_dim == two_dim)
        vecna_json_write_f64(out, 1 - vecna_metric_cosine(one, two, one_dim));
    else
        vecna_json_write_null(out);
    vecna_json_write_key(out, "heads"); /* the first numbers of each */
    vecna_json_write_array_begin(out);
    vecna_json_write_floats(out, one, one_dim < PREVIEW ? one_dim : PREVIEW);
    vecna_json_write_floats(out, two, two_dim < PREVIEW ? two_dim : PREVIEW);
    vecna_json_write_array_end(out);
    vecna_json_write_object_end(out);
}

static void finish(playground *it) {
    const vector_pair *one = &it->pairs[0], *two = &it->pairs[1];
    vecna_json_writer out;
    if (it->failed) {
        vni_dash_refuse(it->exchange, 502, it->failure);
        return;
    }
    vecna_json_writer_init(&out, 1 << 16, NULL);
    vecna_json_write_object_begin(&out);
    vni_member_text(&out, "map", it->map);
    write_side(&out, "before", one->before, two->before, one->before_dim, two->before_dim);
    write_side(&out, "after", one->after, two->after, one->after_dim, two->after_dim);
    vecna_json_write_object_end(&out);
    vni_dash_answer(it->exchange, 200, &out);
}

static void fail(playground *it, const char *why) {
    size_t bytes = strlen(why);
    if (it->failed)
        return;
    it->failed = 1;
    if (bytes >= sizeof it->failure)
        bytes = vecna_utf8_valid_bytes(why, sizeof it->failure - 1);
    memcpy(it->failure, why, bytes);
    it->failure[bytes] = 0;
}

static float *copy(playground *it, const float *from, size_t dim) {
    float *to = vni_exchange_alloc(it->exchange, dim * sizeof *to);
    if (to == NULL)
        fail(it, "no memory for the vectors");
    else
        memcpy(to, from, dim * sizeof *to);
    return to;
}

static void came(void *user, const float *before, size_t before_dim, const float *after,
                 size_t after_dim, const char *failure) {
    vector_pair *pair = user;
    playground *it = pair->owner;
    if (failure != NULL) {
        fail(it, failure);
    } else {
        pair->before = copy(it, before, before_dim);
        pair->after = copy(it, after, after_dim);
        pair->before_dim = before_dim;
        pair->after_dim = after_dim;
    }
    if (--it->waiting == 0)
        finish(it);
}

void vni_playground(vni_proxy *proxy, vni_exchange *exchange) {
    static const char type[] = "application/json";
    vni_text given = vni_exchange_field(exchange, "content-type");
    playground *it = vni_exchange_alloc(exchange, sizeof *it);
    if (it == NULL) {
        vni_dash_refuse(exchange, 503, "no memory");
        return;
    }
    memset(it, 0, sizeof *it);
    it->exchange = exchange;
    given.bytes = given.at != NULL && given.bytes > sizeof type - 1 ? sizeof type - 1 : given.bytes;
    if (given.at == NULL || !vni_text_is_nocase(given, type)) {
        vni_dash_refuse(exchange, 415, "send application/json");
        return;
    }
    if (!read_request(it)) {
        vni_dash_refuse(
            exchange, 400,
            "send {\"map\": NAME, \"texts\": [ONE, TWO]}, each text of 1 to 8192 bytes");
        return;
    }
    it->waiting = TEXTS + 1; /* one for this function: an answer may come before it is over */
    for (size_t i = 0; i < TEXTS; i++) {
        vni_try what = {.map = it->map, .text = it->texts[i].at, .text_bytes = it->texts[i].bytes};
        vecna_error err;
        it->pairs[i].owner = it;
        what.done = came;
        what.user = &it->pairs[i];
        if (vni_proxy_try(proxy, &what, &err) != VECNA_OK) {
            fail(it, err.message);
            it->waiting--;
        }
    }
    if (--it->waiting == 0)
        finish(it);
}
