#include "startup.h"

#include "arch/boot.h"
#include "arch/insn.h"
#include "arch/x86.h"
#include "cr.h"
#include "exits.h"
#include "guests/lib/string.h"
#include "page.h"
#include "reach.h"
#include "step.h"
#include "vm.h"
#include "vmcs.h"
#include "vmx.h"

#define LEAF_FEATURES     1
#define LEAF_ADDRESS_SIZE 0x80000008
#define TABLE_LIMIT       0xffff /* of GDTR and IDTR after INIT (SDM vol. 3, table 9-1) */

bool startup_offered(const struct vcpu *v)
{
    return v->vm->dir->vcpus > 1;
}

static bool physical(uint64_t address)
{
    uint32_t r[4];

    cpuid(LEAF_ADDRESS_SIZE, 0, r);
    return address >> (r[0] & 0xff) == 0;
}

bool startup_write_msr(struct vcpu *v, uint64_t value)
{
    if (value % 8 || !physical(value))
        return false;
    v->vm->startup_structure = value;
    return true;
}

/* ---- INIT ---- */

/* SDM vol. 3, table 9-1: the local APIC is reset but for its ID and mode, and what had arrived is lost.  The
 * rest of the reset is done when it is started: until then nobody sees it. */
void startup_init(struct vcpu *v)
{
    vcpu_exit(v);
    if (v->vm->config.pager->initialised)
        v->vm->config.pager->initialised(v);
    step_forget(v);
    v->startup = (struct startup){.waits = true};
    v->halted = false;
    lapic_reset(v);
    if (lapic_in_x2apic_mode(&v->lapic))
        lapic_enter_x2apic_mode(v);
    if (vm_is_halted_for_ever(v->vm))
        vm_stop(v->vm, STATUS_HALTED, "halted for ever: all its processors wait for a start-up IPI");
}

/* One that does not wait drops it. */
void startup_ipi(struct vcpu *v)
{
    if (!v->startup.waits)
        return;
    v->startup.begin = true;
    scheduler_wake(v);
}

/* ---- start ---- */

/* What INIT leaves as it was (SDM vol. 3, table 9-1), and vmcs_setup does not. */
static const uint32_t kept[] = {
    VMCS_TSC_OFFSET,        VMCS_GUEST_EFER,         VMCS_GUEST_PAT,
    VMCS_GUEST_SYSENTER_CS, VMCS_GUEST_SYSENTER_ESP, VMCS_GUEST_SYSENTER_EIP,
};
#define KEPT (sizeof kept / sizeof kept[0])

static void reset_vmcs(struct vcpu *v, uint64_t entry)
{
    uint64_t value[KEPT];

    for (unsigned i = 0; i < KEPT; i++)
        value[i] = vmread(kept[i]);
    vmcs_setup(v, entry);
    for (unsigned i = 0; i < KEPT; i++)
        vmwrite(kept[i], value[i]);
    v->event = (struct event){0};
    v->runs_until = 0;
    vmwrite(VMCS_GUEST_RSP, 0);
    vmwrite(VMCS_GUEST_GDTR_BASE, 0);
    vmwrite(VMCS_GUEST_GDTR_LIMIT, TABLE_LIMIT);
    vmwrite(VMCS_GUEST_IDTR_LIMIT, TABLE_LIMIT);
}

static void reset_registers(struct vcpu *v)
{
    uint32_t r[4];

    memset(v->gpr, 0, sizeof v->gpr);
    cpuid(LEAF_FEATURES, 0, r);
    v->gpr[REG_RDX] = r[0];
    write_cr2(0);
    write_dr0(0);
    write_dr1(0);
    write_dr2(0);
    write_dr3(0);
    write_dr6(DR6_FIXED);
}

/* As MOV takes them, in the order in which none depends on one that follows. */
static bool load_control_registers(struct vcpu *v, const uint64_t *word)
{
    return cr_write(v, 4, word[SIPI_ENTRY_CR4]) && physical(word[SIPI_ENTRY_CR3]) &&
           cr_write(v, 3, word[SIPI_ENTRY_CR3]) && cr_write(v, 0, word[SIPI_ENTRY_CR0]);
}

/* Where there is no RAM it reads as ones. */
static void read_structure(struct vm *vm, uint64_t word[SIPI_ENTRY_WORDS])
{
    for (unsigned i = 0; i < SIPI_ENTRY_WORDS; i++) {
        uint64_t gpa = vm->startup_structure + 8 * i;
        const uint8_t *page = vm_page(vm, gpa);

        word[i] = page ? *(const uint64_t *)(page + gpa % PAGE_BYTES) : ~UINT64_C(0);
    }
}

void startup_begin(struct vcpu *v)
{
    uint64_t word[SIPI_ENTRY_WORDS];

    v->startup.begin = false;
    read_structure(v->vm, word);
    if (!(word[SIPI_ENTRY_FEATURES] & SIPI_FEATURES_ENABLE))
        return;
    reset_vmcs(v, word[SIPI_ENTRY_RIP]);
    reset_registers(v);
    vmx_flush_vpid(v->vpid);
    if (word[SIPI_ENTRY_FEATURES] != SIPI_FEATURES_ENABLE || !canonical(word[SIPI_ENTRY_RIP]) ||
        !load_control_registers(v, word)) {
        vm_crash(v->vm,
                 "a start-up IPI for processor %lu, whose structure at guest-physical 0x%lx is not legal",
                 v->index, v->vm->startup_structure);
        return;
    }
    v->startup.waits = false;
}
