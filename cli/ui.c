/* Messages, colour and progress. stdout carries results alone; everything for the eye goes to
 * stderr. */
#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int fail_with(const vecna_error *err) {
    fprintf(stderr, "vecna: %s\n", err->message);
    return EXIT_FAILED;
}

static void print_message(const char *head, const char *format, va_list arguments) {
    fputs(head, stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

int fail_text(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_message("vecna: ", format, arguments);
    va_end(arguments);
    return EXIT_FAILED;
}

void note(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    print_message("vecna: note: ", format, arguments);
    va_end(arguments);
}

void style(FILE *file, const char *code) {
    const char *forbidden = getenv("NO_COLOR");
    if ((forbidden == NULL || forbidden[0] == '\0') && isatty(fileno(file)))
        fprintf(file, "\033[%sm", code);
}

double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

const char *grouped(uint64_t number) {
    static char buffers[8][32];
    static unsigned turn;
    char digits[24];
    char *out = buffers[turn++ % 8];
    char *at = out;
    int length = snprintf(digits, sizeof digits, "%" PRIu64, number);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}

void progress_start(progress *meter, const char *verb, int64_t total) {
    memset(meter, 0, sizeof *meter);
    meter->verb = verb;
    meter->total = total;
    meter->started = seconds_now();
    meter->shown = meter->started;
    meter->active = isatty(STDERR_FILENO);
}

void progress_add(progress *meter, uint64_t rows) {
    double now, elapsed, rate;
    meter->done += rows;
    if (!meter->active)
        return;
    now = seconds_now();
    elapsed = now - meter->started;
    if (elapsed < 1 || now - meter->shown < 0.2)
        return;
    meter->shown = now;
    rate = (double)meter->done / elapsed;
    fprintf(stderr, "\r\033[K%s %s rows, %s rows/s", meter->verb, grouped(meter->done),
            grouped((uint64_t)rate));
    if (meter->total > 0 && rate > 0) {
        double left = ((double)meter->total - (double)meter->done) / rate;
        fprintf(stderr, ", %.0f %%, %.0f s left", 100 * (double)meter->done / (double)meter->total,
                left > 0 ? left : 0);
    }
    fflush(stderr);
}

void progress_end(progress *meter) {
    if (meter->active && meter->shown > meter->started)
        fputs("\r\033[K", stderr);
}

vecna_status check_writable(const char *path, vecna_error *err) {
    vecna_outfile *file = NULL;
    vecna_status status = vecna_outfile_open(path, NULL, &file, err);
    if (status == VECNA_OK)
        vecna_outfile_discard(file);
    return status;
}

void json_count(vecna_json_writer *json, const char *key, uint64_t value) {
    vecna_json_write_key(json, key);
    vecna_json_write_u64(json, value);
}

void json_number(vecna_json_writer *json, const char *key, double value) {
    vecna_json_write_key(json, key);
    vecna_json_write_f64(json, value);
}

void json_text(vecna_json_writer *json, const char *key, const char *value) {
    vecna_json_write_key(json, key);
    vecna_json_write_string(json, value);
}

int print_json(vecna_json_writer *json, FILE *file) {
    vecna_error err;
    int exit_status = EXIT_DONE;
    if (vecna_json_writer_finish(json, &err) != VECNA_OK)
        exit_status = fail_with(&err);
    else if (fwrite(json->text, 1, json->bytes, file) != json->bytes || fputc('\n', file) == EOF)
        exit_status = fail_text("cannot write the result: %s", strerror(errno));
    vecna_json_writer_free(json);
    return exit_status;
}
