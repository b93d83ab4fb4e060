/* trace.c - a trace as text: a line for each instruction, and one for each event between them.
 *
 * An event tells that an instruction has retired.  What it was has to be read before it runs, since it may
 * change the mode, the address space or itself: so the instruction to come is read at the end of each atom
 * of its core, and its bytes are looked at again when another core, or somebody outside, may have changed
 * them.  Its words are kept, since programs run in loops: an instruction takes far longer to put into words
 * than to run. */
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/file.h"

#define TEXT_MAX  160
#define PLACE_MAX 96
#define WORDS_MAX (TEXT_MAX + PLACE_MAX + 24)

#define WORDINGS   4096u
#define INSN_MAX   15
#define PAGE_BYTES 4096u

/* Code within a page, and where that lay when it was read. */
struct part {
    uint64_t hpa;
    size_t n;
};

/* "000000000010018d  _start                   lea rsp, [0x1a6000 <image_end>]\n": an instruction at its
 * place. */
struct wording {
    uint64_t rip, symbols; /* rs_symbols_id */
    size_t n, length;
    uint8_t bytes[INSN_MAX];
    char words[WORDS_MAX];
};

/* The instruction that a core runs next, and who it is of. */
struct ahead {
    struct part part[2];
    struct wording now;
    char who[RS_NAME_MAX];
};

struct trace {
    FILE *file;
    bool whole, lost; /* nothing but this trace is in it; what was there before cannot be taken away */
    char path[512];
    struct scenario *scenario;
    struct ahead ahead[RS_CORES_MAX];
    struct wording wording[WORDINGS]; /* by the lowest bits of RIP */
};

static const enum rs_probe told[] = {RS_PROBE_fault,    RS_PROBE_interrupt, RS_PROBE_ipi,
                                     RS_PROBE_dma,      RS_PROBE_message,   RS_PROBE_core_start,
                                     RS_PROBE_vm_entry, RS_PROBE_vm_exit,   RS_PROBE_vm_fail,
                                     RS_PROBE_mark,     RS_PROBE_halt};

/* "root", or the VM's name. */
static void read_who(const struct trace *t, const rs_machine *m, uint32_t core, char who[RS_NAME_MAX])
{
    struct scenario_vm vm;
    bool guest = rs_guest_mode(m, core);
    bool named = guest && scenario_vm_at(t->scenario, m, rs_current_vmcs(m, core), &vm);
    snprintf(who, RS_NAME_MAX, "%s", named ? vm.name : guest ? "non-root" : "root");
}

/* The bytes of the page that gva is in; none if it is not mapped. */
static void find_part(rs_machine *m, uint32_t core, uint64_t gva, size_t most, struct part *part)
{
    uint64_t room = PAGE_BYTES - (gva & (PAGE_BYTES - 1));
    part->n = most < room ? most : (size_t)room;
    if (most == 0 || rs_linear_to_hpa(m, core, gva, &part->hpa) != RS_OK)
        part->n = 0;
}

static size_t read_code(const rs_machine *m, const struct ahead *a, uint8_t bytes[INSN_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < 2; i++)
        if (a->part[i].n && rs_read(m, a->part[i].hpa, bytes + n, a->part[i].n) == RS_OK)
            n += a->part[i].n;
    return n;
}

static void put_words(struct wording *it, const struct rs_symbols *symbols, const char *text)
{
    char place[PLACE_MAX];
    rs_symbol_format(symbols, it->rip, place, sizeof place);
    int n = snprintf(it->words, sizeof it->words, "%016" PRIx64 "  %-24s %s\n", it->rip, place, text);
    it->length = (size_t)n;
}

/* Fills in the words of what has RIP, symbols and bytes. */
static void find_words(struct trace *t, rs_machine *m, uint32_t core, struct wording *it)
{
    char text[TEXT_MAX];
    const struct rs_symbols *symbols = scenario_symbols(t->scenario, m, core);
    struct wording *kept = &t->wording[it->rip % WORDINGS];
    it->symbols = rs_symbols_id(symbols);
    if (kept->rip == it->rip && kept->symbols == it->symbols && kept->length && kept->n == it->n &&
        memcmp(kept->bytes, it->bytes, it->n) == 0) {
        memcpy(it->words, kept->words, kept->length);
        it->length = kept->length;
    } else if (rs_disassemble(it->bytes, it->n, it->rip, symbols, text, sizeof text)) {
        put_words(it, symbols, text);
        *kept = *it;
    } else {
        rs_disassemble_at(m, core, it->rip, symbols, text, sizeof text); /* says why */
        put_words(it, symbols, text);
    }
}

static void look_ahead(struct trace *t, rs_machine *m, uint32_t core, uint64_t rip)
{
    struct ahead *a = &t->ahead[core];
    a->now.rip = rip;
    find_part(m, core, rip, INSN_MAX, &a->part[0]);
    find_part(m, core, rip + a->part[0].n, a->part[0].n ? INSN_MAX - a->part[0].n : 0, &a->part[1]);
    a->now.n = read_code(m, a, a->now.bytes);
    read_who(t, m, core, a->who);
    find_words(t, m, core, &a->now);
}

