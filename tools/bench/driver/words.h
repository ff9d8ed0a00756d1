/* SPDX-License-Identifier: MIT */
#ifndef BENCH_WORDS_H
#define BENCH_WORDS_H

/* The rows of the word count, whose contenders are of another kind: most of them are programs that
 * everybody has. */

#include "driver/lineup.h"

/* Makes the text and what is to come out first, unless they are there from an earlier run. */
void bench_words_add(const struct bench_setup *setup, struct bench_rows *rows);

#endif /* BENCH_WORDS_H */
