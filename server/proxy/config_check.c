/* What the table cannot say: names that must exist, addresses that must be sound, keys that must be read.
 * Upstream addresses are parsed once, here, by libcurl's own parser, so that what is checked is what is
 * connected to; addresses that hand out a cloud machine's credentials are refused. */
#include "proxy/config.h"

#include "net/net_impl.h"
#include "pool/pool_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vecna_status mistake(const vni_config *config, int line, vecna_error *err,
                            const char *format, ...) VECNA_PRINTF(4, 5);

#include <stdarg.h>

static vecna_status mistake(const vni_config *config, int line, vecna_error *err,
                            const char *format, ...) {
    char text[240];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (line > 0)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, line, "%s, line %d: %s",
                               config->path ? config->path : "the configuration", line, text);
    return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "%s", text);
}

/* The first line of a file, without white space around it. */
static vecna_status first_line(vni_config *config, int line, const char *path, const char **out,
                               vecna_error *err) {
    char text[4096];
    FILE *file = fopen(path, "r");
    char *got;
    size_t bytes;
    if (file == NULL)
        return mistake(config, line, err, "cannot open the key file %s: %s", path, strerror(errno));
    got = fgets(text, sizeof text, file);
    fclose(file);
    bytes = got ? strcspn(text, "\r\n") : 0;
    while (bytes && (text[bytes - 1] == ' ' || text[bytes - 1] == '\t'))
        bytes--;
    if (bytes == 0)
        return mistake(config, line, err, "the key file %s has no key in its first line", path);
    *out = vni_arena_copy(&config->arena, text, bytes);
    vni_wipe(text, sizeof text);
    return *out ? VECNA_OK : vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a key");
}

/* A key goes into a header: visible ASCII only. */
static vecna_status check_key_text(const vni_config *config, int line, const char *key,
                                   vecna_error *err) {
    for (const char *at = key; *at; at++)
        if (*at <= ' ' || *at > '~')
            return mistake(config, line, err,
                           "a key holds a space, a control character or no ASCII");
    return VECNA_OK;
}

static vecna_status resolve_key(vni_config *config, int line, const char **key, const char *file,
                                vecna_error *err) {
    vecna_status status = VECNA_OK;
    if (*key && (*key)[0] == '\0')
        *key = NULL;
    if (file && *key)
        return mistake(config, line, err, "api_key and api_key_file: give one of them");
    if (file)
        status = first_line(config, line, file, key, err);
    if (status == VECNA_OK && *key)
        status = check_key_text(config, line, *key, err);
    return status;
}

static vecna_status check_url(vni_config *config, int line, const char **url, vecna_error *err) {
    char *clean = NULL;
    vecna_error inner;
    inner.message[0] = '\0';
    if (vni_url_check(*url, &clean, &inner) != VECNA_OK)
        return mistake(config, line, err, "url %s", inner.message);
    *url = vni_arena_copy(&config->arena, clean, strlen(clean));
    vni_url_free(clean);
    return *url ? VECNA_OK : vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for an address");
}

/* Names stand in metrics and log lines. */
static vecna_status check_word(const vni_config *config, int line, const char *what,
                               const char *name, vecna_error *err) {
    size_t bytes = strlen(name);
    int odd = bytes == 0 || bytes > 64;
    for (size_t i = 0; i < bytes; i++)
        odd |= name[i] < ' ' || name[i] > '~' || name[i] == '"' || name[i] == '\\';
    if (odd)
        return mistake(config, line, err,
                       "the name of a %s has 1 to 64 ASCII characters without quotes", what);
    return VECNA_OK;
}

