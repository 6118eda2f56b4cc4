/* What a translation keeps, on rows that its map did not see.
 *
 * One table of systems (translated, native, kept, and the controls) is asked the same queries;
 * every figure is a bootstrap over these queries. The ground truths: judged queries            when
 * given: what people say is relevant native neighbours, sample a sample of queries, and what the
 * target model finds for them native neighbours, rows   the reported rows themselves ask; a row's
 * own translation is what recall and MRR look for, its neighbours are what nDCG and overlap do */
#include "translate/translate_impl.h"

#include <math.h>
#include <string.h>

enum { TRANSLATED, NATIVE, KEPT, MEAN_VECTOR, SHUFFLED, UNTRANSLATED, SYSTEMS };
enum { RECALL1, RECALL10, MRR10, NDCG10, OVERLAP10, FIGURES };
enum { LIST = 10, QUERIES_MAX = 1000 };

/* One ground truth while it is measured. */
typedef struct measuring {
    const vni_fit *fit;
    const vni_reported *reported;
    const vecna_allocator *allocator;
    vecna_view query_source, query_target, query_translated, query_shuffled; /* (queries) */
    const size_t *self;             /* (queries) row that asks, NULL when queries are no rows */
    const vecna_judgements *judged; /* NULL: native neighbours */
    size_t queries;
    size_t depth;                       /* of the lists that nDCG is measured on */
    size_t listed;                      /* LIST + 1, or all rows */
    vecna_judgements *own, *neighbours; /* of native neighbours */
    float *scratch;                     /* (rows or queries, target dim) of a control */
    int64_t *lists;                     /* (queries, listed) as searched */
    int64_t *without_self;              /* (queries, listed) */
    int64_t *native_lists;              /* (queries, listed) without the asking row */
    double *measures;                   /* (VECNA_MEASURES, queries) */
    double *values;                     /* (SYSTEMS, FIGURES, queries) */
} measuring;

static double *values_of(const measuring *m, size_t system, size_t figure) {
    return m->values + (system * FIGURES + figure) * m->queries;
}

/* Who asks and who is asked, for a system. */
static void cast(measuring *m, size_t system, vecna_view *corpus, vecna_view *queries) {
    const vni_reported *r = m->reported;
    const int role_query = m->fit->options->role == VECNA_ROLE_QUERY;
    const size_t dim = r->native.dim;
    vecna_view from = role_query ? m->query_source : r->source;
    *corpus = r->native;
    *queries = m->query_target;
    switch (system) {
    case TRANSLATED:
        *(role_query ? queries : corpus) = role_query ? m->query_translated : r->translated;
        break;
    case KEPT:
        *corpus = r->source;
        *queries = m->query_source;
        break;
    case SHUFFLED:
        *(role_query ? queries : corpus) = role_query ? m->query_shuffled : r->shuffled;
        break;
    case MEAN_VECTOR:
    case UNTRANSLATED: {
        vecna_matrix out = vecna_matrix_dense(m->scratch, from.rows, dim);
        for (size_t i = 0; i < from.rows; i++) {
            for (size_t j = 0; j < dim; j++) {
                float cut = j < from.dim ? from.data[i * from.stride + j] : 0;
                out.data[i * dim + j] = system == MEAN_VECTOR ? (float)r->target_mean[j] : cut;
            }
        }
        vni_normalise(out, m->fit->pairs.pool);
        *(role_query ? queries : corpus) = vecna_matrix_view(out);
        break;
    }
    default:
        break;
    }
}

/* Lists less the row that asks; -1 fills. */
static void drop_self(const measuring *m, int64_t *out) {
    for (size_t q = 0; q < m->queries; q++) {
        size_t filled = 0;
        for (size_t j = 0; j < m->listed; j++) {
            int64_t row = m->lists[q * m->listed + j];
            if (!m->self || row != (int64_t)m->self[q]) {
                out[q * m->listed + filled++] = row;
            }
        }
        while (filled < m->listed) {
            out[q * m->listed + filled++] = -1;
        }
    }
}

/* Judgements out of the native lists: the own row (or the nearest), and the neighbours. */
static vecna_status judge_natively(measuring *m, vecna_error *err) {
    size_t count = m->queries * m->depth;
    vecna_judgement *entries = vecna_allocate(m->allocator, count, sizeof *entries);
    if (!entries) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu neighbours", count);
    }
    size_t filled = 0;
    for (size_t q = 0; q < m->queries; q++) {
        for (size_t j = 0; j < m->depth && m->native_lists[q * m->listed + j] >= 0; j++) {
            entries[filled++] = (vecna_judgement){q, m->native_lists[q * m->listed + j], 1};
        }
    }
    const size_t rows = m->reported->native.rows;
    vecna_status status =
        vecna_judgements_new(entries, filled, m->queries, rows, m->allocator, &m->neighbours, err);
    for (size_t q = 0; q < m->queries; q++) {
        int64_t own = m->self ? (int64_t)m->self[q] : m->native_lists[q * m->listed];
        entries[q] = (vecna_judgement){q, own, 1};
    }
    if (!status) {
        status =
            vecna_judgements_new(entries, m->queries, m->queries, rows, m->allocator, &m->own, err);
    }
    vecna_release(m->allocator, entries);
    return status;
}

