/* vecna train node2vec: a graph into vectors of its nodes, by skip-gram over walks. */
#include "cli/train.h"

#include <stdlib.h>
#include <string.h>

typedef struct node2vec_options {
    training_options training;
    vecna_word2vec_options model;
    vecna_walk_options walk;
    int format;
    bool directed;
    double exponent;
} node2vec_options;

typedef struct node2vec_job {
    const node2vec_options *options;
    const char *path;
    vecna_graph *graph;
    vecna_walks *walks;
    vecna_supply supply;
    vecna_word2vec *model;
    vecna_pool *pool;
    trainer watch;
} node2vec_job;

TRAINABLE(word2vec);

static vecna_status fill_rows(const void *user, size_t first, vecna_matrix out, vecna_error *err) {
    return vecna_word2vec_vectors(user, first, out, err);
}

static vecna_status make_walks(node2vec_job *job, vecna_error *err) {
    const node2vec_options *o = job->options;
    vecna_graph_options graph = {(vecna_graph_format)o->format, o->directed, NULL};
    vecna_walk_options walk = o->walk;
    vecna_status status = vecna_graph_read(job->path, &graph, &job->graph, err);
    walk.seed = o->training.seed;
    walk.pool = job->pool;
    if (status == VECNA_OK)
        status = vecna_walks_new(job->graph, &walk, &job->walks, err);
    if (status == VECNA_OK)
        job->supply = vecna_walks_supply(job->walks);
    return status;
}

static vecna_status train(node2vec_job *job, vecna_error *err) {
    const node2vec_options *o = job->options;
    size_t bytes = 0;
    vecna_status status = vecna_word2vec_bytes(&o->model, job->supply.numbers, &bytes, err);
    if (status == VECNA_OK)
        status = check_resources(
            o->training.output, bytes,
            (double)job->supply.numbers * (double)o->model.dim * 22 + (double)bytes, err);
    if (status == VECNA_OK)
        status = vecna_word2vec_new(&o->model, &job->supply, NULL, &job->model, err);
    if (status != VECNA_OK)
        return status;
    job->watch.model = job->model;
    return trainer_run(&job->watch, job->pool, err);
}

static void print_summary(const void *user) {
    const node2vec_job *job = user;
    const node2vec_options *o = job->options;
    char *beside = words_path(o->training.output);
    printf("%s: %s nodes x %zu dimensions\n", o->training.output, grouped(job->supply.numbers),
           o->model.dim);
    if (beside)
        printf("  nodes in  %s\n", beside);
    printf("  read      %s%s edges of %s%s\n", grouped(vecna_graph_edges(job->graph)),
           o->directed ? " directed" : "", job->path,
           vecna_graph_is_weighted(job->graph) ? ", weighted" : "");
    printf("  walks     %zu from each node, p %g, q %g, %s steps\n", o->walk.walks, o->walk.p,
           o->walk.q, grouped(job->supply.words));
    trainer_print(&job->watch);
    free(beside);
}

static int print_summary_json(const void *user) {
    const node2vec_job *job = user;
    const node2vec_options *o = job->options;
    vecna_json_writer json;
    trainer_json_begin(&job->watch, "node2vec", &json);
    json_count(&json, "nodes", job->supply.numbers);
    json_count(&json, "edges", vecna_graph_edges(job->graph));
    vecna_json_write_key(&json, "weighted");
    vecna_json_write_bool(&json, vecna_graph_is_weighted(job->graph));
    json_count(&json, "dim", o->model.dim);
    json_count(&json, "nodes_of_an_epoch", job->supply.words);
    return trainer_json_end(&job->watch, &json);
}

