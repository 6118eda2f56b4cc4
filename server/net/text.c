/* Small things about text that the parser, the server and the proxy share. Case is that of ASCII,
 * whatever the locale: header names are not words of a language. */
#include "net/net_impl.h"

#include <string.h>

vni_text vni_text_of(const char *string) {
    vni_text text = {string, strlen(string)};
    return text;
}

int vni_text_is(vni_text text, const char *string) {
    return strlen(string) == text.bytes && memcmp(text.at, string, text.bytes) == 0;
}

static unsigned char lower(char c) {
    unsigned char byte = (unsigned char)c;
    return byte >= 'A' && byte <= 'Z' ? (unsigned char)(byte + 32) : byte;
}

int vni_text_is_nocase(vni_text text, const char *string) {
    for (size_t i = 0; i < text.bytes; i++)
        if (string[i] == 0 || lower(text.at[i]) != lower(string[i]))
            return 0;
    return string[text.bytes] == 0;
}

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ptrdiff_t vni_percent_decode(vni_text text, char *out) {
    size_t used = 0;
    for (size_t i = 0; i < text.bytes; i++) {
        char c = text.at[i];
        if (c == '%') {
            int high = i + 1 < text.bytes ? hex(text.at[i + 1]) : -1;
            int low = i + 2 < text.bytes ? hex(text.at[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0)
                return -1;
            c = (char)(high * 16 + low);
            i += 2;
        }
        out[used++] = c;
    }
    return (ptrdiff_t)used;
}

const char *vni_status_reason(int status) {
    static const struct {
        int status;
        const char *reason;
    } known[] = {{100, "Continue"},
                 {200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {301, "Moved Permanently"},
                 {302, "Found"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {406, "Not Acceptable"},
                 {408, "Request Timeout"},
                 {409, "Conflict"},
                 {411, "Length Required"},
                 {413, "Content Too Large"},
                 {414, "URI Too Long"},
                 {415, "Unsupported Media Type"},
                 {417, "Expectation Failed"},
                 {421, "Misdirected Request"},
                 {422, "Unprocessable Content"},
                 {424, "Failed Dependency"},
                 {429, "Too Many Requests"},
                 {431, "Request Header Fields Too Large"},
                 {499, "Client Closed Request"},
                 {500, "Internal Server Error"},
                 {501, "Not Implemented"},
                 {502, "Bad Gateway"},
                 {503, "Service Unavailable"},
                 {504, "Gateway Timeout"},
                 {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].reason;
    return status < 300   ? "OK"
           : status < 400 ? "Redirect"
           : status < 500 ? "Bad Request"
                          : "Server Error";
}
