/* Which rows belong together, and which side of a split they fall on.
 *
 * A text that stands in the pairs twice, or nearly so, must not be fitted and reported: the figures
 * would praise memory. Groups come from hashes of texts where there are texts, otherwise from
 * vectors that are nearly equal in both spaces after the mean is removed (a narrow cone makes all
 * raw cosines high). Candidates for equality come from random signs, 12 bits to a table: two rows
 * of centred cosine 0.95 share a table's bits with probability 0.28, so 24 tables miss one pair in
 * 2,000; all candidates are checked exactly.
 *
 * Groups are ordered by a hash of their content, not by their place: permuted pairs split alike. */
#include "base/base_impl.h"
#include "translate/translate_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

uint64_t vni_hash_mix(uint64_t hash) {
    hash ^= hash >> 30;
    hash *= 0xbf58476d1ce4e5b9ull;
    hash ^= hash >> 27;
    hash *= 0x94d049bb133111ebull;
    return hash ^ (hash >> 31);
}

uint64_t vecna_translate_text_group(const char *text, size_t bytes) {
    uint64_t hash = VNI_HASH_START;
    int space = 0;
    int begun = 0;
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == ' ' || (c >= '\t' && c <= '\r')) {
            space = begun;
            continue;
        }
        if (space) {
            hash = vni_hash(hash, " ", 1);
            space = 0;
        }
        if (c >= 'A' && c <= 'Z') {
            c = (unsigned char)(c - 'A' + 'a');
        }
        hash = vni_hash(hash, &c, 1);
        begun = 1;
    }
    return vni_hash_mix(hash);
}

/* ---- groups ------------------------------------------------------------------------------------
 */

typedef struct keyed {
    uint64_t key;
    size_t row;
} keyed;

static int compare_keyed(const void *left, const void *right) {
    const keyed *a = left;
    const keyed *b = right;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return a->row < b->row ? -1 : a->row > b->row;
}

vecna_status vni_groups_of_hashes(const uint64_t *hashes, size_t rows, size_t *group,
                                  size_t *groups, const vecna_allocator *allocator,
                                  vecna_error *err) {
    keyed *sorted = vecna_allocate(allocator, rows, sizeof *sorted);
    if (!sorted) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to group %zu rows", rows);
    }
    for (size_t i = 0; i < rows; i++) {
        sorted[i] = (keyed){hashes[i], i};
    }
    qsort(sorted, rows, sizeof *sorted, compare_keyed);
    size_t count = 0;
    for (size_t i = 0; i < rows; i++) {
        count += i == 0 || sorted[i].key != sorted[i - 1].key;
        group[sorted[i].row] = count - 1;
    }
    *groups = count;
    vecna_release(allocator, sorted);
    return VECNA_OK;
}

enum {
    TABLES = 24,
    TABLE_BITS = 12,
    SIGN_BITS = TABLES * TABLE_BITS,
    SIGN_WORDS = (SIGN_BITS + 63) / 64,
    BUCKET_LOOK = 32 /* neighbours in a bucket that a row is compared with */
};

static size_t root_of(size_t *parent, size_t row) {
    while (parent[row] != row) {
        parent[row] = parent[parent[row]];
        row = parent[row];
    }
    return row;
}

/* Cosine of two rows about a centre. */
static double centred_cosine(const float *a, const float *b, const double *centre, size_t dim) {
    double ab = 0, aa = 0, bb = 0;
    for (size_t j = 0; j < dim; j++) {
        double x = a[j] - centre[j];
        double y = b[j] - centre[j];
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : (aa == bb);
}

/* Signs of the rows about the centre: bit b of a row is its side of plane b.
 *   planes  (source dim, SIGN_BITS), offsets (SIGN_BITS) of the centre along each */
static vecna_status sign_rows(const vni_pairs *pairs, const float *planes, const float *offsets,
                              uint64_t *signs, vecna_error *err) {
    enum { BLOCK = 512 };
    float *sides = vecna_allocate(pairs->allocator, (size_t)BLOCK * SIGN_BITS, sizeof *sides);
    if (!sides) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to look for duplicates");
    }
    vecna_status status = VECNA_OK;
    for (size_t first = 0; first < pairs->source.rows && !status; first += BLOCK) {
        size_t here = pairs->source.rows - first < BLOCK ? pairs->source.rows - first : BLOCK;
        status = vni_product(vecna_view_rows(pairs->source, first, here),
                             vecna_view_dense(planes, pairs->source.dim, SIGN_BITS),
                             vecna_matrix_dense(sides, here, SIGN_BITS), pairs->pool, err);
        for (size_t i = 0; i < here && !status; i++) {
            uint64_t *out = signs + (first + i) * SIGN_WORDS;
            for (size_t bit = 0; bit < SIGN_BITS; bit++) {
                uint64_t above = sides[i * SIGN_BITS + bit] > offsets[bit];
                out[bit / 64] |= above << (bit % 64);
            }
        }
    }
    vecna_release(pairs->allocator, sides);
    return status;
}

