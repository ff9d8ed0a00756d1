/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_TEMPLATE_H
#define FLOW_STAGES_TEMPLATE_H

/*
 * What takes the place of a match: text with groups of the match in it.  $1 or $<1> is a group by
 * its number, $<name> or $name one by its name, $0 the match, $$ a dollar sign.
 *
 * Threads: one.  Memory: a template that is all zeros holds nothing; the text that it was read from
 * is borrowed.
 */

#include <stdbool.h>
#include <stddef.h>

#include "shared/regex.h"

struct template_piece {
    const char *text; /* NULL: a group */
    size_t size;      /* of the text, bytes */
    uint32_t group;
};

struct template
{
    struct template_piece *pieces;
    size_t count;
    size_t text_size; /* of all texts */
};

/*
 * Read it.  False: `*wrong` is where a group begins that the pattern does not have, or where there
 * is none after a dollar sign; or memory is short, then it is the beginning.
 */
bool template_read(struct template *template, const char *text, const pcre2_code *code,
                   const char **wrong);

/* How many bytes it makes of a match with these offsets. */
size_t template_size(const struct template *template, const size_t *span);

/* Write them; their number. */
size_t template_put(const struct template *template, const char *data, const size_t *span,
                    char *out);

void template_clear(struct template *template);

#endif /* FLOW_STAGES_TEMPLATE_H */
