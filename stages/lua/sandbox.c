/* SPDX-License-Identifier: MIT */

/*
 * What a script may use: Lua's own functions without those that reach files, programs, other code
 * or memory, that would let it outlive its limits, or whose results are other ones when a record
 * comes again.  And emit, reject and print.
 */

#include <lauxlib.h>
#include <lualib.h>

#include "lua/script.h"

/* emit(text [, key]) */
static int emit(lua_State *lua)
{
    size_t size;
    size_t key_size = 0;
    const char *text = luaL_checklstring(lua, 1, &size);
    const char *key = luaL_optlstring(lua, 2, NULL, &key_size);
    script_add(lua, text, size, key, key_size);
    return 0;
}

/* reject(reason): like error, but nothing in the script catches it, and the place is not named. */
static int reject(lua_State *lua)
{
    (void)luaL_checkstring(lua, 1);
    script_of(lua)->ended = true;
    script_of(lua)->rejected = true;
    lua_settop(lua, 1);
    return lua_error(lua);
}

/* print(...): a line for the operator. */
static int print(lua_State *lua)
{
    const int count = lua_gettop(lua);
    luaL_Buffer line;
    luaL_buffinit(lua, &line);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&line, '\t');
        (void)luaL_tolstring(lua, i, NULL);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    flow_log(script_of(lua)->stage, "%s", lua_tostring(lua, -1));
    return 0;
}

/* pcall, which catches everything but the end of a call. */
static int guarded_pcall(lua_State *lua)
{
    luaL_checkany(lua, 1);
    const int rc = lua_pcall(lua, lua_gettop(lua) - 1, LUA_MULTRET, 0);
    if (rc != LUA_OK && script_of(lua)->ended)
        return lua_error(lua);
    lua_pushboolean(lua, rc == LUA_OK);
    lua_insert(lua, 1);
    return lua_gettop(lua);
}

/* setmetatable without __gc: what a collector calls runs without a limit. */
static int guarded_setmetatable(lua_State *lua)
{
    if (lua_type(lua, 2) == LUA_TTABLE) {
        lua_pushliteral(lua, "__gc");
        if (lua_rawget(lua, 2) != LUA_TNIL)
            return luaL_error(lua, "__gc is not supported in a stage");
        lua_pop(lua, 1);
    }
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, LUA_MULTRET);
    return lua_gettop(lua);
}

static void remove_fields(lua_State *lua, const char *const *names)
{
    for (; *names != NULL; names++) {
        lua_pushnil(lua);
        lua_setfield(lua, -2, *names);
    }
}

static void open_libraries(lua_State *lua)
{
    static const luaL_Reg libraries[] = {
        {LUA_GNAME, luaopen_base},
        {LUA_TABLIBNAME, luaopen_table},
        {LUA_STRLIBNAME, luaopen_string},
        {LUA_MATHLIBNAME, luaopen_math},
        {LUA_UTF8LIBNAME, luaopen_utf8},
        {LUA_OSLIBNAME, luaopen_os},
        {NULL, NULL},
    };
    for (const luaL_Reg *library = libraries; library->name != NULL; library++) {
        luaL_requiref(lua, library->name, library->func, 1);
        lua_pop(lua, 1);
    }
}

/* Numbers by chance are the same in each run, but not in each replica. */
static void seed(lua_State *lua)
{
    (void)lua_getglobal(lua, "math");
    (void)lua_getfield(lua, -1, "randomseed");
    lua_pushinteger(lua, (lua_Integer)flow_stage_info(script_of(lua)->stage)->replica);
    lua_call(lua, 1, 0);
    lua_pop(lua, 1);
}

int script_open_sandbox(lua_State *lua)
{
    static const char *const base[] = {"dofile", "loadfile",       "load",
                                       "xpcall", "collectgarbage", NULL};
    static const char *const os[] = {"execute", "exit",    "getenv",    "remove",
                                     "rename",  "tmpname", "setlocale", NULL};
    static const char *const string[] = {"dump", NULL};
    open_libraries(lua);
    lua_pushglobaltable(lua);
    remove_fields(lua, base);
    (void)lua_getfield(lua, -1, "os");
    remove_fields(lua, os);
    lua_pop(lua, 1);
    (void)lua_getfield(lua, -1, "string");
    remove_fields(lua, string);
    lua_pop(lua, 1);
    (void)lua_getfield(lua, -1, "setmetatable");
    lua_pushcclosure(lua, guarded_setmetatable, 1);
    lua_setfield(lua, -2, "setmetatable");
    lua_register(lua, "pcall", guarded_pcall);
    lua_register(lua, "emit", emit);
    lua_register(lua, "reject", reject);
    lua_register(lua, "print", print);
    lua_newtable(lua);
    lua_setfield(lua, -2, "state");
    seed(lua);
    return 0;
}
