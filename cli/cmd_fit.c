/* vecna fit: learn a translator from pairs, judge it on pairs it did not see, write the map.
 *
 * A map whose verdict is FAIL is written too, with the verdict in it, and the exit status is 3: the
 * figures are the result. */
#include "cli/confidence.h"
#include "cli/fit.h"
#include "cli/judged.h"
#include "cli/labels.h"
#include "cli/maps.h"

#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fit_options {
    const char *out;
    int method, role, pair_by, bad_rows; /* bad_rows: 0 fail, 1 skip */
    double lambda, share, exponent, min_retention, duplicate_cosine, temperature, correction, means;
    size_t rank, neighbours, threads, resamples;
    uint64_t seed;
    const char *texts, *source_name, *target_name;
    const char *queries_source, *queries_target, *queries_texts, *qrels;
    const char *prior, *update, *anchors, *kinds;
    double prior_weight;
    bool json, keep_length, no_confidence, unpaired, no_statistics, small_statistics;
    input_options input;
} fit_options;

typedef struct fit_job {
    const fit_options *options;
    pairs both;
    loaded queries_source, queries_target;
    judged truth;
    vecna_judgement *judgements;
    size_t judgement_count;
    uint64_t *groups;
    vecna_pool *pool;
    vecna_map *map;
    vecna_anchor *anchors;
    size_t anchor_count;
    labels kinds;
    vecna_map *leans_on; /* the prior, or the map that is updated */
    progress meter;
} fit_job;

static void close_job(fit_job *job) {
    vecna_map_free(job->map);
    vecna_map_free(job->leans_on);
    vecna_pool_free(job->pool);
    judged_free(&job->truth);
    free(job->judgements);
    free(job->anchors);
    free(job->groups);
    free_labels(&job->kinds);
    free_pairs(&job->both);
    unload(&job->queries_source);
    unload(&job->queries_target);
}

/* Rows with the same text stay on one side of every split, and rows with nearly the same vectors, whose texts
 * may differ by a comma: such a twin among the fitted rows would be half of the answer. */
static vecna_status group_by_text(fit_job *job, vecna_error *err) {
    size_t rows = job->both.source.vectors.rows;
    if (job->both.source.texts == NULL)
        return VECNA_OK;
    job->groups = vecna_allocate(NULL, rows, sizeof *job->groups);
    if (job->groups == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu rows", rows);
    for (size_t i = 0; i < rows; i++) {
        const char *text = job->both.source.texts[i];
        job->groups[i] = text ? vecna_translate_text_group(text, strlen(text))
                              : UINT64_C(0x9E3779B97F4A7C15) * (i + 1);
    }
    return VECNA_OK;
}

/* Queries in both spaces and what answers them. Judgements by row number speak of the file as it was: they
 * are refused when pairing moved its rows. */
static vecna_status load_queries(fit_job *job, vecna_error *err) {
    const fit_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    vecna_status status;
    if (o->queries_source == NULL)
        return VECNA_OK;
    status = load_vectors(o->queries_source, &format, &job->queries_source, err);
    if (status == VECNA_OK)
        status = load_vectors(o->queries_target, &format, &job->queries_target, err);
    if (status == VECNA_OK && o->queries_texts)
        status = load_texts(o->queries_texts, &format, &job->queries_source, err);
    if (status != VECNA_OK)
        return status;
    if (job->queries_source.vectors.rows != job->queries_target.vectors.rows)
        return vecna_error_set(
            err, VECNA_ERR_DIM, -1,
            "%s has %zu queries and %s has %zu; they must be the same, row by row",
            o->queries_source, job->queries_source.vectors.rows, o->queries_target,
            job->queries_target.vectors.rows);
    if (o->qrels == NULL && job->queries_source.relevant &&
        job->both.source_alone + job->both.left_out)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "the queries name their answers by row, but %zu rows of %s have no "
                               "partner%s, so rows have moved; give --qrels with ids",
                               job->both.source_alone + job->both.left_out, job->both.source.path,
                               job->both.left_out ? " or were left out" : "");
    status = judge_queries(&job->queries_source, &job->both.source, o->qrels, &job->truth, err);
    if (status != VECNA_OK || job->truth.judgements == NULL)
        return status;
    job->judgement_count = vecna_judgements_list(job->truth.judgements, NULL);
    job->judgements = vecna_allocate(NULL, job->judgement_count, sizeof *job->judgements);
    if (job->judgements == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the judgements");
    vecna_judgements_list(job->truth.judgements, job->judgements);
    return VECNA_OK;
}

/* A kind for each pair. Its lines are the rows of SOURCE: they are refused where rows have moved. */
static vecna_status load_kinds(fit_job *job, vecna_error *err) {
    const char *path = job->options->kinds;
    const pairs *both = &job->both;
    const size_t moved = both->source_alone + both->left_out;
    if (moved)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%s names the kinds of pairs line by line, but %zu rows of %s have "
                               "no partner%s, so rows have moved; leave them out of the files",
                               path, moved, both->source.path,
                               both->left_out ? " or were left out" : "");
    vecna_status status = load_labels(path, "kind", both->source.vectors.rows, &job->kinds, err);
    if (status == VECNA_OK && job->kinds.classes > VECNA_KINDS_MOST)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%s names %zu kinds of pairs: a map keeps at most %d apart; name "
                               "rare ones alike",
                               path, job->kinds.classes, VECNA_KINDS_MOST);
    return status;
}

