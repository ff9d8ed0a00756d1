/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_KEYS_H
#define FLOW_ENGINE_KEYS_H

/* Which reader of a keyed edge a record belongs to. */

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "flowrun/error.h"
#include "record/builder.h"

/*
 * The reader, below `readers`, for a record: equal keys give the same reader, in every process. The
 * key is the record's own, else its bytes; or, with `pointer` (RFC 6901), what that finds in the
 * record, read as JSON: a string's bytes, else the value's compact JSON text.  FLOW_EBAD: the
 * record is not JSON, or has nothing there; `err` says so.  `key` is scratch.
 */
FLOW_NODISCARD enum flow_status flow_key_reader(const struct flow_piece *record,
                                                const char *pointer, size_t readers,
                                                struct flow_str *key, size_t *reader,
                                                struct flow_error *err);

#endif /* FLOW_ENGINE_KEYS_H */
