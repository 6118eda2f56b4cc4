/* Any bytes as a text: divided into words both ways, and read as a file (plain, or damaged gzip and
 * xz) into a corpus whose numbers must all be in its vocabulary. */
#include "vecna/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void divide(const uint8_t *data, size_t bytes, vecna_tokens tokens) {
    vecna_tokenizer_options options = {tokens, 0, NULL};
    vecna_tokenizer *tokenizer = NULL;
    const char *word = "";
    size_t length = 0, words = 0;
    if (vecna_tokenizer_new(&options, &tokenizer, NULL) != VECNA_OK)
        return;
    vecna_tokenizer_start(tokenizer, (const char *)data, bytes);
    while (word) {
        if (vecna_tokenizer_next(tokenizer, &word, &length, NULL) != VECNA_OK)
            abort();
        if (word && (length == 0 || ++words > bytes))
            abort();
    }
    vecna_tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static char path[64];
    vecna_corpus_options options = {.min_count = 1, .phrase_passes = 1, .phrase_threshold = 1e-3};
    vecna_corpus corpus;
    vecna_error err;
    FILE *file;
    divide(data, bytes, VECNA_TOKENS_WORDS);
    divide(data, bytes, VECNA_TOKENS_SPACE);
    snprintf(path, sizeof path, "/tmp/vecna_fuzz_text_%ld", (long)getpid());
    file = fopen(path, "wb");
    if (file == NULL)
        return 0;
    fwrite(data, 1, bytes, file);
    fclose(file);
    options.unit = (vecna_unit)(bytes % 3);
    if (vecna_corpus_read(path, &options, &corpus, &err) == VECNA_OK) {
        for (size_t i = 0; i < corpus.tokens; i++)
            if (corpus.ids[i] < 0 || (size_t)corpus.ids[i] >= vecna_vocab_size(corpus.vocab))
                abort();
        if (corpus.starts[corpus.units] != corpus.tokens)
            abort();
        vecna_corpus_free(&corpus);
    }
    unlink(path);
    return 0;
}
