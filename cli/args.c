/* Options as a table: what is parsed, what --help shows and what a mistake suggests come from the
 * same lines, so none of them can lag behind. Long options take "--name value" and "--name=value";
 * options and positional arguments mix; "--" ends the options; "-" alone is a positional argument.
 */
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int usage_error(const usage *use, const char *format, ...) {
    va_list arguments;
    fputs("vecna: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nusage: %s\n", use->line);
    return EXIT_USAGE;
}

static bool takes_value(const option *one) {
    return one->kind != OPTION_FLAG && one->kind != OPTION_OFF;
}

/* The words of a choice, on further lines where one would be too long. */
static int print_argument(const char *words) {
    int width = 0;
    for (const char *at = words; *at; at++) {
        putchar(*at);
        width++;
        if (*at == '|' && width > 40 && strlen(at) > 12) {
            printf("\n%*s", 8, "");
            width = 8;
        }
    }
    return width;
}

static void print_option(const option *one) {
    int width;
    if (one->kind == OPTION_GROUP) {
        printf("\n%s\n", one->help);
        return;
    }
    width = printf("  %s%c%s--%s%s", one->letter ? "-" : " ", one->letter ? one->letter : ' ',
                   one->letter ? ", " : "  ", one->name, takes_value(one) ? " " : "");
    if (takes_value(one))
        width += print_argument(one->argument);
    if (width > 32)
        printf("\n%34s", "");
    else
        printf("%*s", 34 - width, "");
    for (const char *at = one->help; *at; at++) { /* a line break in the help keeps the indent */
        putchar(*at);
        if (*at == '\n')
            printf("%34s", "");
    }
    putchar('\n');
}

static int print_help(const usage *use) {
    printf("usage: %s\n\n%s\n\noptions\n", use->line, use->description);
    for (size_t i = 0; i < use->option_count; i++)
        print_option(&use->options[i]);
    printf("  -h, --help                      this text\n\nexamples\n%s", use->examples);
    return EXIT_DONE;
}

/* Letters that differ, roughly: enough to turn --lambada into a suggestion. */
size_t word_distance(const char *a, const char *b) {
    size_t row[64], length = strlen(b);
    if (length >= 63)
        return 99;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t above = row[j];
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t least = above + 1 < row[j - 1] + 1 ? above + 1 : row[j - 1] + 1;
            row[j] = change < least ? change : least;
            diagonal = above;
        }
    }
    return row[length];
}

/* As many changes as letters turn any word into any other. */
bool is_near_word(const char *given, const char *name) {
    const size_t distance = word_distance(given, name);
    return distance < 4 && distance < strlen(name) && distance < strlen(given);
}

static int unknown_option(const usage *use, const char *given) {
    const option *nearest = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < use->option_count; i++) {
        const option *one = &use->options[i];
        if (one->kind != OPTION_GROUP && is_near_word(given, one->name) &&
            word_distance(given, one->name) < least) {
            least = word_distance(given, one->name);
            nearest = one;
        }
    }
    if (nearest)
        return usage_error(use, "unknown option --%s; did you mean --%s?", given, nearest->name);
    return usage_error(use, "unknown option --%s; see --help", given);
}

static int set_choice(const usage *use, const option *one, const char *value) {
    const char *word = one->argument;
    for (int index = 0; word; index++) {
        const char *bar = strchr(word, '|');
        size_t length = bar ? (size_t)(bar - word) : strlen(word);
        if (strlen(value) == length && strncmp(word, value, length) == 0) {
            *(int *)one->out = index;
            return -1;
        }
        word = bar ? bar + 1 : NULL;
    }
    return usage_error(use, "--%s is one of %s, not \"%s\"", one->name, one->argument, value);
}

static int set_whole(const usage *use, const option *one, const char *value) {
    char *end;
    unsigned long long number;
    errno = 0;
    number = strtoull(value, &end, 10);
    if (errno || end == value || *end || value[0] == '-' || value[0] == '+')
        return usage_error(use, "--%s takes a whole number, not \"%s\"", one->name, value);
    if (one->kind == OPTION_COUNT) {
        if (number == 0 || number > (unsigned long long)PTRDIFF_MAX)
            return usage_error(use, "--%s takes a number from 1, not \"%s\"", one->name, value);
        *(size_t *)one->out = (size_t)number;
    } else {
        *(uint64_t *)one->out = number;
    }
    return -1;
}