static void look_ahead_now(struct trace *t, const rs_machine *m, uint32_t core)
{
    uint64_t rip = 0;
    rs_reg(m, core, "rip", &rip);
    look_ahead(t, (rs_machine *)m, core, rip);
}

/* Code that is no longer what was read ahead: of the other cores, or of all. */
static void look_again(struct trace *t, rs_machine *m, uint32_t but)
{
    uint8_t now[INSN_MAX];
    for (uint32_t core = 0; core < rs_cores(m); core++) {
        const struct ahead *a = &t->ahead[core];
        if (core != but && a->who[0] &&
            (read_code(m, a, now) != a->now.n || memcmp(now, a->now.bytes, a->now.n) != 0))
            look_ahead(t, m, core, a->now.rip);
    }
}

/* What an older trace has left in the file. */
static void clear(struct trace *t)
{
    t->lost = !t->whole && trace_file_clear(t->file) != RS_OK;
    t->whole = true;
}

/* "        1204 A.1 root     "; of a device "        1204 A.- device   " */
static void write_lead(struct trace *t, const struct rs_event *e, const char *who)
{
    char core[12] = "-";
    if (!t->whole)
        clear(t);
    if (e->core != RS_NO_CORE)
        snprintf(core, sizeof core, "%" PRIu32, e->core + 1);
    fprintf(t->file, "%12" PRIu64 " %s.%s %-8s ", e->cycle, rs_machine_name(e->machine), core, who);
}

static void on_atom(const struct rs_event *e, void *arg)
{
    look_ahead_now(arg, e->machine, e->core);
    look_again(arg, (rs_machine *)e->machine, e->core);
}

/* Memory or a register was changed from outside, between two atoms. */
static void on_input(const struct rs_event *e, void *arg)
{
    for (uint32_t core = 0; core < rs_cores(e->machine); core++)
        look_ahead_now(arg, e->machine, core);
}

static void on_insn(const struct rs_event *e, void *arg)
{
    struct trace *t = arg;
    struct ahead *a = &t->ahead[e->core];
    if (a->now.rip != e->field[0])
        look_ahead(t, (rs_machine *)e->machine, e->core, e->field[0]);
    write_lead(t, e, a->who);
    fwrite(a->now.words, 1, a->now.length, t->file);
    on_atom(e, arg);
}

static void write_field(FILE *file, const struct rs_field_info *info, uint64_t value)
{
    const char *word = info->format == RS_BOOL ? value ? "yes" : "no" : rs_word(info->format, value);
    if (word)
        fprintf(file, " %s=%s", info->name, word);
    else
        fprintf(file, info->format == RS_HEX ? " %s=0x%" PRIx64 : " %s=%" PRIu64, info->name,
                rs_number(info->format, value));
}

static void on_event(const struct rs_event *e, void *arg)
{
    struct trace *t = arg;
    const struct rs_probe_info *info = &rs_probe_info[e->probe];
    char who[RS_NAME_MAX] = "device";
    if (e->core != RS_NO_CORE)
        read_who(t, e->machine, e->core, who);
    write_lead(t, e, who);
    fprintf(t->file, "-- %s", info->name);
    for (size_t i = 0; i < info->fields; i++)
        write_field(t->file, &info->field[i], e->field[i]);
    fputc('\n', t->file);
}

/* A device has written memory: maybe code. */
static void on_dma(const struct rs_event *e, void *arg)
{
    look_again(arg, (rs_machine *)e->machine, RS_NO_CORE);
}

enum rs_status trace_check(const char *path, struct rs_error *err)
{
    const char *dot = strrchr(path, '.');
    if (dot && strcmp(dot, ".txt") == 0)
        return RS_OK;
    return rs_fail(err, "--trace %s: the file's ending says the form of the trace: .txt is known", path);
}

struct trace *trace_begin(rs_world *w, struct scenario *s, const char *path, struct rs_error *err)
{
    if (trace_check(path, err) != RS_OK)
        return NULL;
    struct trace *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->file = trace_file_open(path, &t->whole, err);
    if (!t->file) {
        free(t);
        return NULL;
    }
    t->scenario = s;
    snprintf(t->path, sizeof t->path, "%s", path);
    rs_watch(w, RS_PROBE_insn, false, on_insn, t);
    rs_watch(w, RS_PROBE_atom, false, on_atom, t);
    rs_watch(w, RS_PROBE_input, false, on_input, t);
    rs_watch(w, RS_PROBE_dma, false, on_dma, t);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        rs_watch(w, told[i], false, on_event, t);
    return t;
}

enum rs_status trace_end(struct trace *t, bool keep, struct rs_error *err)
{
    enum rs_status status = RS_OK;
    if (!t->whole && !keep)
        clear(t);
    bool lost = t->lost || ferror(t->file);
    if (fclose(t->file) != 0 || lost)
        status = rs_fail(err, "--trace %s: not all could be written: %s", t->path, strerror(errno));
    free(t);
    return status;
}
