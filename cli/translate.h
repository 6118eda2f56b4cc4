/* A file of vectors into another space or dimension: what vecna translate and vecna reduce share. */
#ifndef VECNA_CLI_TRANSLATE_H
#define VECNA_CLI_TRANSLATE_H

#include "cli/cli.h"
#include "vecna/adapt.h"
#include "vecna/translate.h"

/* How a file is translated. Zeros are the defaults but for `dim`, without a map. */
typedef struct translate_options {
    text_list maps;         /* files, one after the other */
    const vecna_map *given; /* or a map in memory, borrowed */
    size_t dim;             /* without a map: the dimension wanted of the adapter */
    int adapter, truncate_mode, pad_mode;
    uint64_t seed;
    input_options input;
    const char *out_format, *out_tensor;
    int dtype, bad_rows;
    bool normalize, no_normalize, chain, force, int8, json, quiet;
    size_t threads;
} translate_options;

/* Streams `in` to `out`, says what was done (unless quiet), returns the exit status. */
int translate_file(const translate_options *options, const char *in, const char *out);

/* What int8 costs, measured on rows of the input. */
typedef struct int8_loss {
    size_t rows;                      /* that it was measured on; 0: none had a direction */
    double cosine_mean, cosine_least; /* to the float32 results */
    double overlap;                   /* share of a row's 10 nearest, among these rows, that stay */
    size_t overlap_depth;             /* 10, or the rows less one; 0: too few */
} int8_loss;

/* The maps translate with bytes from now on; the loss is measured on the first of `rows`. */
vecna_status int8_begin(vecna_map *const *maps, size_t count, vecna_view rows, int8_loss *loss,
                        vecna_error *err);
void int8_print(const int8_loss *loss);
void int8_print_json(const int8_loss *loss, vecna_json_writer *json);

#endif
