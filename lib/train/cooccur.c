/* A table of (pair, count) by open addressing takes every pair as it comes. When it is two thirds full it
 * becomes twice as large, since memory that nothing lies in costs time to clear and to look through; one
 * that may not grow is sorted and written to a file as a run, and begins again; at the end the runs are
 * merged. Where the old table and one of twice its size are more than the memory allowed, the old one is
 * written too, and the larger one begins empty. A file is unlinked as soon as it is open: whatever ends the process, nothing stays behind.
 *
 * Of a symmetric count only the pair with the lower word first is counted. The slots of a word's pairs
 * are asked for from memory while the word before is still being counted: the table is far larger than
 * any cache. */
#include "train/cooccur_impl.h"

#include "base/base_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    RUNS_MOST = 256,
    WINDOW_MOST = 1000,
    RUN_BUFFER = 4096,
    WATCH_WORDS = 1 << 20,
    ADDED_A_PAIR = 16 /* a pair is expected to come so often */
};

typedef struct cell {
    uint64_t key; /* word << 32 | context, plus 1; 0 empty */
    double count;
} cell;

typedef struct run {
    int descriptor;
    uint64_t left; /* cells not yet read */
    cell *buffer;  /* RUN_BUFFER */
    size_t at, end;
} run;

struct vni_cooccur {
    vni_cooccur_rule rule;
    cell *cells;
    size_t mask, used, most;
    int shift; /* of a hash: what is left tells the cell, so that a larger table has the same order */
    size_t cells_most; /* the table grows up to this */
    run runs[RUNS_MOST];
    uint64_t run_cells[RUNS_MOST];
    size_t run_count;
};

/* ---- files ----------------------------------------------------------------------------------- */

static vecna_status open_scratch(const char *scratch, size_t number, int *out, vecna_error *err) {
    char path[1200];
    if (scratch == NULL)
        return vecna_error_set(
            err, VECNA_ERR_MEMORY, -1,
            "the pairs of words do not fit into the memory allowed, and no file is");
    snprintf(path, sizeof path, "%s.%ld.%zu", scratch, (long)getpid(), number);
    *out = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (*out < 0)
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot make %.150s: %s", path,
                               strerror(errno));
    unlink(path);
    return VECNA_OK;
}

static vecna_status write_all(int descriptor, const void *data, size_t bytes, vecna_error *err) {
    const char *at = data;
    while (bytes > 0) {
        ssize_t done = write(descriptor, at, bytes < 1u << 30 ? bytes : 1u << 30);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return vecna_error_set(
                err, VECNA_ERR_IO, -1,
                "cannot write pairs of words to the disk: %s; give more --memory, "
                "or a larger --min-count",
                strerror(errno));
        at += done;
        bytes -= (size_t)done;
    }
    return VECNA_OK;
}

vecna_status vni_store_new(size_t bytes, size_t memory_bytes, const char *scratch,
                           const vecna_allocator *allocator, vni_store *out, vecna_error *err) {
    vni_store made = {NULL, bytes, 0};
    int descriptor = -1;
    vecna_status status;
    if (bytes <= memory_bytes) {
        made.data = vecna_allocate(allocator, bytes, 1);
        if (made.data == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                   "not enough memory for %.1f GB of pairs; give less --memory",
                                   (double)bytes * 1e-9);
        vni_memory_huge(made.data, bytes);
        *out = made;
        return VECNA_OK;
    }
    status = open_scratch(scratch, RUNS_MOST, &descriptor, err);
    if (status != VECNA_OK)
        return status;
    if (posix_fallocate(descriptor, 0, (off_t)bytes) != 0)
        status = vecna_error_set(err, VECNA_ERR_IO, -1,
                                 "the disk has no room for %.1f GB of pairs of words beside %.100s",
                                 (double)bytes * 1e-9, scratch);
    else
        made.data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (status == VECNA_OK && made.data == MAP_FAILED)
        status = vecna_error_set(err, VECNA_ERR_IO, -1, "cannot map %.1f GB: %s",
                                 (double)bytes * 1e-9, strerror(errno));
    close(descriptor);
    made.mapped = 1;
    if (status == VECNA_OK)
        *out = made;
    return status;
}

