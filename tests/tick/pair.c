/* pair.c - see pair.h. */
#include "tick/pair.h"

#include "arch/vmx.h"
#include "lib/elf_image.h"
#include "tick/rows.h"
#include "tick/vmcs.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEMORY_BYTES (PROGRAM_TABLES_HPA + PROGRAM_TABLES_BYTES)

/* ---- the machine ---- */

static rs_machine *boot(rs_world *world, const struct program *p, struct rs_params *params)
{
    char path[256];
    struct rs_error err;
    struct rs_config config;
    struct elf_segment segment[] = {{PROGRAM_CODE_HPA, p->code, sizeof p->code},
                                    {PROGRAM_SYSTEM_HPA, p->system, sizeof p->system},
                                    {PROGRAM_TABLES_HPA, p->tables, p->tables_used},
                                    {PROGRAM_CHAIN_HPA, p->chain, sizeof p->chain}};
    ck_assert(elf_image_temporary(path, PROGRAM_CODE_HPA, segment, 4));
    rs_config_init(&config);
    config.params = params;
    config.ram_bytes = PROGRAM_RAM_BYTES;
    rs_machine *m = rs_machine_new(world, &config, &err);
    ck_assert_msg(m != NULL, "%s", err.text);
    struct rs_boot image = {.path = path, .cmdline = "program"};
    ck_assert_msg(rs_boot(m, &image, &err) == RS_OK, "%s", err.text);
    unlink(path);
    return m;
}

/* ---- what it does in an atom ---- */

/* What must be known of the core before an atom. */
struct before {
    u64 rip, gpr[16], event_valid, event_vector, cycle, activity, timer_due;
    bool user;
    struct tick_space space;
    struct counters count;
};

static struct before look(const struct core_state *s)
{
    struct before b = {.rip = s->rip,
                       .event_valid = s->event_valid,
                       .event_vector = s->event_vector,
                       .cycle = s->cycle,
                       .activity = s->activity,
                       .timer_due = s->apic_timer_due,
                       .user = (s->seg[SEG_SS].attr >> SEG_DPL_SHIFT & 3) == 3,
                       .count = s->count};
    memcpy(b.gpr, s->gpr, sizeof b.gpr);
    b.space = (struct tick_space){.cr3 = s->cr3,
                                  .pcid = s->cr4 & CR4_PCIDE ? s->cr3 & CR3_PCID : 0,
                                  .guest = s->vmx_guest,
                                  .global = s->cr4 & CR4_PGE,
                                  .apic = (s->apic_base & (APIC_BASE_ENABLE | APIC_BASE_X2APIC)) ==
                                          APIC_BASE_ENABLE};
    if (s->vmx_guest && s->vmx.proc2 & PROC2_EPT)
        b.space.eptp = s->vmx.eptp;
    if (s->vmx_guest && s->vmx.proc2 & PROC2_VPID)
        b.space.vpid = s->vmx.vpid;
    return b;
}

static const struct note *note_at(const struct program *p, u64 rip)
{
    u64 offset = rip - (rip >= PROGRAM_CODE_GVA ? PROGRAM_CODE_GVA : PROGRAM_CODE_HPA);
    unsigned n = offset < PROGRAM_CODE_BYTES ? p->note_at[offset] : 0;
    return n ? &p->note[n - 1] : NULL;
}

static u64 operand_address(const struct before *b, const struct operand *o)
{
    u64 address = (u64)o->disp;
    if (o->base != NO_REG)
        address += b->gpr[o->base];
    if (o->index != NO_REG)
        address += b->gpr[o->index] << o->scale;
    if (o->bits) {
        i64 bit = (i64)(b->gpr[o->bit_reg] << (64 - o->bits)) >> (64 - o->bits);
        address += (u64)(bit / (i64)o->bits * (i64)o->bytes); /* it is not negative in the programs */
    }
    return address;
}

