/* SPDX-License-Identifier: MIT */

/*
 * A file appears under its name only when it is complete: it is written to a folder of this stage's
 * own, beside the files, and renamed.
 *
 * In a run that takes checkpoints it is renamed when the checkpoint that holds its record can no
 * longer be lost.  Until then it is one of `waiting`: those before `sealed` lie before the last
 * checkpoint, which names them.  A run that goes on removes the files in the folder that are not
 * named, since their records come again.
 */

#include <flowrun/stage.h>

#include <inttypes.h>
#include <stdio.h>

#include "files/name_template.h"
#include "shared/bytes.h"
#include "shared/file.h"
#include "shared/key_table.h"
#include "shared/saved.h"
#include "shared/scratch.h"
#include "shared/text.h"

#define SYNC_EACH 32 /* so many files are written through one by one; for more, the file system */

enum on_exists { EXISTS_REPLACE, EXISTS_REFUSE, EXISTS_KEEP, EXISTS_NUMBER };
struct waiting {
    char *path;
    uint64_t id; /* of the file in the folder */
};

struct filer {
    char *path;
    int on_exists; /* enum on_exists */
    char *end;
    bool key_folders;

    struct template template;
    struct flow_scratch folder;
    uint64_t kept, next_id;
    struct waiting *waiting;
    size_t waiting_count, waiting_capacity;
    size_t sealed;
    struct flow_key_table names; /* of what is waiting, or numbered */
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct filer, path, FLOW_REQUIRED,
                   "as out/{key}.txt; {n}, {n:6}, {replica}, {/field} of JSON; {{ is a brace"),
    FLOW_PARAM_ENUM(struct filer, on_exists, "replace", "replace|refuse|keep|number",
                    "a name is taken: replace, refuse the record, drop it, or NAME-2"),
    FLOW_PARAM_STR(struct filer, end, "", "written after each record, as \\n"),
    FLOW_PARAM_BOOL(struct filer, key_folders, "false",
                    "a / in a key or field makes folders; else such a record is refused"),
    FLOW_PARAM_END,
};

static const struct flow_port inputs[] = {
    {"in", "bytes", "what is to be in a file"},
    {NULL, NULL, NULL},
};

/* The files' folder, as far as it is the same for all, with this stage's own in it. */
static char *name_folder(const struct filer *f, const struct flow_info *info)
{
    const char *brace = strchr(f->path, '{');
    size_t size = brace != NULL ? (size_t)(brace - f->path) : strlen(f->path);
    while (size > 0 && f->path[size - 1] != '/')
        size--;
    char *path = NULL;
    return asprintf(&path, "%.*s.flowrun-%s-%u", (int)size, f->path, info->name, info->replica) < 0
               ? NULL
               : flow_scratch_flatten(path, size);
}

/* ---- names ---- */

/* The place of a name, `size` bytes, in the table; NULL: no memory. */
static struct flow_key_slot *find_name(struct filer *f, const char *name, size_t size)
{
    struct flow_key key;
    const uint64_t hash = flow_key_load(&key, name, size, name + size, &f->names.seed);
    return flow_key_table_slot(&f->names, &key, hash);
}

/* Where NAME of NAME.EXT ends. */
static size_t find_stem(const char *path, size_t size)
{
    for (size_t at = size; at > 1 && path[at - 1] != '/'; at--) {
        if (path[at - 1] == '.' && path[at - 2] != '/')
            return at - 1;
    }
    return size;
}

