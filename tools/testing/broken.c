/* SPDX-License-Identifier: MIT */
/* In a file of its own: a program that has this function itself leaves it in the library. */
#include <stdio.h>
#include <stdlib.h>

#include "flowrun/testing.h"

void flow_harness_broken(const char *message)
{
    (void)fprintf(stderr, "%s\n", message);
    abort();
}
