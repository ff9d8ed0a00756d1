/* SPDX-License-Identifier: MIT */
#ifndef FLOW_STAGES_SCRIPT_H
#define FLOW_STAGES_SCRIPT_H

/*
 * A script in Lua 5.4 that is called for each record.  What it emits is gathered, and goes out once
 * the call has ended well.  Nothing of Lua is called outside of a protected call, except what
 * cannot fail, so that a script that runs out of memory ends that call only.
 *
 * Threads: one.  Memory: a script that is all zeros holds nothing.
 */

#include <flowrun/stage.h>

#include <lua.h>

struct script_output {
    size_t size, key_size; /* bytes; the key lies behind the text */
};

struct script {
    /* As parameters of the stage; the rest is the script's own. */
    char *code;
    char *file;
    uint64_t memory;      /* bytes that Lua may have, and again as many for what is emitted */
    int64_t instructions; /* of one call; 0: no limit */

    lua_State *lua;
    struct flow_stage *stage; /* during a call */
    size_t used;              /* memory of Lua, bytes */
    bool ended;               /* the call is being given up: pcall must not catch that */
    bool rejected;            /* by reject() */
    const struct flow_record *record;
    char *bytes; /* what was emitted, text and key, one behind the other */
    size_t size, room;
    struct script_output *outputs;
    size_t count, capacity;
    char fault[400];
};

/* What both types of stage have. */
extern const struct flow_param script_params[];
extern const struct flow_port script_inputs[];
extern const struct flow_port script_outputs[];

/* Their open, which reads the script and runs it once, and their close. */
enum flow_status script_open(void *self, struct flow_stage *stage);
void script_close(void *self, struct flow_stage *stage);

/* Call process(record, key).  NULL, or why the record is refused. */
const char *script_process(struct script *script, struct flow_stage *stage,
                           const struct flow_record *record);

/* Call finish(), if there is such a function.  NULL, or what went wrong. */
const char *script_finish(struct script *script, struct flow_stage *stage);

/* Emit what the last call has. */
enum flow_status script_emit(struct script *script, struct flow_stage *stage);

/* Run `function` of Lua's C interface in a protected call.  NULL, or what went wrong. */
const char *script_call(struct script *script, struct flow_stage *stage, lua_CFunction function);

/* The script that a state of Lua belongs to. */
struct script *script_of(lua_State *lua);

/* sandbox.c: give the script the functions that it may use.  For a protected call. */
int script_open_sandbox(lua_State *lua);

/* Note that a record is emitted; an error of Lua if it is too large. */
void script_add(lua_State *lua, const char *text, size_t size, const char *key, size_t key_size);

#endif /* FLOW_STAGES_SCRIPT_H */
