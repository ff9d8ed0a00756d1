/* SPDX-License-Identifier: MIT */

/*
 * demo_server: an HTTP server to try downloads with.  One thread, keep-alive, thousands of clients.
 *
 *     demo_server [--port N] [--delay MS] [--bytes N]
 *
 * It listens on 127.0.0.1, on a free port if none is given, prints its address as one line, and
 * serves until it is told to end or its parent has died.  Each answer waits for the delay; the path
 * says what it is:
 *
 *     /bytes/N    N bytes                     /short    1,000 bytes promised, 10 sent
 *     /status/N   that status                 /close    the connection is closed without one
 *     /redirect/P to /P                       /hang     none at all
 *     /echo       what was sent with the request
 *     /flaky      500 and 200 in turn         ?delay=MS another delay
 *     /...        --bytes bytes, 1000 at first
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define REQUEST_MOST ((size_t)16 << 20)
#define EVENTS 256
#define FILL ((size_t)64 << 10)

enum how { WELL, SHORT, CLOSE, HANG };

struct client {
    int fd;
    char *in;
    size_t in_size, in_capacity;
    size_t taken; /* bytes of the request that is being answered */
    char *out;
    size_t out_size, out_sent;
    size_t fill; /* bytes of filler behind it */
    enum how how;
    bool waits, writes, ends;
    int64_t due_ns;
    struct client *prev, *next; /* in the queue of answers that wait */
};

struct server {
    int listener, epoll;
    int64_t delay_ns;
    size_t bytes;
    struct client *first, *last; /* by due_ns */
    uint64_t flaky;
};

static char filler[FILL];

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void die(const char *what)
{
    (void)fprintf(stderr, "demo_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- answers that wait ---- */

static void queue(struct server *server, struct client *client)
{
    struct client *before = server->last;
    while (before != NULL && before->due_ns > client->due_ns)
        before = before->prev;
    client->waits = true;
    client->prev = before;
    client->next = before != NULL ? before->next : server->first;
    *(before != NULL ? &before->next : &server->first) = client;
    *(client->next != NULL ? &client->next->prev : &server->last) = client;
}

static void unqueue(struct server *server, struct client *client)
{
    if (!client->waits)
        return;
    *(client->prev != NULL ? &client->prev->next : &server->first) = client->next;
    *(client->next != NULL ? &client->next->prev : &server->last) = client->prev;
    client->waits = false;
}

static void drop(struct server *server, struct client *client)
{
    unqueue(server, client);
    (void)close(client->fd);
    free(client->in);
    free(client->out);
    free(client);
}

/* ---- requests ---- */

/* The value of a header, as a number; 0: there is none. */
static size_t header_number(const char *head, const char *name)
{
    for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, strlen(name)) == 0)
            return strtoull(line + 2 + strlen(name), NULL, 10);
    }
    return 0;
}

static bool starts(const char *path, const char *with)
{
    return strncmp(path, with, strlen(with)) == 0;
}

static void answer(struct client *client, int status, size_t promised, const char *more,
                   const char *body, size_t body_size)
{
    free(client->out);
    client->out = malloc(512 + strlen(more) + body_size);
    if (client->out == NULL)
        die("no memory");
    const int head = sprintf(client->out,
                             "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: "
                             "%zu\r\n%s\r\n",
                             status, status < 400 ? "Fine" : "Sorry", promised, more);
    memcpy(client->out + head, body, body_size);
    client->out_size = (size_t)head + body_size;
    client->out_sent = 0;
}

static void fill_answer(struct client *client, size_t size)
{
    answer(client, 200, size, "", "", 0);
    client->fill = size;
}

/* "/redirect/p", which ends at the blank. */
static void redirect(struct client *client, const char *path)
{
    char more[300];
    (void)snprintf(more, sizeof(more), "Location: /%.*s\r\n",
                   (int)(strcspn(path, " ") < 250 ? strcspn(path, " ") : 250), path);
    answer(client, 302, 0, more, "", 0);
}

/* The request, whose head ends with a zero, is complete: prepare the answer. */
static void prepare(struct server *server, struct client *client, const char *body, size_t size)
{
    const char *path = strchr(client->in, ' ');
    path = path != NULL ? path + 1 : "/";
    const char *delay = strstr(path, "?delay=");
    const int64_t delay_ns =
        delay != NULL ? strtoll(delay + 7, NULL, 10) * 1000000 : server->delay_ns;
    client->how = WELL;
    client->fill = 0;
    if (starts(path, "/bytes/")) {
        fill_answer(client, strtoull(path + 7, NULL, 10));
    } else if (starts(path, "/status/")) {
        answer(client, atoi(path + 8), 6, "", "status", 6);
    } else if (starts(path, "/redirect/")) {
        redirect(client, path + 10);
    } else if (starts(path, "/echo")) {
        answer(client, 200, size, "", body, size);
    } else if (starts(path, "/flaky")) {
        answer(client, server->flaky++ % 2 == 0 ? 500 : 200, 5, "", "flaky", 5);
    } else if (starts(path, "/short")) {
        answer(client, 200, 1000, "", "0123456789", 10);
        client->how = SHORT;
    } else if (starts(path, "/close") || starts(path, "/hang")) {
        client->how = starts(path, "/close") ? CLOSE : HANG;
    } else {
        fill_answer(client, server->bytes);
    }
    client->due_ns = now_ns() + delay_ns;
    queue(server, client);
}

