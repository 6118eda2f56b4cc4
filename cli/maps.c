/* Where maps are: VECNA_MAPS first, so that a site's own come before those that ship; then beside the
 * program, found by its own path, so that an installation can be moved and a build needs none. */
#include "cli/maps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 4096 };

/* The folder of the running program, without a slash at its end; empty when it cannot be found. */
static void program_folder(char out[PATH_ROOM]) {
    ssize_t bytes = readlink("/proc/self/exe", out, PATH_ROOM - 1);
    char *slash;
    out[bytes > 0 ? bytes : 0] = '\0';
    slash = strrchr(out, '/');
    if (slash)
        *slash = '\0';
}

bool visit_map_folders(bool (*visit)(void *user, const char *folder), void *user) {
    /* beside bin/vecna, build/vecna and build/release/vecna */
    static const char *const beside[] = {"/../share/vecna/maps", "/../maps", "/../../maps"};
    const char *own = getenv("VECNA_MAPS");
    char folder[PATH_ROOM + 32], program[PATH_ROOM];
    while (own && *own) {
        size_t length = strcspn(own, ":");
        if (length > 0 && length < PATH_ROOM) {
            memcpy(folder, own, length);
            folder[length] = '\0';
            if (visit(user, folder))
                return true;
        }
        own += length + (own[length] == ':');
    }
    program_folder(program);
    for (size_t i = 0; program[0] && i < sizeof beside / sizeof beside[0]; i++) {
        snprintf(folder, sizeof folder, "%s%s", program, beside[i]);
        if (visit(user, folder))
            return true;
    }
    return false;
}

typedef struct sought {
    const char *name;
    char path[2 * PATH_ROOM];
} sought;

static bool is_here(void *user, const char *folder) {
    sought *s = user;
    int length = snprintf(s->path, sizeof s->path, "%s/%s.vecna", folder, s->name);
    return length > 0 && (size_t)length < sizeof s->path && access(s->path, R_OK) == 0;
}

static bool is_name(const char *name) {
    return strchr(name, '/') == NULL && access(name, F_OK) != 0;
}

int find_map(const char *name, char *path, size_t room) {
    sought s = {.name = name};
    return is_name(name) && visit_map_folders(is_here, &s) &&
           (size_t)snprintf(path, room, "%s", s.path) < room;
}

vecna_status open_map(const char *name, vecna_map **out, vecna_error *err) {
    char path[2 * PATH_ROOM];
    if (find_map(name, path, sizeof path))
        return vecna_map_open(path, NULL, out, err);
    if (is_name(name)) {
        return vecna_error_set(
            err, VECNA_ERR_NOT_FOUND, -1,
            "%s: no such file, and no installed map of that name (`vecna maps` lists "
            "them)",
            name);
    }
    return vecna_map_open(name, NULL, out, err);
}
