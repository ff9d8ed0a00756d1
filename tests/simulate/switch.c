/* SPDX-License-Identifier: MIT */
#include "simulate/switch.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "simulate/world.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

#ifdef WITH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define STACK_SIZE ((size_t)1 << 20)
#else
#define STACK_SIZE ((size_t)256 << 10)
#endif
#define GUARD ((size_t)4096)

#ifndef __x86_64__
#error "the simulation switches stacks by hand, and knows how on x86-64 only"
#endif

/* What a function must keep for its caller goes on the stack that is left. */
void sim_switch(void **from, void *to);
__asm__(".text\n"
        ".globl sim_switch\n"
        ".type sim_switch, @function\n"
        "sim_switch:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size sim_switch, . - sim_switch\n");

struct sim_stack *sim_stack_new(void)
{
    struct sim_stack *stack = sim_own_alloc(sizeof(*stack));
    unsigned char *memory = mmap(NULL, STACK_SIZE + GUARD, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, GUARD, PROT_NONE) != 0) {
        perror("simulate: no memory for a stack");
        exit(70);
    }
    *stack = (struct sim_stack){.bottom = memory + GUARD, .size = STACK_SIZE};
    return stack;
}

void *sim_context_new(struct sim_stack *stack, void (*entry)(void))
{
#ifdef WITH_ASAN
    __asan_unpoison_memory_region(stack->bottom, stack->size);
#endif
    stack->fake = NULL;
    uintptr_t *top = (uintptr_t *)(void *)(stack->bottom + stack->size);
    *--top = 0; /* where a caller's address would be */
    *--top = (uintptr_t)entry;
    for (int i = 0; i < 6; i++)
        *--top = 0;
    return top;
}

void sim_context_enter(void **from, void *to, struct sim_stack *stack)
{
#ifdef WITH_ASAN
    void *fake = NULL;
    __sanitizer_start_switch_fiber(&fake, stack->bottom, stack->size);
    sim_switch(from, to);
    __sanitizer_finish_switch_fiber(fake, NULL, NULL);
#else
    (void)stack;
    sim_switch(from, to);
#endif
}

void sim_context_leave(void **from, void *to, struct sim_stack *stack, int last)
{
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(last ? NULL : &stack->fake, stack->other, stack->other_size);
    sim_switch(from, to);
    __sanitizer_finish_switch_fiber(stack->fake, &stack->other, &stack->other_size);
#else
    (void)stack;
    (void)last;
    sim_switch(from, to);
#endif
}

void sim_context_arrive(struct sim_stack *stack)
{
#ifdef WITH_ASAN
    __sanitizer_finish_switch_fiber(NULL, &stack->other, &stack->other_size);
#else
    (void)stack;
#endif
}
