/* Where bytes come from: a regular file, a stream, or memory.
 *
 * Streams and text go through one buffer. Matrices in regular files are mapped window by window
 * instead: a copy out of the page cache by read() runs at two thirds of memcpy on the machines
 * measured, a mapping at nearly all of it, and a window that is unmapped with its block keeps the
 * resident size at the blocks alive, however large the file. Windows start and end on multiples of
 * 2 MiB of the file, because the kernel maps a large page of its cache in one fault only where the
 * window covers it; small pages at the edges took a quarter of the time of a 4 MiB window.
 *
 * The price of a mapping is that a file cut short under our feet is a SIGBUS; so every window looks
 * at the size again before it is mapped, which leaves the moment between the two; the header says
 * so.
 *
 * Memory is its own buffer: begin walks over it and nothing is copied. */
#define _GNU_SOURCE
#include "format/format_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 18, WINDOW_ALIGNMENT = 2 << 20 };

static vecna_status system_error(const vni_input *input, const char *verb, vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot %s %s: %s", verb, input->name,
                           strerror(errno));
}

static vecna_status look_at_kind(vni_input *input, vecna_error *err) {
    struct stat info;
    if (fstat(input->descriptor, &info) != 0)
        return system_error(input, "open", err);
    if (S_ISDIR(info.st_mode))
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read %s: it is a directory",
                               input->name);
    /* standard input may be a file that somebody has read from already: then it is a stream */
    if (S_ISREG(info.st_mode) && lseek(input->descriptor, 0, SEEK_CUR) == 0) {
        input->seekable = 1;
        input->size = (uint64_t)info.st_size;
    }
    return VECNA_OK;
}

vecna_status vni_input_open(vni_input *input, const char *path, vecna_error *err) {
    vecna_status status;
    if (strcmp(path, "-") == 0) {
        input->descriptor = STDIN_FILENO;
    } else {
        input->descriptor = open(path, O_RDONLY | O_CLOEXEC);
        if (input->descriptor < 0)
            return system_error(input, "open", err);
        input->owned = 1;
    }
    status = look_at_kind(input, err);
    if (status != VECNA_OK)
        return status;
    input->buffer = vecna_allocate(input->allocator, BUFFER_BYTES, 1);
    if (input->buffer == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to read %s", input->name);
    input->capacity = BUFFER_BYTES;
    return VECNA_OK;
}

void vni_input_open_memory(vni_input *input, const void *data, size_t bytes) {
    input->descriptor = -1;
    input->seekable = 1;
    input->size = bytes;
    input->memory = bytes ? data : (const unsigned char *)"";
    input->end = bytes;
    input->at_end = 1;
}

void vni_input_close(vni_input *input) {
    if (input->owned && input->descriptor >= 0)
        close(input->descriptor);
    input->owned = 0;
    vecna_release(input->allocator, input->buffer);
    input->buffer = NULL;
}

static vecna_status read_some(vni_input *input, void *out, size_t bytes, size_t *got,
                              vecna_error *err) {
    ssize_t count;
    do
        count = read(input->descriptor, out, bytes);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return system_error(input, "read", err);
    *got = (size_t)count;
    return VECNA_OK;
}

static vecna_status grow(vni_input *input, size_t bytes, vecna_error *err) {
    size_t capacity = input->capacity;
    unsigned char *buffer;
    if (input->end - input->begin > 0)
        memmove(input->buffer, input->buffer + input->begin, input->end - input->begin);
    input->end -= input->begin;
    input->begin = 0;
    while (capacity < bytes)
        capacity = capacity <= SIZE_MAX / 2 ? capacity * 2 : bytes;
    if (capacity == input->capacity)
        return VECNA_OK;
    buffer = vecna_resize(input->allocator, input->buffer, capacity, 1);
    if (buffer == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, (int64_t)input->position,
                               "no memory for %zu bytes of %s at once", bytes, input->name);
    input->buffer = buffer;
    input->capacity = capacity;
    return VECNA_OK;
}

vecna_status vni_input_peek(vni_input *input, size_t bytes, const unsigned char **data,
                            size_t *available, vecna_error *err) {
    if (input->memory == NULL && input->capacity - input->begin < bytes) {
        vecna_status status = grow(input, bytes, err);
        if (status != VECNA_OK)
            return status;
    }
    while (input->end - input->begin < bytes && !input->at_end) {
        size_t got = 0;
        vecna_status status =
            read_some(input, input->buffer + input->end, input->capacity - input->end, &got, err);
        if (status != VECNA_OK)
            return status;
        input->end += got;
        input->at_end = got == 0;
    }
    *data = (input->memory ? input->memory : input->buffer) + input->begin;
    *available = input->end - input->begin;
    return VECNA_OK;
}

void vni_input_skip(vni_input *input, size_t bytes) {
    input->begin += bytes;
    input->position += bytes;
    if (input->begin == input->end && input->memory == NULL)
        input->begin = input->end = 0;
}

vecna_status vni_input_read(vni_input *input, void *out, size_t bytes, size_t *got,
                            vecna_error *err) {
    unsigned char *to = out;
    size_t held = input->end - input->begin, done = held < bytes ? held : bytes;
    if (done > 0)
        memcpy(to, (input->memory ? input->memory : input->buffer) + input->begin, done);
    vni_input_skip(input, done);
    while (done < bytes && !input->at_end) {
        size_t count = 0;
        vecna_status status = read_some(input, to + done, bytes - done, &count, err);
        if (status != VECNA_OK)
            return status;
        done += count;
        input->position += count;
        input->at_end = count == 0;
    }
    *got = done;
    return VECNA_OK;
}

vecna_status vni_input_line(vni_input *input, size_t max_bytes, vecna_text *line, int *more,
                            vecna_error *err) {
    const unsigned char *data, *newline = NULL;
    size_t available, searched = 0, ask = 1, length;
    for (;;) {
        vecna_status status = vni_input_peek(input, ask, &data, &available, err);
        if (status != VECNA_OK)
            return status;
        if (available > searched)
            newline = memchr(data + searched, '\n', available - searched);
        length = newline ? (size_t)(newline - data) : available;
        if (length > max_bytes)
            return vecna_error_set(err, VECNA_ERR_FORMAT, (int64_t)(input->line + 1),
                                   "%s line %llu has more than %zu bytes; is it a text file?",
                                   input->name, (unsigned long long)(input->line + 1), max_bytes);
        if (newline || available < ask)
            break;
        searched = available;
        ask = available + 1;
    }
    *more = available > 0;
    if (available == 0)
        return VECNA_OK;
    input->line++;
    vni_input_skip(input, newline ? length + 1 : length);
    line->data = (const char *)data;
    line->bytes = length > 0 && data[length - 1] == '\r' ? length - 1 : length;
    return VECNA_OK;
}

static vecna_status ends_early(const vni_input *input, uint64_t offset, size_t bytes,
                               vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_TRUNCATED, (int64_t)offset,
                           "%s was cut while it was read: %zu bytes at byte %llu are gone",
                           input->name, bytes, (unsigned long long)offset);
}

