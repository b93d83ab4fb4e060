#include "passthrough.h"

#include "arch/boot.h"
#include "arch/e1000.h"
#include "arch/edu.h"
#include "arch/virtio.h"
#include "arch/vmx.h"
#include "ept.h"
#include "guests/lib/pci.h"
#include "iommu.h"
#include "irq.h"
#include "page.h"
#include "posted.h"
#include "print.h"
#include "text.h"
#include "vm.h"

#define NOWHERE 0

/* ---- registers in the guest's memory ---- */

/* RAM, the APIC's page and registers that are there already come first. */
static bool map_page(struct vm *vm, uint64_t gpa, uint64_t hpa)
{
    uint64_t there;

    if (gpa < vm->config.ram_bytes || ept_translate(vm->dir->root, gpa, &there))
        return true;
    return ept_enter(vm->dir->root, gpa, PAGE_BYTES, hpa | EPT_R | EPT_W | EPT_UC | EPT_A | EPT_D, EPT_RWX) &&
           (!vm->config.pager->adopt || vm->config.pager->adopt(vm, gpa));
}

static void unmap_page(struct vm *vm, uint64_t gpa, uint64_t hpa)
{
    uint64_t there;

    if (gpa < vm->config.ram_bytes || !ept_translate(vm->dir->root, gpa, &there) || there != hpa)
        return;
    ept_enter(vm->dir->root, gpa, PAGE_BYTES, 0, EPT_RWX);
    if (vm->config.pager->forget)
        vm->config.pager->forget(vm, gpa);
}

static bool map_bar(struct passed *d, unsigned bar)
{
    for (uint64_t at = 0; d->at[bar] != NOWHERE && at < d->physical->bar[bar].bytes; at += PAGE_BYTES)
        if (!map_page(d->vm, d->at[bar] + at, d->physical->bar[bar].address + at))
            return false;
    return true;
}

static void unmap_bar(struct passed *d, unsigned bar)
{
    for (uint64_t at = 0; d->at[bar] != NOWHERE && at < d->physical->bar[bar].bytes; at += PAGE_BYTES)
        unmap_page(d->vm, d->at[bar] + at, d->physical->bar[bar].address + at);
    d->at[bar] = NOWHERE;
}

static bool map_all(struct passthrough *p)
{
    for (unsigned i = 0; i < p->count; i++)
        for (unsigned bar = 0; bar < PCI_BARS; bar++)
            if (p->device[i].physical && !map_bar(&p->device[i], bar))
                return false;
    return true;
}

/* A BAR is somewhere else from now on.  What another one had under it comes to light. */
static void place(void *of, unsigned bar, uint32_t gpa)
{
    struct passed *d = of;

    if (!d->physical || d->at[bar] == gpa)
        return;
    if (d->at[bar] != NOWHERE) {
        unmap_bar(d, bar);
        vm_flush(d->vm);
    }
    d->at[bar] = gpa;
    if (!map_all(&d->vm->passthrough) && vm_alive(d->vm))
        vm_crash(d->vm, "no memory left for the tables of its devices' registers");
}

uint64_t passthrough_page(const struct vm *vm, uint64_t gpa)
{
    uint64_t hpa;

    if (vm->passthrough.count == 0 || gpa < vm->config.ram_bytes || !ept_translate(vm->dir->root, gpa, &hpa))
        return 0;
    return hpa & ~(PAGE_BYTES - 1);
}

/* ---- interrupts ---- */

/* The guest has said what it wants to hear: a message of its own, by its own local APICs. */
static void on_interrupt(void *of)
{
    struct passed_interrupt *i = of;

    vpci_message(i->device->function, (unsigned)(i - i->device->interrupt));
}

static void interrupts_off(struct passed *d)
{
    physical_no_interrupts(d->physical);
    iommu_unroute(d->physical);
    for (unsigned i = 0; i < PHYSICAL_INTERRUPTS; i++) {
        if (d->interrupt[i].vector)
            irq_give(d->interrupt[i].vector);
        d->interrupt[i].vector = 0;
    }
}

/* The virtual CPU to which the guest's message can be posted as it stands; NULL: none. */
static struct vcpu *target_of(const struct passed *d, unsigned i, uint64_t *message)
{
    uint64_t address;
    uint32_t data;

