/* Words of text. What is ASCII goes through one table: most text never meets Unicode's tables. A
 * character beyond ASCII is looked at by its category, and a word that holds one is put into normal
 * form KC by itself, at its end: normalising whole lines would cost ten times as much, and letters
 * that combine never stand in different words.
 *
 * Characters of category Cf (soft hyphen, joiners, the byte order mark) vanish inside a word, but for
 * the zero width space, which is there to divide. */
#include "text/text_impl.h"

#include "base/base_impl.h"

#include <stdlib.h>
#include <utf8proc.h>

struct vecna_tokenizer {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    vecna_tokens tokens;
    int keep_case;
    unsigned char fold[256]; /* what an ASCII byte becomes in a word; 0: none, or a word's end */
    const unsigned char *at, *end;
    char *word; /* the word that is being made */
    size_t word_capacity;
    int32_t *points; /* of a word that is being normalised */
    size_t points_capacity;
    uint64_t bad_bytes;
};

static vecna_status no_memory(vecna_error *err) {
    return vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                           "not enough memory to divide text into words");
}

vecna_status vecna_tokenizer_new(const vecna_tokenizer_options *options, vecna_tokenizer **out,
                                 vecna_error *err) {
    static const vecna_tokenizer_options defaults;
    vecna_tokenizer *tokenizer;
    if (options == NULL)
        options = &defaults;
    tokenizer = vecna_allocate_zero(options->allocator, 1, sizeof *tokenizer);
    if (tokenizer == NULL)
        return no_memory(err);
    if (options->allocator) {
        tokenizer->allocator_copy = *options->allocator;
        tokenizer->allocator = &tokenizer->allocator_copy;
    }
    tokenizer->tokens = options->tokens;
    tokenizer->keep_case = options->keep_case;
    for (int c = 0; c < 128; c++) {
        int upper = c >= 'A' && c <= 'Z';
        if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
            tokenizer->fold[c] = (unsigned char)(upper && !options->keep_case ? c + 32 : c);
    }
    *out = tokenizer;
    return VECNA_OK;
}

void vecna_tokenizer_free(vecna_tokenizer *tokenizer) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (tokenizer == NULL)
        return;
    if (tokenizer->allocator) {
        copy = tokenizer->allocator_copy;
        allocator = &copy;
    }
    vecna_release(allocator, tokenizer->word);
    vecna_release(allocator, tokenizer->points);
    vecna_release(allocator, tokenizer);
}

void vecna_tokenizer_start(vecna_tokenizer *tokenizer, const char *data, size_t bytes) {
    tokenizer->at = (const unsigned char *)data;
    tokenizer->end = tokenizer->at + bytes;
}

uint64_t vecna_tokenizer_bad_bytes(const vecna_tokenizer *tokenizer) {
    return tokenizer->bad_bytes;
}

/* ---- plain fields ---------------------------------------------------------------------------- */

static int is_space(unsigned char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void next_field(vecna_tokenizer *tokenizer, const char **word, size_t *bytes) {
    const unsigned char *at = tokenizer->at, *end = tokenizer->end, *start;
    while (at < end && is_space(*at))
        at++;
    start = at;
    while (at < end && !is_space(*at))
        at++;
    tokenizer->at = at;
    *word = at > start ? (const char *)start : NULL;
    *bytes = (size_t)(at - start);
}

/* ---- words ----------------------------------------------------------------------------------- */

/* What a character does to the word that it stands in. */
typedef enum role { ROLE_APART, ROLE_PART, ROLE_ALONE, ROLE_VANISHES } role;

static int is_ideograph(int32_t point) {
    return (point >= 0x3400 && point <= 0x9FFF) || (point >= 0xF900 && point <= 0xFAFF) ||
           (point >= 0x20000 && point <= 0x3FFFF);
}

static role role_of(int32_t point) {
    switch (utf8proc_category(point)) {
    case UTF8PROC_CATEGORY_LO:
        return is_ideograph(point) ? ROLE_ALONE : ROLE_PART;
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return ROLE_PART;
    case UTF8PROC_CATEGORY_CF:
        return point == 0x200B ? ROLE_APART : ROLE_VANISHES;
    default:
        return ROLE_APART;
    }
}

/* The character at *at, which moves behind it; -1 for a byte that is none. */
static int32_t next_point(const unsigned char **at, const unsigned char *end) {
    size_t length = vni_utf8_sequence(*at, (size_t)(end - *at));
    utf8proc_int32_t point = -1;
    if (length > 0)
        utf8proc_iterate(*at, (utf8proc_ssize_t)length, &point);
    *at += length > 0 ? length : 1;
    return point;
}

static int reserve_word(vecna_tokenizer *tokenizer, size_t bytes) {
    void *word = tokenizer->word;
    int done = vni_text_reserve(tokenizer->allocator, &word, &tokenizer->word_capacity, bytes, 1);
    tokenizer->word = word;
    return done;
}

/* The word so far in normal form KC and lower case; what the form turns into something that is in
 * no word (the blank of a ligature) is left out. */
static vecna_status normalize(vecna_tokenizer *tokenizer, size_t *length, vecna_error *err) {
    const utf8proc_option_t form = UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE;
    const utf8proc_uint8_t *from = (const utf8proc_uint8_t *)tokenizer->word;
    utf8proc_ssize_t count = utf8proc_decompose(from, (utf8proc_ssize_t)*length, NULL, 0, form);
    void *points = tokenizer->points;
    size_t made = 0;
    int done;
    if (count < 0) /* cannot be: every character was looked at */
        return VECNA_OK;
    done = vni_text_reserve(tokenizer->allocator, &points, &tokenizer->points_capacity,
                            (size_t)count + 1, sizeof *tokenizer->points);
    tokenizer->points = points;
    if (!done || !reserve_word(tokenizer, (size_t)count * 4 + 4))
        return no_memory(err);
    from = (const utf8proc_uint8_t *)tokenizer->word;
    utf8proc_decompose(from, (utf8proc_ssize_t)*length, tokenizer->points, count, form);
    count = utf8proc_normalize_utf32(tokenizer->points, count, form);
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        int32_t point = tokenizer->points[i];
        role what = role_of(point);
        if (what == ROLE_APART || what == ROLE_VANISHES)
            continue;
        if (!tokenizer->keep_case)
            point = utf8proc_tolower(point);
        made += (size_t)utf8proc_encode_char(point, (utf8proc_uint8_t *)tokenizer->word + made);
    }
    *length = made;
    return VECNA_OK;
}

