/* The canary of each target: the same text is embedded again and again, and its vector held against the
 * first one. A cosine that leaves 1 says that another model answers. */
#include "dash/panel.h"

void vni_panel_drift(vecna_json_writer *out, const vni_proxy *proxy) {
    const vni_target *targets;
    const vni_canary_state *canaries;
    size_t count = vni_proxy_targets(proxy, &targets, &canaries);
    vecna_json_write_array_begin(out);
    for (size_t i = 0; i < count; i++) {
        const vni_canary_state *canary = &canaries[i];
        vecna_json_write_object_begin(out);
        vni_member_text(out, "target", targets[i].options.name);
        vecna_json_write_key(out, "known");
        vecna_json_write_bool(out, canary->known);
        vni_member_number(out, "cosine", canary->cosine);
        vni_member_number(out, "norm", canary->norm);
        vecna_json_write_key(out, "drifted");
        vecna_json_write_bool(out, canary->drifted);
        vni_member_count(out, "at", canary->at_ms / 1000);
        vni_member_text(out, "problem", canary->problem);
        vecna_json_write_object_end(out);
    }
    vecna_json_write_array_end(out);
}
