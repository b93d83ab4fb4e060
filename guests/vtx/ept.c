/* ept.c - EPT: rights, misconfigurations, accessed and dirty flags, page-modification log, VM functions,
 * virtualization exceptions (SDM vol. 3, 25.5.6, 25.5.7, 28.3). */
#include "vtx/lib/vtx.h"

#define TRANSLATION "28.3.2 EPT Translation Mechanism"
#define VIOLATIONS  "28.3.3.2 EPT Violations"
#define MISCONFIG   "28.3.3.1 EPT Misconfigurations"
#define QUAL        "27.2.1 Basic VM-Exit Information, table 27-7"
#define FLAGS       "28.3.5 Accessed and Dirty Flags for EPT"
#define PML         "28.3.6 Page-Modification Logging"
#define VMFUNC      "25.5.6.3 EPTP Switching"
#define VMFUNCS     "25.5.6.2 General Operation of the VMFUNC Instruction"
#define VE          "25.5.7 Virtualization Exceptions"

#define OFFSET  0x230
#define PAGE_2M (UINT64_C(1) << SHIFT_2M)
#define TRIAL   ((volatile uint64_t *)(TRIAL_GVA + OFFSET))

static void load(void)
{
    seen[0] = *TRIAL;
}

static void store(void)
{
    *TRIAL = 0x5a5a;
}

static void add(void)
{
    __asm__ volatile("addq $1, (%0)" : : "r"(TRIAL) : "memory", "cc");
}

static void jump(void)
{
    ((void (*)(void))(uintptr_t)TRIAL_GVA)();
}

/* ---- translation ---- */

TEST(ept, maps, TRANSLATION, "a guest-physical address is translated by four tables")
{
    ept_trial(EPT_RWX)[OFFSET / 8] = 0x1234;
    run_to_done(load);
    check_eq("what the guest loads", seen[0], 0x1234);
}

TEST(ept, stores, TRANSLATION, "a store goes to the page that EPT names")
{
    volatile uint64_t *page = ept_trial(EPT_RWX);

    run_to_done(store);
    check_eq("what is in the page", page[OFFSET / 8], 0x5a5a);
}

TEST(ept, page_2m, TRANSLATION, "bit 7 of a page-directory entry maps 2 MiB")
{
    uint64_t *page = page_new(), low = (uint64_t)page & (PAGE_2M - 1);

    need_cap(EPT_CAP_2M, "2 MiB pages of EPT");
    page[OFFSET / 8] = 0x4321;
    ept_trial(EPT_RWX);
    *ept_entry(TRIAL_GPA, SHIFT_2M) = ((uint64_t)page - low) | EPT_RWX | EPT_WB | EPT_PS;
    guest_map(TRIAL_GVA, TRIAL_GPA + low, PTE_P);
    run_to_done(load);
    check_eq("what the guest loads", seen[0], 0x4321);
}

TEST(ept, page_1g, TRANSLATION, "bit 7 of a PDPT entry maps 1 GiB")
{
    need_cap(EPT_CAP_1G, "1 GiB pages of EPT");
    uint64_t *page = page_new();

    page[OFFSET / 8] = 0x4321;
    ept_trial(EPT_RWX);
    *ept_entry(TRIAL_GPA, SHIFT_1G) = EPT_RWX | EPT_WB | EPT_PS;
    guest_map(TRIAL_GVA, (TRIAL_GPA & ~UINT64_C(0x3fffffff)) + (uint64_t)page, PTE_P);
    run_to_done(load);
    check_eq("what the guest loads", seen[0], 0x4321);
}

/* ---- violations ---- */

static void check_violation(uint64_t qualification)
{
    check_field(VMCS_GUEST_PHYSICAL_ADDRESS, TRIAL_GPA + OFFSET);
    check_field(VMCS_GUEST_LINEAR_ADDRESS, TRIAL_GVA + OFFSET);
    check_eq("bits 8:0 of the qualification", vmread(VMCS_EXIT_QUALIFICATION) & 0x1bf,
             qualification | QUAL_EPT_LINEAR_VALID | QUAL_EPT_TRANSLATED);
}

