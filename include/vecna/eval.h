/* vecna/eval.h — matrices and rankings in, numbers out: how well a set of vectors retrieves, and
 * what a translation keeps of it.
 *
 * The road
 *   judgements  which document answers which query: from a qrels file (vecna_qrels_parse and
 *               _resolve) or from numbers (vecna_judgements_new)
 *   ranking     the rows that a search returned, best first (vecna_search fills the arrays)
 *   measures    vecna_eval_retrieval and vecna_eval_overlap give one number a query, NaN where the
 *               query has none
 *   intervals   vecna_eval_bootstrap and vecna_eval_retention turn numbers a query into means,
 *               ratios and differences with an interval each
 *   verdict     vecna_eval_verdict says whether a translation may be relied upon
 *
 * Definitions stand in docs/eval.md; the measures agree with trec_eval 9 to 1e-6. */
#ifndef VECNA_EVAL_H
#define VECNA_EVAL_H

#include "vecna/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- what a search returned ------------------------------------------------------------------ */

/* Borrowed rankings, one a query: query q's rows start at rows + q * stride, best first; a negative
 * row ends a list before depth. */
typedef struct vecna_ranking {
    const int64_t *rows; /* (queries, depth) rows of the corpus */
    const float *scores; /* beside rows, higher is better; NULL: the order is final */
    size_t queries;
    size_t depth;
    size_t stride; /* entries from one query to the next, at least depth */
} vecna_ranking;

/* ---- which document answers which query ------------------------------------------------------ */

/* Stands for a judged document that the corpus does not hold: it can never be found, and counts as
 * missed when it is relevant, as trec_eval counts it. */
#define VECNA_DOC_OUTSIDE ((int64_t)-1)

typedef struct vecna_judgement {
    size_t query;  /* row of the query */
    int64_t doc;   /* row of the corpus, or VECNA_DOC_OUTSIDE */
    int32_t grade; /* 1 and above: relevant, more is better; 0 and below: judged not relevant */
} vecna_judgement;

/* Judgements arranged for look-up. Immutable; may be shared by threads. */
typedef struct vecna_judgements vecna_judgements;

/* Arrange judgements given in any order.
 *   entries  (count)  query below queries; doc below docs or VECNA_DOC_OUTSIDE
 * The same (query, doc, grade) twice counts once; entries outside the corpus are all counted.
 * Memory:  one allocation, about 12 bytes an entry, released by _free (NULL-safe).
 * Errors:  VECNA_ERR_ARGUMENT when a row is outside its range or a (query, doc) has two grades;
 *          VECNA_ERR_MEMORY. position is the entry. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_judgements_new(const vecna_judgement *entries,
                                                        size_t count, size_t queries, size_t docs,
                                                        const vecna_allocator *allocator,
                                                        vecna_judgements **out, vecna_error *err);
VECNA_API void vecna_judgements_free(vecna_judgements *judgements);

typedef struct vecna_judgements_info {
    size_t queries;          /* rows of queries that the judgements are for */
    size_t docs;             /* rows of the corpus */
    size_t judged;           /* queries with at least one judgement: the ones that are scored */
    size_t without_relevant; /* of them, queries with no relevant document: they score 0 */
    size_t relevant;         /* relevant (query, document) pairs, those outside included */
    size_t outside;          /* judgements of documents that the corpus does not hold */
} vecna_judgements_info;

VECNA_API vecna_judgements_info vecna_judgements_about(const vecna_judgements *judgements);

/* Write every judgement into out, by query and then by document; repeats are gone. Returns how many
 * there are; out NULL only counts. */
VECNA_API size_t vecna_judgements_list(const vecna_judgements *judgements, vecna_judgement *out);

/* ---- qrels files ----------------------------------------------------------------------------- */

/* Judgements by id, as a file has them. Immutable after parsing. */
typedef struct vecna_qrels vecna_qrels;

typedef struct vecna_qrel {
    const char *query; /* ids: NUL-terminated UTF-8, owned by the qrels */
    const char *doc;
    int32_t grade;
    size_t line; /* from 1 */
} vecna_qrel;

