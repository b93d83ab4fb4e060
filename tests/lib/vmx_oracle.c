/* vmx_oracle.c - see vmx_oracle.h. */
#include "lib/vmx_oracle.h"

#include "cpu/cpu.h"
#include "cpu/system.h"
#include "mmu/mem.h"

#include <string.h>

/* What must hold, and the words for it if it does not. */
#define MUST(condition) \
    do { \
        if (!(condition)) \
            return #condition; \
    } while (0)
#define F(ID) ORACLE(o, ID)

static u64 msr(struct core *c, u32 number)
{
    u64 value = 0;
    sys_read_msr(c, number, &value);
    return value;
}

void oracle_look(struct oracle *o, struct core *c)
{
    static const u32 word[5] = {MSR_VMX_TRUE_PINBASED_CTLS, MSR_VMX_TRUE_PROCBASED_CTLS,
                                MSR_VMX_PROCBASED_CTLS2, MSR_VMX_TRUE_EXIT_CTLS, MSR_VMX_TRUE_ENTRY_CTLS};
    memcpy(o->region, mem_read_page(c->m->mem, c->s.vmcs_hpa), sizeof o->region);
    o->hpa = c->s.vmcs_hpa;
    for (unsigned i = 0; i < 5; i++)
        o->cap[i] = msr(c, word[i]);
    o->cr0_fixed[0] = msr(c, MSR_VMX_CR0_FIXED0);
    o->cr0_fixed[1] = msr(c, MSR_VMX_CR0_FIXED1);
    o->cr4_fixed[0] = msr(c, MSR_VMX_CR4_FIXED0);
    o->cr4_fixed[1] = msr(c, MSR_VMX_CR4_FIXED1);
    o->misc = msr(c, MSR_VMX_MISC);
    o->functions = msr(c, MSR_VMX_VMFUNC);
    o->link_head = (u32)mem_read(c->m->mem, F(VMCS_LINK_POINTER), 4);
    o->vtpr = mem_read(c->m->mem, F(VIRTUAL_APIC_ADDRESS) + 0x80, 1);
    o->nx = sys_has_nx(c);
}

u64 oracle_field(const struct oracle *o, enum vmcs_slot slot)
{
    u64 value = 0;
    for (unsigned i = 8; i-- > 0;)
        value = value << 8 | o->region[VMCS_SLOT_OFFSET(slot) + i];
    return value;
}

/* ---- what several rules say ---- */

static bool word_ok(u64 value, u64 cap)
{
    return ((u32)cap & ~value) == 0 && (value & ~(cap >> 32)) == 0;
}

static bool fixed_ok(u64 value, const u64 fixed[2])
{
    return (value & fixed[0]) == fixed[0] && (value | fixed[1]) == fixed[1];
}

static bool canonical(u64 address)
{
    return address + (1ull << 47) < 1ull << 48;
}

static bool physical(u64 address)
{
    return address >> 40 == 0;
}

static bool page(u64 address)
{
    return address % 4096 == 0 && physical(address);
}

static bool list(u64 address, u64 count)
{
    return count == 0 || (address % 16 == 0 && physical(address) && physical(address + 16 * count - 1));
}

static bool pat(u64 value)
{
    for (; value; value >>= 8)
        if (!strchr("\1\4\5\6\7", (int)(value & 0xff)) && value & 0xff)
            return false;
    return true;
}

static bool efer(const struct oracle *o, u64 value)
{
    return (value & ~(u64)EFER_SCE & ~(o->nx ? (u64)EFER_NXE : 0)) == (EFER_LMA | EFER_LME);
}

static u64 proc2(const struct oracle *o)
{
    return F(PROC_CONTROLS)
    >> 31 & 1 ? F(PROC2_CONTROLS) : 0;
}

/* Bit 0 of the first is external-interrupt exiting, ...: those with a rule below, or with none in the manual.
 */
bool oracle_knows_all(const struct oracle *o)
{
    static const u32 known[5] = {0xff, 0xfff9fbfe, 0x0206777f, 0x007fefff, 0x0000d3ff};
    for (unsigned i = 0; i < 5; i++)
        if (o->cap[i] >> 32 & ~(u64)known[i])
            return false;
    return true;
}

/* ---- 26.2.1 ---- */

static bool eptp(u64 value)
{
    return (value % 8 == 0 || value % 8 == 6) && value / 8 % 8 == 3 && value / 128 % 32 == 0 &&
           physical(value);
}

