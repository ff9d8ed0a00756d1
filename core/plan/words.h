/* SPDX-License-Identifier: MIT */
#ifndef FLOW_PLAN_WORDS_H
#define FLOW_PLAN_WORDS_H

/* What a plan says of its stages in words: shared by the text and the JSON of `flowrun explain`. */

#include "plan/plan.h"

/* "producer", "worker", "consumer" or "sequencer": what the graph makes of the stage. */
const char *flow_plan_role(const struct flow_plan *plan, size_t stage);

/* Why the stage has as many workers as it has; "" for a sequencer and where the graph says so. */
const char *flow_plan_workers_reason(const struct flow_plan *plan, size_t stage);

/* The order in which the results of the stage are read; "" where nobody reads any. */
const char *flow_plan_order_words(const struct flow_plan *plan, size_t stage);

/* "retry 3 times after 10 ms to 1 s, then skip" and its like; "" for a sequencer. */
void flow_plan_errors_words(const struct flow_plan_stage *stage, struct flow_str *out);

/* "words", "words.long" or "words.errors": the output that an edge takes from. */
void flow_plan_output_words(const struct flow_plan *plan, const struct flow_plan_edge *edge,
                            struct flow_str *out);

/* "words" or "join.left": the input that it leads to. */
void flow_plan_input_words(const struct flow_plan *plan, const struct flow_plan_edge *edge,
                           struct flow_str *out);

/* "gen" or, where stages are fused, "gen + copy + null". */
void flow_plan_task_words(const struct flow_plan *plan, size_t task, struct flow_str *out);

/* Why a stage is not replaced when its process dies: "it keeps state" and its like. */
const char *flow_plan_loss_words(const struct flow_plan *plan, size_t stage);

/* What is done when a process of a stage dies, appended: "it is replaced", "the run ends: ..." */
void flow_plan_death_words(const struct flow_plan *plan, size_t stage, struct flow_str *out);

/* What a crash loses, a sentence each; NULL ends the list. */
const char *const *flow_plan_crash_words(const struct flow_plan *plan);

#endif /* FLOW_PLAN_WORDS_H */
