/* Files are listed before the first is opened, so that the size of the work is known and a folder is
 * read in the same order on every machine. What a file is (plain, gzip, xz) its first bytes tell,
 * never its name: a renamed file is read rightly, and standard input may be packed too.
 *
 * One buffer holds unpacked text. A piece is a view of it; what is left over moves to the front when
 * more is read. The buffer grows only for a word that does not fit. */
#include "text/text_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { PACKED_BYTES = 1 << 16, TEXT_BYTES = 1 << 17, PIECE_MOST = 1 << 20, DEPTH_MOST = 64 };
#define XZ_MEMORY ((uint64_t)1 << 30)

typedef enum packing { PACKING_UNKNOWN, PACKING_NONE, PACKING_GZIP, PACKING_XZ } packing;

struct vecna_source {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    lzma_allocator xz_allocator;
    char **paths;
    size_t path_count, path_capacity, path_next; /* path_next: behind the open one */
    int descriptor;                              /* -1: none is open */
    packing packing;
    int packed_ended; /* the file has no more bytes */
    int text_ended;   /* and none are left to unpack */
    int between;      /* a gzip member has ended: another one, or the end, follows */
    z_stream gzip;
    lzma_stream xz;
    unsigned char *packed; /* PACKED_BYTES; [packed_at, packed_end) is not yet unpacked */
    size_t packed_at, packed_end;
    char *text; /* [text_at, text_end) is not yet given away */
    size_t text_at, text_end, text_capacity;
    int file_start;
    uint64_t bytes_read, bytes_total;
};

int vni_text_grow(const vecna_allocator *allocator, void **array, size_t *capacity, size_t needed,
                  size_t size) {
    size_t grown = *capacity ? *capacity : 1024;
    void *memory;
    while (grown < needed)
        if (!vecna_size_mul(grown, 2, &grown))
            return 0;
    memory = vecna_resize(allocator, *array, grown, size);
    if (memory == NULL)
        return 0;
    *array = memory;
    *capacity = grown;
    return 1;
}

static vecna_status no_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to read text");
}

static vecna_status failed_on(const char *path, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read %s: %s", path, strerror(errno));
}

/* ---- which files ----------------------------------------------------------------------------- */

static vecna_status add_path(vecna_source *source, char *path, uint64_t bytes, vecna_error *err) {
    void *paths = source->paths;
    if (!vni_text_reserve(source->allocator, &paths, &source->path_capacity, source->path_count + 1,
                          sizeof *source->paths)) {
        vecna_release(source->allocator, path);
        return no_memory(err);
    }
    source->paths = paths;
    source->paths[source->path_count++] = path;
    source->bytes_total += bytes;
    return VECNA_OK;
}

static char *joined(vecna_source *source, const char *folder, const char *name) {
    size_t head = strlen(folder), tail = strlen(name);
    char *path = vecna_allocate(source->allocator, head + tail + 2, 1);
    if (path == NULL)
        return NULL;
    memcpy(path, folder, head);
    path[head] = '/';
    memcpy(path + head + 1, name, tail + 1);
    return path;
}

static vecna_status list_folder(vecna_source *source, const char *folder, size_t depth,
                                vecna_error *err);

static vecna_status list_entry(vecna_source *source, const char *folder, const char *name,
                               size_t depth, vecna_error *err) {
    char *path = joined(source, folder, name);
    struct stat about, target;
    vecna_status status = VECNA_OK;
    if (path == NULL)
        return no_memory(err);
    if (lstat(path, &about) != 0 || stat(path, &target) != 0) {
        status = failed_on(path, err);
    } else if (S_ISREG(target.st_mode)) {
        return add_path(source, path, (uint64_t)target.st_size, err);
    } else if (S_ISDIR(about.st_mode)) {
        if (depth == DEPTH_MOST)
            status = vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                                     "%.150s lies more than %d folders deep", path, DEPTH_MOST);
        else
            status = list_folder(source, path, depth + 1, err);
    }
    vecna_release(source->allocator, path);
    return status;
}

static vecna_status list_folder(vecna_source *source, const char *folder, size_t depth,
                                vecna_error *err) {
    DIR *open = opendir(folder);
    struct dirent *entry;
    vecna_status status = VECNA_OK;
    if (open == NULL)
        return failed_on(folder, err);
    while (status == VECNA_OK && (errno = 0, entry = readdir(open)) != NULL)
        if (entry->d_name[0] != '.')
            status = list_entry(source, folder, entry->d_name, depth, err);
    if (status == VECNA_OK && errno)
        status = failed_on(folder, err);
    closedir(open);
    return status;
}

