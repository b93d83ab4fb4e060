#include "prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "binding.h"

#define CHUNK "=prompt"

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* As an expression, told by show(); RS_FAILED if it is none. */
static enum rs_status start_expression(struct scenario *s, const char *chunk, struct rs_error *err)
{
    static const char show[] =
        "local t = table.pack(%s\n)\nif t.n > 0 then for i = 1, t.n do t[i] = tostring(t[i]) end\n"
        "say(table.concat(t, '\\t')) end";
    size_t n = sizeof show + strlen(chunk);
    char *code = malloc(n);
    if (!code)
        return rs_fail(err, "no memory");
    snprintf(code, n, show, chunk);
    enum rs_status status = sc_start(s, code, CHUNK, err);
    free(code);
    return status;
}

enum prompt_result prompt_start(struct scenario *s, const char *chunk, struct rs_error *err)
{
    s->prompts = true;
    if (*chunk && start_expression(s, chunk, err) == RS_OK)
        return PROMPT_STARTED;
    if (sc_start(s, chunk, CHUNK, err) == RS_OK)
        return PROMPT_STARTED;
    return ends_with(err->text, "<eof>") ? PROMPT_MORE : PROMPT_ERROR;
}
