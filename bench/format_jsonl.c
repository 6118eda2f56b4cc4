/* Reading an OpenAI-style JSONL: 1536 numbers a row, in the three spellings that are met (as Python
 * prints a float64 of 17 digits, the shortest text of the float32, base64). MB of file a second, on
 * one core, from the page cache into blocks; beside memcpy of as many bytes in the same run.
 * Medians of 5 by the clock of the process. Then writing, and the peak of the resident memory. */
#include "bench/bench.h"
#include "vecna/codec.h"
#include "vecna/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DIM = 1536, ROWS = 4000, ROUNDS = 5 };

enum spelling { DIGITS17, SHORTEST, BASE64 };

static double now(void) {
    return bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

static double median(double *values) {
    return bench_median(values, ROUNDS);
}

/* One file; returns its bytes. */
static size_t generate(const char *path, enum spelling spelling) {
    vecna_random random;
    vecna_json_writer json;
    vecna_outfile *file = NULL;
    vecna_error err;
    float row[DIM];
    size_t bytes = 0;
    vecna_random_seed(&random, 1, 0);
    vecna_json_writer_init(&json, 0, NULL);
    bench_must(vecna_outfile_open(path, NULL, &file, &err), &err);
    for (size_t i = 0; i < ROWS; i++) {
        vecna_json_writer_reset(&json);
        vecna_json_write_object_begin(&json);
        vecna_json_write_key(&json, "id");
        vecna_json_write_u64(&json, i);
        vecna_json_write_key(&json, "text");
        vecna_json_write_string(&json, "A passage of the length that is usual in \"RAG\": some two "
                                       "hundred characters, na\xc3\xafve and otherwise, which the "
                                       "reader must validate, keep and give back unchanged.\n");
        vecna_json_write_key(&json, "embedding");
        if (spelling == DIGITS17)
            vecna_json_write_array_begin(&json);
        for (size_t d = 0; d < DIM; d++) {
            double value = vecna_random_normal(&random) * 0.0255;
            row[d] = (float)value;
            if (spelling == DIGITS17)
                vecna_json_write_f64(&json, value);
        }
        if (spelling == DIGITS17)
            vecna_json_write_array_end(&json);
        else if (spelling == SHORTEST)
            vecna_json_write_floats(&json, row, DIM);
        else
            vecna_json_write_base64(&json, row, sizeof row);
        vecna_json_write_object_end(&json);
        vecna_json_write_between(&json, "\n", 1);
        bench_must(vecna_json_writer_finish(&json, &err), &err);
        bench_must(vecna_outfile_write(file, json.text, json.bytes, &err), &err);
        bytes += json.bytes;
    }
    bench_must(vecna_outfile_commit(file, &err), &err);
    vecna_json_writer_free(&json);
    return bytes;
}

/* Through the file; into `target` too unless it is NULL. */
static double through(const char *path, const char *target) {
    vecna_reader *reader = NULL;
    vecna_writer *writer = NULL;
    vecna_block *block = NULL;
    vecna_error err;
    size_t rows = 0;
    double start = now();
    bench_must(vecna_reader_open(path, NULL, &reader, &err), &err);
    bench_must(vecna_block_new(NULL, &block, &err), &err);
    if (target) {
        vecna_writer_options options = {
            .format = "jsonl", .dim = DIM, .like = vecna_reader_about(reader)};
        bench_must(vecna_writer_open(target, &options, &writer, &err), &err);
    }
    for (;;) {
        bench_must(vecna_reader_read(reader, block, 0, &err), &err);
        if (block->vectors.rows == 0)
            break;
        rows += block->vectors.rows;
        if (target)
            bench_must(vecna_writer_write(writer, block->vectors, block->records, &err), &err);
    }
    if (target)
        bench_must(vecna_writer_commit(writer, &err), &err);
    vecna_block_free(block);
    vecna_reader_close(reader);
    if (rows != ROWS)
        exit(1);
    return now() - start;
}

static double copy(size_t bytes) {
    char *from = malloc(bytes), *to = malloc(bytes);
    double start, best[ROUNDS];
    if (from == NULL || to == NULL)
        exit(1);
    memset(from, 1, bytes);
    memset(to, 2, bytes);
    for (size_t i = 0; i < ROUNDS; i++) {
        start = now();
        memcpy(to, from, bytes);
        best[i] = now() - start;
        from[i] = to[bytes - 1 - i];
    }
    free(from);
    free(to);
    return median(best);
}

int main(void) {
    static const char *const names[] = {"float64, 17 digits", "float32, shortest", "base64"};
    char path[] = "/tmp/vecna-bench-XXXXXX", target[] = "/tmp/vecna-bench-out-XXXXXX";
    struct rusage usage;
    int descriptor = mkstemp(path), other = mkstemp(target);
    if (descriptor < 0 || other < 0)
        return 1;
    for (int spelling = DIGITS17; spelling <= BASE64; spelling++) {
        size_t bytes = generate(path, (enum spelling)spelling);
        double read[ROUNDS], both[ROUNDS], memory;
        for (size_t i = 0; i < ROUNDS; i++)
            read[i] = through(path, NULL);
        for (size_t i = 0; i < ROUNDS; i++)
            both[i] = through(path, target) - read[i];
        getrusage(RUSAGE_SELF, &usage);
        memory = copy(bytes);
        printf("%-20s %6.1f MB   read %6.0f MB/s (%4.1f ns a number, %4.1f %% of memcpy)   "
               "write %4.1f ns a number\n",
               names[spelling], (double)bytes / 1e6, (double)bytes / 1e6 / median(read),
               median(read) * 1e9 / ((double)ROWS * DIM), 100 * memory / median(read),
               median(both) * 1e9 / ((double)ROWS * DIM));
        if (spelling == DIGITS17)
            printf("%-20s %6.1f MB\n", "peak resident", (double)usage.ru_maxrss / 1e3);
    }
    close(descriptor);
    close(other);
    unlink(path);
    unlink(target);
    return 0;
}