vecna_status vni_input_read_at(vni_input *input, uint64_t offset, void *out, size_t bytes,
                               vecna_error *err) {
    unsigned char *to = out;
    if (input->memory) {
        if (offset > input->size || bytes > input->size - offset)
            return ends_early(input, offset, bytes, err);
        memcpy(to, input->memory + offset, bytes);
        return VECNA_OK;
    }
    while (bytes > 0) {
        ssize_t count = pread(input->descriptor, to, bytes, (off_t)offset);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return system_error(input, "read", err);
        if (count == 0)
            return ends_early(input, offset, bytes, err);
        to += count;
        offset += (uint64_t)count;
        bytes -= (size_t)count;
    }
    return VECNA_OK;
}

vecna_status vni_input_window(vni_input *input, uint64_t offset, size_t bytes, vni_window *window,
                              vecna_error *err) {
    vni_window opened = {NULL, 0, NULL};
    uint64_t before = offset % WINDOW_ALIGNMENT, end;
    struct stat info;

    if (input->memory) {
        if (offset > input->size || bytes > input->size - offset)
            return ends_early(input, offset, bytes, err);
        opened.data = input->memory + offset;
        *window = opened;
        return VECNA_OK;
    }
    if (fstat(input->descriptor, &info) != 0)
        return system_error(input, "read", err);
    if ((uint64_t)info.st_size < offset || (uint64_t)info.st_size - offset < bytes)
        return ends_early(input, offset, bytes, err);
    end = offset + bytes + (WINDOW_ALIGNMENT - 1);
    end -= end % WINDOW_ALIGNMENT;
    if (end > (uint64_t)info.st_size)
        end = (uint64_t)info.st_size;
    opened.mapped_bytes = (size_t)(end - (offset - before));
    opened.base = mmap(NULL, opened.mapped_bytes, PROT_READ, MAP_SHARED, input->descriptor,
                       (off_t)(offset - before));
    if (opened.base == MAP_FAILED)
        return system_error(input, "map", err);
    opened.data = (const unsigned char *)opened.base + before;
    *window = opened;
    return VECNA_OK;
}

void vni_window_close(vni_window *window) {
    if (window->base)
        munmap(window->base, window->mapped_bytes);
    window->base = NULL;
    window->data = NULL;
}
