/* monitor.c - gdb's `monitor` commands: what its protocol has no packet for.  Answers are text; `monitor
 * help` lists them. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/names.h"
#include "lua/scenario.h"
#include "session.h"
#include "view/tlbs.h"
#include "view/words.h"

#define WORDS_MAX    64
#define PHYSICAL_MAX 65536

struct words {
    char line[PACKET_MAX / 2 + 1];
    char *word[WORDS_MAX];
    size_t n; /* word[n] and on are NULL */
};

typedef void command_fn(struct gdb *g, const struct words *w, struct bytes *out);

struct command {
    const char *name, *arguments, *help;
    command_fn *run;
    size_t words;  /* at most, behind the name */
    bool per_core; /* also of another core than gdb's: core N */
};

static command_fn help, who, position, go_to, back, step, cycles, stats, physical, walk, tlb, vmcs, vm;

static const struct command commands[] = {
    {"help", "", "this list", help, 0, false},
    {"who", "", "what runs on each core", who, 0, false},
    {"position", "", "where the machine stands, and how far it has been", position, 0, true},
    {"goto", "POSITION", "go to a position such as A:120.13, back or forward", go_to, 1, false},
    {"back", "[N] [UNIT]", "N units back: cycle, micro, insn, walk, exit (1 insn)", back, 2, false},
    {"step", "[N] [UNIT]", "N units forward, no breakpoint stops it (1 insn)", step, 2, false},
    {"cycles", "", "cycles and instructions of each core", cycles, 0, false},
    {"stats", "[TEXT]", "counters of a core; those whose name holds TEXT", stats, 1, true},
    {"phys", "ADDRESS [N]", "N (64) bytes of RAM by host-physical address", physical, 2, false},
    {"walk", "ADDRESS [r|w|x] [cached]",
     "translate, reference by reference; cached: as TLBs and walk caches stand now", walk, 3, true},
    {"tlb", "[itlb|dtlb|stlb|pwc|npwc|ntlb]", "what the TLBs and walk caches hold", tlb, 1, true},
    {"vmcs", "[FIELD...]", "the current VMCS: all of it, or fields such as guest_rip", vmcs, WORDS_MAX, true},
    {"vm", "[list]", "the hypervisor's VMs", vm, 1, false},
};

#define COMMANDS (sizeof commands / sizeof *commands)

/* ------------------------------------------------------------------ words and numbers */

static void split(const char *line, struct words *w)
{
    memset(w->word, 0, sizeof w->word);
    w->n = 0;
    snprintf(w->line, sizeof w->line, "%s", line);
    for (char *at = strtok(w->line, " \t\r\n"); at && w->n < WORDS_MAX - 1; at = strtok(NULL, " \t\r\n"))
        w->word[w->n++] = at;
}

static bool number(const char *text, uint64_t *value)
{
    return text && names_number(text, value);
}

/* A number, a register as $rip (or $pc, $sp), or a symbol: of what the core runs, else of the booted image.
 */
static bool address(const struct gdb *g, const char *text, uint64_t *value, struct bytes *out)
{
    const struct rs_symbols *own = scenario_symbols(g->scenario, g->m, g->core),
                            *booted = rs_machine_symbols(g->m);
    uint64_t size;
    if (number(text, value))
        return true;
    if (text && *text == '$') {
        const char *name = strcmp(text, "$pc") == 0 ? "rip" : strcmp(text, "$sp") == 0 ? "rsp" : text + 1;
        if (rs_reg(g->m, g->core, name, value) == RS_OK)
            return true;
    }
    if (text && ((own && rs_symbol_address(own, text, value, &size) == RS_OK) ||
                 (booted && rs_symbol_address(booted, text, value, &size) == RS_OK)))
        return true;
    bytes_addf(out,
               "%s: an address is wanted: 0x1000, $rip, or a symbol of what runs or of the booted image\n",
               text ? text : "nothing");
    return false;
}

/* A VMCS field and the like: unknown ones are named, with those that are known. */
static void complain(struct bytes *out, const char *what, const char *name, names_at *at)
{
    char text[4096];
    names_complain(text, sizeof text, what, name, at, NULL);
    bytes_addf(out, "%s\n", text);
}

/* ------------------------------------------------------------------ where it stands */

static void help(struct gdb *g, const struct words *w, struct bytes *out)
{
    (void)g;
    (void)w;
    for (size_t i = 0; i < COMMANDS; i++)
        bytes_addf(out, "%-9s %-24s %s\n", commands[i].name, commands[i].arguments, commands[i].help);
    bytes_addf(
        out,
        "Those of one core take 'core N' at their end; without it they are of the core that gdb last asked "
        "for.\n"
        "After goto, back and step: 'maintenance flush register-cache', since gdb does not ask again.\n");
}