static int show_progress(void *user, const char *stage, double done) {
    fit_job *job = user;
    if (job->meter.active && seconds_now() - job->meter.started > 1)
        fprintf(stderr, "\r\033[K%s, %.0f %%", stage, 100 * done);
    return 0;
}

/* The word of METHOD_WORDS. */
static vecna_method method_of(const fit_options *o) {
    return (vecna_method)(o->method < VECNA_METHOD_GIVEN ? o->method : o->method + 1);
}

/* Numbers that were not given are NaN here, and 0 to the library. */
static double or_zero(double given) {
    return isnan(given) ? 0 : given;
}

static vecna_status fit(fit_job *job, vecna_error *err) {
    const fit_options *o = job->options;
    vecna_translate_options options;
    vecna_status status;

    memset(&options, 0, sizeof options);
    options.role = o->role == ROLE_NOT_GIVEN ? VECNA_ROLE_DOCUMENT : (vecna_role)o->role;
    options.recipe.method = method_of(o);
    options.recipe.lambda = or_zero(o->lambda);
    options.recipe.share = or_zero(o->share);
    options.recipe.exponent = or_zero(o->exponent);
    options.recipe.neighbours = o->neighbours;
    options.recipe.temperature = or_zero(o->temperature);
    options.recipe.correction = or_zero(o->correction);
    options.recipe.means = or_zero(o->means);
    options.recipe.rank = o->rank;
    options.queries.source = vecna_matrix_view(job->queries_source.vectors);
    options.queries.target = vecna_matrix_view(job->queries_target.vectors);
    options.queries.judgements = job->judgements;
    options.queries.judgement_count = job->judgement_count;
    options.groups = job->groups;
    options.duplicate_cosine =
        isnan(o->duplicate_cosine) ? VECNA_DUPLICATE_COSINE : o->duplicate_cosine;
    options.keep_length = o->keep_length;
    options.no_confidence = o->no_confidence;
    options.min_retention = or_zero(o->min_retention);
    options.prior = o->prior ? job->leans_on : NULL;
    options.update = o->update ? job->leans_on : NULL;
    options.prior_weight = or_zero(o->prior_weight);
    options.statistics = o->no_statistics      ? VECNA_STATISTICS_NONE
                         : o->small_statistics ? VECNA_STATISTICS_F16
                                               : VECNA_STATISTICS_F32;
    options.kinds.of = job->kinds.of;
    options.kinds.names = (const char *const *)job->kinds.names;
    options.kinds.count = job->kinds.classes;
    options.seed = o->seed;
    options.resamples = o->resamples;
    options.source_name = o->source_name;
    options.target_name = o->target_name;
    options.progress = show_progress;
    options.progress_user = job;
    options.pool = job->pool;
    vecna_view source = vecna_matrix_view(job->both.source.vectors);
    vecna_view target = vecna_matrix_view(job->both.target.vectors);
    const size_t least = source.dim < target.dim ? source.dim : target.dim;
    if (o->rank > least)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "--rank %zu: between %zu and %zu dimensions there are at most %zu "
                               "directions",
                               o->rank, source.dim, target.dim, least);
    progress_start(&job->meter, "fitting", -1);
    if (o->anchors || (o->unpaired && !o->prior))
        status = vecna_translate_unpaired(source, target, job->anchors, job->anchor_count, &options,
                                          &job->map, err);
    else if (o->prior && (source.rows == 0 || o->unpaired)) /* not a pair */
        status = vecna_translate_prior(job->leans_on, source, target, &options, &job->map, err);
    else
        status = vecna_translate_fit(source, target, &options, &job->map, err);
    if (job->meter.active)
        fputs("\r\033[K", stderr);
    return status;
}

