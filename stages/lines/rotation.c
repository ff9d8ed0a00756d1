/* SPDX-License-Identifier: MIT */
#include "lines/rotation.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "shared/file.h"
#include "shared/pace.h"
#include "shared/saved.h"

static enum flow_status no_memory(struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
}

int64_t flow_rotation_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * FLOW_SECOND + now.tv_nsec;
}

/* When the file that is open at `now` begins. */
static int64_t start_of(const struct flow_rotation *r, int64_t now)
{
    return r->every > 0 ? now - now % r->every : now;
}

static char *name_of(const struct flow_rotation *r, uint64_t number, int64_t now)
{
    return flow_series_make(&r->series, number, start_of(r, now) / FLOW_SECOND);
}

/* ---- the beginning ---- */

/* By their time alone files must have different names, and the oldest be found among them. */
static enum flow_status check_names(const struct flow_rotation *r, struct flow_stage *stage)
{
    const int64_t now = flow_rotation_now();
    char *one = name_of(r, 1, now);
    char *next = name_of(r, 1, now + r->every);
    uint64_t place;
    enum flow_status rc = FLOW_OK;
    if (one == NULL || next == NULL)
        rc = no_memory(stage);
    else if (!r->series.numbered && strcmp(one, next) == 0)
        rc = flow_stage_fail(stage, FLOW_EINVAL,
                             "'path': two files in a row would be called '%s': write the time more "
                             "finely, or add {n}",
                             one);
    else if (r->keep > 0 && !flow_series_match(&r->series, one + r->series.folder_size, &place))
        rc = flow_stage_fail(stage, FLOW_EINVAL,
                             "'keep': '%s' cannot be told from other files: put something that is "
                             "no digit between {n} and {time}, or another format",
                             one);
    free(one);
    free(next);
    return rc;
}

static enum flow_status check(const struct flow_rotation *r, struct flow_stage *stage)
{
    if (r->size > 0 && !r->series.numbered)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'rotate_size' needs {n} in 'path', the number of the file: '%s'",
                               r->series.path);
    if (!r->series.numbered && !r->series.timed)
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "'rotate_every' needs {time} or {n} in 'path', or each file would "
                               "replace the one before it: '%s'",
                               r->series.path);
    return check_names(r, stage);
}

enum flow_status flow_rotation_init(struct flow_rotation *rotation, struct flow_stage *stage,
                                    const char *path)
{
    rotation->ends = INT64_MAX;
    enum flow_status rc = flow_series_init(&rotation->series, stage, path);
    if (rc == FLOW_OK)
        rc = check(rotation, stage);
    return rc == FLOW_OK && !flow_stage_info(stage)->resumes
               ? flow_series_last(&rotation->series, stage, &rotation->number)
               : rc;
}

/* What the file that was begun as number `begun` is called until it is complete. */
static char *part_of(const struct flow_rotation *r, const struct flow_stage *stage, uint64_t begun)
{
    char *stem = flow_outfile_part(stage, r->series.path);
    char *part = NULL;
    if (stem != NULL && asprintf(&part, "%s-%" PRIu64, stem, begun) < 0)
        part = NULL;
    free(stem);
    return part;
}

/* The next number, and of those the next one whose name nobody has. */
static char *choose_name(struct flow_rotation *r, int64_t now)
{
    char *name = name_of(r, ++r->number, now);
    while (name != NULL && r->series.numbered && access(name, F_OK) == 0) {
        free(name);
        name = name_of(r, ++r->number, now);
    }
    return name;
}

enum flow_status flow_rotation_begin(struct flow_rotation *rotation, struct flow_stage *stage,
                                     struct flow_outfile *file, int64_t now)
{
    const bool checkpoints = flow_stage_info(stage)->checkpoints;
    char *target = choose_name(rotation, now);
    char *part = checkpoints ? part_of(rotation, stage, rotation->begun + 1) : NULL;
    if (target == NULL || (checkpoints && part == NULL)) {
        free(target);
        free(part);
        return no_memory(stage);
    }
    rotation->begun++;
    rotation->ends = rotation->every > 0 ? start_of(rotation, now) + rotation->every : INT64_MAX;
    return flow_outfile_begin(file, stage, target, part);
}

/* ---- files that are complete ---- */

static enum flow_status prune(const struct flow_rotation *r, struct flow_stage *stage)
{
    return r->keep > 0 ? flow_series_prune(&r->series, stage, (size_t)r->keep) : FLOW_OK;
}

static bool add_waiting(struct flow_rotation *r, const struct flow_rotated *one)
{
    if (r->count == r->capacity) {
        const size_t capacity = r->capacity == 0 ? 8 : r->capacity * 2;
        struct flow_rotated *waiting = realloc(r->waiting, capacity * sizeof(*waiting));
        if (waiting == NULL)
            return false;
        r->waiting = waiting;
        r->capacity = capacity;
    }
    r->waiting[r->count++] = *one;
    return true;
}

enum flow_status flow_rotation_end(struct flow_rotation *rotation, struct flow_stage *stage,
                                   struct flow_outfile *file)
{
    const bool checkpoints = flow_stage_info(stage)->checkpoints;
    enum flow_status rc =
        checkpoints ? flow_outfile_sync(file, stage) : flow_outfile_show(file, stage);
    if (rc == FLOW_OK && checkpoints) {
        const struct flow_rotated one = {file->target, file->temporary, file->length};
        if (!add_waiting(rotation, &one))
            return no_memory(stage);
        file->target = file->temporary = NULL;
    }
    if (rc == FLOW_OK)
        flow_outfile_close(file, stage);
    return rc == FLOW_OK && !checkpoints ? prune(rotation, stage) : rc;
}

