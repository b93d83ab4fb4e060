/* events.c - the items of a random program that fault, are interrupted, change rings or the machine itself.
 */
#include "tick/emit.h"

#include "arch/apic.h"
#include "arch/board.h"

#define HANDLERS_AT   0x40000u /* offset; 0x80 bytes each */
#define HANDLER_BYTES 0x80u
#define SYSCALL_AT    0x41f00u

/* ---- handlers ---- */

/* Vectors that have a handler, in its order. */
static const unsigned vectors[] = {
    VEC_DE, VEC_DB, VEC_BP, VEC_UD, VEC_GP, VEC_PF, PROGRAM_USER_VECTOR, PROGRAM_TIMER_VECTOR};
enum { VECTORS = sizeof vectors / sizeof *vectors };

u64 event_handler(const struct program *p, unsigned vector)
{
    for (u64 i = 0; i < VECTORS; i++)
        if (vectors[i] == vector)
            return p->code_gva + HANDLERS_AT + HANDLER_BYTES * i;
    return 0;
}

static void emit_iretq(struct program *p)
{
    struct note *n = emit(p, ROW_iret, (struct form){.size = 8});
    for (int i = 0; i < 5; i++)
        emit_access(n, (struct operand){.base = RSP, .index = NO_REG, .disp = 8 * i}, 8, TICK_LOAD);
    n->loads_segments = true;
}

static void emit_wrmsr(struct program *p, u64 msr, u64 value)
{
    emit_set(p, RCX, msr);
    emit_set(p, RAX, value & 0xffffffff);
    emit_set(p, RDX, value >> 32);
    emit_plain(p, ROW_wrmsr);
}

/* A register of the local APIC, by its MSR or its page. */
static void emit_apic_write(struct program *p, u64 offset, u64 value)
{
    struct operand o = {.base = RAX, .index = NO_REG};
    if (p->x2apic) {
        emit_wrmsr(p, X2APIC_MSR(offset), value);
        return;
    }
    emit_set(p, RAX, PROGRAM_APIC_GVA + offset);
    emit(p, ROW_mov_Ev_Iz, (struct form){.size = 4, .mem = &o, .imm = value});
}

/* Goes on at RBX, in the ring that was interrupted. */
static void exception_handler(struct program *p, unsigned vector)
{
    struct operand rip = {.base = RSP, .index = NO_REG};
    if (vector == VEC_GP || vector == VEC_PF)
        emit(p, ROW_add_Ev_Ib, (struct form){.size = 8, .rm = RSP, .imm = 8});
    emit_mem(p, ROW_mov_Ev_Gv, RBX, &rip);
    emit_iretq(p);
}

/* From ring 3 to RBX in ring 0. */
static void user_handler(struct program *p)
{
    struct operand rsp = {.base = RSP, .index = NO_REG, .disp = 24};
    emit_mem(p, ROW_mov_Gv_Ev, RSP, &rsp);
    emit_branch_note(emit(p, ROW_jmp_E, (struct form){.rm = RBX}));
}

static void timer_handler(struct program *p)
{
    emit_push(p, RAX);
    emit_push(p, RCX);
    emit_push(p, RDX);
    emit_apic_write(p, APIC_EOI, 0);
    emit_apic_write(p, APIC_TIMER_INITIAL, 20000 + program_random(p, 60000));
    emit_pop(p, RDX);
    emit_pop(p, RCX);
    emit_pop(p, RAX);
    emit_iretq(p);
}

void event_handlers(struct program *p)
{
    for (unsigned i = 0; i < VECTORS; i++) {
        p->at = HANDLERS_AT + HANDLER_BYTES * i;
        if (vectors[i] == PROGRAM_TIMER_VECTOR)
            timer_handler(p);
        else if (vectors[i] == PROGRAM_USER_VECTOR)
            user_handler(p);
        else
            exception_handler(p, vectors[i]);
    }
    p->at = SYSCALL_AT;
    emit_branch_note(emit(p, ROW_jmp_E, (struct form){.rm = RBX}));
}

/* ---- the prologue ---- */

static void emit_cr3(struct program *p, u64 value)
{
    struct note *n;
    emit_set(p, RAX, value);
    n = emit(p, ROW_mov_CR_E, (struct form){.reg = 3, .rm = RAX});
    if (!(value & CR3_NOFLUSH))
        n->flush = (struct tick_flush){.kind = TICK_FLUSH_PCID, .pcid = p->pcid ? value & CR3_PCID : 0};
}

