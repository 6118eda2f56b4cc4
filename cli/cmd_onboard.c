/* vecna onboard: from nothing to a vecna.yaml that was seen to work.
 *
 * Look for servers, embed a word to see dimension and length, ask what the tool expects, write the
 * configuration beside its place, run `vecna serve` with it and embed through the whole path; only
 * then does the file get its name. */
#define _GNU_SOURCE
#include "cli/cli.h"

#include "proxy/proxy_impl.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { PROBE_MS = 30000, TEST_MS = 60000, ANSWER_BYTES = 512 };

typedef struct onboard {
    text_list urls;
    const char *model, *api_key, *map, *listen, *out;
    size_t dim;
    bool yes, force, json;
    vni_found *found;
    size_t found_count;
    const vni_found *server;
    vni_found_model *chosen;
    size_t tested_dim;
} onboard;

/* ---- questions ------------------------------------------------------------------------------------------ */

/* The answer to a question; the default when nothing was typed. */
static const char *ask(const onboard *job, const char *fallback, char *answer, const char *format,
                       ...) VECNA_PRINTF(4, 5);

#include <stdarg.h>

static const char *ask(const onboard *job, const char *fallback, char *answer, const char *format,
                       ...) {
    va_list arguments;
    size_t bytes;
    if (job->yes)
        return fallback;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " [%s] ", fallback);
    fflush(stderr);
    if (fgets(answer, ANSWER_BYTES, stdin) == NULL) {
        fputc('\n', stderr);
        return fallback;
    }
    bytes = strcspn(answer, "\r\n");
    answer[bytes] = '\0';
    return bytes ? answer : fallback;
}

/* ---- finding --------------------------------------------------------------------------------------------- */

static int find_servers(onboard *job, vecna_error *err) {
    vni_discover_options look = {0};
    look.urls = job->urls.items;
    look.url_count = job->urls.count;
    look.api_key = job->api_key;
    if (job->urls.count == 0)
        fputs("looking for servers on the usual ports of this machine ...\n", stderr);
    if (vni_discover(&look, &job->found, &job->found_count, err) != VECNA_OK)
        return fail_with(err);
    for (size_t i = 0; i < job->found_count; i++) {
        const vni_found *one = &job->found[i];
        fprintf(stderr, "  %s  %s, %zu model%s%s\n", one->url,
                one->is_vecna ? "vecna" : vecna_wire_server_name(one->server), one->model_count,
                one->model_count == 1 ? "" : "s",
                one->needs_key && one->model_count == 0 ? "; it needs a key: --url and --api-key"
                                                        : "");
    }
    return EXIT_DONE;
}

/* Models that may embed, of all servers, in one list. */
typedef struct offer {
    const vni_found *server;
    vni_found_model *model;
} offer;

static int likely(const vni_found_model *model) {
    return model->embeds > 0 || strstr(model->id, "embed") || strstr(model->id, "bge") ||
           strstr(model->id, "minilm") || strstr(model->id, "MiniLM") || strstr(model->id, "e5-") ||
           strstr(model->id, "gte-");
}

/* A vecna on this machine's ports is most likely one that `onboard` set up: behind itself it would change
 * vectors twice. Whoever names it means it. */
static bool left_out(const onboard *job, const vni_found *server) {
    return server->is_vecna && job->urls.count == 0;
}

static size_t list_offers(const onboard *job, offer *offers, size_t most) {
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++) /* those that say that they embed, first */
        for (size_t i = 0; i < job->found_count; i++)
            for (size_t j = 0; j < job->found[i].model_count && count < most; j++) {
                vni_found_model *model = &job->found[i].models[j];
                if (left_out(job, &job->found[i]) || model->embeds < 0 ||
                    likely(model) != (pass == 0) ||
                    (job->model && strcmp(job->model, model->id) != 0))
                    continue;
                offers[count].server = &job->found[i];
                offers[count++].model = model;
            }
    return count;
}

