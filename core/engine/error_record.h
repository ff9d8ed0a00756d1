/* SPDX-License-Identifier: MIT */
#ifndef FLOW_ENGINE_ERROR_RECORD_H
#define FLOW_ENGINE_ERROR_RECORD_H

/*
 * What an errors port is given of a record that was set aside: a JSON object with the stage, the
 * replica, the record's number, key and bytes, why, after how many tries, and by what signal its
 * process died, if it did.
 *
 * Threads: the replica's own.
 */

#include "engine/replica.h"

/* A text to be freed; NULL: no memory. */
char *flow_error_record(const struct flow_replica *replica, const struct flow_record *record,
                        const char *reason, unsigned tries);

#endif /* FLOW_ENGINE_ERROR_RECORD_H */
