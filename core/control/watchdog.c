/* SPDX-License-Identifier: MIT */
#include "control/watchdog.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "control/door.h"
#include "control/facts.h"
#include "control/origin.h"
#include "watch/stall.h"
#include "watch/why.h"

#define LOOKS 4 /* in the time that is a stall */
#define HANG_NS                                                                                    \
    ((int64_t)1000 * 1000 * 1000) /* for those who ask: a callback that takes so long              \
                                   */
#define LINES 16                  /* of details in a report that nobody asked for */

struct flow_watchdog {
    const struct flow_launch *launch;
    const struct flow_run_options *options;
    struct flow_stall stall;
    int door;
    int64_t start_ns;
    int64_t limit_ns; /* 0: nobody wants to know */
    int64_t due_ns;
    int64_t told_ns;   /* when what was last reported had last moved; 0: nothing was */
    bool told_outside; /* that the run waits for something outside, which is no fault */
};

struct flow_watchdog *flow_watchdog_new(const struct flow_launch *launch,
                                        const struct flow_run_options *options)
{
    struct flow_watchdog *dog = flow_alloc(sizeof(*dog));
    if (dog == NULL)
        return NULL;
    const int64_t now = flow_now_ns();
    *dog = (struct flow_watchdog){
        .launch = launch,
        .options = options,
        .door = -1,
        .start_ns = now,
        .limit_ns = launch->plan->graph->stall_ns,
    };
    if (!flow_stall_init(&dog->stall, launch->plan, launch->board, now)) {
        free(dog);
        return NULL;
    }
    dog->due_ns = dog->limit_ns > 0 ? now + dog->limit_ns / LOOKS : INT64_MAX;
    dog->door = flow_door_open(launch->run_id);
    return dog;
}

void flow_watchdog_free(struct flow_watchdog *dog)
{
    if (dog == NULL)
        return;
    if (dog->door >= 0)
        close(dog->door);
    flow_stall_clear(&dog->stall);
    free(dog);
}

int flow_watchdog_fd(const struct flow_watchdog *dog)
{
    return dog != NULL ? dog->door : -1;
}

int64_t flow_watchdog_due(const struct flow_watchdog *dog)
{
    return dog != NULL ? dog->due_ns : INT64_MAX;
}

/* Look, and find out; the run moves if it has within `lately_ns`, a callback hangs after `hang_ns`.
 * What was filled in is to be released. */
static bool find_out(struct flow_watchdog *dog, int64_t lately_ns, int64_t hang_ns,
                     const char *back, struct flow_why_input *input, struct flow_why *why)
{
    const struct flow_launch *launch = dog->launch;
    const int64_t now_ns = flow_now_ns();
    flow_stall_look(&dog->stall, now_ns);
    struct flow_why_thread *facts = flow_facts_new(launch->plan, launch->board);
    *input = (struct flow_why_input){
        .plan = launch->plan,
        .board = launch->board,
        .now_ns = now_ns,
        .moved_ns = dog->stall.moved_ns,
        .moving = now_ns - dog->stall.moved_ns < lately_ns,
        .moved = dog->stall.replicas,
        .hang_ns = hang_ns,
        .threads = facts,
        .back = back,
    };
    if (facts != NULL && flow_why_find(input, why))
        return true;
    free(facts);
    return false;
}

static void release(struct flow_why_input *input, struct flow_why *why)
{
    flow_why_clear(why);
    free((void *)(uintptr_t)input->threads);
}

/* ---- what it says by itself ---- */

/* Line by line, as the log wants it. */
static void tell(const struct flow_watchdog *dog, char *text)
{
    if (dog->options->log == NULL)
        return;
    for (char *line = text, *end; *line != '\0'; line = end) {
        end = line + strcspn(line, "\n");
        if (*end != '\0')
            *end++ = '\0';
        dog->options->log(dog->options->context, line);
    }
}

static void report(const struct flow_watchdog *dog, const struct flow_why_input *input,
                   const struct flow_why *why)
{
    struct flow_str text = {0};
    flow_why_headline(input, why, &text);
    flow_str_add(&text, "\n");
    flow_why_details(input, why, LINES, &text);
    if (!text.failed)
        tell(dog, text.text);
    flow_str_clear(&text);
}