void vni_store_free(vni_store *store, const vecna_allocator *allocator) {
    if (store->mapped)
        munmap(store->data, store->bytes);
    else
        vecna_release(allocator, store->data);
    memset(store, 0, sizeof *store);
}

/* ---- the table ------------------------------------------------------------------------------- */

static size_t place_of(const vni_cooccur *counts, uint64_t key) {
    return (size_t)(key * 0x9e3779b97f4a7c15u >> counts->shift);
}

static int compare_cells(const void *left, const void *right) {
    uint64_t a = ((const cell *)left)->key, b = ((const cell *)right)->key;
    return (a > b) - (a < b);
}

/* The table, sorted, to a file; it is empty then. */
static vecna_status spill(vni_cooccur *counts, vecna_error *err) {
    size_t kept = 0;
    int descriptor = -1;
    vecna_status status;
    if (counts->run_count == RUNS_MOST)
        return vecna_error_set(err, VECNA_ERR_UNSUPPORTED, -1,
                               "counting took %d files; give more --memory", RUNS_MOST);
    status = open_scratch(counts->rule.scratch, counts->run_count, &descriptor, err);
    if (status != VECNA_OK)
        return status;
    for (size_t i = 0; i <= counts->mask; i++)
        if (counts->cells[i].key != 0)
            counts->cells[kept++] = counts->cells[i];
    qsort(counts->cells, kept, sizeof *counts->cells, compare_cells);
    status = write_all(descriptor, counts->cells, kept * sizeof *counts->cells, err);
    counts->runs[counts->run_count].descriptor = descriptor;
    counts->run_cells[counts->run_count++] = kept;
    memset(counts->cells, 0, (counts->mask + 1) * sizeof *counts->cells);
    counts->used = 0;
    return status;
}

/* An empty table of so many cells, a power of two. */
static vecna_status open_table(vni_cooccur *counts, size_t cells, vecna_error *err) {
    cell *made = vecna_allocate_zero(counts->rule.allocator, cells, sizeof *made);
    if (made == NULL)
        return vecna_error_set(
            err, VECNA_ERR_MEMORY, -1,
            "not enough memory for %.2f GB to count words in; give less --memory",
            (double)cells * 16e-9);
    vni_memory_huge(made, cells * sizeof *made);
    counts->cells = made;
    counts->mask = cells - 1;
    counts->shift = 64;
    for (size_t i = cells; i > 1; i /= 2)
        counts->shift--;
    counts->most = cells / 3 * 2;
    return VECNA_OK;
}

static cell *find(const vni_cooccur *counts, uint64_t key) {
    size_t at = place_of(counts, key);
    while (counts->cells[at].key != 0 && counts->cells[at].key != key)
        at = (at + 1) & counts->mask;
    return &counts->cells[at];
}

static vecna_status grow(vni_cooccur *counts, vecna_error *err) {
    cell *old = counts->cells;
    const size_t cells = counts->mask + 1;
    vecna_status status = open_table(counts, 2 * cells, err);
    if (status != VECNA_OK)
        return status;
    for (size_t i = 0; i < cells; i++)
        if (old[i].key != 0)
            *find(counts, old[i].key) = old[i];
    vecna_release(counts->rule.allocator, old);
    return VECNA_OK;
}

/* A table of twice the size in the place of this one, whose pairs are in a file. */
static vecna_status replace(vni_cooccur *counts, vecna_error *err) {
    const size_t cells = counts->mask + 1;
    vecna_status status = spill(counts, err);
    if (status != VECNA_OK)
        return status;
    vecna_release(counts->rule.allocator, counts->cells);
    counts->cells = NULL;
    return open_table(counts, 2 * cells, err);
}

