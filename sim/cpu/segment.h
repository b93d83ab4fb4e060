/* segment.h - descriptors in memory and segment registers, as 64-bit mode uses them (SDM vol. 3, 3.4.2
 * "Segment Selectors", 3.4.5 "Segment Descriptors"). */
#ifndef RINGSIDE_SEGMENT_H
#define RINGSIDE_SEGMENT_H

#include "machine.h"
#include "mmu/mmu.h"

/* Reads n bytes (1..8) of a system table at gva: an implicit supervisor access; #GP(0) if not canonical. */
u64 segment_load_system(struct core *c, u64 gva, unsigned n);

/* The same for words of 8 bytes, one after another. */
void segment_load_words(struct core *c, u64 gva, unsigned words, u64 *value);

/* A descriptor as found: where, its first 8 bytes, the upper half of the base of a 16-byte one. */
struct descriptor {
    u64 gva, low, high;
};

/* Reads the descriptor of a selector, bytes = 8 or 16; false if it lies beyond its table's limit, or there is
 * no LDT. */
bool segment_read(struct core *c, u16 selector, unsigned bytes, struct descriptor *d);

/* The same, #GP(selector) instead of false. */
void segment_read_or_gp(struct core *c, u16 selector, unsigned bytes, struct descriptor *d);

/* A write of the descriptor's type (accessed, busy): checked first, committed with the instruction. */
struct descriptor_mark {
    bool due;
    u64 value;
    struct latch latch;
};
void segment_mark_check(struct core *c, const struct descriptor *d, u64 bits, struct descriptor_mark *mark);
void segment_mark_commit(struct core *c, const struct descriptor_mark *mark);

/* Fills a segment register from an 8-byte descriptor. */
void segment_set(struct segment *seg, u16 selector, u64 low);

/* What a null selector leaves; SS keeps its DPL, which is the CPL. */
void segment_set_null(struct segment *seg, u16 selector, unsigned dpl);

/* A stack pointer of the TSS, at TSS_RSP0... or TSS_IST1...: #TS beyond its limit, #SS(0) if not canonical.
 */
u64 segment_tss_stack(struct core *c, unsigned offset);

static inline bool selector_is_null(u16 selector)
{
    return (selector & ~SELECTOR_RPL) == 0;
}

static inline unsigned desc_dpl(u64 low)
{
    return (unsigned)(low >> 45 & 3);
}

static inline bool desc_is_code(u64 low)
{
    return (low >> 40 & (SEG_S | SEG_CODE)) == (SEG_S | SEG_CODE);
}

static inline bool desc_is_conforming(u64 low)
{
    return low >> 40 & SEG_CONFORMING;
}

/* A writable data segment: what SS takes. */
static inline bool desc_is_stack(u64 low)
{
    return (low >> 40 & (SEG_S | SEG_CODE | SEG_WRITABLE)) == (SEG_S | SEG_WRITABLE);
}

/* L set, D clear: 64-bit code.  Compatibility mode does not exist here. */
static inline bool desc_is_64bit(u64 low)
{
    return (desc_attr(low) & (SEG_L | SEG_DB)) == SEG_L;
}

#endif
