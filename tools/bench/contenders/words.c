/* SPDX-License-Identifier: MIT */

/*
 * The limit of counting words: threads that each count a part of the mapped file into a table of
 * their own, which are then added up.
 *
 *     words FILE THREADS
 *
 * Knows that words are small letters and at most 15 of them, as text.c makes them: a word is then
 * two 64-bit numbers.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "common/record.h"

#define SLOTS ((size_t)1 << 18)
#define LONGEST 15
#define TOP 20

struct slot {
    uint64_t word[2]; /* its bytes, zeros behind them */
    uint64_t count;
};

struct part {
    const char *start, *end;
    struct slot *slots;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct slot *find(struct slot *slots, const uint64_t word[2])
{
    size_t at = (size_t)bench_mix(word[0] ^ bench_mix(word[1])) % SLOTS;
    while (slots[at].word[0] != 0 && (slots[at].word[0] != word[0] || slots[at].word[1] != word[1]))
        at = (at + 1) % SLOTS;
    slots[at].word[0] = word[0];
    slots[at].word[1] = word[1];
    return &slots[at];
}

static void *count(void *argument)
{
    struct part *part = argument;
    for (const char *at = part->start; at < part->end;) {
        union {
            char text[16];
            uint64_t word[2];
        } word = {.word = {0, 0}};
        size_t size = 0;
        for (; at<part->end && * at> ' '; at++) {
            if (size == LONGEST)
                die("a word is too long");
            word.text[size++] = *at;
        }
        if (size > 0)
            find(part->slots, word.word)->count++;
        at++;
    }
    return NULL;
}

static int by_count(const void *a, const void *b)
{
    const struct slot *left = a;
    const struct slot *right = b;
    return (left->count < right->count) - (left->count > right->count);
}

static void add_up(struct part *parts, size_t count)
{
    for (size_t p = 1; p < count; p++) {
        for (size_t i = 0; i < SLOTS; i++) {
            const struct slot *slot = &parts[p].slots[i];
            if (slot->count > 0)
                find(parts[0].slots, slot->word)->count += slot->count;
        }
    }
    qsort(parts[0].slots, SLOTS, sizeof(struct slot), by_count);
    for (size_t i = 0; i < TOP; i++)
        (void)printf("%" PRIu64 " %s\n", parts[0].slots[i].count,
                     (const char *)parts[0].slots[i].word);
}

/* Where the part that begins about here really begins: after a word. */
static const char *after_word(const char *at, const char *end)
{
    while (at<end && * at> ' ')
        at++;
    return at;
}

int main(int argc, char **argv)
{
    const size_t threads = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (threads == 0 || threads > 64) {
        (void)fprintf(stderr, "usage: words FILE THREADS\n");
        return 2;
    }
    struct stat status;
    const int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0)
        die(argv[1]);
    const size_t size = (size_t)status.st_size;
    const char *text = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (text == MAP_FAILED)
        die(argv[1]);
    struct part parts[64];
    pthread_t ids[64];
    for (size_t i = 0; i < threads; i++) {
        parts[i].start = i == 0 ? text : parts[i - 1].end;
        parts[i].end = after_word(text + size / threads * (i + 1), text + size);
        if (i + 1 == threads)
            parts[i].end = text + size;
        parts[i].slots = calloc(SLOTS, sizeof(struct slot));
        if (parts[i].slots == NULL || pthread_create(&ids[i], NULL, count, &parts[i]) != 0)
            die("words");
    }
    for (size_t i = 0; i < threads; i++)
        (void)pthread_join(ids[i], NULL);
    add_up(parts, threads);
    for (size_t i = 0; i < threads; i++)
        free(parts[i].slots);
    return 0;
}
