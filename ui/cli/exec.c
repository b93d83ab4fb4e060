/* exec.c - ringside exec: boots an image with its console on this terminal. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/devices.h"
#include "lua/images.h"

#define SLICE           200000
#define GDB_PATIENCE_MS 20 /* between two looks at the debugger while the machine waits for input */
#define INPUT_MAX       256
#define ESCAPE          1 /* Ctrl-A; then x ends the run, Ctrl-A is itself */

/* ------------------------------------------------------------------ booting */

/* "FILE STRING": the string is what follows the first blank, or the image's name. */
struct module {
    char path[IMAGE_PATH_MAX], name[RS_NAME_MAX];
    const char *string;
};

static enum rs_status find_module(const char *text, struct module *module, struct rs_error *err)
{
    char name[IMAGE_PATH_MAX];
    size_t n = strcspn(text, " ");
    if (n == 0)
        return rs_fail(err, "--module '%s' begins with a blank: an image is wanted before it", text);
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), text);
    if (images_find(name, module->path, err) != RS_OK)
        return RS_FAILED;
    images_name(module->path, module->name);
    module->string = text[n] ? text + n + 1 : module->name;
    return RS_OK;
}

/* What is booted: the files, found before anything else is opened. */
struct boot {
    char path[IMAGE_PATH_MAX], cmdline[65536];
    struct module module[MODULES_MAX];
    struct cli_devices devices;
};

static enum rs_status find_files(const struct cli *cli, struct boot *b, struct rs_error *err)
{
    char name[RS_NAME_MAX];
    if (images_find(cli->file, b->path, err) != RS_OK)
        return RS_FAILED;
    images_name(b->path, name);
    int n = snprintf(b->cmdline, sizeof b->cmdline, "%s%s%s", name, cli->cmdline ? " " : "",
                     cli->cmdline ? cli->cmdline : "");
    if (n >= (int)sizeof b->cmdline)
        return rs_fail(err, "--append: the command line is longer than %zu bytes", sizeof b->cmdline - 1);
    for (size_t i = 0; i < cli->modules; i++)
        if (find_module(cli->module[i], &b->module[i], err) != RS_OK)
            return RS_FAILED;
    return devices_read(cli, &b->devices, err);
}

/* All are known to be apart before the first is opened. */
static enum rs_status use_files(const struct cli *cli, rs_world *w, const struct boot *b,
                                struct rs_error *err)
{
    enum rs_status status = rs_use_file(w, RS_FILE_IMAGE, b->path, err);
    for (size_t i = 0; i < cli->modules && status == RS_OK; i++)
        status = rs_use_file(w, RS_FILE_MODULE, b->module[i].path, err);
    if (status == RS_OK)
        status = devices_use(&b->devices, w, err);
    if (status == RS_OK && cli->replay)
        status = rs_use_file(w, RS_FILE_REPLAY, cli->replay, err);
    if (status == RS_OK && cli->record)
        status = rs_use_file(w, RS_FILE_RECORD, cli->record, err);
    if (status == RS_OK && cli->trace)
        status = rs_use_file(w, RS_FILE_TRACE, cli->trace, err);
    return status;
}

static enum rs_status open_files(const struct cli *cli, rs_world *w, struct rs_error *err)
{
    if (cli->replay && rs_replay(w, cli->replay, err) != RS_OK)
        return RS_FAILED;
    if (cli->record && rs_record(w, cli->record, err) != RS_OK)
        return RS_FAILED;
    return cli_trace(cli, w, NULL, err);
}

static enum rs_status boot(const struct cli *cli, rs_machine *m, const struct boot *b, struct rs_error *err)
{
    struct rs_boot_module list[MODULES_MAX];
    struct rs_boot what = {.path = b->path,
                           .cmdline = b->cmdline,
                           .entry = cli->entry,
                           .registers = cli->registers,
                           .modules = list,
                           .module_count = cli->modules};
    for (size_t i = 0; i < cli->modules; i++) {
        list[i] = (struct rs_boot_module){b->module[i].path, b->module[i].string};
        scenario_know_module(b->module[i].string, b->module[i].path);
    }
    return rs_boot(m, &what, err);
}

static enum rs_status check_position(const struct cli *cli, const rs_machine *m, struct rs_error *err)
{
    struct rs_position at;
    struct rs_error why;
    if (!cli->at || rs_position_parse(m, cli->at, &at, &why) == RS_OK)
        return RS_OK;
    return rs_fail(err, "--at: %s", why.text);
}

