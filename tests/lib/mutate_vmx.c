/* mutate_vmx.c - see mutate_vmx.h. */
#include "lib/mutate_vmx.h"

#include "cpu/cpu.h"
#include "cpu/vmcs.h"
#include "lib/chance.h"
#include "lib/guest.h"
#include "lib/kept.h"

#include <check.h>
#include <string.h>

#define SHADOW  0x99000u
#define FOREIGN 0x9b000u /* a region with another revision identifier */
#define OPERAND 0x8000u  /* what RAX points at */

static struct {
    struct bare b;
    struct core *c;
    struct kept kept;
    u64 seed, number;
    struct vmx_mutations *sum;
} v;

/* How an instruction ends. */
enum how { FAULT, INVALID, ERROR, SUCCESS };
struct outcome {
    enum how how;
    u64 number; /* vector or error number */
};

static struct outcome fault(u64 vector)
{
    return (struct outcome){FAULT, vector};
}

/* VMfail (30.2 "Conventions"). */
static struct outcome vmfail(u64 error)
{
    return v.c->s.vmcs_hpa == VMCS_NONE ? (struct outcome){INVALID, 0} : (struct outcome){ERROR, error};
}

static const struct outcome success = {SUCCESS, 0}, invalid = {INVALID, 0};

/* ---- what several rules say ---- */

static u64 operand(unsigned i)
{
    return bare_u64(&v.b, OPERAND + 8 * i);
}

static bool operand_is_mapped(void)
{
    return v.c->s.gpr[REG_RAX] == OPERAND;
}

static bool page_ok(u64 address)
{
    return address % 4096 == 0 && address >> 40 == 0;
}

static u32 head(u64 region)
{
    return (u32)mem_read(v.b.machine->mem, region, 4);
}

static bool is_root(void)
{
    return v.c->s.vmx_on;
}

/* ---- the instructions ---- */

static struct outcome vmxon(void)
{
    bool locked_on = (v.c->s.feature_control & 5) == 5;
    if (!(v.c->s.cr4 >> 13 & 1))
        return fault(VEC_UD);
    if (cpl(v.c) || (!is_root() && (!locked_on || !(v.c->s.cr0 >> 5 & 1))))
        return fault(VEC_GP);
    if (is_root())
        return vmfail(15);
    if (!operand_is_mapped())
        return fault(VEC_PF);
    return page_ok(operand(0)) && head(operand(0)) == VMCS_REVISION ? success : invalid;
}

static struct outcome vmxoff(void)
{
    return success;
}

static struct outcome vmclear(void)
{
    if (!operand_is_mapped())
        return fault(VEC_PF);
    if (!page_ok(operand(0)))
        return vmfail(2);
    return operand(0) == v.c->s.vmxon_hpa ? vmfail(3) : success;
}

static struct outcome vmptrld(void)
{
    if (!operand_is_mapped())
        return fault(VEC_PF);
    if (!page_ok(operand(0)))
        return vmfail(9);
    if (operand(0) == v.c->s.vmxon_hpa)
        return vmfail(10);
    return (head(operand(0)) & 0x7fffffff) == VMCS_REVISION ? success : vmfail(11);
}

static struct outcome vmptrst(void)
{
    return operand_is_mapped() ? success : fault(VEC_PF);
}

/* Appendix B: the EPTP index; PML's; the addresses of the log, the EPTPs and #VE's page; VM functions; EPTP;
 * the guest-physical address; four PDPTEs. */
static bool belongs_to_ept(u64 encoding)
{
    static const u32 field[] = {0x0004, 0x0812, 0x200e, 0x2018, 0x201a, 0x2024,
                                0x202a, 0x2400, 0x280a, 0x280c, 0x280e, 0x2810};
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        if ((encoding & ~1ull) == field[i])
            return true;
    return false;
}

/* Bits 63:15 and 12 are 0; bit 0 asks for the high half of a 64-bit field. */
static bool field_exists(u64 encoding)
{
    static const u32 field[] = {
#define VMCS_FIELD(ID, name, encoding, group, processors) encoding,
#include "arch/vmcs_fields.def"
    };
    if (belongs_to_ept(encoding) && !(v.b.machine->b.firmware & RS_FW_EPT))
        return false;
    for (size_t i = 0; i < sizeof field / sizeof *field; i++)
        if (encoding == field[i] || (encoding == (field[i] | 1u) && field[i] >> 13 == 1))
            return true;
    return false;
}

static struct outcome vmread(void)
{
    if (v.c->s.vmcs_hpa == VMCS_NONE)
        return invalid;
    return field_exists(v.c->s.gpr[REG_RCX]) ? success : vmfail(12);
}

/* The controls of all regions here are zeros, which is wrong. */
static struct outcome enter(bool launch)
{
    u64 region = v.c->s.vmcs_hpa;
    if (region == VMCS_NONE || head(region) >> 31)
        return invalid;
    if (v.c->s.shadow_ss)
        return vmfail(26);
    bool launched = vmcs_launch_state(v.c, region) == LAUNCH_LAUNCHED;
    if (launched == launch)
        return vmfail(launch ? 4 : 5);
    return vmfail(7);
}