/* What only the command knows, files and pairing, and the library's report. */
static int print_fit_json(const fit_job *job, const vecna_map_info *about, FILE *to) {
    static const char *const by[] = {"", "row", "id", "text"};
    const char *report = vecna_map_report_json(job->map);
    const struct {
        const char *key;
        size_t value;
    } counts[] = {{"source_unmatched", job->both.source_alone},
                  {"target_unmatched", job->both.target_alone},
                  {"pairs_left_out", job->both.left_out},
                  {"source_dim", about->source_dim},
                  {"target_dim", about->target_dim}};
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "map");
    vecna_json_write_string(&json, job->options->out);
    vecna_json_write_key(&json, "paired_by");
    vecna_json_write_string(&json, by[job->both.by]);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        vecna_json_write_key(&json, counts[i].key);
        vecna_json_write_u64(&json, counts[i].value);
    }
    vecna_json_write_key(&json, "verdict");
    vecna_json_write_string(&json, vecna_verdict_name(about->verdict));
    held_print_json(job->map, &json);
    vecna_json_write_key(&json, "report"); /* as vecna inspect shows it of the map */
    vecna_json_write_raw(&json, report, strlen(report));
    vecna_json_write_object_end(&json);
    return print_json(&json, to);
}

static int print_fit(const fit_job *job, const vecna_map_info *about, FILE *to) {
    if (job->options->json)
        return print_fit_json(job, about, to);
    print_fit_report(vecna_map_report(job->map), about, job->options->out, to);
    return EXIT_DONE;
}

/* A fit takes and releases tens of megabytes a hundred times over. Given back to the system each time,
 * their pages are cleared and mapped anew: a fifth of a second in each. */
static void keep_released_memory(void) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_TOP_PAD, 64 << 20);
#endif
}

static int run_fit(fit_job *job, const char *source, const char *target) {
    const fit_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    vecna_map_info about;
    vecna_error err;
    vecna_status status = check_writable(o->out, &err);

    if (status == VECNA_OK)
        status = vecna_pool_new(o->threads, NULL, &job->pool, &err);
    if (status == VECNA_OK && (o->prior || o->update))
        status = open_map(o->prior ? o->prior : o->update, &job->leans_on, &err);
    if (status == VECNA_OK && o->unpaired)
        status = load_unpaired(source, target, &format, &job->both, &err);
    else if (status == VECNA_OK && source)
        status = load_pairs(source, target, &format,
                            &(pair_options){(pairing)o->pair_by, o->texts, o->bad_rows != 0},
                            &job->both, &err);
    if (status == VECNA_OK && o->anchors)
        status = load_anchors(o->anchors, &job->both, &job->anchors, &job->anchor_count, &err);
    if (status == VECNA_OK && o->kinds)
        status = load_kinds(job, &err);
    if (status == VECNA_OK)
        status = load_queries(job, &err);
    if (status == VECNA_OK)
        status = group_by_text(job, &err);
    if (status == VECNA_OK)
        status = fit(job, &err);
    if (status == VECNA_OK)
        status = vecna_map_save(job->map, o->out, &err);
    if (status != VECNA_OK)
        return fail_with(&err);
    about = vecna_map_about(job->map);
    if (print_fit(job, &about, stdout) != EXIT_DONE)
        return EXIT_FAILED;
    return about.verdict == VECNA_VERDICT_FAIL ? EXIT_VERDICT : EXIT_DONE;
}

