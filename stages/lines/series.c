/* SPDX-License-Identifier: MIT */
#include "lines/series.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "shared/bytes.h"
#include "shared/file.h"
#include "shared/text.h"

#define USUAL_TIME "%Y%m%dT%H%M%SZ"
#define FORMAT_MOST 64 /* bytes of a format of strftime, and of what it makes */

enum word_kind { WORD_TEXT, WORD_NUMBER, WORD_TIME, WORD_WRONG };

/* A piece of the path. */
struct word {
    enum word_kind kind;
    const char *text;
    size_t size;
    size_t width;
    char format[FORMAT_MOST];
};

/* The format is the user's: it is checked before it is used, and can do no more than be wrong. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t write_time(char made[FORMAT_MOST], const char *format, const struct tm *parts)
{
    return strftime(made, FORMAT_MOST, format, parts);
}
#pragma GCC diagnostic pop

/* What stands between braces. */
static enum word_kind parse_braces(struct word *word, const char *text, size_t size)
{
    uint64_t width = 0;
    size_t used = 0;
    if (size == 1 && text[0] == 'n')
        return WORD_NUMBER;
    if (size > 2 && memcmp(text, "n:", 2) == 0 &&
        flow_bytes_number(text + 2, size - 2, &width, &used) && used == size - 2 &&
        width <= FLOW_BYTES_DIGITS) {
        word->width = (size_t)width;
        return WORD_NUMBER;
    }
    if (size < 4 || memcmp(text, "time", 4) != 0 || (size > 4 && text[4] != ':'))
        return WORD_WRONG;
    const char *format = size > 5 ? text + 5 : USUAL_TIME;
    const size_t format_size = size > 5 ? size - 5 : strlen(USUAL_TIME);
    if (format_size >= sizeof(word->format))
        return WORD_WRONG;
    memcpy(word->format, format, format_size);
    word->format[format_size] = '\0';
    return WORD_TIME;
}

/* The next piece; false: there is none. */
static bool next_word(const char **at, struct word *word)
{
    const char *start = *at;
    *word = (struct word){.kind = WORD_TEXT, .text = start};
    if (*start == '\0')
        return false;
    if (*start != '{') {
        word->size = strcspn(start, "{");
        *at = start + word->size;
        return true;
    }
    if (start[1] == '{') {
        word->size = 1;
        *at = start + 2;
        return true;
    }
    const char *end = strchr(start, '}');
    word->size = end != NULL ? (size_t)(end - start) + 1 : strlen(start);
    word->kind = end != NULL ? parse_braces(word, start + 1, word->size - 2) : WORD_WRONG;
    *at = start + word->size;
    return true;
}

static enum flow_status check_word(struct flow_series *series, struct flow_stage *stage,
                                   const struct word *word)
{
    char sample[FORMAT_MOST];
    const struct tm parts = {.tm_mday = 1, .tm_year = 100, .tm_wday = 6};
    if (word->kind == WORD_WRONG)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'path': %.*s is neither {n}, {n:4}, {time} nor {time:FORMAT}; {{ "
                               "is a brace",
                               (int)word->size, word->text);
    series->numbered = series->numbered || word->kind == WORD_NUMBER;
    series->timed = series->timed || word->kind == WORD_TIME;
    if (word->kind != WORD_TIME)
        return FLOW_OK;
    const size_t size = write_time(sample, word->format, &parts);
    if (size == 0 || memchr(sample, '/', size) != NULL)
        return flow_stage_fail(stage, FLOW_EINVAL, "'path': %.*s makes no name of a file: it is %s",
                               (int)word->size, word->text,
                               size == 0 ? "empty or too long" : sample);
    return FLOW_OK;
}

enum flow_status flow_series_init(struct flow_series *series, struct flow_stage *stage,
                                  const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *brace = strchr(path, '{');
    *series = (struct flow_series){.path = path,
                                   .folder_size = slash != NULL ? (size_t)(slash - path) + 1 : 0};
    if (slash != NULL && brace != NULL && brace < slash)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'path': a '{' stands before the last '/' of '%s': only the name of "
                               "the file may have {n} and {time}",
                               path);
    enum flow_status rc = FLOW_OK;
    struct word word;
    for (const char *at = path; rc == FLOW_OK && next_word(&at, &word);)
        rc = check_word(series, stage, &word);
    return rc;
}

