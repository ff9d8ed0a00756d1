/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "http/client.h"

/* What becomes of an answer. */

/* Does "2xx" or "404" stand for the status?  Letters x stand for any digit. */
static bool matches(const char *pattern, long status)
{
    const char digits[3] = {(char)('0' + status / 100 % 10), (char)('0' + status / 10 % 10),
                            (char)('0' + status % 10)};
    for (size_t i = 0; i < 3; i++) {
        if (pattern[i] != 'x' && pattern[i] != digits[i])
            return false;
    }
    return true;
}

bool http_is_accepted(const struct http_settings *settings, long status)
{
    for (size_t i = 0; i < settings->accept.count; i++) {
        if (matches(settings->accept.items[i], status))
            return true;
    }
    return false;
}

const char *http_settings_fault(const struct http_settings *settings)
{
    for (size_t i = 0; i < settings->accept.count; i++) {
        const char *item = settings->accept.items[i];
        if (strlen(item) != 3 || strspn(item, "0123456789x") != 3)
            return "'accept' lists statuses of three digits, of which x is any, as 404 or 2xx";
    }
    for (size_t i = 0; i < settings->headers.count; i++) {
        const char *item = settings->headers.items[i];
        if (strchr(item, ':') == NULL || strpbrk(item, "\r\n") != NULL)
            return "'headers' lists lines of the form 'Name: value'";
    }
    return NULL;
}

static json_t *base64(const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t length = (size + 2) / 3 * 4;
    char *text = malloc(length + 1);
    if (text == NULL)
        return NULL;
    char *at = text;
    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const unsigned triple = (unsigned)bytes[i] << 16 |
                                (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                                (left > 2 ? bytes[i + 2] : 0u);
        *at++ = digits[triple >> 18];
        *at++ = digits[triple >> 12 & 63];
        *at++ = left > 1 ? digits[triple >> 6 & 63] : '=';
        *at++ = left > 2 ? digits[triple & 63] : '=';
    }
    json_t *json = json_stringn(text, length);
    free(text);
    return json;
}

/* "Name: value" lines as members with small letters; the last one of a name counts. */
static json_t *headers_json(const struct http_bytes *head)
{
    json_t *json = json_object();
    const char *line = head->size > 0 ? strchr(head->data, '\n') : NULL;
    for (; line != NULL && line[1] != '\0'; line = strchr(line + 1, '\n')) {
        const char *name = line + 1;
        const size_t size = strcspn(name, ":\r\n");
        char low[128];
        if (name[size] != ':' || size >= sizeof(low))
            continue;
        for (size_t i = 0; i < size; i++)
            low[i] = (char)tolower((unsigned char)name[i]);
        low[size] = '\0';
        const char *value = name + size + 1 + strspn(name + size + 1, " \t");
        (void)json_object_set_new(json, low, json_stringn(value, strcspn(value, "\r\n")));
    }
    return json;
}

static void add_text(json_t *json, const char *name, const char *text)
{
    if (text != NULL)
        (void)json_object_set_new(json, name, json_string(text));
}

static char *answer_json(const struct http_transfer *transfer)
{
    const bool full = transfer->client->settings->output == HTTP_JSON;
    json_t *json = json_object();
    long status = 0;
    char *type = NULL;
    char *last = NULL;
    double seconds = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_CONTENT_TYPE, &type);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_EFFECTIVE_URL, &last);
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME, &seconds);
    add_text(json, "url", transfer->url.data);
    if (last != NULL && strcmp(last, transfer->url.data) != 0)
        add_text(json, "redirected_to", last);
    (void)json_object_set_new(json, "status", json_integer(status));
    add_text(json, "type", type);
    (void)json_object_set_new(json, "size", json_integer((json_int_t)transfer->body.size));
    (void)json_object_set_new(json, "seconds", json_real(seconds));
    (void)json_object_set_new(json, "headers", headers_json(&transfer->head));
    const char *body = transfer->body.size > 0 ? transfer->body.data : "";
    json_t *text = full ? json_stringn(body, transfer->body.size) : NULL; /* NULL: not UTF-8 */
    if (text != NULL)
        (void)json_object_set_new(json, "body", text);
    else if (full)
        (void)json_object_set_new(json, "body_base64",
                                  base64((const unsigned char *)body, transfer->body.size));
    char *dump = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(json);
    return dump;
}

enum flow_status http_emit(struct http_transfer *transfer, struct flow_stage *stage)
{
    const struct flow_target to = {.key = transfer->url.data, .key_size = transfer->url.size};
    if (!flow_connected(stage, 0))
        return FLOW_OK;
    if (transfer->client->settings->output == HTTP_BODY)
        return flow_emit_to(stage, &to, transfer->body.size > 0 ? transfer->body.data : "",
                            transfer->body.size);
    char *text = answer_json(transfer);
    if (text == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for an answer");
    const enum flow_status rc = flow_emit_to(stage, &to, text, strlen(text));
    free(text);
    return rc;
}
