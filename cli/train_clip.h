/* What the files of vecna train clip share. */
#ifndef VECNA_CLI_TRAIN_CLIP_H
#define VECNA_CLI_TRAIN_CLIP_H

#include "cli/pairs.h"
#include "cli/pictures.h"
#include "cli/pieces.h"
#include "cli/train.h"
#include "vecna/eval.h"
#include "vecna/model.h"

enum { CLIP_AMONG = 10 };

typedef struct clip_options {
    training_options training;
    vecna_clip_options model;
    pair_fields fields;
    const char *images, *size_text, *name;
    uint64_t shift;
    picture_size size;
    bool frozen, mirror, float16;
} clip_options;

/* How held out texts find their pictures, or pictures their texts. */
typedef struct finding {
    vecna_interval reciprocal, among; /* 1 / rank; share of those among the first 10 */
    double first;
    double chance; /* of one that belongs among the first 10, when all orders are alike */
} finding;

typedef struct clip_job {
    const clip_options *options;
    const char *path;
    text_pairs pairs;
    uint32_t *picture_of; /* (texts of pairs) number of a picture that is named so */
    uint32_t *text_of;    /* (texts of pairs) number of a caption */
    char **captions;      /* (data.texts) not NUL-terminated */
    size_t *caption_bytes;
    picture_set pictures;
    piece_texts texts;
    float *start;
    uint32_t *fitted, *held; /* (_, 2) picture, text */
    size_t fitted_count, held_count;
    vecna_clip_data data;
    vecna_clip *model;
    vecna_pool *pool;
    trainer watch;
    finding by_text, by_picture;
} clip_job;

/* train_clip_data.c: pictures and texts of the pairs, each once, with numbers of their own. */
vecna_status clip_read(clip_job *job, vecna_error *err);
/* The pieces of the texts. */
vecna_status clip_encode(clip_job *job, vecna_error *err);
/* Pairs that share a picture or a text, directly or by others, stand on one side; one group in 20 is held
 * out. */
vecna_status clip_hold_out(clip_job *job, vecna_error *err);

/* train_clip_judge.c: how the held out texts and pictures find each other. */
vecna_status clip_judge(clip_job *job, vecna_error *err);

#endif
