/* The last errors that clients were given, newest first. */
#include "dash/panel.h"

void vni_panel_errors(vecna_json_writer *out, const vni_proxy *proxy) {
    const vni_numbers *numbers = vni_proxy_numbers(proxy);
    vecna_json_write_array_begin(out);
    for (size_t i = 1; i <= VNI_ERRORS_KEPT; i++) {
        const vni_recent_error *error =
            &numbers->recent[(numbers->recent_next + VNI_ERRORS_KEPT - i) % VNI_ERRORS_KEPT];
        if (error->at_ms == 0)
            break;
        vecna_json_write_object_begin(out);
        vni_member_count(out, "at", error->at_ms / 1000);
        vni_member_count(out, "status", (uint64_t)error->status);
        vni_member_text(out, "map", error->map);
        vni_member_text(out, "message", error->message);
        vecna_json_write_object_end(out);
    }
    vecna_json_write_array_end(out);
}