static int compare_paths(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static vecna_status list_files(vecna_source *source, const char *path, vecna_error *err) {
    struct stat about;
    size_t bytes = strlen(path) + 1;
    char *copy;
    memset(&about, 0, sizeof about);
    if (strcmp(path, "-") != 0 && stat(path, &about) != 0)
        return failed_on(path, err);
    if (S_ISDIR(about.st_mode)) {
        vecna_status status = list_folder(source, path, 0, err);
        if (status == VECNA_OK && source->path_count == 0)
            status =
                vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1, "there is no file below %s", path);
        if (status == VECNA_OK)
            qsort(source->paths, source->path_count, sizeof *source->paths, compare_paths);
        return status;
    }
    copy = vecna_allocate(source->allocator, bytes, 1);
    if (copy == NULL)
        return no_memory(err);
    memcpy(copy, path, bytes);
    return add_path(source, copy, S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0, err);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void *gzip_allocate(void *user, unsigned count, unsigned size) {
    return vecna_allocate(user, count, size);
}

static void gzip_release(void *user, void *memory) {
    vecna_release(user, memory);
}

static void *xz_allocate(void *user, size_t count, size_t size) {
    vecna_source *source = user;
    return vecna_allocate(source->allocator, count, size);
}

static void xz_release(void *user, void *memory) {
    vecna_source *source = user;
    vecna_release(source->allocator, memory);
}

static void close_file(vecna_source *source) {
    if (source->packing == PACKING_GZIP)
        inflateEnd(&source->gzip);
    if (source->packing == PACKING_XZ)
        lzma_end(&source->xz);
    source->packing = PACKING_UNKNOWN;
    if (source->descriptor > STDIN_FILENO)
        close(source->descriptor);
    source->descriptor = -1;
}

void vecna_source_close(vecna_source *source) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (source == NULL)
        return;
    if (source->allocator) {
        copy = source->allocator_copy;
        allocator = &copy;
    }
    close_file(source);
    for (size_t i = 0; i < source->path_count; i++)
        vecna_release(allocator, source->paths[i]);
    vecna_release(allocator, source->paths);
    vecna_release(allocator, source->packed);
    vecna_release(allocator, source->text);
    vecna_release(allocator, source);
}

vecna_status vecna_source_open(const char *path, const vecna_allocator *allocator,
                               vecna_source **out, vecna_error *err) {
    vecna_source *source = vecna_allocate_zero(allocator, 1, sizeof *source);
    vecna_status status;
    if (source == NULL)
        return no_memory(err);
    source->descriptor = -1;
    if (allocator) {
        source->allocator_copy = *allocator;
        source->allocator = &source->allocator_copy;
    }
    source->xz_allocator.alloc = xz_allocate;
    source->xz_allocator.free = xz_release;
    source->xz_allocator.opaque = source;
    source->packed = vecna_allocate(allocator, PACKED_BYTES, 1);
    source->text = vecna_allocate(allocator, TEXT_BYTES, 1);
    source->text_capacity = TEXT_BYTES;
    source->text_ended = 1;
    status = source->packed && source->text ? list_files(source, path, err) : no_memory(err);
    if (status != VECNA_OK) {
        vecna_source_close(source);
        return status;
    }
    *out = source;
    return VECNA_OK;
}

uint64_t vecna_source_bytes_read(const vecna_source *source) {
    return source->bytes_read;
}

uint64_t vecna_source_bytes_total(const vecna_source *source) {
    return source->bytes_total;
}

static const char *name_of(const vecna_source *source) {
    return source->paths[source->path_next - 1];
}

/* ---- unpacking ------------------------------------------------------------------------------- */

/* More bytes of the file behind those that wait. */
static vecna_status fill_packed(vecna_source *source, vecna_error *err) {
    memmove(source->packed, source->packed + source->packed_at,
            source->packed_end - source->packed_at);
    source->packed_end -= source->packed_at;
    source->packed_at = 0;
    while (!source->packed_ended && source->packed_end < PACKED_BYTES) {
        ssize_t got = read(source->descriptor, source->packed + source->packed_end,
                           PACKED_BYTES - source->packed_end);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return failed_on(name_of(source), err);
        if (got == 0)
            source->packed_ended = 1;
        source->packed_end += (size_t)got;
        source->bytes_read += (uint64_t)got;
    }
    return VECNA_OK;
}

