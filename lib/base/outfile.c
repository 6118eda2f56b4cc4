/* A file either appears whole under its name or not at all: it is written beside its path and
 * renamed when complete. The temporary names of the process stand in a small table of fixed size
 * that a signal handler may walk: each slot has a state that goes free -> filling -> set -> free by
 * atomic exchange, and unlink is async-signal-safe. A 33rd file at once is simply not in the table.
 *
 * No fsync: a process that dies leaves the old file or the new one, and gigabytes of vectors are
 * not held up by the disk. A machine that loses power may lose what it had not written back.
 *
 * Room for a large file is reserved ahead of the writing, in steps, and what is too much is given
 * back at the end. Without it ext4 finds places for all of the file at once when it is renamed over
 * an older one: a quarter of a second for 600 MB, a tenth of what computing them had taken. Small
 * files (maps, reports) are left to the file system, which then starts to write them before the
 * rename. */
#define _GNU_SOURCE
#include "vecna/base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 1 << 18, SLOTS = 32 };
enum { RESERVE_FROM_BYTES = 16 << 20, RESERVE_STEP_BYTES = 64 << 20 };
enum { SLOT_FREE = 0, SLOT_FILLING = 1, SLOT_SET = 2 };

static struct {
    atomic_int state;
    char path[PATH_MAX];
} slots[SLOTS];

static atomic_uint_fast64_t name_counter;

struct vecna_outfile {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    int descriptor;
    int in_place; /* standard output, a pipe, a device: nothing to rename */
    int slot;     /* index into slots, -1 none */
    size_t buffered;
    uint64_t written;  /* bytes before the buffer */
    uint64_t reserved; /* the file's length while it is written; 0: nothing was reserved */
    int unreservable; /* the file system cannot, or has no room for a whole step: it is no matter */
    char *path;
    char *temporary;
    unsigned char buffer[BUFFER_BYTES];
};

static int slot_take(const char *path) {
    for (int i = 0; i < SLOTS; i++) {
        int expected = SLOT_FREE;
        if (atomic_compare_exchange_strong(&slots[i].state, &expected, SLOT_FILLING)) {
            snprintf(slots[i].path, sizeof slots[i].path, "%s", path);
            atomic_store(&slots[i].state, SLOT_SET);
            return i;
        }
    }
    return -1;
}

static void slot_give_back(int slot) {
    if (slot >= 0)
        atomic_store(&slots[slot].state, SLOT_FREE);
}

void vecna_outfile_remove_all(void) {
    for (int i = 0; i < SLOTS; i++)
        if (atomic_load(&slots[i].state) == SLOT_SET)
            unlink(slots[i].path);
}

static vecna_status system_error(const vecna_outfile *file, const char *verb, vecna_error *err) {
    const int number = errno;
    return vecna_error_set(
        err, VECNA_ERR_IO, -1, "cannot %s %s: %s%s", verb,
        strcmp(file->path, "-") == 0 ? "standard output" : file->path, strerror(number),
        number == ENOENT && strcmp(verb, "create") == 0 ? "; make the folder first" : "");
}

static void outfile_free(vecna_outfile *file) {
    vecna_allocator copy = file->allocator_copy;
    const vecna_allocator *allocator = file->allocator ? &copy : NULL;
    slot_give_back(file->slot);
    vecna_release(allocator, file->path);
    vecna_release(allocator, file->temporary);
    vecna_release(allocator, file);
}

/* Open what is written in place; leaves descriptor at -1 when the path calls for a temporary file.
 */
static vecna_status open_in_place(vecna_outfile *file, vecna_error *err) {
    struct stat info;
    if (strcmp(file->path, "-") == 0) {
        file->descriptor = STDOUT_FILENO;
        file->in_place = 1;
        return VECNA_OK;
    }
    if (stat(file->path, &info) != 0 || S_ISREG(info.st_mode))
        return VECNA_OK;
    if (S_ISDIR(info.st_mode))
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot write %s: it is a directory",
                               file->path);
    file->descriptor = open(file->path, O_WRONLY | O_CLOEXEC);
    if (file->descriptor < 0)
        return system_error(file, "open", err);
    file->in_place = 1;
    return VECNA_OK;
}

