/* SPDX-License-Identifier: MIT */
#include "contenders/naive_run.h"

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#define QUEUE_BYTES ((size_t)16 << 20) /* large records: fewer than ZeroMQ's 1000 in a queue */

void naive_die(const char *what)
{
    (void)fprintf(stderr, "naive_zmq: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

void *naive_allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL)
        naive_die("calloc");
    return memory;
}

static void *open_socket(const struct stage *stage, void *context, int type)
{
    const size_t fit = QUEUE_BYTES / stage->options->size;
    const int mark = fit > 1000 ? 1000 : fit < 2 ? 2 : (int)fit;
    void *socket = zmq_socket(context, type);
    if (socket == NULL)
        naive_die("zmq_socket");
    (void)zmq_setsockopt(socket, ZMQ_SNDHWM, &mark, sizeof(mark));
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &mark, sizeof(mark));
    return socket;
}

static void end_point(const struct stage *stage, unsigned level, unsigned index, unsigned writer,
                      char *out, size_t size)
{
    (void)snprintf(out, size, "%s%s/%u.%u.%u", stage->context != NULL ? "inproc:/" : "ipc://",
                   stage->folder, level, index, writer);
}

static void open_sockets(struct stage *stage, void *context)
{
    char endpoint[128];
    stage->in = naive_allocate(stage->writers + 1, sizeof(void *));
    stage->out = naive_allocate(stage->readers + 1, sizeof(void *));
    for (unsigned w = 0; stage->level > 0 && w < stage->writers; w++) {
        stage->in[w] = open_socket(stage, context, ZMQ_PULL);
        end_point(stage, stage->level, stage->index, w, endpoint, sizeof(endpoint));
        if (zmq_bind(stage->in[w], endpoint) != 0)
            naive_die(endpoint);
    }
    for (unsigned r = 0; r < stage->readers; r++) {
        const unsigned at = stage->separate ? r : 0;
        if (stage->out[at] == NULL)
            stage->out[at] = open_socket(stage, context, ZMQ_PUSH);
        end_point(stage, stage->level + 1, r, stage->is_indexed ? stage->index : 0, endpoint,
                  sizeof(endpoint));
        if (zmq_connect(stage->out[at], endpoint) != 0)
            naive_die(endpoint);
    }
}

static void close_sockets(struct stage *stage)
{
    for (unsigned w = 0; w < stage->writers; w++) {
        if (stage->in[w] != NULL)
            (void)zmq_close(stage->in[w]);
    }
    for (unsigned r = 0; r < stage->readers; r++) {
        if (stage->out[r] != NULL)
            (void)zmq_close(stage->out[r]);
    }
    free(stage->in);
    free(stage->out);
}

static void *run_stage(void *argument)
{
    struct stage *stage = argument;
    void *context = stage->context != NULL ? stage->context : zmq_ctx_new();
    open_sockets(stage, context);
    if (stage->ready >= 0 && write(stage->ready, "r", 1) != 1)
        naive_die("write");
    stage->body(stage);
    /* A sender that closes while its reader is behind may take messages with it: stay until the
     * last stage has all. */
    while (stage->context == NULL && stage->readers > 0)
        (void)pause();
    close_sockets(stage);
    if (stage->context == NULL)
        (void)zmq_ctx_term(context);
    return NULL;
}

void naive_run_threads(struct run *run)
{
    pthread_t *threads = naive_allocate(run->count, sizeof(*threads));
    void *context = zmq_ctx_new();
    (void)zmq_ctx_set(context, ZMQ_MAX_SOCKETS, (int)(4 * run->count) + 64);
    for (size_t i = 0; i < run->count; i++) {
        run->stages[i].context = context;
        if (pthread_create(&threads[i], NULL, run_stage, &run->stages[i]) != 0)
            naive_die("pthread_create");
    }
    for (size_t i = run->last; i < run->count; i++)
        (void)pthread_join(threads[i], NULL);
    (void)zmq_ctx_shutdown(context); /* wakes the others, which wait for more */
    for (size_t i = 0; i < run->last; i++)
        (void)pthread_join(threads[i], NULL);
    (void)zmq_ctx_term(context);
    free(threads);
}

void naive_run_processes(struct run *run)
{
    /* The last stage first, and each only when its reader listens: a PUSH that connects too early
     * may lose what it has sent until then. */
    int ready[2];
    pid_t *children = naive_allocate(run->count, sizeof(*children));
    if (pipe(ready) != 0)
        naive_die("pipe");
    for (size_t i = run->count; i-- > 0;) {
        run->stages[i].ready = ready[1];
        children[i] = fork(); /* no context exists yet */
        if (children[i] < 0)
            naive_die("fork");
        if (children[i] == 0) {
            (void)run_stage(&run->stages[i]);
            _exit(0);
        }
        char byte;
        if (read(ready[0], &byte, 1) != 1)
            naive_die("read");
    }
    int status;
    for (size_t i = run->last; i < run->count; i++) {
        if (waitpid(children[i], &status, 0) < 0 || status != 0)
            naive_die("the last stage failed");
    }
    for (size_t i = 0; i < run->last; i++) {
        (void)kill(children[i], SIGKILL);
        (void)waitpid(children[i], &status, 0);
    }
    free(children);
}

void naive_add_level(struct run *run, unsigned width, void (*body)(struct stage *stage))
{
    const size_t before = run->count > 0 ? run->count - run->last : 0;
    const unsigned level = run->count > 0 ? run->stages[run->last].level + 1 : 0;
    for (size_t i = run->last; i < run->count; i++)
        run->stages[i].readers = width;
    run->stages = realloc(run->stages,
                          (run->count + width) * sizeof(*run->stages)); /* at most once a level */
    if (run->stages == NULL)
        naive_die("realloc");
    run->last += before;
    for (unsigned i = 0; i < width; i++)
        run->stages[run->count++] = (struct stage){.options = run->options,
                                                   .folder = run->folder,
                                                   .body = body,
                                                   .level = level,
                                                   .index = i,
                                                   .writers = 1,
                                                   .ready = -1};
}

void naive_remove_folder(const struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        for (unsigned w = 0; w < run->stages[i].writers; w++) {
            char path[128];
            (void)snprintf(path, sizeof(path), "%s/%u.%u.%u", run->folder, run->stages[i].level,
                           run->stages[i].index, w);
            (void)unlink(path);
        }
    }
    (void)rmdir(run->folder);
}