/* Parse a file of judgements.
 *   data  (bytes)  TREC: "query iteration document grade", separated by blanks; or BEIR: "query-id
 *                  <tab> corpus-id <tab> score", with or without that first line. Told apart by the
 *                  first line. Empty lines, CRLF and a byte order mark are accepted.
 * A judgement repeated with the same grade is kept once and counted in vecna_qrels_repeats.
 * Memory:  two allocations, about the file plus 40 bytes a line.
 * Errors:  VECNA_ERR_FORMAT with the line in position: too few or too many fields, an empty id, a
 *          NUL byte, a grade that is no whole number of 32 bits, two grades for one pair, no
 *          judgement at all; VECNA_ERR_OVERFLOW; VECNA_ERR_MEMORY. name stands in the messages.
 * Source:  trec.nist.gov/data/qrels_eng; github.com/beir-cellar/beir wiki. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_qrels_parse(const void *data, size_t bytes,
                                                     const char *name,
                                                     const vecna_allocator *allocator,
                                                     vecna_qrels **out, vecna_error *err);
VECNA_API void vecna_qrels_free(vecna_qrels *qrels);
VECNA_API size_t vecna_qrels_count(const vecna_qrels *qrels);
VECNA_API size_t vecna_qrels_repeats(const vecna_qrels *qrels);
/* Judgement index (below count), in the order of the file. */
VECNA_API vecna_qrel vecna_qrels_at(const vecna_qrels *qrels, size_t index);

/* Ids of rows. texts NULL: row 17 has the id "17". */
typedef struct vecna_ids {
    const char *const *texts; /* (count) NUL-terminated; NULL entries have no id */
    size_t count;
} vecna_ids;

/* What became of the judgements of a file. */
typedef struct vecna_qrels_match {
    size_t used;               /* judgements whose query is among the queries */
    size_t unknown_queries;    /* judgements left out: their query is not among the queries */
    size_t unknown_docs;       /* judgements used, but of a document outside the corpus */
    const char *unknown_query; /* the first of each, owned by the qrels; NULL none */
    const char *unknown_doc;
} vecna_qrels_match;

/* From ids to rows. match may be NULL.
 * Errors:  VECNA_ERR_NOT_FOUND when no judgement's query is among the queries, or none of the
 *          documents in the corpus; VECNA_ERR_FORMAT when an id that the judgements use stands at
 *          two rows (position: the second); VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_qrels_resolve(const vecna_qrels *qrels, vecna_ids queries,
                                                       vecna_ids docs,
                                                       const vecna_allocator *allocator,
                                                       vecna_judgements **out,
                                                       vecna_qrels_match *match, vecna_error *err);

/* ---- measures -------------------------------------------------------------------------------- */

/* Code, name in reports, sentence. All lie in 0 .. 1, and more is better. */
#define VECNA_MEASURE_LIST(X)                                                                      \
    X(0, NDCG, "ndcg",                                                                             \
      "gain of the first k, discounted by log2(rank + 1), over the best possible")                 \
    X(1, RECALL, "recall", "share of a query's relevant documents among the first k")              \
    X(2, MRR, "mrr",                                                                               \
      "1 / rank of the first relevant document, 0 when it is not among the first k")               \
    X(3, MAP, "map", "mean over relevant documents of the precision at their rank, whole ranking") \
    X(4, PRECISION, "precision", "share of the first k that is relevant")                          \
    X(5, SUCCESS, "success", "1 when a relevant document is among the first k")

typedef enum vecna_measure {
#define VECNA_MEASURE_ENUM(code, name, text, sentence) VECNA_MEASURE_##name = code,
    VECNA_MEASURE_LIST(VECNA_MEASURE_ENUM)
#undef VECNA_MEASURE_ENUM
} vecna_measure;

enum { VECNA_MEASURES = 6 };

/* "ndcg"; "unknown" for others. Static. */
VECNA_API const char *vecna_measure_name(vecna_measure measure);

typedef struct vecna_retrieval_options {
    size_t k;              /* cutoff of every measure but MAP; 0 means 10 */
    int32_t relevant_from; /* least grade that is relevant; 0 means 1. nDCG gains by grade anyway */
    vecna_ids doc_ids;     /* texts not NULL: equal scores are ordered as trec_eval orders them */
    const vecna_allocator *allocator; /* NULL malloc */
} vecna_retrieval_options;

