/* vecna inspect: what a vector file or a map is, and whether it is healthy. One pass, constant memory. */
#include "cli/confidence.h"
#include "cli/maps.h"
#include "vecna/space.h"
#include "vecna/translate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEPT_ROWS = 2048, CONE_ROWS = 30 }; /* fewer rows are no cone */

typedef struct inspection {
    const char *path;
    vecna_reader *reader;
    vecna_block *block;
    vecna_health *health;
    vecna_health_report report;
    vecna_matrix kept; /* the first rows, to be held against the known spaces */
    const vecna_space_known_entry *known;
    vecna_space_match match;
    progress meter;
} inspection;

static void close_inspection(inspection *look) {
    vecna_health_free(look->health);
    vecna_block_free(look->block);
    vecna_reader_close(look->reader);
    free(look->kept.data);
}

static void keep_rows(inspection *look, vecna_view rows) {
    for (size_t i = 0; i < rows.rows && look->kept.rows < KEPT_ROWS; i++)
        memcpy(look->kept.data + look->kept.rows++ * rows.dim, rows.data + i * rows.stride,
               rows.dim * sizeof(float));
}

static vecna_status read_all(inspection *look, vecna_error *err) {
    vecna_status status = VECNA_OK;
    progress_start(&look->meter, "reading", vecna_reader_about(look->reader)->rows);
    while (status == VECNA_OK) {
        status = vecna_reader_read(look->reader, look->block, 0, err);
        if (status != VECNA_OK || look->block->vectors.rows == 0)
            break;
        keep_rows(look, look->block->vectors);
        status = vecna_health_add(look->health, look->block->vectors, err);
        progress_add(&look->meter, look->block->vectors.rows);
    }
    progress_end(&look->meter);
    return status;
}

static vecna_status examine(inspection *look, const vecna_health_options *options,
                            vecna_error *err) {
    size_t dim = vecna_reader_about(look->reader)->dim;
    vecna_status status = vecna_block_new(NULL, &look->block, err);
    look->kept = vecna_matrix_dense(vecna_allocate(NULL, KEPT_ROWS, dim * sizeof(float)), 0, dim);
    if (status == VECNA_OK && look->kept.data == NULL)
        status =
            vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %d rows", KEPT_ROWS);
    if (status == VECNA_OK)
        status = vecna_health_new(dim, options, &look->health, err);
    if (status == VECNA_OK)
        status = read_all(look, err);
    if (status == VECNA_OK)
        status = vecna_health_finish(look->health, &look->report, err);
    if (status == VECNA_OK && look->report.usable > 0)
        status = vecna_space_recognise(vecna_matrix_view(look->kept), NULL, &look->known,
                                       &look->match, err);
    if (status == VECNA_ERR_VALUE) /* the first rows are all unusable: nothing to recognise */
        status = VECNA_OK;
    return status;
}

/* ---- for people ------------------------------------------------------------------------------ */

static void print_fault(const char *name, const vecna_health_fault *fault) {
    if (fault->count == 0)
        return;
    printf("  %-18s%s %s:", name, grouped(fault->count), fault->count == 1 ? "row" : "rows");
    for (size_t i = 0; i < fault->listed; i++) {
        printf("%s %llu", i ? "," : "", (unsigned long long)fault->rows[i]);
        if (fault->same)
            printf(" (= %llu)", (unsigned long long)fault->same[i]);
    }
    printf("%s\n", fault->listed < fault->count ? ", ..." : "");
}

static void print_space(const inspection *look) {
    fputs("  known space       ", stdout);
    if (look->known == NULL)
        printf("none of the %zu that are known has this dimension\n", vecna_space_known_count());
    else if (look->match.verdict == VECNA_SPACE_SAME)
        printf("%s (likelihood %.2f)\n", look->known->name, look->match.likelihood);
    else if (look->match.verdict == VECNA_SPACE_OTHER)
        printf("none; the nearest of this dimension is %s (likelihood %.2g)\n", look->known->name,
               look->match.likelihood);
    else
        printf("cannot be told; perhaps %s (likelihood %.2f)\n", look->known->name,
               look->match.likelihood);
}

/* Without rows that differ, or below 8 dimensions, there are no shares of variance to speak of. */
static bool has_prefixes(const vecna_health_report *r) {
    return r->usable > r->duplicate.count + 1 && r->dim >= 8 &&
           r->prefix_share[VECNA_HEALTH_PREFIXES - 1] > 0;
}

