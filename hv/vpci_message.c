/* vpci_message.c - MSI and MSI-X of a VM's devices (PCI Local Bus Specification 3.0, 6.8 "Message Signaled
 * Interrupts"). */
#include "arch/board.h"
#include "dma.h"
#include "vm.h"
#include "vpci.h"

#define MSI_PREFIX   (MSI_ADDRESS >> 20)
#define CONTROL_BITS UINT64_C(0x1ffffffff) /* data, and the mask */

/* ---- the capability ---- */

static void build_msi(struct vpci_function *f)
{
    unsigned at = vpci_add_capability(f, PCI_CAP_MSI, PCI_MSI_BYTES);

    f->msi = (uint8_t)at;
    vpci_set_config(f, at + PCI_MSI_CONTROL, 2, PCI_MSI_64);
    vpci_set_writable(f, at + PCI_MSI_CONTROL, 2, PCI_MSI_ENABLE);
    vpci_set_writable(f, at + PCI_MSI_ADDRESS, 4, ~3u);
    vpci_set_writable(f, at + PCI_MSI_ADDRESS + 4, 4, ~0u);
    vpci_set_writable(f, at + PCI_MSI_DATA, 2, 0xffff);
}

static void build_msix(struct vpci_function *f)
{
    unsigned at = vpci_add_capability(f, PCI_CAP_MSIX, PCI_MSIX_BYTES);

    f->msix = (uint8_t)at;
    vpci_set_config(f, at + PCI_MSIX_CONTROL, 2, f->model->msix_vectors - 1u);
    vpci_set_writable(f, at + PCI_MSIX_CONTROL, 2, PCI_MSIX_ENABLE | PCI_MSIX_MASKED);
    vpci_set_config(f, at + PCI_MSIX_TABLE, 4, f->model->msix_bar);
    vpci_set_config(f, at + PCI_MSIX_PBA, 4, f->model->msix_bar | PCI_MSIX_PBA_OFFSET);
    for (unsigned v = 0; v < f->model->msix_vectors; v++)
        f->vector[2 * v + 1] = (uint64_t)PCI_MSIX_VECTOR_MASKED << 32;
}

void vpci_build_messages(struct vpci_function *f)
{
    if (f->model->msix_vectors)
        build_msix(f);
    else
        build_msi(f);
}

/* ---- messages ---- */

static bool msi_is_on(const struct vpci_function *f)
{
    return f->msi && vpci_config(f, f->msi + PCI_MSI_CONTROL, 2) & PCI_MSI_ENABLE;
}

static bool msix_is_on(const struct vpci_function *f)
{
    return f->msix && vpci_config(f, f->msix + PCI_MSIX_CONTROL, 2) & PCI_MSIX_ENABLE;
}

bool vpci_has_messages(const struct vpci_function *f)
{
    return msi_is_on(f) || msix_is_on(f);
}

/* A message is a write, so without bus mastering there is none; elsewhere than to the local APICs it is one
 * to memory. */
static void send(struct vpci_function *f, uint64_t address, uint32_t data)
{
    if (!vpci_is_master(f))
        return;
    if (address >> 20 == MSI_PREFIX)
        lapic_message(f->vm, (uint32_t)address, data);
    else
        dma_write(f->vm, address, &data, sizeof data);
}

static uint64_t msi_address(const struct vpci_function *f)
{
    uint64_t high = vpci_config(f, f->msi + PCI_MSI_ADDRESS + 4, 4);

    return vpci_config(f, f->msi + PCI_MSI_ADDRESS, 4) | high << 32;
}

static void send_msi(struct vpci_function *f)
{
    send(f, msi_address(f), vpci_config(f, f->msi + PCI_MSI_DATA, 2));
}

static bool is_masked(const struct vpci_function *f, unsigned vector)
{
    return f->vector[2 * vector + 1] >> 32 & PCI_MSIX_VECTOR_MASKED ||
           vpci_config(f, f->msix + PCI_MSIX_CONTROL, 2) & PCI_MSIX_MASKED;
}

/* A masked one waits in the pending bit array. */
static void send_msix(struct vpci_function *f, unsigned vector)
{
    if (vector >= f->model->msix_vectors)
        return;
    if (is_masked(f, vector))
        f->pending |= UINT64_C(1) << vector;
    else
        send(f, f->vector[2 * vector], (uint32_t)f->vector[2 * vector + 1]);
}

bool vpci_message_of(const struct vpci_function *f, unsigned vector, uint64_t *address, uint32_t *data)
{
    if (msix_is_on(f) && vector < f->model->msix_vectors && !is_masked(f, vector)) {
        *address = f->vector[2 * vector];
        *data = (uint32_t)f->vector[2 * vector + 1];
    } else if (!msix_is_on(f) && msi_is_on(f)) {
        *address = msi_address(f);
        *data = vpci_config(f, f->msi + PCI_MSI_DATA, 2);
    } else {
        return false;
    }
    return vpci_is_master(f);
}

void vpci_message(struct vpci_function *f, unsigned vector)
{
    if (msix_is_on(f))
        send_msix(f, vector);
    else if (msi_is_on(f))
        send_msi(f);
}

void vpci_interrupt(struct vpci_function *f)
{
    vpci_message(f, 0);
}

/* Those that were masked when they were to be sent, and are no more. */
void vpci_send_pending(struct vpci_function *f)
{
    for (unsigned v = 0; f->pending && v < f->model->msix_vectors; v++)
        if (f->pending >> v & 1 && msix_is_on(f) && !is_masked(f, v)) {
            f->pending &= ~(UINT64_C(1) << v);
            send_msix(f, v);
        }
}

/* ---- the table, and the pending bits behind it ---- */

static uint64_t read(void *of, uint64_t offset, unsigned bytes)
{
    const struct vpci_function *f = of;
    uint64_t word = 0;

    (void)bytes;
    if (offset / 8 < 2u * f->model->msix_vectors)
        word = f->vector[offset / 8];
    else if (offset / 8 == PCI_MSIX_PBA_OFFSET / 8)
        word = f->pending;
    return word >> 8 * (offset % 8);
}

/* Of 4 or 8 bytes, aligned (6.8.2 "MSI-X Capability and Table Structures"); others are swallowed. */
static void write(void *of, uint64_t offset, unsigned bytes, uint64_t value)
{
    struct vpci_function *f = of;
    unsigned shift = 8 * (unsigned)(offset % 8);
    uint64_t bits = (bytes == 8 ? UINT64_MAX : UINT64_C(0xffffffff)) << shift, *word;

    if (offset / 8 >= 2u * f->model->msix_vectors || (bytes != 4 && bytes != 8) || offset % bytes)
        return;
    word = &f->vector[offset / 8];
    bits &= offset / 8 % 2 ? CONTROL_BITS : ~UINT64_C(3);
    *word = (*word & ~bits) | (value << shift & bits);
    vpci_send_pending(f);
    if (f->model->msix_changed)
        f->model->msix_changed(f->of, (unsigned)offset / PCI_MSIX_ENTRY);
}

const struct mmio_model vpci_msix_table = {read, write};
