/* SPDX-License-Identifier: MIT */
#include "random/stages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "random/functions.h"

/* rt.sink and rt.sinkn: every record as u32 size, u32 key size, bytes, key. */

struct sink {
    char *path;
    bool lasting; /* what is saved, or finished, outlives a loss of power */
    FILE *file;
};

static const struct flow_param sink_params[] = {
    FLOW_PARAM_STR(struct sink, path, FLOW_REQUIRED, "file to write"),
    FLOW_PARAM_BOOL(struct sink, lasting, "false", "a loss of power loses nothing that is saved"),
    FLOW_PARAM_END,
};

/* So that the file still has its name after a loss of power. */
static bool sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[4096] = ".";
    if (slash != NULL)
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static enum flow_status open_file(struct sink *self, struct flow_stage *stage, const char *path)
{
    self->file = fopen(path, flow_stage_info(stage)->resumes ? "r+b" : "wb");
    if (self->file == NULL || (self->lasting && !sync_folder(path)))
        return flow_stage_fail(stage, FLOW_EIO, "cannot write %s: %s", path, strerror(errno));
    return FLOW_OK;
}

static enum flow_status sink_open(void *state, struct flow_stage *stage)
{
    struct sink *self = state;
    return open_file(self, stage, self->path);
}

static enum flow_status sinkn_open(void *state, struct flow_stage *stage)
{
    struct sink *self = state;
    char path[4096];
    snprintf(path, sizeof(path), "%s.%u", self->path, flow_stage_info(stage)->replica);
    return open_file(self, stage, path);
}

static enum flow_status sink_process(void *state, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    struct sink *self = state;
    const uint32_t sizes[2] = {(uint32_t)record->size, (uint32_t)record->key_size};
    bool ok = fwrite(sizes, sizeof(sizes), 1, self->file) == 1 &&
              fwrite(record->data, 1, record->size, self->file) == record->size;
    if (ok && record->key_size > 0)
        ok = fwrite(record->key, 1, record->key_size, self->file) == record->key_size;
    if (!ok)
        return flow_stage_fail(stage, FLOW_EIO, "cannot write: %s", strerror(errno));
    return FLOW_OK;
}

static bool write_out(const struct sink *self)
{
    return fflush(self->file) == 0 && (!self->lasting || fsync(fileno(self->file)) == 0);
}

static enum flow_status sink_finish(void *state, struct flow_stage *stage)
{
    struct sink *self = state;
    if (!write_out(self))
        return flow_stage_fail(stage, FLOW_EIO, "cannot write: %s", strerror(errno));
    return FLOW_OK;
}

static enum flow_status sink_save(void *state, struct flow_stage *stage, struct flow_saver *to)
{
    const struct sink *self = state;
    if (!write_out(self))
        return flow_stage_fail(stage, FLOW_EIO, "cannot write: %s", strerror(errno));
    return flow_save_number(to, (uint64_t)ftello(self->file));
}

static enum flow_status sink_restore(void *state, struct flow_stage *stage,
                                     struct flow_loader *from)
{
    struct sink *self = state;
    uint64_t length;
    const enum flow_status rc = flow_load_number(from, &length);
    if (rc != FLOW_OK)
        return rc;
    if (ftruncate(fileno(self->file), (off_t)length) != 0 || fseeko(self->file, 0, SEEK_END) != 0)
        return flow_stage_fail(stage, FLOW_EIO, "cannot cut back: %s", strerror(errno));
    return FLOW_OK;
}

static void sink_close(void *state, struct flow_stage *stage __attribute__((unused)))
{
    struct sink *self = state;
    if (self->file != NULL)
        fclose(self->file);
}

const struct flow_stage_type rt_sink_type = {
    .name = "rt.sink",
    .help = "writes what arrives to one file",
    .role = FLOW_CONSUMER,
    .traits = FLOW_SINGLE,
    .params = sink_params,
    .state_size = sizeof(struct sink),
    .open = sink_open,
    .process = sink_process,
    .finish = sink_finish,
    .close = sink_close,
    .save = sink_save,
    .restore = sink_restore,
};

