/* pic.c - see pic.h. */
#include "dev/pic.h"

#include "arch/pic.h"
#include "dev/device.h"
#include "schedule.h"

static bool is_auto_eoi(const struct pic *p)
{
    return p->icw4 & PIC_ICW4_AUTO;
}

/* ---- priorities ---- */

/* The line of highest priority in a set; -1: it is empty. */
static int highest(const struct pic *p, u64 set)
{
    for (unsigned i = 1; i <= 8; i++) {
        unsigned line = (unsigned)(p->lowest + i) & 7;
        if (set >> line & 1)
            return (int)line;
    }
    return -1;
}

/* 0 is the highest. */
static unsigned rank(const struct pic *p, int line)
{
    return line < 0 ? 8 : ((unsigned)line - (unsigned)p->lowest - 1) & 7;
}

/* In special mask mode lines in service that are masked hold back nobody. */
static int requested(const struct pic *p)
{
    int line = highest(p, p->irr & ~p->imr);
    u64 in_service = p->special ? p->isr & ~p->imr : p->isr;
    return line >= 0 && rank(p, line) < rank(p, highest(p, in_service)) ? line : -1;
}

/* ---- lines ---- */

static void set_line(struct pic *p, unsigned line, bool level)
{
    u64 bit = UINT64_C(1) << line;
    if (level && (p->level & bit || !(p->lines & bit)))
        p->irr |= bit;
    if (!level && p->level & bit)
        p->irr &= ~bit;
    p->lines = level ? p->lines | bit : p->lines & ~bit;
}

static void tell_cores(struct machine *m)
{
    for (u32 i = 0; i < m->cores; i++)
        schedule_interrupt(m, m->core[i], device_now(m));
}

/* The second's output is a line of the first's. */
static void update(struct machine *m)
{
    set_line(&m->b.pic[0], PIC_CASCADE, requested(&m->b.pic[1]) >= 0);
    if (requested(&m->b.pic[0]) >= 0)
        tell_cores(m);
}

void pic_line(struct machine *m, unsigned irq, bool level)
{
    if (irq == PIC_CASCADE)
        return;
    set_line(&m->b.pic[irq / 8], irq % 8, level);
    update(m);
}

bool pic_hears(const struct machine *m, unsigned irq)
{
    return !(m->b.pic[irq / 8].imr >> irq % 8 & 1);
}

/* ---- acknowledging ---- */

static unsigned vector_of(const struct pic *p, int line)
{
    return (unsigned)(p->vector & 0xf8) | (line < 0 ? PIC_SPURIOUS : (unsigned)line);
}

int pic_pending_vector(const struct machine *m)
{
    const struct pic *p = m->b.pic;
    int line = requested(&p[0]);
    if (line < 0)
        return -1;
    return (int)(line == PIC_CASCADE ? vector_of(&p[1], requested(&p[1])) : vector_of(&p[0], line));
}

static void serve(struct pic *p, unsigned line)
{
    u64 bit = UINT64_C(1) << line;
    if (!(p->level & bit))
        p->irr &= ~bit;
    if (!is_auto_eoi(p))
        p->isr |= bit;
    else if (p->rotates)
        p->lowest = line;
}

/* A request that has gone is acknowledged as line 7's, which is then not in service. */
static unsigned acknowledge(struct pic *p)
{
    int line = requested(p);
    if (line >= 0)
        serve(p, (unsigned)line);
    return vector_of(p, line);
}

unsigned pic_acknowledge(struct machine *m)
{
    bool cascaded = requested(&m->b.pic[0]) == PIC_CASCADE;
    unsigned vector = acknowledge(&m->b.pic[0]);
    if (cascaded) {
        vector = acknowledge(&m->b.pic[1]);
        set_line(&m->b.pic[0], PIC_CASCADE, false); /* its output falls, and may rise again */
    }
    update(m);
    return vector;
}

/* ---- commands ---- */

