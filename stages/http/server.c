/* SPDX-License-Identifier: MIT */
#include "server.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEEP_BYTES ((size_t)64 << 10) /* of a body's memory that is kept for the next one */
#define SLACK ((uint64_t)1 << 20)     /* read past the limit, so that the answer can be given */
#define BACKLOG 1024                  /* clients in the socket's queue */
#define PARTING_MS 1000               /* for answers to get out at the end */

void http_queue_add(struct http_queue *queue, struct http_request *request)
{
    request->next = NULL;
    *(queue->last != NULL ? &queue->last->next : &queue->first) = request;
    queue->last = request;
}

struct http_request *http_queue_take(struct http_queue *queue)
{
    struct http_request *request = queue->first;
    if (request == NULL)
        return NULL;
    queue->first = request->next;
    if (queue->first == NULL)
        queue->last = NULL;
    return request;
}

/* ---- answers ---- */

static const struct {
    unsigned status;
    const char *text;
} verdicts[HTTP_VERDICTS] = {
    [HTTP_DELIVERED] = {MHD_HTTP_OK, "delivered\n"},
    [HTTP_ACCEPTED] = {MHD_HTTP_ACCEPTED, "accepted\n"},
    [HTTP_NO_TOKEN] = {MHD_HTTP_UNAUTHORIZED, "this needs 'Authorization: Bearer TOKEN'\n"},
    [HTTP_NO_PATH] = {MHD_HTTP_NOT_FOUND, "nothing is taken at this path\n"},
    [HTTP_NO_METHOD] = {MHD_HTTP_METHOD_NOT_ALLOWED, "nothing is taken by this method\n"},
    [HTTP_TOO_LARGE] = {413, "the body is larger than is taken here\n"},
    [HTTP_NO_KEY] = {MHD_HTTP_BAD_REQUEST, "the header that is to be the key is missing\n"},
    [HTTP_ENDING] = {MHD_HTTP_SERVICE_UNAVAILABLE, "nothing more is taken; send it again later\n"},
    [HTTP_TOO_LATE] = {MHD_HTTP_GATEWAY_TIMEOUT, "accepted, but not known to be delivered in time; "
                                                 "sent again, it may arrive twice\n"},
    [HTTP_NO_MEMORY] = {MHD_HTTP_SERVICE_UNAVAILABLE,
                        "no memory for it now; send it again later\n"},
};

static bool make_answers(struct http_server *server)
{
    bool good = true;
    for (size_t i = 0; i < HTTP_VERDICTS && good; i++) {
        union {
            const char *text;
            void *bytes;
        } body = {verdicts[i].text}; /* persistent: libmicrohttpd does not write to it */
        struct MHD_Response *answer =
            MHD_create_response_from_buffer(strlen(body.text), body.bytes, MHD_RESPMEM_PERSISTENT);
        server->answers[i] = answer;
        good = answer != NULL && MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE,
                                                         "text/plain") == MHD_YES;
    }
    return good &&
           MHD_add_response_header(server->answers[HTTP_NO_TOKEN], MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                   "Bearer") == MHD_YES &&
           MHD_add_response_header(server->answers[HTTP_NO_METHOD], MHD_HTTP_HEADER_ALLOW,
                                   server->allow) == MHD_YES;
}

static enum MHD_Result tell(struct http_request *request, enum http_verdict verdict)
{
    request->told = true;
    return MHD_queue_response(request->connection, verdicts[verdict].status,
                              request->server->answers[verdict]);
}

void http_server_answer(struct http_request *request, enum http_verdict verdict)
{
    struct http_server *server = request->server;
    request->answered = true;
    request->verdict = verdict;
    request->suspended = false;
    server->suspended--;
    server->untold++;
    MHD_resume_connection(request->connection);
}

/* ---- what is taken ---- */