/* changes_global: it changes PGE. */
static void emit_cr4(struct program *p, u64 value, bool changes_global)
{
    emit_set(p, RAX, value);
    struct note *n = emit(p, ROW_mov_CR_E, (struct form){.reg = 4, .rm = RAX});
    n->flush.kind = changes_global ? TICK_FLUSH_GLOBAL : TICK_NO_FLUSH;
}

static void emit_descriptor_table(struct program *p, enum isa_row row, u64 at)
{
    struct operand o = {.base = RAX, .index = NO_REG};
    emit_set(p, RAX, p->system_gva + at);
    emit_two(emit(p, row, (struct form){.mem = &o}), o, 2, 8, TICK_LOAD);
}

static struct operand descriptor(const struct program *p, unsigned selector)
{
    return (struct operand){.base = NO_REG,
                            .index = NO_REG,
                            .disp = (i64)(p->system_gva + SYSTEM_GDT + (selector & ~7u)),
                            .system = true};
}

static void emit_ltr(struct program *p)
{
    struct operand second = descriptor(p, PROGRAM_TR), first = second;
    emit_set(p, RAX, PROGRAM_TR);
    struct note *n = emit(p, ROW_ltr, (struct form){.rm = RAX});
    second.disp += 8;
    emit_access(n, first, 8, TICK_LOAD);
    emit_access(n, second, 8, TICK_LOAD);
    emit_access(n, first, 8, TICK_UPDATE);
}

