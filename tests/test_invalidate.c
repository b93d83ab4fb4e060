/* test_invalidate.c - what instructions and VMX transitions drop of TLBs, walk caches and nested TLB, and
 * what they leave (SDM vol. 3, 4.10.4.1 "Operations that Invalidate TLBs and Paging-Structure Caches", 28.4.3
 * "Invalidating Cached Translation Information"). */
#include "arch/vmx.h"
#include "cpu/cpu.h"
#include "lib/guest.h"
#include "lib/suite.h"
#include "mmu/tlb.h"

#include <check.h>

#define AT        0x20000000ull
#define POINTER   0x8000 /* where memory operands are */
#define VPID      5
#define TABLES_A  0x300000ull
#define TABLES_B  0x310000ull
#define EPTP(a)   ((a) | EPTP_WALK_4 | EPTP_WB)
#define PAGE      0x1000
#define LARGE     0x200000
#define OF_VPID   (VPID << SPACE_VPID_SHIFT)
#define COMBINED  ((u64)KIND_COMBINED << SPACE_KIND_SHIFT)
#define GUEST_PHY ((u64)KIND_GUEST_PHYSICAL << SPACE_KIND_SHIFT)

/* X(name, unit, reach, address, space, EP4TA, perms).  The PCID in use is 1. */
#define ENTRIES(X) \
    X(PAGE_1, UNIT_DTLB, REACH_4K, AT, 1, 0, 0) \
    X(OTHER_1, UNIT_DTLB, REACH_4K, AT + PAGE, 1, 0, 0) \
    X(LARGE_1, UNIT_STLB, REACH_2M, AT + LARGE, 1, 0, 0) \
    X(PAGE_2, UNIT_STLB, REACH_4K, AT, 2, 0, 0) \
    X(GLOBAL_2, UNIT_ITLB, REACH_4K, AT, 2, 0, PERM_GLOBAL) \
    X(WALK_1, UNIT_PWC_PDE, REACH_2M, AT, 1, 0, 0) \
    X(FAR_WALK_1, UNIT_PWC, REACH_512G, AT << 20, 1, 0, 0) \
    X(WALK_2, UNIT_PWC_PDPTE, REACH_1G, AT, 2, 0, 0) \
    X(COMBINED_0, UNIT_STLB, REACH_4K, AT, COMBINED | 1, TABLES_A, 0) \
    X(PAGE_V, UNIT_STLB, REACH_4K, AT, OF_VPID | 1, 0, 0) \
    X(OTHER_V, UNIT_STLB, REACH_4K, AT + LARGE, OF_VPID | 1, 0, 0) \
    X(PAGE_V2, UNIT_DTLB, REACH_4K, AT, OF_VPID | 2, 0, 0) \
    X(GLOBAL_V2, UNIT_ITLB, REACH_4K, AT, OF_VPID | 2, 0, PERM_GLOBAL) \
    X(WALK_V, UNIT_PWC_PDE, REACH_2M, AT, OF_VPID | 1, 0, 0) \
    X(COMBINED_VA, UNIT_DTLB, REACH_4K, AT, COMBINED | OF_VPID | 1, TABLES_A, 0) \
    X(COMBINED_VB, UNIT_STLB, REACH_4K, AT, COMBINED | OF_VPID | 1, TABLES_B, 0) \
    X(WALK_VB, UNIT_PWC_PDE, REACH_2M, AT, COMBINED | OF_VPID | 1, TABLES_B, 0) \
    X(NESTED_A, UNIT_NTLB, REACH_4K, AT, GUEST_PHY, TABLES_A, 0) \
    X(NESTED_WALK_A, UNIT_NPWC_PDE, REACH_2M, AT, GUEST_PHY, TABLES_A, 0) \
    X(NESTED_B, UNIT_NTLB, REACH_2M, AT, GUEST_PHY, TABLES_B, 0)

enum entry {
#define X(name, ...) name,
    ENTRIES(X)
#undef X
        COUNT
};

static const struct planted {
    const char *name;
    enum tlb_unit unit;
    unsigned reach;
    u64 address, space, eptp, perms;
} planted[COUNT] = {
#define X(name, ...) {#name, __VA_ARGS__},
    ENTRIES(X)
#undef X
};