static void print_report(const inspection *look) {
    const vecna_file_info *about = vecna_reader_about(look->reader);
    const vecna_health_report *r = &look->report;
    printf("%s: %s, %s %s x %zu %s, %s\n", look->path, about->format, grouped(r->rows),
           r->rows == 1 ? "row" : "rows", r->dim, r->dim == 1 ? "dimension" : "dimensions",
           about->stored_as);
    if (r->usable > 0) {
        printf("  length            %.4f +- %.4f (%.4f to %.4f)%s\n", r->norm_mean,
               r->norm_deviation, r->norm_min, r->norm_max,
               r->unit ? ": unit vectors" : ": not unit vectors");
        print_space(look);
    }
    if (!isnan(r->mean_pair_cosine))
        printf("  mean pair cosine  %.3f%s\n", r->mean_pair_cosine,
               r->mean_pair_cosine > 0.5 && r->usable >= CONE_ROWS
                   ? " (a narrow cone: raw cosines say little here)"
                   : "");
    if (!isnan(r->effective_rank))
        printf("  effective rank    %.0f of %zu\n", r->effective_rank, r->dim);
    if (has_prefixes(r))
        printf("  Matryoshka        %s (variance in the first 1/8, 1/4, 1/2: x %.2f, x %.2f, x "
               "%.2f)\n",
               r->matryoshka ? "looks like it: the first dimensions carry more" : "no sign of it",
               r->prefix_share[0], r->prefix_share[1], r->prefix_share[2]);
    print_fault("zero", &r->zero);
    print_fault("NaN", &r->nan);
    print_fault("infinite", &r->infinite);
    print_fault("duplicate", &r->duplicate);
    if (r->zero.count + r->nan.count + r->infinite.count + r->duplicate.count == 0)
        printf("  faults            none: no zero, NaN, infinite or duplicate rows\n");
    if (!r->duplicates_complete)
        printf("  duplicates were looked for among the first distinct rows only; more may exist\n");
}

/* ---- for machines ---------------------------------------------------------------------------- */

static void json_fault(vecna_json_writer *json, const char *key, const vecna_health_fault *fault) {
    vecna_json_write_key(json, key);
    vecna_json_write_object_begin(json);
    json_count(json, "count", fault->count);
    vecna_json_write_key(json, "rows");
    vecna_json_write_array_begin(json);
    for (size_t i = 0; i < fault->listed; i++)
        vecna_json_write_u64(json, fault->rows[i]);
    vecna_json_write_array_end(json);
    if (fault->same) {
        vecna_json_write_key(json, "same_as");
        vecna_json_write_array_begin(json);
        for (size_t i = 0; i < fault->listed; i++)
            vecna_json_write_u64(json, fault->same[i]);
        vecna_json_write_array_end(json);
    }
    vecna_json_write_object_end(json);
}

static void json_space(vecna_json_writer *json, const inspection *look) {
    vecna_json_write_key(json, "known_space");
    if (look->known == NULL) {
        vecna_json_write_null(json);
        return;
    }
    vecna_json_write_object_begin(json);
    json_text(json, "name", look->known->name);
    json_text(json, "verdict", vecna_space_verdict_name(look->match.verdict));
    json_number(json, "likelihood", look->match.likelihood);
    vecna_json_write_object_end(json);
}

