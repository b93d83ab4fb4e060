#include "posted.h"

#include "arch/iommu.h"
#include "core.h"
#include "irq.h"
#include "panic.h"
#include "guests/lib/string.h"
#include "print.h"
#include "reach.h"
#include "step.h"
#include "traps.h"
#include "vmx.h"

#define WORDS         8
#define REQUEST_WORDS 4 /* of the descriptor: a bit for each vector; then */
#define CONTROL       4

struct descriptor {
    uint64_t word[WORDS];
} __attribute__((aligned(64)));

static struct descriptor descriptors[VMDIR_VMS][VMDIR_VCPUS];
static uint8_t running, waiting; /* notification vectors: for a core in the guest, and for the hypervisor */

bool posted_possible(char *why, size_t size)
{
    if (vmx_offers(WORD_PROC2, PROC2_VIRTUAL_INTERRUPTS) && vmx_offers(WORD_PIN, PIN_POSTED_INTERRUPTS) &&
        vmx_offers(WORD_VMEXIT, VMEXIT_ACK_INTERRUPT))
        return true;
    format_text(why, size, "this processor cannot process posted interrupts, which posted=yes needs");
    return false;
}

/* ---- the descriptor ---- */

/* Devices change it at any time, so the control word goes from one value to the next in one piece. */
static void set_control(uint64_t *word, uint64_t clear, uint64_t set)
{
    uint64_t before = __atomic_load_n(word, __ATOMIC_RELAXED);

    while (!__atomic_compare_exchange_n(word, &before, (before & ~clear) | set, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
        continue;
}

uint64_t posted_descriptor(const struct vcpu *v)
{
    return (uint64_t)v->posted;
}

void posted_request(struct vcpu *v, unsigned vector)
{
    __atomic_fetch_or(&v->posted[vector / 64], UINT64_C(1) << vector % 64, __ATOMIC_SEQ_CST);
    set_control(&v->posted[CONTROL], 0, IOMMU_PID_ON);
}

/* ON goes first: what is posted behind that has a notification of its own. */
void posted_take(struct vcpu *v)
{
    if (v->posted[CONTROL] & IOMMU_PID_ON) {
        set_control(&v->posted[CONTROL], IOMMU_PID_ON, 0);
        for (unsigned i = 0; i < REQUEST_WORDS; i++)
            lapic_accept(&v->lapic, i, __atomic_exchange_n(&v->posted[i], 0, __ATOMIC_SEQ_CST));
    }
}

/* ---- notifications ---- */

/* Somebody who is not in his guest has been posted something, or was not when it was sent. */
static void on_notification(void *of)
{
    struct vm *vm;

    (void)of;
    for (unsigned i = 0; (vm = vm_at(i)) != NULL; i++)
        for (uint64_t j = 0; j < vm->dir->vcpus; j++)
            if (vm->vcpu[j].posted && vm->vcpu[j].posted[CONTROL] & IOMMU_PID_ON)
                vcpu_notify(&vm->vcpu[j]);
}

static void take_vectors(void)
{
    if (running)
        return;
    running = irq_take(on_notification, NULL);
    waiting = irq_take(on_notification, NULL);
    if (!running || !waiting)
        panic("no vector is left for posted interrupts");
}

/* What was posted before this and told the one who has been notified until now is looked for at once. */
void posted_turn(struct vcpu *v, const struct core *c)
{
    uint64_t vector = c ? running : waiting, apic_id = c ? c->number : IRQ_APIC_ID;

    set_control(&v->posted[CONTROL],
                UINT64_C(0xff) << IOMMU_PID_NV_SHIFT | ~UINT64_C(0) << IOMMU_PID_NDST_SHIFT,
                vector << IOMMU_PID_NV_SHIFT | apic_id << (IOMMU_PID_NDST_SHIFT + 8));
    if (v->halted)
        vcpu_runnable(v);
}

/* ---- the VMCS ---- */

void posted_begin(struct vcpu *v)
{
    take_vectors();
    memset(&descriptors[v->vm->number][v->index], 0, sizeof descriptors[0][0]);
    v->posted = descriptors[v->vm->number][v->index].word;
    posted_turn(v, NULL);
}

void posted_forget(struct vcpu *v)
{
    set_control(&v->posted[CONTROL], IOMMU_PID_ON, 0);
    for (unsigned i = 0; i < REQUEST_WORDS; i++)
        __atomic_store_n(&v->posted[i], 0, __ATOMIC_SEQ_CST);
}

void posted_setup(const struct vcpu *v)
{
    vmwrite(VMCS_PIN_CONTROLS, vmread(VMCS_PIN_CONTROLS) | PIN_POSTED_INTERRUPTS);
    vmwrite(VMCS_PROC2_CONTROLS, vmread(VMCS_PROC2_CONTROLS) | PROC2_VIRTUAL_INTERRUPTS);
    vmwrite(VMCS_EXIT_CONTROLS, vmread(VMCS_EXIT_CONTROLS) | VMEXIT_ACK_INTERRUPT);
    vmwrite(VMCS_POSTED_VECTOR, running);
    vmwrite(VMCS_POSTED_DESCRIPTOR, (uint64_t)v->posted);
    vmwrite(VMCS_EOI_EXIT_BITMAP0, 0); /* no end of an interrupt exits */
    vmwrite(VMCS_EOI_EXIT_BITMAP1, 0);
    vmwrite(VMCS_EOI_EXIT_BITMAP2, 0);
    vmwrite(VMCS_EOI_EXIT_BITMAP3, 0);
    vmwrite(VMCS_GUEST_INTERRUPT_STATUS, 0);
}

/* RVI and SVI, which the processor keeps from then on; nothing is delivered while an instruction is stepped
 * over (step.h). */
void posted_before_entry(struct vcpu *v)
{
    uint64_t requested;

    posted_take(v);
    if (!v->lapic.changed && !(v->steps & STEP_APIC_PAGE))
        return;
    requested = v->steps & STEP_APIC_PAGE ? 0 : lapic_requested(&v->lapic);

    vmwrite(VMCS_GUEST_INTERRUPT_STATUS, lapic_in_service(&v->lapic) << 8 | requested);
    v->lapic.changed = v->steps & STEP_APIC_PAGE;
}

void posted_acknowledge(void)
{
    traps_interrupt(vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR);
}
