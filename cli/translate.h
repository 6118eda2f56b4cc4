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
    bool normalize, no_normalize, chain, force, json, quiet;
    size_t threads;
} translate_options;

/* Streams `in` to `out`, says what was done (unless quiet), returns the exit status. */
int translate_file(const translate_options *options, const char *in, const char *out);

#endif
