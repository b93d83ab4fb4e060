/* test_system.c - control registers, MSRs, CPUID, segments, ports and far transfers, by the instructions
 * themselves. */
#include "cpu/cpu.h"
#include "lib/bare.h"
#include "lib/suite.h"
#include "mmu/mem.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct bare b;
static struct core *c;

static void set_up(void)
{
    bare_open(&b, RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK);
    c = b.core;
}

static void tear_down(void)
{
    bare_close(&b);
}

#define NO_FAULT 256

/* Runs one instruction at RIP; the vector of its fault, or NO_FAULT. */
static unsigned run(const char *bytes, size_t n)
{
    c->s.event_valid = 0;
    bare_put(&b, c->s.rip, bytes, n);
    bare_atoms(&b, 1);
    return c->s.event_valid ? (unsigned)c->s.event_vector : NO_FAULT;
}

#define RUN(bytes)            run(bytes, sizeof(bytes) - 1)
#define RUNS(bytes)           ck_assert_uint_eq(RUN(bytes), NO_FAULT)
#define FAULTS(bytes, vector) ck_assert_uint_eq(RUN(bytes), (vector))

static void set_rax(u64 value)
{
    c->s.gpr[REG_RAX] = value;
}

static u64 rax(void)
{
    return c->s.gpr[REG_RAX];
}

#define MOV_CR0_RAX "\x0f\x22\xc0"
#define MOV_RAX_CR0 "\x0f\x20\xc0"
#define MOV_CR3_RAX "\x0f\x22\xd8"
#define MOV_CR4_RAX "\x0f\x22\xe0"
#define MOV_CR8_RAX "\x44\x0f\x22\xc0"
#define MOV_RAX_CR8 "\x44\x0f\x20\xc0"

/* ---- control registers ---- */

static const struct {
    u64 set, clear;
    unsigned fault;
} cr0_write[] = {
    {CR0_WP, 0, NO_FAULT},
    {CR0_TS, 0, NO_FAULT},
    {0, CR0_PE, VEC_GP},
    {0, CR0_PG, VEC_GP},
    {CR0_NW, 0, VEC_GP},
    {CR0_CD, 0, NO_FAULT},
    {CR0_CD | CR0_NW, 0, NO_FAULT},
    {(u64)1 << 32, 0, VEC_GP},
};

START_TEST(cr0_writes)
{
    u64 old = c->s.cr0;
    u64 new = (old & ~cr0_write[_i].clear) | cr0_write[_i].set;

    set_rax(new);
    FAULTS(MOV_CR0_RAX, cr0_write[_i].fault);
    ck_assert_uint_eq(c->s.cr0, cr0_write[_i].fault == NO_FAULT ? new : old);
}
END_TEST

START_TEST(cr0_reserved_bits_stay_clear)
{
    set_rax(c->s.cr0 | 0x40);
    RUNS(MOV_CR0_RAX);
    RUNS(MOV_RAX_CR0);
    ck_assert_uint_eq(rax() & 0x40, 0);
}
END_TEST

static const struct {
    u64 set, clear;
    unsigned fault;
} cr4_write[] = {
    {CR4_PGE | CR4_SMEP, 0, NO_FAULT},
    {CR4_VMXE, 0, NO_FAULT},
    {CR4_UMIP, 0, NO_FAULT},
    {0, CR4_PAE, VEC_GP},
    {CR4_LA57, 0, VEC_GP},
    {CR4_OSXSAVE, 0, VEC_GP},
    {CR4_FSGSBASE, 0, VEC_GP},
    {(u64)1 << 40, 0, VEC_GP},
    {CR4_PCIDE, 0, NO_FAULT},
};

START_TEST(cr4_writes)
{
    u64 old = c->s.cr4;
    u64 new = (old & ~cr4_write[_i].clear) | cr4_write[_i].set;

    set_rax(new);
    FAULTS(MOV_CR4_RAX, cr4_write[_i].fault);
    ck_assert_uint_eq(c->s.cr4, cr4_write[_i].fault == NO_FAULT ? new : old);
}
END_TEST

