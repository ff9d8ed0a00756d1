/* SPDX-License-Identifier: MIT */
#include "suggest.h"

#include <stdbool.h>
#include <string.h>

/* Longer words get no suggestion. */
#define LONGEST 32

static size_t least(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Optimal string alignment distance (Damerau, without a second edit of what was swapped). */
static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t row[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= a_size; i++)
        row[i][0] = i;
    for (size_t j = 0; j <= b_size; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        for (size_t j = 1; j <= b_size; j++) {
            const size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            row[i][j] = least(row[i - 1][j] + 1, row[i][j - 1] + 1, row[i - 1][j - 1] + cost);
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && row[i - 2][j - 2] + 1 < row[i][j])
                row[i][j] = row[i - 2][j - 2] + 1;
        }
    }
    return row[a_size][b_size];
}

void suggestion_offer(struct suggestion *suggestion, const char *candidate)
{
    const size_t size = strlen(suggestion->word);
    const size_t candidate_size = strlen(candidate);
    if (size > LONGEST || candidate_size > LONGEST)
        return;
    const size_t wrong = distance(suggestion->word, size, candidate, candidate_size);
    const size_t longer = size > candidate_size ? size : candidate_size;
    if (wrong * 3 > longer || (suggestion->best != NULL && wrong >= suggestion->distance))
        return;
    suggestion->best = candidate;
    suggestion->distance = wrong;
}
