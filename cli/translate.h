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
    int dtype, bad_rows, quantize; /* quantize: 0 none, 1 int8, 2 binary */
    const char *native; /* the first rows of the input embedded by the target model, or NULL */
    const char *hubness_dimension; /* a sample of queries in the target space; NULL none */
    double hubness_weight;
    double keep_below; /* rows of less confidence go to below_list; 0: none do */
    const char *below_list;
    bool confidence;
    bool normalize, no_normalize, chain, force, int8, json, quiet;
    size_t threads;
} translate_options;

/* Streams `in` to `out`, says what was done (unless quiet), returns the exit status. */
int translate_file(const translate_options *options, const char *in, const char *out);

/* How near translated rows are to what they should be, measured on rows of the input: of int8 to
 * float32 results, of a chain to native vectors. */
typedef struct likeness {
    size_t rows;                      /* that it was measured on; 0: none had a direction */
    double cosine_mean, cosine_least; /* to what they should be */
    double overlap;                   /* share of a row's 10 nearest, among these rows, that stay */
    size_t overlap_depth;             /* 10, or the rows less one; 0: too few */
} likeness;

/* The maps translate with bytes from now on; the loss is measured on the first of `rows`. */
vecna_status int8_begin(vecna_map *const *maps, size_t count, vecna_view rows, likeness *out,
                        vecna_error *err);
void int8_print(const likeness *loss);
/* What the maps lose: their results beside native vectors of the first rows, read from a file. */
vecna_status native_begin(vecna_map *const *maps, size_t count, vecna_view rows,
                          const translate_options *options, likeness *out, vecna_error *err);
void native_print(const likeness *kept, size_t maps);
void likeness_print_json(const likeness *kept, const char *key, vecna_json_writer *json);

#endif