START_TEST(cr3_writes)
{
    set_rax((u64)1 << PHYS_BITS | BARE_PML4);
    FAULTS(MOV_CR3_RAX, VEC_GP);
    set_rax(CR3_NOFLUSH | BARE_PML4);
    FAULTS(MOV_CR3_RAX, VEC_GP); /* bit 63 means something with PCIDE alone */
    set_rax(c->s.cr4 | CR4_PCIDE);
    RUNS(MOV_CR4_RAX);
    set_rax(CR3_NOFLUSH | BARE_PML4 | 5);
    RUNS(MOV_CR3_RAX);
    ck_assert_uint_eq(c->s.cr3, BARE_PML4 | 5);
}
END_TEST

START_TEST(pcide_needs_pcid_0)
{
    set_rax(BARE_PML4 | CR3_PCD);
    RUNS(MOV_CR3_RAX);
    set_rax(c->s.cr4 | CR4_PCIDE);
    FAULTS(MOV_CR4_RAX, VEC_GP);
}
END_TEST

START_TEST(cr8_is_task_priority)
{
    set_rax(7);
    RUNS(MOV_CR8_RAX);
    ck_assert_uint_eq(apic_read(c, 0x80), 0x70);
    set_rax(0);
    RUNS(MOV_RAX_CR8);
    ck_assert_uint_eq(rax(), 7);
    set_rax(16);
    FAULTS(MOV_CR8_RAX, VEC_GP);
}
END_TEST

START_TEST(cr1_is_undefined)
{
    FAULTS("\x0f\x20\xc8", VEC_UD);
    FAULTS("\x0f\x22\xe8", VEC_UD); /* CR5 */
}
END_TEST

/* Guest/host masks: a guest reads the shadow of what the host owns and cannot write it. */
START_TEST(masks_in_non_root)
{
    c->s.vmx_on = c->s.vmx_guest = 1;
    c->s.cr4 |= CR4_VMXE;
    c->s.vmx.cr0_mask = CR0_TS;
    c->s.vmx.cr0_shadow = CR0_TS;
    ck_assert_uint_eq(sys_read_cr(c, 0), c->s.cr0 | CR0_TS);
    sys_write_cr(c, 0, c->s.cr0 | CR0_TS | CR0_WP);
    ck_assert_uint_eq(c->s.cr0 & (CR0_TS | CR0_WP), CR0_WP);
    c->s.vmx.cr4_mask = CR4_VMXE;
    ck_assert_uint_eq(sys_read_cr(c, 4) & CR4_VMXE, 0);
    sys_write_cr(c, 4, CR4_PAE);
    ck_assert_uint_eq(c->s.cr4, CR4_PAE | CR4_VMXE);
}
END_TEST

START_TEST(machine_status_word)
{
    set_rax(CR0_MP | CR0_TS); /* no PE: it stays */
    RUNS("\x0f\x01\xf0");     /* lmsw %ax */
    ck_assert_uint_eq(c->s.cr0 & 0xf, CR0_PE | CR0_MP | CR0_TS);
    RUNS("\x0f\x06"); /* clts */
    ck_assert_uint_eq(c->s.cr0 & 0xf, CR0_PE | CR0_MP);
    set_rax(~(u64)0);
    RUNS("\x66\x0f\x01\xe0"); /* smsw %ax */
    ck_assert_uint_eq(rax(), ~(u64)0xffff | (c->s.cr0 & 0xffff));
    RUNS("\x0f\x01\xe0"); /* smsw %eax */
    ck_assert_uint_eq(rax(), c->s.cr0);
}
END_TEST

/* ---- debug registers ---- */

START_TEST(debug_registers)
{
    set_rax(~(u64)0);
    FAULTS("\x0f\x23\xf8", VEC_GP); /* DR7: upper half */
    set_rax(0xffffffff & ~(u64)DR7_GD);
    RUNS("\x0f\x23\xf8");
    ck_assert_uint_eq(c->s.dr[7], 0xffff07ff);
    set_rax(0);
    RUNS("\x0f\x23\xe0"); /* DR4 is DR6 */
    ck_assert_uint_eq(c->s.dr[6], DR6_FIXED);
    c->s.cr4 |= CR4_DE;
    FAULTS("\x0f\x23\xe0", VEC_UD);
    c->s.dr[7] |= DR7_GD;
    FAULTS("\x0f\x21\xf0", VEC_DB);
    bare_atoms(&b, 1);
    ck_assert_uint_eq(c->s.dr[6], DR6_FIXED | DR6_BD);
    ck_assert_uint_eq(c->s.dr[7] & DR7_GD, 0);
}
END_TEST