/* A character beyond ASCII at the tokenizer's place. 0 when the word ends before it. */
static int add_character(vecna_tokenizer *tokenizer, size_t *length) {
    const unsigned char *before = tokenizer->at, *at = before;
    int32_t point = next_point(&at, tokenizer->end);
    role what = point < 0 ? ROLE_APART : role_of(point);
    if (*length > 0 && (what == ROLE_APART || what == ROLE_ALONE))
        return 0;
    tokenizer->at = at;
    if (point < 0)
        tokenizer->bad_bytes++;
    if (what == ROLE_PART || what == ROLE_ALONE) {
        memcpy(tokenizer->word + *length, before, (size_t)(at - before));
        *length += (size_t)(at - before);
    }
    return what != ROLE_ALONE;
}

/* ASCII letters and digits behind the first `length` bytes of the word, as many as there is room for. */
static size_t add_plain(vecna_tokenizer *tokenizer, size_t length) {
    const unsigned char *at = tokenizer->at, *fold = tokenizer->fold;
    const size_t room = tokenizer->word_capacity - length;
    const unsigned char *stop = (size_t)(tokenizer->end - at) < room ? tokenizer->end : at + room;
    char *word = tokenizer->word + length;
    for (; at < stop && fold[*at]; at++)
        *word++ = (char)fold[*at];
    tokenizer->at = at;
    return (size_t)(word - tokenizer->word);
}

/* The next run of characters that belong together; 0 bytes at the end. */
static vecna_status next_run(vecna_tokenizer *tokenizer, size_t *length, vecna_error *err) {
    int wide = 0;
    *length = 0;
    while (tokenizer->at < tokenizer->end) {
        unsigned char c = *tokenizer->at;
        if (*length + 8 > tokenizer->word_capacity && !reserve_word(tokenizer, *length + 8))
            return no_memory(err);
        if (tokenizer->fold[c]) {
            *length = add_plain(tokenizer, *length);
        } else if (c < 128) {
            if (*length > 0)
                break;
            tokenizer->at++;
        } else {
            size_t before = *length;
            int goes_on = add_character(tokenizer, length);
            wide |= *length > before;
            if (!goes_on)
                break;
        }
    }
    return wide ? normalize(tokenizer, length, err) : VECNA_OK;
}

vecna_status vecna_tokenizer_next(vecna_tokenizer *tokenizer, const char **word, size_t *bytes,
                                  vecna_error *err) {
    size_t length = 0;
    if (tokenizer->tokens == VECNA_TOKENS_SPACE) {
        next_field(tokenizer, word, bytes);
        return VECNA_OK;
    }
    while (length == 0 && tokenizer->at < tokenizer->end) {
        vecna_status status = next_run(tokenizer, &length, err);
        if (status != VECNA_OK)
            return status;
    }
    *word = length > 0 ? tokenizer->word : NULL;
    *bytes = length;
    return VECNA_OK;
}

size_t vecna_text_lower(const char *word, size_t bytes, char *out) {
    const unsigned char *at = (const unsigned char *)word, *end = at + bytes;
    size_t made = 0;
    while (at < end) {
        const unsigned char *before = at;
        int32_t point = next_point(&at, end);
        if (point < 0)
            out[made++] = (char)*before;
        else
            made += (size_t)utf8proc_encode_char(utf8proc_tolower(point),
                                                 (utf8proc_uint8_t *)out + made);
    }
    return made;
}
