/* SPDX-License-Identifier: MIT */
/* A library, but no plugin. */
#include <flowrun/status.h>

FLOW_EXPORT int answer(void);

int answer(void)
{
    return 42;
}
