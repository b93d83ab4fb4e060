/* bitmaps.c - I/O instructions and MSRs: controls, bitmaps, lists (SDM vol.
 * 3, 24.6.4, 24.6.9, 24.7.2, 25.1.3, 26.4, 27.4, 27.6). */
#include "vtx/lib/vtx.h"

#define IO        "25.1.3 Instructions That Cause VM Exits Conditionally"
#define IO_QUAL   "27.2.1 Basic VM-Exit Information, table 27-5"
#define IO_BITMAP "24.6.4 I/O-Bitmap Addresses"
#define MSRS      "24.6.9 MSR-Bitmap Address"
#define LOADING   "26.4 Loading MSRs"
#define SAVING    "27.4 Saving MSRs"
#define EXIT_LOAD "27.6 Loading MSRs"

#define PORT      0x80   /* on a PC somebody shows what is written there */
#define PORT_HIGH 0x8080 /* nobody's */
#define EVERY     0x100  /* a value that an MSR of addresses may have */

/* ---- I/O ---- */

#define PORT_GUEST(NAME, TEXT, NUMBER) \
    static void NAME(void) \
    { \
        __asm__ volatile(TEXT : : "d"(NUMBER), "a"(0), "S"(&seen), "D"(&seen), "c"(1) : "memory"); \
    }
PORT_GUEST(in_dx_byte, "inb %%dx, %%al", PORT)
PORT_GUEST(out_dx_long, "outl %%eax, %%dx", PORT_HIGH)
PORT_GUEST(out_dx_byte, "outb %%al, %%dx", PORT)
PORT_GUEST(out_high_byte, "outb %%al, %%dx", PORT_HIGH)
PORT_GUEST(out_boundary, "outl %%eax, %%dx", 0x7ffe)
PORT_GUEST(in_last_word, "inw %%dx, %%ax", 0xffff)
PORT_GUEST(out_string, "outsb", PORT)
PORT_GUEST(in_string_rep, "rep insw", PORT)
PORT_GUEST(out_segment, "outsb %%fs:(%%rsi), %%dx", PORT)

static void in_immediate(void)
{
    __asm__ volatile("inw %0, %%ax" : : "i"(PORT) : "rax");
}

static void always(void)
{
    set_controls(PROC, PROC_UNCONDITIONAL_IO);
}

static uint64_t io_qualification(unsigned bytes, uint64_t form, uint64_t port)
{
    return (bytes - 1) | form | port << 16;
}

#define IO_TEST(NAME, FN, BYTES, FORM, NUMBER, RULE) \
    TEST(io, NAME, IO_QUAL, RULE) \
    { \
        always(); \
        run_to_exit(FN, EXIT_IO); \
        check_field(VMCS_EXIT_QUALIFICATION, io_qualification(BYTES, FORM, NUMBER)); \
    }
IO_TEST(in_dx, in_dx_byte, 1, QUAL_IO_IN, PORT, "IN exits: size, direction, port in DX")
IO_TEST(out_dx, out_dx_long, 4, 0, PORT_HIGH, "OUT exits: size, direction, port in DX")
IO_TEST(in_immediate, in_immediate, 2, QUAL_IO_IN | QUAL_IO_IMMEDIATE, PORT,
        "IN exits: port in the instruction")
IO_TEST(outs, out_string, 1, QUAL_IO_STRING, PORT, "OUTS exits as a string instruction")
IO_TEST(ins_rep, in_string_rep, 2, QUAL_IO_IN | QUAL_IO_STRING | QUAL_IO_REP, PORT, "REP INS exits as such")

TEST(io, string_address, "27.2.1 Basic VM-Exit Information",
     "of INS and OUTS the guest-linear address is that of the operand")
{
    always();
    run_to_exit(out_string, EXIT_IO);
    check_field(VMCS_GUEST_LINEAR_ADDRESS, (uint64_t)&seen);
}

TEST(io, string_segment, "27.2.5 Information for VM Exits Due to Instruction Execution, table 27-9",
     "of OUTS the instruction information has the address size and the segment")
{
    always();
    run_to_exit(out_segment, EXIT_IO);
    check_eq("the address size", vmread(VMCS_EXIT_INSN_INFO) >> 7 & 7, 2);
    check_eq("the segment", vmread(VMCS_EXIT_INSN_INFO) >> 15 & 7, SEG_FS);
}

