/* vecna maps: the generic maps that are installed, each with its card.
 *
 * A card is NAME.json beside NAME.vecna: from which texts under which licences, how many pairs, and what
 * was measured in and out of these texts' domains. What a map is it says itself; what it is worth only
 * its card can say, so a map without one is listed as such. */
#include "cli/maps.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_ROOM = 128, PATH_ROOM = 4096, SUMMARY_ROOM = 256 };

typedef struct found_map {
    char name[NAME_ROOM];
    char *folder;
} found_map;

typedef struct map_list {
    found_map *items;
    size_t count, room;
    bool out_of_memory;
} map_list;

static void free_list(map_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].folder);
    free(list->items);
}

/* ---- finding --------------------------------------------------------------------------------- */

static bool has_name(const map_list *list, const char *name) {
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return true;
    return false;
}

static void add_map(map_list *list, const char *folder, const char *name, size_t length) {
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 16;
        found_map *grown = realloc(list->items, room * sizeof *grown);
        if (grown == NULL) {
            list->out_of_memory = true;
            return;
        }
        list->items = grown;
        list->room = room;
    }
    found_map *one = &list->items[list->count];
    memcpy(one->name, name, length);
    one->name[length] = '\0';
    if (has_name(list, one->name)) /* an earlier folder's comes first */
        return;
    one->folder = malloc(strlen(folder) + 1);
    if (one->folder == NULL) {
        list->out_of_memory = true;
        return;
    }
    memcpy(one->folder, folder, strlen(folder) + 1);
    list->count++;
}

static bool look_into(void *user, const char *folder) {
    map_list *list = user;
    DIR *opened = opendir(folder);
    const struct dirent *entry;
    while (opened && (entry = readdir(opened)) != NULL) {
        size_t length = strlen(entry->d_name);
        if (length > 6 && length - 6 < NAME_ROOM &&
            strcmp(entry->d_name + length - 6, ".vecna") == 0)
            add_map(list, folder, entry->d_name, length - 6);
    }
    if (opened)
        closedir(opened);
    return false;
}

static int by_name(const void *left, const void *right) {
    return strcmp(((const found_map *)left)->name, ((const found_map *)right)->name);
}

/* ---- cards ----------------------------------------------------------------------------------- */

static void path_of(const found_map *one, const char *end, char out[PATH_ROOM]) {
    snprintf(out, PATH_ROOM, "%s/%s%s", one->folder, one->name, end);
}

/* The card, whole and well-formed JSON, to be freed; NULL where there is none or it is broken. */
static char *read_card(const found_map *one, size_t *bytes) {
    char path[PATH_ROOM], *data = NULL;
    vecna_json json;
    vecna_json_token token;
    vecna_error err;
    path_of(one, ".json", path);
    if (read_file(path, &data, bytes, &err) != VECNA_OK)
        return NULL;
    vecna_json_init(&json, data, *bytes, 0);
    if (vecna_json_next(&json, &token, &err) == VECNA_OK && token.kind == VECNA_JSON_OBJECT_BEGIN &&
        vecna_json_skip(&json, &token, NULL, &err) == VECNA_OK &&
        vecna_json_next(&json, &token, &err) == VECNA_OK && token.kind == VECNA_JSON_END)
        return data;
    note("%s is no card: %s", path, err.message);
    free(data);
    return NULL;
}

/* The member of that name, when it is a short text. */
static void take_text(const char *card, size_t bytes, const char *name, char out[SUMMARY_ROOM]) {
    vecna_json json;
    vecna_json_token key, value;
    out[0] = '\0';
    vecna_json_init(&json, card, bytes, 0);
    if (vecna_json_next(&json, &key, NULL) != VECNA_OK)
        return;
    while (vecna_json_next(&json, &key, NULL) == VECNA_OK && key.kind == VECNA_JSON_KEY &&
           vecna_json_next(&json, &value, NULL) == VECNA_OK &&
           vecna_json_skip(&json, &value, NULL, NULL) == VECNA_OK)
        if (vecna_json_is(&key, name) && value.kind == VECNA_JSON_STRING &&
            value.bytes < SUMMARY_ROOM)
            out[vecna_json_unescape(&value, out)] = '\0';
}

