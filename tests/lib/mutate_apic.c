/* mutate_apic.c - see mutate_apic.h. */
#include "lib/mutate_apic.h"

#include "arch/apic.h"
#include "cpu/cpu.h"
#include "cpu/vmcs.h"
#include "mmu/mmu.h"
#include "lib/chance.h"
#include "lib/guest.h"
#include "lib/kept.h"

#include <check.h>
#include <string.h>

#define VIRTUAL 0x9a000u /* virtual-APIC page */
#define ACCESS  0x605000u
#define POSTED  0x9b040u /* posted-interrupt descriptor */
#define NOTIFY  0xf2u

enum access { LOAD, STORE, CR8_LOAD, CR8_STORE, MSR_READ, MSR_WRITE, POST, OPS };

static struct {
    struct bare b;
    struct core *c;
    struct kept kept;
    u64 seed, number;
    struct apic_mutations *sum;
    enum access op;
    unsigned bytes; /* of LOAD and STORE */
    u32 offset;     /* of those, in the page */
} t;

/* The virtual APIC as the oracle has it. */
static struct {
    u8 page[PAGE_BYTES], posted[64];
    bool shadow, accesses, x2apic, registers, delivery, window;
    unsigned rvi, svi;
    bool pending;  /* a virtual interrupt is recognised */
    unsigned exit; /* 0: none */
    u64 qualification;
    bool fault;
    u64 value; /* what is read */
} o;

/* ---- 29.1 ---- */

static u64 field(u32 offset, unsigned n)
{
    u64 value = 0;
    for (unsigned i = n; i-- > 0;)
        value = value << 8 | o.page[offset + i];
    return value;
}

static void set_field(u32 offset, unsigned n, u64 value)
{
    for (unsigned i = 0; i < n; i++)
        o.page[offset + i] = (u8)(value >> 8 * i);
}

/* VIRR is at 200H, VISR at 100H: a bit for each vector, 32 in the first four bytes of 16. */
static void set_vector(u32 base, unsigned vector, bool value)
{
    u8 *byte = &o.page[base + vector / 32 * 16 + vector / 8 % 4];
    *byte = (u8)((*byte & ~(1u << vector % 8)) | (unsigned)value << vector % 8);
}

static unsigned highest(u32 base)
{
    for (unsigned vector = 255; vector > 0; vector--)
        if (o.page[base + vector / 32 * 16 + vector / 8 % 4] >> vector % 8 & 1)
            return vector;
    return 0;
}

static void leave(unsigned reason, u64 qualification)
{
    o.exit = reason;
    o.qualification = qualification;
}

static void virtualise_ppr(void)
{
    unsigned tpr = o.page[0x80];
    set_field(0xa0, 4, tpr >> 4 >= o.svi >> 4 ? tpr : o.svi & 0xf0);
}

static void evaluate(void)
{
    o.pending = !o.window && o.rvi >> 4 > (unsigned)(o.page[0xa0] >> 4);
}

static void virtualise_tpr(void)
{
    if (!o.delivery) {
        if ((u64)(o.page[0x80] >> 4) < (t.c->s.vmx.tpr_threshold & 15))
            leave(43, 0);
        return;
    }
    virtualise_ppr();
    evaluate();
}

static void virtualise_eoi(void)
{
    unsigned vector = o.svi;
    set_vector(0x100, vector, false);
    o.svi = highest(0x100);
    virtualise_ppr();
    if (t.c->s.vmx.eoi_exit[vector / 64] >> vector % 64 & 1)
        leave(45, vector);
    else
        evaluate();
}

static void self_ipi(unsigned vector)
{
    set_vector(0x200, vector, true);
    o.rvi = vector > o.rvi ? vector : o.rvi;
    evaluate();
}

/* ---- 29.4 ---- */

