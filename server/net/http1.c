/* A gateway that holds keys must not read a request differently from what stands before it. So this
 * parser takes the grammar of RFC 9112 at its word and repairs nothing: where the standard lets a
 * recipient be lenient (bare line feeds, folded lines, white space before the colon, repeated lengths,
 * unknown codings), the request is refused and the connection closed, because after a framing error
 * nobody knows where the next request begins.
 *
 * It reads line by line and never the same byte twice for long: `line` is where the current line
 * begins, `searched` how far no line feed was found.
 *
 * Two leniencies are left, both harmless to framing: one empty line before the request line (old
 * clients send one after a body), and the absolute form of the target, which RFC 9112 obliges a server
 * to take; its path is used, its authority is not.
 */
#include "net/http1.h"

#include <string.h>

/* Character classes, RFC 9110 5.5 and 5.6.2. */
enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8 };

static unsigned class_of(unsigned char c) {
    static const unsigned char table[256] = {
#define VALUE_ONLY VALUE
#define T (TOKEN | VALUE | TARGET)        /* token */
#define H (TOKEN | VALUE | TARGET | HOST) /* token, and part of a host */
#define G (VALUE | TARGET)                /* in targets and values */
#define O (VALUE | TARGET | HOST)         /* colon, brackets of a host */
        ['\t'] = VALUE_ONLY,
        [' '] = VALUE_ONLY,
        ['!'] = H,
        ['#'] = TOKEN | VALUE,
        ['$'] = H,
        ['%'] = H,
        ['&'] = H,
        ['\''] = H,
        ['*'] = H,
        ['+'] = H,
        ['-'] = H,
        ['.'] = H,
        ['^'] = T,
        ['_'] = H,
        ['`'] = T,
        ['|'] = T,
        ['~'] = H,
        ['"'] = G,
        ['('] = O,
        [')'] = O,
        [','] = O,
        ['/'] = G,
        [':'] = O,
        [';'] = O,
        ['<'] = G,
        ['='] = O,
        ['>'] = G,
        ['?'] = G,
        ['@'] = G,
        ['['] = O,
        ['\\'] = G,
        [']'] = O,
        ['{'] = G,
        ['}'] = G,
        ['0'] = H,
        ['1'] = H,
        ['2'] = H,
        ['3'] = H,
        ['4'] = H,
        ['5'] = H,
        ['6'] = H,
        ['7'] = H,
        ['8'] = H,
        ['9'] = H,
#define LETTERS(a, b, c, d, e, f, g) [a] = H, [b] = H, [c] = H, [d] = H, [e] = H, [f] = H, [g] = H
        LETTERS('a', 'b', 'c', 'd', 'e', 'f', 'g'),
        LETTERS('h', 'i', 'j', 'k', 'l', 'm', 'n'),
        LETTERS('o', 'p', 'q', 'r', 's', 't', 'u'),
        ['v'] = H,
        ['w'] = H,
        ['x'] = H,
        ['y'] = H,
        ['z'] = H,
        LETTERS('A', 'B', 'C', 'D', 'E', 'F', 'G'),
        LETTERS('H', 'I', 'J', 'K', 'L', 'M', 'N'),
        LETTERS('O', 'P', 'Q', 'R', 'S', 'T', 'U'),
        ['V'] = H,
        ['W'] = H,
        ['X'] = H,
        ['Y'] = H,
        ['Z'] = H,
#undef LETTERS
#undef T
#undef H
#undef G
#undef O
#undef VALUE_ONLY
    };
    return c >= 0x80 ? VALUE : table[c];
}

/* How many bytes at the front are of the class. */
static size_t span(const char *at, size_t bytes, unsigned wanted) {
    size_t n = 0;
    while (n < bytes && (class_of((unsigned char)at[n]) & wanted) != 0)
        n++;
    return n;
}

static int refuse(vni_http_head *head, int status, const char *reason) {
    head->reason = reason;
    return -status;
}

/* ---- the request line ------------------------------------------------------------------------ */

