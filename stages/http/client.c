/* SPDX-License-Identifier: MIT */
#include "http/client.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define CURL_TAG 0 /* of libcurl's own timer; those of transfers have their addresses */
#define KEEP_BYTES ((size_t)256 << 10)

bool http_bytes_add(struct http_bytes *bytes, const void *data, size_t size)
{
    if (bytes->capacity - bytes->size <= size) {
        size_t capacity = bytes->capacity < 1024 ? 1024 : bytes->capacity;
        while (capacity - bytes->size <= size)
            capacity *= 2;
        char *wider = realloc(bytes->data, capacity);
        if (wider == NULL)
            return false;
        bytes->data = wider;
        bytes->capacity = capacity;
    }
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    bytes->data[bytes->size] = '\0';
    return true;
}

static void bytes_empty(struct http_bytes *bytes)
{
    if (bytes->capacity > KEEP_BYTES) {
        free(bytes->data);
        *bytes = (struct http_bytes){0};
    }
    bytes->size = 0;
}

/* ---- what libcurl calls ---- */

static size_t on_body(char *data, size_t one, size_t count, void *context)
{
    struct http_transfer *transfer = context;
    const size_t size = one * count;
    transfer->too_large = size > transfer->client->settings->max_size - transfer->body.size;
    if (transfer->too_large)
        return 0;
    transfer->no_memory = !http_bytes_add(&transfer->body, data, size);
    return transfer->no_memory ? 0 : size;
}

/* Only the last answer's, if some were redirections. */
static size_t on_head(char *data, size_t one, size_t count, void *context)
{
    struct http_transfer *transfer = context;
    if (transfer->client->settings->output == HTTP_BODY)
        return one * count;
    if (one * count > 5 && memcmp(data, "HTTP/", 5) == 0)
        bytes_empty(&transfer->head);
    transfer->no_memory = !http_bytes_add(&transfer->head, data, one * count);
    return transfer->no_memory ? 0 : one * count;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct http_client *client = context;
    unsigned events = 0;
    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE) {
        flow_unwatch(client->stage, fd);
        return 0;
    }
    events |= what != CURL_POLL_OUT ? POLLIN : 0;
    events |= what != CURL_POLL_IN ? POLLOUT : 0;
    const enum flow_status rc = flow_watch(client->stage, fd, events, (uint64_t)fd);
    client->failed = client->failed == FLOW_OK ? rc : client->failed;
    return 0;
}

static int on_timer(CURLM *multi, long after_ms, void *context)
{
    struct http_client *client = context;
    (void)multi;
    const enum flow_status rc =
        flow_timer(client->stage, CURL_TAG, after_ms < 0 ? -1 : (int64_t)after_ms * 1000000);
    client->failed = client->failed == FLOW_OK ? rc : client->failed;
    return 0;
}

/* ---- transfers ---- */

static long to_ms(int64_t ns)
{
    return (long)((ns + 999999) / 1000000);
}

static void set_usual(const struct http_client *client, CURL *easy)
{
    const struct http_settings *settings = client->settings;
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, to_ms(settings->timeout));
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, to_ms(settings->connect_timeout));
    (void)curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, settings->follow > 0 ? 1L : 0L);
    (void)curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)settings->follow);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, settings->user_agent);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, client->headers);
#if LIBCURL_VERSION_NUM >= 0x075500
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

static struct http_transfer *new_transfer(struct http_client *client)
{
    struct http_transfer *transfer = calloc(1, sizeof(*transfer));
    CURL *easy = transfer != NULL ? curl_easy_init() : NULL;
    if (easy == NULL) {
        free(transfer);
        return NULL;
    }
    transfer->easy = easy;
    transfer->client = client;
    transfer->all = client->all;
    client->all = transfer;
    set_usual(client, easy);
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    return transfer;
}

static struct http_transfer *take_idle(struct http_client *client)
{
    struct http_transfer *transfer = client->idle;
    if (transfer == NULL)
        return new_transfer(client);
    client->idle = transfer->next;
    return transfer;
}

static void put_idle(struct http_client *client, struct http_transfer *transfer)
{
    bytes_empty(&transfer->body);
    bytes_empty(&transfer->head);
    bytes_empty(&transfer->url);
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    transfer->token = NULL;
    transfer->next = client->idle;
    client->idle = transfer;
}

/* Begin, or begin again. */
static bool begin(struct http_client *client, struct http_transfer *transfer)
{
    transfer->body.size = transfer->head.size = 0;
    transfer->error[0] = '\0';
    transfer->too_large = transfer->no_memory = false;
    return curl_multi_add_handle(client->multi, transfer->easy) == CURLM_OK;
}

static enum flow_status no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a request");
}

enum flow_status http_client_start(struct http_client *client, struct flow_stage *stage,
                                   const struct flow_record *record, const char *url,
                                   size_t url_size)
{
    client->stage = stage;
    client->failed = FLOW_OK;
    struct http_transfer *transfer = take_idle(client);
    if (transfer == NULL)
        return no_memory(stage);
    transfer->token = flow_hold(stage, record);
    if (transfer->token == NULL) {
        put_idle(client, transfer);
        return FLOW_EABORT;
    }
    transfer->token->own = transfer;
    transfer->tries = 0;
    if (!http_bytes_add(&transfer->url, url, url_size) ||
        curl_easy_setopt(transfer->easy, CURLOPT_URL, transfer->url.data) != CURLE_OK ||
        (client->prepare != NULL && !client->prepare(client->owner, transfer)) ||
        !begin(client, transfer)) {
        put_idle(client, transfer);
        return no_memory(stage);
    }
    return client->failed;
}