static void add_access(struct tick_atom *t, u64 gva, u64 bytes, enum tick_access_kind kind, bool system)
{
    ck_assert_uint_lt(t->accesses, TICK_ACCESSES);
    t->access[t->accesses++] = (struct tick_access){gva, bytes, kind, system};
}

static void add_descriptor(const struct program *p, struct tick_atom *t, u64 selector)
{
    if (selector & ~3ull)
        add_access(t, p->system_gva + SYSTEM_GDT + (selector & ~7ull), 8, TICK_LOAD, true);
}

static bool is_canonical(u64 gva)
{
    return (u64)((i64)(gva << (64 - LINEAR_BITS)) >> (64 - LINEAR_BITS)) == gva;
}

static void describe_accesses(const struct program *p, const struct note *n, const struct before *b,
                              const struct core_state *after, struct tick_atom *t)
{
    if (n->rep && b->gpr[REG_RCX] == 0)
        return;
    for (unsigned i = 0; i < n->operands; i++) {
        u64 gva = operand_address(b, &n->operand[i]);
        if (is_canonical(gva))
            add_access(t, gva, n->operand[i].bytes, n->operand[i].kind, n->operand[i].system);
    }
    if (n->loads_segments && t->end == TICK_RETIRES) {
        add_descriptor(p, t, after->seg[SEG_CS].selector);
        add_descriptor(p, t, after->seg[SEG_SS].selector);
    }
}

static void describe_flush(const struct note *n, const struct before *b, struct tick_atom *t)
{
    if (t->end != TICK_RETIRES)
        return;
    t->flush = n->flush;
    t->flush.vpid = b->space.vpid;
    if (n->flush_reg != NO_REG)
        t->flush.address = b->gpr[n->flush_reg];
    if (n->flush.kind == TICK_FLUSH_VPIDS)
        t->flush.vpid = n->flush.vpid;
}

/* E6: the bitmap that a guest's access to a port or an MSR is looked up in. */
static void describe_bitmap(const struct note *n, const struct before *b, struct tick_atom *t)
{
    u64 bitmaps = PROGRAM_SYSTEM_HPA + SYSTEM_BITMAPS, msr = b->gpr[REG_RCX] & 0xffffffff, hpa;
    unsigned reads = 1;
    bool write = n->row == ROW_wrmsr;
    if (!b->space.guest)
        return;
    if (t->port)
        hpa = bitmaps + n->port / 8, reads = n->port_bytes; /* ports of one byte of the bitmap */
    else if ((write || n->row == ROW_rdmsr) && (msr < 0x2000 || (msr >= 0xc0000000 && msr < 0xc0002000)))
        hpa = bitmaps + 0x2000 + (write ? 0x800 : 0) + (msr >> 31 ? 0x400 : 0) + (msr & 0x1fff) / 8;
    else
        return;
    while (reads--)
        t->physical[t->bitmaps++] = (struct tick_physical){hpa, false};
}

static void add_list(struct tick_atom *t, u64 list, unsigned entries, bool write, unsigned *n)
{
    u64 at = PROGRAM_SYSTEM_HPA + SYSTEM_MSRS + 0x100 * list;
    for (u64 i = 0; i < entries; i++) {
        t->physical[t->bitmaps + t->stored + t->loaded] = (struct tick_physical){at + 16 * i, false};
        ++*n;
        t->physical[t->bitmaps + t->stored + t->loaded] = (struct tick_physical){at + 16 * i + 8, write};
        ++*n;
    }
}

/* E2, E6. */
static void describe_vmx(const struct program *p, const struct before *b, const struct core_state *after,
                         struct tick_atom *t)
{
    if (after->count.vm_exits > b->count.vm_exits) {
        add_list(t, 0, p->exit_stores, true, &t->stored);
        add_list(t, 1, p->exit_loads, false, &t->loaded);
    } else if (after->count.vm_entries > b->count.vm_entries) {
        t->enters = t->serialising = true;
        add_list(t, 2, p->entry_loads, false, &t->loaded);
    } else {
        return;
    }
    if (!p->vpid)
        t->flush.kind = TICK_FLUSH_VPID;
}

