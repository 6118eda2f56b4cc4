/* OpenAI's /v1/embeddings, and what others have added to the same body: Voyage, Jina, Mistral, vLLM,
 * NVIDIA, infinity. One path serves them all, so the fields that only one of them has tell who
 * speaks. An option that would change the vectors and cannot be honoured here is refused unless it
 * asks for what happens anyway; one that only schedules work is ignored. */
#include "wire/wire_impl.h"

#include <stdio.h>

/* What the fields of this body say beside the request itself. */
typedef struct openai_state {
    size_t tokens; /* ids so far, over all inputs */
    vecna_wire_task task;
    int objects; /* inputs are objects with a "text", as Jina has them */
} openai_state;

/* ---- input ----------------------------------------------------------------------------------- */

static vecna_status too_many_tokens(vni_wire_parse *parse, size_t input) {
    return vni_wire_refuse(parse, NULL,
                           "This model's maximum context length is %zu tokens, but input %zu has "
                           "more. Please reduce the length of the input.",
                           parse->limits.input_tokens_max, input);
}

/* Grows the ids of the last input; they are the newest piece of the arena or are copied. */
static vecna_status add_token(vni_wire_parse *parse, vecna_wire_input *input, size_t *capacity,
                              const vecna_json_token *value) {
    openai_state *state = parse->user;
    int64_t id;
    vecna_status status = vni_wire_take_integer(parse, value, 0, UINT32_MAX, &id);
    uint32_t *tokens;
    if (status != VECNA_OK)
        return status;
    if (input->tokens_count >= parse->limits.input_tokens_max)
        return too_many_tokens(parse, parse->out->inputs_count - 1);
    if (++state->tokens > parse->limits.tokens_max) {
        parse->field = NULL;
        status = vni_wire_refuse(parse, "max_tokens_per_request",
                                 "Requested more than %zu tokens, max %zu tokens per request",
                                 parse->limits.tokens_max, parse->limits.tokens_max);
        return status;
    }
    if (input->tokens_count == *capacity) {
        size_t wanted = *capacity ? *capacity * 2 : 32;
        tokens = vecna_arena_allocate(parse->arena, wanted, sizeof *tokens);
        if (tokens == NULL)
            return vni_wire_no_memory(parse);
        if (input->tokens_count)
            memcpy(tokens, input->tokens, input->tokens_count * sizeof *tokens);
        input->tokens = tokens;
        *capacity = wanted;
    } else {
        memcpy(&tokens, &input->tokens, sizeof tokens); /* ours; the view is const for readers */
    }
    tokens[input->tokens_count++] = (uint32_t)id;
    return VECNA_OK;
}

/* Ids up to the end of the array; `first` was read already. */
static vecna_status take_tokens(vni_wire_parse *parse, vecna_json_token first) {
    vecna_status status;
    vecna_wire_input *input = vni_wire_add_input(parse, &status);
    vecna_json_token token = first;
    size_t capacity = 0;
    if (input == NULL)
        return status;
    parse->out->has_tokens = 1;
    while (status == VECNA_OK && token.kind != VECNA_JSON_ARRAY_END) {
        if (token.kind != VECNA_JSON_NUMBER)
            return vni_wire_refuse(parse, "invalid_type",
                                   "Invalid 'input': token ids and other values are mixed.");
        status = add_token(parse, input, &capacity, &token);
        if (status == VECNA_OK)
            status = vni_wire_next(parse, &token);
    }
    if (status == VECNA_OK && input->tokens_count == 0)
        return vni_wire_refuse(parse, "empty_array", "Invalid 'input': input %zu has no tokens.",
                               parse->out->inputs_count - 1);
    return status;
}

static vecna_status take_object_text(vni_wire_parse *parse, const vecna_json_token *value) {
    return vni_wire_add_text(parse, value, 0);
}

static vecna_status no_media(vni_wire_parse *parse, const vecna_json_token *value) {
    (void)value;
    return vni_wire_refuse(parse, "unsupported_value",
                           "inputs with '%s' cannot be embedded here; only text can", parse->field);
}

/* Jina: {"text":"..."} */
static vecna_status take_object(vni_wire_parse *parse) {
    static const vni_wire_field fields[] = {
        {"text", take_object_text}, {"image", no_media}, {"pdf", no_media}};
    openai_state *state = parse->user;
    size_t before = parse->out->inputs_count;
    vecna_status status = vni_wire_object(parse, fields, 3, NULL);
    state->objects = 1;
    if (status == VECNA_OK && parse->out->inputs_count == before)
        return vni_wire_refuse(parse, NULL, "Invalid 'input': input %zu has no \"text\".", before);
    return status;
}

