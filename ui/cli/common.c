/* common.c - what the commands share: loading, narration, statistics. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lua/images.h"
#include "trace/trace.h"

int cli_complain(const char *message)
{
    fflush(stdout);
    fprintf(stderr, "ringside: %s\n", message);
    return 2;
}

static void tell_refusal(const struct rs_event *e, void *arg)
{
    const char *rule = rs_word(RS_RULE, e->field[0]), *error = rs_word(RS_VMX_ERROR, e->field[1]);
    (void)arg;
    fflush(stdout);
    fprintf(stderr, "ringside: %s: VM entry at 0x%" PRIx64 " failed: %s%s%s\n", rs_machine_name(e->machine),
            e->rip, error ? error : rs_word(RS_EXIT_REASON, e->field[3]), rule ? "; " : "", rule ? rule : "");
}

void cli_tell_refusals(rs_world *w)
{
    rs_watch(w, RS_PROBE_vm_fail, false, tell_refusal, NULL);
}

static struct trace *trace; /* of this run, if --trace asks for one */

enum rs_status cli_trace(const struct cli *cli, rs_world *w, struct scenario *s, struct rs_error *err)
{
    if (cli->trace && !(trace = trace_begin(w, s, cli->trace, err)))
        return RS_FAILED;
    return RS_OK;
}

struct scenario *cli_load(const struct cli *cli, bool interactive)
{
    struct scenario_options options = {
        .argc = cli->argc,
        .argv = cli->argv,
        .seed = cli->seed,
        .max_cycles = cli->max_cycles,
        .timing = cli->timing,
        .record = cli->record,
        .replay = cli->replay,
        .trace = cli->trace,
        .at = cli->at,
        .interactive = interactive,
    };
    char path[IMAGE_PATH_MAX];
    struct rs_error err;
    if (cli->file && images_scenario(cli->file, path, &err) != RS_OK) {
        cli_complain(err.text);
        return NULL;
    }
    struct scenario *s = scenario_load(cli->file ? path : NULL, &options, &err);
    if (s && cli_trace(cli, scenario_world(s), s, &err) != RS_OK) {
        scenario_free(s);
        s = NULL;
    }
    if (!s)
        cli_complain(err.text);
    else if (!interactive)
        cli_tell_refusals(scenario_world(s));
    return s;
}

enum rs_status cli_listen(const struct cli *cli, struct gdb **g)
{
    struct rs_error err;
    *g = cli->gdb ? gdb_open(cli->gdb_port, cli->replay != NULL, &err) : NULL;
    if (cli->gdb && !*g) {
        cli_complain(err.text);
        return RS_FAILED;
    }
    if (*g)
        fprintf(stderr, "ringside: gdb: listening on 127.0.0.1:%u\n", gdb_port(*g));
    return RS_OK;
}

/* ------------------------------------------------------------------ narration */

static bool colours(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static void print_line(const struct scenario_line *line, bool colour)
{
    static const struct {
        const char *lead, *colour;
    } styles[] = {
        [SCENARIO_SAY] = {"", ""},
        [SCENARIO_CHECK_OK] = {"  ok    ", "\033[32m"},
        [SCENARIO_CHECK_FAILED] = {"  FAIL  ", "\033[1;31m"},
        [SCENARIO_PAUSE] = {"  ...   ", "\033[2m"},
        [SCENARIO_ASK] = {"  ?     ", "\033[1m"},
        [SCENARIO_ANSWER] = {"  =     ", "\033[1m"},
    };
    bool styled = colour && *styles[line->kind].colour;
    printf("%s%s%s%s\n", styled ? styles[line->kind].colour : "", styles[line->kind].lead, line->text,
           styled ? "\033[0m" : "");
}

void cli_narrate(const struct scenario *s, size_t *shown)
{
    struct scenario_line line;
    bool colour = colours();
    if (*shown == scenario_lines(s))
        return;
    for (; scenario_line(s, *shown, &line); ++*shown)
        print_line(&line, colour);
    fflush(stdout);
}

/* ------------------------------------------------------------------ where it stands */

static void show_instruction(struct scenario *s, rs_machine *m)
{
    uint64_t rip = 0;
    uint32_t core = rs_next_core(m);
    const struct rs_symbols *symbols = scenario_symbols(s, m, core);
    char text[160], place[96];
    rs_reg(m, core, "rip", &rip);
    rs_disassemble_at(m, core, rip, symbols, text, sizeof text);
    rs_symbol_format(symbols, rip, place, sizeof place);
    printf("  rip 0x%" PRIx64 "%s%s%s  %s\n", rip, place[0] ? " <" : "", place, place[0] ? ">" : "", text);
}

static void show_core(const struct scenario *s, const rs_machine *m, uint32_t core)
{
    char name[RS_NAME_MAX];
    const struct rs_walk *walk = rs_last_walk(m, core);
    scenario_running((struct scenario *)s, m, core, name);
    if (rs_cores(m) > 1)
        printf("core %u is next, in ", core + 1);
    printf("%s mode, %s, ring %u\n", rs_guest_mode(m, core) ? "non-root" : "root", name, rs_cpl(m, core));
    show_instruction((struct scenario *)s, (rs_machine *)m);
    if (walk && walk->valid)
        printf("  %s walk of 0x%" PRIx64 ": %u references, %" PRIu64 " cycles\n",
               walk->ended ? "last" : "in a", walk->gva, walk->ref_count, walk->cycles);
}

void cli_show_position(const struct scenario *s, const rs_machine *m)
{
    char at[64];
    uint32_t core = rs_next_core(m);
    rs_position_format(m, rs_position(m), at);
    printf("at %s, cycle %" PRIu64 ": ", at, rs_now(m));
    if (core == RS_NO_CORE)
        printf("a device is next\n");
    else
        show_core(s, m, core);
}

/* ------------------------------------------------------------------ at the end */

static void print_stats(const rs_machine *m)
{
    fprintf(stderr, "%s:", rs_machine_name(m));
    for (uint32_t core = 0; rs_cores(m) > 1 && core < rs_cores(m); core++)
        fprintf(stderr, "%s core %-*u", core ? "" : "                    ", core ? 9 : 8, core + 1);
    fprintf(stderr, "\n  %-20s", "cycles");
    for (uint32_t core = 0; core < rs_cores(m); core++)
        fprintf(stderr, " %14" PRIu64, rs_cycles(m, core));
    fprintf(stderr, "\n");
    for (size_t i = 0; i < rs_counter_count(); i++) {
        const struct rs_counter_info *info = rs_counter_info(i);
        fprintf(stderr, "  %-20s", info->name);
        for (uint32_t core = 0; core < rs_cores(m); core++)
            fprintf(stderr, " %14" PRIu64, rs_counter(m, core, i));
        fprintf(stderr, "  %s\n", info->help);
    }
}

int cli_finish(const struct cli *cli, rs_world *w, int status, const char *told)
{
    const rs_machine *m;
    const char *trouble = cli->replay ? rs_replay_trouble(w) : NULL;
    struct rs_error err;
    fflush(stdout);
    if (trace && trace_end(trace, status == 2, &err) != RS_OK)
        status = cli_complain(err.text);
    trace = NULL;
    for (size_t i = 0; cli->stats && (m = rs_world_machine(w, i)); i++)
        if (rs_machine_symbols(m) || rs_position(m).atom) /* else nothing was booted */
            print_stats(m);
    if (trouble && !(told && strstr(told, trouble)))
        cli_complain(trouble);
    if (rs_record_trouble(w))
        return cli_complain(rs_record_trouble(w));
    return trouble ? 2 : status;
}
