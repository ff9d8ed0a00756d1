/* SPDX-License-Identifier: MIT */

/*
 * What flowrun is compared with: a chain of stages over PUSH and PULL, one message a record,
 * written as ZeroMQ's guide would have it.
 *
 *     naive_zmq threads|processes STAGES BYTES RECORDS
 *
 * prints the records per second from the first record to the last, and fails if any got lost.
 */

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

struct job {
    void *context; /* NULL: make one, this is a process of its own */
    const char *folder;
    unsigned stage, stages;
    int ready; /* written to when the stage listens; -1: nobody waits */
    size_t size;
    uint64_t records;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "naive_zmq: %s: %s\n", what, zmq_strerror(zmq_errno()));
    exit(1);
}

static void *open_end(const struct job *job, void *context, int type, unsigned edge)
{
    char endpoint[128];
    (void)snprintf(endpoint, sizeof(endpoint), "%s%s/e%u", job->context ? "inproc:/" : "ipc://",
                   job->folder, edge);
    void *socket = zmq_socket(context, type);
    if (socket == NULL)
        die("zmq_socket");
    const int rc = type == ZMQ_PULL ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint);
    if (rc != 0)
        die(endpoint);
    return socket;
}

static void produce(const struct job *job, void *out)
{
    char *record = calloc(1, job->size);
    if (record == NULL)
        die("calloc");
    for (uint64_t i = 0; i < job->records; i++) {
        memcpy(record, &i, job->size < sizeof(i) ? job->size : sizeof(i));
        if (zmq_send(out, record, job->size, 0) < 0)
            die("zmq_send");
    }
    free(record);
}

static void pass(const struct job *job, void *in, void *out)
{
    char *record = malloc(job->size);
    if (record == NULL)
        die("malloc");
    for (uint64_t i = 0; i < job->records; i++) {
        if (zmq_recv(in, record, job->size, 0) != (int)job->size)
            die("zmq_recv");
        if (out != NULL && zmq_send(out, record, job->size, 0) < 0)
            die("zmq_send");
    }
    free(record);
}

static void *run_stage(void *argument)
{
    const struct job *job = argument;
    void *context = job->context != NULL ? job->context : zmq_ctx_new();
    void *in = job->stage > 0 ? open_end(job, context, ZMQ_PULL, job->stage) : NULL;
    void *out =
        job->stage + 1 < job->stages ? open_end(job, context, ZMQ_PUSH, job->stage + 1) : NULL;
    if (job->ready >= 0 && write(job->ready, "r", 1) != 1)
        die("write");
    if (in == NULL)
        produce(job, out);
    else
        pass(job, in, out);
    /* A sender that closes while its reader is behind may take messages with it: stay until the
     * last stage has all. */
    while (job->context == NULL && out != NULL)
        (void)pause();
    if (in != NULL)
        (void)zmq_close(in);
    if (out != NULL)
        (void)zmq_close(out);
    if (job->context == NULL)
        (void)zmq_ctx_term(context);
    return NULL;
}

static void run_threads(struct job *jobs, unsigned stages)
{
    pthread_t threads[64];
    void *context = zmq_ctx_new();
    for (unsigned i = 0; i < stages; i++) {
        jobs[i].context = context;
        if (pthread_create(&threads[i], NULL, run_stage, &jobs[i]) != 0)
            die("pthread_create");
    }
    for (unsigned i = 0; i < stages; i++)
        (void)pthread_join(threads[i], NULL);
    (void)zmq_ctx_term(context);
}

static void run_processes(struct job *jobs, unsigned stages)
{
    /* The last stage first, and each only when its reader listens: a PUSH that connects too early
     * may lose what it has sent until then. */
    int ready[2];
    pid_t children[64];
    if (pipe(ready) != 0)
        die("pipe");
    for (unsigned i = stages; i-- > 0;) {
        jobs[i].ready = ready[1];
        children[i] = fork(); /* no context exists yet */
        if (children[i] < 0)
            die("fork");
        if (children[i] == 0) {
            (void)run_stage(&jobs[i]);
            _exit(0);
        }
        char byte;
        if (read(ready[0], &byte, 1) != 1)
            die("read");
    }
    int status;
    if (waitpid(children[stages - 1], &status, 0) < 0 || status != 0)
        die("the last stage failed");
    for (unsigned i = 0; i + 1 < stages; i++) {
        (void)kill(children[i], SIGKILL);
        (void)waitpid(children[i], &status, 0);
    }
}

int main(int argc, char **argv)
{
    const bool threads = argc == 5 && strcmp(argv[1], "threads") == 0;
    if (argc != 5 || (!threads && strcmp(argv[1], "processes") != 0)) {
        (void)fprintf(stderr, "usage: naive_zmq threads|processes STAGES BYTES RECORDS\n");
        return 2;
    }
    const unsigned stages = (unsigned)strtoul(argv[2], NULL, 10);
    char folder[] = "/tmp/naive-zmq-XXXXXX";
    if (stages < 2 || stages > 64 || mkdtemp(folder) == NULL)
        die("stages from 2 to 64, and a folder in /tmp");

    struct job jobs[64];
    for (unsigned i = 0; i < stages; i++)
        jobs[i] = (struct job){.ready = -1,
                               .folder = folder,
                               .stage = i,
                               .stages = stages,
                               .size = strtoul(argv[3], NULL, 10),
                               .records = strtoull(argv[4], NULL, 10)};
    struct timespec start;
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &start);
    if (threads)
        run_threads(jobs, stages);
    else
        run_processes(jobs, stages);
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    for (unsigned i = 1; i < stages; i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "%s/e%u", folder, i);
        (void)unlink(path);
    }
    (void)rmdir(folder);
    const double seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    (void)printf("%.0f\n", (double)jobs[0].records / seconds);
    return 0;
}