/* NAME-2.EXT and so on, the first that is free, from the number that was reached. */
static enum flow_status number_name(struct filer *f, struct flow_stage *stage, uint64_t number)
{
    struct flow_text *name = &f->template.name;
    const size_t whole = name->size - 1;
    const size_t stem = find_stem(name->at, whole);
    char *old = strdup(name->at);
    struct flow_key_slot *slot = NULL;
    do {
        name->size = stem;
        flow_text_put(name, "-");
        template_count(&f->template, ++number, 0);
        flow_text_add(name, old != NULL ? old + stem : "", old != NULL ? whole - stem + 1 : 1);
        slot = name->failed ? NULL : find_name(f, name->at, name->size - 1);
    } while (slot != NULL && (slot->count > 0 || access(name->at, F_OK) == 0));
    if (slot != NULL)
        slot->count = 1;
    slot = slot != NULL && old != NULL ? find_name(f, old, whole) : NULL;
    if (slot != NULL)
        slot->count = number;
    free(old);
    return slot != NULL ? FLOW_OK
                        : flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
}

/* The name is taken. */
static enum flow_status on_taken(struct filer *f, struct flow_stage *stage, bool *drop)
{
    if (f->on_exists == EXISTS_REFUSE)
        return flow_reject(stage, "'%s' is there already", f->template.name.at);
    *drop = true;
    return FLOW_OK;
}