/* A card line by line: members of objects on lines of their own, indented; elements after a dash. */
static void print_card(const char *card, size_t bytes) {
    vecna_json json;
    vecna_json_token token;
    size_t depth = 0;
    char *text = malloc(bytes + 1);
    bool fresh = true; /* nothing stands on the line yet */
    vecna_json_init(&json, card, bytes, 0);
    while (text && vecna_json_next(&json, &token, NULL) == VECNA_OK &&
           token.kind != VECNA_JSON_END) {
        switch (token.kind) {
        case VECNA_JSON_OBJECT_BEGIN:
        case VECNA_JSON_ARRAY_BEGIN:
            if (!fresh)
                putchar('\n');
            fresh = true;
            depth++;
            break;
        case VECNA_JSON_OBJECT_END:
        case VECNA_JSON_ARRAY_END:
            if (!fresh)
                putchar('\n');
            fresh = true;
            depth--;
            break;
        case VECNA_JSON_KEY:
            if (!fresh)
                putchar('\n');
            text[vecna_json_unescape(&token, text)] = '\0';
            printf("%*s%s: ", (int)(2 * depth), "", text);
            fresh = false;
            break;
        default:
            if (fresh)
                printf("%*s- ", (int)(2 * depth), "");
            text[vecna_json_unescape(&token, text)] = '\0';
            fputs(text, stdout);
            putchar('\n');
            fresh = true;
        }
    }
    free(text);
}

/* ---- the list -------------------------------------------------------------------------------- */

static void list_as_table(const map_list *list, vecna_map **maps) {
    static const char *const headers[] = {"name", "dims", "role", "pairs", "MB"};
    table t;
    table_start(&t, 5, headers);
    for (size_t i = 0; i < list->count; i++) {
        vecna_map_info about = vecna_map_about(maps[i]);
        double bytes = 4.0 * (double)(about.source_dim + 1) * (double)about.target_dim;
        char path[PATH_ROOM];
        FILE *file;
        path_of(&list->items[i], ".vecna", path);
        file = fopen(path, "rb");
        if (file && fseek(file, 0, SEEK_END) == 0)
            bytes = (double)ftell(file);
        if (file)
            fclose(file);
        table_cell(&t, "%s", list->items[i].name);
        table_cell(&t, "%zu -> %zu", about.source_dim, about.target_dim);
        table_cell(&t, "%s", vecna_role_name(about.role));
        table_cell(&t, "%s", grouped(about.rows_fit));
        table_cell(&t, "%.1f", bytes / 1e6);
    }
    table_print(&t, stdout, "");
    for (size_t i = 0; i < list->count; i++) {
        char summary[SUMMARY_ROOM];
        size_t bytes = 0;
        char *card = read_card(&list->items[i], &bytes);
        if (card)
            take_text(card, bytes, "summary", summary);
        printf("\n%s: %s\n", list->items[i].name,
               !card        ? "no card beside it: what it is worth is not known"
               : summary[0] ? summary
                            : "its card has no summary");
        free(card);
    }
    puts(
        "\n`vecna maps NAME` shows a card, `vecna fit SOURCE TARGET --prior NAME` leans on a map.");
}

static int list_as_json(const map_list *list, vecna_map **maps) {
    vecna_json_writer json;
    vecna_json_writer_init(&json, 0, NULL);
    vecna_json_write_object_begin(&json);
    vecna_json_write_key(&json, "maps");
    vecna_json_write_array_begin(&json);
    for (size_t i = 0; i < list->count; i++) {
        vecna_map_info about = vecna_map_about(maps[i]);
        char path[PATH_ROOM];
        size_t bytes = 0;
        char *card = read_card(&list->items[i], &bytes);
        const struct {
            const char *key, *text;
        } texts[] = {
            {"name", list->items[i].name},         {"path", path},
            {"source", about.source_name},         {"target", about.target_name},
            {"role", vecna_role_name(about.role)}, {"verdict", vecna_verdict_name(about.verdict)}};
        const struct {
            const char *key;
            uint64_t value;
        } counts[] = {{"source_dim", about.source_dim},
                      {"target_dim", about.target_dim},
                      {"rows_fit", about.rows_fit}};
        path_of(&list->items[i], ".vecna", path);
        vecna_json_write_object_begin(&json);
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            vecna_json_write_key(&json, texts[k].key);
            vecna_json_write_string(&json, texts[k].text);
        }
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
            vecna_json_write_key(&json, counts[k].key);
            vecna_json_write_u64(&json, counts[k].value);
        }
        vecna_json_write_key(&json, "statistics");
        vecna_json_write_bool(&json, about.statistics != VECNA_STATISTICS_NONE);
        vecna_json_write_key(&json, "card");
        if (card)
            vecna_json_write_raw(&json, card, bytes);
        else
            vecna_json_write_null(&json);
        vecna_json_write_object_end(&json);
        free(card);
    }
    vecna_json_write_array_end(&json);
    vecna_json_write_object_end(&json);
    return print_json(&json, stdout);
}

