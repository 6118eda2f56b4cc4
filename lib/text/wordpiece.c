/* Word pieces: a greedy walk over words with a table of pieces.
 *
 * A word is hashed byte by byte from its start, so that one pass gives the hash of every beginning of
 * it, and looking for the longest piece is looking up those hashes from the back. Pieces that start a
 * word and pieces that go on with one live in one table under different seeds. Most text is ASCII and
 * most words are one piece: table look-ups of bytes, and one of a word.
 *
 * Order of steps, as the original has it: control characters go, white space is one kind, each Han
 * character stands alone; then canonical decomposition without marks (category Mn), lower case; then
 * white space and punctuation divide. Marks are not reordered before they are removed: that matters
 * for no character whose marks stay. */
#include "text/text_impl.h"

#include <string.h>
#include <utf8proc.h>

enum { CHARACTERS_MOST = 100, WORD_BYTES = 4 * CHARACTERS_MOST + 4, PIECES_MOST = 1 << 24 };

#define SEED_START UINT64_C(14695981039346656037)
#define SEED_INSIDE UINT64_C(11400714819323198485)

typedef struct slot {
    uint32_t hash; /* upper half, to pass over most others */
    int32_t id;    /* -1 empty */
} slot;

struct vecna_wordpiece {
    vecna_allocator allocator_copy;
    const vecna_allocator *allocator;
    int keep_case;
    int32_t unknown;
    size_t count;
    char *text;       /* the lines */
    uint32_t *starts; /* (count + 1) of each piece in text; each ends before a '\n' */
    slot *slots;
    size_t mask;
};

/* The word that is being read. */
typedef struct word {
    char bytes[WORD_BYTES];
    size_t used;
    size_t characters; /* CHARACTERS_MOST + 1: too many */
} word;

typedef struct encoding {
    const vecna_wordpiece *pieces;
    int32_t *ids;
    size_t count;
    word word;
} encoding;

static uint64_t hash_byte(uint64_t hash, unsigned char byte) {
    return (hash ^ byte) * UINT64_C(1099511628211);
}

/* FNV spreads its low bits poorly upward: fold before use. */
static uint64_t finish(uint64_t hash) {
    hash ^= hash >> 32;
    return hash * UINT64_C(0x9E3779B97F4A7C15);
}

/* ---- vocabulary ------------------------------------------------------------------------------ */

static const char *piece_at(const vecna_wordpiece *p, int32_t id, size_t *bytes) {
    *bytes = p->starts[id + 1] - p->starts[id] - 1;
    return p->text + p->starts[id];
}

static int goes_on(const char *piece, size_t bytes) {
    return bytes > 2 && piece[0] == '#' && piece[1] == '#';
}

/* Id of the piece with these bytes (without "##"), -1 none. */
static int32_t find(const vecna_wordpiece *p, uint64_t hash, int inside, const char *bytes,
                    size_t count) {
    hash = finish(hash);
    for (size_t at = hash & p->mask; p->slots[at].id >= 0; at = (at + 1) & p->mask) {
        if (p->slots[at].hash == (uint32_t)(hash >> 32)) {
            size_t length;
            const char *piece = piece_at(p, p->slots[at].id, &length);
            const int is_inside = goes_on(piece, length);
            const size_t skip = is_inside ? 2 : 0;
            if (is_inside == inside && length - skip == count &&
                memcmp(piece + skip, bytes, count) == 0) {
                return p->slots[at].id;
            }
        }
    }
    return -1;
}

static uint64_t hash_piece(const char *piece, size_t bytes, int inside) {
    uint64_t hash = inside ? SEED_INSIDE : SEED_START;
    for (size_t i = 0; i < bytes; i++) {
        hash = hash_byte(hash, (unsigned char)piece[i]);
    }
    return hash;
}

static vecna_status insert(vecna_wordpiece *p, int32_t id, vecna_error *err) {
    size_t bytes;
    const char *piece = piece_at(p, id, &bytes);
    const int inside = goes_on(piece, bytes);
    if (bytes == 0) {
        return vecna_error_set(err, VECNA_ERR_FORMAT, id + 1,
                               "line %d of the vocabulary is empty; a piece a line", id + 1);
    }
    if (inside) {
        piece += 2;
        bytes -= 2;
    }
    const uint64_t hash = hash_piece(piece, bytes, inside);
    if (find(p, hash, inside, piece, bytes) >= 0) {
        return vecna_error_set(err, VECNA_ERR_FORMAT, id + 1,
                               "line %d of the vocabulary, \"%.*s\", stands there twice", id + 1,
                               (int)(bytes < 40 ? bytes : 40), piece);
    }
    const uint64_t final = finish(hash);
    size_t at = final & p->mask;
    while (p->slots[at].id >= 0) {
        at = (at + 1) & p->mask;
    }
    p->slots[at].hash = (uint32_t)(final >> 32);
    p->slots[at].id = id;
    return VECNA_OK;
}

