/* vecna.yaml into structs. libyaml makes a tree with lines; the walk over it is driven by the table, so a
 * key that is not in the table cannot be read, and a key that is cannot be forgotten. The tree's depth
 * does not matter: only as deep as the table goes is ever visited, anchors that point at themselves
 * included. The environment comes second, over the same table. */
#include "proxy/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

enum { FILE_BYTES_MOST = 4 << 20, ITEMS_MOST = 4096 };

typedef struct items { /* the layout of every list in the configuration */
    void *data;
    size_t count;
} items;

typedef struct reading {
    vni_config *config;
    yaml_document_t *document;
    vni_environment environment;
    vecna_error *err;
} reading;

static vecna_status out_of_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the configuration");
}

static int node_line(const yaml_node_t *node) {
    return (int)node->start_mark.line + 1;
}

/* "${NAME}" replaced; *out is in the arena or the text itself. */
static vecna_status expand(const reading *in, const char *text, int line, const char **out) {
    char *result;
    size_t most = strlen(text) + 1, used = 0;
    if (strstr(text, "${") == NULL) {
        *out = text;
        return VECNA_OK;
    }
    for (const char *at = text; (at = strstr(at, "${")) != NULL; at += 2) {
        const char *end = strchr(at, '}');
        const char *value =
            end ? vni_environment_value(&in->environment, at + 2, (size_t)(end - at) - 2) : NULL;
        if (end == NULL)
            return vecna_error_set(in->err, VECNA_ERR_FORMAT, line, "line %d: ${ without }", line);
        if (value == NULL)
            return vecna_error_set(
                in->err, VECNA_ERR_NOT_FOUND, line,
                "line %d: the environment has no %.*s; set it, or write the value", line,
                (int)(end - at - 2), at + 2);
        most += strlen(value);
    }
    result = vni_arena_take(&in->config->arena, most);
    if (result == NULL)
        return out_of_memory(in->err);
    for (const char *at = text; *at;) {
        if (at[0] == '$' && at[1] == '{') {
            const char *end = strchr(at, '}');
            const char *value =
                vni_environment_value(&in->environment, at + 2, (size_t)(end - at) - 2);
            memcpy(result + used, value, strlen(value));
            used += strlen(value);
            at = end + 1;
        } else {
            result[used++] = *at++;
        }
    }
    *out = result;
    return VECNA_OK;
}

static const vni_setting *find_field(const vni_setting_table *table, const char *key,
                                     size_t *index) {
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->fields[i].key, key) == 0 ||
            (table->fields[i].alias && strcmp(table->fields[i].alias, key) == 0)) {
            *index = i;
            return &table->fields[i];
        }
    return NULL;
}

static vecna_status unknown_key(const reading *in, const vni_setting_table *table, const char *key,
                                int line) {
    const char *nearest = NULL;
    size_t least = strlen(key) / 2 + 2 < 5 ? strlen(key) / 2 + 2 : 5;
    for (size_t i = 0; i < table->count; i++) {
        size_t distance = vni_word_distance(key, table->fields[i].key);
        if (distance < least) {
            least = distance;
            nearest = table->fields[i].key;
        }
    }
    if (nearest)
        return vecna_error_set(in->err, VECNA_ERR_NOT_FOUND, line,
                               "line %d: there is no key \"%s\" here; did you mean %s?", line, key,
                               nearest);
    return vecna_error_set(in->err, VECNA_ERR_NOT_FOUND, line,
                           "line %d: there is no key \"%s\" here; docs/config.md has them all",
                           line, key);
}

static vecna_status read_section(const reading *in, const vni_setting_table *table,
                                 const yaml_node_t *node, const char *where, void *section);

static vecna_status wrong_shape(const reading *in, const yaml_node_t *node, const char *key,
                                const char *shape) {
    return vecna_error_set(in->err, VECNA_ERR_FORMAT, node_line(node), "line %d: %s takes %s",
                           node_line(node), key, shape);
}

