/* vecna plot: pictures of a space. What a flat picture shows of many dimensions is little, so every
 * one says how much: variance along its axes, neighbours that are neighbours in it. */
#include "cli/plot.h"
#include "cli/rank.h"
#include "cli/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KIND_MAP, KIND_SPECTRUM, KIND_NORMS, KIND_ANALOGY };
enum { METHOD_TSNE, METHOD_PCA };
enum {
    SAMPLE_TSNE = 20000,
    SAMPLE_SPECTRUM = 4000,
    DIRECTIONS_MOST = 2048,
    BINS = 40,
    BINS_LEAST = 5,
    WORDS_MOST = 40,
    NEIGHBOURS = 10
};

typedef struct plot_options {
    const char *out, *labels, *label_field, *texts, *words, *vocab, *title;
    int kind, method, metric;
    size_t sample, names, width, height, iterations, threads;
    double perplexity;
    uint64_t seed;
    bool json, no_names;
    input_options input;
} plot_options;

typedef struct plot_job {
    const plot_options *options;
    const char *path;
    loaded file;
    char *const *words;  /* of its rows, for --words; borrowed */
    word_vectors worded; /* keeps them, where they have a file of their own */
    size_t *rows;        /* of the file that are drawn */
    size_t count;
    float *vectors; /* (count, dim) of those */
    labels classes; /* of those */
    char **names;   /* of those; entries borrowed, or NULL */
    float *points;  /* (count, 2), or the heights of bars */
    size_t arrows[WORDS_MOST][2];
    picture drawn;
    char title[256];
    vecna_pool *pool;
    /* figures of --json; NAN absent */
    double share[2], divergence, kept;
    size_t half, most; /* spectrum: directions with 50 % and 90 % of the variance */
    double mean_length, spread;
} plot_job;

static vecna_status no_memory(const plot_job *job, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to draw %s", job->path);
}

/* ---- which rows ------------------------------------------------------------------------------ */

static size_t sample_size(const plot_job *job) {
    const plot_options *o = job->options;
    size_t most = o->sample;
    if (most == 0 && o->kind == KIND_MAP && o->method == METHOD_TSNE)
        most = SAMPLE_TSNE;
    if (most == 0 && o->kind == KIND_SPECTRUM)
        most = SAMPLE_SPECTRUM;
    return most && most < job->file.vectors.rows ? most : job->file.vectors.rows;
}

/* The words of --words, in their order. */
static vecna_status pick_words(plot_job *job, vecna_error *err) {
    const char *at = job->options->words;
    char word[256];
    if (job->words == NULL)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "%s has no words; name the file that has them, a line a row, with "
                               "--vocab",
                               job->path);
    for (job->count = 0; *at;) {
        size_t bytes = strcspn(at, ",");
        if (bytes == 0 || bytes >= sizeof word || job->count == WORDS_MOST)
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                   "--words takes 4 to %d words with commas between them",
                                   WORDS_MOST);
        memcpy(word, at, bytes);
        word[bytes] = '\0';
        size_t row = 0;
        while (row < job->file.vectors.rows &&
               !(job->words[row] && strcmp(job->words[row], word) == 0))
            row++;
        if (row == job->file.vectors.rows)
            return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1, "%s has no word \"%s\"", job->path,
                                   word);
        job->rows[job->count++] = row;
        at += bytes + (at[bytes] == ',');
    }
    if (job->count < 4 || job->count % 2)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "--words draws pairs: give 4, 6, 8 ... words, not %zu", job->count);
    return VECNA_OK;
}

/* An even sample: every n-th row, so that a file in order is seen from end to end. */
static vecna_status pick_rows(plot_job *job, vecna_error *err) {
    size_t room = sample_size(job);
    job->rows = malloc((room > WORDS_MOST ? room : WORDS_MOST) * sizeof *job->rows);
    if (job->rows == NULL)
        return no_memory(job, err);
    if (job->options->kind == KIND_ANALOGY)
        return pick_words(job, err);
    job->count = room;
    for (size_t i = 0; i < room; i++)
        job->rows[i] = (size_t)((double)i * (double)job->file.vectors.rows / (double)room);
    if (room < job->file.vectors.rows)
        note("%s rows of %s are drawn (--sample N draws more)", grouped(room),
             grouped(job->file.vectors.rows));
    return VECNA_OK;
}

