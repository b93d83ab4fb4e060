/* run.c - ringside run, ringside tui: a scenario without and with a view. */
#include <stdio.h>

#include "cli/cli.h"
#include "tui/tui.h"

#define SLICE 1000000

/* How the checks stand, in a line. */
static void print_summary(const struct scenario *s)
{
    size_t passed = scenario_checks(s, true), failed = scenario_checks(s, false);
    if (failed)
        printf("%zu of %zu checks failed\n", failed, passed + failed);
    else if (passed)
        printf("%zu check%s, all hold\n", passed, passed == 1 ? "" : "s");
}

int cli_run(const struct cli *cli)
{
    size_t shown = 0;
    struct scenario *s = cli_load(cli, false);
    if (!s)
        return 2;
    while (scenario_advance(s, SLICE) == SCENARIO_MOVING)
        cli_narrate(s, &shown);
    cli_narrate(s, &shown);
    int status = scenario_status(s);
    if (scenario_state(s) == SCENARIO_PAUSED) { /* --at */
        cli_tell_micros(cli, rs_world_machine(scenario_world(s), 0));
        cli_show_position(s, rs_world_machine(scenario_world(s), 0));
    } else {
        print_summary(s);
    }
    if (scenario_error(s))
        cli_complain(scenario_error(s));
    status = cli_finish(cli, scenario_world(s), status, scenario_error(s));
    scenario_free(s);
    return status;
}

int cli_tui(const struct cli *cli)
{
    struct scenario *s = cli_load(cli, true);
    if (!s)
        return 2;
    int status = tui_run(s, NULL);
    status = cli_finish(cli, scenario_world(s), status, NULL);
    scenario_free(s);
    return status;
}
