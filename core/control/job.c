/* SPDX-License-Identifier: MIT */
#include "control/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "control/system.h"

static const char magic[8] = {'f', 'l', 'o', 'w', 'j', 'o', 'b', '1'};

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define JOB_MAX ((off_t)64 << 20) /* a graph has at most 8 MiB, a command line less */

/* ---- writing ---- */

static void add_number(struct flow_str *out, uint64_t number)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(number >> (8 * i));
    flow_str_add_bytes(out, bytes, sizeof(bytes));
}

static void add_text(struct flow_str *out, const char *text, size_t size)
{
    add_number(out, text != NULL ? size : UINT64_MAX);
    if (text != NULL)
        flow_str_add_bytes(out, text, size);
}

static void add_string(struct flow_str *out, const char *text)
{
    add_text(out, text, text != NULL ? strlen(text) : 0);
}

static void add_list(struct flow_str *out, char *const *texts)
{
    add_number(out, texts != NULL ? flow_texts_count((const char *const *)texts) : UINT64_MAX);
    for (size_t i = 0; texts != NULL && texts[i] != NULL; i++)
        add_string(out, texts[i]);
}

static void add_topology(struct flow_str *out, const struct flow_topology *topology)
{
    add_number(out, topology->count);
    for (size_t i = 0; i < topology->count; i++) {
        const struct flow_cpu *cpu = &topology->cpus[i];
        add_number(out, cpu->number);
        add_number(out, cpu->node);
        add_number(out, cpu->cache);
        add_number(out, cpu->core);
        add_number(out, cpu->thread);
        add_number(out, cpu->state);
    }
}

static void add_job(struct flow_str *out, const struct flow_job *job)
{
    flow_str_add_bytes(out, magic, sizeof(magic));
    add_number(out, job->run_id);
    add_number(out, job->digest);
    add_number(out, job->cpus);
    add_number(out, job->room_bytes);
    add_topology(out, &job->topology);
    add_string(out, job->origin->path);
    add_text(out, job->origin->text, job->origin->size);
    add_string(out, job->origin->mode);
    add_string(out, job->origin->fuse);
    add_string(out, job->origin->pin);
    add_list(out, job->origin->params);
    add_list(out, job->origin->sets);
    add_list(out, job->origin->workers);
    add_number(out, job->origin->test);
    add_string(out, job->origin->test_folder);
    add_list(out, job->plugin_folders);
    add_string(out, job->folder);
    add_string(out, job->state);
    add_number(out, job->session);
}

static bool write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno != EINTR)
            return false;
        if (done > 0) {
            bytes += done;
            size -= (size_t)done;
        }
    }
    return true;
}

enum flow_status flow_job_write(const struct flow_job *job, int *fd, struct flow_error *err)
{
    struct flow_str out = {0};
    add_job(&out, job);
    if (out.failed) {
        flow_str_clear(&out);
        return flow_fail(err, FLOW_ENOMEM, "no memory to tell the run's processes their job");
    }