static vecna_status copy_rows(plot_job *job, vecna_error *err) {
    const vecna_matrix *from = &job->file.vectors;
    const bool unit = job->options->metric == 0 && job->options->kind == KIND_MAP;
    job->vectors = vecna_allocate(NULL, job->count, from->dim * sizeof *job->vectors);
    job->names = calloc(job->count + 1, sizeof *job->names);
    if (job->vectors == NULL || job->names == NULL)
        return no_memory(job, err);
    for (size_t i = 0; i < job->count; i++) {
        const float *row = from->data + job->rows[i] * from->stride;
        double square = 0;
        for (size_t j = 0; unit && j < from->dim; j++)
            square += (double)row[j] * (double)row[j];
        const float scale = square > 0 ? (float)(1 / sqrt(square)) : 1;
        for (size_t j = 0; j < from->dim; j++)
            job->vectors[i * from->dim + j] = row[j] * scale;
        char *const *names = job->file.texts ? job->file.texts : job->file.ids;
        if (job->options->kind == KIND_ANALOGY)
            names = job->words;
        job->names[i] = names ? names[job->rows[i]] : NULL;
    }
    return VECNA_OK;
}

/* Labels of the rows that are drawn: class numbers move up in place. */
static vecna_status read_labels(plot_job *job, vecna_error *err) {
    const plot_options *o = job->options;
    if (o->labels == NULL)
        return VECNA_OK;
    vecna_status status = load_labels(o->labels, o->label_field ? o->label_field : "label",
                                      job->file.vectors.rows, &job->classes, err);
    for (size_t i = 0; status == VECNA_OK && i < job->count; i++)
        job->classes.of[i] = job->classes.of[job->rows[i]];
    return status;
}

/* ---- what is drawn --------------------------------------------------------------------------- */

typedef struct drawing_progress {
    progress meter;
    size_t steps;
} drawing_progress;

static int show_progress(void *user, double done) {
    drawing_progress *p = user;
    uint64_t now = (uint64_t)(done * (double)p->steps);
    if (now > p->meter.done)
        progress_add(&p->meter, now - p->meter.done);
    return 0;
}

static vecna_status place_tsne(plot_job *job, vecna_view rows, vecna_error *err) {
    const plot_options *o = job->options;
    drawing_progress shown = {.steps = o->iterations ? o->iterations : 1000};
    vecna_tsne_options tsne = {.perplexity = o->perplexity,
                               .iterations = o->iterations,
                               .seed = o->seed,
                               .progress = show_progress,
                               .progress_user = &shown,
                               .pool = job->pool};
    if (!o->json)
        progress_start(&shown.meter, "t-SNE steps", (int64_t)shown.steps);
    vecna_status status = vecna_plane_tsne(rows, &tsne, job->points, &job->divergence, err);
    if (!o->json)
        progress_end(&shown.meter);
    return status;
}

static vecna_status draw_map(plot_job *job, vecna_error *err) {
    const size_t dim = job->file.vectors.dim;
    const vecna_view rows = vecna_view_dense(job->vectors, job->count, dim);
    const size_t depth = job->count > 4 * NEIGHBOURS ? NEIGHBOURS : 1;
    picture *p = &job->drawn;
    char how_many[24] = "";
    vecna_status status;
    if (job->options->method == METHOD_TSNE) {
        status = place_tsne(job, rows, err);
    } else {
        status = vecna_plane_components(rows, 2, job->points, job->share, NULL, err);
        snprintf(p->x_label, sizeof p->x_label, "component 1 (%.1f %% of the variance)",
                 100 * job->share[0]);
        snprintf(p->y_label, sizeof p->y_label, "component 2 (%.1f %%)", 100 * job->share[1]);
    }
    if (status == VECNA_OK)
        status = vecna_plane_kept(rows, vecna_view_dense(job->points, job->count, 2), depth,
                                  job->pool, NULL, &job->kept, err);
    if (depth > 1)
        snprintf(how_many, sizeof how_many, "%zu ", depth);
    snprintf(p->caption, sizeof p->caption,
             "%s rows x %zu dimensions by %s: %.0f %% of the %snearest neighbours are neighbours "
             "here",
             grouped(job->count), dim,
             job->options->method == METHOD_TSNE ? "t-SNE" : "principal components",
             100 * job->kept, how_many);
    p->points = job->points;
    p->count = job->count;
    p->square = true;
    return status;
}