/* Every measure of every query, as trec_eval defines them.
 *   ranking  (queries, depth)  against judged: the same queries and a corpus of the same rows
 *   out      (VECNA_MEASURES, queries)  measure m of query q at out[m * queries + q]; NaN for a
 *                              query without judgements; 0 for a judged query that has no relevant
 *                              document or found nothing
 * Ties:    trec_eval sorts by score and, where scores are equal, by document id, the last id in
 *          byte order first. With doc_ids and scores the ranking is put in that order first.
 *          Without, the order given is final; vecna_search puts the lower row first, so equal
 *          vectors rank as if their ids descended with the row.
 * k beyond the ranking is no error: what is not there was not found; precision divides by k.
 * Numerics: float64 sums; within 1e-12 of tests/reference, within 1e-6 of pytrec-eval.
 * Memory:   scratch of 4 bytes a corpus row, 8 a rank.
 * Errors:   VECNA_ERR_DIM when ranking and judged differ in queries; VECNA_ERR_ARGUMENT for a row
 *           beyond the corpus or twice in one ranking; VECNA_ERR_VALUE for a score that is NaN
 *           (position: the query); VECNA_ERR_MEMORY.
 * Source:   github.com/usnistgov/trec_eval, m_*.c; docs/eval.md. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_eval_retrieval(const vecna_ranking *ranking,
                                                        const vecna_judgements *judged,
                                                        const vecna_retrieval_options *options,
                                                        double *out, vecna_error *err);

/* Share of the first reference_k rows of a reference ranking (the native model's neighbours) that
 * stand among the first k of a ranking. reference_k = k is overlap@k; reference_k = 1 is recall@k
 * of the native nearest neighbour.
 *   out  (queries)  0 .. 1; NaN where the reference's list is empty; a reference list shorter than
 *                   reference_k is divided by its own length
 * Memory:   scratch of 16 bytes an entry of the longer list.
 * Errors:   VECNA_ERR_DIM when the rankings differ in queries; VECNA_ERR_ARGUMENT for k or reference_k
 *           0 or beyond the depth of its ranking, a row twice in one list (position: the query);
 *           VECNA_ERR_MEMORY. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_eval_overlap(const vecna_ranking *ranking, size_t k,
                                                      const vecna_ranking *reference,
                                                      size_t reference_k,
                                                      const vecna_allocator *allocator, double *out,
                                                      vecna_error *err);

/* Mean of the values that are not NaN; NaN when there is none. used (may be NULL) counts them. */
VECNA_API double vecna_eval_mean(const double *values, size_t count, size_t *used);

/* ---- intervals ------------------------------------------------------------------------------- */

/* A figure and where it may lie: the percentile interval of a paired bootstrap over queries. */
typedef struct vecna_interval {
    double value; /* over the queries as they are; NaN when it is not defined (x / 0) */
    double low;
    double high;
    size_t queries; /* that entered */
} vecna_interval;

typedef enum vecna_statistic_kind {
    VECNA_STATISTIC_MEAN = 0,       /* mean(a) */
    VECNA_STATISTIC_DIFFERENCE = 1, /* mean(a) - mean(b) */
    VECNA_STATISTIC_RATIO = 2,      /* mean(a) / mean(b) */
    VECNA_STATISTIC_GAP = 3         /* (mean(a) - mean(c)) / (mean(b) - mean(c)) */
} vecna_statistic_kind;

/* A figure of the columns a, b, c (numbers of columns; those that the kind does not use are
 * ignored). */
typedef struct vecna_statistic {
    vecna_statistic_kind kind;
    size_t a, b, c;
} vecna_statistic;

typedef struct vecna_bootstrap_input {
    const double *const *columns; /* (column_count) of (queries) values each, finite or NaN */
    size_t column_count;
    size_t queries;
    const vecna_statistic *statistics;
    size_t statistic_count;
} vecna_bootstrap_input;

typedef struct vecna_bootstrap_options {
    size_t resamples;  /* 0 means 2000 */
    double confidence; /* 0 means 0.95; otherwise inside (0, 1) */
    uint64_t seed;
    vecna_pool *pool;                 /* NULL: in the calling thread */
    const vecna_allocator *allocator; /* NULL malloc */
} vecna_bootstrap_options;