static vecna_status damaged(const vecna_source *source, const char *kind, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                           "%.150s is damaged: its %s data cannot be unpacked", name_of(source),
                           kind);
}

static vecna_status cut_off(const vecna_source *source, const char *kind, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_TRUNCATED, -1, "%.150s ends in the middle of its %s data",
                           name_of(source), kind);
}

/* Which packing the first bytes tell, and its decoder. */
static vecna_status start_unpacking(vecna_source *source, vecna_error *err) {
    static const unsigned char xz_magic[6] = {0xFD, '7', 'z', 'X', 'Z', 0};
    const unsigned char *first = source->packed;
    if (source->packed_end >= 3 && first[0] == 0x1F && first[1] == 0x8B && first[2] == 8) {
        memset(&source->gzip, 0, sizeof source->gzip);
        source->gzip.zalloc = gzip_allocate;
        source->gzip.zfree = gzip_release;
        source->gzip.opaque = source->allocator ? &source->allocator_copy : NULL;
        if (inflateInit2(&source->gzip, 15 + 16) != Z_OK)
            return no_memory(err);
        source->packing = PACKING_GZIP;
        source->between = 0;
    } else if (source->packed_end >= 6 && memcmp(first, xz_magic, 6) == 0) {
        lzma_stream empty = LZMA_STREAM_INIT;
        source->xz = empty;
        source->xz.allocator = &source->xz_allocator;
        if (lzma_stream_decoder(&source->xz, XZ_MEMORY, LZMA_CONCATENATED) != LZMA_OK)
            return no_memory(err);
        source->packing = PACKING_XZ;
    } else {
        source->packing = PACKING_NONE;
    }
    return VECNA_OK;
}

static vecna_status open_next(vecna_source *source, vecna_error *err) {
    const char *path = source->paths[source->path_next++];
    vecna_status status;
    source->descriptor = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY);
    if (source->descriptor < 0)
        return failed_on(path, err);
    source->packed_at = source->packed_end = 0;
    source->packed_ended = source->text_ended = 0;
    source->file_start = 1;
    status = fill_packed(source, err);
    return status == VECNA_OK ? start_unpacking(source, err) : status;
}

/* One step of gzip: *made bytes into out. */
static vecna_status unpack_gzip(vecna_source *source, char *out, size_t room, size_t *made,
                                vecna_error *err) {
    int result;
    if (source->between) {
        if (source->packed_at == source->packed_end) {
            source->text_ended = 1;
            return VECNA_OK;
        }
        inflateReset(&source->gzip);
        source->between = 0;
    }
    source->gzip.next_in = source->packed + source->packed_at;
    source->gzip.avail_in = (unsigned)(source->packed_end - source->packed_at);
    source->gzip.next_out = (unsigned char *)out;
    source->gzip.avail_out = (unsigned)room;
    result = inflate(&source->gzip, Z_NO_FLUSH);
    source->packed_at = source->packed_end - source->gzip.avail_in;
    *made = room - source->gzip.avail_out;
    if (result == Z_STREAM_END) {
        source->between = 1;
        return VECNA_OK;
    }
    if (result == Z_MEM_ERROR)
        return no_memory(err);
    if (result != Z_OK && result != Z_BUF_ERROR)
        return damaged(source, "gzip", err);
    if (*made == 0 && source->packed_ended && source->gzip.avail_in == 0)
        return cut_off(source, "gzip", err);
    return VECNA_OK;
}

static vecna_status unpack_xz(vecna_source *source, char *out, size_t room, size_t *made,
                              vecna_error *err) {
    lzma_ret result;
    source->xz.next_in = source->packed + source->packed_at;
    source->xz.avail_in = source->packed_end - source->packed_at;
    source->xz.next_out = (unsigned char *)out;
    source->xz.avail_out = room;
    result = lzma_code(&source->xz, source->packed_ended ? LZMA_FINISH : LZMA_RUN);
    source->packed_at = source->packed_end - source->xz.avail_in;
    *made = room - source->xz.avail_out;
    if (result == LZMA_STREAM_END)
        source->text_ended = 1;
    else if (result == LZMA_MEM_ERROR)
        return no_memory(err);
    else if (result == LZMA_MEMLIMIT_ERROR)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "%.150s takes more than 1 GiB to unpack; pack it with a smaller "
                               "dictionary",
                               name_of(source));
    else if (result == LZMA_BUF_ERROR)
        return cut_off(source, "xz", err);
    else if (result != LZMA_OK)
        return damaged(source, "xz", err);
    return VECNA_OK;
}

