/* What ask.c and batch.c share. */
#ifndef VNI_POOL_ASK_H
#define VNI_POOL_ASK_H

#include "pool/pool_impl.h"

/* A place in an ask that waits for a piece. */
typedef struct vni_waiter {
    struct vni_ask *ask;
    struct vni_piece *piece; /* NULL once served or given up */
    struct vni_waiter *next, *previous;
    size_t row;
} vni_waiter;

/* A text on its way: in a group until its call starts, then in the call. */
typedef struct vni_piece {
    unsigned char key[VNI_PIECE_KEY_BYTES];
    struct vni_piece *chain; /* in its bucket */
    struct vni_piece *next;  /* in its group */
    struct vni_group *group;
    struct vni_batch *call;
    vni_waiter *waiters;
    vecna_wire_input input;
    size_t tokens; /* estimated */
} vni_piece;

/* Pieces that may travel together, until the window closes. */
typedef struct vni_group {
    struct vni_group *next;
    vni_pool *pool;
    vni_target *target;
    vecna_wire_task task;
    vni_piece *first, **end;
    size_t count, tokens;
    vni_timer timer;
    char model[];
} vni_group;

struct vni_ask {
    struct vni_ask *next, *previous;
    vni_pool *pool;
    vni_target *target;
    void (*row)(void *user, size_t row, const float *vector, size_t dim);
    void (*done)(void *user, const vni_outcome *outcome);
    float *(*room)(void *user, size_t row, size_t count, size_t dim); /* NULL: none */
    void (*hold)(void *user, int more);
    void *user;
    uint64_t deadline_us, started_us, replied_us;
    vni_timer timer;
    size_t pending, count;
    vni_outcome outcome;
    struct vni_ask *ready_next; /* in a list of those whose `done` is due */
    int ready;
    vni_waiter waiters[];
};

typedef struct vni_aside vni_aside;

typedef struct vni_batch {
    struct vni_batch *next, *previous; /* of the pool */
    struct vni_batch *queue;           /* in target->waiting */
    vni_pool *pool;
    vni_target *target;
    vni_endpoint *endpoint;  /* asked now; NULL: waits */
    vni_endpoint *failed_at; /* the last one that failed */
    vni_transfer *transfer;
    vni_aside *reading; /* the worker reads the answer; NULL: not */
    vni_timer timer;    /* a pause before the next try */
    vecna_json_writer body;
    int body_base64; /* the body asks for base64 */
    int body_ready;
    vecna_wire_task task;
    unsigned attempt, wrong_answers, probes;
    int waits;   /* in the queue */
    int counted; /* its failure at failed_at was held against it already */
    int doomed;  /* the timer brings the failure below */
    vecna_wire_failure failure;
    size_t count, live;
    vni_piece **pieces;
    const char *model;
} vni_batch;

/* Start a call; the array is the call's from then on. Settles nothing before it returns. 0 when memory is
 * out; the pieces and the array are then the caller's still. */
int vni_batch_begin(vni_pool *pool, vni_target *target, const char *model, vecna_wire_task task,
                    vni_piece **pieces, size_t count);
/* The call has no piece left that anybody waits for. While its answer is read it stays: somebody may join. */
void vni_batch_drop(vni_batch *call);

/* What became of the text of an answer. */
typedef struct vni_taken {
    vecna_status status;
    vecna_wire_result result; /* when VECNA_OK */
    vecna_error err;          /* when not */
    vecna_arena arena;        /* has the result; the receiver frees it */
    uint64_t total_us;        /* of the call */
} vni_taken;

/* read.c: the answer of a call, HTTP 200, becomes vni_batch_took's, now or in a later turn. */
void vni_batch_read(vni_batch *call, const vni_reply *reply);
/* The worker has ended without reading it. */
void vni_batch_unread(vni_batch *call);
void vni_batch_took(vni_batch *call, vni_taken *taken);
/* Those that wait for an endpoint of the target, as far as there are some. */
void vni_target_pump(vni_target *target);

/* Take a piece out of the table, give its waiters the vector (NULL: the failure) and free it. Asks whose
 * last row came are put on the list. */
void vni_piece_settle(vni_piece *piece, const float *vector, size_t dim,
                      const vecna_wire_failure *failure, vni_ask **ready);
/* Call `done` of each. */
void vni_asks_finish(vni_ask *ready);
/* The latest deadline of those who wait for a piece. */
uint64_t vni_piece_deadline(const vni_piece *piece);

#endif
