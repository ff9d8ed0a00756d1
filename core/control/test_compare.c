/* SPDX-License-Identifier: MIT */
#include "control/test_compare.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "graph/text.h"

struct comparing {
    const struct flow_graph_expect *expect;
    const struct flow_test_records *records;
    const char *path;
    struct flow_str *out;
};

/* The beginning of a line. */
static void begin(const struct comparing *c)
{
    flow_str_addf(c->out, "%s:%zu: '%s': ", c->path, c->expect->line, c->expect->label);
}

/* A record as a message can hold it. */
static struct flow_cut show(const struct flow_test_record *record)
{
    struct flow_cut cut = flow_cut_bytes(record->data, record->size);
    for (char *at = cut.text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    return cut;
}

static void add_value(const struct comparing *c, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text != NULL)
        flow_str_addf(c->out, "%s", flow_cut(text).text);
    else
        c->out->failed = true;
    free(text);
}

static bool is_same(const json_t *wanted, const struct flow_test_record *record)
{
    if (json_is_string(wanted))
        return json_string_length(wanted) == record->size &&
               memcmp(json_string_value(wanted), record->data, record->size) == 0;
    json_t *given = json_loadb(record->data, record->size, JSON_DECODE_ANY, NULL);
    const bool same = given != NULL && json_equal(wanted, given) == 1;
    json_decref(given);
    return same;
}

static void say_size(const struct comparing *c, size_t wanted)
{
    begin(c);
    flow_str_addf(c->out, "%zu %s came, where %zu %s expected\n", c->records->count,
                  c->records->count == 1 ? "record" : "records", wanted,
                  wanted == 1 ? "was" : "were");
}

/* In order: the first difference says most. */
static void compare_records(const struct comparing *c)
{
    const size_t wanted = json_array_size(c->expect->records);
    const size_t both = wanted < c->records->count ? wanted : c->records->count;
    size_t i = 0;
    while (i < both && is_same(json_array_get(c->expect->records, i), &c->records->items[i]))
        i++;
    if (wanted != c->records->count)
        say_size(c, wanted);
    if (i < both) {
        begin(c);
        flow_str_addf(c->out, "record %zu is \"%s\", not ", i + 1,
                      show(&c->records->items[i]).text);
        add_value(c, json_array_get(c->expect->records, i));
        flow_str_add(c->out, "\n");
    } else if (i < wanted) {
        begin(c);
        flow_str_addf(c->out, "record %zu is missing: ", i + 1);
        add_value(c, json_array_get(c->expect->records, i));
        flow_str_add(c->out, "\n");
    } else if (i < c->records->count) {
        begin(c);
        flow_str_addf(c->out, "record %zu is one too many: \"%s\"\n", i + 1,
                      show(&c->records->items[i]).text);
    }
}

/* Mark the first record that is `wanted` and not yet spoken for.  False: there is none. */
static bool claim(const struct comparing *c, const json_t *wanted, bool *claimed)
{
    for (size_t i = 0; i < c->records->count; i++) {
        if (claimed[i] || !is_same(wanted, &c->records->items[i]))
            continue;
        claimed[i] = true;
        return true;
    }
    return false;
}

/* Each of `wanted` has to be there, each for itself; with `all`, and nothing else. */
static void compare_set(const struct comparing *c, const json_t *wanted, bool all)
{
    size_t i;
    json_t *value;
    bool *claimed = flow_calloc(c->records->count + 1, sizeof(*claimed));
    if (claimed == NULL) {
        c->out->failed = true;
        return;
    }
    json_array_foreach(wanted, i, value) {
        if (claim(c, value, claimed))
            continue;
        begin(c);
        flow_str_add(c->out, "no record is ");
        add_value(c, value);
        flow_str_add(c->out, "\n");
    }
    for (size_t at = 0; all && at < c->records->count; at++) {
        if (claimed[at])
            continue;
        begin(c);
        flow_str_addf(c->out, "record %zu is not expected: \"%s\"\n", at + 1,
                      show(&c->records->items[at]).text);
    }
    free(claimed);
}

/* The first record that does not match. */
static void compare_pattern(const struct comparing *c, const char *pattern)
{
    regex_t compiled;
    if (regcomp(&compiled, pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        c->out->failed = true; /* it was checked with the graph: memory is short */
        return;
    }
    for (size_t i = 0; i < c->records->count; i++) {
        const struct flow_test_record *record = &c->records->items[i];
        char *text = flow_strndup(record->data, record->size);
        const bool matches = text != NULL && regexec(&compiled, text, 0, NULL, 0) == 0;
        c->out->failed = c->out->failed || text == NULL;
        free(text);
        if (matches)
            continue;
        begin(c);
        flow_str_addf(c->out, "record %zu does not match '%s': \"%s\"\n", i + 1,
                      flow_cut(pattern).text, show(record).text);
        break;
    }
    regfree(&compiled);
}

void flow_test_compare(const struct flow_graph_expect *expect,
                       const struct flow_test_records *records, const char *path,
                       struct flow_str *out)
{
    size_t i;
    json_t *pattern;
    const struct comparing c = {expect, records, path, out};
    if (expect->records != NULL)
        compare_records(&c);
    if (expect->unordered != NULL)
        compare_set(&c, expect->unordered, true);
    if (expect->contains != NULL)
        compare_set(&c, expect->contains, false);
    json_array_foreach(expect->matches, i, pattern) {
        compare_pattern(&c, json_string_value(pattern));
    }
    if (expect->count >= 0 && (uint64_t)expect->count != records->count)
        say_size(&c, (size_t)expect->count);
}