static vecna_status draw_analogy(plot_job *job, vecna_error *err) {
    picture *p = &job->drawn;
    const vecna_view rows = vecna_view_dense(job->vectors, job->count, job->file.vectors.dim);
    vecna_status status = vecna_plane_components(rows, 2, job->points, job->share, NULL, err);
    for (size_t i = 0; i + 1 < job->count; i += 2) {
        job->arrows[p->arrow_count][0] = i;
        job->arrows[p->arrow_count++][1] = i + 1;
    }
    for (size_t i = 0; job->count == 4 && i < 2; i++) { /* the other sides of the parallelogram */
        job->arrows[p->arrow_count][0] = i;
        job->arrows[p->arrow_count++][1] = i + 2;
    }
    snprintf(p->caption, sizeof p->caption,
             "%zu words in the plane of their two first principal components (%.0f %% of their "
             "variance)",
             job->count, 100 * (job->share[0] + job->share[1]));
    p->points = job->points;
    p->count = job->count;
    p->arrows = (const size_t(*)[2])job->arrows;
    p->square = true;
    return status;
}

static vecna_status draw_spectrum(plot_job *job, vecna_error *err) {
    const vecna_view rows = vecna_view_dense(job->vectors, job->count, job->file.vectors.dim);
    size_t directions = job->count < rows.dim ? job->count : rows.dim;
    picture *p = &job->drawn;
    double sum = 0, *share;
    float *along;
    vecna_status status = VECNA_ERR_MEMORY;
    directions = directions < DIRECTIONS_MOST ? directions : DIRECTIONS_MOST;
    share = malloc(directions * sizeof *share);
    along = vecna_allocate(NULL, job->count, directions * sizeof *along);
    status = share && along ? vecna_plane_components(rows, directions, along, share, NULL, err)
                            : no_memory(job, err);
    for (size_t i = 0; status == VECNA_OK && i < directions; i++) {
        sum += share[i];
        job->points[i] = (float)(100 * sum);
        job->half += sum < 0.5;
        job->most += sum < 0.9;
    }
    job->half++, job->most++;
    snprintf(
        p->caption, sizeof p->caption,
        "%s rows x %zu dimensions: half the variance lies along %zu directions, 90 %% along %zu",
        grouped(job->count), rows.dim, job->half, job->most);
    snprintf(p->x_label, sizeof p->x_label, "directions, by variance");
    snprintf(p->y_label, sizeof p->y_label, "share of the variance (%%)");
    p->bars = job->points;
    p->bar_count = directions;
    p->bar_first = 0.5;
    p->bar_width = 1;
    p->bars_as_line = p->ticks = true;
    free(share);
    free(along);
    return status;
}

