/* guest.c - the items of a random program that runs as a guest, and its hypervisor, whose linear addresses
 * are physical ones. */
#include "tick/emit.h"

#include "arch/apic.h"
#include "arch/vmx.h"

#define HYPERVISOR_AT 0x41800u /* offset */

/* An instruction with the address of `at` in PROGRAM_SYSTEM in RAX. */
static struct note *emit_at(struct program *p, enum isa_row row, int reg, u64 at)
{
    struct operand o = {.base = RAX, .index = NO_REG};
    emit_set(p, RAX, PROGRAM_SYSTEM_HPA + at);
    return emit(p, row, (struct form){.size = 8, .reg = reg, .mem = &o});
}

static void emit_vmread(struct program *p, u64 field)
{
    emit_set(p, RCX, field);
    if (program_random(p, 2))
        emit_reg(p, ROW_vmread, RCX, R8);
    else
        emit_at(p, ROW_vmread, RCX, SYSTEM_SCRATCH);
}

static void emit_invalidation(struct program *p)
{
    bool ept = program_random(p, 2);
    u64 type = 1 + program_random(p, 2);
    emit_set(p, R8, type);
    u64 at = SYSTEM_INVALIDATE + (ept ? 0 : 16);
    struct operand o = {.base = RAX, .index = NO_REG};
    struct note *n = emit_at(p, ept ? ROW_invept : ROW_invvpid, R8, at);
    emit_two(n, o, 8, 8, TICK_LOAD);
    n->flush.kind = ept ? TICK_FLUSH_EPT : TICK_FLUSH_VPIDS;
    n->flush.eptp = type == 1 ? p->eptp : 0;
    n->flush.vpid = type == 1 ? 1 : 0;
}

/* What a hypervisor does at an exit: any of it, and the guest goes on at its RBX. */
static void exit_handler(struct program *p)
{
    static const u64 fields[] = {VMCS_EXIT_REASON, VMCS_GUEST_RIP, VMCS_GUEST_RFLAGS,
                                 VMCS_EXIT_QUALIFICATION};
    for (u64 n = program_random(p, 4); n; n--)
        emit_vmread(p, fields[program_random(p, 4)]);
    if (program_random(p, 3) == 0)
        emit_invalidation(p);
    if (program_random(p, 3) == 0)
        emit_at(p, ROW_vmptrst, 0, SYSTEM_SCRATCH);
    if (program_random(p, 2)) {
        struct operand o = {.base = RSP, .index = NO_REG, .disp = -64};
        emit_mem(p, ROW_add_Ev_Gv, R8, &o);
    }
    emit_set(p, RCX, VMCS_GUEST_RIP);
    emit_reg(p, ROW_vmwrite, RCX, RBX);
    emit_plain(p, ROW_vmresume);
}

void guest_handlers(struct program *p)
{
    p->code_gva = PROGRAM_CODE_HPA;
    p->at = HYPERVISOR_AT;
    p->resume_from = HYPERVISOR_AT;
    exit_handler(p);
    p->code_gva = PROGRAM_CODE_GVA;
}

void guest_prologue(struct program *p)
{
    p->code_gva = PROGRAM_CODE_HPA;
    event_host_prologue(p);
    emit_at(p, ROW_vmxon, 0, SYSTEM_POINTERS + 32);
    emit_at(p, ROW_vmptrld, 0, SYSTEM_POINTERS + 40);
    emit_plain(p, ROW_vmlaunch);
    p->code_gva = PROGRAM_CODE_GVA;
    p->guest_entry = p->at;
    event_prologue(p);
}

/* ---- items ---- */

static void exit_msr(struct program *p)
{
    emit_set(p, RCX, program_random(p, 2) ? MSR_TSC_AUX : 0x12345678);
    if (program_random(p, 2)) {
        emit_set(p, RAX, 0);
        emit_set(p, RDX, 0);
        emit_plain(p, ROW_wrmsr);
    } else {
        emit_plain(p, ROW_rdmsr);
    }
}

static void exit_violation(struct program *p)
{
    struct operand o = {.base = RSI, .index = NO_REG};
    bool store = program_random(p, 2);
    u64 page = store ? BAD_EPT_READ_ONLY : BAD_EPT_ABSENT, offset = program_random(p, 4088);
    emit_set(p, RSI, PROGRAM_BAD_GVA + page * 0x1000 + offset);
    emit_mem(p, store ? ROW_add_Ev_Gv : ROW_mov_Gv_Ev, R8, &o);
}

static void exit_fetch(struct program *p)
{
    emit_set(p, R8, PROGRAM_BAD_GVA + BAD_EPT_ABSENT * 0x1000 + program_random(p, 4090));
    emit_branch_note(emit(p, ROW_jmp_E, (struct form){.rm = R8}));
}

/* An exit, behind which the hypervisor goes on. */
void guest_item(struct program *p)
{
    static const enum isa_row exits[] = {ROW_vmcall, ROW_cpuid, ROW_vmxoff, ROW_invd, ROW_vmresume};
    u64 kind = program_random(p, 6);
    emit_push(p, RCX);
    u64 later = emit_set_later(p, RBX);
    if (kind == 0 && !p->in_user)
        exit_msr(p);
    else if (kind == 1 && !p->in_user)
        emit_port(emit(p, program_random(p, 2) ? ROW_in_A_I_b : ROW_out_I_A_b,
                       (struct form){.imm = PROGRAM_EXIT_PORT}),
                  PROGRAM_EXIT_PORT, 1);
    else if (kind == 2)
        exit_violation(p);
    else if (kind == 3)
        exit_fetch(p);
    else
        emit_plain(p, exits[program_random(p, p->in_user ? 3 : 5)]);
    emit_here(p, later);
    emit_set(p, RSI, item_address(p));
    emit_pop(p, RCX);
}