#define B(name)  (1u << (name))
/* All that the PCID in use has, but global pages; all of VPID 0; the same for the guest's. */
#define PCID_1   (B(PAGE_1) | B(OTHER_1) | B(LARGE_1) | B(WALK_1) | B(FAR_WALK_1) | B(COMBINED_0))
#define PCID_2   (B(PAGE_2) | B(WALK_2))
#define VPID_0   (PCID_1 | PCID_2 | B(GLOBAL_2))
#define V_PCID_1 (B(PAGE_V) | B(OTHER_V) | B(WALK_V) | B(COMBINED_VA) | B(COMBINED_VB) | B(WALK_VB))
#define V_ALL    (V_PCID_1 | B(PAGE_V2) | B(GLOBAL_V2))
#define V_HERE   (V_ALL & ~B(OTHER_V))
#define OF_A     (B(COMBINED_0) | B(COMBINED_VA) | B(NESTED_A) | B(NESTED_WALK_A))
#define OF_B     (B(COMBINED_VB) | B(WALK_VB) | B(NESTED_B))

static struct bare b;
static struct core *c;

static struct tlb_entry *find(const struct planted *p)
{
    return tlb_find(c, p->unit, p->address, p->reach, p->space, p->eptp);
}

static void plant(void)
{
    for (unsigned i = 0; i < COUNT; i++) {
        const struct planted *p = &planted[i];
        struct tlb_entry e = {.tag = (p->address >> reach_shift(p->reach)) + 1,
                              .space = p->space | (u64)p->reach << SPACE_REACH_SHIFT,
                              .eptp = p->eptp,
                              .perms =
                                  p->perms | PERM_GUEST | PERM_EPT | (u64)p->reach % 3 << PERM_REACH_SHIFT};
        c->s.stamp++;
        if (!find(p))
            tlb_fill(c, p->unit, &e);
    }
    for (unsigned i = 0; i < COUNT; i++)
        ck_assert_msg(find(&planted[i]) != NULL, "%s", planted[i].name);
}

static void check_gone(const char *name, u32 drops)
{
    for (unsigned i = 0; i < COUNT; i++)
        ck_assert_msg((find(&planted[i]) == NULL) == (drops >> i & 1), "%s: %s is %s", name, planted[i].name,
                      drops >> i & 1 ? "still there" : "gone");
}

/* Root operation with PCID 1 in use, and a guest with the same. */
static void set_up(void)
{
    guest_open(&b);
    c = b.core;
    c->s.cr4 |= CR4_PCIDE | CR4_PGE;
    c->s.cr3 |= 1;
    guest_fill(c);
}

static void tear_down(void)
{
    bare_close(&b);
}

static void enter_guest(bool vpid, u64 proc2)
{
    guest_set_bits(c, VMCS_PROC_CONTROLS, PROC_SECONDARY);
    guest_set(c, VMCS_PROC2_CONTROLS, proc2 | (vpid ? PROC2_VPID : 0));
    guest_set(c, VMCS_VPID, vpid ? VPID : 0);
    guest_launch(&b);
}

/* ---- instructions ---- */

#define INVLPG      "\x0f\x01\x38"         /* (%rax) */
#define INVPCID     "\x66\x0f\x38\x82\x08" /* (%rax),%rcx */
#define TO_CR0      "\x0f\x22\xc0"         /* from RAX */
#define TO_CR3      "\x0f\x22\xd8"
#define TO_CR4      "\x0f\x22\xe0"
#define BYTES(text) text, sizeof(text) - 1

/* How RAX comes about. */
enum rax { IS_VALUE, IS_POINTER, IS_ROOT_OR_VALUE, IS_CR0_XOR_VALUE, IS_CR4_XOR_VALUE };

