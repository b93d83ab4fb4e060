/* vmx_nmi.c - NMIs in non-root operation (SDM vol. 3, 24.6.1 "Pin-Based VM-Execution Controls", 25.2 "Other
 * Causes of VM Exits").
 *
 * With virtual NMIs nothing but MOV SS blocks an NMI, which exits; and what the interruptibility state calls
 * blocking by NMI holds back nothing but the VM exit of the NMI window. */
#include "cpu/vmx.h"

bool vmx_virtual_nmis(const struct core *c)
{
    return c->s.vmx.pin & PIN_VIRTUAL_NMIS;
}

u64 *vmx_nmi_blocking(struct core *c)
{
    return c->s.vmx_guest && vmx_virtual_nmis(c) ? &c->s.virtual_nmi_blocked : &c->s.nmi_blocked;
}

/* With NMI exiting IRET leaves NMIs blocked, and removes virtual blocking alone (25.3 "Changes to Instruction
 * Behavior in VMX Non-Root Operation"). */
void vmx_unblock_nmi(struct core *c)
{
    u64 *blocking = vmx_nmi_blocking(c);
    if (*blocking)
        c->rt.look_again = 0; /* one may be due */
    if (c->s.vmx_guest && c->s.vmx.pin & PIN_NMI && !vmx_virtual_nmis(c))
        return;
    c->s.nmi_unblocked = *blocking;
    *blocking = 0;
}

bool vmx_nmi_window_is_open(const struct core *c)
{
    return c->s.vmx.proc & PROC_NMI_WINDOW && !c->s.virtual_nmi_blocked && !c->s.shadow_ss;
}

void vmx_exit_nmi_window(struct core *c)
{
    if (vmx_nmi_window_is_open(c))
        vmx_exit(c, EXIT_NMI_WINDOW, 0);
}

void vmx_exit_nmi(struct core *c)
{
    if (!(c->s.vmx.pin & PIN_NMI) || !c->s.nmi_pending || c->s.nmi_blocked || c->s.shadow_ss)
        return;
    c->s.nmi_pending = 0;
    vmx_leave(c,
              &(struct vmx_exit){.reason = EXIT_EXCEPTION_NMI, .intr_info = INTR_INFO(VEC_NMI, EVENT_NMI)});
}
