/* SPDX-License-Identifier: MIT */
#include <flowrun/stage.h>

#include <inttypes.h>
#include <stdio.h>

#include "shared/bytes.h"

#define SLICE ((uint64_t)1 << 24) /* additions between two looks at whether the run goes on */

static const struct flow_port inputs[] = {
    {"in", "bytes", "a whole number, in decimal"},
    {NULL, NULL, NULL},
};

static const struct flow_port outputs[] = {
    {"out", "text", "the sum, in decimal, modulo 2^64; it keeps the record's key"},
    {NULL, NULL, NULL},
};

/* The sum of i*i from `first` to before `end`, by really going through them. */
static uint64_t sum_squares(uint64_t first, uint64_t end)
{
    uint64_t sum = 0;
    for (uint64_t i = first; i < end; i++) {
        sum += i * i;
        /* The compiler must take `sum` for anything from here on, so it cannot use a formula. */
        __asm__ volatile("" : "+r"(sum));
    }
    return sum;
}

static enum flow_status squares_process(void *self, struct flow_stage *stage,
                                        const struct flow_record *record)
{
    (void)self;
    uint64_t n = 0;
    size_t used = 0;
    if (!flow_bytes_number(record->data, record->size, &n, &used) || used != record->size)
        return flow_reject(stage, "not a whole number below 2^64: %s",
                           flow_bytes_quote(record->data, record->size).text);
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n;) {
        const uint64_t end = n - i > SLICE ? i + SLICE : n;
        sum += sum_squares(i, end);
        i = end;
        if (i < n && flow_wait(stage, -1, 0, 0) == FLOW_EABORT)
            return FLOW_EABORT;
    }
    char text[24];
    const int size = snprintf(text, sizeof(text), "%" PRIu64, sum);
    const struct flow_target to = {.key = record->key, .key_size = record->key_size};
    return flow_emit_to(stage, &to, text, (size_t)size);
}

static const struct flow_stage_type squares = {
    .name = "cpu.squares",
    .help = "adds up i*i for i below the number in the record: work for a processor",
    .role = FLOW_WORKER,
    .inputs = inputs,
    .outputs = outputs,
    .process = squares_process,
};

FLOW_PLUGIN(&squares);
