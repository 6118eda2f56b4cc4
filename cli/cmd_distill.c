/* vecna distill: a static model out of what a teacher says of single pieces and of whole texts. The teacher
 * is asked (--upstream), or has spoken before and its vectors are files, by vecna embed or by any other
 * program. */
#include "cli/distill_ask.h"

#include <stdlib.h>
#include <string.h>

typedef struct distill_options {
    const char *vocabulary, *texts, *text_vectors, *out, *name, *teacher, *licence;
    teacher_options asked;
    size_t dim, steps, threads;
    double rarity, ridge;
    bool keep_case, float16, json;
    input_options input;
} distill_options;

typedef struct distill_job {
    const distill_options *options;
    const char *path;
    loaded pieces, texts;
    char *vocabulary;
    size_t vocabulary_bytes;
    vecna_passage *passages;
    taught teacher; /* instead of the files above */
    vecna_model *model;
    vecna_distill_report report;
    progress meter;
} distill_job;

static int show_progress(void *user, const char *stage, double done) {
    distill_job *job = user;
    const uint64_t steps = job->options->steps ? job->options->steps : 40;
    const uint64_t now = (uint64_t)(done * (double)steps + 0.5);
    (void)stage;
    if (now > job->meter.done)
        progress_add(&job->meter, now - job->meter.done);
    return 0;
}

