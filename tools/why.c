/* SPDX-License-Identifier: MIT */

/* The verb that asks a live run what it waits for. */

#include "flowrun/why.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit_code.h"
#include "say.h"
#include "session.h"
#include "stack.h"
#include "verbs.h"

#define STACKS 4 /* of all that are stuck, the first few are told apart */

static bool is_named(const struct flow_live_run *run, const char *name)
{
    char process[24];
    (void)snprintf(process, sizeof(process), "%ld", run->process);
    return strcmp(process, name) == 0 || strcmp(run->id, name) == 0;
}

static void print_stacks(const struct flow_why_answer *answer)
{
    for (size_t i = 0; i < answer->stuck_count && i < STACKS; i++) {
        const struct flow_stuck *stuck = &answer->stuck[i];
        if (stuck->process <= 0 || stuck->thread <= 0)
            continue;
        (void)printf("\nstack of %s (process %ld, thread %ld):\n", stuck->name, stuck->process,
                     stuck->thread);
        if (!stack_print(stuck->process, stuck->thread))
            (void)printf("    not to be had: install elfutils or gdb, and be the process's user\n");
    }
}

static void print_answer(const struct flow_live_run *run, const struct flow_why_answer *answer,
                         bool stacks)
{
    (void)printf("run %s (process %ld, graph %s): %s\n%s", run->id, run->process, answer->graph,
                 answer->text, answer->details);
    if (stacks)
        print_stacks(answer);
}

static int ask(const struct arguments *arguments, const struct flow_live_run *run)
{
    struct flow_error err = {0};
    struct flow_why_answer answer = {0};
    if (flow_why_ask(run, &answer, &err) != FLOW_OK)
        return failed(&err);
    if (arguments->json)
        (void)fputs(answer.json, stdout);
    else
        print_answer(run, &answer, !arguments->no_stack);
    flow_why_answer_clear(&answer);
    return EXIT_DONE;
}

/* A line for each run; what one is doing costs a look at it. */
static int list(const struct arguments *arguments, const struct flow_live_run *runs, size_t count)
{
    if (arguments->json)
        (void)fputs("[", stdout);
    for (size_t i = 0; i < count; i++) {
        struct flow_why_answer answer = {0};
        const bool answered = flow_why_ask(&runs[i], &answer, NULL) == FLOW_OK;
        if (arguments->json)
            (void)printf("%s{ \"process\": %ld, \"run\": \"%s\" }", i > 0 ? ", " : "",
                         runs[i].process, runs[i].id);
        else
            (void)printf("%ld  %s  %s: %s\n", runs[i].process, runs[i].id,
                         answered ? answer.graph : "?", answered ? answer.text : "does not answer");
        flow_why_answer_clear(&answer);
    }
    if (arguments->json)
        (void)fputs("]\n", stdout);
    else if (count == 0)
        (void)fputs("no run of this user is alive\n", stdout);
    return EXIT_DONE;
}

int tell_why(const struct arguments *arguments)
{
    struct flow_error err = {0};
    struct flow_live_run *runs = NULL;
    size_t count = 0;
    if (flow_live_runs(&runs, &count, &err) != FLOW_OK)
        return failed(&err);
    int code = EXIT_USAGE;
    const struct flow_live_run *found = NULL;
    for (size_t i = 0; i < count && found == NULL && arguments->operand != NULL; i++)
        if (is_named(&runs[i], arguments->operand))
            found = &runs[i];
    if (arguments->operand == NULL)
        code = list(arguments, runs, count);
    else if (found != NULL)
        code = ask(arguments, found);
    else
        (void)say_error("no live run of this user is '%s'; flowrun why lists them",
                        arguments->operand);
    free(runs);
    return code;
}
