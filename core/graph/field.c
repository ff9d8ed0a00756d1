/* SPDX-License-Identifier: MIT */
#include "graph/field.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/units.h"
#include "graph/text.h"

/* What a node is called in a message: its key, or what its list is called. */
static struct flow_cut name_of(const struct flow_node *node)
{
    return flow_cut(node->key != NULL ? node->key : "an element of the list");
}

/* Absent, or wrong in a way that was reported before. */
static bool is_silent(const struct flow_node *node)
{
    return node == NULL || (node->broken && json_is_string(node->json));
}

static bool report_type(struct flow_reader *r, const struct flow_node *node, const char *accepted)
{
    if (node->key == NULL) {
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "an element of this list must be %s, not %s",
                      accepted, flow_show(node).text);
    } else {
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "'%s' must be %s, not %s", name_of(node).text,
                      accepted, flow_show(node).text);
    }
    return false;
}

static bool is_in(const char *word, const char *const *words)
{
    for (; words != NULL && *words != NULL; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

void flow_hint_closest(struct flow_str *hint, const char *word, const char *const *words)
{
    const char *closest = flow_str_closest(word, words);
    if (closest != NULL)
        flow_str_addf(hint, "did you mean '%s'?", closest);
}

void flow_hint_list(struct flow_str *out, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        flow_str_addf(out, "%s%s", i > 0 ? ", " : "", words[i]);
}

bool flow_field_is_object(struct flow_reader *r, const struct flow_node *node)
{
    if (node == NULL || json_is_object(node->json))
        return true;
    return !is_silent(node) && report_type(r, node, "an object");
}

static void report_unknown(struct flow_reader *r, const struct flow_node *member,
                           const struct flow_words *words)
{
    struct flow_str known = {0};
    struct flow_str hint = {0};
    flow_hint_list(&known, words->known);
    flow_hint_closest(&hint, member->key, words->known);
    if (known.failed || hint.failed)
        (void)flow_reader_no_memory(r);
    else
        flow_diag_add(r->diag, FLOW_AT_KEY(member), hint.text, "unknown key '%s'; known: %s",
                      flow_cut(member->key).text, known.text);
    flow_str_clear(&known);
    flow_str_clear(&hint);
}

bool flow_field_check_keys(struct flow_reader *r, const struct flow_node *object,
                           const struct flow_words *words, enum flow_own_keys own)
{
    bool good = true;
    if (object == NULL || !json_is_object(object->json))
        return true;
    for (size_t i = 0; i < object->count; i++) {
        const struct flow_node *member = &object->items[i];
        if (is_in(member->key, words->known) ||
            (own == FLOW_OWN_KEYS && strncmp(member->key, "x-", 2) == 0))
            continue;
        if (is_in(member->key, words->later)) {
            flow_diag_add(r->diag, FLOW_AT_KEY(member), NULL, "'%s' is not supported yet",
                          member->key);
        } else {
            report_unknown(r, member, words);
            good = false;
        }
    }
    return good;
}

bool flow_field_string(struct flow_reader *r, const struct flow_node *node, const char **out)
{
    if (is_silent(node))
        return false;
    if (!json_is_string(node->json))
        return report_type(r, node, "a string");
    *out = json_string_value(node->json);
    return true;
}

bool flow_field_bool(struct flow_reader *r, const struct flow_node *node, bool *out)
{
    if (is_silent(node))
        return false;
    if (!json_is_boolean(node->json))
        return report_type(r, node, "true or false");
    *out = json_is_true(node->json);
    return true;
}

bool flow_field_int(struct flow_reader *r, const struct flow_node *node, int64_t min, int64_t max,
                    int64_t *out)
{
    if (is_silent(node))
        return false;
    const int64_t value = json_integer_value(node->json);
    if (json_is_integer(node->json) && value >= min && value <= max) {
        *out = value;
        return true;
    }
    flow_diag_add(r->diag, FLOW_AT(node), NULL, "'%s' must be an integer from %lld to %lld, not %s",
                  name_of(node).text, (long long)min, (long long)max, flow_show(node).text);
    return false;
}

bool flow_field_size(struct flow_reader *r, const struct flow_node *node, uint64_t *out)
{
    if (is_silent(node))
        return false;
    uint64_t value = 0;
    if (json_is_integer(node->json) && json_integer_value(node->json) > 0)
        value = (uint64_t)json_integer_value(node->json);
    else if (!json_is_string(node->json) || !flow_parse_size(json_string_value(node->json), &value))
        value = 0;
    if (value == 0 || value > INT64_MAX)
        return report_type(r, node, "a size of at least one byte, as in 4096 or \"64KiB\"");
    *out = value;
    return true;
}

bool flow_field_duration(struct flow_reader *r, const struct flow_node *node, int64_t *ns)
{
    if (is_silent(node))
        return false;
    if (json_is_string(node->json) && flow_parse_duration(json_string_value(node->json), ns))
        return true;
    return report_type(r, node, "a duration, as in \"250ms\" or \"2s\"");
}

bool flow_field_word(struct flow_reader *r, const struct flow_node *node,
                     const struct flow_words *words, int *out)
{
    if (is_silent(node))
        return false;
    const char *word = json_string_value(node->json);
    for (int i = 0; word != NULL && words->known[i] != NULL; i++) {
        if (strcmp(word, words->known[i]) == 0) {
            *out = i;
            return true;
        }
    }
    if (word != NULL && is_in(word, words->later)) {
        flow_diag_add(r->diag, FLOW_AT(node), NULL, "'%s': \"%s\" is not supported yet",
                      name_of(node).text, word);
        return false;
    }

    struct flow_str known = {0};
    struct flow_str hint = {0};
    flow_hint_list(&known, words->known);
    if (word != NULL)
        flow_hint_closest(&hint, word, words->known);
    if (known.failed || hint.failed)
        (void)flow_reader_no_memory(r);
    else
        flow_diag_add(r->diag, FLOW_AT(node), hint.text, "'%s' must be one of %s, not %s",
                      name_of(node).text, known.text, flow_show(node).text);
    flow_str_clear(&known);
    flow_str_clear(&hint);
    return false;
}

void flow_field_copy(struct flow_reader *r, const struct flow_node *node, char **out)
{
    const char *text = NULL;
    if (!flow_field_string(r, node, &text))
        return;
    *out = flow_strdup(text);
    if (*out == NULL)
        (void)flow_reader_no_memory(r);
}
