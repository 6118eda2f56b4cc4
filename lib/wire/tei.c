/* Text Embeddings Inference's own route: a list of texts or ids in, a list of vectors out. */
#include "wire/wire_impl.h"

vecna_status vni_wire_tei_ask(const vecna_wire_ask *ask, vecna_json_writer *writer,
                              vecna_error *err) {
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "inputs");
    vni_wire_write_inputs(ask, writer);
    if (ask->truncate != VECNA_WIRE_TRUNCATE_UNSET) {
        vecna_json_write_key(writer, "truncate");
        vecna_json_write_bool(writer, ask->truncate != VECNA_WIRE_TRUNCATE_REFUSE);
    }
    if (ask->truncate == VECNA_WIRE_TRUNCATE_START) {
        vecna_json_write_key(writer, "truncation_direction");
        vecna_json_write_string(writer, "left");
    }
    if (ask->dim) {
        vecna_json_write_key(writer, "dimensions");
        vecna_json_write_u64(writer, ask->dim);
    }
    vecna_json_write_object_end(writer);
    return vecna_json_writer_finish(writer, err);
}

vecna_status vni_wire_tei_result(vni_wire_reading *reading, const vecna_json_token *first,
                                 vecna_error *err) {
    if (first->kind != VECNA_JSON_ARRAY_BEGIN)
        return vni_wire_no_answer(reading, first, "a list of vectors", err);
    return vni_wire_rows_array(&reading->rows, &reading->json, err);
}
