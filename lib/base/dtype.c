/* Names and sizes of element types, in one place for formats, metrics and maps. */
#include "vecna/base.h"

const char *vecna_dtype_name(vecna_dtype dtype) {
    static const char *const names[] = {"f32", "f16", "bf16", "f64", "i8", "u8", "i32", "bit"};
    size_t index = (size_t)dtype;
    return index < sizeof names / sizeof names[0] ? names[index] : "unknown";
}

size_t vecna_dtype_bytes(vecna_dtype dtype, size_t dim) {
    switch (dtype) {
    case VECNA_F64:
        return dim * 8;
    case VECNA_F32:
    case VECNA_I32:
        return dim * 4;
    case VECNA_F16:
    case VECNA_BF16:
        return dim * 2;
    case VECNA_I8:
    case VECNA_U8:
        return dim;
    case VECNA_BIT:
        return (dim + 7) / 8;
    }
    return 0;
}
