/* vecna/train.h — vectors out of text and graphs.
 *
 * Every trainer
 *   supply      where its word numbers come from: a corpus of vecna/text.h, or walks over a graph
 *   _new        takes options (all zero: the defaults) and allocates all that training needs
 *   _train      trains what is left of the epochs; a watch may look on, and pause it
 *   _save _load a state from which training goes on as if it had never stopped, bit by bit
 *   _vectors    what was learned
 *
 * The same seed, number of threads and kernels give the same bits, whatever the machine does
 * meanwhile. docs/training.md says how, and what each method computes. Since 0.2. */
#ifndef VECNA_TRAIN_H
#define VECNA_TRAIN_H

#include "vecna/base.h"
#include "vecna/image.h"
#include "vecna/text.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Instructions that training uses: "portable", "avx2", "avx512" or "avx512-bf16". Static. The last multiplies in
 * bfloat16 what a skip-gram's window multiplies; sums and vectors are float32 with all of them. */
VECNA_API const char *vecna_train_kernels(void);

/* ---- looking on ------------------------------------------------------------------------------ */

/* How far training is. */
typedef struct vecna_train_report {
    uint64_t words; /* trained so far, over all epochs; at the end epochs * words of the text */
    uint64_t words_total; /* when it is done */
    size_t epoch;         /* that is being trained, from 0; epochs when done */
    size_t epochs;
    double rate; /* learning rate now */
    double loss; /* mean of recent predictions, a sample of them; NaN at first */
} vecna_train_report;

/* Called between rounds, a few times a second, in the thread that called _train. Nonzero pauses:
 * _train returns VECNA_OK early, and may be called again. */
typedef int vecna_train_watch(void *user, const vecna_train_report *now);

/* ---- supplies -------------------------------------------------------------------------------- */

/* Sequences of numbers below `numbers`, the same in every call: what a trainer reads in each epoch.
 * Open, so that a program can bring its own. */
typedef struct vecna_supply {
    /* Positions [at, end) of an epoch: writes the sequence that starts at `at`, or its first part, at
     * most `room` numbers, and their count; returns how many positions that used up, at least 1.
     * Called from many threads at once. */
    size_t (*piece)(const void *user, size_t epoch, size_t at, size_t end, int32_t *out,
                    size_t room, size_t *count);
    const void *user;
    size_t positions;       /* of one epoch; threads take equal shares of them */
    uint64_t words;         /* numbers of one epoch, all sequences together */
    size_t numbers;         /* size of the vocabulary */
    const uint64_t *counts; /* (numbers) how often each occurs; descending is fastest */
    uint64_t fingerprint;   /* told apart by _load */
} vecna_supply;

/* The units of a corpus, which must outlive the supply. A unit longer than a piece (4096 words) is
 * trained in pieces: windows do not reach across their borders, no word is left out. */
VECNA_API vecna_supply vecna_supply_of(const vecna_corpus *corpus);

/* ---- walks over graphs ----------------------------------------------------------------------- */

typedef enum vecna_graph_format {
    VECNA_GRAPH_EDGES = 0,    /* "from to" or "from to weight" a line */
    VECNA_GRAPH_ADJACENCY = 1 /* "from to to to ..." a line */
} vecna_graph_format;

typedef struct vecna_graph_options {
    vecna_graph_format format;
    int directed; /* an edge goes one way */
    const vecna_allocator *allocator;
} vecna_graph_options;

/* Nodes with names and sorted lists of neighbours. Immutable; may be shared by threads. */
typedef struct vecna_graph vecna_graph;

/* Read a graph. Fields stand between blanks, tabs, commas or semicolons; lines that start with # or %
 * and empty ones are passed over. Of an edge given twice the last weight counts.
 *   path  as vecna_source_open takes it
 * Memory:  8 bytes an edge and direction, 8 more where weights differ; twice that while reading.
 * Errors:  the source's; VECNA_ERR_FORMAT with the line: too many or few fields, a weight that is no
 *          number above 0; VECNA_ERR_VALUE for a graph without edges; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_graph_read(const char *path,
                                                    const vecna_graph_options *options,
                                                    vecna_graph **out, vecna_error *err);
VECNA_API void vecna_graph_free(vecna_graph *graph);
VECNA_API const vecna_vocab *vecna_graph_names(const vecna_graph *graph); /* of the nodes */
VECNA_API size_t vecna_graph_nodes(const vecna_graph *graph);
VECNA_API size_t vecna_graph_edges(const vecna_graph *graph); /* undirected ones count once */
VECNA_API int vecna_graph_is_weighted(const vecna_graph *graph);