TEST(io, free, IO, "I/O does not exit without \"unconditional I/O exiting\" and bitmaps")
{
    run_to_done(in_dx_byte);
}

TEST(io, ring3, "25.1.1 Relative Priority of Faults and VM Exits",
     "#GP by IOPL and the TSS comes before the exit")
{
    always();
    guest_at_ring3(in_dx_byte);
    expect_exception(VEC_GP);
}

struct io_bitmaps {
    uint8_t *a, *b;
};

static struct io_bitmaps bitmaps(void)
{
    struct io_bitmaps maps = {page_new(), page_new()};

    set_controls(PROC, PROC_IO_BITMAPS);
    vmwrite(VMCS_IO_BITMAP_A, (uint64_t)maps.a);
    vmwrite(VMCS_IO_BITMAP_B, (uint64_t)maps.b);
    return maps;
}

static void set_bit(uint8_t *map, unsigned bit)
{
    map[bit / 8] |= (uint8_t)(1 << bit % 8);
}

TEST(io_bitmap, a, IO_BITMAP, "a port below 8000H exits if its bit of bitmap A is 1")
{
    set_bit(bitmaps().a, PORT);
    run_to_exit(out_dx_byte, EXIT_IO);
}

TEST(io_bitmap, b, IO_BITMAP, "a port from 8000H on exits if its bit of bitmap B is 1")
{
    set_bit(bitmaps().b, PORT_HIGH & 0x7fff);
    run_to_exit(out_high_byte, EXIT_IO);
}

TEST(io_bitmap, others, IO_BITMAP, "the bits of other ports do not matter")
{
    struct io_bitmaps maps = bitmaps();

    set_bit(maps.a, PORT - 1);
    set_bit(maps.a, PORT + 1);
    set_bit(maps.b, PORT);
    run_to_done(out_dx_byte);
}

TEST(io_bitmap, unconditional_ignored, "24.6.2 Processor-Based VM-Execution Controls",
     "\"unconditional I/O exiting\" is ignored with bitmaps")
{
    bitmaps();
    always();
    run_to_done(out_dx_byte);
}

TEST(io_bitmap, any_byte, IO_BITMAP,
     "an access exits if the bit of any of its bytes is 1, from bitmap A to B")
{
    set_bit(bitmaps().b, 1);
    run_to_exit(out_boundary, EXIT_IO);
}

TEST(io_bitmap, wraps, IO, "an access that wraps around port FFFFH exits")
{
    bitmaps();
    run_to_exit(in_last_word, EXIT_IO);
}

/* ---- MSRs ---- */

static void read_low(void)
{
    seen[0] = rdmsr(MSR_SYSENTER_EIP);
}

static void write_low(void)
{
    wrmsr(MSR_SYSENTER_EIP, EVERY);
}

static void read_high(void)
{
    seen[0] = rdmsr(MSR_LSTAR);
}

static void write_high(void)
{
    wrmsr(MSR_LSTAR, EVERY);
}

static void read_beyond(void)
{
    seen[0] = rdmsr(0x2000);
}

static void read_between(void)
{
    seen[0] = rdmsr(0xbfffffff);
}

#define READ_LOW   0 /* offsets of the parts of an MSR bitmap */
#define READ_HIGH  0x400
#define WRITE_LOW  0x800
#define WRITE_HIGH 0xc00

static uint8_t *msr_bitmap(void)
{
    uint8_t *map = page_new();

    set_controls(PROC, PROC_MSR_BITMAPS);
    vmwrite(VMCS_MSR_BITMAP, (uint64_t)map);
    return map;
}

TEST(msr_bitmap, rdmsr_always, IO, "each RDMSR exits without MSR bitmaps")
{
    run_to_instruction(read_low, EXIT_RDMSR, 2);
}

TEST(msr_bitmap, wrmsr_always, IO, "each WRMSR exits without MSR bitmaps")
{
    run_to_instruction(write_high, EXIT_WRMSR, 2);
}

