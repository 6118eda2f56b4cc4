/* A request line to an endpoint. The paths are data: a template in which * stands for a model's name.
 * The name may hold slashes ("BAAI/bge-m3"), raw or escaped, and a colon ("nomic-embed-text:latest");
 * for Google the verb stands behind the last colon. */
#include "wire/wire_impl.h"

enum method { GET, POST };

typedef struct path_template {
    const char *before; /* "/v1/models/" */
    const char *after;  /* NULL: nothing follows `before`; otherwise a name, then this */
    vecna_wire_endpoint endpoint;
    vecna_wire_dialect dialect;
    enum method method;
    int google; /* 1 only for Google's clients */
} path_template;

/* The first that fits wins. */
static const path_template templates[] = {
    {"/v1/embeddings", NULL, VECNA_WIRE_OPENAI_EMBEDDINGS, VECNA_WIRE_OPENAI, POST, 0},
    {"/embeddings", NULL, VECNA_WIRE_OPENAI_EMBEDDINGS, VECNA_WIRE_OPENAI, POST, 0},
    {"/openai/v1/embeddings", NULL, VECNA_WIRE_OPENAI_EMBEDDINGS, VECNA_WIRE_OPENAI, POST, 0},
    {"/openai/deployments/", "/embeddings", VECNA_WIRE_AZURE_EMBEDDINGS, VECNA_WIRE_OPENAI, POST,
     0},
    {"/v1beta/models/", ":embedContent", VECNA_WIRE_GOOGLE_EMBED, VECNA_WIRE_GOOGLE, POST, 0},
    {"/v1/models/", ":embedContent", VECNA_WIRE_GOOGLE_EMBED, VECNA_WIRE_GOOGLE, POST, 0},
    {"/v1beta/models/", ":batchEmbedContents", VECNA_WIRE_GOOGLE_BATCH_EMBED, VECNA_WIRE_GOOGLE,
     POST, 0},
    {"/v1/models/", ":batchEmbedContents", VECNA_WIRE_GOOGLE_BATCH_EMBED, VECNA_WIRE_GOOGLE, POST,
     0},
    {"/api/embed", NULL, VECNA_WIRE_OLLAMA_EMBED, VECNA_WIRE_OLLAMA, POST, 0},
    {"/api/embeddings", NULL, VECNA_WIRE_OLLAMA_EMBEDDINGS, VECNA_WIRE_OLLAMA, POST, 0},
    {"/api/show", NULL, VECNA_WIRE_OLLAMA_SHOW, VECNA_WIRE_OLLAMA, POST, 0},
    {"/api/tags", NULL, VECNA_WIRE_OLLAMA_TAGS, VECNA_WIRE_OLLAMA, GET, 0},
    {"/api/version", NULL, VECNA_WIRE_OLLAMA_VERSION, VECNA_WIRE_OLLAMA, GET, 0},
    {"/v2/embed", NULL, VECNA_WIRE_COHERE_EMBED, VECNA_WIRE_COHERE, POST, 0},
    {"/v1beta/models", NULL, VECNA_WIRE_GOOGLE_MODELS, VECNA_WIRE_GOOGLE, GET, 0},
    {"/v1beta/models/", "", VECNA_WIRE_GOOGLE_MODEL, VECNA_WIRE_GOOGLE, GET, 0},
    {"/v1/models", NULL, VECNA_WIRE_GOOGLE_MODELS, VECNA_WIRE_GOOGLE, GET, 1},
    {"/v1/models/", "", VECNA_WIRE_GOOGLE_MODEL, VECNA_WIRE_GOOGLE, GET, 1},
    {"/v1/models", NULL, VECNA_WIRE_OPENAI_MODELS, VECNA_WIRE_OPENAI, GET, 0},
    {"/v1/models/", "", VECNA_WIRE_OPENAI_MODEL, VECNA_WIRE_OPENAI, GET, 0},
    {"/models", NULL, VECNA_WIRE_OPENAI_MODELS, VECNA_WIRE_OPENAI, GET, 0},
    {"/models/", "", VECNA_WIRE_OPENAI_MODEL, VECNA_WIRE_OPENAI, GET, 0},
    {"/openai/v1/models", NULL, VECNA_WIRE_OPENAI_MODELS, VECNA_WIRE_OPENAI, GET, 0},
    {"/openai/v1/models/", "", VECNA_WIRE_OPENAI_MODEL, VECNA_WIRE_OPENAI, GET, 0},
};