static void begin(struct pic *p, u8 value)
{
    u64 level = p->level, lines = p->lines, vector = p->vector;
    *p = (struct pic){
        .level = level, .lines = lines, .vector = vector, .icw1 = value, .expects = 2, .lowest = 7};
    p->irr = level & lines;
}

static void end_of_interrupt(struct pic *p, u8 value)
{
    int line = value & PIC_OCW2_SPECIFIC ? value & 7 : highest(p, p->isr);
    if (line < 0)
        return;
    p->isr &= ~(UINT64_C(1) << line);
    if (value & PIC_OCW2_ROTATE)
        p->lowest = (unsigned)line;
}

/* OCW2: without EOI it sets the priority, or what an automatic end of interrupt does to it. */
static void operate(struct pic *p, u8 value)
{
    if (value & PIC_OCW2_EOI)
        end_of_interrupt(p, value);
    else if ((value & 0xe0) == (PIC_OCW2_ROTATE | PIC_OCW2_SPECIFIC))
        p->lowest = value & 7;
    else if (!(value & PIC_OCW2_SPECIFIC))
        p->rotates = (value & PIC_OCW2_ROTATE) != 0;
}

static void select_read(struct pic *p, u8 value)
{
    if (value & PIC_OCW3_POLL)
        p->poll = 1;
    if ((value & 3) >= PIC_OCW3_READ_IRR)
        p->read_isr = (value & 3) == PIC_OCW3_READ_ISR;
    if (value & 0x40)
        p->special = (value & PIC_OCW3_SPECIAL) == PIC_OCW3_SPECIAL;
}

static void command(struct pic *p, u8 value)
{
    if (value & PIC_ICW1)
        begin(p, value);
    else if (value & PIC_OCW3)
        select_read(p, value);
    else
        operate(p, value);
}

/* ICW2 to ICW4, and then OCW1.  ICW3 is taken as it is wired. */
static void data(struct pic *p, u8 value)
{
    switch (p->expects) {
    case 2:
        p->vector = value & 0xf8;
        p->expects = !(p->icw1 & PIC_ICW1_SINGLE) ? 3 : p->icw1 & PIC_ICW1_ICW4 ? 4 : 0;
        break;
    case 3: p->expects = p->icw1 & PIC_ICW1_ICW4 ? 4 : 0; break;
    case 4:
        p->icw4 = value & 0x1f;
        p->expects = 0;
        break;
    default: p->imr = value;
    }
}

void pic_write(struct machine *m, unsigned chip, unsigned offset, u8 value)
{
    if (offset)
        data(&m->b.pic[chip], value);
    else
        command(&m->b.pic[chip], value);
    update(m);
}

/* A poll acknowledges: bit 7 says whether there was a request. */
static u8 poll(struct machine *m, struct pic *p)
{
    int line = requested(p);
    p->poll = 0;
    if (line < 0)
        return 0;
    serve(p, (unsigned)line);
    update(m);
    return (u8)(0x80 | line);
}

u8 pic_read(struct machine *m, unsigned chip, unsigned offset)
{
    struct pic *p = &m->b.pic[chip];
    if (p->poll)
        return poll(m, p);
    return (u8)(offset ? p->imr : p->read_isr ? p->isr : p->irr);
}

u8 pic_elcr_read(struct machine *m, unsigned chip, unsigned offset)
{
    (void)offset;
    return (u8)m->b.pic[chip].level;
}

void pic_elcr_write(struct machine *m, unsigned chip, unsigned offset, u8 value)
{
    (void)offset;
    m->b.pic[chip].level = value & (chip ? PIC_ELCR2_BITS : PIC_ELCR_BITS);
    update(m);
}

void pic_reset(struct machine *m)
{
    static const u8 vector[2] = {0x08, 0x70};
    for (unsigned i = 0; i < 2; i++)
        m->b.pic[i] = (struct pic){.imr = 0xff,
                                   .vector = vector[i],
                                   .icw1 = PIC_ICW1 | PIC_ICW1_ICW4,
                                   .icw4 = PIC_ICW4_8086,
                                   .lowest = 7};
}