static int show_card(const map_list *list, const char *name, bool as_json) {
    for (size_t i = 0; i < list->count; i++) {
        size_t bytes = 0;
        char *card;
        if (strcmp(list->items[i].name, name) != 0)
            continue;
        card = read_card(&list->items[i], &bytes);
        if (card == NULL)
            return fail_text("%s/%s.vecna has no card beside it; `vecna inspect` shows the map",
                             list->items[i].folder, name);
        if (as_json) { /* as the file has it: one object */
            fwrite(card, 1, bytes, stdout);
            if (bytes && card[bytes - 1] != '\n')
                putchar('\n');
        } else {
            print_card(card, bytes);
        }
        free(card);
        return EXIT_DONE;
    }
    return fail_text("no installed map is called %s; `vecna maps` lists them", name);
}

static bool name_folder(void *user, const char *folder) {
    (void)user;
    note("looked in %s", folder);
    return false;
}

/* Keep the maps that open; the others are named. */
static void open_all(map_list *list, vecna_map **maps) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        char path[PATH_ROOM];
        vecna_error err;
        path_of(&list->items[i], ".vecna", path);
        if (vecna_map_open(path, NULL, &maps[kept], &err) != VECNA_OK) {
            note("%s", err.message);
            free(list->items[i].folder);
            continue;
        }
        list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

static int run_maps(map_list *list, const char *name, bool as_json) {
    int status = EXIT_DONE;
    vecna_map **maps;
    visit_map_folders(look_into, list);
    if (list->out_of_memory)
        return fail_text("not enough memory to list the maps");
    if (list->count > 1)
        qsort(list->items, list->count, sizeof *list->items, by_name);
    if (name)
        return show_card(list, name, as_json);
    maps = calloc(list->count + 1, sizeof(vecna_map *));
    if (maps == NULL)
        return fail_text("not enough memory to list the maps");
    open_all(list, maps);
    if (list->count == 0 && !as_json) {
        puts(
            "no maps are installed; VECNA_MAPS names folders (separated by colons) that hold some");
        visit_map_folders(name_folder, NULL);
    } else if (as_json)
        status = list_as_json(list, maps);
    else
        list_as_table(list, maps);
    for (size_t i = 0; i < list->count; i++)
        vecna_map_free(maps[i]);
    free(maps);
    return status;
}

int command_maps(int argc, char **argv) {
    bool as_json = false;
    const option options[] = {
        {"json", 0, OPTION_FLAG, &as_json, NULL,
         "one JSON object: the card of NAME, or all of them"},
    };
    const usage use = {
        "vecna maps [NAME] [--json]",
        "Lists the generic maps that are installed, or shows the card of one: which texts, which\n"
        "licences, what it keeps in and out of their domain. A map's name goes wherever a map's "
        "file "
        "does.",
        options,
        sizeof options / sizeof options[0],
        "  vecna maps\n"
        "  vecna fit few.old.npy few.new.npy --prior minilm-to-mpnet -o mine.vecna\n",
        0,
        1};
    const char *paths[1] = {NULL};
    size_t count;
    map_list list = {0};
    int status = parse_arguments(argc, argv, &use, paths, &count);
    if (status >= 0)
        return status;
    status = run_maps(&list, paths[0], as_json);
    free_list(&list);
    return status;
}
