/* See cli/eval_words.h. */
#include "cli/eval_words.h"

#include <string.h>

vecna_status word_eval_open(const char *path, const word_eval_options *options, word_eval *out,
                            vecna_error *err) {
    vecna_status status;
    memset(out, 0, sizeof *out);
    out->options = options;
    out->path = path;
    status = vecna_pool_new(options->threads, NULL, &out->pool, err);
    if (status == VECNA_OK)
        status = load_words(path, &options->input, options->vocab, &out->vectors, err);
    if (status == VECNA_OK)
        status = lookup_new(&out->vectors, options->letters == 0, options->restricted, &out->lookup,
                            err);
    return status;
}

void word_eval_close(word_eval *judging) {
    lookup_free(&judging->lookup);
    unload_words(&judging->vectors);
    vecna_pool_free(judging->pool);
}

vecna_bootstrap_options word_eval_bootstrap(const word_eval *judging) {
    vecna_bootstrap_options options = {judging->options->resamples, 0, judging->options->seed,
                                       judging->pool, NULL};
    return options;
}
