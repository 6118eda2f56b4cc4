/* What every trainer does around the training itself (cli/train.h). */
#include "cli/train.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* ---- text ------------------------------------------------------------------------------------ */

typedef struct reading {
    double started, shown;
    bool active;
} reading;

static int show_reading(void *user, const vecna_source *source) {
    reading *meter = user;
    double now = seconds_now(), read = (double)vecna_source_bytes_read(source);
    double total = (double)vecna_source_bytes_total(source);
    if (!meter->active || now - meter->started < 1 || now - meter->shown < 0.2)
        return 0;
    meter->shown = now;
    fprintf(stderr, "\r\033[Kreading %.0f MB", read * 1e-6);
    if (total > 0)
        fprintf(stderr, " of %.0f, %.0f s left", total * 1e-6,
                (total - read) * (now - meter->started) / read);
    fflush(stderr);
    return 0;
}

vecna_status read_corpus(const char *path, const text_options *options, const vecna_vocab *keep,
                         bool keep_empty, vecna_corpus *out, vecna_error *err) {
    vecna_corpus_options o;
    reading meter = {seconds_now(), 0, isatty(STDERR_FILENO)};
    vecna_status status;
    memset(&o, 0, sizeof o);
    o.tokenizer.tokens = (vecna_tokens)options->tokens;
    o.tokenizer.keep_case = options->keep_case;
    o.unit = (vecna_unit)options->unit;
    o.min_count = options->min_count;
    o.most_words = options->most_words;
    o.phrase_passes = options->phrases;
    o.phrase_threshold = options->phrase_threshold;
    o.keep = keep;
    o.keep_empty_units = keep_empty;
    o.watch = show_reading;
    o.watch_user = &meter;
    status = vecna_corpus_read(path, &o, out, err);
    if (meter.shown > 0)
        fputs("\r\033[K", stderr);
    if (status == VECNA_OK && out->bad_bytes > 0)
        note("%s bytes of %s are no UTF-8; they were taken for blanks", grouped(out->bad_bytes),
             path);
    return status;
}

/* ---- watching -------------------------------------------------------------------------------- */

static double cpu_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

