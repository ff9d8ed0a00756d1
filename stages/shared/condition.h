/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_CONDITION_H
#define FLOW_STAGES_CONDITION_H

/*
 * Conditions about a JSON document, as a user writes them into a graph:
 *
 *     /status >= 500 and not (/path matches "^/health" or exists /debug)
 *
 *     condition  := both { "or" both }
 *     both       := one { "and" one }
 *     one        := "not" one | "(" condition ")" | "exists" pointer
 *                 | operand ("==" | "!=" | "<" | "<=" | ">" | ">=") operand
 *                 | pointer "matches" string
 *     operand    := pointer | string | number | "true" | "false" | "null"
 *     pointer    := a JSON pointer up to a blank or one of ( ) = ! < >, or in single quotes
 *
 * Strings and numbers are written as in JSON.  Only values of the same type are equal, smaller or
 * larger; strings by their bytes, numbers by their value.  A pointer that finds nothing, an object
 * or a list differs from everything.
 *
 * Threads: a condition belongs to one.  Memory: one that is all zeros holds nothing.
 */

#include "shared/json_scan.h"

struct condition_term;

struct condition {
    struct condition_term *terms; /* in an order in which each comes after those that it joins */
    size_t count, capacity;
    size_t first;  /* the term that says it all */
    char *room[2]; /* scratch for the two sides of a comparison */
    size_t room_size[2];
};

/* What is wrong with a condition, and where: the character, from 1 on. */
struct condition_fault {
    char text[320];
    size_t at;
};

/* Read a condition.  What it points to is added to `paths`.  False: it is wrong. */
bool condition_read(struct condition *condition, const char *text, struct flow_json_paths *paths,
                    struct condition_fault *fault);

/*
 * Does it hold for the values that were found, by the slots of `paths`?  1, 0; -1: that cannot be
 * said, for a reason that is in `fault`.
 */
int condition_holds(struct condition *condition, const struct flow_json_value *values,
                    struct condition_fault *fault);

void condition_clear(struct condition *condition);

#endif /* FLOW_STAGES_CONDITION_H */