static vecna_status draw_norms(plot_job *job, vecna_error *err) {
    const size_t dim = job->file.vectors.dim;
    size_t bars;
    double low = INFINITY, high = 0, sum = 0, squares = 0;
    picture *p = &job->drawn;
    double *lengths = malloc(job->count * sizeof *lengths);
    if (lengths == NULL)
        return no_memory(job, err);
    for (size_t i = 0; i < job->count; i++) {
        double square = 0;
        for (size_t j = 0; j < dim; j++)
            square += (double)job->vectors[i * dim + j] * (double)job->vectors[i * dim + j];
        lengths[i] = sqrt(square);
        low = fmin(low, lengths[i]);
        high = fmax(high, lengths[i]);
        sum += lengths[i];
        squares += square;
    }
    job->mean_length = sum / (double)job->count;
    job->spread = sqrt(fmax(squares / (double)job->count - job->mean_length * job->mean_length, 0));
    if (high - low < 1e-3 * high) { /* one length: a bar in the middle, not noise */
        low = high * 0.95;
        high = high * 1.05 + 1e-12;
    }
    /* few rows in many bars would be a comb */
    bars = (size_t)(2 * sqrt((double)job->count));
    bars = bars < BINS_LEAST ? BINS_LEAST : bars > BINS ? BINS : bars;
    memset(job->points, 0, bars * sizeof *job->points);
    for (size_t i = 0; i < job->count; i++) {
        size_t bin = (size_t)((lengths[i] - low) / (high - low) * (double)bars);
        job->points[bin < bars ? bin : bars - 1] += 1;
    }
    free(lengths);
    snprintf(p->caption, sizeof p->caption, "%s rows x %zu dimensions: lengths %.4g +- %.2g",
             grouped(job->count), dim, job->mean_length, job->spread);
    snprintf(p->x_label, sizeof p->x_label, "length of a vector");
    snprintf(p->y_label, sizeof p->y_label, "rows");
    p->bars = job->points;
    p->bar_count = bars;
    p->bar_first = low;
    p->bar_width = (high - low) / (double)bars;
    p->ticks = true;
    p->whole_y = true;
    return VECNA_OK;
}

static vecna_status compose(plot_job *job, vecna_error *err) {
    static vecna_status (*const draw[])(plot_job *, vecna_error *) = {draw_map, draw_spectrum,
                                                                      draw_norms, draw_analogy};
    const plot_options *o = job->options;
    picture *p = &job->drawn;
    size_t room = 2 * job->count > DIRECTIONS_MOST ? 2 * job->count : DIRECTIONS_MOST;
    job->points = malloc(room * sizeof *job->points);
    if (job->points == NULL)
        return no_memory(job, err);
    const char *slash = strrchr(job->path, '/');
    snprintf(job->title, sizeof job->title, "%s",
             o->title ? o->title : (slash ? slash + 1 : job->path));
    p->title = job->title;
    vecna_status status = draw[o->kind](job, err);
    p->rows = job->rows;
    p->classes = o->labels ? &job->classes : NULL;
    p->names_most = o->names;
    if (p->names_most == 0 && !o->no_names)
        p->names_most = job->count <= 200 ? job->count : 0;
    bool page = strlen(o->out) > 5 && strcmp(o->out + strlen(o->out) - 5, ".html") == 0;
    bool named = false;
    for (size_t i = 0; i < job->count; i++)
        named = named || job->names[i];
    p->names = named && (page || p->names_most) && p->bar_count == 0 ? job->names : NULL;
    if (status != VECNA_OK)
        return status;
    return page ? write_page(p, o->out, err) : draw_picture(p, o->out, o->width, o->height, err);
}

/* ---- the command ----------------------------------------------------------------------------- */

static void figure(vecna_json_writer *json, const char *key, double value) {
    if (isnan(value))
        return;
    vecna_json_write_key(json, key);
    vecna_json_write_f64(json, value);
}

static int print_result(const plot_job *job) {
    static const char *const kinds[] = {"map", "spectrum", "norms", "analogy"};
    const plot_options *o = job->options;
    vecna_json_writer json;
    if (!o->json) {
        printf("%s: %s\n", o->out, job->drawn.caption);
        return EXIT_DONE;
    }
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "out");
    vecna_json_write_string(&json, o->out);
    vecna_json_write_key(&json, "kind");
    vecna_json_write_string(&json, kinds[o->kind]);
    vecna_json_write_key(&json, "rows");
    vecna_json_write_u64(&json, job->count);
    vecna_json_write_key(&json, "dim");
    vecna_json_write_u64(&json, job->file.vectors.dim);
    figure(&json, "share_1", job->share[0]);
    figure(&json, "share_2", job->share[1]);
    figure(&json, "divergence", job->divergence);
    figure(&json, "neighbours_kept", job->kept);
    figure(&json, "mean_length", job->mean_length);
    figure(&json, "length_deviation", job->spread);
    if (job->half) {
        figure(&json, "directions_50", (double)job->half);
        figure(&json, "directions_90", (double)job->most);
    }
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

