/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TOOLS_SUGGEST_H
#define FLOW_TOOLS_SUGGEST_H

#include <stddef.h>

/* The best of the words offered so far for "did you mean"; starts as {.word = "what was typed"}. */
struct suggestion {
    const char *word;
    const char *best; /* NULL: nothing is close */
    size_t distance;
};

/* At most a third of the letters may be wrong; a swap of neighbours counts as one. */
void suggestion_offer(struct suggestion *suggestion, const char *candidate);

#endif /* FLOW_TOOLS_SUGGEST_H */
