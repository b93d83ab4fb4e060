/* main.c - ringside: reads the command line and runs the command. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "lua/images.h"

static int (*const command[COMMANDS])(const struct cli *) = {
    [CMD_RUN] = cli_run,
    [CMD_TUI] = cli_tui,
    [CMD_REPL] = cli_repl,
    [CMD_EXEC] = cli_exec,
};

/* A standard stream that is closed gets a file in its place that can't be used that way: else the next file
 * that is opened would be taken for it. */
static void hold_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            return;
}

/* The exit status, which is 2 if what was said could not be written. */
static int close_output(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    fprintf(stderr, "ringside: the output cannot be written%s%s\n", errno ? ": " : "",
            errno ? strerror(errno) : "");
    return 2;
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct rs_error err;
    hold_streams();
    setlocale(LC_CTYPE, "");
    images_init(argv[0]);
    if (cli_parse(argc, argv, &cli, &err) != RS_OK)
        return cli_complain(err.text);
    if (cli.help)
        cli_help(&cli);
    else if (cli.version)
        printf("ringside %s\n", RS_VERSION);
    else
        return close_output(command[cli.command](&cli));
    return close_output(0);
}
