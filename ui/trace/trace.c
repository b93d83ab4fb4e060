/* trace.c - a trace as text: a line for each instruction, and one for each event between them.
 *
 * An event tells that an instruction has retired.  What it was has to be read before it runs, since it may
 * change the address space or itself: so the instruction to come is read after each, and after a VM exit. */
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 160

/* The instruction that a core runs next. */
struct ahead {
    uint64_t rip;
    char place[96], text[TEXT_MAX];
};

struct trace {
    FILE *file;
    char path[512];
    struct scenario *scenario;
    struct ahead ahead[RS_CORES_MAX];
};

static const enum rs_probe told[] = {RS_PROBE_fault,   RS_PROBE_interrupt, RS_PROBE_vm_entry,
                                     RS_PROBE_vm_exit, RS_PROBE_vm_fail,   RS_PROBE_mark,
                                     RS_PROBE_halt};

static void look_ahead(struct trace *t, rs_machine *m, uint32_t core, uint64_t rip)
{
    struct ahead *a = &t->ahead[core];
    const struct rs_symbols *symbols = t->scenario              ? scenario_symbols(t->scenario, m, core)
                                       : rs_guest_mode(m, core) ? NULL
                                                                : rs_machine_symbols(m);
    a->rip = rip;
    rs_disassemble_at(m, core, rip, symbols, a->text, sizeof a->text);
    rs_symbol_format(symbols, rip, a->place, sizeof a->place);
}

static void look_ahead_now(struct trace *t, const rs_machine *m, uint32_t core)
{
    uint64_t rip = 0;
    rs_reg(m, core, "rip", &rip);
    look_ahead(t, (rs_machine *)m, core, rip);
}

/* "      1204 A.1 root     " */
static void write_lead(struct trace *t, const struct rs_event *e)
{
    char who[RS_NAME_MAX] = "";
    if (t->scenario)
        scenario_running(t->scenario, e->machine, e->core, who);
    fprintf(t->file, "%12" PRIu64 " %s.%" PRIu32 " %-8s ", e->cycle, rs_machine_name(e->machine), e->core + 1,
            e->guest ? who[0] ? who : "non-root" : "root");
}

static void on_insn(const struct rs_event *e, void *arg)
{
    struct trace *t = arg;
    struct ahead *a = &t->ahead[e->core];
    if (a->rip != e->field[0])
        look_ahead(t, (rs_machine *)e->machine, e->core, e->field[0]);
    write_lead(t, e);
    fprintf(t->file, "%016" PRIx64 "  %-24s %s\n", e->field[0], a->place, a->text);
    look_ahead_now(t, e->machine, e->core);
}

static void write_field(FILE *file, const struct rs_field_info *info, uint64_t value)
{
    const char *word = info->format == RS_BOOL ? value ? "yes" : "no" : rs_word(info->format, value);
    if (word)
        fprintf(file, " %s=%s", info->name, word);
    else
        fprintf(file, info->format == RS_HEX ? " %s=0x%" PRIx64 : " %s=%" PRIu64, info->name, value);
}

static void on_event(const struct rs_event *e, void *arg)
{
    struct trace *t = arg;
    const struct rs_probe_info *info = &rs_probe_info[e->probe];
    write_lead(t, e);
    fprintf(t->file, "-- %s", info->name);
    for (size_t i = 0; i < info->fields; i++)
        write_field(t->file, &info->field[i], e->field[i]);
    fputc('\n', t->file);
    if (e->probe == RS_PROBE_vm_exit)
        look_ahead_now(t, e->machine, e->core);
}

static bool is_text(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, ".txt") == 0;
}

struct trace *trace_begin(rs_world *w, struct scenario *s, const char *path, struct rs_error *err)
{
    if (!is_text(path)) {
        rs_fail(err, "--trace %s: the file's ending says the form of the trace: .txt is known", path);
        return NULL;
    }
    struct trace *t = calloc(1, sizeof *t);
    FILE *file = t ? fopen(path, "w") : NULL;
    if (!file) {
        rs_fail(err, "--trace %s: %s", path, strerror(errno));
        free(t);
        return NULL;
    }
    t->file = file;
    t->scenario = s;
    snprintf(t->path, sizeof t->path, "%s", path);
    rs_watch(w, RS_PROBE_insn, false, on_insn, t);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        rs_watch(w, told[i], false, on_event, t);
    return t;
}

enum rs_status trace_end(struct trace *t, struct rs_error *err)
{
    enum rs_status status = RS_OK;
    bool lost = ferror(t->file) != 0;
    if (fclose(t->file) != 0 || lost)
        status = rs_fail(err, "--trace %s: not all could be written: %s", t->path, strerror(errno));
    free(t);
    return status;
}