static vecna_status take_input(vni_wire_parse *parse, const vecna_json_token *value) {
    vecna_json_token token;
    vecna_json_kind kind;
    vecna_status status;
    if (value->kind == VECNA_JSON_STRING)
        return vni_wire_add_text(parse, value, 0);
    if (value->kind != VECNA_JSON_ARRAY_BEGIN)
        return vni_wire_refuse(parse, "invalid_type",
                               "Invalid type for 'input': expected a string, an array of strings, "
                               "an array of token ids or an array of those.");
    status = vni_wire_next(parse, &token);
    if (status != VECNA_OK)
        return status;
    if (token.kind == VECNA_JSON_ARRAY_END)
        return vni_wire_refuse(parse, "empty_array",
                               "Invalid 'input': empty array. Expected an array with minimum "
                               "length 1, but got an empty array instead.");
    if (token.kind == VECNA_JSON_NUMBER)
        return take_tokens(parse, token);
    if (token.kind != VECNA_JSON_STRING && token.kind != VECNA_JSON_ARRAY_BEGIN &&
        token.kind != VECNA_JSON_OBJECT_BEGIN)
        return vni_wire_refuse(parse, "invalid_type",
                               "Invalid 'input': its elements must be strings or token ids.");
    for (kind = token.kind; token.kind != VECNA_JSON_ARRAY_END;) {
        if (token.kind != kind)
            return vni_wire_refuse(parse, "invalid_type",
                                   "Invalid 'input': element %zu is not like those before it.",
                                   parse->out->inputs_count);
        if (kind == VECNA_JSON_STRING) {
            status = vni_wire_add_text(parse, &token, 0);
        } else if (kind == VECNA_JSON_OBJECT_BEGIN) {
            status = take_object(parse);
        } else {
            status = vni_wire_next(parse, &token);
            if (status == VECNA_OK)
                status = take_tokens(parse, token);
        }
        if (status == VECNA_OK)
            status = vni_wire_next(parse, &token);
        if (status != VECNA_OK)
            return status;
    }
    return VECNA_OK;
}

/* ---- other fields ---------------------------------------------------------------------------- */

static vecna_status take_user(vni_wire_parse *parse, const vecna_json_token *value) {
    return vni_wire_take_text(parse, value, &parse->out->user);
}

static vecna_status take_encoding_format(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"float", "base64"};
    size_t word;
    vecna_status status = vni_wire_take_word(parse, value, words, 2, &word);
    if (status == VECNA_OK && word == 1)
        parse->out->base64 = 1;
    return status;
}

static vecna_status take_input_type(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"query",        "document",        "passage",
                                        "search_query", "search_document", "classification",
                                        "clustering"};
    static const vecna_wire_task tasks[] = {
        VECNA_WIRE_TASK_QUERY,     VECNA_WIRE_TASK_DOCUMENT, VECNA_WIRE_TASK_DOCUMENT,
        VECNA_WIRE_TASK_QUERY,     VECNA_WIRE_TASK_DOCUMENT, VECNA_WIRE_TASK_CLASSIFICATION,
        VECNA_WIRE_TASK_CLUSTERING};
    size_t word;
    openai_state *state = parse->user;
    vecna_status status = vni_wire_take_word(parse, value, words, 7, &word);
    if (status == VECNA_OK)
        state->task = tasks[word];
    return status;
}

/* Jina's names: retrieval.query ... */
static vecna_status take_task(vni_wire_parse *parse, const vecna_json_token *value) {
    static const struct {
        const char *word;
        vecna_wire_task task;
    } known[] = {{"retrieval.query", VECNA_WIRE_TASK_QUERY},
                 {"retrieval.passage", VECNA_WIRE_TASK_DOCUMENT},
                 {"text-matching", VECNA_WIRE_TASK_SIMILARITY},
                 {"classification", VECNA_WIRE_TASK_CLASSIFICATION},
                 {"separation", VECNA_WIRE_TASK_CLUSTERING},
                 {"clustering", VECNA_WIRE_TASK_CLUSTERING},
                 {"code.query", VECNA_WIRE_TASK_CODE_QUERY},
                 {"code.passage", VECNA_WIRE_TASK_DOCUMENT},
                 {"nl2code.query", VECNA_WIRE_TASK_CODE_QUERY},
                 {"nl2code.passage", VECNA_WIRE_TASK_DOCUMENT},
                 {"none", VECNA_WIRE_TASK_NONE}};
    enum { KNOWN = sizeof known / sizeof *known };
    const char *words[KNOWN];
    openai_state *state = parse->user;
    size_t word;
    vecna_status status;
    for (size_t i = 0; i < KNOWN; i++)
        words[i] = known[i].word;
    status = vni_wire_take_word(parse, value, words, KNOWN, &word);
    if (status == VECNA_OK)
        state->task = known[word].task;
    return status;
}