/* More text behind what waits; none means that the file has ended. */
static vecna_status fill_text(vecna_source *source, vecna_error *err) {
    size_t room = source->text_capacity - source->text_end, made = 0;
    vecna_status status = VECNA_OK;
    while (status == VECNA_OK && made == 0 && !source->text_ended) {
        char *out = source->text + source->text_end;
        if (source->packed_at == source->packed_end && !source->packed_ended)
            status = fill_packed(source, err);
        if (status != VECNA_OK)
            break;
        if (source->packing == PACKING_GZIP) {
            status = unpack_gzip(source, out, room, &made, err);
        } else if (source->packing == PACKING_XZ) {
            status = unpack_xz(source, out, room, &made, err);
        } else {
            size_t waiting = source->packed_end - source->packed_at;
            made = waiting < room ? waiting : room;
            memcpy(out, source->packed + source->packed_at, made);
            source->packed_at += made;
            source->text_ended = made == 0;
        }
    }
    source->text_end += made;
    return status;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* Room for more: what waits moves to the front, and the buffer grows when it is full of one word. */
static vecna_status make_room(vecna_source *source, vecna_error *err) {
    size_t waiting = source->text_end - source->text_at;
    memmove(source->text, source->text + source->text_at, waiting);
    source->text_at = 0;
    source->text_end = waiting;
    if (waiting > source->text_capacity / 2) {
        void *text = source->text;
        if (!vni_text_reserve(source->allocator, &text, &source->text_capacity,
                              source->text_capacity + 1, 1))
            return no_memory(err);
        source->text = text;
    }
    return VECNA_OK;
}

static int is_blank(char c) {
    return c == ' ' || c == '\t';
}

static void take(vecna_source *source, size_t bytes, size_t skip, int ends_line, vecna_piece *out) {
    out->data = source->text + source->text_at;
    out->bytes = bytes;
    out->ends_line = ends_line;
    source->text_at += bytes + skip;
    if (ends_line && out->bytes > 0 && out->data[out->bytes - 1] == '\r')
        out->bytes--;
    if (source->file_start && out->bytes >= 3 && memcmp(out->data, "\xEF\xBB\xBF", 3) == 0) {
        out->data += 3;
        out->bytes -= 3;
    }
    source->file_start = 0;
    out->ends_file = source->text_ended && source->text_at == source->text_end;
}

/* The piece that the waiting text has, if any; `scanned` bytes of it hold no line end. */
static int find_piece(vecna_source *source, size_t *scanned, vecna_piece *out) {
    const char *start = source->text + source->text_at;
    size_t waiting = source->text_end - source->text_at;
    const char *end = memchr(start + *scanned, '\n', waiting - *scanned);
    if (end) {
        take(source, (size_t)(end - start), 1, 1, out);
        return 1;
    }
    *scanned = waiting;
    if (waiting < PIECE_MOST)
        return 0;
    for (size_t at = waiting; at > 0; at--)
        if (is_blank(start[at - 1])) {
            take(source, at - 1, 1, 0, out);
            return 1;
        }
    return 0;
}

vecna_status vecna_source_piece(vecna_source *source, vecna_piece *out, int *more,
                                vecna_error *err) {
    size_t scanned = 0;
    vecna_status status;
    for (;;) {
        size_t before;
        if (source->descriptor < 0) {
            if (source->path_next == source->path_count) {
                *more = 0;
                return VECNA_OK;
            }
            scanned = source->text_at = source->text_end = 0;
            status = open_next(source, err);
            if (status != VECNA_OK)
                return status;
        }
        if (find_piece(source, &scanned, out))
            break;
        status = make_room(source, err);
        before = source->text_end;
        if (status == VECNA_OK)
            status = fill_text(source, err);
        if (status != VECNA_OK)
            return status;
        if (source->text_end == before) { /* the end of the file ends its last line */
            int left = source->text_at < source->text_end;
            if (left)
                take(source, source->text_end - source->text_at, 0, 1, out);
            close_file(source);
            if (left)
                break;
        }
    }
    *more = 1;
    return VECNA_OK;
}