/* "APIC-register virtualization": registers that can be written, and those that can only be read. */
static bool is_register(u32 at, bool write)
{
    static const u16 both[] = {0x20,  0x80,  0xb0,  0xd0,  0xe0,  0xf0,  0x280, 0x300, 0x310,
                               0x320, 0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0};
    for (size_t i = 0; i < sizeof both / sizeof *both; i++)
        if (both[i] == at)
            return true;
    return !write && (at == 0x30 || (at >= 0x100 && at < 0x280));
}

static bool virtualised(bool write)
{
    u32 at = t.offset;
    if (!o.shadow || t.bytes > 4 || at % 16 + t.bytes > 4)
        return false;
    if (o.registers)
        return is_register(at - at % 16, write);
    return at == 0x80 || (write && o.delivery && (at == 0xb0 || at == 0x300));
}

/* Of the low half of ICR: what makes it a fixed, edge-triggered interrupt to oneself. */
static bool is_self_ipi(u64 icr)
{
    return icr >> 20 == 0 && (icr >> 18 & 3) == 1 && (icr >> 16 & 3) == 0 && !(icr >> 15 & 1) &&
           (icr >> 12 & 3) == 0 && (icr >> 8 & 7) == 0 && (icr >> 4 & 15) != 0;
}

/* 29.4.3.2: by the offset of the access. */
static void after_write(void)
{
    if (t.offset == 0x80) {
        set_field(0x81, 3, 0);
        virtualise_tpr();
    } else if (t.offset == 0xb0 && o.delivery) {
        set_field(0xb0, 4, 0);
        virtualise_eoi();
    } else if (t.offset == 0x300 && o.delivery && is_self_ipi(field(0x300, 4))) {
        self_ipi(o.page[0x300]);
    } else if (t.offset / 16 == 0x31) {
        set_field(0x310, 3, 0);
    } else {
        leave(56, t.offset);
    }
}

static void access_page(u64 value, bool write)
{
    if (!o.accesses) {
        o.value = 0;
        return;
    }
    if (!virtualised(write)) {
        leave(44, t.offset | (write ? 1 << 12 : 0));
        return;
    }
    o.value = field(t.offset, t.bytes);
    if (!write)
        return;
    set_field(t.offset, t.bytes, value);
    after_write();
}

/* ---- 29.2.2, 29.6 ---- */

static void deliver(void)
{
    unsigned vector = o.rvi;
    set_vector(0x100, vector, true);
    o.svi = vector;
    set_field(0xa0, 4, vector & 0xf0);
    set_vector(0x200, vector, false);
    o.rvi = highest(0x200);
    o.pending = false;
}

/* The first 256 bits are requests, the next is the outstanding notification. */
static void take_posted(void)
{
    for (unsigned vector = 0; vector < 256; vector++) {
        if (!(o.posted[vector / 8] >> vector % 8 & 1))
            continue;
        set_vector(0x200, vector, true);
        o.rvi = vector > o.rvi ? vector : o.rvi;
    }
    memset(o.posted, 0, 32);
    o.posted[32] &= 0xfe;
    evaluate();
}

/* ---- 29.3, 29.5 ---- */

static void read_msr(u32 msr)
{
    bool its_own = o.x2apic && (msr == 0x808 || o.registers);
    o.fault = !its_own; /* the processor's own APIC is not in x2APIC mode */
    o.value = its_own ? field((msr & 0xff) << 4, 8) : 0;
}

static void write_msr(u32 msr, u64 value)
{
    bool delivers = o.delivery && (msr == 0x80b || msr == 0x83f);
    o.fault = !o.x2apic || !(msr == 0x808 || delivers) || (msr == 0x80b ? value != 0 : value > 0xff);
    if (o.fault)
        return;
    set_field((msr & 0xff) << 4, 8, value);
    if (msr == 0x808)
        virtualise_tpr();
    else if (msr == 0x80b)
        virtualise_eoi();
    else if (value >> 4)
        self_ipi((unsigned)value);
    else
        leave(56, 0x3f0);
}

