/* SPDX-License-Identifier: MIT */
#ifndef FLOW_CONTROL_TEST_COMPARE_H
#define FLOW_CONTROL_TEST_COMPARE_H

/* What a test expects against what has come. */

#include "base/str.h"
#include "control/test_ends.h"
#include "graph/graph.h"

/*
 * Append a line for each thing that is not as expected, "PATH:LINE: LABEL: ...".  Text is compared
 * by its bytes, any other value with what the record is as JSON.
 */
void flow_test_compare(const struct flow_graph_expect *expect,
                       const struct flow_test_records *records, const char *path,
                       struct flow_str *out);

#endif /* FLOW_CONTROL_TEST_COMPARE_H */
