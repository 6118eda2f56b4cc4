/* vecna search: exact nearest neighbours, every distance computed; the yardstick for any index.
 *
 * With a QUERY file the corpus streams past: it takes the memory of its texts, not of its vectors.
 * Rows of the corpus that ask must be known before the search, so without QUERY it is held whole.
 */
#include "cli/search.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_COLUMNS = 100 };

static const loaded *asking(const search_job *job) {
    return job->asked.vectors.rows ? &job->asked : &job->corpus;
}

/* ---- which rows ask -------------------------------------------------------------------------- */

/* "3,17,20-25" into picked; called twice, first only to count (picked NULL). */
static vecna_status pick_rows(const char *list, size_t rows, size_t *picked, size_t *count,
                              vecna_error *err) {
    const char *at = list;
    *count = 0;
    for (;;) {
        char *end;
        unsigned long long first, last;
        if (!isdigit((unsigned char)*at))
            break;
        first = last = strtoull(at, &end, 10);
        if (*end == '-' && isdigit((unsigned char)end[1]))
            last = strtoull(end + 1, &end, 10);
        if ((*end != ',' && *end != '\0') || last < first)
            break;
        if (last >= rows)
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                   "--rows asks for row %llu of %zu rows; the first row is 0", last,
                                   rows);
        for (unsigned long long row = first; row <= last; row++) {
            if (picked)
                picked[*count] = (size_t)row;
            ++*count;
        }
        if (*end == '\0')
            return VECNA_OK;
        at = end + 1;
    }
    return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                           "--rows takes rows and ranges such as 3,17,20-25, not \"%.60s\"", list);
}

static vecna_status no_memory(const search_job *job, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu queries",
                           job->picked_count);
}

/* A row of the corpus that asks is its own nearest neighbour, which tells nobody anything. */
vecna_status gather_queries(search_job *job, vecna_error *err) {
    const vecna_matrix *from = &asking(job)->vectors;
    job->gathered = vecna_allocate(NULL, job->picked_count, from->dim * sizeof *job->gathered);
    if (job->asked.vectors.rows == 0 && !job->options->keep_self) {
        job->excluded = vecna_allocate(NULL, job->picked_count, sizeof *job->excluded);
        if (job->excluded == NULL)
            return no_memory(job, err);
    }
    if (job->gathered == NULL)
        return no_memory(job, err);
    for (size_t i = 0; i < job->picked_count; i++) {
        if (job->excluded)
            job->excluded[i] = (int64_t)job->picked[i];
        memcpy(job->gathered + i * from->dim, from->data + job->picked[i] * from->stride,
               from->dim * sizeof *job->gathered);
    }
    return VECNA_OK;
}

/* --rows, or all. */
vecna_status choose_queries(search_job *job, vecna_error *err) {
    const vecna_matrix *from = &asking(job)->vectors;
    const char *list = job->options->rows;
    vecna_status status = VECNA_OK;
    job->picked_count = from->rows;
    if (list)
        status = pick_rows(list, from->rows, NULL, &job->picked_count, err);
    if (status != VECNA_OK)
        return status;
    job->picked = vecna_allocate(NULL, job->picked_count, sizeof *job->picked);
    if (job->picked == NULL)
        return no_memory(job, err);
    if (list)
        status = pick_rows(list, from->rows, job->picked, &job->picked_count, err);
    for (size_t i = 0; list == NULL && i < job->picked_count; i++)
        job->picked[i] = i;
    return status == VECNA_OK ? gather_queries(job, err) : status;
}

/* ---- printing -------------------------------------------------------------------------------- */

/* One line of a terminal: control characters become spaces, a long text ends in three points. */
static void print_text(const char *text, size_t columns) {
    size_t shown = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool starts = (*at & 0xC0) != 0x80;
        if (starts && shown == columns) {
            fputs("...", stdout);
            return;
        }
        shown += starts;
        putchar(*at < 0x20 || *at == 0x7F ? ' ' : *at);
    }
}

static const char *text_at(char *const *texts, size_t row) {
    return texts ? texts[row] : NULL;
}