static vecna_status retrieve(measuring *m, const int64_t *lists, const vecna_judgements *judged,
                             size_t k, vecna_error *err) {
    vecna_ranking ranking = {lists, NULL, m->queries, m->listed, m->listed};
    vecna_retrieval_options options = {.k = k, .allocator = m->allocator};
    return vecna_eval_retrieval(&ranking, judged, &options, m->measures, err);
}

static void keep(const measuring *m, size_t system, size_t figure, vecna_measure measure) {
    memcpy(values_of(m, system, figure), m->measures + (size_t)measure * m->queries,
           m->queries * sizeof(double));
}

/* All figures of one system, a number a query. The native system comes first: the others are held
 * against its lists. */
static vecna_status measure_system(measuring *m, size_t system, vecna_error *err) {
    vecna_view corpus, queries;
    cast(m, system, &corpus, &queries);
    vecna_status status =
        vni_top(corpus, queries, m->listed, m->lists, m->fit->pairs.pool, m->allocator, err);
    if (status) {
        return status;
    }
    int64_t *bare = system == NATIVE ? m->native_lists : m->without_self;
    drop_self(m, bare);
    if (system == NATIVE && !m->judged) {
        status = judge_natively(m, err);
    }
    const vecna_judgements *own = m->judged ? m->judged : m->own;
    status = status ? status : retrieve(m, m->lists, own, 1, err);
    if (!status) {
        keep(m, system, RECALL1, VECNA_MEASURE_RECALL);
        status = retrieve(m, m->lists, own, LIST, err);
    }
    if (!status) {
        keep(m, system, RECALL10, VECNA_MEASURE_RECALL);
        keep(m, system, MRR10, VECNA_MEASURE_MRR);
        status = m->judged ? VECNA_OK : retrieve(m, bare, m->neighbours, m->depth, err);
    }
    if (!status) {
        keep(m, system, NDCG10, VECNA_MEASURE_NDCG);
        vecna_ranking ranking = {bare, NULL, m->queries, m->listed, m->listed};
        vecna_ranking native = {m->native_lists, NULL, m->queries, m->listed, m->listed};
        size_t k = m->listed < LIST ? m->listed : LIST;
        status = vecna_eval_overlap(&ranking, k, &native, k, m->allocator,
                                    values_of(m, system, OVERLAP10), err);
    }
    return status;
}

static vecna_status figures_of(const measuring *m, size_t system, vecna_figures *out,
                               vecna_error *err) {
    const double *columns[FIGURES];
    vecna_statistic statistics[FIGURES];
    vecna_interval intervals[FIGURES];
    for (size_t f = 0; f < FIGURES; f++) {
        columns[f] = values_of(m, system, f);
        statistics[f] = (vecna_statistic){VECNA_STATISTIC_MEAN, f, 0, 0};
    }
    vecna_bootstrap_input input = {columns, FIGURES, m->queries, statistics, FIGURES};
    const vecna_translate_options *o = m->fit->options;
    vecna_bootstrap_options options = {.resamples = o->resamples,
                                       .seed = o->seed,
                                       .pool = m->fit->pairs.pool,
                                       .allocator = m->allocator};
    vecna_status status = vecna_eval_bootstrap(&input, &options, intervals, err);
    if (!status) {
        *out = (vecna_figures){intervals[RECALL1], intervals[RECALL10], intervals[MRR10],
                               intervals[NDCG10], intervals[OVERLAP10]};
    }
    return status;
}

