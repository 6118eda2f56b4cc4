/* Every map that is served: what it does, and what passed through it. */
#include "dash/panel.h"

#include <string.h>

static const vni_map_numbers *numbers_of(const vni_proxy *proxy, const char *name) {
    const vni_numbers *numbers = vni_proxy_numbers(proxy);
    for (size_t i = 0; i < numbers->map_count; i++)
        if (strcmp(numbers->maps[i].name, name) == 0)
            return &numbers->maps[i];
    return NULL;
}

void vni_panel_maps(vecna_json_writer *out, const vni_proxy *proxy) {
    size_t count = vni_proxy_map_count(proxy);
    vecna_json_write_array_begin(out);
    for (size_t i = 0; i < count; i++) {
        static const vni_map_numbers none;
        vni_map_view map;
        const vni_map_numbers *passed;
        vni_proxy_map_at(proxy, i, &map);
        passed = numbers_of(proxy, map.name);
        if (passed == NULL)
            passed = &none;
        vecna_json_write_object_begin(out);
        vni_member_text(out, "name", map.name);
        vni_member_text(out, "target", map.target);
        vni_member_text(out, "kind", map.kind);
        vni_member_text(out, "verdict", map.verdict);
        vni_member_count(out, "source_dim", map.source_dim);
        vni_member_count(out, "target_dim", map.target_dim);
        vni_member_count(out, "requests", passed->requests);
        vni_member_count(out, "errors", passed->errors);
        vni_member_count(out, "inputs", passed->inputs);
        vni_member_count(out, "tokens", passed->tokens);
        vecna_json_write_object_end(out);
    }
    vecna_json_write_array_end(out);
}
