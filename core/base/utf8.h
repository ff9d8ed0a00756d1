/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BASE_UTF8_H
#define FLOW_BASE_UTF8_H

/* UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF. */

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that `text` begins with, 1 to 4; 0 when it is not UTF-8 or cut by `size`.
 */
size_t flow_utf8_size(const char *text, size_t size);

bool flow_utf8_valid(const char *text, size_t size);

/* The largest number of bytes, at most `most`, that does not cut a character of `text` in two. */
size_t flow_utf8_cut(const char *text, size_t size, size_t most);

#endif /* FLOW_BASE_UTF8_H */