static int add_text(const usage *use, const option *one, const char *value) {
    text_list *list = one->out;
    if (list->count == TEXTS_MOST)
        return usage_error(use, "--%s may be given %d times", one->name, TEXTS_MOST);
    list->items[list->count++] = value;
    return -1;
}

static int set_value(const usage *use, const option *one, const char *value) {
    char *end;
    double number;
    switch (one->kind) {
    case OPTION_TEXT:
        *(const char **)one->out = value;
        return -1;
    case OPTION_TEXTS:
        return add_text(use, one, value);
    case OPTION_COUNT:
    case OPTION_WHOLE:
        return set_whole(use, one, value);
    case OPTION_NUMBER:
        number = strtod(value, &end);
        if (end == value || *end || !isfinite(number))
            return usage_error(use, "--%s takes a number, not \"%s\"", one->name, value);
        *(double *)one->out = number;
        return -1;
    case OPTION_CHOICE:
        return set_choice(use, one, value);
    case OPTION_FLAG:
    case OPTION_OFF:
    case OPTION_GROUP:
        break;
    }
    return -1;
}

static const option *find_long(const usage *use, const char *name, size_t length) {
    for (size_t i = 0; i < use->option_count; i++) {
        const option *one = &use->options[i];
        if (one->kind != OPTION_GROUP && strlen(one->name) == length &&
            strncmp(one->name, name, length) == 0)
            return one;
    }
    return NULL;
}

static const option *find_letter(const usage *use, char letter) {
    for (size_t i = 0; i < use->option_count; i++)
        if (use->options[i].kind != OPTION_GROUP && use->options[i].letter == letter)
            return &use->options[i];
    return NULL;
}

/* One option at argv[*at]; moves *at over the value that it takes. */
static int parse_option(int argc, char **argv, int *at, const usage *use) {
    const char *text = argv[*at];
    const char *value = NULL;
    const option *one;

    if (strcmp(text, "-h") == 0 || strcmp(text, "--help") == 0)
        return print_help(use);
    if (text[1] == '-') {
        const char *equals = strchr(text, '=');
        size_t length = equals ? (size_t)(equals - text) - 2 : strlen(text) - 2;
        one = find_long(use, text + 2, length);
        if (one == NULL) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)(length < 60 ? length : 60), text + 2);
            return unknown_option(use, name);
        }
        value = equals ? equals + 1 : NULL;
    } else {
        one = find_letter(use, text[1]);
        if (one == NULL)
            return usage_error(use, "unknown option %s; see --help", text);
        value = text[2] ? text + 2 : NULL;
    }
    if (!takes_value(one)) {
        if (value)
            return usage_error(use, "--%s takes no value", one->name);
        *(bool *)one->out = one->kind == OPTION_FLAG;
        return -1;
    }
    if (value == NULL) {
        if (*at + 1 >= argc)
            return usage_error(use, "--%s needs a value: %s", one->name, one->argument);
        value = argv[++*at];
    }
    return set_value(use, one, value);
}

/* The arguments that did not come, by the words of the usage line: those in capitals before the first
 * option, bracket or bar. */
static int missing_arguments(const usage *use, size_t found) {
    char names[3][32];
    size_t count = 0;
    for (const char *at = use->line; *at && count < use->least && count < 3;) {
        size_t bytes = strcspn(at, " \n");
        if (strchr("-([|\n", *at))
            break;
        if (bytes == strspn(at, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") && bytes < sizeof names[0])
            snprintf(names[count++], sizeof names[0], "%.*s", (int)bytes, at);
        at += bytes + strspn(at + bytes, " ");
    }
    if (count < use->least)
        return usage_error(use, "arguments are missing; see --help");
    if (count - found == 1)
        return usage_error(use, "%s is missing", names[found]);
    return usage_error(use, "%s and %s are missing", names[found], names[count - 1]);
}

int parse_arguments(int argc, char **argv, const usage *use, const char **positional,
                    size_t *positional_count) {
    bool options_end = false;
    size_t found = 0;

    for (int at = 1; at < argc; at++) {
        if (!options_end && strcmp(argv[at], "--") == 0) {
            options_end = true;
        } else if (!options_end && argv[at][0] == '-' && argv[at][1] != '\0') {
            int status = parse_option(argc, argv, &at, use);
            if (status >= 0)
                return status;
        } else if (found == use->most) {
            return usage_error(use, "one argument too many: \"%s\"", argv[at]);
        } else {
            positional[found++] = argv[at];
        }
    }
    if (found < use->least)
        return missing_arguments(use, found);
    *positional_count = found;
    return -1;
}
