/* SPDX-License-Identifier: MIT */
#include "flowrun/why.h"

/* The asking side of control/door.h. */

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "control/door.h"
#include "control/system.h"

#define PATIENCE_S 3
#define PAUSE_MS 300 /* between two looks */
#define ANSWER_MAX ((off_t)256 << 20)

/* ---- finding them ---- */

/* "flowrun-UID-PID-RUNID" of our user? */
static bool parse_name(const char *name, struct flow_live_run *run)
{
    char prefix[64];
    const int size =
        snprintf(prefix, sizeof(prefix), FLOW_DOOR_PREFIX "%lu-", (unsigned long)geteuid());
    if (strncmp(name, prefix, (size_t)size) != 0)
        return false;
    char *end;
    errno = 0;
    const long process = strtol(name + size, &end, 10);
    if (end == name + size || *end != '-' || process <= 0 || errno != 0)
        return false;
    const char *id = end + 1;
    if (strlen(id) != 16 || strspn(id, "0123456789abcdef") != 16)
        return false;
    *run = (struct flow_live_run){.process = process};
    memcpy(run->id, id, sizeof(run->id));
    return true;
}

static int by_process(const void *a, const void *b)
{
    const struct flow_live_run *left = a;
    const struct flow_live_run *right = b;
    return (left->process > right->process) - (left->process < right->process);
}

/* A connection to a run that has not been taken yet has the same name: one of each. */
static size_t drop_doubles(struct flow_live_run *runs, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || strcmp(runs[kept - 1].id, runs[i].id) != 0)
            runs[kept++] = runs[i];
    return kept;
}

static enum flow_status read_names(FILE *file, struct flow_live_run **runs, size_t *count)
{
    char line[512];
    size_t capacity = 0;
    while (fgets(line, sizeof(line), file) != NULL) {
        const char *at = strchr(line, '@');
        struct flow_live_run run;
        line[strcspn(line, "\n")] = '\0';
        if (at == NULL || !parse_name(at + 1, &run))
            continue;
        if (!flow_grow(runs, &capacity, *count + 1, sizeof(**runs)))
            return FLOW_ENOMEM;
        (*runs)[(*count)++] = run;
    }
    return FLOW_OK;
}

enum flow_status flow_live_runs(struct flow_live_run **runs, size_t *count, struct flow_error *err)
{
    const char *path = "/proc/net/unix";
    struct flow_live_run *found = NULL;
    size_t found_count = 0;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return flow_system_fail(err, errno, "cannot read %s", path);
    const enum flow_status rc = read_names(file, &found, &found_count);
    (void)fclose(file);
    if (rc != FLOW_OK) {
        free(found);
        return flow_fail(err, rc, "no memory to list runs");
    }
    if (found_count > 1)
        qsort(found, found_count, sizeof(*found), by_process);
    *count = drop_doubles(found, found_count);
    *runs = found;
    return FLOW_OK;
}

/* ---- asking one ---- */

static int knock(const struct flow_live_run *run, struct flow_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int size =
        snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, FLOW_DOOR_PREFIX "%lu-%ld-%s",
                 (unsigned long)geteuid(), run->process, run->id);
    const socklen_t length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) + (socklen_t)size;
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        (void)flow_system_fail(err, errno, "cannot make a socket");
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&address, length) == 0) {
        if (flow_door_is_of(fd, geteuid()))
            return fd;
        (void)flow_fail(err, FLOW_EPROTO, "what calls itself run %s is of another user", run->id);
    } else if (errno == ECONNREFUSED || errno == ENOENT) {
        (void)flow_fail(err, FLOW_ENOENT, "run %s (process %ld) is no more", run->id, run->process);
    } else {
        (void)flow_system_fail(err, errno, "cannot ask process %ld", run->process);
    }
    close(fd);
    return -1;
}

/* The descriptor that comes with the answer. */
static int receive_file(int fd, const struct flow_live_run *run, struct flow_error *err)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char byte;
    struct iovec piece = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    const ssize_t got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    const struct cmsghdr *head = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        (void)flow_fail(err, FLOW_EAGAIN,
                        "process %ld does not answer within %d s: it is stopped, or its machine is "
                        "out of breath",
                        run->process, PATIENCE_S);
        return -1;
    }
    if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
        head->cmsg_len != CMSG_LEN(sizeof(int))) {
        (void)flow_fail(err, FLOW_EPROTO, "process %ld has given no answer", run->process);
        return -1;
    }
    int file;
    memcpy(&file, CMSG_DATA(head), sizeof(file));
    return file;
}