vecna_status trainer_start(trainer *watch, const training_options *options, const char *what,
                           vecna_error *err) {
    size_t bytes = strlen(options->output) + sizeof ".checkpoint";
    memset(watch, 0, sizeof *watch);
    watch->options = options;
    watch->what = what;
    watch->started = watch->shown = watch->saved = seconds_now();
    watch->cpu_started = cpu_now();
    watch->last.loss = NAN;
    watch->checkpoint = malloc(bytes);
    if (watch->checkpoint == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory");
    snprintf(watch->checkpoint, bytes, "%s.checkpoint", options->output);
    return VECNA_OK;
}

double trainer_seconds(const trainer *watch) {
    return seconds_now() - watch->started;
}

double trainer_cpu_seconds(const trainer *watch) {
    return cpu_now() - watch->cpu_started;
}

static double core_rate(const trainer *watch) {
    double cpu = trainer_cpu_seconds(watch);
    return cpu > 0 ? (double)(watch->last.words - watch->words_before) / cpu : 0;
}

static void show_training(trainer *watch, double now) {
    const vecna_train_report *at = &watch->last;
    double done = (double)(at->words - watch->words_before);
    double left = (double)(at->words_total - at->words);
    watch->shown = now;
    fprintf(stderr, "\r\033[Kepoch %zu of %zu, %.1f %%, %s %s/s a core, rate %.4f",
            at->epoch + 1 > at->epochs ? at->epochs : at->epoch + 1, at->epochs,
            100 * (double)at->words / (double)at->words_total, grouped((uint64_t)core_rate(watch)),
            watch->what, at->rate);
    if (!isnan(at->loss))
        fprintf(stderr, ", loss %.3f", at->loss);
    if (done > 0)
        fprintf(stderr, ", %.0f s left", left * (now - watch->started) / done);
    fflush(stderr);
}

int trainer_watch(void *user, const vecna_train_report *now) {
    trainer *watch = user;
    double seconds = seconds_now();
    uint64_t every = watch->options->checkpoint_seconds;
    watch->last = *now;
    if (isatty(STDERR_FILENO) && seconds - watch->started > 1 && seconds - watch->shown > 0.2)
        show_training(watch, seconds);
    if (every > 0 && watch->save && seconds - watch->saved >= (double)every &&
        now->epoch < now->epochs) {
        watch->failed = watch->save(watch->model, watch->checkpoint, &watch->error);
        watch->saved = seconds_now();
    }
    return watch->failed != VECNA_OK;
}

void trainer_end(trainer *watch, bool done) {
    if (watch->shown > watch->started)
        fputs("\r\033[K", stderr);
    if (done && watch->checkpoint)
        remove(watch->checkpoint);
    free(watch->checkpoint);
    watch->checkpoint = NULL;
}

void trainer_json(const trainer *watch, vecna_json_writer *json) {
    vecna_json_write_key(json, "words_trained");
    vecna_json_write_u64(json, watch->last.words);
    vecna_json_write_key(json, "epochs");
    vecna_json_write_u64(json, watch->last.epochs);
    vecna_json_write_key(json, "loss");
    vecna_json_write_f64(json, watch->last.loss);
    vecna_json_write_key(json, "seconds");
    vecna_json_write_f64(json, trainer_seconds(watch));
    vecna_json_write_key(json, "cpu_seconds");
    vecna_json_write_f64(json, trainer_cpu_seconds(watch));
    vecna_json_write_key(json, "words_per_core_second");
    vecna_json_write_f64(json, core_rate(watch));
    vecna_json_write_key(json, "threads");
    vecna_json_write_u64(json, watch->options->threads);
    vecna_json_write_key(json, "kernels");
    vecna_json_write_string(json, vecna_train_kernels());
}

void trainer_print(const trainer *watch) {
    printf("  trained   %s %s in %zu epoch%s, loss %.3f\n", grouped(watch->last.words), watch->what,
           watch->last.epochs, watch->last.epochs == 1 ? "" : "s", watch->last.loss);
    printf("  time      %.1f s, %s %s/s a core (%zu thread%s, %s)\n", trainer_seconds(watch),
           grouped((uint64_t)core_rate(watch)), watch->what, watch->options->threads,
           watch->options->threads == 1 ? "" : "s", vecna_train_kernels());
}

/* ---- memory and disk ------------------------------------------------------------------------- */

/* The first whole number behind `key` in a file of the system; -1 none. */
static double number_in(const char *path, const char *key) {
    FILE *file = fopen(path, "r");
    char line[256];
    double found = -1;
    if (file == NULL)
        return -1;
    while (found < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0 && sscanf(line + strlen(key), "%lf", &found) != 1)
            found = -1;
    fclose(file);
    return found;
}

/* Bytes that can still be had: of the machine, and of the control group; -1 not known. */
static double memory_available(void) {
    double machine = number_in("/proc/meminfo", "MemAvailable:") * 1024;
    double limit = number_in("/sys/fs/cgroup/memory.max", "");
    double used = number_in("/sys/fs/cgroup/memory.current", "");
    if (limit > 0 && used >= 0 && (machine < 0 || limit - used < machine))
        return limit - used;
    return machine;
}

static vecna_status check_disk(const char *output, double bytes, vecna_error *err) {
    const char *slash = strrchr(output, '/');
    char folder[1024] = ".";
    struct statvfs about;
    double left;
    if (slash && (size_t)(slash - output) < sizeof folder - 1)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - output) + 1, output);
    if (strcmp(output, "-") == 0 || statvfs(folder, &about) != 0)
        return VECNA_OK;
    left = (double)about.f_bavail * (double)about.f_frsize;
    if (bytes <= left)
        return VECNA_OK;
    return vecna_error_set(err, VECNA_ERR_IO, -1,
                           "%.100s and its checkpoint take about %.1f GB, and the disk has %.1f GB "
                           "left; write elsewhere, or fewer words or dimensions",
                           output, bytes * 1e-9, left * 1e-9);
}

vecna_status check_resources(const char *output, size_t memory_bytes, double disk_bytes,
                             vecna_error *err) {
    double available = memory_available();
    if (available > 0 && (double)memory_bytes > available)
        return vecna_error_set(
            err, VECNA_ERR_MEMORY, -1,
            "training takes %.1f GB of memory, and %.1f GB can be had; use fewer "
            "words (--min-count, --max-words), dimensions or threads",
            (double)memory_bytes * 1e-9, available * 1e-9);
    return check_disk(output, disk_bytes, err);
}
