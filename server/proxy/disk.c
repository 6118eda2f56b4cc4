/* The cache's second floor: one table in a SQLite file, so that a restart does not pay again for what was
 * embedded before. Writes gather in one transaction until they are flushed; a crash loses those at most,
 * and losing a cache entry is no harm, so nothing waits for the disk (synchronous off, write-ahead log).
 * A file that fails stops being used for writing and is reported; requests go on. */
#include "proxy/cache.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { GATHER_MOST = 4096, SCHEMA = 1 };

struct vni_disk {
    const vecna_allocator *allocator;
    sqlite3 *db;
    sqlite3_stmt *find, *store, *oldest;
    uint64_t bytes, most, errors;
    size_t gathered;
    int open; /* a transaction */
    float *vector;
    size_t capacity;
    char error[240];
};

static int failed(vni_disk *disk, const char *what) {
    disk->errors++;
    snprintf(disk->error, sizeof disk->error, "disk cache: %s: %s", what, sqlite3_errmsg(disk->db));
    return 0;
}

static int run(vni_disk *disk, const char *sql) {
    return sqlite3_exec(disk->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 1 : failed(disk, sql);
}

static uint64_t number(vni_disk *disk, const char *sql) {
    sqlite3_stmt *statement = NULL;
    uint64_t value = 0;
    if (sqlite3_prepare_v2(disk->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        value = (uint64_t)sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
}

static int prepare(vni_disk *disk, const char *sql, sqlite3_stmt **out) {
    return sqlite3_prepare_v3(disk->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL) == SQLITE_OK
               ? 1
               : failed(disk, sql);
}

vecna_status vni_disk_open(const char *path, size_t bytes_max, const vecna_allocator *allocator,
                           vni_disk **out, vecna_error *err) {
    vni_disk *disk = vecna_allocate_zero(allocator, 1, sizeof *disk);
    int good;
    if (disk == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the disk cache");
    disk->allocator = allocator;
    disk->most = bytes_max;
    if (sqlite3_open_v2(path, &disk->db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        vecna_status status =
            vecna_error_set(err, VECNA_ERR_IO, -1, "cannot open the disk cache %s: %s", path,
                            disk->db ? sqlite3_errmsg(disk->db) : "no memory");
        vni_disk_close(disk);
        return status;
    }
    sqlite3_busy_timeout(disk->db, 50);
    good =
        run(disk, "PRAGMA journal_mode=WAL") && run(disk, "PRAGMA synchronous=OFF") &&
        run(disk, "CREATE TABLE IF NOT EXISTS vectors(key BLOB PRIMARY KEY, at INTEGER NOT NULL, "
                  "data BLOB NOT NULL) WITHOUT ROWID") &&
        run(disk, "CREATE INDEX IF NOT EXISTS vectors_at ON vectors(at)");
    if (good && number(disk, "PRAGMA user_version") > SCHEMA) {
        snprintf(disk->error, sizeof disk->error, "disk cache %s was written by a newer version",
                 path);
        good = 0;
    }
    good =
        good && run(disk, "PRAGMA user_version=1") &&
        prepare(disk, "SELECT data, at FROM vectors WHERE key=?1", &disk->find) &&
        prepare(disk, "INSERT OR REPLACE INTO vectors(key, at, data) VALUES(?1, ?2, ?3)",
                &disk->store) &&
        prepare(disk,
                "DELETE FROM vectors WHERE key IN (SELECT key FROM vectors ORDER BY at LIMIT 256) "
                "RETURNING length(data)",
                &disk->oldest);
    if (!good) {
        vecna_status status = vecna_error_set(err, VECNA_ERR_IO, -1, "%s (%s)", disk->error, path);
        vni_disk_close(disk);
        return status;
    }
    disk->bytes = number(disk, "SELECT coalesce(sum(length(data)), 0) FROM vectors");
    *out = disk;
    return VECNA_OK;
}

void vni_disk_close(vni_disk *disk) {
    if (disk == NULL)
        return;
    if (disk->store)
        vni_disk_flush(disk);
    sqlite3_finalize(disk->find);
    sqlite3_finalize(disk->store);
    sqlite3_finalize(disk->oldest);
    sqlite3_close(disk->db);
    vecna_release(disk->allocator, disk->vector);
    vecna_release(disk->allocator, disk);
}

const float *vni_disk_find(vni_disk *disk, const unsigned char *key, size_t *dim, uint64_t *at_ms) {
    const float *found = NULL;
    sqlite3_bind_blob(disk->find, 1, key, VNI_CACHE_KEY_BYTES, SQLITE_STATIC);
    if (sqlite3_step(disk->find) == SQLITE_ROW) {
        const void *data = sqlite3_column_blob(disk->find, 0);
        size_t bytes = (size_t)sqlite3_column_bytes(disk->find, 0);
        if (data && bytes >= sizeof(float) && bytes % sizeof(float) == 0) {
            if (bytes > disk->capacity) {
                float *grown = vecna_resize(disk->allocator, disk->vector, bytes, 1);
                if (grown) {
                    disk->vector = grown;
                    disk->capacity = bytes;
                }
            }
            if (bytes <= disk->capacity) {
                memcpy(disk->vector, data, bytes);
                *dim = bytes / sizeof(float);
                *at_ms = (uint64_t)sqlite3_column_int64(disk->find, 1);
                found = disk->vector;
            }
        }
    }
    sqlite3_reset(disk->find);
    return found;
}

/* Oldest first, 256 at a time, until a tenth of the cap is free. */
static void make_room(vni_disk *disk) {
    while (disk->bytes > disk->most - disk->most / 10) {
        uint64_t freed = 0;
        while (sqlite3_step(disk->oldest) == SQLITE_ROW)
            freed += (uint64_t)sqlite3_column_int64(disk->oldest, 0);
        sqlite3_reset(disk->oldest);
        if (freed == 0)
            break;
        disk->bytes -= freed < disk->bytes ? freed : disk->bytes;
    }
}

void vni_disk_store(vni_disk *disk, const unsigned char *key, const float *vector, size_t dim,
                    uint64_t at_ms) {
    size_t bytes = dim * sizeof(float);
    if (bytes > disk->most / 4 || bytes > (size_t)1 << 30)
        return;
    if (!disk->open) {
        if (!run(disk, "BEGIN"))
            return;
        disk->open = 1;
    }
    sqlite3_bind_blob(disk->store, 1, key, VNI_CACHE_KEY_BYTES, SQLITE_STATIC);
    sqlite3_bind_int64(disk->store, 2, (sqlite3_int64)at_ms);
    sqlite3_bind_blob(disk->store, 3, vector, (int)bytes, SQLITE_STATIC);
    if (sqlite3_step(disk->store) != SQLITE_DONE)
        failed(disk, "storing a vector");
    else
        disk->bytes += bytes;
    sqlite3_reset(disk->store);
    if (disk->bytes > disk->most)
        make_room(disk);
    if (++disk->gathered >= GATHER_MOST)
        vni_disk_flush(disk);
}

void vni_disk_flush(vni_disk *disk) {
    if (!disk->open)
        return;
    disk->open = 0;
    disk->gathered = 0;
    if (!run(disk, "COMMIT"))
        sqlite3_exec(disk->db, "ROLLBACK", NULL, NULL, NULL);
}

void vni_disk_clear(vni_disk *disk) {
    vni_disk_flush(disk);
    if (run(disk, "DELETE FROM vectors"))
        disk->bytes = 0;
}

uint64_t vni_disk_bytes(const vni_disk *disk) {
    return disk->bytes;
}

uint64_t vni_disk_errors(const vni_disk *disk) {
    return disk->errors;
}

const char *vni_disk_error(const vni_disk *disk) {
    return disk->error;
}