#define VIOLATION(NAME, RIGHTS, FN, QUALIFICATION, RULE) \
    TEST(ept_violation, NAME, QUAL, RULE) \
    { \
        ept_trial(RIGHTS); \
        run_to_exit(FN, EXIT_EPT_VIOLATION); \
        check_violation(QUALIFICATION); \
    }
VIOLATION(read_absent, 0, load, QUAL_EPT_READ, "a load without any right: bit 0, and no right in bits 5:3")
VIOLATION(write_absent, 0, store, QUAL_EPT_WRITE,
          "a store without any right: bit 1, and no right in bits 5:3")
VIOLATION(write_read_only, EPT_R, store, QUAL_EPT_WRITE | QUAL_EPT_READABLE,
          "a store to what can be read: bits 1 and 3")
VIOLATION(write_no_write, EPT_R | EPT_X, store, QUAL_EPT_WRITE | QUAL_EPT_READABLE | QUAL_EPT_EXECUTABLE,
          "a store to what can be read and executed: bits 1, 3 and 5")

TEST(ept_violation, fetch, QUAL, "a fetch from what cannot be executed: bits 2, 3 and 4")
{
    ept_trial(EPT_R | EPT_W);
    run_to_exit(jump, EXIT_EPT_VIOLATION);
    check_field(VMCS_GUEST_PHYSICAL_ADDRESS, TRIAL_GPA);
    check_eq("bits 8:0 of the qualification", vmread(VMCS_EXIT_QUALIFICATION) & 0x1bf,
             QUAL_EPT_FETCH | QUAL_EPT_READABLE | QUAL_EPT_WRITABLE | QUAL_EPT_LINEAR_VALID |
                 QUAL_EPT_TRANSLATED);
}

TEST(ept_violation, execute_only, QUAL, "a load from what can be executed alone: bits 0 and 5")
{
    need_cap(EPT_CAP_EXECUTE_ONLY, "execute-only translations");
    ept_trial(EPT_X);
    run_to_exit(load, EXIT_EPT_VIOLATION);
    check_violation(QUAL_EPT_READ | QUAL_EPT_EXECUTABLE);
}

TEST(ept_violation, read_modify_write, QUAL, "a read-modify-write is a write, and may be a read as well")
{
    ept_trial(EPT_R);
    run_to_exit(add, EXIT_EPT_VIOLATION);
    check_eq("bit 1 of the qualification", vmread(VMCS_EXIT_QUALIFICATION) & QUAL_EPT_WRITE, QUAL_EPT_WRITE);
}

TEST(ept_violation, rights_of_all_levels, QUAL, "bits 5:3 are the and of the rights of all entries used")
{
    ept_trial(EPT_RWX);
    *ept_entry(TRIAL_GPA, SHIFT_2M) &= ~EPT_W;
    run_to_exit(store, EXIT_EPT_VIOLATION);
    check_violation(QUAL_EPT_WRITE | QUAL_EPT_READABLE | QUAL_EPT_EXECUTABLE);
}

TEST(ept_violation, rip_and_retry, VIOLATIONS, "RIP is that of the instruction, which can be tried again")
{
    volatile uint64_t *page = ept_trial(EPT_R);

    run_to_exit(store, EXIT_EPT_VIOLATION);
    *ept_entry(TRIAL_GPA, PAGE_SHIFT) |= EPT_W;
    expect_done();
    check_eq("what is in the page", page[OFFSET / 8], 0x5a5a);
}