/* Paired bootstrap: resamples queries with replacement and computes every statistic on the same
 * resamples, so that numerator and denominator move together.
 *   out  (statistic_count)
 * A query with NaN in any column is left out of all. Resamples whose denominator is 0 are left out
 * of that statistic's interval; if the value itself is not defined, so are low and high (NaN).
 * Numerics: resample r draws from stream r of the seed, and sums run in the order of the queries:
 *           the same bits on any number of threads. Percentiles interpolate as numpy.percentile.
 * Memory:   8 bytes a resample and statistic, 4 a query and thread.
 * Errors:   VECNA_ERR_ARGUMENT for no query left, no column or a confidence outside (0, 1);
 *           VECNA_ERR_VALUE for an infinite value (position: the query); VECNA_ERR_MEMORY.
 * Source:   Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13. Since 0.1.
 */
VECNA_API VECNA_CHECK vecna_status vecna_eval_bootstrap(const vecna_bootstrap_input *input,
                                                        const vecna_bootstrap_options *options,
                                                        vecna_interval *out, vecna_error *err);

/* ---- what a translation keeps ---------------------------------------------------------------- */

/* A way of not translating that every translation must beat. */
typedef struct vecna_control {
    const char *name;     /* "mean vector", "shuffled pairs", "untranslated": for reports */
    const double *values; /* (queries) the same measure */
} vecna_control;

typedef struct vecna_retention_input {
    const double *translated;      /* (queries) one measure of the translated corpus */
    const double *native;          /* of the target model itself: the ceiling; NULL not known */
    const double *status_quo;      /* of the old model, kept; NULL not known */
    const vecna_control *controls; /* (control_count) */
    size_t control_count;
    size_t queries;
} vecna_retention_input;

/* What needs a native model or a status quo that is not known is NaN. */
typedef struct vecna_retention {
    vecna_interval translated; /* means */
    vecna_interval native;
    vecna_interval status_quo;
    vecna_interval retention;    /* translated / native */
    vecna_interval upgrade_gain; /* native / status quo: what re-embedding everything would bring */
    vecna_interval advantage;    /* translated / status quo: what translating brings */
    vecna_interval gap_recovered; /* (translated - status quo) / (native - status quo) */
    vecna_interval gap; /* native - status quo; where it may be 0, gap_recovered is noise */
    int has_native;
    int has_status_quo;
    int controls_cleared; /* every control: the margin's lower bound is above 0 */
} vecna_retention;

typedef struct vecna_control_result {
    vecna_interval mean;
    vecna_interval retention; /* control / native */
    vecna_interval margin;    /* translated - control */
    int cleared;              /* margin.low above 0 */
} vecna_control_result;

/* All of it from one bootstrap, so that every figure saw the same resamples. Queries with NaN in
 * any of the columns are left out.
 *   controls  (control_count)  may be NULL when control_count is 0
 * Errors as vecna_eval_bootstrap. Since 0.1. */
VECNA_API VECNA_CHECK vecna_status vecna_eval_retention(const vecna_retention_input *input,
                                                        const vecna_bootstrap_options *options,
                                                        vecna_retention *out,
                                                        vecna_control_result *controls,
                                                        vecna_error *err);

typedef enum vecna_verdict {
    VECNA_VERDICT_PASS = 0,
    VECNA_VERDICT_WARN = 1, /* works, but keeping the old model retrieves better */
    VECNA_VERDICT_FAIL = 2  /* not to be relied upon */
} vecna_verdict;

/* Why, as bits. */
enum {
    VECNA_REASON_RETENTION = 1, /* FAIL: retention's lower bound is under the least wanted */
    VECNA_REASON_CONTROL = 2,   /* FAIL: a control is not clearly worse */
    VECNA_REASON_UNDEFINED = 4, /* FAIL: the native model is not known, or finds nothing */
    VECNA_REASON_STATUS_QUO = 8 /* WARN: the old model, kept, does better */
};

/* The verdict for a least retention (such as 0.8). reasons may be NULL. */
VECNA_API vecna_verdict vecna_eval_verdict(const vecna_retention *retention, double min_retention,
                                           unsigned *reasons);
/* "PASS", "WARN", "FAIL". Static. */
VECNA_API const char *vecna_verdict_name(vecna_verdict verdict);

/* ---- groups against labels ------------------------------------------------------------------- */

