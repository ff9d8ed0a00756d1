/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer writes the first line of a manifest, as it may lie in a state folder: it is refused, or
 * read whole, and then it matches itself and says the same when it is written again.  The line with
 * the checksum is put right, but for inputs that begin with '!'.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "fuzz.h"
#include "state/manifest.h"

/* The input with the checksum of its first line after it. */
static void add_checksum(const uint8_t *data, size_t size, struct flow_str *out)
{
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    const size_t first = end != NULL ? (size_t)(end - data) : size;
    const uint64_t sum = flow_checksum_add(FLOW_CHECKSUM_START, data, first);
    flow_str_add_bytes(out, data, first);
    flow_str_addf(out, "\nchecksum %016" PRIx64 "\n", sum);
    MUST_HOLD(!out->failed);
}

static void check_manifest(const struct flow_manifest *manifest)
{
    struct flow_str once = {0};
    struct flow_str twice = {0};
    struct flow_manifest again = {0};
    struct flow_manifest head = {0};
    flow_manifest_write(manifest, &once);
    MUST_HOLD(!once.failed);
    MUST_HOLD(flow_manifest_read(once.text, once.size, &again, NULL) == FLOW_OK);
    flow_manifest_write(&again, &twice);
    MUST_HOLD(!twice.failed && twice.size == once.size &&
              memcmp(once.text, twice.text, once.size) == 0);
    /* Names are unique in a graph; in what was made up they need not be. */
    struct flow_error err = {0};
    const enum flow_status rc = flow_manifest_match(manifest, &again, &err);
    MUST_HOLD(rc == FLOW_OK || (rc == FLOW_EINVAL && err.text[0] != '\0'));
    MUST_HOLD(flow_manifest_copy_head(manifest, 3, &head, NULL) == FLOW_OK);
    MUST_HOLD(head.replica_count == 3 && head.stage_count == manifest->stage_count);
    flow_manifest_clear(&head);
    flow_manifest_clear(&again);
    flow_str_clear(&twice);
    flow_str_clear(&once);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct flow_str text = {0};
    struct flow_manifest manifest = {0};
    struct flow_error err = {0};
    if (size > 0 && data[0] == '!')
        flow_str_add_bytes(&text, data + 1, size - 1);
    else
        add_checksum(data, size, &text);
    if (text.failed || text.text == NULL)
        return 0;
    fuzz_short_memory(data, size);
    const enum flow_status rc = flow_manifest_read(text.text, text.size, &manifest, &err);
    flow_mem_fail_at(-1);
    MUST_HOLD((rc == FLOW_OK) == (err.text[0] == '\0'));
    if (rc == FLOW_OK)
        check_manifest(&manifest);
    flow_manifest_clear(&manifest);
    flow_str_clear(&text);
    return 0;
}
