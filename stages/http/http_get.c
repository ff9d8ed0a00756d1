/* SPDX-License-Identifier: MIT */
#include <jansson.h>
#include <stdlib.h>

#include "http/client.h"

#define URL_MOST ((size_t)64 << 10)

struct get {
    struct http_settings settings; /* first: HTTP_PARAMS are of it */
    char *url;
    struct http_client client;
};

static const struct flow_param params[] = {
    HTTP_PARAMS,
    FLOW_PARAM_STR(struct get, url, NULL, "member of JSON records that holds the URL, as '/url'"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "URLs, or JSON objects where 'url' says so"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "what the server answers; the key is the URL"},
    {NULL, NULL, NULL},
};

static enum flow_status get_open(void *self, struct flow_stage *stage)
{
    struct get *g = self;
    if (g->url != NULL && g->url[0] != '/')
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'url' is '%s'; a JSON pointer begins with '/', as '/url'", g->url);
    return http_client_open(&g->client, stage, &g->settings);
}

static enum flow_status start(struct get *g, struct flow_stage *stage,
                              const struct flow_record *record, const char *url, size_t size)
{
    while (size > 0 && (url[size - 1] == '\r' || url[size - 1] == ' '))
        size--;
    if (size == 0)
        return flow_reject(stage, "the URL is empty");
    if (size > URL_MOST)
        return flow_reject(stage, "a URL of %zu bytes is too long; the most is %zu", size,
                           URL_MOST);
    if (memchr(url, '\0', size) != NULL)
        return flow_reject(stage, "the URL has a byte 0");
    return http_client_start(&g->client, stage, record, url, size);
}

/* What the pointer finds: objects only, without escapes. */
static const json_t *find(const json_t *json, const char *pointer)
{
    while (json != NULL && *pointer == '/') {
        const size_t size = strcspn(pointer + 1, "/");
        char *name = strndup(pointer + 1, size);
        json = name != NULL ? json_object_get(json, name) : NULL;
        free(name);
        pointer += size + 1;
    }
    return json;
}

static enum flow_status start_json(struct get *g, struct flow_stage *stage,
                                   const struct flow_record *record)
{
    json_error_t error;
    json_t *json = json_loadb(record->data, record->size, 0, &error);
    if (json == NULL)
        return flow_reject(stage, "not JSON: %s", error.text);
    const json_t *url = find(json, g->url);
    const enum flow_status rc =
        json_is_string(url)
            ? start(g, stage, record, json_string_value(url), json_string_length(url))
            : flow_reject(stage, "there is no text at '%s', where the URL should be", g->url);
    json_decref(json);
    return rc;
}

static enum flow_status get_process(void *self, struct flow_stage *stage,
                                    const struct flow_record *record)
{
    struct get *g = self;
    return g->url != NULL ? start_json(g, stage, record)
                          : start(g, stage, record, record->data, record->size);
}

static enum flow_status get_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                  unsigned events)
{
    struct get *g = self;
    return http_client_ready(&g->client, stage, tag, events);
}

static void get_drop(void *self, struct flow_stage *stage, struct flow_token *token)
{
    struct get *g = self;
    http_client_drop(&g->client, stage, token);
}

static void get_close(void *self, struct flow_stage *stage)
{
    struct get *g = self;
    http_client_close(&g->client, stage);
}

static const struct flow_stage_type get = {
    .name = "http.get",
    .help = "downloads what URLs lead to, many at a time in one thread",
    .role = FLOW_WORKER,
    .traits = FLOW_OUTSIDE,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct get),
    .open = get_open,
    .process = get_process,
    .ready = get_ready,
    .drop = get_drop,
    .close = get_close,
};

FLOW_PLUGIN(&get);