char *flow_series_make(const struct flow_series *series, uint64_t number, int64_t seconds)
{
    struct flow_text text = {0};
    struct word word;
    const time_t when = (time_t)seconds;
    struct tm parts;
    if (gmtime_r(&when, &parts) == NULL)
        return NULL;
    for (const char *at = series->path; next_word(&at, &word);) {
        char made[FORMAT_MOST];
        size_t size = 0;
        if (word.kind == WORD_NUMBER)
            size = (size_t)snprintf(made, sizeof(made), "%0*llu", (int)word.width,
                                    (unsigned long long)number);
        else if (word.kind == WORD_TIME)
            size = write_time(made, word.format, &parts);
        flow_text_add(&text, word.kind == WORD_TEXT ? word.text : made,
                      word.kind == WORD_TEXT ? word.size : size);
    }
    flow_text_add(&text, "", 1);
    if (!text.failed)
        return text.at;
    flow_text_clear(&text);
    return NULL;
}

bool flow_series_match(const struct flow_series *series, const char *name, uint64_t *place)
{
    struct word word;
    struct tm parts = {.tm_mday = 1};
    uint64_t number = 0;
    for (const char *at = series->path + series->folder_size; next_word(&at, &word);) {
        size_t used = 0;
        if (word.kind == WORD_TIME) {
            name = strptime(name, word.format, &parts);
            if (name == NULL)
                return false;
        } else if (word.kind == WORD_NUMBER) {
            if (!flow_bytes_number(name, strlen(name), &number, &used))
                return false;
        } else {
            used = word.size;
            if (strncmp(name, word.text, used) != 0)
                return false;
        }
        name += used;
    }
    *place = series->numbered ? number : (uint64_t)timegm(&parts);
    return *name == '\0';
}

/* ---- the files that are there ---- */

/* One of them. */
struct member {
    uint64_t place;
    char *name;
};

struct members {
    struct member *items;
    size_t count, capacity;
};

static void members_clear(struct members *members)
{
    for (size_t i = 0; i < members->count; i++)
        free(members->items[i].name);
    free(members->items);
}

static bool members_add(struct members *members, const char *name, uint64_t place)
{
    if (members->count == members->capacity) {
        const size_t capacity = members->capacity == 0 ? 16 : members->capacity * 2;
        struct member *items = realloc(members->items, capacity * sizeof(*items));
        if (items == NULL)
            return false;
        members->items = items;
        members->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return false;
    members->items[members->count++] = (struct member){place, copy};
    return true;
}

static enum flow_status look_fail(struct flow_stage *stage, const char *folder)
{
    return flow_file_fail(stage, "look into", folder);
}

/* All files of the series, and the descriptor of their folder. */
static enum flow_status members_find(struct members *members, const struct flow_series *series,
                                     struct flow_stage *stage, DIR **folder)
{
    char *path = series->folder_size > 0 ? strndup(series->path, series->folder_size) : strdup(".");
    *folder = path != NULL ? opendir(path) : NULL;
    enum flow_status rc = *folder != NULL ? FLOW_OK : look_fail(stage, path != NULL ? path : ".");
    free(path);
    const struct dirent *entry;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the folder is this call's own */
    while (rc == FLOW_OK && (entry = readdir(*folder)) != NULL) {
        uint64_t place;
        if (flow_series_match(series, entry->d_name, &place) &&
            !members_add(members, entry->d_name, place))
            rc = flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
    }
    return rc;
}

enum flow_status flow_series_last(const struct flow_series *series, struct flow_stage *stage,
                                  uint64_t *number)
{
    struct members members = {0};
    DIR *folder = NULL;
    const enum flow_status rc = members_find(&members, series, stage, &folder);
    *number = 0;
    for (size_t i = 0; series->numbered && i < members.count; i++)
        *number = members.items[i].place > *number ? members.items[i].place : *number;
    members_clear(&members);
    if (folder != NULL)
        (void)closedir(folder);
    return rc;
}

static int compare_members(const void *a, const void *b)
{
    const struct member *left = a;
    const struct member *right = b;
    if (left->place != right->place)
        return left->place < right->place ? -1 : 1;
    return strcmp(left->name, right->name);
}

enum flow_status flow_series_prune(const struct flow_series *series, struct flow_stage *stage,
                                   size_t keep)
{
    struct members members = {0};
    DIR *folder = NULL;
    enum flow_status rc = members_find(&members, series, stage, &folder);
    if (rc == FLOW_OK && members.count > keep)
        qsort(members.items, members.count, sizeof(*members.items), compare_members);
    for (size_t i = 0; rc == FLOW_OK && i + keep < members.count; i++) {
        if (unlinkat(dirfd(folder), members.items[i].name, 0) != 0 && errno != ENOENT)
            rc = flow_file_fail(stage, "remove", members.items[i].name);
    }
    members_clear(&members);
    if (folder != NULL)
        (void)closedir(folder);
    return rc;
}
