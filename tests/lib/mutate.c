/* mutate.c - see mutate.h. */
#include "lib/mutate.h"

#include "cpu/vmx.h"
#include "lib/chance.h"
#include "lib/guest.h"
#include "lib/kept.h"
#include "lib/vmx_oracle.h"
#include "mmu/mem.h"

#include <check.h>
#include <string.h>

#define ATOMS_MAX   12 /* of a guest */
#define CODE_BYTES  48
#define EPT         0x100000u /* PML4, PDPT, PD, PT: the low 8 MiB, the first 2 in pages of 4 KiB */
#define SHADOW_VMCS 0x99000u
#define APIC        0x9a000u /* virtual-APIC page, APIC-access page, posted-interrupt descriptor */
#define LOG         0x9d000u /* page-modification log */
#define VE_AREA     0x9e000u /* virtualization-exception information */
#define EPTP_LIST   0x9f000u
#define TABLES      0x13000u /* the guest's, as the host's at BARE_PML4 */

/* Pages that are as they were before each mutation. */
static const u32 page[] = {
    0x8000,        0x10000, 0x11000,      0x12000,      0x13000,      0x14000, 0x15000, 0x18000,
    0x19000,       0x1b000, 0x20000,      0x28000,      0x2c000,      0x30000, 0x90000, 0x91000,
    0x92000,       0x94000, 0x95000,      0x96000,      0x98000,      0x99000, APIC,    APIC + 0x1000,
    APIC + 0x2000, EPT,     EPT + 0x1000, EPT + 0x2000, EPT + 0x3000, LOG,     VE_AREA, EPTP_LIST};
#define PAGES (sizeof page / sizeof *page)

static struct {
    struct bare b;
    struct core *c;
    u64 seed, number;
    bool raw; /* bytes of the region were written: the oracle knows fields alone */
    struct kept kept;
    struct oracle before;
    struct mutations *sum;
} m;

/* Check writes to a file at each assertion, whether it holds or not. */
#define EXPECT(condition, ...) \
    do { \
        if (!(condition)) \
            ck_abort_msg("seed %llu, mutation %llu: " #condition ": %s", (unsigned long long)m.seed, \
                         (unsigned long long)m.number, __VA_ARGS__); \
    } while (0)

/* ---- a machine to put back ---- */

static void write_ept(void)
{
    struct mem *mem = m.b.machine->mem;
    mem_write(mem, EPT, 8, (EPT + 0x1000) | EPT_RWX);
    mem_write(mem, EPT + 0x1000, 8, (EPT + 0x2000) | EPT_RWX);
    mem_write(mem, EPT + 0x2000, 8, (EPT + 0x3000) | EPT_RWX);
    for (u64 i = 1; i < 4; i++)
        mem_write(mem, EPT + 0x2000 + 8 * i, 8, i << 21 | EPT_RWX | EPT_WB | EPT_PS);
    for (u64 i = 0; i < 512; i++)
        mem_write(mem, EPT + 0x3000 + 8 * i, 8, i << 12 | EPT_RWX | EPT_WB);
}

static void write_tables(void)
{
    struct mem *mem = m.b.machine->mem;
    for (u64 i = 0; i < 3 * PAGE_BYTES; i += 8)
        mem_write(mem, TABLES + i, 8, mem_read(mem, BARE_PML4 + i, 8));
    mem_write(mem, TABLES, 8, (TABLES + 0x1000) | PTE_P | PTE_W | PTE_U);
    mem_write(mem, TABLES + 0x1000, 8, (TABLES + 0x2000) | PTE_P | PTE_W | PTE_U);
    guest_set(m.c, VMCS_GUEST_CR3, TABLES);
}

static void open_machine(void)
{
    guest_open(&m.b);
    m.c = m.b.core;
    if (m.seed % 8 == 0)
        m.b.machine->b.firmware &= ~(u64)RS_FW_EPT;
    write_ept();
    write_tables();
    VMCS_PUT(m.c, EPTP, EPT | EPTP_WALK_4 | EPTP_WB);
    guest_set(m.c, VMCS_VPID, 1);
    guest_set(m.c, VMCS_IO_BITMAP_A, GUEST_BITMAPS);
    mem_write(m.b.machine->mem, SHADOW_VMCS, 4, VMCS_REVISION | 1u << 31);
    bare_put(&m.b, GUEST_HOST, VMRESUME, 3);
    bare_put(&m.b, BARE_CODE, VMLAUNCH, 3);
    m.c->s.rip = BARE_CODE;
    oracle_look(&m.before, m.c);
    EXPECT(oracle_knows_all(&m.before), "a control of which the oracle knows nothing");
    kept_take(&m.kept, &m.b);
    for (size_t i = 0; i < PAGES; i++)
        kept_add(&m.kept, page[i]);
}

