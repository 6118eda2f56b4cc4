/* What is wrong with a set of vectors, and what it looks like, in one pass. Sums and counts are
 * exact over all rows; only the effective rank needs rows side by side and takes the builder's
 * sample.
 *
 * Matryoshka training packs more variance into the first dimensions, and nothing else does: over
 * the models measured the share of the first 1/8, 1/4 or 1/2 was 5 to 20 standard deviations (of
 * equally many dimensions drawn at random) above its due for the models so trained and at most 3.3
 * for all others (docs/space.md). No neighbours have to be searched for it. */
#include "space/space_impl.h"

#include "vecna/linalg.h"

#include <math.h>
#include <string.h>

enum { LISTED_DEFAULT = 20, LISTED_MAX = 1 << 20, DUPLICATES_DEFAULT = 3000000 };
enum { MATRYOSHKA_ROWS = 32, MATRYOSHKA_DIM = 64, RANK_ROWS = 512 };
#define MATRYOSHKA_Z 5.0
#define MATRYOSHKA_SHARE 1.05

enum { FAULT_ZERO, FAULT_NAN, FAULT_INFINITE, FAULT_DUPLICATE, FAULTS };

struct vecna_health {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    vecna_space_builder *builder;
    vni_seen seen;
    uint64_t rows;
    uint64_t count[FAULTS];
    size_t listed; /* capacity of each list */
    uint64_t *list[FAULTS];
    uint64_t *same;
};

vecna_status vecna_health_new(size_t dim, const vecna_health_options *options, vecna_health **out,
                              vecna_error *err) {
    static const vecna_health_options defaults;
    const vecna_health_options *o = options ? options : &defaults;
    if (o->listed > LISTED_MAX)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "%zu rows to list: at most %d",
                               o->listed, LISTED_MAX);
    size_t listed = o->listed ? o->listed : LISTED_DEFAULT;
    size_t list_bytes = (FAULTS + 1) * listed * sizeof(uint64_t);
    vecna_space_options space = o->space;
    space.allocator = o->allocator;
    vecna_space_builder *builder = NULL;
    vecna_status status = vecna_space_builder_new(dim, &space, &builder, err);
    if (status != VECNA_OK)
        return status;
    vecna_health *health = vecna_allocate_zero(o->allocator, 1, sizeof *health + list_bytes);
    if (!health) {
        vecna_space_builder_free(builder);
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to list %zu faulty rows",
                               listed);
    }
    health->allocator = o->allocator;
    if (o->allocator)
        health->allocator_copy = *o->allocator;
    health->builder = builder;
    health->listed = listed;
    uint64_t *lists = (uint64_t *)(health + 1);
    for (size_t k = 0; k < FAULTS; k++)
        health->list[k] = lists + k * listed;
    health->same = lists + FAULTS * listed;
    vni_seen_init(&health->seen, o->duplicate_rows ? o->duplicate_rows : DUPLICATES_DEFAULT,
                  o->allocator);
    *out = health;
    return VECNA_OK;
}

void vecna_health_free(vecna_health *health) {
    if (!health)
        return;
    vecna_allocator allocator = health->allocator_copy;
    vecna_space_builder_free(health->builder);
    vni_seen_free(&health->seen);
    vecna_release(health->allocator ? &allocator : NULL, health);
}

const vecna_space_builder *vecna_health_builder(const vecna_health *health) {
    return health->builder;
}

static void note(vecna_health *health, size_t fault, uint64_t row) {
    if (health->count[fault] < health->listed)
        health->list[fault][health->count[fault]] = row;
    health->count[fault]++;
}

vecna_status vecna_health_add(vecna_health *health, vecna_view rows, vecna_error *err) {
    size_t dim = health->builder->dim;
    if (rows.dim != dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "rows of dimension %zu among rows of dimension %zu", rows.dim, dim);
    for (size_t i = 0; i < rows.rows; i++) {
        const float *row = rows.data + i * rows.stride;
        uint64_t number = health->rows, first;
        double norm = 0;
        switch (vni_row_norm(row, dim, &norm)) {
        case VNI_ROW_ZERO:
            note(health, FAULT_ZERO, number);
            break;
        case VNI_ROW_NAN:
            note(health, FAULT_NAN, number);
            break;
        case VNI_ROW_INFINITE:
            note(health, FAULT_INFINITE, number);
            break;
        case VNI_ROW_USABLE: {
            vecna_status status = vni_seen_add(&health->seen, row, dim, number, &first, err);
            if (status != VECNA_OK)
                return status;
            if (first != number) {
                if (health->count[FAULT_DUPLICATE] < health->listed)
                    health->same[health->count[FAULT_DUPLICATE]] = first;
                note(health, FAULT_DUPLICATE, number);
            }
            vni_builder_add_row(health->builder, row, norm);
            break;
        }
        }
        health->rows++;
    }
    return VECNA_OK;
}

/* ---- the report ------------------------------------------------------------------------------ */

static vecna_health_fault fault_of(const vecna_health *health, size_t fault) {
    vecna_health_fault out = {.count = health->count[fault], .rows = health->list[fault]};
    out.listed = out.count < health->listed ? (size_t)out.count : health->listed;
    if (fault == FAULT_DUPLICATE)
        out.same = health->same;
    return out;
}

