/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L /* fsync, ftruncate */
#include <flowrun/stage.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* Writes numbered lines to a file, which holds what is committed and perhaps a little more. */
struct journal {
    char *path;
    FILE *file;
    uint64_t lines;
};

static const struct flow_param params[] = {
    FLOW_PARAM_STR(struct journal, path, FLOW_REQUIRED, "file, which begins empty"),
    FLOW_PARAM_END,
};

static enum flow_status fail(const struct journal *j, struct flow_stage *stage)
{
    return flow_stage_fail(stage, FLOW_EIO, "cannot write '%s': %s", j->path, strerror(errno));
}

static enum flow_status open_file(void *self, struct flow_stage *stage)
{
    struct journal *j = self;
    j->file = fopen(j->path, flow_stage_info(stage)->resumes ? "r+e" : "we");
    return j->file != NULL ? FLOW_OK : fail(j, stage);
}

static enum flow_status process(void *self, struct flow_stage *stage,
                                const struct flow_record *record)
{
    struct journal *j = self;
    const int size = (int)record->size;
    if (fprintf(j->file, "%" PRIu64 " %.*s\n", ++j->lines, size, (const char *)record->data) < 0)
        return fail(j, stage);
    return FLOW_OK;
}

static enum flow_status save(void *self, struct flow_stage *stage, struct flow_saver *to)
{
    const struct journal *j = self;
    if (fflush(j->file) != 0 || fsync(fileno(j->file)) != 0)
        return fail(j, stage);
    const enum flow_status rc = flow_save_number(to, j->lines);
    return rc == FLOW_OK ? flow_save_number(to, (uint64_t)ftello(j->file)) : rc;
}

static enum flow_status restore(void *self, struct flow_stage *stage, struct flow_loader *from)
{
    struct journal *j = self;
    uint64_t length;
    enum flow_status rc = flow_load_number(from, &j->lines);
    if (rc == FLOW_OK)
        rc = flow_load_number(from, &length);
    if (rc != FLOW_OK)
        return rc;
    if (ftruncate(fileno(j->file), (off_t)length) != 0 || fseeko(j->file, 0, SEEK_END) != 0)
        return fail(j, stage);
    return FLOW_OK;
}

static enum flow_status commit(void *self, struct flow_stage *stage, uint64_t epoch)
{
    const struct journal *j = self;
    flow_log(stage, "checkpoint %" PRIu64 " is for good, with '%s'", epoch, j->path);
    return FLOW_OK;
}

static enum flow_status finish(void *self, struct flow_stage *stage)
{
    const struct journal *j = self;
    return fflush(j->file) == 0 ? FLOW_OK : fail(j, stage);
}

static void close_file(void *self, struct flow_stage *stage)
{
    const struct journal *j = self;
    (void)stage;
    if (j->file != NULL)
        (void)fclose(j->file);
}

static const struct flow_stage_type journal = {
    .name = "journal",
    .help = "writes numbered lines to a file",
    .role = FLOW_CONSUMER,
    .traits = FLOW_SINGLE,
    .params = params,
    .state_size = sizeof(struct journal),
    .open = open_file,
    .process = process,
    .finish = finish,
    .close = close_file,
    .save = save,
    .restore = restore,
    .commit = commit,
};

FLOW_PLUGIN(&journal);
