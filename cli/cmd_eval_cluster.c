/* vecna eval cluster: do vectors fall into the groups that labels name? k-means with as many clusters as
 * there are labels, held against them; beside what the same clusters give when they are dealt out by
 * chance, since purity alone rises with the number of clusters. */
#include "cli/eval_tasks.h"
#include "cli/labels.h"
#include "cli/rank.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SILHOUETTE_ROWS = 10000 };

typedef struct cluster_options {
    const char *labels, *label_field, *out;
    size_t clusters, restarts, resamples, threads;
    int metric;
    uint64_t seed;
    bool json;
    input_options input;
} cluster_options;

typedef struct cluster_job {
    const cluster_options *options;
    const char *path;
    loaded file;
    labels truth;
    uint32_t *of, *dealt;    /* clusters: found, and dealt out by chance */
    uint32_t *some, *others; /* of a resample */
    size_t clusters;
    vecna_kmeans_result fit;
    vecna_agreement found, chance;
    vecna_interval v, nmi, ari, purity;
    double silhouette, by_labels; /* of the clusters, and of the labels as clusters */
} cluster_job;

typedef struct measure_of {
    cluster_job *job;
    size_t offset; /* of the figure in vecna_agreement */
} measure_of;

static double on_resample(void *user, const size_t *picks) {
    const measure_of *m = user;
    cluster_job *job = m->job;
    vecna_agreement at;
    for (size_t i = 0; i < job->file.vectors.rows; i++) {
        job->some[i] = job->truth.of[picks[i]];
        job->others[i] = job->of[picks[i]];
    }
    if (vecna_eval_agreement(job->some, job->truth.classes, job->others, job->clusters,
                             job->file.vectors.rows, NULL, &at, NULL) != VECNA_OK)
        return NAN;
    return *(const double *)((const char *)&at + m->offset);
}

static vecna_status find_intervals(cluster_job *job, vecna_error *err) {
    const struct {
        size_t offset;
        vecna_interval *out;
    } all[] = {{offsetof(vecna_agreement, v_measure), &job->v},
               {offsetof(vecna_agreement, nmi), &job->nmi},
               {offsetof(vecna_agreement, ari), &job->ari},
               {offsetof(vecna_agreement, purity), &job->purity}};
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i < sizeof all / sizeof all[0]; i++) {
        measure_of one = {job, all[i].offset};
        const double value = *(const double *)((const char *)&job->found + all[i].offset);
        status = resample_rows(on_resample, &one, value, job->file.vectors.rows,
                               job->options->resamples, job->options->seed, all[i].out, err);
    }
    return status;
}

/* Directions alone: rows to length 1. */
static void to_unit_rows(vecna_matrix rows) {
    for (size_t i = 0; i < rows.rows; i++) {
        float *row = rows.data + i * rows.stride;
        double square = 0;
        for (size_t j = 0; j < rows.dim; j++)
            square += (double)row[j] * (double)row[j];
        for (size_t j = 0; square > 0 && j < rows.dim; j++)
            row[j] = (float)((double)row[j] / sqrt(square));
    }
}

