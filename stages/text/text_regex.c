/* SPDX-License-Identifier: MIT */

/*
 * All matches of a record are found before anything of them is emitted: a record that PCRE2 gives
 * up on half-way is refused as a whole, and the size of what is made of the others is known.
 *
 * Patterns and records are UTF-8, so what a group holds is UTF-8, too, and can stand in JSON.
 */

#include <flowrun/stage.h>

#include <stdlib.h>

#include "shared/bytes.h"
#include "shared/cell.h"
#include "shared/json_scan.h"
#include "shared/regex.h"
#include "text/template.h"

enum { PORT_OUT, PORT_UNMATCHED };
enum { MODE_MATCH, MODE_EXTRACT, MODE_REPLACE };
enum { AS_OBJECT, AS_ARRAY, AS_TSV };

/* A group that is extracted. */
struct group {
    uint32_t number;
    char *prefix; /* what stands before its text: "name":, or a separator */
    size_t prefix_size;
};

struct regex {
    char *pattern;
    int mode;
    bool ignore_case;
    bool all;
    int as;
    bool numbers;
    char *replacement;

    struct flow_regex regex;
    uint32_t pairs; /* of offsets that a match has: itself and its groups */
    struct group *groups;
    size_t group_count;
    struct template template;
    size_t *spans;   /* the matches of the record in hand: pairs of offsets, `pairs` for each */
    size_t capacity; /* matches that have room there */
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct regex, pattern, FLOW_REQUIRED,
                   "regular expression as in Perl; it may match anywhere in a record"),
    FLOW_PARAM_ENUM(struct regex, mode, "match", "match|extract|replace",
                    "pass on what matches, or the groups of a match, or the record edited"),
    FLOW_PARAM_BOOL(struct regex, ignore_case, "false", "a and A are the same"),
    FLOW_PARAM_BOOL(struct regex, all, "false",
                    "extract and replace: every match in a record, not only the first"),
    FLOW_PARAM_ENUM(struct regex, as, "object", "object|array|tsv",
                    "extract: how to write the groups; those with names, if there are any"),
    FLOW_PARAM_BOOL(struct regex, numbers, "false",
                    "extract: what looks like a JSON number is one, without quotes"),
    FLOW_PARAM_STR(struct regex, replacement, "",
                   "replace: what takes the place of a match; $1, $<name>, $0, and $$ for a $"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "records to look at, as UTF-8"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "bytes", "records that match, or what is made of them; replace: all records"},
    {"unmatched", "bytes", "match and extract: the others, unchanged"},
    {NULL, NULL, NULL},
};

static enum flow_status no_memory(struct flow_stage *stage, const struct regex *r)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for pattern '%.200s'", r->pattern);
}

/* What stands before the text of a group: `,"name":`, or a separator. */
static bool write_prefix(const struct regex *r, struct group *group, const char *name)
{
    char number[FLOW_BYTES_DIGITS];
    size_t size = name != NULL ? strlen(name) : flow_bytes_put_number(group->number, number);
    group->prefix = malloc(size + 5);
    if (group->prefix == NULL)
        return false;
    group->prefix[0] = r->as == AS_TSV ? '\t' : ',';
    group->prefix_size = 1;
    if (r->as != AS_OBJECT)
        return true;
    group->prefix[1] = '"'; /* a name has letters, digits and _ only */
    memcpy(group->prefix + 2, name != NULL ? name : number, size);
    memcpy(group->prefix + 2 + size, "\":", 2);
    group->prefix_size = size + 4;
    return true;
}

static int by_number(const void *left, const void *right)
{
    const struct group *a = left;
    const struct group *b = right;
    return (a->number > b->number) - (a->number < b->number);
}

