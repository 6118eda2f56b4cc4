/* GloVe. Threads never meet and need no copies: words are dealt into as many groups as there are threads,
 * pairs into groups x groups heaps, and in one turn thread t trains a heap (t, t + turn): no other thread
 * has its words or its contexts (the strata of Gemulla et al. 2011). Within a heap words are dealt into
 * blocks in the same way, and a pile has pairs of one block of words and one of contexts, whose rows stay
 * in the processor's cache as long as it is trained: out of memory, rows took longer than their steps.
 * Piles are shuffled once each, and come in another order in every epoch. */
#include "train/cooccur_impl.h"

#include "train/state_impl.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    DIM = 100,
    WINDOW = 15,
    EPOCHS = 25,
    DIM_MOST = 65535,
    WINDOW_MOST = 1000,
    THREADS_MOST = 64,
    PILE_PAIRS = 1 << 15,
    PILES_MOST = 4096,
    BLOCKS_MOST = 64,
    CACHE_BYTES = 1 << 20,
    COUNTED_BITS = 10,
    PILES_A_ROUND = 32,
    OPTIONS_BYTES = 400
};
#define RATE 0.05
#define X_MAX 10.0
#define ALPHA 0.75
#define MEMORY_DEFAULT ((size_t)1 << 30)
#define MEMORY_LEAST ((size_t)1 << 20)

/* What a count comes to; 0 where nothing is known yet. */
typedef struct counted {
    double count;
    float log_count, weight;
} counted;

struct vecna_glove {
    vecna_glove_options options; /* defaults filled in; scratch NULL */
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    size_t words, width, spills;
    size_t blocks, chances, piles; /* a heap has piles = blocks * blocks * chances */
    vni_table values[2];           /* words, contexts: rows of (value, root), 2 * width floats */
    vni_store store;
    vni_pair *pairs;
    uint64_t pair_count;
    uint64_t *starts; /* (groups * groups * piles + 1) into pairs */
    uint32_t *order;  /* (groups * groups, piles) of this epoch */
    double *costs;    /* (threads) of this epoch */
    counted counted[1 << COUNTED_BITS];
    uint64_t fingerprint;
    size_t epoch, turn, slice; /* next to train: `slice` of the heaps of `turn` */
    uint64_t done;             /* pairs trained */
    double loss;
};

/* ---- options --------------------------------------------------------------------------------- */

static vecna_status complete(vecna_glove_options *o, vecna_error *err) {
    o->dim = o->dim ? o->dim : DIM;
    o->window = o->window ? o->window : WINDOW;
    o->epochs = o->epochs ? o->epochs : EPOCHS;
    o->threads = o->threads ? o->threads : 1;
    o->x_max = o->x_max != 0 ? o->x_max : X_MAX;
    o->alpha = o->alpha != 0 ? o->alpha : ALPHA;
    o->rate = o->rate != 0 ? o->rate : RATE;
    o->memory_bytes = o->memory_bytes ? o->memory_bytes : MEMORY_DEFAULT;
    if (o->memory_bytes < MEMORY_LEAST)
        o->memory_bytes = MEMORY_LEAST;
    if (o->dim > DIM_MOST || o->window > WINDOW_MOST || o->threads > THREADS_MOST)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "dimension %zu, window %zu, threads %zu: at most %d, %d, %d", o->dim,
                               o->window, o->threads, DIM_MOST, WINDOW_MOST, THREADS_MOST);
    if (!(o->x_max > 0) || !(o->alpha > 0 && o->alpha <= 10) || !(o->rate > 0 && o->rate <= 10))
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "x_max is %g, alpha %g, the rate %g; all are above 0, and the last two "
            "at most 10",
            o->x_max, o->alpha, o->rate);
    return VECNA_OK;
}

/* ---- heaps and piles ------------------------------------------------------------------------- */

/* The pile of a pair. Words are dealt to groups and blocks one after the other, so that they weigh the
 * same. */