typedef struct vecna_walk_options {
    double p;      /* return: 1 / p is the weight of going back; 0 means 1 */
    double q;      /* in-out: 1 / q that of leaving the last node's neighbourhood; 0 means 1 */
    size_t walks;  /* from every node; 0 means 10 */
    size_t length; /* nodes of a walk, 1 .. 4096; 0 means 80. Shorter where no edge leads on */
    uint64_t seed;
    vecna_pool *pool; /* for counting */
    const vecna_allocator *allocator;
} vecna_walk_options;

typedef struct vecna_walks vecna_walks;

/* Second-order walks, made anew whenever they are read: walk w of a seed is the same each time. A step
 * is proposed by the weights of the edges and accepted in proportion to 1 / p, 1 or 1 / q, which needs
 * no table of pairs of edges: memory is that of the graph.
 *   graph  borrowed until _free
 * All walks are made once here to count the nodes on them.
 * Errors:  VECNA_ERR_ARGUMENT for p or q that are not above 0, or a length beyond 4096;
 *          VECNA_ERR_MEMORY.
 * Source:  Grover and Leskovec, "node2vec", 2016. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_walks_new(const vecna_graph *graph,
                                                   const vecna_walk_options *options,
                                                   vecna_walks **out, vecna_error *err);
VECNA_API void vecna_walks_free(vecna_walks *walks);
/* One walk a position. Borrowed from the walks. */
VECNA_API vecna_supply vecna_walks_supply(const vecna_walks *walks);

/* ---- word2vec -------------------------------------------------------------------------------- */

typedef enum vecna_word2vec_arch {
    VECNA_SKIPGRAM = 0, /* each word around predicts the word in the middle */
    VECNA_CBOW = 1      /* the mean of the words around predicts it */
} vecna_word2vec_arch;

/* What the words around get of CBOW's error. */
typedef enum vecna_cbow_gradient {
    VECNA_CBOW_WHOLE = 0, /* each all of it, as word2vec.c and gensim do */
    VECNA_CBOW_MEAN = 1   /* each its share 1 / n: the true gradient */
} vecna_cbow_gradient;

typedef struct vecna_word2vec_options {
    vecna_word2vec_arch arch;
    vecna_cbow_gradient cbow_gradient;
    int hierarchical; /* hierarchical softmax instead of negative sampling */
    size_t dim;       /* 0 means 100 */
    size_t window; /* words on either side, at most: the radius is drawn from 1 to it; 0 means 5 */
    size_t negative; /* words drawn against each that stood there; 0 means 5 */
    double exponent; /* they are drawn in proportion to count^exponent; 0 means 0.75, below 0: 0 */
    double sample;   /* subsampling of frequent words; 0 means 1e-3, below 0: none */
    double rate;     /* at the start; falls to rate / 10,000 in a straight line; 0 means 0.05, of
                        CBOW 0.075 against drawn words and 0.15 by its true gradient */
    size_t epochs;   /* 0 means 5 */
    size_t min_n;    /* shortest and longest character n-gram of a subword; max_n 0: no subwords; */
    size_t max_n;    /* min_n 0 then means 3 */
    size_t buckets;  /* rows that n-grams share; 0 means 2,000,000 */
    size_t threads;  /* shares of the work; 0 means 1. Another number gives other vectors */
    uint64_t seed;
    const vecna_allocator *allocator;
} vecna_word2vec_options;

typedef struct vecna_word2vec vecna_word2vec;

/* Bytes that _new will take for a supply of so many numbers and such options, so that one can say
 * before the work whether memory will do. Errors: VECNA_ERR_ARGUMENT as _new; VECNA_ERR_OVERFLOW. */
VECNA_API VECNA_CHECK vecna_status vecna_word2vec_bytes(const vecna_word2vec_options *options,
                                                        size_t numbers, size_t *out,
                                                        vecna_error *err);

/* A model for the numbers of a supply, input rows at random, output rows zero.
 *   supply  borrowed until _free
 *   vocab   words of the numbers, for subwords; borrowed until _free; NULL without subwords
 * Errors:  VECNA_ERR_ARGUMENT for options outside what makes sense (dim, window, negative at most
 *          65,536, 1,000, 1,000; threads at most 1,024), a supply without numbers;
 *          VECNA_ERR_MEMORY; VECNA_ERR_OVERFLOW.
 * Source:  Mikolov et al. 2013 (both papers); Ji et al. 2016 for negatives shared by a window;
 *          İrsoy et al. 2021 for CBOW's gradient; Bojanowski et al. 2017 for subwords. */
