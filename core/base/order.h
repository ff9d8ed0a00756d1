/* SPDX-License-Identifier: MIT */
#ifndef FLOW_BASE_ORDER_H
#define FLOW_BASE_ORDER_H

/*
 * What ThreadSanitizer cannot see by itself: that memory goes from one thread to another through
 * ZeroMQ (whose pipes are lock free and not instrumented), or through another process that both
 * share it with.  All that was written, or read, before FLOW_PUBLISH of an address is done before
 * FLOW_OBSERVE of the same address.  Elsewhere these are nothing: the order is made by what hands
 * the memory over.
 */

#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define FLOW_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FLOW_TSAN 1
#endif
#endif

#ifdef FLOW_TSAN
void __tsan_acquire(void *address);
void __tsan_release(void *address);
#define FLOW_PUBLISH(address) __tsan_release((void *)(uintptr_t)(address))
#define FLOW_OBSERVE(address) __tsan_acquire((void *)(uintptr_t)(address))
#else
#define FLOW_PUBLISH(address) ((void)(address))
#define FLOW_OBSERVE(address) ((void)(address))
#endif

#endif /* FLOW_BASE_ORDER_H */
