/* The way from a path to an answer. The page is served without a key, because a browser's address bar cannot
 * send one: it is the same for everybody and asks for the key itself. What it shows comes from /dash/data,
 * which the proxy guards as it guards everything else.
 *
 * A page of another site must not be able to use this one. No answer allows a cross-origin read, the
 * playground takes application/json only (which such a page cannot send unasked), and the page's policy
 * forbids it every source but its own. */
#include "dash/panel.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t vni_dash_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec;
}

vni_second vni_second_at(const vni_numbers *numbers, uint64_t now) {
    const vni_second *found = &numbers->seconds[now % VNI_SECONDS];
    vni_second none = {0};
    none.at = now;
    return found->at == now ? *found : none;
}

void vni_member_text(vecna_json_writer *out, const char *key, const char *value) {
    vecna_json_write_key(out, key);
    vecna_json_write_string(out, value);
}
void vni_member_count(vecna_json_writer *out, const char *key, uint64_t value) {
    vecna_json_write_key(out, key);
    vecna_json_write_u64(out, value);
}
void vni_member_number(vecna_json_writer *out, const char *key, double value) {
    vecna_json_write_key(out, key);
    vecna_json_write_f64(out, value);
}

static void answer(vni_exchange *exchange, int status, const char *type, vni_text body,
                   const char *policy) {
    vni_field fields[] = {
        {vni_text_of("Cache-Control"), vni_text_of("no-store")},
        {vni_text_of("X-Content-Type-Options"), vni_text_of("nosniff")},
        {vni_text_of("Referrer-Policy"), vni_text_of("no-referrer")},
        {vni_text_of("Content-Security-Policy"), vni_text_of(policy)},
    };
    vni_answer out = {.status = status, .content_type = type, .fields = fields};
    out.field_count = sizeof fields / sizeof *fields;
    out.body = body.at;
    out.body_bytes = body.bytes;
    vni_answer_send(exchange, &out);
}

void vni_dash_answer(vni_exchange *exchange, int status, vecna_json_writer *json) {
    vecna_error err;
    if (vecna_json_writer_finish(json, &err) == VECNA_OK)
        answer(exchange, status, "application/json", (vni_text){json->text, json->bytes},
               "default-src 'none'");
    else
        answer(exchange, 500, "text/plain", vni_text_of("the numbers could not be written\n"),
               "default-src 'none'");
    vecna_json_writer_free(json);
}

void vni_dash_refuse(vni_exchange *exchange, int status, const char *why) {
    vecna_json_writer out;
    vecna_json_writer_init(&out, 4096, NULL);
    vecna_json_write_object_begin(&out);
    vni_member_text(&out, "error", why);
    vecna_json_write_object_end(&out);
    vni_dash_answer(exchange, status, &out);
}

static const struct panel {
    const char *name;
    void (*write)(vecna_json_writer *out, const vni_proxy *proxy);
} panels[] = {
    {"traffic", vni_panel_traffic},     {"latency", vni_panel_latency},
    {"upstreams", vni_panel_upstreams}, {"maps", vni_panel_maps},
    {"drift", vni_panel_drift},         {"confidence", vni_panel_confidence},
    {"errors", vni_panel_errors},
};

static void answer_data(vni_proxy *proxy, vni_exchange *exchange) {
    vecna_json_writer out;
    vecna_json_writer_init(&out, 16 << 20, NULL);
    vecna_json_write_object_begin(&out);
    vni_member_text(&out, "version", VECNA_VERSION);
    vni_member_count(&out, "now", vni_dash_now());
    vni_member_count(&out, "started", vni_proxy_numbers(proxy)->started_ms / 1000);
    for (size_t i = 0; i < sizeof panels / sizeof *panels; i++) {
        vecna_json_write_key(&out, panels[i].name);
        panels[i].write(&out, proxy);
    }
    vecna_json_write_object_end(&out);
    vni_dash_answer(exchange, 200, &out);
}

int vni_dash_page(void *user, vni_proxy *proxy, vni_exchange *exchange) {
    int get = exchange->method == VNI_GET || exchange->method == VNI_HEAD;
    (void)user;
    if (get && vni_text_is(exchange->path, "/"))
        answer(exchange, 200, "text/html; charset=utf-8", vni_page_html(), vni_page_policy());
    else if (get && vni_text_is(exchange->path, "/dash/data"))
        answer_data(proxy, exchange);
    else if (exchange->method == VNI_POST && vni_text_is(exchange->path, "/dash/try"))
        vni_playground(proxy, exchange);
    else
        return 0;
    return 1;
}