VECNA_API VECNA_CHECK vecna_status vecna_word2vec_new(const vecna_word2vec_options *options,
                                                      const vecna_supply *supply,
                                                      const vecna_vocab *vocab,
                                                      vecna_word2vec **out, vecna_error *err);
VECNA_API void vecna_word2vec_free(vecna_word2vec *model);

/* Start rows from earlier vectors, before training.
 *   vectors  (any, dim) of the model's dim
 *   rows     (numbers) row of vectors that a number starts from; negative: stays random
 * Errors: VECNA_ERR_DIM; VECNA_ERR_VALUE with the row for what is not finite. */
VECNA_API VECNA_CHECK vecna_status vecna_word2vec_start(vecna_word2vec *model, vecna_view vectors,
                                                        const int64_t *rows, vecna_error *err);

/* Train what is left. pool gives the threads (NULL: the calling one); the result depends on
 * options.threads alone. Errors: VECNA_ERR_NUMERIC when vectors became infinite (a rate too high). */
VECNA_API VECNA_CHECK vecna_status vecna_word2vec_train(vecna_word2vec *model, vecna_pool *pool,
                                                        vecna_train_watch *watch, void *user,
                                                        vecna_error *err);
VECNA_API vecna_train_report vecna_word2vec_report(const vecna_word2vec *model);

/* Input vectors of numbers [first, first + out.rows): with subwords, the mean of a word's rows.
 *   out  (rows, dim)
 * Errors: VECNA_ERR_DIM; VECNA_ERR_ARGUMENT beyond the vocabulary. */
VECNA_API VECNA_CHECK vecna_status vecna_word2vec_vectors(const vecna_word2vec *model, size_t first,
                                                          vecna_matrix out, vecna_error *err);
/* The vector of any word out of its n-grams: 1, or 0 (and zeros) when it has none. */
VECNA_API int vecna_word2vec_compose(const vecna_word2vec *model, const char *word, size_t bytes,
                                     float *out);

/* The whole state to a file (a safetensors container), and back into a new model made with the same
 * options and supply. Training goes on where it was.
 * Errors: VECNA_ERR_IO; VECNA_ERR_FORMAT; VECNA_ERR_ARGUMENT when options, text or number of threads
 *         are not those of the file, saying which; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_word2vec_save(const vecna_word2vec *model,
                                                       const char *path, vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_word2vec_load(vecna_word2vec *model, const char *path,
                                                       vecna_error *err);

/* ---- doc2vec --------------------------------------------------------------------------------- */

typedef enum vecna_doc2vec_method {
    VECNA_PV_DBOW = 0,     /* the document predicts each of its words */
    VECNA_PV_DM_MEAN = 1,  /* the mean of the document and the words around predicts a word */
    VECNA_PV_DM_CONCAT = 2 /* the document and the words around, in their order, side by side */
} vecna_doc2vec_method;

typedef struct vecna_doc2vec_options {
    vecna_doc2vec_method method;
    int words_too; /* PV-DBOW: train words by skip-gram in the same space, beside the documents */
    size_t dim;    /* 0 means 100 */
    size_t window; /* PV-DM and words_too; 0 means 5. PV-DM concat takes all of it, on both sides */
    size_t negative; /* 0 means 5 */
    double exponent; /* 0 means 0.75, below 0: 0 */
    double sample;   /* subsampling of frequent words; 0: none */
    double rate;     /* 0 means 0.025 */
    size_t epochs;   /* 0 means 20 */
    size_t threads;  /* 0 means 1. Another number gives other vectors */
    uint64_t seed;
    const vecna_allocator *allocator;
} vecna_doc2vec_options;

typedef struct vecna_doc2vec vecna_doc2vec;

/* Errors as vecna_word2vec_bytes. docs: documents, numbers: words. */
VECNA_API VECNA_CHECK vecna_status vecna_doc2vec_bytes(const vecna_doc2vec_options *options,
                                                       size_t docs, size_t numbers, size_t *out,
                                                       vecna_error *err);
/* A model of the units of a corpus (read with keep_empty_units), which must outlive it. Documents are
 * shuffled anew in every epoch: texts in the order of their classes would train badly.
 * Errors:  as vecna_word2vec_new; VECNA_ERR_ARGUMENT for concatenated vectors beyond 2^20.
 * Source:  Le and Mikolov, "Distributed representations of sentences and documents", 2014. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_doc2vec_new(const vecna_doc2vec_options *options,
                                                     const vecna_corpus *corpus,
                                                     vecna_doc2vec **out, vecna_error *err);
VECNA_API void vecna_doc2vec_free(vecna_doc2vec *model);
/* As the functions of word2vec of the same names. */
VECNA_API VECNA_CHECK vecna_status vecna_doc2vec_train(vecna_doc2vec *model, vecna_pool *pool,
                                                       vecna_train_watch *watch, void *user,
                                                       vecna_error *err);
