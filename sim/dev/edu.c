/* edu.c - see edu.h.  A factorial takes a cycle for each factor.  DMA moves at most a line in an atom, so
 * that cores see it under way. */
#include "dev/edu.h"

#include "arch/edu.h"
#include "dev/dma.h"
#include "mmu/bytes.h"
#include "mmu/cache.h"

static struct edu *state_of(const struct pci_device *d)
{
    return &d->m->b.edu[d->instance];
}

/* ---- interrupts ---- */

static void raise(struct pci_device *d, u64 bits)
{
    struct edu *e = state_of(d);
    e->irq_status |= bits;
    pci_interrupt_level(d, e->irq_status != 0);
    if (e->irq_status)
        pci_interrupt_message(d, 0);
}

static void acknowledge(struct pci_device *d, u64 bits)
{
    struct edu *e = state_of(d);
    e->irq_status &= ~bits;
    pci_interrupt_level(d, e->irq_status != 0);
}

/* ---- both kinds of work have a cycle at which they go on ---- */

static void schedule(struct pci_device *d)
{
    const struct edu *e = state_of(d);
    u64 move = e->dma_command & EDU_DMA_START ? device_now(d->m) : UINT64_MAX;
    u64 next = min(move, e->computed ? e->computed : UINT64_MAX);
    if (next == UINT64_MAX)
        pci_cancel(d);
    else
        pci_schedule(d, next);
}

/* ---- the factorial ---- */

static u64 factorial(u64 n)
{
    u32 value = 1;
    for (; n > 1 && value; n--) /* 0 modulo 2^32 stays */
        value *= (u32)n;
    return value;
}

static void compute(struct pci_device *d, u64 n)
{
    struct edu *e = state_of(d);
    if (e->computed)
        return;
    e->factorial = n;
    e->computed = device_now(d->m) + n + 1;
    schedule(d);
}

static void has_computed(struct pci_device *d)
{
    struct edu *e = state_of(d);
    e->computed = 0;
    e->factorial = factorial(e->factorial);
    if (e->status & EDU_STATUS_INTERRUPT)
        raise(d, EDU_IRQ_FACTORIAL);
}

/* ---- DMA ---- */

static bool to_ram(const struct edu *e)
{
    return e->dma_command & EDU_DMA_TO_RAM;
}

/* The transfer lies in the buffer; else nothing moves. */
static bool in_buffer(const struct edu *e)
{
    u64 offset = (to_ram(e) ? e->dma_source : e->dma_destination) - EDU_DMA_BUFFER;
    return offset < EDU_DMA_BUFFER_BYTES && e->dma_count <= EDU_DMA_BUFFER_BYTES - offset;
}

static u8 buffer_get(const struct edu *e, u64 i)
{
    return (u8)(e->buffer[i / 8] >> 8 * (i % 8));
}

static void buffer_put(struct edu *e, u64 i, u8 value)
{
    unsigned shift = 8 * (i % 8);
    e->buffer[i / 8] = (e->buffer[i / 8] & ~(UINT64_C(0xff) << shift)) | (u64)value << shift;
}

/* Up to the end of the line in RAM. */
static void move_line(struct pci_device *d)
{
    struct edu *e = state_of(d);
    u64 ram = ((to_ram(e) ? e->dma_destination : e->dma_source) + e->dma_moved) & EDU_DMA_MASK;
    u64 at = (to_ram(e) ? e->dma_source : e->dma_destination) - EDU_DMA_BUFFER + e->dma_moved;
    unsigned n = (unsigned)min(e->dma_count - e->dma_moved, LINE_BYTES - ram % LINE_BYTES);
    u8 bytes[LINE_BYTES];
    if (to_ram(e)) {
        for (unsigned i = 0; i < n; i++)
            bytes[i] = buffer_get(e, at + i);
        dma_write(d, ram, bytes, n);
    } else {
        dma_read(d, ram, bytes, n);
        for (unsigned i = 0; i < n; i++)
            buffer_put(e, at + i, bytes[i]);
    }
    e->dma_moved += n;
}

static void has_moved(struct pci_device *d)
{
    struct edu *e = state_of(d);
    e->dma_command &= ~(u64)EDU_DMA_START;
    if (e->dma_command & EDU_DMA_INTERRUPT)
        raise(d, EDU_IRQ_DMA);
}