static vni_method method_of(vni_text text) {
    static const struct {
        const char *name;
        vni_method method;
    } known[] = {{"GET", VNI_GET},    {"HEAD", VNI_HEAD},     {"POST", VNI_POST},
                 {"PUT", VNI_PUT},    {"DELETE", VNI_DELETE}, {"OPTIONS", VNI_OPTIONS},
                 {"PATCH", VNI_PATCH}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (vni_text_is(text, known[i].name))
            return known[i].method;
    return VNI_METHOD_OTHER;
}

/* The path of http://authority/path?query; 0 when it is no such thing. */
static int absolute_form(vni_text *target) {
    size_t scheme = 0, at;
    vni_text start = {target->at, target->bytes < 7 ? target->bytes : 7};
    if (vni_text_is_nocase(start, "http://"))
        scheme = 7;
    start.bytes = target->bytes < 8 ? target->bytes : 8;
    if (vni_text_is_nocase(start, "https://"))
        scheme = 8;
    if (scheme == 0)
        return 0;
    for (at = scheme; at < target->bytes && target->at[at] != '/' && target->at[at] != '?'; at++)
        if ((class_of((unsigned char)target->at[at]) & HOST) == 0)
            return 0;
    if (at == scheme)
        return 0;
    target->at += at;
    target->bytes -= at;
    return 1;
}

static int read_target(vni_http_head *head) {
    vni_text rest = head->target;
    const char *mark;
    if (rest.bytes == 1 && rest.at[0] == '*') {
        if (head->method != VNI_OPTIONS)
            return refuse(head, 400, "the target * is for OPTIONS only");
    } else if (rest.at[0] != '/' && !absolute_form(&rest)) {
        return refuse(head, 400, "the request target must begin with /");
    }
    mark = rest.bytes == 0 ? NULL : memchr(rest.at, '?', rest.bytes);
    head->path.at = rest.at;
    head->path.bytes = mark == NULL ? rest.bytes : (size_t)(mark - rest.at);
    if (head->path.bytes == 0) /* http://host and http://host?query */
        head->path = vni_text_of("/");
    head->query.at = mark == NULL ? rest.at + rest.bytes : mark + 1;
    head->query.bytes = mark == NULL ? 0 : (size_t)(rest.at + rest.bytes - head->query.at);
    return VNI_HTTP_MORE;
}

static int read_request_line(vni_http_head *head, const char *line, size_t bytes) {
    size_t method = span(line, bytes, TOKEN), target;
    const char *version;
    if (method == 0 || method == bytes || line[method] != ' ')
        return refuse(head, 400, "the request line must begin with a method and one space");
    head->method_text = (vni_text){line, method};
    head->method = method_of(head->method_text);
    target = span(line + method + 1, bytes - method - 1, TARGET);
    head->target = (vni_text){line + method + 1, target};
    version = line + method + 1 + target;
    if (target == 0 || (size_t)(line + bytes - version) < 9 || version[0] != ' ')
        return refuse(head, 400,
                      "the request line must be: method, target and version, one space between");
    version++;
    if (line + bytes - version != 8 || memcmp(version, "HTTP/", 5) != 0 || version[5] < '0' ||
        version[5] > '9' || version[6] != '.' || version[7] < '0' || version[7] > '9')
        return refuse(head, 400, "the request line must end with HTTP/1.1");
    if (version[5] != '1' || version[7] > '1')
        return refuse(head, 505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
    head->minor = version[7] - '0';
    if (head->method == VNI_METHOD_OTHER && vni_text_is(head->method_text, "CONNECT"))
        return refuse(head, 501, "this is no tunnel: CONNECT is not supported");
    return read_target(head);
}

/* ---- header fields ----------------------------------------------------------------------------- */

/* Digits only, at most 18: no sign, no list, no white space. -1 otherwise. */
static int64_t length_of(vni_text value) {
    int64_t length = 0;
    if (value.bytes == 0 || value.bytes > 18)
        return -1;
    for (size_t i = 0; i < value.bytes; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return -1;
        length = length * 10 + (value.at[i] - '0');
    }
    return length;
}

static int read_encoding(vni_http_head *head, vni_text value) {
    if (head->has_encoding)
        return refuse(head, 400, "Transfer-Encoding stands twice");
    if (head->minor == 0)
        return refuse(head, 400, "HTTP/1.0 has no Transfer-Encoding");
    head->has_encoding = 1;
    if (vni_text_is_nocase(value, "chunked")) {
        head->chunked = 1;
        return VNI_HTTP_MORE;
    }
    if (value.bytes == 0) /* also what a folded line leaves behind */
        return refuse(head, 400, "Transfer-Encoding is empty");
    /* A list that repeats chunked, or does not end with it, cannot be framed at all. */
    for (size_t i = 0; i + 7 <= value.bytes; i++)
        if (vni_text_is_nocase((vni_text){value.at + i, 7}, "chunked"))
            return refuse(head, 400, "Transfer-Encoding must be chunked and nothing else");
    return refuse(head, 501, "the only Transfer-Encoding understood is chunked");
}

/* Members of the comma-separated list, one by one. 0 at the end. */
static int next_member(vni_text *list, vni_text *member) {
    size_t end;
    while (list->bytes > 0 && (*list->at == ',' || *list->at == ' ' || *list->at == '\t'))
        list->at++, list->bytes--;
    for (end = 0; end < list->bytes && list->at[end] != ','; end++)
        ;
    *member = (vni_text){list->at, end};
    list->at += end;
    list->bytes -= end;
    while (member->bytes > 0 &&
           (member->at[member->bytes - 1] == ' ' || member->at[member->bytes - 1] == '\t'))
        member->bytes--;
    return member->bytes > 0;
}

static int read_host(vni_http_head *head, vni_text value) {
    if (head->has_host)
        return refuse(head, 400, "Host stands twice");
    head->has_host = 1;
    if (value.bytes == 0 || span(value.at, value.bytes, HOST) != value.bytes ||
        memchr(value.at, ',', value.bytes) != NULL)
        return refuse(head, 400, "Host must be one host name or address");
    head->host = value;
    return VNI_HTTP_MORE;
}

/* The fields that framing depends on. */
static int read_known(vni_http_head *head, vni_text name, vni_text value) {
    if (name.bytes == 4 && vni_text_is_nocase(name, "host"))
        return read_host(head, value);
    if (name.bytes == 14 && vni_text_is_nocase(name, "content-length")) {
        if (head->content_length >= 0)
            return refuse(head, 400, "Content-Length stands twice");
        head->content_length = length_of(value);
        if (head->content_length < 0)
            return refuse(head, 400, "Content-Length must be one number of digits only");
    } else if (name.bytes == 17 && vni_text_is_nocase(name, "transfer-encoding")) {
        return read_encoding(head, value);
    } else if (name.bytes == 10 && vni_text_is_nocase(name, "connection")) {
        vni_text member;
        while (next_member(&value, &member)) {
            if (vni_text_is_nocase(member, "close"))
                head->said_close = 1;
            else if (vni_text_is_nocase(member, "keep-alive"))
                head->said_keep = 1;
        }
    } else if (name.bytes == 6 && vni_text_is_nocase(name, "expect")) {
        if (!vni_text_is_nocase(value, "100-continue"))
            return refuse(head, 417, "the only expectation understood is 100-continue");
        head->expects_continue = head->minor == 1;
    } else if (name.bytes == 16 && vni_text_is_nocase(name, "content-encoding")) {
        if (value.bytes > 0 && !vni_text_is_nocase(value, "identity"))
            return refuse(head, 415, "the body is compressed: send it as it is");
    }
    return VNI_HTTP_MORE;
}

static int read_field(vni_http_head *head, const char *line, size_t bytes) {
    size_t name = span(line, bytes, TOKEN), value = name + 1, end = bytes;
    if (line[0] == ' ' || line[0] == '\t')
        return refuse(head, 400,
                      "a header line begins with white space (folded lines are not accepted)");
    if (name == 0 || name == bytes || line[name] != ':')
        return refuse(head, 400,
                      "a header line must be a name, a colon right behind it, and a value");
    if (span(line + value, bytes - value, VALUE) != bytes - value)
        return refuse(head, 400, "a header value holds a control character");
    while (value < end && (line[value] == ' ' || line[value] == '\t'))
        value++;
    while (end > value && (line[end - 1] == ' ' || line[end - 1] == '\t'))
        end--;
    if (head->field_count == head->limit_fields)
        return refuse(head, 431, "the request has too many header lines");
    head->fields[head->field_count] = (vni_field){{line, name}, {line + value, end - value}};
    head->field_count++;
    return read_known(head, head->fields[head->field_count - 1].name,
                      head->fields[head->field_count - 1].value);
}

/* What only the whole head tells. */
static int finish(vni_http_head *head) {
    if (!head->has_host && head->minor == 1)
        return refuse(head, 400, "Host is missing");
    if (head->has_encoding && head->content_length >= 0)
        return refuse(head, 400, "Content-Length and Transfer-Encoding stand together");
    head->keep_alive = !head->said_close && (head->minor == 1 || head->said_keep);
    return VNI_HTTP_DONE;
}

/* stage: 0 before the first line, 1 an empty line was skipped, 2 in the header block. */
int vni_http_read_head(vni_http_head *head, const char *data, size_t bytes) {
    if (head->line == 0 && head->searched == 0)
        head->content_length = -1;
    for (;;) {
        const char *line = data + head->line;
        size_t seen = bytes < head->limit_bytes ? bytes : head->limit_bytes;
        const char *feed = head->searched < seen
                               ? memchr(data + head->searched, '\n', seen - head->searched)
                               : NULL;
        size_t length;
        int result;
        if (feed == NULL) {
            head->searched = seen;
            if (seen == head->limit_bytes)
                return head->stage < 2 ? refuse(head, 414, "the request line is too long")
                                       : refuse(head, 431, "the header block is too long");
            return VNI_HTTP_MORE;
        }
        if (feed == line || feed[-1] != '\r')
            return refuse(head, 400, "a line ends with a line feed alone");
        length = (size_t)(feed - line) - 1;
        head->line = head->searched = (size_t)(feed - data) + 1;
        if (head->stage < 2) {
            if (length == 0 && head->stage == 0) {
                head->stage = 1;
                continue;
            }
            if (length == 0)
                return refuse(head, 400, "the request line is empty");
            head->stage = 2;
            result = read_request_line(head, line, length);
        } else if (length == 0) {
            head->head_bytes = head->line;
            return finish(head);
        } else {
            result = read_field(head, line, length);
        }
        if (result < 0)
            return result;
    }
}

/* ---- chunked bodies ------------------------------------------------------------------------------ */

enum {
    SIZE,
    EXTENSION,
    EXTENSION_VALUE,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPED,
    EXTENSION_END,
    SIZE_FEED,
    DATA,
    DATA_RETURN,
    DATA_FEED,
    TRAILER,
    TRAILER_VALUE,
    TRAILER_FEED,
    END_FEED
};
/* The order of the stages is relied on: extensions together, trailers last. */
enum { OVERHEAD_LIMIT = 4096, DIGITS_LIMIT = 15, TRAILERS_LIMIT = 16 };

static int refuse_chunk(vni_http_chunks *chunks, int status, const char *reason) {
    chunks->reason = reason;
    return -status;
}

static int hex_digit(unsigned char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_size(vni_http_chunks *chunks, unsigned char c) {
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (++chunks->digits > DIGITS_LIMIT)
            return refuse_chunk(chunks, 400, "a chunk size has too many digits");
        chunks->left = chunks->left * 16 + (unsigned)digit;
    } else if (chunks->digits == 0) {
        return refuse_chunk(chunks, 400, "a chunk must begin with its size in hexadecimal digits");
    } else if (c == ';') {
        chunks->stage = EXTENSION;
        chunks->trailer_at = 0;
    } else if (c == '\r') {
        chunks->stage = SIZE_FEED;
    } else {
        return refuse_chunk(chunks, 400,
                            "a chunk size holds something else than hexadecimal digits");
    }
    return VNI_HTTP_MORE;
}

/* ";name", ";name=value", ";name="quoted"": read by the letter and forgotten, because a parser before this one
 * may refuse what this one would pass over, and the other way round. No white space, which few send. */
static int read_extension(vni_http_chunks *chunks, unsigned char c) {
    unsigned stage = chunks->stage;
    int begins = chunks->trailer_at == 0; /* the name, or the value */
    if (stage == EXTENSION_ESCAPED) {
        chunks->stage = EXTENSION_QUOTED;
    } else if (stage == EXTENSION_QUOTED) {
        if (c == '"' || c == '\\')
            chunks->stage = c == '"' ? EXTENSION_END : EXTENSION_ESCAPED;
    } else if (stage != EXTENSION_END && (class_of(c) & TOKEN) != 0) {
        chunks->trailer_at = 1;
        return VNI_HTTP_MORE;
    } else if (stage == EXTENSION_VALUE && begins && c == '"') {
        chunks->stage = EXTENSION_QUOTED;
    } else if (begins && stage != EXTENSION_END) {
        return refuse_chunk(chunks, 400,
                            "a chunk extension must have a name, and a value behind =");
    } else if (c == ';' || c == '\r' || (c == '=' && stage == EXTENSION)) {
        chunks->stage = c == ';' ? EXTENSION : c == '=' ? EXTENSION_VALUE : SIZE_FEED;
        chunks->trailer_at = 0;
        return VNI_HTTP_MORE;
    } else {
        return refuse_chunk(chunks, 400, "a chunk extension holds something else than its parts");
    }
    return (class_of(c) & VALUE) != 0
               ? VNI_HTTP_MORE
               : refuse_chunk(chunks, 400, "a chunk extension holds a control character");
}

static int end_of_size(vni_http_chunks *chunks) {
    if (chunks->left > chunks->limit_bytes - chunks->total)
        return refuse_chunk(
            chunks, 413,
            "the body is larger than body_bytes of this server's limits: send less a request");
    chunks->total += chunks->left;
    chunks->stage = chunks->left == 0 ? TRAILER : DATA;
    chunks->digits = 0;
    chunks->trailer_at = 0;
    return VNI_HTTP_MORE;
}

/* Trailers are checked as header lines are, then forgotten; none may speak about framing. */
static int read_trailer(vni_http_chunks *chunks, unsigned char c) {
    static const char *const refused[] = {"content-length", "transfer-encoding", "host",
                                          "connection",     "trailer",           "te",
                                          "authorization"};
    if (c == '\r' && chunks->trailer_at == 0) {
        chunks->stage = END_FEED;
        return VNI_HTTP_MORE;
    }
    if (c == ':' && chunks->trailer_at > 0) {
        vni_text name = {chunks->name, chunks->trailer_at};
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
            if (name.bytes <= sizeof chunks->name && vni_text_is_nocase(name, refused[i]))
                return refuse_chunk(chunks, 400,
                                    "a trailer may not hold a field of framing or keys");
        if (++chunks->trailers > TRAILERS_LIMIT)
            return refuse_chunk(chunks, 431, "the body has too many trailers");
        chunks->stage = TRAILER_VALUE;
        return VNI_HTTP_MORE;
    }
    if ((class_of(c) & TOKEN) == 0)
        return refuse_chunk(chunks, 400,
                            "a trailer must be a name, a colon right behind it, and a value");
    if (chunks->trailer_at < sizeof chunks->name)
        chunks->name[chunks->trailer_at] = (char)c;
    chunks->trailer_at++;
    return VNI_HTTP_MORE;
}

/* One byte of what is not data. */
static int read_framing(vni_http_chunks *chunks, unsigned char c) {
    static const unsigned char next[] = {
        [DATA_RETURN] = DATA_FEED, [DATA_FEED] = SIZE, [TRAILER_FEED] = TRAILER};
    switch (chunks->stage) {
    case SIZE:
        return read_size(chunks, c);
    case SIZE_FEED:
        return c == '\n' ? end_of_size(chunks)
                         : refuse_chunk(chunks, 400, "a chunk size must end with CR and LF");
    case EXTENSION:
    case EXTENSION_VALUE:
    case EXTENSION_QUOTED:
    case EXTENSION_ESCAPED:
    case EXTENSION_END:
        return read_extension(chunks, c);
    case TRAILER_VALUE:
        if (c == '\r')
            chunks->stage = TRAILER_FEED;
        else if ((class_of(c) & VALUE) == 0)
            return refuse_chunk(chunks, 400, "a trailer holds a control character");
        break;
    case TRAILER:
        return read_trailer(chunks, c);
    case DATA_RETURN:
        if (c != '\r')
            return refuse_chunk(chunks, 400, "a chunk is longer than its size");
        chunks->stage = next[chunks->stage];
        break;
    case END_FEED:
        return c == '\n' ? VNI_HTTP_DONE
                         : refuse_chunk(chunks, 400, "the body must end with CR and LF");
    default: /* DATA_FEED, TRAILER_FEED */
        if (c != '\n')
            return refuse_chunk(chunks, 400, "a line of a chunked body must end with CR and LF");
        chunks->stage = next[chunks->stage];
        chunks->trailer_at = 0;
        break;
    }
    return VNI_HTTP_MORE;
}

int vni_http_read_chunks(vni_http_chunks *chunks, const char *data, size_t bytes, size_t *at,
                         vni_text *piece) {
    *piece = (vni_text){data, 0};
    while (*at < bytes) {
        int result;
        if (chunks->stage == DATA) {
            size_t there = bytes - *at, take = there < chunks->left ? there : (size_t)chunks->left;
            *piece = (vni_text){data + *at, take};
            *at += take;
            chunks->left -= take;
            if (chunks->left == 0)
                chunks->stage = DATA_RETURN;
            return VNI_HTTP_MORE;
        }
        if ((chunks->stage >= EXTENSION && chunks->stage <= EXTENSION_END) ||
            chunks->stage >= TRAILER)
            if (++chunks->overhead > OVERHEAD_LIMIT)
                return refuse_chunk(chunks, 400, "chunk extensions or trailers are too long");
        result = read_framing(chunks, (unsigned char)data[*at]);
        *at += 1;
        if (result != VNI_HTTP_MORE)
            return result;
    }
    return VNI_HTTP_MORE;
}
