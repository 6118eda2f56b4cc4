/* Pictures and texts through a model (cli/picture_model.h). */
#include "cli/picture_model.h"

#include <stdlib.h>
#include <string.h>

vecna_status open_picture_model(const char *path, text_model *out, vecna_error *err) {
    vecna_status status = open_model(path, out, err);
    if (status != VECNA_OK || (out->table && vecna_model_about(out->table).shape))
        return status;
    close_model(out);
    memset(out, 0, sizeof *out);
    return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                           "%s knows texts alone; vecna train clip makes models of pictures, and "
                           "--model names one",
                           path ? path : "the built-in model");
}

static vecna_status start_rows(const text_model *model, const char *path, size_t rows, loaded *out,
                               vecna_error *err) {
    const size_t dim = model_dim(model);
    out->path = path;
    out->vectors = (vecna_matrix){vecna_allocate(NULL, rows, dim * sizeof(float)), rows, dim, dim};
    out->about.rows = (int64_t)rows;
    out->about.dim = dim;
    return out->vectors.data ? VECNA_OK
                             : vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                               "not enough memory for %zu vectors", rows);
}

vecna_status embed_pictures(const text_model *model, const char *path, loaded *out,
                            vecna_error *err) {
    const vecna_image_shape *shape = vecna_model_about(model->table).shape;
    const picture_size size = {shape->height, shape->width, shape->channels};
    picture_set pictures = {0};
    loaded file = {0};
    vecna_pool *pool = NULL;
    vecna_status status = load_pictures(path, size, &pictures, err);
    if (status == VECNA_OK)
        status = vecna_pool_new(0, NULL, &pool, err);
    if (status == VECNA_OK)
        status = start_rows(model, path, pictures.all.count, &file, err);
    if (status == VECNA_OK)
        status = vecna_model_embed_pictures(model->table, &pictures.all, file.vectors, pool, err);
    if (status == VECNA_OK && pictures.names)
        status = keep_names(&file, (const char *const *)pictures.names, &file.ids, err);
    vecna_pool_free(pool);
    free_pictures(&pictures);
    if (status != VECNA_OK) {
        unload(&file);
        return status;
    }
    *out = file;
    return VECNA_OK;
}

typedef struct text_turn {
    const char *const *texts;
    size_t count, next, taken;
    loaded *file;
} text_turn;

static int next_text(void *user, const char **text, size_t *bytes) {
    text_turn *turn = user;
    if (turn->next == turn->count)
        return 0;
    *text = turn->texts[turn->next++];
    *bytes = strlen(*text);
    return 1;
}

static int take_rows(void *user, const float *rows, size_t count, size_t dim) {
    text_turn *turn = user;
    memcpy(turn->file->vectors.data + turn->taken * dim, rows, count * dim * sizeof *rows);
    turn->taken += count;
    return 0;
}

vecna_status embed_texts(const text_model *model, const char *const *texts, size_t count,
                         loaded *out, vecna_error *err) {
    loaded file = {0};
    text_turn turn = {texts, count, 0, 0, &file};
    const embed_model_options options = {
        .model = model, .next = next_text, .take = take_rows, .user = &turn};
    vecna_status status = start_rows(model, "the texts", count, &file, err);
    if (status == VECNA_OK)
        status = embed_by_model(&options, err);
    if (status == VECNA_OK)
        status = keep_names(&file, texts, &file.texts, err);
    if (status != VECNA_OK) {
        unload(&file);
        return status;
    }
    *out = file;
    return VECNA_OK;
}

/* ---- vecna embed --images ------------------------------------------------------------------------ */

static vecna_status write_row(vecna_writer *writer, const loaded *file, size_t row,
                              vecna_error *err) {
    vecna_record record = {0};
    vecna_field field = {.name = {"id", 2}, .kind = VECNA_FIELD_JSON};
    vecna_json_writer quoted;
    char number[24];
    const char *id = file->ids ? file->ids[row] : number;
    snprintf(number, sizeof number, "%zu", row);
    vecna_json_writer_init(&quoted, 0, NULL);
    if (file->ids)
        vecna_json_write_string(&quoted, id);
    else
        vecna_json_write_u64(&quoted, row);
    field.value.data = quoted.text;
    field.value.bytes = quoted.bytes;
    record.id.data = id;
    record.id.bytes = strlen(id);
    record.fields = &field;
    record.field_count = record.vector_at = 1;
    vecna_status status = vecna_json_writer_finish(&quoted, err);
    if (status == VECNA_OK)
        status = vecna_writer_write(
            writer,
            vecna_view_dense(file->vectors.data + row * file->vectors.stride, 1, file->vectors.dim),
            &record, err);
    vecna_json_writer_free(&quoted);
    return status;
}

vecna_status embed_images(const text_model *model, const char *images, const char *out,
                          const char *format, size_t *rows, vecna_error *err) {
    vecna_writer *writer = NULL;
    loaded file = {0};
    vecna_status status = embed_pictures(model, images, &file, err);
    const vecna_writer_options options = {
        .format = format, .dim = model_dim(model), .rows = file.vectors.rows, .id_field = "id"};
    if (status == VECNA_OK)
        status = vecna_writer_open(out, &options, &writer, err);
    for (size_t i = 0; status == VECNA_OK && i < file.vectors.rows; i++)
        status = write_row(writer, &file, i, err);
    if (status == VECNA_OK)
        status = vecna_writer_commit(writer, err);
    else
        vecna_writer_discard(writer);
    *rows = file.vectors.rows;
    unload(&file);
    return status;
}
