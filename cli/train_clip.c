/* vecna train clip: pictures and what is said of them into one model, whose vectors of both can be
 * compared. */
#include "cli/train_clip.h"

#include "cli/eval_tasks.h"
#include "cli/hold_out.h"

#include <stdlib.h>
#include <string.h>

TRAINABLE(clip);

static vecna_status no_room(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the pairs");
}

/* ---- from pairs to a model ---------------------------------------------------------------------- */

/* The size of --from's tower, unless another is asked for: it goes on from there. */
static void settle_size(clip_options *o, const clip_job *job) {
    const vecna_image_shape *shape = vecna_model_about(job->texts.from).shape;
    if (shape && o->size.height == 0)
        o->size = (picture_size){shape->height, shape->width, shape->channels};
}

static vecna_status train(clip_job *job, vecna_error *err) {
    const clip_options *o = job->options;
    const vecna_model_info about = vecna_model_about(job->texts.from);
    const vecna_model_parts parts = vecna_model_parts_of(job->texts.from);
    vecna_clip_options model = o->model;
    model.shape.dim = about.dim;
    const double floats = (double)about.pieces * (double)about.dim;
    const double work = vecna_clip_bytes(&model, &job->data);
    vecna_status status = check_resources(o->training.output, (size_t)(work + 4 * floats),
                                          floats * (o->training.checkpoint_seconds ? 13 : 1) +
                                              (o->training.checkpoint_seconds ? work : work / 4),
                                          err);
    if (status != VECNA_OK)
        return status;
    job->start = vecna_allocate(NULL, about.pieces, about.dim * sizeof *job->start);
    if (job->start == NULL)
        return no_room(err);
    status = vecna_model_rows(job->texts.from,
                              vecna_matrix_dense(job->start, about.pieces, about.dim), err);
    if (status != VECNA_OK)
        return status;
    const vecna_pictures *p = &job->pictures.all;
    if (parts.shape && parts.shape->height == p->height && parts.shape->width == p->width &&
        parts.shape->channels == p->channels) {
        model.shape = *parts.shape;
        model.tower = parts.tower;
        model.temperature = model.temperature > 0 ? model.temperature : 1 / about.scale;
    }
    model.start = vecna_view_dense(job->start, about.pieces, about.dim);
    model.seed = o->training.seed;
    status = vecna_clip_new(&model, &job->data, &job->model, err);
    if (status != VECNA_OK)
        return status;
    job->watch.model = job->model;
    status = trainer_run(&job->watch, job->pool, err);
    return status == VECNA_OK && job->held_count ? clip_judge(job, err) : status;
}

static vecna_status write_model(const clip_job *job, vecna_error *err) {
    const clip_options *o = job->options;
    const vecna_clip_learned learned = vecna_clip_result(job->model);
    vecna_model_parts parts = vecna_model_parts_of(job->texts.from);
    vecna_model *made = NULL;
    char report[256];
    snprintf(report, sizeof report, "{\"pairs\":%zu,\"held_out\":%zu", job->fitted_count,
             job->held_count);
    if (job->held_count)
        snprintf(report + strlen(report), sizeof report - strlen(report),
                 ",\"recall_at_10\":%.4f,\"mrr\":%.4f", job->by_text.among.value,
                 job->by_text.reciprocal.value);
    snprintf(report + strlen(report), sizeof report - strlen(report), "}");
    parts.rows = learned.table;
    parts.dtype = o->float16 ? VECNA_F16 : VECNA_I8;
    parts.name = o->name ? o->name : "";
    parts.report = report;
    parts.shape = learned.shape;
    parts.tower = learned.tower;
    parts.scale = learned.scale;
    vecna_status status = vecna_model_of_parts(&parts, &made, err);
    if (status == VECNA_OK)
        status = vecna_model_save(made, o->training.output, err);
    vecna_model_free(made);
    return status;
}

/* ---- what is said of it ------------------------------------------------------------------------- */

static void print_finding(const char *what, const finding *f) {
    printf("              %s  R@10 %.3f [%.3f, %.3f] (chance %.3f), MRR %.3f [%.3f, %.3f], first "
           "%.1f %%\n",
           what, f->among.value, f->among.low, f->among.high, f->chance, f->reciprocal.value,
           f->reciprocal.low, f->reciprocal.high, 100 * f->first);
}

