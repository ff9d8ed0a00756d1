/* SPDX-License-Identifier: MIT */
#include "lua/script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>

#define FILE_MOST ((long)16 << 20) /* a script, bytes */

const struct flow_param script_params[] = {
    FLOW_PARAM_STR(struct script, code, NULL, "the script, with a function process(record, key)"),
    FLOW_PARAM_STR(struct script, file, NULL, "instead of code: the file with the script"),
    FLOW_PARAM_SIZE(struct script, memory, "64MiB", 256 << 10, (uint64_t)1 << 40,
                    "what the script may use, and what a call may emit [bytes]"),
    FLOW_PARAM_I64(struct script, instructions, "100000000", 0, 2000000000,
                   "what one call may take [instructions]; 0: no limit, and faster"),
    FLOW_PARAM_END,
};

const struct flow_port script_inputs[] = {
    {"in", "bytes", "anything"},
    {NULL, NULL, NULL},
};

const struct flow_port script_outputs[] = {
    {"out", "bytes", "what the script emits or returns"},
    {NULL, NULL, NULL},
};

struct script *script_of(lua_State *lua)
{
    struct script *script;
    memcpy(&script, lua_getextraspace(lua), sizeof(struct script *));
    return script;
}

static void *allocate(void *context, void *old, size_t old_size, size_t size)
{
    struct script *s = context;
    const size_t before = old != NULL ? old_size : 0; /* else it is a kind of object */
    if (size == 0) {
        free(old);
        s->used -= before;
        return NULL;
    }
    if (size > before && s->used + (size - before) > s->memory)
        return NULL;
    void *memory = realloc(old, size);
    if (memory != NULL)
        s->used += size - before;
    return memory;
}

static void on_count(lua_State *lua, lua_Debug *at)
{
    (void)at;
    script_of(lua)->ended = true;
    (void)luaL_error(lua, "it takes more than %d instructions ('instructions')",
                     (int)script_of(lua)->instructions);
}

/* What a protected call has ended with, as text.  What can allocate memory is not called. */
static const char *explain(struct script *s, int rc)
{
    const char *text = lua_type(s->lua, -1) == LUA_TSTRING ? lua_tostring(s->lua, -1) : NULL;
    if (rc == LUA_ERRMEM)
        (void)snprintf(s->fault, sizeof(s->fault),
                       "it needs more memory than %" PRIu64 " bytes ('memory')", s->memory);
    else if (text != NULL)
        (void)snprintf(s->fault, sizeof(s->fault), "%s", text);
    else
        (void)snprintf(s->fault, sizeof(s->fault), "it fails with an error that is a %s",
                       lua_typename(s->lua, lua_type(s->lua, -1)));
    lua_settop(s->lua, 0);
    return s->fault;
}

const char *script_call(struct script *script, struct flow_stage *stage, lua_CFunction function)
{
    script->stage = stage;
    script->size = 0;
    script->count = 0;
    script->ended = false;
    script->rejected = false;
    if (script->instructions > 0)
        lua_sethook(script->lua, on_count, LUA_MASKCOUNT, (int)script->instructions);
    lua_pushcfunction(script->lua, function);
    const int rc = lua_pcall(script->lua, 0, 0, 0);
    return rc == LUA_OK ? NULL : explain(script, rc);
}

void script_add(lua_State *lua, const char *text, size_t size, const char *key, size_t key_size)
{
    struct script *s = script_of(lua);
    const size_t both = size + key_size;
    if (both > FLOW_RECORD_MAX || s->size + both > s->memory)
        (void)luaL_error(lua, "it emits more than %d MiB ('memory')", (int)(s->memory >> 20));
    if (s->size + both > s->room) {
        char *bytes = realloc(s->bytes, (s->size + both) * 2);
        if (bytes == NULL)
            (void)luaL_error(lua, "no memory for what it emits");
        s->bytes = bytes;
        s->room = (s->size + both) * 2;
    }
    if (s->count == s->capacity) {
        const size_t capacity = s->capacity > 0 ? s->capacity * 2 : 16;
        struct script_output *outputs = NULL;
        if (capacity * sizeof(*outputs) <= s->memory + 1024)
            outputs = realloc(s->outputs, capacity * sizeof(*outputs));
        if (outputs == NULL)
            (void)luaL_error(lua, "it emits more than %d records ('memory')", (int)s->count);
        s->outputs = outputs;
        s->capacity = capacity;
    }
    if (size > 0)
        memcpy(s->bytes + s->size, text, size);
    if (key_size > 0)
        memcpy(s->bytes + s->size + size, key, key_size);
    s->size += both;
    s->outputs[s->count++] = (struct script_output){size, key_size};
}

