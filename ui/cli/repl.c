/* repl.c - ringside repl: a Lua prompt on a live machine. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lua/prompt.h"

#define SLICE 200000

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

/* Runs what has been started to its end, or to --at; Ctrl-C stops a movement for good. */
static void run(struct scenario *s, size_t *shown)
{
    interrupted = 0;
    for (;;) {
        enum scenario_state state = scenario_advance(s, SLICE);
        cli_narrate(s, shown);
        if (state == SCENARIO_PAUSED)
            cli_show_position(s, rs_world_machine(scenario_world(s), 0));
        if (state != SCENARIO_MOVING)
            break;
        if (interrupted) {
            scenario_interrupt(s);
            puts("interrupted");
            return;
        }
    }
    if (scenario_error(s))
        cli_complain(scenario_error(s));
}

/* 1 if a check has failed, as of `run`; an error at the prompt has been seen and is over. */
static int status_now(const struct scenario *s, int status)
{
    return status == 0 && scenario_checks(s, false) ? 1 : status;
}

/* Reads a line without its line feed, of any length; NULL at the end of input. */
static char *read_line(const char *prompt)
{
    char *line = NULL;
    size_t room = 0;
    if (isatty(STDIN_FILENO)) {
        fputs(prompt, stdout);
        fflush(stdout);
    }
    ssize_t n = getline(&line, &room, stdin);
    while (n < 0 && errno == EINTR && !feof(stdin)) {
        clearerr(stdin);
        n = getline(&line, &room, stdin);
    }
    if (n < 0) {
        free(line);
        return NULL;
    }
    line[strcspn(line, "\n")] = '\0';
    return line;
}

/* Appends a line to a chunk that goes over several. */
static char *append(char *chunk, const char *line)
{
    size_t n = chunk ? strlen(chunk) : 0;
    char *longer = realloc(chunk, n + strlen(line) + 2);
    if (!longer) {
        free(chunk);
        return NULL;
    }
    sprintf(longer + n, "%s%s", n ? "\n" : "", line);
    return longer;
}

static void prompt(struct scenario *s, size_t *shown)
{
    char *chunk = NULL, *line;
    while ((line = read_line(chunk ? ">> " : "> "))) {
        struct rs_error err;
        chunk = append(chunk, line);
        free(line);
        enum prompt_result result = chunk ? prompt_start(s, chunk, &err) : PROMPT_ERROR;
        if (chunk && result == PROMPT_MORE)
            continue;
        if (result == PROMPT_STARTED)
            run(s, shown);
        else
            cli_complain(chunk ? err.text : "no memory");
        free(chunk);
        chunk = NULL;
    }
    free(chunk);
}

int cli_repl(const struct cli *cli)
{
    struct sigaction action = {.sa_handler = on_interrupt};
    size_t shown = 0;
    struct rs_error err;
    struct scenario *s = cli_load(cli, false);
    if (!s)
        return 2;
    sigaction(SIGINT, &action, NULL);
    run(s, &shown);
    int status = scenario_status(s);
    if (!cli->file && prompt_start(s, "host = machine()", &err) == PROMPT_STARTED)
        run(s, &shown);
    if (isatty(STDIN_FILENO))
        puts(cli->file ? "The scenario's globals are here.  Ctrl-D ends."
                       : "host is a machine: host:boot(\"hello\"), host:run(\"1ms\"), host:console() ...  "
                         "Ctrl-D ends.");
    prompt(s, &shown);
    status = cli_finish(cli, scenario_world(s), status_now(s, status), NULL);
    scenario_free(s);
    return status;
}
