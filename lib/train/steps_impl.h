/* What every trainer by prediction does: choose what a word is predicted against, and take a step. */
#ifndef VNI_STEPS_IMPL_H
#define VNI_STEPS_IMPL_H

#include "train/train_impl.h"

enum {
    VNI_PIECE = 4096, /* most words of a piece */
    VNI_AHEAD = 2,    /* steps: one fetches the rows, the next lets them arrive */
    VNI_SETS = 4      /* of targets, more than VNI_AHEAD */
};

/* What one word, or several of a document, is to be predicted against: itself and words drawn, or nodes of the
 * tree. */
typedef struct vni_targets {
    float **rows;
    float *labels;
    float *weights; /* how often it was drawn */
    int32_t *ids;
    size_t count, words;
} vni_targets;

/* One thread's means to take steps. */
typedef struct vni_stepper {
    const vni_train_kernels *kernels;
    const vni_negatives *negatives;
    const vni_huffman *tree; /* hierarchical softmax; NULL: negatives */
    size_t negative;
    const vni_table *outputs;
    vni_overlay *copies; /* of the outputs; NULL with one thread */
    float *frozen;       /* (VNI_SETS, most_targets, width) copies of targets that stay; or NULL */
    size_t most_targets; /* of a set */
    uint64_t draw;
    uint64_t *drawn;      /* (negative) numbers whose cells are on their way */
    const float **coming; /* (coming_most) rows that the next step fetches for those after it */
    size_t coming_count, coming_most;
    uint64_t loss_turn, loss_count;
    double loss_sum;
    vni_targets targets[VNI_SETS];
    float *rates, *logits, *gains, *moves;
} vni_stepper;

/* Takes `count` entries of `size` bytes from one allocation, 64-byte aligned, behind *at; with memory
 * NULL it only counts. */
void *vni_carve(char *memory, size_t *at, size_t count, size_t size);
void vni_stepper_carve(vni_stepper *stepper, char *memory, size_t *at, size_t most_targets,
                       size_t most_inputs);
/* A new round: random numbers of (seed, stream), no losses. */
void vni_stepper_start(vni_stepper *stepper, uint64_t seed, uint64_t stream);

/* A step to come will read this row. */
void vni_expect(vni_stepper *stepper, const float *row);
/* The word itself and what it is set against; their rows are expected. */
void vni_choose_targets(vni_stepper *stepper, int32_t word, vni_targets *targets);
/* Another word of the same step, which then has one input: two words may have a target in common. */
void vni_add_targets(vni_stepper *stepper, int32_t word, vni_targets *targets);
/* The targets of kept[at], chosen while words before it were trained, and a choice for a word behind it. To
 * be asked for one word after the other, from 0. */
const vni_targets *vni_next_targets(vni_stepper *stepper, const int32_t *kept, size_t count,
                                    size_t at);
/* A step between inputs, as wide as the outputs, and targets. */
void vni_take_step(vni_stepper *stepper, float *const *inputs, size_t input_count,
                   const vni_targets *targets, float rate);
/* Words of a piece that are not passed over, into kept; returns how many. keep NULL: all. */
size_t vni_subsample(vni_stepper *stepper, const uint32_t *keep, const int32_t *piece, size_t count,
                     int32_t *kept);

/* ---- rounds ---------------------------------------------------------------------------------- */

/* Where a training stands between two rounds. */
typedef struct vni_progress {
    uint64_t words; /* trained */
    size_t epoch, round;
    double loss; /* of the last round; NaN before any */
} vni_progress;

/* One thread's share of an epoch. */
typedef struct vni_share {
    size_t at, end; /* positions that are left */
    uint64_t words; /* trained in this round */
    vni_stepper stepper;
} vni_share;

/* A trainer as its rounds see it. */
typedef struct vni_rounds {
    void *model; /* what the functions get */
    vni_progress *progress;
    vni_shared *shared;
    size_t threads, epochs;
    double rate;             /* for messages */
    vecna_task *train_share; /* items are threads */
    vni_share *(*share)(void *model, size_t thread);
    void (*start_epoch)(void *model); /* progress has its number */
    vecna_train_report (*report)(const void *model);
} vni_rounds;

/* The start of a thread's turn: random numbers of (seed, epoch, round, thread). */
void vni_share_start(vni_share *share, const vni_progress *progress, uint64_t seed, size_t thread);
/* Rounds until the epochs are done or watch says stop. Errors: VECNA_ERR_NUMERIC when the loss runs
 * away. */
vecna_status vni_train_rounds(const vni_rounds *rounds, vecna_pool *pool, vecna_train_watch *watch,
                              void *user, vecna_error *err);

enum { VNI_PROGRESS_WORDS = 4 };
void vni_progress_pack(const vni_progress *progress, uint64_t *out);
void vni_progress_unpack(const uint64_t *words, vni_progress *out);

#endif
