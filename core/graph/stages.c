/* SPDX-License-Identifier: MIT */
/* "stages": everything about a stage but where it reads from. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/field.h"
#include "graph/text.h"

static const char *const order_names[] = {"input", "key", "none", NULL};

const char *flow_order_name(enum flow_order order)
{
    return order_names[order];
}

bool flow_reader_no_memory(struct flow_reader *r)
{
    r->diag->failed = true;
    return false;
}

static bool is_name(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && *name != '_' && *name != '-')
            return false;
    return true;
}

bool flow_reader_name(struct flow_reader *r, const struct flow_node *node, const char *what)
{
    const char *name = node->key;
    const struct flow_cut shown = flow_cut(name);
    if (strlen(name) > FLOW_GRAPH_MAX_NAME) {
        flow_diag_add(r->diag, FLOW_AT_KEY(node), NULL,
                      "%s name '%s' is %zu bytes long, where %d are allowed", what, shown.text,
                      strlen(name), FLOW_GRAPH_MAX_NAME);
    } else if (!is_name(name)) {
        flow_diag_add(r->diag, FLOW_AT_KEY(node),
                      "a name is a letter or '_', then letters, digits, '_' and '-'",
                      "'%s' is not a %s name", shown.text, what);
    } else if (strncmp(name, "x-", 2) == 0) {
        flow_diag_add(r->diag, FLOW_AT_KEY(node),
                      "keys of your own may stand beside the stages and inside each of them",
                      "the %s name '%s' is reserved: x- begins the keys that flowrun leaves alone",
                      what, shown.text);
    } else if (strncmp(name, "flowrun", 7) == 0) {
        flow_diag_add(
            r->diag, FLOW_AT_KEY(node), NULL,
            "the %s name '%s' is reserved: names that begin with flowrun are the engine's", what,
            shown.text);
    } else {
        return true;
    }
    return false;
}

static void report_workers(struct flow_reader *r, const struct flow_node *node)
{
    flow_diag_add(r->diag, FLOW_AT(node), NULL,
                  "'workers' must be an integer from 1 to %d or \"auto\", not %s",
                  FLOW_GRAPH_MAX_WORKERS, flow_show(node).text);
}

/* A number as text counts where it was put in: an environment variable is always text. */
static void read_workers(struct flow_reader *r, const struct flow_node *node, unsigned *workers)
{
    if (node == NULL || (node->broken && json_is_string(node->json)))
        return;
    const char *text = json_string_value(node->json);
    json_int_t count = json_integer_value(node->json);
    if (text != NULL && strcmp(text, "auto") == 0) {
        *workers = FLOW_WORKERS_AUTO;
        return;
    }
    if (text != NULL && node->replaced && isdigit((unsigned char)*text)) {
        char *end;
        count = strtoll(text, &end, 10);
        if (*end != '\0')
            count = 0;
    }
    if (count < 1 || count > FLOW_GRAPH_MAX_WORKERS)
        report_workers(r, node);
    else
        *workers = (unsigned)count;
}

static bool read_order(struct flow_reader *r, const struct flow_node *node, enum flow_order *order)
{
    static const struct flow_words words = {order_names, NULL};
    int index = 0;
    if (!flow_field_word(r, node, &words, &index))
        return false;
    *order = (enum flow_order)index;
    return true;
}

static void find_nodes(struct flow_stage_nodes *nodes, const struct flow_node *node)
{
    *nodes = (struct flow_stage_nodes){
        .node = node,
        .use = flow_node_get(node, "use"),
        .with = flow_node_get(node, "with"),
        .workers = flow_node_get(node, "workers"),
        .order = flow_node_get(node, "order"),
        .errors = flow_node_get(node, "errors"),
        .fuse = flow_node_get(node, "fuse"),
        .from = flow_node_get(node, "from"),
        .inputs = flow_node_get(node, "inputs"),
    };
}