/* ---- MSRs ---- */

static bool writes(u32 msr, u64 value)
{
    return sys_write_msr(c, msr, value);
}

static u64 reads(u32 msr)
{
    u64 value = 0;

    ck_assert(sys_read_msr(c, msr, &value));
    return value;
}

#define NOT_CANONICAL ((u64)1 << 47)

static const struct {
    u32 msr;
    u64 good, bad;
} msr_write[] = {
    {MSR_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE, EFER_SCE},
    {MSR_EFER, EFER_LME | EFER_LMA, EFER_LME | 1 << 12},
    {MSR_LSTAR, 0xffff800000000000, NOT_CANONICAL},
    {MSR_FS_BASE, 0x7fffffffffff, NOT_CANONICAL},
    {MSR_KERNEL_GS_BASE, 1, NOT_CANONICAL},
    {MSR_FMASK, 0xffffffff, (u64)1 << 32},
    {MSR_TSC_AUX, 7, (u64)1 << 32},
    {MSR_PAT, 0x0606040400010507, 2},
    {MSR_DEBUGCTL, 0, 1},
};

START_TEST(msr_writes)
{
    ck_assert(writes(msr_write[_i].msr, msr_write[_i].good));
    ck_assert_uint_eq(reads(msr_write[_i].msr), msr_write[_i].good);
    ck_assert(!writes(msr_write[_i].msr, msr_write[_i].bad));
    ck_assert_uint_eq(reads(msr_write[_i].msr), msr_write[_i].good);
}
END_TEST

START_TEST(unknown_msr)
{
    c->s.gpr[REG_RCX] = 0x12345;
    FAULTS("\x0f\x32", VEC_GP);
    FAULTS("\x0f\x30", VEC_GP);
}
END_TEST

START_TEST(rdmsr_wrmsr)
{
    c->s.gpr[REG_RCX] = 0xffffffff00000000 | MSR_LSTAR; /* the upper half does not count */
    c->s.gpr[REG_RDX] = 0x1234500001234;
    set_rax(0xabcdef01);
    RUNS("\x0f\x30");
    ck_assert_uint_eq(c->s.lstar, 0x00001234abcdef01);
    RUNS("\x0f\x32");
    ck_assert_uint_eq(rax(), 0xabcdef01);
    ck_assert_uint_eq(c->s.gpr[REG_RDX], 0x1234);
}
END_TEST

START_TEST(tsc)
{
    u64 before = tsc_now(c);

    ck_assert(writes(MSR_TSC, before + 1000));
    ck_assert_uint_eq(reads(MSR_TSC_ADJUST), 1000);
    ck_assert(writes(MSR_TSC_ADJUST, 0));
    ck_assert_uint_eq(reads(MSR_TSC), before);
    c->s.cr4 |= CR4_TSD;
    RUNS("\x0f\x31"); /* ring 0 may */
    ck_assert_uint_ge(rax(), before);
    bare_enter_user(&b);
    FAULTS("\x0f\x31", VEC_GP);
}
END_TEST

START_TEST(feature_control_is_locked)
{
    ck_assert_uint_eq(reads(MSR_FEATURE_CONTROL), FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX);
    ck_assert(!writes(MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCK));
}
END_TEST

START_TEST(feature_control_lock_survives_reset)
{
    tear_down();
    bare_open(&b, RS_FW_VTX | RS_FW_XD | RS_FW_EPT); /* firmware leaves it open */
    c = b.core;
    ck_assert(writes(MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCK)); /* VMX off, for good */
    cpu_reset(c);
    ck_assert_uint_eq(reads(MSR_FEATURE_CONTROL), FEATURE_CONTROL_LOCK);
    ck_assert(!writes(MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX));
    cpu_power_on(c);
    ck_assert_uint_eq(reads(MSR_FEATURE_CONTROL), FEATURE_CONTROL_VMX);
}
END_TEST

/* ---- CPUID ---- */

