/* test_vmx_exit.c - VM exits and entries: intercepts and what they record, state, EPT and VPIDs (SDM vol. 3,
 * 25 to 28). */
#include "cpu/vmx.h"
#include "lib/guest_case.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>
#include <stdlib.h>

/* ---- instructions ---- */

struct intercept {
    const char *name, *bytes;
    u32 length, field; /* field: of the control, 0: always exits */
    u64 control;
    u32 reason, info;
    u64 qualification;
    u64 rax, rcx, rdx;
};

#define INSN_BYTES(s) s, sizeof(s) - 1
#define PROC          VMCS_PROC_CONTROLS
#define PROC2         VMCS_PROC2_CONTROLS
#define MEM_RAX       (2u << 7 | 3u << 15 | 1u << 22) /* (%rax): 64-bit addresses, DS, no index, base 0 */
#define MEM_RIP       (2u << 7 | 3u << 15 | 1u << 22 | 1u << 27)

static const struct intercept intercepts[] = {
    {"cpuid", INSN_BYTES("\x0f\xa2"), 0, 0, EXIT_CPUID, 0, 0, 0, 0, 0},
    {"invd", INSN_BYTES("\x0f\x08"), 0, 0, EXIT_INVD, 0, 0, 0, 0, 0},
    {"vmcall", INSN_BYTES(VMCALL), 0, 0, EXIT_VMCALL, 0, 0, 0, 0, 0},
    {"vmlaunch", INSN_BYTES(VMLAUNCH), 0, 0, EXIT_VMLAUNCH, 0, 0, 0, 0, 0},
    {"vmresume", INSN_BYTES(VMRESUME), 0, 0, EXIT_VMRESUME, 0, 0, 0, 0, 0},
    {"vmxoff", INSN_BYTES(VMXOFF), 0, 0, EXIT_VMXOFF, 0, 0, 0, 0, 0},
    {"vmxon", INSN_BYTES(VMXON_RAX), 0, 0, EXIT_VMXON, MEM_RAX, 0, 0, 0, 0},
    {"vmclear", INSN_BYTES(VMCLEAR_RAX), 0, 0, EXIT_VMCLEAR, MEM_RAX, 0, 0, 0, 0},
    {"vmptrld", INSN_BYTES(VMPTRLD_RAX), 0, 0, EXIT_VMPTRLD, MEM_RAX, 0, 0, 0, 0},
    {"vmptrst -8(%rbx,%rcx,4)", INSN_BYTES("\x0f\xc7\x7c\x8b\xf8"), 0, 0, EXIT_VMPTRST,
     2u << 7 | 3u << 15 | 1u << 18 | 3u << 23 | 2, (u64)-8, 0, 0, 0},
    {"vmread %rcx,%rbx", INSN_BYTES(VMREAD_RCX_RBX), 0, 0, EXIT_VMREAD, 1u << 10 | 3u << 3 | 1u << 28, 0, 0,
     0, 0},
    {"vmwrite %rbx,%rcx", INSN_BYTES(VMWRITE_RCX_RBX), 0, 0, EXIT_VMWRITE, 1u << 10 | 3u << 3 | 1u << 28, 0,
     0, 0, 0},
    {"invept", INSN_BYTES(INVEPT_RCX_RAX), 0, 0, EXIT_INVEPT, MEM_RAX | 1u << 28, 0, 0, 0, 0},
    {"invvpid", INSN_BYTES(INVVPID_RCX_RAX), 0, 0, EXIT_INVVPID, MEM_RAX | 1u << 28, 0, 0, 0, 0},
    {"hlt", INSN_BYTES("\xf4"), PROC, PROC_HLT, EXIT_HLT, 0, 0, 0, 0, 0},
    {"pause", INSN_BYTES("\xf3\x90"), PROC, PROC_PAUSE, EXIT_PAUSE, 0, 0, 0, 0, 0},
    {"rdtsc", INSN_BYTES("\x0f\x31"), PROC, PROC_RDTSC, EXIT_RDTSC, 0, 0, 0, 0, 0},
    {"invlpg 16(%rax)", INSN_BYTES("\x0f\x01\x78\x10"), PROC, PROC_INVLPG, EXIT_INVLPG, 0, 0x123456010,
     0x123456000, 0, 0},
    {"wbinvd", INSN_BYTES("\x0f\x09"), PROC2, PROC2_WBINVD, EXIT_WBINVD, 0, 0, 0, 0, 0},
    {"mov %rax,%cr3", INSN_BYTES("\x0f\x22\xd8"), PROC, PROC_CR3_LOAD, EXIT_CR_ACCESS, 0, 3, BARE_PML4, 0, 0},
    {"mov %cr3,%r9", INSN_BYTES("\x41\x0f\x20\xd9"), PROC, PROC_CR3_STORE, EXIT_CR_ACCESS, 0, 0x913, 0, 0, 0},
    {"mov %rcx,%cr8", INSN_BYTES("\x44\x0f\x22\xc1"), PROC, PROC_CR8_LOAD, EXIT_CR_ACCESS, 0, 0x108, 0, 0, 0},
    {"mov %cr8,%rdx", INSN_BYTES("\x44\x0f\x20\xc2"), PROC, PROC_CR8_STORE, EXIT_CR_ACCESS, 0, 0x218, 0, 0,
     0},
    {"mov %rax,%cr0", INSN_BYTES("\x0f\x22\xc0"), VMCS_CR0_MASK, CR0_WP, EXIT_CR_ACCESS, 0, 0, 0x80010021, 0,
     0},
    {"mov %rax,%cr4", INSN_BYTES("\x0f\x22\xe0"), VMCS_CR4_MASK, CR4_VMXE, EXIT_CR_ACCESS, 0, 4,
     CR4_VMXE | CR4_PAE, 0, 0},
    {"lmsw %ax", INSN_BYTES("\x0f\x01\xf0"), VMCS_CR0_MASK, CR0_TS, EXIT_CR_ACCESS, 0, 0x90030, 9, 0, 0},
    {"mov %rcx,%dr7", INSN_BYTES("\x0f\x23\xf9"), PROC, PROC_MOV_DR, EXIT_MOV_DR, 0, 0x107, 0, 0, 0},
    {"mov %dr6,%rbx", INSN_BYTES("\x0f\x21\xf3"), PROC, PROC_MOV_DR, EXIT_MOV_DR, 0, 0x316, 0, 0, 0},
    {"in $0x60,%al", INSN_BYTES("\xe4\x60"), PROC, PROC_UNCONDITIONAL_IO, EXIT_IO, 0, 0x600048, 0, 0, 0},
    {"out %eax,%dx", INSN_BYTES("\xef"), PROC, PROC_UNCONDITIONAL_IO, EXIT_IO, 0, 0x3f80003, 0, 0, 0x3f8},
    {"rep insb", INSN_BYTES("\xf3\x6c"), PROC, PROC_UNCONDITIONAL_IO, EXIT_IO, 2u << 7, 0x3f80038, 0, 3,
     0x3f8},
    {"outsw", INSN_BYTES("\x66\x6f"), PROC, PROC_UNCONDITIONAL_IO, EXIT_IO, 2u << 7 | 3u << 15, 0x3f80011, 0,
     0, 0x3f8},
    {"sgdt (%rax)", INSN_BYTES("\x0f\x01\x00"), PROC2, PROC2_DESCRIPTOR_TABLE, EXIT_GDTR_IDTR, MEM_RAX, 0,
     0x8000, 0, 0},
    {"lidt 4(%rip)", INSN_BYTES("\x0f\x01\x1d\x04\0\0\0"), PROC2, PROC2_DESCRIPTOR_TABLE, EXIT_GDTR_IDTR,
     MEM_RIP | 3u << 28, GUEST_CODE + 11, 0, 0, 0},
    {"str %ecx", INSN_BYTES("\x0f\x00\xc9"), PROC2, PROC2_DESCRIPTOR_TABLE, EXIT_LDTR_TR,
     1u << 10 | 1u << 3 | 1u << 28, 0, 0, 0, 0},
    {"lldt %ax", INSN_BYTES("\x0f\x00\xd0"), PROC2, PROC2_DESCRIPTOR_TABLE, EXIT_LDTR_TR, 1u << 10 | 2u << 28,
     0, 0, 0, 0},
};
#define INTERCEPTS ((int)(sizeof intercepts / sizeof *intercepts))