/* The same clusters, each of its size, over rows in another order. */
static vecna_status deal_out(cluster_job *job, vecna_error *err) {
    const size_t rows = job->file.vectors.rows;
    vecna_random random;
    size_t *order = malloc(rows * sizeof *order);
    if (order == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu rows", rows);
    for (size_t i = 0; i < rows; i++)
        order[i] = i;
    vecna_random_seed(&random, job->options->seed, 1);
    vecna_random_shuffle(&random, order, rows);
    for (size_t i = 0; i < rows; i++)
        job->dealt[i] = job->of[order[i]];
    free(order);
    return VECNA_OK;
}

/* Rows that are all alike are one group, whatever was asked for. */
static bool has_two_groups(const uint32_t *of, size_t rows) {
    for (size_t i = 1; i < rows; i++)
        if (of[i] != of[0])
            return true;
    return false;
}

static vecna_status evaluate(cluster_job *job, vecna_pool *pool, vecna_error *err) {
    const cluster_options *o = job->options;
    const size_t rows = job->file.vectors.rows;
    const vecna_view view = vecna_matrix_view(job->file.vectors);
    const vecna_kmeans_options options = {.restarts = o->restarts, .seed = o->seed, .pool = pool};
    vecna_status status;
    job->clusters = o->clusters ? o->clusters : job->truth.classes;
    job->of = calloc(4 * rows, sizeof *job->of);
    if (job->of == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu rows", rows);
    job->dealt = job->of + rows;
    job->some = job->of + 2 * rows;
    job->others = job->of + 3 * rows;
    if (o->metric == 0)
        to_unit_rows(job->file.vectors);
    status = vecna_kmeans(view, job->clusters, &options, NULL, job->of, &job->fit, err);
    if (status == VECNA_OK)
        status = deal_out(job, err);
    if (status == VECNA_OK)
        status = vecna_eval_agreement(job->truth.of, job->truth.classes, job->of, job->clusters,
                                      rows, NULL, &job->found, err);
    if (status == VECNA_OK)
        status = vecna_eval_agreement(job->truth.of, job->truth.classes, job->dealt, job->clusters,
                                      rows, NULL, &job->chance, err);
    if (status == VECNA_OK && has_two_groups(job->of, rows))
        status = vecna_eval_silhouette(view, job->of, job->clusters, SILHOUETTE_ROWS, pool, NULL,
                                       &job->silhouette, err);
    if (status == VECNA_OK && has_two_groups(job->truth.of, rows))
        status = vecna_eval_silhouette(view, job->truth.of, job->truth.classes, SILHOUETTE_ROWS,
                                       pool, NULL, &job->by_labels, err);
    return status == VECNA_OK ? find_intervals(job, err) : status;
}

/* One group has no other to be apart from. */
static const char *silhouette_word(double value, char out[16]) {
    if (isnan(value))
        return "-";
    snprintf(out, 16, "%.3f", value);
    return out;
}

static void print_text(const cluster_job *job) {
    char beside[64], words[2][16];
    printf("%s: %s rows x %zu, %zu labels, k-means with %zu clusters (%zu steps%s)\n", job->path,
           grouped(job->file.vectors.rows), job->file.vectors.dim, job->truth.classes,
           job->clusters, job->fit.iterations, job->fit.converged ? "" : ", not converged");
    snprintf(beside, sizeof beside, "by chance %.3f", job->chance.v_measure);
    print_figure("V-measure", job->v, beside);
    snprintf(beside, sizeof beside, "by chance %.3f", job->chance.nmi);
    print_figure("NMI", job->nmi, beside);
    snprintf(beside, sizeof beside, "by chance %.3f", job->chance.ari);
    print_figure("ARI", job->ari, beside);
    snprintf(beside, sizeof beside, "by chance %.3f", job->chance.purity);
    print_figure("purity", job->purity, beside);
    printf("  %-14s %6s   of the labels themselves %s\n", "silhouette",
           silhouette_word(job->silhouette, words[0]), silhouette_word(job->by_labels, words[1]));
}

static void write_agreement(vecna_json_writer *json, const vecna_agreement *at) {
    const struct {
        const char *key;
        double value;
    } all[] = {{"homogeneity", at->homogeneity},
               {"completeness", at->completeness},
               {"v_measure", at->v_measure},
               {"nmi", at->nmi},
               {"ari", at->ari},
               {"purity", at->purity}};
    vecna_json_write_object_begin(json);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vecna_json_write_key(json, all[i].key);
        vecna_json_write_f64(json, all[i].value);
    }
    vecna_json_write_object_end(json);
}

static int print_as_json(const cluster_job *job) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "rows");
    vecna_json_write_u64(&json, job->file.vectors.rows);
    vecna_json_write_key(&json, "labels");
    vecna_json_write_u64(&json, job->truth.classes);
    vecna_json_write_key(&json, "clusters");
    vecna_json_write_u64(&json, job->clusters);
    write_figure(&json, "v_measure", job->v);
    write_figure(&json, "nmi", job->nmi);
    write_figure(&json, "ari", job->ari);
    write_figure(&json, "purity", job->purity);
    vecna_json_write_key(&json, "homogeneity");
    vecna_json_write_f64(&json, job->found.homogeneity);
    vecna_json_write_key(&json, "completeness");
    vecna_json_write_f64(&json, job->found.completeness);
    vecna_json_write_key(&json, "silhouette");
    vecna_json_write_f64(&json, job->silhouette);
    vecna_json_write_key(&json, "silhouette_of_labels");
    vecna_json_write_f64(&json, job->by_labels);
    vecna_json_write_key(&json, "inertia");
    vecna_json_write_f64(&json, job->fit.inertia);
    vecna_json_write_key(&json, "chance");
    write_agreement(&json, &job->chance);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