static struct outcome vmlaunch(void)
{
    return enter(true);
}

static struct outcome vmresume(void)
{
    return enter(false);
}

static struct outcome vmcall(void)
{
    return vmfail(1);
}

static bool eptp_ok(u64 eptp)
{
    return ((eptp & 7) == 0 || (eptp & 7) == 6) && (eptp >> 3 & 7) == 3 && !(eptp & 0xf80) && eptp >> 40 == 0;
}

static struct outcome invept(void)
{
    u64 type = v.c->s.gpr[REG_RCX];
    if (type != 1 && type != 2)
        return vmfail(28);
    if (!operand_is_mapped())
        return fault(VEC_PF);
    return type == 2 || eptp_ok(operand(0)) ? success : vmfail(28);
}

static struct outcome invvpid(void)
{
    u64 type = v.c->s.gpr[REG_RCX], vpid = operand(0), address = operand(1);
    if (type > 3)
        return vmfail(28);
    if (!operand_is_mapped())
        return fault(VEC_PF);
    bool canonical = address + (1ull << 47) < 1ull << 48;
    return vpid >> 16 || (type != 2 && !vpid) || (type == 0 && !canonical) ? vmfail(28) : success;
}

static struct outcome vmfunc(void)
{
    return fault(VEC_UD);
}

static const struct {
    const char *bytes;
    struct outcome (*oracle)(void);
    bool own_rules; /* for #UD and #GP */
} insn[] = {
    {VMXON_RAX, vmxon, true},         {VMXOFF, vmxoff, false},         {VMCLEAR_RAX, vmclear, false},
    {VMPTRLD_RAX, vmptrld, false},    {VMPTRST_RAX, vmptrst, false},   {VMREAD_RCX_RBX, vmread, false},
    {VMWRITE_RCX_RBX, vmread, false}, {VMLAUNCH, vmlaunch, false},     {VMRESUME, vmresume, false},
    {VMCALL, vmcall, false},          {INVEPT_RCX_RAX, invept, false}, {INVVPID_RCX_RAX, invvpid, false},
    {VMFUNC, vmfunc, true},
};
#define INSNS (sizeof insn / sizeof *insn)

static struct outcome foresee(unsigned i)
{
    bool no_ept = !(v.b.machine->b.firmware & RS_FW_EPT);
    if (insn[i].own_rules)
        return insn[i].oracle();
    if (!is_root() || (no_ept && insn[i].oracle == invept))
        return fault(VEC_UD);
    return cpl(v.c) ? fault(VEC_GP) : insn[i].oracle();
}

/* ---- rubbish ---- */

static u64 some_pointer(void)
{
    static const u64 region[] = {GUEST_VMCS, GUEST_VMCS2, GUEST_VMXON, SHADOW, FOREIGN, 1ull << 40};
    u64 hpa = region[chance_below(sizeof region / sizeof *region)];
    return chance_once_in(4) ? hpa ^ 1ull << chance_below(64) : hpa;
}

static u64 some_eptp(void)
{
    u64 eptp = 0x100000 | EPTP_WALK_4 | (chance() & (EPTP_AD | EPTP_WB));
    return chance_once_in(2) ? eptp ^ 1ull << chance_below(64) : eptp;
}

static u64 some_vpid(void)
{
    return chance_once_in(4) ? 1ull << chance_below(64) : chance_below(4);
}

static u64 some_field(void)
{
    u64 field = vmcs_slot_encoding((enum vmcs_slot)chance_below(VMCS_SLOTS));
    return chance_once_in(2) ? field ^ 1ull << chance_below(64) : field;
}

static void ring_3(void)
{
    v.c->s.seg[SEG_CS] = (struct segment){BARE_CS3, 0, 0xffffffff, 0xa0fb};
    v.c->s.seg[SEG_SS] = (struct segment){BARE_DS3, 0, 0xffffffff, 0xc0f3};
    v.c->s.rip = BARE_USER;
}

/* Where the processor is, as seldom it should be. */
static void mutate_state(void)
{
    struct core_state *s = &v.c->s;
    static const u64 current[] = {GUEST_VMCS, GUEST_VMCS, GUEST_VMCS2, SHADOW, VMCS_NONE};
    s->vmcs_hpa = current[chance_below(5)];
    if (s->vmcs_hpa != VMCS_NONE)
        vmcs_set_launch_state(v.c, s->vmcs_hpa, chance_once_in(2) ? LAUNCH_CLEAR : LAUNCH_LAUNCHED);
    if (chance_once_in(4)) {
        s->vmx_on = 0;
        s->vmcs_hpa = VMCS_NONE;
        s->cr4 ^= chance_once_in(4) ? CR4_VMXE : 0;
        s->cr0 ^= chance_once_in(4) ? CR0_NE : 0;
        s->feature_control ^= chance_once_in(4) ? 1ull << 2 * chance_below(2) : 0;
    }
    s->shadow_ss = chance_once_in(4);
    s->rflags |= chance() & FLAGS_STATUS;
    if (chance_once_in(8))
        ring_3();
}

