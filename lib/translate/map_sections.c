/* The optional parts of a map, and what concerns all of them. */
#include "translate/map_file_impl.h"

const vni_map_section *const vni_map_sections[] = {
    &vni_map_spaces, &vni_map_statistics, &vni_map_kinds, &vni_map_held, &vni_map_memory, NULL,
};