#define MSR_EXITS(NAME, PART, MSR, FN, REASON, RULE) \
    TEST(msr_bitmap, NAME, MSRS, RULE " exits if its bit is 1") \
    { \
        set_bit(msr_bitmap() + (PART), (MSR)&0x1fff); \
        run_to_exit(FN, REASON); \
    } \
    TEST(msr_bitmap, NAME##_free, MSRS, RULE " does not exit if that bit alone is 0") \
    { \
        uint8_t *map = msr_bitmap(); \
\
        for (unsigned i = 0; i < 4096; i++) \
            map[i] = 0xff; \
        map[(PART) + ((MSR)&0x1fff) / 8] &= (uint8_t) ~(1 << (MSR) % 8); \
        run_to_done(FN); \
    }
MSR_EXITS(read_low, READ_LOW, MSR_SYSENTER_EIP, read_low, EXIT_RDMSR, "RDMSR of 0 to 1FFFH")
MSR_EXITS(read_high, READ_HIGH, MSR_LSTAR, read_high, EXIT_RDMSR, "RDMSR of C0000000H to C0001FFFH")
MSR_EXITS(write_low, WRITE_LOW, MSR_SYSENTER_EIP, write_low, EXIT_WRMSR, "WRMSR of 0 to 1FFFH")
MSR_EXITS(write_high, WRITE_HIGH, MSR_LSTAR, write_high, EXIT_WRMSR, "WRMSR of C0000000H to C0001FFFH")

TEST(msr_bitmap, beyond_low, IO, "an MSR behind the low range exits, whatever the bitmap is")
{
    msr_bitmap();
    run_to_exit(read_beyond, EXIT_RDMSR);
}

TEST(msr_bitmap, below_high, IO, "an MSR before the high range exits, whatever the bitmap is")
{
    msr_bitmap();
    run_to_exit(read_between, EXIT_RDMSR);
}

TEST(msr_bitmap, ring3, "25.1.1 Relative Priority of Faults and VM Exits",
     "#GP by the CPL comes before the exit of RDMSR")
{
    guest_at_ring3(read_low);
    expect_exception(VEC_GP);
}

/* ---- lists ---- */

static struct vmx_msr_entry *list(uint32_t address, uint32_t count, unsigned entries)
{
    struct vmx_msr_entry *at = page_new();

    vmwrite(address, (uint64_t)at);
    vmwrite(count, entries);
    return at;
}

static struct vmx_msr_entry *entry_list(unsigned entries)
{
    return list(VMCS_ENTRY_MSR_LOAD_ADDRESS, VMCS_ENTRY_MSR_LOAD_COUNT, entries);
}

static void do_nothing(void)
{
}

static struct vmx_msr_entry msr_value(uint32_t index, uint64_t value)
{
    return (struct vmx_msr_entry){index, 0, value};
}

TEST(msr_list, entry_loads, LOADING, "VM entry loads each MSR of its list")
{
    struct vmx_msr_entry *at = entry_list(2);

    at[0] = msr_value(MSR_LSTAR, 0x1111);
    at[1] = msr_value(MSR_KERNEL_GS_BASE, 0x2222);
    run_to_done(do_nothing);
    check_eq("IA32_LSTAR", rdmsr(MSR_LSTAR), 0x1111);
    check_eq("IA32_KERNEL_GS_BASE", rdmsr(MSR_KERNEL_GS_BASE), 0x2222);
}

/* A list whose second entry is wrong. */
static void refuses(struct vmx_msr_entry second)
{
    struct vmx_msr_entry *at = entry_list(2);

    at[0] = msr_value(MSR_LSTAR, 0x1111);
    at[1] = second;
    guest_at(do_nothing);
    expect_entry_failure(EXIT_MSR_LOADING, 2);
}

TEST(msr_list, entry_fs_base, LOADING,
     "IA32_FS_BASE in the list fails VM entry, with the number of the entry")
{
    refuses(msr_value(MSR_FS_BASE, 0));
}

TEST(msr_list, entry_gs_base, LOADING, "IA32_GS_BASE in the list fails VM entry")
{
    refuses(msr_value(MSR_GS_BASE, 0));
}

TEST(msr_list, entry_x2apic, LOADING, "an x2APIC MSR in the list fails VM entry")
{
    refuses(msr_value(X2APIC_MSR(APIC_TPR), 0));
}

TEST(msr_list, entry_reserved, LOADING, "bits 63:32 of an entry that are not 0 fail VM entry")
{
    refuses((struct vmx_msr_entry){MSR_LSTAR, 1, 0});
}

TEST(msr_list, entry_unknown, LOADING, "an MSR that WRMSR would refuse fails VM entry")
{
    refuses(msr_value(MSR_VMX_BASIC, 0));
}

TEST(msr_list, entry_value, LOADING, "a value that WRMSR would refuse fails VM entry")
{
    refuses(msr_value(MSR_LSTAR, NOT_CANONICAL));
}

TEST(msr_list, entry_failure_is_exit, "26.8 VM-Entry Failures During or After Loading Guest State",
     "the MSRs before the one that fails are loaded, and the launch state stays \"clear\"")
{
    refuses(msr_value(MSR_FS_BASE, 0));
    check_eq("IA32_LSTAR", rdmsr(MSR_LSTAR), 0x1111);
    expect_fail_valid(try_vmresume(), VMXERR_RESUME_NOT_LAUNCHED);
}

TEST(msr_list, exit_stores, SAVING, "VM exit stores each MSR of its list")
{
    struct vmx_msr_entry *at = list(VMCS_EXIT_MSR_STORE_ADDRESS, VMCS_EXIT_MSR_STORE_COUNT, 2);

    at[0] = msr_value(MSR_LSTAR, 0);
    at[1] = msr_value(MSR_VMX_BASIC, 0);
    wrmsr(MSR_LSTAR, 0x3333);
    run_to_done(do_nothing);
    check_eq("IA32_LSTAR in the list", at[0].value, 0x3333);
    check_eq("IA32_VMX_BASIC in the list", at[1].value, rdmsr(MSR_VMX_BASIC));
}

TEST(msr_list, exit_loads, EXIT_LOAD, "VM exit loads each MSR of its list, behind those that it stores")
{
    list(VMCS_EXIT_MSR_STORE_ADDRESS, VMCS_EXIT_MSR_STORE_COUNT, 1)[0] = msr_value(MSR_LSTAR, 0);
    struct vmx_msr_entry *stored = (struct vmx_msr_entry *)vmread(VMCS_EXIT_MSR_STORE_ADDRESS);
    list(VMCS_EXIT_MSR_LOAD_ADDRESS, VMCS_EXIT_MSR_LOAD_COUNT, 1)[0] = msr_value(MSR_LSTAR, 0x4444);
    wrmsr(MSR_LSTAR, 0x3333);
    run_to_done(do_nothing);
    check_eq("IA32_LSTAR", rdmsr(MSR_LSTAR), 0x4444);
    check_eq("IA32_LSTAR in the list", stored->value, 0x3333);
}

TEST(msr_list, failed_entry_loads, "26.8 VM-Entry Failures During or After Loading Guest State",
     "an entry that fails by the guest state loads the MSRs of the exit's list")
{
    list(VMCS_EXIT_MSR_LOAD_ADDRESS, VMCS_EXIT_MSR_LOAD_COUNT, 1)[0] = msr_value(MSR_LSTAR, 0x5555);
    guest_at(do_nothing);
    vmwrite(VMCS_GUEST_RFLAGS, 0);
    expect_entry_failure(EXIT_INVALID_GUEST_STATE, 0);
    check_eq("IA32_LSTAR", rdmsr(MSR_LSTAR), 0x5555);
}

/* There is no way back from x2APIC mode that does not reset the APIC. */
TEST_ALONE(msr_list, entry_x2apic_enabled, LOADING,
           "an x2APIC MSR that WRMSR would take fails VM entry as well")
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
    wrmsr(X2APIC_MSR(APIC_TPR), 0);
    refuses(msr_value(X2APIC_MSR(APIC_TPR), 0));
}

TEST_ALONE(vmx_abort, exit_load, "27.7 VMX Aborts",
           "an MSR of the exit's list that cannot be loaded ends in a VMX abort: shutdown")
{
    list(VMCS_EXIT_MSR_LOAD_ADDRESS, VMCS_EXIT_MSR_LOAD_COUNT, 1)[0] = msr_value(MSR_FS_BASE, 0);
    guest_at(do_nothing);
    guest_try();
    FAIL("it goes on");
}

TEST_ALONE(vmx_abort, exit_store, "27.7 VMX Aborts",
           "an MSR of the exit's list that cannot be stored ends in a VMX abort: shutdown")
{
    list(VMCS_EXIT_MSR_STORE_ADDRESS, VMCS_EXIT_MSR_STORE_COUNT, 1)[0] =
        (struct vmx_msr_entry){MSR_LSTAR, 1, 0};
    guest_at(do_nothing);
    guest_try();
    FAIL("it goes on");
}