static void emit_apic(struct program *p)
{
    if (p->x2apic) {
        emit_wrmsr(p, MSR_APIC_BASE, APIC_PHYS_BASE | APIC_BASE_BSP | APIC_BASE_ENABLE | APIC_BASE_X2APIC);
        p->note[p->notes - 1].flush.kind = TICK_FLUSH_ALL;
    }
    emit_apic_write(p, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    emit_apic_write(p, APIC_LVT_TIMER, PROGRAM_TIMER_VECTOR);
    emit_apic_write(p, APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    emit_apic_write(p, APIC_TIMER_INITIAL, 20000 + program_random(p, 20000));
}

/* A hypervisor's own tables. */
void event_host_prologue(struct program *p)
{
    emit_wrmsr(p, MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
    emit_set(p, RAX, p->host_root);
    emit(p, ROW_mov_CR_E, (struct form){.reg = 3, .rm = RAX})->flush.kind = TICK_FLUSH_PCID;
    emit_cr4(p, CR4_PAE | CR4_VMXE, false);
}

/* A guest has its CR3 already. */
void event_prologue(struct program *p)
{
    u64 cr4 = CR4_PAE | CR4_PGE | (p->pcid ? CR4_PCIDE : 0) | (p->guest ? CR4_VMXE : 0);
    emit_wrmsr(p, MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE);
    emit_set(p, RAX, CR0_PE | CR0_ET | CR0_NE | CR0_WP | CR0_PG);
    emit(p, ROW_mov_CR_E, (struct form){.reg = 0, .rm = RAX});
    if (!p->guest)
        emit_cr3(p, p->root);
    u64 later = emit_set_later(p, RAX);
    emit_branch_note(emit(p, ROW_jmp_E, (struct form){.rm = RAX}));
    emit_here(p, later);
    emit_cr4(p, cr4, true);
    emit_descriptor_table(p, ROW_lgdt, SYSTEM_POINTERS);
    emit_descriptor_table(p, ROW_lidt, SYSTEM_POINTERS + 16);
    emit_ltr(p);
    emit_wrmsr(p, MSR_STAR, 0x13ull << 48 | (u64)PROGRAM_CS0 << 32);
    emit_wrmsr(p, MSR_LSTAR, p->code_gva + SYSCALL_AT);
    emit_wrmsr(p, MSR_FMASK, FLAG_IF);
    emit_set(p, RSP, PROGRAM_STACK_GVA);
    if (p->events) {
        emit_apic(p);
        emit_plain(p, ROW_sti);
    }
}

/* ---- faults ---- */

static u64 bad_address(enum bad_page page)
{
    return PROGRAM_BAD_GVA + (u64)page * 0x1000;
}

static void fault_at(struct program *p, u64 address, bool store)
{
    struct operand o = {.base = RSI, .index = NO_REG};
    emit_set(p, RSI, address);
    emit_mem(p, store ? ROW_add_Ev_Gv : ROW_mov_Gv_Ev, R8, &o);
}

/* A jump to where nothing may be executed; the instruction there has no note. */
static void fault_fetch(struct program *p)
{
    bool absent = program_random(p, 2);
    u64 address = bad_address(absent ? BAD_ABSENT : BAD_NO_EXECUTE) + program_random(p, 4080);
    if (!absent)
        fault_at(p, address, false); /* data may lie there: no fault */
    emit_set(p, R8, address);
    emit_branch_note(emit(p, ROW_jmp_E, (struct form){.rm = R8}));
}

static void fault_divide(struct program *p)
{
    struct operand o = {.base = RSI, .index = NO_REG};
    bool memory = program_random(p, 2);
    emit_set(p, R8, 0);
    emit_set(p, RSI, item_address(p));
    emit_mem(p, ROW_mov_Ev_Gv, R8, &o);
    emit(p, program_random(p, 2) ? ROW_div_Eq : ROW_idiv_Ev,
         (struct form){.size = 8, .rm = R8, .mem = memory ? &o : NULL});
}

/* An exception, whose handler goes on behind it. */
static void event_fault(struct program *p)
{
    u64 later = emit_set_later(p, RBX);
    unsigned kind = (unsigned)program_random(p, 12);
    if (kind == 0)
        emit_plain(p, ROW_ud2);
    else if (kind == 1)
        fault_divide(p);
    else if (kind == 2)
        fault_at(p, 0x8000000000000000 >> program_random(p, 10), program_random(p, 2)); /* not canonical */
    else if (kind == 3)
        emit_plain(p, p->in_user ? ROW_int3 : program_random(p, 2) ? ROW_int3 : ROW_int1);
    else if (kind == 4)
        fault_fetch(p);
    else if (kind == 5 && p->in_user)
        fault_at(p, bad_address(BAD_SYSTEM) + program_random(p, 4088), program_random(p, 2));
    else if (kind == 6 && p->in_user)
        emit_plain(p, ROW_hlt);
    else if (kind == 7)
        fault_at(p, bad_address(BAD_READ_ONLY) + program_random(p, 4088), true);
    else if (kind == 8)
        fault_at(p, PROGRAM_DATA_GVA + PROGRAM_DATA_BYTES - program_random(p, 8), program_random(p, 2));
    else
        fault_at(p, bad_address(BAD_ABSENT) + program_random(p, 4088), program_random(p, 2));
    emit_set(p, RSI, item_address(p)); /* is jumped over where there was no fault */
    emit_here(p, later);
    emit_set(p, RSI, item_address(p));
}

/* ---- ring 3 ---- */

static void enter_user(struct program *p)
{
    u64 later;
    if (program_random(p, 2)) {
        later = emit_set_later(p, RCX);
        emit_set(p, R11, FLAG_FIXED | (program_random(p, 2) ? FLAG_IF : 0));
        emit(p, ROW_sysret, (struct form){.size = 8});
        emit_here(p, later);
        return;
    }
    emit_reg(p, ROW_mov_Ev_Gv, RSP, R8);
    emit(p, ROW_push_Ib, (struct form){.imm = PROGRAM_DS3});
    emit_access(&p->note[p->notes - 1], emit_pushed, 8, TICK_STORE);
    emit_push(p, R8);
    emit_access(emit_plain(p, ROW_pushf), emit_pushed, 8, TICK_STORE);
    emit(p, ROW_push_Ib, (struct form){.imm = PROGRAM_CS3});
    emit_access(&p->note[p->notes - 1], emit_pushed, 8, TICK_STORE);
    later = emit_set_later(p, RAX);
    emit_push(p, RAX);
    emit_iretq(p);
    emit_here(p, later);
}

static void event_user(struct program *p)
{
    if (p->in_user)
        return;
    emit_push(p, RCX);
    enter_user(p);
    p->in_user = true;
    items(p, 1 + (unsigned)program_random(p, 6), false, 8);
    p->in_user = false;
    u64 later = emit_set_later(p, RBX);
    if (program_random(p, 2))
        emit_plain(p, ROW_syscall);
    else
        emit(p, ROW_int_n, (struct form){.imm = PROGRAM_USER_VECTOR});
    emit_here(p, later);
    if (p->events)
        emit_plain(p, ROW_sti);
    emit_pop(p, RCX);
}

/* ---- the timer ---- */

static void event_timer(struct program *p)
{
    bool halt = program_random(p, 2);
    if (p->in_user)
        return;
    emit_push(p, RCX);
    if (halt)
        emit_plain(p, ROW_cli);
    emit_apic_write(p, APIC_TIMER_INITIAL, 1 + program_random(p, 3000));
    if (halt) {
        emit_plain(p, ROW_sti);
        emit_plain(p, ROW_hlt);
    }
    emit_pop(p, RCX);
}

void event_item(struct program *p)
{
    if (!p->events)
        item_compute(p);
    else if (p->guest && program_random(p, 3) == 0)
        guest_item(p);
    else if (program_random(p, 5) == 0)
        event_user(p);
    else if (program_random(p, 5) == 0)
        event_timer(p);
    else
        event_fault(p);
}

/* ---- what changes the machine or looks at it ---- */

static void system_invpcid(struct program *p)
{
    static const enum tick_flush_kind kinds[] = {TICK_FLUSH_PCID_PAGE, TICK_FLUSH_PCID, TICK_FLUSH_GLOBAL,
                                                 TICK_FLUSH_LOCAL};
    struct operand o = {.base = RSP, .index = NO_REG};
    u64 type = program_random(p, 4), pcid = p->pcid ? program_random(p, 3) : 0, address = item_address(p);
    emit_set(p, R8, address);
    emit_push(p, R8);
    emit_set(p, R8, pcid);
    emit_push(p, R8);
    emit_set(p, R8, type);
    struct note *n = emit(p, ROW_invpcid, (struct form){.size = 8, .reg = R8, .mem = &o});
    emit_two(n, o, 8, 8, TICK_LOAD);
    n->flush = (struct tick_flush){.kind = kinds[type], .address = address, .pcid = pcid};
    emit_pop(p, R8);
    emit_pop(p, R8);
}

static void system_invlpg(struct program *p)
{
    struct operand o = {.base = RSI, .index = NO_REG};
    struct note *n = emit(p, ROW_invlpg, (struct form){.mem = &o});
    n->flush.kind = TICK_FLUSH_PAGE;
    n->flush_reg = RSI;
}

static void system_port(struct program *p)
{
    static const enum isa_row out[] = {ROW_out_I_A_b, ROW_in_A_I_b, ROW_out_I_A_z, ROW_in_A_I_z};
    unsigned i = (unsigned)program_random(p, 4);
    emit_port(emit(p, out[i], (struct form){.size = 4, .imm = PORT_DEBUG_CONSOLE}), PORT_DEBUG_CONSOLE,
              i < 2 ? 1 : 4);
}

/* A device's address: the APIC's identifier, or where nobody answers. */
static void system_device(struct program *p)
{
    static const enum isa_row access[] = {ROW_mov_Gv_Ev, ROW_mov_Ev_Gv, ROW_add_Gv_Ev, ROW_or_Ev_Gv,
                                          ROW_xchg_Mv_Gv};
    struct operand o = {.base = RSI, .index = NO_REG};
    bool apic = !p->x2apic && program_random(p, 2);
    emit_set(p, RSI, apic ? PROGRAM_APIC_GVA + APIC_ID : PROGRAM_NOBODY_GVA + program_random(p, 500) * 8);
    emit(p, apic ? ROW_mov_Gv_Ev : access[program_random(p, 5)],
         (struct form){.size = 4, .reg = R8, .mem = &o});
    emit_set(p, RSI, item_address(p));
}

static void system_cr3(struct program *p)
{
    u64 pcid = p->pcid ? program_random(p, 3) : 0, keep = p->pcid && program_random(p, 2) ? CR3_NOFLUSH : 0;
    emit_cr3(p, (p->root + p->physical) | pcid | keep);
}

static void system_cr4(struct program *p)
{
    u64 cr4 = CR4_PAE | (p->pcid ? CR4_PCIDE : 0) | (p->guest ? CR4_VMXE : 0);
    emit_cr4(p, cr4, true);
    emit_cr4(p, cr4 | CR4_PGE, true);
}

static void system_segment(struct program *p)
{
    bool null = program_random(p, 2);
    emit_set(p, RAX, null ? 0 : PROGRAM_DS0);
    struct note *n;
    if (program_random(p, 2)) {
        n = emit(p, ROW_mov_S_E, (struct form){.size = 4, .reg = program_random(p, 2) ? 3 : 0, .rm = RAX});
    } else {
        static const enum isa_row rows_of[] = {ROW_lar, ROW_lsl, ROW_verr, ROW_verw};
        n = emit(p, rows_of[program_random(p, 4)], (struct form){.size = 4, .reg = R8, .rm = RAX});
    }
    if (!null)
        emit_access(n, descriptor(p, PROGRAM_DS0), 8, TICK_LOAD);
}

/* What reads the machine's registers. */
static void system_read(struct program *p)
{
    static const enum isa_row some[] = {ROW_rdtsc, ROW_rdtscp,   ROW_clts,    ROW_swapgs, ROW_clac,
                                        ROW_stac,  ROW_pause,    ROW_wbinvd,  ROW_smsw,   ROW_str,
                                        ROW_sldt,  ROW_mov_E_CR, ROW_mov_E_DR};
    unsigned i = (unsigned)program_random(p, sizeof some / sizeof *some);
    if (some[i] == ROW_rdtscp)
        emit_push(p, RCX);
    struct form f = {.size = 4, .rm = R9};
    f.reg = some[i] == ROW_mov_E_CR ? 3 : some[i] == ROW_mov_E_DR ? 7 : 0;
    struct note *n = emit(p, some[i], f);
    if (some[i] == ROW_wbinvd)
        n->flush.kind = TICK_FLUSH_CACHES;
    if (some[i] == ROW_rdtscp)
        emit_pop(p, RCX);
}

static void system_msr(struct program *p)
{
    emit_push(p, RCX);
    emit_wrmsr(p, MSR_KERNEL_GS_BASE, program_random(p, 1000));
    emit_plain(p, ROW_rdmsr);
    emit_pop(p, RCX);
}

static void system_table(struct program *p)
{
    static const enum isa_row rows_of[] = {ROW_sgdt, ROW_sidt};
    struct operand o = {.base = RSI, .index = NO_REG};
    if (program_random(p, 2)) {
        emit_two(emit(p, rows_of[program_random(p, 2)], (struct form){.mem = &o}), o, 2, 8, TICK_STORE);
    } else if (program_random(p, 2)) {
        emit_descriptor_table(p, ROW_lidt, SYSTEM_POINTERS + 16);
    } else {
        emit_descriptor_table(p, ROW_lgdt, SYSTEM_POINTERS);
    }
}

static void system_string(struct program *p)
{
    static const enum isa_row rows_of[] = {ROW_outs_b, ROW_outs_z, ROW_ins_b, ROW_ins_z};
    unsigned i = (unsigned)program_random(p, 4);
    struct operand o = {.base = i < 2 ? RSI : RDI, .index = NO_REG};
    u64 size = i & 1 ? 4 : 1;
    emit_push(p, RCX);
    emit_set(p, RDX, PORT_DEBUG_CONSOLE);
    emit_set(p, RCX, program_random(p, 4));
    struct note *n = emit(p, rows_of[i], (struct form){.size = size, .rep = program_random(p, 2)});
    emit_access(n, o, size, i < 2 ? TICK_LOAD : TICK_STORE);
    emit_port(n, PORT_DEBUG_CONSOLE, (unsigned)size);
    emit_pop(p, RCX);
}

static void system_cpuid(struct program *p)
{
    if (p->guest)
        return; /* exits: guest.c */
    emit_push(p, RCX);
    emit_push(p, RBX);
    emit_plain(p, ROW_cpuid);
    emit_pop(p, RBX);
    emit_pop(p, RCX);
}

void system_item(struct program *p)
{
    static void (*const kinds[])(struct program *) = {
        system_invpcid, system_invlpg,  system_port,  system_device, system_cr3,
        system_cr4,     system_segment, system_read,  system_msr,    system_table,
        system_string,  system_cpuid,   system_device};
    if (p->in_user || program_random(p, 4) == 0)
        emit(p, ROW_mfence, (struct form){0});
    else
        kinds[program_random(p, sizeof kinds / sizeof *kinds)](p);
}
