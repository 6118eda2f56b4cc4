/* A file of texts to vectors, by a server or by a model in this process, for the commands that ask for
 * many. Vectors go first, in the order of the texts, into a part file: a head that says what made them,
 * and for each row a hash of its text and its numbers. An interrupted run leaves that file; the next one
 * takes from it every row whose text is still the same, and asks for the rest only. */
#ifndef VECNA_CLI_EMBED_STREAM_H
#define VECNA_CLI_EMBED_STREAM_H

#include "cli/embed_model.h"

#define EMBED_PROVIDERS "openai|ollama|tei|google|cohere|voyage"

/* Lines of an option table about the server that is asked, into `variable` (an embed). */
#define EMBED_CALL_OPTIONS(variable)                                                               \
    {"api-key", 0, OPTION_TEXT, &(variable).api_key, "K", "key for the server"},                   \
        {"prefix",           0,      OPTION_TEXT,                                                  \
         &(variable).prefix, "TEXT", "put before each text, as the model asks"},                   \
        {"batch",           0,   OPTION_COUNT,                                                     \
         &(variable).batch, "N", "texts a call (64, less where a provider allows less)"},          \
        {"in-flight", 0, OPTION_COUNT, &(variable).in_flight, "N", "calls at once (4)"}, {         \
        "fresh", 0, OPTION_FLAG, &(variable).fresh, NULL,                                          \
            "do not go on where an earlier run stopped"                                            \
    }

typedef struct embed {
    const char *in; /* a path, "-" for standard input; or what `input` is called */
    const char *upstream, *model, *api_key, *text_field, *prefix;
    char found_model[128]; /* what embed_find_model took for `model` */
    int provider;          /* index into EMBED_PROVIDERS */
    size_t batch, in_flight;
    bool fresh, quiet;

    FILE *input; /* given: in is its name */
    char *line;  /* of getline */
    size_t line_room;
    size_t line_number; /* lines read */
    bool is_jsonl;
    char *text; /* of the row, without escapes */
    size_t text_room;

    FILE *part;
    char part_path[4096];
    text_model here; /* in this process, where no server is asked */
    uint64_t identity;
    size_t dim;
    size_t rows;      /* in the part file */
    size_t resumed;   /* of them, from an earlier run */
    uint64_t *hashes; /* of rows in flight, a ring */
    size_t hash_room, hash_first, hash_count;
    progress meter;
    double input_bytes, input_from; /* of the input, and where this run began: how much is left */
    vecna_error err;
    vecna_status status;
} embed;

/* Without `model`, the one that the server lists, where it lists a single one that may embed, and a vecna's own
 * default: OpenAI's interface wants a name. Several are an error that names them; a server without a list
 * is asked without a name, as TEI is. To be called before embed_identity. */
vecna_status embed_find_model(embed *job, vecna_error *err);

/* What decides the vectors: a part file of another run is not gone on with. To be set before. */
uint64_t embed_identity(const embed *job);

/* Vectors of all texts into the part file, at part_path. What it opened is closed by embed_close, after
 * a failure too; the error is job->err. */
vecna_status embed_gather(embed *job);
/* To the first row again, of the texts and of the part file. */
vecna_status embed_rewind(embed *job);
/* The next text, borrowed until the next call; 1, 0 at the end, -1 with job->err and job->status. */
int embed_next_text(embed *job, const char **text, size_t *bytes);
/* The next row of the part file: dim floats. */
vecna_status embed_next_row(embed *job, float *row);
/* The part file goes when the work is done or nothing is in it. */
void embed_close(embed *job, bool done);

#endif