static size_t pile_of(const vecna_glove *model, int32_t word, int32_t context) {
    uint32_t groups = (uint32_t)model->options.threads, blocks = (uint32_t)model->blocks;
    uint32_t row = (uint32_t)word, column = (uint32_t)context; /* they divide faster */
    size_t heap = (size_t)(row % groups) * groups + column % groups;
    size_t block = (size_t)(row / groups % blocks) * blocks + column / groups % blocks;
    uint64_t state = model->options.seed ^ ((uint64_t)(uint32_t)word << 32 | (uint32_t)context);
    return heap * model->piles + block * model->chances +
           (size_t)((vni_draw(&state) >> 32) * model->chances >> 32);
}

static void count_pair(void *user, int32_t word, int32_t context, double count) {
    vecna_glove *model = user;
    (void)word;
    (void)context;
    (void)count;
    model->pair_count++;
}

static void size_pile(void *user, int32_t word, int32_t context, double count) {
    vecna_glove *model = user;
    (void)count;
    model->starts[pile_of(model, word, context) + 1]++;
}

/* Most counts are among few: of words that stood together once, 1, 1/2, 1/3 and so on. */
static const counted *weigh(vecna_glove *model, double count) {
    uint64_t bits;
    counted *known;
    memcpy(&bits, &count, sizeof bits);
    known = &model->counted[bits * 0x9e3779b97f4a7c15u >> (64 - COUNTED_BITS)];
    if (known->count != count) {
        double share = count / model->options.x_max;
        known->count = count;
        known->log_count = (float)log(count);
        known->weight = share < 1 ? (float)pow(share, model->options.alpha) : 1.0f;
    }
    return known;
}

static void place_pair(void *user, int32_t word, int32_t context, double count) {
    vecna_glove *model = user;
    const counted *known = weigh(model, count);
    vni_pair pair = {word, context, known->log_count, known->weight};
    /* starts[p] moves up to starts[p + 1] and is set back afterwards */
    model->pairs[model->starts[pile_of(model, word, context)]++] = pair;
}

static void shuffle_piles(vecna_glove *model, size_t piles) {
    for (size_t pile = 0; pile < piles; pile++) {
        vni_pair *pairs = model->pairs + model->starts[pile];
        size_t count = (size_t)(model->starts[pile + 1] - model->starts[pile]);
        uint64_t draw = vni_draw_seed(model->options.seed, pile);
        for (size_t i = count; i > 1; i--) {
            size_t other = (size_t)(((vni_draw(&draw) >> 32) * i) >> 32);
            vni_pair kept = pairs[i - 1];
            pairs[i - 1] = pairs[other];
            pairs[other] = kept;
        }
    }
}

/* As many blocks that the rows of two lie in a processor's second cache, and piles of any size. */
static void size_piles(vecna_glove *model, size_t heaps) {
    const size_t fit = CACHE_BYTES / (4 * model->width * sizeof(float));
    const size_t group = (model->words + model->options.threads - 1) / model->options.threads;
    const uint64_t pairs = model->pair_count / heaps;
    size_t blocks = (group + fit - 1) / (fit ? fit : 1);
    model->blocks = blocks < 1 ? 1 : blocks > BLOCKS_MOST ? BLOCKS_MOST : blocks;
    blocks = model->blocks * model->blocks;
    model->chances = (size_t)(pairs / blocks / PILE_PAIRS) + 1;
    if (model->chances * blocks > PILES_MOST)
        model->chances = PILES_MOST / blocks;
    model->piles = blocks * model->chances;
}

static vecna_status deal_pairs(vecna_glove *model, vni_cooccur *counts, vecna_error *err) {
    size_t heaps = model->options.threads * model->options.threads, piles;
    vecna_status status = vni_cooccur_visit(counts, count_pair, model, err);
    if (status != VECNA_OK)
        return status;
    if (model->pair_count == 0)
        return vecna_error_set(err, VECNA_ERR_VALUE, -1, "no two words of the text stand together");
    if (model->pair_count > SIZE_MAX / sizeof *model->pairs)
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1, "%" PRIu64 " pairs are too many",
                               model->pair_count);
    size_piles(model, heaps);
    piles = heaps * model->piles;
    model->starts = vecna_allocate_zero(model->allocator, piles + 1, sizeof *model->starts);
    model->order = vecna_allocate(model->allocator, piles, sizeof *model->order);
    if (model->starts == NULL || model->order == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu piles", piles);
    status =
        vni_store_new((size_t)model->pair_count * sizeof *model->pairs, model->options.memory_bytes,
                      model->options.scratch, model->allocator, &model->store, err);
    model->pairs = model->store.data;
    if (status == VECNA_OK)
        status = vni_cooccur_visit(counts, size_pile, model, err);
    for (size_t pile = 0; status == VECNA_OK && pile < piles; pile++)
        model->starts[pile + 1] += model->starts[pile];
    if (status == VECNA_OK)
        status = vni_cooccur_visit(counts, place_pair, model, err);
    if (status != VECNA_OK)
        return status;
    memmove(model->starts + 1, model->starts, piles * sizeof *model->starts);
    model->starts[0] = 0;
    shuffle_piles(model, piles);
    return VECNA_OK;
}

