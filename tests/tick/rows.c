/* rows.c - see rows.h. */
#include "tick/rows.h"

#include "tick/tick.h"

#include <string.h>

const struct row rows[ISA_ROWS] = {
#define INSN(row, name, map, opcode, prefix, modrm, mod, size, imm, ops, may, addr, writes, latency, cpl, \
             flags, fn) \
    {name, \
     ISA_MAP_##map, \
     opcode, \
     ISA_PREFIX_##prefix, \
     ISA_MODRM_##modrm, \
     ISA_MOD_##mod, \
     ISA_SIZE_##size, \
     ISA_IMM_##imm, \
     ISA_OPS_##ops, \
     ISA_MAY_##may, \
     ISA_ADDR_##addr, \
     ISA_WRITES_##writes, \
     latency, \
     cpl, \
     ROW_FLAG_##flags},
#include "arch/isa.def"
};

static bool is(const struct row *r, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(r->name, *names) == 0)
            return true;
    return false;
}

int row_access(const struct row *r)
{
    static const char *const none[] = {"nop", "prefetch", "prefetchw", "lea", "invlpg", NULL};
    static const char *const stored[] = {"mov", "pop", "sldt", "str", "smsw", "vmread", NULL};
    if (is(r, none))
        return -1;
    if (strcmp(r->name, "vmptrst") == 0 || r - rows == ROW_movbe_Mv_Gv)
        return TICK_STORE;
    if (strncmp(r->name, "cmpxchg", 7) == 0)
        return TICK_UPDATE;
    if (strcmp(r->name, "xchg") == 0)
        return TICK_UPDATE;
    if (!(r->writes & ISA_WRITES_E))
        return TICK_LOAD;
    return is(r, stored) || strncmp(r->name, "set", 3) == 0 ? TICK_STORE : TICK_UPDATE;
}

u64 row_bytes(const struct row *r, u64 size)
{
    switch (r - rows) {
    case ROW_movzx_Gv_Eb:
    case ROW_movsx_Gv_Eb: return 1;
    case ROW_movzx_Gv_Ew:
    case ROW_movsx_Gv_Ew:
    case ROW_mov_E_S:
    case ROW_mov_S_E:
    case ROW_smsw: return 2;
    case ROW_movsxd: return size == 2 ? 2 : 4;
    case ROW_cmpxchg16b: return 16;
    case ROW_cmpxchg8b: return 8;
    default: return size;
    }
}

bool row_is_plain(enum isa_row row)
{
    static const char *const others[] = {
        "esc",  "ud0",        "ud1",   "ud2",    "div",  "idiv",   "xlat", "enter", "leave",     "popf",
        "std",  "cli",        "sti",   "swapgs", "lss",  "lfs",    "lgs",  "lar",   "lsl",       "verr",
        "verw", "cmpxchg16b", "movs",  "cmps",   "stos", "lods",   "scas", "rdpmc", "rdtsc",     "rdtscp",
        "clac", "stac",       "pause", "smsw",   "push", "mfence", "pop",  "pushf", "cmpxchg8b", NULL};
    const struct row *r = &rows[row];
    if (r->cpl != 3 || (r->flags & ~(unsigned)ROW_FLAG_FEN) || is(r, others))
        return false;
    return r->ops != ISA_OPS_S_E && r->ops != ISA_OPS_A_O && r->ops != ISA_OPS_O_A;
}
