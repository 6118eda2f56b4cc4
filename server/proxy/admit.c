/* Who may ask. The key is looked for in the four places that the providers' clients use, before the body
 * is read, so that a stranger costs a header and no memory. What was presented is never written anywhere:
 * the log knows a key by its name, and ?key= is not in it. */
#include "proxy/proxy.h"

#include <string.h>
#include <strings.h>

vni_text vni_presented_key(vni_exchange *exchange) {
    vni_text text = vni_exchange_field(exchange, "authorization");
    if (text.at && text.bytes > 7 && strncasecmp(text.at, "Bearer ", 7) == 0) {
        text.at += 7;
        text.bytes -= 7;
        while (text.bytes && *text.at == ' ') {
            text.at++;
            text.bytes--;
        }
        return text;
    }
    text = vni_exchange_field(exchange, "x-goog-api-key");
    if (text.at == NULL)
        text = vni_exchange_field(exchange, "api-key");
    if (text.at == NULL)
        text = vni_exchange_query(exchange, "key");
    return text;
}

static int is_google(vni_exchange *exchange) {
    return vni_exchange_field(exchange, "x-goog-api-key").at ||
           vni_exchange_field(exchange, "x-goog-api-client").at ||
           vni_exchange_query(exchange, "key").at;
}

/* The shape that errors of this path take: OpenAI's where the path says nothing. */
static vecna_wire_dialect dialect_of(vni_exchange *exchange) {
    vecna_wire_route route = {0};
    vecna_wire_failure failure = {0};
    vecna_arena arena;
    vecna_wire_text method = {exchange->method_text.at, exchange->method_text.bytes};
    vecna_wire_text target = {exchange->path.at, exchange->path.bytes};
    vecna_arena_init(&arena, 1 << 16, NULL);
    if (vecna_wire_route_parse(method, target, is_google(exchange), &arena, &route, &failure) ==
        VECNA_OK)
        failure.dialect = route.dialect;
    vecna_arena_free(&arena);
    return failure.dialect;
}

/* Health, and the dashboard's page, which holds nothing of this server and asks for the key itself. */
static int is_open(const vni_exchange *exchange) {
    if (vni_text_is(exchange->path, "/"))
        return exchange->method == VNI_GET || exchange->method == VNI_HEAD;
    return vni_text_is(exchange->path, "/healthz") || vni_text_is(exchange->path, "/readyz");
}

static void refuse(vni_proxy *proxy, vni_exchange *exchange, int presented) {
    vecna_wire_failure failure = {0};
    failure.dialect = dialect_of(exchange);
    if (presented)
        vecna_wire_failure_set(&failure, VECNA_WIRE_UNAUTHORIZED, "the API key is not known here");
    else
        vecna_wire_failure_set(
            &failure, VECNA_WIRE_UNAUTHORIZED,
            "an API key is needed: Authorization: Bearer KEY, x-goog-api-key, api-key or ?key=");
    snprintf(failure.code, sizeof failure.code, "invalid_api_key");
    vni_answer_failure(proxy, exchange, &failure);
}

/* Names that nobody else can point to this machine: addresses, localhost, and what resolvers keep local. */
static int is_local_name(vni_text host) {
    static const char *const endings[] = {".localhost", ".local", ".internal"};
    const char *colon = host.bytes ? memchr(host.at, ':', host.bytes) : NULL;
    size_t bytes = colon ? (size_t)(colon - host.at) : host.bytes, digits = 0;
    if (host.bytes == 0 || host.at[0] == '[')
        return 1;
    while (digits < bytes &&
           (host.at[digits] == '.' || (host.at[digits] >= '0' && host.at[digits] <= '9')))
        digits++;
    host.bytes = bytes;
    if (digits == bytes || vni_text_is_nocase(host, "localhost") ||
        memchr(host.at, '.', bytes) == NULL)
        return 1;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t length = strlen(endings[i]);
        vni_text end = {host.at + bytes - length, length};
        if (bytes > length && vni_text_is_nocase(end, endings[i]))
            return 1;
    }
    return 0;
}

/* Without keys, whoever reaches the port is served; a page of some site that a browser of this machine shows
 * is nobody who was meant. It gives itself away by asking across sites, or by a host name of its own that it
 * has pointed here. */
static int is_a_foreign_page(const vni_proxy *proxy, const vni_exchange *exchange) {
    vni_text site = vni_exchange_field(exchange, "sec-fetch-site");
    if (site.at && vni_text_is_nocase(site, "cross-site"))
        return !vni_text_is(exchange->path, "/"); /* a link to the dashboard is no harm */
    return proxy->server && vni_server_is_local(proxy->server) &&
           !is_local_name(vni_exchange_field(exchange, "host"));
}

static void refuse_page(vni_proxy *proxy, vni_exchange *exchange) {
    vecna_wire_failure failure = {0};
    failure.dialect = dialect_of(exchange);
    vecna_wire_failure_set(&failure, VECNA_WIRE_FORBIDDEN,
                           "a page of another site may not use this server: ask it at 127.0.0.1 or "
                           "localhost, or configure API keys");
    vni_answer_failure(proxy, exchange, &failure);
}

int vni_proxy_admits(vni_proxy *proxy, vni_exchange *exchange) {
    const vni_generation *now = proxy->current;
    vni_text key;
    if (now && now->keys.count == 0 && is_a_foreign_page(proxy, exchange)) {
        refuse_page(proxy, exchange);
        return 0;
    }
    if (now == NULL || now->keys.count == 0 || is_open(exchange))
        return 1;
    key = vni_presented_key(exchange);
    if (key.at && vni_keys_find(&now->keys, key.at, key.bytes))
        return 1;
    refuse(proxy, exchange, key.at != NULL);
    return 0;
}

void vni_proxy_admit(void *user, vni_exchange *exchange) {
    (void)vni_proxy_admits(user, exchange);
}