/* The order of piles in this epoch. */
static void order_piles(vecna_glove *model) {
    size_t heaps = model->options.threads * model->options.threads;
    for (size_t heap = 0; heap < heaps; heap++) {
        uint32_t *order = model->order + heap * model->piles;
        uint64_t draw =
            vni_draw_seed(model->options.seed, ((uint64_t)model->epoch + 1) << 32 | (uint64_t)heap);
        for (size_t i = 0; i < model->piles; i++) {
            size_t other = (size_t)(((vni_draw(&draw) >> 32) * (i + 1)) >> 32);
            order[i] = i == other ? (uint32_t)i : order[other];
            order[other] = (uint32_t)i;
        }
    }
}

/* ---- making ---------------------------------------------------------------------------------- */

static vecna_status make_values(vecna_glove *model, vecna_error *err) {
    const vecna_glove_options *o = &model->options;
    model->width = vni_padded(o->dim + 1);
    for (size_t side = 0; side < 2; side++) {
        vni_table *table = &model->values[side];
        vecna_status status =
            vni_table_new(model->words, 2 * model->width, model->allocator, table, err);
        if (status != VECNA_OK)
            return status;
        table->dim = o->dim + 1; /* values and bias at random, the rest by hand */
        vni_table_randomize(table, 0, 0.5f / (float)o->dim, o->seed ^ (side * 0x9e3779b97f4a7c15u));
        for (size_t row = 0; row < model->words; row++)
            for (size_t at = model->width; at < 2 * model->width; at++)
                vni_table_row(table, row)[at] = 1;
    }
    model->costs = vecna_allocate_zero(model->allocator, o->threads, sizeof *model->costs);
    return model->costs ? VECNA_OK
                        : vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory");
}

vecna_status vecna_glove_new(const vecna_glove_options *options, const vecna_corpus *corpus,
                             vecna_train_watch *watch, void *user, vecna_glove **out,
                             vecna_error *err) {
    static const vecna_glove_options defaults;
    vecna_glove_options o = options ? *options : defaults;
    vni_cooccur_rule rule;
    vni_cooccur *counts = NULL;
    vecna_glove *model;
    vecna_status status = complete(&o, err);
    if (status != VECNA_OK)
        return status;
    model = vecna_allocate_zero(o.allocator, 1, sizeof *model);
    if (model == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for a model");
    model->options = o;
    if (o.allocator) {
        model->allocator_copy = *o.allocator;
        model->allocator = &model->allocator_copy;
    }
    model->words = vecna_vocab_size(corpus->vocab);
    model->fingerprint = corpus->fingerprint;
    model->loss = NAN;
    rule.window = o.window;
    rule.memory_bytes = o.memory_bytes;
    rule.asymmetric = o.asymmetric;
    rule.flat = o.flat;
    rule.scratch = o.scratch;
    rule.allocator = model->allocator;
    status = make_values(model, err);
    if (status == VECNA_OK)
        status = vni_cooccur_new(&rule, corpus, watch, user, &counts, err);
    if (status == VECNA_OK) {
        model->spills = vni_cooccur_spills(counts);
        status = deal_pairs(model, counts, err);
    }
    vni_cooccur_free(counts);
    model->options.scratch = NULL;
    if (status != VECNA_OK) {
        vecna_glove_free(model);
        return status;
    }
    order_piles(model);
    *out = model;
    return VECNA_OK;
}

void vecna_glove_free(vecna_glove *model) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (model == NULL)
        return;
    vni_table_free(&model->values[0], model->allocator);
    vni_table_free(&model->values[1], model->allocator);
    vni_store_free(&model->store, model->allocator);
    vecna_release(model->allocator, model->starts);
    vecna_release(model->allocator, model->order);
    vecna_release(model->allocator, model->costs);
    if (model->allocator) {
        copy = model->allocator_copy;
        allocator = &copy;
    }
    vecna_release(allocator, model);
}