static vecna_status check_target(vni_config *config, size_t index, vecna_error *err) {
    vni_config_target *target = &config->forward.targets.items[index];
    int line = target->section.line;
    vecna_status status = resolve_key(config, line, &target->api_key, target->api_key_file, err);

    if (status == VECNA_OK && target->id == NULL) {
        target->id = vni_arena_print(&config->arena, "target-%zu", index + 1);
        if (target->id == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a name");
    }
    if (status == VECNA_OK)
        status = check_word(config, line, "target", target->id, err);
    for (size_t i = 0; status == VECNA_OK && i < index; i++)
        if (strcmp(config->forward.targets.items[i].id, target->id) == 0)
            return mistake(config, line, err, "two targets are named %s", target->id);
    if (status == VECNA_OK && target->provider == VNI_PROVIDER_STATIC) {
        if (target->url || target->endpoints.count)
            return mistake(config, line, err, "target %s is static, so it has no url", target->id);
        return VECNA_OK;
    }
    if (status == VECNA_OK && (target->url != NULL) == (target->endpoints.count > 0))
        return mistake(config, line, err, "target %s needs a url, or endpoints, and not both",
                       target->id);
    if (status == VECNA_OK && target->url)
        status = check_url(config, line, &target->url, err);
    for (size_t i = 0; status == VECNA_OK && i < target->endpoints.count; i++) {
        vni_config_endpoint *one = &target->endpoints.items[i];
        if (one->url == NULL)
            return mistake(config, one->section.line, err, "an endpoint of %s has no url",
                           target->id);
        status = resolve_key(config, one->section.line, &one->api_key, one->api_key_file, err);
        if (status == VECNA_OK)
            status = check_url(config, one->section.line, &one->url, err);
    }
    if (status == VECNA_OK && target->health_path && target->health_path[0] != '/')
        return mistake(config, line, err, "health_path starts with a /, not \"%s\"",
                       target->health_path);
    return status;
}

static const vni_config_target *find_target(const vni_config *config, const char *name) {
    for (size_t i = 0; i < config->forward.targets.count; i++)
        if (strcmp(config->forward.targets.items[i].id, name) == 0)
            return &config->forward.targets.items[i];
    return NULL;
}

static vecna_status unknown_target(const vni_config *config, int line, const char *name,
                                   vecna_error *err) {
    const char *nearest = NULL;
    size_t least = 5;
    for (size_t i = 0; i < config->forward.targets.count; i++) {
        size_t distance = vni_word_distance(name, config->forward.targets.items[i].id);
        if (distance < least) {
            least = distance;
            nearest = config->forward.targets.items[i].id;
        }
    }
    return mistake(config, line, err, "there is no target \"%s\"%s%s%s", name,
                   nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static vecna_status check_map(const vni_config *config, const vni_config_map *map, const char *name,
                              vecna_error *err) {
    vni_config_map whole = vni_config_map_effective(config, map);
    int line = map->section.line;
    if (whole.forward_target && whole.forward_target[0] &&
        find_target(config, whole.forward_target) == NULL)
        return unknown_target(config, line, whole.forward_target, err);
    if (whole.map && whole.map[0] && whole.type != VNI_ADAPTER_NONE)
        return mistake(config, line, err,
                       "%s has a map file and a type: a learned map needs no adapter", name);
    if (whole.type != VNI_ADAPTER_NONE && whole.target_dim == 0)
        return mistake(config, line, err, "%s has a type and no target_dim", name);
    if (whole.type == VNI_ADAPTER_NONE && whole.target_dim != 0 && !(whole.map && whole.map[0]) &&
        whole.source_dim != whole.target_dim)
        return mistake(
            config, line, err,
            "%s has target_dim %zu and says not how: set type (truncate, projection) or map", name,
            whole.target_dim);
    return VECNA_OK;
}

static vecna_status check_name(const vni_config *config, const vni_config_map *map,
                               vecna_error *err) {
    const char *name = map->section.name;
    if (name[0] == '\0' || strlen(name) > 64 || strcmp(name, "default") == 0)
        return mistake(config, map->section.line, err,
                       "a map's name has 1 to 64 characters and is not \"default\"");
    for (; *name; name++)
        if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
              (*name >= '0' && *name <= '9') || *name == '-' || *name == '_' || *name == '.'))
            return mistake(
                config, map->section.line, err,
                "a map's name stands in a path: letters, digits, - _ and . only, not \"%s\"",
                map->section.name);
    return VECNA_OK;
}

static int hex_digest(const char *text) {
    return strlen(text) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

static vecna_status check_client_key(vni_config *config, size_t index, vecna_error *err) {
    vni_config_key *key = &config->keys.items[index];
    int line = key->section.line;
    vecna_status status = VECNA_OK;
    if ((key->sha256 != NULL) + (key->key != NULL) + (key->key_file != NULL) != 1)
        return mistake(config, line, err, "a key has one of sha256, key and key_file");
    if (key->id == NULL)
        key->id = vni_arena_print(&config->arena, "key-%zu", index + 1);
    if (key->id == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a name");
    status = check_word(config, line, "key", key->id, err);
    for (size_t i = 0; status == VECNA_OK && i < index; i++)
        if (strcmp(config->keys.items[i].id, key->id) == 0)
            return mistake(config, line, err, "two keys are named %s", key->id);
    if (status == VECNA_OK && key->sha256 && !hex_digest(key->sha256))
        return mistake(config, line, err, "sha256 of key %s is not 64 hexadecimal digits", key->id);
    if (status == VECNA_OK && key->key_file)
        status = first_line(config, line, key->key_file, &key->key, err);
    if (status == VECNA_OK && key->key && key->key[0] == '\0')
        return mistake(config, line, err, "key %s is empty", key->id);
    if (status == VECNA_OK && key->key)
        status = check_key_text(config, line, key->key, err);
    for (size_t i = 0; status == VECNA_OK && i < key->maps.count; i++) {
        int known = strcmp(key->maps.items[i], "default") == 0;
        for (size_t j = 0; j < config->extra_maps.count; j++)
            known |= strcmp(config->extra_maps.items[j].section.name, key->maps.items[i]) == 0;
        if (!known)
            return mistake(config, line, err, "key %s names a map \"%s\" that does not exist",
                           key->id, key->maps.items[i]);
    }
    return status;
}

vni_config_map vni_config_map_effective(const vni_config *config, const vni_config_map *map) {
    vni_config_map whole = *map;
    int own_way = 0; /* a map with its own way of changing vectors does not inherit the other way */
    if (map == &config->adapter)
        return whole;
    for (size_t i = 0; i < vni_map_table.count; i++) {
        const vni_setting *field = &vni_map_table.fields[i];
        if (map->section.given >> i & 1 && (field->offset == offsetof(vni_config_map, type) ||
                                            field->offset == offsetof(vni_config_map, map)))
            own_way = 1;
    }
    for (size_t i = 0; i < vni_map_table.count; i++) {
        const vni_setting *field = &vni_map_table.fields[i];
        size_t bytes = field->kind == VNI_KIND_TEXT    ? sizeof(const char *)
                       : field->kind == VNI_KIND_COUNT ? sizeof(size_t)
                                                       : sizeof(int);
        if (map->section.given >> i & 1)
            continue;
        if (own_way && (field->offset == offsetof(vni_config_map, type) ||
                        field->offset == offsetof(vni_config_map, map)))
            continue;
        memcpy((char *)&whole + field->offset, (const char *)&config->adapter + field->offset,
               bytes);
    }
    return whole;
}

vecna_status vni_config_check(vni_config *config, vecna_error *err) {
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i < config->forward.targets.count; i++)
        status = check_target(config, i, err);
    if (status == VECNA_OK && config->forward.target && config->forward.target[0] &&
        find_target(config, config->forward.target) == NULL)
        status = unknown_target(config, config->forward.section.line, config->forward.target, err);
    if (status == VECNA_OK)
        status = check_map(config, &config->adapter, "adapter", err);
    for (size_t i = 0; status == VECNA_OK && i < config->extra_maps.count; i++) {
        status = check_name(config, &config->extra_maps.items[i], err);
        if (status == VECNA_OK)
            status = check_map(config, &config->extra_maps.items[i],
                               config->extra_maps.items[i].section.name, err);
    }
    for (size_t i = 0; status == VECNA_OK && i < config->keys.count; i++)
        status = check_client_key(config, i, err);
    if (status == VECNA_OK && (config->tls.cert != NULL) != (config->tls.key != NULL))
        status = mistake(config, config->tls.section.line, err, "tls needs cert and key");
    return status;
}