/* A number that the method does not have would be ignored without a word. Returns -1 to go on. */
static int check_numbers(const usage *use, const fit_options *o) {
    const int method = (int)method_of(o);
    const bool has_lambda = method == VECNA_METHOD_AUTO || method >= VECNA_METHOD_RIDGE;
    if (!isnan(o->lambda) && !has_lambda)
        return usage_error(use, "a rotation has no --lambda; it is of ridge, reduced-rank, "
                                "blend, blend-plain, family and memory");
    if (!isnan(o->share) && method != VECNA_METHOD_BLEND && method != VECNA_METHOD_MEMORY &&
        method != VECNA_METHOD_BLEND_PLAIN)
        return usage_error(use, "--share goes with --method blend, blend-plain or memory");
    if (!isnan(o->means) && (method == VECNA_METHOD_AUTO || method == VECNA_METHOD_MEMORY))
        return usage_error(use,
                           "--means goes with a --method other than auto, which chooses it, and "
                           "memory");
    if (o->means <= 0 || o->means > 1)
        return usage_error(use,
                           "--means is above 0 and at most 1, which is usual; 0.5 suits queries");
    if ((o->neighbours || !isnan(o->temperature) || !isnan(o->correction)) &&
        method != VECNA_METHOD_MEMORY)
        return usage_error(use,
                           "--neighbours, --temperature and --correction go with --method memory");
    if (o->neighbours > 64)
        return usage_error(use, "--neighbours is at most 64");
    if (o->temperature < 1e-6 || o->temperature > 1e6)
        return usage_error(use, "--temperature is between 1e-6 and 1e6; 0.05 is usual");
    if (o->correction <= 0 || o->correction > 2)
        return usage_error(use, "--correction is above 0 and at most 2; 0 would be --method blend");
    if (!isnan(o->exponent) && method != VECNA_METHOD_FAMILY)
        return usage_error(use, "--exponent goes with --method family");
    if (o->rank && method != VECNA_METHOD_REDUCED_RANK)
        return usage_error(use, "--rank goes with --method reduced-rank");
    if (o->lambda <= 0)
        return usage_error(use, "--lambda is above 0; --method procrustes has none");
    if (o->share <= 0 || o->share > 1)
        return usage_error(use, "--share is above 0 and at most 1; 0 would be --method ridge");
    if (o->exponent <= 0 || o->exponent > 1)
        return usage_error(use, "--exponent is above 0 and at most 1; 0 would be a rotation");
    if (o->min_retention <= 0 || o->min_retention > 1)
        return usage_error(use, "--min-retention is above 0 and at most 1");
    if (o->duplicate_cosine <= 0 || o->duplicate_cosine > 1)
        return usage_error(use, "--duplicate-cosine is above 0 and at most 1");
    return -1;
}

/* What goes with what, of leaning on another map. Returns -1 to go on. */
static int check_leaning(const usage *use, const fit_options *o, size_t files) {
    if (o->prior && o->update)
        return usage_error(use, "--prior and --update: update the map first, then lean on it");
    if (files != 2 && !(files == 0 && o->prior))
        return usage_error(use, "give SOURCE and TARGET, or --prior MAP alone");
    if (o->update && (o->role != ROLE_NOT_GIVEN || !isnan(o->prior_weight)))
        return usage_error(use, "--update keeps the role of its map and weighs all pairs alike");
    if (!isnan(o->prior_weight) && !o->prior)
        return usage_error(use, "--prior-weight goes with --prior");
    if (o->prior_weight <= 0)
        return usage_error(use, "--prior-weight is above 0; without --prior there is none");
    if (o->no_statistics && o->small_statistics)
        return usage_error(use, "--no-statistics leaves nothing for --small-statistics");
    if (o->kinds && (o->prior || o->update || o->unpaired || o->no_statistics))
        return usage_error(use, "--kinds tells pairs apart that others will lean on: it goes with "
                                "none of --prior, --update, --unpaired and --no-statistics");
    if (o->unpaired && o->prior && o->anchors)
        return usage_error(use, "--unpaired goes with --prior or with --anchors, not with both");
    if (o->unpaired && !o->prior && o->update)
        return usage_error(use, "--update adds pairs: --unpaired rows are none");
    if (o->bad_rows && o->unpaired)
        return usage_error(use, "--bad-rows leaves out pairs: --unpaired rows are none, take bad "
                                "ones out of their files");
    if (o->anchors && !o->unpaired)
        return usage_error(use, "--anchors goes with --unpaired; fit pairs as pairs");
    const int aligns = o->anchors || (o->unpaired && !o->prior);
    if (aligns && o->method != VECNA_METHOD_AUTO)
        return usage_error(use, "an alignment is a rotation: --method has no part in it");
    if ((o->unpaired || files == 0) && !aligns &&
        (o->queries_source || o->texts || !isnan(o->min_retention)))
        return usage_error(use, "without pairs nothing is judged: --texts, --queries-source and "
                                "--min-retention go with pairs");
    return -1;
}