START_TEST(cpuid_matches_what_there_is)
{
    u32 r[4];

    sys_cpuid(c, 0, 0, r);
    ck_assert_uint_eq(r[0], 0x15);
    ck_assert(!memcmp(&r[1], "Genu", 4) && !memcmp(&r[3], "ineI", 4) && !memcmp(&r[2], "ntel", 4));
    sys_cpuid(c, 1, 0, r);
    ck_assert_uint_ne(r[2] & CPUID_1_ECX_VMX, 0);
    ck_assert_uint_eq(r[3] & 1, 0); /* no x87 */
    sys_cpuid(c, 0x15, 0, r);
    ck_assert_uint_eq((u64)r[2] * r[1] / r[0], b.machine->p.hz);
    sys_cpuid(c, 0x80000008, 0, r);
    ck_assert_uint_eq(r[0], PHYS_BITS | 48 << 8);
    sys_cpuid(c, 0x80000001, 0, r);
    ck_assert_uint_ne(r[3] & CPUID_EXT1_EDX_NX, 0);
    u32 last[4], beyond[4];
    sys_cpuid(c, 0x15, 0, last);
    sys_cpuid(c, 0x40000000, 0, beyond);
    ck_assert(!memcmp(last, beyond, sizeof last));
}
END_TEST

START_TEST(firmware_takes_features_away)
{
    u32 r[4];

    tear_down();
    bare_open(&b, 0);
    c = b.core;
    sys_cpuid(c, 1, 0, r);
    ck_assert_uint_eq(r[2] & CPUID_1_ECX_VMX, 0);
    sys_cpuid(c, 0x80000001, 0, r);
    ck_assert_uint_eq(r[3] & CPUID_EXT1_EDX_NX, 0);
    ck_assert(!writes(MSR_EFER, EFER_LME | EFER_NXE));
    set_rax(c->s.cr4 | CR4_VMXE);
    FAULTS(MOV_CR4_RAX, VEC_GP);
    ck_assert(writes(MSR_MISC_ENABLE, MISC_ENABLE_FAST_STRINGS)); /* software may enable XD again */
    ck_assert(writes(MSR_EFER, EFER_LME | EFER_NXE));
}
END_TEST

/* ---- segments ---- */

static const struct {
    unsigned selector, fault, error;
} ss_load[] = {
    {BARE_DS0, NO_FAULT, 0},
    {0, NO_FAULT, 0},
    {3, VEC_GP, 0},
    {BARE_DS0 | 3, VEC_GP, BARE_DS0},
    {BARE_CS0, VEC_GP, BARE_CS0},
    {BARE_DS3, VEC_GP, BARE_DS3 & ~3},
    {BARE_DS3 & ~3, VEC_GP, BARE_DS3 & ~3},
    {0x14, VEC_GP, 0x14},
};

START_TEST(mov_to_ss)
{
    set_rax(ss_load[_i].selector);
    FAULTS("\x8e\xd0", ss_load[_i].fault);
    if (ss_load[_i].fault == NO_FAULT) {
        ck_assert_uint_eq(c->s.seg[SEG_SS].selector, ss_load[_i].selector);
        ck_assert_uint_eq(c->s.shadow_ss, 1);
        ck_assert_uint_eq(cpl(c), 0);
    } else {
        ck_assert_uint_eq(c->s.event_error, ss_load[_i].error);
    }
}
END_TEST

START_TEST(mov_to_cs_is_undefined)
{
    FAULTS("\x8e\xc8", VEC_UD);
    FAULTS("\x8e\xf0", VEC_UD);
}
END_TEST

START_TEST(fs_and_its_base)
{
    bare_set_u64(&b, BARE_GDT + BARE_DS0, (DESC_DATA & ~DESC_ACCESSED) | (u64)0x345678 << 16);
    set_rax(BARE_DS0);
    RUNS("\x8e\xe0"); /* mov %eax,%fs */
    ck_assert_uint_eq(c->s.seg[SEG_FS].base, 0x345678);
    ck_assert_uint_ne(bare_u64(&b, BARE_GDT + BARE_DS0) & DESC_ACCESSED, 0);
    RUNS("\x0f\xa0\x0f\xa9"); /* push %fs */
    RUNS("\x0f\xa9");         /* pop %gs */
    ck_assert_uint_eq(c->s.seg[SEG_GS].base, 0x345678);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_STACK);
    set_rax(0);
    RUNS("\x8e\xe0");
    ck_assert_uint_eq(c->s.seg[SEG_FS].base, 0);
}
END_TEST