static size_t count_lines(const char *lines, size_t bytes) {
    size_t count = bytes > 0 && lines[bytes - 1] != '\n';
    for (size_t i = 0; i < bytes; i++) {
        count += lines[i] == '\n';
    }
    return count;
}

static vecna_status fill(vecna_wordpiece *p, const char *lines, size_t bytes, const char *unknown,
                         vecna_error *err) {
    vecna_status status = VECNA_OK;
    size_t id = 0;
    memcpy(p->text, lines, bytes);
    p->starts[0] = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (lines[i] == '\n') {
            p->starts[++id] = (uint32_t)i + 1;
        }
    }
    if (id < p->count) {
        p->starts[p->count] = (uint32_t)bytes + 1;
    }
    for (size_t i = 0; i <= p->mask; i++) {
        p->slots[i].id = -1;
    }
    for (size_t i = 0; status == VECNA_OK && i < p->count; i++) {
        status = insert(p, (int32_t)i, err);
    }
    if (status != VECNA_OK) {
        return status;
    }
    p->unknown = find(p, hash_piece(unknown, strlen(unknown), 0), 0, unknown, strlen(unknown));
    return p->unknown >= 0 ? VECNA_OK
                           : vecna_error_set(err, VECNA_ERR_FORMAT, -1,
                                             "the vocabulary has no piece \"%.40s\" for words that "
                                             "it cannot spell",
                                             unknown);
}

vecna_status vecna_wordpiece_new(const char *lines, size_t bytes,
                                 const vecna_wordpiece_options *options, vecna_wordpiece **out,
                                 vecna_error *err) {
    static const vecna_wordpiece_options none = {0};
    const vecna_wordpiece_options *o = options ? options : &none;
    const size_t count = count_lines(lines, bytes);
    vecna_wordpiece *p;
    vecna_status status;
    if (count > PIECES_MOST || bytes > UINT32_MAX - 2) {
        return vecna_error_set(err, VECNA_ERR_OVERFLOW, -1,
                               "%zu pieces are more than a vocabulary holds (%d)", count,
                               PIECES_MOST);
    }
    p = vecna_allocate_zero(o->allocator, 1, sizeof *p);
    if (!p) {
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for a vocabulary");
    }
    if (o->allocator) {
        p->allocator_copy = *o->allocator;
        p->allocator = &p->allocator_copy;
    }
    p->keep_case = o->keep_case;
    p->count = count;
    for (p->mask = 16; p->mask < 2 * count; p->mask *= 2) {
    }
    p->text = vecna_allocate(p->allocator, bytes + 1, 1);
    p->starts = vecna_allocate(p->allocator, count + 2, sizeof *p->starts);
    p->slots = vecna_allocate(p->allocator, p->mask, sizeof *p->slots);
    p->mask--;
    status = p->text && p->starts && p->slots
                 ? fill(p, lines, bytes, o->unknown ? o->unknown : "[UNK]", err)
                 : vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for %zu pieces", count);
    if (status != VECNA_OK) {
        vecna_wordpiece_free(p);
        return status;
    }
    *out = p;
    return VECNA_OK;
}

void vecna_wordpiece_free(vecna_wordpiece *pieces) {
    vecna_allocator copy;
    const vecna_allocator *allocator = NULL;
    if (!pieces) {
        return;
    }
    if (pieces->allocator) {
        copy = pieces->allocator_copy;
        allocator = &copy;
    }
    vecna_release(allocator, pieces->text);
    vecna_release(allocator, pieces->starts);
    vecna_release(allocator, pieces->slots);
    vecna_release(allocator, pieces);
}

size_t vecna_wordpiece_size(const vecna_wordpiece *pieces) {
    return pieces->count;
}

int32_t vecna_wordpiece_unknown(const vecna_wordpiece *pieces) {
    return pieces->unknown;
}

/* ---- words into pieces ----------------------------------------------------------------------- */

/* The longest piece that the word goes on with from `from`; *end behind it. -1 none. */
static int32_t longest(const vecna_wordpiece *p, const word *w, size_t from, size_t *end) {
    uint64_t hashes[WORD_BYTES];
    const int inside = from > 0;
    uint64_t hash = inside ? SEED_INSIDE : SEED_START;
    for (size_t i = from; i < w->used; i++) {
        hash = hash_byte(hash, (unsigned char)w->bytes[i]);
        hashes[i] = hash;
    }
    for (size_t last = w->used; last > from; last--) {
        if (last < w->used && ((unsigned char)w->bytes[last] & 0xC0) == 0x80) {
            continue; /* inside a character */
        }
        const int32_t id = find(p, hashes[last - 1], inside, w->bytes + from, last - from);
        if (id >= 0) {
            *end = last;
            return id;
        }
    }
    return -1;
}

