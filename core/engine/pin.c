/* SPDX-License-Identifier: MIT */
#include "engine/pin.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "plan/place.h"

static enum flow_status refuse(const struct flow_plan_replica *self, int cause,
                               struct flow_error *err)
{
    struct flow_str cpus = {0};
    flow_cpus_add(&cpus, self->cpus, self->cpu_count);
    const enum flow_status rc = flow_fail(err, FLOW_EIO, "cannot run on CPU %s: %s",
                                          cpus.text != NULL ? cpus.text : "", strerror(cause));
    flow_str_clear(&cpus);
    return rc;
}

enum flow_status flow_pin_thread(const struct flow_plan *plan, size_t replica,
                                 struct flow_error *err)
{
    const struct flow_plan_replica *self = &plan->replicas[replica];
    if (self->cpu_count == 0)
        return FLOW_OK;
    uint32_t highest = 0;
    for (size_t i = 0; i < self->cpu_count; i++)
        highest = self->cpus[i] > highest ? self->cpus[i] : highest;
    const size_t size = CPU_ALLOC_SIZE(highest + 1);
    cpu_set_t *set = flow_alloc(size);
    if (set == NULL)
        return flow_fail(err, FLOW_ENOMEM, "out of memory for a set of CPUs");
    for (size_t i = 0; i < self->cpu_count; i++)
        CPU_SET_S(self->cpus[i], size, set);
    const int cause = pthread_setaffinity_np(pthread_self(), size, set);
    free(set);
    return cause == 0 ? FLOW_OK : refuse(self, cause, err);
}
