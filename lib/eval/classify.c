/* Logistic regression, the usual probe of frozen vectors. The loss is convex and smooth, so L-BFGS with a
 * backtracking search finds its one minimum; rows meet weights in two float64 products a step. Rows are
 * centred for the products (the intercept takes the mean up), which makes the problem rounder. */
#include "eval/eval_impl.h"
#include "vecna/linalg.h"

#include <math.h>
#include <string.h>

enum { MEMORY = 10, HALVINGS = 40 };

typedef struct probe {
    const vecna_allocator *allocator;
    size_t rows, dim, classes, outputs; /* outputs: 1 for two classes */
    size_t size;                        /* outputs * (dim + 1): weights, then intercepts */
    double strength;
    const uint32_t *labels;
    double *x;    /* (rows, dim) about the mean */
    double *mean; /* (dim) */
    double *p;    /* (rows, outputs) logits, then the gradient by logit */
    double *at, *gradient, *next, *next_gradient, *direction; /* (size) */
    double *s, *y;                                            /* (MEMORY, size) moves and changes */
    double rho[MEMORY];
    size_t kept; /* moves remembered so far */
    double rows_loss;
} probe;

/* log(1 + exp(v)) without overflow. */
static double softplus(double v) {
    return v > 0 ? v + log1p(exp(-v)) : log1p(exp(v));
}

/* Loss of one row, and its logits turned into the gradient by logit. */
static double row_loss(const probe *b, double *logit, uint32_t label) {
    if (b->outputs == 1) {
        const double sign = label == 1 ? 1 : -1, at = *logit;
        *logit = -sign / (1 + exp(sign * at));
        return softplus(-sign * at);
    }
    double most = -INFINITY, sum = 0;
    const double own = logit[label];
    for (size_t c = 0; c < b->outputs; c++) {
        most = fmax(most, logit[c]);
    }
    for (size_t c = 0; c < b->outputs; c++) {
        logit[c] = exp(logit[c] - most);
        sum += logit[c];
    }
    for (size_t c = 0; c < b->outputs; c++) {
        logit[c] = logit[c] / sum - (c == label);
    }
    return log(sum) + most - own;
}

static vecna_status logits_of(const probe *b, const double *x, size_t rows, const double *weights,
                              double *out, vecna_error *err) {
    const double *intercept = weights + b->outputs * b->dim;
    vecna_status status = vecna_linalg_product_f64(
        vecna_view_f64_dense(x, rows, b->dim), vecna_view_f64_dense(weights, b->outputs, b->dim),
        VECNA_TRANSPOSE_B, vecna_matrix_f64_dense(out, rows, b->outputs), err);
    for (size_t i = 0; status == VECNA_OK && i < rows * b->outputs; i++) {
        out[i] += intercept[i % b->outputs];
    }
    return status;
}

/* The whole loss over strength * rows, and its gradient. */
static vecna_status value_at(probe *b, const double *weights, double *gradient, double *value,
                             vecna_error *err) {
    const double scale = 1 / (double)b->rows, penalty = scale / b->strength;
    double *intercept = gradient + b->outputs * b->dim;
    double loss = 0, square = 0;
    vecna_status status = logits_of(b, b->x, b->rows, weights, b->p, err);
    if (status != VECNA_OK) {
        return status;
    }
    memset(intercept, 0, b->outputs * sizeof *intercept);
    for (size_t i = 0; i < b->rows; i++) {
        double *row = b->p + i * b->outputs;
        loss += row_loss(b, row, b->labels[i]);
        for (size_t c = 0; c < b->outputs; c++) {
            intercept[c] += row[c] * scale;
        }
    }
    status =
        vecna_linalg_product_f64(vecna_view_f64_dense(b->p, b->rows, b->outputs),
                                 vecna_view_f64_dense(b->x, b->rows, b->dim), VECNA_TRANSPOSE_A,
                                 vecna_matrix_f64_dense(gradient, b->outputs, b->dim), err);
    for (size_t i = 0; i < b->outputs * b->dim; i++) {
        gradient[i] = gradient[i] * scale + penalty * weights[i];
        square += weights[i] * weights[i];
    }
    b->rows_loss = loss * scale;
    *value = loss * scale + penalty * square / 2;
    return status;
}

