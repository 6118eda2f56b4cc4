/* Stored numbers to float32 and back. Files are little-endian unless they say otherwise; the code
 * does not care what the machine is. Loads and stores go by memcpy, because a file promises no
 * alignment; compilers make plain vector loads of it. */
#include "format/format_impl.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name, *big_endian_name;
    size_t bytes;
    vecna_dtype dtype;
} elements[] = {
    [VNI_F32] = {"f32", "f32 big-endian", 4, VECNA_F32},
    [VNI_F16] = {"f16", "f16 big-endian", 2, VECNA_F16},
    [VNI_BF16] = {"bf16", "bf16 big-endian", 2, VECNA_BF16},
    [VNI_F64] = {"f64", "f64 big-endian", 8, VECNA_F64},
    [VNI_I8] = {"i8", "i8", 1, VECNA_I8},
    [VNI_U8] = {"u8", "u8", 1, VECNA_U8},
    [VNI_I16] = {"i16", "i16 big-endian", 2, VECNA_F32},
    [VNI_U16] = {"u16", "u16 big-endian", 2, VECNA_F32},
    [VNI_I32] = {"i32", "i32 big-endian", 4, VECNA_I32},
    [VNI_U32] = {"u32", "u32 big-endian", 4, VECNA_F32},
    [VNI_I64] = {"i64", "i64 big-endian", 8, VECNA_F32},
    [VNI_U64] = {"u64", "u64 big-endian", 8, VECNA_F32},
};

size_t vni_element_bytes(vni_element element) {
    return elements[element].bytes;
}

const char *vni_element_name(vni_element element, int big_endian) {
    return big_endian ? elements[element].big_endian_name : elements[element].name;
}

vecna_dtype vni_element_dtype(vni_element element) {
    return elements[element].dtype;
}

int vni_element_of(vecna_dtype dtype, vni_element *out) {
    static const vni_element of[] = {
        [VECNA_F32] = VNI_F32, [VECNA_F16] = VNI_F16, [VECNA_BF16] = VNI_BF16,
        [VECNA_F64] = VNI_F64, [VECNA_I8] = VNI_I8,   [VECNA_U8] = VNI_U8,
        [VECNA_I32] = VNI_I32,
    };
    if ((size_t)dtype >= sizeof of / sizeof *of)
        return 0;
    *out = of[dtype];
    return 1;
}

static uint16_t swapped16(uint16_t bits) {
    return (uint16_t)(bits << 8 | bits >> 8);
}
static uint32_t swapped32(uint32_t bits) {
    return __builtin_bswap32(bits);
}
static uint64_t swapped64(uint64_t bits) {
    return __builtin_bswap64(bits);
}

/* 16-bit floats are base's; in the other byte order they are turned first, a piece at a time. */
static void halves_to_floats(float *out, const unsigned char *from, size_t count, int swap,
                             void (*convert)(float *, const void *, size_t)) {
    uint16_t piece[512];
    if (!swap) {
        convert(out, from, count);
        return;
    }
    for (size_t at = 0; at < count; at += sizeof piece / sizeof *piece) {
        size_t part =
            count - at < sizeof piece / sizeof *piece ? count - at : sizeof piece / sizeof *piece;
        memcpy(piece, from + at * sizeof *piece, part * sizeof *piece);
        for (size_t i = 0; i < part; i++)
            piece[i] = swapped16(piece[i]);
        convert(out + at, piece, part);
    }
}

static void floats_to_halves(unsigned char *to, const float *data, size_t count, int swap,
                             void (*convert)(void *, const float *, size_t)) {
    convert(to, data, count);
    for (size_t i = 0; swap && i < count; i++) {
        unsigned char first = to[2 * i];
        to[2 * i] = to[2 * i + 1];
        to[2 * i + 1] = first;
    }
}

/* One loop a width and type: load the bits, turn them if the file has the other order, convert. */
#define LOAD_LOOP(width, type, expression)                                                         \
    for (size_t i = 0; i < count; i++) {                                                           \
        uint##width##_t bits;                                                                      \
        type value;                                                                                \
        memcpy(&bits, from + i * sizeof bits, sizeof bits);                                        \
        if (swap)                                                                                  \
            bits = swapped##width(bits);                                                           \
        memcpy(&value, &bits, sizeof value);                                                       \
        out[i] = (expression);                                                                     \
    }

void vni_to_floats(float *out, const void *data, size_t count, vni_element element,
                   int big_endian) {
    const unsigned char *from = data;
    int swap = big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
    switch (element) {
    case VNI_F32:
        if (!swap)
            memcpy(out, from, count * sizeof *out);
        else
            LOAD_LOOP(32, float, value)
        break;
    case VNI_F16:
        halves_to_floats(out, from, count, swap, vecna_f16_to_float);
        break;
    case VNI_BF16:
        halves_to_floats(out, from, count, swap, vecna_bf16_to_float);
        break;
    case VNI_F64:
        LOAD_LOOP(64, double, (float)value)
        break;
    case VNI_I8:
        for (size_t i = 0; i < count; i++)
            out[i] = (float)(int8_t)from[i];
        break;
    case VNI_U8:
        for (size_t i = 0; i < count; i++)
            out[i] = (float)from[i];
        break;
    case VNI_I16:
        LOAD_LOOP(16, int16_t, (float)value)
        break;
    case VNI_U16:
        LOAD_LOOP(16, uint16_t, (float)value)
        break;
    case VNI_I32:
        LOAD_LOOP(32, int32_t, (float)value)
        break;
    case VNI_U32:
        LOAD_LOOP(32, uint32_t, (float)value)
        break;
    case VNI_I64:
        LOAD_LOOP(64, int64_t, (float)value)
        break;
    case VNI_U64:
        LOAD_LOOP(64, uint64_t, (float)value)
        break;
    }
}

