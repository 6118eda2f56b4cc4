/* The choice of an adapter, the checks that all share, and the length of what comes out. */
#include "adapt/adapt_impl.h"

#include "vecna/metric.h"

#include <string.h>

static const char *const kind_names[] = {"auto", "truncate", "pad", "project"};
static const char *const truncate_names[] = {"from_end", "from_start"};
static const char *const pad_names[] = {"at_end", "at_start"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

const char *vecna_adapt_kind_name(vecna_adapt_kind kind) {
    return (size_t)kind < COUNT(kind_names) ? kind_names[kind] : "unknown";
}

const char *vecna_truncate_mode_name(vecna_truncate_mode mode) {
    return (size_t)mode < COUNT(truncate_names) ? truncate_names[mode] : "unknown";
}

const char *vecna_pad_mode_name(vecna_pad_mode mode) {
    return (size_t)mode < COUNT(pad_names) ? pad_names[mode] : "unknown";
}

/* Index of name among names; count when it is not there. */
static size_t index_of(const char *name, const char *const *names, size_t count) {
    size_t i = 0;
    while (i < count && (name == NULL || strcmp(name, names[i]) != 0))
        i++;
    return i;
}

vecna_status vecna_adapt_kind_parse(const char *name, vecna_adapt_kind *out, vecna_error *err) {
    size_t i = index_of(name, kind_names, COUNT(kind_names));
    if (i == COUNT(kind_names))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "no adapter is called '%.60s'; use auto, truncate, pad or project",
                               name ? name : "(null)");
    *out = (vecna_adapt_kind)i;
    return VECNA_OK;
}

vecna_status vecna_truncate_mode_parse(const char *name, vecna_truncate_mode *out,
                                       vecna_error *err) {
    size_t i = index_of(name, truncate_names, COUNT(truncate_names));
    if (i == COUNT(truncate_names))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "no truncate mode is called '%.60s'; use from_end (keeps the first "
                               "elements) or from_start (keeps the last)",
                               name ? name : "(null)");
    *out = (vecna_truncate_mode)i;
    return VECNA_OK;
}

vecna_status vecna_pad_mode_parse(const char *name, vecna_pad_mode *out, vecna_error *err) {
    size_t i = index_of(name, pad_names, COUNT(pad_names));
    if (i == COUNT(pad_names))
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "no pad mode is called '%.60s'; use at_end or at_start",
                               name ? name : "(null)");
    *out = (vecna_pad_mode)i;
    return VECNA_OK;
}

/* ---- making one ----------------------------------------------------------------------------- */

static vecna_status check_options(const vecna_adapt_options *options, vecna_error *err) {
    size_t source = options->source_dim, target = options->target_dim;
    if (source == 0 || target == 0)
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1,
            "an adapter of %zu to %zu dimensions makes no sense; both must be at "
            "least 1",
            source, target);
    if ((size_t)options->kind >= COUNT(kind_names) ||
        (size_t)options->truncate_mode >= COUNT(truncate_names) ||
        (size_t)options->pad_mode >= COUNT(pad_names))
        return vecna_error_set(
            err, VECNA_ERR_ARGUMENT, -1, "kind %d, truncate mode %d or pad mode %d does not exist",
            (int)options->kind, (int)options->truncate_mode, (int)options->pad_mode);
    if (options->kind == VECNA_ADAPT_TRUNCATE && target > source)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "truncating %zu dimensions cannot give %zu; use pad or project",
                               source, target);
    if (options->kind == VECNA_ADAPT_PAD && target < source)
        return vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                               "padding %zu dimensions cannot give %zu; use truncate or project",
                               source, target);
    return VECNA_OK;
}

vecna_status vecna_adapter_new(const vecna_adapt_options *options, vecna_adapter **out,
                               vecna_error *err) {
    vecna_adapter *adapter;
    vecna_status status = check_options(options, err);
    if (status != VECNA_OK)
        return status;
    adapter = vecna_allocate_zero(options->allocator, 1, sizeof *adapter);
    if (adapter == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "not enough memory for an adapter");
    adapter->options = *options;
    adapter->options.allocator = NULL; /* the copy below is what lives on */
    if (options->allocator) {
        adapter->allocator_copy = *options->allocator;
        adapter->allocator = &adapter->allocator_copy;
    }
    if (options->kind == VECNA_ADAPT_AUTO)
        adapter->options.kind =
            options->target_dim <= options->source_dim ? VECNA_ADAPT_TRUNCATE : VECNA_ADAPT_PAD;
    if (options->kind == VECNA_ADAPT_PROJECT)
        status = vni_adapt_draw(adapter, err);
    if (status == VECNA_OK)
        *out = adapter;
    else
        vecna_adapter_free(adapter);
    return status;
}

void vecna_adapter_free(vecna_adapter *adapter) {
    vecna_allocator allocator;
    int own;
    if (adapter == NULL)
        return;
    vecna_release(adapter->allocator, adapter->matrix);
    own = adapter->allocator != NULL;
    allocator = adapter->allocator_copy; /* it lies inside what is about to go */
    vecna_release(own ? &allocator : NULL, adapter);
}

vecna_adapt_kind vecna_adapter_kind(const vecna_adapter *adapter) {
    return adapter->options.kind;
}

vecna_view vecna_adapter_matrix_view(const vecna_adapter *adapter) {
    size_t rows = adapter->matrix ? adapter->options.source_dim : 0;
    return vecna_view_dense(adapter->matrix, rows, adapter->options.target_dim);
}

/* ---- using it ------------------------------------------------------------------------------- */

vecna_status vecna_adapt_apply(const vecna_adapter *adapter, vecna_view in, vecna_matrix out,
                               vecna_error *err) {
    const vecna_adapt_options *options = &adapter->options;
    vecna_status status = VECNA_OK;
    if (in.dim != options->source_dim || out.dim != options->target_dim || in.rows != out.rows)
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "an adapter of %zu to %zu dimensions cannot take %zu rows of %zu to "
                               "%zu rows of %zu",
                               options->source_dim, options->target_dim, in.rows, in.dim, out.rows,
                               out.dim);
    if (in.rows > 1 && (in.stride < in.dim || out.stride < out.dim))
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "strides of %zu and %zu floats are shorter than rows of %zu and %zu",
                               in.stride, out.stride, in.dim, out.dim);
    switch (options->kind) {
    case VECNA_ADAPT_AUTO: /* resolved when it was made */
    case VECNA_ADAPT_TRUNCATE:
        vni_adapt_truncate(adapter, in, out);
        break;
    case VECNA_ADAPT_PAD:
        vni_adapt_pad(adapter, in, out);
        break;
    case VECNA_ADAPT_PROJECT:
        status = vni_adapt_project(adapter, in, out, err);
        break;
    }
    if (status == VECNA_OK && !options->keep_length)
        status = vecna_metric_normalize(vecna_matrix_view(out), out, NULL, err);
    return status;
}
