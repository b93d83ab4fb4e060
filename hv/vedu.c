#include "vedu.h"

#include <stddef.h>

#include "dma.h"
#include "vm.h"

/* ---- interrupts ---- */

static void raise(struct vedu *e, uint32_t bits)
{
    e->irq_status |= bits;
    if (e->irq_status)
        vpci_interrupt(e->function);
}

/* ---- what takes the device time takes the guest none: it is over when the access is ---- */

static void compute(struct vedu *e, uint32_t n)
{
    uint32_t value = 1;

    for (; n > 1 && value; n--) /* 0 modulo 2^32 stays */
        value *= n;
    e->factorial = value;
    if (e->status & EDU_STATUS_INTERRUPT)
        raise(e, EDU_IRQ_FACTORIAL);
}

/* What does not lie in the buffer does not move. */
static void transfer(struct vedu *e)
{
    bool to_ram = e->command & EDU_DMA_TO_RAM;
    uint64_t at = (to_ram ? e->source : e->destination) - EDU_DMA_BUFFER;
    uint64_t ram = (to_ram ? e->destination : e->source) & EDU_DMA_MASK;

    if (vpci_is_master(e->function) && at < EDU_DMA_BUFFER_BYTES && e->count <= EDU_DMA_BUFFER_BYTES - at) {
        if (to_ram)
            dma_write(e->function->vm, ram, e->buffer + at, e->count);
        else
            dma_read(e->function->vm, ram, e->buffer + at, e->count);
    }
    e->command &= ~(uint64_t)EDU_DMA_START;
    if (e->command & EDU_DMA_INTERRUPT)
        raise(e, EDU_IRQ_DMA);
}

static void command(struct vedu *e, uint64_t value)
{
    e->command = value & (EDU_DMA_START | EDU_DMA_TO_RAM | EDU_DMA_INTERRUPT);
    if (e->command & EDU_DMA_START)
        transfer(e);
}

/* ---- registers ---- */

static uint64_t *dma_register(struct vedu *e, uint64_t offset)
{
    switch (offset) {
    case EDU_DMA_SOURCE: return &e->source;
    case EDU_DMA_DEST: return &e->destination;
    case EDU_DMA_COUNT: return &e->count;
    case EDU_DMA_COMMAND: return &e->command;
    default: return NULL;
    }
}

/* Below 80H there are accesses of 4 bytes only, above of 4 or 8. */
static bool is_access(uint64_t offset, unsigned bytes)
{
    return bytes == 4 || (bytes == 8 && offset >= EDU_DMA_SOURCE);
}

static uint64_t read(void *of, uint64_t offset, unsigned bytes)
{
    struct vedu *e = of;
    const uint64_t *dma = dma_register(e, offset & ~UINT64_C(4));

    if (!is_access(offset, bytes))
        return UINT64_MAX;
    if (dma)
        return *dma >> 8 * (offset & 4);
    switch (offset) {
    case EDU_ID: return EDU_ID_VALUE;
    case EDU_LIVENESS: return e->liveness;
    case EDU_FACTORIAL: return e->factorial;
    case EDU_STATUS: return e->status;
    case EDU_IRQ_STATUS: return e->irq_status;
    default: return UINT64_MAX;
    }
}

static void write_dma(struct vedu *e, uint64_t *reg, unsigned shift, unsigned bytes, uint64_t value)
{
    uint64_t bits = bytes == 8 ? UINT64_MAX : UINT64_C(0xffffffff) << shift;

    value = (*reg & ~bits) | (value << shift & bits);
    if (reg == &e->command)
        command(e, value);
    else
        *reg = value;
}

static void write(void *of, uint64_t offset, unsigned bytes, uint64_t value)
{
    struct vedu *e = of;
    uint64_t *dma = dma_register(e, offset & ~UINT64_C(4));

    if (!is_access(offset, bytes))
        return;
    if (dma)
        write_dma(e, dma, 8 * (offset & 4), bytes, value);
    switch (offset) {
    case EDU_LIVENESS: e->liveness = ~(uint32_t)value; break;
    case EDU_FACTORIAL: compute(e, (uint32_t)value); break;
    case EDU_STATUS: e->status = value & EDU_STATUS_INTERRUPT; break;
    case EDU_IRQ_RAISE: raise(e, (uint32_t)value); break;
    case EDU_IRQ_ACK: e->irq_status &= ~(uint32_t)value; break;
    default: break;
    }
}

static const struct vpci_model model = {
    .vendor = EDU_VENDOR,
    .device = EDU_DEVICE,
    .subvendor = 0x1af4,
    .subsystem = 0x1100,
    .class = 0x00ff00,
    .revision = 0x10,
    .bar = {{.bytes = EDU_BAR_BYTES, .registers = {read, write}}},
};

bool vedu_plug(struct vm *vm)
{
    vm->edu = (struct vedu){.function = vpci_plug(vm, &model, &vm->edu)};
    return vm->edu.function;
}