/* The file, with its texts; for --words as every command finds words. */
static vecna_status read_rows(plot_job *job, vecna_error *err) {
    const plot_options *o = job->options;
    vecna_format_options format = format_options(&o->input);
    vecna_status status;
    if (o->words && o->texts == NULL) {
        status = load_words(job->path, &o->input, o->vocab, &job->worded, err);
        job->file = job->worded.file;
        memset(&job->worded.file, 0, sizeof job->worded.file);
        job->words = job->worded.words;
        return status;
    }
    status = load_vectors(job->path, &format, &job->file, err);
    if (status == VECNA_OK && o->texts)
        status = load_texts(o->texts, &format, &job->file, err);
    job->words = job->file.ids ? job->file.ids : job->file.texts;
    return status;
}

static int run_plot(plot_job *job) {
    const plot_options *o = job->options;
    vecna_error err;
    int exit_status = EXIT_DONE;
    vecna_status status = check_writable(o->out, &err);
    if (status == VECNA_OK)
        status = vecna_pool_new(o->threads, NULL, &job->pool, &err);
    if (status == VECNA_OK)
        status = read_rows(job, &err);
    if (status == VECNA_OK)
        status = check_finite(job->path, vecna_matrix_view(job->file.vectors), 0, &err);
    if (status == VECNA_OK)
        status = pick_rows(job, &err);
    if (status == VECNA_OK)
        status = copy_rows(job, &err);
    if (status == VECNA_OK)
        status = read_labels(job, &err);
    if (status == VECNA_OK)
        status = compose(job, &err);
    exit_status = status == VECNA_OK ? print_result(job) : fail_with(&err);
    free(job->rows);
    free(job->vectors);
    free(job->names);
    free(job->points);
    free_labels(&job->classes);
    unload(&job->file);
    unload_words(&job->worded);
    vecna_pool_free(job->pool);
    return exit_status;
}

static int check_options(const plot_options *o, const usage *use) {
    static const char *const endings[] = {".svg", ".png", ".pdf", ".html"};
    const char *dot = o->out ? strrchr(o->out, '.') : NULL;
    bool known = false;
    if (o->out == NULL)
        return usage_error(use, "say where the picture goes with -o (.svg, .png, .pdf or .html)");
    for (size_t i = 0; i < 4; i++)
        known = known || (dot && strcmp(dot, endings[i]) == 0);
    if (!known)
        return usage_error(use, "-o %s: the name must end in .svg, .png, .pdf or .html", o->out);
    if ((o->kind == KIND_SPECTRUM || o->kind == KIND_NORMS) && strcmp(dot, ".html") == 0)
        return usage_error(use, "--kind %s is drawn as .svg, .png or .pdf",
                           o->kind == KIND_NORMS ? "norms" : "spectrum");
    if ((o->kind == KIND_SPECTRUM || o->kind == KIND_NORMS) && o->labels)
        return usage_error(use, "--labels colours the points of a map, not --kind %s",
                           o->kind == KIND_NORMS ? "norms" : "spectrum");
    if ((o->kind == KIND_ANALOGY) != (o->words != NULL))
        return usage_error(use, "--kind analogy and --words go together");
    if (o->vocab && (o->words == NULL || o->texts))
        return usage_error(use, "--vocab names the words of --words, without --texts");
    if (o->kind == KIND_ANALOGY && o->labels)
        return usage_error(use, "--labels colours the points of a map, not words");
    if ((o->perplexity > 0 || o->iterations) && (o->kind != KIND_MAP || o->method != METHOD_TSNE))
        return usage_error(use, "--perplexity and --iterations belong to t-SNE");
    return -1;
}