static const struct operation {
    const char *name, *bytes;
    size_t n;
    enum rax rax;
    u64 value, type, low, high; /* type: RCX; low and high: the operand in memory */
    u32 drops, drops_in_guest;  /* root: of VPID 0; in the guest: of its VPID */
    u64 cr4_clear;              /* before */
} operations[] = {
    {"INVLPG", BYTES(INVLPG), IS_VALUE, AT + 0x123, 0, 0, 0,
     B(PAGE_1) | B(GLOBAL_2) | B(WALK_1) | B(FAR_WALK_1) | B(COMBINED_0), V_HERE & ~B(PAGE_V2), 0},
    {"INVLPG, large page", BYTES(INVLPG), IS_VALUE, AT + LARGE + 5 * PAGE, 0, 0, 0,
     B(LARGE_1) | B(WALK_1) | B(FAR_WALK_1), B(WALK_V) | B(WALK_VB), 0},
    {"INVLPG, not canonical", BYTES(INVLPG), IS_VALUE, AT | 1ull << 63, 0, 0, 0, 0, 0, 0},
    {"INVPCID 0, current PCID", BYTES(INVPCID), IS_POINTER, 0, 0, 1, AT,
     B(PAGE_1) | B(GLOBAL_2) | B(WALK_1) | B(FAR_WALK_1) | B(COMBINED_0), V_HERE & ~B(PAGE_V2), 0},
    {"INVPCID 0, other PCID", BYTES(INVPCID), IS_POINTER, 0, 0, 2, AT, PCID_2, B(PAGE_V2), 0},
    {"INVPCID 1, current PCID", BYTES(INVPCID), IS_POINTER, 0, 1, 1, 0, PCID_1, V_PCID_1, 0},
    {"INVPCID 1, other PCID", BYTES(INVPCID), IS_POINTER, 0, 1, 2, 0, PCID_2, B(PAGE_V2), 0},
    {"INVPCID 1, unused PCID", BYTES(INVPCID), IS_POINTER, 0, 1, 3, 0, 0, 0, 0},
    {"INVPCID 2", BYTES(INVPCID), IS_POINTER, 0, 2, 0, 0, VPID_0, V_ALL, 0},
    {"INVPCID 3", BYTES(INVPCID), IS_POINTER, 0, 3, 0, 0, VPID_0 & ~B(GLOBAL_2), V_ALL & ~B(GLOBAL_V2), 0},
    {"MOV to CR3, bit 63 clear", BYTES(TO_CR3), IS_ROOT_OR_VALUE, 1, 0, 0, 0, PCID_1, V_PCID_1, 0},
    {"MOV to CR3, another PCID", BYTES(TO_CR3), IS_ROOT_OR_VALUE, 2, 0, 0, 0, PCID_2, B(PAGE_V2), 0},
    {"MOV to CR3, bit 63 set", BYTES(TO_CR3), IS_ROOT_OR_VALUE, 1ull << 63 | 1, 0, 0, 0, 0, 0, 0},
    {"MOV to CR3, bit 63, another", BYTES(TO_CR3), IS_ROOT_OR_VALUE, 1ull << 63 | 2, 0, 0, 0, 0, 0, 0},
    {"MOV to CR3 without PCIDE", BYTES(TO_CR3), IS_ROOT_OR_VALUE, 0, 0, 0, 0, 0, 0, CR4_PCIDE},
    {"CR0.WP", BYTES(TO_CR0), IS_CR0_XOR_VALUE, CR0_WP, 0, 0, 0, 0, 0, 0},
    {"CR4 as it is", BYTES(TO_CR4), IS_CR4_XOR_VALUE, 0, 0, 0, 0, 0, 0, 0},
    {"CR4.PGE off", BYTES(TO_CR4), IS_CR4_XOR_VALUE, CR4_PGE, 0, 0, 0, VPID_0, V_ALL, 0},
    {"CR4.PGE on", BYTES(TO_CR4), IS_CR4_XOR_VALUE, CR4_PGE, 0, 0, 0, VPID_0, V_ALL, CR4_PGE},
    {"CR4.PCIDE off", BYTES(TO_CR4), IS_CR4_XOR_VALUE, CR4_PCIDE, 0, 0, 0, VPID_0, V_ALL, 0},
    {"CR4.SMEP on", BYTES(TO_CR4), IS_CR4_XOR_VALUE, CR4_SMEP, 0, 0, 0, PCID_1 | B(GLOBAL_2),
     V_PCID_1 | B(GLOBAL_V2), 0},
    {"CR4.SMAP on", BYTES(TO_CR4), IS_CR4_XOR_VALUE, CR4_SMAP, 0, 0, 0, 0, 0, 0},
    {"CR4.TSD on", BYTES(TO_CR4), IS_CR4_XOR_VALUE, CR4_TSD, 0, 0, 0, 0, 0, 0},
};

static const struct operation vmx_operations[] = {
    {"INVEPT single", BYTES(INVEPT_RCX_RAX), IS_POINTER, 0, INVEPT_SINGLE, EPTP(TABLES_A), 0, OF_A, 0, 0},
    {"INVEPT single, B with A/D flags", BYTES(INVEPT_RCX_RAX), IS_POINTER, 0, INVEPT_SINGLE,
     EPTP(TABLES_B) | EPTP_AD, 0, OF_B, 0, 0},
    {"INVEPT single, another", BYTES(INVEPT_RCX_RAX), IS_POINTER, 0, INVEPT_SINGLE, EPTP(0x320000ull), 0, 0,
     0, 0},
    {"INVEPT all", BYTES(INVEPT_RCX_RAX), IS_POINTER, 0, INVEPT_ALL, 0, 0, OF_A | OF_B, 0, 0},
    {"INVEPT of a wrong kind", BYTES(INVEPT_RCX_RAX), IS_POINTER, 0, 3, 0, 0, 0, 0, 0},
    {"INVVPID address", BYTES(INVVPID_RCX_RAX), IS_POINTER, 0, INVVPID_ADDRESS, VPID, AT, V_HERE, 0, 0},
    {"INVVPID address, next page", BYTES(INVVPID_RCX_RAX), IS_POINTER, 0, INVVPID_ADDRESS, VPID, AT + PAGE,
     B(WALK_V) | B(WALK_VB), 0, 0},
    {"INVVPID address, next 2 MiB", BYTES(INVVPID_RCX_RAX), IS_POINTER, 0, INVVPID_ADDRESS, VPID, AT + LARGE,
     B(OTHER_V), 0, 0},
    {"INVVPID address of VPID 0", BYTES(INVVPID_RCX_RAX), IS_POINTER, 0, INVVPID_ADDRESS, 0, AT, 0, 0, 0},
    {"INVVPID single", BYTES(INVVPID_RCX_RAX), IS_POINTER, 0, INVVPID_SINGLE, VPID, 0, V_ALL, 0, 0},
    {"INVVPID single, another", BYTES(INVVPID_RCX_RAX), IS_POINTER, 0, INVVPID_SINGLE, 6, 0, 0, 0, 0},
    {"INVVPID single but globals", BYTES(INVVPID_RCX_RAX), IS_POINTER, 0, INVVPID_SINGLE_GLOBAL, VPID, 0,
     V_ALL & ~B(GLOBAL_V2), 0, 0},
    {"INVVPID all", BYTES(INVVPID_RCX_RAX), IS_POINTER, 0, INVVPID_ALL, 0, 0, V_ALL, 0, 0},
};