uint64_t vecna_glove_pairs(const vecna_glove *model) {
    return model->pair_count;
}

size_t vecna_glove_spills(const vecna_glove *model) {
    return model->spills;
}

/* ---- training -------------------------------------------------------------------------------- */

/* Piles [first, last) of thread t's heap of this turn, in the epoch's order. */
static void train_heap(void *user, size_t begin, size_t end, size_t worker) {
    vecna_glove *model = user;
    const vni_train_kernels *kernels = vni_train_chosen();
    size_t groups = model->options.threads;
    (void)worker;
    for (size_t t = begin; t < end; t++) {
        size_t heap = t * groups + (t + model->turn) % groups;
        size_t first = model->slice * PILES_A_ROUND, last = first + PILES_A_ROUND;
        for (size_t i = first; i < last && i < model->piles; i++) {
            size_t pile = heap * model->piles + model->order[heap * model->piles + i];
            vni_pairs work = {model->pairs + model->starts[pile],
                              (size_t)(model->starts[pile + 1] - model->starts[pile]),
                              model->values[0].data,
                              model->values[1].data,
                              model->options.dim,
                              model->width,
                              (float)model->options.rate};
            model->costs[t] += kernels->glove(&work);
        }
    }
}

static uint64_t pairs_of_round(const vecna_glove *model) {
    size_t groups = model->options.threads, first = model->slice * PILES_A_ROUND;
    uint64_t sum = 0;
    for (size_t t = 0; t < groups; t++) {
        size_t heap = t * groups + (t + model->turn) % groups;
        for (size_t i = first; i < first + PILES_A_ROUND && i < model->piles; i++) {
            size_t pile = heap * model->piles + model->order[heap * model->piles + i];
            sum += model->starts[pile + 1] - model->starts[pile];
        }
    }
    return sum;
}

static void end_epoch(vecna_glove *model) {
    double cost = 0;
    for (size_t t = 0; t < model->options.threads; t++) {
        cost += model->costs[t];
        model->costs[t] = 0;
    }
    model->loss = cost / (double)model->pair_count;
    model->epoch++;
    model->turn = 0;
    order_piles(model);
}

vecna_train_report vecna_glove_report(const vecna_glove *model) {
    vecna_train_report report = {model->done,         model->pair_count * model->options.epochs,
                                 model->epoch,        model->options.epochs,
                                 model->options.rate, model->loss};
    return report;
}

vecna_status vecna_glove_train(vecna_glove *model, vecna_pool *pool, vecna_train_watch *watch,
                               void *user, vecna_error *err) {
    while (model->epoch < model->options.epochs) {
        vecna_train_report report;
        uint64_t pairs = pairs_of_round(model);
        vecna_pool_run(pool, model->options.threads, 1, train_heap, model);
        model->done += pairs;
        if (++model->slice * PILES_A_ROUND >= model->piles) {
            model->slice = 0;
            if (++model->turn == model->options.threads)
                end_epoch(model);
        }
        if (!isnan(model->loss) && !(model->loss < 1e6))
            return vecna_error_set(err, VECNA_ERR_NUMERIC, -1,
                                   "training ran away (cost %g): lower the rate, %g", model->loss,
                                   model->options.rate);
        report = vecna_glove_report(model);
        if (watch && watch(user, &report))
            break;
    }
    return VECNA_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

size_t vecna_glove_dim(const vecna_glove *model, vecna_glove_output output) {
    switch (output) {
    case VECNA_GLOVE_SUM:
    case VECNA_GLOVE_WORD:
        break;
    case VECNA_GLOVE_BOTH:
        return 2 * model->options.dim;
    case VECNA_GLOVE_ALL:
        return 2 * (model->options.dim + 1);
    }
    return model->options.dim;
}

vecna_status vecna_glove_vectors(const vecna_glove *model, vecna_glove_output output, size_t first,
                                 vecna_matrix out, vecna_error *err) {
    size_t dim = model->options.dim, side = output == VECNA_GLOVE_ALL ? dim + 1 : dim;
    if (out.dim != vecna_glove_dim(model, output) || out.stride < out.dim)
        return vecna_error_set(err, VECNA_ERR_DIM, -1, "vectors have %zu dimensions, not %zu",
                               vecna_glove_dim(model, output), out.dim);
    if (first > model->words || out.rows > model->words - first)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "there are %zu words", model->words);
    for (size_t i = 0; i < out.rows; i++) {
        const float *word = vni_table_row(&model->values[0], first + i);
        const float *context = vni_table_row(&model->values[1], first + i);
        float *row = out.data + i * out.stride;
        memcpy(row, word, side * sizeof *row);
        if (output == VECNA_GLOVE_BOTH || output == VECNA_GLOVE_ALL)
            memcpy(row + side, context, side * sizeof *row);
        for (size_t d = 0; output == VECNA_GLOVE_SUM && d < dim; d++)
            row[d] += context[d];
    }
    return VECNA_OK;
}

