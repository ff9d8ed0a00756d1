/* SPDX-License-Identifier: MIT */
#ifndef FLOW_TESTS_HARNESS_H
#define FLOW_TESTS_HARNESS_H

/* <flowrun/testing.h> for our own tests: what breaks its rules fails a test of cmocka. */

#include <flowrun/testing.h>

/* A type that is linked in; a test that asks for another fails. */
const struct flow_stage_type *harness_builtin(const char *name);

#endif /* FLOW_TESTS_HARNESS_H */
