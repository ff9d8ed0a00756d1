/* SPDX-License-Identifier: MIT */
#ifndef FLOW_GRAPH_FIELD_H
#define FLOW_GRAPH_FIELD_H

/*
 * Reading one member of an object of a graph file.  Each function takes the node of the member,
 * which may be NULL: then the member is absent, nothing is reported and false is returned.  False
 * also means that the value does not fit, which is then a finding; `out` is untouched.
 *
 * Threads: none of their own.  Memory: texts are borrowed from the node.
 */

#include "base/str.h"
#include "graph/reader.h"

/* Words that may stand somewhere; lists end with NULL. */
struct flow_words {
    const char *const *known;
    const char *const *later; /* agreed on but not supported yet; NULL: none */
};

enum flow_own_keys { FLOW_NO_OWN_KEYS, FLOW_OWN_KEYS };

/* Report what is not an object; NULL is one without members. */
bool flow_field_is_object(struct flow_reader *r, const struct flow_node *node);

/* Report every member that is not one of `words`, or, with FLOW_OWN_KEYS, "x-...".  False: there is
 * one that is not even known for later. */
bool flow_field_check_keys(struct flow_reader *r, const struct flow_node *object,
                           const struct flow_words *words, enum flow_own_keys own);

bool flow_field_string(struct flow_reader *r, const struct flow_node *node, const char **out);
bool flow_field_bool(struct flow_reader *r, const struct flow_node *node, bool *out);
bool flow_field_int(struct flow_reader *r, const struct flow_node *node, int64_t min, int64_t max,
                    int64_t *out);
/* A size from 1 on. */
bool flow_field_size(struct flow_reader *r, const struct flow_node *node, uint64_t *out);
bool flow_field_duration(struct flow_reader *r, const struct flow_node *node, int64_t *ns);
/* One of words->known, by its index. */
bool flow_field_word(struct flow_reader *r, const struct flow_node *node,
                     const struct flow_words *words, int *out);

/* A copy of a string member into `out`, which was NULL. */
void flow_field_copy(struct flow_reader *r, const struct flow_node *node, char **out);

/* "did you mean 'x'?" where a close word exists; nothing else is done to `hint`. */
void flow_hint_closest(struct flow_str *hint, const char *word, const char *const *words);
/* "a, b, c" appended. */
void flow_hint_list(struct flow_str *out, const char *const *words);

#endif /* FLOW_GRAPH_FIELD_H */
