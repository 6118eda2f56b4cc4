/* One value of the configuration from its text, the same for a file, the environment and a default. */
#include "proxy/config.h"
#include "proxy/proxy_impl.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t vni_word_distance(const char *a, const char *b) {
    size_t row[64], length = strlen(b);
    if (length >= 64 - 1)
        return 99;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t above = row[j], change = diagonal + (a[i - 1] != b[j - 1]);
            size_t least = above < row[j - 1] ? above + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
            diagonal = above;
        }
    }
    return row[length];
}

/* "wrong value" with line and key. */
static vecna_status refuse(const vni_setting *field, int line, const char *text, const char *wanted,
                           vecna_error *err) {
    if (line > 0)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, line, "line %d: %s takes %s, not \"%s\"",
                               line, field->key, wanted, text);
    return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1, "%s takes %s, not \"%s\"", field->key,
                           wanted, text);
}

static int read_bool(const char *text, int *out) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *out = (int)(i & 1);
            return 1;
        }
    return 0;
}

/* A number with a unit behind it: 1 when `units` (name, factor) has it; "" is the plain number. */
typedef struct unit {
    const char *name;
    double factor;
} unit;

static int read_scaled(const char *text, const unit *units, size_t count, double *out) {
    char *end;
    double value;
    if (!(isdigit((unsigned char)text[0])) || strlen(text) > 24)
        return 0;
    value = strtod(text, &end);
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(end, units[i].name) == 0) {
            *out = value * units[i].factor;
            return isfinite(*out) && *out < 9e15;
        }
    return 0;
}

static int read_bytes(const char *text, double *out) {
    static const unit units[] = {{"", 1},         {"B", 1},         {"k", 1 << 10},
                                 {"kB", 1 << 10}, {"KiB", 1 << 10}, {"M", 1 << 20},
                                 {"MB", 1 << 20}, {"MiB", 1 << 20}, {"G", 1 << 30},
                                 {"GB", 1 << 30}, {"GiB", 1 << 30}};
    return read_scaled(text, units, sizeof units / sizeof units[0], out);
}

static int read_time(const char *text, double *out) {
    static const unit units[] = {{"ms", 1},      {"s", 1000},    {"m", 60000},
                                 {"min", 60000}, {"h", 3600000}, {"d", 86400000}};
    if (strcmp(text, "0") == 0) {
        *out = 0;
        return 1;
    }
    return read_scaled(text, units, sizeof units / sizeof units[0], out);
}

static int read_count(const char *text, double *out) {
    uint64_t value = 0;
    if (!isdigit((unsigned char)text[0]) || strlen(text) > 15)
        return 0;
    for (; isdigit((unsigned char)*text); text++)
        value = value * 10 + (uint64_t)(*text - '0');
    *out = (double)value;
    return *text == '\0';
}

static int read_choice(const char *words, const char *text, int *out) {
    size_t length = strlen(text);
    for (int index = 0; words; index++) {
        const char *bar = strchr(words, '|');
        size_t bytes = bar ? (size_t)(bar - words) : strlen(words);
        if (bytes == length && strncasecmp(words, text, bytes) == 0) {
            *out = index;
            return 1;
        }
        words = bar ? bar + 1 : NULL;
    }
    return 0;
}

static const char *wanted(const vni_setting *field) {
    switch (field->kind) {
    case VNI_KIND_BOOL:
        return "true or false";
    case VNI_KIND_COUNT:
        return "a whole number";
    case VNI_KIND_BYTES:
        return "bytes (4096, 64kB, 16MB, 1GB)";
    case VNI_KIND_TIME:
        return "a time with its unit (300ms, 10s, 5m, 1h)";
    case VNI_KIND_NUMBER:
        return "a number";
    default:
        return "something else";
    }
}

static vecna_status check_range(const vni_setting *field, double value, const char *text, int line,
                                vecna_error *err) {
    char range[96] = "";
    const char *unit_name = field->kind == VNI_KIND_TIME    ? " ms"
                            : field->kind == VNI_KIND_BYTES ? " bytes"
                                                            : "";
    if (value >= field->least && (field->most == 0 || value <= field->most))
        return VECNA_OK;
    if (field->most != 0)
        snprintf(range, sizeof range, "%.10g to %.10g%s", field->least, field->most, unit_name);
    else
        snprintf(range, sizeof range, "at least %.10g%s", field->least, unit_name);
    return refuse(field, line, text, range, err);
}

vecna_status vni_config_set(const vni_setting *field, void *section, const char *text, int line,
                            vni_arena *arena, vecna_error *err) {
    char *place = (char *)section + field->offset;
    double value = 0;
    int number = 0, good = 1;
    switch (field->kind) {
    case VNI_KIND_TEXT: {
        const char *copy = vni_arena_copy(arena, text, strlen(text));
        if (copy == NULL)
            return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the configuration");
        memcpy(place, &copy, sizeof copy);
        return VECNA_OK;
    }
    case VNI_KIND_BOOL:
        if (!read_bool(text, &number))
            return refuse(field, line, text, wanted(field), err);
        memcpy(place, &number, sizeof number);
        return VECNA_OK;
    case VNI_KIND_CHOICE: {
        char words[200];
        if (!read_choice(field->words, text, &number)) {
            snprintf(words, sizeof words, "one of %s", field->words);
            return refuse(field, line, text, words, err);
        }
        memcpy(place, &number, sizeof number);
        return VECNA_OK;
    }
    case VNI_KIND_COUNT:
        good = read_count(text, &value);
        break;
    case VNI_KIND_BYTES:
        good = read_bytes(text, &value);
        break;
    case VNI_KIND_TIME:
        good = read_time(text, &value);
        break;
    case VNI_KIND_NUMBER: {
        char *end;
        value = strtod(text, &end);
        good = end != text && *end == '\0' && isfinite(value);
        break;
    }
    default:
        return refuse(field, line, text, "a section", err);
    }
    if (!good)
        return refuse(field, line, text, wanted(field), err);
    {
        vecna_status status = check_range(field, value, text, line, err);
        if (status != VECNA_OK)
            return status;
    }
    if (field->kind == VNI_KIND_TIME) {
        int64_t ms = (int64_t)value;
        memcpy(place, &ms, sizeof ms);
    } else if (field->kind == VNI_KIND_NUMBER) {
        memcpy(place, &value, sizeof value);
    } else {
        size_t size = (size_t)value;
        memcpy(place, &size, sizeof size);
    }
    return VECNA_OK;
}

