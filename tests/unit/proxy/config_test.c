/* The configuration: what is read, what overrides, and what is refused with which words. */
#include "tests/unit/support/support.h"

#include "proxy/config.h"
#include "proxy/proxy_impl.h"

#include <stdlib.h>
#include <string.h>

static const char *const no_environment[] = {NULL};

static vecna_status read_text(const char *text, const char *const *environment,
                              const vecna_allocator *allocator, vni_config **out,
                              vecna_error *err) {
    vni_config_source source = {0};
    vecna_status status;
    source.path = "vecna.yaml";
    source.text = text;
    source.bytes = strlen(text);
    source.environment = environment ? environment : no_environment;
    source.allocator = allocator;
    *out = NULL;
    status = vni_config_read(&source, out, err);
    if (status == VECNA_OK) {
        status = vni_config_check(*out, err);
        if (status != VECNA_OK) {
            vni_config_free(*out);
            *out = NULL;
        }
    }
    return status;
}

static const char whole[] = "listen: 127.0.0.1:9000\n"
                            "forward:\n"
                            "  targets:\n"
                            "    - name: local\n"
                            "      provider: ollama\n"
                            "      url: http://127.0.0.1:11434/\n"
                            "      model: nomic-embed-text\n"
                            "      timeout: 5s\n"
                            "    - url: https://api.openai.com\n"
                            "      api_key: ${THE_KEY}\n"
                            "adapter:\n"
                            "  type: truncate\n"
                            "  target_dim: 1536\n"
                            "  pad_mode: at_start\n"
                            "extra_maps:\n"
                            "  small:\n"
                            "    target_dim: 256\n"
                            "    forward_target: target-2\n"
                            "  turned:\n"
                            "    type: projection\n"
                            "    seed: 7\n"
                            "cache: {memory: 1MB, ttl: 1h}\n"
                            "keys:\n"
                            "  - {name: a, key: secret, maps: [small, default]}\n"
                            "join_window: 5ms\n";

