/* Live throughput: what was asked in each of the last seconds, and since the start. */
#include "dash/panel.h"

void vni_panel_traffic(vecna_json_writer *out, const vni_proxy *proxy) {
    const vni_numbers *numbers = vni_proxy_numbers(proxy);
    vni_server_counts counts = {0};
    uint64_t now = vni_dash_now();
    if (vni_proxy_server(proxy) != NULL)
        vni_server_counts_read(vni_proxy_server(proxy), &counts);
    vecna_json_write_object_begin(out);
    vni_member_count(out, "requests", numbers->requests);
    vni_member_count(out, "errors", numbers->errors);
    vni_member_count(out, "inputs", numbers->inputs);
    vni_member_count(out, "tokens", numbers->tokens);
    vni_member_count(out, "cache_hits", numbers->cache_hits);
    vni_member_count(out, "cache_misses", numbers->cache_misses);
    vni_member_count(out, "connections", counts.open);
    vni_member_count(out, "in_flight", counts.in_flight);
    vni_member_count(out, "malformed", counts.malformed);
    vecna_json_write_key(out, "seconds"); /* [requests, errors, inputs], oldest first */
    vecna_json_write_array_begin(out);
    for (uint64_t ago = VNI_DASH_SECONDS; ago > 0; ago--) {
        vni_second second = vni_second_at(numbers, now - ago);
        vecna_json_write_array_begin(out);
        vecna_json_write_u64(out, second.requests);
        vecna_json_write_u64(out, second.errors);
        vecna_json_write_u64(out, second.inputs);
        vecna_json_write_array_end(out);
    }
    vecna_json_write_array_end(out);
    vecna_json_write_object_end(out);
}