    const int new_fd = memfd_create("flowrun-job", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const bool written = new_fd >= 0 && write_all(new_fd, out.text, out.size) &&
                         fcntl(new_fd, F_ADD_SEALS, SEALS) == 0;
    const int cause = errno;
    flow_str_clear(&out);
    if (!written) {
        if (new_fd >= 0)
            close(new_fd);
        return flow_system_fail(err, cause, "cannot tell the run's processes their job");
    }
    *fd = new_fd;
    return FLOW_OK;
}

/* ---- reading ---- */

/* The part not read yet.  Once something failed, all later reads fail as well. */
struct cursor {
    const uint8_t *bytes;
    size_t size;
    enum flow_status status;
};

static const uint8_t *take(struct cursor *in, uint64_t size)
{
    if (in->status != FLOW_OK || size > in->size) {
        in->status = in->status != FLOW_OK ? in->status : FLOW_EPROTO;
        return NULL;
    }
    const uint8_t *bytes = in->bytes;
    in->bytes += size;
    in->size -= (size_t)size;
    return bytes;
}

static uint64_t take_number(struct cursor *in)
{
    const uint8_t *bytes = take(in, 8);
    uint64_t number = 0;
    for (size_t i = 0; bytes != NULL && i < 8; i++)
        number |= (uint64_t)bytes[i] << (8 * i);
    return number;
}

/* A copy with a zero after it; its size goes to `size` unless that is NULL. */
static char *take_text(struct cursor *in, size_t *size)
{
    const uint64_t length = take_number(in);
    if (in->status != FLOW_OK || length == UINT64_MAX)
        return NULL;
    const uint8_t *bytes = take(in, length);
    char *text = bytes != NULL ? flow_strndup((const char *)bytes, (size_t)length) : NULL;
    if (bytes != NULL && text == NULL)
        in->status = FLOW_ENOMEM;
    if (text != NULL && size != NULL)
        *size = (size_t)length;
    return text;
}

static char **take_list(struct cursor *in)
{
    const uint64_t count = take_number(in);
    if (in->status != FLOW_OK || count == UINT64_MAX)
        return NULL;
    if (count > in->size / 8) { /* each text takes that much at least */
        in->status = FLOW_EPROTO;
        return NULL;
    }
    char **texts = flow_calloc((size_t)count + 1, sizeof(*texts));
    if (texts == NULL)
        in->status = FLOW_ENOMEM;
    for (size_t i = 0; in->status == FLOW_OK && i < count; i++) {
        texts[i] = take_text(in, NULL);
        if (texts[i] == NULL && in->status == FLOW_OK)
            in->status = FLOW_EPROTO; /* a NULL would end the list early */
    }
    return texts;
}

static void take_topology(struct cursor *in, struct flow_topology *topology)
{
    const uint64_t count = take_number(in);
    if (in->status != FLOW_OK || count == 0)
        return;
    if (count > in->size / (6 * 8)) { /* six numbers each */
        in->status = FLOW_EPROTO;
        return;
    }
    topology->cpus = flow_calloc((size_t)count, sizeof(*topology->cpus));
    if (topology->cpus == NULL) {
        in->status = FLOW_ENOMEM;
        return;
    }
    for (; topology->count < count; topology->count++) {
        struct flow_cpu *cpu = &topology->cpus[topology->count];
        cpu->number = (uint32_t)take_number(in);
        cpu->node = (uint32_t)take_number(in);
        cpu->cache = (uint32_t)take_number(in);
        cpu->core = (uint32_t)take_number(in);
        cpu->thread = (uint32_t)take_number(in);
        cpu->state = (enum flow_cpu_state)take_number(in);
    }
}

static void take_job(struct cursor *in, struct flow_job *job)
{
    const uint8_t *head = take(in, sizeof(magic));
    if (head == NULL || memcmp(head, magic, sizeof(magic)) != 0) {
        in->status = FLOW_EPROTO;
        return;
    }
    job->origin = flow_alloc(sizeof(*job->origin));
    if (job->origin == NULL) {
        in->status = FLOW_ENOMEM;
        return;
    }
    job->run_id = take_number(in);
    job->digest = take_number(in);
    job->cpus = take_number(in);
    job->room_bytes = take_number(in);
    take_topology(in, &job->topology);
    job->origin->path = take_text(in, NULL);
    job->origin->text = take_text(in, &job->origin->size);
    job->origin->mode = take_text(in, NULL);
    job->origin->fuse = take_text(in, NULL);
    job->origin->pin = take_text(in, NULL);
    job->origin->params = take_list(in);
    job->origin->sets = take_list(in);
    job->origin->workers = take_list(in);
    job->origin->test = take_number(in);
    job->origin->test_folder = take_text(in, NULL);
    job->plugin_folders = take_list(in);
    job->folder = take_text(in, NULL);
    job->state = take_text(in, NULL);
    job->session = take_number(in);
    const bool whole = in->size == 0 && job->origin->path != NULL && job->origin->text != NULL;
    if (in->status == FLOW_OK && !whole)
        in->status = FLOW_EPROTO;
}

enum flow_status flow_job_read(int fd, struct flow_job *job, struct flow_error *err)
{
    struct stat info;
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &info) != 0 || info.st_size <= 0 ||
        info.st_size > JOB_MAX)
        return flow_fail(err, FLOW_EPROTO, "descriptor %d is not a sealed job", fd);

    const size_t size = (size_t)info.st_size;
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return flow_system_fail(err, errno, "cannot map the job");
    struct flow_job found = {0};
    struct cursor in = {.bytes = map, .size = size};
    take_job(&in, &found);
    munmap(map, size);

    if (in.status != FLOW_OK) {
        flow_job_clear(&found);
        return flow_fail(err, in.status, "%s",
                         in.status == FLOW_ENOMEM ? "no memory to read the job"
                                                  : "the job is not of the form expected");
    }
    *job = found;
    return FLOW_OK;
}

void flow_job_clear(struct flow_job *job)
{
    flow_origin_free(job->origin);
    flow_topology_clear(&job->topology);
    flow_texts_free(job->plugin_folders);
    free(job->folder);
    free(job->state);
    *job = (struct flow_job){0};
}
