/* SPDX-License-Identifier: MIT */
#ifndef STAGES_HTTP_CLIENT_H
#define STAGES_HTTP_CLIENT_H

/*
 * Many HTTP transfers in one thread: libcurl's multi interface, which says what sockets and times
 * it waits for, on top of flow_watch and flow_timer.  Each transfer stands for a record in flight.
 *
 * Threads: the stage's own.
 */

#include <curl/curl.h>
#include <flowrun/stage.h>

/* What http.get and http.post have in common; first in the struct of each. */
struct http_settings {
    int64_t concurrency, per_host, retries, follow;
    int64_t timeout, connect_timeout, backoff;
    uint64_t max_size;
    struct flow_list headers, accept;
    char *user_agent;
    int output;
};

enum http_output { HTTP_BODY, HTTP_JSON, HTTP_META };

/* clang-format off */
#define HTTP_PARAMS \
    FLOW_PARAM_I64(struct http_settings, concurrency, "100", 1, 10000, "requests at a time"), \
    FLOW_PARAM_I64(struct http_settings, per_host, "0", 0, 10000, "of them to one host; 0: any number"), \
    FLOW_PARAM_DURATION(struct http_settings, timeout, "30s", 1e6, 86400e9, "for a whole request"), \
    FLOW_PARAM_DURATION(struct http_settings, connect_timeout, "10s", 1e6, 3600e9, "for a connection"), \
    FLOW_PARAM_SIZE(struct http_settings, max_size, "16MiB", 1, 268000000.0, "largest answer [bytes]"), \
    FLOW_PARAM_I64(struct http_settings, follow, "5", 0, 100, "redirections to follow"), \
    FLOW_PARAM_I64(struct http_settings, retries, "0", 0, 100, "further tries when it may be for now only"), \
    FLOW_PARAM_DURATION(struct http_settings, backoff, "500ms", 0, 3600e9, "before the first; doubles"), \
    FLOW_PARAM_LIST(struct http_settings, headers, NULL, "to send, as 'Name: value'"), \
    FLOW_PARAM_LIST(struct http_settings, accept, "[\"2xx\"]", "good answers, as 404 or 2xx"), \
    FLOW_PARAM_STR(struct http_settings, user_agent, "flowrun", "who asks"), \
    FLOW_PARAM_ENUM(struct http_settings, output, "body", "body|json|meta", "what is emitted")
/* clang-format on */

struct http_bytes {
    char *data;
    size_t size, capacity;
};

struct http_transfer {
    CURL *easy;
    struct http_client *client;
    struct flow_token *token;
    struct http_transfer *next; /* among the idle ones */
    struct http_transfer *all;
    struct http_bytes url, body, head;
    struct curl_slist *headers; /* of this transfer alone; NULL: those of all */
    int64_t tries;
    bool too_large, no_memory;
    char error[CURL_ERROR_SIZE];
};

struct http_client {
    const struct http_settings *settings;
    struct flow_stage *stage; /* during a callback */
    CURLM *multi;
    struct curl_slist *headers;
    struct http_transfer *idle, *all;
    enum flow_status failed; /* a call that libcurl made */
    /* Set by the owner: what this request is, beside its URL. */
    bool (*prepare)(void *owner, struct http_transfer *transfer);
    void *owner;
};

/* FLOW_OK, or what flow_stage_fail returned. */
enum flow_status http_client_open(struct http_client *client, struct flow_stage *stage,
                                  const struct http_settings *settings);
void http_client_close(struct http_client *client, struct flow_stage *stage);

/* Hold the record and begin with it; `url` is copied. */
enum flow_status http_client_start(struct http_client *client, struct flow_stage *stage,
                                   const struct flow_record *record, const char *url,
                                   size_t url_size);

/* The stage's `ready` and `drop`. */
enum flow_status http_client_ready(struct http_client *client, struct flow_stage *stage,
                                   uint64_t tag, unsigned events);
void http_client_drop(struct http_client *client, struct flow_stage *stage,
                      struct flow_token *token);

/* Append; false: no memory. */
bool http_bytes_add(struct http_bytes *bytes, const void *data, size_t size);

/* ---- answer.c ---- */

/* Is the status among those accepted?  "2xx", "404" */
bool http_is_accepted(const struct http_settings *settings, long status);

/* NULL: what `accept` and `headers` say can be done; else what is wrong with it. */
const char *http_settings_fault(const struct http_settings *settings);

/* Emit what the answer is, for the record in hand. */
enum flow_status http_emit(struct http_transfer *transfer, struct flow_stage *stage);

#endif /* STAGES_HTTP_CLIENT_H */
