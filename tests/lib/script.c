/* script.c - see script.h. */
#include "lib/script.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lua/images.h"

char script_path[SCRIPT_PATH] = "/tmp/ringside-test-XXXXXX";
struct scenario *scenario;

void script_write(const char *text)
{
    strcpy(strrchr(script_path, '-') + 1, "XXXXXX");
    int fd = mkstemp(script_path);
    ck_assert(fd >= 0);
    ck_assert(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

const char *script_run_with(const char *text, const struct scenario_options *options)
{
    static struct rs_error err;
    script_write(text);
    err.text[0] = '\0';
    scenario = scenario_load(script_path, options, &err);
    unlink(script_path);
    if (!scenario)
        return err.text;
    while (scenario_advance(scenario, 50000) == SCENARIO_MOVING)
        continue;
    const char *message = scenario_error(scenario);
    return message ? message : "";
}

const char *script_run(const char *text)
{
    const struct scenario_options options = {.seed = 1};
    return script_run_with(text, &options);
}

bool script_told(const char *text)
{
    struct scenario_line line;
    for (size_t i = 0; scenario_line(scenario, i, &line); i++)
        if (strstr(line.text, text))
            return true;
    return false;
}

void script_set_up(void)
{
    const char *build = getenv("RINGSIDE_BUILD");
    if (build)
        setenv("RINGSIDE_LIB", build, 1);
    images_init("tests");
    scenario = NULL;
}

void script_tear_down(void)
{
    scenario_free(scenario);
    scenario = NULL;
}