static void write_cr8(u64 value)
{
    o.fault = value > 15;
    if (o.fault)
        return;
    set_field(0x80, 4, value << 4);
    virtualise_tpr();
}

static void foresee(void)
{
    u64 rax = t.c->s.gpr[REG_RAX], msr_value = t.c->s.gpr[REG_RDX] << 32 | (u32)rax;
    switch (t.op) {
    case LOAD: access_page(0, false); return;
    case STORE: access_page(rax, true); return;
    case CR8_LOAD: o.value = o.page[0x80] >> 4; return;
    case CR8_STORE: write_cr8(rax); return;
    case POST: take_posted(); return;
    case MSR_READ: read_msr((u32)t.c->s.gpr[REG_RCX]); return;
    default: write_msr((u32)t.c->s.gpr[REG_RCX], msr_value);
    }
}

/* ---- rubbish ---- */

static u32 some_register(void)
{
    static const u16 usual[] = {0x80, 0xb0, 0x300, 0x310, 0x3f0};
    return !chance_once_in(4) ? usual[chance_below(5)] : (u32)chance_below(0x40) * 16;
}

/* VM entry would take them. */
static void choose_controls(void)
{
    struct vmx_controls *v = &t.c->s.vmx;
    o.shadow = t.op == POST || !chance_once_in(8);
    o.accesses = t.op <= STORE ? !chance_once_in(8) : chance_once_in(8);
    o.x2apic = o.shadow && !o.accesses && !chance_once_in(8);
    o.registers = o.shadow && chance_once_in(2);
    o.delivery = o.shadow && (t.op == POST || chance_once_in(2));
    o.window = chance_once_in(4);
    v->proc = (v->proc & ~(u64)(PROC_TPR_SHADOW | PROC_INTERRUPT_WINDOW)) | (o.shadow ? PROC_TPR_SHADOW : 0) |
              (o.window ? PROC_INTERRUPT_WINDOW : 0);
    v->proc2 = (o.accesses ? PROC2_APIC_ACCESSES : 0) | (o.x2apic ? PROC2_X2APIC_MODE : 0) |
               (o.registers ? PROC2_APIC_REGISTERS : 0) | (o.delivery ? PROC2_VIRTUAL_INTERRUPTS : 0);
    v->tpr_threshold = chance_below(16);
    for (unsigned i = 0; i < 4; i++)
        v->eoi_exit[i] = chance();
}

/* Each is 1 by one chance in two to the n. */
static u64 some_bits(unsigned n)
{
    u64 bits = UINT64_MAX;
    while (n-- > 0)
        bits &= chance();
    return bits;
}

static void choose_page(void)
{
    for (u32 at = 0; at < 0x400; at += 8)
        set_field(at, 8, chance_once_in(4) ? 0 : some_bits(chance_once_in(2) ? 1 : 4));
    mem_copy_in(t.b.machine->mem, VIRTUAL, o.page, PAGE_BYTES);
    for (u32 at = 0; at < 64; at++)
        o.posted[at] = chance_once_in(4) ? (u8)some_bits(2) : 0;
    mem_copy_in(t.b.machine->mem, POSTED, o.posted, 64);
    o.rvi = (unsigned)chance_below(256);
    o.svi = (unsigned)chance_below(256);
    t.c->s.rvi = o.rvi;
    t.c->s.svi = o.svi;
    t.c->s.virtual_interrupt = 0;
}