/* How well one grouping of rows agrees with another; 1 is perfect for each.
 * Definitions as scikit-learn 1.x has them: docs/eval.md#clusters. */
typedef struct vecna_agreement {
    double homogeneity;  /* each cluster holds one label: 1 - H(label | cluster) / H(label) */
    double completeness; /* each label lies in one cluster */
    double v_measure;    /* their harmonic mean; equal to nmi */
    double nmi;          /* mutual information over the arithmetic mean of the entropies */
    double ari;          /* Rand index adjusted for chance: 0 what chance gives, may be negative */
    double purity;       /* share of rows that have the label most frequent in their cluster */
} vecna_agreement;

/* Compare two groupings of the same rows.
 *   labels    (rows)  numbers below label_count
 *   clusters  (rows)  numbers below cluster_count
 * Numerics: float64 over exact counts.
 * Memory:   8 * label_count * cluster_count bytes.
 * Errors:   VECNA_ERR_ARGUMENT for no rows or a number out of range (position: the row);
 *           VECNA_ERR_MEMORY. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_eval_agreement(const uint32_t *labels, size_t label_count,
                                                        const uint32_t *clusters,
                                                        size_t cluster_count, size_t rows,
                                                        const vecna_allocator *allocator,
                                                        vecna_agreement *out, vecna_error *err);

/* Mean silhouette of rows under a grouping: -1 .. 1, how much nearer a row is to its own group than to
 * the next one, by Euclidean distance.
 *   rows      (rows, dim)
 *   clusters  (rows)  numbers below cluster_count; at least 2 of them in use
 *   most      at most so many rows, evenly taken, are compared; 0: all
 * A row alone in its group counts 0.
 * Numerics: float32 products of float64-centred rows, float64 sums. Time: rows^2 * dim.
 * Errors:   VECNA_ERR_ARGUMENT; VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY.
 * Source:   Rousseeuw, "Silhouettes", 1987. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_eval_silhouette(vecna_view rows, const uint32_t *clusters,
                                                         size_t cluster_count, size_t most,
                                                         vecna_pool *pool,
                                                         const vecna_allocator *allocator,
                                                         double *out, vecna_error *err);

/* ---- labels from frozen vectors -------------------------------------------------------------- */

typedef struct vecna_classify_options {
    double strength;   /* C of scikit-learn: weight of the rows against the penalty; 0 means 1 */
    size_t iterations; /* 0 means 1000 */
    double tolerance;  /* largest gradient entry, over the rows, to stop at; 0 means 1e-7 */
    const vecna_allocator *allocator; /* NULL malloc */
} vecna_classify_options;

/* Logistic regression on frozen vectors: fitted on the rows of train, applied to those of test.
 *   train   (rows, dim)   labels (rows) numbers below classes, at least 2 of them in use
 *   test    (tests, dim)
 *   options may be NULL
 *   out     (tests)       the most likely class; equal: the lower
 *   loss    mean of -log p of the true class on train, NULL: not wanted
 *   steps   taken; equal to options.iterations when it did not converge. NULL: not wanted
 * The penalty is half the squared length of the weights, not of the intercepts; two classes have one
 * vector of weights, more have one each: what scikit-learn's LogisticRegression minimises.
 * Numerics: float64; L-BFGS to a gradient, so predictions are those of the unique optimum.
 * Memory:   8 * (rows * (dim + 2 * classes) + 24 * classes * (dim + 1)) bytes.
 * Errors:   VECNA_ERR_DIM; VECNA_ERR_ARGUMENT; VECNA_ERR_VALUE when a row is not finite (position);
 *           VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_eval_classify(vecna_view train, const uint32_t *labels,
                                                       size_t classes, vecna_view test,
                                                       const vecna_classify_options *options,
                                                       uint32_t *out, double *loss, size_t *steps,
                                                       vecna_error *err);

/* ---- pairs and spread ------------------------------------------------------------------------ */