/* ---- rubbish ---- */

static u64 rubbish(u64 old)
{
    static const u64 special[] = {0,
                                  1,
                                  UINT64_MAX,
                                  0xffffffff,
                                  0x8000000000000000,
                                  0x00007fffffffffff,
                                  0x0000800000000000,
                                  0xffff800000000000,
                                  1ull << PHYS_BITS,
                                  PHYS_MASK,
                                  EPT,
                                  GUEST_VMCS,
                                  GUEST_VMCS2,
                                  GUEST_VMXON,
                                  GUEST_MSRS,
                                  SHADOW_VMCS,
                                  0xfee00000,
                                  0x200000};
    switch (chance_below(8)) {
    case 0: return chance();
    case 1: return chance() >> chance_below(64);
    case 2: return special[chance_below(sizeof special / sizeof *special)];
    case 3: return old + chance_below(33) - 16;
    case 4: return chance() & 0x7ffff0;
    default: return old ^ 1ull << chance_below(64);
    }
}

static u64 field_of(enum vmcs_slot slot)
{
    return vmcs_slot_read(m.c, slot);
}

/* A bit within the field's width, or anything. */
static void any_field(void)
{
    enum vmcs_slot slot = (enum vmcs_slot)chance_below(VMCS_SLOTS);
    static const unsigned bits[4] = {16, 64, 32, 64};
    unsigned width = bits[VMCS_FIELD_WIDTH(vmcs_slot_encoding(slot))];
    u64 old = field_of(slot);
    vmcs_slot_write(m.c, slot, chance_once_in(2) ? rubbish(old) : old ^ 1ull << chance_below(width));
}

/* Mostly what the capability MSRs allow. */
static void controls(void)
{
    static const u32 slot[] = {SLOT_PIN_CONTROLS, SLOT_PROC_CONTROLS, SLOT_PROC2_CONTROLS, SLOT_EXIT_CONTROLS,
                               SLOT_ENTRY_CONTROLS};
    u64 word = chance_below(5);
    struct vmx_allowed a = vmx_allowed(m.c, (enum vmx_word)word);
    u64 value = (chance() & a.may) | a.must;
    if (chance_once_in(8))
        value ^= 1ull << chance_below(32);
    vmcs_slot_write(m.c, slot[word], value);
    if (slot[word] == SLOT_PROC2_CONTROLS)
        VMCS_PUT(m.c, PROC_CONTROLS, VMCS_GET(m.c, PROC_CONTROLS) | PROC_SECONDARY);
}

static void use_ept(void)
{
    VMCS_PUT(m.c, PROC_CONTROLS, VMCS_GET(m.c, PROC_CONTROLS) | PROC_SECONDARY);
    VMCS_PUT(m.c, PROC2_CONTROLS,
             VMCS_GET(m.c, PROC2_CONTROLS) | PROC2_EPT | (chance_once_in(2) ? PROC2_VPID : 0));
    if (chance_once_in(4))
        VMCS_PUT(m.c, EPTP, rubbish(VMCS_GET(m.c, EPTP)));
    if (chance_once_in(4))
        VMCS_PUT(m.c, EPTP, VMCS_GET(m.c, EPTP) ^ EPTP_AD);
}

static void word_at(u64 hpa)
{
    mem_write(m.b.machine->mem, hpa, 8, rubbish(mem_read(m.b.machine->mem, hpa, 8)));
}

/* Entries that something is translated by, mostly. */
static void ept_entry(void)
{
    u64 entry = chance_below(4) * 0x1000 + 8 * (chance_once_in(2) ? chance_below(8) : chance_below(512));
    use_ept();
    word_at(chance_once_in(2) ? EPT + entry : EPT + 0x3000 + 8 * (0x8 + chance_below(0x98)));
}

static void guest_tables(void)
{
    word_at(TABLES + chance_below(3) * 0x1000 + 8 * chance_below(6));
}

static void bitmaps(void)
{
    VMCS_PUT(m.c, PROC_CONTROLS,
             VMCS_GET(m.c, PROC_CONTROLS) | (chance() & (PROC_IO_BITMAPS | PROC_MSR_BITMAPS)));
    for (u64 n = chance_below(8); n-- > 0;)
        mem_write(m.b.machine->mem, GUEST_BITMAPS + chance_below(0x600) * 8, 8, chance());
}