/* The file's text, to be released with free(). */
static char *read_file(int file)
{
    struct stat info;
    if (fstat(file, &info) != 0 || info.st_size < 0 || info.st_size > ANSWER_MAX)
        return NULL;
    const size_t size = (size_t)info.st_size;
    char *text = flow_alloc(size + 2);
    size_t have = 0;
    while (text != NULL && have < size) {
        const ssize_t got = pread(file, text + have, size - have, (off_t)have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    if (text != NULL)
        text[have] = '\n';
    return text;
}

static char *ask_once(const struct flow_live_run *run, struct flow_error *err)
{
    const int fd = knock(run, err);
    const int file = fd >= 0 ? receive_file(fd, run, err) : -1;
    if (fd >= 0)
        close(fd);
    if (file < 0)
        return NULL;
    char *text = read_file(file);
    close(file);
    if (text == NULL)
        (void)flow_fail(err, FLOW_ENOMEM, "no memory for the answer of process %ld", run->process);
    return text;
}

/* ---- what it says ---- */

static char *take_text(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return flow_strdup(text != NULL ? text : "");
}

static bool is_stuck(const json_t *names, const char *name)
{
    size_t i;
    json_t *value;
    json_array_foreach(names, i, value) {
        const char *text = json_string_value(value);
        if (text != NULL && strcmp(text, name) == 0)
            return true;
    }
    return false;
}

/* The replicas among the culprits that a debugger could tell more of. */
static bool take_stuck(const json_t *json, struct flow_why_answer *answer)
{
    const json_t *replicas = json_object_get(json, "replicas");
    const json_t *names = json_object_get(json, "stuck");
    answer->stuck = flow_calloc(json_array_size(replicas) + 1, sizeof(*answer->stuck));
    bool ok = answer->stuck != NULL;
    for (size_t i = 0; ok && i < json_array_size(replicas); i++) {
        const json_t *replica = json_array_get(replicas, i);
        const char *name = json_string_value(json_object_get(replica, "name"));
        if (name == NULL || !is_stuck(names, name))
            continue;
        struct flow_stuck *stuck = &answer->stuck[answer->stuck_count];
        stuck->process = (long)json_integer_value(json_object_get(replica, "process"));
        stuck->thread = (long)json_integer_value(json_object_get(replica, "thread"));
        stuck->name = flow_strdup(name);
        ok = stuck->name != NULL;
        answer->stuck_count += ok ? 1 : 0;
    }
    return ok;
}

static bool has_stack(const json_t *json)
{
    static const char *const kinds[] = {"opening", "callback", "hanging", "stopped", NULL};
    const char *verdict = json_string_value(json_object_get(json, "verdict"));
    for (size_t i = 0; verdict != NULL && kinds[i] != NULL; i++)
        if (strcmp(verdict, kinds[i]) == 0)
            return true;
    return false;
}

static enum flow_status take_answer(char *text, struct flow_why_answer *answer,
                                    struct flow_error *err)
{
    json_t *json = json_loads(text, 0, NULL);
    if (!json_is_object(json)) {
        json_decref(json);
        free(text);
        return flow_fail(err, FLOW_EPROTO, "the run's answer is not of the form expected");
    }
    *answer = (struct flow_why_answer){
        .graph = take_text(json, "file"),
        .text = take_text(json, "text"),
        .details = take_text(json, "details"),
        .json = text,
    };
    bool ok = answer->graph != NULL && answer->text != NULL && answer->details != NULL;
    if (ok && has_stack(json))
        ok = take_stuck(json, answer);
    json_decref(json);
    if (ok)
        return FLOW_OK;
    flow_why_answer_clear(answer);
    return flow_fail(err, FLOW_ENOMEM, "no memory for the run's answer");
}

enum flow_status flow_why_ask(const struct flow_live_run *run, struct flow_why_answer *answer,
                              struct flow_error *err)
{
    struct flow_error why = {0};
    char *text = ask_once(run, &why);
    if (text != NULL) {
        free(text);
        (void)poll(NULL, 0, PAUSE_MS);
        text = ask_once(run, &why);
    }
    if (text == NULL)
        return flow_fail(err, why.status, "%s", why.text);
    return take_answer(text, answer, err);
}

void flow_why_answer_clear(struct flow_why_answer *answer)
{
    free(answer->graph);
    free(answer->text);
    free(answer->details);
    free(answer->json);
    for (size_t i = 0; i < answer->stuck_count; i++)
        free(answer->stuck[i].name);
    free(answer->stuck);
    *answer = (struct flow_why_answer){0};
}