/* Average precision of scores against labels 0 and 1, as scikit-learn has it: the mean over positives
 * of the precision at their score, equal scores together. NaN when there is no positive.
 * Errors: VECNA_ERR_VALUE for a NaN score (position: its index); VECNA_ERR_MEMORY. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_eval_average_precision(const double *scores,
                                                                const uint32_t *positive,
                                                                size_t count,
                                                                const vecna_allocator *allocator,
                                                                double *out, vecna_error *err);

/* Wang and Isola's two figures, of unit rows. Alignment: mean squared distance between the two rows of
 * a positive pair; 0 is perfect. Uniformity: log of the mean of exp(-2 d^2) over all pairs of different
 * rows; lower is more even, and -4 + a little is what random directions give.
 *   a, b  (rows, dim)  row i of both is a pair; for uniformity one matrix, at most `most` rows of it,
 *                      evenly taken (0: all)
 * Rows are brought to length 1; a zero row stays.
 * Errors: VECNA_ERR_DIM when shapes disagree; VECNA_ERR_ARGUMENT for fewer than 2 rows;
 *         VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY.
 * Source: "Understanding contrastive representation learning", ICML 2020. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_eval_alignment(vecna_view a, vecna_view b, double *out,
                                                        vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_eval_uniformity(vecna_view rows, size_t most,
                                                         vecna_pool *pool,
                                                         const vecna_allocator *allocator,
                                                         double *out, vecna_error *err);
/* ---- correlation ----------------------------------------------------------------------------- */

typedef struct vecna_correlations {
    vecna_interval pearson;  /* of the values; NaN when one side is constant */
    vecna_interval spearman; /* of their ranks, equal values sharing the mean of theirs */
} vecna_correlations;

/* How two lists of numbers go together, with the percentile intervals of a bootstrap over pairs.
 *   a, b  (count)  finite
 * Numerics: float64 sums over centred values; within 1e-12 of tests/reference and of scipy.stats
 *           pearsonr and spearmanr. The same bits on any number of threads.
 * Memory:   20 bytes a pair and thread, 16 a resample, 40 a pair.
 * Errors:   VECNA_ERR_ARGUMENT for fewer than two pairs or a confidence outside (0, 1);
 *           VECNA_ERR_VALUE with the pair for what is not finite; VECNA_ERR_MEMORY. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_eval_correlations(const double *a, const double *b,
                                                           size_t count,
                                                           const vecna_bootstrap_options *options,
                                                           vecna_correlations *out,
                                                           vecna_error *err);

/* ---- analogies ------------------------------------------------------------------------------- */

/* a is to b as c is to what? Rows of words. */
typedef struct vecna_analogy {
    size_t a, b, c;
} vecna_analogy;

typedef enum vecna_analogy_method {
    VECNA_ANALOGY_ADD = 0,    /* cos(x, b) - cos(x, a) + cos(x, c) */
    VECNA_ANALOGY_MUL = 1,    /* (1 + cos(x, b)) (1 + cos(x, c)) / (1 + cos(x, a) + 2 epsilon) */
    VECNA_ANALOGY_NEAREST = 2 /* cos(x, c): a control that knows nothing of a and b */
} vecna_analogy_method;

typedef struct vecna_analogy_options {
    vecna_analogy_method method;
    double epsilon;          /* of MUL; 0 means 0.001 */
    const int64_t *variants; /* (words) rows of the same word in other letters have the same number;
                                NULL: every row is a word of its own */
    vecna_pool *pool;
    const vecna_allocator *allocator;
} vecna_analogy_options;

/* The answer of every question: the row with the highest score that is no variant of a, b or c; of
 * equal scores the lower row.
 *   words  (words, dim)  any length; a row without direction has cosine 0 to all
 *   out    (count)       rows; -1 when every word is a variant of the three
 * Numerics: float32 products of unit rows: cosines within 1e-6.
 * Memory:   4 bytes a row of words and a different word of the questions, in parts of at most
 *           64 MiB, and a copy of words.
 * Errors:   VECNA_ERR_ARGUMENT for a row beyond words; VECNA_ERR_OVERFLOW; VECNA_ERR_MEMORY;
 *           VECNA_ERR_LIBRARY.
 * Source:   Mikolov, Yih and Zweig 2013 (ADD); Levy and Goldberg 2014 (MUL); Linzen 2016 (NEAREST).
 *           Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_eval_analogies(vecna_view words,
                                                        const vecna_analogy *questions,
                                                        size_t count,
                                                        const vecna_analogy_options *options,
                                                        int64_t *out, vecna_error *err);

#ifdef __cplusplus
}
#endif
#endif
