/* Names of methods, roles and recipes: one table, so that files, reports and the command agree. */
#include "translate/translate_impl.h"

#include <stdio.h>
#include <string.h>

static const char *const method_names[VECNA_METHODS] = {
#define VNI_NAME(code, name, text, sentence) [code] = text,
    VECNA_METHOD_LIST(VNI_NAME)
#undef VNI_NAME
};

static const char *const method_sentences[VECNA_METHODS] = {
#define VNI_SENTENCE(code, name, text, sentence) [code] = sentence,
    VECNA_METHOD_LIST(VNI_SENTENCE)
#undef VNI_SENTENCE
};

const char *vecna_method_name(vecna_method method) {
    return (unsigned)method < VECNA_METHODS ? method_names[method] : "unknown";
}

const char *vecna_method_sentence(vecna_method method) {
    return (unsigned)method < VECNA_METHODS ? method_sentences[method] : "unknown";
}

int vecna_method_parse(const char *name, vecna_method *out) {
    for (int i = 0; i < VECNA_METHODS; i++) {
        if (name && strcmp(name, method_names[i]) == 0) {
            *out = (vecna_method)i;
            return 1;
        }
    }
    return 0;
}

const char *vecna_role_name(vecna_role role) {
    return role == VECNA_ROLE_QUERY ? "query" : "document";
}

void vecna_recipe_name(const vecna_recipe *recipe, char out[VECNA_RECIPE_NAME_BYTES]) {
    const char *name = vecna_method_name(recipe->method);
    const size_t room = VECNA_RECIPE_NAME_BYTES;
    switch (recipe->method) {
    case VECNA_METHOD_RIDGE:
        snprintf(out, room, "%s lambda=%.3g", name, recipe->lambda);
        break;
    case VECNA_METHOD_REDUCED_RANK:
        snprintf(out, room, "%s rank=%zu lambda=%.3g", name, recipe->rank, recipe->lambda);
        break;
    case VECNA_METHOD_BLEND:
    case VECNA_METHOD_BLEND_PLAIN:
        snprintf(out, room, "%s share=%.3g lambda=%.3g", name, recipe->share, recipe->lambda);
        break;
    case VECNA_METHOD_MEMORY:
        snprintf(out, room, "%s k=%zu tau=%.3g correction=%.3g share=%.3g lambda=%.3g", name,
                 recipe->neighbours, recipe->temperature, recipe->correction, recipe->share,
                 recipe->lambda);
        break;
    case VECNA_METHOD_FAMILY:
        snprintf(out, room, "%s exponent=%.3g lambda=%.3g", name, recipe->exponent, recipe->lambda);
        break;
    default:
        snprintf(out, room, "%s", name);
    }
    if (recipe->means > 0 && recipe->means < 1) {
        const size_t used = strlen(out);
        snprintf(out + used, room - used, " means=%.3g", recipe->means);
    }
}