static void end_word(encoding *e) {
    const size_t first = e->count;
    size_t at = 0;
    word *w = &e->word;
    if (w->characters > CHARACTERS_MOST) {
        e->ids[e->count++] = e->pieces->unknown;
    } else {
        while (at < w->used) {
            const int32_t id = longest(e->pieces, w, at, &at);
            if (id < 0) {
                e->count = first;
                e->ids[e->count++] = e->pieces->unknown;
                break;
            }
            e->ids[e->count++] = id;
        }
    }
    w->used = w->characters = 0;
}

static void add_bytes(word *w, const char *bytes, size_t count) {
    if (w->characters >= CHARACTERS_MOST) {
        w->characters = CHARACTERS_MOST + 1;
        return;
    }
    memcpy(w->bytes + w->used, bytes, count);
    w->used += count;
    w->characters++;
}

static void alone(encoding *e, const char *bytes, size_t count) {
    if (e->word.characters) {
        end_word(e);
    }
    add_bytes(&e->word, bytes, count);
    end_word(e);
}

/* ---- text into words ------------------------------------------------------------------------- */

typedef enum kind { KIND_LETTER, KIND_SPACE, KIND_MARK, KIND_GONE } kind;

static kind ascii_kind(unsigned char c) {
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
        return KIND_LETTER;
    }
    if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        return KIND_SPACE;
    }
    return c < 0x20 || c == 0x7F ? KIND_GONE : KIND_MARK;
}

static int is_han(int32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static kind unicode_kind(int32_t c) {
    const utf8proc_category_t category = utf8proc_category(c);
    switch (category) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return KIND_SPACE;
    case UTF8PROC_CATEGORY_CC:
        return c == 0x85 ? KIND_SPACE : KIND_GONE;
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
        return KIND_GONE;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return KIND_MARK;
    default:
        return KIND_LETTER;
    }
}

/* One character after decomposition. */
static void take_point(encoding *e, int32_t c) {
    char bytes[4];
    size_t count;
    kind what;
    if (!e->pieces->keep_case) {
        if (utf8proc_category(c) == UTF8PROC_CATEGORY_MN) {
            return;
        }
        c = utf8proc_tolower(c);
    }
    count = (size_t)utf8proc_encode_char(c, (utf8proc_uint8_t *)bytes);
    what = c < 0x80 ? ascii_kind((unsigned char)c) : unicode_kind(c);
    if (what == KIND_MARK) {
        alone(e, bytes, count);
    } else if (what == KIND_LETTER) {
        add_bytes(&e->word, bytes, count);
    } else if (what == KIND_SPACE && e->word.characters) {
        end_word(e);
    }
}

/* A character beyond ASCII, as it stands in the text. */
static void take_character(encoding *e, int32_t c, const char *bytes, size_t count) {
    utf8proc_int32_t points[24];
    int last_boundary = 0;
    utf8proc_ssize_t number;
    const kind what = unicode_kind(c);
    if (what == KIND_GONE || c == 0xFFFD) {
        return;
    }
    if (what == KIND_SPACE) {
        if (e->word.characters) {
            end_word(e);
        }
        return;
    }
    const int han = is_han(c);
    if (han && e->word.characters) {
        end_word(e);
    }
    if (e->pieces->keep_case) {
        if (what == KIND_MARK) {
            alone(e, bytes, count);
        } else {
            add_bytes(&e->word, bytes, count);
        }
    } else {
        number = utf8proc_decompose_char(c, points, 24, UTF8PROC_DECOMPOSE, &last_boundary);
        for (utf8proc_ssize_t i = 0; i < number && i < 24; i++) {
            take_point(e, points[i]);
        }
    }
    if (han && e->word.characters) {
        end_word(e);
    }
}

size_t vecna_wordpiece_encode(const vecna_wordpiece *pieces, const char *text, size_t bytes,
                              int32_t *ids) {
    encoding e = {.pieces = pieces, .ids = ids};
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    while (at < end) {
        const unsigned char c = *at;
        if (c >= 0x80) {
            utf8proc_int32_t point;
            utf8proc_ssize_t taken = utf8proc_iterate(at, end - at, &point);
            if (taken > 0) {
                take_character(&e, point, (const char *)at, (size_t)taken);
            }
            at += taken > 0 ? taken : 1;
            continue;
        }
        const kind what = ascii_kind(c);
        const char folded =
            (char)(c >= 'A' && c <= 'Z' && !pieces->keep_case ? c + ('a' - 'A') : c);
        if (what == KIND_LETTER) {
            add_bytes(&e.word, &folded, 1);
        } else if (what == KIND_MARK) {
            alone(&e, &folded, 1);
        } else if (what == KIND_SPACE && e.word.characters) {
            end_word(&e);
        }
        at++;
    }
    if (e.word.characters) {
        end_word(&e);
    }
    return e.count;
}
