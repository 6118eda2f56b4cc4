/* vecna models: which models a server has, and of what dimension. */
#include "cli/cli.h"

#include "proxy/proxy_impl.h"

#include <stdlib.h>
#include <string.h>

enum { PROBE_MS = 15000 };

typedef struct models_options {
    const char *api_key;
    bool no_probe, json;
} models_options;

static void write_model(vecna_json_writer *json, const vni_found_model *model) {
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "id");
    vecna_json_write_string(json, model->id);
    vecna_json_write_key(json, "dim");
    if (model->dim)
        vecna_json_write_u64(json, model->dim);
    else
        vecna_json_write_null(json);
    vecna_json_write_key(json, "norm");
    if (model->norm > 0)
        vecna_json_write_f64(json, model->norm);
    else
        vecna_json_write_null(json);
    if (model->problem[0]) {
        vecna_json_write_key(json, "problem");
        vecna_json_write_string(json, model->problem);
    }
    vecna_json_write_object_end(json);
}

static int print_as_json(const vni_found *found, size_t count) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "servers");
    vecna_json_write_array_begin(&json);
    for (size_t i = 0; i < count; i++) {
        vecna_json_write_object_begin(&json);
        vecna_json_write_key(&json, "url");
        vecna_json_write_string(&json, found[i].url);
        vecna_json_write_key(&json, "server");
        vecna_json_write_string(&json, found[i].is_vecna ? "vecna"
                                                         : vecna_wire_server_name(found[i].server));
        vecna_json_write_key(&json, "needs_key");
        vecna_json_write_bool(&json, found[i].needs_key);
        vecna_json_write_key(&json, "models");
        vecna_json_write_array_begin(&json);
        for (size_t j = 0; j < found[i].model_count; j++)
            write_model(&json, &found[i].models[j]);
        vecna_json_write_array_end(&json);
        vecna_json_write_object_end(&json);
    }
    vecna_json_write_array_end(&json);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static void print_server(const vni_found *found) {
    static const char *const headers[] = {"model", "dimension", "length", ""};
    table t;
    printf("%s  %s%s\n", found->url,
           found->is_vecna ? "vecna" : vecna_wire_server_name(found->server),
           found->needs_key && found->model_count == 0 ? ", needs a key: --api-key K" : "");
    if (found->model_count == 0)
        return;
    table_start(&t, 4, headers);
    for (size_t i = 0; i < found->model_count; i++) {
        const vni_found_model *model = &found->models[i];
        table_cell(&t, "%s", model->id);
        if (model->dim)
            table_cell(&t, "%zu", model->dim);
        else
            table_cell(&t, "-");
        if (model->norm > 0)
            table_cell(&t, model->norm > 0.999 && model->norm < 1.001 ? "1" : "%.4g", model->norm);
        else
            table_cell(&t, "-");
        table_cell(&t, "%.90s", model->embeds < 0 ? "does not embed" : model->problem);
    }
    table_print(&t, stdout, "  ");
}

int command_models(int argc, char **argv) {
    models_options options = {0};
    const option list[] = {
        {"api-key", 0, OPTION_TEXT, &options.api_key, "K", "key for the server that is named"},
        {"no-probe", 0, OPTION_FLAG, &options.no_probe, NULL,
         "do not embed a word where the dimension is not listed"},
        {"json", 0, OPTION_FLAG, &options.json, NULL, "one JSON object"},
    };
    const usage use = {"vecna models [URL] [options]",
                       "Lists the models of a server with their dimensions; without URL those of "
                       "every server found on the\n"
                       "usual ports of this machine. Where a list does not tell the dimension, one "
                       "word is embedded.",
                       list,
                       sizeof list / sizeof list[0],
                       "  vecna models\n"
                       "  vecna models http://127.0.0.1:11434 --json\n",
                       0,
                       1};
    const char *url = NULL;
    vni_discover_options look = {0};
    vni_found *found = NULL;
    size_t positional_count, count = 0;
    vecna_error err;
    vecna_status status;
    int exit_status = parse_arguments(argc, argv, &use, &url, &positional_count);
    if (exit_status >= 0)
        return exit_status;
    look.urls = &url;
    look.url_count = positional_count;
    look.api_key = options.api_key;
    status = vni_discover(&look, &found, &count, &err);
    for (size_t i = 0; status == VECNA_OK && i < count; i++)
        for (size_t j = 0; status == VECNA_OK && !options.no_probe && j < found[i].model_count; j++)
            if (found[i].models[j].embeds >= 0 && found[i].models[j].dim == 0)
                status = vni_probe_model(&found[i], &found[i].models[j],
                                         url ? options.api_key : NULL, PROBE_MS, NULL, &err);
    if (status != VECNA_OK) {
        vni_found_free(found, count, NULL);
        return fail_with(&err);
    }
    if (options.json)
        exit_status = print_as_json(found, count);
    else
        for (size_t i = 0; i < count; i++)
            print_server(&found[i]);
    if (count == 0)
        exit_status = url ? fail_text("%s does not answer like a server that embeds", url)
                          : fail_text("no server that embeds was found on the usual ports of this "
                                      "machine; name one: vecna models URL");
    else if (!options.json)
        exit_status = EXIT_DONE;
    vni_found_free(found, count, NULL);
    return exit_status;
}
