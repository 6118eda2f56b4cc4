/* page.html as part of the program. The assembler takes it in as it is, so that it stays a file that a browser
 * and an editor understand. */
#include "dash/panel.h"

#include <stdio.h>
#include <string.h>

__asm__(".pushsection .rodata\n"
        "vni_dash_html:\n"
        ".incbin \"server/dash/page.html\"\n"
        "vni_dash_html_end:\n"
        ".byte 0\n"
        ".popsection\n");
extern const char vni_dash_html[] __attribute__((visibility("hidden")));
extern const char vni_dash_html_end[] __attribute__((visibility("hidden")));

vni_text vni_page_html(void) {
    vni_text html = {vni_dash_html, (size_t)(vni_dash_html_end - vni_dash_html)};
    return html;
}

/* What lies between two marks, as a policy's source: 'sha256-...'. */
static void hash_of(const char *from, const char *to, char out[64]) {
    unsigned char digest[32];
    const char *begin = strstr(vni_dash_html, from),
               *end = begin == NULL ? NULL : strstr(begin, to);
    out[0] = 0;
    if (end == NULL)
        return;
    begin += strlen(from);
    vni_sha256(begin, (size_t)(end - begin), digest);
    memcpy(out, "'sha256-", 8);
    vecna_base64_encode(digest, sizeof digest, out + 8);
    memcpy(out + 8 + 44, "'", 2);
}

/* The page may run its own script and style and talk to this server, nothing else; made once, by the loop
 * that serves the page first. */
const char *vni_page_policy(void) {
    static char policy[512];
    if (policy[0] == 0) {
        char script[64], style[64];
        hash_of("<script>", "</script>", script);
        hash_of("<style>", "</style>", style);
        snprintf(
            policy, sizeof policy,
            "default-src 'none'; script-src %s; style-src %s; connect-src 'self'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            script, style);
    }
    return policy;
}
