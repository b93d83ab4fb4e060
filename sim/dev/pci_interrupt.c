/* pci_interrupt.c - INTA#, MSI and MSI-X of a PCI function (PCI Local Bus Specification 3.0, 2.2.6 "Interrupt
 * Pins", 6.8 "Message Signaled Interrupts"). */
#include "arch/ioapic.h"
#include "dev/dma.h"
#include "dev/ioapic.h"
#include "dev/pci.h"

static struct pci_function *state_of(const struct pci_device *d)
{
    return &d->m->b.pci[d->slot];
}

/* ---- which way ---- */

static bool msix_is_on(const struct pci_device *d)
{
    return d->msix_at && pci_config(d, d->msix_at + PCI_MSIX_CONTROL, 2) & PCI_MSIX_ENABLE;
}

static bool msi_is_on(const struct pci_device *d)
{
    return d->msi_at && pci_config(d, d->msi_at + PCI_MSI_CONTROL, 2) & PCI_MSI_ENABLE;
}

bool pci_has_messages(const struct pci_device *d)
{
    return msix_is_on(d) || msi_is_on(d);
}

/* ---- messages ---- */

/* A message is a write to memory: without bus mastering there is none. */
static void send(struct pci_device *d, u64 address, u32 data)
{
    if (pci_config(d, PCI_COMMAND, 2) & PCI_COMMAND_MASTER)
        dma_message(d, address, data);
}

static void send_msi(struct pci_device *d)
{
    u64 address = pci_config(d, d->msi_at + PCI_MSI_ADDRESS, 4) |
                  (u64)pci_config(d, d->msi_at + PCI_MSI_ADDRESS + 4, 4) << 32;
    send(d, address, pci_config(d, d->msi_at + PCI_MSI_DATA, 2));
}

static bool is_masked(const struct pci_device *d, unsigned vector)
{
    return state_of(d)->msix[2 * vector + 1] >> 32 & PCI_MSIX_VECTOR_MASKED ||
           pci_config(d, d->msix_at + PCI_MSIX_CONTROL, 2) & PCI_MSIX_MASKED;
}

/* A masked one waits in the pending bit array. */
static void send_msix(struct pci_device *d, unsigned vector)
{
    struct pci_function *f = state_of(d);
    if (is_masked(d, vector))
        f->msix_pending |= UINT64_C(1) << vector;
    else
        send(d, f->msix[2 * vector], (u32)f->msix[2 * vector + 1]);
}

static void send_vector(struct pci_device *d, unsigned vector)
{
    if (msix_is_on(d))
        send_msix(d, vector);
    else if (msi_is_on(d))
        send_msi(d);
}

void pci_send_messages(struct pci_device *d)
{
    u64 vectors = state_of(d)->send;
    state_of(d)->send = 0;
    for (unsigned v = 0; v < PCI_MSIX_MAX; v++)
        if (vectors >> v & 1)
            send_vector(d, v);
}

static void ask_to_send(struct pci_device *d, u64 vectors)
{
    state_of(d)->send |= vectors;
    pci_reschedule(d);
}

bool pci_interrupt_message(struct pci_device *d, unsigned vector)
{
    if (!pci_has_messages(d))
        return false;
    if (!msix_is_on(d))
        ask_to_send(d, 1);
    else if (vector < d->model->msix_vectors)
        ask_to_send(d, UINT64_C(1) << vector);
    return true;
}

/* Vectors that were masked when they were to be sent, and are no more. */
static void send_pending(struct pci_device *d)
{
    struct pci_function *f = state_of(d);
    u64 now = 0;
    for (unsigned v = 0; msix_is_on(d) && v < d->model->msix_vectors; v++)
        if (!is_masked(d, v))
            now |= f->msix_pending & UINT64_C(1) << v;
    f->msix_pending &= ~now;
    if (now)
        ask_to_send(d, now);
}

/* ---- the table of MSI-X ---- */

u64 pci_msix_read(const struct pci_device *d, u64 offset, unsigned n)
{
    const struct pci_function *f = state_of(d);
    u64 word = 0;
    if (offset / 8 < 2u * d->model->msix_vectors)
        word = f->msix[offset / 8];
    else if (offset / 8 == PCI_MSIX_PBA_OFFSET / 8)
        word = f->msix_pending;
    word >>= 8 * (offset % 8);
    return n < 8 ? word & ((UINT64_C(1) << 8 * n) - 1) : word;
}

/* Words of 4 or 8 bytes, aligned (6.8.2); others are swallowed.  Only the mask of vector control is there. */
void pci_msix_write(struct pci_device *d, u64 offset, unsigned n, u64 value)
{
    if (offset / 8 >= 2u * d->model->msix_vectors || n < 4 || offset % n)
        return;
    u64 *word = &state_of(d)->msix[offset / 8];
    unsigned shift = 8 * (offset % 8);
    u64 bits = (n < 8 ? UINT64_C(0xffffffff) : UINT64_MAX) << shift;
    bits &= offset / 8 % 2 ? UINT64_C(0x1ffffffff) : ~UINT64_C(3);
    *word = (*word & ~bits) | (value << shift & bits);
    send_pending(d);
}

/* ---- INTA# ---- */

static bool line_is_on(const struct pci_device *d)
{
    return d->model->intx && !pci_has_messages(d) &&
           !(pci_config(d, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
}

bool pci_is_heard(const struct pci_device *d)
{
    if (pci_has_messages(d))
        return pci_config(d, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
    return line_is_on(d) && !(d->m->b.ioapic.entry[PCI_LINE_OF(d->slot)] & IOAPIC_MASKED);
}

static void drive_line(struct pci_device *d)
{
    bool level = line_is_on(d) && state_of(d)->wants;
    if (level != state_of(d)->intx)
        ioapic_line(d->m, PCI_LINE_OF(d->slot), level);
    state_of(d)->intx = level;
}

void pci_interrupt_level(struct pci_device *d, bool level)
{
    state_of(d)->wants = level;
    drive_line(d);
}

void pci_interrupt_configured(struct pci_device *d)
{
    send_pending(d);
    drive_line(d);
}