static vecna_status take_output_dtype(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"float", "int8", "uint8", "binary", "ubinary"};
    size_t word;
    vecna_status status = vni_wire_take_word(parse, value, words, 5, &word);
    if (status == VECNA_OK)
        parse->out->forms = 1u << word;
    return status;
}

/* Jina and NVIDIA: one word, or an array of one. */
static vecna_status take_embedding_type(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"float", "base64", "binary", "ubinary", "int8", "uint8"};
    static const unsigned forms[] = {VECNA_WIRE_FLOAT,   VECNA_WIRE_FLOAT, VECNA_WIRE_BINARY,
                                     VECNA_WIRE_UBINARY, VECNA_WIRE_INT8,  VECNA_WIRE_UINT8};
    vecna_json_token one = *value, end;
    size_t word;
    vecna_status status = VECNA_OK;
    if (value->kind == VECNA_JSON_ARRAY_BEGIN)
        status = vni_wire_next(parse, &one);
    if (status == VECNA_OK)
        status = vni_wire_take_word(parse, &one, words, 6, &word);
    if (status == VECNA_OK && value->kind == VECNA_JSON_ARRAY_BEGIN) {
        status = vni_wire_next(parse, &end);
        if (status == VECNA_OK && end.kind != VECNA_JSON_ARRAY_END)
            return vni_wire_refuse(parse, "unsupported_value",
                                   "'embedding_type' with several types at once is not supported; "
                                   "ask for one.");
    }
    if (status != VECNA_OK)
        return status;
    parse->out->forms = forms[word];
    parse->out->base64 |= word == 1;
    return VECNA_OK;
}

static vecna_status take_truncation(vni_wire_parse *parse, const vecna_json_token *value) {
    int cut;
    vecna_status status = vni_wire_take_bool(parse, value, &cut);
    if (status == VECNA_OK)
        parse->out->truncate = cut ? VECNA_WIRE_TRUNCATE_END : VECNA_WIRE_TRUNCATE_REFUSE;
    return status;
}

/* Jina a boolean, NVIDIA and others a word. */
static vecna_status take_truncate(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"NONE", "START", "END"};
    static const vecna_wire_truncate kinds[] = {VECNA_WIRE_TRUNCATE_REFUSE,
                                                VECNA_WIRE_TRUNCATE_START, VECNA_WIRE_TRUNCATE_END};
    size_t word;
    vecna_status status;
    if (value->kind != VECNA_JSON_STRING)
        return take_truncation(parse, value);
    status = vni_wire_take_word(parse, value, words, 3, &word);
    if (status == VECNA_OK)
        parse->out->truncate = kinds[word];
    return status;
}

/* vLLM: -1 is "up to what the model takes"; any other number would be counted in tokens of a model
 * that is not known here. */
static vecna_status take_truncate_prompt_tokens(vni_wire_parse *parse,
                                                const vecna_json_token *value) {
    int64_t tokens;
    vecna_status status = vni_wire_take_integer(parse, value, -1, INT32_MAX, &tokens);
    if (status == VECNA_OK && tokens != -1)
        return vni_wire_refuse(parse, "unsupported_value",
                               "'truncate_prompt_tokens' can only be -1 (cut to the model's own "
                               "limit) here.");
    if (status == VECNA_OK)
        parse->out->truncate = VECNA_WIRE_TRUNCATE_END;
    return status;
}

static vecna_status take_normalized(vni_wire_parse *parse, const vecna_json_token *value) {
    int normalized;
    vecna_status status = vni_wire_take_bool(parse, value, &normalized);
    if (status == VECNA_OK)
        parse->out->unnormalized = !normalized;
    return status;
}