/* Everything that exits only by a control is given MSR bitmaps and such, so that nothing else does. */
static void enter(const struct intercept *i, bool control)
{
    guest_set_bits(c, PROC, PROC_MSR_BITMAPS | PROC_SECONDARY);
    if (control && i->field)
        guest_set_bits(c, i->field, i->control);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = i->rax;
    c->s.gpr[REG_RCX] = i->rcx;
    c->s.gpr[REG_RDX] = i->rdx;
    bare_put(&b, GUEST_CODE, i->bytes, i->length);
    bare_atoms(&b, 1);
}

START_TEST(instruction_exits)
{
    const struct intercept *i = &intercepts[_i];
    enter(i, true);
    ck_assert_msg(!c->s.vmx_guest, "%s does not exit", i->name);
    ck_assert_msg(guest_get(c, VMCS_EXIT_REASON) == i->reason, "%s: reason", i->name);
    ck_assert_msg(guest_get(c, VMCS_EXIT_QUALIFICATION) == i->qualification, "%s: qualification %llx",
                  i->name, (unsigned long long)guest_get(c, VMCS_EXIT_QUALIFICATION));
    ck_assert_msg(guest_get(c, VMCS_EXIT_INSN_LENGTH) == i->length, "%s: length", i->name);
    ck_assert_msg(guest_get(c, VMCS_EXIT_INSN_INFO) == i->info, "%s: information %llx", i->name,
                  (unsigned long long)guest_get(c, VMCS_EXIT_INSN_INFO));
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
    ck_assert_uint_eq(c->s.rip, GUEST_HOST);
    ck_assert_uint_eq(c->s.count.vm_exits, 1);
}
END_TEST

