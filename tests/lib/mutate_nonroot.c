/* mutate_nonroot.c - see mutate_nonroot.h. */
#include "lib/mutate_nonroot.h"

#include "cpu/cpu.h"
#include "cpu/vmcs.h"
#include "lib/chance.h"
#include "lib/guest_ept.h"
#include "lib/kept.h"

#include <check.h>
#include <string.h>

#define SHADOW    0x99000u
#define BITMAPS   0x9a000u /* VMREAD, VMWRITE */
#define EPTP_LIST 0x9c000u

static struct {
    struct bare b;
    struct core *c;
    struct kept kept;
    u64 seed, number, eptp;
    struct nonroot_mutations *sum;
} g;

/* How an instruction ends; the number is an exit reason, a vector or an error. */
enum how { EXIT, FAULT, INVALID, ERROR, SUCCESS };
struct outcome {
    enum how how;
    u64 number;
};

#define OUTCOME(how, number) ((struct outcome){(how), (number)})

static const struct row {
    const char *bytes;
    u32 exit;
} insn[] = {
    {VMXON_RAX, 27},      {VMXOFF, 26},          {VMCLEAR_RAX, 19}, {VMPTRLD_RAX, 21}, {VMPTRST_RAX, 22},
    {VMREAD_RCX_RBX, 23}, {VMWRITE_RCX_RBX, 25}, {VMLAUNCH, 20},    {VMRESUME, 24},    {VMCALL, 18},
    {INVEPT_RCX_RAX, 50}, {INVVPID_RCX_RAX, 53}, {VMFUNC, 59},
};
#define INSNS      (sizeof insn / sizeof *insn)
#define VMREAD_ROW 5 /* and VMWRITE behind it */
#define VMFUNC_ROW (INSNS - 1)

/* ---- the oracle ---- */

static bool bit_at(u64 bitmap, u64 bit)
{
    return mem_read(g.b.machine->mem, bitmap + bit / 8, 1) >> bit % 8 & 1;
}

/* Of the fields that this machine has, as VMREAD's source names them. */
static bool field_exists(u64 encoding)
{
    bool high_of_64 = (encoding & 0x6001) == 0x2001;
    return encoding < 0x8000 && vmcs_slot_of(high_of_64 ? encoding - 1 : encoding) >= 0;
}

/* 25.1.3: without shadowing, or with a bit that says so, they exit. */
static struct outcome vmcs_access(const struct row *r, u64 bitmap)
{
    u64 field = g.c->s.gpr[REG_RCX];
    if (!(g.c->s.vmx.proc2 >> 14 & 1) || field >= 0x8000 || bit_at(bitmap, field))
        return OUTCOME(EXIT, r->exit);
    if (cpl(g.c))
        return OUTCOME(FAULT, VEC_GP);
    if (g.c->s.vmx.link == UINT64_MAX)
        return OUTCOME(INVALID, 0);
    return field_exists(field) ? OUTCOME(SUCCESS, 0) : OUTCOME(ERROR, 12);
}

static bool eptp_ok(u64 eptp)
{
    u64 type = eptp & 7;
    return (type == 0 || type == 6) && (eptp >> 3 & 7) == 3 && (eptp >> 7 & 31) == 0 && eptp >> 40 == 0;
}

static u64 listed(void)
{
    return bare_u64(&g.b, EPTP_LIST + 8 * (g.c->s.gpr[REG_RCX] & 511));
}

/* 25.5.6.2 and 25.5.6.3. */
static struct outcome vmfunc(const struct row *r)
{
    u32 leaf = (u32)g.c->s.gpr[REG_RAX], index = (u32)g.c->s.gpr[REG_RCX];
    if (!(g.c->s.vmx.proc2 >> 13 & 1) || leaf > 63)
        return OUTCOME(FAULT, VEC_UD);
    bool enabled = leaf == 0 && g.c->s.vmx.vm_functions & 1;
    return enabled && index < 512 && eptp_ok(listed()) ? OUTCOME(SUCCESS, 0) : OUTCOME(EXIT, r->exit);
}

static struct outcome foresee(const struct row *r)
{
    switch (r->exit) {
    case 23: return vmcs_access(r, BITMAPS);
    case 25: return vmcs_access(r, BITMAPS + 0x1000);
    case 59: return vmfunc(r);
    default: return OUTCOME(EXIT, r->exit);
    }
}

/* ---- rubbish ---- */

static void ring_3(void)
{
    g.c->s.seg[SEG_CS] = (struct segment){BARE_CS3, 0, 0xffffffff, 0xa0fb};
    g.c->s.seg[SEG_SS] = (struct segment){BARE_DS3, 0, 0xffffffff, 0xc0f3};
    g.c->s.rip = BARE_USER;
}

static u64 some_eptp(void)
{
    u64 eptp = g.eptp ^ (chance() & EPTP_AD);
    return chance_once_in(2) ? eptp ^ 1ull << chance_below(64) : eptp;
}

/* Controls as the entry would have loaded them. */
static void mutate_controls(void)
{
    struct vmx_controls *v = &g.c->s.vmx;
    if (chance_once_in(8))
        v->proc2 &= ~(u64)PROC2_VMFUNC;
    if (chance_once_in(8))
        v->proc2 &= ~(u64)PROC2_VMCS_SHADOWING;
    if (chance_once_in(8))
        v->vm_functions = 0;
    if (chance_once_in(4))
        v->link = UINT64_MAX;
}

/* VMREAD, VMWRITE and VMFUNC more often than what always exits. */
static const struct row *some_insn(void)
{
    switch (chance_below(3)) {
    case 0: return &insn[VMFUNC_ROW];
    case 1: return &insn[VMREAD_ROW + chance_below(2)];
    default: return &insn[chance_below(INSNS)];
    }
}

