/* The confidence of rows in files: what vecna translate --confidence and vecna plan share. */
#ifndef VECNA_CLI_CONFIDENCE_H
#define VECNA_CLI_CONFIDENCE_H

#include "cli/cli.h"
#include "vecna/translate.h"

/* The rows that one thread works on. */
typedef struct confidence_slot {
    vecna_confidence_row *rows; /* of the block */
    vecna_record *records;      /* the block's records with the fields of the confidence */
    vecna_field *fields;
    char *text; /* the numbers, as JSON */
    size_t room, field_room;
} confidence_slot;
void confidence_slot_free(confidence_slot *slot);

/* What a run writes beside its vectors. */
typedef struct confidence_output {
    const vecna_map *map;
    vecna_confidence *confidence;
    bool fields;       /* the format of the output carries them */
    char *beside_path; /* otherwise the file beside it */
    vecna_outfile *beside;
    double below; /* NAN: no list */
    const char *list_path;
    vecna_outfile *list;
    uint64_t rows, outside, below_count;
    double recall, cosine, least; /* sums */
} confidence_output;

typedef struct confidence_plan {
    const char *out_path;
    const char *format; /* of the output, by name; NULL: by its extension */
    bool wanted;        /* --confidence */
    double below;       /* --keep-below, or NAN */
    const char *list;   /* --below-list */
} confidence_plan;

/* Opens what is to be written; a format without room for fields gets a file beside it. */
vecna_status confidence_begin(const vecna_map *map, const confidence_plan *plan,
                              confidence_output *out, vecna_error *err);
/* In any thread: the confidence of a block, into slot->rows. */
vecna_status confidence_work(const confidence_output *output, confidence_slot *slot, vecna_view in,
                             vecna_view translated, vecna_error *err);
/* In the order of rows: what is said of the block; *records are those to write the vectors with.
 *   first  row number, in the output, of the block's first */
vecna_status confidence_write(confidence_output *output, confidence_slot *slot, size_t rows,
                              uint64_t first, const vecna_record **records, vecna_error *err);
vecna_status confidence_commit(confidence_output *output, vecna_error *err);
void confidence_close(confidence_output *output);
/* What a map can tell of its rows, for vecna inspect and vecna fit --json. */
void held_print(const vecna_map *map);
void held_print_json(const vecna_map *map, vecna_json_writer *json);
void confidence_print(const confidence_output *output, FILE *to);
void confidence_print_json(const confidence_output *output, vecna_json_writer *json);

#endif
