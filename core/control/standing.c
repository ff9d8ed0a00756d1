/* SPDX-License-Identifier: MIT */
#include "control/standing.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "control/origin.h"

FLOW_PRINTF(2, 3)
static void tell(const struct flow_run_options *options, const char *fmt, ...)
{
    struct flow_str line = {0};
    va_list args;
    va_start(args, fmt);
    flow_str_addv(&line, fmt, args);
    va_end(args);
    if (options->log != NULL && !line.failed)
        options->log(options->context, line.text);
    flow_str_clear(&line);
}

/* "jobs/count.json" keeps its state in "jobs/count.state". */
static char *default_path(const struct flow_graph *graph, struct flow_error *err)
{
    const char *path = graph->origin != NULL ? graph->origin->path : NULL;
    if (path == NULL || strcmp(path, "<stdin>") == 0) {
        (void)flow_fail(err, FLOW_EINVAL,
                        "a graph that is not read from a file has no state folder of its own: "
                        "name one with --state or in run.state");
        return NULL;
    }
    const size_t size = strlen(path);
    const size_t stem = size > 5 && strcmp(path + size - 5, ".json") == 0 ? size - 5 : size;
    struct flow_str made = {0};
    flow_str_add_bytes(&made, path, stem);
    flow_str_add(&made, ".state");
    char *taken = flow_str_take(&made);
    if (taken == NULL)
        (void)flow_fail(err, FLOW_ENOMEM, "no memory for a path");
    return taken;
}

static enum flow_status open_folder(const struct flow_graph *graph, struct flow_standing *standing,
                                    struct flow_error *err)
{
    char *made = graph->state == NULL ? default_path(graph, err) : NULL;
    if (graph->state == NULL && made == NULL)
        return err != NULL && err->status != FLOW_OK ? err->status : FLOW_ENOMEM;
    const enum flow_status rc = flow_state_open(graph->state != NULL ? graph->state : made,
                                                &flow_disk_real, &standing->state, err);
    free(made);
    return rc;
}

/* There is a checkpoint, in standing->from. */
static enum flow_status judge(struct flow_standing *standing,
                              const struct flow_run_options *options, struct flow_error *err)
{
    struct flow_manifest *from = &standing->from;
    struct flow_error why = {0};
    if (!options->resume && !from->done)
        return flow_fail(err, FLOW_EINVAL,
                         "the state folder '%s' holds a run that was interrupted, with checkpoint "
                         "%" PRIu64 ": go on with --resume, or remove the folder to begin anew",
                         standing->state.path, from->epoch);
    if (!options->resume) {
        flow_manifest_clear(from);
        return flow_state_reset(&standing->state, false, err);
    }
    if (flow_manifest_match(from, &standing->head, &why) != FLOW_OK)
        return flow_fail(err, FLOW_EINVAL, "cannot go on from the checkpoint in '%s': %s",
                         standing->state.path, why.text);
    standing->done = from->done;
    if (from->done)
        tell(options, "the run in '%s' is done: there is nothing to go on with",
             standing->state.path);
    else
        tell(options, "going on from checkpoint %" PRIu64 " in '%s'", from->epoch,
             standing->state.path);
    return FLOW_OK;
}

static enum flow_status load(struct flow_standing *standing, const struct flow_run_options *options,
                             struct flow_error *err)
{
    struct flow_str said = {0};
    enum flow_status rc = flow_state_load(&standing->state, &standing->from, &said, err);
    for (char *line = said.text; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        *end = '\0';
        tell(options, "%s", line);
        line = end + 1;
    }
    flow_str_clear(&said);
    if (rc == FLOW_OK)
        return judge(standing, options, err);
    if (rc != FLOW_ENOENT)
        return rc;
    bool spools = false;
    rc = flow_state_look_for_spools(&standing->state, &spools, err);
    if (rc == FLOW_OK && spools && !options->resume)
        rc = flow_fail(err, FLOW_EINVAL,
                       "the state folder '%s' holds the spool of a run that was interrupted before "
                       "its first checkpoint: go on with --resume, or remove the folder to begin "
                       "anew without what it had taken",
                       standing->state.path);
    if (rc != FLOW_OK)
        return rc;
    if (options->resume)
        tell(options, "there is no checkpoint in '%s' yet: the run begins anew%s",
             standing->state.path, spools ? ", with what its spools hold" : "");
    return flow_state_reset(&standing->state, options->resume, err);
}

static enum flow_status begin(const struct flow_plan *plan, struct flow_standing *standing,
                              int64_t made_ns, struct flow_error *err)
{
    standing->checkpoints = (struct flow_checkpoints){
        .folder = standing->state.fd,
        .disk = standing->state.disk,
        .from = standing->from.epoch != 0 ? &standing->from : NULL,
        .session = standing->from.epoch,
    };
    const struct flow_rounds_options rounds = {
        .state = &standing->state,
        .head = &standing->head,
        .plan = plan,
        .session = standing->from.epoch,
        .session_ns = made_ns,
        .interval_ns = plan->graph->checkpoint_ns,
    };
    return flow_rounds_new(&rounds, &standing->rounds, err);
}

enum flow_status flow_standing_open(const struct flow_plan *plan,
                                    const struct flow_run_options *options,
                                    struct flow_standing *standing, struct flow_error *err)
{
    if (!plan->graph->checkpoints)
        return FLOW_OK;
    enum flow_status rc = flow_rounds_head(plan, &standing->head, err);
    if (rc == FLOW_OK)
        rc = open_folder(plan->graph, standing, err);
    if (rc == FLOW_OK)
        rc = load(standing, options, err);
    if (rc != FLOW_OK || standing->done)
        return rc;

    return begin(plan, standing, 0, err);
}

/* Of what the run has made itself nothing can be damaged but by a fault that people should see. */
static enum flow_status read_back(struct flow_standing *standing, uint64_t epoch,
                                  struct flow_error *err)
{
    struct flow_str said = {0};
    flow_manifest_clear(&standing->from);
    enum flow_status rc = flow_state_load(&standing->state, &standing->from, &said, err);
    if (rc == FLOW_ENOENT && epoch == 0)
        rc = flow_state_reset(&standing->state, true, err);
    else if (rc == FLOW_ENOENT || (rc == FLOW_OK && standing->from.epoch != epoch))
        rc = flow_fail(err, FLOW_EIO,
                       "the run cannot go back to checkpoint %" PRIu64
                       " in '%s' by itself: it is damaged%s%.*s",
                       epoch, standing->state.path, said.size > 0 ? ": " : " or gone",
                       (int)(said.size > 0 ? strcspn(said.text, "\n") : 0),
                       said.size > 0 ? said.text : "");
    flow_str_clear(&said);
    return rc;
}

enum flow_status flow_standing_go_back(const struct flow_plan *plan, struct flow_standing *standing,
                                       struct flow_error *err)
{
    struct flow_rounds *former = standing->rounds;
    const uint64_t epoch = flow_rounds_last(former);
    const int64_t made_ns = flow_rounds_last_ns(former);
    enum flow_status rc = flow_state_wait(&standing->state, err);
    if (rc == FLOW_OK)
        rc = read_back(standing, epoch, err);
    if (rc == FLOW_OK)
        rc = begin(plan, standing, made_ns, err);
    if (rc == FLOW_OK)
        flow_rounds_free(former);
    return rc;
}

void flow_standing_clear(struct flow_standing *standing)
{
    flow_rounds_free(standing->rounds);
    flow_manifest_clear(&standing->head);
    flow_manifest_clear(&standing->from);
    flow_state_close(&standing->state);
    *standing = (struct flow_standing)FLOW_STANDING_NONE;
}