#define STORE_LOOP(width, type, expression)                                                        \
    for (size_t i = 0; i < count; i++) {                                                           \
        uint##width##_t bits;                                                                      \
        type value = (expression);                                                                 \
        memcpy(&bits, &value, sizeof bits);                                                        \
        if (swap)                                                                                  \
            bits = swapped##width(bits);                                                           \
        memcpy(to + i * sizeof bits, &bits, sizeof bits);                                          \
    }

/* Where the first value that is no whole number of [low, high] stands; count when all are. */
static size_t first_unfit(const float *data, size_t count, double low, double high) {
    for (size_t i = 0; i < count; i++)
        if (!(data[i] >= low && data[i] <= high) || truncf(data[i]) != data[i])
            return i;
    return count;
}

static size_t check_range(const float *data, size_t count, vni_element element) {
    switch (element) {
    case VNI_I8:
        return first_unfit(data, count, INT8_MIN, INT8_MAX);
    case VNI_U8:
        return first_unfit(data, count, 0, UINT8_MAX);
    case VNI_I32:
        return first_unfit(data, count, INT32_MIN, INT32_MAX);
    default:
        return count;
    }
}

vecna_status vni_from_floats(void *out, const float *data, size_t count, vni_element element,
                             size_t *bad) {
    unsigned char *to = out;
    int swap = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;
    size_t unfit = check_range(data, count, element);
    if (unfit < count) {
        *bad = unfit;
        return VECNA_ERR_VALUE;
    }
    switch (element) {
    case VNI_F32:
        if (!swap)
            memcpy(to, data, count * sizeof *data);
        else
            STORE_LOOP(32, float, data[i])
        break;
    case VNI_F16:
        floats_to_halves(to, data, count, swap, vecna_f16_from_float);
        break;
    case VNI_BF16:
        floats_to_halves(to, data, count, swap, vecna_bf16_from_float);
        break;
    case VNI_F64:
        STORE_LOOP(64, double, (double)data[i])
        break;
    case VNI_I8:
        for (size_t i = 0; i < count; i++)
            to[i] = (unsigned char)(int8_t)data[i];
        break;
    case VNI_U8:
        for (size_t i = 0; i < count; i++)
            to[i] = (unsigned char)data[i];
        break;
    case VNI_I32:
        STORE_LOOP(32, int32_t, (int32_t)data[i])
        break;
    default: /* read only: vni_element_of gives none of the others */
        return VECNA_ERR_UNSUPPORTED;
    }
    return VECNA_OK;
}

vecna_status vni_writer_element(const vecna_writer *writer, const char *dtypes, vni_element *out,
                                vecna_error *err) {
    const char *name = vecna_dtype_name(writer->options.dtype);
    if (!vni_word_in(name, dtypes) || !vni_element_of(writer->options.dtype, out))
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "%s cannot be written as %s; its format stores %s", writer->name,
                               name, dtypes);
    return VECNA_OK;
}

static vecna_status unfit_value(const vecna_writer *writer, vecna_view rows, size_t row,
                                size_t column, vni_element element, vecna_error *err) {
    uint64_t number = writer->rows + row;
    return vecna_error_set(
        err, VECNA_ERR_VALUE, (int64_t)number,
        "row %llu, dimension %zu is %g: %s stores whole numbers (%s) only; write "
        "another format or dtype",
        (unsigned long long)number, column, (double)rows.data[row * rows.stride + column],
        writer->name, vni_element_name(element, 0));
}

vecna_status vni_writer_put_rows(vecna_writer *writer, vecna_view rows, vni_element element,
                                 const void *prefix, size_t prefix_bytes, vecna_error *err) {
    unsigned char piece[4096];
    size_t step = sizeof piece / vni_element_bytes(element), bad = 0;
    vecna_status status = VECNA_OK;
    int as_it_is = element == VNI_F32 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

    if (as_it_is && prefix_bytes == 0 && rows.stride == rows.dim)
        return vni_writer_put(writer, rows.data, rows.rows * rows.dim * sizeof(float), err);
    for (size_t row = 0; status == VECNA_OK && row < rows.rows; row++) {
        const float *data = rows.data + row * rows.stride;
        if (prefix_bytes > 0)
            status = vni_writer_put(writer, prefix, prefix_bytes, err);
        if (status == VECNA_OK && as_it_is) {
            status = vni_writer_put(writer, data, rows.dim * sizeof(float), err);
            continue;
        }
        for (size_t at = 0; status == VECNA_OK && at < rows.dim; at += step) {
            size_t part = rows.dim - at < step ? rows.dim - at : step;
            if (vni_from_floats(piece, data + at, part, element, &bad) != VECNA_OK)
                return unfit_value(writer, rows, row, at + bad, element, err);
            status = vni_writer_put(writer, piece, part * vni_element_bytes(element), err);
        }
    }
    return status;
}
