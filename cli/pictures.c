/* Pictures out of files (cli/pictures.h). PNG is cairo's to read; what stands in its header is looked at
 * before, so that a small file cannot ask for much memory. */
#include "cli/pictures.h"

#include <cairo/cairo.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE_MOST = 16384, PIXELS_MOST = 1 << 26, DEFAULT_CHANNELS = 3 };

static const unsigned char png_magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

static vecna_status no_room(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for the pictures");
}

static bool ends_with(const char *text, const char *end) {
    const size_t bytes = strlen(text), last = strlen(end);
    if (bytes < last)
        return false;
    for (size_t i = 0; i < last; i++)
        if ((text[bytes - last + i] | 0x20) != (end[i] | 0x20))
            return false;
    return true;
}

bool is_array(const char *path) {
    return ends_with(path, ".npy");
}

bool is_folder(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

int take_picture_size(const char *text, picture_size *out) {
    size_t numbers[3] = {0, 0, DEFAULT_CHANNELS}, count = 0;
    while (count < 3) {
        char *end;
        if (*text < '1' || *text > '9')
            return 0;
        numbers[count++] = strtoul(text, &end, 10);
        if (*end == '\0')
            break;
        if (*end != 'x')
            return 0;
        text = end + 1;
    }
    if (count < 2 || numbers[0] < 4 || numbers[0] > VECNA_IMAGE_SIDE_MOST || numbers[1] < 4 ||
        numbers[1] > VECNA_IMAGE_SIDE_MOST || (numbers[2] != 1 && numbers[2] != 3))
        return 0;
    *out = (picture_size){numbers[0], numbers[1], numbers[2]};
    return 1;
}

void free_pictures(picture_set *pictures) {
    for (size_t i = 0; pictures->names && i < pictures->all.count; i++)
        free(pictures->names[i]);
    free(pictures->names);
    free(pictures->memory);
    memset(pictures, 0, sizeof *pictures);
}

/* ---- PNG --------------------------------------------------------------------------------------- */

typedef struct png_bytes {
    const unsigned char *at, *end;
} png_bytes;

static cairo_status_t give_bytes(void *user, unsigned char *data, unsigned int length) {
    png_bytes *bytes = user;
    if ((size_t)(bytes->end - bytes->at) < length)
        return CAIRO_STATUS_READ_ERROR;
    memcpy(data, bytes->at, length);
    bytes->at += length;
    return CAIRO_STATUS_SUCCESS;
}

static size_t big_endian(const unsigned char *at) {
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

static vecna_status check_png(const char *path, const unsigned char *data, size_t bytes,
                              vecna_error *err) {
    if (bytes < 33 || memcmp(data, png_magic, sizeof png_magic) != 0)
        return vecna_error_set(err, VECNA_ERR_FORMAT, 0,
                               "%s is no PNG: convert it, or give a .npy of bytes", path);
    const size_t width = big_endian(data + 16), height = big_endian(data + 20);
    if (width == 0 || height == 0 || width > SIDE_MOST || height > SIDE_MOST ||
        width * height > PIXELS_MOST)
        return vecna_error_set(err, VECNA_ERR_FORMAT, 16,
                               "%s is %zu x %zu: sides of 1 to %d, %d pixels at most", path, width,
                               height, SIDE_MOST, PIXELS_MOST);
    return VECNA_OK;
}

/* On white, three bytes a pixel; to be freed. */
static uint8_t *on_white(cairo_surface_t *png, int width, int height) {
    cairo_surface_t *page = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t *pen = cairo_create(page);
    uint8_t *out = NULL;
    cairo_set_source_rgb(pen, 1, 1, 1);
    cairo_paint(pen);
    cairo_set_source_surface(pen, png, 0, 0);
    cairo_paint(pen);
    if (cairo_status(pen) == CAIRO_STATUS_SUCCESS)
        out = malloc((size_t)width * (size_t)height * 3);
    cairo_surface_flush(page);
    const unsigned char *rows = cairo_image_surface_get_data(page);
    const size_t stride = (size_t)cairo_image_surface_get_stride(page);
    for (size_t i = 0; out && i < (size_t)width * (size_t)height; i++) {
        uint32_t pixel;
        memcpy(&pixel, rows + i / (size_t)width * stride + i % (size_t)width * 4, sizeof pixel);
        out[3 * i] = (uint8_t)(pixel >> 16);
        out[3 * i + 1] = (uint8_t)(pixel >> 8);
        out[3 * i + 2] = (uint8_t)pixel;
    }
    cairo_destroy(pen);
    cairo_surface_destroy(page);
    return out;
}

/* A whole PNG as it is; out->data is to be freed. */
static vecna_status read_png(const char *path, vecna_pictures *out, uint8_t **memory,
                             vecna_error *err) {
    char *data = NULL;
    size_t bytes = 0;
    vecna_status status = read_file(path, &data, &bytes, err);
    if (status != VECNA_OK)
        return status;
    status = check_png(path, (const unsigned char *)data, bytes, err);
    if (status == VECNA_OK) {
        png_bytes from = {(const unsigned char *)data, (const unsigned char *)data + bytes};
        cairo_surface_t *png = cairo_image_surface_create_from_png_stream(give_bytes, &from);
        const cairo_status_t problem = cairo_surface_status(png);
        if (problem == CAIRO_STATUS_SUCCESS) {
            const int width = cairo_image_surface_get_width(png);
            const int height = cairo_image_surface_get_height(png);
            *memory = on_white(png, width, height);
            *out = (vecna_pictures){*memory, 1, (size_t)height, (size_t)width, 3};
            status = *memory ? VECNA_OK : no_room(err);
        } else {
            status = vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s is a damaged PNG: %s", path,
                                     cairo_status_to_string(problem));
        }
        cairo_surface_destroy(png);
    }
    free(data);
    return status;
}

/* ---- sets --------------------------------------------------------------------------------------- */

/* Room for `count` pictures of a size. */
static vecna_status start_set(picture_size size, size_t count, picture_set *set, vecna_error *err) {
    size_t all;
    if (!vecna_size_mul(size.height * size.width * size.channels, count ? count : 1, &all) ||
        (set->memory = malloc(all)) == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                               "not enough memory for %zu pictures of %zu x %zu", count,
                               size.height, size.width);
    set->all = (vecna_pictures){set->memory, count, size.height, size.width, size.channels};
    return VECNA_OK;
}

static uint8_t *place_of(const picture_set *set, size_t i) {
    return set->memory + i * set->all.height * set->all.width * set->all.channels;
}

static vecna_status fit_in(const vecna_pictures *one, size_t i, picture_set *set,
                           vecna_error *err) {
    return vecna_image_resize(one, set->all.height, set->all.width, set->all.channels,
                              place_of(set, i), err);
}

static vecna_status add_png(const char *path, size_t i, size_t count, picture_size size,
                            picture_set *set, vecna_error *err) {
    vecna_pictures one;
    uint8_t *memory = NULL;
    vecna_status status = read_png(path, &one, &memory, err);
    if (status == VECNA_OK && set->memory == NULL) {
        const picture_size own = {one.height, one.width, one.channels};
        status = start_set(size.height ? size : own, count, set, err);
    }
    if (status == VECNA_OK)
        status = fit_in(&one, i, set, err);
    free(memory);
    return status;
}

vecna_status load_named_pictures(const char *folder, const char *const *names, size_t count,
                                 picture_size size, picture_set *out, vecna_error *err) {
    picture_set set = {0};
    progress meter;
    vecna_status status = VECNA_OK;
    progress_start(&meter, "reading pictures", (int64_t)count);
    for (size_t i = 0; i < count && status == VECNA_OK; i++) {
        const size_t bytes = strlen(folder) + strlen(names[i]) + 2;
        char *path = malloc(bytes);
        if (path == NULL) {
            status = no_room(err);
            break;
        }
        snprintf(path, bytes, "%s%s%s", folder, folder[0] ? "/" : "", names[i]);
        status = add_png(names[i][0] == '/' ? names[i] : path, i, count, size, &set, err);
        free(path);
        progress_add(&meter, 1);
    }
    progress_end(&meter);
    if (status != VECNA_OK) {
        set.names = NULL;
        free_pictures(&set);
        return status;
    }
    *out = set;
    return VECNA_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The .png of a folder, by their names. */
static vecna_status list_folder(const char *path, char ***names, size_t *count, vecna_error *err) {
    DIR *folder = opendir(path);
    size_t room = 0;
    vecna_status status = VECNA_OK;
    if (folder == NULL)
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot open the folder %s", path);
    for (const struct dirent *entry; status == VECNA_OK && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.' || !ends_with(entry->d_name, ".png"))
            continue;
        if (*count == room) {
            char **grown = realloc(*names, (room = room ? 2 * room : 256) * sizeof *grown);
            *names = grown ? grown : *names;
            status = grown ? VECNA_OK : no_room(err);
        }
        if (status == VECNA_OK && ((*names)[*count] = strdup(entry->d_name)) == NULL)
            status = no_room(err);
        *count += status == VECNA_OK;
    }
    closedir(folder);
    if (status == VECNA_OK && *count == 0)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1, "the folder %s has no .png", path);
    if (status == VECNA_OK)
        qsort(*names, *count, sizeof **names, by_name);
    return status;
}

static vecna_status load_folder(const char *path, picture_size size, picture_set *out,
                                vecna_error *err) {
    char **names = NULL;
    size_t count = 0;
    vecna_status status = list_folder(path, &names, &count, err);
    if (status == VECNA_OK)
        status = load_named_pictures(path, (const char *const *)names, count, size, out, err);
    if (status == VECNA_OK) {
        out->names = names;
        return VECNA_OK;
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return status;
}

/* ---- arrays ------------------------------------------------------------------------------------- */

typedef struct array_visit {
    picture_size size;
    picture_set set;
    uint8_t *row; /* one picture as it is */
} array_visit;

static vecna_status shape_of(const loaded *file, vecna_pictures *one, vecna_error *err) {
    const size_t *inner = file->about.inner;
    const size_t channels = inner[2] ? inner[2] : 1;
    if (inner[1] == 0 || inner[3] != 0 || (channels != 1 && channels != 3))
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "%s holds no pictures: an array of (count, height, width) or of "
                               "(count, height, width, 3) does",
                               file->path);
    *one = (vecna_pictures){NULL, 1, inner[0], inner[1], channels};
    return VECNA_OK;
}

static vecna_status visit_array(void *user, const loaded *file, const vecna_block *block,
                                vecna_error *err) {
    array_visit *visit = user;
    vecna_pictures one;
    vecna_status status = shape_of(file, &one, err);
    if (status == VECNA_OK && visit->set.memory == NULL) {
        const picture_size own = {one.height, one.width, one.channels};
        visit->row = malloc(file->about.dim);
        status = visit->row && file->about.rows >= 0 ? VECNA_OK : no_room(err);
        if (status == VECNA_OK)
            status = start_set(visit->size.height ? visit->size : own, (size_t)file->about.rows,
                               &visit->set, err);
    }
    one.data = visit->row;
    for (size_t i = 0; i < block->vectors.rows && status == VECNA_OK; i++) {
        const float *row = block->vectors.data + i * block->vectors.stride;
        const size_t number = (size_t)block->first_row + i;
        for (size_t j = 0; j < block->vectors.dim; j++) {
            if (!(row[j] >= 0 && row[j] <= 255) || row[j] != (float)(int)row[j])
                return vecna_error_set(
                    err, VECNA_ERR_VALUE, (int64_t)number,
                    "%s: picture %zu has a pixel of %g; pixels are whole numbers "
                    "of 0 to 255: save (x * 255).astype('uint8')",
                    file->path, number, (double)row[j]);
            visit->row[j] = (uint8_t)row[j];
        }
        status = fit_in(&one, number, &visit->set, err);
    }
    return status;
}

static vecna_status load_array(const char *path, picture_size size, picture_set *out,
                               vecna_error *err) {
    const vecna_format_options options = {.format = "npy", .any_axes = 1};
    array_visit visit = {.size = size};
    loaded file = {0};
    vecna_status status = load_visiting(path, &options, visit_array, &visit, &file, err);
    if (status == VECNA_OK && visit.set.all.count == 0)
        status = vecna_error_set(err, VECNA_ERR_FORMAT, -1, "%s holds no picture", path);
    free(visit.row);
    unload(&file);
    if (status != VECNA_OK) {
        free_pictures(&visit.set);
        return status;
    }
    *out = visit.set;
    return VECNA_OK;
}

vecna_status load_pictures(const char *path, picture_size size, picture_set *out,
                           vecna_error *err) {
    if (is_folder(path))
        return load_folder(path, size, out, err);
    if (is_array(path))
        return load_array(path, size, out, err);
    return load_named_pictures("", &path, 1, size, out, err);
}
