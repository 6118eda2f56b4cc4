/* Files that appear whole or not at all. */
#include "tests/unit/support/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/vecna-outfile-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static size_t files_in_folder(void) {
    DIR *opened = opendir(folder);
    size_t count = 0;
    while (opened && readdir(opened))
        count++;
    closedir(opened);
    return count - 2;
}

static void path_of(char *path, const char *name) {
    snprintf(path, 128, "%s/%s", folder, name);
}

static void appears_on_commit(void **state) {
    char path[128], content[16] = "";
    vecna_outfile *file;
    FILE *read;
    (void)state;
    path_of(path, "a");
    assert_status(VECNA_OK, vecna_outfile_open(path, NULL, &file, NULL));
    assert_status(VECNA_OK, vecna_outfile_write(file, "hello", 5, NULL));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_true(vecna_outfile_can_patch(file));
    assert_status(VECNA_OK, vecna_outfile_patch(file, 1, "EL", 2, NULL));
    assert_status(VECNA_ERR_ARGUMENT, vecna_outfile_patch(file, 4, "EL", 2, NULL));
    assert_status(VECNA_OK, vecna_outfile_commit(file, NULL));
    read = fopen(path, "r");
    assert_int_equal(fread(content, 1, 15, read), 5);
    fclose(read);
    assert_string_equal(content, "hELlo");
    assert_int_equal(files_in_folder(), 1);
    unlink(path);
}

static void large_writes_keep_their_order(void **state) {
    char path[128];
    size_t bytes = 1000003;
    unsigned char *data = malloc(bytes), *back = malloc(bytes + 1);
    vecna_outfile *file;
    FILE *read;
    (void)state;
    path_of(path, "large");
    for (size_t i = 0; i < bytes; i++)
        data[i] = (unsigned char)(i * 131 % 251);
    assert_status(VECNA_OK, vecna_outfile_open(path, NULL, &file, NULL));
    for (size_t at = 0, step = 1; at < bytes; step = step * 3 % 400009) {
        size_t part = step < bytes - at ? step : bytes - at;
        assert_status(VECNA_OK, vecna_outfile_write(file, data + at, part, NULL));
        at += part;
    }
    assert_status(VECNA_OK, vecna_outfile_commit(file, NULL));
    read = fopen(path, "r");
    assert_int_equal(fread(back, 1, bytes + 1, read), bytes);
    fclose(read);
    assert_memory_equal(data, back, bytes);
    unlink(path);
    free(data);
    free(back);
}

/* Room is reserved ahead of the writing of a large file; none of it is left in the end. */
static void large_files_end_where_they_end(void **state) {
    enum { PART = 5000001, PARTS = 8 };
    char path[128];
    vecna_outfile *file;
    unsigned char *data = malloc(PART), *back = malloc(PART);
    struct stat info;
    FILE *read;
    (void)state;
    path_of(path, "reserved");
    for (size_t i = 0; i < PART; i++)
        data[i] = (unsigned char)(i * 131 % 251);
    assert_status(VECNA_OK, vecna_outfile_open(path, NULL, &file, NULL));
    for (int part = 0; part < PARTS; part++)
        assert_status(VECNA_OK, vecna_outfile_write(file, data, PART, NULL));
    assert_status(VECNA_OK, vecna_outfile_patch(file, 0, data, 3, NULL));
    assert_status(VECNA_ERR_ARGUMENT,
                  vecna_outfile_patch(file, (uint64_t)PART * PARTS, data, 1, NULL));
    assert_status(VECNA_OK, vecna_outfile_commit(file, NULL));
    stat(path, &info);
    assert_int_equal(info.st_size, (off_t)PART * PARTS);
    assert_true(info.st_blocks * 512 < (off_t)PART * PARTS + (1 << 20));
    read = fopen(path, "r");
    for (int part = 0; part < PARTS; part++) {
        assert_int_equal(fread(back, 1, PART, read), PART);
        assert_memory_equal(data, back, PART);
    }
    fclose(read);
    unlink(path);
    free(data);
    free(back);
}