static int run(const node2vec_options *o, const char *path) {
    node2vec_job job;
    vecna_error err;
    vecna_status status;
    int exit_status;
    memset(&job, 0, sizeof job);
    job.options = o;
    job.path = path;
    job.watch.options = &o->training;
    job.watch.kind = &word2vec_trainable;
    job.watch.what = "nodes";
    status = check_output_name(o->training.output, &err);
    if (status == VECNA_OK)
        status = vecna_pool_new(o->training.threads, NULL, &job.pool, &err);
    if (status == VECNA_OK)
        status = make_walks(&job, &err);
    if (status == VECNA_OK)
        status = train(&job, &err);
    if (status == VECNA_OK) {
        vector_output output = {job.supply.numbers, o->model.dim,  fill_rows,
                                job.model,          word_of_vocab, vecna_graph_names(job.graph)};
        status = write_vectors(o->training.output, &output, &err);
    }
    exit_status = trainer_end(&job.watch, status, &err, print_summary_json, print_summary, &job);
    vecna_word2vec_free(job.model);
    vecna_walks_free(job.walks);
    vecna_graph_free(job.graph);
    vecna_pool_free(job.pool);
    return exit_status;
}

int train_node2vec(int argc, char **argv) {
    node2vec_options o = {
        .training = {.seed = 1, .checkpoint_seconds = 300},
        .model =
            {.dim = 128, .window = 10, .negative = 5, .epochs = 1, .rate = 0.025, .sample = -1},
        .walk = {.p = 1, .q = 1, .walks = 10, .length = 80},
        .exponent = 0.75,
    };
    const option options[] = {
        {"output", 'o', OPTION_TEXT, &o.training.output, "FILE",
         "vectors; the name tells the format: .txt .bin .npy\n.safetensors .vec .glove .jsonl "
         ".csv"},
        {"graph", 0, OPTION_CHOICE, &o.format, "edges|adjacency",
         "a line: two nodes and perhaps a weight; or a node and\nall its neighbours (edges)"},
        {"directed", 0, OPTION_FLAG, &o.directed, NULL, "edges go one way"},
        {"p", 'p', OPTION_NUMBER, &o.walk.p, "X", "return: small keeps walks near home (1)"},
        {"q", 'q', OPTION_NUMBER, &o.walk.q, "X", "in-out: small lets walks go far (1)"},
        {"walks", 0, OPTION_COUNT, &o.walk.walks, "N", "walks from each node (10)"},
        {"length", 0, OPTION_COUNT, &o.walk.length, "N", "nodes of a walk (80)"},
        {"dim", 'd', OPTION_COUNT, &o.model.dim, "N", "dimensions (128)"},
        {"window", 'w', OPTION_COUNT, &o.model.window, "N", "nodes on either side, at most (10)"},
        {"epochs", 'e', OPTION_COUNT, &o.model.epochs, "N", "times through the walks (1)"},
        {"lr", 0, OPTION_NUMBER, &o.model.rate, "X", "learning rate at the start (0.025)"},
        {"negative", 'n', OPTION_COUNT, &o.model.negative, "N", "nodes drawn against each (5)"},
        {"exponent", 0, OPTION_NUMBER, &o.exponent, "X", "they are drawn by visits^X (0.75)"},
        TRAINING_OPTIONS(o.training),
    };
    const usage use = {
        "vecna train node2vec GRAPH -o VECTORS [options]",
        "Learns a vector for each node of GRAPH so that nodes that walks meet together get like "
        "vectors.\nWalks are made while they are trained: memory is that of the graph and the "
        "vectors.",
        options,
        sizeof options / sizeof options[0],
        "  vecna train node2vec friends.txt -o friends.npy --q 0.5\n"
        "  vecna train node2vec links.csv -o links.bin --directed --dim 64\n",
        1,
        1};
    const char *path;
    size_t count;
    int status = parse_arguments(argc, argv, &use, &path, &count);
    if (status >= 0)
        return status;
    if (o.training.output == NULL)
        return usage_error(&use, "say where the vectors go: -o VECTORS");
    if (o.model.rate <= 0)
        return usage_error(&use, "--lr is above 0, not %g", o.model.rate);
    if (o.walk.p <= 0 || o.walk.q <= 0)
        return usage_error(&use, "--p and --q are above 0");
    if (o.training.threads == 0)
        o.training.threads = vecna_cpus_allowed();
    o.model.threads = o.training.threads;
    o.model.seed = o.training.seed;
    o.model.exponent = o.exponent > 0 ? o.exponent : -1;
    return run(&o, path);
}