/* It may have got its name already, before the run that had saved it ended. */
static enum flow_status show(const struct flow_rotated *one, struct flow_stage *stage)
{
    if (rename(one->part, one->target) == 0 || (errno == ENOENT && access(one->target, F_OK) == 0))
        return FLOW_OK;
    return flow_file_fail(stage, "write", one->target);
}

enum flow_status flow_rotation_commit(struct flow_rotation *rotation, struct flow_stage *stage)
{
    if (rotation->saved == 0)
        return FLOW_OK;
    for (size_t i = 0; i < rotation->saved; i++) {
        const enum flow_status rc = show(&rotation->waiting[i], stage);
        if (rc != FLOW_OK)
            return rc;
    }
    if (!flow_file_sync_folder(rotation->series.path))
        return flow_file_fail(stage, "write", rotation->series.path);
    for (size_t i = 0; i < rotation->saved; i++) {
        free(rotation->waiting[i].target);
        free(rotation->waiting[i].part);
    }
    rotation->count -= rotation->saved;
    memmove(rotation->waiting, rotation->waiting + rotation->saved,
            rotation->count * sizeof(*rotation->waiting));
    rotation->saved = 0;
    return prune(rotation, stage);
}

/* ---- checkpoints ---- */

enum flow_status flow_rotation_save(struct flow_rotation *rotation, const struct flow_outfile *file,
                                    struct flow_saver *to)
{
    const uint64_t numbers[] = {rotation->number, rotation->begun, (uint64_t)rotation->ends,
                                file->writing, rotation->count};
    enum flow_status rc = flow_save(to, numbers, sizeof(numbers));
    if (rc == FLOW_OK && file->writing)
        rc = flow_save_text(to, file->target, strlen(file->target));
    for (size_t i = 0; rc == FLOW_OK && i < rotation->count; i++) {
        const struct flow_rotated *one = &rotation->waiting[i];
        rc = flow_save_text(to, one->target, strlen(one->target));
        if (rc == FLOW_OK)
            rc = flow_save_text(to, one->part, strlen(one->part));
        if (rc == FLOW_OK)
            rc = flow_save_number(to, one->length);
    }
    if (rc == FLOW_OK)
        rotation->saved = rotation->count;
    return rc;
}

/* A file that was complete: is it still? */
static enum flow_status check_waiting(const struct flow_rotated *one, struct flow_stage *stage)
{
    struct stat st;
    if (stat(one->part, &st) != 0)
        return access(one->target, F_OK) == 0 ? FLOW_OK : flow_file_fail(stage, "find", one->part);
    if ((uint64_t)st.st_size == one->length)
        return FLOW_OK;
    return flow_stage_fail(stage, FLOW_EIO,
                           "'%s' has %" PRIu64 " bytes, at the checkpoint it had %" PRIu64,
                           one->part, (uint64_t)st.st_size, one->length);
}

static enum flow_status load_waiting(struct flow_rotation *r, struct flow_stage *stage,
                                     struct flow_loader *from)
{
    struct flow_rotated one = {0};
    enum flow_status rc = flow_load_string(from, &one.target);
    if (rc == FLOW_OK)
        rc = flow_load_string(from, &one.part);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &one.length);
    if (rc == FLOW_OK)
        rc = check_waiting(&one, stage);
    if (rc == FLOW_OK && !add_waiting(r, &one))
        rc = no_memory(stage);
    if (rc != FLOW_OK) {
        free(one.target);
        free(one.part);
    }
    return rc;
}

/* What was begun after the checkpoint comes again. */
static enum flow_status remove_later(const struct flow_rotation *r, struct flow_stage *stage)
{
    bool some = true;
    for (uint64_t begun = r->begun + 1; some; begun++) {
        char *part = part_of(r, stage, begun);
        if (part == NULL)
            return no_memory(stage);
        some = unlink(part) == 0;
        free(part);
    }
    return FLOW_OK;
}

enum flow_status flow_rotation_restore(struct flow_rotation *rotation, struct flow_stage *stage,
                                       struct flow_outfile *file, struct flow_loader *from)
{
    uint64_t numbers[5];
    enum flow_status rc = flow_load(from, numbers, sizeof(numbers));
    if (rc != FLOW_OK)
        return rc;
    rotation->number = numbers[0];
    rotation->begun = numbers[1];
    rotation->ends = (int64_t)numbers[2];
    if (numbers[3] != 0) {
        rc = flow_load_string(from, &file->target);
        file->name = file->target;
        file->temporary = part_of(rotation, stage, rotation->begun);
        if (rc == FLOW_OK && file->temporary == NULL)
            rc = no_memory(stage);
    }
    for (uint64_t i = 0; rc == FLOW_OK && i < numbers[4]; i++)
        rc = load_waiting(rotation, stage, from);
    rotation->saved = rotation->count;
    if (rc == FLOW_OK && numbers[3] != 0)
        rc = flow_outfile_reopen(file, stage);
    return rc == FLOW_OK ? remove_later(rotation, stage) : rc;
}

void flow_rotation_clear(struct flow_rotation *rotation)
{
    for (size_t i = 0; i < rotation->count; i++) {
        free(rotation->waiting[i].target);
        free(rotation->waiting[i].part);
    }
    free(rotation->waiting);
    *rotation = (struct flow_rotation){0};
}