/* Without telling by its time how much of the token was right. */
static bool is_same(const char *given, const char *token)
{
    const size_t size = strlen(token);
    const size_t given_size = strlen(given);
    unsigned differ = given_size != size;
    for (size_t i = 0; i < size; i++)
        differ |= (unsigned char)given[i < given_size ? i : given_size] ^ (unsigned char)token[i];
    return differ == 0;
}

static bool has_token(const struct http_rules *rules, struct MHD_Connection *connection)
{
    if (rules->token == NULL)
        return true;
    const char *given =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    return given != NULL && strncasecmp(given, "Bearer ", 7) == 0 &&
           is_same(given + 7 + strspn(given + 7, " "), rules->token);
}

/* "/hooks/a", or "/hooks/" with a star behind it for all that begins so. */
static bool has_path(const struct http_rules *rules, const char *path)
{
    for (size_t i = 0; i < rules->paths.count; i++) {
        const char *item = rules->paths.items[i];
        const size_t size = strlen(item);
        const bool any = size > 0 && item[size - 1] == '*';
        if (any ? strncmp(path, item, size - 1) == 0 : strcmp(path, item) == 0)
            return true;
    }
    return rules->paths.count == 0;
}

static bool has_method(const struct http_rules *rules, const char *method)
{
    for (size_t i = 0; i < rules->methods.count; i++) {
        if (strcmp(rules->methods.items[i], method) == 0)
            return true;
    }
    return false;
}

static bool is_too_large(const struct http_rules *rules, struct MHD_Connection *connection)
{
    const char *length =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length != NULL && strtoull(length, NULL, 10) > rules->max_body;
}

static bool find_key(const struct http_rules *rules, struct http_request *request, const char *path)
{
    if (rules->key == NULL)
        return true;
    request->key = strcmp(rules->key, "path") == 0
                       ? path
                       : MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
                                                     rules->key + strlen("header:"));
    request->key_size = request->key != NULL ? strlen(request->key) : 0;
    return request->key_size > 0;
}

/* What the head of a request says; HTTP_ACCEPTED: its body may come. */
static enum http_verdict judge(struct http_request *request, const char *path, const char *method)
{
    const struct http_rules *rules = request->server->rules;
    if (request->server->ending)
        return HTTP_ENDING;
    if (!has_token(rules, request->connection))
        return HTTP_NO_TOKEN;
    if (!has_path(rules, path))
        return HTTP_NO_PATH;
    if (!has_method(rules, method))
        return HTTP_NO_METHOD;
    if (is_too_large(rules, request->connection))
        return HTTP_TOO_LARGE;
    return find_key(rules, request, path) ? HTTP_ACCEPTED : HTTP_NO_KEY;
}

/* ---- requests ---- */

static struct http_request *new_request(struct http_server *server,
                                        struct MHD_Connection *connection)
{
    struct http_request *request = server->idle;
    if (request != NULL)
        server->idle = request->next;
    else
        request = calloc(1, sizeof(*request));
    if (request == NULL)
        return NULL;
    *request = (struct http_request){.connection = connection,
                                     .server = server,
                                     .body = request->body,
                                     .capacity = request->capacity};
    server->untold++;
    return request;
}

static void refuse(struct http_request *request, enum http_verdict verdict)
{
    request->refused = true;
    request->verdict = verdict;
    request->server->refused++;
}

static bool add_body(struct http_request *request, const char *data, size_t size)
{
    if (request->capacity - request->size < size) {
        size_t capacity = request->capacity < 1024 ? 1024 : request->capacity;
        while (capacity - request->size < size)
            capacity *= 2;
        char *wider = realloc(request->body, capacity);
        if (wider == NULL)
            return false;
        request->body = wider;
        request->capacity = capacity;
    }
    memcpy(request->body + request->size, data, size);
    request->size += size;
    return true;
}

