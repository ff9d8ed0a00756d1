/* SPDX-License-Identifier: MIT */
#ifndef BENCH_ALLOC_H
#define BENCH_ALLOC_H

/* Memory and text of the driver, which ends when there is none. */

#include <stdarg.h>
#include <stddef.h>

/* Zeroed. */
void *bench_alloc(size_t count, size_t size);

/* The array with room for one element more at `count`, zeroed. */
void *bench_grow(void *array, size_t count, size_t size);

char *bench_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The whole file as text; NULL if it cannot be read. */
char *bench_read_file(const char *path);

/* Says what is wrong and exits with 1. */
void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

#endif /* BENCH_ALLOC_H */
