/* inspect.c - what faces read: registers, state, counters, memory, positions.  No side effects. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu/cpu.h"
#include "dev/board.h"
#include "dev/devices.h"
#include "dev/disk.h"
#include "mmu/mem.h"
#include "mmu/mmu.h"
#include "params.h"
#include "schedule.h"
#include "state.h"
#include "world.h"

const char *const rs_gpr_name[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                     "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

/* ---- memory ---- */

enum rs_status rs_read(const rs_machine *m, uint64_t hpa, void *bytes, size_t n)
{
    return mem_copy_out(m->mem, hpa, bytes, n) ? RS_OK : RS_FAILED;
}

enum rs_status rs_read_linear(rs_machine *m, uint32_t core, uint64_t gva, void *bytes, size_t n)
{
    for (uint8_t *to = bytes; n;) {
        uint64_t hpa, room = PAGE_BYTES - (gva & (PAGE_BYTES - 1));
        size_t run = (size_t)(n < room ? n : room);
        if (rs_linear_to_hpa(m, core, gva, &hpa) != RS_OK || rs_read(m, hpa, to, run) != RS_OK)
            return RS_FAILED;
        to += run;
        gva += run;
        n -= run;
    }
    return RS_OK;
}

/* ---- state by name ---- */

size_t rs_state_count(void)
{
    return state_fields();
}

const struct rs_state_info *rs_state_info(size_t i)
{
    static struct rs_state_info info;
    const struct state_field *f = state_field(i);
    if (!f)
        return NULL;
    info = (struct rs_state_info){f->name, f->arch, f->bytes / f->unit, f->unit};
    return &info;
}

static uint64_t field_value(const struct state_field *f, const void *state, size_t index)
{
    const uint8_t *at = (const uint8_t *)state + f->offset + index * f->unit;
    uint64_t value;
    if (f->unit == 1)
        return *at;
    memcpy(&value, at, sizeof value);
    return value;
}

enum rs_status rs_state_get(const rs_machine *m, uint32_t core, const char *name, size_t index,
                            uint64_t *value)
{
    for (size_t i = 0; i < state_fields(); i++) {
        const struct state_field *f = state_field(i);
        if (strcmp(f->name, name) != 0)
            continue;
        if (core >= m->cores || index >= f->bytes / f->unit)
            return RS_FAILED;
        *value = field_value(f, f->core ? (const void *)&m->core[core]->s : (const void *)&m->b, index);
        return RS_OK;
    }
    return RS_FAILED;
}

/* ---- registers ---- */

static const char *const segment_name[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};

static bool indexed_register(const struct core *c, const char *name, uint64_t *value)
{
    for (int i = 0; i < 16; i++)
        if (strcmp(name, rs_gpr_name[i]) == 0) {
            *value = c->s.gpr[i];
            return true;
        }
    for (int i = SEG_ES; i <= SEG_TR; i++)
        if (strcmp(name, segment_name[i]) == 0) {
            *value = c->s.seg[i].selector;
            return true;
        }
    if (strlen(name) == 3 && strncmp(name, "dr", 2) == 0 && name[2] >= '0' && name[2] <= '7') {
        *value = c->s.dr[name[2] - '0'];
        return true;
    }
    return false;
}

enum rs_status rs_reg(const rs_machine *m, uint32_t core, const char *name, uint64_t *value)
{
    static const char *const plain[] = {"rflags", "cr0",  "cr2",       "cr3",
                                        "cr4",    "efer", "gdtr_base", "idtr_base"};
    if (core >= m->cores)
        return RS_FAILED;
    const struct core *c = m->core[core];
    if (strcmp(name, "rip") == 0) { /* first: traces ask at each atom */
        *value = c->s.rip;
        return RS_OK;
    }
    if (indexed_register(c, name, value))
        return RS_OK;
    if (strcmp(name, "fs_base") == 0 || strcmp(name, "gs_base") == 0) {
        *value = c->s.seg[name[0] == 'f' ? SEG_FS : SEG_GS].base;
        return RS_OK;
    }
    if (strcmp(name, "cr8") == 0) {
        *value = sys_read_cr(c, 8);
        return RS_OK;
    }
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(name, plain[i]) == 0)
            return rs_state_get(m, core, name, 0, value);
    return RS_FAILED;
}

bool rs_guest_mode(const rs_machine *m, uint32_t core)
{
    return core < m->cores && m->core[core]->s.vmx_guest;
}

unsigned rs_cpl(const rs_machine *m, uint32_t core)
{
    return core < m->cores ? cpl(m->core[core]) : 0;
}