static void print_summary(const void *user) {
    const clip_job *job = user;
    const vecna_clip_learned learned = vecna_clip_result(job->model);
    const vecna_image_shape *shape = learned.shape;
    size_t parameters = 0;
    if (vecna_image_parameters(shape, &parameters, NULL) != VECNA_OK)
        return;
    printf("%s: texts of %s pieces, pictures of %zu x %zu x %zu (%zu stages, %s numbers), %zu "
           "dimensions\n",
           job->options->training.output, grouped(learned.table.rows), shape->height, shape->width,
           shape->channels, shape->stages, grouped(parameters), shape->dim);
    printf("  read      %s pairs of %s pictures and %s texts; %s held out with all that shares a "
           "picture or a text\n",
           grouped(job->pairs.pairs), grouped(job->pictures.all.count), grouped(job->data.texts),
           grouped(job->held_count));
    trainer_print(&job->watch);
    printf("  learned   temperature %.4f\n", 1 / learned.scale);
    if (job->held_count == 0) {
        printf("  held out  nothing: with fewer than %d pairs, or all of them connected, there is "
               "nothing to measure on\n",
               2 * HELD_OUT_OF);
        return;
    }
    printf("  held out  none of these pictures and texts was trained on\n");
    print_finding("text to picture", &job->by_text);
    print_finding("picture to text", &job->by_picture);
}

static void write_finding(vecna_json_writer *json, const char *key, const finding *f) {
    vecna_json_write_key(json, key);
    vecna_json_write_object_begin(json);
    write_figure(json, "recall_at_10", f->among);
    write_figure(json, "mrr", f->reciprocal);
    vecna_json_write_key(json, "first");
    vecna_json_write_f64(json, f->first);
    vecna_json_write_key(json, "chance_at_10");
    vecna_json_write_f64(json, f->chance);
    vecna_json_write_object_end(json);
}

static int print_summary_json(const void *user) {
    const clip_job *job = user;
    const vecna_clip_learned learned = vecna_clip_result(job->model);
    vecna_json_writer json;
    trainer_json_begin(&job->watch, "clip", &json);
    json_count(&json, "pieces", learned.table.rows);
    json_count(&json, "dim", learned.table.dim);
    json_count(&json, "height", learned.shape->height);
    json_count(&json, "width", learned.shape->width);
    json_count(&json, "channels", learned.shape->channels);
    json_count(&json, "pairs", job->pairs.pairs);
    json_count(&json, "pictures", job->pictures.all.count);
    json_count(&json, "texts", job->data.texts);
    json_count(&json, "held_out", job->held_count);
    vecna_json_write_key(&json, "temperature");
    vecna_json_write_f64(&json, 1 / learned.scale);
    if (job->held_count) {
        write_finding(&json, "text_to_picture", &job->by_text);
        write_finding(&json, "picture_to_text", &job->by_picture);
    }
    return trainer_json_end(&job->watch, &json);
}

/* ---- the command ------------------------------------------------------------------------------- */

static int run(clip_options *o, const char *path) {
    clip_job job = {.options = o, .path = path};
    vecna_error err;
    job.watch.options = &o->training;
    job.watch.kind = &clip_trainable;
    job.watch.what = "pairs";
    vecna_status status = check_writable(o->training.output, &err);
    if (status == VECNA_OK)
        status = vecna_pool_new(o->training.threads, NULL, &job.pool, &err);
    if (status == VECNA_OK)
        status = read_pairs(path, &o->fields, &job.pairs, &err);
    if (status == VECNA_OK)
        status = open_pieces(o->training.from, &job.texts, &err);
    if (status == VECNA_OK)
        settle_size(o, &job);
    if (status == VECNA_OK)
        status = clip_read(&job, &err);
    if (status == VECNA_OK)
        status = clip_encode(&job, &err);
    if (status == VECNA_OK)
        status = clip_hold_out(&job, &err);
    if (status == VECNA_OK)
        status = train(&job, &err);
    if (status == VECNA_OK)
        status = write_model(&job, &err);
    const int exit_status =
        trainer_end(&job.watch, status, &err, print_summary_json, print_summary, &job);
    void *all[] = {job.picture_of, job.text_of, job.captions, job.caption_bytes,
                   job.start,      job.fitted,  job.held};
    vecna_clip_free(job.model);
    free_pieces(&job.texts);
    vecna_pool_free(job.pool);
    free_pairs_of_texts(&job.pairs);
    free_pictures(&job.pictures);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return exit_status;
}