const char *core_rests(const struct gdb *g, uint32_t core)
{
    static const char *const words[] = {"", "halted", "shut down", "waits for SIPI"};
    uint64_t activity = 0;
    rs_state_get(g->m, core, "activity", 0, &activity);
    return activity < sizeof words / sizeof *words ? words[activity] : "";
}

static void add_place(const struct gdb *g, uint32_t core, struct bytes *out)
{
    uint64_t rip = 0;
    char name[128];
    rs_reg(g->m, core, "rip", &rip);
    rs_symbol_format(scenario_symbols(g->scenario, g->m, core), rip, name, sizeof name);
    const char *rests = core_rests(g, core);
    bytes_addf(out, "%s%srip 0x%" PRIx64 "%s%s%s", rests, *rests ? ", " : "", rip, *name ? " <" : "", name,
               *name ? ">" : "");
}

static void who(struct gdb *g, const struct words *w, struct bytes *out)
{
    struct scenario_vm vm_now;
    (void)w;
    for (uint32_t core = 0; core < rs_cores(g->m); core++) {
        bool guest = rs_guest_mode(g->m, core);
        bool named = guest && scenario_vm_at(NULL, g->m, rs_current_vmcs(g->m, core), &vm_now);
        bytes_addf(out, "%c core %u: %s mode%s%s, ring %u, ", core == g->core ? '*' : ' ', core + 1,
                   guest ? "non-root" : "root", named ? ", VM " : "", named ? vm_now.name : "",
                   rs_cpl(g->m, core));
        add_place(g, core, out);
        bytes_addf(out, "\n");
    }
    if (rs_halt_text(g->m))
        bytes_addf(out, "the machine has stopped: %s\n", rs_halt_text(g->m));
}

static void add_position(const struct gdb *g, struct bytes *out)
{
    char now[64], far[64];
    rs_position_format(g->m, rs_position(g->m), now);
    rs_position_format(g->m, rs_furthest(g->w), far);
    bytes_addf(out, "at %s, cycle %" PRIu64 " of core %u", now, rs_cycles(g->m, g->core), g->core + 1);
    if (rs_in_past(g->w))
        bytes_addf(out, ", in the past: it has been at %s", far);
    bytes_addf(out, "\n");
}

/* Which core the lines that follow are of. */
static void name_core(const struct gdb *g, struct bytes *out)
{
    bytes_addf(out, "core %u:\n", g->core + 1);
}

static void position(struct gdb *g, const struct words *w, struct bytes *out)
{
    (void)w;
    add_position(g, out);
}

static void cycles(struct gdb *g, const struct words *w, struct bytes *out)
{
    (void)w;
    for (uint32_t core = 0; core < rs_cores(g->m); core++)
        bytes_addf(out, "core %u: %" PRIu64 " cycles, %" PRIu64 " instructions\n", core + 1,
                   rs_cycles(g->m, core), rs_insns(g->m, core));
}

static void stats(struct gdb *g, const struct words *w, struct bytes *out)
{
    size_t shown = 0;
    for (size_t i = 0; i < rs_counter_count(); i++) {
        const struct rs_counter_info *info = rs_counter_info(i);
        if (w->word[1] && !strstr(info->name, w->word[1]))
            continue;
        if (!shown++)
            name_core(g, out);
        bytes_addf(out, "%-20s %14" PRIu64 "  %s\n", info->name, rs_counter(g->m, g->core, i), info->help);
    }
    if (!shown)
        bytes_addf(out, "no counter's name holds '%s'; 'monitor stats' shows all\n", w->word[1]);
}

/* ------------------------------------------------------------------ moving */

static void go_to(struct gdb *g, const struct words *w, struct bytes *out)
{
    struct rs_position at;
    struct rs_error err;
    if (rs_position_parse(g->m, w->word[1] ? w->word[1] : "", &at, &err) != RS_OK) {
        bytes_addf(out, "%s\n", err.text);
        return;
    }
    g->asked = at;
    rs_begin_seek(g->w, at);
    motion_by_monitor(g);
}

static const char *unit_at(size_t i, const void *arg)
{
    (void)arg;
    return i < RS_UNITS ? rs_unit_name[i] : NULL;
}

