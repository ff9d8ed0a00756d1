/* SPDX-License-Identifier: MIT */
#include "driver/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_die(const char *fmt, ...)
{
    va_list args;
    (void)fprintf(stderr, "bench: ");
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fprintf(stderr, "\n");
    exit(1);
}

void *bench_alloc(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (memory == NULL)
        bench_die("no memory");
    return memory;
}

void *bench_grow(void *array, size_t count, size_t size)
{
    char *grown = realloc(array, (count + 1) * size);
    if (grown == NULL)
        bench_die("no memory");
    memset(grown + count * size, 0, size);
    return grown;
}

char *bench_format(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    const int size = vasprintf(&text, fmt, args);
    va_end(args);
    if (size < 0)
        bench_die("no memory");
    return text;
}

char *bench_read_file(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    if (file == NULL)
        return NULL;
    FILE *copy = open_memstream(&text, &size);
    if (copy == NULL)
        bench_die("no memory");
    for (int byte; (byte = fgetc(file)) != EOF;)
        (void)fputc(byte, copy);
    (void)fclose(file);
    if (fclose(copy) != 0)
        bench_die("no memory");
    return text;
}