/* The groups that have names; or if none has, all; or if there are none, the match. */
static bool find_groups(struct regex *r)
{
    uint32_t names = 0;
    uint32_t size = 0;
    PCRE2_SPTR table = NULL;
    (void)pcre2_pattern_info(r->regex.code, PCRE2_INFO_NAMECOUNT, &names);
    (void)pcre2_pattern_info(r->regex.code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    (void)pcre2_pattern_info(r->regex.code, PCRE2_INFO_NAMETABLE, &table);
    const uint32_t first = r->pairs > 1 ? 1 : 0;
    r->group_count = names > 0 ? names : r->pairs - first;
    r->groups = calloc(r->group_count, sizeof(*r->groups));
    bool good = r->groups != NULL;
    for (uint32_t i = 0; good && i < r->group_count; i++) {
        PCRE2_SPTR entry = names > 0 ? table + (size_t)i * size : NULL;
        r->groups[i].number = names > 0 ? (uint32_t)(entry[0] << 8 | entry[1]) : first + i;
        good = write_prefix(r, &r->groups[i], names > 0 ? (const char *)entry + 2 : NULL);
    }
    if (!good)
        return false;
    qsort(r->groups, r->group_count, sizeof(*r->groups), by_number);
    if (r->as ==
        AS_TSV) /* no tab before the first cell; elsewhere a bracket takes the comma's place */
        r->groups[0].prefix_size = 0;
    return true;
}

static enum flow_status regex_open(void *self, struct flow_stage *stage)
{
    struct regex *r = self;
    struct flow_regex_fault fault = {.at = 0};
    const uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C |
                             (r->ignore_case ? PCRE2_CASELESS : 0);
    if (!flow_regex_compile(&r->regex, r->pattern, strlen(r->pattern), options, &fault))
        return flow_stage_fail(stage, FLOW_EINVAL, "pattern '%.200s', character %zu: %s",
                               r->pattern, fault.at + 1, fault.text);
    (void)pcre2_pattern_info(r->regex.code, PCRE2_INFO_CAPTURECOUNT, &r->pairs);
    r->pairs++;
    if (r->mode == MODE_EXTRACT && !find_groups(r))
        return no_memory(stage, r);
    const char *wrong = NULL;
    if (r->mode == MODE_REPLACE &&
        !template_read(&r->template, r->replacement, r->regex.code, &wrong))
        return flow_stage_fail(
            stage, FLOW_EINVAL,
            "'replacement': '%.200s', at '%.40s': the pattern has no such group; "
            "$1, $<name> and $0 are groups, $$ is a $",
            r->replacement, wrong);
    return FLOW_OK;
}

/* Keep the offsets of the match that was found last.  False: no memory. */
static bool keep_match(struct regex *r, size_t count, int found)
{
    if (count == r->capacity) {
        const size_t capacity = r->capacity > 0 ? r->capacity * 2 : 8;
        size_t *spans = realloc(r->spans, capacity * r->pairs * 2 * sizeof(*spans));
        if (spans == NULL)
            return false;
        r->spans = spans;
        r->capacity = capacity;
    }
    size_t *to = r->spans + count * r->pairs * 2;
    const size_t known =
        (size_t)found * 2; /* groups behind the last one that took part are unset */
    memcpy(to, pcre2_get_ovector_pointer(r->regex.match), known * sizeof(*to));
    for (size_t i = known; i < (size_t)r->pairs * 2; i++)
        to[i] = PCRE2_UNSET;
    return true;
}

/*
 * Find the first match or all of them.  *count: how many there are.  0, or the error of PCRE2.
 * After an empty match, the next one at the same place must not be empty.
 */
static int find_matches(struct regex *r, const struct flow_record *record, size_t *count)
{
    size_t from = 0;
    uint32_t options = 0;
    *count = 0;
    do {
        const int found = flow_regex_match(&r->regex, record->data, record->size, from, options);
        if (found == PCRE2_ERROR_NOMATCH)
            return 0;
        if (found < 0)
            return found;
        if (!keep_match(r, *count, found))
            return PCRE2_ERROR_NOMEMORY;
        const size_t *span = r->spans + *count * r->pairs * 2;
        from = span[1];
        options = span[0] == span[1] ? PCRE2_NOTEMPTY_ATSTART : 0;
        ++*count;
    } while (r->all);
    return 0;
}

/* At most so many bytes are made of a match. */
static size_t measure_groups(const struct regex *r, const char *data, const size_t *span)
{
    size_t size = 2;
    for (size_t i = 0; i < r->group_count; i++) {
        const size_t *pair = span + (size_t)r->groups[i].number * 2;
        const size_t own = pair[0] != PCRE2_UNSET ? pair[1] - pair[0] : 4;
        size += r->groups[i].prefix_size + 2;
        if (r->as == AS_TSV)
            size += own * 2;
        else if (own <= 1024)
            size += own * FLOW_JSON_ESCAPE_MAX;
        else
            size += flow_json_text_size(data + pair[0], own);
    }
    return size;
}

/* Is the text what JSON calls a number? */
static bool is_number(const char *text, size_t size)
{
    struct flow_json_scan scan = {.end = (const unsigned char *)text + size};
    const unsigned char *at = (const unsigned char *)text;
    return size > 0 && flow_json_number_(&scan, at) == scan.end;
}

static size_t put_json(const struct regex *r, const char *text, size_t size, char *out)
{
    if (r->numbers && is_number(text, size)) {
        memcpy(out, text, size);
        return size;
    }
    out[0] = '"';
    const size_t used = flow_json_put_text(text, size, out + 1);
    out[1 + used] = '"';
    return used + 2;
}

/* Write the groups of a match; the size. */
static size_t put_groups(const struct regex *r, const char *data, const size_t *span, char *out)
{
    char *to = out;
    for (size_t i = 0; i < r->group_count; i++) {
        const struct group *group = &r->groups[i];
        const size_t *pair = span + (size_t)group->number * 2;
        memcpy(to, group->prefix, group->prefix_size);
        to += group->prefix_size;
        const bool set = pair[0] != PCRE2_UNSET;
        if (set && r->as == AS_TSV) {
            to += flow_cell_put_tsv(data + pair[0], pair[1] - pair[0], to);
        } else if (set) {
            to += put_json(r, data + pair[0], pair[1] - pair[0], to);
        } else if (r->as != AS_TSV) {
            memcpy(to, "null", 4);
            to += 4;
        }
    }
    if (r->as != AS_TSV) {
        out[0] = r->as == AS_OBJECT ? '{' : '[';
        *to++ = r->as == AS_OBJECT ? '}' : ']';
    }
    return (size_t)(to - out);
}

static enum flow_status too_large(struct flow_stage *stage, uint32_t index, size_t size)
{
    return flow_batch_reject(stage, index, "%zu bytes would be made of it, more than a record has",
                             size);
}

static enum flow_status extract(struct regex *r, struct flow_stage *stage,
                                const struct flow_record *record, uint32_t index, size_t count)
{
    const struct flow_target target = {.key = record->key, .key_size = record->key_size};
    enum flow_status rc = FLOW_OK;
    for (size_t i = 0; rc == FLOW_OK && i < count; i++) {
        const size_t *span = r->spans + i * r->pairs * 2;
        const size_t size = measure_groups(r, record->data, span);
        if (size > FLOW_RECORD_MAX - record->key_size)
            return too_large(stage, index, size);
        char *room = flow_reserve(stage, PORT_OUT, size);
        if (room == NULL)
            return FLOW_EABORT;
        rc = flow_commit(stage, &target, put_groups(r, record->data, span, room));
    }
    return rc;
}

static enum flow_status replace(struct regex *r, struct flow_stage *stage,
                                const struct flow_record *record, uint32_t index, size_t count)
{
    const struct flow_target target = {.key = record->key, .key_size = record->key_size};
    const size_t step = (size_t)r->pairs * 2;
    size_t size = record->size;
    for (size_t i = 0; i < count; i++)
        size += template_size(&r->template, r->spans + i * step);
    if (size > FLOW_RECORD_MAX - record->key_size)
        return too_large(stage, index, size);
    char *room = flow_reserve(stage, PORT_OUT, size);
    if (room == NULL)
        return FLOW_EABORT;
    const char *data = record->data;
    char *to = room;
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t *span = r->spans + i * step;
        memcpy(to, data + from, span[0] - from);
        to += span[0] - from;
        to += template_put(&r->template, data, span, to);
        from = span[1];
    }
    memcpy(to, data + from, record->size - from);
    to += record->size - from;
    return flow_commit(stage, &target, (size_t)(to - room));
}