static double mean_pair_cosine(const vecna_space_builder *builder) {
    double squares = 0, rows = (double)builder->rows;
    if (builder->rows < 2)
        return NAN;
    for (size_t j = 0; j < builder->dim; j++)
        squares += builder->sum[j] * builder->sum[j];
    return (squares - rows) / (rows * (rows - 1));
}

/* Variance of unit rows in the first dimensions over their share, and how unusual that is. */
static void find_prefixes(const vecna_space_builder *builder, vecna_health_report *report) {
    size_t dim = builder->dim;
    double rows = (double)builder->rows, total = 0, squares = 0;
    if (builder->rows < 2)
        return;
    for (size_t j = 0; j < dim; j++) {
        double mean = builder->sum[j] / rows,
               variance = builder->sum_squares[j] / rows - mean * mean;
        variance = variance > 0 ? variance : 0;
        total += variance;
        squares += variance * variance;
    }
    if (total <= 0)
        return;
    double dims = (double)dim,
           spread = squares / (total * total) - 1 / dims; /* dims * var(shares) */
    for (size_t k = 0; k < VECNA_HEALTH_PREFIXES; k++) {
        size_t prefix = dim >> (VECNA_HEALTH_PREFIXES - k);
        double part = 0, count = (double)prefix;
        if (prefix == 0)
            continue;
        for (size_t j = 0; j < prefix; j++) {
            double mean = builder->sum[j] / rows;
            double variance = builder->sum_squares[j] / rows - mean * mean;
            part += variance > 0 ? variance : 0;
        }
        double due = count / dims;
        double deviation = spread > 0 ? sqrt(count * (1 - due) * spread / dims) : 0;
        report->prefix_share[k] = part / total / due;
        double z = deviation > 1e-12 ? (part / total - due) / deviation : 0;
        if (k == 0 || z > report->prefix_z)
            report->prefix_z = z;
        if (z >= MATRYOSHKA_Z && report->prefix_share[k] >= MATRYOSHKA_SHARE &&
            builder->rows >= MATRYOSHKA_ROWS && dim >= MATRYOSHKA_DIM)
            report->matryoshka = 1;
    }
}

/* (tr C)^2 / tr C^2 of the covariance C of unit rows, from products of pairs of different rows of
 * the sample: the pair of a row with itself would count the sampling as rank. The mean is that of
 * all rows, the pairs are off by what it takes from them, which is of order 1 / rows. */
static vecna_status effective_rank(const vecna_space_builder *builder, double *out,
                                   vecna_error *err) {
    const vecna_allocator *allocator = builder->allocator;
    size_t dim = builder->dim;
    size_t rows = builder->sampled < RANK_ROWS ? builder->sampled : RANK_ROWS;
    *out = NAN;
    if (rows < 3)
        return VECNA_OK;
    float *centred = vecna_allocate(allocator, rows, (dim + rows) * sizeof *centred);
    if (!centred)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "no memory for the effective rank of %zu rows of dimension %zu",
                               rows, dim);
    float *gram = centred + rows * dim;
    for (size_t i = 0; i < rows; i++) {
        const float *row = builder->sample + i * builder->sampled / rows * dim;
        for (size_t j = 0; j < dim; j++)
            centred[i * dim + j] = (float)(row[j] - builder->sum[j] / (double)builder->rows);
    }
    vecna_view view = vecna_view_dense(centred, rows, dim);
    vecna_status status =
        vecna_linalg_product_rows(view, view, vecna_matrix_dense(gram, rows, rows), NULL, err);
    if (status == VECNA_OK) {
        double trace = 0, pairs = 0, count = (double)rows;
        for (size_t i = 0; i < rows; i++) {
            trace += gram[i * rows + i];
            for (size_t k = 0; k < i; k++)
                pairs += 2 * (double)gram[i * rows + k] * gram[i * rows + k];
        }
        trace /= count;
        pairs /= count * (count - 1);
        double rank = pairs > 0 ? trace * trace / pairs : (double)dim;
        if (trace > 1e-12)
            *out = rank < 1 ? 1 : rank > (double)dim ? (double)dim : rank;
    }
    vecna_release(allocator, centred);
    return status;
}

vecna_status vecna_health_finish(const vecna_health *health, vecna_health_report *out,
                                 vecna_error *err) {
    const vecna_space_builder *builder = health->builder;
    vecna_health_report report = {.rows = health->rows, .usable = builder->rows};
    vecna_status status = effective_rank(builder, &report.effective_rank, err);
    if (status != VECNA_OK)
        return status;
    report.dim = builder->dim;
    report.zero = fault_of(health, FAULT_ZERO);
    report.nan = fault_of(health, FAULT_NAN);
    report.infinite = fault_of(health, FAULT_INFINITE);
    report.duplicate = fault_of(health, FAULT_DUPLICATE);
    report.duplicates_complete = !health->seen.full;
    report.norm_min = builder->norm_min;
    report.norm_mean = builder->norm_mean;
    report.norm_max = builder->norm_max;
    if (builder->rows)
        report.norm_deviation = sqrt(builder->norm_squares / (double)builder->rows);
    report.unit = builder->rows > 0 && builder->outside == 0;
    report.mean_pair_cosine = mean_pair_cosine(builder);
    find_prefixes(builder, &report);
    *out = report;
    return VECNA_OK;
}
