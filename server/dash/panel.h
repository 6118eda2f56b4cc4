/* What the files of dash share. */
#ifndef VNI_DASH_PANEL_H
#define VNI_DASH_PANEL_H

#include "dash/dash_impl.h"

#include "vecna/codec.h"

/* Each writes one JSON value. */
void vni_panel_traffic(vecna_json_writer *out, const vni_proxy *proxy);
void vni_panel_latency(vecna_json_writer *out, const vni_proxy *proxy);
void vni_panel_upstreams(vecna_json_writer *out, const vni_proxy *proxy);
void vni_panel_maps(vecna_json_writer *out, const vni_proxy *proxy);
void vni_panel_drift(vecna_json_writer *out, const vni_proxy *proxy);
void vni_panel_confidence(vecna_json_writer *out, const vni_proxy *proxy);
void vni_panel_errors(vecna_json_writer *out, const vni_proxy *proxy);

/* POST /dash/try: {"map": name, "texts": [one, two]}. */
void vni_playground(vni_proxy *proxy, vni_exchange *exchange);

/* page.html, and its script's SHA-256 in base64 for the page's own security policy. */
vni_text vni_page_html(void);
const char *vni_page_policy(void);

/* A member of the object that is open. */
void vni_member_text(vecna_json_writer *out, const char *key, const char *value);
void vni_member_count(vecna_json_writer *out, const char *key, uint64_t value);
void vni_member_number(vecna_json_writer *out, const char *key, double value);

/* Answer with the JSON; frees the writer. */
void vni_dash_answer(vni_exchange *exchange, int status, vecna_json_writer *json);
void vni_dash_refuse(vni_exchange *exchange, int status, const char *why);

/* Seconds of the recent past that are shown, the newest one complete. */
enum { VNI_DASH_SECONDS = 120 };
/* The second that began `ago` whole seconds before `now` (Unix time); zeros when nothing happened. */
vni_second vni_second_at(const vni_numbers *numbers, uint64_t now);
uint64_t vni_dash_now(void);

#endif
