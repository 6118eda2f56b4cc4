/* vecna serve: the endpoint. */
#include "cli/cli.h"
#include "cli/maps.h"

#include "dash/dash_impl.h"
#include "proxy/proxy_impl.h"

#include <string.h>
#include <unistd.h>

extern char **environ;
extern const char builtin_model[], builtin_model_end[]; /* embed_model.c */

typedef struct serve {
    const char *config, *listen, *upstream, *model, *api_key, *client_key, *map, *precision;
    int provider;
    size_t dim;
    bool insecure, check, keys;
} serve;

static const char providers[] = "openai|ollama|tei|google|cohere|voyage";

static void say(void *user, int level, const char *line) {
    (void)user;
    if (level >= 3) {
        puts(line);
        fflush(stdout);
    } else {
        fprintf(stderr, "vecna: %s%s\n", level == 1 ? "note: " : "", line);
    }
}

static int print_reference(void *user, const char *text) {
    return fputs(text, user) < 0;
}

/* The word of a choice, into out. */
static const char *word_of(const char *words, int index, char *out, size_t room) {
    const char *bar;
    while (index-- > 0)
        words = strchr(words, '|') + 1;
    bar = strchr(words, '|');
    snprintf(out, room, "%.*s", (int)(bar ? (size_t)(bar - words) : strlen(words)), words);
    return out;
}

static int check_options(const usage *use, const serve *options) {
    if (options->upstream && options->config)
        return usage_error(
            use, "--upstream and --config exclude each other: the file names its upstreams");
    if (options->config &&
        (options->model || options->api_key || options->map || options->dim || options->client_key))
        return usage_error(use, "--model, --dim, --map, --api-key and --client-key do not go with "
                                "--config; the file has its own");
    if (options->upstream == NULL && (options->api_key || options->provider))
        return usage_error(use, "--provider and --api-key go with --upstream");
    if (options->precision && options->map == NULL)
        return usage_error(use, "--precision goes with --map");
    if (options->map && options->dim)
        return usage_error(use, "--dim and --map exclude each other: a map has its dimension");
    return -1;
}

int command_serve(int argc, char **argv) {
    serve options = {0};
    const option list[] = {
        {"config", 'c', OPTION_TEXT, &options.config, "FILE",
         "configuration (vecna.yaml, when there is one)"},
        {"listen", 'l', OPTION_TEXT, &options.listen, "HOST:PORT", "address (127.0.0.1:8484)"},
        {"insecure", 0, OPTION_FLAG, &options.insecure, NULL,
         "serve other machines without any API key"},
        {"check", 0, OPTION_FLAG, &options.check, NULL,
         "read everything, say what would be served, serve nothing"},
        {"keys", 0, OPTION_FLAG, &options.keys, NULL,
         "print every key of the configuration (docs/config.md)"},
        {"without", 0, OPTION_GROUP, NULL, NULL, "without a file"},
        {"upstream", 'u', OPTION_TEXT, &options.upstream, "URL",
         "server that embeds: http://127.0.0.1:11434"},
        {"provider", 'p', OPTION_CHOICE, &options.provider, providers, "what it speaks (openai)"},
        {"model", 'm', OPTION_TEXT, &options.model, "M",
         "model to ask for (the one that the client names); without\n--upstream a file of vecna "
         "distill (the built-in model)"},
        {"dim", 'd', OPTION_COUNT, &options.dim, "N",
         "cut or pad to N dimensions, in the same space"},
        {"map", 0, OPTION_TEXT, &options.map, "FILE", "translate with a map of vecna fit"},
        {"precision", 0, OPTION_TEXT, &options.precision, "P",
         "with --map: of its weights, int12 (default), float16, float32\nor int8"},
        {"api-key", 0, OPTION_TEXT, &options.api_key, "K",
         "key for the upstream; '${NAME}' takes the environment's"},
        {"client-key", 0, OPTION_TEXT, &options.client_key, "K", "key that clients must show"},
    };
    const usage use = {
        "vecna serve [--config FILE | --upstream URL] [options]",
        "Answers as OpenAI, Google, Ollama, Cohere and Voyage do, with vectors of any embedding "
        "model, in the\n"
        "dimension and the space that the client's database expects. Clients need a new base URL "
        "and nothing\n"
        "else. SIGHUP reads the configuration again; SIGTERM ends after the requests in flight.",
        list,
        sizeof list / sizeof list[0],
        "  vecna serve --upstream http://127.0.0.1:11434 --model nomic-embed-text --dim 1536\n"
        "  vecna serve --config vecna.yaml --check\n",
        0,
        0};
    vni_serve_options serving = {0};
    vecna_error err;
    vecna_status status;
    char provider[16];
    size_t positional_count;
    int exit_status = parse_arguments(argc, argv, &use, NULL, &positional_count);

    if (exit_status >= 0)
        return exit_status;
    if (options.keys)
        return vni_config_reference(print_reference, stdout) == VECNA_OK ? EXIT_DONE : EXIT_FAILED;
    exit_status = check_options(&use, &options);
    if (exit_status >= 0)
        return exit_status;
    if (options.config == NULL && access("vecna.yaml", F_OK) == 0) {
        if (options.upstream || options.model || options.dim || options.map || options.client_key)
            note("vecna.yaml of this folder is not read: the options say what to serve");
        else
            options.config = "vecna.yaml";
    }
    serving.config = options.config;
    serving.listen = options.listen;
    serving.insecure = options.insecure;
    serving.upstream = options.upstream;
    serving.provider = word_of(providers, options.provider, provider, sizeof provider);
    serving.model = options.model;
    serving.api_key = options.api_key;
    serving.client_key = options.client_key;
    serving.map = options.map;
    serving.dim = options.dim;
    serving.precision = options.precision;
    serving.builtin = builtin_model;
    serving.builtin_bytes = (size_t)(builtin_model_end - builtin_model);
    serving.say = say;
    serving.find_map = find_map;
    serving.page = vni_dash_page;
    serving.environment = (const char *const *)environ;
    err.message[0] = '\0';
    status = options.check ? vni_serve_check(&serving, &err) : vni_serve(&serving, &err);
    return status == VECNA_OK ? EXIT_DONE : fail_with(&err);
}
