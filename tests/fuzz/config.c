/* vecna.yaml of any bytes: read, checked and given back; every setting and every mistake on the way. */
#include "proxy/config.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char *const environment[] = {"KEY=value", "VECNA_LISTEN=127.0.0.1:1",
                                              "VECNA_KEYS_0_NAME=n", NULL};
    vni_config_source source = {NULL, (const char *)data, bytes, environment, NULL};
    vni_config *config = NULL;
    vecna_error err;
    if (vni_config_read(&source, &config, &err) != VECNA_OK)
        return 0;
    if (vni_config_check(config, &err) == VECNA_OK)
        for (size_t i = 0; i < config->extra_maps.count; i++) {
            vni_config_map whole = vni_config_map_effective(config, &config->extra_maps.items[i]);
            if (whole.normalize != 0 && whole.normalize != 1)
                __builtin_trap();
        }
    vni_config_free(config);
    return 0;
}