/* ---- states ---------------------------------------------------------------------------------- */

typedef struct glove_progress {
    uint64_t done, epoch, turn, slice;
    double loss, costs[THREADS_MOST];
} glove_progress;

static void describe(const vecna_glove *model, char *out) {
    const vecna_glove_options *o = &model->options;
    snprintf(out, OPTIONS_BYTES,
             "glove 2 dim=%zu window=%zu asymmetric=%d flat=%d x_max=%.9g alpha=%.9g rate=%.9g "
             "epochs=%zu threads=%zu memory=%zu seed=%" PRIu64 " text=%016" PRIx64,
             o->dim, o->window, o->asymmetric != 0, o->flat != 0, o->x_max, o->alpha, o->rate,
             o->epochs, o->threads, o->memory_bytes, o->seed, model->fingerprint);
}

static void collect(const vecna_glove *model, glove_progress *progress, vni_state_part *parts) {
    const char *const names[] = {"words", "contexts"};
    for (size_t side = 0; side < 2; side++) {
        size_t bytes = 2 * model->width * sizeof(float);
        vni_state_part part = {names[side], model->values[side].data, model->words, bytes, bytes};
        parts[side] = part;
    }
    parts[2].name = "progress";
    parts[2].data = progress;
    parts[2].rows = 1;
    parts[2].row_bytes = parts[2].stride_bytes = sizeof *progress;
}

vecna_status vecna_glove_save(const vecna_glove *model, const char *path, vecna_error *err) {
    char options[OPTIONS_BYTES];
    glove_progress progress;
    vni_state_part parts[3];
    memset(&progress, 0, sizeof progress);
    progress.done = model->done;
    progress.epoch = model->epoch;
    progress.turn = model->turn;
    progress.slice = model->slice;
    progress.loss = model->loss;
    memcpy(progress.costs, model->costs, model->options.threads * sizeof *model->costs);
    describe(model, options);
    collect(model, &progress, parts);
    return vni_state_save(path, options, parts, 3, model->allocator, err);
}

vecna_status vecna_glove_load(vecna_glove *model, const char *path, vecna_error *err) {
    char options[OPTIONS_BYTES];
    glove_progress progress;
    vni_state_part parts[3];
    vecna_status status;
    describe(model, options);
    collect(model, &progress, parts);
    status = vni_state_load(path, options, parts, 3, model->allocator, err);
    if (status == VECNA_OK &&
        (progress.epoch > model->options.epochs || progress.turn >= model->options.threads ||
         progress.slice > model->piles / PILES_A_ROUND))
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                 "%.150s tells of a place outside of the work", path);
    if (status != VECNA_OK)
        return status;
    model->done = progress.done;
    model->epoch = (size_t)progress.epoch;
    model->turn = (size_t)progress.turn;
    model->slice = (size_t)progress.slice;
    model->loss = progress.loss;
    memcpy(model->costs, progress.costs, model->options.threads * sizeof *model->costs);
    order_piles(model);
    return VECNA_OK;
}