static void discard_leaves_the_old_file(void **state) {
    char path[128];
    vecna_outfile *file;
    FILE *old;
    struct stat info;
    (void)state;
    path_of(path, "old");
    old = fopen(path, "w");
    fputs("old", old);
    fclose(old);
    chmod(path, 0640);
    assert_status(VECNA_OK, vecna_outfile_open(path, NULL, &file, NULL));
    assert_status(VECNA_OK, vecna_outfile_write(file, "new and longer", 14, NULL));
    vecna_outfile_discard(file);
    vecna_outfile_discard(NULL);
    stat(path, &info);
    assert_int_equal(info.st_size, 3);
    assert_int_equal(files_in_folder(), 1);
    assert_status(VECNA_OK, vecna_outfile_open(path, NULL, &file, NULL));
    assert_status(VECNA_OK, vecna_outfile_commit(file, NULL));
    stat(path, &info);
    assert_int_equal(info.st_size, 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    unlink(path);
}

static void interruption_removes_the_temporary(void **state) {
    char path[128];
    vecna_outfile *file;
    (void)state;
    path_of(path, "cut");
    assert_status(VECNA_OK, vecna_outfile_open(path, NULL, &file, NULL));
    assert_int_equal(files_in_folder(), 1);
    vecna_outfile_remove_all();
    assert_int_equal(files_in_folder(), 0);
    vecna_outfile_discard(file);
}

static void bad_paths_are_named(void **state) {
    vecna_outfile *file = NULL;
    vecna_error err;
    (void)state;
    assert_status(VECNA_ERR_IO, vecna_outfile_open("/nonexistent/x", NULL, &file, &err));
    assert_non_null(strstr(err.message, "/nonexistent/x"));
    assert_status(VECNA_ERR_IO, vecna_outfile_open("/tmp", NULL, &file, &err));
    assert_non_null(strstr(err.message, "directory"));
    assert_null(file);
    assert_status(VECNA_OK, vecna_outfile_open("/dev/null", NULL, &file, &err));
    assert_false(vecna_outfile_can_patch(file));
    assert_status(VECNA_OK, vecna_outfile_write(file, "x", 1, &err));
    assert_status(VECNA_ERR_UNSUPPORTED, vecna_outfile_patch(file, 0, "x", 1, &err));
    assert_status(VECNA_OK, vecna_outfile_commit(file, &err));
}

/* A full disk shows on write or on commit, and leaves nothing behind. */
static void full_device_is_an_error(void **state) {
    vecna_outfile *file = NULL;
    vecna_error err;
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    assert_status(VECNA_OK, vecna_outfile_open("/dev/full", NULL, &file, &err));
    assert_status(VECNA_OK, vecna_outfile_write(file, "x", 1, &err));
    assert_status(VECNA_ERR_IO, vecna_outfile_commit(file, &err));
}

static vecna_status write_one(void *user, const vecna_allocator *allocator, vecna_error *err) {
    vecna_outfile *file = NULL;
    vecna_status status = vecna_outfile_open(user, allocator, &file, err);
    if (status == VECNA_OK)
        status = vecna_outfile_commit(file, err);
    return status;
}

static void survives_failing_memory(void **state) {
    char path[128];
    (void)state;
    path_of(path, "memory");
    assert_survives_failing_memory(write_one, path);
    assert_int_equal(files_in_folder(), 1);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appears_on_commit),
        cmocka_unit_test(large_writes_keep_their_order),
        cmocka_unit_test(large_files_end_where_they_end),
        cmocka_unit_test(discard_leaves_the_old_file),
        cmocka_unit_test(interruption_removes_the_temporary),
        cmocka_unit_test(bad_paths_are_named),
        cmocka_unit_test(full_device_is_an_error),
        cmocka_unit_test(survives_failing_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