static vecna_status refuse_true(vni_wire_parse *parse, const vecna_json_token *value) {
    int on;
    vecna_status status = vni_wire_take_bool(parse, value, &on);
    if (status == VECNA_OK && on)
        return vni_wire_refuse(parse, "unsupported_value", "'%s': true is not supported.",
                               parse->field);
    return status;
}

static vecna_status refuse_false(vni_wire_parse *parse, const vecna_json_token *value) {
    int on;
    vecna_status status = vni_wire_take_bool(parse, value, &on);
    if (status == VECNA_OK && !on)
        return vni_wire_refuse(parse, "unsupported_value", "'%s': false is not supported.",
                               parse->field);
    return status;
}

static vecna_status only_float32(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"float32"};
    size_t word;
    return vni_wire_take_word(parse, value, words, 1, &word);
}

static vecna_status only_little(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"little", "native"};
    size_t word;
    return vni_wire_take_word(parse, value, words, 2, &word);
}

static vecna_status only_text(vni_wire_parse *parse, const vecna_json_token *value) {
    static const char *const words[] = {"text"};
    size_t word;
    return vni_wire_take_word(parse, value, words, 1, &word);
}

enum openai_field {
    INPUT,
    MODEL,
    ENCODING_FORMAT,
    DIMENSIONS,
    USER,
    INPUT_TYPE,
    TRUNCATION,
    OUTPUT_DIMENSION,
    OUTPUT_DTYPE,
    TASK,
    EMBEDDING_TYPE,
    NORMALIZED,
    LATE_CHUNKING,
    RETURN_MULTIVECTOR,
    OPENAI_FIELDS
};

static const vni_wire_field fields[] = {
    [INPUT] = {"input", take_input},
    [MODEL] = {"model", vni_wire_take_model},
    [ENCODING_FORMAT] = {"encoding_format", take_encoding_format},
    [DIMENSIONS] = {"dimensions", vni_wire_take_dim},
    [USER] = {"user", take_user},
    [INPUT_TYPE] = {"input_type", take_input_type},
    [TRUNCATION] = {"truncation", take_truncation},
    [OUTPUT_DIMENSION] = {"output_dimension", vni_wire_take_dim},
    [OUTPUT_DTYPE] = {"output_dtype", take_output_dtype},
    [TASK] = {"task", take_task},
    [EMBEDDING_TYPE] = {"embedding_type", take_embedding_type},
    [NORMALIZED] = {"normalized", take_normalized},
    [LATE_CHUNKING] = {"late_chunking", refuse_true},
    [RETURN_MULTIVECTOR] = {"return_multivector", refuse_true},
    {"truncate", take_truncate},
    {"truncate_prompt_tokens", take_truncate_prompt_tokens},
    {"use_activation", take_normalized},
    {"add_special_tokens", refuse_false},
    {"embed_dtype", only_float32},
    {"endianness", only_little},
    {"modality", only_text},
    {"metadata", NULL},
    {"priority", NULL},
    {"cache_salt", NULL},
    {"request_id", NULL},
    {"keep_alive", NULL},
};

static vecna_wire_dialect speaker(uint64_t seen) {
    const uint64_t jina = 1u << TASK | 1u << EMBEDDING_TYPE | 1u << NORMALIZED |
                          1u << LATE_CHUNKING | 1u << RETURN_MULTIVECTOR;
    const uint64_t sized = 1u << OUTPUT_DIMENSION | 1u << OUTPUT_DTYPE;
    if (seen & jina)
        return VECNA_WIRE_JINA;
    if (seen & 1u << TRUNCATION || ((seen & sized) && (seen & 1u << INPUT_TYPE)))
        return VECNA_WIRE_VOYAGE;
    return seen & sized ? VECNA_WIRE_MISTRAL : VECNA_WIRE_OPENAI;
}

/* The fields of a body whose reading has failed somewhere, which may be before the one that tells who
 * speaks: its error must be in that one's shape. */
static uint64_t fields_of(const vecna_json *failed) {
    vecna_json json;
    vecna_json_token key, value;
    uint64_t seen = 0;
    vecna_json_init(&json, failed->text, failed->bytes, VNI_WIRE_DEPTH);
    if (vecna_json_next(&json, &key, NULL) != VECNA_OK)
        return 0;
    while (vecna_json_next(&json, &key, NULL) == VECNA_OK && key.kind == VECNA_JSON_KEY &&
           vecna_json_next(&json, &value, NULL) == VECNA_OK) {
        for (size_t i = 0; i < OPENAI_FIELDS; i++)
            if (value.kind != VECNA_JSON_NULL && vecna_json_is(&key, fields[i].name))
                seen |= (uint64_t)1 << i;
        if (vecna_json_skip(&json, &value, NULL, NULL) != VECNA_OK)
            break;
    }
    return seen;
}