static void read_stage(struct flow_reader *r, size_t index)
{
    static const char *const keys[] = {
        "use",  "with", "from",    "inputs",  "workers",  "order", "errors",      "isolate",
        "fuse", "cpus", "restart", "timeout", "delivery", "spool", "description", NULL};
    static const char *const later[] = {"host", NULL};
    static const struct flow_words words = {keys, later};

    struct flow_graph_stage *stage = &r->graph->stages[index];
    struct flow_stage_nodes *nodes = &r->stages[index];
    if (!flow_field_is_object(r, nodes->node)) {
        r->unsure = true;
        return;
    }
    nodes->keys_unknown = !flow_field_check_keys(r, nodes->node, &words, FLOW_OWN_KEYS);
    if (nodes->keys_unknown && nodes->from == NULL && nodes->inputs == NULL)
        r->unsure = true;
    read_workers(r, nodes->workers, &stage->workers);
    nodes->order_given = read_order(r, nodes->order, &stage->order);
    nodes->errors_unknown = nodes->errors != NULL
                                ? !flow_reader_errors(r, nodes->errors, &stage->errors)
                                : r->source->default_errors_unknown;
    (void)flow_field_bool(r, flow_node_get(nodes->node, "isolate"), &stage->isolate);
    stage->fuse_given = flow_reader_fuse_value(r, nodes->fuse, &stage->fuse);
    flow_reader_restart(r, flow_node_get(nodes->node, "restart"), &stage->restart);
    flow_reader_timeout(r, flow_node_get(nodes->node, "timeout"), &stage->timeout_ns);
    stage->delivery_given =
        flow_reader_delivery(r, flow_node_get(nodes->node, "delivery"), &stage->delivery);
    flow_reader_cpus(r, flow_node_get(nodes->node, "cpus"), stage);
    stage->spool_given =
        flow_reader_spool(r, flow_node_get(nodes->node, "spool"), &stage->spool_bytes);
    flow_field_copy(r, flow_node_get(nodes->node, "description"), &stage->description);
    flow_reader_use(r, index);
}

/* qsort has no room for a context: what is sorted carries the name. */
struct named {
    const char *name;
    size_t index;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

static bool sort_names(struct flow_reader *r)
{
    const size_t count = r->graph->stage_count;
    struct named *sorted = flow_calloc(count + 1, sizeof(*sorted));
    if (sorted == NULL)
        return flow_reader_no_memory(r);
    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct named){.name = r->names[i], .index = i};
    qsort(sorted, count, sizeof(*sorted), compare_names);
    for (size_t i = 0; i < count; i++)
        r->by_name[i] = sorted[i].index;
    free(sorted);
    return true;
}

size_t flow_reader_find_here(struct flow_reader *r, const char *name)
{
    if (r->source->name == NULL)
        return flow_reader_find(r, name);
    struct flow_str full = {0};
    flow_str_addf(&full, "%s/%s", r->source->name, name);
    const size_t found = full.failed ? FLOW_NO_STAGE : flow_reader_find(r, full.text);
    if (full.failed)
        (void)flow_reader_no_memory(r);
    flow_str_clear(&full);
    return found;
}

size_t flow_reader_find(const struct flow_reader *r, const char *name)
{
    size_t low = 0;
    size_t high = r->graph->stage_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(name, r->names[r->by_name[middle]]);
        if (order == 0)
            return r->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return FLOW_NO_STAGE;
}

/* ---- which stages there are: those of the graph, and of graphs that are used as stages ---- */

/* A stage that is not a graph. */
struct found {
    struct flow_source *source;
    const struct flow_node *node;
};

struct found_list {
    struct found *items;
    size_t count, capacity;
};

/* "stages" of the source; NULL with a finding. */
static const struct flow_node *find_block(struct flow_reader *r)
{
    const struct flow_node *block = flow_node_get(&r->source->root, "stages");
    if (block == NULL) {
        flow_diag_add(r->diag, FLOW_AT(&r->source->root),
                      "as in \"stages\": { \"numbers\": { \"use\": \"gen.sequence\" }, ... }",
                      "the key 'stages' is missing: a graph needs stages");
        return NULL;
    }
    if (!flow_field_is_object(r, block))
        return NULL;
    if (block->count == 0) {
        flow_diag_add(r->diag, FLOW_AT(block), NULL, "'stages' is empty: a graph needs stages");
        return NULL;
    }
    return block;
}

