/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "http/client.h"

struct post {
    struct http_settings settings; /* first: HTTP_PARAMS are of it */
    char *url, *content_type, *number_header;
    int method;
    struct http_client client;
    char *type_header;
};

static const char *const methods[] = {"POST", "PUT", "PATCH"};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct post, url, FLOW_REQUIRED, "where to"),
    FLOW_PARAM_ENUM(struct post, method, "post", "post|put|patch", "how"),
    FLOW_PARAM_STR(struct post, content_type, "application/octet-stream", "what records are"),
    FLOW_PARAM_STR(struct post, number_header, NULL,
                   "header that says which record it is, so that doubles are seen"),
    HTTP_PARAMS,
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "the body of a request each"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "what the server answers; the key is the URL"},
    {NULL, NULL, NULL},
};

static bool add_header(struct http_transfer *transfer, const char *line)
{
    struct curl_slist *more = curl_slist_append(transfer->headers, line);
    if (more == NULL)
        return false;
    transfer->headers = more;
    return true;
}

/* "Idempotency-Key: stage-0-0-17": replica, port and number, the same when it is sent again. */
static bool add_number(const struct post *p, struct http_transfer *transfer)
{
    const struct flow_info *info = flow_stage_info(transfer->client->stage);
    const struct flow_record *record = &transfer->token->record;
    char line[512];
    const int size = snprintf(line, sizeof(line), "%s: %s-%u-%u-%llu", p->number_header, info->name,
                              info->replica, record->port, (unsigned long long)record->number);
    return size > 0 && (size_t)size < sizeof(line) && add_header(transfer, line);
}

/* The bytes are the token's, which stays until the request has ended. */
static bool prepare(void *owner, struct http_transfer *transfer)
{
    const struct post *p = owner;
    CURL *easy = transfer->easy;
    const struct flow_record *record = &transfer->token->record;
    bool good = add_header(transfer, p->type_header) && add_header(transfer, "Expect:");
    if (good && p->number_header != NULL)
        good = add_number(p, transfer);
    for (size_t i = 0; i < p->settings.headers.count && good; i++)
        good = add_header(transfer, p->settings.headers.items[i]);
    return good && curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, methods[p->method]) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)record->size) ==
               CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_POSTFIELDS, record->data) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK;
}

static enum flow_status post_open(void *self, struct flow_stage *stage)
{
    struct post *p = self;
    if (p->number_header != NULL && strpbrk(p->number_header, ": \r\n") != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "'number_header' is '%s', not a header's name",
                               p->number_header);
    if (strpbrk(p->content_type, "\r\n") != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "'content_type' has a line end in it");
    if (asprintf(&p->type_header, "Content-Type: %s", p->content_type) < 0)
        p->type_header = NULL;
    if (p->type_header == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a header");
    p->client.prepare = prepare;
    p->client.owner = p;
    return http_client_open(&p->client, stage, &p->settings);
}

static enum flow_status post_process(void *self, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    struct post *p = self;
    return http_client_start(&p->client, stage, record, p->url, strlen(p->url));
}

static enum flow_status post_ready(void *self, struct flow_stage *stage, uint64_t tag,
                                   unsigned events)
{
    struct post *p = self;
    return http_client_ready(&p->client, stage, tag, events);
}

static void post_drop(void *self, struct flow_stage *stage, struct flow_token *token)
{
    struct post *p = self;
    http_client_drop(&p->client, stage, token);
}

static void post_close(void *self, struct flow_stage *stage)
{
    struct post *p = self;
    http_client_close(&p->client, stage);
    free(p->type_header);
}

static const struct flow_stage_type post = {
    .name = "http.post",
    .help = "sends records to a server, many at a time in one thread",
    .role = FLOW_EITHER,
    .traits = FLOW_OUTSIDE,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct post),
    .open = post_open,
    .process = post_process,
    .ready = post_ready,
    .drop = post_drop,
    .close = post_close,
};

FLOW_PLUGIN(&post);