static const char *execution(const struct oracle *o)
{
    u64 proc = F(PROC_CONTROLS);
    MUST(word_ok(F(PIN_CONTROLS), o->cap[0]));
    MUST(word_ok(proc, o->cap[1]));
    MUST(word_ok(proc2(o), o->cap[2]));
    MUST(F(CR3_TARGET_COUNT) <= (o->misc >> 16 & 0x1ff));
    if (proc & 1 << 25) {
        MUST(page(F(IO_BITMAP_A)));
        MUST(page(F(IO_BITMAP_B)));
    }
    MUST(!(proc & 1 << 28) || page(F(MSR_BITMAP)));
    MUST(!(proc2(o) & 1 << 5) || F(VPID) != 0);
    MUST(!(proc2(o) & 1 << 1) || eptp(F(EPTP)));
    MUST(!(proc2(o) & 1 << 14) || (page(F(VMREAD_BITMAP)) && page(F(VMWRITE_BITMAP))));
    MUST(!(proc2(o) & 1 << 25) || F(TSC_MULTIPLIER) != 0);
    return NULL;
}

/* Pin-based control 3 is NMI exiting, 5 virtual NMIs; primary control 22 NMI-window exiting. */
static const char *nmis(const struct oracle *o)
{
    u64 pin = F(PIN_CONTROLS);
    MUST(!(pin & 1 << 5) || pin & 1 << 3);
    MUST(!(F(PROC_CONTROLS) & 1 << 22) || pin & 1 << 5);
    return NULL;
}

/* What goes with EPT: bits of the secondary controls 1 EPT itself, 13 VM functions, 17 PML, 18 #VE, which
 * alone may be without it. */
static const char *with_ept(const struct oracle *o)
{
    bool ept = proc2(o) & 1 << 1, functions = proc2(o) & 1 << 13;
    MUST(!(proc2(o) & 1 << 17) || (ept && page(F(PML_ADDRESS))));
    MUST(!(proc2(o) & 1 << 18) || page(F(VE_INFORMATION_ADDRESS)));
    MUST(!functions || !(F(VM_FUNCTIONS) & ~o->functions));
    MUST(!functions || !(F(VM_FUNCTIONS) & 1) || (ept && page(F(EPTP_LIST_ADDRESS))));
    return NULL;
}

/* What virtualises the local APIC: bits of the secondary controls 0 accesses, 4 x2APIC mode, 8 registers, 9
 * virtual interrupts. */
static const char *virtual_apic(const struct oracle *o)
{
    bool shadow = F(PROC_CONTROLS)
    >> 21 & 1, accesses = proc2(o) & 1, x2apic = proc2(o) >> 4 & 1;
    bool interrupts = proc2(o) >> 9 & 1, posted = F(PIN_CONTROLS)
    >> 7 & 1;
    MUST(shadow || !(proc2(o) & 0x310));
    MUST(!shadow || page(F(VIRTUAL_APIC_ADDRESS)));
    MUST(!shadow || interrupts || F(TPR_THRESHOLD) < 16);
    MUST(!shadow || interrupts || accesses || F(TPR_THRESHOLD) <= o->vtpr >> 4);
    MUST(!accesses || (page(F(APIC_ACCESS_ADDRESS)) && !x2apic));
    MUST(!interrupts || F(PIN_CONTROLS) & 1);
    MUST(!posted || (interrupts && F(EXIT_CONTROLS) >> 15 & 1 && F(POSTED_VECTOR) < 256));
    MUST(!posted || (F(POSTED_DESCRIPTOR) % 64 == 0 && physical(F(POSTED_DESCRIPTOR))));
    return NULL;
}

static bool error_code_due(u64 info)
{
    return (info >> 8 & 7) == 3 && (0x27d00u >> (info & 31) & 1); /* 8, 10 to 14, 17 */
}

const char *oracle_injection(const struct oracle *o)
{
    u64 info = F(ENTRY_INTR_INFO)
    , type = info >> 8 & 7, vector = info & 0xff;
    if (!(info >> 31))
        return NULL;
    MUST(type != 1);
    MUST(type != 2 || vector == 2);
    MUST(type != 3 || vector < 32);
    MUST(type != 7 || vector == 0);
    MUST((info >> 11 & 1) == error_code_due(info));
    MUST((info >> 12 & 0x7ffff) == 0);
    MUST(!(info >> 11 & 1) || F(ENTRY_ERROR_CODE) < 0x10000);
    MUST(type < 4 || type > 6 || (F(ENTRY_INSN_LENGTH) > 0 && F(ENTRY_INSN_LENGTH) < 16));
    return NULL;
}