static int is_null(const yaml_node_t *node) {
    const char *text = (const char *)node->data.scalar.value;
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static vecna_status read_scalar(const reading *in, const vni_setting *field,
                                const yaml_node_t *node, void *section) {
    const char *text;
    vecna_status status;
    if (node->type != YAML_SCALAR_NODE)
        return wrong_shape(in, node, field->key, "one value");
    if (strlen((const char *)node->data.scalar.value) != node->data.scalar.length)
        return wrong_shape(in, node, field->key, "text without a NUL");
    status = expand(in, (const char *)node->data.scalar.value, node_line(node), &text);
    if (status != VECNA_OK)
        return status;
    return vni_config_set(field, section, text, node_line(node), &in->config->arena, in->err);
}

static vecna_status read_texts(const reading *in, const vni_setting *field, const yaml_node_t *node,
                               void *section) {
    vni_texts texts = {NULL, 0};
    size_t count = node->type == YAML_SCALAR_NODE
                       ? 1
                       : (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (node->type == YAML_MAPPING_NODE || count > ITEMS_MOST)
        return wrong_shape(in, node, field->key, "a list of texts");
    texts.items = vni_arena_take(&in->config->arena, (count + 1) * sizeof *texts.items);
    if (texts.items == NULL)
        return out_of_memory(in->err);
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item =
            node->type == YAML_SCALAR_NODE
                ? node
                : yaml_document_get_node(in->document, node->data.sequence.items.start[i]);
        vni_setting one = *field;
        const char *text = NULL;
        vecna_status status;
        one.kind = VNI_KIND_TEXT;
        one.offset = 0;
        status = read_scalar(in, &one, item, &text);
        if (status != VECNA_OK)
            return status;
        texts.items[texts.count++] = text;
    }
    memcpy((char *)section + field->offset, &texts, sizeof texts);
    return VECNA_OK;
}

/* Room for one more struct at the end of a list, with its defaults. */
static vecna_status add_item(const reading *in, const vni_setting *field, void *section,
                             void **item) {
    vni_arena *arena = &in->config->arena;
    items list;
    char *grown;
    memcpy(&list, (char *)section + field->offset, sizeof list);
    if (list.count >= ITEMS_MOST)
        return vecna_error_set(in->err, VECNA_ERR_OVERFLOW, -1, "%s: more than %d entries",
                               field->key, ITEMS_MOST);
    if ((list.count & (list.count - 1)) == 0) { /* 0, 1, 2, 4 ...: full */
        grown = vni_arena_take(arena, (list.count ? list.count * 2 : 1) * field->table->bytes);
        if (grown == NULL)
            return out_of_memory(in->err);
        if (list.count)
            memcpy(grown, list.data, list.count * field->table->bytes);
        list.data = grown;
    }
    *item = (char *)list.data + list.count++ * field->table->bytes;
    memcpy((char *)section + field->offset, &list, sizeof list);
    return vni_config_defaults(field->table, *item, arena, in->err);
}

static vecna_status read_list(const reading *in, const vni_setting *field, const yaml_node_t *node,
                              void *section) {
    if (node->type != YAML_SEQUENCE_NODE)
        return wrong_shape(in, node, field->key, "a list: lines that start with \"- \"");
    for (const yaml_node_item_t *at = node->data.sequence.items.start;
         at < node->data.sequence.items.top; at++) {
        void *item = NULL;
        vecna_status status = add_item(in, field, section, &item);
        if (status == VECNA_OK)
            status = read_section(in, field->table, yaml_document_get_node(in->document, *at),
                                  field->key, item);
        if (status != VECNA_OK)
            return status;
    }
    return VECNA_OK;
}

/* A list in the older spelling [{name: a, ...}] is taken for a named list too. */
static vecna_status read_named(const reading *in, const vni_setting *field, const yaml_node_t *node,
                               void *section) {
    if (node->type != YAML_MAPPING_NODE)
        return wrong_shape(in, node, field->key, "names: each line \"NAME:\", its keys below");
    for (const yaml_node_pair_t *at = node->data.mapping.pairs.start;
         at < node->data.mapping.pairs.top; at++) {
        const yaml_node_t *key = yaml_document_get_node(in->document, at->key);
        const yaml_node_t *value = yaml_document_get_node(in->document, at->value);
        vni_section head = {0};
        void *item = NULL;
        vecna_status status;
        items list;
        if (key->type != YAML_SCALAR_NODE)
            return wrong_shape(in, key, field->key, "names");
        memcpy(&list, (char *)section + field->offset, sizeof list);
        for (size_t i = 0; i < list.count; i++) {
            memcpy(&head, (char *)list.data + i * field->table->bytes, sizeof head);
            if (strcmp(head.name, (const char *)key->data.scalar.value) == 0)
                return vecna_error_set(in->err, VECNA_ERR_FORMAT, node_line(key),
                                       "line %d: %s has \"%s\" twice", node_line(key), field->key,
                                       head.name);
        }
        status = add_item(in, field, section, &item);
        if (status == VECNA_OK)
            status = read_section(in, field->table, value, field->key, item);
        if (status != VECNA_OK)
            return status;
        memcpy(&head, item, sizeof head);
        head.name = vni_arena_copy(&in->config->arena, (const char *)key->data.scalar.value,
                                   key->data.scalar.length);
        head.line = node_line(key);
        if (head.name == NULL)
            return out_of_memory(in->err);
        memcpy(item, &head, sizeof head);
    }
    return VECNA_OK;
}

static vecna_status read_field(const reading *in, const vni_setting *field, const yaml_node_t *node,
                               void *section) {
    switch (field->kind) {
    case VNI_KIND_SECTION:
        return read_section(in, field->table, node, field->key, (char *)section + field->offset);
    case VNI_KIND_LIST:
        return read_list(in, field, node, section);
    case VNI_KIND_NAMED:
        return read_named(in, field, node, section);
    case VNI_KIND_TEXTS:
        return read_texts(in, field, node, section);
    default:
        return read_scalar(in, field, node, section);
    }
}

static vecna_status read_section(const reading *in, const vni_setting_table *table,
                                 const yaml_node_t *node, const char *where, void *section) {
    vni_section head;
    if (is_null(node))
        return VECNA_OK;
    if (node->type != YAML_MAPPING_NODE)
        return wrong_shape(in, node, where, "keys with values: \"key: value\"");
    memcpy(&head, section, sizeof head);
    head.line = node_line(node);
    for (const yaml_node_pair_t *at = node->data.mapping.pairs.start;
         at < node->data.mapping.pairs.top; at++) {
        const yaml_node_t *key = yaml_document_get_node(in->document, at->key);
        const yaml_node_t *value = yaml_document_get_node(in->document, at->value);
        const vni_setting *field;
        vecna_status status;
        size_t index = 0;
        if (key->type != YAML_SCALAR_NODE)
            return wrong_shape(in, key, where, "keys that are words");
        field = find_field(table, (const char *)key->data.scalar.value, &index);
        if (field == NULL)
            return unknown_key(in, table, (const char *)key->data.scalar.value, node_line(key));
        if (head.given >> index & 1)
            return vecna_error_set(in->err, VECNA_ERR_FORMAT, node_line(key),
                                   "line %d: %s stands twice", node_line(key), field->key);
        if (is_null(value))
            continue;
        head.given |= (uint64_t)1 << index;
        memcpy(section, &head, sizeof head);
        status = read_field(in, field, value, section);
        if (status != VECNA_OK)
            return status;
    }
    memcpy(section, &head, sizeof head);
    return VECNA_OK;
}

/* ---- the environment ------------------------------------------------------------------------- */

static vecna_status override(const reading *in, const vni_setting_table *table, const char *prefix,
                             void *section);

static vecna_status override_list(const reading *in, const vni_setting *field, const char *name,
                                  void *section) {
    vni_section head;
    vecna_status status = VECNA_OK;
    for (size_t i = 0; status == VECNA_OK && i < ITEMS_MOST; i++) {
        char item_name[VNI_ENVIRONMENT_NAME], number[24];
        items list;
        void *item;
        memcpy(&list, (char *)section + field->offset, sizeof list);
        snprintf(item_name, sizeof item_name, "%s", name);
        snprintf(number, sizeof number, "%zu", i);
        if (i < list.count) {
            item = (char *)list.data + i * field->table->bytes;
            memcpy(&head, item, sizeof head);
            vni_environment_append(item_name, sizeof item_name, head.name ? head.name : number);
        } else {
            vni_environment_append(item_name, sizeof item_name, number);
            strncat(item_name, "_", sizeof item_name - strlen(item_name) - 1);
            if (field->kind == VNI_KIND_NAMED || !vni_environment_has(&in->environment, item_name))
                break;
            item_name[strlen(item_name) - 1] = '\0';
            status = add_item(in, field, section, &item);
        }
        if (status == VECNA_OK)
            status = override(in, field->table, item_name, item);
    }
    return status;
}

/* A comma-separated list. */
static vecna_status override_texts(const reading *in, const vni_setting *field, const char *value,
                                   void *section) {
    vni_texts texts = {NULL, 0};
    size_t count = 1;
    for (const char *at = value; *at; at++)
        count += *at == ',';
    texts.items = vni_arena_take(&in->config->arena, count * sizeof *texts.items);
    if (texts.items == NULL)
        return out_of_memory(in->err);
    while (*value) {
        size_t bytes = strcspn(value, ",");
        texts.items[texts.count] = vni_arena_copy(&in->config->arena, value, bytes);
        if (texts.items[texts.count++] == NULL)
            return out_of_memory(in->err);
        value += bytes + (value[bytes] == ',');
    }
    memcpy((char *)section + field->offset, &texts, sizeof texts);
    return VECNA_OK;
}

static vecna_status override_one(const reading *in, const vni_setting *field, const char *name,
                                 void *section, int *found) {
    const char *value = vni_environment_value(&in->environment, name, strlen(name));
    vecna_error inner;
    vecna_status status;
    if (value == NULL)
        return VECNA_OK;
    *found = 1;
    if (field->kind == VNI_KIND_TEXTS)
        return override_texts(in, field, value, section);
    inner.message[0] = '\0';
    status = vni_config_set(field, section, value, 0, &in->config->arena, &inner);
    if (status != VECNA_OK)
        return vecna_error_set(in->err, status, -1, "%s of the environment: %s", name,
                               inner.message);
    return VECNA_OK;
}

static vecna_status override(const reading *in, const vni_setting_table *table, const char *prefix,
                             void *section) {
    for (size_t i = 0; i < table->count; i++) {
        const vni_setting *field = &table->fields[i];
        char name[VNI_ENVIRONMENT_NAME];
        vecna_status status;
        int found = 0;
        snprintf(name, sizeof name, "%s", prefix);
        vni_environment_append(name, sizeof name, field->key);
        if (field->kind == VNI_KIND_SECTION)
            status = override(in, field->table, name, (char *)section + field->offset);
        else if (field->kind == VNI_KIND_LIST || field->kind == VNI_KIND_NAMED)
            status = override_list(in, field, name, section);
        else
            status = override_one(in, field, name, section, &found);
        if (status != VECNA_OK)
            return status;
        if (found) {
            vni_section head;
            memcpy(&head, section, sizeof head);
            head.given |= (uint64_t)1 << i;
            memcpy(section, &head, sizeof head);
        }
    }
    return VECNA_OK;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static vecna_status parse(reading *in, const char *text, size_t bytes, const char *name) {
    yaml_parser_t parser;
    yaml_document_t document, second;
    vecna_status status = VECNA_OK;
    const yaml_node_t *root;

    if (!yaml_parser_initialize(&parser))
        return out_of_memory(in->err);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    if (!yaml_parser_load(&parser, &document)) {
        int line = (int)parser.problem_mark.line + 1;
        status = vecna_error_set(in->err, VECNA_ERR_FORMAT, line, "%s, line %d: %s", name, line,
                                 parser.problem ? parser.problem : "not YAML");
        yaml_parser_delete(&parser);
        return status;
    }
    in->document = &document;
    root = yaml_document_get_root_node(&document);
    if (root) {
        vecna_error inner;
        vecna_error *outer = in->err;
        inner.message[0] = '\0';
        inner.position = -1;
        in->err = &inner;
        status = read_section(in, &vni_config_table, root, "the file", in->config);
        in->err = outer;
        if (status != VECNA_OK)
            status = vecna_error_set(outer, status, inner.position, "%s, %s", name, inner.message);
    }
    if (status == VECNA_OK && root && yaml_parser_load(&parser, &second)) {
        if (yaml_document_get_root_node(&second))
            status =
                vecna_error_set(in->err, VECNA_ERR_FORMAT, -1, "%s: more than one document", name);
        yaml_document_delete(&second);
    }
    yaml_document_delete(&document);
    yaml_parser_delete(&parser);
    return status;
}

static vecna_status load(const char *path, const vecna_allocator *allocator, char **text,
                         size_t *bytes, vecna_error *err) {
    FILE *file = fopen(path, "rb");
    char *data = NULL;
    size_t got = 0;
    if (file == NULL)
        return vecna_error_set(err, VECNA_ERR_IO, -1, "cannot open %s: %s", path, strerror(errno));
    data = vecna_allocate(allocator, FILE_BYTES_MOST + 1, 1);
    if (data)
        got = fread(data, 1, FILE_BYTES_MOST + 1, file);
    if (data == NULL || ferror(file) || got > FILE_BYTES_MOST) {
        vecna_status status = data == NULL ? out_of_memory(err)
                              : ferror(file)
                                  ? vecna_error_set(err, VECNA_ERR_IO, -1, "cannot read %s: %s",
                                                    path, strerror(errno))
                                  : vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                                                    "%s is above 4 MB: not a configuration", path);
        vecna_release(allocator, data);
        fclose(file);
        return status;
    }
    fclose(file);
    *text = data;
    *bytes = got;
    return VECNA_OK;
}

/* A key in a file that others can read deserves a remark. */
static void remark_mode(vni_config *config) {
    struct stat about;
    int secret = 0;
    for (size_t i = 0; i < config->forward.targets.count; i++)
        secret |= config->forward.targets.items[i].api_key != NULL;
    for (size_t i = 0; i < config->keys.count; i++)
        secret |= config->keys.items[i].key != NULL;
    if (!secret || config->path == NULL || stat(config->path, &about) != 0 ||
        (about.st_mode & (S_IRGRP | S_IROTH)) == 0)
        return;
    config->notes.items = vni_arena_take(&config->arena, sizeof *config->notes.items);
    if (config->notes.items == NULL)
        return;
    config->notes.items[0] =
        vni_arena_print(&config->arena, "%s holds keys and others can read it: chmod 600 %s",
                        config->path, config->path);
    config->notes.count = config->notes.items[0] != NULL;
}

vecna_status vni_config_read(const vni_config_source *source, vni_config **out, vecna_error *err) {
    vni_config *config = vecna_allocate_zero(source->allocator, 1, sizeof *config);
    reading in = {config, NULL, {source->environment, NULL, 0}, err};
    vecna_status status;
    char *text = NULL;
    size_t bytes = source->bytes;

    if (config == NULL)
        return out_of_memory(err);
    vecna_arena_init(&config->arena, (size_t)64 << 20, source->allocator);
    while (source->environment && source->environment[in.environment.count])
        in.environment.count++;
    in.environment.asked = vni_arena_take(&config->arena, in.environment.count + 1);
    status = in.environment.asked
                 ? vni_config_defaults(&vni_config_table, config, &config->arena, err)
                 : out_of_memory(err);
    if (status == VECNA_OK && source->path && source->text == NULL)
        status = load(source->path, source->allocator, &text, &bytes, err);
    if (status == VECNA_OK && (text || source->text))
        status = parse(&in, text ? text : source->text, bytes,
                       source->path ? source->path : "the configuration");
    if (status == VECNA_OK)
        status = override(&in, &vni_config_table, "VECNA", config);
    if (status == VECNA_OK)
        status = vni_environment_check(&in.environment, config, err);
    if (status == VECNA_OK && source->path) {
        config->path = vni_arena_copy(&config->arena, source->path, strlen(source->path));
        if (config->path == NULL)
            status = out_of_memory(err);
    }
    vecna_release(source->allocator, text);
    if (status != VECNA_OK) {
        vni_config_free(config);
        return status;
    }
    remark_mode(config);
    *out = config;
    return VECNA_OK;
}

void vni_config_free(vni_config *config) {
    if (config) {
        const vecna_allocator *allocator = config->arena.allocator;
        vecna_arena_free(&config->arena);
        vecna_release(allocator, config);
    }
}