int command_plot(int argc, char **argv) {
    plot_options o = {.width = 1000, .height = 760};
    const option options[] = {
        {"out", 'o', OPTION_TEXT, &o.out, "FILE",
         "the picture: .svg, .png, .pdf, or .html to look around in"},
        {"kind", 0, OPTION_CHOICE, &o.kind, "map|spectrum|norms|analogy",
         "rows as points (map), variance by direction,\nlengths, or pairs of words"},
        {"method", 'm', OPTION_CHOICE, &o.method, "tsne|pca",
         "of a map: t-SNE keeps neighbourhoods (tsne),\nprincipal components keep straight lines"},
        {"metric", 0, OPTION_CHOICE, &o.metric, "cosine|l2",
         "of a map: directions alone (cosine), or lengths too"},
        {"labels", 'l', OPTION_TEXT, &o.labels, "FILE",
         "colours: a line a row, a label or JSON with\nthe field \"label\""},
        {"label-field", 0, OPTION_TEXT, &o.label_field, "NAME", "field of --labels (label)"},
        {"texts", 't', OPTION_TEXT, &o.texts, "FILE",
         "texts and ids: a line a row, JSON with \"id\" and\n\"text\", or plain text"},
        {"words", 'w', OPTION_TEXT, &o.words, "A,B,C,D",
         "of an analogy: pairs of words, man,woman,king,queen"},
        {"vocab", 0, OPTION_TEXT, &o.vocab, "FILE",
         "its words, a line a row (default: in FILE itself, or\nits name with .vocab.txt)"},
        {"names", 'n', OPTION_COUNT, &o.names, "N",
         "texts shown beside points, where there is room\n(all up to 200 rows)"},
        {"no-names", 0, OPTION_FLAG, &o.no_names, NULL, "no texts beside points"},
        {"sample", 0, OPTION_COUNT, &o.sample, "N",
         "draw N rows, evenly spread (t-SNE: at most 20,000 rows)"},
        {"perplexity", 0, OPTION_NUMBER, &o.perplexity, "N",
         "neighbours that t-SNE attends to (30)"},
        {"iterations", 0, OPTION_COUNT, &o.iterations, "N", "steps of t-SNE (1000)"},
        {"seed", 0, OPTION_WHOLE, &o.seed, "N", "of t-SNE (0)"},
        {"title", 0, OPTION_TEXT, &o.title, "TEXT", "(the file's name)"},
        {"width", 0, OPTION_COUNT, &o.width, "N", "of the picture (1000)"},
        {"height", 0, OPTION_COUNT, &o.height, "N", "(760)"},
        {"json", 0, OPTION_FLAG, &o.json, NULL, "one JSON object"},
        {"threads", 0, OPTION_COUNT, &o.threads, "N", "(default: the CPUs allowed)"},
        INPUT_OPTIONS(o.input),
    };
    const usage use = {
        "vecna plot FILE -o PICTURE [options]",
        "Draws a space: its rows as points, its variance by direction, its lengths, or pairs of\n"
        "words. Every picture says how much of the space it shows.",
        options,
        sizeof options / sizeof options[0],
        "  vecna plot vectors.npy -o map.svg --labels topics.txt\n"
        "  vecna plot vectors.jsonl -o map.html\n"
        "  vecna plot words.txt -o analogy.png --kind analogy --words man,woman,king,queen\n",
        1,
        1};
    const char *path;
    size_t count;
    plot_job job;
    int status = parse_arguments(argc, argv, &use, &path, &count);
    if (status >= 0)
        return status;
    status = check_options(&o, &use);
    if (status >= 0)
        return status;
    memset(&job, 0, sizeof job);
    job.share[0] = job.share[1] = job.divergence = job.kept = NAN;
    job.mean_length = job.spread = NAN;
    job.options = &o;
    job.path = path;
    return run_plot(&job);
}