static vecna_status conclude(const measuring *m, const char *name, vecna_truth *out,
                             vecna_error *err) {
    static const char *const names[VECNA_CONTROLS] = {"mean vector", "shuffled pairs",
                                                      "untranslated"};
    const vecna_translate_options *o = m->fit->options;
    /* In the query role the corpus stays: what is kept is what retention is measured against. */
    const int status_quo = m->judged && o->role == VECNA_ROLE_DOCUMENT;
    vecna_truth truth = {.name = name,
                         .queries = m->queries,
                         .corpus = m->reported->native.rows,
                         .depth = m->judged ? LIST : m->depth};
    vecna_control controls[VECNA_CONTROLS];
    for (size_t i = 0; i < VECNA_CONTROLS; i++) {
        truth.control_names[i] = names[i];
        controls[i] = (vecna_control){names[i], values_of(m, MEAN_VECTOR + i, NDCG10)};
    }
    vecna_retention_input input = {.translated = values_of(m, TRANSLATED, NDCG10),
                                   .native = values_of(m, NATIVE, NDCG10),
                                   .status_quo = status_quo ? values_of(m, KEPT, NDCG10) : NULL,
                                   .controls = controls,
                                   .control_count = VECNA_CONTROLS,
                                   .queries = m->queries};
    vecna_bootstrap_options options = {.resamples = o->resamples,
                                       .seed = o->seed,
                                       .pool = m->fit->pairs.pool,
                                       .allocator = m->allocator};
    vecna_status status =
        vecna_eval_retention(&input, &options, &truth.retention, truth.controls, err);
    status = status ? status : figures_of(m, TRANSLATED, &truth.translated, err);
    status = status ? status : figures_of(m, NATIVE, &truth.native, err);
    if (!status && o->role == VECNA_ROLE_DOCUMENT) {
        status = figures_of(m, KEPT, &truth.kept, err);
    }
    if (!status) {
        *out = truth;
    }
    return status;
}

static vecna_status measure(measuring *m, const char *name, vecna_truth *out, vecna_error *err) {
    const vecna_allocator *a = m->allocator;
    const vni_reported *r = m->reported;
    size_t rows = r->native.rows > m->queries ? r->native.rows : m->queries;
    vecna_status status = VECNA_ERR_MEMORY;
    m->depth = vni_depth(r->native.rows);
    m->listed = r->native.rows < LIST + 1 ? r->native.rows : LIST + 1;
    m->scratch = vecna_allocate(a, rows * r->native.dim, sizeof(float));
    m->lists = vecna_allocate(a, m->queries * m->listed, sizeof(int64_t));
    m->without_self = vecna_allocate(a, m->queries * m->listed, sizeof(int64_t));
    m->native_lists = vecna_allocate(a, m->queries * m->listed, sizeof(int64_t));
    m->measures = vecna_allocate(a, VECNA_MEASURES * m->queries, sizeof(double));
    m->values = vecna_allocate_zero(a, (size_t)SYSTEMS * FIGURES * m->queries, sizeof(double));
    if (!m->scratch || !m->lists || !m->without_self || !m->native_lists || !m->measures ||
        !m->values) {
        vecna_error_set(err, status, -1, "no memory to measure %zu queries", m->queries);
        goto done;
    }
    static const size_t systems[] = {NATIVE, TRANSLATED, KEPT, MEAN_VECTOR, SHUFFLED, UNTRANSLATED};
    status = VECNA_OK;
    for (size_t s = 0; s < SYSTEMS && !status; s++) {
        status = measure_system(m, systems[s], err);
    }
    status = status ? status : conclude(m, name, out, err);
done:
    vecna_release(a, m->scratch);
    vecna_release(a, m->lists);
    vecna_release(a, m->without_self);
    vecna_release(a, m->native_lists);
    vecna_release(a, m->measures);
    vecna_release(a, m->values);
    vecna_judgements_free(m->own);
    vecna_judgements_free(m->neighbours);
    return status;
}

/* Reported rows ask: every one, or evenly spread ones. */
static vecna_status measure_rows(const vni_fit *fit, const vni_reported *reported, vecna_truth *out,
                                 vecna_error *err) {
    const vecna_allocator *a = fit->pairs.allocator;
    const size_t rows = reported->native.rows;
    const size_t queries = rows < QUERIES_MAX ? rows : QUERIES_MAX;
    const size_t p = reported->source.dim;
    const size_t q = reported->native.dim;
    vecna_status status = VECNA_ERR_MEMORY;
    size_t *self = vecna_allocate(a, queries, sizeof *self);
    float *asking = vecna_allocate(a, queries * (p + 3 * q), sizeof *asking);
    if (!self || !asking) {
        vecna_error_set(err, status, -1, "no memory for %zu queries", queries);
        goto done;
    }
    for (size_t i = 0; i < queries; i++) {
        self[i] = i * rows / queries;
    }
    vecna_matrix source = vecna_matrix_dense(asking, queries, p);
    vecna_matrix native = vecna_matrix_dense(asking + queries * p, queries, q);
    vecna_matrix translated = vecna_matrix_dense(native.data + queries * q, queries, q);
    vecna_matrix shuffled = vecna_matrix_dense(translated.data + queries * q, queries, q);
    vni_gather(reported->source, self, queries, source);
    vni_gather(reported->native, self, queries, native);
    vni_gather(reported->translated, self, queries, translated);
    vni_gather(reported->shuffled, self, queries, shuffled);
    measuring m = {.fit = fit,
                   .reported = reported,
                   .allocator = a,
                   .query_source = vecna_matrix_view(source),
                   .query_target = vecna_matrix_view(native),
                   .query_translated = vecna_matrix_view(translated),
                   .query_shuffled = vecna_matrix_view(shuffled),
                   .self = self,
                   .queries = queries};
    status = measure(&m, "native neighbours of held-out rows", out, err);
done:
    vecna_release(a, self);
    vecna_release(a, asking);
    return status;
}