/* Which provider a path belongs to when it is none of the above: decides the shape of the 404. */
static vecna_wire_dialect dialect_of(vecna_wire_text path) {
    static const struct {
        const char *before;
        vecna_wire_dialect dialect;
    } starts[] = {
        {"/v1beta/", VECNA_WIRE_GOOGLE}, {"/api/", VECNA_WIRE_OLLAMA}, {"/v2/", VECNA_WIRE_COHERE}};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        size_t bytes = strlen(starts[i].before);
        if (path.bytes >= bytes && memcmp(path.data, starts[i].before, bytes) == 0)
            return starts[i].dialect;
    }
    return VECNA_WIRE_OPENAI;
}

static int hex(char digit) {
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit |= 0x20;
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* A name out of a path: escapes undone, valid UTF-8 without control characters. */
static vecna_status decode(vecna_wire_text raw, vecna_arena *arena, vecna_wire_text *out,
                           vecna_wire_failure *failure) {
    char *to = vecna_arena_allocate(arena, raw.bytes + 1, 1);
    size_t bytes = 0;
    if (to == NULL) {
        vecna_wire_failure_set(failure, VECNA_WIRE_UNAVAILABLE,
                               "not enough memory for the request");
        return failure->error.status = VECNA_ERR_MEMORY;
    }
    for (size_t i = 0; i < raw.bytes; i++) {
        int high, low;
        char byte = raw.data[i];
        if (byte == '%') {
            high = raw.bytes - i > 2 ? hex(raw.data[i + 1]) : -1;
            low = high >= 0 ? hex(raw.data[i + 2]) : -1;
            if (low < 0)
                return vecna_wire_failure_set(
                    failure, VECNA_WIRE_INVALID,
                    "the path has a %% that two hexadecimal digits do not "
                    "follow");
            byte = (char)(high << 4 | low);
            i += 2;
        }
        if ((unsigned char)byte < 0x20 || byte == 0x7F)
            return vecna_wire_failure_set(failure, VECNA_WIRE_INVALID,
                                          "the path has a control character in a name");
        to[bytes++] = byte;
    }
    if (vecna_utf8_valid_bytes(to, bytes) != bytes)
        return vecna_wire_failure_set(failure, VECNA_WIRE_INVALID,
                                      "a name in the path is not UTF-8");
    *out = (vecna_wire_text){to, bytes};
    return VECNA_OK;
}

/* 1 when the path is the template's; the raw name into *name. */
static int fits(const path_template *candidate, vecna_wire_text path, vecna_wire_text *name) {
    size_t before = strlen(candidate->before), after;
    if (candidate->after == NULL)
        return vecna_wire_text_is(path, candidate->before);
    after = strlen(candidate->after);
    if (path.bytes <= before + after || memcmp(path.data, candidate->before, before) != 0 ||
        memcmp(path.data + path.bytes - after, candidate->after, after) != 0)
        return 0;
    *name = (vecna_wire_text){path.data + before, path.bytes - before - after};
    return 1;
}

static void drop_models(vecna_wire_text *name) {
    if (name->bytes > 7 && memcmp(name->data, "models/", 7) == 0)
        *name = (vecna_wire_text){name->data + 7, name->bytes - 7};
}

/* The colon of a Google verb that is not served: behind a model, in a POST. */
static int other_verb(vecna_wire_text path, vecna_wire_text *verb) {
    const char *models = "/models/";
    for (size_t i = path.bytes; i-- > 0;)
        if (path.data[i] == ':') {
            *verb = (vecna_wire_text){path.data + i + 1, path.bytes - i - 1};
            for (size_t at = 0; at + 8 <= i; at++)
                if (memcmp(path.data + at, models, 8) == 0)
                    return 1;
            return 0;
        }
    return 0;
}

static vecna_status no_route(vecna_wire_text path, int post, vecna_wire_failure *failure) {
    static const char *const served_elsewhere[] = {"asyncBatchEmbedContent",
                                                   "generateContent",
                                                   "streamGenerateContent",
                                                   "countTokens",
                                                   "predict",
                                                   "batchGenerateContent"};
    vecna_wire_text verb;
    if (post && other_verb(path, &verb)) {
        failure->dialect = VECNA_WIRE_GOOGLE;
        for (size_t i = 0; i < sizeof served_elsewhere / sizeof *served_elsewhere; i++)
            if (vecna_wire_text_is(verb, served_elsewhere[i]))
                return vecna_wire_failure_set(
                    failure, VECNA_WIRE_UNIMPLEMENTED,
                    ":%s is not implemented here; embeddings are answered by :embedContent and "
                    ":batchEmbedContents",
                    served_elsewhere[i]);
    }
    return vecna_wire_failure_set(failure, VECNA_WIRE_NOT_FOUND,
                                  "no such path: %.*s; embeddings are at /v1/embeddings, "
                                  "/v1beta/models/MODEL:embedContent, /api/embed and /v2/embed",
                                  (int)(path.bytes > 80 ? 80 : path.bytes), path.data);
}

/* "/map/NAME/..." : NAME decoded into *map, the rest into *path. */
static vecna_status take_map(vecna_wire_text *path, vecna_arena *arena, vecna_wire_text *map,
                             vecna_wire_failure *failure) {
    const char *name = path->data + 5, *end = path->data + path->bytes, *slash;
    vecna_status status;
    if (path->bytes <= 5 || memcmp(path->data, "/map/", 5) != 0)
        return VECNA_OK;
    slash = memchr(name, '/', (size_t)(end - name));
    if (slash == NULL || slash == name)
        return VECNA_OK;
    status = decode((vecna_wire_text){name, (size_t)(slash - name)}, arena, map, failure);
    *path = (vecna_wire_text){slash, (size_t)(end - slash)};
    return status;
}

vecna_status vecna_wire_route_parse(vecna_wire_text method, vecna_wire_text target, int google,
                                    vecna_arena *arena, vecna_wire_route *out,
                                    vecna_wire_failure *failure) {
    vecna_wire_route route = {VECNA_WIRE_NOWHERE, VECNA_WIRE_OPENAI, {NULL, 0}, {NULL, 0}};
    vecna_wire_text path = target, name = {NULL, 0};
    int get = vecna_wire_text_is(method, "GET") || vecna_wire_text_is(method, "HEAD");
    int post = vecna_wire_text_is(method, "POST"), wrong_method = 0;
    const char *query = target.bytes ? memchr(target.data, '?', target.bytes) : NULL;
    vecna_status status;

    if (query)
        path.bytes = (size_t)(query - target.data);
    if (path.bytes > 1 && path.data[path.bytes - 1] == '/')
        path.bytes--;
    failure->dialect = VECNA_WIRE_OPENAI;
    status = take_map(&path, arena, &route.map, failure);
    if (status != VECNA_OK)
        return status;
    failure->dialect = dialect_of(path);
    for (size_t i = 0; i < sizeof templates / sizeof *templates; i++) {
        if ((templates[i].google && !google) || !fits(&templates[i], path, &name))
            continue;
        if (!(templates[i].method == GET ? get : post)) {
            wrong_method = 1;
            failure->dialect = templates[i].dialect;
            continue;
        }
        route.endpoint = templates[i].endpoint;
        route.dialect = failure->dialect = templates[i].dialect;
        if (name.bytes > 0) {
            status = decode(name, arena, &route.model, failure);
            if (status != VECNA_OK)
                return status;
            drop_models(&route.model);
        }
        *out = route;
        return VECNA_OK;
    }
    if (wrong_method && !(post && other_verb(path, &name)))
        return vecna_wire_failure_set(failure, VECNA_WIRE_METHOD,
                                      "method %.*s is not allowed for %.*s",
                                      (int)(method.bytes > 20 ? 20 : method.bytes), method.data,
                                      (int)(path.bytes > 80 ? 80 : path.bytes), path.data);
    return no_route(path, post, failure);
}
