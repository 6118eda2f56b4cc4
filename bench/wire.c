/* One answer of 1536 floats (and 32 of them) as it passes a proxy: read from an upstream with all its
 * checks, printed for a client; as JSON numbers and as base64. Beside it, in the same run, what the
 * numbers alone cost (codec's scanner and printer) and what copying the body costs. CPU time, medians
 * of 5. Then base64 alone by each set of instructions. */
#include "vecna/wire.h"
#include "base/base_impl.h"
#include "bench/bench.h"
#include "codec/codec_impl.h"

#include <string.h>

enum { DIM = 1536, ROUNDS = 5 };

typedef struct body {
    vecna_json_writer writer;
    const char *numbers; /* the first array of numbers in it */
} body;

static float rows[32 * DIM];
static vecna_wire_input inputs[32];

static double now(void) {
    return bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* Microseconds a call, the median of ROUNDS rounds of `repeats`. */
#define MEASURE(result, repeats, statement)                                                        \
    do {                                                                                           \
        double times[ROUNDS];                                                                      \
        for (size_t round = 0; round < ROUNDS; round++) {                                          \
            double start = now();                                                                  \
            for (size_t repeat = 0; repeat < (repeats); repeat++)                                  \
                statement;                                                                         \
            times[round] = (now() - start) / (double)(repeats)*1e6;                                \
        }                                                                                          \
        result = bench_median(times, ROUNDS);                                                      \
    } while (0)

static void write_answer(vecna_json_writer *writer, size_t count, int base64) {
    vecna_wire_request request = {.endpoint = VECNA_WIRE_OPENAI_EMBEDDINGS,
                                  .inputs = inputs,
                                  .inputs_count = count,
                                  .model = vecna_wire_text_of("text-embedding-3-small"),
                                  .forms = VECNA_WIRE_FLOAT,
                                  .base64 = base64};
    vecna_wire_answer answer = {.vectors = vecna_view_dense(rows, count, DIM), .tokens = 7};
    vecna_error err;
    vecna_json_writer_reset(writer);
    bench_must(vecna_wire_answer_write(&request, &answer, 0, NULL, writer, &err), &err);
}

static void read_answer(const vecna_json_writer *text, size_t count, vecna_arena *arena) {
    vecna_wire_expect expect = {.dialect = VECNA_WIRE_OPENAI, .rows = count, .dim = DIM};
    vecna_wire_result result;
    vecna_error err;
    vecna_arena_reset(arena, SIZE_MAX);
    bench_must(vecna_wire_result_read(text->text, text->bytes, &expect, arena, &result, &err),
               &err);
}

/* The numbers alone, row after row. */
static void scan_numbers(const vecna_json_writer *text, size_t count, float *out) {
    const char *at = text->text;
    for (size_t i = 0; i < count; i++) {
        vecna_json json;
        vecna_json_token token;
        vecna_error err;
        size_t got;
        at = strstr(at, "\"embedding\":[") + 12;
        vecna_json_init(&json, at, text->bytes - (size_t)(at - text->text), 0);
        bench_must(vecna_json_next(&json, &token, &err), &err);
        bench_must(vecna_json_floats(&json, out, DIM, &got, &err), &err);
    }
}

static void print_numbers(vecna_json_writer *writer, size_t count) {
    vecna_json_writer_reset(writer);
    vecna_json_write_array_begin(writer);
    for (size_t i = 0; i < count; i++)
        vecna_json_write_floats(writer, rows + i * DIM, DIM);
    vecna_json_write_array_end(writer);
}

static void compare(size_t count, int base64, vecna_arena *arena) {
    vecna_json_writer writer, other;
    float *out = malloc(sizeof rows);
    char *copy;
    size_t repeats = count == 1 ? 2000 : 60;
    double read, print, scan = 0, numbers = 0, copied;
    vecna_json_writer_init(&writer, 0, NULL);
    vecna_json_writer_init(&other, 0, NULL);
    write_answer(&writer, count, base64);
    vecna_json_write_between(&writer, "", 1);
    writer.bytes--;
    copy = malloc(writer.bytes);
    MEASURE(read, repeats, read_answer(&writer, count, arena));
    MEASURE(print, repeats, write_answer(&other, count, base64));
    MEASURE(copied, repeats * 4, {
        memcpy(copy, writer.text, writer.bytes);
        __asm__ volatile("" : : "r"(copy) : "memory");
    });
    printf(
        "%2zu x %d %-6s %7zu bytes   read %8.2f us   print %8.2f us   memcpy of the body %7.2f us",
        count, DIM, base64 ? "base64" : "float", writer.bytes, read, print, copied);
    if (!base64) {
        MEASURE(scan, repeats, scan_numbers(&writer, count, out));
        MEASURE(numbers, repeats, print_numbers(&other, count));
        printf("   read / scan %.2f   print / print of numbers %.2f\n", read / scan,
               print / numbers);
    } else {
        printf("   read / memcpy %.1f   print / memcpy %.1f\n", read / copied, print / copied);
    }
    free(copy);
    free(out);
    vecna_json_writer_free(&writer);
    vecna_json_writer_free(&other);
}

static void base64_kernels(void) {
    static const unsigned masks[] = {0, VNI_CPU_AVX2,
                                     VNI_CPU_AVX2 | VNI_CPU_AVX512 | VNI_CPU_AVX512VBMI};
    size_t bytes = DIM * sizeof(float), text_bytes = vecna_base64_text_bytes(bytes), got;
    char *text = malloc(text_bytes);
    float *back = malloc(bytes);
    double portable_encode = 0, portable_decode = 0;
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        double encode, decode;
        vecna_error err;
        vni_base64_allow(masks[i]);
        if (i > 0 && vni_base64_chosen()->needs != masks[i])
            continue;
        MEASURE(encode, 20000, vecna_base64_encode(rows, bytes, text));
        MEASURE(decode, 20000,
                bench_must(vecna_base64_decode(text, text_bytes, back, bytes, &got, &err), &err));
        if (i == 0) {
            portable_encode = encode;
            portable_decode = decode;
        }
        printf("base64 of %d floats, %-11s encode %6.3f us (%4.1f x portable)   decode %6.3f us "
               "(%4.1f x portable)\n",
               DIM, vni_base64_chosen()->name, encode, portable_encode / encode, decode,
               portable_decode / decode);
    }
    vni_base64_allow(~0u);
    free(text);
    free(back);
}

int main(void) {
    vecna_random random;
    vecna_arena arena;
    vecna_random_seed(&random, 1, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        rows[i] = (float)(vecna_random_normal(&random) * 0.0255);
    for (size_t i = 0; i < 32; i++)
        inputs[i].text = vecna_wire_text_of("x");
    vecna_arena_init(&arena, 0, NULL);
    for (size_t count = 1; count <= 32; count *= 32)
        for (int base64 = 0; base64 <= 1; base64++)
            compare(count, base64, &arena);
    base64_kernels();
    vecna_arena_free(&arena);
    return 0;
}