static vecna_status make_room(vni_cooccur *counts, vecna_error *err) {
    const size_t cells = counts->mask + 1;
    if (cells >= counts->cells_most)
        return spill(counts, err);
    if (counts->rule.scratch && cells * 3 > counts->rule.memory_bytes / sizeof *counts->cells)
        return replace(counts, err);
    return grow(counts, err);
}

static void add(vni_cooccur *counts, uint64_t key, double weight) {
    cell *found = find(counts, key);
    counts->used += found->key == 0;
    found->key = key;
    found->count += weight;
}

static uint64_t key_of(const vni_cooccur *counts, int32_t word, int32_t context) {
    if (!counts->rule.asymmetric && context < word)
        return ((uint64_t)(uint32_t)context << 32 | (uint32_t)word) + 1;
    return ((uint64_t)(uint32_t)word << 32 | (uint32_t)context) + 1;
}

/* Pairs of each word of a unit with the words before it, one word behind their slots. */
static vecna_status count_unit(vni_cooccur *counts, const int32_t *ids, size_t length,
                               vecna_error *err) {
    uint64_t keys[2][WINDOW_MOST];
    size_t waiting = 0, window = counts->rule.window;
    for (size_t at = 1; at <= length; at++) {
        uint64_t *next = keys[at % 2], *now = keys[(at + 1) % 2];
        size_t before = at == length ? 0 : at < window ? at : window;
        while (counts->used + window > counts->most) {
            vecna_status status = make_room(counts, err);
            if (status != VECNA_OK)
                return status;
        }
        for (size_t i = 0; i < before; i++) {
            next[i] = key_of(counts, ids[at], ids[at - 1 - i]);
            __builtin_prefetch(&counts->cells[place_of(counts, next[i])], 1, 3);
        }
        for (size_t i = 0; i < waiting; i++)
            add(counts, now[i], counts->rule.flat ? 1 : 1 / (double)(i + 1));
        waiting = before;
    }
    return VECNA_OK;
}

static vecna_status count_all(vni_cooccur *counts, const vecna_corpus *corpus,
                              vecna_train_watch *watch, void *user, vecna_error *err) {
    vecna_train_report report = {0, corpus->tokens, 0, 0, 0, 0};
    uint64_t shown = 0;
    for (size_t unit = 0; unit < corpus->units; unit++) {
        size_t first = corpus->starts[unit];
        vecna_status status =
            count_unit(counts, corpus->ids + first, corpus->starts[unit + 1] - first, err);
        if (status != VECNA_OK)
            return status;
        report.words = corpus->starts[unit + 1];
        if (watch && report.words - shown >= WATCH_WORDS) {
            shown = report.words;
            if (watch(user, &report))
                return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1, "counting was stopped");
        }
    }
    return VECNA_OK;
}

void vni_cooccur_free(vni_cooccur *counts) {
    if (counts == NULL)
        return;
    for (size_t i = 0; i < counts->run_count; i++) {
        close(counts->runs[i].descriptor);
        vecna_release(counts->rule.allocator, counts->runs[i].buffer);
    }
    vecna_release(counts->rule.allocator, counts->cells);
    vecna_release(counts->rule.allocator, counts);
}

