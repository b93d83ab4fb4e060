/* isa.c - see isa.h. */
#include "dev/isa.h"

#include "arch/ioapic.h"
#include "dev/ioapic.h"
#include "dev/pic.h"

static unsigned pin_of(unsigned irq)
{
    return irq == IRQ_TIMER ? ISA_PIN_TIMER : irq;
}

void isa_line(struct machine *m, unsigned irq, bool level)
{
    unsigned pin = pin_of(irq);
    if ((m->b.ioapic.lines >> pin & 1) == level)
        return;
    pic_line(m, irq, level);
    ioapic_line(m, pin, level);
}

bool isa_is_heard(const struct machine *m, unsigned irq)
{
    return pic_hears(m, irq) || !(m->b.ioapic.entry[pin_of(irq)] & IOAPIC_MASKED);
}
