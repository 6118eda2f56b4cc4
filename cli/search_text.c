/* vecna search --text: texts ask, through a model in this process, a file of that model's vectors or a
 * folder of pictures. */
#include "cli/picture_model.h"
#include "cli/search.h"

vecna_status search_texts(search_job *job, const char *path, rank_options *ranking,
                          vecna_error *err) {
    const search_options *o = job->options;
    const bool pictures = is_folder(path);
    text_model model = {0};
    vecna_status status =
        pictures ? open_picture_model(o->model, &model, err) : open_model(o->model, &model, err);
    if (status != VECNA_OK)
        return status;
    status = embed_texts(&model, o->texts.items, o->texts.count, &job->asked, err);
    if (status == VECNA_OK)
        status = choose_queries(job, err);
    if (status == VECNA_OK && pictures)
        status = embed_pictures(&model, path, &job->corpus, err);
    if (status == VECNA_OK && pictures)
        status =
            rank_rows(vecna_matrix_view(job->corpus.vectors),
                      vecna_view_dense(job->gathered, job->picked_count, job->corpus.vectors.dim),
                      ranking, &job->hits, err);
    else if (status == VECNA_OK)
        status = search_file(job, path, &job->corpus, ranking, &job->hits, err);
    if (status == VECNA_ERR_DIM && !pictures)
        status =
            vecna_error_set(err, VECNA_ERR_DIM, -1,
                            "%s is not of %zu dimensions, as texts are by %s: name the model "
                            "that made it with --model",
                            path, model_dim(&model), o->model ? o->model : "the built-in model");
    close_model(&model);
    return status;
}
