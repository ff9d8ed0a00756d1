/* SPDX-License-Identifier: MIT */

/*
 * A text to count words in, always the same:
 *
 *     text FILE MEGABYTES
 *
 * Words are small letters, 2 to 12 of them, the shorter the more frequent; the k-th most frequent
 * of 100,000 comes as often as 1/k (Zipf's law).  Lines are about 70 characters long.  FILE.top
 * gets the twenty most frequent words with their counts, as counting the text must print them.
 * Files that are there already are left alone if the size is right.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/record.h"

#define WORDS 100000
#define LINE 70
#define LONGEST 12
#define TOP 20

struct word {
    char text[LONGEST];
    unsigned size;
    double until; /* the share of all words that are this one or a more frequent one */
    uint64_t count;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Word k: how many digits its number has, the digits, stirred, and some letters more.  The first
 * two tell all words apart. */
static void make_word(struct word *word, unsigned k)
{
    unsigned digits = 0;
    for (unsigned rest = k; digits == 0 || rest > 0; rest /= 26) {
        word->text[1 + digits] = (char)('a' + (rest + 7 * digits) % 26);
        digits++;
    }
    word->text[0] = (char)('a' + digits);
    const unsigned more = (unsigned)(bench_mix(k) % 5) + (k > 1000 ? 2 : 0);
    unsigned size = 1 + digits;
    for (unsigned i = 0; i < more && size < LONGEST; i++)
        word->text[size++] = (char)('a' + bench_mix(k + i) % 26);
    word->size = size;
}

static struct word *make_words(void)
{
    struct word *words = calloc(WORDS, sizeof(*words));
    if (words == NULL)
        die("text");
    double sum = 0;
    for (unsigned k = 0; k < WORDS; k++) {
        make_word(&words[k], k);
        sum += 1.0 / (k + 1);
        words[k].until = sum;
    }
    for (unsigned k = 0; k < WORDS; k++)
        words[k].until /= sum;
    return words;
}

/* The word that a share in [0, 1) falls to. */
static struct word *choose(struct word *words, double share)
{
    size_t low = 0;
    size_t high = WORDS - 1;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (words[middle].until > share)
            high = middle;
        else
            low = middle + 1;
    }
    return &words[low];
}

static void write_text(struct word *words, uint64_t size, FILE *file)
{
    uint64_t written = 0;
    unsigned column = 0;
    for (uint64_t i = 0; written < size; i++) {
        struct word *word = choose(words, (double)(bench_mix(i) >> 11) / 9007199254740992.0);
        word->count++;
        column += word->size + 1;
        written += word->size + 1;
        const bool ends = column >= LINE || written >= size;
        if (fwrite(word->text, 1, word->size, file) != word->size ||
            fputc(ends ? '\n' : ' ', file) == EOF)
            die("text");
        column = ends ? 0 : column;
    }
}

static int by_count(const void *a, const void *b)
{
    const struct word *left = a;
    const struct word *right = b;
    return (left->count < right->count) - (left->count > right->count);
}

static void write_top(struct word *words, FILE *file)
{
    qsort(words, WORDS, sizeof(*words), by_count);
    for (size_t i = 0; i < TOP; i++)
        (void)fprintf(file, "%" PRIu64 " %.*s\n", words[i].count, (int)words[i].size,
                      words[i].text);
}

static FILE *open_file(const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL)
        die(path);
    return file;
}

static void close_file(FILE *file, const char *path)
{
    if (fclose(file) != 0)
        die(path);
}

/* The words end where the size is reached, so the text may be a word longer. */
static bool is_there(const char *text, const char *top, uint64_t size)
{
    struct stat status;
    return stat(top, &status) == 0 && stat(text, &status) == 0 &&
           (uint64_t)status.st_size >= size && (uint64_t)status.st_size <= size + LONGEST;
}

int main(int argc, char **argv)
{
    const uint64_t size = argc == 3 ? strtoull(argv[2], NULL, 10) * 1000000 : 0;
    char top[4096];
    if (size == 0 || snprintf(top, sizeof(top), "%s.top", argv[1]) >= (int)sizeof(top)) {
        (void)fprintf(stderr, "usage: text FILE MEGABYTES\n");
        return 2;
    }
    if (is_there(argv[1], top, size))
        return 0;
    struct word *words = make_words();
    FILE *file = open_file(argv[1]);
    write_text(words, size, file);
    close_file(file, argv[1]);
    file = open_file(top); /* last: it says that the text is whole */
    write_top(words, file);
    close_file(file, top);
    free(words);
    return 0;
}