static double dot(const double *a, const double *b, size_t size) {
    double sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* direction = -(inverse Hessian as remembered) gradient: the two-loop recursion. */
static void find_direction(probe *b) {
    double alpha[MEMORY];
    const size_t used = b->kept < MEMORY ? b->kept : MEMORY;
    for (size_t i = 0; i < b->size; i++) {
        b->direction[i] = -b->gradient[i];
    }
    for (size_t n = 0; n < used; n++) {
        const size_t slot = (b->kept - 1 - n) % MEMORY;
        const double *s = b->s + slot * b->size, *y = b->y + slot * b->size;
        alpha[slot] = b->rho[slot] * dot(s, b->direction, b->size);
        for (size_t i = 0; i < b->size; i++) {
            b->direction[i] -= alpha[slot] * y[i];
        }
    }
    if (used > 0) {
        const size_t last = (b->kept - 1) % MEMORY;
        const double *y = b->y + last * b->size;
        const double scale = 1 / (b->rho[last] * dot(y, y, b->size));
        for (size_t i = 0; i < b->size; i++) {
            b->direction[i] *= scale;
        }
    }
    for (size_t n = used; n-- > 0;) {
        const size_t slot = (b->kept - 1 - n) % MEMORY;
        const double *s = b->s + slot * b->size, *y = b->y + slot * b->size;
        const double beta = b->rho[slot] * dot(y, b->direction, b->size);
        for (size_t i = 0; i < b->size; i++) {
            b->direction[i] += (alpha[slot] - beta) * s[i];
        }
    }
}

/* Keep the move and the change of the gradient, where the loss curves upward along it. */
static void remember(probe *b) {
    const size_t slot = b->kept % MEMORY;
    double *s = b->s + slot * b->size, *y = b->y + slot * b->size;
    for (size_t i = 0; i < b->size; i++) {
        s[i] = b->next[i] - b->at[i];
        y[i] = b->next_gradient[i] - b->gradient[i];
    }
    const double curvature = dot(s, y, b->size);
    if (curvature > 1e-300) {
        b->rho[slot] = 1 / curvature;
        b->kept++;
    }
}

static double largest(const double *values, size_t size) {
    double most = 0;
    for (size_t i = 0; i < size; i++) {
        most = fmax(most, fabs(values[i]));
    }
    return most;
}

static void swap(double **a, double **b) {
    double *held = *a;
    *a = *b;
    *b = held;
}

static vecna_status minimise(probe *b, size_t most, double tolerance, size_t *steps,
                             vecna_error *err) {
    double value, next;
    vecna_status status = value_at(b, b->at, b->gradient, &value, err);
    for (*steps = 0; status == VECNA_OK && *steps < most; ++*steps) {
        double step = 1;
        if (largest(b->gradient, b->size) <= tolerance) {
            break;
        }
        find_direction(b);
        const double slope = dot(b->direction, b->gradient, b->size);
        for (int halving = 0;; halving++) { /* Armijo's condition */
            for (size_t i = 0; i < b->size; i++) {
                b->next[i] = b->at[i] + step * b->direction[i];
            }
            status = value_at(b, b->next, b->next_gradient, &next, err);
            if (status != VECNA_OK || next <= value + 1e-4 * step * slope || halving == HALVINGS) {
                break;
            }
            step /= 2;
        }
        if (status != VECNA_OK || !(next < value)) {
            break; /* rounding: no lower value is to be had */
        }
        remember(b);
        value = next;
        swap(&b->at, &b->next);
        swap(&b->gradient, &b->next_gradient);
    }
    return status;
}

static vecna_status widen(probe *b, vecna_view train, vecna_error *err) {
    for (size_t i = 0; i < b->rows; i++) {
        for (size_t j = 0; j < b->dim; j++) {
            const double at = (double)train.data[i * train.stride + j];
            if (!isfinite(at)) {
                return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                       "row %zu of the training rows is not finite", i);
            }
            b->mean[j] += at / (double)b->rows;
            b->x[i * b->dim + j] = at;
        }
    }
    for (size_t i = 0; i < b->rows * b->dim; i++) {
        b->x[i] -= b->mean[i % b->dim];
    }
    return VECNA_OK;
}