/* The file of a hit, and its row there. */
static const loaded *file_of(const search_job *job, int64_t hit, size_t *row) {
    const size_t first = job->corpus.vectors.rows;
    *row = (size_t)hit;
    if (job->options->also == NULL || *row < first)
        return &job->corpus;
    *row -= first;
    return &job->also;
}

/* A word says all of its row. */
static void print_word(const loaded *file, size_t row) {
    print_text(file->ids[row] ? file->ids[row] : "", TEXT_COLUMNS);
}

static void print_row(const loaded *file, size_t row, const char *before) {
    const char *id = text_at(file->ids, row), *text = text_at(file->texts, row);
    printf("%srow %zu", before, row);
    if (id) {
        fputs("  ", stdout);
        print_text(id, TEXT_COLUMNS);
    }
    if (text) {
        fputs("  ", stdout);
        print_text(text, TEXT_COLUMNS);
    }
}

/* Similarities as they are; distances lose the sign that puts the nearest first. */
static float shown_score(const search_job *job, size_t at) {
    bool distance = job->options->metric > VECNA_METRIC_DOT;
    return distance ? 0 - job->hits.scores[at] : job->hits.scores[at];
}

static void print_hits(const search_job *job) {
    for (size_t query = 0; query < job->picked_count; query++) {
        if (query > 0)
            putchar('\n');
        style(stdout, "1");
        if (job->options->words)
            print_word(&job->corpus, job->picked[query]);
        else
            print_row(asking(job), job->picked[query], "query ");
        style(
            stdout,
            "0"); /* before the line ends, or what pages and cuts lines sees a style that goes on */
        putchar('\n');
        for (size_t i = 0; i < job->hits.depth; i++) {
            size_t at = query * job->hits.depth + i;
            if (job->hits.rows[at] < 0)
                break;
            printf("%4zu  %8.4f  ", i + 1, (double)shown_score(job, at));
            size_t row;
            const loaded *file = file_of(job, job->hits.rows[at], &row);
            if (job->options->also)
                printf("%s  ", file->path);
            if (job->options->words)
                print_word(file, row);
            else
                print_row(file, row, "");
            putchar('\n');
        }
    }
}

static void write_row(vecna_json_writer *json, const loaded *file, size_t row) {
    vecna_json_write_key(json, "row");
    vecna_json_write_u64(json, row);
    if (text_at(file->ids, row)) {
        vecna_json_write_key(json, "id");
        vecna_json_write_string(json, file->ids[row]);
    }
    if (text_at(file->texts, row)) {
        vecna_json_write_key(json, "text");
        vecna_json_write_string(json, file->texts[row]);
    }
}

static void write_hits(vecna_json_writer *json, const search_job *job, size_t query) {
    vecna_json_write_key(json, "hits");
    vecna_json_write_array_begin(json);
    for (size_t i = 0; i < job->hits.depth; i++) {
        size_t at = query * job->hits.depth + i;
        if (job->hits.rows[at] < 0)
            break;
        vecna_json_write_object_begin(json);
        vecna_json_write_key(json, "rank");
        vecna_json_write_u64(json, i + 1);
        size_t row;
        const loaded *file = file_of(job, job->hits.rows[at], &row);
        if (job->options->also) {
            vecna_json_write_key(json, "file");
            vecna_json_write_string(json, file->path);
        }
        write_row(json, file, row);
        vecna_json_write_key(json, "score");
        vecna_json_write_f32(json, shown_score(job, at));
        vecna_json_write_object_end(json);
    }
    vecna_json_write_array_end(json);
}

static int print_as_json(const search_job *job) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "corpus");
    vecna_json_write_string(&json, job->corpus.path);
    vecna_json_write_key(&json, "rows");
    vecna_json_write_u64(&json, job->corpus.vectors.rows);
    vecna_json_write_key(&json, "dim");
    vecna_json_write_u64(&json, job->corpus.vectors.dim);
    vecna_json_write_key(&json, "metric");
    vecna_json_write_string(&json, vecna_metric_name((vecna_metric)job->options->metric));
    vecna_json_write_key(&json, "k");
    vecna_json_write_u64(&json, job->options->k);
    vecna_json_write_key(&json, "queries");
    vecna_json_write_array_begin(&json);
    for (size_t query = 0; query < job->picked_count; query++) {
        vecna_json_write_object_begin(&json);
        write_row(&json, asking(job), job->picked[query]);
        write_hits(&json, job, query);
        vecna_json_write_object_end(&json);
    }
    vecna_json_write_array_end(&json);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