static void choose_operands(void)
{
    static const char *const insn[OPS][4] = {
        {"\x8a\x03\x90\x90", "\x66\x8b\x03\x90", "\x8b\x03\x90\x90", "\x48\x8b\x03\x90"},
        {"\x88\x03\x90\x90", "\x66\x89\x03\x90", "\x89\x03\x90\x90", "\x48\x89\x03\x90"},
        {"\x44\x0f\x20\xc0"},
        {"\x44\x0f\x22\xc0"},
        {"\x0f\x32\x90\x90"},
        {"\x0f\x30\x90\x90"},
        {"\x90\x90\x90\x90"},
    };
    u64 *gpr = t.c->s.gpr, icr = 1 << 18 | chance_below(256);
    unsigned size = t.op <= STORE ? chance_once_in(2) ? 2 : (unsigned)chance_below(4) : 0;
    t.bytes = 1u << size;
    t.offset = some_register() + (chance_once_in(4) ? (u32)chance_below(16) : 0);
    gpr[REG_RAX] = chance_once_in(2) ? icr ^ (chance_once_in(2) ? 1ull << chance_below(32) : 0)
                                     : chance() >> chance_below(64);
    gpr[REG_RDX] = chance_once_in(8) ? chance() & 0xff : 0;
    gpr[REG_RCX] = 0x800 + some_register() / 16;
    gpr[REG_RBX] = ACCESS + t.offset;
    if (t.op == MSR_WRITE && !chance_once_in(8))
        gpr[REG_RDX] = 0, gpr[REG_RAX] &= 0xff;
    if (t.op == CR8_STORE && !chance_once_in(8))
        gpr[REG_RAX] &= 15;
    if (t.op == MSR_WRITE && gpr[REG_RCX] == 0x80b && chance_once_in(2))
        gpr[REG_RAX] = gpr[REG_RDX] = 0;
    bare_put(&t.b, GUEST_CODE, insn[t.op][size], 4);
}

static void mutate_once(void)
{
    memset(&o, 0, sizeof o);
    t.op = (enum access)chance_below(OPS);
    choose_controls();
    choose_page();
    if (t.op == POST)
        apic_raise(t.c, NOTIFY);
    if (!o.shadow && (t.op == CR8_LOAD || t.op == CR8_STORE))
        t.op = LOAD; /* CR8 would be the processor's own */
    choose_operands();
}

/* ---- what must hold ---- */

#define EXPECT(got, want, what) \
    do { \
        u64 got_ = (got), want_ = (want); \
        if (got_ != want_) \
            ck_abort_msg("seed %llu, mutation %llu (%d, %u bytes at %#x): %s is %#llx, not %#llx", \
                         (unsigned long long)t.seed, (unsigned long long)t.number, (int)t.op, t.bytes, \
                         t.offset, what, (unsigned long long)got_, (unsigned long long)want_); \
    } while (0)

static void check_value(u64 rax)
{
    bool msr = t.op == MSR_READ;
    u64 kept = t.op == LOAD && t.bytes < 4 ? rax & ~((1ull << 8 * t.bytes) - 1) : 0;
    EXPECT(t.c->s.gpr[REG_RAX], msr ? o.value & 0xffffffff : kept | o.value, "what is read");
    if (msr)
        EXPECT(t.c->s.gpr[REG_RDX], o.value >> 32, "RDX");
}

static void check_exit(void)
{
    bool trap = o.exit != 44;
    if (trap) {
        EXPECT(t.c->s.vmx_guest, true, "non-root operation");
        EXPECT(cpu_atom(t.c), ATOM_DONE, "the end of the exit");
    }
    EXPECT(t.c->s.vmx_guest, false, "non-root operation");
    EXPECT(VMCS_GET(t.c, EXIT_REASON), o.exit, "exit reason");
    EXPECT(VMCS_GET(t.c, EXIT_QUALIFICATION), o.qualification, "exit qualification");
    EXPECT(VMCS_GET(t.c, GUEST_RIP) != GUEST_CODE, trap, "whether the instruction has retired");
    if (o.delivery)
        EXPECT(VMCS_GET(t.c, GUEST_INTERRUPT_STATUS), o.rvi | o.svi << 8, "guest interrupt status");
}

static void check_page(void)
{
    const u8 *page = mem_read_page(t.b.machine->mem, VIRTUAL);
    for (unsigned at = 0; at < PAGE_BYTES; at++)
        EXPECT(page[at], o.page[at], at == 0xa0 ? "PPR" : "a byte of the page");
}