    *message = 0;
    if (!d->vm->config.posted || !vpci_message_of(d->function, i, &address, &data) ||
        address >> 20 != MSI_ADDRESS >> 20)
        return NULL;
    *message = (uint64_t)data << 32 | (uint32_t)address;
    return lapic_message_target(d->vm, (uint32_t)address, data);
}

/* By posting, or by our vector: then the guest's message is looked at when the interrupt comes. */
static bool route(struct passed *d, unsigned i)
{
    struct passed_interrupt *in = &d->interrupt[i];

    in->goes = target_of(d, i, &in->message);
    if (in->goes && physical_post(d->physical, i, (uint8_t)(in->message >> 32), posted_descriptor(in->goes)))
        return true;
    in->goes = NULL;
    return physical_interrupt(d->physical, i, in->vector, IRQ_APIC_ID);
}

/* The guest may have changed its message. */
static void route_again(struct passed *d, unsigned i)
{
    uint64_t message;

    if (!d->interrupt[i].vector)
        return;
    target_of(d, i, &message);
    if (message != d->interrupt[i].message)
        route(d, i);
}

static void msix_changed(void *of, unsigned i)
{
    struct passed *d = of;

    if (d->physical)
        route_again(d, i);
}

static bool interrupt_on(struct passed *d, unsigned i)
{
    d->interrupt[i].device = d;
    d->interrupt[i].vector = irq_take(on_interrupt, &d->interrupt[i]);
    return d->interrupt[i].vector && route(d, i);
}

static void interrupts_on(struct passed *d)
{
    unsigned n = d->model.msix_vectors ? d->model.msix_vectors : 1;

    for (unsigned i = 0; i < n; i++)
        if (!interrupt_on(d, i))
            print("hv: no vector is left for interrupt %u of the %s of %s\n", i, physical_name(d->physical),
                  d->vm->dir->name);
}

/* ---- configuration space ---- */

/* The guest has written to its own; of that only bus mastering and messages matter to the device. */
static void configured(void *of, unsigned at)
{
    struct passed *d = of;
    bool messages = vpci_has_messages(d->function), master = vpci_is_master(d->function);

    (void)at;
    if (!d->physical)
        return;
    if (messages != d->messages)
        messages ? interrupts_on(d) : interrupts_off(d);
    if (master != d->master)
        physical_set_master(d->physical, master);
    d->messages = messages;
    d->master = master;
    for (unsigned i = 0; messages && i < PHYSICAL_INTERRUPTS; i++)
        route_again(d, i);
}

static void copy_capability(struct vpci_function *f, uint32_t slot, uint32_t from)
{
    unsigned bytes = pci_read(slot, from) >> 16 & 0xff, to = vpci_add_capability(f, PCI_CAP_VENDOR, bytes);

    for (unsigned i = 2; i < bytes; i++)
        vpci_set_config(f, to + i, 1, pci_read(slot, (from + i) & ~3u) >> 8 * ((from + i) & 3));
}

/* What a virtio device says of its structures, but for the way to them by configuration space, which would go
 * past the guest's own. */
static void build(struct vpci_function *f)
{
    const struct passed *d = f->of;
    uint32_t slot = d->physical->slot;

    for (uint32_t at = 0; (at = pci_capability(slot, PCI_CAP_VENDOR, at));)
        if (pci_read(slot, at) >> 24 != VIRTIO_CAP_ACCESS)
            copy_capability(f, slot, at);
}

static void make_model(struct passed *d)
{
    const struct physical *p = d->physical;
    uint32_t id = pci_read(p->slot, PCI_VENDOR), class = pci_read(p->slot, PCI_REVISION),
             subsystem = pci_read(p->slot, PCI_SUBVENDOR);

    d->model = (struct vpci_model){.vendor = (uint16_t)id,
                                   .device = (uint16_t)(id >> 16),
                                   .revision = (uint8_t) class,
                                   .class = class >> 8,
                                   .subvendor = (uint16_t)subsystem,
                                   .subsystem = (uint16_t)(subsystem >> 16),
                                   .msix_vectors = (uint8_t)p->msix_vectors,
                                   .msix_bar = p->msix_bar,
                                   .build = build,
                                   .configured = configured,
                                   .place = place,
                                   .msix_changed = msix_changed};
    for (unsigned i = 0; i < PCI_BARS; i++)
        d->model.bar[i].bytes = p->bar[i].bytes;
}