/* Is there a whole request?  Then it is taken. */
static bool take_request(struct server *server, struct client *client)
{
    client->in[client->in_size] = '\0';
    char *end = strstr(client->in, "\r\n\r\n");
    if (client->waits || client->writes || end == NULL)
        return false;
    const size_t head = (size_t)(end - client->in) + 4;
    const size_t size = header_number(client->in, "content-length:");
    if (strstr(client->in, "100-continue") != NULL && client->in_size == head)
        (void)send(client->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
    if (client->in_size < head + size)
        return false;
    *end = '\0';
    client->taken = head + size;
    prepare(server, client, client->in + head, size);
    return true;
}

/* False: the client is gone. */
static bool read_some(struct server *server, struct client *client)
{
    for (;;) {
        if (client->in_capacity - client->in_size < 4096) {
            client->in_capacity = client->in_capacity * 2 + 8192;
            client->in = realloc(client->in, client->in_capacity);
            if (client->in == NULL || client->in_capacity > 2 * REQUEST_MOST)
                die("a request is too large");
        }
        const ssize_t got = recv(client->fd, client->in + client->in_size,
                                 client->in_capacity - client->in_size - 1, 0);
        if (got > 0)
            client->in_size += (size_t)got;
        else if (got < 0 && errno == EINTR)
            continue;
        else
            return got < 0 && errno == EAGAIN;
        (void)take_request(server, client);
    }
}

/* ---- answers ---- */

static void watch(struct server *server, struct client *client, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = client};
    (void)epoll_ctl(server->epoll, EPOLL_CTL_MOD, client->fd, &event);
}

/* The answer is out: on to the next request.  False: the client is gone. */
static bool finish_answer(struct server *server, struct client *client)
{
    if (client->how == SHORT)
        return false;
    if (client->writes)
        watch(server, client, EPOLLIN);
    client->writes = false;
    client->in_size -= client->taken;
    memmove(client->in, client->in + client->taken, client->in_size);
    if (client->in_size > 0)
        (void)take_request(server, client);
    return true;
}

/* False: the client is gone. */
static bool write_some(struct server *server, struct client *client)
{
    while (client->out_sent < client->out_size || client->fill > 0) {
        const bool head = client->out_sent < client->out_size;
        const char *from = head ? client->out + client->out_sent : filler;
        size_t size = head ? client->out_size - client->out_sent : client->fill;
        if (!head && size > FILL)
            size = FILL;
        const ssize_t sent =
            send(client->fd, from, size, MSG_NOSIGNAL | (head && client->fill > 0 ? MSG_MORE : 0));
        if (sent < 0 && errno == EAGAIN) {
            if (!client->writes)
                watch(server, client, EPOLLOUT);
            client->writes = true;
            return true;
        }
        if (sent < 0)
            return false;
        *(head ? &client->out_sent : &client->fill) += head ? (size_t)sent : -(size_t)sent;
    }
    return finish_answer(server, client);
}

static void answer_due(struct server *server)
{
    const int64_t now = now_ns();
    while (server->first != NULL && server->first->due_ns <= now) {
        struct client *client = server->first;
        unqueue(server, client);
        if (client->how == HANG)
            continue;
        if (client->how == CLOSE || !write_some(server, client))
            drop(server, client);
    }
}

/* ---- the loop ---- */

static void greet(struct server *server)
{
    const int on = 1;
    int fd;
    while ((fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct client *client = calloc(1, sizeof(*client));
        if (client == NULL)
            die("no memory");
        client->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
            die("epoll_ctl");
    }
}

static void serve(struct server *server, const struct epoll_event *event)
{
    struct client *client = event->data.ptr;
    if (client == NULL) {
        greet(server);
        return;
    }
    bool stays = (event->events & (EPOLLERR | EPOLLHUP)) == 0;
    if (stays && (event->events & EPOLLIN) != 0)
        stays = read_some(server, client);
    if (stays && (event->events & EPOLLOUT) != 0)
        stays = write_some(server, client);
    if (!stays)
        drop(server, client);
}

static void run(struct server *server)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        const int64_t left = server->first != NULL ? server->first->due_ns - now_ns() : -1;
        const int wait = server->first == NULL ? -1 : left <= 0 ? 0 : (int)(left / 1000000) + 1;
        const int count = epoll_wait(server->epoll, events, EVENTS, wait);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++)
            serve(server, &events[i]);
        answer_due(server);
    }
}

static void open_listener(struct server *server, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    const int on = 1;
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->listener < 0 || server->epoll < 0)
        die("cannot begin");
    (void)setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    struct epoll_event event = {.events = EPOLLIN};
    if (bind(server->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(server->listener, 8192) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) != 0 ||
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &event) != 0)
        die("cannot listen");
    (void)printf("http://127.0.0.1:%u\n", (unsigned)ntohs(address.sin_port));
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    struct server server = {.bytes = 1000};
    uint16_t port = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        const long long value = strtoll(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--port") == 0)
            port = (uint16_t)value;
        else if (strcmp(argv[i], "--delay") == 0)
            server.delay_ns = value * 1000000;
        else if (strcmp(argv[i], "--bytes") == 0)
            server.bytes = (size_t)value;
        else
            argc = 2; /* say how it is used */
    }
    if (argc % 2 == 0) {
        (void)fprintf(stderr, "usage: demo_server [--port N] [--delay MS] [--bytes N]\n");
        return 2;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    memset(filler, 'x', sizeof(filler));
    open_listener(&server, port);
    run(&server);
}