uint64_t rs_current_vmcs(const rs_machine *m, uint32_t core)
{
    return core < m->cores ? m->core[core]->s.vmcs_hpa : UINT64_MAX;
}

/* ---- clocks and counters ---- */

uint64_t rs_cycles(const rs_machine *m, uint32_t core)
{
    return core < m->cores ? m->core[core]->s.cycle : 0;
}

uint64_t rs_now(const rs_machine *m)
{
    return machine_cycle(m);
}

uint32_t rs_next_core(const rs_machine *m)
{
    const struct core *c = machine_next_core(m);
    return c ? c->id : RS_NO_CORE;
}

uint64_t rs_insns(const rs_machine *m, uint32_t core)
{
    return core < m->cores ? m->core[core]->s.count.insns : 0;
}

static const struct rs_counter_info counter[] = {
#define COUNTER(name, help) {#name, help},
#include "counters.def"
#undef COUNTER
};

size_t rs_counter_count(void)
{
    return sizeof counter / sizeof *counter;
}

const struct rs_counter_info *rs_counter_info(size_t i)
{
    return i < rs_counter_count() ? &counter[i] : NULL;
}

uint64_t rs_counter(const rs_machine *m, uint32_t core, size_t i)
{
    uint64_t value = 0;
    if (core < m->cores && i < rs_counter_count())
        memcpy(&value, (const uint8_t *)&m->core[core]->s.count + 8 * i, sizeof value);
    return value;
}

/* ---- consoles ---- */

const uint8_t *rs_console(const rs_machine *m, unsigned uart, size_t *n)
{
    *n = 0;
    if (uart > 2)
        return NULL;
    u64 written = uart == 2 ? m->b.debug_out : m->b.uart[uart].out_bytes;
    *n = (size_t)(written < m->log[uart].size ? written : m->log[uart].size);
    return m->log[uart].bytes;
}

/* ---- how it ended ---- */

/* " of core 2", where there are several: counted from 1, as all faces do. */
static const char *on_core(const struct machine *m)
{
    static char text[16];
    text[0] = 0;
    if (m->cores > 1)
        snprintf(text, sizeof text, " of core %" PRIu64, m->b.halt_core + 1);
    return text;
}

unsigned rs_awaits(const rs_machine *m)
{
    return machine_waiting_core(m) ? board_awaits(m) : 0;
}

uint32_t rs_halt_core(const rs_machine *m)
{
    const struct core *waits = machine_waiting_core(m);
    if (waits)
        return waits->id;
    return (uint32_t)m->b.halt_core;
}

/* The three exceptions of a triple fault, by name. */
static void shutdown_text(const struct machine *m, char *text, size_t size)
{
    const char *name[3];
    for (unsigned i = 0; i < 3; i++)
        name[i] = rs_word(RS_VECTOR, m->b.halt_detail >> 8 * i & 0xff);
    snprintf(text, size,
             "shutdown by a triple fault%s at rip %#" PRIx64
             ": %s, then %s while it was being delivered, then %s while the "
             "double fault was; are IDT, TSS and stack right?",
             on_core(m), m->core[m->b.halt_core]->s.rip, name[0] ? name[0] : "an interrupt",
             name[1] ? name[1] : "?", name[2] ? name[2] : "?");
}

static void startup_text(const struct machine *m, char *text, size_t size)
{
    snprintf(text, size,
             "shutdown%s at its start-up IPI: the entry structure at %#" PRIx64
             " (IA32_SIPI_ENTRY_STRUCT_PTR) has reserved features, a RIP that is not canonical, or a CR0, "
             "CR3 or CR4 "
             "that MOV would refuse",
             on_core(m), m->b.sipi_entry_struct);
}

/* Only if none is in HLT does the core that tells of it wait for a start-up IPI. */
static void forever_text(const struct machine *m, char *text, size_t size)
{
    const struct core_state *s = &m->core[m->b.halt_core]->s;
    if (s->activity == ACTIVITY_WAIT_SIPI)
        snprintf(text, size, "halted for ever: %s for a start-up IPI, and nobody is left to send one; %s",
                 m->cores > 1 ? "all cores wait" : "the core waits",
                 s->vmx_guest ? "its guest was entered in that state" : "INIT puts a core into that state");
    else
        snprintf(text, size, "halted for ever: HLT%s just before rip %#" PRIx64 ", with nothing to wake %s",
                 on_core(m), s->rip, m->cores > 1 ? "any core" : "it");
}

