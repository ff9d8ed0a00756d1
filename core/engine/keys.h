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
 * The reader, below `readers`, of a record: equal keys give the same reader, in every process.  A
 * record without a key is its own key.
 */
size_t flow_key_reader(const struct flow_piece *record, size_t readers);

/*
 * What `pointer` (RFC 6901) finds in the record, read as JSON, into `key`: a string's bytes, else
 * the value's compact JSON text.  FLOW_EBAD: the record is not JSON, or has nothing there; `err`
 * says so.
 */
FLOW_NODISCARD enum flow_status flow_key_find(const struct flow_piece *record, const char *pointer,
                                              struct flow_str *key, struct flow_error *err);

#endif /* FLOW_ENGINE_KEYS_H */
