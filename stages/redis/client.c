/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shared/bytes.h"

#define READ_SIZE ((size_t)16 << 10) /* larger ones cost the reader more in moving bytes */
#define KEPT ((size_t)1 << 20)       /* buffers that have grown beyond are given back */

/* ---- answers: hiredis calls these for each part, in order ---- */

/* A part without a parent begins an answer. */
static struct redis_client *client_of(const redisReadTask *task)
{
    struct redis_client *client = task->privdata;
    if (task->parent == NULL)
        client->count = client->text.size = 0;
    return client;
}

static void *add(struct redis_client *client, struct redis_value value)
{
    if (client->count == client->capacity) {
        const size_t capacity = client->capacity * 2 + 64;
        struct redis_value *values = realloc(client->values, capacity * sizeof(*values));
        if (values == NULL)
            return NULL;
        client->values = values;
        client->capacity = capacity;
    }
    client->values[client->count++] = value;
    return client;
}

static void *on_string(const redisReadTask *task, char *data, size_t size)
{
    struct redis_client *client = client_of(task);
    const enum redis_kind kind = task->type == REDIS_REPLY_ERROR ? REDIS_FAULT : REDIS_TEXT;
    const struct redis_value value = {.kind = kind, .at = client->text.size, .size = size};
    flow_text_add(&client->text, data, size);
    return client->text.failed ? NULL : add(client, value);
}

#if HIREDIS_MAJOR >= 1
static void *on_list(const redisReadTask *task, size_t count)
#else
static void *on_list(const redisReadTask *task, int count)
#endif
{
    return add(client_of(task), (struct redis_value){.kind = REDIS_LIST, .number = (int64_t)count});
}

static void *on_number(const redisReadTask *task, long long number)
{
    return add(client_of(task), (struct redis_value){.kind = REDIS_NUMBER, .number = number});
}

static void *on_nil(const redisReadTask *task)
{
    return add(client_of(task), (struct redis_value){.kind = REDIS_NIL});
}

static void on_free(void *object)
{
    (void)object; /* the client's list */
}

/* ---- the connection ---- */

void redis_disconnect(struct redis_client *client)
{
    if (client->context != NULL)
        redisFree(client->context);
    if (client->reader != NULL)
        redisReaderFree(client->reader);
    client->context = NULL;
    client->reader = NULL;
    client->out.size = client->sent = 0;
}

bool redis_lose(struct redis_client *client, const char *fmt, ...)
{
    va_list args;
    char what[160];
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    (void)snprintf(client->why, sizeof(client->why), "Redis at '%.60s': %s",
                   client->settings->server, what);
    redis_disconnect(client);
    return false;
}

enum flow_status redis_fail(const struct redis_client *client, struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_EIO, "%s", client->why);
}

static redisContext *dial(const struct redis_settings *settings)
{
    const struct timeval patience = {.tv_sec = settings->timeout / 1000000000,
                                     .tv_usec = settings->timeout % 1000000000 / 1000};
    const char *server = settings->server;
    if (server[0] == '/' || server[0] == '.')
        return redisConnectUnixWithTimeout(server, patience);
    const char *colon = strrchr(server, ':');
    uint64_t port = 6379;
    size_t used = 0;
    if (colon != NULL &&
        (!flow_bytes_number(colon + 1, strlen(colon + 1), &port, &used) || colon[1 + used] != '\0'))
        port = 0;
    char *host = strndup(server, colon != NULL ? (size_t)(colon - server) : strlen(server));
    redisContext *context = host != NULL && port > 0 && port <= 65535
                                ? redisConnectWithTimeout(host, (int)port, patience)
                                : NULL;
    free(host);
    return context;
}

/* A command of the log-in has been answered well. */
static bool is_welcome(struct redis_client *client, const char *what)
{
    if (!redis_ask(client))
        return false;
    if (!redis_is_fault(client, ""))
        return true;
    char said[120];
    (void)snprintf(said, sizeof(said), "%.*s", (int)client->values[0].size,
                   redis_at(client, &client->values[0]));
    return redis_lose(client, "%s: %s", what, said);
}

static bool log_in(struct redis_client *client)
{
    const struct redis_settings *s = client->settings;
    if (s->password != NULL) {
        redis_words(client, s->user != NULL ? 3 : 2);
        redis_text(client, "AUTH");
        if (s->user != NULL)
            redis_text(client, s->user);
        redis_text(client, s->password);
        if (!is_welcome(client, "cannot log in"))
            return false;
    }
    redis_words(client, 2);
    redis_text(client, "SELECT");
    redis_number(client, (uint64_t)s->database);
    return is_welcome(client, "cannot select the database");
}

