/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BASE_UNITS_H
#define FLOW_BASE_UNITS_H

/* Sizes and durations as people write them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "64KiB", "1MB", "10B", "4096": B KiB MiB GiB TiB KB MB GB TB; no sign, no fraction, no space. */
bool flow_parse_size(const char *text, uint64_t *bytes);

/* "250ms": ns us ms s m h; whole numbers. */
bool flow_parse_duration(const char *text, int64_t *ns);

/* Into `buf`, and return it: "64.0 KiB", "1.5 s", "12.3 M" (a count or rate).  32 bytes suffice. */
char *flow_format_size(uint64_t bytes, char *buf, size_t buf_size);
char *flow_format_duration(int64_t ns, char *buf, size_t buf_size);
char *flow_format_count(double count, char *buf, size_t buf_size);

#endif /* FLOW_BASE_UNITS_H */