static int choose_model(onboard *job, vecna_error *err) {
    offer offers[256];
    size_t count = list_offers(job, offers, 256), picked = 0;
    char answer[ANSWER_BYTES];
    for (size_t i = 0; count == 0 && i < job->found_count; i++)
        if (left_out(job, &job->found[i]) && job->found[i].model_count)
            return fail_text("only vecna itself is here, which changes vectors already: start the "
                             "server that embeds, or, to stand behind it all the same, vecna "
                             "onboard --url %s",
                             job->found[i].url);
    if (count == 0 && job->model && job->found_count)
        return fail_text("no server here has the model \"%s\"; vecna models lists what there is",
                         job->model);
    if (count == 0)
        return fail_text("no server with an embedding model was found; start one (ollama pull "
                         "nomic-embed-text), or name it: "
                         "vecna onboard --url URL");
    if (count > 1 && !job->yes)
        for (size_t i = 0; i < count; i++)
            fprintf(stderr, "  %zu) %s at %s\n", i + 1, offers[i].model->id, offers[i].server->url);
    if (count > 1)
        picked = strtoul(ask(job, "1", answer, "which model?"), NULL, 10) - 1;
    if (picked >= count)
        return fail_text("there is no model of that number");
    job->server = offers[picked].server;
    job->chosen = offers[picked].model;
    if (vni_probe_model(job->server, job->chosen, job->api_key, PROBE_MS, NULL, err) != VECNA_OK)
        return fail_with(err);
    if (job->chosen->problem[0])
        return fail_text("%s at %s gave no vector: %s", job->chosen->id, job->server->url,
                         job->chosen->problem);
    fprintf(stderr, "%s at %s: %zu dimensions, %s\n", job->chosen->id, job->server->url,
            job->chosen->dim,
            job->chosen->norm > 0.999 && job->chosen->norm < 1.001
                ? "unit length"
                : "not of unit length; vecna normalises");
    return EXIT_DONE;
}

static int choose_dim(onboard *job) {
    char answer[ANSWER_BYTES], fallback[24];
    const char *text;
    char *end;
    if (job->map || job->dim)
        return EXIT_DONE;
    snprintf(fallback, sizeof fallback, "%zu", job->chosen->dim);
    text = ask(job, fallback, answer,
               "how many dimensions does your tool expect (OpenAI's small model: 1536)?");
    job->dim = strtoul(text, &end, 10);
    if (*end || job->dim == 0 || job->dim > 1048576)
        return fail_text("\"%.40s\" is no dimension", text);
    return EXIT_DONE;
}

/* ---- writing ----------------------------------------------------------------------------------------------- */

