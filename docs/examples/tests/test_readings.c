/* SPDX-License-Identifier: MIT */
#include <flowrun/testing.h>

#undef NDEBUG /* assert is what tests here */
#include <assert.h>
#include <stdlib.h>

int main(void)
{
    const struct flow_stage_type *type = flow_harness_load("../stages/readings.so", NULL);

    const struct flow_harness_options options = {.with = "{\"limit\": 20}"};
    struct flow_harness *h = flow_harness_new(type, &options);
    flow_harness_feed(h, "oslo 4");
    flow_harness_feed(h, "cairo 38");
    flow_harness_feed(h, "quito");
    assert(flow_harness_run(h) == FLOW_OK);
    assert(strcmp(flow_harness_text(h, 0), "oslo 4\n") == 0);
    assert(strcmp(flow_harness_text(h, 1), "cairo 38\n") == 0);
    assert(strcmp(flow_harness_record(h, 0, 0)->key, "oslo") == 0);
    assert(flow_harness_reject_count(h) == 1);
    assert(strcmp(flow_harness_reject(h, 0), "0: 'quito' is not STATION DEGREES") == 0);
    flow_harness_free(h);

    char *why = flow_harness_refusal(type, "{\"limit\": 101}");
    assert(why != NULL && strstr(why, "'limit' is 101") != NULL);
    free(why);
    return 0;
}
