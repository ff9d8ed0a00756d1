/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_FUZZ_H
#define FLOW_TESTS_FUZZ_H

/*
 * What the fuzzers share.  Each is a program of libFuzzer's: it is handed bytes, and must neither
 * crash nor leak nor stop on a check of its own, whatever they are.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A rule of the code under test that does not hold ends the program, which libFuzzer reports. */
#define MUST_HOLD(condition) ((condition) ? (void)0 : abort())

/*
 * Of inputs that end with one of a few bytes, let an allocation fail, which one is up to the byte
 * before: paths without memory are paths too.  flow_mem_fail_at(-1) ends it.
 */
static inline void fuzz_short_memory(const uint8_t *data, size_t size)
{
    if (size >= 2 && data[size - 1] < 8)
        flow_mem_fail_at(data[size - 2]);
}

/* A copy as text, with a zero after it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    MUST_HOLD(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif /* FLOW_TESTS_FUZZ_H */