/* [N] [UNIT] */
static bool amount(const struct words *w, uint64_t *n, enum rs_unit *unit, struct bytes *out)
{
    size_t i = 1;
    *n = 1;
    *unit = RS_INSN;
    if (number(w->word[i], n))
        i++;
    else if (w->word[i] && isdigit((unsigned char)*w->word[i])) {
        bytes_addf(out, "'%s' is no number up to %" PRIu64 "\n", w->word[i], UINT64_MAX);
        return false;
    }
    if (w->n > i + 1) {
        bytes_addf(out, "'%s' is one word too many\n", w->word[i + 1]);
        return false;
    }
    if (!w->word[i])
        return true;
    for (int u = 0; u < RS_UNITS; u++)
        if (strcmp(rs_unit_name[u], w->word[i]) == 0) {
            *unit = (enum rs_unit)u;
            return true;
        }
    complain(out, "unit", w->word[i], unit_at);
    return false;
}

static void back(struct gdb *g, const struct words *w, struct bytes *out)
{
    uint64_t n;
    enum rs_unit unit;
    if (!amount(w, &n, &unit, out))
        return;
    rs_begin_back(g->w, n, unit);
    motion_by_monitor(g);
}

static void step(struct gdb *g, const struct words *w, struct bytes *out)
{
    uint64_t n;
    enum rs_unit unit;
    if (!amount(w, &n, &unit, out))
        return;
    rs_begin_step(g->w, n, unit);
    motion_by_monitor(g);
}

static void answer(struct gdb *g, struct bytes *out)
{
    bytes_add(&g->note, out->at, out->n);
    session_console(g, &g->note);
    session_reply(g, "OK");
    bytes_free(out);
}

/* A position that there is not, since its atom has fewer micros. */
static void tell_micros(struct gdb *g, struct bytes *out)
{
    if (g->asked.micro && rs_position(g->m).atom > g->asked.atom)
        bytes_addf(out, "atom %" PRIu64 " has fewer than %" PRIu64 " micros: stopped at its end\n",
                   g->asked.atom, g->asked.micro);
}

void monitor_moved(struct gdb *g, enum rs_why why)
{
    struct bytes out = {NULL, 0, 0};
    if (why == RS_DONE)
        tell_micros(g, &out);
    g->asked.micro = 0;
    if (why == RS_STOPPED)
        bytes_addf(&out, "interrupted\n");
    if (why == RS_LIMIT)
        bytes_addf(&out, "--max-cycles is reached\n");
    if (rs_halt_text(g->m))
        bytes_addf(&out, "the machine has stopped: %s\n", rs_halt_text(g->m));
    add_position(g, &out);
    answer(g, &out);
}

/* ------------------------------------------------------------------ memory */

static void add_row(struct bytes *out, uint64_t hpa, const uint8_t *bytes, size_t n)
{
    bytes_addf(out, "h:%012" PRIx64 " ", hpa);
    for (size_t i = 0; i < n; i++)
        bytes_addf(out, "%s%02x", i == 8 ? "  " : " ", bytes[i]);
    bytes_addf(out, "\n");
}

static void physical(struct gdb *g, const struct words *w, struct bytes *out)
{
    uint64_t hpa, n = 64;
    uint8_t row[16];
    if (!number(w->word[1], &hpa) || (w->word[2] && (!number(w->word[2], &n) || n > PHYSICAL_MAX))) {
        bytes_addf(out, "phys wants an address and a number of bytes, at most %d: phys 0x1000 64\n",
                   PHYSICAL_MAX);
        return;
    }
    uint64_t ram = rs_ram_bytes(g->m), there = hpa < ram ? ram - hpa : 0, all = n < there ? n : there;
    for (uint64_t done = 0; done < all && done < PHYSICAL_MAX; done += sizeof row) {
        size_t some = all - done < sizeof row ? (size_t)(all - done) : sizeof row;
        if (rs_read(g->m, hpa + done, row, some) == RS_OK)
            add_row(out, hpa + done, row, some);
    }
    if (n > there)
        bytes_addf(out, "RAM ends at 0x%" PRIx64 "\n", ram);
}

/* ------------------------------------------------------------------ walks and TLBs */

/* " 7. EPT PDE for g:10a018: h:1b4000 = 00000000001b5007, table h:1b5000, R W X" */
static void add_reference(const struct rs_walk *walk_now, const struct rs_walk_ref *r, struct bytes *out)
{
    char flags[64];
    bool nested = r->stage == RS_NESTED;
    char space = !nested && walk_now->nested ? 'g' : 'h';
    word_flags(r, r->entry, flags, sizeof flags);
    bytes_addf(out, "%2u. %s%s", r->n,
               nested             ? "EPT "
               : walk_now->nested ? "guest "
                                  : "",
               word_entry(r->level));
    if (nested)
        bytes_addf(out, " for g:%" PRIx64, r->gpa);
    else if (walk_now->nested)
        bytes_addf(out, " g:%" PRIx64, r->gpa);
    bytes_addf(out, ", index %u, at h:%" PRIx64 ": %016" PRIx64, r->index, r->hpa, r->entry);
    if (entry_present(r))
        bytes_addf(out, " = %s %c:%" PRIx64 " +", r->leaf ? "frame" : "table", space, entry_frame(r));
    bytes_addf(out, " %s\n", flags);
}