/* The name may be taken, also by what has no name yet; `*drop`: then the record is left out. */
static enum flow_status settle_name(struct filer *f, struct flow_stage *stage, bool *drop)
{
    if (f->on_exists == EXISTS_REPLACE)
        return FLOW_OK;
    const bool exists = access(f->template.name.at, F_OK) == 0;
    if (f->on_exists != EXISTS_NUMBER && !flow_stage_info(stage)->checkpoints)
        return exists ? on_taken(f, stage, drop) : FLOW_OK;
    struct flow_key_slot *slot = find_name(f, f->template.name.at, f->template.name.size - 1);
    if (slot == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %zu file names", f->names.used);
    const bool taken = slot->count > 0 || exists;
    slot->count = slot->count == 0 ? 1 : slot->count;
    if (!taken)
        return FLOW_OK;
    return f->on_exists == EXISTS_NUMBER ? number_name(f, stage, slot->count)
                                         : on_taken(f, stage, drop);
}

/* ---- files ---- */

static enum flow_status write_record(struct filer *f, struct flow_stage *stage, int fd,
                                     const struct flow_record *record)
{
    struct flow_file_place place = {.fd = fd, .name = f->template.name.at, .patient = true};
    const enum flow_status rc = flow_file_write_to(stage, &place, record->data, record->size);
    return rc == FLOW_OK ? flow_file_write_to(stage, &place, f->end, strlen(f->end)) : rc;
}

/* Write the record to a file in the stage's own folder. */
static enum flow_status write_file(struct filer *f, struct flow_stage *stage, uint64_t id,
                                   const struct flow_record *record)
{
    const int fd = flow_scratch_file(&f->folder, id, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd < 0)
        return flow_file_fail(stage, "write to the folder", f->folder.path);
    const enum flow_status rc = write_record(f, stage, fd, record);
    if (close(fd) != 0 && rc == FLOW_OK)
        return flow_file_fail(stage, "write", f->template.name.at);
    return rc;
}

/* The file gets its name.  One that has it already was renamed before the run was interrupted. */
static enum flow_status show(struct filer *f, struct flow_stage *stage, uint64_t id, char *path)
{
    char name[FLOW_BYTES_DIGITS + 1];
    name[flow_bytes_put_number(id, name)] = '\0';
    if (renameat(f->folder.fd, name, AT_FDCWD, path) == 0)
        return FLOW_OK;
    if (errno == ENOENT && faccessat(f->folder.fd, name, F_OK, 0) != 0 && access(path, F_OK) == 0)
        return FLOW_OK;
    if (!flow_scratch_make_way(path) || renameat(f->folder.fd, name, AT_FDCWD, path) != 0)
        return flow_file_fail(stage, "write", path);
    return FLOW_OK;
}

static enum flow_status await(struct filer *f, struct flow_stage *stage, uint64_t id,
                              const char *path)
{
    if (f->waiting_count == f->waiting_capacity) {
        const size_t capacity = f->waiting_capacity == 0 ? 64 : f->waiting_capacity * 2;
        struct waiting *waiting = realloc(f->waiting, capacity * sizeof(*waiting));
        if (waiting == NULL)
            return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for %zu file names", capacity);
        f->waiting = waiting;
        f->waiting_capacity = capacity;
    }
    char *copy = strdup(path);
    if (copy == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for a file name");
    f->waiting[f->waiting_count++] = (struct waiting){copy, id};
    return FLOW_OK;
}

static enum flow_status filer_process(void *self, struct flow_stage *stage,
                                      const struct flow_record *record)
{
    struct filer *f = self;
    bool drop = false;
    enum flow_status rc = template_make(&f->template, stage, record);
    if (rc == FLOW_OK)
        rc = settle_name(f, stage, &drop);
    if (rc != FLOW_OK)
        return rc;
    f->template.number++;
    f->kept += drop;
    if (drop)
        return FLOW_OK;
    const uint64_t id = f->next_id++;
    rc = write_file(f, stage, id, record);
    if (rc != FLOW_OK)
        return rc;
    if (flow_stage_info(stage)->checkpoints)
        return await(f, stage, id, f->template.name.at);
    return show(f, stage, id, f->template.name.at);
}

static enum flow_status filer_finish(void *self, struct flow_stage *stage)
{
    const struct filer *f = self;
    if (f->kept > 0)
        flow_log(stage, "%" PRIu64 " records were left out, since there were files of their names",
                 f->kept);
    return FLOW_OK;
}

/* ---- checkpoints ---- */

static enum flow_status sync_one(const struct filer *f, struct flow_stage *stage, uint64_t id)
{
    const int fd = flow_scratch_file(&f->folder, id, O_RDONLY);
    const bool done = fd >= 0 && fsync(fd) == 0;
    const enum flow_status rc = done ? FLOW_OK : flow_file_fail(stage, "write", f->folder.path);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

/* What has been written since the last checkpoint is on the disk, under names that last. */
static enum flow_status make_durable(struct filer *f, struct flow_stage *stage)
{
    if (f->waiting_count == f->sealed)
        return FLOW_OK;
    if (f->waiting_count - f->sealed > SYNC_EACH)
        return syncfs(f->folder.fd) == 0 ? FLOW_OK : flow_file_fail(stage, "write", f->folder.path);
    for (size_t i = f->sealed; i < f->waiting_count; i++) {
        const enum flow_status rc = sync_one(f, stage, f->waiting[i].id);
        if (rc != FLOW_OK)
            return rc;
    }
    return fsync(f->folder.fd) == 0 && flow_file_sync_folder(f->folder.path)
               ? FLOW_OK
               : flow_file_fail(stage, "write", f->folder.path);
}

static enum flow_status filer_save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    struct filer *f = self;
    const enum flow_status done = make_durable(f, stage);
    if (done != FLOW_OK)
        return done;
    f->sealed = f->waiting_count;
    const uint64_t numbers[] = {f->template.number, f->kept, f->next_id, f->sealed};
    enum flow_status rc = flow_save(to, numbers, sizeof(numbers));
    for (size_t i = 0; rc == FLOW_OK && i < f->sealed; i++) {
        rc = flow_save_number(to, f->waiting[i].id);
        if (rc == FLOW_OK)
            rc = flow_save_text(to, f->waiting[i].path, strlen(f->waiting[i].path));
    }
    if (rc != FLOW_OK || f->on_exists == EXISTS_REPLACE)
        return rc;
    return flow_key_table_save(&f->names, to);
}

static bool is_waiting(const void *self, uint64_t id)
{
    const struct filer *f = self;
    for (size_t i = 0; i < f->waiting_count; i++) {
        if (f->waiting[i].id == id)
            return true;
    }
    return false;
}

static enum flow_status filer_restore(void *self, struct flow_stage *stage,
                                      struct flow_loader *from)
{
    struct filer *f = self;
    uint64_t numbers[4];
    enum flow_status rc = flow_load(from, numbers, sizeof(numbers));
    for (uint64_t i = 0; rc == FLOW_OK && i < numbers[3]; i++) {
        uint64_t id;
        char *path = NULL;
        rc = flow_load_number(from, &id);
        if (rc == FLOW_OK)
            rc = flow_load_string(from, &path);
        if (rc == FLOW_OK)
            rc = await(f, stage, id, path);
        free(path);
    }
    if (rc == FLOW_OK && f->on_exists != EXISTS_REPLACE)
        rc = flow_key_table_load(&f->names, from);
    if (rc != FLOW_OK)
        return rc;
    f->template.number = numbers[0];
    f->kept = numbers[1];
    f->next_id = numbers[2];
    f->sealed = f->waiting_count;
    flow_scratch_sweep(&f->folder, is_waiting, f); /* what was written behind the checkpoint */
    return FLOW_OK;
}

/* These have got their names. */
static void forget(struct filer *f, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(f->waiting[i].path);
    f->waiting_count -= count;
    f->sealed -= count;
    if (f->waiting_count > 0)
        memmove(f->waiting, f->waiting + count, f->waiting_count * sizeof(*f->waiting));
    /* Files that are there need no memory of it. */
    if (f->waiting_count == 0 && f->names.used > 0 && f->on_exists != EXISTS_NUMBER) {
        flow_key_table_clear(&f->names);
        flow_key_table_init(&f->names);
    }
}

static enum flow_status filer_commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    struct filer *f = self;
    (void)epoch;
    for (size_t i = 0; i < f->sealed; i++) {
        const enum flow_status rc = show(f, stage, f->waiting[i].id, f->waiting[i].path);
        if (rc != FLOW_OK)
            return rc;
    }
    forget(f, f->sealed);
    return FLOW_OK;
}

static enum flow_status filer_open(void *self, struct flow_stage *stage)
{
    struct filer *f = self;
    const struct flow_info *info = flow_stage_info(stage);
    flow_key_table_init(&f->names);
    f->template.text = f->path;
    f->template.folders = f->key_folders;
    f->template.number = 1;
    const enum flow_status rc = template_init(&f->template, stage);
    if (rc != FLOW_OK)
        return rc;
    if (f->path[0] == '\0' || f->path[strlen(f->path) - 1] == '/')
        return flow_stage_fail(stage, FLOW_EINVAL, "path '%s' names no file", f->path);
    if (info->replicas > 1 && template_has(&f->template, PART_COUNT) &&
        !template_has(&f->template, PART_REPLICA))
        return flow_stage_fail(stage, FLOW_EINVAL,
                               "path '%s': each of %u workers counts for itself: use {replica} too",
                               f->path, info->replicas);
    const enum flow_status opened = flow_scratch_open(&f->folder, stage, name_folder(f, info));
    if (opened == FLOW_OK && !info->resumes)
        flow_scratch_sweep(&f->folder, NULL, NULL);
    return opened;
}

static void filer_close(void *self, struct flow_stage *stage)
{
    struct filer *f = self;
    if (!flow_stage_info(stage)->checkpoints)
        flow_scratch_sweep(&f->folder, NULL, NULL);
    flow_scratch_close(&f->folder);
    for (size_t i = 0; i < f->waiting_count; i++)
        free(f->waiting[i].path);
    free(f->waiting);
    template_clear(&f->template);
    flow_key_table_clear(&f->names);
}

static const struct flow_stage_type filer = {
    .name = "files.write",
    .help = "writes each record to a file of its own, named by its key, number or fields",
    .role = FLOW_CONSUMER,
    .inputs = inputs,
    .params = params,
    .state_size = sizeof(struct filer),
    .open = filer_open,
    .process = filer_process,
    .finish = filer_finish,
    .close = filer_close,
    .save = filer_save,
    .restore = filer_restore,
    .commit = filer_commit,
};

FLOW_PLUGIN(&filer);