START_TEST(no_exit_without_the_control)
{
    const struct intercept *i = &intercepts[_i];
    if (!i->field)
        return;
    enter(i, false);
    ck_assert_msg(c->s.vmx_guest, "%s exits", i->name);
}
END_TEST

#define RDMSR "\x0f\x32"
#define WRMSR "\x0f\x30"

START_TEST(msr_bitmaps)
{
    static const struct {
        u32 msr;
        bool write;
        u32 byte, bit;
    } row[] = {
        {MSR_TSC_ADJUST, false, MSR_TSC_ADJUST / 8, MSR_TSC_ADJUST % 8},
        {MSR_TSC_ADJUST, true, 0x800 + MSR_TSC_ADJUST / 8, MSR_TSC_ADJUST % 8},
        {MSR_STAR, false, 0x400 + 0x10, 1},
        {MSR_STAR, true, 0xc00 + 0x10, 1},
    };
    guest_set_bits(c, PROC, PROC_MSR_BITMAPS);
    guest_launch(&b);
    mem_write(b.machine->mem, GUEST_BITMAPS + 0x2000 + row[_i].byte, 1, 1u << row[_i].bit);
    c->s.gpr[REG_RCX] = row[_i ^ 1].msr;
    row[_i].write ? GUEST(RDMSR) : GUEST(WRMSR);
    guest_check_no_exit();
    c->s.gpr[REG_RCX] = row[_i].msr;
    row[_i].write ? GUEST(WRMSR) : GUEST(RDMSR);
    guest_check_exit(row[_i].write ? EXIT_WRMSR : EXIT_RDMSR);
}
END_TEST

START_TEST(msrs_beyond_the_bitmap_exit)
{
    guest_set_bits(c, PROC, PROC_MSR_BITMAPS);
    guest_launch(&b);
    c->s.gpr[REG_RCX] = 0x2000;
    GUEST(RDMSR);
    guest_check_exit(EXIT_RDMSR);
}
END_TEST

