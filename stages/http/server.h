/* SPDX-License-Identifier: MIT */
#ifndef STAGES_HTTP_SERVER_H
#define STAGES_HTTP_SERVER_H

/*
 * Many HTTP requests in one thread: libmicrohttpd, without a thread of its own, behind one
 * descriptor that says when there is something to do.
 *
 *     reading ──whole──> arrived ──taken by the owner──> (out there) ──http_server_answer──> told
 *        │                                                                                     ^
 *        └── refused: not this path, method, token or size ────────────────────────────────────┘
 *
 * A request that has arrived is suspended: its connection is not looked at until it is answered.
 * So many connections are open at most; further clients wait in the socket's queue.
 *
 * Threads: the stage's own.
 */

#include <flowrun/stage.h>
#include <microhttpd.h>

struct http_rules {
    char *address, *token, *key;
    int64_t port, max_open, timeout;
    uint64_t max_body;
    struct flow_list paths, methods;
};

/* What a request can be told. */
enum http_verdict {
    HTTP_DELIVERED,
    HTTP_ACCEPTED,
    HTTP_NO_TOKEN,
    HTTP_NO_PATH,
    HTTP_NO_METHOD,
    HTTP_TOO_LARGE,
    HTTP_NO_KEY,
    HTTP_ENDING,
    HTTP_TOO_LATE,
    HTTP_NO_MEMORY,
    HTTP_VERDICTS
};

struct http_request {
    struct MHD_Connection *connection;
    struct http_server *server;
    struct http_request *next; /* in a queue, or among the idle ones */
    char *body;
    size_t size, capacity;
    const char *key; /* the connection's; NULL: none */
    size_t key_size;
    bool refused, suspended, answered, told;
    enum http_verdict verdict;
    uint64_t serial; /* the owner's */
    int64_t due_ns;  /* the owner's */
};

struct http_queue {
    struct http_request *first, *last;
};

struct http_server {
    const struct http_rules *rules;
    struct MHD_Daemon *daemon;
    struct MHD_Response *answers[HTTP_VERDICTS];
    char *allow; /* the methods, for whoever comes with another one */
    int listener;
    int epoll;
    struct http_queue arrived;
    struct http_request *idle;
    size_t untold;    /* requests whose answer is not out, suspended ones not counted */
    size_t suspended; /* ... those */
    uint64_t refused; /* requests, for whatever reason */
    bool ending;      /* new requests are refused */
    char where[128];  /* "http://127.0.0.1:8080" */
};

/* Listen.  FLOW_OK, or what flow_stage_fail returned. */
enum flow_status http_server_open(struct http_server *server, struct flow_stage *stage,
                                  const struct http_rules *rules);

/* Tell whoever waits that there is nothing more here, and close. */
void http_server_close(struct http_server *server);

/* Do what can be done without waiting. */
void http_server_run(struct http_server *server);

/* How long server->epoll may be waited for before http_server_run [ns]; -1: as long as it takes. */
int64_t http_server_patience(const struct http_server *server);

/* No new connections, and 503 for requests that come by old ones. */
void http_server_end(struct http_server *server);

/* The request, which the owner took off `arrived`, is to be told this: by the next run. */
void http_server_answer(struct http_request *request, enum http_verdict verdict);

void http_queue_add(struct http_queue *queue, struct http_request *request);
struct http_request *http_queue_take(struct http_queue *queue);

#endif /* STAGES_HTTP_SERVER_H */