const char *oracle_controls(const struct oracle *o)
{
    const char *wrong = execution(o);
    wrong = wrong ? wrong : nmis(o);
    wrong = wrong ? wrong : with_ept(o);
    wrong = wrong ? wrong : virtual_apic(o);
    if (wrong)
        return wrong;
    MUST(word_ok(F(EXIT_CONTROLS), o->cap[3]));
    MUST(!(F(EXIT_CONTROLS) & 1 << 22) || F(PIN_CONTROLS) & 1 << 6);
    MUST(list(F(EXIT_MSR_STORE_ADDRESS), F(EXIT_MSR_STORE_COUNT)));
    MUST(list(F(EXIT_MSR_LOAD_ADDRESS), F(EXIT_MSR_LOAD_COUNT)));
    MUST(word_ok(F(ENTRY_CONTROLS), o->cap[4]));
    MUST(list(F(ENTRY_MSR_LOAD_ADDRESS), F(ENTRY_MSR_LOAD_COUNT)));
    return oracle_injection(o);
}

/* ---- 26.2.2 to 26.2.4 ---- */

static bool host_selectors(const struct oracle *o)
{
    u64 all = F(HOST_ES_SELECTOR)
    | F(HOST_CS_SELECTOR)
    | F(HOST_SS_SELECTOR)
    | F(HOST_DS_SELECTOR)
    | F(HOST_FS_SELECTOR)
    | F(HOST_GS_SELECTOR)
    | F(HOST_TR_SELECTOR);
    return all % 8 == 0 && F(HOST_CS_SELECTOR)
    &&F(HOST_TR_SELECTOR);
}

const char *oracle_host(const struct oracle *o)
{
    MUST(fixed_ok(F(HOST_CR0), o->cr0_fixed));
    MUST(fixed_ok(F(HOST_CR4), o->cr4_fixed));
    MUST(physical(F(HOST_CR3)));
    MUST(canonical(F(HOST_SYSENTER_ESP)) && canonical(F(HOST_SYSENTER_EIP)));
    MUST(!(F(EXIT_CONTROLS) & 1 << 19) || pat(F(HOST_PAT)));
    MUST(!(F(EXIT_CONTROLS) & 1 << 21) || efer(o, F(HOST_EFER)));
    MUST(host_selectors(o));
    MUST(canonical(F(HOST_FS_BASE)) && canonical(F(HOST_GS_BASE)) && canonical(F(HOST_TR_BASE)));
    MUST(canonical(F(HOST_GDTR_BASE)) && canonical(F(HOST_IDTR_BASE)));
    MUST(F(HOST_CR4) >> 5 & 1);
    MUST(canonical(F(HOST_RIP)));
    return NULL;
}

/* ---- 26.3.1 ---- */

static const char *registers(const struct oracle *o)
{
    u64 entry = F(ENTRY_CONTROLS);
    MUST(fixed_ok(F(GUEST_CR0), o->cr0_fixed));
    MUST(fixed_ok(F(GUEST_CR4), o->cr4_fixed));
    MUST(!(entry >> 2 & 1) || (F(GUEST_DEBUGCTL) == 0 && F(GUEST_DR7) >> 32 == 0));
    MUST(F(GUEST_CR4) >> 5 & 1);
    MUST(physical(F(GUEST_CR3)));
    MUST(canonical(F(GUEST_SYSENTER_ESP)) && canonical(F(GUEST_SYSENTER_EIP)));
    MUST(!(entry >> 14 & 1) || pat(F(GUEST_PAT)));
    MUST(!(entry >> 15 & 1) || efer(o, F(GUEST_EFER)));
    MUST(canonical(F(GUEST_GDTR_BASE)) && canonical(F(GUEST_IDTR_BASE)));
    MUST(F(GUEST_GDTR_LIMIT) < 0x10000 && F(GUEST_IDTR_LIMIT) < 0x10000);
    MUST(F(GUEST_RIP) >> 48 == 0 || F(GUEST_RIP) >> 48 == 0xffff); /* not bit 47 */
    MUST((F(GUEST_RFLAGS) & ~0x3d7fd5ull) == 2);                   /* VM too is 0 */
    return NULL;
}

struct part {
    u64 selector, base, limit, rights;
};