/* Parameters of VMX instructions. */
static u64 vmx_cycles(const struct params *p, unsigned row)
{
    switch (row) {
    case ROW_vmread: return p->vmread_cycles;
    case ROW_vmwrite: return p->vmwrite_cycles;
    case ROW_vmptrld:
    case ROW_vmclear:
    case ROW_vmptrst: return p->vmptrld_cycles;
    case ROW_vmxon:
    case ROW_vmxoff: return p->vmxon_cycles;
    case ROW_invept:
    case ROW_invvpid: return p->invept_cycles;
    default: return 0;
    }
}

static void describe_insn(const struct program *p, const struct before *b, const struct core_state *after,
                          struct tick_atom *t)
{
    const struct note *n = note_at(p, b->rip);
    t->length = n ? n->length : 1;
    t->next_rip = after->rip;
    if (!n) {
        describe_vmx(p, b, after, t);
        ck_assert_msg(t->end == TICK_PAGE_FAULTS || t->end == TICK_EPT_VIOLATION,
                      "the machine is at %#llx, where the program has nothing", (unsigned long long)b->rip);
        return;
    }
    t->latency = n->latency;
    t->serialising = rows[n->row].flags & ROW_FLAG_SER;
    t->stack = rows[n->row].flags & ROW_FLAG_STK;
    t->fence = n->fence;
    t->port = n->port && !(n->rep && b->gpr[REG_RCX] == 0);
    t->address_regs = n->address_regs;
    t->write_regs = n->write_regs;
    t->branch = n->branch;
    describe_accesses(p, n, b, after, t);
    describe_flush(n, b, t);
    describe_bitmap(n, b, t);
    describe_vmx(p, b, after, t);
}

/* E1: what the delivery of an event reads and pushes. */
static void describe_delivery(const struct program *p, const struct before *b, unsigned vector,
                              struct tick_atom *t)
{
    u64 gate = p->system_gva + SYSTEM_IDT + 16ull * vector, rsp = b->gpr[REG_RSP];
    unsigned ist = p->system[SYSTEM_IDT + 16 * vector + 4] & 7;
    bool error = vector == VEC_GP || vector == VEC_PF;
    add_access(t, gate, 8, TICK_LOAD, true);
    add_access(t, gate + 8, 8, TICK_LOAD, true);
    if (t->end == TICK_DELIVERY_FAULTS)
        return; /* the gate refuses: its DPL */
    add_descriptor(p, t, PROGRAM_CS0);
    if (ist || b->user) {
        add_access(t, p->system_gva + SYSTEM_TSS + (ist ? TSS_IST1 : TSS_RSP0), 8, TICK_LOAD, true);
        rsp = ist ? PROGRAM_IST_GVA : PROGRAM_RSP0_GVA;
    }
    rsp &= ~15ull;
    for (unsigned n = 5 + error; n; n--)
        add_access(t, rsp -= 8, 8, TICK_STORE, true);
}

static u64 exit_reason(const rs_machine *m)
{
    u64 reason = 0;
    ck_assert(rs_vmcs_get(m, rs_current_vmcs(m, 0), "exit_reason", &reason) == RS_OK);
    return reason;
}