static void transfer(struct pci_device *d)
{
    struct edu *e = state_of(d);
    if (in_buffer(e) && e->dma_moved < e->dma_count)
        move_line(d);
    if (!in_buffer(e) || e->dma_moved >= e->dma_count)
        has_moved(d);
}

static void command(struct pci_device *d, u64 value)
{
    struct edu *e = state_of(d);
    e->dma_command = value & (EDU_DMA_START | EDU_DMA_TO_RAM | EDU_DMA_INTERRUPT);
    e->dma_moved = 0;
    schedule(d);
}

static void run(struct pci_device *d)
{
    const struct edu *e = state_of(d);
    if (e->computed && e->computed <= device_now(d->m))
        has_computed(d);
    else
        transfer(d);
    schedule(d);
}

/* ---- registers ---- */

/* While a transfer is under way its registers stand. */
static u64 *dma_register(struct edu *e, u64 offset)
{
    switch (offset) {
    case EDU_DMA_SOURCE: return &e->dma_source;
    case EDU_DMA_DEST: return &e->dma_destination;
    case EDU_DMA_COUNT: return &e->dma_count;
    case EDU_DMA_COMMAND: return &e->dma_command;
    default: return NULL;
    }
}

/* Below 80H there are accesses of 4 bytes only, above of 4 or 8, which the upper half of a register is
 * reached by as well. */
static bool is_access(u64 offset, unsigned n)
{
    return n == 4 || (n == 8 && offset >= EDU_DMA_SOURCE);
}

static u64 edu_read(struct pci_device *d, unsigned bar, u64 offset, unsigned n)
{
    struct edu *e = state_of(d);
    (void)bar;
    if (!is_access(offset, n))
        return UINT64_MAX;
    const u64 *dma = dma_register(e, offset & ~UINT64_C(4));
    if (dma)
        return *dma >> 8 * (offset & 4);
    switch (offset) {
    case EDU_ID: return EDU_ID_VALUE;
    case EDU_LIVENESS: return e->liveness;
    case EDU_FACTORIAL: return e->factorial;
    case EDU_STATUS: return e->status | (e->computed ? EDU_STATUS_COMPUTING : 0);
    case EDU_IRQ_STATUS: return e->irq_status;
    default: return UINT64_MAX;
    }
}

static void write_dma(struct pci_device *d, u64 *reg, unsigned shift, unsigned n, u64 value)
{
    struct edu *e = state_of(d);
    u64 bits = n == 8 ? UINT64_MAX : UINT64_C(0xffffffff) << shift;
    if (e->dma_command & EDU_DMA_START)
        return;
    if (reg == &e->dma_command)
        command(d, (*reg & ~bits) | (value << shift & bits));
    else
        *reg = (*reg & ~bits) | (value << shift & bits);
}

static void edu_write(struct pci_device *d, unsigned bar, u64 offset, unsigned n, u64 value)
{
    struct edu *e = state_of(d);
    (void)bar;
    if (!is_access(offset, n))
        return;
    u64 *dma = dma_register(e, offset & ~UINT64_C(4));
    if (dma)
        write_dma(d, dma, 8 * (offset & 4), n, value);
    switch (offset) {
    case EDU_LIVENESS: e->liveness = ~value & 0xffffffff; break;
    case EDU_FACTORIAL: compute(d, value & 0xffffffff); break;
    case EDU_STATUS: e->status = value & EDU_STATUS_INTERRUPT; break;
    case EDU_IRQ_RAISE: raise(d, value & 0xffffffff); break;
    case EDU_IRQ_ACK: acknowledge(d, value & 0xffffffff); break;
    default: break;
    }
}

static void reset(struct pci_device *d)
{
    *state_of(d) = (struct edu){0};
}

const struct pci_model edu_model = {
    .name = "edu",
    .vendor = EDU_VENDOR,
    .device = EDU_DEVICE,
    .subvendor = 0x1af4,
    .subsystem = 0x1100,
    .class = 0x00ff00,
    .revision = 0x10,
    .bar = {{.bytes = EDU_BAR_BYTES}},
    .intx = true,
    .msi = true,
    .reset = reset,
    .read = edu_read,
    .write = edu_write,
    .run = run,
};
