/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer feeds the graph reader: whatever the bytes, it must end with a graph or with findings
 * that can be printed, and leave nothing behind.
 *
 *     fuzz_graph -dict=tests/fuzz/graph.dict -max_len=4096 CORPUS tests/bad_graphs
 */
#include "fuzz.h"
#include "support/fake_types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const params[] = {"a=1", "input=b", NULL};
    static const char *const sets[] = {"n.count=3", "out.path=x", NULL};
    static const char *const workers[] = {"a=2", NULL};
    const struct flow_graph_options plain = {.path = "fuzz.json"};
    const struct flow_graph_options full = {
        .path = "fuzz.json", .params = params, .sets = sets, .workers = workers};

    struct flow_diag diag = {0};
    fuzz_short_memory(data, size);
    struct flow_graph *graph = flow_graph_read(
        (const char *)data, size, size % 4 == 3 ? &full : &plain, &fake_catalog, &diag);
    flow_mem_fail_at(-1);
    MUST_HOLD(graph != NULL || diag.count > 0 || diag.failed);
    struct flow_str out = {0};
    flow_diag_print(&diag, &out);
    flow_str_clear(&out);
    flow_diag_clear(&diag);
    flow_graph_free(graph);
    return 0;
}