START_TEST(task_register)
{
    set_rax(BARE_TSS_FREE);
    RUNS("\x0f\x00\xd8"); /* ltr %ax */
    ck_assert_uint_eq(c->s.seg[SEG_TR].selector, BARE_TSS_FREE);
    ck_assert_uint_eq(c->s.seg[SEG_TR].base, BARE_TSS);
    ck_assert_uint_eq(c->s.seg[SEG_TR].attr & SEG_TYPE, SYS_TSS_BUSY);
    FAULTS("\x0f\x00\xd8", VEC_GP); /* busy now */
    ck_assert_uint_eq(c->s.event_error, BARE_TSS_FREE);
    RUNS("\x0f\x00\xc8"); /* str %eax */
    ck_assert_uint_eq(rax(), BARE_TSS_FREE);
    set_rax(BARE_LDT);
    RUNS("\x0f\x00\xd0"); /* lldt */
    ck_assert_uint_eq(c->s.seg[SEG_LDTR].attr, SEG_ATTR_LDT);
    set_rax(0);
    RUNS("\x0f\x00\xd0");
    ck_assert_uint_ne(c->s.seg[SEG_LDTR].attr & SEG_UNUSABLE, 0);
}
END_TEST

START_TEST(descriptor_tables)
{
    set_rax(BARE_CODE + 0x100);
    RUNS("\x0f\x01\x00"); /* sgdt (%rax) */
    ck_assert_uint_eq(bare_u64(&b, BARE_CODE + 0x102), BARE_GDT);
    ck_assert_uint_eq(bare_u64(&b, BARE_CODE + 0x100) & 0xffff, BARE_GDT_BYTES - 1);
    RUNS("\x0f\x01\x18"); /* lidt (%rax) */
    ck_assert_uint_eq(c->s.idtr_base, BARE_GDT);
    bare_set_u64(&b, BARE_CODE + 0x102, NOT_CANONICAL);
    FAULTS("\x0f\x01\x10", VEC_GP); /* lgdt */
    ck_assert_uint_eq(c->s.gdtr_base, BARE_GDT);
    c->s.cr4 |= CR4_UMIP;
    bare_enter_user(&b);
    set_rax(BARE_USER + 0x100);
    FAULTS("\x0f\x01\x00", VEC_GP);
}
END_TEST

static const struct {
    unsigned selector;
    bool lar, lsl, verr, verw;
    u64 limit;
} ask[] = {
    {BARE_DS0, true, true, true, true, 0xffffffff},     {BARE_CS0, true, true, true, false, 0xffffffff},
    {BARE_TR, true, true, false, false, TSS_BYTES - 1}, {0, false, false, false, false, 0},
    {BARE_DS0 | 3, false, false, false, false, 0},      {0x1000, false, false, false, false, 0},
};

START_TEST(asking)
{
    c->s.gpr[REG_RCX] = ask[_i].selector;
    RUNS("\x0f\x02\xc1"); /* lar %ecx,%eax */
    ck_assert_uint_eq(!!(c->s.rflags & FLAG_ZF), ask[_i].lar);
    RUNS("\x0f\x03\xc1"); /* lsl %ecx,%eax */
    ck_assert_uint_eq(!!(c->s.rflags & FLAG_ZF), ask[_i].lsl);
    if (ask[_i].lsl)
        ck_assert_uint_eq(rax(), ask[_i].limit);
    RUNS("\x0f\x00\xe1"); /* verr %cx */
    ck_assert_uint_eq(!!(c->s.rflags & FLAG_ZF), ask[_i].verr);
    RUNS("\x0f\x00\xe9"); /* verw %cx */
    ck_assert_uint_eq(!!(c->s.rflags & FLAG_ZF), ask[_i].verw);
}
END_TEST

/* ---- far transfers ---- */

static void push(u64 value)
{
    c->s.gpr[REG_RSP] -= 8;
    bare_set_u64(&b, c->s.gpr[REG_RSP], value);
}

static void far_frame(u64 ss, u64 rsp, u64 cs, u64 rip)
{
    push(ss);
    push(rsp);
    push(cs);
    push(rip);
}

START_TEST(retfq_reloads_cs)
{
    far_frame(0, 0, BARE_CS0, BARE_CODE + 0x80);
    RUNS("\x48\xcb");
    ck_assert_uint_eq(c->s.rip, BARE_CODE + 0x80);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_STACK - 16);
}
END_TEST