static const struct row *mutate_once(void)
{
    const struct row *r = some_insn();
    u64 *gpr = g.c->s.gpr, field = vmcs_slot_encoding((enum vmcs_slot)chance_below(VMCS_SLOTS));
    mutate_controls();
    gpr[REG_RAX] = chance_once_in(4) ? chance() : chance_below(chance_once_in(4) ? 70 : 2);
    if (r->exit == 59)
        gpr[REG_RCX] = chance_once_in(4) ? chance() : chance_below(520);
    else
        gpr[REG_RCX] = chance_once_in(2) ? field ^ 1ull << chance_below(64) : field;
    for (u64 i = 0; i < 2; i++)
        bare_set_u64(&g.b, BITMAPS + 0x1000 * i + (gpr[REG_RCX] & 0x7fff) / 64 * 8, chance());
    bare_set_u64(&g.b, EPTP_LIST + 8 * (gpr[REG_RCX] & 511), some_eptp());
    if (chance_once_in(4))
        ring_3();
    bare_put(&g.b, g.c->s.rip, r->bytes, strlen(r->bytes));
    return r;
}

/* ---- what must hold ---- */

#define EXPECT(got, want, what) \
    do { \
        u64 got_ = (got), want_ = (want); \
        if (got_ != want_) \
            ck_abort_msg("seed %llu, mutation %llu (%u): %s is %#llx, not %#llx", \
                         (unsigned long long)g.seed, (unsigned long long)g.number, r->exit, what, \
                         (unsigned long long)got_, (unsigned long long)want_); \
    } while (0)

static void check_exit(const struct row *r, u64 rip)
{
    EXPECT(g.c->s.vmx_guest, false, "non-root operation");
    EXPECT(VMCS_GET(g.c, EXIT_REASON), r->exit, "exit reason");
    EXPECT(VMCS_GET(g.c, EXIT_INSN_LENGTH), strlen(r->bytes), "instruction length");
    EXPECT(VMCS_GET(g.c, GUEST_RIP), rip, "guest RIP");
    g.sum->exits++;
}

static void check_fault(const struct row *r, u64 vector)
{
    EXPECT(g.c->s.event_valid, true, "an exception");
    EXPECT(g.c->s.event_vector, vector, "vector");
    g.sum->faults++;
}

static void check_failure(const struct row *r, struct outcome want)
{
    EXPECT(g.c->s.rflags & FLAGS_STATUS, want.how == INVALID ? FLAG_CF : FLAG_ZF, "status");
    if (want.how == ERROR)
        EXPECT(VMCS_GET(g.c, INSTRUCTION_ERROR), want.number, "error number");
    g.sum->failed++;
}

/* VMFUNC leaves the flags, and has put what it found in the list into use. */
static void check_success(const struct row *r, u64 flags, u64 eptp)
{
    bool function = r->exit == 59;
    EXPECT(g.c->s.rflags & FLAGS_STATUS, function ? flags : 0, "status");
    g.sum->succeeded++;
    if (!function)
        return;
    EXPECT(g.c->s.vmx.eptp, eptp, "EPTP");
    EXPECT(VMCS_GET(g.c, EPTP), eptp, "EPTP in the VMCS");
    EXPECT(VMCS_GET(g.c, EPTP_INDEX), g.c->s.gpr[REG_RCX] & 0xffff, "EPTP index");
    g.sum->switched++;
}

static void one(void)
{
    kept_put_back(&g.kept);
    const struct row *r = mutate_once();
    struct outcome want = foresee(r);
    u64 rip = g.c->s.rip, flags = g.c->s.rflags & FLAGS_STATUS, eptp = listed();
    EXPECT(cpu_atom(g.c), ATOM_DONE, "the atom's end");
    switch (want.how) {
    case EXIT: check_exit(r, rip); return;
    case FAULT: check_fault(r, want.number); return;
    case SUCCESS: check_success(r, flags, eptp); break;
    default: check_failure(r, want);
    }
    EXPECT(g.c->s.vmx_guest, true, "non-root operation");
    EXPECT(g.c->s.rip, rip + strlen(r->bytes), "RIP");
}

static void open_machine(void)
{
    static const u64 page[] = {GUEST_VMCS, SHADOW,     BITMAPS,   BITMAPS + 0x1000,
                               EPTP_LIST,  GUEST_CODE, BARE_USER, GUEST_HOST};
    guest_open(&g.b);
    g.c = g.b.core;
    ept_use(&g.b, 0, 0);
    g.eptp = guest_get(g.c, VMCS_EPTP);
    ept_control(&g.b, PROC2_VMFUNC | PROC2_VMCS_SHADOWING);
    guest_set(g.c, VMCS_VM_FUNCTIONS, VMFUNC_EPTP_SWITCHING);
    guest_set(g.c, VMCS_EPTP_LIST_ADDRESS, EPTP_LIST);
    guest_set(g.c, VMCS_VMREAD_BITMAP, BITMAPS);
    guest_set(g.c, VMCS_VMWRITE_BITMAP, BITMAPS + 0x1000);
    guest_set(g.c, VMCS_VMCS_LINK_POINTER, SHADOW);
    mem_write(g.b.machine->mem, SHADOW, 4, VMCS_REVISION | VMCS_SHADOW);
    guest_launch(&g.b);
    kept_take(&g.kept, &g.b);
    for (size_t i = 0; i < sizeof page / sizeof *page; i++)
        kept_add(&g.kept, page[i]);
}

void mutate_nonroot(u64 seed, u64 count, struct nonroot_mutations *sum)
{
    g.seed = seed;
    g.sum = sum;
    chance_seed(seed);
    open_machine();
    for (g.number = 0; g.number < count; g.number++, sum->made++)
        one();
    bare_close(&g.b);
}