START_TEST(io_bitmaps)
{
    guest_set_bits(c, PROC, PROC_IO_BITMAPS | PROC_UNCONDITIONAL_IO);
    mem_write(b.machine->mem, GUEST_BITMAPS + 0x80 / 8, 1, 1u << 3); /* port 83H */
    mem_write(b.machine->mem, GUEST_BITMAPS + 0x1000, 1, 1);         /* port 8000H */
    guest_launch(&b);
    GUEST("\xe6\x82"); /* out %al,$0x82 */
    guest_check_no_exit();
    GUEST("\xe7\x80"); /* out %eax,$0x80: 80H to 83H */
    guest_check_exit(EXIT_IO);
    GUEST_RUN(&b, VMRESUME);
    c->s.gpr[REG_RDX] = 0x8000;
    GUEST("\xec"); /* in %dx,%al */
    guest_check_exit(EXIT_IO);
    GUEST_RUN(&b, VMRESUME);
    c->s.gpr[REG_RDX] = 0xffff;
    GUEST("\xed"); /* in %dx,%eax: wraps around */
    guest_check_exit(EXIT_IO);
}
END_TEST

START_TEST(cr3_targets)
{
    guest_set_bits(c, PROC, PROC_CR3_LOAD);
    guest_set(c, VMCS_CR3_TARGET1, BARE_PML4);
    guest_set(c, VMCS_CR3_TARGET_COUNT, 1);
    guest_launch(&b);
    c->s.vmx.cr3_target_count = 2;
    c->s.gpr[REG_RAX] = BARE_PML4;
    GUEST("\x0f\x22\xd8");
    guest_check_no_exit();
    c->s.vmx.cr3_target_count = 1;
    GUEST("\x0f\x22\xd8");
    guest_check_exit(EXIT_CR_ACCESS);
}
END_TEST

START_TEST(masked_bits_are_shown_from_the_shadow)
{
    guest_set(c, VMCS_CR4_MASK, CR4_VMXE | CR4_PGE);
    guest_set(c, VMCS_CR4_SHADOW, CR4_PGE);
    guest_set(c, VMCS_CR0_MASK, CR0_TS);
    guest_launch(&b);
    GUEST("\x0f\x20\xe0"); /* mov %cr4,%rax */
    ck_assert_uint_eq(c->s.gpr[REG_RAX], CR4_PAE | CR4_PGE);
    GUEST("\x0f\x22\xe0"); /* and back: nothing differs from the shadow */
    guest_check_no_exit();
    ck_assert_uint_eq(c->s.cr4, CR4_PAE | CR4_VMXE);
    GUEST("\x0f\x06"); /* clts: the shadow is clear */
    guest_check_no_exit();
    c->s.vmx.cr0_shadow = CR0_TS;
    GUEST("\x0f\x06");
    guest_check_exit(EXIT_CR_ACCESS);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), QUAL_CLTS << 4);
}
END_TEST

START_TEST(absent_instructions_are_undefined)
{
    static const char *const bytes[] = {"\x0f\x01\xf9", "\x66\x0f\x38\x82\x08", VMFUNC}; /* rdtscp, invpcid */
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 0x8000;
    bare_put(&b, GUEST_CODE, bytes[_i], _i == 1 ? 5 : 3);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
    ck_assert_uint_eq(c->s.event_vector, VEC_UD);
}
END_TEST

START_TEST(privilege_comes_before_the_exit)
{
    guest_set_bits(c, PROC, PROC_UNCONDITIONAL_IO | PROC_RDTSC);
    mem_write(b.machine->mem, BARE_TSS + TSS_IOMAP, 2, TSS_BYTES); /* no I/O permission bitmap */
    guest_launch(&b);
    bare_enter_user(&b);
    GUEST("\xe4\x60");
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
    c->s.event_valid = 0;
    c->s.cr4 |= CR4_TSD;
    GUEST("\x0f\x31");
    ck_assert_uint_eq(c->s.event_vector, VEC_GP);
    c->s.event_valid = 0;
    GUEST(VMREAD_RCX_RBX); /* but VMX instructions exit first */
    guest_check_exit(EXIT_VMREAD);
}
END_TEST

/* ---- state ---- */

