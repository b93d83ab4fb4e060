/* lapic_ipi.c - interrupts that the virtual CPUs of a VM send each other and themselves (SDM vol. 3, 10.6
 * "Issuing Interprocessor Interrupts"). */
#include "arch/apic.h"
#include "arch/pci.h"
#include "arch/x86.h"
#include "reach.h"
#include "vm.h"

#define BROADCAST_XAPIC  0xff
#define BROADCAST_X2APIC 0xffffffff

static uint32_t reg(const struct vcpu *v, uint32_t offset)
{
    return *(const uint32_t *)(v->lapic.page + offset);
}

/* 10.6.2.2 "Logical Destination Mode", 10.12.10.1 "Logical Destination Mode in x2APIC Mode" */
static bool matches_logical(const struct vcpu *to, uint32_t destination)
{
    uint32_t ldr = reg(to, APIC_LDR);

    if (lapic_in_x2apic_mode(&to->lapic))
        return ldr >> 16 == destination >> 16 && ldr & destination & 0xffff;
    ldr >>= 24;
    if (reg(to, APIC_DFR) >> 28 == 0xf)
        return ldr & destination;
    return (ldr >> 4 == destination >> 4 || destination >> 4 == 0xf) && ldr & destination & 0xf;
}

/* from: NULL is a device, whose messages have a destination as in xAPIC mode. */
static bool matches_destination(const struct vcpu *from, const struct vcpu *to, uint64_t icr)
{
    bool x2apic = from && lapic_in_x2apic_mode(&from->lapic);
    uint32_t destination = (uint32_t)(x2apic ? icr >> 32 : icr >> 56);

    if (destination == (x2apic ? BROADCAST_X2APIC : BROADCAST_XAPIC))
        return true;
    return icr & APIC_ICR_LOGICAL ? matches_logical(to, destination) : lapic_id(to) == destination;
}

static bool matches(const struct vcpu *from, const struct vcpu *to, uint64_t icr)
{
    if (!(to->lapic.base & APIC_BASE_ENABLE))
        return false;
    switch (icr & APIC_ICR_SHORTHAND) {
    case APIC_ICR_TO_SELF: return to == from;
    case APIC_ICR_TO_ALL: return true;
    case APIC_ICR_TO_OTHERS: return to != from;
    default: return matches_destination(from, to, icr);
    }
}

/* Tables 10-3 and 10-4: shorthands that include the sender are for fixed delivery alone; and processors no
 * longer know the INIT level de-assert (10.6.1). */
static bool is_valid(uint64_t icr)
{
    uint64_t mode = icr & APIC_ICR_DELIVERY, shorthand = icr & APIC_ICR_SHORTHAND;

    if (mode == APIC_ICR_INIT && icr & APIC_ICR_LEVEL && !(icr & APIC_ICR_ASSERT))
        return false;
    return mode == APIC_ICR_FIXED || shorthand == APIC_ICR_TO_DEST || shorthand == APIC_ICR_TO_OTHERS;
}

static void deliver(struct vcpu *to, uint64_t icr)
{
    switch (icr & APIC_ICR_DELIVERY) {
    case APIC_ICR_FIXED:
    case APIC_ICR_LOWEST: lapic_raise(to, icr & APIC_ICR_VECTOR); break;
    case APIC_ICR_NMI: to->lapic.nmi = true; break;
    case APIC_ICR_INIT: startup_init(to); return;
    case APIC_ICR_STARTUP: startup_ipi(to); return;
    default: return;
    }
    vcpu_notify(to);
}

/* Of those that it is for, the one of the lowest processor priority; of these the first (10.6.2.4). */
static void send_to_lowest(struct vm *vm, struct vcpu *from, uint64_t icr)
{
    struct vcpu *lowest = NULL;

    for (uint64_t i = 0; i < vm->dir->vcpus; i++) {
        struct vcpu *to = &vm->vcpu[i];

        if (!matches(from, to, icr) || !(reg(to, APIC_SVR) & APIC_SVR_ENABLE))
            continue;
        if (!lowest || lapic_ppr(&to->lapic) < lapic_ppr(&lowest->lapic))
            lowest = to;
    }
    if (lowest)
        deliver(lowest, icr);
}

static void send(struct vm *vm, struct vcpu *from, uint64_t icr)
{
    if ((icr & APIC_ICR_DELIVERY) == APIC_ICR_LOWEST) {
        send_to_lowest(vm, from, icr);
        return;
    }
    for (uint64_t i = 0; i < vm->dir->vcpus; i++)
        if (matches(from, &vm->vcpu[i], icr))
            deliver(&vm->vcpu[i], icr);
}

void lapic_send(struct vcpu *v, uint64_t icr)
{
    uint64_t mode = icr & APIC_ICR_DELIVERY;

    if ((mode == APIC_ICR_FIXED || mode == APIC_ICR_LOWEST) && (icr & APIC_ICR_VECTOR) < APIC_VECTOR_MIN) {
        lapic_error(v, APIC_ESR_SEND_VECTOR);
        return;
    }
    if (is_valid(icr))
        send(v->vm, v, icr);
}

struct vcpu *lapic_message_target(struct vm *vm, uint32_t address, uint32_t data)
{
    uint64_t mode = data & MSI_DELIVERY, icr = (uint64_t)(address >> MSI_DESTINATION_SHIFT & 0xff) << 56;
    struct vcpu *target = NULL;

    if ((mode != APIC_ICR_FIXED && mode != APIC_ICR_LOWEST) || address & MSI_LOGICAL ||
        (data & APIC_ICR_VECTOR) < APIC_VECTOR_MIN)
        return NULL;
    for (uint64_t i = 0; i < vm->dir->vcpus; i++)
        if (matches(NULL, &vm->vcpu[i], icr)) {
            if (target)
                return NULL;
            target = &vm->vcpu[i];
        }
    return target;
}

void lapic_message(struct vm *vm, uint32_t address, uint32_t data)
{
    uint64_t mode = data & MSI_DELIVERY, destination = address >> MSI_DESTINATION_SHIFT & 0xff;
    uint64_t icr = mode | (data & APIC_ICR_VECTOR) | (address & MSI_LOGICAL ? APIC_ICR_LOGICAL : 0);

    if (mode == APIC_ICR_FIXED || mode == APIC_ICR_LOWEST || mode == APIC_ICR_NMI)
        send(vm, NULL, icr | destination << 56);
}