/* ---- the command ----------------------------------------------------------------------------- */

typedef struct corpus_visit {
    search_job *job;
    vecna_searcher *searcher;
    vecna_pool *pool;
    progress meter;
} corpus_visit;

static vecna_status visit_corpus(void *user, const loaded *file, const vecna_block *block,
                                 vecna_error *err) {
    corpus_visit *visit = user;
    vecna_view rows = block->vectors;
    vecna_status status = VECNA_OK;
    if (file->vectors.rows == 0)
        status = check_same_dim(file, &visit->job->asked, err);
    if (status == VECNA_OK)
        status = check_finite(file->path, block->vectors, block->first_row, err);
    if (status == VECNA_OK && visit->job->options->hubness)
        status = hubness_rows(visit->job, block->vectors, visit->pool, &rows, err);
    if (status == VECNA_OK)
        status = vecna_searcher_add(visit->searcher, rows, err);
    visit->meter.total = file->about.rows;
    progress_add(&visit->meter, block->vectors.rows);
    return status;
}

vecna_status load_queries(search_job *job, const char *path, vecna_error *err) {
    vecna_format_options format = format_options(&job->options->input);
    vecna_status status = load_vectors(path, &format, &job->asked, err);
    if (status == VECNA_OK && job->options->query_texts)
        status = load_texts(job->options->query_texts, &format, &job->asked, err);
    if (status == VECNA_OK)
        status = check_finite(path, vecna_matrix_view(job->asked.vectors), 0, err);
    if (status == VECNA_OK)
        status = choose_queries(job, err);
    return status;
}

vecna_status search_file(search_job *job, const char *path, loaded *file,
                         const rank_options *ranking, ranked *hits, vecna_error *err) {
    const search_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    corpus_visit visit = {job, NULL, ranking->pool, {0}};
    rank_options options = *ranking;
    vecna_view queries = vecna_view_dense(job->gathered, job->picked_count, job->asked.vectors.dim);
    float *longer = NULL;
    vecna_status status = VECNA_OK;
    if (o->hubness) {
        status = hubness_queries(job, &longer, err);
        queries = vecna_view_dense(longer, queries.rows, queries.dim + 1);
        options.metric = VECNA_METRIC_DOT;
    }
    if (status == VECNA_OK)
        status = rank_start(queries, &options, &visit.searcher, err);
    if (status == VECNA_OK) {
        progress_start(&visit.meter, "searching", -1);
        status = load_visiting(path, &format, visit_corpus, &visit, file, err);
        progress_end(&visit.meter);
    }
    if (status == VECNA_OK)
        status = rank_finish(visit.searcher, queries.rows, &options, hits, err);
    vecna_searcher_free(visit.searcher);
    free(longer);
    return status;
}

/* QUERY is in memory, CORPUS goes by. */
static vecna_status search_passing(search_job *job, const char *const *paths,
                                   const rank_options *ranking, vecna_error *err) {
    vecna_status status = load_queries(job, paths[1], err);
    return status == VECNA_OK ? search_file(job, paths[0], &job->corpus, ranking, &job->hits, err)
                              : status;
}

vecna_status rank_own_rows(search_job *job, rank_options *ranking, vecna_error *err) {
    const vecna_matrix *corpus = &job->corpus.vectors;
    ranking->excluded = job->excluded;
    return rank_rows(vecna_matrix_view(*corpus),
                     vecna_view_dense(job->gathered, job->picked_count, corpus->dim), ranking,
                     &job->hits, err);
}

/* Rows of CORPUS ask: all of it is in memory. */
static vecna_status search_itself(search_job *job, const char *path, rank_options *ranking,
                                  vecna_error *err) {
    vecna_format_options format = format_options(&job->options->input);
    vecna_status status = load_vectors(path, &format, &job->corpus, err);
    if (status == VECNA_OK)
        status = check_finite(path, vecna_matrix_view(job->corpus.vectors), 0, err);
    if (status == VECNA_OK)
        status = choose_queries(job, err);
    return status == VECNA_OK ? rank_own_rows(job, ranking, err) : status;
}

