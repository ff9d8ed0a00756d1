/* SPDX-License-Identifier: MIT */
/* Every block of docs/graph-format.md that is marked json is a graph that is accepted. */
#include <stdio.h>

#include "base/mem.h"
#include "support/read_graph.h"

#define DOCUMENT FLOW_SOURCE_DIR "/docs/graph-format.md"

static char *read_document(void)
{
    FILE *in = fopen(DOCUMENT, "rb");
    assert_non_null(in);
    struct flow_str text = {0};
    char piece[4096];
    for (size_t size; (size = fread(piece, 1, sizeof(piece), in)) > 0;)
        flow_str_add_bytes(&text, piece, size);
    (void)fclose(in);
    return flow_str_take(&text);
}

TEST(every_whole_graph_in_the_reference_is_accepted)
{
    char *document = read_document();
    assert_non_null(document);
    int count = 0;
    const char *at = document;
    while ((at = strstr(at, "\n```json\n")) != NULL) {
        at += 9;
        const char *end = strstr(at, "\n```\n");
        assert_non_null(end);
        char *text = flow_strndup(at, (size_t)(end - at));
        flow_graph_free(read_graph(text, NULL));
        free(text);
        at = end;
        count++;
    }
    assert_in_range(count, 8, 100);
    free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_whole_graph_in_the_reference_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