TEST(ept_violation, page_table, QUAL,
     "of a reference to a page table bit 8 is clear, and the address is the table entry's")
{
    ept_on();
    uint64_t *root = guest_tables();
    root[TRIAL_GVA >> 39 & 511] = TRIAL_GPA | PTE_P | PTE_W;
    run_to_exit(load, EXIT_EPT_VIOLATION);
    uint64_t q = vmread(VMCS_EXIT_QUALIFICATION);
    check_eq("bits 8 and 7", q & (QUAL_EPT_TRANSLATED | QUAL_EPT_LINEAR_VALID), QUAL_EPT_LINEAR_VALID);
    check_field(VMCS_GUEST_PHYSICAL_ADDRESS, TRIAL_GPA);
    check_field(VMCS_GUEST_LINEAR_ADDRESS, TRIAL_GVA + OFFSET);
}

TEST(ept_violation, behind_page_fault, VIOLATIONS,
     "#PF of the guest's own tables comes before EPT is asked for the page")
{
    ept_trial(0);
    guest_map(TRIAL_GVA, TRIAL_GPA, 0);
    guest_at(load);
    expect_exception(VEC_PF);
}

/* ---- misconfigurations ---- */

static void misconfigures(uint64_t entry)
{
    ept_trial(EPT_RWX);
    *ept_entry(TRIAL_GPA, PAGE_SHIFT) = entry;
    run_to_exit(load, EXIT_EPT_MISCONFIG);
    check_field(VMCS_GUEST_PHYSICAL_ADDRESS, TRIAL_GPA + OFFSET);
}

#define MISCONFIGURES(NAME, ENTRY, RULE) \
    TEST(ept_misconfig, NAME, MISCONFIG, RULE) \
    { \
        misconfigures(ENTRY); \
    }
MISCONFIGURES(write_only, EPT_W | EPT_WB, "a right to write without one to read")
MISCONFIGURES(write_execute, EPT_W | EPT_X | EPT_WB, "rights to write and execute without one to read")
MISCONFIGURES(memory_type_2, EPT_RWX | 2 << 3, "memory type 2 of an entry that maps a page")
MISCONFIGURES(memory_type_7, EPT_RWX | 7 << 3, "memory type 7 of an entry that maps a page")
MISCONFIGURES(width, EPT_RWX | EPT_WB | physical_end(), "a bit beyond the physical-address width")

TEST(ept_misconfig, execute_only, MISCONFIG, "a right to execute alone, unless the capability MSR has it")
{
    if (ept_vpid_cap() & EPT_CAP_EXECUTE_ONLY)
        SKIP("this processor has execute-only translations");
    misconfigures(EPT_X | EPT_WB);
}

static void misconfigures_at(unsigned shift, uint64_t bits)
{
    ept_trial(EPT_RWX);
    *ept_entry(TRIAL_GPA, shift) |= bits;
    run_to_exit(load, EXIT_EPT_MISCONFIG);
}

TEST(ept_misconfig, pml4_reserved, MISCONFIG, "bits 7:3 of a PML4 entry are 0")
{
    misconfigures_at(39, 1 << 3);
}

TEST(ept_misconfig, table_reserved, MISCONFIG, "bits 6:3 of an entry that points to a table are 0")
{
    misconfigures_at(SHIFT_2M, 1 << 4);
}

TEST(ept_misconfig, large_reserved, MISCONFIG, "bits 20:12 of an entry that maps 2 MiB are 0")
{
    need_cap(EPT_CAP_2M, "2 MiB pages of EPT");
    ept_trial(EPT_RWX);
    *ept_entry(TRIAL_GPA, SHIFT_2M) = EPT_RWX | EPT_WB | EPT_PS | 1 << 12;
    run_to_exit(load, EXIT_EPT_MISCONFIG);
}

TEST(ept_misconfig, absent_unchecked, VIOLATIONS,
     "an entry without rights is not misconfigured, whatever its other bits are: a violation")
{
    ept_trial(0);
    *ept_entry(TRIAL_GPA, PAGE_SHIFT) = ~EPT_RWX;
    run_to_exit(load, EXIT_EPT_VIOLATION);
}

/* ---- accessed and dirty flags ---- */

