/* SPDX-License-Identifier: MIT */
#include "database.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define PIECE ((size_t)256 << 10) /* of COPY's bytes: as many are buffered by libpq at most */

/* ---- what went wrong ---- */

/* A message of libpq in one line.  False, always. */
static bool note(struct pg *pg, const char *text)
{
    size_t at = 0;
    while (*text == ' ')
        text++;
    for (; *text != '\0' && at + 1 < sizeof(pg->why); text++)
        pg->why[at++] = *text;
    pg->why[at] = '\0';
    while (at > 0 && (pg->why[at - 1] == '\n' || pg->why[at - 1] == ' '))
        pg->why[--at] = '\0';
    for (char *c = pg->why; *c != '\0'; c++)
        *c = *c == '\n' || *c == '\t' ? ' ' : *c;
    return false;
}

/* "COPY t, line 17, column a: ..." */
static long find_line(const PGresult *result)
{
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);
    const char *copy = context != NULL ? strstr(context, "COPY ") : NULL;
    const char *line = copy != NULL ? strstr(copy, ", line ") : NULL;
    return line != NULL ? strtol(line + strlen(", line "), NULL, 10) : 0;
}

/* The server's refusal, with the detail it gives.  False, always. */
static bool note_result(struct pg *pg, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *said = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    char text[sizeof(pg->why)];
    (void)snprintf(pg->state, sizeof(pg->state), "%s", state != NULL ? state : "");
    pg->line = find_line(result);
    (void)snprintf(text, sizeof(text), "%s%s%s", said != NULL ? said : PQerrorMessage(pg->link),
                   detail != NULL ? ": " : "", detail != NULL ? detail : "");
    return note(pg, text);
}

bool pg_blames_rows(const struct pg *pg)
{
    /* data exceptions, constraints, views' checks, limits, and what triggers raise */
    static const char *const classes[] = {"22", "23", "44", "54", "P0"};
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
        if (strncmp(pg->state, classes[i], 2) == 0)
            return true;
    }
    return false;
}

enum flow_status pg_fail(const struct pg *pg, struct flow_stage *stage, const char *what)
{
    return flow_stage_fail(stage, FLOW_EIO, "PostgreSQL: cannot %s: %s", what, pg->why);
}

/* ---- waiting ---- */

/* False: `why`. */
static bool wait_for(struct pg *pg, short events)
{
    struct pollfd fd = {.fd = PQsocket(pg->link), .events = events};
    int ready;
    do
        ready = poll(&fd, 1, (int)(pg->timeout / 1000000));
    while (ready < 0 && errno == EINTR);
    if (ready > 0)
        return true;
    pg->state[0] = '\0';
    return note(pg, ready == 0 ? "no answer in time ('timeout')" : strerror(errno));
}

/* The connection has broken.  False, always. */
static bool broken(struct pg *pg)
{
    pg->state[0] = '\0';
    return note(pg, PQerrorMessage(pg->link));
}

static bool flush(struct pg *pg)
{
    int left;
    while ((left = PQflush(pg->link)) == 1) {
        if (!wait_for(pg, POLLIN | POLLOUT))
            return false;
        if (!PQconsumeInput(pg->link))
            return broken(pg);
    }
    return left == 0 || broken(pg);
}

/* The next result; NULL, with good: there is none left. */
static bool next_result(struct pg *pg, PGresult **result)
{
    if (!flush(pg))
        return false;
    while (PQisBusy(pg->link)) {
        if (!wait_for(pg, POLLIN))
            return false;
        if (!PQconsumeInput(pg->link))
            return broken(pg);
    }
    *result = PQgetResult(pg->link);
    return true;
}

static bool is_refusal(const PGresult *result)
{
    const ExecStatusType status = PQresultStatus(result);
    return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

/* All results up to the end; of those the first refusal counts. */
static bool finish(struct pg *pg, bool good)
{
    PGresult *result = NULL;
    while (next_result(pg, &result)) {
        if (result == NULL)
            return good;
        if (good && is_refusal(result))
            good = note_result(pg, result);
        PQclear(result);
    }
    return false;
}

/* ---- statements ---- */

/* Warnings and notices are the server's affair. */
static void ignore(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

bool pg_open(struct pg *pg, const char *connection)
{
    pg->link = PQconnectdb(connection);
    if (pg->link == NULL)
        return note(pg, "no memory for a connection");
    if (PQstatus(pg->link) != CONNECTION_OK)
        return broken(pg);
    (void)PQsetNoticeReceiver(pg->link, ignore, NULL);
    if (PQsetClientEncoding(pg->link, "UTF8") != 0 || PQsetnonblocking(pg->link, 1) != 0)
        return broken(pg);
    return true;
}

void pg_close(struct pg *pg)
{
    PQfinish(pg->link);
    pg->link = NULL;
}

bool pg_run(struct pg *pg, const char *sql)
{
    pg->state[0] = '\0';
    return (PQsendQuery(pg->link, sql) == 1 || broken(pg)) && finish(pg, true);
}

bool pg_number(struct pg *pg, const char *sql, int64_t *number)
{
    PGresult *result = NULL;
    *number = -1;
    if (PQsendQuery(pg->link, sql) != 1)
        return broken(pg);
    if (!next_result(pg, &result))
        return false;
    const bool good = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (good && PQntuples(result) > 0 && !PQgetisnull(result, 0, 0))
        *number = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    if (!good)
        (void)note_result(pg, result);
    PQclear(result);
    return finish(pg, good);
}

/* ---- COPY ---- */

static bool put_piece(struct pg *pg, const char *data, size_t size)
{
    for (;;) {
        const int put = PQputCopyData(pg->link, data, (int)size);
        if (put == 1)
            return true;
        if (put < 0)
            return broken(pg);
        if (!wait_for(pg, POLLIN | POLLOUT))
            return false;
        if (!PQconsumeInput(pg->link) || PQflush(pg->link) < 0)
            return broken(pg);
    }
}

/* All of it goes out, also when the server has refused it half-way: libpq tells of that at the end.
 */
static bool put_all(struct pg *pg, const char *data, size_t size)
{
    for (size_t at = 0; at < size; at += PIECE) {
        if (!put_piece(pg, data + at, size - at < PIECE ? size - at : PIECE))
            return false;
    }
    while (PQputCopyEnd(pg->link, NULL) == 0) {
        if (!flush(pg))
            return false;
    }
    return true;
}

bool pg_copy(struct pg *pg, const char *sql, const char *data, size_t size)
{
    PGresult *result = NULL;
    pg->state[0] = '\0';
    pg->line = 0;
    if (PQsendQuery(pg->link, sql) != 1)
        return broken(pg);
    if (!next_result(pg, &result))
        return false;
    const bool begun = PQresultStatus(result) == PGRES_COPY_IN;
    if (!begun)
        (void)note_result(pg, result);
    PQclear(result);
    if (!begun)
        return finish(pg, false);
    return put_all(pg, data, size) && finish(pg, true);
}