static enum tick_end end_of(const rs_machine *m, const struct before *b, unsigned *vector)
{
    const struct core_state *after = &m->core[0]->s;
    if (after->count.interrupts > b->count.interrupts) {
        *vector = PROGRAM_TIMER_VECTOR;
        return TICK_DELIVERS;
    }
    if (b->event_valid) {
        *vector = (unsigned)b->event_vector;
        return after->event_valid ? TICK_DELIVERY_FAULTS : TICK_DELIVERS;
    }
    if (after->count.vm_exits > b->count.vm_exits)
        return exit_reason(m) == EXIT_EPT_VIOLATION ? TICK_EPT_VIOLATION : TICK_EXITS;
    if (after->count.insns > b->count.insns)
        return TICK_RETIRES;
    if (b->activity == ACTIVITY_HLT)
        return TICK_WAITS;
    *vector = (unsigned)after->event_vector;
    if (after->event_type == EVENT_SOFT_INT)
        return TICK_INT;
    return *vector == VEC_PF ? TICK_PAGE_FAULTS : TICK_FAULTS;
}

static void note_seen(struct pair *r, struct seen seen)
{
    if (r->atoms == r->room) {
        r->room = r->room ? 2 * r->room : 4096;
        r->seen = realloc(r->seen, r->room * sizeof *r->seen);
    }
    r->seen[r->atoms++] = seen;
}

static void feed(struct pair *r, const struct before *b)
{
    const struct core_state *s = &r->machine->core[0]->s;
    struct seen seen = {.rip = b->rip, .cycles = s->cycle - b->cycle};
    struct tick_atom t;
    memset(&t, 0, sizeof t);
    seen.end = t.end = end_of(r->machine, b, &seen.vector);
    t.space = b->space;
    t.user = b->user;
    t.rip = b->rip;
    t.wake = b->timer_due;
    t.interrupt = s->count.interrupts > b->count.interrupts;
    t.latency = 1;
    if (t.end == TICK_WAITS)
        t.rip = 0;
    else if (t.end == TICK_DELIVERS || t.end == TICK_DELIVERY_FAULTS)
        describe_delivery(r->program, b, seen.vector, &t);
    else
        describe_insn(r->program, b, s, &t);
    if (t.end == TICK_RETIRES)
        t.vmx_cycles = vmx_cycles(&r->machine->p, note_at(r->program, b->rip)->row);
    note_seen(r, seen);
    tick_feed(r->tick, &t);
    r->count = s->count;
}

static bool at_end(const struct program *p, u64 rip)
{
    const struct note *n = note_at(p, rip);
    return n == &p->note[p->notes - 1];
}

static enum rs_why step(struct pair *r, struct before *b)
{
    const struct core_state *s = &r->machine->core[0]->s;
    u64 atom = s->atom;
    enum rs_why why = RS_SLICE;
    *b = look(s);
    while (s->atom == atom && why == RS_SLICE)
        why = rs_continue(r->world, 1);
    return why;
}

/* The guest's VMCS is filled when it is current. */
static bool fills_vmcs(const struct program *p, u64 rip)
{
    const struct note *n = note_at(p, rip);
    return n && n->row == ROW_vmptrld && rip < PROGRAM_CODE_GVA;
}

static void to_the_end(rs_world *world, const rs_machine *m)
{
    while (rs_continue(world, 1000000) == RS_SLICE)
        ;
    ck_assert_msg(rs_halt_text(m) != NULL, "the program did not end");
}

void pair_run(struct pair *r, const struct program *p, struct rs_params *params)
{
    struct before b;
    memset(r, 0, sizeof *r);
    r->program = p;
    r->world = rs_world_new();
    r->machine = boot(r->world, p, params);
    r->memory = malloc(MEMORY_BYTES);
    ck_assert(rs_read(r->machine, 0, r->memory, MEMORY_BYTES) == RS_OK);
    r->tick = tick_new(&r->machine->p, r->memory, MEMORY_BYTES, PROGRAM_RAM_BYTES);
    rs_begin_run(r->world, UINT64_MAX);
    while (!at_end(p, r->machine->core[0]->s.rip)) {
        ck_assert_msg(step(r, &b) == RS_SLICE, "the program did not reach its end: %s",
                      rs_halt_text(r->machine));
        feed(r, &b);
        if (fills_vmcs(p, b.rip))
            vmcs_fill(r->machine->core[0], p);
    }
    tick_finish(r->tick);
}

