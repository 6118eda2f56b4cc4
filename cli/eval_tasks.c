/* Intervals of figures that are no means over rows: the whole figure is computed again on each
 * resample. Rows that a resample holds twice agree with themselves, which lifts figures of agreement;
 * so the percentiles are moved by the bias, the mean of the resamples less the figure itself. */
#include "cli/eval_tasks.h"

#include <math.h>
#include <stdlib.h>

void print_figure(const char *name, vecna_interval figure, const char *beside) {
    printf("  %-14s %6.3f", name, figure.value);
    if (!isnan(figure.low))
        printf(" [%.3f, %.3f]", figure.low, figure.high);
    printf("%s%s\n", beside[0] ? "   " : "", beside);
}

void write_figure(vecna_json_writer *json, const char *key, vecna_interval figure) {
    vecna_json_write_key(json, key);
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "value");
    vecna_json_write_f64(json, figure.value);
    vecna_json_write_key(json, "low");
    vecna_json_write_f64(json, figure.low);
    vecna_json_write_key(json, "high");
    vecna_json_write_f64(json, figure.high);
    vecna_json_write_object_end(json);
}

static int by_value(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* As numpy.percentile: linear between the two nearest. */
static double percentile(const double *sorted, size_t count, double share) {
    const double at = share * (double)(count - 1), whole = floor(at);
    const size_t low = (size_t)whole, high = low + 1 < count ? low + 1 : low;
    return sorted[low] + (at - whole) * (sorted[high] - sorted[low]);
}

vecna_status resample_rows(resampled_statistic *statistic, void *user, double value, size_t rows,
                           size_t resamples, uint64_t seed, vecna_interval *out, vecna_error *err) {
    double *found = malloc(resamples * sizeof *found);
    size_t *picks = malloc(rows * sizeof *picks);
    vecna_status status = VECNA_OK;
    size_t count = 0;
    double sum = 0;
    if (found == NULL || picks == NULL)
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                 "not enough memory to resample %zu rows", rows);
    for (size_t r = 0; status == VECNA_OK && r < resamples; r++) {
        vecna_random random;
        vecna_random_seed(&random, seed, r);
        for (size_t i = 0; i < rows; i++)
            picks[i] = (size_t)vecna_random_below(&random, rows);
        const double at = statistic(user, picks);
        if (!isnan(at)) {
            found[count++] = at;
            sum += at;
        }
    }
    if (status == VECNA_OK) {
        out->value = value;
        out->low = out->high = NAN;
        if (count > 0) {
            qsort(found, count, sizeof *found, by_value);
            const double bias = sum / (double)count - value;
            out->low = percentile(found, count, 0.025) - bias;
            out->high = percentile(found, count, 0.975) - bias;
            /* what is a share stays one, also where the shift would lead out of it */
            if (value >= 0 && found[0] >= 0 && out->low < 0)
                out->low = 0;
            if (out->high > 1)
                out->high = 1;
        }
    }
    free(found);
    free(picks);
    return status;
}