vecna_status vni_config_defaults(const vni_setting_table *table, void *section, vni_arena *arena,
                                 vecna_error *err) {
    for (size_t i = 0; i < table->count; i++) {
        const vni_setting *field = &table->fields[i];
        vecna_status status = VECNA_OK;
        if (field->kind == VNI_KIND_SECTION)
            status = vni_config_defaults(field->table, (char *)section + field->offset, arena, err);
        else if (field->fallback)
            status = vni_config_set(field, section, field->fallback, 0, arena, err);
        if (status != VECNA_OK)
            return status;
    }
    return VECNA_OK;
}

/* ---- docs/config.md -------------------------------------------------------------------------- */

static const char *kind_name(const vni_setting *field) {
    switch (field->kind) {
    case VNI_KIND_TEXT:
        return "text";
    case VNI_KIND_BOOL:
        return "true or false";
    case VNI_KIND_COUNT:
        return "whole number";
    case VNI_KIND_BYTES:
        return "bytes";
    case VNI_KIND_TIME:
        return "time";
    case VNI_KIND_NUMBER:
        return "number";
    case VNI_KIND_CHOICE:
        return "word";
    case VNI_KIND_TEXTS:
        return "list of texts";
    case VNI_KIND_SECTION:
        return "section";
    case VNI_KIND_LIST:
        return "list";
    default:
        return "names";
    }
}

typedef struct reference {
    int (*write)(void *user, const char *text);
    void *user;
    int failed;
} reference;

static void say(reference *out, const char *text) {
    if (!out->failed)
        out->failed = out->write(out->user, text);
}

static void describe(reference *out, const vni_setting *field) {
    char line[256];
    snprintf(line, sizeof line, "| `%s` | ", field->key);
    say(out, line);
    if (field->kind == VNI_KIND_CHOICE) {
        for (const char *at = field->words; *at; at++) {
            char one[2] = {*at, 0};
            say(out, *at == '|' ? ", " : one);
        }
    } else {
        say(out, kind_name(field));
    }
    if (field->fallback)
        snprintf(line, sizeof line, " | `%s` | ", field->fallback);
    else
        snprintf(line, sizeof line, " | %s | ",
                 field->kind == VNI_KIND_BYTES || field->kind == VNI_KIND_COUNT ||
                         field->kind == VNI_KIND_TIME
                     ? "0"
                     : "");
    say(out, line);
    say(out, field->help);
    if (field->alias) {
        snprintf(line, sizeof line, " (also `%s`)", field->alias);
        say(out, line);
    }
    say(out, " |\n");
}

static void describe_table(reference *out, const vni_setting_table *table) {
    say(out, "\n## ");
    say(out, table->title);
    say(out, "\n\n");
    say(out, table->about);
    say(out, "\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
    for (size_t i = 0; i < table->count; i++)
        describe(out, &table->fields[i]);
    for (size_t i = 0; i < table->count; i++) {
        const vni_setting *field = &table->fields[i];
        int shown = 0; /* adapter and extra_maps share a table */
        for (size_t j = 0; j < i; j++)
            shown |= table->fields[j].table == field->table;
        if (field->table && !shown)
            describe_table(out, field->table);
    }
}

vecna_status vni_config_reference(int (*write)(void *user, const char *text), void *user) {
    reference out = {write, user, 0};
    say(&out,
        "# vecna.yaml\n\n"
        "Every key of the configuration, as the parser knows them: `vecna serve --keys` prints "
        "this "
        "page.\n"
        "The file is YAML or JSON. `vecna serve` reads `--config FILE`, otherwise `vecna.yaml` of "
        "the "
        "folder that it is started in.\n"
        "Unknown keys are refused with the nearest known name; `vecna serve --check` reads "
        "everything "
        "and starts nothing.\n\n"
        "- `${NAME}` in a text is replaced by the environment's variable; one that is not set is "
        "an "
        "error.\n"
        "- `VECNA_` and the path of a key in capitals overrides the file: `VECNA_LISTEN`, "
        "`VECNA_CACHE_MEMORY`, `VECNA_ADAPTER_TARGET_DIM`, `VECNA_FORWARD_TARGETS_0_API_KEY`, "
        "`VECNA_EXTRA_MAPS_SMALL_TARGET_DIM`. A `VECNA_` name that is no key's is refused with the "
        "nearest one, unless the file refers to it or Kubernetes makes it of a service's name.\n"
        "- Times have a unit: 300ms, 10s, 5m, 1h. Bytes may have one: 64kB, 16MB, 1GB, powers of "
        "1024.\n"
        "- SIGHUP reads the file again; when it has a mistake the old configuration stays.\n");
    describe_table(&out, &vni_config_table);
    return out.failed ? VECNA_ERR_IO : VECNA_OK;
}