static void msr_lists(void)
{
    static const u32 known[] = {MSR_EFER,      MSR_PAT,     MSR_TSC,       MSR_STAR,
                                MSR_LSTAR,     MSR_FS_BASE, MSR_TSC_AUX,   MSR_KERNEL_GS_BASE,
                                MSR_APIC_BASE, 0x808,       MSR_VMX_BASIC, MSR_DEBUGCTL};
    static const enum vmcs_slot list[][2] = {{SLOT_ENTRY_MSR_LOAD_ADDRESS, SLOT_ENTRY_MSR_LOAD_COUNT},
                                             {SLOT_EXIT_MSR_LOAD_ADDRESS, SLOT_EXIT_MSR_LOAD_COUNT},
                                             {SLOT_EXIT_MSR_STORE_ADDRESS, SLOT_EXIT_MSR_STORE_COUNT}};
    u64 i = chance_below(3);
    for (u64 at = GUEST_MSRS; at < GUEST_MSRS + 64; at += 16) {
        mem_write(m.b.machine->mem, at, 8,
                  chance_once_in(8) ? chance() : known[chance_below(sizeof known / sizeof *known)]);
        mem_write(m.b.machine->mem, at + 8, 8, rubbish(0));
    }
    vmcs_slot_write(m.c, list[i][0], chance_once_in(8) ? rubbish(GUEST_VMCS) : GUEST_MSRS);
    vmcs_slot_write(m.c, list[i][1], chance_once_in(64) ? chance() : chance_below(4));
}

static void injected_event(void)
{
    u64 info = INTR_VALID | chance_below(8) << INTR_TYPE_SHIFT |
               (chance_once_in(4) ? chance_below(256) : chance_below(32));
    if (chance_once_in(2))
        info |= INTR_HAS_ERROR;
    if (chance_once_in(16))
        info |= chance();
    VMCS_PUT(m.c, ENTRY_INTR_INFO, info);
    VMCS_PUT(m.c, ENTRY_ERROR_CODE, chance_once_in(8) ? chance() : chance_below(0x10000));
    VMCS_PUT(m.c, ENTRY_INSN_LENGTH, chance_below(18));
    VMCS_PUT(m.c, GUEST_RFLAGS, VMCS_GET(m.c, GUEST_RFLAGS) ^ (chance() & (FLAG_IF | FLAG_TF | FLAG_RF)));
}

static void waiting(void)
{
    VMCS_PUT(m.c, GUEST_ACTIVITY, chance_below(5));
    VMCS_PUT(m.c, GUEST_INTERRUPTIBILITY, chance_once_in(2) ? 0 : chance_below(17));
    VMCS_PUT(m.c, GUEST_PENDING_DEBUG, chance_once_in(2) ? 0 : chance() & 0x500f);
    VMCS_PUT(m.c, PREEMPTION_TIMER, chance_below(64));
}

static void shadowing(void)
{
    static const u64 region[] = {SHADOW_VMCS, SHADOW_VMCS, GUEST_VMCS, GUEST_VMCS2, UINT64_MAX};
    VMCS_PUT(m.c, PROC_CONTROLS, VMCS_GET(m.c, PROC_CONTROLS) | PROC_SECONDARY);
    VMCS_PUT(m.c, PROC2_CONTROLS, VMCS_GET(m.c, PROC2_CONTROLS) | PROC2_VMCS_SHADOWING);
    VMCS_PUT(m.c, VMCS_LINK_POINTER, region[chance_below(sizeof region / sizeof *region)]);
    VMCS_PUT(m.c, VMWRITE_BITMAP, chance_once_in(4) ? GUEST_BITMAPS : rubbish(GUEST_BITMAPS));
    VMCS_PUT(m.c, VMREAD_BITMAP, GUEST_BITMAPS);
}

