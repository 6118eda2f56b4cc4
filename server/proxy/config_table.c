/* The one table of the configuration. The parser, the environment's names, the nearest-name advice,
 * --check and docs/config.md are all made from it, so none of them can lag behind. */
#include "proxy/config.h"

#define FIELD(type, member, ...)                                                                   \
    { #member, .offset = offsetof(type, member), __VA_ARGS__ }
#define NAMED(name, type, member, ...)                                                             \
    { name, .offset = offsetof(type, member), __VA_ARGS__ }
#define TABLE(variable, type, heading, text, list)                                                 \
    const vni_setting_table variable = {heading, text, list, sizeof list / sizeof list[0],         \
                                        sizeof(type)}

#define TEXT .kind = VNI_KIND_TEXT
#define BOOL .kind = VNI_KIND_BOOL
#define COUNT .kind = VNI_KIND_COUNT
#define BYTES .kind = VNI_KIND_BYTES
#define TIME .kind = VNI_KIND_TIME
#define NUMBER .kind = VNI_KIND_NUMBER
#define CHOICE .kind = VNI_KIND_CHOICE
#define DAY 86400000.0

static const vni_setting tls_fields[] = {
    FIELD(vni_config_tls, cert, TEXT, .help = "certificate chain, PEM"),
    FIELD(vni_config_tls, key, TEXT, .help = "its private key, PEM"),
};
static TABLE(tls_table, vni_config_tls, "tls", "HTTPS towards clients. Both files, or neither.",
             tls_fields);

static const vni_setting endpoint_fields[] = {
    FIELD(vni_config_endpoint, url, TEXT, .help = "as `url` of the target"),
    FIELD(vni_config_endpoint, api_key, TEXT, .help = "default: the target's"),
    FIELD(vni_config_endpoint, api_key_file, TEXT, .help = "default: the target's"),
    FIELD(vni_config_endpoint, weight, COUNT, .fallback = "1", .least = 1, .most = 1000,
          .help = "share of the calls among endpoints of equal priority"),
    FIELD(vni_config_endpoint, priority, COUNT, .most = 100,
          .help = "0 is asked first; a higher number only when all lower ones are unavailable"),
    FIELD(vni_config_endpoint, concurrency, COUNT, .most = 100000,
          .help = "most calls at once; 0: the target's"),
};
static TABLE(endpoint_table, vni_config_endpoint, "forward.targets[].endpoints[]",
             "Several servers of the same model behind one target.", endpoint_fields);

static const vni_setting target_fields[] = {
    NAMED("name", vni_config_target, id, TEXT,
          .help = "what `forward_target` calls it; default: target-1, target-2 ..."),
    FIELD(vni_config_target, provider, CHOICE,
          .words = "openai|ollama|tei|google|cohere|voyage|static", .fallback = "openai",
          .help = "what the server speaks; openai is also llama-server, LM Studio, vLLM, infinity, "
                  "LocalAI, Mistral and Jina; static is a model in this process, `model` its file "
                  "(vecna distill), or the built-in one"),
    NAMED("url", vni_config_target, url, TEXT, .alias = "base_url",
          .help = "of the server, with or without the provider's path: http://127.0.0.1:11434"),
    FIELD(vni_config_target, endpoints, .kind = VNI_KIND_LIST, .table = &endpoint_table,
          .help = "several servers instead of `url`"),
    FIELD(vni_config_target, model, TEXT, .help = "model asked of the server"),
    FIELD(vni_config_target, pass_model, BOOL, .fallback = "false",
          .help = "ask for the model that the client names, not for `model`"),
    FIELD(vni_config_target, api_key, TEXT,
          .help = "key for the server; `${NAME}` takes it from the environment"),
    FIELD(vni_config_target, api_key_file, TEXT, .help = "file whose first line is the key"),
    FIELD(vni_config_target, dim, COUNT, .most = 1048576,
          .help = "dimension of the model; 0: learnt from its first answer"),
    FIELD(vni_config_target, matryoshka, BOOL, .fallback = "false",
          .help =
              "the model was trained to be cut: `dimensions` of a request is answered by cutting"),
    FIELD(vni_config_target, base64, CHOICE, .words = "auto|yes|no", .fallback = "auto",
          .help = "ask the server for base64; auto: stop asking when it answers otherwise"),
    FIELD(vni_config_target, send_input_type, BOOL, .fallback = "true",
          .help = "tell servers that know the notion whether texts are queries or documents"),
    FIELD(vni_config_target, query_prefix, TEXT,
          .help = "put before each query, as the model asks"),
    FIELD(vni_config_target, document_prefix, TEXT, .help = "put before every other text"),
    FIELD(vni_config_target, batch_inputs, COUNT, .most = 100000,
          .help = "most texts a call; 0: what the provider allows (TEI 32, Google 100, Cohere 96, "
                  "Voyage 128, others 2048)"),
    FIELD(vni_config_target, batch_tokens, COUNT,
          .help = "most tokens a call, estimated at 4 bytes each; 0: what the provider allows "
                  "(OpenAI 300000, Voyage 120000)"),
    FIELD(vni_config_target, concurrency, COUNT, .fallback = "64", .least = 1, .most = 100000,
          .help = "most calls at once to one server; more wait"),
    FIELD(vni_config_target, weight, COUNT, .fallback = "1", .least = 1, .most = 1000,
          .help = "share of the calls among endpoints"),
    FIELD(vni_config_target, priority, COUNT, .most = 100, .help = "as `priority` of an endpoint"),
    FIELD(vni_config_target, retries, COUNT, .fallback = "3", .most = 20,
          .help = "further tries of a failed call, inside the client's deadline"),
    FIELD(vni_config_target, connect_timeout, TIME, .fallback = "3s", .least = 1, .most = DAY,
          .help = "to connect, TLS included"),
    FIELD(vni_config_target, timeout, TIME, .fallback = "60s", .least = 1, .most = DAY,
          .help = "for one call"),
    FIELD(vni_config_target, failures, COUNT, .fallback = "3", .least = 1, .most = 1000,
          .help = "failures in a row after which a server rests"),
    FIELD(vni_config_target, cooldown, TIME, .fallback = "5s", .least = 1, .most = DAY,
          .help = "rest; then one call tries it again, and a failure doubles the rest (at most 16 "
                  "times)"),
    FIELD(vni_config_target, health_interval, TIME, .most = DAY,
          .help = "how often `health_path` is asked; 0: never"),
    FIELD(vni_config_target, health_path, TEXT, .fallback = "/health",
          .help = "path that answers 200 when the server is well"),
};
TABLE(vni_target_table, vni_config_target, "forward.targets[]", "The servers that embed.",
      target_fields);

static const vni_setting forward_fields[] = {
    FIELD(vni_config_forward, target, TEXT, .alias = "default",
          .help = "name of the target that is asked unless a map says otherwise; default: the "
                  "first"),
    FIELD(vni_config_forward, targets, .kind = VNI_KIND_LIST, .table = &vni_target_table,
          .help = "see forward.targets[]"),
};
static TABLE(forward_table, vni_config_forward, "forward", "Where texts are sent.", forward_fields);

static const vni_setting map_fields[] = {
    FIELD(vni_config_map, type, CHOICE, .words = "none|truncate|random|projection",
          .fallback = "none",
          .help = "truncate cuts or pads to `target_dim`; random and projection are a seeded "
                  "orthonormal projection. All change the dimension, not the space"),
    FIELD(vni_config_map, truncate_mode, CHOICE, .words = "from_end|from_start",
          .fallback = "from_end", .help = "which end is cut off"),
    FIELD(vni_config_map, pad_mode, CHOICE, .words = "at_end|at_start", .fallback = "at_end",
          .help = "where zeros go"),
    FIELD(vni_config_map, source_dim, COUNT, .most = 1048576,
          .help = "dimension of the model; 0: learnt from the upstream"),
    FIELD(vni_config_map, target_dim, COUNT, .most = 1048576,
          .help = "dimension that clients get; 0: the model's own"),
    FIELD(vni_config_map, seed, COUNT, .help = "of the projection"),
    FIELD(vni_config_map, map, TEXT, .alias = "map_file",
          .help = "map file of `vecna fit`, or the name of an installed map (`vecna maps`), "
                  "instead of `type`: another space"),
    FIELD(
        vni_config_map, confidence, CHOICE, .words = "auto|asked|always|never", .fallback = "auto",
        .help = "how far each answer of a learned map can be relied on, in `x-vecna-confidence`: "
                "asked: for requests that send `x-vecna-confidence: yes`; auto: for others too, as "
                "long as that takes at most a twentieth of the time; always; never"),
    FIELD(vni_config_map, force, BOOL, .fallback = "false",
          .help = "serve the map although its verdict is FAIL"),
    FIELD(
        vni_config_map, precision, CHOICE, .words = "int12|float16|float32|int8",
        .fallback = "int12",
        .help =
            "of a learned map's weights. int12: one vector in a fifth of the time, at a cosine of "
            "0.9999999 to float32's answer (0.99998 for maps near to the identity); it needs "
            "AVX-512 VNNI and is float16 elsewhere; float16: in half the time or less, at "
            "0.99999998; int8: in an eighth, at 0.9999"),
    FIELD(vni_config_map, forward_target, TEXT, .help = "target to ask; empty: the default one"),
    FIELD(vni_config_map, normalize, BOOL, .alias = "normalise", .fallback = "true",
          .help = "bring answers to length 1"),
    FIELD(vni_config_map, dimensions, CHOICE, .words = "auto|allow|refuse", .fallback = "auto",
          .help = "what `dimensions` of a request does when it is smaller than the answer: cut and "
                  "rescale, or 400. auto: cut when the target is `matryoshka`"),
    FIELD(vni_config_map, query_prefix, TEXT, .help = "instead of the target's"),
    FIELD(vni_config_map, document_prefix, TEXT, .help = "instead of the target's"),
    FIELD(vni_config_map, vocabulary, TEXT,
          .help = "rank file (cl100k_base.tiktoken) that turns token ids back into text"),
};
TABLE(vni_map_table, vni_config_map, "adapter, extra_maps.NAME",
      "What happens to a vector on its way to the client. `adapter` is the global one, for paths "
      "without a map's name; each of `extra_maps` is reached at /map/NAME/... and takes from "
      "`adapter` what it leaves unset.",
      map_fields);

static const vni_setting cache_fields[] = {
    FIELD(vni_config_cache, memory, BYTES, .fallback = "64MB",
          .help = "for vectors in memory; 0: no cache"),
    FIELD(vni_config_cache, ttl, TIME, .most = 3650 * DAY,
          .help = "how long a vector may be used; 0: for ever"),
    FIELD(vni_config_cache, disk, TEXT, .help = "SQLite file that keeps vectors over restarts"),
    FIELD(vni_config_cache, disk_bytes, BYTES, .fallback = "1GB", .least = 1 << 20,
          .help = "for vectors in that file; the oldest go first"),
};
static TABLE(
    cache_table, vni_config_cache, "cache",
    "Exact: the same text, model, prefix and upstream credential. Texts are kept as hashes "
    "only.",
    cache_fields);

static const vni_setting key_fields[] = {
    NAMED("name", vni_config_key, id, TEXT,
          .help = "for log and metrics; default: key-1, key-2 ..."),
    FIELD(vni_config_key, sha256, TEXT,
          .help = "SHA-256 of the key in hexadecimal: `printf %s KEY | sha256sum`"),
    FIELD(vni_config_key, key, TEXT, .help = "the key itself; better `${NAME}`, or sha256"),
    FIELD(vni_config_key, key_file, TEXT, .help = "file whose first line is the key"),
    FIELD(vni_config_key, requests_per_minute, COUNT, .help = "0: no limit"),
    FIELD(vni_config_key, tokens_per_minute, COUNT, .help = "0: no limit; 4 bytes count as one"),
    FIELD(vni_config_key, maps, .kind = VNI_KIND_TEXTS,
          .help = "names of maps that the key may use, `default` for the global adapter; empty: "
                  "all"),
};
static TABLE(key_table, vni_config_key, "keys[]",
             "Keys of clients, taken from `Authorization: Bearer`, `x-goog-api-key`, `api-key` or "
             "`?key=`. Without any, everyone who reaches the port is served.",
             key_fields);

static const vni_setting limits_fields[] = {
    FIELD(vni_config_limits, header_bytes, BYTES, .fallback = "16kB", .least = 1024,
          .most = 1 << 20, .help = "request line and headers"),
    FIELD(vni_config_limits, header_fields, COUNT, .fallback = "64", .least = 8, .most = 1000,
          .help = "header lines"),
    FIELD(vni_config_limits, body_bytes, BYTES, .fallback = "16MB", .least = 1024,
          .help = "body of a request"),
    FIELD(vni_config_limits, inputs, COUNT, .fallback = "2048", .least = 1, .most = 1000000,
          .help = "texts of a request"),
    FIELD(vni_config_limits, connections, COUNT, .fallback = "10000", .least = 1, .most = 1000000,
          .help = "open connections of clients"),
    FIELD(vni_config_limits, connections_per_ip, COUNT, .help = "of one address; 0: no limit"),
    FIELD(vni_config_limits, in_flight, COUNT, .fallback = "4096", .least = 1, .most = 1000000,
          .help = "requests being answered; more get 429 with Retry-After"),
    FIELD(vni_config_limits, header_timeout, TIME, .fallback = "10s", .least = 10, .most = DAY,
          .help = "to receive the headers"),
    FIELD(vni_config_limits, body_rate, BYTES, .fallback = "1kB",
          .help = "slowest body, bytes a second; 0: any"),
    FIELD(vni_config_limits, idle_timeout, TIME, .fallback = "60s", .least = 10, .most = DAY,
          .help = "of a connection without a request"),
    FIELD(vni_config_limits, request_timeout, TIME, .fallback = "60s", .least = 10, .most = DAY,
          .help = "from the whole request to the answer, retries included"),
    FIELD(vni_config_limits, drain_timeout, TIME, .fallback = "30s", .most = DAY,
          .help = "for requests in flight after SIGTERM"),
};
static TABLE(limits_table, vni_config_limits, "limits", "What a client may ask of the server.",
             limits_fields);

static const vni_setting canary_fields[] = {
    FIELD(vni_config_canary, text, TEXT, .fallback = "The quick brown fox jumps over the lazy dog.",
          .help = "embedded at start and then on schedule; empty: no canary"),
    FIELD(vni_config_canary, interval, TIME, .fallback = "5m", .most = 30 * DAY,
          .help = "0: at start only"),
    FIELD(vni_config_canary, min_cosine, NUMBER, .fallback = "0.99", .least = -1, .most = 1,
          .help = "below this to the first answer the model has drifted"),
    FIELD(vni_config_canary, refuse, BOOL, .fallback = "false",
          .help = "answer 502 while the model is another one, instead of an alarm alone"),
};
static TABLE(canary_table, vni_config_canary, "canary",
             "One text tells whether the model behind an upstream is still the same, and whether a "
             "learned map was made for it.",
             canary_fields);

static const vni_setting log_fields[] = {
    FIELD(vni_config_log, access, TEXT,
          .help = "file for one JSON line a request, `-` for standard error; texts are never "
                  "logged"),
    FIELD(vni_config_log, level, CHOICE, .words = "error|warning|info", .fallback = "info",
          .help = "of what is said on standard error"),
};
static TABLE(log_table, vni_config_log, "log", "What is written down.", log_fields);

static const vni_setting config_fields[] = {
    FIELD(vni_config, listen, TEXT, .fallback = "127.0.0.1:8484",
          .help = "address and port, [::1]:8484 for IPv6"),
    FIELD(vni_config, insecure, BOOL, .fallback = "false",
          .help = "listen beyond this machine although there are no `keys`"),
    FIELD(vni_config, tls, .kind = VNI_KIND_SECTION, .table = &tls_table, .help = "see tls"),
    FIELD(vni_config, forward, .kind = VNI_KIND_SECTION, .table = &forward_table,
          .help = "see forward"),
    FIELD(vni_config, adapter, .kind = VNI_KIND_SECTION, .table = &vni_map_table,
          .help = "see adapter, extra_maps.NAME"),
    FIELD(vni_config, extra_maps, .kind = VNI_KIND_NAMED, .table = &vni_map_table,
          .help = "see adapter, extra_maps.NAME"),
    FIELD(vni_config, join_window, TIME, .most = 10000,
          .help = "how long a small request waits for others to share its call; 0: not at all"),
    FIELD(vni_config, cache, .kind = VNI_KIND_SECTION, .table = &cache_table, .help = "see cache"),
    FIELD(vni_config, keys, .kind = VNI_KIND_LIST, .table = &key_table, .help = "see keys[]"),
    FIELD(vni_config, limits, .kind = VNI_KIND_SECTION, .table = &limits_table,
          .help = "see limits"),
    FIELD(vni_config, canary, .kind = VNI_KIND_SECTION, .table = &canary_table,
          .help = "see canary"),
    FIELD(vni_config, log, .kind = VNI_KIND_SECTION, .table = &log_table, .help = "see log"),
};
TABLE(vni_config_table, vni_config, "The file", "Keys at the top.", config_fields);
