/* Health and cooldown of every server behind every target. Keys of servers are never part of it. */
#include "dash/panel.h"

static void write_endpoint(vecna_json_writer *out, const vni_endpoint *endpoint) {
    uint64_t now = vni_clock_us(), rest = 0;
    if (endpoint->state == VNI_ENDPOINT_RESTING && endpoint->rest_until_us > now)
        rest = (endpoint->rest_until_us - now) / 1000;
    vecna_json_write_object_begin(out);
    vni_member_text(out, "url", endpoint->url);
    vni_member_text(out, "state", vni_endpoint_state_name(endpoint->state));
    vecna_json_write_key(out, "healthy");
    vecna_json_write_bool(out, !endpoint->unwell);
    vni_member_count(out, "rest_ms", rest);
    vni_member_count(out, "failures", endpoint->failures);
    vni_member_count(out, "in_flight", endpoint->in_flight);
    vni_member_count(out, "calls", endpoint->calls);
    vni_member_count(out, "failed", endpoint->failed);
    vni_member_count(out, "inputs", endpoint->inputs);
    vni_member_number(
        out, "mean_ms",
        endpoint->calls > 0 ? (double)endpoint->busy_us / (double)endpoint->calls / 1000 : 0);
    vni_member_text(out, "last_error", endpoint->last_error);
    vecna_json_write_object_end(out);
}

void vni_panel_upstreams(vecna_json_writer *out, const vni_proxy *proxy) {
    const vni_target *targets;
    const vni_canary_state *canaries;
    size_t count = vni_proxy_targets(proxy, &targets, &canaries);
    vecna_json_write_array_begin(out);
    for (size_t i = 0; i < count; i++) {
        vecna_json_write_object_begin(out);
        vni_member_text(out, "target", targets[i].options.name);
        vni_member_count(out, "dim", targets[i].dim);
        vni_member_count(out, "batch_inputs", targets[i].batch_inputs);
        vni_member_count(out, "retries", targets[i].retries);
        vecna_json_write_key(out, "endpoints");
        vecna_json_write_array_begin(out);
        for (size_t j = 0; j < targets[i].options.endpoint_count; j++)
            write_endpoint(out, &targets[i].endpoints[j]);
        vecna_json_write_array_end(out);
        vecna_json_write_object_end(out);
    }
    vecna_json_write_array_end(out);
}