/* Mostly so that it may be entered. */
static void virtual_apic(void)
{
    bool interrupts = chance_once_in(2);
    u64 some = chance() & (PROC2_APIC_ACCESSES | PROC2_X2APIC_MODE | PROC2_APIC_REGISTERS);
    VMCS_PUT(m.c, PROC_CONTROLS, VMCS_GET(m.c, PROC_CONTROLS) | PROC_SECONDARY | PROC_TPR_SHADOW);
    VMCS_PUT(m.c, PROC2_CONTROLS,
             VMCS_GET(m.c, PROC2_CONTROLS) | some | (interrupts ? PROC2_VIRTUAL_INTERRUPTS : 0));
    if (interrupts && !chance_once_in(8))
        VMCS_PUT(m.c, PIN_CONTROLS, VMCS_GET(m.c, PIN_CONTROLS) | PIN_EXTERNAL_INTERRUPT);
    if (interrupts && chance_once_in(2)) {
        VMCS_PUT(m.c, PIN_CONTROLS, VMCS_GET(m.c, PIN_CONTROLS) | PIN_POSTED_INTERRUPTS);
        VMCS_PUT(m.c, EXIT_CONTROLS, VMCS_GET(m.c, EXIT_CONTROLS) | VMEXIT_ACK_INTERRUPT);
    }
    VMCS_PUT(m.c, VIRTUAL_APIC_ADDRESS, chance_once_in(8) ? rubbish(APIC) : APIC);
    VMCS_PUT(m.c, APIC_ACCESS_ADDRESS, chance_once_in(8) ? rubbish(APIC) : APIC + 0x1000);
    VMCS_PUT(m.c, POSTED_DESCRIPTOR, chance_once_in(8) ? rubbish(APIC) : APIC + 0x2000);
    VMCS_PUT(m.c, POSTED_VECTOR, chance_once_in(8) ? chance() : chance_below(256));
    VMCS_PUT(m.c, TPR_THRESHOLD, chance_below(18));
    VMCS_PUT(m.c, GUEST_INTERRUPT_STATUS, chance());
    for (u64 at = 0; at < 0x400; at += 0x10)
        mem_write(m.b.machine->mem, APIC + at, 4, chance_once_in(2) ? chance() : 0);
}

/* More controls, mostly so that the VMCS may be entered with them. */
static void control2(u64 bits)
{
    VMCS_PUT(m.c, PROC_CONTROLS, VMCS_GET(m.c, PROC_CONTROLS) | PROC_SECONDARY);
    VMCS_PUT(m.c, PROC2_CONTROLS, VMCS_GET(m.c, PROC2_CONTROLS) | bits);
}

static u64 page_or_rubbish(u64 hpa)
{
    return chance_once_in(8) ? rubbish(hpa) : hpa;
}

static void nmis(void)
{
    u64 pin = (chance_once_in(8) ? 0 : PIN_NMI) | (chance_once_in(4) ? 0 : PIN_VIRTUAL_NMIS);
    VMCS_PUT(m.c, PIN_CONTROLS, VMCS_GET(m.c, PIN_CONTROLS) | pin);
    VMCS_PUT(m.c, PROC_CONTROLS, VMCS_GET(m.c, PROC_CONTROLS) | (chance() & PROC_NMI_WINDOW));
    VMCS_PUT(m.c, GUEST_INTERRUPTIBILITY,
             chance() & (BLOCKING_NMI | (chance_once_in(4) ? BLOCKING_MOV_SS : 0)));
    if (chance_once_in(2))
        VMCS_PUT(m.c, ENTRY_INTR_INFO, INTR_INFO(VEC_NMI, EVENT_NMI));
}

static void logging(void)
{
    if (!chance_once_in(8))
        use_ept();
    control2(PROC2_PML);
    VMCS_PUT(m.c, EPTP, VMCS_GET(m.c, EPTP) | EPTP_AD);
    VMCS_PUT(m.c, PML_ADDRESS, page_or_rubbish(LOG));
    VMCS_PUT(m.c, PML_INDEX, chance_once_in(4) ? chance() : chance_below(4));
}

/* #VE, by entries of which some hold bit 63. */
static void converting(void)
{
    if (!chance_once_in(4))
        use_ept();
    control2(PROC2_EPT_VE);
    VMCS_PUT(m.c, VE_INFORMATION_ADDRESS, page_or_rubbish(VE_AREA));
    VMCS_PUT(m.c, EXCEPTION_BITMAP, VMCS_GET(m.c, EXCEPTION_BITMAP) ^ (chance() & 1u << VEC_VE));
    mem_write(m.b.machine->mem, VE_AREA + VE_BUSY, 4, chance_once_in(4));
    for (u64 n = chance_below(8); n-- > 0;) {
        u64 at = EPT + 0x3000 + 8 * (0x8 + chance_below(0x98));
        mem_write(m.b.machine->mem, at, 8, chance() & (EPT_SUPPRESS_VE | EPT_RWX | 0x3ff000));
    }
}

