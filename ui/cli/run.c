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

/* ------------------------------------------------------------------ with a debugger */

/* Lets it look and move while it holds; the scenario goes on from where it stood.  False: it ends the run. */
static bool attend(struct gdb *g, struct scenario *s)
{
    bool held = false;
    enum gdb_grip grip;
    while ((grip = gdb_attend(g, scenario_world(s), -1)) == GDB_HOLDS) {
        if (!held)
            scenario_hold(s);
        held = true;
    }
    if (held)
        scenario_continue(s);
    return grip != GDB_KILLED;
}

/* What a debugger is told of besides its own stops, or NULL. */
static const char *news(const struct scenario *s, const rs_machine *m)
{
    if (scenario_state(s) == SCENARIO_PAUSED)
        return scenario_text(s);
    if (scenario_state(s) != SCENARIO_MOVING)
        return scenario_error(s) ? scenario_error(s) : "the scenario has ended";
    return rs_halt_text(m);
}

static bool is_over(const struct scenario *s)
{
    return scenario_state(s) == SCENARIO_FINISHED || scenario_state(s) == SCENARIO_FAILED;
}

static bool debug(struct gdb *g, struct scenario *s)
{
    rs_world *w = scenario_world(s);
    const rs_machine *m = rs_world_machine(w, 0);
    if (!m || !rs_machine_symbols(m)) /* nothing is booted */
        return true;
    bool final = is_over(s);
    if (!attend(g, s))
        return false;
    while (news(s, m) && gdb_ended(g, w, news(s, m), final, scenario_status(s)))
        if (!attend(g, s))
            return false;
    return true;
}

/* To the scenario's end, or to --at.  False: the debugger has ended it before. */
static bool drive(struct gdb *g, struct scenario *s, size_t *shown)
{
    enum scenario_state state;
    do {
        scenario_advance(s, SLICE);
        cli_narrate(s, shown);
        if (g && !debug(g, s))
            return false;
        state = scenario_state(s);
    } while (state == SCENARIO_MOVING);
    cli_narrate(s, shown);
    return true;
}

/* ------------------------------------------------------------------ commands */

static int run(const struct cli *cli, struct scenario *s, struct gdb *g)
{
    size_t shown = 0;
    bool killed = !drive(g, s, &shown) && !is_over(s);
    int status = killed ? cli_complain("the debugger has ended the run before the scenario's end")
                        : scenario_status(s);
    if (killed)
        return cli_finish(cli, scenario_world(s), status, NULL);
    if (scenario_state(s) == SCENARIO_PAUSED) /* --at */
        cli_show_position(s, rs_world_machine(scenario_world(s), 0));
    else
        print_summary(s);
    if (scenario_error(s))
        cli_complain(scenario_error(s));
    return cli_finish(cli, scenario_world(s), status, scenario_error(s));
}

int cli_run(const struct cli *cli)
{
    struct gdb *g;
    if (cli_listen(cli, &g) != RS_OK)
        return 2;
    struct scenario *s = cli_load(cli, false);
    if (s && g)
        gdb_scenario(g, s);
    int status = s ? run(cli, s, g) : 2;
    gdb_close(g, status);
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