START_TEST(guest_state_goes_in_and_out)
{
    guest_set(c, VMCS_GUEST_FS_BASE, 0x1234000);
    guest_set(c, VMCS_GUEST_SYSENTER_ESP, 0x7000);
    guest_set(c, VMCS_HOST_GS_BASE, 0x5678000);
    guest_set(c, VMCS_GUEST_RFLAGS, FLAG_FIXED | FLAG_CF | FLAG_DF);
    guest_launch(&b);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], GUEST_STACK);
    ck_assert_uint_eq(c->s.seg[SEG_FS].base, 0x1234000);
    ck_assert_uint_eq(c->s.sysenter_esp, 0x7000);
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED | FLAG_CF | FLAG_DF);
    GUEST("\x48\x83\xec\x08"); /* sub $8,%rsp */
    GUEST(VMCALL);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RSP), GUEST_STACK - 8);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE + 4);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_CS_ACCESS_RIGHTS), SEG_ATTR_CODE64);
    ck_assert_uint_eq(c->s.seg[SEG_GS].base, 0x5678000);
    ck_assert_uint_eq(c->s.seg[SEG_ES].attr, AR_UNUSABLE);
    ck_assert_uint_eq(c->s.seg[SEG_TR].limit, 0x67);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_STACK);
    ck_assert_uint_eq(c->s.sysenter_esp, 0);
    ck_assert_uint_eq(c->s.dr[7], DR7_FIXED);
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED);
}
END_TEST

/* Rule E2: the phases of an entry and of an exit add up to their parameters. */
START_TEST(cycles_of_entry_and_exit)
{
    c->m->p.vm_entry_cycles = 361;
    c->m->p.vm_exit_cycles = 385;
    u64 before = c->s.count.stall_vmx, insns = c->s.count.insns;
    guest_launch(&b);
    ck_assert_uint_eq(c->s.count.stall_vmx - before, 361);
    ck_assert_uint_eq(c->s.count.insns, insns + 1);
    before = c->s.count.stall_vmx;
    insns = c->s.count.insns;
    GUEST(VMCALL);
    ck_assert_uint_eq(c->s.count.stall_vmx - before, 385);
    ck_assert_uint_eq(c->s.count.insns, insns);
    ck_assert_uint_eq(c->s.redirected, 1);
}
END_TEST

START_TEST(msr_lists)
{
    bare_set_u64(&b, GUEST_MSRS, MSR_TSC_AUX);
    bare_set_u64(&b, GUEST_MSRS + 8, 7);
    bare_set_u64(&b, GUEST_MSRS + 0x100, MSR_TSC_AUX);
    bare_set_u64(&b, GUEST_MSRS + 0x200, MSR_TSC_AUX);
    bare_set_u64(&b, GUEST_MSRS + 0x208, 9);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_ADDRESS, GUEST_MSRS);
    guest_set(c, VMCS_ENTRY_MSR_LOAD_COUNT, 1);
    guest_set(c, VMCS_EXIT_MSR_STORE_ADDRESS, GUEST_MSRS + 0x100);
    guest_set(c, VMCS_EXIT_MSR_STORE_COUNT, 1);
    guest_set(c, VMCS_EXIT_MSR_LOAD_ADDRESS, GUEST_MSRS + 0x200);
    guest_set(c, VMCS_EXIT_MSR_LOAD_COUNT, 1);
    guest_launch(&b);
    ck_assert_uint_eq(c->s.tsc_aux, 7);
    c->s.tsc_aux = 8;
    GUEST(VMCALL);
    ck_assert_uint_eq(bare_u64(&b, GUEST_MSRS + 0x108), 8);
    ck_assert_uint_eq(c->s.tsc_aux, 9);
}
END_TEST