/* A YAML text in double quotes. */
static void quoted(FILE *file, const char *text) {
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

static void write_config(const onboard *job, FILE *file) {
    fputs("# Written by `vecna onboard`. Every key: docs/config.md, or `vecna serve --keys`.\n"
          "# Check after a change: `vecna serve --check`. A running server reads it again on "
          "SIGHUP.\n\n"
          "# Where clients connect. Beyond this machine, `keys` are asked for.\nlisten: ",
          file);
    quoted(file, job->listen);
    fprintf(file,
            "\n\nforward:\n  targets:\n    - name: local\n      provider: %s # %s\n      url: ",
            vni_found_provider(job->server), vecna_wire_server_name(job->server->server));
    quoted(file, job->server->url);
    if (job->server->server == VECNA_WIRE_SERVER_INFINITY)
        fputs("/embeddings # its paths have no version", file);
    fputs("\n      model: ", file);
    quoted(file, job->chosen->id);
    fprintf(file, "\n      dim: %zu # as its first answer had it\n", job->chosen->dim);
    if (job->api_key)
        fputs("      api_key: \"${VECNA_UPSTREAM_KEY}\" # of the environment, so that no key "
              "stands here\n",
              file);
    fputs("      # Texts that the model wants before a query and before a document:\n"
          "      # query_prefix: \"search_query: \"\n      # document_prefix: \"search_document: "
          "\"\n",
          file);
    if (job->map) {
        fputs("\n# Into the space of another model, by a map of `vecna fit`.\nadapter:\n  map: ",
              file);
        quoted(file, job->map);
        fputc('\n', file);
    } else if (job->dim != job->chosen->dim) {
        fprintf(file,
                "\n# %s %zu dimensions to %zu. The space stays that of the model: such vectors can "
                "be compared\n"
                "# with each other, not with those of another model. For that: `vecna fit`, and "
                "`map: FILE` here.\n"
                "adapter:\n  type: truncate\n  target_dim: %zu\n",
                job->dim < job->chosen->dim ? "Cuts" : "Pads", job->chosen->dim, job->dim,
                job->dim);
    }
    fputs("\n# Vectors that were asked for before; texts are kept as hashes only.\ncache:\n  "
          "memory: 64MB\n  # disk: vecna-cache.db\n",
          file);
}

/* ---- the whole path ------------------------------------------------------------------------------------------ */

/* Start this program as a server; its ready line into `line`. */
static pid_t start_server(const char *config, const onboard *job, char *line, size_t room,
                          FILE **out) {
    char *arguments[] = {strdup("vecna"),
                         strdup("serve"),
                         strdup("--config"),
                         strdup(config),
                         strdup("--listen"),
                         strdup("127.0.0.1:0"),
                         NULL};
    posix_spawn_file_actions_t actions;
    pid_t child = -1;
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    if (job->api_key)
        setenv("VECNA_UPSTREAM_KEY", job->api_key, 1);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    if (posix_spawn(&child, "/proc/self/exe", &actions, NULL, arguments, environ) != 0)
        child = -1;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    for (size_t i = 0; arguments[i]; i++)
        free(arguments[i]);
    *out = fdopen(ends[0], "r");
    if (child < 0 || *out == NULL || fgets(line, (int)room, *out) == NULL)
        line[0] = '\0';
    return child;
}

/* Embed through the server whose ready line is given: the dimension that came, 0 and a sentence when none did. */
static size_t embed_through(const char *line, char *problem, size_t room) {
    static const char body[] = "{\"model\":\"test\",\"input\":[\"hello\",\"world\"]}";
    const char *start = strstr(line, "http://"), *end = start ? strchr(start, ' ') : NULL;
    vecna_wire_expect expect = {0};
    vecna_wire_result result = {0};
    vecna_arena arena;
    vni_fetch fetch = {0};
    vecna_error err;
    char url[320];
    size_t dim = 0;
    if (end == NULL)
        return 0;
    snprintf(url, sizeof url, "%.*s/v1/embeddings", (int)(end - start), start);
    fetch.url = url;
    fetch.body = body;
    fetch.body_bytes = sizeof body - 1;
    fetch.connect_ms = fetch.timeout_ms = TEST_MS;
    err.message[0] = '\0';
    vecna_arena_init(&arena, 64 << 20, NULL);
    expect.dialect = VECNA_WIRE_OPENAI;
    expect.rows = 2;
    if (vni_fetch_all(&fetch, 1, NULL, &err) == VECNA_OK && fetch.status == 200 &&
        vecna_wire_result_read(fetch.answer, fetch.bytes, &expect, &arena, &result, &err) ==
            VECNA_OK)
        dim = result.vectors.dim;
    else
        snprintf(problem, room, "%.200s",
                 err.message[0] ? err.message
                 : fetch.answer ? fetch.answer
                                : "no answer");
    vecna_arena_free(&arena);
    vni_fetch_free(&fetch, 1, NULL);
    return dim;
}

static int test_path(onboard *job, const char *config) {
    char line[512] = "", problem[256] = "it did not start";
    FILE *out = NULL;
    int status;
    pid_t child = start_server(config, job, line, sizeof line, &out);
    if (line[0])
        job->tested_dim = embed_through(line, problem, sizeof problem);
    if (child > 0) {
        kill(child, SIGTERM);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    }
    if (out)
        fclose(out);
    if (job->tested_dim == 0)
        return fail_text("the test failed, nothing was written: %s", problem);
    if (!job->map && job->tested_dim != job->dim)
        return fail_text("the test gave %zu dimensions and not %zu, nothing was written",
                         job->tested_dim, job->dim);
    fprintf(stderr, "tested: two words through the whole path, %zu dimensions\n", job->tested_dim);
    return EXIT_DONE;
}

static int write_and_test(onboard *job) {
    char path[4096];
    FILE *file;
    int status;
    if ((size_t)snprintf(path, sizeof path, "%s.new-%ld", job->out, (long)getpid()) >= sizeof path)
        return fail_text("the name %.60s... is too long", job->out);
    file = fopen(path, "w");
    if (file == NULL)
        return fail_text("cannot write %s: %s", path, strerror(errno));
    write_config(job, file);
    status = fclose(file) == 0 ? test_path(job, path)
                               : fail_text("cannot write %s: %s", path, strerror(errno));
    if (status == EXIT_DONE && rename(path, job->out) != 0)
        status = fail_text("cannot write %s: %s", job->out, strerror(errno));
    if (status != EXIT_DONE)
        unlink(path);
    return status;
}

static int report(const onboard *job) {
    vecna_json_writer json;
    if (!job->json) {
        printf("%s is written. Next:\n"
               "  vecna serve%s%s\n"
               "  then give your tool the base URL http://%s/v1 (OpenAI), http://%s (Ollama, "
               "Google)\n",
               job->out, strcmp(job->out, "vecna.yaml") == 0 ? "" : " --config ",
               strcmp(job->out, "vecna.yaml") == 0 ? "" : job->out, job->listen, job->listen);
        if (job->api_key)
            puts("  with VECNA_UPSTREAM_KEY in the environment: the key is not in the file");
        return EXIT_DONE;
    }
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "config");
    vecna_json_write_string(&json, job->out);
    vecna_json_write_key(&json, "url");
    vecna_json_write_string(&json, job->server->url);
    vecna_json_write_key(&json, "server");
    vecna_json_write_string(&json, vecna_wire_server_name(job->server->server));
    vecna_json_write_key(&json, "model");
    vecna_json_write_string(&json, job->chosen->id);
    vecna_json_write_key(&json, "source_dim");
    vecna_json_write_u64(&json, job->chosen->dim);
    vecna_json_write_key(&json, "norm");
    vecna_json_write_f64(&json, job->chosen->norm);
    vecna_json_write_key(&json, "dim");
    vecna_json_write_u64(&json, job->tested_dim);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

int command_onboard(int argc, char **argv) {
    onboard job = {.listen = "127.0.0.1:8484", .out = "vecna.yaml"};
    const option list[] = {
        {"url", 'u', OPTION_TEXTS, &job.urls, "URL",
         "look there, not on this machine's ports; may be given again"},
        {"api-key", 0, OPTION_TEXT, &job.api_key, "K", "key for the servers that are named"},
        {"model", 'm', OPTION_TEXT, &job.model, "M", "model to use"},
        {"dim", 'd', OPTION_COUNT, &job.dim, "N", "dimensions that the tool expects"},
        {"map", 0, OPTION_TEXT, &job.map, "FILE", "translate with a map of vecna fit"},
        {"listen", 'l', OPTION_TEXT, &job.listen, "HOST:PORT",
         "where the server will listen (127.0.0.1:8484)"},
        {"out", 'o', OPTION_TEXT, &job.out, "FILE", "configuration to write (vecna.yaml)"},
        {"yes", 'y', OPTION_FLAG, &job.yes, NULL, "ask nothing, take the defaults"},
        {"force", 0, OPTION_FLAG, &job.force, NULL, "replace the file"},
        {"json", 0, OPTION_FLAG, &job.json, NULL, "one JSON object"},
    };
    const usage use = {
        "vecna onboard [options]",
        "Finds embedding servers on this machine, sees what dimension and length a model's vectors "
        "have, asks\n"
        "what your tool expects, tests the whole path and writes vecna.yaml with comments.",
        list,
        sizeof list / sizeof list[0],
        "  vecna onboard\n"
        "  vecna onboard --yes --dim 1536\n"
        "  vecna onboard --url https://api.example.com --api-key \"$KEY\" --model bge-m3\n",
        0,
        0};
    size_t positional_count;
    vecna_error err;
    int status = parse_arguments(argc, argv, &use, NULL, &positional_count);
    if (status >= 0)
        return status;
    if (job.map && job.dim)
        return usage_error(&use, "--dim and --map exclude each other: a map has its dimension");
    if (!job.force && access(job.out, F_OK) == 0) /* before any question is asked */
        return fail_text("%s exists; --force replaces it, -o FILE writes another", job.out);
    if (check_writable(job.out, &err) != VECNA_OK)
        return fail_with(&err);
    status = find_servers(&job, &err);
    if (status == EXIT_DONE)
        status = choose_model(&job, &err);
    if (status == EXIT_DONE)
        status = choose_dim(&job);
    if (status == EXIT_DONE)
        status = write_and_test(&job);
    if (status == EXIT_DONE)
        status = report(&job);
    vni_found_free(job.found, job.found_count, NULL);
    return status;
}
