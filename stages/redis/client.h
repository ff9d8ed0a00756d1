/* SPDX-License-Identifier: MIT */
#ifndef STAGES_REDIS_CLIENT_H
#define STAGES_REDIS_CLIENT_H

/*
 * A connection to Redis: commands are put together in one buffer and sent many at a time, answers
 * are taken apart by hiredis into one flat list of values, so that nothing is allocated for each.
 *
 * Where something goes wrong with the connection it is closed and `why` says what; the caller makes
 * of that what it is for the stage.
 *
 * Threads: the stage's own.
 */

#include <flowrun/stage.h>
#include <hiredis/hiredis.h>

#include "shared/text.h"

/* What redis.in and redis.out have in common; first in the struct of each. */
struct redis_settings {
    char *server, *user, *password;
    int64_t database, timeout;
};

/* clang-format off */
#define REDIS_PARAMS \
    FLOW_PARAM_STR(struct redis_settings, server, "127.0.0.1:6379", "HOST, HOST:PORT, or the path of a socket"), \
    FLOW_PARAM_STR(struct redis_settings, user, NULL, "who asks; needs 'password'"), \
    FLOW_PARAM_STR(struct redis_settings, password, NULL, "best as ${env:NAME}"), \
    FLOW_PARAM_I64(struct redis_settings, database, "0", 0, 1e6, "number of the database"), \
    FLOW_PARAM_DURATION(struct redis_settings, timeout, "10s", 1e6, 3600e9, "for a connection, and for an answer [time]")
/* clang-format on */

enum redis_kind { REDIS_TEXT, REDIS_NUMBER, REDIS_LIST, REDIS_NIL, REDIS_FAULT };

/* A part of an answer; the parts of a list follow it in order. */
struct redis_value {
    enum redis_kind kind;
    size_t at, size; /* REDIS_TEXT, REDIS_FAULT: where in `text` */
    int64_t number;  /* REDIS_NUMBER: itself; REDIS_LIST: how many parts */
};

struct redis_client {
    const struct redis_settings *settings;
    redisContext *context; /* NULL: there is no connection */
    redisReader *reader;
    struct flow_text out; /* commands that have not been sent */
    size_t sent;          /* bytes of them that have been */
    struct redis_value *values;
    size_t count, capacity;
    struct flow_text text; /* the texts of the answer */
    char why[256];         /* there is no connection any more */
};

/* Connect and log in.  False: `why`. */
bool redis_connect(struct redis_client *client, const struct redis_settings *settings);
void redis_disconnect(struct redis_client *client);

/* Disconnect and note why.  False, always. */
FLOW_PRINTF(2, 3) bool redis_lose(struct redis_client *client, const char *fmt, ...);
void redis_clear(struct redis_client *client);

/* A stage cannot go on without its connection. */
enum flow_status redis_fail(const struct redis_client *client, struct flow_stage *stage);

/* Put a command together: first how many words it has, then each.  Memory: client->out.failed. */
void redis_words(struct redis_client *client, size_t count);
void redis_word(struct redis_client *client, const void *data, size_t size);
void redis_text(struct redis_client *client, const char *text);
void redis_number(struct redis_client *client, uint64_t number);

/* Send what the socket takes now.  False: `why`. */
bool redis_send(struct redis_client *client);
bool redis_has_unsent(const struct redis_client *client);

/* Read what has arrived.  False: `why`. */
bool redis_receive(struct redis_client *client);

/* The next answer, if all of it has been read: it takes the place of the last.  False: `why`. */
bool redis_next(struct redis_client *client, bool *whole);

/* Send what there is and wait for one answer, for up to `timeout`.  False: `why`. */
bool redis_ask(struct redis_client *client);

/* The text of a value, not terminated. */
const char *redis_at(const struct redis_client *client, const struct redis_value *value);

/* Is the answer an error whose text begins so?  "" is any error. */
bool redis_is_fault(const struct redis_client *client, const char *begin);

#endif /* STAGES_REDIS_CLIENT_H */