static enum flow_status refuse(const struct regex *r, struct flow_stage *stage, uint32_t index,
                               int error)
{
    struct flow_regex_fault fault;
    flow_regex_explain(error, &fault);
    return error == PCRE2_ERROR_NOMEMORY
               ? no_memory(stage, r)
               : flow_batch_reject(stage, index, "pattern '%.200s': %s", r->pattern, fault.text);
}

static enum flow_status match_record(struct regex *r, struct flow_stage *stage,
                                     const struct flow_record *record, uint32_t index)
{
    const int found = flow_regex_match(&r->regex, record->data, record->size, 0, 0);
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
        return refuse(r, stage, index, found);
    return flow_forward(stage, found >= 0 ? PORT_OUT : PORT_UNMATCHED, record);
}

static enum flow_status take_record(struct regex *r, struct flow_stage *stage,
                                    const struct flow_record *record, uint32_t index)
{
    if (r->mode == MODE_MATCH)
        return match_record(r, stage, record, index);
    size_t count;
    const int error = find_matches(r, record, &count);
    if (error < 0)
        return refuse(r, stage, index, error);
    if (count == 0)
        return flow_forward(stage, r->mode == MODE_EXTRACT ? PORT_UNMATCHED : PORT_OUT, record);
    return r->mode == MODE_EXTRACT ? extract(r, stage, record, index, count)
                                   : replace(r, stage, record, index, count);
}

static enum flow_status regex_process_batch(void *self, struct flow_stage *stage,
                                            const struct flow_batch *batch)
{
    enum flow_status rc = FLOW_OK;
    for (struct flow_cursor c = flow_batch_begin(batch); rc == FLOW_OK && flow_batch_next(&c);)
        rc = take_record(self, stage, &c.record, (uint32_t)(c.record.number - batch->number));
    return rc;
}

static void regex_close(void *self, struct flow_stage *stage)
{
    struct regex *r = self;
    (void)stage;
    for (size_t i = 0; r->groups != NULL && i < r->group_count; i++)
        free(r->groups[i].prefix);
    free(r->groups);
    free(r->spans);
    template_clear(&r->template);
    flow_regex_clear(&r->regex);
}

static const struct flow_stage_type regex = {
    .name = "text.regex",
    .help = "matches, extracts or replaces text by a regular expression",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .params = params,
    .state_size = sizeof(struct regex),
    .open = regex_open,
    .process_batch = regex_process_batch,
    .close = regex_close,
};

FLOW_PLUGIN(&regex);