/* A part of the body.  What is refused is read on, to be answered, but not without end. */
static enum MHD_Result take_body(struct http_request *request, const char *data, size_t size)
{
    const uint64_t most = request->server->rules->max_body;
    if (!request->refused && size > most - request->size)
        refuse(request, HTTP_TOO_LARGE);
    if (!request->refused && !add_body(request, data, size))
        refuse(request, HTTP_NO_MEMORY);
    if (!request->refused)
        return MHD_YES;
    request->size += size;
    return request->size > 2 * most + SLACK ? MHD_NO : MHD_YES;
}

/* The body is whole. */
static enum MHD_Result take_whole(struct http_request *request)
{
    struct http_server *server = request->server;
    if (!request->refused && server->ending)
        refuse(request, HTTP_ENDING);
    if (request->refused)
        return tell(request, request->verdict);
    request->suspended = true;
    server->untold--;
    server->suspended++;
    MHD_suspend_connection(request->connection);
    http_queue_add(&server->arrived, request);
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **own)
{
    struct http_request *request = *own;
    (void)version;
    if (request == NULL) {
        *own = request = new_request(context, connection);
        if (request == NULL)
            return MHD_NO;
        const enum http_verdict verdict = judge(request, url, method);
        if (verdict == HTTP_ACCEPTED)
            return MHD_YES;
        refuse(request, verdict);
        return tell(request, verdict);
    }
    if (request->answered)
        return request->told ? MHD_YES : tell(request, request->verdict);
    if (*size == 0)
        return take_whole(request);
    const enum MHD_Result rc = take_body(request, data, *size);
    *size = 0;
    return rc;
}

/* Answered, or its client has gone. */
static void on_completed(void *context, struct MHD_Connection *connection, void **own,
                         enum MHD_RequestTerminationCode why)
{
    struct http_server *server = context;
    struct http_request *request = *own;
    (void)connection;
    (void)why;
    if (request == NULL)
        return;
    *own = NULL;
    server->untold--;
    if (request->capacity > KEEP_BYTES) {
        free(request->body);
        request->body = NULL;
        request->capacity = 0;
    }
    request->next = server->idle;
    server->idle = request;
}

/* ---- the socket ---- */

static void note_where(struct http_server *server)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    char host[64] = "?";
    char port[16] = "?";
    if (getsockname(server->listener, (struct sockaddr *)&bound, &size) == 0)
        (void)getnameinfo((struct sockaddr *)&bound, size, host, sizeof(host), port, sizeof(port),
                          NI_NUMERICHOST | NI_NUMERICSERV);
    const bool six = strchr(host, ':') != NULL;
    (void)snprintf(server->where, sizeof(server->where), "http://%s%s%s:%s", six ? "[" : "", host,
                   six ? "]" : "", port);
}

static int bind_to(const struct addrinfo *to)
{
    const int one = 1;
    const int fd =
        socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, to->ai_protocol);
    if (fd < 0)
        return -1;
    /* A port that a former run has just left may be taken again at once. */
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, to->ai_addr, to->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    const int cause = errno;
    (void)close(fd);
    errno = cause;
    return -1;
}

static enum flow_status listen_there(struct http_server *server, struct flow_stage *stage)
{
    const struct http_rules *rules = server->rules;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[16];
    (void)snprintf(port, sizeof(port), "%lld", (long long)rules->port);
    if (getaddrinfo(rules->address, port, &hints, &found) != 0)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'address' is '%s', not an address in numbers, as 127.0.0.1, or "
                               "0.0.0.0 for all of this machine",
                               rules->address);
    server->listener = bind_to(found);
    const int cause = errno;
    freeaddrinfo(found);
    if (server->listener < 0)
        return flow_stage_fail(stage, FLOW_EIO, "cannot listen on %s port %s: %s%s", rules->address,
                               port, strerror(cause),
                               cause == EADDRINUSE ? "; port 0 takes a free one" : "");
    note_where(server);
    return FLOW_OK;
}

