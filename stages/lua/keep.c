/* SPDX-License-Identifier: MIT */
#include "lua/keep.h"

#include <lauxlib.h>

struct keeper {
    lua_State *lua;
    struct flow_stage *stage;
    struct flow_saver *to;
    unsigned depth;
};

static enum flow_status save_tagged(struct keeper *k, char tag, const void *data, size_t size)
{
    const enum flow_status rc = flow_save(k->to, &tag, 1);
    return rc == FLOW_OK && size > 0 ? flow_save(k->to, data, size) : rc;
}

static enum flow_status save_text(struct keeper *k)
{
    size_t size;
    const char *text = lua_tolstring(k->lua, -1, &size);
    const uint64_t number = size;
    const enum flow_status rc = save_tagged(k, 's', &number, sizeof(number));
    return rc == FLOW_OK && size > 0 ? flow_save(k->to, text, size) : rc;
}

static enum flow_status save_number(struct keeper *k)
{
    if (lua_isinteger(k->lua, -1)) {
        const lua_Integer integer = lua_tointeger(k->lua, -1);
        return save_tagged(k, 'i', &integer, sizeof(integer));
    }
    const lua_Number real = lua_tonumber(k->lua, -1);
    return save_tagged(k, 'd', &real, sizeof(real));
}

static enum flow_status save_value(struct keeper *k);

/* The table on top of the stack. */
static enum flow_status save_table(struct keeper *k)
{
    if (++k->depth > KEEP_DEPTH || !lua_checkstack(k->lua, 8))
        return flow_stage_fail(k->stage, FLOW_EINVAL,
                               "'state' has more than %d tables in each other; a table that "
                               "contains itself cannot be saved",
                               KEEP_DEPTH);
    enum flow_status rc = save_tagged(k, '{', NULL, 0);
    lua_pushnil(k->lua);
    while (rc == FLOW_OK && lua_next(k->lua, -2) != 0) {
        lua_pushvalue(k->lua, -2); /* a copy of the key: lua_next needs it as it is */
        rc = save_value(k);
        lua_pop(k->lua, 1);
        if (rc == FLOW_OK)
            rc = save_value(k);
        lua_pop(k->lua, 1);
    }
    k->depth--;
    return rc == FLOW_OK ? save_tagged(k, '}', NULL, 0) : rc;
}

/* The value on top of the stack. */
static enum flow_status save_value(struct keeper *k)
{
    switch (lua_type(k->lua, -1)) {
    case LUA_TBOOLEAN:
        return save_tagged(k, lua_toboolean(k->lua, -1) ? 't' : 'f', NULL, 0);
    case LUA_TNUMBER:
        return save_number(k);
    case LUA_TSTRING:
        return save_text(k);
    case LUA_TTABLE:
        return save_table(k);
    default:
        return flow_stage_fail(k->stage, FLOW_EINVAL,
                               "'state' holds a %s, which cannot be saved; it may hold texts, "
                               "numbers, booleans and tables of them",
                               lua_typename(k->lua, lua_type(k->lua, -1)));
    }
}

/* The global `state`, without calling anything that the script has defined. */
static int push_state(lua_State *lua)
{
    lua_pushglobaltable(lua);
    lua_pushliteral(lua, "state");
    (void)lua_rawget(lua, -2);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, script_of(lua)->stage);
    return 0;
}

enum flow_status keep_save(struct script *script, struct flow_stage *stage, struct flow_saver *to)
{
    struct keeper k = {script->lua, stage, to, 0};
    const char *fault = script_call(script, stage, push_state);
    if (fault != NULL)
        return flow_stage_fail(stage, FLOW_ENOMEM, "'state' cannot be saved: %s", fault);
    (void)lua_rawgetp(script->lua, LUA_REGISTRYINDEX, stage);
    const enum flow_status rc =
        lua_istable(script->lua, -1)
            ? save_value(&k)
            : flow_stage_fail(stage, FLOW_EINVAL, "'state' is a %s; it has to stay a table",
                              lua_typename(script->lua, lua_type(script->lua, -1)));
    lua_settop(script->lua, 0);
    return rc;
}

/* An error of Lua: what is loaded was not saved like this. */
static const void *load_bytes(lua_State *lua, struct flow_loader *from, size_t size)
{
    const void *bytes = flow_load_bytes(from, size);
    if (bytes == NULL)
        (void)luaL_error(lua, "it is cut off");
    return bytes;
}

static char load_tag(lua_State *lua, struct flow_loader *from)
{
    char tag;
    memcpy(&tag, load_bytes(lua, from, 1), 1);
    return tag;
}

static void load_value(lua_State *lua, struct flow_loader *from, char tag, unsigned depth);

static void load_table(lua_State *lua, struct flow_loader *from, unsigned depth)
{
    if (depth > KEEP_DEPTH)
        (void)luaL_error(lua, "it is too deep");
    luaL_checkstack(lua, 8, "state");
    lua_newtable(lua);
    for (char tag; (tag = load_tag(lua, from)) != '}';) {
        load_value(lua, from, tag, depth);
        load_value(lua, from, load_tag(lua, from), depth);
        lua_rawset(lua, -3);
    }
}

/* Push the value whose tag has been loaded. */
static void load_value(lua_State *lua, struct flow_loader *from, char tag, unsigned depth)
{
    uint64_t size;
    lua_Integer integer;
    lua_Number real;
    switch (tag) {
    case 't':
    case 'f':
        lua_pushboolean(lua, tag == 't');
        break;
    case 'i':
        memcpy(&integer, load_bytes(lua, from, sizeof(integer)), sizeof(integer));
        lua_pushinteger(lua, integer);
        break;
    case 'd':
        memcpy(&real, load_bytes(lua, from, sizeof(real)), sizeof(real));
        lua_pushnumber(lua, real);
        break;
    case 's':
        memcpy(&size, load_bytes(lua, from, sizeof(size)), sizeof(size));
        if (size > from->left)
            (void)luaL_error(lua, "it is cut off");
        (void)lua_pushlstring(lua, load_bytes(lua, from, (size_t)size), (size_t)size);
        break;
    case '{':
        load_table(lua, from, depth + 1);
        break;
    default:
        (void)luaL_error(lua, "it has an unknown part");
    }
}

/* What flow_loader is to be read from lies where a record would. */
static int load_state(lua_State *lua)
{
    struct flow_loader *from;
    memcpy(&from, script_of(lua)->record->data, sizeof(struct flow_loader *));
    load_value(lua, from, load_tag(lua, from), 0);
    luaL_checktype(lua, -1, LUA_TTABLE);
    lua_setglobal(lua, "state");
    return 0;
}

enum flow_status keep_restore(struct script *script, struct flow_stage *stage,
                              struct flow_loader *from)
{
    const struct flow_record record = {.data = &from, .size = sizeof(struct flow_loader *)};
    script->record = &record;
    const char *fault = script_call(script, stage, load_state);
    script->record = NULL;
    return fault == NULL ? FLOW_OK : FLOW_EPROTO;
}