static void check_descriptor(void)
{
    u8 posted[64];
    mem_copy_out(t.b.machine->mem, POSTED, posted, 64);
    EXPECT((u64)memcmp(posted, o.posted, 64), 0, "the posted-interrupt descriptor");
}

static void check_delivery(void)
{
    u64 vector = o.rvi;
    t.c->s.rflags |= FLAG_IF;
    t.c->rt.look_again = 0;
    deliver();
    EXPECT(cpu_atom(t.c), ATOM_DONE, "the end of the delivery");
    EXPECT(t.c->s.rip, bare_handler((unsigned)vector), "RIP");
    EXPECT(t.c->s.rvi | t.c->s.svi << 8, o.rvi | o.svi << 8, "RVI and SVI");
    EXPECT(t.c->s.virtual_interrupt, false, "a pending virtual interrupt");
    check_page();
    t.sum->delivered++;
}

static void one(void)
{
    kept_put_back(&t.kept);
    mutate_once();
    mmu_flush_everything(t.c, FLUSH_INVEPT);
    u64 rax = t.c->s.gpr[REG_RAX];
    foresee();
    EXPECT(cpu_atom(t.c), ATOM_DONE, "the atom's end");
    t.sum->exits[o.exit & 63]++;
    t.sum->faults += o.fault;
    t.sum->recognised += o.pending;
    EXPECT(t.c->s.event_valid, o.fault, "an exception");
    check_page();
    check_descriptor();
    if (o.exit) {
        check_exit();
        return;
    }
    EXPECT(t.c->s.vapic_exit, 0, "an exit to come");
    EXPECT(t.c->s.virtual_interrupt, o.pending, "a pending virtual interrupt");
    EXPECT(t.c->s.rvi, o.rvi, "RVI");
    EXPECT(t.c->s.svi, o.svi, "SVI");
    if (!o.fault && (t.op == LOAD || t.op == CR8_LOAD || t.op == MSR_READ))
        check_value(rax);
    if (o.pending && o.delivery)
        check_delivery();
}

static void open_machine(void)
{
    static const u64 page[] = {GUEST_VMCS, VIRTUAL, ACCESS, GUEST_CODE, POSTED & ~0xfffu};
    guest_open(&t.b);
    t.c = t.b.core;
    guest_set_bits(t.c, VMCS_PROC_CONTROLS, PROC_TPR_SHADOW | PROC_SECONDARY | PROC_MSR_BITMAPS);
    guest_set_bits(t.c, VMCS_PROC2_CONTROLS, PROC2_APIC_ACCESSES);
    guest_set(t.c, VMCS_VIRTUAL_APIC_ADDRESS, VIRTUAL);
    guest_set(t.c, VMCS_APIC_ACCESS_ADDRESS, ACCESS);
    guest_set_bits(t.c, VMCS_PIN_CONTROLS, PIN_EXTERNAL_INTERRUPT | PIN_POSTED_INTERRUPTS);
    guest_set_bits(t.c, VMCS_PROC2_CONTROLS, PROC2_VIRTUAL_INTERRUPTS);
    guest_set_bits(t.c, VMCS_EXIT_CONTROLS, VMEXIT_ACK_INTERRUPT);
    guest_set(t.c, VMCS_POSTED_VECTOR, NOTIFY);
    guest_set(t.c, VMCS_POSTED_DESCRIPTOR, POSTED);
    t.c->s.apic_reg[APIC_SVR >> 4] |= APIC_SVR_ENABLE;
    guest_launch(&t.b);
    kept_take(&t.kept, &t.b);
    for (size_t i = 0; i < sizeof page / sizeof *page; i++)
        kept_add(&t.kept, page[i]);
}

void mutate_apic(u64 seed, u64 count, struct apic_mutations *sum)
{
    t.seed = seed;
    t.sum = sum;
    chance_seed(seed);
    open_machine();
    for (t.number = 0; t.number < count; t.number++, sum->made++)
        one();
    bare_close(&t.b);
}