/* ---- beginning ---- */

static bool too_many(char *why, size_t size)
{
    format_text(why, size, "a VM may have %u devices", VPCI_FUNCTIONS);
    return false;
}

static bool is_mapped(struct passthrough *p, char *why, size_t size)
{
    if (map_all(p))
        return true;
    format_text(why, size, "out of memory for the tables of its devices' registers");
    return false;
}

static bool pass(struct vm *vm, enum physical_kind kind, unsigned slot, char *why, size_t size)
{
    struct passthrough *p = &vm->passthrough;
    struct passed *d = &p->device[p->count];

    if (p->count == VPCI_FUNCTIONS)
        return too_many(why, size);
    *d = (struct passed){.vm = vm, .physical = physical_reserve(kind, slot, vm->dir->name, why, size)};
    if (!d->physical)
        return false;
    p->count++;
    physical_silence(d->physical);
    physical_reset(d->physical);
    make_model(d);
    if (p->by_iommu)
        iommu_attach(d->physical, vm);
    d->function = vpci_plug(vm, &d->model, d);
    return d->function ? is_mapped(p, why, size) : too_many(why, size);
}

/* By its slots, or the first that is free. */
static bool pass_kind(struct vm *vm, enum physical_kind kind, char *why, size_t size)
{
    uint32_t slots = vm->config.passed[kind].slots;

    if (!slots)
        return pass(vm, kind, 0, why, size);
    for (unsigned slot = 1; slot < 32; slot++)
        if (slots >> slot & 1 && !pass(vm, kind, slot, why, size))
            return false;
    return true;
}

static bool is_asked_for(const struct vm *vm)
{
    bool any = false;

    for (unsigned k = 0; k < PHYSICAL_KINDS; k++)
        any |= vm->config.passed[k].wanted;
    return any;
}

/* Without an IOMMU the VM could read and write all of the machine's memory. */
static bool isolate(struct vm *vm, char *why, size_t size)
{
    struct passthrough *p = &vm->passthrough;

    p->by_iommu = iommu_begin(why, size);
    if (p->by_iommu) {
        if (iommu_domain_begin(vm))
            return true;
        format_text(why, size, "out of memory for the tables of its devices' DMA");
        return false;
    }
    if (!vm->config.unsafe)
        format_text(why + text_length(why), size - text_length(why),
                    "; or let its devices reach all memory, by unsafe=yes");
    else
        print("hv: %s: %s; its devices reach all memory of the machine, by the machine's addresses\n",
              vm->dir->name, why);
    return vm->config.unsafe;
}

bool passthrough_begin(struct vm *vm, char *why, size_t size)
{
    vm->passthrough = (struct passthrough){0};
    if (!is_asked_for(vm))
        return true;
    if (vm->config.lazy) {
        format_text(why, size,
                    "a device that is passed through finds no memory that is not there yet: "
                    "lazy=yes cannot be");
        return false;
    }
    if (!isolate(vm, why, size))
        return false;
    vm->passthrough.pinned = true;
    for (unsigned k = 0; k < PHYSICAL_KINDS; k++)
        if (vm->config.passed[k].wanted && !pass_kind(vm, (enum physical_kind)k, why, size))
            return false;
    return true;
}

/* ---- the end ---- */

/* First it reaches nothing any more, then its registers are nobody's. */
static void take_back(struct passed *d)
{
    physical_silence(d->physical);
    interrupts_off(d);
    physical_reset(d->physical);
    for (unsigned bar = 0; bar < PCI_BARS; bar++)
        unmap_bar(d, bar);
    physical_give(d->physical);
    d->physical = NULL;
}

void passthrough_end(struct vm *vm)
{
    struct passthrough *p = &vm->passthrough;

    for (unsigned i = 0; i < p->count; i++)
        take_back(&p->device[i]);
    if (p->count)
        vm_flush(vm);
    p->count = 0;
    p->pinned = false;
    iommu_domain_end(vm);
}

bool passthrough_device_address(const struct vm *vm, uint64_t gpa, uint64_t *address)
{
    if (vm->passthrough.count == 0 || gpa >= vm->config.ram_bytes)
        return false;
    *address = gpa;
    return vm->passthrough.by_iommu || ept_translate(vm->dir->root, gpa, address);
}