static void with_flags(void)
{
    need_cap(EPT_CAP_AD, "accessed and dirty flags for EPT");
    ept_trial(EPT_RWX);
    vmwrite(VMCS_EPTP, vmread(VMCS_EPTP) | EPTP_AD);
}

static uint64_t flags_of_page(void)
{
    return *ept_entry(TRIAL_GPA, PAGE_SHIFT) & (EPT_A | EPT_D);
}

TEST(ept_flags, accessed, FLAGS, "a load sets the accessed flag of each entry used, and no dirty flag")
{
    with_flags();
    run_to_done(load);
    check_eq("A and D of the page", flags_of_page(), EPT_A);
    check_eq("A of the page directory's entry", *ept_entry(TRIAL_GPA, SHIFT_2M) & EPT_A, EPT_A);
}

TEST(ept_flags, dirty, FLAGS, "a store sets the dirty flag of the page")
{
    with_flags();
    run_to_done(store);
    check_eq("A and D of the page", flags_of_page(), EPT_A | EPT_D);
}

TEST(ept_flags, dirty_after_load, FLAGS,
     "a store through a translation that a load has cached sets the dirty flag")
{
    with_flags();
    run_to_done(load);
    run_to_done(store);
    check_eq("A and D of the page", flags_of_page(), EPT_A | EPT_D);
}

TEST(ept_flags, off, FLAGS, "without bit 6 of the EPTP no flag is set")
{
    ept_trial(EPT_RWX);
    run_to_done(store);
    check_eq("A and D of the page", flags_of_page(), 0);
}

TEST(ept_flags, table_is_written, FLAGS,
     "a reference to a page table of the guest is a write: a violation if it cannot be written")
{
    with_flags();
    uint64_t *entry = table_entry((uint64_t *)vmread(VMCS_GUEST_CR3), TRIAL_GVA, PAGE_SHIFT, 0);
    *ept_entry((uint64_t)entry, PAGE_SHIFT) &= ~EPT_W;
    *entry |= PTE_A;
    run_to_exit(load, EXIT_EPT_VIOLATION);
    check_field(VMCS_GUEST_PHYSICAL_ADDRESS, (uint64_t)entry);
    check_eq("bits 8, 1 and 0 of the qualification", vmread(VMCS_EXIT_QUALIFICATION) & 0x103,
             QUAL_EPT_READ | QUAL_EPT_WRITE);
}

/* ---- page-modification log ---- */

static uint64_t *with_log(uint64_t index)
{
    uint64_t *log = page_new();

    with_flags();
    set_controls(PROC2, PROC2_PML);
    vmwrite(VMCS_PML_ADDRESS, (uint64_t)log);
    vmwrite(VMCS_PML_INDEX, index);
    return log;
}

/* What is in the log of the trial page; the guest's stack and tables become dirty too.  0: nothing. */
static uint64_t logged(const uint64_t *log)
{
    for (unsigned i = 0; i < PML_ENTRIES; i++)
        if (log[i] >> PAGE_SHIFT == TRIAL_GPA >> PAGE_SHIFT)
            return log[i];
    return 0;
}

TEST(pml, logs, PML, "a dirty flag that is set is logged")
{
    const uint64_t *log = with_log(PML_ENTRIES - 1);

    run_to_done(store);
    check(logged(log), "the page is in the log");
    check(vmread(VMCS_PML_INDEX) < PML_ENTRIES - 1, "the index has gone down");
}

TEST(pml, aligned, PML, "bits 11:0 of an address in the log are 0")
{
    const uint64_t *log = with_log(PML_ENTRIES - 1);

    run_to_done(store);
    check_eq("the address", logged(log), TRIAL_GPA);
}

TEST(pml, first_index, PML, "the first entry goes to where the index points")
{
    const uint64_t *log = with_log(PML_ENTRIES - 1);

    run_to_done(store);
    check(log[PML_ENTRIES - 1] != 0, "the last entry of the log is written first");
}