static vecna_status open_temporary(vecna_outfile *file, vecna_error *err) {
    size_t size = strlen(file->path) + 64;
    file->temporary = vecna_allocate(file->allocator, size, 1);
    if (file->temporary == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", file->path);
    do {
        unsigned long long number = (unsigned long long)atomic_fetch_add(&name_counter, 1);
        snprintf(file->temporary, size, "%s.tmp-%ld-%llu", file->path, (long)getpid(), number);
        file->descriptor = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (file->descriptor < 0 && errno == EEXIST);
    if (file->descriptor < 0)
        return system_error(file, "create", err);
    file->slot = slot_take(file->temporary);
    return VECNA_OK;
}

vecna_status vecna_outfile_open(const char *path, const vecna_allocator *allocator,
                                vecna_outfile **out, vecna_error *err) {
    vecna_status status;
    vecna_outfile *file = vecna_allocate(allocator, 1, sizeof *file);

    if (file == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", path);
    memset(file, 0, offsetof(vecna_outfile, buffer));
    file->descriptor = -1;
    file->slot = -1;
    if (allocator) {
        file->allocator_copy = *allocator;
        file->allocator = &file->allocator_copy;
    }
    file->path = vecna_allocate(file->allocator, strlen(path) + 1, 1);
    if (file->path == NULL) {
        status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory to write %s", path);
        goto fail;
    }
    memcpy(file->path, path, strlen(path) + 1);
    status = open_in_place(file, err);
    if (status == VECNA_OK && file->descriptor < 0)
        status = open_temporary(file, err);
    if (status != VECNA_OK)
        goto fail;
    *out = file;
    return VECNA_OK;

fail:
    outfile_free(file);
    return status;
}

static void reserve(vecna_outfile *file, size_t bytes) {
    uint64_t end = file->written + bytes;
    struct rlimit most; /* a file that grows beyond it is a signal, also when nothing is in it */
    if (file->in_place || file->unreservable || end < RESERVE_FROM_BYTES || end <= file->reserved)
        return;
    end += RESERVE_STEP_BYTES;
    if (getrlimit(RLIMIT_FSIZE, &most) == 0 && end <= most.rlim_cur &&
        fallocate(file->descriptor, 0, (off_t)file->reserved, (off_t)(end - file->reserved)) == 0)
        file->reserved = end;
    else
        file->unreservable = 1; /* when the disk is really full, a write will say so */
}

static vecna_status write_all(vecna_outfile *file, const unsigned char *data, size_t bytes,
                              vecna_error *err) {
    reserve(file, bytes);
    while (bytes > 0) {
        ssize_t wrote = write(file->descriptor, data, bytes);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return system_error(file, "write", err);
        data += wrote;
        bytes -= (size_t)wrote;
        file->written += (uint64_t)wrote;
    }
    return VECNA_OK;
}

static vecna_status flush(vecna_outfile *file, vecna_error *err) {
    vecna_status status = write_all(file, file->buffer, file->buffered, err);
    file->buffered = 0;
    return status;
}

vecna_status vecna_outfile_write(vecna_outfile *file, const void *data, size_t bytes,
                                 vecna_error *err) {
    vecna_status status = VECNA_OK;
    if (bytes > BUFFER_BYTES - file->buffered)
        status = flush(file, err);
    if (status == VECNA_OK && bytes >= BUFFER_BYTES) /* large blocks go straight through */
        return write_all(file, data, bytes, err);
    if (status == VECNA_OK && bytes > 0) {
        memcpy(file->buffer + file->buffered, data, bytes);
        file->buffered += bytes;
    }
    return status;
}

int vecna_outfile_can_patch(const vecna_outfile *file) {
    return !file->in_place;
}

vecna_status vecna_outfile_patch(vecna_outfile *file, uint64_t offset, const void *data,
                                 size_t bytes, vecna_error *err) {
    const unsigned char *from = data;
    vecna_status status;
    if (file->in_place)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "%s is a stream; write to a file instead", file->path);
    status = flush(file, err);
    if (status != VECNA_OK)
        return status;
    if (offset > file->written || bytes > file->written - offset)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "cannot overwrite %zu bytes at %llu of the %llu written", bytes,
                               (unsigned long long)offset, (unsigned long long)file->written);
    while (bytes > 0) {
        ssize_t wrote = pwrite(file->descriptor, from, bytes, (off_t)offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return system_error(file, "write", err);
        from += wrote;
        offset += (uint64_t)wrote;
        bytes -= (size_t)wrote;
    }
    return VECNA_OK;
}

/* A file that is replaced keeps its permissions. */
static void keep_mode(const vecna_outfile *file) {
    struct stat info;
    if (stat(file->path, &info) == 0)
        (void)fchmod(file->descriptor, info.st_mode & 07777);
}

vecna_status vecna_outfile_commit(vecna_outfile *file, vecna_error *err) {
    vecna_status status = flush(file, err);

    if (status != VECNA_OK) {
        vecna_outfile_discard(file);
        return status;
    }
    if (!file->in_place) {
        keep_mode(file);
        if (file->reserved && ftruncate(file->descriptor, (off_t)file->written) != 0)
            status = system_error(file, "cut the end of", err);
        if (close(file->descriptor) != 0 && status == VECNA_OK)
            status = system_error(file, "write", err);
        file->descriptor = -1;
        if (status == VECNA_OK && rename(file->temporary, file->path) != 0)
            status = system_error(file, "rename into", err);
        if (status != VECNA_OK) {
            vecna_outfile_discard(file);
            return status;
        }
    } else if (file->descriptor != STDOUT_FILENO && close(file->descriptor) != 0) {
        status = system_error(file, "write", err);
    }
    outfile_free(file);
    return status;
}

void vecna_outfile_discard(vecna_outfile *file) {
    if (file == NULL)
        return;
    if (file->descriptor >= 0 && file->descriptor != STDOUT_FILENO)
        close(file->descriptor);
    if (file->temporary)
        unlink(file->temporary);
    outfile_free(file);
}