static vecna_status measure_queries(const vni_fit *fit, const vni_reported *reported,
                                    vecna_truth *out, vecna_error *err) {
    measuring m = {.fit = fit,
                   .reported = reported,
                   .allocator = fit->pairs.allocator,
                   .query_source = reported->query_source,
                   .query_target = reported->query_target,
                   .query_translated = reported->query_translated,
                   .query_shuffled = reported->query_shuffled,
                   .judged = reported->judged,
                   .queries = reported->query_target.rows};
    return measure(&m, m.judged ? "judged queries" : "native neighbours of sample queries", out,
                   err);
}

/* Squared correlation of translated with native rows, all values about the means of their columns. */
static vecna_status measure_explained(const vni_fit *fit, const vni_reported *reported,
                                      vecna_report *report, vecna_error *err) {
    const vecna_view native = reported->native, translated = reported->translated;
    const size_t dim = native.dim;
    double *mean = vecna_allocate_zero(fit->pairs.allocator, dim, 2 * sizeof *mean);
    double both = 0, of_native = 0, of_translated = 0;
    if (!mean) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a mean");
    }
    vecna_linalg_sum_add(native, mean);
    vecna_linalg_sum_add(translated, mean + dim);
    for (size_t j = 0; j < 2 * dim; j++) {
        mean[j] /= (double)native.rows;
    }
    for (size_t i = 0; i < native.rows; i++) {
        const float *x = native.data + i * native.stride;
        const float *y = translated.data + i * translated.stride;
        for (size_t j = 0; j < dim; j++) {
            const double a = (double)x[j] - mean[j], b = (double)y[j] - mean[dim + j];
            both += a * b;
            of_native += a * a;
            of_translated += b * b;
        }
    }
    report->explained = both > 0 && of_native > 0 && of_translated > 0
                            ? both * both / of_native / of_translated
                            : 0;
    report->explained = report->explained < 1 ? report->explained : 1;
    vecna_release(fit->pairs.allocator, mean);
    return VECNA_OK;
}

static vecna_status measure_cosine(const vni_fit *fit, const vni_reported *reported,
                                   vecna_report *report, vecna_error *err) {
    const vecna_allocator *a = fit->pairs.allocator;
    const vecna_view native = reported->native;
    double *cosines = vecna_allocate(a, native.rows, sizeof *cosines);
    if (!cosines) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu rows", native.rows);
    }
    double floor_sum = 0, square = 0;
    for (size_t j = 0; j < native.dim; j++) {
        square += reported->target_mean[j] * reported->target_mean[j];
    }
    for (size_t i = 0; i < native.rows; i++) {
        const float *row = native.data + i * native.stride;
        cosines[i] =
            vni_dot(row, reported->translated.data + i * reported->translated.stride, native.dim);
        for (size_t j = 0; j < native.dim; j++) {
            floor_sum += (double)row[j] * reported->target_mean[j];
        }
    }
    report->cosine_mean_vector = square > 0 ? floor_sum / (double)native.rows / sqrt(square) : 0;
    const double *columns[] = {cosines};
    vecna_statistic mean = {VECNA_STATISTIC_MEAN, 0, 0, 0};
    vecna_bootstrap_input input = {columns, 1, native.rows, &mean, 1};
    vecna_bootstrap_options options = {.resamples = fit->options->resamples,
                                       .seed = fit->options->seed,
                                       .pool = fit->pairs.pool,
                                       .allocator = a};
    vecna_status status = vecna_eval_bootstrap(&input, &options, &report->cosine, err);
    vecna_release(a, cosines);
    return status;
}

vecna_status vni_report_fill(const vni_fit *fit, const vni_reported *reported, vecna_report *report,
                             vecna_error *err) {
    const int asked = reported->query_target.rows > 0;
    vecna_status status = measure_cosine(fit, reported, report, err);
    status = status ? status : measure_explained(fit, reported, report, err);
    status = status ? status : vni_progress(fit, "measuring", 0.1, err);
    status = status ? status : measure_rows(fit, reported, &report->neighbours, err);
    status = status ? status : vni_progress(fit, "measuring", 0.6, err);
    if (!status && asked) {
        status = measure_queries(fit, reported, &report->truth, err);
    } else if (!status) {
        report->truth = report->neighbours;
    }
    if (!status) {
        vni_report_judge(report);
    }
    return status;
}