static u64 rax_of(const struct operation *o)
{
    switch (o->rax) {
    case IS_POINTER: return POINTER;
    case IS_ROOT_OR_VALUE: return BARE_PML4 | o->value;
    case IS_CR0_XOR_VALUE: return c->s.cr0 ^ o->value;
    case IS_CR4_XOR_VALUE: return c->s.cr4 ^ o->value;
    default: return o->value;
    }
}

static void run(const struct operation *o, u32 drops)
{
    c->s.cr4 &= ~o->cr4_clear;
    if (!(c->s.cr4 & CR4_PCIDE))
        c->s.cr3 &= ~(u64)1;
    bare_set_u64(&b, POINTER, o->low);
    bare_set_u64(&b, POINTER + 8, o->high);
    c->s.gpr[REG_RAX] = rax_of(o);
    c->s.gpr[REG_RCX] = o->type;
    u64 rip = c->s.rip;
    bare_put(&b, rip, o->bytes, o->n);
    plant();
    bare_atoms(&b, 1);
    ck_assert_msg(c->s.rip == rip + o->n, "%s: an exit or a fault", o->name);
    check_gone(o->name, drops);
}

START_TEST(in_root_operation)
{
    run(&operations[_i], operations[_i].drops);
}
END_TEST

START_TEST(in_a_guest)
{
    enter_guest(true, PROC2_INVPCID);
    run(&operations[_i], operations[_i].drops_in_guest);
}
END_TEST

START_TEST(of_vmx)
{
    run(&vmx_operations[_i], vmx_operations[_i].drops);
}
END_TEST

/* ---- transitions: 28.4.3.1; MOV to CR3 and CR4 that they do is no such operation ---- */

START_TEST(entry_and_exit)
{
    bool vpid = _i;
    plant();
    enter_guest(vpid, 0);
    check_gone("VM entry", vpid ? 0 : VPID_0);
    plant();
    GUEST_RUN(&b, VMCALL);
    ck_assert_uint_eq(c->s.vmx_guest, 0);
    check_gone("VM exit", vpid ? 0 : VPID_0);
}
END_TEST

/* One whose checks fail has entered nothing: 26.2, 26.3 come before. */
START_TEST(entry_that_fails)
{
    guest_set(c, VMCS_VMCS_LINK_POINTER, 1);
    guest_set(c, VMCS_PIN_CONTROLS, 0);
    plant();
    GUEST_RUN(&b, VMLAUNCH);
    ck_assert(c->s.rflags & FLAG_ZF);
    check_gone("VM entry that fails", 0);
}
END_TEST

START_TEST(vmxoff)
{
    plant();
    GUEST_RUN(&b, VMXOFF);
    ck_assert_uint_eq(c->s.vmx_on, 0);
    check_gone("VMXOFF", 0);
}
END_TEST

#define LOOP(t, test, rows) tcase_add_loop_test(t, test, 0, (int)(sizeof(rows) / sizeof *(rows)))

int main(void)
{
    Suite *s = suite_create("invalidate");
    TCase *t = tcase_create("what is dropped");
    tcase_add_checked_fixture(t, set_up, tear_down);
    LOOP(t, in_root_operation, operations);
    LOOP(t, in_a_guest, operations);
    LOOP(t, of_vmx, vmx_operations);
    tcase_add_loop_test(t, entry_and_exit, 0, 2);
    tcase_add_test(t, entry_that_fails);
    tcase_add_test(t, vmxoff);
    suite_add_tcase(s, t);
    return suite_run(s);
}
