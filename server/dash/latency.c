/* Where the time goes: upstream, and what vecna adds. Quantiles since the start come from the histograms of
 * /metrics; the recent past is shown as means of each second. */
#include "dash/panel.h"

static void quantiles(vecna_json_writer *out, const char *key, const vni_histogram *from) {
    vecna_json_write_key(out, key);
    vecna_json_write_object_begin(out);
    vni_member_count(out, "count", from->all);
    vni_member_number(out, "mean", from->all > 0 ? from->sum / (double)from->all : 0);
    vni_member_number(out, "p50", vni_histogram_quantile(from, 0.5));
    vni_member_number(out, "p90", vni_histogram_quantile(from, 0.9));
    vni_member_number(out, "p99", vni_histogram_quantile(from, 0.99));
    vecna_json_write_object_end(out);
}

void vni_panel_latency(vecna_json_writer *out, const vni_proxy *proxy) {
    const vni_numbers *numbers = vni_proxy_numbers(proxy);
    uint64_t now = vni_dash_now();
    vecna_json_write_object_begin(out);
    quantiles(out, "total", &numbers->total);
    quantiles(out, "upstream", &numbers->upstream);
    quantiles(out, "overhead", &numbers->overhead);
    vecna_json_write_key(out,
                         "seconds"); /* means [upstream, overhead] in us; null without requests */
    vecna_json_write_array_begin(out);
    for (uint64_t ago = VNI_DASH_SECONDS; ago > 0; ago--) {
        vni_second second = vni_second_at(numbers, now - ago);
        if (second.requests == 0) {
            vecna_json_write_null(out);
            continue;
        }
        vecna_json_write_array_begin(out);
        vecna_json_write_u64(out, second.upstream_us / second.requests);
        vecna_json_write_u64(out, second.overhead_us / second.requests);
        vecna_json_write_array_end(out);
    }
    vecna_json_write_array_end(out);
    vecna_json_write_object_end(out);
}
