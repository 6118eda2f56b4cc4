/* Voyage, Jina and Mistral as upstreams: OpenAI's answer, and a request whose names differ. Each
 * gets only what it documents; Voyage has no word for float, it is what comes unless base64 is asked
 * for. */
#include "wire/wire_impl.h"

static void begin(const vecna_wire_ask *ask, vecna_json_writer *writer) {
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "input");
    vni_wire_write_inputs(ask, writer);
    vecna_json_write_key(writer, "model");
    vni_wire_write_text(ask->model, writer);
}

static void number(const char *key, size_t value, vecna_json_writer *writer) {
    if (value == 0)
        return;
    vecna_json_write_key(writer, key);
    vecna_json_write_u64(writer, value);
}

static void word(const char *key, const char *value, vecna_json_writer *writer) {
    if (value == NULL)
        return;
    vecna_json_write_key(writer, key);
    vecna_json_write_string(writer, value);
}

static vecna_status finish(vecna_json_writer *writer, vecna_error *err) {
    vecna_json_write_object_end(writer);
    return vecna_json_writer_finish(writer, err);
}

static void cut(const char *key, vecna_wire_truncate truncate, vecna_json_writer *writer) {
    if (truncate == VECNA_WIRE_TRUNCATE_UNSET)
        return;
    vecna_json_write_key(writer, key);
    vecna_json_write_bool(writer, truncate != VECNA_WIRE_TRUNCATE_REFUSE);
}

vecna_status vni_wire_voyage_ask(const vecna_wire_ask *ask, vecna_json_writer *writer,
                                 vecna_error *err) {
    vecna_wire_task role = vecna_wire_task_role(ask->inputs[0].task);
    begin(ask, writer);
    word("input_type",
         role == VECNA_WIRE_TASK_QUERY      ? "query"
         : role == VECNA_WIRE_TASK_DOCUMENT ? "document"
                                            : NULL,
         writer);
    cut("truncation", ask->truncate, writer);
    number("output_dimension", ask->dim, writer);
    word("encoding_format", ask->base64 ? "base64" : NULL, writer);
    return finish(writer, err);
}

static const char *jina_task(vecna_wire_task task) {
    switch (task) {
    case VECNA_WIRE_TASK_NONE:
        return NULL;
    case VECNA_WIRE_TASK_DOCUMENT:
        return "retrieval.passage";
    case VECNA_WIRE_TASK_SIMILARITY:
        return "text-matching";
    case VECNA_WIRE_TASK_CLASSIFICATION:
        return "classification";
    case VECNA_WIRE_TASK_CLUSTERING:
        return "separation";
    case VECNA_WIRE_TASK_CODE_QUERY:
        return "code.query";
    default:
        return "retrieval.query";
    }
}

vecna_status vni_wire_jina_ask(const vecna_wire_ask *ask, vecna_json_writer *writer,
                               vecna_error *err) {
    begin(ask, writer);
    word("task", jina_task(ask->inputs[0].task), writer);
    cut("truncate", ask->truncate, writer);
    number("dimensions", ask->dim, writer);
    word("embedding_type", ask->base64 ? "base64" : "float", writer);
    return finish(writer, err);
}

vecna_status vni_wire_mistral_ask(const vecna_wire_ask *ask, vecna_json_writer *writer,
                                  vecna_error *err) {
    begin(ask, writer);
    number("output_dimension", ask->dim, writer);
    word("encoding_format", ask->base64 ? "base64" : "float", writer);
    return finish(writer, err);
}