static enum flow_status check_rules(struct http_server *server, struct flow_stage *stage)
{
    const struct http_rules *rules = server->rules;
    const char *key = rules->key;
    if (key != NULL && strcmp(key, "path") != 0 && (strncmp(key, "header:", 7) != 0 || !key[7]))
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'key' is '%s'; possible are 'path' and 'header:NAME'", key);
    if (rules->token != NULL && rules->token[0] == '\0')
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'token' is empty, which everybody knows; leave it out to take "
                               "requests without one");
    size_t size = 1;
    for (size_t i = 0; i < rules->methods.count; i++)
        size += strlen(rules->methods.items[i]) + 2;
    server->allow = calloc(size, 1);
    if (server->allow == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for its methods");
    for (size_t i = 0; i < rules->methods.count; i++) {
        (void)strcat(server->allow, i > 0 ? ", " : "");
        (void)strcat(server->allow, rules->methods.items[i]);
    }
    for (size_t i = 0; i < rules->paths.count; i++) {
        if (rules->paths.items[i][0] != '/')
            return flow_stage_fail(stage, FLOW_EINVAL,
                                   "'paths' has '%s'; a path begins with '/', as '/hooks/*'",
                                   rules->paths.items[i]);
    }
    return FLOW_OK;
}

enum flow_status http_server_open(struct http_server *server, struct flow_stage *stage,
                                  const struct http_rules *rules)
{
    server->rules = rules;
    server->listener = server->epoll = -1;
    enum flow_status rc = check_rules(server, stage);
    if (rc == FLOW_OK && !make_answers(server))
        rc = flow_stage_fail(stage, FLOW_ENOMEM, "no memory for its answers");
    if (rc == FLOW_OK)
        rc = listen_there(server, stage);
    if (rc != FLOW_OK)
        return rc;
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, server,
        MHD_OPTION_LISTEN_SOCKET, server->listener, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)rules->max_open, MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)((rules->timeout + 999999999) / 1000000000), MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, server, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        server->daemon != NULL ? MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)
                               : NULL;
    if (info == NULL)
        return flow_stage_fail(stage, FLOW_EIO,
                               "the HTTP server could not be started: no memory, or no descriptors "
                               "for %lld connections",
                               (long long)rules->max_open);
    server->epoll = info->epoll_fd;
    return FLOW_OK;
}

void http_server_run(struct http_server *server)
{
    (void)MHD_run(server->daemon);
}

int64_t http_server_patience(const struct http_server *server)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    return MHD_get_timeout(server->daemon, &ms) == MHD_YES ? (int64_t)ms * 1000000 : -1;
}

void http_server_end(struct http_server *server)
{
    if (server->ending)
        return;
    server->ending = true;
    (void)MHD_quiesce_daemon(server->daemon);
    (void)close(server->listener);
    server->listener = -1;
}

/* Let answers get out, for a while: clients may be slow, or gone. */
static void part(struct http_server *server)
{
    http_server_run(server);
    for (int left_ms = PARTING_MS; server->untold > 0 && left_ms > 0;) {
        struct pollfd ready = {.fd = server->epoll, .events = POLLIN};
        const int64_t patience = http_server_patience(server);
        const int step = patience == 0 ? 0 : 10;
        left_ms -= poll(&ready, 1, step) == 0 ? step + 1 : 1;
        http_server_run(server);
    }
}

void http_server_close(struct http_server *server)
{
    if (server->daemon != NULL) {
        http_server_end(server);
        for (struct http_request *r; (r = http_queue_take(&server->arrived)) != NULL;)
            http_server_answer(r, HTTP_ENDING);
        part(server);
        MHD_stop_daemon(server->daemon);
    }
    if (server->listener > 0) /* not opened: 0 */
        (void)close(server->listener);
    for (size_t i = 0; i < HTTP_VERDICTS; i++) {
        if (server->answers[i] != NULL)
            MHD_destroy_response(server->answers[i]);
    }
    for (struct http_request *r; (r = server->idle) != NULL;) {
        server->idle = r->next;
        free(r->body);
        free(r);
    }
    free(server->allow);
}