static int near_duplicates(const vni_pairs *pairs, size_t a, size_t b, double cosine) {
    const vecna_view *s = &pairs->source;
    const vecna_view *t = &pairs->target;
    return centred_cosine(s->data + a * s->stride, s->data + b * s->stride, pairs->source_centre,
                          s->dim) >= cosine &&
           centred_cosine(t->data + a * t->stride, t->data + b * t->stride, pairs->target_centre,
                          t->dim) >= cosine;
}

static size_t bits_of(const uint64_t *signs, size_t table) {
    const size_t first = table * TABLE_BITS, word = first / 64, shift = first % 64;
    uint64_t bits = signs[word] >> shift;
    if (shift + TABLE_BITS > 64) {
        bits |= signs[word + 1] << (64 - shift);
    }
    return bits & ((1u << TABLE_BITS) - 1);
}

/* Rows by their bits of a table, then by their place: counted, not compared. */
static void sort_by_table(const uint64_t *signs, size_t table, size_t rows, keyed *sorted) {
    size_t start[(1u << TABLE_BITS) + 1] = {0};
    for (size_t i = 0; i < rows; i++) {
        start[bits_of(signs + i * SIGN_WORDS, table) + 1]++;
    }
    for (size_t key = 0; key < 1u << TABLE_BITS; key++) {
        start[key + 1] += start[key];
    }
    for (size_t i = 0; i < rows; i++) {
        const size_t key = bits_of(signs + i * SIGN_WORDS, table);
        sorted[start[key]++] = (keyed){key, i};
    }
}

/* Join near-duplicates that share one table's bits. */
static void join_table(const vni_pairs *pairs, const uint64_t *signs, size_t table, double cosine,
                       keyed *sorted, size_t *parent) {
    const size_t rows = pairs->source.rows;
    sort_by_table(signs, table, rows, sorted);
    for (size_t i = 0; i < rows; i++) {
        size_t last = i + BUCKET_LOOK < rows ? i + BUCKET_LOOK : rows - 1;
        for (size_t j = i + 1; j <= last && sorted[j].key == sorted[i].key; j++) {
            size_t a = sorted[i].row, b = sorted[j].row;
            int apart = 0;
            for (size_t w = 0; w < SIGN_WORDS; w++) {
                apart +=
                    __builtin_popcountll(signs[a * SIGN_WORDS + w] ^ signs[b * SIGN_WORDS + w]);
            }
            if (apart > SIGN_BITS / 4 || root_of(parent, a) == root_of(parent, b)) {
                continue; /* an angle above 45 degrees, or known already */
            }
            if (near_duplicates(pairs, a, b, cosine)) {
                parent[root_of(parent, b)] = root_of(parent, a);
            }
        }
    }
}

/* Join rows of equal hashes. */
static void join_equal(const uint64_t *hashes, size_t rows, keyed *sorted, size_t *parent) {
    for (size_t i = 0; i < rows; i++) {
        sorted[i] = (keyed){hashes[i], i};
    }
    qsort(sorted, rows, sizeof *sorted, compare_keyed);
    for (size_t i = 1; i < rows; i++) {
        if (sorted[i].key == sorted[i - 1].key) {
            parent[root_of(parent, sorted[i].row)] = root_of(parent, sorted[i - 1].row);
        }
    }
}