vecna_status vni_wire_openai_request(vni_wire_parse *parse) {
    openai_state state = {0, VECNA_WIRE_TASK_NONE, 0};
    const vecna_wire_text deployment = parse->out->model;
    const int azure = parse->out->endpoint == VECNA_WIRE_AZURE_EMBEDDINGS;
    uint64_t seen = 0;
    vecna_status status;
    parse->user = &state;
    status = vni_wire_object(parse, fields, sizeof fields / sizeof *fields, &seen);
    if (!azure)
        parse->out->dialect = state.objects
                                  ? VECNA_WIRE_JINA
                                  : speaker(status == VECNA_OK ? seen : fields_of(&parse->json));
    if (status != VECNA_OK)
        return status;
    if (azure)
        parse->out->model = deployment;
    if (!(seen & 1u << INPUT)) {
        parse->field = "input";
        return vni_wire_refuse(parse, "missing_required_parameter",
                               "Missing required parameter: 'input'.");
    }
    if (parse->out->model.bytes == 0) {
        parse->field = "model";
        return vni_wire_refuse(parse, "missing_required_parameter",
                               "you must provide a model parameter");
    }
    if (seen & 1u << OUTPUT_DTYPE && seen & 1u << EMBEDDING_TYPE) {
        parse->field = "embedding_type";
        return vni_wire_refuse(parse, NULL,
                               "'output_dtype' and 'embedding_type' exclude each "
                               "other.");
    }
    for (size_t i = 0; i < parse->out->inputs_count; i++)
        parse->inputs[i].task = state.task;
    return VECNA_OK;
}

/* ---- answers out ----------------------------------------------------------------------------- */

static void begin(const vecna_wire_request *request, const vecna_wire_answer *answer,
                  vecna_json_writer *writer) {
    vecna_json_write_object_begin(writer);
    if (request->dialect == VECNA_WIRE_MISTRAL) {
        vecna_json_write_key(writer, "id");
        vni_wire_write_text(answer->id, writer);
    }
    vecna_json_write_key(writer, "object");
    vecna_json_write_string(writer, "list");
    vecna_json_write_key(writer, "data");
    vecna_json_write_array_begin(writer);
}

static void row_begin(size_t row, vecna_json_writer *writer) {
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "object");
    vecna_json_write_string(writer, "embedding");
    vecna_json_write_key(writer, "index");
    vecna_json_write_u64(writer, row);
    vecna_json_write_key(writer, "embedding");
}

static void row_end(size_t row, vecna_json_writer *writer) {
    (void)row;
    vecna_json_write_object_end(writer);
}

static void end(const vecna_wire_request *request, const vecna_wire_answer *answer,
                vecna_json_writer *writer) {
    vecna_json_write_array_end(writer);
    vecna_json_write_key(writer, "model");
    vni_wire_write_text(answer->model.bytes ? answer->model : request->model, writer);
    vecna_json_write_key(writer, "usage");
    vecna_json_write_object_begin(writer);
    if (request->dialect != VECNA_WIRE_VOYAGE) {
        vecna_json_write_key(writer, "prompt_tokens");
        vecna_json_write_u64(writer, answer->tokens);
    }
    vecna_json_write_key(writer, "total_tokens");
    vecna_json_write_u64(writer, answer->tokens);
    if (request->dialect == VECNA_WIRE_MISTRAL) {
        vecna_json_write_key(writer, "completion_tokens");
        vecna_json_write_u64(writer, 0);
    }
    vecna_json_write_object_end(writer);
    vecna_json_write_object_end(writer);
}

const vni_wire_layout vni_wire_openai_layout = {begin, NULL, row_begin, row_end, NULL, end};

/* ---- upstream -------------------------------------------------------------------------------- */

