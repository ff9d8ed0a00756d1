/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_PACKING_H
#define FLOW_STAGES_PACKING_H

/*
 * What reading and writing compressed files have in common: which libraries there are, where they
 * are found when they are needed (lines/library.h), and what is said when they are not.
 */

#if defined(__has_include) && __has_include(<zlib.h>)
#include <zlib.h>
#define FLOW_HAS_ZLIB 1
#else
#define FLOW_HAS_ZLIB 0
#endif
#if defined(__has_include) && __has_include(<zstd.h>)
#include <zstd.h>
#define FLOW_HAS_ZSTD 1
#else
#define FLOW_HAS_ZSTD 0
#endif

#define FLOW_ZLIB_FILE "libz.so.1"
#define FLOW_ZSTD_FILE "libzstd.so.1"
#define FLOW_ZLIB_MISSING "libz.so.1 cannot be loaded: install zlib (Debian: zlib1g)"
#define FLOW_ZSTD_MISSING "libzstd.so.1 cannot be loaded: install it (Debian: libzstd1)"
#define FLOW_PACKING_MISSING                                                                       \
    "this flowrun was built without the library's header (Debian: zlib1g-dev, libzstd-dev)"

#endif /* FLOW_STAGES_PACKING_H */
