/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_KEEP_H
#define FLOW_STAGES_KEEP_H

/*
 * The script's table `state`, saved and loaded: texts, numbers, booleans, and tables of them.
 *
 *     value := "t" | "f" | "i" integer | "d" double | "s" size bytes | "{" { key value } "}"
 *
 * Numbers have 8 bytes, as they lie in memory.
 */

#include "lua/script.h"

#define KEEP_DEPTH 32 /* tables in each other */

/* FLOW_OK, what flow_save returned, or what flow_stage_fail did. */
enum flow_status keep_save(struct script *script, struct flow_stage *stage, struct flow_saver *to);

/* FLOW_OK, FLOW_EPROTO, FLOW_ENOMEM. */
enum flow_status keep_restore(struct script *script, struct flow_stage *stage,
                              struct flow_loader *from);

#endif /* FLOW_STAGES_KEEP_H */