static bool add_found(struct flow_reader *r, const struct flow_node *node, struct found_list *list)
{
    if (!flow_grow(&list->items, &list->capacity, list->count + 1, sizeof(*list->items)))
        return flow_reader_no_memory(r);
    list->items[list->count++] = (struct found){r->source, node};
    return true;
}

/* The stages of the source, and in their places those of the graphs that it uses.  False: stop. */
static bool collect(struct flow_reader *r, struct found_list *list)
{
    const struct flow_node *block = find_block(r);
    bool good = true;
    if (block == NULL) {
        r->unsure = true;
        return true;
    }
    if (list->count + block->count > FLOW_GRAPH_MAX_STAGES) {
        flow_diag_add(r->diag, FLOW_AT_KEY(block), NULL,
                      "the graph has %zu stages, where at most %d are allowed",
                      list->count + block->count, FLOW_GRAPH_MAX_STAGES);
        return false;
    }
    for (size_t i = 0; good && i < block->count; i++) {
        const struct flow_node *node = &block->items[i];
        if (!flow_reader_uses_part(node)) {
            good = add_found(r, node, list);
            continue;
        }
        (void)flow_reader_name(r, node, "stage");
        struct flow_source *part = flow_reader_load_part(r, node);
        if (part == NULL) {
            r->unsure = true;
            good = !r->diag->failed;
            continue;
        }
        struct flow_source *here = flow_reader_enter(r, part);
        good = collect(r, list);
        (void)flow_reader_enter(r, here);
    }
    return good;
}

static bool make_room(struct flow_reader *r, size_t count)
{
    r->graph->stages = flow_calloc(count, sizeof(*r->graph->stages));
    r->stages = flow_calloc(count, sizeof(*r->stages));
    r->names = flow_calloc(count + 1, sizeof(*r->names));
    r->by_name = flow_calloc(count, sizeof(*r->by_name));
    if (r->graph->stages == NULL || r->stages == NULL || r->names == NULL || r->by_name == NULL)
        return flow_reader_no_memory(r);
    return true;
}

/* What the stage is called in the whole graph; NULL: no memory. */
static char *full_name(const struct found *found)
{
    struct flow_str name = {0};
    if (found->source->name == NULL)
        return flow_strdup(found->node->key);
    flow_str_addf(&name, "%s/%s", found->source->name, found->node->key);
    return flow_str_take(&name);
}

static bool name_stages(struct flow_reader *r, const struct found_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct found *found = &list->items[i];
        struct flow_graph_stage *stage = &r->graph->stages[i];
        (void)flow_reader_enter(r, found->source);
        stage->name = full_name(found);
        if (stage->name == NULL)
            return flow_reader_no_memory(r);
        stage->workers = 1;
        stage->errors = r->source->default_errors;
        stage->fuse = r->graph->fuse;
        stage->restart = flow_restart_default;
        find_nodes(&r->stages[i], found->node);
        r->stages[i].source = found->source;
        r->names[i] = stage->name;
        r->graph->stage_count++;
        (void)flow_reader_name(r, found->node, "stage");
    }
    return sort_names(r);
}

static void read_stages(struct flow_reader *r, const struct found_list *list)
{
    if (!make_room(r, list->count) || !name_stages(r, list))
        return;
    for (size_t i = 0; i < list->count; i++) {
        (void)flow_reader_enter(r, list->items[i].source);
        read_stage(r, i);
    }
    (void)flow_reader_enter(r, r->sources[0]);
    flow_reader_options(r);
    for (size_t i = 0; i < list->count; i++) {
        (void)flow_reader_enter(r, list->items[i].source);
        flow_reader_with(r, i);
    }
}

void flow_reader_stages(struct flow_reader *r)
{
    struct found_list list = {0};
    if (collect(r, &list) && list.count > 0)
        read_stages(r, &list);
    free(list.items);
}