#define PART(SEG) \
    ((struct part) { \
        F(GUEST_##SEG##_SELECTOR) \
        , F(GUEST_##SEG##_BASE) \
        , F(GUEST_##SEG##_LIMIT) \
        , F(GUEST_##SEG##_ACCESS_RIGHTS) \
    })

static bool unusable(struct part s)
{
    return s.rights >> 16 & 1;
}

static u64 type(struct part s)
{
    return s.rights & 15;
}

static u64 dpl(struct part s)
{
    return s.rights >> 5 & 3;
}

/* S as given, P, nothing reserved, and G as the limit wants it. */
static bool sound(struct part s, u64 s_bit)
{
    bool g = s.rights >> 15 & 1;
    bool fits = (!g || (s.limit & 0xfff) == 0xfff) && (g || s.limit >> 20 == 0);
    return (s.rights >> 4 & 1) == s_bit && s.rights >> 7 & 1 && !(s.rights & 0xfffe0f00) && fits;
}

static bool data_ok(struct part s)
{
    bool type_ok = type(s) % 2 == 1 && (type(s) < 8 || type(s) & 2);
    return unusable(s) || (type_ok && (type(s) > 11 || dpl(s) >= s.selector % 4) && sound(s, 1));
}

static const char *code_and_stack(const struct oracle *o)
{
    struct part cs = PART(CS), ss = PART(SS);
    MUST(type(cs) % 2 == 1 && type(cs) > 8);
    MUST(type(cs) > 11 ? dpl(cs) <= dpl(ss) : dpl(cs) == dpl(ss));
    MUST(sound(cs, 1) && cs.base >> 32 == 0);
    MUST((cs.rights >> 13 & 3) == 1); /* L, not D/B */
    MUST(ss.selector % 4 == cs.selector % 4 && ss.selector % 4 == dpl(ss));
    MUST(unusable(ss) || ((type(ss) == 3 || type(ss) == 7) && sound(ss, 1) && ss.base >> 32 == 0));
    return NULL;
}

static const char *segments(const struct oracle *o)
{
    struct part tr = PART(TR), ldtr = PART(LDTR), ds = PART(DS), es = PART(ES), fs = PART(FS), gs = PART(GS);
    MUST(!(tr.selector & 4) && canonical(tr.base) && type(tr) == 11 && sound(tr, 0) && !unusable(tr));
    MUST(unusable(ldtr) ||
         (!(ldtr.selector & 4) && canonical(ldtr.base) && type(ldtr) == 2 && sound(ldtr, 0)));
    MUST(data_ok(ds) && data_ok(es) && data_ok(fs) && data_ok(gs));
    MUST((unusable(ds) || ds.base >> 32 == 0) && (unusable(es) || es.base >> 32 == 0));
    MUST(canonical(fs.base) && canonical(gs.base));
    return code_and_stack(o);
}

static const char *non_register(const struct oracle *o)
{
    u64 activity = F(GUEST_ACTIVITY)
    , blocking = F(GUEST_INTERRUPTIBILITY)
    , info = F(ENTRY_INTR_INFO);
    u64 flags = F(GUEST_RFLAGS)
    , vector = info & 0xff, debug = F(GUEST_PENDING_DEBUG);
    int kind = info >> 31 ? (int)(info >> 8 & 7) : -1;
    bool halt = activity == 1, shadow = blocking & 3;
    MUST(kind != 0 || flags >> 9 & 1);
    MUST(activity == 0 || (activity < 4 && o->misc >> (5 + activity) & 1));
    MUST(!halt || (F(GUEST_SS_ACCESS_RIGHTS) >> 5 & 3) == 0);
    MUST(!shadow || activity == 0);
    MUST(!halt || kind == -1 || kind == 0 || kind == 2 || kind == 7 ||
         (kind == 3 && (vector == 1 || vector == 18)));
    MUST(activity != 3 || kind == -1);
    MUST(blocking < 16 && (blocking & 3) != 3 && !(blocking & 4));
    MUST(!(blocking & 1) || flags >> 9 & 1);
    MUST(kind != 0 || !shadow);
    MUST(kind != 2 || !(blocking & 2));
    MUST(kind != 2 || !(F(PIN_CONTROLS) & 1 << 5) || !(blocking & 8));
    MUST(!(debug & ~0x500full));
    MUST(!(shadow || halt) || (debug >> 14 & 1) == (flags >> 8 & 1));
    return NULL;
}

static const char *link_pointer(const struct oracle *o)
{
    u64 link = F(VMCS_LINK_POINTER);
    if (link == UINT64_MAX)
        return NULL;
    MUST(page(link));
    MUST(link != o->hpa);
    MUST((o->link_head & 0x7fffffff) == VMCS_REVISION);
    MUST(o->link_head >> 31 == (proc2(o) >> 14 & 1));
    return NULL;
}

const char *oracle_guest(const struct oracle *o)
{
    static const char *(*const part[])(const struct oracle *o) = {registers, segments, non_register,
                                                                  link_pointer};
    for (unsigned i = 0; i < sizeof part / sizeof *part; i++) {
        const char *wrong = part[i](o);
        if (wrong)
            return wrong;
    }
    return NULL;
}