static unsigned mutate_once(void)
{
    unsigned i = (unsigned)chance_below(INSNS);
    u64 *gpr = v.c->s.gpr;
    mutate_state();
    v.b.machine->b.firmware = v.seed % 4 ? RS_FW_VTX | RS_FW_XD | RS_FW_EPT : RS_FW_VTX | RS_FW_XD;
    u64 low = insn[i].oracle == invept    ? some_eptp()
              : insn[i].oracle == invvpid ? some_vpid()
                                          : some_pointer();
    bare_set_u64(&v.b, OPERAND, low);
    bare_set_u64(&v.b, OPERAND + 8, chance_once_in(2) ? chance() : chance_below(1ull << 47));
    gpr[REG_RAX] = chance_once_in(16) ? BARE_UNMAPPED : OPERAND;
    gpr[REG_RBX] = 0;
    gpr[REG_RCX] = insn[i].oracle == vmread ? some_field() : chance_once_in(8) ? chance() : chance_below(6);
    bare_put(&v.b, v.c->s.rip, insn[i].bytes, strlen(insn[i].bytes));
    return i;
}

/* ---- what must hold ---- */

#define EXPECT(got, want, what) \
    do { \
        u64 got_ = (got), want_ = (want); \
        if (got_ != want_) \
            ck_abort_msg("seed %llu, mutation %llu (%u): %s is %#llx, not %#llx", \
                         (unsigned long long)v.seed, (unsigned long long)v.number, i, what, \
                         (unsigned long long)got_, (unsigned long long)want_); \
    } while (0)

static void check_status(unsigned i, struct outcome want)
{
    const u64 flags[] = {[INVALID] = FLAG_CF, [ERROR] = FLAG_ZF, [SUCCESS] = 0};
    EXPECT(v.c->s.event_valid, false, "an exception");
    EXPECT(v.c->s.rflags & FLAGS_STATUS, flags[want.how], "status");
    if (want.how != ERROR)
        return;
    EXPECT(VMCS_GET(v.c, INSTRUCTION_ERROR), want.number, "error number");
    v.sum->errors |= 1ull << want.number;
}

/* What the pointer is after those that change it. */
static void check_current(unsigned i, struct outcome want, u64 before)
{
    u64 pointer = operand(0), after = before;
    if (want.how == SUCCESS && insn[i].oracle == vmclear && pointer == before)
        after = VMCS_NONE;
    if (want.how == SUCCESS && insn[i].oracle == vmptrld)
        after = pointer;
    if (want.how == SUCCESS && (insn[i].oracle == vmxon || insn[i].oracle == vmxoff))
        after = VMCS_NONE;
    EXPECT(v.c->s.vmcs_hpa, after, "current-VMCS pointer");
}

static void one(void)
{
    kept_put_back(&v.kept);
    unsigned i = mutate_once();
    struct outcome want = foresee(i);
    u64 current = v.c->s.vmcs_hpa;
    EXPECT(cpu_atom(v.c), ATOM_DONE, "the atom's end");
    v.sum->faults += want.how == FAULT;
    v.sum->invalid += want.how == INVALID;
    v.sum->succeeded += want.how == SUCCESS;
    if (want.how == FAULT) {
        EXPECT(v.c->s.event_valid, true, "an exception");
        EXPECT(v.c->s.event_vector, want.number, "vector");
        EXPECT(v.c->s.event_error & 1, 0, "error code");
        return;
    }
    check_status(i, want);
    if (insn[i].oracle != vmptrst)
        check_current(i, want, current);
    else
        EXPECT(operand(0), current, "what VMPTRST has stored");
}

static void open_machine(void)
{
    static const u64 page[] = {OPERAND, GUEST_VMXON, GUEST_VMCS, GUEST_VMCS2,
                               SHADOW,  FOREIGN,     BARE_CODE,  BARE_USER};
    guest_open_root(&v.b, RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK);
    v.c = v.b.core;
    mem_write(v.b.machine->mem, SHADOW, 4, VMCS_REVISION | VMCS_SHADOW);
    mem_write(v.b.machine->mem, FOREIGN, 4, VMCS_REVISION + 1);
    v.c->s.rip = BARE_CODE;
    kept_take(&v.kept, &v.b);
    for (size_t i = 0; i < sizeof page / sizeof *page; i++)
        kept_add(&v.kept, page[i]);
}

void mutate_vmx(u64 seed, u64 count, struct vmx_mutations *sum)
{
    v.seed = seed;
    v.sum = sum;
    chance_seed(seed);
    open_machine();
    for (v.number = 0; v.number < count; v.number++, sum->made++)
        one();
    bare_close(&v.b);
}
