/* feature - who may turn VMX on: reads IA32_FEATURE_CONTROL, tries to write it, and tries VMXON.
 *
 *     feature [VALUE]      VALUE is written, 0 to 7; without it nothing is
 *
 * SDM vol. 3, 23.7 "Enabling and Entering VMX Operation".  In a VM of a hypervisor that offers no VMX the MSR
 * is not there. */
#include "lib/guest.h"

#include <stdbool.h>

#include "arch/insn.h"
#include "arch/vmx.h"
#include "lib/args.h"
#include "lib/print.h"
#include "lib/traps.h"

#define NOTHING     UINT64_MAX
#define MSR_BYTES   2 /* of RDMSR and WRMSR */
#define CR4_BYTES   3 /* of MOV to CR4 from RAX */
#define VMXON_BYTES 4 /* of VMXON (RAX) */

static volatile uint64_t fault; /* vector, or NOTHING */
static unsigned skip;           /* bytes of the instruction that may fault */

static void on_fault(struct trap_frame *frame)
{
    fault = frame->vector;
    frame->rip += skip;
}

static void expect_fault(unsigned insn_bytes)
{
    fault = NOTHING;
    skip = insn_bytes;
}

static bool show_control(void)
{
    uint64_t value;

    expect_fault(MSR_BYTES);
    value = rdmsr(MSR_FEATURE_CONTROL);
    if (fault != NOTHING) {
        print("IA32_FEATURE_CONTROL is not there: %s\n", trap_name(fault));
        return false;
    }
    print("IA32_FEATURE_CONTROL is %lu: %s, VMX %s\n", value,
          value & FEATURE_CONTROL_LOCK ? "locked" : "open", value & FEATURE_CONTROL_VMX ? "on" : "off");
    return true;
}

static void write_control(uint64_t value)
{
    expect_fault(MSR_BYTES);
    wrmsr(MSR_FEATURE_CONTROL, value);
    print("writing %lu %s\n", value, fault == NOTHING ? "is taken" : "makes #GP");
    show_control();
}

static void try_vmxon(void)
{
    static uint32_t region[1024] __attribute__((aligned(4096)));
    uint64_t address = (uint64_t)region;

    write_cr0(read_cr0() | CR0_NE);
    expect_fault(CR4_BYTES);
    __asm__ volatile("movq %0, %%cr4" : : "a"(read_cr4() | CR4_VMXE) : "memory");
    if (fault != NOTHING) {
        print("CR4.VMXE cannot be set: %s\n", trap_name(fault));
        return;
    }
    expect_fault(MSR_BYTES);
    region[0] = (uint32_t)rdmsr(MSR_VMX_BASIC);
    expect_fault(VMXON_BYTES);
    __asm__ volatile("vmxon (%0)" : : "a"(&address), "m"(address) : "memory", "cc");
    if (fault != NOTHING) {
        print("VMXON makes %s\n", trap_name(fault));
        return;
    }
    __asm__ volatile("vmxoff" : : : "memory", "cc");
    print("VMXON works\n");
}

uint32_t guest_main(const char *args)
{
    uint64_t value = args_number(args, 1, NOTHING);
    uint32_t r[4];

    trap_set(VEC_GP, on_fault);
    trap_set(VEC_UD, on_fault);
    cpuid(1, 0, r);
    print("CPUID offers %s\n", r[2] & CPUID_1_ECX_VMX ? "VMX" : "no VMX");
    if (show_control() && value != NOTHING)
        write_control(value);
    try_vmxon();
    return 0;
}