/* What the options say together; NULL when all is well. */
static const char *settle(clip_options *o) {
    if (o->training.output == NULL)
        return "say where the model goes: -o MODEL";
    if (o->model.rate < 0 || o->model.text_rate < 0 || o->model.decay < 0)
        return "--rate, --text-rate and --decay are above 0";
    if (o->frozen && o->model.text_rate > 0)
        return "--frozen-text and --text-rate exclude each other";
    if (o->model.temperature != 0 && o->model.temperature < 0.01)
        return "--temperature is at least 0.01, as the one that is learned";
    if (o->size_text && !take_picture_size(o->size_text, &o->size))
        return "--size takes HEIGHTxWIDTH, or with x1 behind it for gray: 64x64, 28x28x1; sides of "
               "4 "
               "to 512";
    o->model.mirror = o->mirror;
    o->model.text_rate = o->frozen ? -1 : o->model.text_rate;
    o->model.shift = o->shift == UINT64_MAX ? 0 : o->shift == 0 ? SIZE_MAX : (size_t)o->shift;
    o->fields.anchor = o->fields.anchor ? o->fields.anchor : "image";
    o->fields.positive = o->fields.positive ? o->fields.positive : "text";
    o->fields.options = "--image-field and --text-field";
    if (o->training.threads == 0)
        o->training.threads = vecna_cpus_allowed();
    return NULL;
}

int train_clip(int argc, char **argv) {
    clip_options o = {.training = {.seed = 1, .checkpoint_seconds = 300}, .shift = UINT64_MAX};
    const option options[] = {
        {"output", 'o', OPTION_TEXT, &o.training.output, "MODEL",
         "the model: vecna embed, search, eval zeroshot and\nserve run it"},
        {"images", 'i', OPTION_TEXT, &o.images, "WHERE",
         "folder of the files that PAIRS names (its own), or\na .npy of bytes, whose rows it "
         "counts "
         "from 0"},
        {"size", 0, OPTION_TEXT, &o.size_text, "HxW",
         "pictures are brought to that size (32x32; those of\na .npy stay as they are); 28x28x1 is "
         "gray"},
        {"from", 0, OPTION_TEXT, &o.training.from, "MODEL",
         "start from this model, its tower of pictures too\n(the built-in one)"},
        {"batch", 0, OPTION_COUNT, &o.model.batch, "N",
         "pairs that are each other's negatives (128)"},
        {"chunk", 0, OPTION_COUNT, &o.model.chunk, "N",
         "of them whose similarities are in memory at once (all)"},
        {"epochs", 0, OPTION_COUNT, &o.model.epochs, "N", "(30)"},
        {"rate", 0, OPTION_NUMBER, &o.model.rate, "X",
         "largest step of the tower of pictures (0.002)"},
        {"text-rate", 0, OPTION_NUMBER, &o.model.text_rate, "X",
         "of the table of texts, in units of its mean size (0.02)"},
        {"frozen-text", 0, OPTION_FLAG, &o.frozen, NULL, "the table of texts stays as it is"},
        {"decay", 0, OPTION_NUMBER, &o.model.decay, "X",
         "how strongly weights of the tower are pulled to 0 (0.1)"},
        {"temperature", 0, OPTION_NUMBER, &o.model.temperature, "X",
         "of the softmax to begin with; it is learned (0.07)"},
        {"shift", 0, OPTION_WHOLE, &o.shift, "N",
         "pixels that a picture is moved by at most, another\nway each time (an eighth of its "
         "side)"},
        {"mirror", 0, OPTION_FLAG, &o.mirror, NULL,
         "show pictures from behind too, where left and right\nmean the same"},
        {"float16", 0, OPTION_FLAG, &o.float16, NULL,
         "texts have two bytes a number instead of one"},
        {"name", 0, OPTION_TEXT, &o.name, "TEXT", "of the model, kept in it"},
        {"pairs", 0, OPTION_GROUP, NULL, NULL,
         "PAIRS: a picture and a text a line, with a tab between them, or JSON objects"},
        {"image-field", 0, OPTION_TEXT, &o.fields.anchor, "NAME", "(image)"},
        {"text-field", 0, OPTION_TEXT, &o.fields.positive, "NAME", "(text)"},
        TRAINING_OPTIONS(o.training),
    };
    const usage use = {
        "vecna train clip PAIRS -o MODEL [options]",
        "Learns to compare pictures and texts: in each batch every picture is to find its text "
        "among\nall others', and every text its picture. One group of pairs in 20 is held out to "
        "measure.",
        options,
        sizeof options / sizeof options[0],
        "  vecna train clip photos/captions.tsv -o photos.vecna\n"
        "  vecna train clip captions.jsonl --images pixels.npy --image-field row -o photos.vecna\n"
        "  vecna search photos --model photos.vecna --text \"a dog on a beach\"\n",
        1,
        1};
    const char *path, *mistake;
    size_t count;
    int status = parse_arguments(argc, argv, &use, &path, &count);
    if (status >= 0)
        return status;
    mistake = settle(&o);
    return mistake ? usage_error(&use, "%s", mistake) : run(&o, path);
}
