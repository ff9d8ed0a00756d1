/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_LIBRARY_H
#define FLOW_STAGES_LIBRARY_H

/*
 * A library that a stage uses only if it is asked to, as lines.read uses zlib for a file that is
 * compressed.  It is loaded then, so the program does not need it to start, and who never asks for
 * it need not have it.  The headers are looked for when the stage is compiled.
 * Everything is inline, so that each stage still compiles alone, as a plugin.
 */

#include <flowrun/stage.h>

#include <dlfcn.h>

struct flow_symbol {
    const char *name;
    void *to; /* where the address goes: a pointer to a pointer to a function */
};

/* Load a library and find its symbols, up to a NULL; NULL: it is not there, or another one. */
static inline void *flow_library_open(const char *name, const struct flow_symbol *symbols)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    for (; library != NULL && symbols->name != NULL; symbols++) {
        void *address = dlsym(library, symbols->name);
        if (address == NULL) {
            (void)dlclose(library);
            return NULL;
        }
        memcpy(symbols->to, &address, sizeof(address));
    }
    return library;
}

static inline void flow_library_close(void *library)
{
    if (library != NULL)
        (void)dlclose(library);
}

#endif /* FLOW_STAGES_LIBRARY_H */
