/* pattern.h - string.find, match, gmatch and gsub with a budget: Lua's own cannot be stopped while they
 * search. */
#ifndef UI_PATTERN_H
#define UI_PATTERN_H

#include <lua.h>

/* Puts them into the table `string`. */
void pattern_open(lua_State *L);

#endif