/* NaN and -1 are what no option says. */
static const fit_options nothing_given = {.role = ROLE_NOT_GIVEN,
                                          .prior_weight = NAN,
                                          .lambda = NAN,
                                          .share = NAN,
                                          .exponent = NAN,
                                          .temperature = NAN,
                                          .correction = NAN,
                                          .means = NAN,
                                          .min_retention = NAN,
                                          .duplicate_cosine = NAN};

int command_fit(int argc, char **argv) {
    fit_options o = nothing_given;
    const option options[] = {
        {"out", 'o', OPTION_TEXT, &o.out, "MAP", "where the map goes (required)"},
        {"role", 0, OPTION_CHOICE, &o.role, "document|query",
         "what will be translated: a stored corpus (document)\nor the queries that ask an old one"},
        {"method", 0, OPTION_CHOICE, &o.method, METHOD_WORDS, "auto chooses by held-out retrieval"},
        {"lambda", 0, OPTION_NUMBER, &o.lambda, "X",
         "ridge penalty, in units of the mean variance"},
        {"share", 0, OPTION_NUMBER, &o.share, "X", "blends, memory: share of the rotation, 0 to 1"},
        {"exponent", 0, OPTION_NUMBER, &o.exponent, "X", "family: 0 rotation .. 1 ridge"},
        {"rank", 0, OPTION_COUNT, &o.rank, "N", "reduced-rank: directions kept"},
        {"neighbours", 0, OPTION_COUNT, &o.neighbours, "N",
         "memory: pairs that correct a row, 1 to 64"},
        {"temperature", 0, OPTION_NUMBER, &o.temperature, "X",
         "memory: of the softmax over their cosines"},
        {"correction", 0, OPTION_NUMBER, &o.correction, "X",
         "memory: share of what they say, above 0 to 2"},
        {"means", 0, OPTION_NUMBER, &o.means, "X",
         "share of both means that is removed and added (1;\nauto tries 0.5 for queries)"},
        {"min-retention", 0, OPTION_NUMBER, &o.min_retention, "X",
         "least retention for PASS, below it exit 3 (0.6 with\njudged queries, 0.4 by neighbours)"},
        {"keep-length", 0, OPTION_FLAG, &o.keep_length, NULL,
         "do not normalise what is translated"},
        {"no-confidence", 0, OPTION_FLAG, &o.no_confidence, NULL,
         "a smaller map, without confidence and calibrated\nscores"},
        {"source-name", 0, OPTION_TEXT, &o.source_name, "NAME",
         "of the source model, kept in the map"},
        {"target-name", 0, OPTION_TEXT, &o.target_name, "NAME", "the same of the target"},
        {"no-statistics", 0, OPTION_FLAG, &o.no_statistics, NULL,
         "a smaller map, on which nothing can lean and to which\nnothing can be added"},
        {"small-statistics", 0, OPTION_FLAG, &o.small_statistics, NULL,
         "keep them in 16 bits: good to lean on"},
        {"kinds", 0, OPTION_TEXT, &o.kinds, "FILE",
         "a line a pair: its kind of text (a word, or JSON with\nkind), 2 to 16 of 100 pairs or "
         "more; who leans on the map\nmay then count the kind most like theirs more"},
        {"seed", 0, OPTION_WHOLE, &o.seed, "N", "of splits and intervals (0)"},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "the report as one JSON object"},
        {"pairing", 0, OPTION_GROUP, NULL, NULL, "which rows are pairs"},
        {"pair-by", 0, OPTION_CHOICE, &o.pair_by, "auto|row|id|text",
         "auto: id or text where both sides have them"},
        {"bad-rows", 0, OPTION_CHOICE, &o.bad_rows, "fail|skip",
         "pairs of which a side is zero or holds NaN or infinity\n(fail); skip leaves them out on "
         "both sides"},
        {"texts", 0, OPTION_TEXT, &o.texts, "FILE",
         "JSONL with id and text of each row; equal texts\nare never split between fit and report"},
        {"duplicate-cosine", 0, OPTION_NUMBER, &o.duplicate_cosine, "X",
         "rows whose vectors are this alike in both spaces stay\ntogether as well (0.95)"},
        {"leaning", 0, OPTION_GROUP, NULL, NULL, "few pairs, or none"},
        {"prior", 0, OPTION_TEXT, &o.prior, "MAP",
         "lean on a map between the same models (a file, or a name\nof `vecna maps`): with it 0 to "
         "1,000 pairs do what\nthousands do alone"},
        {"prior-weight", 0, OPTION_NUMBER, &o.prior_weight, "X",
         "of one pair behind MAP beside one of these\n(default: chosen on held-out pairs)"},
        {"unpaired", 0, OPTION_FLAG, &o.unpaired, NULL,
         "SOURCE and TARGET are no pairs: with --prior their\nmeans take the place of the prior's, "
         "with --anchors\nthey are aligned; with neither the alignment is guessed:\n5,000 rows a "
         "side "
         "and more of one kind of text, or FAIL"},
        {"anchors", 0, OPTION_TEXT, &o.anchors, "FILE",
         "with --unpaired: 10 to 200 rows that are the same text,\na line each: its row or id in "
         "SOURCE, "
         "then in TARGET"},
        {"update", 0, OPTION_TEXT, &o.update, "MAP",
         "add the pairs to those behind MAP, as if all had been\nfitted together"},
        {"judging", 0, OPTION_GROUP, NULL, NULL, "judged queries (the best ground truth there is)"},
        {"queries-source", 0, OPTION_TEXT, &o.queries_source, "FILE",
         "queries in the source space"},
        {"queries-target", 0, OPTION_TEXT, &o.queries_target, "FILE",
         "the same, in the target space"},
        {"queries-texts", 0, OPTION_TEXT, &o.queries_texts, "FILE",
         "JSONL with their ids and \"relevant\" rows"},
        {"qrels", 0, OPTION_TEXT, &o.qrels, "FILE", "judgements by id, TREC or BEIR"},
        {"resamples", 0, OPTION_COUNT, &o.resamples, "N", "of the bootstrap (2000)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {
        "vecna fit [SOURCE TARGET] -o MAP [options]",
        "Learns to translate vectors of SOURCE's model into TARGET's from pairs: the same texts in "
        "both\n"
        "files. Prints what a translation keeps on rows it did not see, beside the controls, and "
        "a\n"
        "verdict; exit status 3 means FAIL.",
        options,
        sizeof options / sizeof options[0],
        "  vecna fit ada.1536.npy mpnet.768.npy --texts docs.jsonl -o ada-to-mpnet.vecna\n"
        "  vecna fit old.jsonl new.jsonl -o old-to-new.vecna --role query --min-retention 0.9\n"
        "  vecna fit 50.old.npy 50.new.npy --prior minilm-to-mpnet -o mine.vecna\n"
        "  vecna fit later.old.npy later.new.npy --update mine.vecna -o mine.vecna\n",
        0,
        2};
    const char *paths[2] = {NULL, NULL};
    size_t count;
    fit_job job;
    int status = parse_arguments(argc, argv, &use, paths, &count);

    if (status >= 0)
        return status;
    if (!o.prior && count != 2)
        return usage_error(&use, count ? "TARGET is missing" : "SOURCE and TARGET are missing");
    if (o.out == NULL)
        return usage_error(&use, "-o MAP is missing: where should the map go?");
    if (strcmp(o.out, "-") == 0)
        return usage_error(&use, "-o takes a file: standard output has the report");
    if ((o.queries_source == NULL) != (o.queries_target == NULL))
        return usage_error(&use, "--queries-source and --queries-target go together");
    if ((o.qrels || o.queries_texts) && o.queries_source == NULL)
        return usage_error(&use, "judgements need --queries-source and --queries-target");
    status = check_leaning(&use, &o, count);
    if (status < 0)
        status = check_numbers(&use, &o);
    if (status >= 0)
        return status;
    memset(&job, 0, sizeof job);
    job.options = &o;
    keep_released_memory();
    status = run_fit(&job, paths[0], paths[1]);
    close_job(&job);
    return status;
}