bool redis_connect(struct redis_client *client, const struct redis_settings *settings)
{
    static redisReplyObjectFunctions functions = {
        .createString = on_string,
        .createArray = on_list,
        .createInteger = on_number,
        .createNil = on_nil,
        .freeObject = on_free,
    };
    client->settings = settings;
    client->context = dial(settings);
    client->reader = redisReaderCreateWithFunctions(&functions);
    if (client->context == NULL)
        return redis_lose(client, "it is neither HOST, HOST:PORT nor the path of a socket");
    if (client->reader == NULL)
        return redis_lose(client, "no memory for a connection");
    if (client->context->err != 0) {
        char said[128];
        (void)snprintf(said, sizeof(said), "%s", client->context->errstr);
        return redis_lose(client, "cannot connect: %s", said);
    }
    client->reader->privdata = client;
    const int flags = fcntl(client->context->fd, F_GETFL);
    if (flags < 0 || fcntl(client->context->fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return redis_lose(client, "cannot connect: %s", strerror(errno));
    return log_in(client);
}

void redis_clear(struct redis_client *client)
{
    redis_disconnect(client);
    free(client->values);
    flow_text_clear(&client->text);
    flow_text_clear(&client->out);
}

/* ---- commands ---- */

static void put_size(struct redis_client *client, char mark, uint64_t size)
{
    if (!flow_text_reserve(&client->out, FLOW_BYTES_DIGITS + 3))
        return;
    char *at = client->out.at + client->out.size;
    *at++ = mark;
    at += flow_bytes_put_number(size, at);
    *at++ = '\r';
    *at++ = '\n';
    client->out.size = (size_t)(at - client->out.at);
}

void redis_words(struct redis_client *client, size_t count)
{
    put_size(client, '*', count);
}

void redis_word(struct redis_client *client, const void *data, size_t size)
{
    put_size(client, '$', size);
    flow_text_add(&client->out, data, size);
    flow_text_add(&client->out, "\r\n", 2);
}

void redis_text(struct redis_client *client, const char *text)
{
    redis_word(client, text, strlen(text));
}

void redis_number(struct redis_client *client, uint64_t number)
{
    char digits[FLOW_BYTES_DIGITS];
    redis_word(client, digits, flow_bytes_put_number(number, digits));
}

bool redis_has_unsent(const struct redis_client *client)
{
    return client->sent < client->out.size;
}

bool redis_send(struct redis_client *client)
{
    if (client->out.failed) {
        flow_text_clear(&client->out);
        return redis_lose(client, "no memory for commands");
    }
    while (redis_has_unsent(client)) {
        const ssize_t some = send(client->context->fd, client->out.at + client->sent,
                                  client->out.size - client->sent, MSG_NOSIGNAL);
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0 && errno == EAGAIN)
            return true;
        if (some < 0)
            return redis_lose(client, "the connection is lost: %s", strerror(errno));
        client->sent += (size_t)some;
    }
    client->out.size = client->sent = 0;
    if (client->out.capacity > KEPT)
        flow_text_clear(&client->out);
    return true;
}

bool redis_receive(struct redis_client *client)
{
    char bytes[READ_SIZE];
    const ssize_t some = read(client->context->fd, bytes, sizeof(bytes));
    if (some < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (some <= 0)
        return redis_lose(client, "the connection is lost: %s",
                          some == 0 ? "the server has closed it" : strerror(errno));
    return redisReaderFeed(client->reader, bytes, (size_t)some) == REDIS_OK ||
           redis_lose(client, "no memory for an answer");
}

bool redis_next(struct redis_client *client, bool *whole)
{
    void *reply = NULL;
    if (redisReaderGetReply(client->reader, &reply) != REDIS_OK) {
        char said[128];
        (void)snprintf(said, sizeof(said), "%s", client->reader->errstr);
        return redis_lose(client, "it does not speak Redis' protocol: %s", said);
    }
    *whole = reply != NULL;
    return true;
}

bool redis_ask(struct redis_client *client)
{
    bool whole = false;
    while (redis_send(client) && redis_next(client, &whole) && !whole) {
        struct pollfd fd = {.fd = client->context->fd, .events = POLLIN};
        if (redis_has_unsent(client))
            fd.events |= POLLOUT;
        const int ready = poll(&fd, 1, (int)(client->settings->timeout / 1000000));
        if (ready == 0)
            return redis_lose(client, "no answer for %lld ms ('timeout')",
                              (long long)(client->settings->timeout / 1000000));
        if (ready > 0 && (fd.revents & ~POLLOUT) != 0 && !redis_receive(client))
            return false;
    }
    return whole;
}

const char *redis_at(const struct redis_client *client, const struct redis_value *value)
{
    return client->text.at + value->at;
}

bool redis_is_fault(const struct redis_client *client, const char *begin)
{
    const struct redis_value *value = &client->values[0];
    const size_t size = strlen(begin);
    return value->kind == REDIS_FAULT && value->size >= size &&
           memcmp(redis_at(client, value), begin, size) == 0;
}