/* process(record, key), from the registry; what it returns is emitted, too. */
static int call_process(lua_State *lua)
{
    const struct flow_record *record = script_of(lua)->record;
    (void)lua_rawgetp(lua, LUA_REGISTRYINDEX, script_of(lua));
    (void)lua_pushlstring(lua, record->data, record->size);
    if (record->key_size > 0)
        (void)lua_pushlstring(lua, record->key, record->key_size);
    else
        lua_pushnil(lua);
    lua_call(lua, 2, 2);
    if (lua_isnil(lua, -2))
        return 0;
    if (!lua_isstring(lua, -2))
        return luaL_error(lua,
                          "process returns a %s; it returns nothing, or a string and perhaps a "
                          "key",
                          luaL_typename(lua, -2));
    size_t size;
    size_t key_size = 0;
    const char *text = lua_tolstring(lua, -2, &size);
    const char *key = lua_isnil(lua, -1) ? NULL : luaL_checklstring(lua, -1, &key_size);
    script_add(lua, text, size, key, key_size);
    return 0;
}

const char *script_process(struct script *script, struct flow_stage *stage,
                           const struct flow_record *record)
{
    script->record = record;
    return script_call(script, stage, call_process);
}

static int call_finish(lua_State *lua)
{
    if (lua_getglobal(lua, "finish") == LUA_TFUNCTION)
        lua_call(lua, 0, 0);
    return 0;
}

const char *script_finish(struct script *script, struct flow_stage *stage)
{
    return script_call(script, stage, call_finish);
}

enum flow_status script_emit(struct script *script, struct flow_stage *stage)
{
    enum flow_status rc = FLOW_OK;
    const char *at = script->bytes != NULL ? script->bytes : "";
    for (size_t i = 0; rc == FLOW_OK && i < script->count; i++) {
        const struct script_output *output = &script->outputs[i];
        const struct flow_target to = {
            .key = output->key_size > 0 ? at + output->size : NULL,
            .key_size = output->key_size,
        };
        rc = flow_emit_to(stage, &to, at, output->size);
        at += output->size + output->key_size;
    }
    return rc;
}

/* The text of the file, to be freed; NULL and a fault. */
static char *read_file(struct script *s)
{
    FILE *file = fopen(s->file, "re");
    char *text = NULL;
    long size = -1;
    if (file != NULL && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 &&
        size <= FILE_MOST && fseek(file, 0, SEEK_SET) == 0)
        text = malloc((size_t)size + 1);
    if (text != NULL && fread(text, 1, (size_t)size, file) != (size_t)size) {
        free(text);
        text = NULL;
    }
    if (text != NULL)
        text[size] = '\0';
    else
        (void)snprintf(s->fault, sizeof(s->fault), "cannot read '%.200s': %s", s->file,
                       size > FILE_MOST ? "a script has at most 16 MiB" : strerror(errno));
    if (file != NULL)
        (void)fclose(file);
    return text;
}

/* Compile the code and run it, which defines its functions. */
static int run_code(lua_State *lua)
{
    const struct script *s = script_of(lua);
    (void)lua_pushfstring(lua, s->file != NULL ? "@%s" : "=code", s->file);
    if (luaL_loadbufferx(lua, s->code, strlen(s->code), lua_tostring(lua, -1), "t") != LUA_OK)
        return lua_error(lua);
    lua_call(lua, 0, 0);
    if (lua_getglobal(lua, "process") != LUA_TFUNCTION)
        return luaL_error(lua, "it has no function process(record, key)");
    lua_rawsetp(lua, LUA_REGISTRYINDEX, s);
    return 0;
}

/* NULL, or what is wrong. */
static const char *start(struct script *script, struct flow_stage *stage)
{
    if ((script->code != NULL) == (script->file != NULL))
        return "give either 'code' or 'file'";
    script->lua = lua_newstate(allocate, script);
    if (script->lua == NULL)
        return "there is no memory for it ('memory')";
    memcpy(lua_getextraspace(script->lua), &script, sizeof(struct script *));
    const char *fault = script_call(script, stage, script_open_sandbox);
    if (fault != NULL)
        return fault;
    char *given = script->code;
    if (script->file != NULL)
        script->code = read_file(script);
    if (script->code == NULL)
        return script->fault;
    fault = script_call(script, stage, run_code);
    if (script->code != given)
        free(script->code);
    script->code = given; /* which is the engine's */
    return fault;
}

enum flow_status script_open(void *self, struct flow_stage *stage)
{
    const char *fault = start(self, stage);
    return fault == NULL
               ? FLOW_OK
               : flow_stage_fail(stage, FLOW_EINVAL, "the script cannot be used: %s", fault);
}

void script_close(void *self, struct flow_stage *stage)
{
    struct script *script = self;
    (void)stage;
    if (script->lua != NULL)
        lua_close(script->lua);
    free(script->bytes);
    free(script->outputs);
    script->lua = NULL;
    script->bytes = NULL;
    script->outputs = NULL;
}
