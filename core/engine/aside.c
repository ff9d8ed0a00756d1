/* SPDX-License-Identifier: MIT */
#include "engine/aside.h"

#include <stdio.h>
#include <string.h>

static void read_entry(struct flow_aside *aside, struct flow_board_aside *entry)
{
    aside->records[aside->count++] = (struct flow_fatal){
        .number = flow_read(&entry->number) - 1,
        .tries = (unsigned)flow_read(&entry->tries),
        .cause = flow_read(&entry->cause),
        .print = flow_read(&entry->print),
        .entry = entry,
    };
}

void flow_aside_read(struct flow_aside *aside, struct flow_board_group *orders,
                     struct flow_board_group *common, size_t stage)
{
    aside->count = 0;
    aside->careful = flow_read(&orders->careful);
    for (size_t i = 0; i < FLOW_ASIDE_MOST; i++) {
        struct flow_board_aside *own = &orders->aside[i];
        struct flow_board_aside *shared = &common->aside[i];
        if (flow_read(&own->number) != 0 && flow_read(&own->print) == 0)
            read_entry(aside, own);
        if (flow_read(&shared->number) != 0 && flow_read(&shared->print) != 0 &&
            flow_read(&shared->stage) == stage)
            read_entry(aside, shared);
    }
}

const struct flow_fatal *flow_aside_find(const struct flow_aside *aside, uint64_t number,
                                         uint64_t count)
{
    const struct flow_fatal *first = NULL;
    for (size_t i = 0; i < aside->count; i++) {
        const struct flow_fatal *fatal = &aside->records[i];
        if (fatal->print == 0 && fatal->number >= number && fatal->number - number < count &&
            (first == NULL || fatal->number < first->number))
            first = fatal;
    }
    return first;
}

int flow_fatal_signal(const struct flow_fatal *fatal)
{
    return fatal->cause < FLOW_CAUSE_TIMEOUT ? (int)fatal->cause : 0;
}

void flow_fatal_describe(const struct flow_fatal *fatal, char *text, size_t size)
{
    if (fatal->cause == FLOW_CAUSE_TIMEOUT) {
        (void)snprintf(text, size, "its worker took longer for it than \"timeout\" allows");
    } else if (fatal->cause >= FLOW_CAUSE_EXIT) {
        (void)snprintf(text, size, "its worker exited with code %u",
                       (unsigned)(fatal->cause - FLOW_CAUSE_EXIT));
    } else {
        const char *name = sigdescr_np((int)fatal->cause);
        (void)snprintf(text, size, "it killed its worker by signal %d (%s)", (int)fatal->cause,
                       name != NULL ? name : "a signal without a name");
    }
}
