/* privilege.c - checks of privilege besides the CPL. */
#include "cpu/privilege.h"

#include "cpu/segment.h"

static void require(struct core *c, bool legal)
{
    if (!legal)
        cpu_fault(c, VEC_GP, 0);
}

void require_no_umip(struct core *c)
{
    require(c, cpl(c) == 0 || !(c->s.cr4 & CR4_UMIP));
}

void require_tsc(struct core *c)
{
    require(c, cpl(c) == 0 || !(c->s.cr4 & CR4_TSD));
}

bool has_io_privilege(const struct core *c)
{
    return cpl(c) <= (c->s.rflags & FLAG_IOPL) >> FLAG_IOPL_SHIFT;
}

/* Two bytes are read, so that the bits of a wide access may lie in both (SDM vol. 1, 19.5.2 "I/O Permission
 * Bit Map"). */
void require_port(struct core *c, u16 port, unsigned n)
{
    const struct segment *tr = &c->s.seg[SEG_TR];

    if (has_io_privilege(c))
        return;
    require(c, tr->limit >= TSS_BYTES - 1);
    u64 at = segment_load_system(c, tr->base + TSS_IOMAP, 2) + port / 8;
    require(c, at + 1 <= tr->limit);
    u64 bits = segment_load_system(c, tr->base + at, 2);
    require(c, !(bits >> port % 8 & ((1u << n) - 1)));
}