static int run_search(search_job *job, const char *const *paths, size_t count) {
    const search_options *o = job->options;
    rank_options ranking = {o->k, o->metric, NULL, true, NULL};
    vecna_error err;
    int exit_status = EXIT_DONE;
    vecna_status status = vecna_pool_new(o->threads, NULL, &ranking.pool, &err);
    if (status == VECNA_OK)
        status = o->texts.count          ? search_texts(job, paths[0], &ranking, &err)
                 : o->also || o->hubness ? search_mixed(job, paths, &ranking, &err)
                 : o->via                ? search_via(job, paths, &ranking, &err)
                 : o->words              ? search_words(job, paths[0], &ranking, &err)
                 : count == 2            ? search_passing(job, paths, &ranking, &err)
                                         : search_itself(job, paths[0], &ranking, &err);
    if (status == VECNA_OK && o->corpus_texts) {
        const vecna_format_options names = format_options(&o->input);
        status = load_texts(o->corpus_texts, &names, &job->corpus, &err);
    }
    if (status != VECNA_OK)
        exit_status = fail_with(&err);
    else if (o->json)
        exit_status = print_as_json(job);
    else
        print_hits(job);
    ranked_free(&job->hits);
    free(job->longer);
    unload(&job->also);
    unload(&job->sample);
    free(job->excluded);
    free(job->gathered);
    free(job->picked);
    unload(&job->asked);
    unload(&job->corpus);
    free(job->words_text);
    vecna_pool_free(ranking.pool);
    return exit_status;
}