static void functions(void)
{
    u64 eptp = EPT | EPTP_WALK_4 | EPTP_WB;
    if (!chance_once_in(8))
        use_ept();
    control2(PROC2_VMFUNC);
    VMCS_PUT(m.c, VM_FUNCTIONS, chance_once_in(4) ? rubbish(1) : chance_below(2));
    VMCS_PUT(m.c, EPTP_LIST_ADDRESS, page_or_rubbish(EPTP_LIST));
    for (u64 at = EPTP_LIST; at < EPTP_LIST + 64; at += 8)
        mem_write(m.b.machine->mem, at, 8, chance_once_in(4) ? rubbish(eptp) : eptp ^ (chance() & EPTP_AD));
    m.c->s.gpr[REG_RAX] = chance_once_in(8) ? chance_below(66) : 0;
    m.c->s.gpr[REG_RCX] = chance_once_in(8) ? rubbish(512) : chance_below(9);
}

static void counter(void)
{
    VMCS_PUT(m.c, PROC_CONTROLS, VMCS_GET(m.c, PROC_CONTROLS) | (chance() & PROC_TSC_OFFSETTING));
    control2(PROC2_TSC_SCALING);
    VMCS_PUT(m.c, TSC_OFFSET, rubbish(0));
    VMCS_PUT(m.c, TSC_MULTIPLIER, chance_once_in(4) ? 0 : rubbish(1ull << VMX_TSC_FRACTION));
}

static void pauses(void)
{
    control2(PROC2_PAUSE_LOOP);
    VMCS_PUT(m.c, PLE_GAP, chance_once_in(4) ? rubbish(0) : chance_below(128));
    VMCS_PUT(m.c, PLE_WINDOW, chance_once_in(4) ? rubbish(0) : chance_below(128));
}

static void segment(void)
{
    u64 n = chance_below(8), old = field_of((enum vmcs_slot)(SLOT_GUEST_ES_ACCESS_RIGHTS + n));
    static const u64 rights[] = {0x10000, 0xc093, 0xc0f3, 0xa09b, 0xa0fb, 0x8b, 0x82, 0xc097, 0xa09f, 0x4093};
    vmcs_slot_write(m.c, (enum vmcs_slot)(SLOT_GUEST_ES_ACCESS_RIGHTS + n),
                    chance_once_in(2) ? old ^ 1ull << chance_below(17)
                                      : rights[chance_below(sizeof rights / sizeof *rights)]);
    if (chance_once_in(2))
        vmcs_slot_write(m.c, (enum vmcs_slot)(SLOT_GUEST_ES_SELECTOR + n),
                        chance_below(14) * 8 + (chance_once_in(4) ? chance_below(8) : 0));
    if (chance_once_in(4))
        vmcs_slot_write(m.c, (enum vmcs_slot)(SLOT_GUEST_ES_LIMIT + n), rubbish(0xfff));
}

static void ring_3(void)
{
    VMCS_PUT(m.c, GUEST_CS_SELECTOR, BARE_CS3);
    VMCS_PUT(m.c, GUEST_CS_ACCESS_RIGHTS, 0xa0fb);
    VMCS_PUT(m.c, GUEST_SS_SELECTOR, BARE_DS3);
    VMCS_PUT(m.c, GUEST_SS_ACCESS_RIGHTS, 0xc0f3);
    VMCS_PUT(m.c, GUEST_RIP, BARE_USER);
}

/* As software should not: past VMWRITE. */
static void region(void)
{
    m.raw = true;
    mem_write(m.b.machine->mem,
              GUEST_VMCS + (chance_once_in(2) ? chance_below(64) : chance_below(VMCS_BYTES)), 1,
              chance() & 0xff);
}

/* Instructions that a hypervisor hears of, events, stores, and bytes that mean something or not. */
static void code(u64 at)
{
    static const char *const insn[] = {"\x0f\xa2",
                                       "\x0f\x01\xc1",
                                       "\x0f\x32",
                                       "\x0f\x30",
                                       "\xe4\x60",
                                       "\xec",
                                       "\x0f\x20\xc0",
                                       "\x0f\x22\xc0",
                                       "\x0f\x22\xd8",
                                       "\x0f\x22\xe0",
                                       "\xf4",
                                       "\xcc",
                                       "\xcd\x21",
                                       "\x48\xcf",
                                       "\x48\x89\x03",
                                       "\x48\x8b\x06",
                                       "\x0f\x01\x3b",
                                       "\xfb",
                                       "\xfa",
                                       "\x8e\xd0",
                                       "\x9d",
                                       "\x0f\x78\xcb",
                                       "\x0f\x79\xcb",
                                       "\x0f\x31",
                                       "\xf3\x90",
                                       "\x48\x0f\x07",
                                       "\x0f\x05",
                                       "\x0f\x23\xf8",
                                       "\x66\x0f\x38\x80\x08",
                                       "\xf3\x6e",
                                       "\x0f\x01\xd4",
                                       "\x0f\x0b",
                                       "\x0f\x09",
                                       "\x0f\x01\x13",
                                       "\x0f\x00\xd8",
                                       "\xf1",
                                       "\x48\xff\xe0",
                                       "\xc3",
                                       "\x50",
                                       "\x48\xab"};
    u8 bytes[CODE_BYTES];
    for (unsigned i = 0; i < CODE_BYTES;) {
        const char *s = insn[chance_below(sizeof insn / sizeof *insn)];
        for (; *s && i < CODE_BYTES; s++)
            bytes[i++] = chance_once_in(32) ? (u8)chance() : (u8)*s;
    }
    mem_copy_in(m.b.machine->mem, at, bytes, CODE_BYTES);
}