static void waits_text(const struct machine *m, const struct core *c, char *text, size_t size)
{
    static const char *const input[] = {"a byte at the console", "a byte at the management line", "a key",
                                        "a frame"};
    char list[96] = "", of[24] = "";
    for (unsigned i = 0; i < 4; i++)
        if (board_awaits(m) >> i & 1)
            snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", *list ? " or " : "", input[i]);
    if (m->cores > 1)
        snprintf(of, sizeof of, " of core %u", c->id + 1);
    snprintf(text, size, "waits for input: HLT%s just before rip %#" PRIx64 ", which %s would end", of,
             c->s.rip, list);
}

const char *rs_halt_text(const rs_machine *m)
{
    static char text[320];
    const struct core *waits = machine_waiting_core(m);
    if (waits) {
        waits_text(m, waits, text, sizeof text);
        return text;
    }
    switch (m->b.halted) {
    case HALT_DEBUG_EXIT:
        snprintf(text, sizeof text, "debug-exit with status %" PRIu64, m->b.exit_status);
        return text;
    case HALT_SHUTDOWN: shutdown_text(m, text, sizeof text); return text;
    case HALT_FOREVER: forever_text(m, text, sizeof text); return text;
    case HALT_VMX_ABORT:
        snprintf(text, sizeof text,
                 "VMX abort %" PRIu64
                 " in a VM exit%s: an MSR of its list could not be %s (SDM vol. 3, 27.7 \"VMX Aborts\")",
                 m->b.halt_detail, on_core(m), m->b.halt_detail == 1 ? "saved" : "loaded");
        return text;
    case HALT_STARTUP: startup_text(m, text, sizeof text); return text;
    case HALT_POWER_OFF: return "switched off by software";
    default: return NULL;
    }
}

int rs_halt_status(const rs_machine *m)
{
    bool ended = m->b.halted == HALT_DEBUG_EXIT || m->b.halted == HALT_POWER_OFF;
    return ended ? (int)m->b.exit_status : 255;
}

/* ---- positions as text ---- */

void rs_position_format(const rs_machine *m, struct rs_position at, char text[64])
{
    if (at.micro)
        snprintf(text, 64, "%s:%" PRIu64 ".%" PRIu64, m->name, at.atom, at.micro);
    else
        snprintf(text, 64, "%s:%" PRIu64, m->name, at.atom);
}

/* At least a digit; *fits: 64 bits hold it. */
static bool number(const char **at, uint64_t *value, bool *fits)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    errno = 0;
    *value = strtoull(*at, &end, 10);
    *fits = *fits && errno == 0;
    *at = end;
    return true;
}

enum rs_status rs_position_parse(const rs_machine *m, const char *text, struct rs_position *at,
                                 struct rs_error *err)
{
    size_t name = strlen(m->name);
    const char *rest = text + name + 1;
    bool fits = true;
    *at = (struct rs_position){0, 0};
    if (strncmp(text, m->name, name) != 0 || text[name] != ':')
        return rs_fail(err, "position '%s' is not of machine '%s': write '%s:ATOM' or '%s:ATOM.MICRO'", text,
                       m->name, m->name, m->name);
    bool good = number(&rest, &at->atom, &fits);
    if (good && *rest == '.') {
        rest++;
        good = number(&rest, &at->micro, &fits);
    }
    if (!good || *rest)
        return rs_fail(err, "position '%s' is not of the form '%s:ATOM' or '%s:ATOM.MICRO'", text, m->name,
                       m->name);
    if (!fits)
        return rs_fail(err, "position '%s' has a number above %" PRIu64 ", the largest", text, UINT64_MAX);
    return RS_OK;
}

/* ---- hash ---- */

uint64_t rs_hash(rs_world *w, enum rs_hash kind)
{
    struct machine *m = w->machine;
    if (!m)
        return 0;
    bool arch = kind == RS_HASH_ARCH;
    uint64_t hash = state_hash(false, &m->b, arch);
    for (uint32_t i = 0; i < m->cores; i++)
        hash = hash * UINT64_C(0x9e3779b97f4a7c15) + state_hash(true, &m->core[i]->s, arch);
    hash = hash * UINT64_C(0x9e3779b97f4a7c15) + mem_hash(m->mem);
    for (uint32_t i = 0; i < DISKS_MAX && m->disk[i]; i++)
        hash = hash * UINT64_C(0x9e3779b97f4a7c15) + disk_hash(m->disk[i], arch);
    hash = hash * UINT64_C(0x9e3779b97f4a7c15) + devices_hash(m);
    if (arch)
        return hash;
    return hash * UINT64_C(0x9e3779b97f4a7c15) + (params_hash(&m->p) ^ machine_micro(m));
}