vecna_status vni_groups_of_vectors(const vni_pairs *pairs, double cosine, const uint64_t *hashes,
                                   size_t *group, size_t *groups, vecna_error *err) {
    const vecna_allocator *allocator = pairs->allocator;
    const size_t rows = pairs->source.rows;
    const size_t dim = pairs->source.dim;
    vecna_status status = VECNA_ERR_MEMORY;
    float *planes = vecna_allocate(allocator, SIGN_BITS * (dim + 1), sizeof *planes);
    float *offsets = planes ? planes + SIGN_BITS * dim : NULL;
    uint64_t *signs = vecna_allocate_zero(allocator, rows * SIGN_WORDS, sizeof *signs);
    keyed *sorted = vecna_allocate(allocator, rows, sizeof *sorted);
    size_t *parent = vecna_allocate(allocator, rows, sizeof *parent);
    if (!planes || !signs || !sorted || !parent) {
        vecna_error_set(err, status, -1, "no memory to look for duplicates in %zu rows", rows);
        goto done;
    }
    vecna_random random;
    vecna_random_seed(&random, 0x76656374u, 0);
    for (size_t j = 0; j < SIGN_BITS * dim; j++) {
        planes[j] = (float)vecna_random_normal(&random);
    }
    for (size_t b = 0; b < SIGN_BITS; b++) { /* the planes go through the centre */
        double offset = 0;
        for (size_t j = 0; j < dim; j++) {
            offset += (double)planes[j * SIGN_BITS + b] * pairs->source_centre[j];
        }
        offsets[b] = (float)offset;
    }
    status = sign_rows(pairs, planes, offsets, signs, err);
    if (status) {
        goto done;
    }
    for (size_t i = 0; i < rows; i++) {
        parent[i] = i;
    }
    if (hashes) {
        join_equal(hashes, rows, sorted, parent);
    }
    for (size_t table = 0; table < TABLES; table++) {
        join_table(pairs, signs, table, cosine, sorted, parent);
    }
    size_t count = 0;
    for (size_t i = 0; i < rows; i++) {
        count += root_of(parent, i) == i;
        sorted[i] = (keyed){root_of(parent, i), i};
    }
    qsort(sorted, rows, sizeof *sorted, compare_keyed);
    for (size_t i = 0, g = 0; i < rows; i++) {
        g += i > 0 && sorted[i].key != sorted[i - 1].key;
        group[sorted[i].row] = g;
    }
    *groups = count;
    status = VECNA_OK;
done:
    vecna_release(allocator, planes);
    vecna_release(allocator, signs);
    vecna_release(allocator, sorted);
    vecna_release(allocator, parent);
    return status;
}

/* ---- folds --------------------------------------------------------------------------------------
 */

typedef struct placed {
    uint64_t group_key; /* of the group's least row key */
    size_t group;
    uint64_t key;
    size_t row;
} placed;

static int compare_placed(const void *left, const void *right) {
    const placed *a = left;
    const placed *b = right;
    if (a->group_key != b->group_key) {
        return a->group_key < b->group_key ? -1 : 1;
    }
    if (a->group != b->group) {
        return a->group < b->group ? -1 : 1;
    }
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return a->row < b->row ? -1 : a->row > b->row;
}

vecna_status vni_split_new(const vni_split_input *input, const vecna_allocator *allocator,
                           vni_split *out, vecna_error *err) {
    const size_t count = input->count;
    vecna_status status = VECNA_ERR_MEMORY;
    placed *order = vecna_allocate(allocator, count, sizeof *order);
    uint64_t *least = vecna_allocate(allocator, input->all_rows, sizeof *least);
    size_t *memory = vecna_allocate(allocator, count + input->all_rows, sizeof *memory);
    size_t filled[16] = {0};
    size_t folds = input->folds < 16 ? input->folds : 16;
    if (!order || !least || !memory) {
        vecna_error_set(err, status, -1, "no memory to split %zu rows", count);
        goto done;
    }
    memset(least, 0xff, input->all_rows * sizeof *least);
    for (size_t i = 0; i < count; i++) {
        size_t row = input->rows[i];
        uint64_t key = vni_hash_mix(input->key[row] + input->seed * 0x9e3779b97f4a7c15ull);
        uint64_t *of_group = &least[input->group[row]];
        *of_group = key < *of_group ? key : *of_group;
        order[i] = (placed){0, input->group[row], key, row};
    }
    for (size_t i = 0; i < count; i++) {
        order[i].group_key = least[order[i].group];
    }
    qsort(order, count, sizeof *order, compare_placed);
    size_t groups = 0;
    for (size_t i = 0; i < count; i++) {
        groups += i == 0 || order[i].group != order[i - 1].group;
    }
    folds = groups < folds ? groups : folds;
    *out = (vni_split){allocator, memory, count, groups, memory, memory + count, folds};
    for (size_t i = 0, fold = 0; i < count; i++) {
        if (i == 0 || order[i].group != order[i - 1].group) { /* to the emptiest, first of equals */
            fold = 0;
            for (size_t f = 1; f < folds; f++) {
                fold = filled[f] < filled[fold] ? f : fold;
            }
        }
        filled[fold]++;
        out->order[i] = order[i].row;
        out->fold[order[i].row] = fold;
    }
    memory = NULL;
    status = VECNA_OK;
done:
    vecna_release(allocator, order);
    vecna_release(allocator, least);
    vecna_release(allocator, memory);
    return status;
}

void vni_split_free(vni_split *split) {
    vecna_release(split->allocator, split->memory);
    *split = (vni_split){0};
}