START_TEST(retfq_to_ring_3)
{
    far_frame(BARE_DS3, BARE_USER_STACK, BARE_CS3, BARE_USER);
    RUNS("\x48\xcb");
    ck_assert_uint_eq(cpl(c), 3);
    ck_assert_uint_eq(c->s.rip, BARE_USER);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], BARE_USER_STACK);
}
END_TEST

static const struct {
    u64 cs, ss, rip;
    unsigned fault, error;
} bad_return[] = {
    {0, BARE_DS0, BARE_CODE, VEC_GP, 0},
    {BARE_CS_COMPAT, BARE_DS0, BARE_CODE, VEC_GP, BARE_CS_COMPAT},
    {BARE_CS_ABSENT, BARE_DS0, BARE_CODE, VEC_NP, BARE_CS_ABSENT},
    {BARE_DS0, BARE_DS0, BARE_CODE, VEC_GP, BARE_DS0},
    {BARE_CS0, BARE_DS0, NOT_CANONICAL, VEC_GP, 0},
    {BARE_CS3, BARE_DS0, BARE_USER, VEC_GP, BARE_DS0},
    {BARE_CS3, 3, BARE_USER, VEC_GP, 0},
};

START_TEST(bad_returns)
{
    push(bad_return[_i].ss);
    push(BARE_STACK);
    push(FLAG_FIXED);
    push(bad_return[_i].cs);
    push(bad_return[_i].rip);
    u64 rsp = c->s.gpr[REG_RSP];
    FAULTS("\x48\xcf", bad_return[_i].fault);
    ck_assert_uint_eq(c->s.event_error, bad_return[_i].error);
    ck_assert_uint_eq(c->s.gpr[REG_RSP], rsp);
    ck_assert_uint_eq(c->s.seg[SEG_CS].selector, BARE_CS0);
}
END_TEST

START_TEST(far_jump_and_call)
{
    bare_set_u64(&b, BARE_CODE + 0x100, BARE_CODE + 0x40);
    bare_set_u64(&b, BARE_CODE + 0x108, BARE_CS0);
    set_rax(BARE_CODE + 0x100);
    RUNS("\x48\xff\x28"); /* ljmpq *(%rax) */
    ck_assert_uint_eq(c->s.rip, BARE_CODE + 0x40);
    RUNS("\x48\xff\x18"); /* lcallq *(%rax) */
    ck_assert_uint_eq(bare_u64(&b, c->s.gpr[REG_RSP]), BARE_CODE + 0x43);
    ck_assert_uint_eq(bare_u64(&b, c->s.gpr[REG_RSP] + 8), BARE_CS0);
}
END_TEST

START_TEST(system_call_and_back)
{
    c->s.star = (u64)(BARE_DS0 | 3) << 48 | (u64)BARE_CS0 << 32;
    c->s.lstar = BARE_CODE + 0x200;
    c->s.fmask = FLAG_IF | FLAG_DF;
    bare_enter_user(&b);
    c->s.rflags = FLAG_FIXED | FLAG_IF | FLAG_CF;
    RUNS("\x0f\x05");
    ck_assert_uint_eq(cpl(c), 0);
    ck_assert_uint_eq(c->s.rip, BARE_CODE + 0x200);
    ck_assert_uint_eq(c->s.gpr[REG_RCX], BARE_USER + 2);
    ck_assert_uint_eq(c->s.gpr[REG_R11], FLAG_FIXED | FLAG_IF | FLAG_CF);
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED | FLAG_CF);
    ck_assert_uint_eq(c->s.seg[SEG_SS].selector, BARE_DS0);
    FAULTS("\x0f\x07", VEC_GP); /* to compatibility mode, which is absent */
    RUNS("\x48\x0f\x07");
    ck_assert_uint_eq(cpl(c), 3);
    ck_assert_uint_eq(c->s.rip, BARE_USER + 2);
    ck_assert_uint_eq(c->s.seg[SEG_CS].selector, BARE_CS3);
    ck_assert_uint_eq(c->s.seg[SEG_SS].selector, BARE_DS3);
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED | FLAG_IF | FLAG_CF);
    ck_assert(writes(MSR_EFER, EFER_LME));
    FAULTS("\x0f\x05", VEC_UD);
}
END_TEST

