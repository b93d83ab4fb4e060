/* debug.c - breakpoint registers and the traps of single steps (SDM vol. 3, 17.2 "Debug Registers", 17.3
 * "Debug Exceptions").
 *
 * Only enabled breakpoints set B0 to B3: of others the manual says that they may or may not (17.2.3 "Debug
 * Status Register (DR6)").  What it leaves undefined has no effect: R/W 10 without CR4.DE never matches, and
 * LEN of an instruction breakpoint is not looked at (17.2.4 "Debug Control Register (DR7)"). */
#include "cpu/debug.h"

#include "cpu/exec.h"
#include "mmu/derived.h"

#define BREAKPOINTS 4u

enum watched { WATCH_CODE, WATCH_WRITE, WATCH_PORT, WATCH_ACCESS }; /* R/W of DR7 */

static bool enabled(const struct core *c, unsigned i)
{
    return c->s.dr[7] >> 2 * i & 3;
}

static enum watched kind_of(const struct core *c, unsigned i)
{
    return (enum watched)(c->s.dr[7] >> (16 + 4 * i) & 3);
}

static bool is_data(enum watched kind)
{
    return kind == WATCH_WRITE || kind == WATCH_ACCESS;
}

static unsigned length_of(const struct core *c, unsigned i)
{
    static const u8 length[] = {1, 2, 8, 4}; /* LEN */
    return length[c->s.dr[7] >> (18 + 4 * i) & 3];
}

/* Bytes first, first + 1, ... n of them; the low bits of the register are masked by its length (17.2.5
 * "Breakpoint Field Recognition"). */
static bool overlaps(const struct core *c, unsigned i, u64 first, unsigned n)
{
    unsigned length = length_of(c, i);
    u64 start = c->s.dr[i] & ~(u64)(length - 1);
    return first - start < length || start - first < n;
}

/* ---- registers ---- */

void debug_write(struct core *c, unsigned n, u64 value)
{
    bool armed = debug_armed(c);
    c->s.dr[n] = value;
    if (armed || debug_armed(c)) {
        derived_drop_shortcuts(c);
        c->rt.look_again = 0;
    }
}

bool debug_watches_page(const struct core *c, u64 gva)
{
    if (likely(!debug_armed(c)))
        return false;
    for (unsigned i = 0; i < BREAKPOINTS; i++)
        if (enabled(c, i) && is_data(kind_of(c, i)) && c->s.dr[i] >> 12 == gva >> 12)
            return true;
    return false;
}

/* ---- hits ---- */

/* Bits that were pending before, held back by MOV SS, are not this atom's to forget. */
static void hit(struct core *c, unsigned i)
{
    u64 fresh = UINT64_C(1) << i & ~c->s.pending_debug;
    c->rt.debug_hits |= fresh;
    c->s.pending_debug |= fresh;
}

void debug_forget(struct core *c)
{
    if (debug_armed(c))
        c->s.pending_debug &= ~c->rt.debug_hits;
    c->rt.debug_hits = 0;
}

/* After MOV SS and POP SS as if RF were set (17.3.1.1 "Instruction-Breakpoint Exception Condition"). */
bool debug_hits_code(struct core *c)
{
    bool found = false;
    if (!debug_armed(c) || c->s.rflags & FLAG_RF || c->s.shadow_ss)
        return false;
    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        if (!enabled(c, i) || kind_of(c, i) != WATCH_CODE || c->s.dr[i] != c->s.rip)
            continue;
        hit(c, i);
        found = true;
    }
    return found;
}

void debug_data_access(struct core *c, u64 gva, unsigned n, bool write)
{
    for (unsigned i = 0; i < BREAKPOINTS; i++) {
        enum watched kind = kind_of(c, i);
        bool fits = kind == WATCH_ACCESS || (write && kind == WATCH_WRITE);
        if (fits && enabled(c, i) && overlaps(c, i, gva, n))
            hit(c, i);
    }
}

void debug_port_access(struct core *c, u16 port, unsigned n)
{
    if (likely(!debug_armed(c)) || !(c->s.cr4 & CR4_DE))
        return;
    for (unsigned i = 0; i < BREAKPOINTS; i++)
        if (enabled(c, i) && kind_of(c, i) == WATCH_PORT && overlaps(c, i, port, n))
            hit(c, i);
}

/* ---- TF and RF ---- */

/* RF covers one instruction, and all iterations of a string instruction; only a return that pops 32 bits of
 * flags or more brings it (17.3.1.1). */
static bool keeps_rf(const struct core *c, const struct insn *in)
{
    bool more = in->rep && c->rt.next_rip == c->s.rip;
    return more || (in->execute == exec_iret && in->op_bytes > 2);
}

/* SYSCALL and SYSRET trap by the TF that they leave, others by the one that they found (17.3.1.4 "Single-Step
 * Exception Condition"). */
static bool steps(const struct core *c, const struct insn *in, u64 flags_before)
{
    bool by_new = in->execute == exec_syscall || in->execute == exec_sysret;
    return (by_new ? c->s.rflags : flags_before) & FLAG_TF;
}

void debug_retire(struct core *c, const struct insn *in, u64 flags_before)
{
    if (!keeps_rf(c, in))
        c->s.rflags &= ~(u64)FLAG_RF;
    if (steps(c, in, flags_before))
        c->s.pending_debug |= DR6_BS;
}