VECNA_API vecna_train_report vecna_doc2vec_report(const vecna_doc2vec *model);
/* Vectors of documents [first, first + out.rows); one without a known word is all zeros. */
VECNA_API VECNA_CHECK vecna_status vecna_doc2vec_vectors(const vecna_doc2vec *model, size_t first,
                                                         vecna_matrix out, vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_doc2vec_save(const vecna_doc2vec *model, const char *path,
                                                      vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_doc2vec_load(vecna_doc2vec *model, const char *path,
                                                      vecna_error *err);

/* What is needed to put new documents into the space: words and their weights, without documents. */
typedef struct vecna_doc2vec_reader vecna_doc2vec_reader;

/* Write it (a safetensors container), and read it again. Errors: VECNA_ERR_IO, _FORMAT, _MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_doc2vec_keep(const vecna_doc2vec *model, const char *path,
                                                      vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_doc2vec_open(const char *path,
                                                      const vecna_allocator *allocator,
                                                      vecna_doc2vec_reader **out, vecna_error *err);
VECNA_API void vecna_doc2vec_close(vecna_doc2vec_reader *reader);
VECNA_API const vecna_vocab *vecna_doc2vec_words(const vecna_doc2vec_reader *reader);
VECNA_API size_t vecna_doc2vec_dim(const vecna_doc2vec_reader *reader);

/* The vector of a new document: trained against words that stay as they are.
 *   ids     (count)  numbers of its words in vecna_doc2vec_words; others are left out before
 *   epochs  passes; 0 means those of the model
 *   out     (dim)    zeros for a document without words
 * The same words give the same vector, whatever was asked before: what is drawn follows from the
 * words. Memory: allocates some KiB. Safe from any thread. Errors: VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_doc2vec_infer(const vecna_doc2vec_reader *reader,
                                                       const int32_t *ids, size_t count,
                                                       size_t epochs, float *out, vecna_error *err);

/* ---- GloVe ----------------------------------------------------------------------------------- */

typedef enum vecna_glove_output {
    VECNA_GLOVE_SUM = 0,  /* word + context: dim floats (the reference's -model 2) */
    VECNA_GLOVE_WORD = 1, /* word alone: dim (1) */
    VECNA_GLOVE_BOTH = 2, /* word, then context: 2 dim (3) */
    VECNA_GLOVE_ALL = 3   /* word, its bias, context, its bias: 2 (dim + 1) (0) */
} vecna_glove_output;

typedef struct vecna_glove_options {
    size_t dim;     /* 0 means 100 */
    size_t window;  /* words before (and behind); 0 means 15 */
    int asymmetric; /* only words before count as context */
    int flat;       /* every distance counts 1, not 1 / distance */
    double x_max,
        alpha;      /* a pair that occurs x times weighs min(1, (x / x_max)^alpha); 0 means 10 and
                            0.75 */
    double rate;    /* 0 means 0.05 */
    size_t epochs;  /* 0 means 25 */
    size_t threads; /* 0 means 1. Another number gives other vectors */
    uint64_t seed;
    size_t
        memory_bytes; /* for counting, and for holding what was counted: beyond it lies on disk; 0
                            means 1 GiB, at least 1 MiB */
    const char
        *scratch; /* start of the names of files that are needed then; they are removed as soon
                            as they are open. NULL: without disk, VECNA_ERR_MEMORY instead */
    const vecna_allocator *allocator;
} vecna_glove_options;

typedef struct vecna_glove vecna_glove;

/* Count which words stand near which in a corpus, and make a model. The corpus is not needed later.
 *   watch  (may be NULL) is called with words counted
 * Errors:  VECNA_ERR_ARGUMENT for options outside what makes sense (dim at most 65,535, window 1,000,
 *          threads 64); VECNA_ERR_VALUE for a corpus where no two words meet; VECNA_ERR_IO with the
 *          file when the disk will not do; VECNA_ERR_NOT_FOUND when the watch stopped it;
 *          VECNA_ERR_OVERFLOW; VECNA_ERR_MEMORY.
 * Source:  Pennington, Socher and Manning, "GloVe", 2014; its program's AdaGrad. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_glove_new(const vecna_glove_options *options,
                                                   const vecna_corpus *corpus,
                                                   vecna_train_watch *watch, void *user,
                                                   vecna_glove **out, vecna_error *err);
VECNA_API void vecna_glove_free(vecna_glove *model);
/* Pairs that were counted, in both directions: what an epoch trains; and files that counting took. */
VECNA_API uint64_t vecna_glove_pairs(const vecna_glove *model);
VECNA_API size_t vecna_glove_spills(const vecna_glove *model);
/* As the functions of word2vec of the same names; the report's words are pairs, its loss is the mean
 * cost of the last whole epoch, f(x) d^2 / 2. */
VECNA_API VECNA_CHECK vecna_status vecna_glove_train(vecna_glove *model, vecna_pool *pool,
                                                     vecna_train_watch *watch, void *user,
                                                     vecna_error *err);
VECNA_API vecna_train_report vecna_glove_report(const vecna_glove *model);
/* Floats of a word's vector for an output. */
VECNA_API size_t vecna_glove_dim(const vecna_glove *model, vecna_glove_output output);
VECNA_API VECNA_CHECK vecna_status vecna_glove_vectors(const vecna_glove *model,
                                                       vecna_glove_output output, size_t first,
                                                       vecna_matrix out, vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_glove_save(const vecna_glove *model, const char *path,
                                                    vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_glove_load(vecna_glove *model, const char *path,
                                                    vecna_error *err);

/* ---- contrastive ------------------------------------------------------------------------------ */

/* Texts as the pieces that they have, and which of them belong together. Borrowed by the model. */
typedef struct vecna_contrastive_data {
    size_t pieces;        /* of the vocabulary: rows of the table */
    size_t texts;         /* different ones: equal texts are one */
    const size_t *starts; /* (texts + 1) */
    const int32_t *piece; /* (starts[texts]) 0 .. pieces - 1; a text without any is zeros */
    size_t pairs;         /* at least 2 */
    const uint32_t
        *pair; /* (pairs, 3) anchor, what belongs to it, and what does not though it looks
                              so (a hard negative) or UINT32_MAX */
} vecna_contrastive_data;

typedef struct vecna_contrastive_options {
    size_t dim;    /* 0 means that of `start`, or 256 */
    size_t batch;  /* pairs that are each other's negatives; 0 means 512 */
    size_t chunk;  /* of them whose similarities are in memory at once; 0 means all. The result is
                           the same */
    size_t epochs; /* 0 means 10 */
    double rate;   /* largest step of Adam, in units of the start's root mean square; 0 means 0.05.
                           Rises for a tenth of the steps, then falls to 0 in a line */
    double temperature; /* 0 means 0.05 */
    int one_sided;      /* only anchors look for what belongs to them, not the other way round */
    const size_t
        *sizes; /* (size_count) the first so many dimensions are to serve alone too (Matryoshka),
                            each below dim; NULL none */
    size_t size_count; /* at most 15 */
    vecna_view start;  /* (pieces, dim) the table to go on from; data NULL: random */
    uint64_t seed;
    const vecna_allocator *allocator;
} vecna_contrastive_options;

typedef struct vecna_contrastive vecna_contrastive;

/* A table whose rows, added up and brought to length 1, put together what belongs together: each anchor
 * of a batch is to find its own among all others' (InfoNCE, multiple negatives). What is as right as the
 * own one (an equal text, or another anchor's of an equal text) is no negative.
 * Numerics: float32 products, sums of rows in float64; the same bits on every number of threads.
 * Memory:   12 * pieces * dim bytes, 24 * batch * dim and 4 * chunk * 2 * batch; the data is borrowed.
 * Errors:   VECNA_ERR_ARGUMENT for options out of range; VECNA_ERR_DIM when start disagrees;
 *           VECNA_ERR_MEMORY.
 * Source:   van den Oord et al. 2018; Gao et al., "Scaling deep contrastive learning batch size under
 *           memory limited setup", 2021; Kusupati et al., "Matryoshka representation learning", 2022.
 *           Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_contrastive_new(const vecna_contrastive_options *options,
                                                         const vecna_contrastive_data *data,
                                                         vecna_contrastive **out, vecna_error *err);
VECNA_API void vecna_contrastive_free(vecna_contrastive *model);
/* As the functions of word2vec of the same names; the report's words are pairs, its loss is the mean of
 * the last batches. Errors: VECNA_ERR_NUMERIC when training runs away. */
VECNA_API VECNA_CHECK vecna_status vecna_contrastive_train(vecna_contrastive *model,
                                                           vecna_pool *pool,
                                                           vecna_train_watch *watch, void *user,
                                                           vecna_error *err);
VECNA_API vecna_train_report vecna_contrastive_report(const vecna_contrastive *model);
/* The table (pieces, dim), borrowed. */
VECNA_API vecna_view vecna_contrastive_table(const vecna_contrastive *model);
VECNA_API VECNA_CHECK vecna_status vecna_contrastive_save(const vecna_contrastive *model,
                                                          const char *path, vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_contrastive_load(vecna_contrastive *model,
                                                          const char *path, vecna_error *err);

/* ---- clip ------------------------------------------------------------------------------------- */

/* Pictures, texts as the pieces that they have, and which of them belong together. Borrowed. */
typedef struct vecna_clip_data {
    vecna_pictures pictures; /* different ones: equal pictures are one */
    size_t pieces;           /* of the vocabulary: rows of the table */
    size_t texts;            /* different ones */
    const size_t *starts;    /* (texts + 1) */
    const int32_t *piece;    /* (starts[texts]) 0 .. pieces - 1; a text without any is zeros */
    size_t pairs;            /* at least 2 */
    const uint32_t *pair;    /* (pairs, 2) picture, text */
} vecna_clip_data;

typedef struct vecna_clip_options {
    vecna_image_shape
        shape;        /* of the pictures' tower; stages 0: vecna_image_shape_for the pictures.
                                Its dim is the table's: that of `start`, or 256 */
    size_t batch;     /* pairs that are each other's negatives; 0 means 128 */
    size_t chunk;     /* of them whose similarities are in memory at once; 0 means all */
    size_t epochs;    /* 0 means 30 */
    double rate;      /* of the tower and the temperature, Adam's largest step; 0 means 0.002. Rises
                                for a tenth of the steps, then falls to 0 in a line */
    double text_rate; /* of the table, in units of the start's root mean square; 0 means 0.02.
                                Below 0: the table stays as it is */
    double decay;     /* of the tower's weights, a step of rate r takes off r * decay; 0 means 0.1.
                                Below 0: none */
    double temperature; /* to begin with; 0 means 0.07. It is learned, and stays above 0.01 */
    size_t shift; /* pixels that a picture is moved by at most, another way each time; 0 means an
                                eighth of the shorter side. More than a side: none */
    int mirror;   /* pictures may also be seen from behind: not where left and right differ */
    vecna_view start;   /* (pieces, dim) the table to go on from; data NULL: random */
    const float *tower; /* vecna_image_parameters() numbers to go on from; NULL: random */
    uint64_t seed;
    const vecna_allocator *allocator;
} vecna_clip_options;

typedef struct vecna_clip vecna_clip;

/* Two towers, one of pictures (vecna/image.h) and one of texts (sums of rows), whose vectors of length 1
 * lie together where picture and text do: each picture of a batch is to find its text among all of the
 * batch, and each text its picture; the temperature of the comparison is learned with them. What is as
 * right as the own one (an equal text, another text of the same picture) is no negative.
 * Numerics: float32 products, sums of rows in float64; the same bits for the same number of threads.
 * Memory:   vecna_clip_bytes; the data is borrowed.
 * Errors:   VECNA_ERR_ARGUMENT for options out of range; VECNA_ERR_DIM when start or shape disagree;
 *           VECNA_ERR_MEMORY.
 * Source:   Radford et al., "Learning transferable visual models from natural language supervision",
 *           2021; Loshchilov and Hutter, "Decoupled weight decay regularization", 2019. Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_clip_new(const vecna_clip_options *options,
                                                  const vecna_clip_data *data, vecna_clip **out,
                                                  vecna_error *err);
VECNA_API void vecna_clip_free(vecna_clip *model);
VECNA_API double vecna_clip_bytes(const vecna_clip_options *options, const vecna_clip_data *data);
/* As the functions of word2vec of the same names; the report's words are pairs, its loss is the mean of
 * the last batches. Errors: VECNA_ERR_NUMERIC when training runs away. */
VECNA_API VECNA_CHECK vecna_status vecna_clip_train(vecna_clip *model, vecna_pool *pool,
                                                    vecna_train_watch *watch, void *user,
                                                    vecna_error *err);
VECNA_API vecna_train_report vecna_clip_report(const vecna_clip *model);
/* What was learned, borrowed: the table (pieces, dim), the tower, and 1 / temperature. */
typedef struct vecna_clip_learned {
    vecna_view table;
    const vecna_image_shape *shape;
    const float *tower;
    double scale;
} vecna_clip_learned;
VECNA_API vecna_clip_learned vecna_clip_result(const vecna_clip *model);
VECNA_API VECNA_CHECK vecna_status vecna_clip_save(const vecna_clip *model, const char *path,
                                                   vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_clip_load(vecna_clip *model, const char *path,
                                                   vecna_error *err);

/* ---- counts ---------------------------------------------------------------------------------- */

/* The baselines: a text as the words that it has. */
typedef enum vecna_counting {
    VECNA_ONEHOT = 0, /* 1 for each word that the text has */
    VECNA_TFIDF = 1,  /* how often it has it, times ln((1 + texts) / (1 + texts with it)) + 1 */
    VECNA_LSA = 2     /* that along the directions of the largest singular values of all texts */
} vecna_counting;

typedef struct vecna_counts_options {
    vecna_counting method;
    int sublinear;       /* 1 + ln(count) instead of the count; not VECNA_ONEHOT */
    int unit_rows;       /* rows of words are brought to length 1 (before LSA's directions) */
    size_t buckets;      /* words share so many columns by a hash; 0: a column each */
    size_t dim;          /* LSA: directions; 0 means 100 */
    size_t rounds;       /* LSA: most turns of the iteration; 0 means 10 */
    uint64_t seed;       /* LSA: of the directions it starts from */
    vecna_tokens tokens; /* how the corpus was read: new texts are read so */
    int keep_case;
    int (*progress)(void *user, size_t round, size_t rounds); /* LSA; nonzero cancels; or NULL */
    void *progress_user;
    vecna_pool *pool; /* LSA; NULL: the calling thread */
    const vecna_allocator *allocator;
} vecna_counts_options;

typedef struct vecna_counts vecna_counts;

typedef struct vecna_counts_info {
    vecna_counting method;
    size_t dim;           /* of a vector */
    size_t columns;       /* words, or buckets */
    size_t texts;         /* that it was made of */
    const double *values; /* (dim) LSA: singular values, descending; otherwise NULL */
    double share;         /* LSA: of all sums of squares that lies in its directions */
    size_t rounds;        /* LSA: turns that it took */
    uint64_t fingerprint; /* of all that decides a vector */
} vecna_counts_info;

/* Count the units of a corpus (read without phrases), which must outlive the model. Columns are in the
 * order of the vocabulary.
 * Numerics: float64; rows and LSA's directions are kept as float32. As scikit-learn's CountVectorizer
 *           (binary), TfidfVectorizer (smooth idf) and TruncatedSVD within 1e-6 (directions up to sign),
 *           where the iteration has converged. The same bits with any number of threads.
 * Memory:   vecna_counts_bytes.
 * Errors:   VECNA_ERR_ARGUMENT for more dimensions than texts or columns, or "cancelled";
 *           VECNA_ERR_MEMORY; VECNA_ERR_LIBRARY.
 * Source:   Salton and Buckley, "Term-weighting approaches", 1988; Deerwester et al., "Indexing by latent
 *           semantic analysis", 1990; Halko, Martinsson and Tropp 2011 (the iteration). Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_counts_new(const vecna_counts_options *options,
                                                    const vecna_corpus *corpus, vecna_counts **out,
                                                    vecna_error *err);
VECNA_API void vecna_counts_free(vecna_counts *model);
/* Bytes that counting takes at most, beside the corpus. */
VECNA_API double vecna_counts_bytes(const vecna_counts_options *options,
                                    const vecna_corpus *corpus);
VECNA_API vecna_counts_info vecna_counts_about(const vecna_counts *model);

/* Vectors of texts [first, first + out.rows) of the corpus; one without a known word is all zeros.
 * Errors: VECNA_ERR_DIM; VECNA_ERR_ARGUMENT beyond the corpus, or for a model from a file;
 *         VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_counts_vectors(const vecna_counts *model, size_t first,
                                                        vecna_matrix out, vecna_error *err);
/* Vectors of any texts, (count, dim): for a text of the corpus the same bits. Unknown words are passed
 * over; with buckets there are none.
 *   words  of all texts; NULL: not wanted
 * Errors: VECNA_ERR_DIM; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_counts_embed(const vecna_counts *model,
                                                      const vecna_passage *texts, size_t count,
                                                      vecna_matrix out, uint64_t *words,
                                                      vecna_pool *pool, vecna_error *err);

/* What new texts need, to a file (a safetensors container), and back: for the machine that wrote it.
 * Errors: VECNA_ERR_IO; VECNA_ERR_FORMAT for another file; VECNA_ERR_MEMORY. */
VECNA_API VECNA_CHECK vecna_status vecna_counts_save(const vecna_counts *model, const char *path,
                                                     vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_counts_open(const char *path,
                                                     const vecna_allocator *allocator,
                                                     vecna_counts **out, vecna_error *err);

/* ---- layer ----------------------------------------------------------------------------------- */

/* What a table is trained together with. */
typedef enum vecna_layer_task {
    VECNA_LAYER_CLASSIFY = 0, /* mean of a text's rows -> classes: softmax and cross-entropy */
    VECNA_LAYER_SQUARED = 1,  /* mean rating + two biases + user . item -> rating: squared error */
    VECNA_LAYER_LOGISTIC = 2  /* biases + user . item -> 1, and 0 for items drawn: logistic loss */
} vecna_layer_task;

typedef struct vecna_layer_options {
    vecna_layer_task task;
    size_t dim;      /* 0 means 64 */
    size_t epochs;   /* 0 means 20 */
    size_t batch;    /* samples a step; 0 means 64 */
    size_t negative; /* LOGISTIC: items drawn against each, evenly; 0 means 4 */
    double rate;     /* of AdaGrad; 0 means 0.1 */
    double l2; /* added to the loss: l2 / 2 times the squares of what a sample reads, and of the
                        classes' weights */
    uint64_t seed;
    const vecna_allocator *allocator;
} vecna_layer_options;

/* What it is trained on. Borrowed; must outlive the model. */
typedef struct vecna_layer_data {
    size_t samples;
    /* CLASSIFY */
    const int32_t *ids;   /* words of all texts */
    const size_t *starts; /* (samples + 1) into ids; a text may have none */
    const int32_t *labels;
    size_t words, classes; /* numbers are below */
    /* SQUARED, LOGISTIC */
    const int32_t *users, *items; /* (samples) */
    const double *ratings;        /* (samples) SQUARED */
    size_t user_count, item_count;
} vecna_layer_data;

typedef struct vecna_layer vecna_layer;

/* A layer: rows of words, or of users and then items.
 * Numerics: float64; the same bits with any number of threads. Gradients are held against finite
 *           differences.
 * Memory:   vecna_layer_bytes, and 40 bytes a word of a batch.
 * Errors:   VECNA_ERR_ARGUMENT for options; VECNA_ERR_VALUE for numbers out of range (position: the
 *           sample) or nothing to tell apart; VECNA_ERR_MEMORY.
 * Source:   Joulin et al., "Bag of tricks for efficient text classification", 2017 (without n-grams);
 *           Koren, Bell and Volinsky, "Matrix factorization techniques for recommender systems", 2009;
 *           Duchi, Hazan and Singer 2011 (AdaGrad). Since 0.2. */
VECNA_API VECNA_CHECK vecna_status vecna_layer_new(const vecna_layer_options *options,
                                                   const vecna_layer_data *data, vecna_layer **out,
                                                   vecna_error *err);
VECNA_API void vecna_layer_free(vecna_layer *model);
VECNA_API double vecna_layer_bytes(const vecna_layer_options *options,
                                   const vecna_layer_data *data);
/* As the functions of word2vec of the same names; the report's words are samples, its loss is the mean
 * of a prediction in the last whole epoch, without l2. */
VECNA_API VECNA_CHECK vecna_status vecna_layer_train(vecna_layer *model, vecna_pool *pool,
                                                     vecna_train_watch *watch, void *user,
                                                     vecna_error *err);
VECNA_API vecna_train_report vecna_layer_report(const vecna_layer *model);
VECNA_API VECNA_CHECK vecna_status vecna_layer_vectors(const vecna_layer *model, size_t first,
                                                       vecna_matrix out, vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_layer_save(const vecna_layer *model, const char *path,
                                                    vecna_error *err);
VECNA_API VECNA_CHECK vecna_status vecna_layer_load(vecna_layer *model, const char *path,
                                                    vecna_error *err);

/* CLASSIFY: the likeliest class of a text, and how likely each is.
 *   ids (count), scratch (dim), probabilities (classes). Safe from any thread; cannot fail. */
VECNA_API size_t vecna_layer_classify(const vecna_layer *model, const int32_t *ids, size_t count,
                                      double *scratch, double *probabilities);
/* The others: the rating that is expected, or the logit of a pair; the bias of a row (users, then
 * items) and the mean rating, which with the rows' product make it up. */
VECNA_API double vecna_layer_score(const vecna_layer *model, int32_t user, int32_t item);
VECNA_API double vecna_layer_bias(const vecna_layer *model, size_t row);
VECNA_API double vecna_layer_mean(const vecna_layer *model);

#ifdef __cplusplus
}
#endif
#endif