START_TEST(swap_gs)
{
    c->s.seg[SEG_GS].base = 1;
    c->s.kernel_gs_base = 2;
    RUNS("\x0f\x01\xf8");
    ck_assert_uint_eq(c->s.seg[SEG_GS].base, 2);
    ck_assert_uint_eq(c->s.kernel_gs_base, 1);
    bare_enter_user(&b);
    FAULTS("\x0f\x01\xf8", VEC_GP);
}
END_TEST

/* ---- flags and ports ---- */

START_TEST(popf_by_privilege)
{
    push(FLAG_IOPL | FLAG_IF | FLAG_RF | FLAG_CF);
    RUNS("\x9d");
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED | FLAG_IOPL | FLAG_IF | FLAG_CF);
    bare_enter_user(&b);
    push(FLAG_ZF);
    RUNS("\x9d"); /* IOPL 3: IF may change, IOPL not */
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED | FLAG_IOPL | FLAG_ZF);
    c->s.rflags = FLAG_FIXED | FLAG_IF;
    push(FLAG_IOPL);
    RUNS("\x9d");
    ck_assert_uint_eq(c->s.rflags, FLAG_FIXED | FLAG_IF);
    FAULTS("\xfa", VEC_GP);
}
END_TEST

START_TEST(ports_by_privilege)
{
    mem_write(b.machine->mem, BARE_TSS + TSS_IOMAP, 2, TSS_BYTES);
    c->s.seg[SEG_TR].limit = TSS_BYTES + 0x100;
    bare_set_u64(&b, BARE_TSS + TSS_BYTES + 8, ~((u64)1 << 0x13)); /* of ports 40H..7FH port 53H is free */
    bare_enter_user(&b);
    c->s.gpr[REG_RDX] = 0x53;
    RUNS("\xec");           /* in (%dx),%al */
    FAULTS("\xed", VEC_GP); /* in (%dx),%eax: four ports */
    c->s.gpr[REG_RDX] = 0x50;
    FAULTS("\xee", VEC_GP);
    c->s.seg[SEG_TR].limit = TSS_BYTES - 1;
    c->s.gpr[REG_RDX] = 0x53;
    FAULTS("\xec", VEC_GP); /* no bitmap */
    c->s.rflags |= FLAG_IOPL;
    RUNS("\xec");
    ck_assert_uint_eq(rax() & 0xff, 0xff);
}
END_TEST

/* One byte an atom, to the debug console. */
START_TEST(rep_outs)
{
    size_t n;

    bare_put(&b, BARE_CODE + 0x100, "abc", 3);
    c->s.gpr[REG_RSI] = BARE_CODE + 0x100;
    c->s.gpr[REG_RCX] = 3;
    c->s.gpr[REG_RDX] = 0xe9;
    RUNS("\xf3\x6e");
    ck_assert_uint_eq(c->s.rip, BARE_CODE);
    ck_assert_uint_eq(c->s.gpr[REG_RCX], 2);
    bare_atoms(&b, 2);
    ck_assert_uint_eq(c->s.rip, BARE_CODE + 2);
    const u8 *text = rs_console(b.machine, 2, &n);
    ck_assert_uint_eq(n, 3);
    ck_assert(!memcmp(text, "abc", 3));
}
END_TEST

START_TEST(rep_ins)
{
    c->s.gpr[REG_RDI] = BARE_CODE + 0x101;
    c->s.gpr[REG_RCX] = 2;
    c->s.gpr[REG_RDX] = 0x80; /* nobody: ones */
    c->s.rflags |= FLAG_DF;
    RUNS("\xf3\x6c");
    bare_atoms(&b, 1);
    ck_assert_uint_eq(bare_u64(&b, BARE_CODE + 0x100) & 0xffffff, 0x00ffff);
    ck_assert_uint_eq(c->s.gpr[REG_RDI], BARE_CODE + 0xff);
}
END_TEST

START_TEST(ring_3_may_not)
{
    static const char insn[][4] = {"\xf4",         "\x0f\x22\xc0", "\x0f\x30",
                                   "\x0f\x01\x38", "\x0f\x09",     "\x0f\x06"};

    bare_enter_user(&b);
    for (unsigned i = 0; i < sizeof insn / sizeof *insn; i++)
        ck_assert_uint_eq(run(insn[i], 3), VEC_GP);
}
END_TEST