/* ---- the end of one ---- */

/* Would another try help? */
static bool is_passing(const struct http_transfer *transfer, CURLcode code, long status)
{
    if (transfer->too_large || transfer->no_memory)
        return false;
    switch (code) {
    case CURLE_OK:
        return status == 408 || status == 429 || status >= 500;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
        return true;
    default:
        return false;
    }
}

static enum flow_status judge(struct http_transfer *transfer, struct flow_stage *stage,
                              CURLcode code, long status)
{
    const char *url = transfer->url.data;
    if (transfer->no_memory)
        return no_memory(stage);
    if (transfer->too_large)
        return flow_reject(stage, "%.200s: the answer is larger than max_size (%llu bytes)", url,
                           (unsigned long long)transfer->client->settings->max_size);
    if (code != CURLE_OK)
        return flow_reject(stage, "%.200s: %s", url,
                           transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code));
    if (!http_is_accepted(transfer->client->settings, status))
        return flow_reject(stage, "%.200s: the server answers %ld", url, status);
    return http_emit(transfer, stage);
}

static enum flow_status finish(struct http_client *client, struct http_transfer *transfer,
                               CURLcode code)
{
    struct flow_stage *stage = client->stage;
    const struct http_settings *settings = client->settings;
    long status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_multi_remove_handle(client->multi, transfer->easy);
    const bool good = code == CURLE_OK && http_is_accepted(settings, status);
    if (!good && transfer->tries < settings->retries && is_passing(transfer, code, status)) {
        const int64_t wait = settings->backoff << (transfer->tries < 16 ? transfer->tries : 16);
        transfer->tries++;
        return flow_timer(stage, (uint64_t)(uintptr_t)transfer, wait);
    }
    enum flow_status rc = flow_resume(stage, transfer->token);
    if (rc == FLOW_OK)
        rc = flow_done(stage, transfer->token, judge(transfer, stage, code, status));
    put_idle(client, transfer);
    return rc;
}

static enum flow_status finish_some(struct http_client *client)
{
    enum flow_status rc = client->failed;
    CURLMsg *message;
    int left;
    while (rc == FLOW_OK && (message = curl_multi_info_read(client->multi, &left)) != NULL) {
        struct http_transfer *transfer = NULL;
        const CURLcode code = message->data.result;
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        rc = finish(client, transfer, code);
    }
    return rc;
}

enum flow_status http_client_ready(struct http_client *client, struct flow_stage *stage,
                                   uint64_t tag, unsigned events)
{
    int running;
    int mask = 0;
    client->stage = stage;
    client->failed = FLOW_OK;
    if (events == 0 && tag != CURL_TAG) {
        struct http_transfer *transfer = (struct http_transfer *)(uintptr_t)tag;
        return begin(client, transfer) ? client->failed : no_memory(stage);
    }
    mask |= (events & (POLLIN | POLLHUP)) != 0 ? CURL_CSELECT_IN : 0;
    mask |= (events & POLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
    mask |= (events & POLLERR) != 0 ? CURL_CSELECT_ERR : 0;
    (void)curl_multi_socket_action(
        client->multi, events != 0 ? (curl_socket_t)tag : CURL_SOCKET_TIMEOUT, mask, &running);
    return finish_some(client);
}

void http_client_drop(struct http_client *client, struct flow_stage *stage,
                      struct flow_token *token)
{
    struct http_transfer *transfer = token->own;
    client->stage = stage;
    (void)flow_timer(stage, (uint64_t)(uintptr_t)transfer, -1);
    (void)curl_multi_remove_handle(client->multi, transfer->easy);
    put_idle(client, transfer);
}

/* ---- beginning and end ---- */

enum flow_status http_client_open(struct http_client *client, struct flow_stage *stage,
                                  const struct http_settings *settings)
{
    const char *fault = http_settings_fault(settings);
    if (fault != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "%s", fault);
    client->settings = settings;
    client->stage = stage;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return no_memory(stage);
    for (size_t i = 0; i < settings->headers.count; i++) {
        struct curl_slist *more = curl_slist_append(client->headers, settings->headers.items[i]);
        if (more == NULL)
            return no_memory(stage);
        client->headers = more;
    }
    client->multi = curl_multi_init();
    if (client->multi == NULL)
        return no_memory(stage);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    (void)curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    (void)curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)settings->concurrency);
    (void)curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)settings->per_host);
    flow_hold_most(stage, (size_t)settings->concurrency);
    return FLOW_OK;
}

void http_client_close(struct http_client *client, struct flow_stage *stage)
{
    client->stage = stage;
    while (client->all != NULL) {
        struct http_transfer *transfer = client->all;
        client->all = transfer->all;
        if (client->multi != NULL)
            (void)curl_multi_remove_handle(client->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
        curl_slist_free_all(transfer->headers);
        free(transfer->url.data);
        free(transfer->body.data);
        free(transfer->head.data);
        free(transfer);
    }
    if (client->multi != NULL)
        (void)curl_multi_cleanup(client->multi);
    curl_slist_free_all(client->headers);
}
