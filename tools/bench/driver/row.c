/* SPDX-License-Identifier: MIT */
#include "driver/row.h"

#include <stdlib.h>
#include <string.h>

#include "driver/alloc.h"

#define PLACE "{count}"

struct bench_row *bench_rows_add(struct bench_rows *rows)
{
    rows->items = bench_grow(rows->items, rows->count, sizeof(*rows->items));
    return &rows->items[rows->count++];
}

void bench_argv_free(char **argv)
{
    for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
        free(argv[i]);
    free(argv);
}

void bench_rows_clear(struct bench_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        bench_argv_free(rows->items[i].argv);
        free(rows->items[i].text);
        free(rows->items[i].absent);
        free(rows->items[i].flaw);
        free(rows->items[i].samples);
    }
    free(rows->items);
    *rows = (struct bench_rows){0};
}

static size_t count_words(char *const *argv)
{
    size_t count = 0;
    while (argv != NULL && argv[count] != NULL)
        count++;
    return count;
}

void bench_row_argue(struct bench_row *row, char *word)
{
    const size_t count = count_words(row->argv);
    row->argv = bench_grow(row->argv, count + 1, sizeof(*row->argv));
    row->argv[count] = word;
    row->argv[count + 1] = NULL;
}

char **bench_row_argv(const struct bench_row *row, uint64_t count)
{
    const size_t words = count_words(row->argv);
    char **argv = bench_alloc(words + 1, sizeof(*argv));
    for (size_t i = 0; i < words; i++) {
        const char *word = row->argv[i];
        const char *place = strstr(word, PLACE);
        if (place == NULL)
            argv[i] = bench_format("%s", word);
        else
            argv[i] = bench_format("%.*s%" PRIu64 "%s", (int)(place - word), word, count,
                                   place + strlen(PLACE));
    }
    return argv;
}

bool bench_row_is_measured(const struct bench_row *row)
{
    return row->absent == NULL && row->flaw == NULL && row->sample_count > 0;
}

const struct bench_row *bench_rows_find(const struct bench_rows *rows, const char *workload,
                                        const char *point, const char *contender,
                                        const char *variant)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct bench_row *row = &rows->items[i];
        if (strcmp(row->workload, workload) == 0 && strcmp(row->point, point) == 0 &&
            strcmp(row->contender, contender) == 0 && strcmp(row->variant, variant) == 0)
            return bench_row_is_measured(row) ? row : NULL;
    }
    return NULL;
}
