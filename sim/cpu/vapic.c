/* vapic.c - the virtual-APIC page, the TPR shadow, and the VM exits that come of them (SDM vol. 3, 29.1
 * "Virtual APIC State", 29.3 "Virtualizing CR8-Based TPR Accesses").
 *
 * These exits are trap-like: the instruction retires, and the exit is the atom behind it.  Nothing comes
 * between, not even INIT (29.4.3.2 "APIC-Write Emulation"). */
#include "cpu/vapic.h"

#include "arch/apic.h"
#include "cpu/cpu.h"
#include "cpu/vmcs.h"
#include "mmu/mem.h"
#include "mmu/mmu.h"

u64 vapic_load(struct core *c, u32 offset, unsigned n)
{
    return phys_load(c, c->s.vmx.virtual_apic + offset, n);
}

void vapic_store(struct core *c, u32 offset, unsigned n, u64 value)
{
    phys_store(c, c->s.vmx.virtual_apic + offset, n, value);
}

void vapic_tell(struct core *c, enum vapic_event what, u32 offset, u64 value)
{
    PROBE(c, RS_PROBE_vapic, what, offset, value);
    micro(c, MICRO_DEVICE);
}

u64 vapic_read_tpr(struct core *c)
{
    u64 value = vapic_load(c, APIC_TPR, 4);
    vapic_tell(c, VAPIC_READ, APIC_TPR, value);
    return value;
}

u64 vapic_tpr(const struct core *c)
{
    return mem_read(c->m->mem, c->s.vmx.virtual_apic + APIC_TPR, 4);
}

void vapic_exit_later(struct core *c, enum exit_reason reason, u64 qualification)
{
    c->s.vapic_exit = reason;
    c->s.vapic_qualification = qualification;
    c->rt.look_again = 0;
}

void vapic_exit_now(struct core *c)
{
    vmx_exit(c, (u32)c->s.vapic_exit, c->s.vapic_qualification);
}

/* ---- the task priority ---- */

void vapic_virtualise_tpr(struct core *c)
{
    if (vapic_delivers(c))
        vapic_task_priority_changed(c);
    else if ((vapic_tpr(c) >> 4 & 15) < (c->s.vmx.tpr_threshold & 15))
        vapic_exit_later(c, EXIT_TPR_BELOW_THRESHOLD, 0);
}

void vapic_write_cr8(struct core *c, u64 value)
{
    vapic_store(c, APIC_TPR, 4, value << 4);
    vapic_tell(c, VAPIC_WRITE, APIC_TPR, value << 4);
    vapic_virtualise_tpr(c);
}

/* ---- VM entry (26.7.7 "VM Exits Induced by the TPR Threshold") ---- */

void vapic_enter(struct core *c)
{
    bool checks = c->s.vmx.proc & PROC_TPR_SHADOW && c->s.vmx.proc2 & PROC2_APIC_ACCESSES;
    c->s.vapic_exit = c->s.virtual_interrupt = 0;
    if (vapic_delivers(c))
        vapic_load_status(c, VMCS_GET(c, GUEST_INTERRUPT_STATUS));
    else if (checks && c->s.activity != ACTIVITY_WAIT_SIPI)
        vapic_virtualise_tpr(c);
}
