/* Token ids back to text. A rank file lists each token's bytes; the text of a list of ids is their
 * bytes in a row. A client that cuts a long text into chunks of ids may cut inside a character, so
 * what comes out may begin or end with half of one: it is replaced, not refused. */
#include "base/base_impl.h"
#include "wire/wire_impl.h"

enum { RANKS_MAX = 2000000 };

#define ABSENT UINT32_MAX

typedef struct token_place {
    uint32_t offset; /* ABSENT: no such rank */
    uint32_t bytes;
} token_place;

struct vecna_wire_vocabulary {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    token_place *tokens; /* (count) by rank */
    size_t count;
    char *bytes;
};

/* A line of the file, [at, end). */
typedef struct rank_line {
    const char *base64;
    size_t base64_bytes;
    uint64_t rank;
} rank_line;

static vecna_status bad_line(size_t number, const char *what, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)number,
                           "vocabulary: line %zu %s; a rank file has lines of base64, a space and "
                           "a number",
                           number, what);
}

/* The next line that is not empty; 0 when there is none. */
static vecna_status next_line(const char **at, const char *end, size_t *number, int *more,
                              rank_line *out, vecna_error *err) {
    while (*at < end) {
        const char *line = *at, *newline = memchr(line, '\n', (size_t)(end - line)), *space;
        const char *stop = newline ? newline : end;
        *at = newline ? newline + 1 : end;
        ++*number;
        if (stop > line && stop[-1] == '\r')
            stop--;
        if (stop == line)
            continue;
        space = memchr(line, ' ', (size_t)(stop - line));
        if (space == NULL || space == line || stop - space < 2 || stop - space > 8)
            return bad_line(*number, "is none of a rank file", err);
        out->base64 = line;
        out->base64_bytes = (size_t)(space - line);
        out->rank = 0;
        for (const char *digit = space + 1; digit < stop; digit++) {
            if (*digit < '0' || *digit > '9')
                return bad_line(*number, "has no rank", err);
            out->rank = out->rank * 10 + (uint64_t)(*digit - '0');
        }
        if (out->rank >= RANKS_MAX)
            return bad_line(*number, "has a rank above 2,000,000", err);
        *more = 1;
        return VECNA_OK;
    }
    *more = 0;
    return VECNA_OK;
}

/* Count the ranks, checking the lines. */
static vecna_status measure(const char *text, size_t bytes, size_t *count, vecna_error *err) {
    const char *at = text, *end = text + bytes;
    size_t number = 0, highest = 0;
    rank_line line = {NULL, 0, 0};
    int more;
    for (;;) {
        vecna_status status = next_line(&at, end, &number, &more, &line, err);
        if (status != VECNA_OK)
            return status;
        if (!more)
            break;
        if (line.rank + 1 > highest)
            highest = (size_t)line.rank + 1;
    }
    if (highest == 0)
        return vecna_error_set(err, VECNA_ERR_FORMAT, 0, "vocabulary: the file has no line");
    *count = highest;
    return VECNA_OK;
}

static vecna_status fill(vecna_wire_vocabulary *vocabulary, const char *text, size_t bytes,
                         vecna_error *err) {
    const char *at = text, *end = text + bytes;
    size_t number = 0, used = 0, got;
    rank_line line = {NULL, 0, 0};
    int more;
    for (;;) {
        token_place *place;
        vecna_status status = next_line(&at, end, &number, &more, &line, err);
        if (status != VECNA_OK || !more)
            return status;
        place = &vocabulary->tokens[line.rank];
        if (place->offset != ABSENT)
            return bad_line(number, "repeats a rank", err);
        if (vecna_base64_decode(line.base64, line.base64_bytes, vocabulary->bytes + used,
                                bytes - used, &got, NULL) != VECNA_OK)
            return bad_line(number, "has bad base64", err);
        *place = (token_place){(uint32_t)used, (uint32_t)got};
        used += got;
    }
}

vecna_status vecna_wire_vocabulary_parse(const char *text, size_t bytes,
                                         const vecna_allocator *allocator,
                                         vecna_wire_vocabulary **out, vecna_error *err) {
    vecna_wire_vocabulary *made = NULL;
    size_t count = 0;
    vecna_status status;
    if (bytes >= ABSENT)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "vocabulary: the file is above 4 GB");
    status = measure(text, bytes, &count, err);
    if (status != VECNA_OK)
        return status;
    made = vecna_allocate_zero(allocator, 1, sizeof *made);
    if (made == NULL)
        goto no_memory;
    if (allocator) {
        made->allocator_copy = *allocator;
        made->allocator = &made->allocator_copy;
    }
    made->count = count;
    made->tokens = vecna_allocate(allocator, count, sizeof *made->tokens);
    made->bytes = vecna_allocate(allocator, bytes, 1);
    if (made->tokens == NULL || made->bytes == NULL)
        goto no_memory;
    memset(made->tokens, 0xFF, count * sizeof *made->tokens);
    status = fill(made, text, bytes, err);
    if (status != VECNA_OK) {
        vecna_wire_vocabulary_free(made);
        return status;
    }
    *out = made;
    return VECNA_OK;