/* 27.7: a list that cannot be worked off is a VMX abort, and the machine stops. */
START_TEST(vmx_abort)
{
    bare_set_u64(&b, GUEST_MSRS, 0x12345);
    guest_set(c, _i ? VMCS_EXIT_MSR_LOAD_ADDRESS : VMCS_EXIT_MSR_STORE_ADDRESS, GUEST_MSRS);
    guest_set(c, _i ? VMCS_EXIT_MSR_LOAD_COUNT : VMCS_EXIT_MSR_STORE_COUNT, 0xffffffff >> 8);
    guest_launch(&b);
    GUEST(VMCALL);
    ck_assert_uint_eq(c->m->b.halted, HALT_VMX_ABORT);
    ck_assert_ptr_nonnull(strstr(rs_halt_text(c->m), _i ? "could not be loaded" : "could not be saved"));
    ck_assert_uint_eq(mem_read(b.machine->mem, GUEST_VMCS + VMCS_ABORT, 4),
                      _i ? VMX_ABORT_MSR_LOAD : VMX_ABORT_MSR_SAVE);
}
END_TEST

/* ---- EPT, VPID ---- */

enum { EPT_ROOT = 0x9a000, HOLE = 0x600000 }; /* 2 MiB pages map the first 8 MiB but the hole */

static void use_ept(u64 hole)
{
    bare_set_u64(&b, EPT_ROOT, (EPT_ROOT + 0x1000) | EPT_RWX);
    bare_set_u64(&b, EPT_ROOT + 0x1000, (EPT_ROOT + 0x2000) | EPT_RWX);
    for (u64 i = 0; i < 3; i++)
        bare_set_u64(&b, EPT_ROOT + 0x2000 + 8 * i, i << 21 | EPT_RWX | EPT_PS | EPT_WB);
    bare_set_u64(&b, EPT_ROOT + 0x2018, hole);
    guest_set_bits(c, PROC, PROC_SECONDARY);
    guest_set_bits(c, PROC2, PROC2_EPT);
    guest_set(c, VMCS_EPTP, EPT_ROOT | EPTP_WB | EPTP_WALK_4);
}

#define STORE_RAX "\x48\x89\x00"

/* Nothing there; read-only; W without R. */
START_TEST(ept_violation_and_misconfiguration)
{
    static const u64 hole[] = {0, HOLE | EPT_R | EPT_PS | EPT_WB, HOLE | EPT_W | EPT_PS | EPT_WB};
    use_ept(hole[_i]);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = HOLE + 0x123450;
    GUEST(STORE_RAX);
    guest_check_exit(_i == 2 ? EXIT_EPT_MISCONFIG : EXIT_EPT_VIOLATION);
    u64 want =
        QUAL_EPT_WRITE | QUAL_EPT_LINEAR_VALID | QUAL_EPT_TRANSLATED | (_i == 1 ? QUAL_EPT_READABLE : 0);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_PHYSICAL_ADDRESS), HOLE + 0x123450);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_QUALIFICATION), _i == 2 ? 0 : want);
    if (_i < 2)
        ck_assert_uint_eq(guest_get(c, VMCS_GUEST_LINEAR_ADDRESS), HOLE + 0x123450);
    ck_assert_uint_eq(guest_get(c, VMCS_GUEST_RIP), GUEST_CODE);
}
END_TEST

START_TEST(ept_violation_while_an_event_is_delivered)
{
    use_ept(0);
    guest_set(c, VMCS_GUEST_IDTR_BASE, HOLE);
    guest_launch(&b);
    c->s.gpr[REG_RAX] = 0x1230;
    GUEST("\x8e\xd8"); /* mov %eax,%ds: #GP(1230H) */
    bare_atoms(&b, 1);
    guest_check_exit(EXIT_EPT_VIOLATION);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_INFO),
                      INTR_INFO(VEC_GP, EVENT_HARD_EXCEPTION) | INTR_HAS_ERROR);
    ck_assert_uint_eq(guest_get(c, VMCS_IDT_VECTORING_ERROR), 0x1230);
    ck_assert_uint_eq(guest_get(c, VMCS_EXIT_INSN_LENGTH), 0);
}
END_TEST

static unsigned flushes[FLUSH_CAUSES];

static void count_flush(const struct rs_event *event, void *arg)
{
    (void)arg;
    flushes[event->field[0]]++;
}

