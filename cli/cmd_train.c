/* vecna train: a method each in its own file. */
#include "cli/train.h"

#include <string.h>

static const command methods[] = {
    {"word2vec", "words out of a text, by the words around them", train_word2vec},
    {"glove", "words out of a text, by how often they stand together", train_glove},
    {"doc2vec", "documents, by their words", train_doc2vec},
    {"node2vec", "nodes out of a graph, by walks over it", train_node2vec},
    {"layer", "words with a classifier, or users and items with ratings", train_layer},
    {"contrastive", "sentences, by which belong together", train_contrastive},
    {"clip", "pictures and texts, by which belong together", train_clip},
    {"onehot", "texts, as the words that they have", train_onehot},
    {"tfidf", "texts, by how rare their words are", train_tfidf},
    {"lsa", "texts, by which words go together in all of them", train_lsa},
};
enum { METHODS = sizeof methods / sizeof *methods };

static int print_methods(FILE *file) {
    fputs("usage: vecna train METHOD [arguments]\n\nTrains embeddings.\n\n", file);
    for (size_t i = 0; i < METHODS; i++)
        fprintf(file, "  %-11s %s\n", methods[i].name, methods[i].summary);
    fputs("\n  vecna train METHOD --help shows a method's options with an example.\n", file);
    return file == stdout ? EXIT_DONE : EXIT_USAGE;
}

int command_train(int argc, char **argv) {
    const char *method = argc > 1 ? argv[1] : "";
    const command *nearest = NULL;
    size_t least = SIZE_MAX;
    if (strcmp(method, "--help") == 0 || strcmp(method, "-h") == 0)
        return print_methods(stdout);
    for (size_t i = 0; i < METHODS; i++) {
        size_t distance = word_distance(method, methods[i].name);
        if (distance == 0)
            return methods[i].run(argc - 1, argv + 1);
        if (distance < least && is_near_word(method, methods[i].name)) {
            least = distance;
            nearest = &methods[i];
        }
    }
    if (method[0])
        fprintf(stderr, "vecna: there is no method \"%s\"", method);
    if (method[0] && nearest)
        fprintf(stderr, "; did you mean %s?", nearest->name);
    fputs(method[0] ? "\n\n" : "", stderr);
    return print_methods(stderr);
}
