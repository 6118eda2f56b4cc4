/* Requests of a command: a loop that runs until all of them are answered. */
#include "proxy/proxy.h"

#include <string.h>

enum { ANSWER_BYTES_MOST = 64 << 20 };

typedef struct round_of {
    vni_loop *loop;
    const vecna_allocator *allocator;
    size_t left;
    vni_task end;
} round_of;

typedef struct one_of {
    round_of *round;
    vni_fetch *fetch;
    vni_transfer *transfer;
} one_of;

static void on_reply(void *user, const vni_reply *reply) {
    one_of *one = user;
    vni_fetch *fetch = one->fetch;
    fetch->status = reply->fault == VNI_FAULT_NONE ? reply->status : 0;
    fetch->fault = reply->fault;
    fetch->answer = vecna_allocate(one->round->allocator, reply->bytes + 1, 1);
    if (fetch->answer) {
        memcpy(fetch->answer, reply->body, reply->bytes);
        fetch->answer[reply->bytes] = '\0';
        fetch->bytes = reply->bytes;
    }
    if (--one->round->left == 0)
        vni_loop_stop(one->round->loop);
}

static vecna_status send_all(vni_client *client, one_of *list, size_t count, vecna_error *err) {
    for (size_t i = 0; i < count; i++) {
        vni_request request = {0};
        vecna_status status;
        request.url = list[i].fetch->url;
        request.headers[0] = list[i].fetch->header;
        request.body = list[i].fetch->body;
        request.bytes = list[i].fetch->body_bytes;
        request.connect_ms = list[i].fetch->connect_ms;
        request.timeout_ms = list[i].fetch->timeout_ms;
        request.answer_bytes_max = ANSWER_BYTES_MOST;
        request.done = on_reply;
        request.user = &list[i];
        status = vni_client_send(client, &request, &list[i].transfer, err);
        if (status != VECNA_OK)
            return status;
        list[i].round->left++;
    }
    return VECNA_OK;
}

vecna_status vni_fetch_all(vni_fetch *list, size_t count, const vecna_allocator *allocator,
                           vecna_error *err) {
    round_of round = {NULL, allocator, 0, {0}};
    one_of *each = vecna_allocate_zero(allocator, count, sizeof *each);
    vni_client *client = NULL;
    vecna_status status;
    if (each == NULL)
        return vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the requests");
    for (size_t i = 0; i < count; i++) {
        each[i].round = &round;
        each[i].fetch = &list[i];
        list[i].answer = NULL;
    }
    status = vni_loop_new(allocator, &round.loop, err);
    if (status == VECNA_OK)
        status = vni_client_new(round.loop, allocator, &client, err);
    if (status == VECNA_OK)
        status = send_all(client, each, count, err);
    if (status == VECNA_OK && count)
        vni_loop_run(round.loop);
    vni_client_free(client);
    if (round.loop)
        vni_loop_free(round.loop);
    vecna_release(allocator, each);
    for (size_t i = 0; status == VECNA_OK && i < count; i++)
        if (list[i].answer == NULL)
            status = vecna_error_set(err, VECNA_ERR_MEMORY, -1, "no memory for the answers");
    return status;
}

void vni_fetch_free(vni_fetch *list, size_t count, const vecna_allocator *allocator) {
    for (size_t i = 0; i < count; i++) {
        vecna_release(allocator, list[i].answer);
        list[i].answer = NULL;
    }
}
