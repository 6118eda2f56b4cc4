/* One request on its way: what request.c (in), job.c (through) and reply.c (out) share. */
#ifndef VNI_PROXY_JOB_H
#define VNI_PROXY_JOB_H

#include "net/net_impl.h"
#include "proxy/proxy.h"

typedef struct vni_job {
    struct vni_job *next, *previous;
    vni_proxy *proxy;
    vni_generation *generation; /* kept */
    vni_way *way;
    vni_exchange *exchange; /* NULL: for the playground, or answered */
    vni_record *record;     /* in the exchange's memory; NULL for the playground */
    vni_try what;           /* of the playground */
    vni_client_key *key;
    vecna_arena arena;
    vecna_wire_request request;
    vni_ask *ask;
    vni_piece_options *pieces;
    unsigned char *missing; /* (count) 1: not in the cache */
    size_t count;
    float *rows; /* (count, dim) of the upstream */
    size_t dim;
    int mixed, no_memory;
    size_t cached;
    uint64_t deadline_us, began_us, waited_us, tokens;
    int waits_for_check;
    int client_gone;
    vni_work
        work; /* what the worker does of the job; it then leaves the job alone but for reading */
    void (*do_work)(struct vni_job *job);
    void (*then)(struct vni_job *job);
    int at_work;   /* 1 until work.done has run */
    int held;      /* answers that the worker reads to rows */
    int abandoned; /* freed while at work or held: it ends when both do */
    int normalize; /* the answer's rows to length 1 */
    vecna_status worked;
    vecna_error work_error;
    vni_change change;
    float *out;
    float *confidences; /* (count) NULL: not judged */
    double spare_us;    /* set aside for them; -1: nothing */
    double judged_us;   /* what they took */
    vecna_json_writer writer;
    size_t sent; /* of the writer's text */
    vecna_wire_answer answer;
    vecna_wire_progress progress;
    char served_model[128];
} vni_job;

vni_job *vni_job_new(vni_proxy *proxy, vni_exchange *exchange);
void vni_job_free(vni_job *job);
/* From texts to vectors: cache, then the pool. Then vni_job_reply. */
void vni_job_begin(vni_job *job);
/* Work of the job in the worker's thread when it would hold the loop for long, at once otherwise; then
 * `then`, in the loop's thread. `multiplications` says how much it is. */
void vni_job_work(vni_job *job, double multiplications, void (*work)(vni_job *job),
                  void (*then)(vni_job *job));
/* The answer, and the end of the job. */
void vni_job_reply(vni_job *job);
void vni_job_fail(vni_job *job, const vecna_wire_failure *failure);
void vni_job_fail_with(vni_job *job, vecna_wire_failure_class category, const char *format, ...)
    VECNA_PRINTF(3, 4);
/* Those that wait for the check of a map go on. */
void vni_jobs_checked(vni_generation *generation);

/* "openai", "google-batch" ...: for metrics and log. Static. */
const char *vni_endpoint_word(vecna_wire_endpoint endpoint);
/* GET of models and versions. */
void vni_answer_models(vni_proxy *proxy, vni_exchange *exchange, const vecna_wire_route *route,
                       const char *wanted, size_t wanted_bytes);
/* Give a finished writer's text as the answer's body. */
void vni_answer_json(vni_proxy *proxy, vni_exchange *exchange, int status,
                     vecna_json_writer *writer, const vni_field *fields, size_t field_count);

#endif