TEST(pml, clean, PML, "an access that sets no dirty flag is not logged")
{
    const uint64_t *log = with_log(PML_ENTRIES - 1);

    *ept_entry(TRIAL_GPA, PAGE_SHIFT) |= EPT_A | EPT_D;
    run_to_done(store);
    check_eq("what is in the log of the page", logged(log), 0);
}

TEST(pml, full, PML, "an index beyond 511 makes the exit of a full log, and no flag is set")
{
    with_log(PML_ENTRIES);
    run_to_exit(store, EXIT_PML_FULL);
    check_eq("D of the page", flags_of_page() & EPT_D, 0);
}

TEST(pml, wraps, PML, "behind entry 0 the index is FFFFH, and the next page makes the exit")
{
    with_log(0);
    run_to_exit(store, EXIT_PML_FULL);
    check_field(VMCS_PML_INDEX, 0xffff);
}

/* ---- VM functions ---- */

static void vmfunc(uint64_t function, uint64_t index)
{
    __asm__ volatile(".byte 0x0f, 0x01, 0xd4" : : "a"(function), "c"(index) : "memory");
}

static void switch_to_1(void)
{
    vmfunc(0, 1);
    load();
}

static void switch_to_512(void)
{
    vmfunc(0, EPTP_LIST_ENTRIES);
}

static void function_1(void)
{
    vmfunc(1, 0);
}

static void function_64(void)
{
    vmfunc(VMFUNC_MAX + 1, 0);
}

/* A list whose entry 1 maps the trial page elsewhere; returns that page. */
static uint64_t *with_functions(void)
{
    uint64_t *list = page_new(), *other = page_new(), second;

    ept_trial(EPT_RWX);
    set_controls(PROC2, PROC2_VMFUNC);
    second = ept_new();
    *ept_entry_of(second, TRIAL_GPA, PAGE_SHIFT) = (uint64_t)other | EPT_RWX | EPT_WB;
    list[0] = vmread(VMCS_EPTP);
    list[1] = second;
    vmwrite(VMCS_VM_FUNCTIONS, VMFUNC_EPTP_SWITCHING);
    vmwrite(VMCS_EPTP_LIST_ADDRESS, (uint64_t)list);
    return other;
}

TEST(vmfunc, switches, VMFUNC, "function 0 loads the EPTP from the list, without an exit")
{
    with_functions()[OFFSET / 8] = 0x9876;
    run_to_done(switch_to_1);
    check_eq("what the guest loads", seen[0], 0x9876);
    check_field(VMCS_EPTP, ((uint64_t *)vmread(VMCS_EPTP_LIST_ADDRESS))[1]);
}

TEST(vmfunc, index, VMFUNC, "an index from 512 on exits")
{
    with_functions();
    run_to_instruction(switch_to_512, EXIT_VMFUNC, 3);
}

TEST(vmfunc, bad_eptp, VMFUNC, "an EPTP that VM entry would refuse exits")
{
    with_functions();
    ((uint64_t *)vmread(VMCS_EPTP_LIST_ADDRESS))[1] |= 1 << 8;
    run_to_instruction(switch_to_1, EXIT_VMFUNC, 3);
}

TEST(vmfunc, not_enabled, VMFUNCS, "a function whose control is 0 exits")
{
    with_functions();
    run_to_instruction(function_1, EXIT_VMFUNC, 3);
}

TEST(vmfunc, beyond_63, VMFUNCS, "a function above 63 is #UD")
{
    with_functions();
    guest_at(function_64);
    expect_exception(VEC_UD);
}

TEST(vmfunc, off, VMFUNCS, "VMFUNC is #UD without \"enable VM functions\"")
{
    guest_at(switch_to_1);
    expect_exception(VEC_UD);
}

static void vmfunc_in_root(void)
{
    vmfunc(0, 0);
}

TEST(vmfunc, in_root, "30.3 VMFUNC", "VMFUNC is #UD in VMX root operation")
{
    check_eq("its fault", fault_of(vmfunc_in_root), VEC_UD);
}