static void registers(void)
{
    for (unsigned i = 0; i < 16; i++)
        if (i != REG_RSP && chance_once_in(2))
            m.c->s.gpr[i] = rubbish(i == REG_RCX ? MSR_EFER : m.c->s.cr4);
}

static void mutate_once(void)
{
    static void (*const kind[])(void) = {
        any_field, any_field,    any_field,      any_field, controls,   controls,  use_ept, ept_entry,
        bitmaps,   msr_lists,    injected_event, waiting,   segment,    registers, ring_3,  guest_tables,
        shadowing, virtual_apic, nmis,           logging,   converting, functions, counter, pauses};
    m.raw = false;
    for (u64 n = 1 + chance_below(5); n-- > 0;)
        kind[chance_below(sizeof kind / sizeof *kind)]();
    if (chance_once_in(16))
        region();
    code(GUEST_CODE);
    if (chance_once_in(4))
        code(BARE_USER);
}

/* ---- what must hold ---- */

#define B(ID) ORACLE(&m.before, ID)

/* Of every state that a core can be in (SDM vol. 3, 2 "System Architecture Overview", 23.8 "Restrictions on
 * VMX Operation"). */
static void check_core(void)
{
    const struct core_state *s = &m.c->s;
    EXPECT(vmx_cr_allowed(m.c, 0, s->cr0), "CR0");
    EXPECT(vmx_cr_allowed(m.c, 4, s->cr4), "CR4");
    EXPECT(s->cr4 & CR4_PAE, "PAE");
    EXPECT(!(s->cr3 & ~PHYS_MASK), "CR3");
    EXPECT((s->efer & (EFER_LMA | EFER_LME)) == (EFER_LMA | EFER_LME), "EFER");
    EXPECT(!(s->efer & ~(u64)(EFER_LMA | EFER_LME | EFER_SCE | EFER_NXE)), "EFER");
    EXPECT((s->rflags & ~(u64)(FLAGS_ALL & ~FLAG_VM)) == FLAG_FIXED, "RFLAGS");
    EXPECT(!(s->dr[7] >> 32), "DR7");
    EXPECT((s->seg[SEG_CS].attr & (AR_L | AR_DB | AR_P)) == (AR_L | AR_P), "CS");
    EXPECT(s->activity <= ACTIVITY_WAIT_SIPI, "activity");
    EXPECT(vmx_pat_ok(s->pat), "PAT");
    EXPECT(s->event_vector < 256 && s->event_type <= EVENT_OTHER, "event");
    EXPECT(!(s->shadow_sti && s->shadow_ss && s->activity), "shadow");
}

/* Only these fields have changed. */
static void check_region(const enum vmcs_slot *but, unsigned n)
{
    const u8 *now = mem_read_page(m.b.machine->mem, GUEST_VMCS);
    for (unsigned i = 0; i < n; i++)
        memcpy(m.before.region + VMCS_SLOT_OFFSET(but[i]), now + VMCS_SLOT_OFFSET(but[i]), 8);
    EXPECT(memcmp(now, m.before.region, VMCS_BYTES) == 0, "the VMCS has changed");
}

static void check_illegal(const char *wrong)
{
    EXPECT(wrong != NULL, vmx_rule_text(m.c->rt.vmx_rule));
}

