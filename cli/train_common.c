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

double trainer_seconds(const trainer *watch) {
    return seconds_now() - watch->started;
}

static double trainer_cpu_seconds(const trainer *watch) {
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

static int watch_training(void *user, const vecna_train_report *now) {
    trainer *watch = user;
    double seconds = seconds_now();
    uint64_t every = watch->options->checkpoint_seconds;
    watch->last = *now;
    if (isatty(STDERR_FILENO) && seconds - watch->started > 1 && seconds - watch->shown > 0.2)
        show_training(watch, seconds);
    if (every > 0 && seconds - watch->saved >= (double)every && now->epoch < now->epochs) {
        watch->failed = watch->kind->save(watch->model, watch->checkpoint, &watch->error);
        watch->saved = seconds_now();
    }
    return watch->failed != VECNA_OK;
}

vecna_status trainer_run(trainer *watch, vecna_pool *pool, vecna_error *err) {
    const training_options *options = watch->options;
    size_t bytes = strlen(options->output) + sizeof ".checkpoint";
    vecna_status status = VECNA_OK;
    watch->started = watch->shown = watch->saved = seconds_now();
    watch->cpu_started = cpu_now();
    watch->checkpoint = malloc(bytes);
    if (watch->checkpoint == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory");
    snprintf(watch->checkpoint, bytes, "%s.checkpoint", options->output);
    if (options->resume && access(watch->checkpoint, F_OK) != 0)
        status = vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                                 "there is no %s to go on from; without --resume training begins "
                                 "at the beginning",
                                 watch->checkpoint);
    else if (options->resume)
        status = watch->kind->load(watch->model, watch->checkpoint, err);
    watch->last = watch->kind->report(watch->model);
    watch->words_before = watch->last.words;
    if (status == VECNA_OK)
        status = watch->kind->train(watch->model, pool, watch_training, watch, err);
    if (status == VECNA_OK && watch->failed != VECNA_OK) {
        status = watch->failed;
        if (err)
            *err = watch->error;
    }
    return status;
}

int trainer_end(trainer *watch, vecna_status status, const vecna_error *err,
                int (*json)(const void *job), void (*print)(const void *job), const void *job) {
    int exit_status = EXIT_DONE;
    if (watch->shown > watch->started)
        fputs("\r\033[K", stderr);
    if (status == VECNA_OK && isnan(watch->last.loss)) /* no step had a loss: there was none */
        note("nothing was learned, the vectors are as they were drawn: no two %s stood together "
             "(too little to learn from, or thinned out: --sample)",
             watch->what);
    if (status != VECNA_OK)
        exit_status = fail_with(err);
    else if (watch->options->json)
        exit_status = json(job);
    else
        print(job);
    if (status == VECNA_OK)
        remove(watch->checkpoint);
    free(watch->checkpoint);
    watch->checkpoint = NULL;
    return exit_status;
}

void trainer_json_begin(const trainer *watch, const char *method, vecna_json_writer *json) {
    vecna_json_writer_init(json, 0, NULL);
    vecna_json_write_object_begin(json);
    vecna_json_write_key(json, "output");
    vecna_json_write_string(json, watch->options->output);
    vecna_json_write_key(json, "method");
    vecna_json_write_string(json, method);
}

int trainer_json_end(const trainer *watch, vecna_json_writer *json) {
    char key[64];
    snprintf(key, sizeof key, "%s_trained", watch->what);
    json_count(json, key, watch->last.words);
    json_count(json, "epochs", watch->last.epochs);
    json_number(json, "loss", watch->last.loss);
    json_number(json, "seconds", trainer_seconds(watch));
    json_number(json, "cpu_seconds", trainer_cpu_seconds(watch));
    snprintf(key, sizeof key, "%s_per_core_second", watch->what);
    json_number(json, key, core_rate(watch));
    json_count(json, "threads", watch->options->threads);
    vecna_json_write_key(json, "kernels");
    vecna_json_write_string(json, watch->kernels ? watch->kernels : vecna_train_kernels());
    vecna_json_write_object_end(json);
    return print_json(json, stdout);
}

void trainer_print(const trainer *watch) {
    printf("  trained   %s %s in %zu epoch%s", grouped(watch->last.words), watch->what,
           watch->last.epochs, watch->last.epochs == 1 ? "" : "s");
    if (!isnan(watch->last.loss))
        printf(", loss %.3f", watch->last.loss);
    putchar('\n');
    printf("  time      %.1f s, %s %s/s a core (%zu thread%s, %s)\n", trainer_seconds(watch),
           grouped((uint64_t)core_rate(watch)), watch->what, watch->options->threads,
           watch->options->threads == 1 ? "" : "s",
           watch->kernels ? watch->kernels : vecna_train_kernels());
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
            "words (--min-count, --max-words), dimensions or threads, or a smaller --batch or "
            "--chunk",
            (double)memory_bytes * 1e-9, available * 1e-9);
    return check_disk(output, disk_bytes, err);
}