TEST(vmfunc, ring3, VMFUNCS, "it works in ring 3")
{
    with_functions()[OFFSET / 8] = 0x9876;
    set_controls(PROC, PROC_HLT);
    guest_at_ring3(switch_to_1);
    expect_done();
    check_eq("what the guest loads", seen[0], 0x9876);
}

/* ---- virtualization exceptions ---- */

static volatile uint32_t *with_ve(uint64_t rights)
{
    uint32_t *area = page_new();

    need_controls(PROC2, PROC2_EPT_VE);
    ept_trial(rights);
    set_controls(PROC2, PROC2_EPT_VE);
    vmwrite(VMCS_VE_INFORMATION_ADDRESS, (uint64_t)area);
    vmwrite(VMCS_EXCEPTION_BITMAP, ~(UINT32_C(1) << VEC_VE));
    vmwrite(VMCS_EPTP_INDEX, 7);
    return area;
}

static uint64_t area_word(volatile uint32_t *area, unsigned offset)
{
    return area[offset / 4] | (uint64_t)area[offset / 4 + 1] << 32;
}

TEST(ve, delivered, VE, "an EPT violation of an entry whose bit 63 is 0 is #VE of the guest")
{
    with_ve(EPT_R);
    guest_at(store);
    expect_event(VEC_VE);
}

TEST(ve, area, "25.5.7.2 Virtualization-Exception Information",
     "the information area has reason, qualification, addresses and EPTP index, and is busy")
{
    volatile uint32_t *area = with_ve(EPT_R);

    guest_at(store);
    expect_event(VEC_VE);
    check_eq("the reason", area[VE_REASON / 4], EXIT_EPT_VIOLATION);
    check_eq("the busy word", area[VE_BUSY / 4], UINT32_MAX);
    check_eq("bits 5:0 of the qualification", area_word(area, VE_QUALIFICATION) & 0x3f,
             QUAL_EPT_WRITE | QUAL_EPT_READABLE);
    check_eq("the linear address", area_word(area, VE_GUEST_LINEAR), TRIAL_GVA + OFFSET);
    check_eq("the physical address", area_word(area, VE_GUEST_PHYSICAL), TRIAL_GPA + OFFSET);
    check_eq("the EPTP index", area[VE_EPTP_INDEX / 4] & 0xffff, 7);
}

TEST(ve, suppressed, "25.5.7.1 Convertible EPT Violations",
     "an EPT violation of an entry whose bit 63 is 1 exits")
{
    with_ve(EPT_R | EPT_SUPPRESS_VE);
    run_to_exit(store, EXIT_EPT_VIOLATION);
}

TEST(ve, absent, "25.5.7.1 Convertible EPT Violations",
     "an entry without rights is convertible by its bit 63 as well")
{
    with_ve(0);
    guest_at(load);
    expect_event(VEC_VE);
}

TEST(ve, busy, VE, "while the information area is busy an EPT violation exits")
{
    with_ve(EPT_R)[VE_BUSY / 4] = 1;
    run_to_exit(store, EXIT_EPT_VIOLATION);
}

TEST(ve, intercepted, "25.5.7.3 Delivery of Virtualization Exceptions",
     "#VE exits by bit 20 of the exception bitmap")
{
    with_ve(EPT_R);
    vmwrite(VMCS_EXCEPTION_BITMAP, UINT32_MAX);
    guest_at(store);
    expect_exception(VEC_VE);
}

TEST(ve, misconfiguration, "25.5.7.1 Convertible EPT Violations", "a misconfiguration exits")
{
    with_ve(EPT_W);
    run_to_exit(store, EXIT_EPT_MISCONFIG);
}

/* ---- invalidation: what is dropped is not used ---- */

static void load_twice_around_vmcall(void)
{
    load();
    seen[1] = seen[0];
    __asm__ volatile("cpuid" : : "a"(0) : "rbx", "rcx", "rdx");
    load();
}

