/* What the files of vecna fit share. */
#ifndef VECNA_CLI_FIT_H
#define VECNA_CLI_FIT_H

#include "cli/cli.h"
#include "vecna/translate.h"

/* The words of --method, in the order of vecna_method without `given`, which is no choice. */
#define METHOD_WORDS                                                                               \
    "auto|procrustes|procrustes-ls|procrustes-radius|procrustes-diagonal|ridge|reduced-rank|"      \
    "blend|family|memory|blend-plain"

enum { ROLE_NOT_GIVEN = -1 };

typedef enum pairing { PAIR_AUTO, PAIR_BY_ROW, PAIR_BY_ID, PAIR_BY_TEXT } pairing;

typedef struct pair_options {
    pairing by;
    const char *texts; /* ids and texts of the rows, for files that hold vectors alone; NULL none */
    bool skip;         /* pairs of which a side is zero or not finite are left out, not refused */
} pair_options;

/* Rows of both sides that are the same text, in the order of the source. */
typedef struct pairs {
    pairing by;
    loaded source, target;             /* of equal rows; source carries the ids and texts */
    size_t source_alone, target_alone; /* rows without a partner */
    size_t left_out;                   /* pairs that could not be fitted */
} pairs;

/* Load both files and put their rows side by side; names on stderr what has no partner and what is left out. */
vecna_status load_pairs(const char *source_path, const char *target_path,
                        const vecna_format_options *format, const pair_options *options, pairs *out,
                        vecna_error *err);
/* Rows of both sides that are not the same texts. */
vecna_status load_unpaired(const char *source_path, const char *target_path,
                           const vecna_format_options *format, pairs *out, vecna_error *err);
/* Lines of two words, a row number or an id of each side; to be freed. */
vecna_status load_anchors(const char *path, const pairs *both, vecna_anchor **out, size_t *count,
                          vecna_error *err);
void free_pairs(pairs *both);

/* fit_report.c: the report for people. */
void print_fit_report(const vecna_report *report, const vecna_map_info *about, const char *map_path,
                      FILE *to);

#endif