const struct flow_stage_type rt_sinkn_type = {
    .name = "rt.sinkn",
    .help = "writes what arrives to a file for each replica",
    .role = FLOW_CONSUMER,
    .params = sink_params,
    .state_size = sizeof(struct sink),
    .open = sinkn_open,
    .process = sink_process,
    .finish = sink_finish,
    .close = sink_close,
    .save = sink_save,
    .restore = sink_restore,
};

/* rt.count: how often each key came, by key, at the end of the input. */

struct counted {
    char name[RT_KEY_SIZE];
    size_t size;
    uint64_t key_hash; /* tells keys of one name apart */
    uint64_t times;
};

struct count {
    struct counted *counted;
    size_t used, room;
};

static int compare_counted(const void *a, const void *b)
{
    const struct counted *x = a;
    const struct counted *y = b;
    const int order = memcmp(x->name, y->name, x->size < y->size ? x->size : y->size);
    if (order != 0 || x->size != y->size)
        return order != 0 ? order : (x->size > y->size) - (x->size < y->size);
    return (x->key_hash > y->key_hash) - (x->key_hash < y->key_hash);
}

static struct counted *find_counted(struct count *self, const void *key, size_t size)
{
    struct counted wanted = {.key_hash = rt_hash(key, size, 5)};
    wanted.size = rt_count_name(key, size, wanted.name);
    for (size_t i = 0; i < self->used; i++)
        if (compare_counted(&self->counted[i], &wanted) == 0)
            return &self->counted[i];
    if (self->used == self->room) {
        const size_t room = self->room == 0 ? 64 : self->room * 2;
        struct counted *grown = realloc(self->counted, room * sizeof(*grown));
        if (grown == NULL)
            return NULL;
        self->counted = grown;
        self->room = room;
    }
    struct counted *fresh = &self->counted[self->used++];
    *fresh = wanted;
    return fresh;
}

static enum flow_status count_process(void *state, struct flow_stage *stage,
                                      const struct flow_record *record)
{
    const bool keyed = record->key != NULL;
    struct counted *counted = find_counted(state, keyed ? record->key : record->data,
                                           keyed ? record->key_size : record->size);
    if (counted == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for another key");
    counted->times++;
    return FLOW_OK;
}

static enum flow_status count_finish(void *state, struct flow_stage *stage)
{
    struct count *self = state;
    if (self->used > 0)
        qsort(self->counted, self->used, sizeof(*self->counted), compare_counted);
    for (size_t i = 0; i < self->used; i++) {
        const struct counted *counted = &self->counted[i];
        const struct flow_target to = {.key = counted->size > 0 ? counted->name : NULL,
                                       .key_size = counted->size};
        char text[64];
        const int size = snprintf(text, sizeof(text), "=%llu", (unsigned long long)counted->times);
        const enum flow_status rc = flow_emit_to(stage, &to, text, (size_t)size);
        if (rc != FLOW_OK)
            return rc;
    }
    return FLOW_OK;
}

static enum flow_status count_save(void *state, struct flow_stage *stage, struct flow_saver *to)
{
    const struct count *self = state;
    (void)stage;
    return flow_save(to, self->counted, self->used * sizeof(*self->counted));
}

static enum flow_status count_restore(void *state, struct flow_stage *stage,
                                      struct flow_loader *from)
{
    struct count *self = state;
    const size_t size = from->left;
    self->counted = malloc(size + 1);
    if (self->counted == NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "no memory for the keys");
    self->used = self->room = size / sizeof(*self->counted);
    return flow_load(from, self->counted, size);
}

static void count_close(void *state, struct flow_stage *stage __attribute__((unused)))
{
    struct count *self = state;
    free(self->counted);
}

const struct flow_stage_type rt_count_type = {
    .name = "rt.count",
    .help = "how often each key came, by key, at the end",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .state_size = sizeof(struct count),
    .process = count_process,
    .finish = count_finish,
    .close = count_close,
    .save = count_save,
    .restore = count_restore,
};