bool pair_again(struct pair *r, struct rs_params *params)
{
    rs_world *world = rs_world_new();
    rs_machine *m = boot(world, r->program, params);
    const struct core_state *first = &r->machine->core[0]->s, *second = &m->core[0]->s;
    rs_begin_run(world, UINT64_MAX);
    if (r->program->guest) {
        while (rs_current_vmcs(m, 0) == UINT64_MAX)
            rs_continue(world, 1);
        vmcs_fill(m->core[0], r->program);
    }
    to_the_end(world, m);
    to_the_end(r->world, r->machine);
    bool same =
        first->cycle == second->cycle && memcmp(&first->count, &second->count, sizeof first->count) == 0;
    rs_world_free(world);
    return same;
}

void pair_end(struct pair *r)
{
    tick_free(r->tick);
    rs_world_free(r->world);
    free(r->memory);
    free(r->seen);
}

/* ---- comparing ---- */

static void show(const struct pair *r, size_t i)
{
    static const char *const ends[] = {"",      "faults",        "INT",      "page fault",
                                       "exits", "EPT violation", "delivers", "delivery fault",
                                       "waits", "fails"};
    const struct seen *s = &r->seen[i];
    char text[96] = "";
    const struct note *n = note_at(r->program, s->rip);
    if (n && s->end != TICK_DELIVERS && s->end != TICK_WAITS)
        rs_disassemble(r->program->code + n->offset, 15, s->rip, NULL, text, sizeof text);
    fprintf(stderr, "%6zu %#11llx %-44s %-13s %3u machine %4llu model %4llu\n", i, (unsigned long long)s->rip,
            text, ends[s->end], s->vector, (unsigned long long)s->cycles,
            (unsigned long long)tick_atom_cycles(r->tick, i));
}

/* Shows the atoms around the first on which the two differ. */
static bool same_cycles(const struct pair *r)
{
    for (size_t i = 0; i < r->atoms; i++) {
        if (r->seen[i].cycles == tick_atom_cycles(r->tick, i))
            continue;
        for (size_t j = i > 24 ? i - 24 : 0; j < i + 3 && j < r->atoms; j++)
            show(r, j);
        return false;
    }
    return true;
}

static bool same_counters(const struct counters *machine, const struct counters *model)
{
    bool same = true;
#define COUNTER(name, help) \
    if (model->name != machine->name) { \
        fprintf(stderr, "%s: machine %llu, model %llu\n", #name, (unsigned long long)machine->name, \
                (unsigned long long)model->name); \
        same = false; \
    }
#include "counters.def"
#undef COUNTER
    return same;
}

/* Both have set the same A and D bits. */
static bool same_tables(const struct pair *r)
{
    u8 *now = malloc(PROGRAM_TABLES_BYTES);
    ck_assert(rs_read(r->machine, PROGRAM_TABLES_HPA, now, PROGRAM_TABLES_BYTES) == RS_OK);
    bool same = memcmp(now, r->memory + PROGRAM_TABLES_HPA, PROGRAM_TABLES_BYTES) == 0;
    free(now);
    if (!same)
        fprintf(stderr, "A and D bits differ\n");
    return same;
}

bool pair_agrees(const struct pair *r)
{
    bool cycles = same_cycles(r), counters = same_counters(&r->count, tick_counters(r->tick));
    bool tables = same_tables(r);
    if (tick_trouble(r->tick))
        fprintf(stderr, "the model does not understand %s\n", tick_trouble(r->tick));
    return cycles && counters && tables && !tick_trouble(r->tick) && tick_cycles(r->tick) == pair_cycles(r);
}

u64 pair_cycles(const struct pair *r)
{
    u64 sum = 0;
    for (size_t i = 0; i < r->atoms; i++)
        sum += r->seen[i].cycles;
    return sum;
}