/* Is this news, and if so, of a kind that people want to hear of? */
static bool is_news(struct flow_watchdog *dog, const struct flow_why_input *input,
                    const struct flow_why *why)
{
    const int64_t moved = why->kind == FLOW_WHY_HANGING
                              ? dog->stall.replicas[why->culprits[0]].moved_ns
                              : input->moved_ns;
    if (why->kind == FLOW_WHY_MOVING || why->kind == FLOW_WHY_ENDED || moved == dog->told_ns)
        return false;
    if (why->kind == FLOW_WHY_OUTSIDE && dog->told_outside)
        return false;
    dog->told_outside = dog->told_outside || why->kind == FLOW_WHY_OUTSIDE;
    dog->told_ns = moved;
    return true;
}

static enum flow_status judge(const struct flow_watchdog *dog, const struct flow_why_input *input,
                              const struct flow_why *why, struct flow_error *err)
{
    if (!dog->launch->plan->graph->stall_stops || why->kind == FLOW_WHY_OUTSIDE ||
        why->kind == FLOW_WHY_HANGING)
        return FLOW_OK;
    struct flow_str text = {0};
    flow_why_headline(input, why, &text);
    const enum flow_status rc =
        flow_fail(err, FLOW_EAGAIN, "%s", text.failed ? "nothing moves any more" : text.text);
    flow_str_clear(&text);
    return rc;
}

enum flow_status flow_watchdog_look(struct flow_watchdog *dog, int64_t now_ns,
                                    struct flow_error *err)
{
    dog->due_ns = now_ns + dog->limit_ns / LOOKS;
    flow_stall_look(&dog->stall, now_ns);
    bool still = now_ns - dog->stall.moved_ns >= dog->limit_ns;
    for (size_t i = 0; i < dog->launch->plan->replica_count && !still; i++)
        still = now_ns - dog->stall.replicas[i].moved_ns >= dog->limit_ns;
    struct flow_why_input input;
    struct flow_why why;
    if (!still || !find_out(dog, dog->limit_ns, dog->limit_ns, NULL, &input, &why))
        return FLOW_OK;

    enum flow_status rc = FLOW_OK;
    if (is_news(dog, &input, &why)) {
        report(dog, &input, &why);
        rc = judge(dog, &input, &why, err);
    }
    release(&input, &why);
    return rc;
}

/* ---- what it is asked ---- */

static json_t *answer_json(const struct flow_watchdog *dog, const struct flow_why_input *input,
                           const struct flow_why *why)
{
    const struct flow_graph *graph = dog->launch->plan->graph;
    const char *path = graph->origin != NULL ? graph->origin->path : "";
    char id[24];
    (void)snprintf(id, sizeof(id), "%016" PRIx64, dog->launch->run_id);
    struct flow_str details = {0};
    flow_why_details(input, why, SIZE_MAX, &details);
    json_t *json = flow_why_json(input, why);
    const bool ok =
        json != NULL && !details.failed && json_object_set_new(json, "run", json_string(id)) == 0 &&
        json_object_set_new(json, "process", json_integer(getpid())) == 0 &&
        json_object_set_new(json, "file",
                            json_string(flow_utf8_valid(path, strlen(path)) ? path : "")) == 0 &&
        json_object_set_new(json, "elapsed",
                            json_real((double)(input->now_ns - dog->start_ns) / 1e9)) == 0 &&
        json_object_set_new(json, "details",
                            json_string(details.text != NULL ? details.text : "")) == 0;
    flow_str_clear(&details);
    if (ok)
        return json;
    json_decref(json);
    return NULL;
}

void flow_watchdog_reset(struct flow_watchdog *dog, int64_t now_ns)
{
    if (dog == NULL)
        return;
    flow_stall_look(&dog->stall, now_ns);
    flow_stall_touch(&dog->stall, now_ns);
    dog->told_ns = 0;
    dog->due_ns = dog->limit_ns > 0 ? now_ns + dog->limit_ns / LOOKS : INT64_MAX;
}

void flow_watchdog_answer(struct flow_watchdog *dog, const char *back)
{
    const int connection = flow_door_accept(dog->door);
    if (connection < 0)
        return;
    struct flow_why_input input;
    struct flow_why why;
    char *text = NULL;
    if (find_out(dog, 1, HANG_NS, back, &input, &why)) {
        json_t *json = answer_json(dog, &input, &why);
        text = json != NULL ? json_dumps(json, JSON_INDENT(2)) : NULL;
        json_decref(json);
        release(&input, &why);
    }
    flow_door_answer(connection, text != NULL ? text : "");
    free(text);
}