vecna_status vni_wire_openai_ask(const vecna_wire_ask *ask, vecna_json_writer *writer,
                                 vecna_error *err) {
    vecna_json_write_object_begin(writer);
    vecna_json_write_key(writer, "input");
    vni_wire_write_inputs(ask, writer);
    vecna_json_write_key(writer, "model");
    vni_wire_write_text(ask->model, writer);
    vecna_json_write_key(writer, "encoding_format");
    vecna_json_write_string(writer, ask->base64 ? "base64" : "float");
    if (ask->dim) {
        vecna_json_write_key(writer, "dimensions");
        vecna_json_write_u64(writer, ask->dim);
    }
    if (ask->user.bytes) {
        vecna_json_write_key(writer, "user");
        vni_wire_write_text(ask->user, writer);
    }
    vecna_json_write_object_end(writer);
    return vecna_json_writer_finish(writer, err);
}

/* One element of "data": {"index":0,"embedding":...}. */
static vecna_status read_element(vni_wire_reading *reading, vecna_error *err) {
    vni_wire_rows *rows = &reading->rows;
    vecna_json_token key, value;
    uint64_t index = 0;
    size_t row = rows->count;
    int has_index = 0, has_vector = 0;
    for (;;) {
        vecna_status status = vecna_json_next(&reading->json, &key, err);
        if (status != VECNA_OK)
            return status;
        if (key.kind == VECNA_JSON_OBJECT_END)
            break;
        status = vecna_json_next(&reading->json, &value, err);
        if (status != VECNA_OK)
            return status;
        if (vecna_json_is(&key, "embedding")) {
            if (has_vector++)
                return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)row,
                                       "gives vector %zu twice", row);
            status = vni_wire_rows_add(rows, &reading->json, &value, err);
        } else if (vecna_json_is(&key, "index") && value.kind != VECNA_JSON_NULL) {
            if (has_index++ || !vni_wire_count(&value, &index))
                return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)row,
                                       "gives vector %zu an index that is none", row);
        } else {
            status = vecna_json_skip(&reading->json, &value, NULL, err);
        }
        if (status != VECNA_OK)
            return status;
    }
    if (!has_vector)
        return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)row,
                               "answers element %zu without an embedding", row);
    if (has_index) {
        rows->places[row] = index > SIZE_MAX - 1 ? SIZE_MAX - 1 : (size_t)index;
        rows->indexed++;
    }
    return VECNA_OK;
}

static vecna_status read_data(vni_wire_reading *reading, vecna_error *err) {
    vecna_json_token token;
    for (;;) {
        vecna_status status = vecna_json_next(&reading->json, &token, err);
        if (status != VECNA_OK || token.kind == VECNA_JSON_ARRAY_END)
            return status;
        if (token.kind != VECNA_JSON_OBJECT_BEGIN)
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)reading->rows.count,
                                   "answers a list whose elements are no objects with an "
                                   "\"embedding\"");
        status = read_element(reading, err);
        if (status != VECNA_OK)
            return status;
    }
}

static vecna_status read_usage(vni_wire_reading *reading, vecna_error *err) {
    vecna_json_token key, value;
    for (;;) {
        vecna_status status = vecna_json_next(&reading->json, &key, err);
        if (status != VECNA_OK || key.kind == VECNA_JSON_OBJECT_END)
            return status;
        status = vecna_json_next(&reading->json, &value, err);
        if (status != VECNA_OK)
            return status;
        if (vecna_json_is(&key, "prompt_tokens") ||
            (vecna_json_is(&key, "total_tokens") && reading->out->tokens == 0))
            (void)vni_wire_count(&value, &reading->out->tokens);
        status = vecna_json_skip(&reading->json, &value, NULL, err);
        if (status != VECNA_OK)
            return status;
    }
}

/* {"data":[...],"model":"...","usage":{...}}, or the list alone (llama-server's own route). */
static vecna_status take_member(vni_wire_reading *reading, const vecna_json_token *key,
                                const vecna_json_token *value, vecna_error *err) {
    if (vecna_json_is(key, "data") && value->kind == VECNA_JSON_ARRAY_BEGIN)
        return read_data(reading, err);
    if (vecna_json_is(key, "usage") && value->kind == VECNA_JSON_OBJECT_BEGIN)
        return read_usage(reading, err);
    if (vecna_json_is(key, "model") && value->kind == VECNA_JSON_STRING)
        return vni_wire_text(value, reading->rows.arena, &reading->out->model, err);
    return vecna_json_skip(&reading->json, value, NULL, err);
}

vecna_status vni_wire_openai_result(vni_wire_reading *reading, const vecna_json_token *first,
                                    vecna_error *err) {
    if (first->kind == VECNA_JSON_ARRAY_BEGIN)
        return read_data(reading, err);
    return vni_wire_answer_members(reading, first, "data", take_member, err);
}