static rs_machine *make_machine(const struct cli *cli, rs_world *w, const struct boot *b,
                                struct rs_error *err)
{
    struct rs_config config;
    struct rs_params *params = rs_params_new();
    rs_config_init(&config);
    config.ram_bytes = cli->ram_bytes;
    config.cores = cli->cores;
    config.params = params;
    config.device = b->devices.device;
    config.device_count = b->devices.count;
    enum rs_status status = cli->timing ? rs_params_preset(params, cli->timing, err) : RS_OK;
    struct rs_error why;
    size_t misfit = config.device_count;
    config.misfit = &misfit;
    rs_machine *m = status == RS_OK ? rs_machine_new(w, &config, &why) : NULL;
    rs_params_free(params);
    if (status == RS_OK && !m && misfit < config.device_count)
        devices_blame(&cli->device[misfit], &why, err);
    else if (status == RS_OK && !m) /* the number of cores has been looked at */
        rs_fail(err, "--ram: %s", why.text);
    return m && check_position(cli, m, err) == RS_OK ? m : NULL;
}

static rs_machine *start(const struct cli *cli, rs_world *w, struct boot *b, struct rs_error *err)
{
    rs_set_max_cycles(w, cli->max_cycles);
    cli_tell_refusals(w);
    if (find_files(cli, b, err) != RS_OK || use_files(cli, w, b, err) != RS_OK ||
        open_files(cli, w, err) != RS_OK)
        return NULL;
    rs_machine *m = make_machine(cli, w, b, err);
    if (!m || devices_open(cli, &b->devices, w, m, err) != RS_OK || boot(cli, m, b, err) != RS_OK)
        return NULL;
    return devices_begin(&b->devices, err) == RS_OK ? m : NULL;
}

/* ------------------------------------------------------------------ the terminal */

static struct termios saved;
static bool raw;

static void cook(void)
{
    if (raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    raw = false;
}

/* Keys go to the guest one by one, unseen and uninterpreted. */
static void make_raw(void)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &saved) != 0)
        return;
    struct termios t = saved;
    t.c_iflag &= (tcflag_t) ~(BRKINT | ICRNL | INPCK | ISTRIP | IXON);
    t.c_lflag &= (tcflag_t) ~(ECHO | ICANON | IEXTEN | ISIG);
    t.c_cc[VMIN] = 1;
    t.c_cc[VTIME] = 0;
    atexit(cook);
    raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &t) == 0;
    if (raw)
        fprintf(stderr, "ringside: Ctrl-A x ends the run\n");
}

struct input {
    uint8_t bytes[INPUT_MAX];
    size_t n;
    bool closed, escaped, quit;
    bool waits; /* the machine does, for a byte */
};

static void take_key(struct input *in, uint8_t key)
{
    if (in->escaped && (key == 'x' || key == 'X'))
        in->quit = true;
    bool begins = raw && key == ESCAPE && !in->escaped;
    if (!begins)
        in->bytes[in->n++] = key;
    in->escaped = begins;
}

/* Reads what is there, or comes in time; -1: whenever that is. */
static void read_input(struct input *in, int milliseconds)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    uint8_t bytes[INPUT_MAX];
    if (in->closed || in->n > 0 || poll(&fd, 1, milliseconds) <= 0)
        return;
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);
    in->closed = n <= 0;
    for (ssize_t i = 0; i < n; i++)
        take_key(in, bytes[i]);
}

/* Sends it if there is room; else it is tried again later. */
static void send_input(struct input *in, rs_machine *m)
{
    struct rs_error err;
    if (in->n > 0 && rs_input_console(m, 0, in->bytes, in->n, &err) == RS_OK)
        in->n = 0;
}

static void write_console(const rs_machine *m, size_t *shown)
{
    size_t n;
    const uint8_t *bytes = rs_console(m, 0, &n);
    if (n > *shown) {
        fwrite(bytes + *shown, 1, n - *shown, stdout);
        fflush(stdout);
        *shown = n;
    }
}

/* ------------------------------------------------------------------ running */

/* What the end of the run is called where a debugger looks at it. */
static const char *end_text(const rs_machine *m, enum rs_why why)
{
    return why == RS_HALTED ? rs_halt_text(m) : "--max-cycles is reached";
}

/* A slice of the run, begun anew if it is not under way.  A machine that waits for a byte goes on while one
 * can come. */
static enum rs_why slice(rs_world *w, const rs_machine *m, struct input *in, bool *under_way)
{
    if (!*under_way)
        rs_begin_run(w, UINT64_MAX);
    enum rs_why why = rs_continue(w, SLICE);
    *under_way = why == RS_SLICE;
    in->waits = why == RS_HALTED && !in->closed && rs_awaits(m) & RS_AWAITS_CONSOLE;
    return in->waits ? RS_SLICE : why;
}

/* The same if the debugger lets it go on; RS_DONE: it has ended the run. */
static enum rs_why debugged_slice(rs_world *w, rs_machine *m, struct gdb *g, struct input *in,
                                  bool *under_way)
{
    int fd = in->closed || in->n > 0 ? -1 : STDIN_FILENO;
    enum gdb_grip grip = gdb_attend(g, w, fd);
    if (grip != GDB_FREE) {
        *under_way = false;
        return grip == GDB_KILLED ? RS_DONE : RS_SLICE;
    }
    enum rs_why why = slice(w, m, in, under_way);
    bool goes_on =
        why == RS_STOPPED || why == RS_SLICE || gdb_ended(g, w, end_text(m, why), true, rs_halt_status(m));
    return goes_on ? RS_SLICE : why;
}