/* 28.3.3.1: entry and exit drop the mappings of VPID 0, unless VPIDs are enabled. */
START_TEST(vpid_spares_the_tlb)
{
    flushes[FLUSH_VM_ENTRY] = flushes[FLUSH_VM_EXIT] = 0;
    rs_watch(b.world, RS_PROBE_tlb_flush, true, count_flush, NULL);
    if (_i) {
        guest_set_bits(c, PROC, PROC_SECONDARY);
        guest_set(c, PROC2, PROC2_VPID);
        guest_set(c, VMCS_VPID, 5);
    }
    guest_launch(&b);
    GUEST(VMCALL);
    guest_check_exit(EXIT_VMCALL);
    ck_assert_uint_eq(flushes[FLUSH_VM_ENTRY], !_i);
    ck_assert_uint_eq(flushes[FLUSH_VM_EXIT], !_i);
}
END_TEST

/* ---- probes and micros ---- */

static struct rs_event last_event;

static void keep_event(const struct rs_event *event, void *arg)
{
    (void)arg;
    last_event = *event;
}

START_TEST(probes_tell)
{
    rs_watch(b.world, RS_PROBE_vm_entry, true, keep_event, NULL);
    rs_watch(b.world, RS_PROBE_vm_exit, true, keep_event, NULL);
    guest_launch(&b);
    ck_assert_int_eq(last_event.probe, RS_PROBE_vm_entry);
    ck_assert_uint_eq(last_event.field[0], 1);
    ck_assert(last_event.guest);
    GUEST("\x0f\xa2");
    ck_assert_int_eq(last_event.probe, RS_PROBE_vm_exit);
    ck_assert(!last_event.guest);
    ck_assert_uint_eq(last_event.field[1], EXIT_CPUID);
    ck_assert_uint_eq(last_event.field[5], GUEST_CODE);
    ck_assert_uint_ge(last_event.field[6], c->m->p.vm_exit_cycles);
}
END_TEST

/* A run may end at each micro of a launch: its four phases, the flush's report apart, and the entry. */
static bool launch_up_to(u64 micro)
{
    bare_put(&b, c->s.rip, VMLAUNCH, 3);
    c->rt.atom.micro_stop = micro;
    return cpu_atom(c) == ATOM_STOPPED;
}

START_TEST(stops_at_each_micro)
{
    u64 k = 1, last = 0;
    for (; launch_up_to(k); k++) {
        ck_assert_uint_eq(c->rt.atom.micro, k);
        ck_assert(c->s.count.stall_vmx >= last);
        last = c->s.count.stall_vmx;
        bare_close(&b);
        guest_set_up();
    }
    ck_assert_uint_ge(k, 6);
    ck_assert_uint_eq(c->s.vmx_guest, 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx exits");
    TCase *t = tcase_create("exits");
    tcase_add_checked_fixture(t, guest_set_up, guest_tear_down);
    tcase_add_loop_test(t, instruction_exits, 0, INTERCEPTS);
    tcase_add_loop_test(t, no_exit_without_the_control, 0, INTERCEPTS);
    tcase_add_loop_test(t, msr_bitmaps, 0, 4);
    tcase_add_test(t, msrs_beyond_the_bitmap_exit);
    tcase_add_test(t, io_bitmaps);
    tcase_add_test(t, cr3_targets);
    tcase_add_test(t, masked_bits_are_shown_from_the_shadow);
    tcase_add_loop_test(t, absent_instructions_are_undefined, 0, 3);
    tcase_add_test(t, privilege_comes_before_the_exit);
    tcase_add_test(t, guest_state_goes_in_and_out);
    tcase_add_test(t, cycles_of_entry_and_exit);
    tcase_add_test(t, msr_lists);
    tcase_add_loop_test(t, vmx_abort, 0, 2);
    tcase_add_loop_test(t, ept_violation_and_misconfiguration, 0, 3);
    tcase_add_test(t, ept_violation_while_an_event_is_delivered);
    tcase_add_loop_test(t, vpid_spares_the_tlb, 0, 2);
    tcase_add_test(t, probes_tell);
    tcase_add_test(t, stops_at_each_micro);
    suite_add_tcase(s, t);
    return suite_run(s);
}
