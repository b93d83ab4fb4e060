/* main.c - ringside: reads the command line and runs the command. */
#include <locale.h>
#include <stdio.h>

#include "cli/cli.h"
#include "lua/images.h"

static int (*const command[COMMANDS])(const struct cli *) = {
    [CMD_RUN] = cli_run,
    [CMD_TUI] = cli_tui,
    [CMD_REPL] = cli_repl,
    [CMD_EXEC] = cli_exec,
};

int main(int argc, char **argv)
{
    struct cli cli;
    struct rs_error err;
    setlocale(LC_CTYPE, "");
    images_init(argv[0]);
    if (cli_parse(argc, argv, &cli, &err) != RS_OK)
        return cli_complain(err.text);
    if (cli.help)
        cli_help(&cli);
    else if (cli.version)
        printf("ringside %s\n", RS_VERSION);
    else
        return command[cli.command](&cli);
    return 0;
}
