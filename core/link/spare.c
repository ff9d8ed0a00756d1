/* SPDX-License-Identifier: MIT */
#include "link/spare.h"

#include <pthread.h>
#include <string.h>

#define MOST 4

/* They stay until all have been started. */
static void *wait_and_end(void *context)
{
    pthread_mutex_t *gate = context;
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return NULL;
}

enum flow_status flow_threads_spare(size_t count, struct flow_error *err)
{
    pthread_t threads[MOST];
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    int cause = 0;
    size_t started = 0;
    pthread_mutex_lock(&gate);
    while (started < count && started < MOST && cause == 0) {
        cause = pthread_create(&threads[started], NULL, wait_and_end, &gate);
        started += cause == 0 ? 1 : 0;
    }
    pthread_mutex_unlock(&gate);
    while (started > 0)
        pthread_join(threads[--started], NULL);
    if (cause == 0)
        return FLOW_OK;
    return flow_fail(err, FLOW_ENOMEM,
                     "cannot start the %zu threads that sockets need: %s; more memory (ulimit -v) "
                     "or more threads (ulimit -u) would help",
                     count, strerror(cause));
}