static vecna_status list_passages(distill_job *job, vecna_error *err) {
    const size_t count = job->texts.vectors.rows;
    job->passages = calloc(count, sizeof *job->passages);
    if (job->passages == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for %zu texts", count);
    for (size_t i = 0; i < count; i++) {
        const char *text = job->texts.texts ? job->texts.texts[i] : NULL;
        job->passages[i].data = text ? text : "";
        job->passages[i].bytes = text ? strlen(text) : 0;
    }
    return VECNA_OK;
}

static vecna_status load_all(distill_job *job, vecna_error *err) {
    const distill_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    vecna_status status = read_file(o->vocabulary, &job->vocabulary, &job->vocabulary_bytes, err);
    if (status == VECNA_OK)
        status = load_vectors(job->path, &format, &job->pieces, err);
    if (status == VECNA_OK)
        status = load_vectors(o->text_vectors, &format, &job->texts, err);
    if (status == VECNA_OK && o->texts)
        status = load_texts(o->texts, &format, &job->texts, err);
    return status == VECNA_OK ? list_passages(job, err) : status;
}

static bool asks(const distill_job *job) {
    return job->options->asked.call.upstream != NULL;
}

static vecna_status distil(distill_job *job, vecna_error *err) {
    const distill_options *o = job->options;
    const taught *t = &job->teacher;
    const vecna_distill_input from_files = {
        .vocabulary = job->vocabulary,
        .vocabulary_bytes = job->vocabulary_bytes,
        .piece_vectors = vecna_matrix_view(job->pieces.vectors),
        .texts = job->passages,
        .text_vectors = vecna_matrix_view(job->texts.vectors),
    };
    const vecna_distill_input from_teacher = {
        .vocabulary = t->vocabulary,
        .vocabulary_bytes = t->vocabulary_bytes,
        .piece_vectors = vecna_view_dense(t->piece_vectors, t->pieces, t->dim),
        .texts = t->passages,
        .text_vectors = vecna_view_dense(t->text_vectors, t->texts, t->dim),
    };
    vecna_distill_options options = {
        .dim = o->dim,
        .dtype = o->float16 ? VECNA_F16 : VECNA_I8,
        .rarity = o->rarity,
        .ridge = o->ridge,
        .steps = o->steps,
        .keep_case = o->keep_case,
        .name = o->name,
        .teacher = o->teacher,
        .licence = o->licence,
        .progress = show_progress,
        .progress_user = job,
    };
    vecna_status status = vecna_pool_new(o->threads, NULL, &options.pool, err);
    if (status != VECNA_OK)
        return status;
    if (!o->json)
        progress_start(&job->meter, "steps", (int64_t)(o->steps ? o->steps : 40));
    status = vecna_model_distill(asks(job) ? &from_teacher : &from_files, &options, &job->model,
                                 &job->report, err);
    if (!o->json)
        progress_end(&job->meter);
    vecna_pool_free(options.pool);
    return status == VECNA_OK ? vecna_model_save(job->model, o->out, err) : status;
}

static int print_result(const distill_job *job) {
    const vecna_distill_report *r = &job->report;
    const vecna_model_info about = vecna_model_about(job->model);
    vecna_json_writer json;
    if (!job->options->json) {
        printf("%s: %s pieces x %zu dimensions, %s\n", job->options->out, grouped(about.pieces),
               about.dim, about.dtype == VECNA_I8 ? "a byte a number" : "float16");
        printf("  learned from %s texts, which hold %s of the pieces\n", grouped(r->texts),
               grouped(r->pieces_seen));
        printf("  cosine to the teacher on texts held out: %.3f untuned, %.3f tuned\n",
               r->cosine_untuned, r->cosine);
        printf("  %.1f %% of the fitted texts' variance lies in the dimensions kept\n",
               100 * r->variance_kept);
        return EXIT_DONE;
    }
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "out");
    vecna_json_write_string(&json, job->options->out);
    vecna_json_write_key(&json, "pieces");
    vecna_json_write_u64(&json, about.pieces);
    vecna_json_write_key(&json, "dim");
    vecna_json_write_u64(&json, about.dim);
    vecna_json_write_key(&json, "texts");
    vecna_json_write_u64(&json, r->texts);
    vecna_json_write_key(&json, "pieces_seen");
    vecna_json_write_u64(&json, r->pieces_seen);
    if (asks(job)) {
        vecna_json_write_key(&json, "asked");
        vecna_json_write_u64(&json, job->teacher.texts + job->teacher.pieces);
        vecna_json_write_key(&json, "resumed");
        vecna_json_write_u64(&json, job->teacher.resumed);
    }
    vecna_json_write_key(&json, "cosine_untuned");
    vecna_json_write_f64(&json, r->cosine_untuned);
    vecna_json_write_key(&json, "cosine");
    vecna_json_write_f64(&json, r->cosine);
    vecna_json_write_key(&json, "variance_kept");
    vecna_json_write_f64(&json, r->variance_kept);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static int run_distill(distill_job *job) {
    vecna_error err;
    int exit_status;
    vecna_status status = check_writable(job->options->out, &err);
    if (status == VECNA_OK)
        status = asks(job) ? ask_teacher(&job->options->asked, &job->teacher, &err)
                           : load_all(job, &err);
    if (status == VECNA_OK)
        status = distil(job, &err);
    exit_status = status == VECNA_OK ? print_result(job) : fail_with(&err);
    vecna_model_free(job->model);
    close_taught(&job->teacher, status == VECNA_OK);
    free(job->passages);
    free(job->vocabulary);
    unload(&job->pieces);
    unload(&job->texts);
    return exit_status;
}

static int check_usage(const distill_options *o, size_t positionals, const usage *use) {
    const embed *call = &o->asked.call;
    if (o->out == NULL)
        return usage_error(use, "say where the model goes: -o MODEL");
    if (call->upstream && (positionals || o->text_vectors))
        return usage_error(use, "with --upstream the teacher is asked: leave PIECES and "
                                "--text-vectors out");
    if (call->upstream && (o->input.format || o->input.dim || o->input.id_field ||
                           o->input.vector_field || o->input.tensor))
        return usage_error(use, "with --upstream no vectors are read: of the options about reading "
                                "them, --text-field alone has a meaning");
    if (call->upstream && o->texts == NULL)
        return usage_error(use, "--upstream needs --texts, of the kinds that the model will meet");
    if (call->upstream && o->vocabulary == NULL && o->keep_case)
        return usage_error(use, "--keep-case needs a --vocabulary: the built-in one is lowered");
    if (call->upstream == NULL &&
        (call->provider || call->model || call->api_key || call->prefix || call->batch ||
         call->in_flight || call->fresh || o->asked.pieces))
        return usage_error(use, "--provider, --model, --pieces and what else goes with asking need "
                                "--upstream");
    if (call->upstream == NULL &&
        (positionals == 0 || o->vocabulary == NULL || o->text_vectors == NULL))
        return usage_error(use, "give --upstream and --texts, or PIECES with --vocabulary and "
                                "--text-vectors");
    return -1;
}

int command_distill(int argc, char **argv) {
    distill_options o = {.name = "", .teacher = "", .licence = ""};
    const option options[] = {
        {"out", 'o', OPTION_TEXT, &o.out, "MODEL", "the model"},
        {"vocabulary", 'v', OPTION_TEXT, &o.vocabulary, "FILE",
         "word pieces, one a line, in the order of PIECES (with\n--upstream: those of the built-in "
         "model)"},
        {"texts", 't', OPTION_TEXT, &o.texts, "FILE",
         "of the kinds that the model will meet: a line a text,\nplain or JSON with \"text\" "
         "(default: in --text-vectors)"},
        {"text-vectors", 0, OPTION_TEXT, &o.text_vectors, "FILE",
         "what the teacher says of them (not with --upstream)"},
        {"asking", 0, OPTION_GROUP, NULL, NULL, "asking the teacher"},
        {"upstream", 'u', OPTION_TEXT, &o.asked.call.upstream, "URL",
         "the teacher's server: it is asked for every piece and\nevery text"},
        {"provider", 'p', OPTION_CHOICE, &o.asked.call.provider, EMBED_PROVIDERS,
         "what it speaks (openai)"},
        {"model", 'm', OPTION_TEXT, &o.asked.call.model, "M", "model to ask it for"},
        {"pieces", 0, OPTION_COUNT, &o.asked.pieces, "N",
         "only the N pieces that the texts have most of (all)"},
        EMBED_CALL_OPTIONS(o.asked.call),
        {"table", 0, OPTION_GROUP, NULL, NULL, "the table"},
        {"dim", 'd', OPTION_COUNT, &o.dim, "N", "dimensions kept (256)"},
        {"float16", 0, OPTION_FLAG, &o.float16, NULL, "two bytes a number instead of one"},
        {"keep-case", 0, OPTION_FLAG, &o.keep_case, NULL,
         "the vocabulary knows capitals and accents"},
        {"rarity", 0, OPTION_NUMBER, &o.rarity, "A",
         "weight a / (a + p) of a piece of probability p (3e-4)"},
        {"ridge", 0, OPTION_NUMBER, &o.ridge, "X",
         "how strongly the table is held to the pieces (0.1)"},
        {"steps", 0, OPTION_COUNT, &o.steps, "N", "of conjugate gradients (40)"},
        {"name", 0, OPTION_TEXT, &o.name, "TEXT", "of the model, kept in it"},
        {"teacher", 0, OPTION_TEXT, &o.teacher, "TEXT", "the same of its teacher"},
        {"licence", 0, OPTION_TEXT, &o.licence, "TEXT", "and its licence"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "one JSON object"},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {
        "vecna distill --upstream URL --texts FILE -o MODEL [options]\n"
        "       vecna distill PIECES --vocabulary FILE --text-vectors FILE -o MODEL [options]",
        "Makes a small static model that answers as a teacher does: a table with a vector for "
        "each\n"
        "word piece. The teacher is a server, asked for the vectors of every piece and every text "
        "(an\n"
        "interrupted run goes on where it stopped); or PIECES is what it said of each piece alone "
        "and\n"
        "--text-vectors of whole texts. One text in 20 is held out to measure. vecna embed --model "
        "runs "
        "it.",
        options,
        sizeof options / sizeof options[0],
        "  vecna distill --upstream http://127.0.0.1:11434 --model nomic-embed-text --texts "
        "corpus.txt \\\n"
        "      --pieces 20000 -o small.vecna\n"
        "  vecna distill pieces.npy --vocabulary vocab.txt --texts texts.txt \\\n"
        "      --text-vectors texts.npy -o small.vecna\n",
        0,
        1};
    size_t count;
    distill_job job;
    vecna_error err;
    int status;
    memset(&job, 0, sizeof job);
    status = parse_arguments(argc, argv, &use, &job.path, &count);
    if (status >= 0)
        return status;
    status = check_usage(&o, count, &use);
    if (status >= 0)
        return status;
    if (o.rarity < 0 || o.ridge < 0)
        return usage_error(&use, "--rarity and --ridge are above 0");
    o.asked.texts = o.texts;
    o.asked.vocabulary = o.vocabulary;
    o.asked.keep_case = o.keep_case;
    o.asked.out = o.out;
    o.asked.call.text_field = o.input.text_field ? o.input.text_field : "text";
    o.asked.call.quiet = o.json;
    if (embed_find_model(&o.asked.call, &err) != VECNA_OK)
        return fail_with(&err);
    if (o.teacher[0] == '\0' && o.asked.call.model)
        o.teacher = o.asked.call.model;
    job.options = &o;
    return run_distill(&job);
}
