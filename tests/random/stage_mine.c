/* SPDX-License-Identifier: MIT */
#include "random/stages.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* rt.mine, rt.mines: forward records, but for some that end their process, or never return;
 * rt.keep: the same with state, it numbers those that it lets through. */

enum how { SEGV, ABORT, EXIT, HANG };

struct mine {
    uint64_t count; /* let through */
    int how;
    int64_t every; /* one record of so many, by the number that it is as text; 0: none */
    int64_t at;
};

static const struct flow_param mine_params[] = {
    FLOW_PARAM_ENUM(struct mine, how, "segv", "segv|abort|exit|hang", "what a mine does"),
    FLOW_PARAM_I64(struct mine, every, "0", 0, 1000000000, "a mine among so many; 0: none"),
    FLOW_PARAM_I64(struct mine, at, "0", 0, 1000000000, "the remainder of a mine"),
    FLOW_PARAM_END,
};

static int64_t value_of(const struct flow_record *record)
{
    const uint8_t *digits = record->data;
    int64_t value = 0;
    for (size_t i = 0; i < record->size && digits[i] >= '0' && digits[i] <= '9'; i++)
        value = value * 10 + (digits[i] - '0');
    return value;
}

/* As the kernel would do it: the signals of a stage's thread are blocked. */
static void die_of(int number)
{
    sigset_t only;
    (void)sigemptyset(&only);
    (void)sigaddset(&only, number);
    (void)signal(number, SIG_DFL);
    (void)pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    (void)raise(number);
}

static void explode(int how)
{
    switch (how) {
    case SEGV:
        die_of(SIGSEGV);
        break;
    case ABORT:
        die_of(SIGABRT);
        break;
    case EXIT:
        _exit(7);
    default:
        for (;;)
            pause();
    }
}

static void step_on(const struct mine *self, const struct flow_record *record)
{
    if (self->every > 0 && value_of(record) % self->every == self->at)
        explode(self->how);
}

static enum flow_status mine_process(void *state, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    step_on(state, record);
    return flow_forward(stage, 0, record);
}

static enum flow_status mines_process(void *state, struct flow_stage *stage,
                                      const struct flow_batch *batch)
{
    for (struct flow_cursor c = flow_batch_begin(batch); flow_batch_next(&c);)
        step_on(state, &c.record);
    return flow_forward_batch(stage, 0, batch);
}

static enum flow_status keep_process(void *state, struct flow_stage *stage,
                                     const struct flow_record *record)
{
    struct mine *self = state;
    char text[64];
    step_on(self, record);
    const int size = snprintf(text, sizeof(text), "%llu %lld", (unsigned long long)++self->count,
                              (long long)value_of(record));
    return flow_emit(stage, text, (size_t)size);
}

static enum flow_status keep_save(void *state, struct flow_stage *stage, struct flow_saver *to)
{
    const struct mine *self = state;
    (void)stage;
    return flow_save_number(to, self->count);
}

static enum flow_status keep_restore(void *state, struct flow_stage *stage,
                                     struct flow_loader *from)
{
    struct mine *self = state;
    (void)stage;
    return flow_load_number(from, &self->count);
}

const struct flow_stage_type rt_keep_type = {
    .name = "rt.keep",
    .help = "numbers records, some of which end the process",
    .role = FLOW_WORKER,
    .traits = FLOW_STATEFUL,
    .params = mine_params,
    .state_size = sizeof(struct mine),
    .process = keep_process,
    .save = keep_save,
    .restore = keep_restore,
};

const struct flow_stage_type rt_mine_type = {
    .name = "rt.mine",
    .help = "forwards records, some of which end the process",
    .role = FLOW_WORKER,
    .params = mine_params,
    .state_size = sizeof(struct mine),
    .process = mine_process,
};

const struct flow_stage_type rt_mines_type = {
    .name = "rt.mines",
    .help = "forwards batches, some records of which end the process",
    .role = FLOW_WORKER,
    .params = mine_params,
    .state_size = sizeof(struct mine),
    .process_batch = mines_process,
};