static void reads_everything(void **state) {
    static const char *const environment[] = {"THE_KEY=sk-1", NULL};
    vni_config *config;
    vni_config_map small, turned;
    vecna_error err = {0};
    (void)state;
    if (read_text(whole, environment, NULL, &config, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    assert_string_equal(config->listen, "127.0.0.1:9000");
    assert_int_equal(config->forward.targets.count, 2);
    assert_string_equal(config->forward.targets.items[0].url, "http://127.0.0.1:11434");
    assert_int_equal(config->forward.targets.items[0].provider, 1);
    assert_int_equal(config->forward.targets.items[0].timeout, 5000);
    assert_int_equal(config->forward.targets.items[0].retries, 3);
    assert_string_equal(config->forward.targets.items[1].id, "target-2");
    assert_string_equal(config->forward.targets.items[1].api_key, "sk-1");
    assert_int_equal(config->cache.memory, 1 << 20);
    assert_int_equal(config->cache.ttl, 3600000);
    assert_int_equal(config->join_window, 5);
    assert_int_equal(config->keys.items[0].maps.count, 2);
    small = vni_config_map_effective(config, &config->extra_maps.items[0]);
    assert_string_equal(config->extra_maps.items[0].section.name, "small");
    assert_int_equal(small.type, VNI_ADAPTER_TRUNCATE);
    assert_int_equal(small.target_dim, 256);
    assert_int_equal(small.pad_mode, 1);
    assert_string_equal(small.forward_target, "target-2");
    turned = vni_config_map_effective(config, &config->extra_maps.items[1]);
    assert_int_equal(turned.type, VNI_ADAPTER_PROJECTION);
    assert_int_equal(turned.target_dim, 1536);
    assert_int_equal(turned.seed, 7);
    vni_config_free(config);
}

static void json_is_yaml(void **state) {
    vni_config *config;
    vecna_error err = {0};
    (void)state;
    if (read_text("{\"forward\":{\"targets\":[{\"url\":\"http://"
                  "localhost:1\",\"dim\":768}]},\"listen\":null}",
                  NULL, NULL, &config, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    assert_int_equal(config->forward.targets.items[0].dim, 768);
    assert_string_equal(config->listen, "127.0.0.1:8484");
    vni_config_free(config);
}

static void environment_overrides(void **state) {
    static const char *const environment[] = {"THE_KEY=x",
                                              "VECNA_LISTEN=[::1]:1",
                                              "VECNA_ADAPTER_TARGET_DIM=99",
                                              "VECNA_FORWARD_TARGETS_0_MODEL=other",
                                              "VECNA_FORWARD_TARGETS_2_URL=http://localhost:3",
                                              "VECNA_EXTRA_MAPS_SMALL_TARGET_DIM=12",
                                              "VECNA_KEYS_0_MAPS=default",
                                              NULL};
    static const char *const bad[] = {"THE_KEY=x", "VECNA_CACHE_MEMORY=lots", NULL};
    vni_config *config;
    vecna_error err = {0};
    (void)state;
    if (read_text(whole, environment, NULL, &config, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    assert_string_equal(config->listen, "[::1]:1");
    assert_int_equal(config->adapter.target_dim, 99);
    assert_string_equal(config->forward.targets.items[0].model, "other");
    assert_int_equal(config->forward.targets.count, 3);
    assert_string_equal(config->forward.targets.items[2].url, "http://localhost:3");
    assert_int_equal(config->extra_maps.items[0].target_dim, 12);
    assert_int_equal(config->keys.items[0].maps.count, 1);
    vni_config_free(config);
    assert_status(VECNA_ERR_ARGUMENT, read_text(whole, bad, NULL, &config, &err));
    assert_non_null(strstr(err.message, "VECNA_CACHE_MEMORY"));
}

/* What misspells a setting is refused with the name that it means; what belongs to others is not. */
static void unknown_variables_are_refused(void **state) {
    static const char *const bad[][2] = {
        {"VECNA_LISTN=a:1", "sets VECNA_LISTN, which is no setting; did you mean VECNA_LISTEN?"},
        {"VECNA_CACHE_MEMORI=1MB", "did you mean VECNA_CACHE_MEMORY?"},
        {"VECNA_TARGETS_0_MODEL=x", "VECNA_TARGETS_0_MODEL"},
        {"VECNA_FORWARD_TARGETS_0_MODLE=x", "did you mean VECNA_FORWARD_TARGETS_0_MODEL?"},
        {"VECNA_FORWARD_TARGETS_5_MODEL=x", "did you mean VECNA_FORWARD_TARGETS_"},
        {"VECNA_FORWARD_TARGETS_2_ULR=http://localhost:3",
         "did you mean VECNA_FORWARD_TARGETS_2_URL?"},
        {"VECNA_EXTRA_MAPS_SMAL_TARGET_DIM=3", "did you mean VECNA_EXTRA_MAPS_SMALL_TARGET_DIM?"},
        {"VECNA_KEYS_0_MAP=a", "did you mean VECNA_KEYS_0_MAPS?"},
        {"VECNA_=", "VECNA_"},
        {"VECNA_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz=1",
         "docs/config.md"},
        {"VECNA_PORT=8484", "sets VECNA_PORT"},
        {"VECNA_PORTAL_1=x", "sets VECNA_PORTAL_1"},
        {"VECNA_LISTEN_=a:1", "did you mean VECNA_LISTEN?"},
    };
    static const char *const good[] = {"THE_KEY=x",
                                       "VECNA=/bin/vecna",
                                       "VECNAS_PLACE=x",
                                       "VECNA_WITHOUT_A_VALUE",
                                       "VECNA_MAPS=/opt/maps",
                                       "VECNA_UPSTREAM_KEY=k",
                                       "VECNA_MINE=http://localhost:9",
                                       "VECNA_SERVICE_HOST=10.0.0.1",
                                       "VECNA_SERVICE_PORT=8484",
                                       "VECNA_SERVICE_PORT_HTTP=8484",
                                       "VECNA_PORT=tcp://10.0.0.1:8484",
                                       "VECNA_PORT_8484_TCP=tcp://10.0.0.1:8484",
                                       "VECNA_PORT_8484_TCP_ADDR=10.0.0.1",
                                       "VECNA_LISTEN=a:1",
                                       "VECNA_LISTEN=a:2",
                                       NULL};
    static const char text[] = "forward: {targets: [{url: '${VECNA_MINE}'}]}\n";
    vni_config *config;
    vecna_error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *environment[] = {"THE_KEY=x", bad[i][0], NULL};
        assert_status(VECNA_ERR_NOT_FOUND, read_text(whole, environment, NULL, &config, &err));
        if (strstr(err.message, bad[i][1]) == NULL)
            fail_msg("%s says \"%s\" and not \"%s\"", bad[i][0], err.message, bad[i][1]);
    }
    if (read_text(text, good, NULL, &config, &err) != VECNA_OK)
        fail_msg("%s", err.message);
    assert_string_equal(config->forward.targets.items[0].url, "http://localhost:9");
    assert_string_equal(config->listen, "a:1");
    vni_config_free(config);
}

typedef struct mistake {
    const char *text, *words; /* the message holds the words */
} mistake;

#define TARGET "forward: {targets: [{url: http://localhost:1}]}\n"

static void mistakes_are_named(void **state) {
    static const mistake mistakes[] = {
        {"lisen: x\n", "line 1: there is no key \"lisen\" here; did you mean listen?"},
        {"forward:\n  targets:\n    - ulr: x\n",
         "line 3: there is no key \"ulr\" here; did you mean url?"},
        {"zzzzzzzzzzzzzzzz: 1\n", "docs/config.md"},
        {"listen: a\nlisten: b\n", "line 2: listen stands twice"},
        {"listen: [a]\n", "line 1: listen takes one value"},
        {"cache: 5\n", "line 1: cache takes keys with values"},
        {"keys: {a: b}\n", "line 1: keys takes a list"},
        {"extra_maps: [a]\n", "line 1: extra_maps takes names"},
        {"insecure: perhaps\n", "true or false, not \"perhaps\""},
        {"cache: {memory: 12 parsecs}\n", "bytes (4096"},
        {"cache: {ttl: 10}\n", "a time with its unit"},
        {"canary: {min_cosine: 3}\n", "-1 to 1, not \"3\""},
        {"limits: {inputs: 0}\n", "inputs takes 1 to 1000000, not"},
        {"limits: {inputs: -1}\n", "a whole number, not \"-1\""},
        {"adapter: {type: cut}\n", "one of none|truncate|random|projection, not \"cut\""},
        {TARGET "adapter: {type: truncate}\n", "adapter has a type and no target_dim"},
        {TARGET "adapter: {target_dim: 5}\n", "says not how"},
        {TARGET "adapter: {type: truncate, target_dim: 5, map: x}\n", "a map file and a type"},
        {TARGET "extra_maps: {a/b: {}}\n", "letters, digits"},
        {TARGET "extra_maps: {default: {}}\n", "not \"default\""},
        {TARGET "extra_maps: {a: {}, a: {}}\n", "has \"a\" twice"},
        {TARGET "extra_maps: {a: {forward_target: target-2}}\n",
         "there is no target \"target-2\"; did you mean target-1?"},
        {"forward: {target: x, targets: [{url: http://localhost:1}]}\n",
         "there is no target \"x\""},
        {"forward: {targets: [{}]}\n", "needs a url"},
        {"forward: {targets: [{url: http://a, endpoints: [{url: http://b}]}]}\n", "not both"},
        {"forward: {targets: [{url: http://a, name: a}, {url: http://b, name: a}]}\n",
         "two targets are named a"},
        {"forward: {targets: [{url: http://169.254.169.254}]}\n", "metadata"},
        {"forward: {targets: [{url: nothing}]}\n", "is no address"},
        {"forward: {targets: [{url: http://a, api_key: a b}]}\n", "a key holds a space"},
        {"forward: {targets: [{url: http://a, api_key_file: /nonexistent/key}]}\n",
         "cannot open the key file"},
        {"forward: {targets: [{url: http://a, api_key: \"${NOT_SET_ANYWHERE}\"}]}\n",
         "the environment has no NOT_SET_ANYWHERE"},
        {"forward: {targets: [{url: http://a, health_path: x}]}\n", "starts with a /"},
        {TARGET "keys: [{name: a}]\n", "one of sha256, key and key_file"},
        {TARGET "keys: [{sha256: 12}]\n", "64 hexadecimal digits"},
        {TARGET "keys: [{key: a, maps: [nope]}]\n", "a map \"nope\" that does not exist"},
        {TARGET "tls: {cert: a}\n", "tls needs cert and key"},
        {"a: [\n", "vecna.yaml, line"},
        {"\t- x\n", "vecna.yaml, line"},
        {"--- {}\n--- {}\n", "more than one document"},
        {"- a\n", "the file takes keys with values"},
        {"? [a]\n: b\n", "keys that are words"},
    };
    vni_config *config;
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        vecna_error err = {0};
        if (read_text(mistakes[i].text, NULL, NULL, &config, &err) == VECNA_OK)
            fail_msg("taken: %s", mistakes[i].text);
        if (strstr(err.message, mistakes[i].words) == NULL)
            fail_msg("%s says \"%s\" and not \"%s\"", mistakes[i].text, err.message,
                     mistakes[i].words);
    }
}

static vecna_status read_with(void *user, const vecna_allocator *allocator, vecna_error *err) {
    static const char *const environment[] = {"THE_KEY=x", "VECNA_LISTEN=a:1", NULL};
    vni_config *config = NULL;
    vecna_status status = read_text(user, environment, allocator, &config, err);
    vni_config_free(config);
    return status;
}

static void survives_failing_memory(void **state) {
    char text[sizeof whole];
    (void)state;
    memcpy(text, whole, sizeof whole);
    assert_survives_failing_memory(read_with, text);
}

static int gather(void *user, const char *text) {
    strncat(user, text, 1 << 16);
    return 0;
}

static void the_reference_has_every_key(void **state) {
    char *page = calloc(1, 1 << 17);
    (void)state;
    assert_non_null(page);
    assert_status(VECNA_OK, vni_config_reference(gather, page));
    assert_non_null(strstr(page, "| `forward_target` |"));
    assert_non_null(strstr(page, "| `target_dim` |"));
    assert_non_null(strstr(page, "## forward.targets[].endpoints[]"));
    assert_null(strstr(page, "(null)"));
    free(page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_everything),
        cmocka_unit_test(json_is_yaml),
        cmocka_unit_test(environment_overrides),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(unknown_variables_are_refused),
        cmocka_unit_test(survives_failing_memory),
        cmocka_unit_test(the_reference_has_every_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
