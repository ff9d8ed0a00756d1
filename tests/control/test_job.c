/* SPDX-License-Identifier: MIT */
#include "control/job.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "support/check.h"

static char graph_text[] = "{\0 \"flowrun\": 1 }"; /* a zero inside must survive */
static char graph_path[] = "graphs/a.json";
static char state_folder[] = "job.state";
static char folder[] = "/run/user/0/flowrun-0-abcdef";
static char mode[] = "threads";
static char param_1[] = "a=b", param_2[] = "c=";
static char *params[] = {param_1, param_2, NULL};
static char pin[] = "spread";
static struct flow_cpu cpus[] = {
    {.number = 0, .node = 1, .cache = 2, .core = 3, .thread = 4},
    {.number = 8, .state = FLOW_CPU_FORBIDDEN},
};
static char *no_folders[] = {NULL};

static struct flow_graph_origin origin = {
    .path = graph_path,
    .text = graph_text,
    .size = sizeof(graph_text) - 1,
    .mode = mode,
    .pin = pin,
    .params = params,
};

static const struct flow_job job = {
    .run_id = UINT64_C(0xfedcba9876543210),
    .digest = 42,
    .cpus = 7,
    .room_bytes = 12345,
    .topology = {cpus, COUNT(cpus)},
    .origin = &origin,
    .plugin_folders = no_folders,
    .folder = folder,
    .state = state_folder,
    .session = 12,
};

TEST(a_job_reads_as_it_was_written)
{
    int fd = -1;
    struct flow_job read = {0};
    struct flow_error err = {0};
    assert_int_equal(flow_job_write(&job, &fd, &err), FLOW_OK);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(flow_job_read(fd, &read, &err), FLOW_OK);
    assert_true(read.run_id == job.run_id && read.digest == 42 && read.cpus == 7);
    assert_int_equal(read.room_bytes, 12345);
    assert_string_equal(read.origin->path, graph_path);
    assert_int_equal(read.origin->size, origin.size);
    assert_memory_equal(read.origin->text, graph_text, sizeof(graph_text));
    assert_string_equal(read.origin->mode, "threads");
    assert_string_equal(read.origin->pin, "spread");
    assert_int_equal(read.topology.count, COUNT(cpus));
    assert_memory_equal(read.topology.cpus, cpus, sizeof(cpus));
    assert_string_equal(read.origin->params[0], "a=b");
    assert_string_equal(read.origin->params[1], "c=");
    assert_null(read.origin->params[2]);
    assert_null(read.origin->sets);
    assert_null(read.origin->workers);
    assert_non_null(read.plugin_folders);
    assert_null(read.plugin_folders[0]);
    assert_string_equal(read.folder, folder);
    assert_string_equal(read.state, state_folder);
    assert_int_equal(read.session, 12);
    flow_job_clear(&read);
    close(fd);
}

TEST(nobody_can_change_a_job)
{
    int fd = -1;
    struct flow_error err = {0};
    assert_int_equal(flow_job_write(&job, &fd, &err), FLOW_OK);
    assert_true(pwrite(fd, "x", 1, 0) < 0);
    assert_true(ftruncate(fd, 0) < 0);
    close(fd);
}

/* A sealed memfd with these bytes. */
static int forge(const uint8_t *bytes, size_t size)
{
    const int fd = memfd_create("forged", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    assert_int_equal(
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    return fd;
}

/* The bytes of the job above; free(). */
static uint8_t *job_bytes(size_t *size)
{
    int fd = -1;
    struct flow_error err = {0};
    assert_int_equal(flow_job_write(&job, &fd, &err), FLOW_OK);
    *size = (size_t)lseek(fd, 0, SEEK_END);
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, *size, 0), *size);
    close(fd);
    return bytes;
}

static enum flow_status read_forged(const uint8_t *bytes, size_t size, struct flow_error *err)
{
    struct flow_job read = {0};
    const int fd = forge(bytes, size);
    *err = (struct flow_error){0};
    const enum flow_status rc = flow_job_read(fd, &read, err);
    flow_job_clear(&read);
    close(fd);
    return rc;
}

TEST(a_job_cut_anywhere_or_with_something_after_it_is_refused)
{
    size_t size = 0;
    struct flow_error err;
    uint8_t *bytes = job_bytes(&size);
    for (size_t cut = 1; cut < size; cut++) {
        assert_int_equal(read_forged(bytes, cut, &err), FLOW_EPROTO);
        assert_string_equal(err.text, "the job is not of the form expected");
    }
    uint8_t *longer = realloc(bytes, size + 1);
    assert_non_null(longer);
    longer[size] = 0;
    assert_int_equal(read_forged(longer, size + 1, &err), FLOW_EPROTO);
    free(longer);
}

TEST(a_job_with_any_byte_changed_is_read_without_harm)
{
    static const uint8_t values[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
    size_t size = 0;
    struct flow_error err;
    uint8_t *bytes = job_bytes(&size);
    for (size_t at = 0; at < size; at++) {
        const uint8_t old = bytes[at];
        for (size_t i = 0; i < COUNT(values); i++) {
            bytes[at] = values[i];
            const enum flow_status rc = read_forged(bytes, size, &err);
            assert_true(rc == FLOW_OK || rc == FLOW_EPROTO);
        }
        bytes[at] = old;
    }
    free(bytes);
}

TEST(a_file_that_is_not_sealed_is_no_job)
{
    struct flow_job read = {0};
    struct flow_error err = {0};
    const int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(flow_job_read(fd, &read, &err), FLOW_EPROTO);
    assert_non_null(strstr(err.text, "is not a sealed job"));
    close(fd);
}

TEST(a_lack_of_memory_at_any_point_of_reading_is_told)
{
    int fd = -1;
    struct flow_error err = {0};
    assert_int_equal(flow_job_write(&job, &fd, &err), FLOW_OK);
    for (int n = 0;; n++) {
        struct flow_job read = {0};
        err = (struct flow_error){0};
        flow_mem_fail_at(n);
        const enum flow_status rc = flow_job_read(fd, &read, &err);
        flow_mem_fail_at(-1);
        flow_job_clear(&read);
        if (rc == FLOW_OK) {
            assert_true(n > 5);
            break;
        }
        assert_int_equal(rc, FLOW_ENOMEM);
        assert_string_equal(err.text, "no memory to read the job");
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_reads_as_it_was_written),
        cmocka_unit_test(nobody_can_change_a_job),
        cmocka_unit_test(a_job_cut_anywhere_or_with_something_after_it_is_refused),
        cmocka_unit_test(a_job_with_any_byte_changed_is_read_without_harm),
        cmocka_unit_test(a_file_that_is_not_sealed_is_no_job),
        cmocka_unit_test(a_lack_of_memory_at_any_point_of_reading_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