static void add_outcome(const struct rs_walk *walk_now, struct bytes *out)
{
    char size[24];
    if (walk_now->owner != RS_NO_FAULT) {
        bytes_addf(out, "FAULT: %s\n", walk_now->fault_text ? walk_now->fault_text : word_owner(walk_now));
        return;
    }
    bytes_addf(out, "%s 0x%" PRIx64 " -> ", walk_now->nested ? "gVA" : "linear", walk_now->gva);
    if (walk_now->nested && walk_now->gpa_known)
        bytes_addf(out, "g:%" PRIx64 " -> ", walk_now->gpa);
    bytes_addf(out, "h:%" PRIx64 ", page of %s, %u references%s\n", walk_now->hpa,
               word_bytes(walk_now->page_bytes, size), walk_now->ref_count,
               walk_now->gpa_known ? "" : ": a combined TLB entry, which holds no gPA");
}

static void walk(struct gdb *g, const struct words *w, struct bytes *out)
{
    static const char letters[] = "rwx";
    struct rs_walk now;
    uint64_t gva;
    bool cached = w->n > 2 && strcmp(w->word[w->n - 1], "cached") == 0;
    const char *access = w->n - cached > 2 ? w->word[2] : "r", *more = w->n - cached > 3 ? w->word[3] : NULL;
    if (!address(g, w->word[1], &gva, out))
        return;
    if (strlen(access) != 1 || !strchr(letters, *access)) {
        bytes_addf(out, "'%s' is no access: r, w or x\n", access);
        return;
    }
    if (more) {
        bytes_addf(out, "'%s' is one word too many: only 'cached' comes here\n", more);
        return;
    }
    rs_translate(g->m, g->core, gva, (enum rs_access)(strchr(letters, *access) - letters), cached, &now);
    name_core(g, out);
    for (unsigned i = 0; i < now.ref_count; i++)
        add_reference(&now, &now.ref[i], out);
    add_outcome(&now, out);
}

static const char *tlb_at(size_t i, const void *arg)
{
    (void)arg;
    return i < RS_TLBS ? rs_word(RS_TLB, i) : NULL;
}

static void add_tlb(const struct gdb *g, enum rs_tlb which, struct bytes *out)
{
    struct rs_tlb_view e;
    char text[192];
    size_t n = 0;
    bytes_addf(out, "%s:\n", rs_word(RS_TLB, which));
    for (; rs_tlb_get(g->m, g->core, which, n, &e); n++) {
        tlb_entry_words(&e, text, sizeof text);
        bytes_addf(out, "  %s\n", text);
    }
    if (n == 0)
        bytes_addf(out, "  empty\n");
}

static void tlb(struct gdb *g, const struct words *w, struct bytes *out)
{
    bool found = false;
    for (int t = 0; t < RS_TLBS; t++)
        if (!w->word[1] || strcmp(w->word[1], rs_word(RS_TLB, (uint64_t)t)) == 0) {
            if (!found)
                name_core(g, out);
            add_tlb(g, (enum rs_tlb)t, out);
            found = true;
        }
    if (!found)
        complain(out, "TLB", w->word[1], tlb_at);
}

/* ------------------------------------------------------------------ VMs */

static void add_field(const struct gdb *g, uint64_t hpa, const char *name, struct bytes *out)
{
    uint64_t value = 0;
    if (rs_vmcs_get(g->m, hpa, name, &value) != RS_OK)
        return;
    const char *word = strcmp(name, "exit_reason") == 0            ? rs_word(RS_EXIT_REASON, value & 0xffff)
                       : strcmp(name, "vm_instruction_error") == 0 ? rs_word(RS_VMX_ERROR, value)
                                                                   : NULL;
    bytes_addf(out, "  %-38s 0x%" PRIx64 "%s%s\n", name, value, word ? "  " : "", word ? word : "");
}

static const char *field_at(size_t i, const void *arg)
{
    (void)arg;
    return i < rs_vmcs_count() ? rs_vmcs_info(i)->name : NULL;
}

static bool is_field(const char *name)
{
    for (size_t i = 0; i < rs_vmcs_count(); i++)
        if (strcmp(rs_vmcs_info(i)->name, name) == 0)
            return true;
    return false;
}

