/* io_string.c - INS and OUTS.  Each exit stands for one element; a REP instruction runs again until RCX is 0,
 * as on the processor, which may take an interrupt between any two. */
#include "arch/insn.h"
#include "arch/x86.h"
#include "guest_walk.h"
#include "io.h"
#include "vmx.h"

#define BYTES_MAX         4
#define INFO_ADDRESS_SIZE (7u << 7) /* of the instruction information (SDM vol. 3, 27.2.5): 1 is 32 bits */
#define INFO_ADDRESS_32   (1u << 7)
#define INFO_SEGMENT(i)   ((i) >> 15 & 7) /* for OUTS alone */

static void fault(struct vcpu *v, enum guest_walk why, uint64_t gva, uint32_t error)
{
    if (why == WALK_OUTSIDE)
        vm_crash(v->vm, "INS or OUTS at rip 0x%lx: linear 0x%lx leads where it has no RAM",
                 vmread(VMCS_GUEST_RIP), gva);
    else
        pager_reflect(v, gva, error);
}

/* The exit comes before the fault of an address that is not canonical, so that one is ours to raise too. */
static bool range_canonical(uint64_t gva, unsigned n, bool write)
{
    bool stack = !write && INFO_SEGMENT(vmread(VMCS_EXIT_INSN_INFO)) == SEG_SS;

    if (canonical(gva) && canonical(gva + n - 1))
        return true;
    vcpu_inject(stack ? VEC_SS : VEC_GP, true, 0);
    return false;
}

/* Finds every byte of the element before anything happens: it may cross into a page that faults. */
static bool find_bytes(struct vcpu *v, uint64_t gva, unsigned n, bool write, uint8_t *bytes[BYTES_MAX])
{
    if (!range_canonical(gva, n, write))
        return false;
    for (unsigned i = 0; i < n; i++) {
        uint32_t error = 0;
        enum guest_walk result = guest_byte(v, gva + i, write, &bytes[i], &error);

        if (result != WALK_OK) {
            fault(v, result, gva + i, error);
            return false;
        }
    }
    return true;
}

static void transfer(struct vm *vm, bool in, unsigned port, unsigned n, uint8_t *const bytes[BYTES_MAX])
{
    uint32_t value = 0;

    if (in)
        value = port_in(vm, port, n);
    for (unsigned i = 0; i < n; i++)
        if (in)
            *bytes[i] = (uint8_t)(value >> 8 * i);
        else
            value |= (uint32_t)*bytes[i] << 8 * i;
    if (!in)
        port_out(vm, port, n, value);
}

/* With 32-bit addresses the counter and the pointers are 32-bit registers, whose writes clear the upper half.
 */
static uint64_t register_mask(void)
{
    return (vmread(VMCS_EXIT_INSN_INFO) & INFO_ADDRESS_SIZE) == INFO_ADDRESS_32 ? 0xffffffff : ~UINT64_C(0);
}

static void advance(uint64_t *reg, uint64_t by, uint64_t mask)
{
    *reg = (*reg + by) & mask;
}

/* A processor may exit before it looks at the counter: a REP with nothing to do comes here too. */
void exit_io_string(struct vcpu *v, uint64_t qualification)
{
    bool in = qualification & QUAL_IO_IN, rep = qualification & QUAL_IO_REP;
    unsigned n = QUAL_IO_BYTES(qualification);
    uint64_t step = vmread(VMCS_GUEST_RFLAGS) & FLAG_DF ? -(uint64_t)n : n;
    uint64_t *gpr = v->gpr, mask = register_mask();
    uint8_t *bytes[BYTES_MAX];

    if (rep && (gpr[REG_RCX] & mask) == 0) {
        vcpu_skip_instruction();
        return;
    }
    if (!find_bytes(v, vmread(VMCS_GUEST_LINEAR_ADDRESS), n, in, bytes))
        return;
    transfer(v->vm, in, QUAL_IO_PORT(qualification), n, bytes);
    advance(&gpr[in ? REG_RDI : REG_RSI], step, mask);
    if (rep)
        advance(&gpr[REG_RCX], -UINT64_C(1), mask);
    if (!rep || gpr[REG_RCX] == 0)
        vcpu_skip_instruction();
    else
        vcpu_skip_iteration();
}