static void check_error(void)
{
    static const enum vmcs_slot error = SLOT_INSTRUCTION_ERROR;
    u64 number = VMCS_GET(m.c, INSTRUCTION_ERROR);
    if (m.raw && number == VMXERR_LAUNCH_NOT_CLEAR)
        return;
    EXPECT(number == VMXERR_ENTRY_CONTROLS || number == VMXERR_ENTRY_HOST_STATE, "error");
    if (number == VMXERR_ENTRY_CONTROLS)
        m.sum->controls++;
    else
        m.sum->host++;
    check_region(&error, 1);
    EXPECT(m.c->s.rip == BARE_CODE + 3, "RIP");
    if (m.raw)
        return;
    const char *wrong = oracle_controls(&m.before);
    check_illegal(number == VMXERR_ENTRY_CONTROLS || wrong ? wrong : oracle_host(&m.before));
    EXPECT(number == VMXERR_ENTRY_CONTROLS || !wrong, wrong);
}

static void check_legal(void)
{
    if (m.raw)
        return;
    const char *wrong = oracle_controls(&m.before);
    EXPECT(!wrong, wrong);
    wrong = oracle_host(&m.before);
    EXPECT(!wrong, wrong);
}

/* 27.5; the list of MSRs comes after it. */
static void check_host(void)
{
    const struct core_state *s = &m.c->s;
    if (m.raw)
        return;
    EXPECT(s->rip == VMCS_GET(m.c, HOST_RIP) && s->gpr[REG_RSP] == VMCS_GET(m.c, HOST_RSP), "RIP, RSP");
    EXPECT(s->cr3 == VMCS_GET(m.c, HOST_CR3) && s->cr4 == VMCS_GET(m.c, HOST_CR4), "CR3, CR4");
    EXPECT(s->rflags == FLAG_FIXED && s->dr[7] == DR7_FIXED, "RFLAGS, DR7");
    EXPECT(s->seg[SEG_CS].selector == VMCS_GET(m.c, HOST_CS_SELECTOR), "CS");
    EXPECT(s->seg[SEG_TR].base == VMCS_GET(m.c, HOST_TR_BASE), "TR");
    EXPECT(s->activity == ACTIVITY_ACTIVE && !s->event_valid, "events");
}

static void check_entry_exit(void)
{
    static const enum vmcs_slot but[] = {SLOT_EXIT_REASON, SLOT_EXIT_QUALIFICATION};
    u32 reason = (u32)VMCS_GET(m.c, EXIT_REASON);
    EXPECT(reason >> 31, "an exit without an entry");
    check_legal();
    check_host();
    check_region(but, 2);
    const char *wrong = m.raw ? "" : oracle_guest(&m.before);
    if ((reason & 0xffff) == EXIT_INVALID_GUEST_STATE) {
        m.sum->guest++;
        check_illegal(wrong);
    } else {
        m.sum->msrs++;
        EXPECT((reason & 0xffff) == EXIT_MSR_LOADING, "reason");
        EXPECT(m.raw || !wrong, wrong);
        EXPECT(VMCS_GET(m.c, EXIT_QUALIFICATION) - 1 < B(ENTRY_MSR_LOAD_COUNT), "qualification");
    }
}

static void check_loaded_segments(void)
{
    for (unsigned i = 0; i < 8; i++) {
        const struct segment *s = &m.c->s.seg[i];
        EXPECT(s->selector == oracle_field(&m.before, (enum vmcs_slot)(SLOT_GUEST_ES_SELECTOR + i)),
               "selector");
        EXPECT(s->limit == oracle_field(&m.before, (enum vmcs_slot)(SLOT_GUEST_ES_LIMIT + i)), "limit");
        EXPECT(s->base == oracle_field(&m.before, (enum vmcs_slot)(SLOT_GUEST_ES_BASE + i)), "base");
    }
}

/* 26.3.2 and 26.6. */
static void check_entered(void)
{
    const struct core_state *s = &m.c->s;
    bool injects = B(ENTRY_INTR_INFO) >> 31 && (B(ENTRY_INTR_INFO) >> 8 & 7) != EVENT_OTHER;
    m.sum->entered++;
    EXPECT(vmcs_launch_state(m.c, GUEST_VMCS) == LAUNCH_LAUNCHED, "launch state");
    if (m.raw)
        return;
    check_legal();
    const char *wrong = oracle_guest(&m.before);
    EXPECT(!wrong, wrong);
    EXPECT(s->rip == B(GUEST_RIP) && s->gpr[REG_RSP] == B(GUEST_RSP), "RIP, RSP");
    EXPECT(s->cr3 == B(GUEST_CR3) && s->cr4 == B(GUEST_CR4) && s->rflags == B(GUEST_RFLAGS),
           "CR3, CR4, RFLAGS");
    EXPECT(s->event_valid == injects, "injection");
    bool virtual_nmis = B(PIN_CONTROLS) & PIN_VIRTUAL_NMIS,
         nmi_blocking = B(GUEST_INTERRUPTIBILITY) & BLOCKING_NMI;
    EXPECT(s->nmi_blocked == (nmi_blocking && !virtual_nmis), "blocking by NMI");
    EXPECT(s->virtual_nmi_blocked == (nmi_blocking && virtual_nmis), "virtual-NMI blocking");
    EXPECT(s->activity == (injects ? ACTIVITY_ACTIVE : B(GUEST_ACTIVITY)), "activity");
    check_loaded_segments();
}