no_memory:
    vecna_wire_vocabulary_free(made);
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a vocabulary of %zu tokens",
                           count);
}

void vecna_wire_vocabulary_free(vecna_wire_vocabulary *vocabulary) {
    vecna_allocator allocator;
    int own;
    if (vocabulary == NULL)
        return;
    own = vocabulary->allocator != NULL;
    allocator = vocabulary->allocator_copy;
    vecna_release(own ? &allocator : NULL, vocabulary->tokens);
    vecna_release(own ? &allocator : NULL, vocabulary->bytes);
    vecna_release(own ? &allocator : NULL, vocabulary);
}

size_t vecna_wire_vocabulary_count(const vecna_wire_vocabulary *vocabulary) {
    return vocabulary->count;
}

/* ---- text ------------------------------------------------------------------------------------ */

static vecna_status no_memory(vecna_wire_failure *failure) {
    vecna_wire_failure_set(failure, VECNA_WIRE_UNAVAILABLE, "not enough memory for the request");
    return failure->error.status = VECNA_ERR_MEMORY;
}

/* `bytes` bytes with U+FFFD (three bytes) for each that is no UTF-8, into `to`. */
static size_t repair(const char *from, size_t bytes, char *to) {
    size_t at = 0, written = 0;
    while (at < bytes) {
        size_t length = vni_utf8_sequence((const unsigned char *)from + at, bytes - at);
        if (length == 0) {
            memcpy(to + written, "\xEF\xBF\xBD", 3);
            written += 3;
            at++;
            continue;
        }
        memcpy(to + written, from + at, length);
        written += length;
        at += length;
    }
    return written;
}

static vecna_status text_of_tokens(const vecna_wire_vocabulary *vocabulary, vecna_wire_input *input,
                                   size_t number, vecna_arena *arena, vecna_wire_failure *failure) {
    size_t bytes = 0, at = 0;
    char *text, *repaired;
    for (size_t i = 0; i < input->tokens_count; i++) {
        uint32_t id = input->tokens[i];
        if (id >= vocabulary->count || vocabulary->tokens[id].offset == ABSENT)
            return vecna_wire_failure_set(
                failure, VECNA_WIRE_INVALID,
                "input %zu has the token id %lu, which the configured "
                "vocabulary of %zu tokens does not have: the client counts "
                "by another model's vocabulary",
                number, (unsigned long)id, vocabulary->count);
        bytes += vocabulary->tokens[id].bytes;
    }
    text = vecna_arena_allocate(arena, bytes, 1);
    if (text == NULL)
        return no_memory(failure);
    for (size_t i = 0; i < input->tokens_count; i++) {
        token_place place = vocabulary->tokens[input->tokens[i]];
        memcpy(text + at, vocabulary->bytes + place.offset, place.bytes);
        at += place.bytes;
    }
    if (vecna_utf8_valid_bytes(text, bytes) != bytes) {
        repaired = vecna_arena_allocate(arena, bytes, 3);
        if (repaired == NULL)
            return no_memory(failure);
        bytes = repair(text, bytes, repaired);
        text = repaired;
    }
    if (bytes == 0)
        return vecna_wire_failure_set(failure, VECNA_WIRE_INVALID,
                                      "input %zu is token ids of an empty text", number);
    input->text = (vecna_wire_text){text, bytes};
    input->tokens = NULL;
    input->tokens_count = 0;
    return VECNA_OK;
}

vecna_status vecna_wire_request_detokenize(vecna_wire_request *request,
                                           const vecna_wire_vocabulary *vocabulary,
                                           vecna_arena *arena, vecna_wire_failure *failure) {
    vecna_wire_input *inputs;
    if (!request->has_tokens)
        return VECNA_OK;
    failure->dialect = request->dialect;
    if (vocabulary == NULL) {
        vecna_status status = vecna_wire_failure_set(
            failure, VECNA_WIRE_INVALID,
            "the input is token ids, and this server has no vocabulary to turn them into text. "
            "Send "
            "text (LangChain's OpenAIEmbeddings: check_embedding_ctx_length=False), or give the "
            "server a rank file such as cl100k_base.tiktoken");
        memcpy(failure->param, "input", 6);
        return status;
    }
    inputs = vecna_arena_allocate(arena, request->inputs_count, sizeof *inputs);
    if (inputs == NULL)
        return no_memory(failure);
    memcpy(inputs, request->inputs, request->inputs_count * sizeof *inputs);
    for (size_t i = 0; i < request->inputs_count; i++)
        if (inputs[i].tokens) {
            vecna_status status = text_of_tokens(vocabulary, &inputs[i], i, arena, failure);
            if (status != VECNA_OK) {
                memcpy(failure->param, "input", 6);
                return status;
            }
        }
    request->inputs = inputs;
    request->has_tokens = 0;
    return VECNA_OK;
}
