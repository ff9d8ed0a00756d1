/* SPDX-License-Identifier: MIT */
#include "graph/layout.h"

/*
 * The channel between two layers: the wires out of one node are a net, which goes down from the
 * node, along a track of its own, and from there down to each of its ends.
 *
 *         A            B
 *     ┌───┴──────┐     │        track 0: A's
 *     │     ┌────│─────┘        track 1: B's, which A's line to its right end passes over
 *     ▼     ▼    ▼
 *
 * Where a net ends in the column that another starts from, the other must turn off above it.
 */
struct net {
    size_t node;
    long left, right;
    size_t level; /* nets that must lie above it, in a row */
    bool straight;
};

static struct net net_of(const struct flow_layout *layout, size_t node)
{
    const long centre = layout->nodes[node].centre;
    struct net net = {.node = node, .left = centre, .right = centre};
    for (size_t i = 0; i < layout->wire_count; i++) {
        const struct flow_layout_wire *wire = &layout->wires[i];
        if (wire->from != node)
            continue;
        net.left = wire->column < net.left ? wire->column : net.left;
        net.right = wire->column > net.right ? wire->column : net.right;
    }
    net.straight = net.left == net.right;
    return net;
}

static bool must_lie_above(const struct flow_layout *layout, const struct net *upper,
                           const struct net *lower)
{
    if (upper->straight || lower->straight || upper->node == lower->node)
        return false;
    bool must = false;
    for (size_t i = 0; i < layout->wire_count && !must; i++)
        must = layout->wires[i].from == lower->node &&
               layout->wires[i].column == layout->nodes[upper->node].centre;
    return must;
}

/* false: some nets must each lie above the other. */
static bool find_levels(const struct flow_layout *layout, struct net *nets, size_t count)
{
    bool changed = true;
    for (size_t round = 0; round <= count && changed; round++) {
        changed = false;
        for (size_t i = 0; i < count * count; i++) {
            const struct net *upper = &nets[i / count];
            struct net *lower = &nets[i % count];
            if (lower->level > upper->level || !must_lie_above(layout, upper, lower))
                continue;
            lower->level = upper->level + 1;
            changed = true;
        }
    }
    return !changed;
}

static bool touch(const struct net *a, const struct net *b)
{
    return a->left <= b->right + 1 && b->left <= a->right + 1;
}

static bool is_taken(const struct flow_layout *layout, const struct net *nets, size_t count,
                     const struct net *by, size_t track)
{
    bool taken = false;
    for (size_t i = 0; i < count && !taken; i++)
        taken = &nets[i] != by && layout->nodes[nets[i].node].track == track && touch(&nets[i], by);
    return taken;
}

/* The highest free track below all that must lie above; those have got theirs, level by level. */
static size_t find_track(const struct flow_layout *layout, const struct net *nets, size_t count,
                         const struct net *net)
{
    size_t track = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t above = layout->nodes[nets[i].node].track;
        if (must_lie_above(layout, &nets[i], net) && above != FLOW_LAYOUT_NONE && above >= track)
            track = above + 1;
    }
    while (is_taken(layout, nets, count, net, track))
        track++;
    return track;
}

static bool route_channel(struct flow_layout *layout, size_t layer)
{
    const size_t count = layout->first[layer + 1] - layout->first[layer];
    struct net nets[FLOW_LAYOUT_STAGES];
    for (size_t i = 0; i < count; i++) {
        nets[i] = net_of(layout, layout->order[layout->first[layer] + i]);
        layout->nodes[nets[i].node].track = FLOW_LAYOUT_NONE;
    }
    if (!find_levels(layout, nets, count))
        return false;
    for (size_t level = 0; level < count; level++) {
        for (size_t i = 0; i < count; i++) {
            if (nets[i].level == level && !nets[i].straight)
                layout->nodes[nets[i].node].track = find_track(layout, nets, count, &nets[i]);
        }
    }
    return true;
}

bool flow_layout_route(struct flow_layout *layout)
{
    bool apart = true;
    for (size_t layer = 0; layer < layout->layer_count && apart; layer++)
        apart = route_channel(layout, layer);
    return apart;
}
