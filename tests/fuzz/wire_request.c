/* Any bytes as the body of any request, the first byte choosing the endpoint and the second the
 * limits. What is accepted keeps its promises and can be answered with valid JSON; what is refused
 * can be said in the provider's shape; token ids become text or a sentence. */
#include "vecna/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct {
    vecna_wire_endpoint endpoint;
    vecna_wire_dialect dialect;
} endpoints[] = {{VECNA_WIRE_OPENAI_EMBEDDINGS, VECNA_WIRE_OPENAI},
                 {VECNA_WIRE_AZURE_EMBEDDINGS, VECNA_WIRE_OPENAI},
                 {VECNA_WIRE_GOOGLE_EMBED, VECNA_WIRE_GOOGLE},
                 {VECNA_WIRE_GOOGLE_BATCH_EMBED, VECNA_WIRE_GOOGLE},
                 {VECNA_WIRE_OLLAMA_EMBED, VECNA_WIRE_OLLAMA},
                 {VECNA_WIRE_OLLAMA_EMBEDDINGS, VECNA_WIRE_OLLAMA},
                 {VECNA_WIRE_OLLAMA_SHOW, VECNA_WIRE_OLLAMA},
                 {VECNA_WIRE_COHERE_EMBED, VECNA_WIRE_COHERE}};

static void must(int condition) {
    if (!condition)
        abort();
}

static void check_json(const vecna_json_writer *writer) {
    vecna_json json;
    vecna_json_token token;
    must(vecna_json_writer_finish(writer, NULL) == VECNA_OK);
    vecna_json_init(&json, writer->text, writer->bytes, 0);
    do
        must(vecna_json_next(&json, &token, NULL) == VECNA_OK);
    while (token.kind != VECNA_JSON_END);
}

static void check_failure(vecna_status status, const vecna_wire_failure *failure) {
    vecna_json_writer writer;
    vecna_wire_header headers[4];
    must(failure->error.status == status && failure->error.message[0] != '\0');
    must(vecna_wire_failure_status(failure) >= 400);
    must(vecna_wire_failure_headers(failure, headers) <= 4);
    vecna_json_writer_init(&writer, 0, NULL);
    vecna_wire_failure_write(failure, &writer);
    check_json(&writer);
    vecna_json_writer_free(&writer);
}

static void check_text(vecna_wire_text text) {
    must(vecna_utf8_valid_bytes(text.data, text.bytes) == text.bytes);
}

static void check_request(const vecna_wire_request *request) {
    int empty_ok = request->dialect == VECNA_WIRE_OLLAMA || request->dialect == VECNA_WIRE_COHERE;
    size_t tokens = 0;
    check_text(request->model);
    check_text(request->user);
    must(request->model.bytes > 0 && request->dim <= 65536 && request->forms != 0);
    must(request->inputs_count > 0 || request->dialect == VECNA_WIRE_OLLAMA);
    for (size_t i = 0; i < request->inputs_count; i++) {
        const vecna_wire_input *input = &request->inputs[i];
        check_text(input->text);
        check_text(input->title);
        must(input->tokens == NULL || input->tokens_count > 0);
        must(input->tokens != NULL || input->text.bytes > 0 || empty_ok);
        must(input->prefix.bytes == 0 && input->suffix.bytes == 0);
        tokens += input->tokens_count;
    }
    must((tokens > 0) == (request->has_tokens != 0));
}

static void answer(const vecna_wire_request *request) {
    enum { DIM = 9 };
    float *rows = calloc(request->inputs_count * DIM + 1, sizeof *rows);
    vecna_wire_answer answer = {.vectors = vecna_view_dense(rows, request->inputs_count, DIM)};
    vecna_json_writer writer;
    for (size_t i = 0; i < request->inputs_count * DIM; i++)
        rows[i] = (float)(i % 7) - 3.5f;
    vecna_json_writer_init(&writer, 0, NULL);
    must(vecna_wire_answer_write(request, &answer, 0, NULL, &writer, NULL) == VECNA_OK);
    check_json(&writer);
    vecna_json_writer_free(&writer);
    free(rows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char ranks[] = "SGU= 0\nbGxv 1\nIA== 2\nww== 3\nqQ== 4\n";
    vecna_wire_limits limits = {0, 0, 0, 0, 0, 0};
    vecna_wire_route route = {.endpoint = VECNA_WIRE_NOWHERE};
    vecna_wire_request request;
    vecna_wire_failure failure = {.dialect = VECNA_WIRE_OPENAI};
    vecna_wire_vocabulary *vocabulary = NULL;
    vecna_arena arena;
    vecna_status status;
    if (bytes < 2)
        return 0;
    size_t which = data[0] % (sizeof endpoints / sizeof *endpoints);
    route.endpoint = endpoints[which].endpoint;
    route.dialect = endpoints[which].dialect;
    route.model = vecna_wire_text_of("m");
    if (data[1] & 1)
        limits = (vecna_wire_limits){3, 16, 4, 9, 8, 1};
    vecna_arena_init(&arena, 0, NULL);
    status = vecna_wire_request_parse(&route, (const char *)data + 2, bytes - 2, &limits, &arena,
                                      &request, &failure);
    if (status != VECNA_OK) {
        check_failure(status, &failure);
    } else {
        check_request(&request);
        if (route.endpoint != VECNA_WIRE_OLLAMA_SHOW)
            answer(&request);
        if (request.has_tokens) {
            must(vecna_wire_vocabulary_parse(ranks, sizeof ranks - 1, NULL, &vocabulary, NULL) ==
                 VECNA_OK);
            status = vecna_wire_request_detokenize(&request, vocabulary, &arena, &failure);
            if (status != VECNA_OK)
                check_failure(status, &failure);
            else
                check_request(&request);
            vecna_wire_vocabulary_free(vocabulary);
        }
    }
    vecna_arena_free(&arena);
    return 0;
}
