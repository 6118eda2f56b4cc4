/* vecna: one command, a verb each. */
#include "cli/cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const command commands[] = {
    {"serve", "the endpoint: any model behind OpenAI's, Google's and Ollama's interface",
     command_serve},
    {"onboard", "find local servers, see their dimensions, test, write vecna.yaml",
     command_onboard},
    {"embed", "texts to vectors, by a server or a static model: any size, resumable",
     command_embed},
    {"models", "the models of a server, with dimensions", command_models},
    {"fit", "learn a translator from paired vectors, and judge it", command_fit},
    {"translate", "vectors of one space or dimension into another", command_translate},
    {"eval", "what a translated corpus keeps: retrieval against native and judged", command_eval},
    {"inspect", "what a vector file or a map is, and whether it is healthy", command_inspect},
    {"search", "exact nearest neighbours", command_search},
    {"plan", "which rows to embed again, and what that buys", command_plan},
    {"choose", "which rows to embed with a second model", command_choose},
    {"maps", "the generic maps that are installed, with their cards", command_maps},
    {"reduce", "fewer dimensions inside one space, with what it costs", command_reduce},
    {"distill", "a small static model out of a teacher's vectors", command_distill},
    {"plot", "a picture of a space", command_plot},
    {"train", "embeddings out of text and graphs", command_train},
};

static int print_overview(FILE *file) {
    fprintf(file, "vecna %s: vectors to vectors\n\nusage: vecna COMMAND [arguments]\n\n",
            vecna_version());
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(file, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\n  vecna COMMAND --help shows a command's options with an example.\n"
          "  Exit status: 0 done, 1 failed, 2 wrong usage, 3 the verdict is FAIL.\n",
          file);
    return file == stdout ? EXIT_DONE : EXIT_USAGE;
}

/* An interrupted run leaves no half-written file, and dies of the signal so that a shell loop ends.
 */
static void on_interrupt(int number) {
    vecna_outfile_remove_all();
    signal(number, SIG_DFL);
    raise(number);
}

static void catch_interrupts(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_interrupt;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

static const command *find_command(const char *name) {
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown_command(const char *name) {
    const command *nearest = NULL;
    size_t least = SIZE_MAX;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        size_t distance = word_distance(name, commands[i].name);
        if (distance < least && is_near_word(name, commands[i].name)) {
            least = distance;
            nearest = &commands[i];
        }
    }
    fprintf(stderr, "vecna: there is no command \"%s\"", name);
    if (nearest)
        fprintf(stderr, "; did you mean %s?", nearest->name);
    fputs("\n\n", stderr);
    return print_overview(stderr);
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "";
    char help[] = "--help";
    char *asked_help[] = {argc > 2 ? argv[2] : NULL, help, NULL};
    const char *cpu = getenv("VECNA_CPU");
    const command *asked;
    vecna_error err;
    int status;

    catch_interrupts();
    if (cpu && *cpu && vecna_cpu_limit(cpu, &err) != VECNA_OK)
        return fail_text("VECNA_CPU: %s", err.message);
    if (strcmp(verb, "help") == 0 && argc > 2 && argv[2][0] != '-') {
        asked = find_command(argv[2]);
        if (asked && argc > 3) { /* vecna help train word2vec */
            char *of_method[] = {argv[2], argv[3], help, NULL};
            return asked->run(3, of_method);
        }
        return asked ? asked->run(2, asked_help) : unknown_command(argv[2]);
    }
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 || strcmp(verb, "help") == 0)
        return print_overview(stdout);
    if (strcmp(verb, "--version") == 0 || strcmp(verb, "version") == 0) {
        printf("vecna %s\n", vecna_version());
        return EXIT_DONE;
    }
    asked = find_command(verb);
    if (asked == NULL)
        return verb[0] ? unknown_command(verb) : print_overview(stderr);
    status = asked->run(argc - 1, argv + 1);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_DONE)
        status = fail_text("cannot write the result to standard output");
    return status;
}