/* A line a row: the number of its cluster. */
static vecna_status write_clusters(const cluster_job *job, vecna_error *err) {
    vecna_outfile *file = NULL;
    char line[16];
    vecna_status status = vecna_outfile_open(job->options->out, NULL, &file, err);
    for (size_t i = 0; status == VECNA_OK && i < job->file.vectors.rows; i++) {
        int bytes = snprintf(line, sizeof line, "%u\n", job->of[i]);
        status = vecna_outfile_write(file, line, (size_t)bytes, err);
    }
    if (status == VECNA_OK)
        return vecna_outfile_commit(file, err);
    vecna_outfile_discard(file);
    return status;
}

static int run_cluster(cluster_job *job) {
    const cluster_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    vecna_pool *pool = NULL;
    vecna_error err;
    int exit_status;
    vecna_status status = vecna_pool_new(o->threads, NULL, &pool, &err);
    if (status == VECNA_OK)
        status = load_vectors(job->path, &format, &job->file, &err);
    if (status == VECNA_OK)
        status = check_finite(job->path, vecna_matrix_view(job->file.vectors), 0, &err);
    if (status == VECNA_OK)
        status = load_labels(o->labels, o->label_field ? o->label_field : "label",
                             job->file.vectors.rows, &job->truth, &err);
    if (status == VECNA_OK)
        status = evaluate(job, pool, &err);
    if (status == VECNA_OK && o->out)
        status = write_clusters(job, &err);
    if (status != VECNA_OK) {
        exit_status = fail_with(&err);
    } else if (o->json) {
        exit_status = print_as_json(job);
    } else {
        print_text(job);
        exit_status = EXIT_DONE;
    }
    free(job->of);
    free_labels(&job->truth);
    unload(&job->file);
    vecna_pool_free(pool);
    return exit_status;
}

int eval_cluster(int argc, char **argv) {
    cluster_options o = {.restarts = 10, .resamples = 500};
    const option options[] = {
        {"labels", 'l', OPTION_TEXT, &o.labels, "FILE",
         "the group of each row: a line a row, a label or\nJSON with the field \"label\""},
        {"label-field", 0, OPTION_TEXT, &o.label_field, "NAME", "field of --labels (label)"},
        {"clusters", 'k', OPTION_COUNT, &o.clusters, "N", "(default: as many as labels)"},
        {"metric", 'm', OPTION_CHOICE, &o.metric, "cosine|l2",
         "of directions alone (cosine), or of lengths too"},
        {"out", 'o', OPTION_TEXT, &o.out, "FILE", "write the cluster of each row, a line a row"},
        {"restarts", 0, OPTION_COUNT, &o.restarts, "N", "of k-means; the tightest counts (10)"},
        {"resamples", 0, OPTION_COUNT, &o.resamples, "N", "of the bootstrap (500)"},
        {"seed", 0, OPTION_WHOLE, &o.seed, "N", "(0)"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "one JSON object"},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {"vecna eval cluster VECTORS --labels FILE [options]",
                       "Groups the rows by k-means and says how well the groups agree with labels: "
                       "V-measure,\n"
                       "NMI, ARI, purity, silhouette, each beside what chance gives.",
                       options,
                       sizeof options / sizeof options[0],
                       "  vecna eval cluster vectors.npy --labels topics.txt\n",
                       1,
                       1};
    const char *path;
    size_t count;
    cluster_job job;
    int status = parse_arguments(argc, argv, &use, &path, &count);
    if (status >= 0)
        return status;
    if (o.labels == NULL)
        return usage_error(&use, "say which row belongs to which group with --labels");
    memset(&job, 0, sizeof job);
    job.silhouette = job.by_labels = NAN;
    job.options = &o;
    job.path = path;
    return run_cluster(&job);
}
