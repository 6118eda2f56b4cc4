/* Answers, row by row: what stands around a row belongs to the provider, the row itself is printed
 * here. An answer can be written in pieces, so that 2048 vectors never stand in memory as text;
 * everything that could go wrong is looked at before the first byte. */
#include "wire/wire_impl.h"

#include <math.h>

static const vni_wire_layout *layout_of(vecna_wire_endpoint endpoint) {
    switch (endpoint) {
    case VECNA_WIRE_OPENAI_EMBEDDINGS:
    case VECNA_WIRE_AZURE_EMBEDDINGS:
        return &vni_wire_openai_layout;
    case VECNA_WIRE_GOOGLE_EMBED:
    case VECNA_WIRE_GOOGLE_BATCH_EMBED:
        return &vni_wire_google_layout;
    case VECNA_WIRE_OLLAMA_EMBED:
    case VECNA_WIRE_OLLAMA_EMBEDDINGS:
        return &vni_wire_ollama_layout;
    case VECNA_WIRE_COHERE_EMBED:
        return &vni_wire_cohere_layout;
    default:
        return NULL;
    }
}

void vni_wire_write_text(vecna_wire_text text, vecna_json_writer *writer) {
    vecna_json_write_string_bytes(writer, text.data, text.bytes);
}

/* ---- forms ----------------------------------------------------------------------------------- */

/* A dimension of a unit vector is about 1 / sqrt(dim); six times that is never reached but by the
 * few outliers that some models have, which are clamped. */
static float int8_scale(size_t dim) {
    double reach = dim ? 6.0 / sqrt((double)dim) : 1.0;
    return (float)(127.0 / (reach < 1.0 ? reach : 1.0));
}

static int8_t to_int8(float value, float scale) {
    float scaled = rintf(value * scale);
    return (int8_t)(scaled > 127.0f ? 127.0f : scaled < -128.0f ? -128.0f : scaled);
}

static uint8_t packed_bits(const float *values, size_t count) {
    unsigned bits = 0;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 1 | (i < count && values[i] > 0);
    return (uint8_t)bits;
}

/* Element `index` of a row in an integer form; *bytes is what it is in memory. */
static int64_t element(const float *row, size_t dim, size_t index, unsigned form, float scale,
                       uint8_t *byte) {
    int value;
    switch (form) {
    case VECNA_WIRE_INT8:
        value = to_int8(row[index], scale);
        *byte = (uint8_t)value;
        return value;
    case VECNA_WIRE_UINT8:
        value = to_int8(row[index], scale) + 128;
        break;
    case VECNA_WIRE_BINARY:
        value = packed_bits(row + index * 8, dim - index * 8) - 128;
        *byte = (uint8_t)value;
        return value;
    default:
        value = packed_bits(row + index * 8, dim - index * 8);
        break;
    }
    *byte = (uint8_t)value;
    return value;
}

static void write_floats_base64(const float *row, size_t dim, vecna_json_writer *writer) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "base64 of floats on a machine of the other byte order is not written"
#endif
    vecna_json_write_base64(writer, row, dim * sizeof *row);
}

/* Integers go to base64 in chunks of whole groups, so that no copy of the row is needed. */
void vni_wire_write_form(const float *row, size_t dim, unsigned form, int base64,
                         vecna_json_writer *writer) {
    size_t count = form & (VECNA_WIRE_BINARY | VECNA_WIRE_UBINARY) ? (dim + 7) / 8 : dim;
    float scale = int8_scale(dim);
    uint8_t byte;
    if (form == VECNA_WIRE_BASE64 || (form == VECNA_WIRE_FLOAT && base64)) {
        write_floats_base64(row, dim, writer);
        return;
    }
    if (form == VECNA_WIRE_FLOAT) {
        vecna_json_write_floats(writer, row, dim);
        return;
    }
    if (base64) {
        uint8_t chunk[768]; /* 1024 characters */
        char text[1026];
        size_t text_bytes = 0;
        vecna_json_write_raw(writer, "\"", 1);
        for (size_t first = 0; first < count; first += sizeof chunk) {
            size_t bytes = count - first < sizeof chunk ? count - first : sizeof chunk;
            for (size_t i = 0; i < bytes; i++)
                (void)element(row, dim, first + i, form, scale, &chunk[i]);
            vecna_base64_encode(chunk, bytes, text);
            text_bytes = vecna_base64_text_bytes(bytes);
            vecna_json_write_between(writer, text, text_bytes);
        }
        vecna_json_write_between(writer, "\"", 1);
        writer->comma = 1;
        return;
    }
    vecna_json_write_array_begin(writer);
    for (size_t i = 0; i < count; i++)
        vecna_json_write_i64(writer, element(row, dim, i, form, scale, &byte));
    vecna_json_write_array_end(writer);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static vecna_status check(const vecna_wire_request *request, const vecna_wire_answer *answer,
                          vecna_error *err) {
    const vecna_view *vectors = &answer->vectors;
    if (vectors->rows != request->inputs_count)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "%zu vectors for %zu inputs", vectors->rows,
                               request->inputs_count);
    for (size_t i = 0; i < vectors->rows; i++) {
        const float *row = vectors->data + i * vectors->stride;
        unsigned bad = 0;
        for (size_t d = 0; d < vectors->dim; d++)
            bad |= !isfinite(row[d]);
        if (bad)
            return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                   "vector %zu of an answer has a value that is not finite", i);
    }
    return VECNA_OK;
}

/* The lowest form of `forms` from *index on; *index is its bit's number, 6 when there is none. */
static unsigned next_form(unsigned forms, size_t *index) {
    while (*index < 6 && !(forms >> *index & 1))
        ++*index;
    return *index < 6 ? 1u << *index : 0;
}

vecna_status vecna_wire_answer_write(const vecna_wire_request *request,
                                     const vecna_wire_answer *answer, size_t bytes_wanted,
                                     vecna_wire_progress *progress, vecna_json_writer *writer,
                                     vecna_error *err) {
    vecna_wire_progress whole = {0, 0, 0, 0}, *at = progress ? progress : &whole;
    const vni_wire_layout *layout = layout_of(request->endpoint);
    const vecna_view *vectors = &answer->vectors;
    vecna_status status;
    unsigned form;

    if (layout == NULL)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "this endpoint does not answer vectors");
    if (!at->begun) {
        status = check(request, answer, err);
        if (status != VECNA_OK)
            return status;
        if (layout->begin)
            layout->begin(request, answer, writer);
        at->begun = 1;
    }
    while (!at->done && (bytes_wanted == 0 || writer->bytes < bytes_wanted)) {
        form = next_form(request->forms, &at->form);
        if (form == 0) {
            layout->end(request, answer, writer);
            at->done = 1;
            break;
        }
        if (at->row == 0 && layout->form_begin)
            layout->form_begin(form, writer);
        if (at->row < vectors->rows) {
            if (layout->row_begin)
                layout->row_begin(at->row, writer);
            vni_wire_write_form(vectors->data + at->row * vectors->stride, vectors->dim, form,
                                request->base64, writer);
            if (layout->row_end)
                layout->row_end(at->row, writer);
        }
        if (++at->row >= vectors->rows) {
            if (layout->form_end)
                layout->form_end(writer);
            at->row = 0;
            at->form++;
        }
    }
    return vecna_json_writer_so_far(writer, err);
}
