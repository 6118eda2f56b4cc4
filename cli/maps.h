/* Maps by name: a file, or a map that was installed. */
#ifndef VECNA_CLI_MAPS_H
#define VECNA_CLI_MAPS_H

#include "cli/cli.h"
#include "vecna/translate.h"

/* Calls visit for every folder where installed maps may lie, in the order in which they are searched: those
 * of VECNA_MAPS, PREFIX/share/vecna/maps beside the running program, and maps/ of a source tree that it
 * was built in. Stops when visit returns true; returns whether it did. */
bool visit_map_folders(bool (*visit)(void *user, const char *folder), void *user);

/* The file that a name stands for: 1 and its path when it is an installed map, 0 when it is a path already or
 * nothing is installed under it. */
int find_map(const char *name, char *path, size_t room);
/* Open a map by path, or by the name of an installed one ("minilm-to-mpnet"). */
vecna_status open_map(const char *name, vecna_map **out, vecna_error *err);

#endif