/* The trial page, and another that takes its place between two loads. */
static void exchange_page(void)
{
    uint64_t *other = page_new(), *entry = ept_entry(TRIAL_GPA, PAGE_SHIFT);

    other[OFFSET / 8] = 2;
    *entry = (uint64_t)other | (*entry & ~EPT_FRAME);
}

static void check_exchanged(void)
{
    guest_skip();
    expect_done();
    check_eq("the first load", seen[1], 1);
    check_eq("the second load", seen[0], 2);
}

TEST(invalidation, invept_single, "28.4.3.1 Operations that Invalidate Cached Mappings",
     "INVEPT of the EPTP drops what was cached by it")
{
    need_cap(EPT_CAP_INVEPT_SINGLE, "single-context INVEPT");
    ept_trial(EPT_RWX)[OFFSET / 8] = 1;
    run_to_exit(load_twice_around_vmcall, EXIT_CPUID);
    exchange_page();
    expect_success(try_invept(INVEPT_SINGLE, (struct invalidation){vmread(VMCS_EPTP), 0}));
    check_exchanged();
}

TEST(invalidation, invept_all, "28.4.3.1 Operations that Invalidate Cached Mappings",
     "all-context INVEPT drops what was cached by any EPTP, with VPIDs too")
{
    ept_trial(EPT_RWX)[OFFSET / 8] = 1;
    set_controls(PROC2, PROC2_VPID);
    vmwrite(VMCS_VPID, 3);
    run_to_exit(load_twice_around_vmcall, EXIT_CPUID);
    exchange_page();
    expect_success(try_invept(INVEPT_ALL, (struct invalidation){0, 0}));
    check_exchanged();
}

/* The same by the guest's own tables, without EPT. */
static void exchange_guest_page(void)
{
    uint64_t *other = page_new();

    other[OFFSET / 8] = 2;
    guest_map(TRIAL_GVA, (uint64_t)other, PTE_P | PTE_W | PTE_G);
}

static void with_vpid(void)
{
    uint64_t *page = page_new();

    set_controls(PROC2, PROC2_VPID);
    vmwrite(VMCS_VPID, 3);
    page[OFFSET / 8] = 1;
    guest_tables();
    guest_map(TRIAL_GVA, (uint64_t)page, PTE_P | PTE_W);
    run_to_exit(load_twice_around_vmcall, EXIT_CPUID);
    exchange_guest_page();
}

#define INVVPID_DROPS(NAME, CAP, TYPE, RULE) \
    TEST(invalidation, NAME, "28.4.3.1 Operations that Invalidate Cached Mappings", RULE) \
    { \
        need_cap(CAP, "INVVPID of that type"); \
        with_vpid(); \
        expect_success(try_invvpid(TYPE, (struct invalidation){3, TRIAL_GVA})); \
        check_exchanged(); \
    }
INVVPID_DROPS(invvpid_address, EPT_CAP_INVVPID_ADDRESS, INVVPID_ADDRESS,
              "INVVPID of an address drops its translation")
INVVPID_DROPS(invvpid_single, EPT_CAP_INVVPID_SINGLE, INVVPID_SINGLE,
              "INVVPID of a VPID drops its translations")
INVVPID_DROPS(invvpid_all, EPT_CAP_INVVPID_ALL, INVVPID_ALL, "INVVPID of all drops every VPID's translations")
INVVPID_DROPS(invvpid_single_global, EPT_CAP_INVVPID_SINGLE_GLOBAL, INVVPID_SINGLE_GLOBAL,
              "INVVPID that retains globals drops translations that are not")

TEST(invalidation, entry_without_vpid, "28.4.3.1 Operations that Invalidate Cached Mappings",
     "without VPIDs exit and entry drop the guest's translations")
{
    uint64_t *page = page_new();

    page[OFFSET / 8] = 1;
    guest_tables();
    guest_map(TRIAL_GVA, (uint64_t)page, PTE_P | PTE_W);
    run_to_exit(load_twice_around_vmcall, EXIT_CPUID);
    exchange_guest_page();
    check_exchanged();
}
