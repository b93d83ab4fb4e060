/* cli.h - the commands. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdio.h>

#include "cli/options.h"
#include "gdb/gdb.h"
#include "lua/scenario.h"

/* Each does its command and returns the exit status. */
int cli_run(const struct cli *cli);
int cli_tui(const struct cli *cli);
int cli_repl(const struct cli *cli);
int cli_exec(const struct cli *cli);

/* "ringside: MESSAGE" on stderr; returns 2. */
int cli_complain(const char *message);
/* From now on says in words on stderr why each VM entry that fails does. */
void cli_tell_refusals(rs_world *w);
/* Finds and loads the scenario that the command line names; complains and returns NULL if it can't. */
struct scenario *cli_load(const struct cli *cli, bool interactive);
/* --trace, from now on; s may be NULL.  cli_finish ends it. */
enum rs_status cli_trace(const struct cli *cli, rs_world *w, struct scenario *s, struct rs_error *err);
/* Listens for gdb if --gdb asks for it, and says where; *g is NULL if not.  RS_FAILED: has complained. */
enum rs_status cli_listen(const struct cli *cli, struct gdb **g);
/* --stats, and the trouble of a log; returns the exit status, which they may change.  `told` is what has
 * been complained of already, or NULL. */
int cli_finish(const struct cli *cli, rs_world *w, int status, const char *told);
/* Where a machine stands: position, mode, instruction, last walk. */
void cli_show_position(const struct scenario *s, const rs_machine *m);

/* Prints narration that has not been printed yet; *shown counts it. */
void cli_narrate(const struct scenario *s, size_t *shown);

#endif
