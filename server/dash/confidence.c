/* How sure the learned maps were of the vectors they gave: answers by confidence, 0 to 1, for each map that
 * carries a calibrated one. */
#include "dash/panel.h"

void vni_panel_confidence(vecna_json_writer *out, const vni_proxy *proxy) {
    const vni_numbers *numbers = vni_proxy_numbers(proxy);
    vecna_json_write_array_begin(out);
    for (size_t i = 0; i < numbers->map_count; i++) {
        const vni_map_numbers *map = &numbers->maps[i];
        uint64_t all = 0;
        for (size_t j = 0; j < VNI_CONFIDENCE_BUCKETS; j++)
            all += map->confidence[j];
        if (all == 0)
            continue;
        vecna_json_write_object_begin(out);
        vni_member_text(out, "map", map->name);
        vni_member_count(out, "count", all);
        vecna_json_write_key(out, "buckets");
        vecna_json_write_array_begin(out);
        for (size_t j = 0; j < VNI_CONFIDENCE_BUCKETS; j++)
            vecna_json_write_u64(out, map->confidence[j]);
        vecna_json_write_array_end(out);
        vecna_json_write_object_end(out);
    }
    vecna_json_write_array_end(out);
}