static int print_report_json(const inspection *look) {
    const vecna_file_info *about = vecna_reader_about(look->reader);
    const vecna_health_report *r = &look->report;
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    json_text(&json, "path", look->path);
    json_text(&json, "format", about->format);
    json_text(&json, "stored_as", about->stored_as);
    json_count(&json, "rows", r->rows);
    json_count(&json, "usable", r->usable);
    json_count(&json, "dim", r->dim);
    vecna_json_write_key(&json, "length");
    vecna_json_write_object_begin(&json);
    json_number(&json, "mean", r->norm_mean);
    json_number(&json, "deviation", r->norm_deviation);
    json_number(&json, "min", r->norm_min);
    json_number(&json, "max", r->norm_max);
    vecna_json_write_key(&json, "unit");
    vecna_json_write_bool(&json, r->unit);
    vecna_json_write_object_end(&json);
    json_space(&json, look);
    json_number(&json, "mean_pair_cosine", r->mean_pair_cosine);
    json_number(&json, "effective_rank", r->effective_rank);
    vecna_json_write_key(&json, "matryoshka");
    vecna_json_write_bool(&json, r->matryoshka);
    vecna_json_write_key(&json, "prefix_share");
    vecna_json_write_array_begin(&json);
    for (size_t i = 0; i < VECNA_HEALTH_PREFIXES; i++)
        vecna_json_write_f64(&json, r->prefix_share[i]);
    vecna_json_write_array_end(&json);
    json_fault(&json, "zero_rows", &r->zero);
    json_fault(&json, "nan_rows", &r->nan);
    json_fault(&json, "infinite_rows", &r->infinite);
    json_fault(&json, "duplicate_rows", &r->duplicate);
    vecna_json_write_key(&json, "duplicates_complete");
    vecna_json_write_bool(&json, r->duplicates_complete);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

/* ---- maps ------------------------------------------------------------------------------------ */

/* The sentence behind the verdict, from the report of the fit; "" when the map has none. */
static void reason_of(const vecna_map *map, char out[VECNA_REASON_BYTES]) {
    const char *report = vecna_map_report_json(map);
    vecna_json json;
    vecna_json_token key, value, raw;
    out[0] = '\0';
    vecna_json_init(&json, report, strlen(report), 0);
    if (vecna_json_next(&json, &key, NULL) != VECNA_OK || key.kind != VECNA_JSON_OBJECT_BEGIN)
        return;
    while (vecna_json_next(&json, &key, NULL) == VECNA_OK && key.kind == VECNA_JSON_KEY &&
           vecna_json_next(&json, &value, NULL) == VECNA_OK &&
           vecna_json_skip(&json, &value, &raw, NULL) == VECNA_OK) {
        if (!vecna_json_is(&key, "reason") || value.kind != VECNA_JSON_STRING ||
            value.bytes >= VECNA_REASON_BYTES) /* text that is escaped is longer than its value */
            continue;
        out[vecna_json_unescape(&value, out)] = '\0';
        return;
    }
}

/* What the map keeps apart. */
static void print_kinds(const vecna_map *map, const vecna_map_info *about) {
    for (size_t i = 0; i < about->kinds; i++) {
        double pairs;
        const char *name = vecna_map_kind(map, i, &pairs);
        printf("%s%s (%s)", i == 0 ? "  kinds apart       " : ", ", name,
               grouped((uint64_t)(pairs + 0.5)));
    }
    if (about->kinds)
        puts("");
}

static int print_map(const char *path, const vecna_map *map, bool as_json) {
    vecna_map_info about = vecna_map_about(map);
    char recipe[VECNA_RECIPE_NAME_BYTES], checksum[20], reason[VECNA_REASON_BYTES];
    vecna_json_writer json;
    vecna_recipe_name(&about.recipe, recipe);
    if (!as_json) {
        printf("%s: a map, %zu -> %zu dimensions\n", path, about.source_dim, about.target_dim);
        printf("  from, to          %s -> %s\n",
               about.source_name[0] ? about.source_name : "(not named)",
               about.target_name[0] ? about.target_name : "(not named)");
        printf("  method            %s\n", recipe);
        printf("  role              %s\n", vecna_role_name(about.role));
        printf("  fitted on         %s pairs\n", grouped(about.rows_fit));
        if (about.statistics == VECNA_STATISTICS_NONE)
            puts("  statistics        none: nothing can lean on it or be added to it");
        else
            printf("  statistics        of %s pairs, %s: --prior and --update can use it\n",
                   grouped((uint64_t)(about.statistics_rows + 0.5)),
                   about.statistics == VECNA_STATISTICS_F16 ? "16 bits" : "32 bits");
        print_kinds(map, &about);
        printf("  expects           rows %s\n",
               about.source_normalized ? "of length 1" : "as long as those it was fitted on");
        printf("  gives             rows %s\n", about.normalized ? "of length 1" : "of any length");
        reason_of(map, reason);
        printf("  verdict           %s%s%s\n", vecna_verdict_name(about.verdict),
               reason[0] ? ": " : "", reason);
        held_print(map);
        printf("  checksum          %016llx\n", (unsigned long long)about.checksum);
        puts("  --json shows the figures of its fit");
        return EXIT_DONE;
    }
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    json_text(&json, "path", path);
    json_text(&json, "format", "map");
    json_text(&json, "source", about.source_name);
    json_text(&json, "target", about.target_name);
    json_count(&json, "source_dim", about.source_dim);
    json_count(&json, "target_dim", about.target_dim);
    json_text(&json, "role", vecna_role_name(about.role));
    json_text(&json, "method", recipe);
    json_count(&json, "rows_fit", about.rows_fit);
    vecna_json_write_key(&json, "statistics_rows");
    vecna_json_write_f64(&json, about.statistics_rows);
    vecna_json_write_key(&json, "kinds");
    vecna_json_write_object_begin(&json);
    for (size_t i = 0; i < about.kinds; i++) {
        double pairs;
        vecna_json_write_key(&json, vecna_map_kind(map, i, &pairs));
        vecna_json_write_f64(&json, pairs);
    }
    vecna_json_write_object_end(&json);
    vecna_json_write_key(&json, "source_normalized");
    vecna_json_write_bool(&json, about.source_normalized);
    vecna_json_write_key(&json, "normalized");
    vecna_json_write_bool(&json, about.normalized);
    json_text(&json, "verdict", vecna_verdict_name(about.verdict));
    snprintf(checksum, sizeof checksum, "%016llx", (unsigned long long)about.checksum);
    json_text(&json, "checksum", checksum);
    held_print_json(map, &json);
    vecna_json_write_key(&json, "report");
    vecna_json_write_raw(&json, vecna_map_report_json(map), strlen(vecna_map_report_json(map)));
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

/* A map is a safetensors file with a header of its own: 1 when it is one, *status then the exit status. A
 * broken map is said to be broken, not taken for a file of vectors. */
static bool inspect_map(const char *path, bool as_json, int *status) {
    char installed[8192];
    vecna_map *map = NULL;
    vecna_error err;
    vecna_status opened;
    size_t length = strlen(path);
    bool named = length > 6 && strcmp(path + length - 6, ".vecna") == 0;
    if (strcmp(path, "-") == 0)
        return false;
    if (find_map(path, installed, sizeof installed))
        path = installed;
    opened = vecna_map_open(path, NULL, &map, &err);
    if (opened != VECNA_OK && !named && opened != VECNA_ERR_CHECKSUM && opened != VECNA_ERR_VERSION)
        return false;
    *status = opened == VECNA_OK ? print_map(path, map, as_json) : fail_with(&err);
    vecna_map_free(map);
    return true;
}

int command_inspect(int argc, char **argv) {
    input_options input = {0};
    vecna_health_options health = {0};
    bool json = false;
    const option options[] = {
        {"json", 0, OPTION_FLAG, &json, NULL, "one JSON object"},
        {"list", 0, OPTION_COUNT, &health.listed, "N", "row numbers listed of each fault (20)"},
        INPUT_OPTIONS(input),
    };
    const usage use = {
        "vecna inspect FILE [options]",
        "Says what a file of vectors is (format, rows, dimension, numbers), which known model it "
        "looks\n"
        "like, how its vectors lie (length, mean pair cosine, effective rank, Matryoshka), and "
        "which\n"
        "rows are zero, not finite or duplicates. Of a map: what it translates, and its verdict.",
        options,
        sizeof options / sizeof options[0],
        "  vecna inspect corpus.npy\n"
        "  vecna inspect old-to-new.vecna --json\n",
        1,
        1};
    const char *path;
    size_t count;
    inspection look;
    vecna_format_options format;
    vecna_error err;
    vecna_status opened;
    int status = parse_arguments(argc, argv, &use, &path, &count);

    if (status >= 0 || inspect_map(path, json, &status))
        return status;
    memset(&look, 0, sizeof look);
    look.path = path;
    format = format_options(&input);
    opened = vecna_reader_open(path, &format, &look.reader, &err);
    if (opened == VECNA_OK)
        opened = examine(&look, &health, &err);
    if (opened != VECNA_OK) {
        status = fail_with(&err);
    } else if (json) {
        status = print_report_json(&look);
    } else {
        print_report(&look);
        status = EXIT_DONE;
    }
    close_inspection(&look);
    return status;
}