int command_search(int argc, char **argv) {
    search_options o = {.k = 10, .hubness_weight = 0.5};
    const option options[] = {
        {"k", 'k', OPTION_COUNT, &o.k, "N", "neighbours of each query (10)"},
        {"metric", 'm', OPTION_CHOICE, &o.metric, RANK_METRICS,
         "what is near (cosine); l2, l2sq and l1 are\ndistances, the least comes first"},
        {"rows", 'r', OPTION_TEXT, &o.rows, "LIST",
         "only these rows ask, counted from 0: 3,17,20-25;\nwithout QUERY they are rows of CORPUS"},
        {"words", 'w', OPTION_TEXT, &o.words, "LIST",
         "words of CORPUS ask, without QUERY: king,queen"},
        {"vocab", 0, OPTION_TEXT, &o.vocab, "FILE",
         "words of CORPUS, a line a row (default: in CORPUS, or\nCORPUS' name with .vocab.txt)"},
        {"text", 't', OPTION_TEXTS, &o.texts, "TEXT",
         "a text asks, instead of QUERY; may be given again.\nCORPUS is of --model then, or a "
         "folder "
         "of .png"},
        {"model", 0, OPTION_TEXT, &o.model, "M",
         "model that embeds the texts, and the pictures\n(default: the built-in one)"},
        {"keep-self", 0, OPTION_FLAG, &o.keep_self, NULL, "without QUERY: a row may find itself"},
        {"also", 0, OPTION_TEXT, &o.also, "FILE",
         "rank the rows of FILE together with CORPUS: rows of\nthe same space, translated by a "
         "map"},
        {"calibrated", 0, OPTION_TEXT, &o.calibrated, "MAP",
         "bring the scores of --also to those of native rows,\nby the map that translated them"},
        {"hubness", 0, OPTION_TEXT, &o.hubness, "SAMPLE",
         "take off what rows score with any query: SAMPLE is a\nfile of some hundred other "
         "queries"},
        {"hubness-weight", 0, OPTION_NUMBER, &o.hubness_weight, "X",
         "of that (0.5 for real queries; 0.25 for documents)"},
        {"via", 0, OPTION_TEXT, &o.via, "MAP",
         "CORPUS is of an old model, QUERY of a new one: find\ncandidates by a rotation back, rank "
         "them translated"},
        {"candidates", 0, OPTION_COUNT, &o.candidates, "N", "of each query with --via (200)"},
        {"force", 0, OPTION_FLAG, &o.force, NULL,
         "also with a map that failed, or rows that look\nlike another model's"},
        {"corpus-texts", 0, OPTION_TEXT, &o.corpus_texts, "FILE",
         "texts and ids of CORPUS: a line a row, JSON with\n\"id\" and \"text\", or plain text"},
        {"query-texts", 0, OPTION_TEXT, &o.query_texts, "FILE", "the same of QUERY"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "one JSON object"},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {
        "vecna search CORPUS [QUERY] [options]",
        "Finds the exact nearest neighbours of every vector of QUERY among the vectors of CORPUS,\n"
        "and prints their ids and texts where the files have them. Without QUERY, rows of CORPUS\n"
        "ask: say which with --rows, or with --words where they have words. --via searches an\n"
        "index of old vectors for a new model's queries, without translating the index.\n"
        "--text asks in words of any kind, and also finds pictures of a folder.",
        options,
        sizeof options / sizeof options[0],
        "  vecna search corpus.jsonl queries.jsonl -k 5\n"
        "  vecna search corpus.npy --corpus-texts corpus.jsonl --rows 17\n"
        "  vecna search words.bin --words king,queen\n"
        "  vecna search photos --model photos.vecna --text \"a dog on a beach\" -k 5\n"
        "  vecna search old.384.npy queries.768.npy --via old-to-new.vecna\n"
        "  vecna search new.npy queries.npy --also translated.npy --calibrated old-to-new.vecna\n",
        1,
        2};
    const char *paths[2] = {NULL, NULL};
    size_t count;
    search_job job;
    int status = parse_arguments(argc, argv, &use, paths, &count);

    if (status >= 0)
        return status;
    if (count == 1 && o.rows == NULL && o.words == NULL && o.texts.count == 0)
        return usage_error(&use,
                           "give a QUERY file, a --text, or what of CORPUS asks with --rows or "
                           "--words");
    if (o.words && (count == 2 || o.rows || o.corpus_texts))
        return usage_error(&use, "--words goes without QUERY, --rows and --corpus-texts");
    if (o.vocab && o.words == NULL)
        return usage_error(&use, "--vocab goes with --words");
    if (o.texts.count &&
        (count == 2 || o.rows || o.words || o.query_texts || o.via || o.also || o.hubness))
        return usage_error(&use, "--text asks CORPUS alone: without QUERY, --rows, --words, "
                                 "--query-texts, --via, --also and --hubness");
    if (o.model && o.texts.count == 0)
        return usage_error(&use, "--model goes with --text");
    if (count == 1 && o.query_texts)
        return usage_error(&use, "--query-texts goes with a QUERY file");
    if (o.via && count == 1)
        return usage_error(&use, "--via goes with a QUERY file of the new model");
    if (o.via && o.metric != VECNA_METRIC_COSINE)
        return usage_error(&use, "--via ranks by cosine alone; leave --metric out");
    if (o.candidates && o.via == NULL)
        return usage_error(&use, "--candidates goes with --via");
    if (o.force && o.via == NULL && o.calibrated == NULL)
        return usage_error(&use, "--force goes with --via or --calibrated");
    if ((o.also || o.hubness) && (count == 1 || o.via))
        return usage_error(&use, "--also and --hubness go with a QUERY file, and without --via");
    if ((o.also || o.hubness) && o.metric != VECNA_METRIC_COSINE)
        return usage_error(&use, "--also and --hubness rank by cosine alone; leave --metric out");
    if (o.calibrated && o.also == NULL)
        return usage_error(&use, "--calibrated goes with --also: what did the map translate?");
    if (o.calibrated && o.hubness)
        return usage_error(&use,
                           "--calibrated and --hubness exclude each other: either moves the scores "
                           "that the other was made for");
    if (o.hubness_weight != 0.5 && o.hubness == NULL)
        return usage_error(&use, "--hubness-weight goes with --hubness");
    if (!(o.hubness_weight > 0 && o.hubness_weight <= 2))
        return usage_error(&use, "--hubness-weight is above 0 and at most 2");
    o.candidates = o.candidates ? o.candidates : 200;
    memset(&job, 0, sizeof job);
    job.options = &o;
    return run_search(&job, paths, count);
}