/* ---- translations ---- */

START_TEST(invpcid_operands)
{
    c->s.gpr[REG_RCX] = BARE_CODE + 0x100;
    for (u64 type = 0; type <= 4; type++) {
        set_rax(type);
        FAULTS("\x66\x0f\x38\x82\x01", type <= 3 ? NO_FAULT : VEC_GP);
    }
    bare_set_u64(&b, BARE_CODE + 0x100, 5); /* a PCID without PCIDE */
    set_rax(1);
    FAULTS("\x66\x0f\x38\x82\x01", VEC_GP);
    bare_set_u64(&b, BARE_CODE + 0x100, 0);
    bare_set_u64(&b, BARE_CODE + 0x108, NOT_CANONICAL);
    set_rax(0);
    FAULTS("\x66\x0f\x38\x82\x01", VEC_GP);
}
END_TEST

/* After INVLPG the page is walked again. */
START_TEST(invlpg_drops_the_page)
{
    set_rax(BARE_USER);
    RUNS("\x48\x8b\x08"); /* mov (%rax),%rcx */
    u64 walks = c->s.count.walks;
    RUNS("\x48\x8b\x08");
    ck_assert_uint_eq(c->s.count.walks, walks);
    RUNS("\x0f\x01\x38");
    RUNS("\x48\x8b\x08");
    ck_assert_uint_eq(c->s.count.walks, walks + 1);
}
END_TEST

#define ROWS(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_registers(TCase *t)
{
    tcase_add_loop_test(t, cr0_writes, 0, ROWS(cr0_write));
    tcase_add_test(t, cr0_reserved_bits_stay_clear);
    tcase_add_loop_test(t, cr4_writes, 0, ROWS(cr4_write));
    tcase_add_test(t, cr3_writes);
    tcase_add_test(t, pcide_needs_pcid_0);
    tcase_add_test(t, cr8_is_task_priority);
    tcase_add_test(t, cr1_is_undefined);
    tcase_add_test(t, masks_in_non_root);
    tcase_add_test(t, machine_status_word);
    tcase_add_test(t, debug_registers);
    tcase_add_loop_test(t, msr_writes, 0, ROWS(msr_write));
    tcase_add_test(t, unknown_msr);
    tcase_add_test(t, rdmsr_wrmsr);
    tcase_add_test(t, tsc);
    tcase_add_test(t, feature_control_is_locked);
    tcase_add_test(t, feature_control_lock_survives_reset);
    tcase_add_test(t, cpuid_matches_what_there_is);
    tcase_add_test(t, firmware_takes_features_away);
}

static void add_transfers(TCase *t)
{
    tcase_add_loop_test(t, mov_to_ss, 0, ROWS(ss_load));
    tcase_add_test(t, mov_to_cs_is_undefined);
    tcase_add_test(t, fs_and_its_base);
    tcase_add_test(t, task_register);
    tcase_add_test(t, descriptor_tables);
    tcase_add_loop_test(t, asking, 0, ROWS(ask));
    tcase_add_test(t, retfq_reloads_cs);
    tcase_add_test(t, retfq_to_ring_3);
    tcase_add_loop_test(t, bad_returns, 0, ROWS(bad_return));
    tcase_add_test(t, far_jump_and_call);
    tcase_add_test(t, system_call_and_back);
    tcase_add_test(t, swap_gs);
    tcase_add_test(t, popf_by_privilege);
    tcase_add_test(t, ports_by_privilege);
    tcase_add_test(t, rep_outs);
    tcase_add_test(t, rep_ins);
    tcase_add_test(t, ring_3_may_not);
    tcase_add_test(t, invpcid_operands);
    tcase_add_test(t, invlpg_drops_the_page);
}

int main(void)
{
    Suite *suite = suite_create("system");
    TCase *registers = tcase_create("registers");
    TCase *transfers = tcase_create("segments, transfers, ports");

    tcase_add_checked_fixture(registers, set_up, tear_down);
    tcase_add_checked_fixture(transfers, set_up, tear_down);
    add_registers(registers);
    add_transfers(transfers);
    suite_add_tcase(suite, registers);
    suite_add_tcase(suite, transfers);
    return suite_run(suite);
}