vecna_status vni_cooccur_new(const vni_cooccur_rule *rule, const vecna_corpus *corpus,
                             vecna_train_watch *watch, void *user, vni_cooccur **out,
                             vecna_error *err) {
    vni_cooccur *counts = vecna_allocate_zero(rule->allocator, 1, sizeof *counts);
    size_t cells = 64, wanted = rule->memory_bytes / sizeof *counts->cells, added;
    vecna_status status;
    if (counts == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to count words");
    counts->rule = *rule;
    counts->cells_most = cells;
    while (counts->cells_most * 2 <= wanted || counts->cells_most < 4 * rule->window)
        counts->cells_most *= 2;
    if (vecna_size_mul(corpus->tokens, rule->window, &added))
        while (cells * 2 <= added / ADDED_A_PAIR && cells * 2 <= counts->cells_most)
            cells *= 2;
    status = open_table(counts, cells, err);
    if (status == VECNA_OK)
        status = count_all(counts, corpus, watch, user, err);
    if (status == VECNA_OK && counts->run_count > 0 && counts->used > 0)
        status = spill(counts, err);
    if (status == VECNA_OK && counts->run_count > 0) {
        vecna_release(rule->allocator, counts->cells);
        counts->cells = NULL;
    }
    if (status == VECNA_OK)
        *out = counts;
    else
        vni_cooccur_free(counts);
    return status;
}

size_t vni_cooccur_spills(const vni_cooccur *counts) {
    return counts->run_count;
}

/* ---- reading them again ---------------------------------------------------------------------- */

static void visit_cell(const vni_cooccur *counts, const cell *one, vni_pair_visitor *visit,
                       void *user) {
    uint64_t key = one->key - 1;
    int32_t word = (int32_t)(key >> 32), context = (int32_t)(key & UINT32_MAX);
    if (counts->rule.asymmetric) {
        visit(user, word, context, one->count);
    } else if (word == context) {
        visit(user, word, word, 2 * one->count);
    } else {
        visit(user, word, context, one->count);
        visit(user, context, word, one->count);
    }
}

static vecna_status refill(run *one, vecna_error *err) {
    size_t cells = one->left < RUN_BUFFER ? (size_t)one->left : RUN_BUFFER;
    size_t bytes = cells * sizeof *one->buffer, got = 0;
    while (got < bytes) {
        ssize_t done = read(one->descriptor, (char *)one->buffer + got, bytes - got);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read pairs of words again: %s",
                                   done < 0 ? strerror(errno) : "the file was cut");
        got += (size_t)done;
    }
    one->left -= cells;
    one->at = 0;
    one->end = cells;
    return VECNA_OK;
}

static vecna_status rewind_runs(vni_cooccur *counts, vecna_error *err) {
    for (size_t i = 0; i < counts->run_count; i++) {
        run *one = &counts->runs[i];
        if (one->buffer == NULL)
            one->buffer = vecna_allocate(counts->rule.allocator, RUN_BUFFER, sizeof *one->buffer);
        if (one->buffer == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory to merge counts");
        if (lseek(one->descriptor, 0, SEEK_SET) != 0)
            return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read pairs of words again: %s",
                                   strerror(errno));
        one->left = counts->run_cells[i];
        one->at = one->end = 0;
    }
    return VECNA_OK;
}

/* Runs are few: the smallest key is looked for among all of them. */
static vecna_status merge(vni_cooccur *counts, vni_pair_visitor *visit, void *user,
                          vecna_error *err) {
    vecna_status status = rewind_runs(counts, err);
    while (status == VECNA_OK) {
        cell lowest = {UINT64_MAX, 0};
        for (size_t i = 0; i < counts->run_count; i++) {
            run *one = &counts->runs[i];
            if (one->at == one->end && one->left > 0) {
                status = refill(one, err);
                if (status != VECNA_OK)
                    return status;
            }
            if (one->at < one->end && one->buffer[one->at].key < lowest.key)
                lowest.key = one->buffer[one->at].key;
        }
        if (lowest.key == UINT64_MAX)
            break;
        for (size_t i = 0; i < counts->run_count; i++) {
            run *one = &counts->runs[i];
            if (one->at < one->end && one->buffer[one->at].key == lowest.key)
                lowest.count += one->buffer[one->at++].count;
        }
        visit_cell(counts, &lowest, visit, user);
    }
    return status;
}

vecna_status vni_cooccur_visit(vni_cooccur *counts, vni_pair_visitor *visit, void *user,
                               vecna_error *err) {
    if (counts->run_count > 0)
        return merge(counts, visit, user, err);
    for (size_t i = 0; i <= counts->mask; i++)
        if (counts->cells[i].key != 0)
            visit_cell(counts, &counts->cells[i], visit, user);
    return VECNA_OK;
}
