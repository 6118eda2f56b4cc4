/* vecna search --words: rows that ask are called by their words, as people know them; the numbers of the
 * rows mean nothing in such files.
 *
 * A word is looked for letter by letter first and in any case after that: a file may have both Apple
 * and apple, and most have one. A few words ask, so the file is passed once for each of them, and no
 * index is made. */
#include "cli/search.h"
#include "cli/words.h"

#include <stdlib.h>
#include <string.h>

enum { NEAR_WORDS = 3, NEAR_LETTERS = 2 };

static vecna_status no_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the words that ask");
}

/* The file becomes the corpus, its words the ids. */
static vecna_status load_word_corpus(search_job *job, const char *path, vecna_error *err) {
    word_vectors words;
    vecna_status status = load_words(path, &job->options->input, job->options->vocab, &words, err);
    if (status != VECNA_OK) {
        unload_words(&words);
        return status;
    }
    job->corpus = words.file;
    if (words.own_words) {
        free(job->corpus.ids);
        job->corpus.ids = words.own_words;
        job->words_text = words.text;
    }
    return check_finite(path, vecna_matrix_view(job->corpus.vectors), 0, err);
}

/* The word that was asked for; lower is its lower case, held has room for that of any word near it. */
typedef struct wanted {
    const char *word, *lower;
    char *held;
    size_t lower_bytes;
} wanted;

/* Whether a word is the wanted one in other letters; only lengths that may be are folded. */
static bool same_letters(const wanted *one, const char *word, size_t bytes) {
    if (bytes > 2 * one->lower_bytes || 2 * bytes < one->lower_bytes)
        return false;
    return vecna_text_lower(word, bytes, one->held) == one->lower_bytes &&
           memcmp(one->held, one->lower, one->lower_bytes) == 0;
}

static int64_t find_word(const loaded *corpus, const wanted *one) {
    int64_t folded = -1;
    for (size_t row = 0; row < corpus->vectors.rows; row++) {
        const char *word = corpus->ids[row];
        if (word == NULL)
            continue;
        if (strcmp(word, one->word) == 0)
            return (int64_t)row;
        if (folded < 0 && same_letters(one, word, strlen(word)))
            folded = (int64_t)row;
    }
    return folded;
}

/* An unknown word, with the words that differ by a letter or two: the most frequent stand first. */
static vecna_status unknown_word(const loaded *corpus, const wanted *one, vecna_error *err) {
    const char *near[NEAR_WORDS] = {NULL};
    char list[160] = "";
    size_t found = 0, used = 0;
    for (size_t letters = 1; letters <= NEAR_LETTERS; letters++)
        for (size_t row = 0; row < corpus->vectors.rows && found < NEAR_WORDS; row++) {
            const char *word = corpus->ids[row];
            if (word && strlen(word) > 2 * letters && word_distance(word, one->lower) == letters)
                near[found++] = word;
        }
    for (size_t i = 0; i < found; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s \"%.40s\"",
                                 i ? "," : "; near it:", near[i]);
    return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1, "%.60s has no word \"%.60s\"%s",
                           corpus->path, one->word, list);
}

static vecna_status pick_word(search_job *job, const char *word, vecna_error *err) {
    const loaded *corpus = &job->corpus;
    size_t bytes = strlen(word);
    char *lower = malloc(2 * bytes + 1);
    char *held = malloc(8 * bytes + 8); /* twice the longest word that same_letters folds */
    wanted one = {word, lower, held, 0};
    vecna_status status = VECNA_OK;
    int64_t row = -1;
    if (lower == NULL || held == NULL) {
        status = no_memory(err);
    } else {
        one.lower_bytes = vecna_text_lower(word, bytes, lower);
        lower[one.lower_bytes] = '\0';
        row = find_word(corpus, &one);
        if (row < 0)
            status = unknown_word(corpus, &one, err);
        else
            job->picked[job->picked_count++] = (size_t)row;
    }
    free(lower);
    free(held);
    return status;
}

/* "king,queen" */
static vecna_status pick_words(search_job *job, vecna_error *err) {
    const char *list = job->options->words;
    char *copy = malloc(strlen(list) + 1);
    size_t count = 1;
    vecna_status status = VECNA_OK;
    for (const char *at = list; *at; at++)
        count += *at == ',';
    job->picked = vecna_allocate(NULL, count, sizeof *job->picked);
    if (copy == NULL || job->picked == NULL) {
        free(copy);
        return no_memory(err);
    }
    memcpy(copy, list, strlen(list) + 1);
    for (char *word = copy; word && status == VECNA_OK;) {
        char *comma = strchr(word, ',');
        if (comma)
            *comma++ = '\0';
        status = *word ? pick_word(job, word, err)
                       : vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                         "--words takes words with commas between them, such as "
                                         "king,queen, not \"%.60s\"",
                                         list);
        word = comma;
    }
    free(copy);
    return status;
}

vecna_status search_words(search_job *job, const char *path, rank_options *ranking,
                          vecna_error *err) {
    vecna_status status = load_word_corpus(job, path, err);
    if (status == VECNA_OK)
        status = pick_words(job, err);
    if (status == VECNA_OK)
        status = gather_queries(job, err);
    return status == VECNA_OK ? rank_own_rows(job, ranking, err) : status;
}