static void all_fields(const struct gdb *g, uint64_t hpa, struct bytes *out)
{
    const char *group = "";
    for (size_t i = 0; i < rs_vmcs_count(); i++) {
        const struct rs_vmcs_info *info = rs_vmcs_info(i);
        if (strcmp(info->group, group) != 0)
            bytes_addf(out, "%s:\n", info->group);
        group = info->group;
        add_field(g, hpa, info->name, out);
    }
}

static void vmcs(struct gdb *g, const struct words *w, struct bytes *out)
{
    struct scenario_vm vm_now;
    uint64_t hpa = rs_current_vmcs(g->m, g->core);
    if (hpa == UINT64_MAX) {
        bytes_addf(out, "core %u has no current VMCS: no VMPTRLD since VMXON, or VMCLEAR\n", g->core + 1);
        return;
    }
    bytes_addf(out, "core %u: VMCS at h:%" PRIx64, g->core + 1, hpa);
    if (scenario_vm_at(NULL, g->m, hpa, &vm_now))
        bytes_addf(out, ", of VM %s", vm_now.name);
    bytes_addf(out, "%s\n",
               rs_guest_mode(g->m, g->core) ? "; the guest runs, its registers are not in it" : "");
    if (w->n == 1)
        all_fields(g, hpa, out);
    for (size_t i = 1; i < w->n; i++) {
        if (is_field(w->word[i]))
            add_field(g, hpa, w->word[i], out);
        else
            complain(out, "VMCS field", w->word[i], field_at);
    }
}

static void vm(struct gdb *g, const struct words *w, struct bytes *out)
{
    struct scenario_vm v;
    size_t i = 0;
    if (w->word[1] && strcmp(w->word[1], "list") != 0) {
        bytes_addf(out, "'%s': vm knows 'list'\n", w->word[1]);
        return;
    }
    for (; scenario_vm(NULL, g->m, i, &v); i++) {
        if (i == 0)
            bytes_addf(out, "%-16s %-16s %-8s %10s  %-12s %s\n", "name", "image", "state", "RAM", "VMCS",
                       "EPT root");
        bytes_addf(out, "%-16s %-16s %-8s %7" PRIu64 " KiB  h:%-10" PRIx64 " h:%" PRIx64 "\n", v.name,
                   v.image, v.state, v.ram_bytes / 1024, v.vmcs[0], v.root);
    }
    if (i == 0)
        bytes_addf(out, "no VMs: the image has no directory of them, or the hypervisor has made none yet\n");
}

/* ------------------------------------------------------------------ commands */

static const char *command_at(size_t i, const void *arg)
{
    (void)arg;
    return i < COMMANDS ? commands[i].name : NULL;
}

/* "core N" at the end, which is taken off. */
static bool take_core(const struct gdb *g, struct words *w, uint32_t *core, struct bytes *out)
{
    uint64_t n;
    if (w->n < 2 || strcmp(w->word[w->n - 2], "core") != 0)
        return true;
    if (!number(w->word[w->n - 1], &n) || n < 1 || n > rs_cores(g->m)) {
        bytes_addf(out, "'%s' is no core: the machine has 1 to %" PRIu64 "\n", w->word[w->n - 1],
                   rs_cores(g->m));
        return false;
    }
    *core = (uint32_t)n - 1;
    w->n -= 2;
    w->word[w->n] = w->word[w->n + 1] = NULL;
    return true;
}

static void run(struct gdb *g, const struct command *c, struct words *w, struct bytes *out)
{
    uint32_t gdbs = g->core, core = gdbs;
    if (c->per_core && !take_core(g, w, &core, out))
        return;
    if (w->n > c->words + 1) {
        bytes_addf(out, "'%s' is one word too many: %s %s%s\n", w->word[c->words + 1], c->name, c->arguments,
                   c->per_core ? " [core N]" : "");
        return;
    }
    g->core = core;
    c->run(g, w, out);
    g->core = gdbs;
}

void monitor_command(struct gdb *g, const char *line)
{
    static struct words w;
    struct bytes out = {NULL, 0, 0};
    split(line, &w);
    const char *name = w.n ? w.word[0] : "help";
    size_t i = 0;
    while (i < COMMANDS && strcmp(commands[i].name, name) != 0)
        i++;
    if (i == COMMANDS)
        complain(&out, "monitor command", name, command_at);
    else
        run(g, &commands[i], &w, &out);
    if (g->control == MOVING)
        bytes_free(&out); /* the answer comes when it stands again */
    else
        answer(g, &out);
}
