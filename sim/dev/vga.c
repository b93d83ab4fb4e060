/* vga.c - see vga.h. */
#include "dev/vga.h"

#include "arch/vga.h"
#include "dev/device.h"
#include "dev/pit.h"
#include "mmu/mem.h"

static u8 reg(const struct machine *m, unsigned at)
{
    return (u8)(m->b.crtc[at / 8] >> 8 * (at % 8));
}

static void set_reg(struct machine *m, unsigned at, u8 value)
{
    u64 *word = &m->b.crtc[at / 8];
    *word = (*word & ~(UINT64_C(0xff) << 8 * (at % 8))) | (u64)value << 8 * (at % 8);
}

static unsigned reg_pair(const struct machine *m, unsigned at)
{
    return (unsigned)reg(m, at) << 8 | reg(m, at + 1);
}

u8 crtc_read(struct machine *m, unsigned unit, unsigned offset)
{
    unsigned at = m->b.crtc_index & 0x1f;
    (void)unit;
    if (!offset)
        return (u8)at;
    return at < CRTC_REGISTERS ? reg(m, at) : 0xff;
}

void crtc_write(struct machine *m, unsigned unit, unsigned offset, u8 value)
{
    unsigned at = m->b.crtc_index & 0x1f;
    (void)unit;
    if (!offset)
        m->b.crtc_index = value & 0x1f;
    else if (at < CRTC_REGISTERS && (at > 7 || !(reg(m, CRTC_PROTECT) & 0x80)))
        set_reg(m, at, value);
}

u8 vga_status_read(struct machine *m, unsigned unit, unsigned offset)
{
    u64 dot = clock_ticks(m, device_now(m), VGA_DOT_HZ) % (VGA_LINE_DOTS * VGA_FRAME_LINES);
    u64 line = dot / VGA_LINE_DOTS;
    bool blank = line >= VGA_SEEN_LINES || dot % VGA_LINE_DOTS >= VGA_SEEN_DOTS;
    (void)unit;
    (void)offset;
    return (u8)((blank ? VGA_STATUS_BLANK : 0) |
                (line - VGA_RETRACE_LINE < VGA_RETRACE_LINES ? VGA_STATUS_RETRACE : 0));
}

/* What firmware sets for text of 80 x 25 (mode 3). */
void vga_reset(struct machine *m)
{
    static const u8 mode3[CRTC_REGISTERS] = {0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00,
                                             0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e,
                                             0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff};
    m->b.crtc_index = 0;
    for (unsigned i = 0; i < CRTC_REGISTERS; i++)
        set_reg(m, i, mode3[i]);
}

/* The start address counts cells, and wraps within the buffer. */
void rs_text_screen(const rs_machine *m, struct rs_text_screen *screen)
{
    unsigned start = reg_pair(m, CRTC_START), cursor = reg_pair(m, CRTC_CURSOR) - start;
    for (unsigned i = 0; i < VGA_COLUMNS * VGA_ROWS; i++) {
        u64 at = VGA_TEXT + (start + i) * 2 % VGA_TEXT_BYTES;
        screen->cell[i / VGA_COLUMNS][i % VGA_COLUMNS] = (u16)mem_read(m->mem, at, 2);
    }
    screen->cursor = !(reg(m, CRTC_CURSOR_FROM) & CRTC_CURSOR_OFF) && cursor < VGA_COLUMNS * VGA_ROWS;
    screen->row = screen->cursor ? cursor / VGA_COLUMNS : 0;
    screen->column = screen->cursor ? cursor % VGA_COLUMNS : 0;
}