/* Keys wait while a debugger holds the machine, or shows its past. */
static bool takes_keys(const rs_world *w, const struct gdb *g)
{
    return !g || !rs_in_past(w);
}

static enum rs_why run(rs_world *w, rs_machine *m, struct gdb *g, bool replay)
{
    struct input in = {.closed = replay};
    size_t shown = 0;
    bool under_way = false;
    enum rs_why why;
    do {
        in.waits = false;
        why = g ? debugged_slice(w, m, g, &in, &under_way) : slice(w, m, &in, &under_way);
        write_console(m, &shown);
        if (replay)
            continue;
        read_input(&in, in.waits ? (g ? GDB_PATIENCE_MS : -1) : 0);
        if (takes_keys(w, g))
            send_input(&in, m);
    } while (why == RS_SLICE && !in.quit);
    return in.quit ? RS_DONE : why;
}

/* RS_STOPPED and a message if there is no such position. */
static enum rs_why run_to(const char *position, rs_world *w, rs_machine *m, struct rs_error *err)
{
    struct rs_position at;
    size_t shown = 0;
    enum rs_why why;
    rs_position_parse(m, position, &at, err);
    rs_begin_seek(w, at);
    while ((why = rs_continue(w, SLICE)) == RS_SLICE)
        ;
    write_console(m, &shown);
    if (why == RS_DONE)
        return scenario_at(m, position, err) == RS_OK ? RS_DONE : RS_STOPPED;
    if (why != RS_HALTED)
        return why;
    char end[64];
    rs_position_format(m, rs_position(m), end);
    rs_fail(err, "--at %.60s: the run ended before (at %s)", position, end);
    return RS_STOPPED;
}

static void show_where(rs_machine *m)
{
    char at[64];
    rs_position_format(m, rs_position(m), at);
    fprintf(stderr, "ringside: stopped at %s, cycle %llu\n", at, (unsigned long long)rs_now(m));
}

static int ended(const struct cli *cli, rs_machine *m, enum rs_why why)
{
    if (why == RS_LIMIT)
        return cli_complain("--max-cycles is reached, and the image still runs");
    if (why == RS_DONE && cli->at && !cli->gdb)
        show_where(m);
    if (why != RS_HALTED)
        return 0;
    int status = rs_halt_status(m);
    char text[400];
    snprintf(text, sizeof text, "%s%s", rs_halt_text(m), rs_awaits(m) ? "; no more can come" : "");
    if (status == 255 && strncmp(rs_halt_text(m), "debug-exit", 10) != 0)
        cli_complain(text);
    return status & 255;
}

/* At the end: the files get what the disks have, or a person hears that they do not. */
static int leave_disks(const struct cli *cli, rs_machine *m, int status)
{
    struct rs_disk disk;
    struct rs_error err;
    for (size_t i = 0; rs_disk(m, i, &disk); i++) {
        if (!disk.changed)
            continue;
        if (!cli->commit)
            fprintf(stderr, "ringside: %s: is %s: what the image wrote to it is lost; --commit keeps it\n",
                    disk.path, access(disk.path, F_OK) == 0 ? "as it was" : "not made");
        else if (rs_disk_commit(m, i, &err) != RS_OK)
            status = cli_complain(err.text);
    }
    return status;
}

static int leave_captures(struct boot *b, int status)
{
    struct rs_error err;
    return devices_end(&b->devices, &err) == RS_OK ? status : cli_complain(err.text);
}

/* The whole run; with --at only up to there, unless a debugger waits for it there. */
static enum rs_why run_all(const struct cli *cli, rs_world *w, rs_machine *m, struct gdb *g,
                           struct rs_error *err)
{
    enum rs_why why = cli->at ? run_to(cli->at, w, m, err) : RS_DONE;
    if (why != RS_DONE || (cli->at && !g))
        return why;
    make_raw();
    why = run(w, m, g, cli->replay != NULL);
    cook();
    return why;
}

int cli_exec(const struct cli *cli)
{
    static struct boot b;
    struct rs_error err;
    struct gdb *g;
    if (cli_listen(cli, &g) != RS_OK)
        return 2;
    rs_world *w = rs_world_new();
    rs_machine *m = start(cli, w, &b, &err);
    enum rs_why why = RS_STOPPED;
    if (m)
        why = run_all(cli, w, m, g, &err);
    int status = why == RS_STOPPED ? cli_complain(err.text) : ended(cli, m, why);
    if (m && why != RS_STOPPED)
        status = leave_disks(cli, m, status);
    status = leave_captures(&b, status);
    status = cli_finish(cli, w, status, why == RS_STOPPED ? err.text : NULL);
    gdb_close(g, status);
    rs_world_free(w);
    scenario_forget_modules();
    return status;
}
