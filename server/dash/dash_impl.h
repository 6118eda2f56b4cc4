/* dash: the page at `/` of `vecna serve`, and the numbers behind it. Each panel is one file that turns
 * numbers of the proxy into JSON; page.html, which is linked into the program, draws them. */
#ifndef VNI_DASH_IMPL_H
#define VNI_DASH_IMPL_H

#include "proxy/proxy_impl.h"

/* Answer GET /, GET /dash/data and POST /dash/try. 1 when the exchange was answered or will be, 0 when its
 * path is none of these. Has the form of vni_serve_options' `page`; user is not used. The page itself
 * holds nothing of this server and needs no key; the other two are for the caller to admit. */
int vni_dash_page(void *user, vni_proxy *proxy, vni_exchange *exchange);

#endif