static vecna_status predict(probe *b, vecna_view test, uint32_t *out, vecna_error *err) {
    double *row = b->next; /* (dim) at least */
    double *logit = b->next_gradient;
    for (size_t i = 0; i < test.rows; i++) {
        for (size_t j = 0; j < b->dim; j++) {
            row[j] = (double)test.data[i * test.stride + j] - b->mean[j];
            if (!isfinite(row[j])) {
                return vecna_error_set(err, VECNA_ERR_VALUE, (int64_t)i,
                                       "row %zu of the test rows is not finite", i);
            }
        }
        for (size_t c = 0; c < b->outputs; c++) {
            logit[c] = dot(b->at + c * b->dim, row, b->dim) + b->at[b->outputs * b->dim + c];
        }
        out[i] = b->outputs == 1 && logit[0] > 0;
        for (size_t c = 1; c < b->outputs; c++) {
            out[i] = logit[c] > logit[out[i]] ? (uint32_t)c : out[i];
        }
    }
    return VECNA_OK;
}

static vecna_status make_room(probe *b, vecna_error *err) {
    double **vectors[] = {&b->at, &b->gradient, &b->next, &b->next_gradient, &b->direction};
    b->x = vecna_allocate(b->allocator, b->rows, b->dim * sizeof *b->x);
    b->mean = vecna_allocate_zero(b->allocator, b->dim, sizeof *b->mean);
    b->p = vecna_allocate(b->allocator, b->rows, b->outputs * sizeof *b->p);
    b->s = vecna_allocate(b->allocator, MEMORY, b->size * sizeof *b->s);
    b->y = vecna_allocate(b->allocator, MEMORY, b->size * sizeof *b->y);
    int whole = b->x && b->mean && b->p && b->s && b->y;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        *vectors[i] = vecna_allocate_zero(b->allocator, b->size, sizeof **vectors[i]);
        whole = whole && *vectors[i];
    }
    return whole ? VECNA_OK
                 : vecna_error_set(err, VECNA_ERR_MEMORY, -1,
                                   "no memory to classify %zu rows x %zu into %zu classes", b->rows,
                                   b->dim, b->classes);
}

static void free_probe(probe *b) {
    double *all[] = {b->x,    b->mean,          b->p,        b->s, b->y, b->at, b->gradient,
                     b->next, b->next_gradient, b->direction};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        vecna_release(b->allocator, all[i]);
    }
}

static vecna_status check_labels(const uint32_t *labels, size_t rows, size_t classes,
                                 vecna_error *err) {
    size_t other = 0;
    for (size_t i = 0; i < rows; i++) {
        if (labels[i] >= classes) {
            return vecna_error_set(err, VECNA_ERR_ARGUMENT, (int64_t)i,
                                   "row %zu has label %u of %zu", i, labels[i], classes);
        }
        other += labels[i] != labels[0];
    }
    return other ? VECNA_OK
                 : vecna_error_set(err, VECNA_ERR_ARGUMENT, -1,
                                   "all training rows have one label: there is nothing to learn");
}

vecna_status vecna_eval_classify(vecna_view train, const uint32_t *labels, size_t classes,
                                 vecna_view test, const vecna_classify_options *options,
                                 uint32_t *out, double *loss, size_t *steps, vecna_error *err) {
    static const vecna_classify_options none = {0};
    const vecna_classify_options *o = options ? options : &none;
    probe b = {.allocator = o->allocator,
               .rows = train.rows,
               .dim = train.dim,
               .classes = classes,
               .outputs = classes == 2 ? 1 : classes,
               .labels = labels};
    size_t taken = 0;
    b.size = b.outputs * (b.dim + 1);
    b.strength = o->strength > 0 ? o->strength : 1;
    if (train.dim != test.dim) {
        return vecna_error_set(err, VECNA_ERR_DIM, -1,
                               "the training rows have %zu dimensions, the test rows %zu",
                               train.dim, test.dim);
    }
    vecna_status status = check_labels(labels, train.rows, classes, err);
    if (status != VECNA_OK) {
        return status;
    }
    status = make_room(&b, err);
    if (status == VECNA_OK) {
        status = widen(&b, train, err);
    }
    if (status == VECNA_OK) {
        status = minimise(&b, o->iterations ? o->iterations : 1000,
                          o->tolerance > 0 ? o->tolerance : 1e-7, &taken, err);
    }
    if (status == VECNA_OK) {
        status = predict(&b, test, out, err);
    }
    if (status == VECNA_OK && loss) {
        *loss = b.rows_loss;
    }
    if (status == VECNA_OK && steps) {
        *steps = taken;
    }
    free_probe(&b);
    return status;
}