/* ---- a run ---- */

static void atom(void)
{
    EXPECT(cpu_atom(m.c) == ATOM_DONE, "a whole atom");
}

/* What an exit from an event's delivery tells of the event is as it may be injected (27.2.4). */
static void inject_again(void)
{
    if (m.raw || !(VMCS_GET(m.c, IDT_VECTORING_INFO) & INTR_VALID))
        return;
    VMCS_PUT(m.c, ENTRY_INTR_INFO, VMCS_GET(m.c, IDT_VECTORING_INFO));
    VMCS_PUT(m.c, ENTRY_ERROR_CODE, VMCS_GET(m.c, IDT_VECTORING_ERROR));
    VMCS_PUT(m.c, ENTRY_INSN_LENGTH, VMCS_GET(m.c, EXIT_INSN_LENGTH));
    oracle_look(&m.before, m.c);
    const char *wrong = oracle_injection(&m.before);
    EXPECT(!wrong, wrong);
    m.sum->again++;
}

/* What an exit leaves may be entered again (27.3). */
static void check_exit(void)
{
    u32 reason = (u32)VMCS_GET(m.c, EXIT_REASON);
    m.sum->exits++;
    EXPECT(vmx_reason_name(reason) != NULL && !(reason >> 16), "reason");
    EXPECT(!(VMCS_GET(m.c, ENTRY_INTR_INFO) & INTR_VALID), "injection");
    check_host();
    u32 link_head = m.before.link_head; /* the guest may have written there */
    oracle_look(&m.before, m.c);
    m.before.link_head = link_head;
    bool delivering = VMCS_GET(m.c, IDT_VECTORING_INFO) & INTR_VALID || reason == EXIT_TRIPLE_FAULT;
    if (m.raw || delivering)
        return;
    const char *wrong = oracle_guest(&m.before);
    EXPECT(!wrong, wrong);
}

static bool run_guest(void)
{
    for (u64 n = chance_below(ATOMS_MAX) + 1; n-- > 0 && m.c->s.vmx_guest && !m.b.machine->b.halted;) {
        if (chance_once_in(256))
            region();
        if (chance_once_in(32))
            m.c->s.nmi_pending = 1, m.c->rt.look_again = 0;
        atom();
        m.sum->aborts += m.b.machine->b.halted == HALT_VMX_ABORT;
        if (!m.b.machine->b.halted && !m.raw)
            check_core();
    }
    return !m.c->s.vmx_guest && !m.b.machine->b.halted;
}

static void first_entry(void)
{
    oracle_look(&m.before, m.c);
    atom();
    if (m.b.machine->b.halted)
        m.sum->aborts++;
    else if (m.c->s.event_valid && !m.c->s.vmx_guest)
        EXPECT(m.raw, "VMLAUNCH faults");
    else if (m.c->s.vmx_guest)
        check_entered();
    else if (m.c->s.rflags & FLAG_ZF)
        check_error();
    else if (m.c->s.rflags & FLAG_CF)
        EXPECT(m.raw, "no VMCS"); /* it has become a shadow */
    else
        check_entry_exit();
    u32 rule = m.c->rt.vmx_rule;
    m.sum->rules[rule / 64 & 7] |= 1ull << rule % 64;
}

static void one(void)
{
    kept_put_back(&m.kept);
    mutate_once();
    first_entry();
    if (!m.c->s.vmx_guest || m.b.machine->b.halted || !run_guest())
        return;
    check_exit();
    inject_again();
    atom(); /* VMRESUME, if the host's state leads there */
    m.sum->resumed += m.c->s.vmx_guest;
    if (m.c->s.vmx_guest)
        run_guest();
}

void mutate(u64 seed, u64 count, struct mutations *sum)
{
    m.seed = seed;
    chance_seed(seed);
    m.sum = sum;
    open_machine();
    for (m.number = 0; m.number < count; m.number++, sum->made++)
        one();
    bare_close(&m.b);
}
