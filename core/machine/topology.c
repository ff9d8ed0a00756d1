/* SPDX-License-Identifier: MIT */
#include "machine/topology.h"

#include <stdlib.h>

#include "base/mem.h"

#ifdef FLOW_HAVE_HWLOC
#include <hwloc.h>

/* The lowest CPU of an object stands for it: objects of one kind have none in common. */
static uint32_t first_cpu(hwloc_obj_t object)
{
    return (uint32_t)hwloc_bitmap_first(object->cpuset);
}

static hwloc_obj_t core_of(hwloc_obj_t pu)
{
    hwloc_obj_t object = pu->parent;
    while (object != NULL && object->type != HWLOC_OBJ_CORE)
        object = object->parent;
    return object != NULL ? object : pu;
}

/* A cache that only the threads of one core share says nothing about who should be neighbours. */
static hwloc_obj_t domain_of(hwloc_obj_t pu, hwloc_obj_t core)
{
    hwloc_obj_t cache = NULL;
    hwloc_obj_t last = pu;
    for (hwloc_obj_t object = pu->parent; object != NULL; object = object->parent) {
        if (hwloc_obj_type_is_dcache(object->type) &&
            !hwloc_bitmap_isequal(object->cpuset, core->cpuset))
            cache = object;
        last = object->type == HWLOC_OBJ_PACKAGE || object->parent == NULL ? object : last;
        if (object->type == HWLOC_OBJ_PACKAGE)
            break;
    }
    return cache != NULL ? cache : last;
}

static void read_cpu(hwloc_obj_t pu, hwloc_const_bitmap_t usable, struct flow_cpu *cpu)
{
    const hwloc_obj_t core = core_of(pu);
    const int node = hwloc_bitmap_first(pu->nodeset);
    cpu->number = pu->os_index;
    cpu->node = node >= 0 ? (uint32_t)node : 0;
    cpu->core = first_cpu(core);
    cpu->cache = first_cpu(domain_of(pu, core));
    cpu->thread = core != pu ? pu->sibling_rank : 0;
    cpu->state = hwloc_bitmap_isset(usable, pu->os_index) ? FLOW_CPU_USABLE : FLOW_CPU_FORBIDDEN;
}

/* What neither a cpuset nor the affinity of this process takes away. */
static hwloc_bitmap_t usable_cpus(hwloc_topology_t machine)
{
    hwloc_bitmap_t usable = hwloc_bitmap_dup(hwloc_topology_get_allowed_cpuset(machine));
    hwloc_bitmap_t bound = hwloc_bitmap_alloc();
    if (usable != NULL && bound != NULL &&
        hwloc_get_cpubind(machine, bound, HWLOC_CPUBIND_PROCESS) == 0)
        (void)hwloc_bitmap_and(usable, usable, bound);
    hwloc_bitmap_free(bound);
    return usable;
}

static enum flow_status read_cpus(hwloc_topology_t machine, struct flow_topology *topology,
                                  struct flow_error *err)
{
    const hwloc_const_bitmap_t all = hwloc_topology_get_complete_cpuset(machine);
    hwloc_bitmap_t usable = usable_cpus(machine);
    const int count = hwloc_bitmap_weight(all);
    topology->cpus = count > 0 ? flow_calloc((size_t)count, sizeof(*topology->cpus)) : NULL;
    if (usable == NULL || topology->cpus == NULL) {
        hwloc_bitmap_free(usable);
        return flow_fail(err, FLOW_ENOMEM, "no memory for the CPUs of this machine");
    }

    for (int i = hwloc_bitmap_first(all); i >= 0; i = hwloc_bitmap_next(all, i)) {
        struct flow_cpu *cpu = &topology->cpus[topology->count++];
        const hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(machine, (unsigned)i);
        if (pu != NULL)
            read_cpu(pu, usable, cpu);
        else
            *cpu = (struct flow_cpu){.number = (uint32_t)i, .state = FLOW_CPU_OFFLINE};
    }
    hwloc_bitmap_free(usable);
    return FLOW_OK;
}

enum flow_status flow_topology_load(struct flow_topology *topology, struct flow_error *err)
{
    *topology = (struct flow_topology){0};
    hwloc_topology_t machine;
    if (hwloc_topology_init(&machine) != 0)
        return flow_fail(err, FLOW_ENOMEM, "no memory for the CPUs of this machine");
    enum flow_status rc;
    if (hwloc_topology_set_flags(machine, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) != 0 ||
        hwloc_topology_load(machine) != 0)
        rc = flow_fail(err, FLOW_EIO, "hwloc cannot tell which CPUs this machine has");
    else
        rc = read_cpus(machine, topology, err);
    hwloc_topology_destroy(machine);
    return rc;
}

#else

enum flow_status flow_topology_load(struct flow_topology *topology, struct flow_error *err)
{
    *topology = (struct flow_topology){0};
    return flow_fail(err, FLOW_EIO,
                     "this flowrun was built without hwloc and cannot place stages on CPUs: build "
                     "it where libhwloc-dev is installed, or leave out 'cpus' and 'pin'");
}

#endif

void flow_topology_clear(struct flow_topology *topology)
{
    free(topology->cpus);
    *topology = (struct flow_topology){0};
}
