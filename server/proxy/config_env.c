/* The environment as the configuration sees it. Which variables were asked for is remembered: one that
 * starts with VECNA_ and that nobody asked for is a setting misspelt, and a setting misspelt that is passed
 * over in silence is a server that does something else than its owner believes. */
#include "proxy/config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Read by other commands, and by the tests. */
static const char *const others[] = {"VECNA_CPU", "VECNA_MAPS", "VECNA_UPSTREAM_KEY", "VECNA_LONG"};

const char *vni_environment_value(const vni_environment *in, const char *name, size_t bytes) {
    const char *value = NULL;
    for (size_t i = 0; i < in->count; i++)
        if (strncmp(in->all[i], name, bytes) == 0 && in->all[i][bytes] == '=') {
            in->asked[i] = 1;
            value = value ? value : in->all[i] + bytes + 1;
        }
    return value;
}

int vni_environment_has(const vni_environment *in, const char *prefix) {
    size_t bytes = strlen(prefix);
    for (size_t i = 0; i < in->count; i++)
        if (strncmp(in->all[i], prefix, bytes) == 0)
            return 1;
    return 0;
}

void vni_environment_append(char *name, size_t capacity, const char *word) {
    size_t at = strlen(name);
    if (at + 2 > capacity)
        return;
    name[at++] = '_';
    for (; *word && at + 1 < capacity; word++)
        name[at++] = isalnum((unsigned char)*word) ? (char)toupper((unsigned char)*word) : '_';
    name[at] = '\0';
}

typedef struct search {
    const char *wanted;
    size_t least;
    char nearest[VNI_ENVIRONMENT_NAME];
} search;

static void look_through(search *in, const vni_setting_table *table, const char *prefix,
                         const char *section);

/* What a list holds, and in a numbered one the place behind its end. */
static void look_through_list(search *in, const vni_setting *field, const char *prefix,
                              const char *section) {
    struct {
        char *data;
        size_t count;
    } list = {NULL, 0};
    if (section)
        memcpy(&list, section + field->offset, sizeof list);
    for (size_t i = 0; i < list.count + (field->kind == VNI_KIND_LIST); i++) {
        const char *item = i < list.count ? list.data + i * field->table->bytes : NULL;
        char name[VNI_ENVIRONMENT_NAME], number[24];
        vni_section head = {0};
        if (item)
            memcpy(&head, item, sizeof head);
        snprintf(name, sizeof name, "%s", prefix);
        snprintf(number, sizeof number, "%zu", i);
        vni_environment_append(name, sizeof name, head.name ? head.name : number);
        look_through(in, field->table, name, item);
    }
}

static void look_through(search *in, const vni_setting_table *table, const char *prefix,
                         const char *section) {
    for (size_t i = 0; i < table->count; i++) {
        const vni_setting *field = &table->fields[i];
        char name[VNI_ENVIRONMENT_NAME];
        size_t distance;
        snprintf(name, sizeof name, "%s", prefix);
        vni_environment_append(name, sizeof name, field->key);
        if (field->kind == VNI_KIND_SECTION) {
            look_through(in, field->table, name, section ? section + field->offset : NULL);
        } else if (field->kind == VNI_KIND_LIST || field->kind == VNI_KIND_NAMED) {
            look_through_list(in, field, name, section);
        } else if ((distance = vni_word_distance(in->wanted, name)) < in->least) {
            in->least = distance;
            memcpy(in->nearest, name, sizeof name);
        }
    }
}

/* Kubernetes tells every container of every service: one that is called vecna makes VECNA_SERVICE_HOST,
 * VECNA_PORT and VECNA_PORT_8484_TCP_ADDR. Nobody can help having them. */
static int names_a_service(const char *name, const char *value) {
    const char *port = strstr(name, "_PORT");
    size_t bytes = strlen(name);
    if (strstr(name, "_SERVICE_PORT") ||
        (bytes > 13 && strcmp(name + bytes - 13, "_SERVICE_HOST") == 0))
        return 1;
    if (port == NULL)
        return 0;
    if (port[5] == '\0')
        return strncmp(value, "tcp://", 6) == 0 || strncmp(value, "udp://", 6) == 0;
    port += 5 + (port[5] == '_');
    if (!isdigit((unsigned char)*port))
        return 0;
    port += strspn(port, "0123456789");
    return strncmp(port, "_TCP", 4) == 0 || strncmp(port, "_UDP", 4) == 0;
}

static int is_anothers(const char *name, const char *value) {
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(name, others[i]) == 0)
            return 1;
    return names_a_service(name, value);
}

vecna_status vni_environment_check(const vni_environment *in, const vni_config *config,
                                   vecna_error *err) {
    for (size_t i = 0; i < in->count; i++) {
        char name[VNI_ENVIRONMENT_NAME];
        size_t bytes = strcspn(in->all[i], "=");
        search near = {name, 0, ""};
        if (in->asked[i] || strncmp(in->all[i], "VECNA_", 6) != 0 || in->all[i][bytes] != '=')
            continue;
        snprintf(name, sizeof name, "%.*s", bytes < sizeof name ? (int)bytes : 0, in->all[i]);
        if (is_anothers(name, in->all[i] + bytes + 1))
            continue;
        near.least = (bytes - 6) / 2 + 1 < 6 ? (bytes - 6) / 2 + 1 : 6;
        look_through(&near, &vni_config_table, "VECNA", (const char *)config);
        if (near.nearest[0])
            return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                                   "the environment sets %s, which is no setting; did you mean %s?",
                                   name, near.nearest);
        return vecna_error_set(err, VECNA_ERR_NOT_FOUND, -1,
                               "the environment sets %.*s, which is no setting; docs/config.md has "
                               "them all, each VECNA_ and its path in capitals",
                               bytes < 100 ? (int)bytes : 100, in->all[i]);
    }
    return VECNA_OK;
}
