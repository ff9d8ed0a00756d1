/* SPDX-License-Identifier: MIT */
#include "simulate/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate/disk.h"

#define INPUT SIM_ROOT "in.txt"
#define OUTPUT SIM_ROOT "out/lines.txt"
#define TOTAL SIM_ROOT "out/total.txt"
#define MOST_LINES 400
#define MOST_WORDS 40
#define MOST_WORKERS 4

static void make_input(struct sim_lines *lines, struct sim_chance *chance)
{
    FILE *file = open_memstream(&lines->input, &lines->size);
    lines->count = sim_pick(chance, sim_percent(chance, 50) ? MOST_LINES : 20);
    for (uint64_t i = 0; i < lines->count; i++) {
        fprintf(file, "%" PRIu64, i);
        for (uint64_t words = sim_pick(chance, MOST_WORDS); words > 0; words--)
            fprintf(file, " %" PRIx64, sim_next(chance) >> (words & 63));
        fputc('\n', file);
    }
    fclose(file);
}

char *sim_lines_new(struct sim_lines *lines, uint64_t seed)
{
    static const char *const types[] = {"rt.forward", "rt.forward_batch"};
    struct sim_chance chance = {seed};
    char *text = NULL;
    size_t size;
    *lines = (struct sim_lines){0};
    make_input(lines, &chance);
    FILE *file = open_memstream(&text, &size);
    fprintf(file,
            "{\"flowrun\": 1, \"params\": {\"out\": {\"type\": \"string\"}}, \"stages\": {\n");
    fprintf(file, "  \"s0\": {\"use\": \"lines.read\", \"with\": {\"path\": \"%s\"}},\n", INPUT);
    const uint64_t workers = sim_pick(&chance, MOST_WORKERS);
    for (uint64_t i = 1; i <= workers; i++)
        fprintf(file,
                "  \"s%" PRIu64 "\": {\"use\": \"%s\", \"from\": \"s%" PRIu64 "\", "
                "\"workers\": %" PRIu64 "},\n",
                i, types[sim_pick(&chance, 2)], i - 1, 1 + sim_pick(&chance, 3));
    lines->counts = sim_percent(&chance, 50);
    if (lines->counts)
        fprintf(file,
                "  \"count\": {\"use\": \"count.records\", \"from\": \"s%" PRIu64 "\"},\n"
                "  \"total\": {\"use\": \"lines.write\", \"from\": \"count\", \"with\": "
                "{\"path\": \"%s\"}},\n",
                sim_pick(&chance, workers + 1), TOTAL);
    fprintf(file,
            "  \"print\": {\"use\": \"lines.write\", \"from\": \"s%" PRIu64
            "\", \"with\": {\"path\": \"%s\"}}\n}}\n",
            workers, OUTPUT);
    fclose(file);
    return text;
}

void sim_lines_clear(struct sim_lines *lines)
{
    free(lines->input);
    *lines = (struct sim_lines){0};
}

void sim_lines_write(const struct sim_lines *lines)
{
    sim_disk_put(sim_world, INPUT, lines->input, lines->size);
}

static bool agrees(const char *path, const char *want, size_t size, bool whole,
                   struct rt_verdict *verdict)
{
    const struct sim_name *name = sim_name_find(sim_world->disk, path);
    const struct sim_inode *found = name != NULL ? name->inode : NULL;
    if (found == NULL && !whole)
        return true;
    if (found != NULL && found->size == size &&
        (size == 0 || memcmp(found->bytes, want, size) == 0))
        return true;
    snprintf(verdict->text, sizeof(verdict->text),
             found == NULL ? "%s is missing" : "%s is not what it must be: %zu bytes of %zu", path,
             found != NULL ? found->size : 0, size);
    return false;
}

bool sim_lines_agree(const struct sim_lines *lines, bool whole, struct rt_verdict *verdict)
{
    char total[32];
    const int size = snprintf(total, sizeof(total), "%" PRIu64 "\n", lines->count);
    return agrees(OUTPUT, lines->input, lines->size, whole, verdict) &&
           (!lines->counts || agrees(TOTAL, total, (size_t)size, whole, verdict));
}
