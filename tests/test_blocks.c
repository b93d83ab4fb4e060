/* test_blocks.c - blocks change nothing: random programs end in the same state, with the same cycles and
 * counters, whether each atom runs the general way, or blocks run in one go, or in pieces with derived data
 * dropped. */
#include "arch/apic.h"
#include "cpu/cpu.h"
#include "lib/bare.h"
#include "lib/suite.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

/* ---- where things are ---- */

#define CODE        0x100000u /* 2 MiB pages */
#define CODE_BYTES  0x3000u
#define FLAT        0x180000u /* data in the same large page */
#define PAGED       0x800000u /* 64 pages of 4 KiB, not in order; some are missing, some may not be written */
#define PAGED_PAGES 64u
#define PAGED_TABLE 0x40000u
#define FRAMES      0x200000u
#define TIMER       0x40

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI };

/* A program as bytes, with the starts of its instructions and the places of its immediates. */
struct text {
    u64 random;
    u8 bytes[CODE_BYTES];
    u32 used;
    u32 start[2048], starts;
    u32 immediate[2048], immediates;
};

static u64 below(struct text *t, u64 n)
{
    t->random ^= t->random << 13;
    t->random ^= t->random >> 7;
    t->random ^= t->random << 17;
    return (t->random >> 11) % n;
}

/* ---- bytes of instructions ---- */

static void put(struct text *t, u64 value, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        t->bytes[t->used++] = (u8)(value >> 8 * i);
}

static void begin(struct text *t)
{
    t->start[t->starts++] = t->used;
}

static void put_immediate(struct text *t, u64 value, unsigned n)
{
    t->immediate[t->immediates++] = t->used;
    put(t, value, n);
}

static unsigned a_register(struct text *t)
{
    static const u8 data[] = {RAX, RCX, RDX, RBX, 8, 9, 10, 11};
    return data[below(t, 8)];
}

static u64 an_address(struct text *t)
{
    u64 page = below(t, 2) ? FLAT + below(t, 16) * 4096 : PAGED + below(t, PAGED_PAGES) * 4096;
    static const u16 edge[] = {0, 56, 60, 63, 64, 4088, 4092, 4095};
    return page + (below(t, 3) ? below(t, 4096) & ~7ull : edge[below(t, 8)]);
}

/* Opcode with REX, ModRM and an operand: a register, or memory at a pointer register, RIP or an address. */
static void put_modrm(struct text *t, unsigned opcode, unsigned reg, bool memory, bool wide)
{
    static const u8 pointer[] = {RSI, RDI, RBP};
    unsigned rm = memory ? pointer[below(t, 3)] : a_register(t), index = a_register(t);
    bool indexed = memory && below(t, 5) == 0;
    if (below(t, 12) == 0)
        put(t, 0x66, 1);
    unsigned rex = (unsigned)wide << 3 | (reg >> 3) << 2 | (indexed ? index >> 3 : 0) << 1 | rm >> 3;
    if (rex || below(t, 2))
        put(t, 0x40 | rex, 1);
    put(t, opcode > 0xff ? opcode >> 8 | (opcode & 0xff) << 8 : opcode, opcode > 0xff ? 2 : 1);
    if (!memory) {
        put(t, 0xc0 | (reg & 7) << 3 | (rm & 7), 1);
    } else if (indexed) {
        put(t, 0x04 | (reg & 7) << 3 | 0x40, 1);
        put(t, (index & 7) << 3 | rm, 1);
        put(t, below(t, 64), 1);
    } else if (below(t, 2)) {
        put(t, 0x40 | (reg & 7) << 3 | rm, 1);
        put(t, below(t, 256), 1);
    } else {
        put(t, 0x80 | (reg & 7) << 3 | rm, 1);
        put(t, below(t, 512) * 8, 4);
    }
}

static void set_register(struct text *t, unsigned reg, u64 value)
{
    begin(t);
    put(t, 0xb8 | reg, 1);
    put_immediate(t, value, 4);
}

/* ---- kinds of instructions ---- */

/* Two operands, E and G. */
static void two_operands(struct text *t)
{
    static const u16 opcode[] = {0x84,   0x85,   0x86,   0x87,   0x88,   0x89,   0x8a,
                                 0x8b,   0x8b,   0x63,   0x0fb6, 0x0fb7, 0x0fbe, 0x0fbf,
                                 0x0faf, 0x0fbc, 0x0fbd, 0x0fc1, 0x0fb1, 0x8d,   0x0f1f};
    unsigned code = opcode[below(t, sizeof opcode / sizeof *opcode)];
    begin(t);
    put_modrm(t, code, a_register(t), code == 0x8d || below(t, 2), below(t, 2));
}

static void arithmetic(struct text *t)
{
    begin(t);
    put_modrm(t, (unsigned)(below(t, 8) << 3 | below(t, 4)), a_register(t), below(t, 2), below(t, 2));
}

static void with_immediate(struct text *t)
{
    unsigned byte = (unsigned)below(t, 2) ? 0x83 : 0x80;
    begin(t);
    put_modrm(t, byte, (unsigned)below(t, 8), below(t, 2), below(t, 2));
    put_immediate(t, below(t, 256), 1);
}

static void one_operand(struct text *t)
{
    static const u8 code[] = {0xfe, 0xff, 0xf6, 0xf7, 0xd0, 0xd1, 0xd2, 0xd3};
    unsigned i = (unsigned)below(t, 8), digit = (unsigned)below(t, i < 2 ? 2 : 8);
    begin(t);
    if (i == 2 || i == 3)
        digit = 2 + (unsigned)below(t, 6);
    put_modrm(t, code[i], digit, below(t, 2), below(t, 2));
}

static void shift(struct text *t)
{
    begin(t);
    put_modrm(t, 0xc0 | (unsigned)below(t, 2), (unsigned)below(t, 8), below(t, 4) == 0, below(t, 2));
    put_immediate(t, below(t, 70), 1);
}

static void condition(struct text *t)
{
    bool set = below(t, 2);
    begin(t);
    put_modrm(t, (set ? 0x0f90 : 0x0f40) | (unsigned)below(t, 16), set ? 0 : a_register(t), below(t, 3) == 0,
              below(t, 2));
}

static void bits(struct text *t)
{
    begin(t);
    put_modrm(t, 0x0fba, 4 + (unsigned)below(t, 4), below(t, 2), below(t, 2));
    put_immediate(t, below(t, 64), 1);
}

static void stack(struct text *t)
{
    static const u8 code[] = {0x50, 0x58, 0x50, 0x58, 0x9c, 0xc9};
    unsigned i = (unsigned)below(t, sizeof code);
    begin(t);
    put(t, code[i] < 0x60 ? code[i] | below(t, 4) : code[i], 1);
    if (code[i] == 0xc9) /* LEAVE took RSP along */
        set_register(t, RSP, BARE_STACK - 8 * (u32)below(t, 64));
}

/* POPF: what it takes may be TF, IF, DF, AC or NT, and flags that no result has. */
static void flags(struct text *t)
{
    begin(t);
    put(t, 0x68, 1);
    put_immediate(t, below(t, 4) ? below(t, 0x1000) & ~(below(t, 3) ? 0x100ull : 0) : 0x202 | below(t, 256),
                  4);
    begin(t);
    put(t, 0x9d, 1);
}

static void small(struct text *t)
{
    static const u8 code[] = {0xf5, 0xf8, 0xf9, 0xfc, 0xfd, 0x9e, 0x9f, 0x98, 0x99, 0x90, 0xfb, 0xfa, 0xfb};
    begin(t);
    if (below(t, 2))
        put(t, 0x48, 1);
    put(t, code[below(t, sizeof code)], 1);
}

static void pointers(struct text *t)
{
    static const u8 pointer[] = {RSI, RDI, RBP};
    set_register(t, pointer[below(t, 3)], an_address(t));
}

/* The register set last is an address that comes late, or the count. */
static void string(struct text *t)
{
    static const u8 code[] = {0xa4, 0xa5, 0xaa, 0xab, 0xa6, 0xa7, 0xac, 0xad, 0xae, 0xaf, 0xa5, 0xab};
    static const u8 reg[] = {RDI, RSI, RCX};
    u64 to = an_address(t), from = below(t, 3) ? an_address(t) : to + below(t, 32) - 16; /* may overlap */
    u64 value[] = {to, from, below(t, below(t, 2) ? 8 : 700)};
    for (u64 i = 0, first = below(t, 3), step = 1 + below(t, 2); i < 3; i++, first += step)
        set_register(t, reg[first % 3], value[first % 3]);
    begin(t);
    put(t, below(t, 4) ? 0xf3 : 0xf2, 1);
    if (below(t, 2))
        put(t, 0x48, 1);
    put(t, code[below(t, sizeof code)], 1);
}

/* Changes an immediate of some instruction, often one close by. */
static void rewrite(struct text *t)
{
    u64 behind = below(t, 2) ? below(t, t->immediates < 4 ? t->immediates : 4) : below(t, t->immediates);
    u32 at = t->immediate[t->immediates - 1 - behind];
    if (below(t, 2)) /* one that is yet to come */
        at = t->used + 8 + (u32)below(t, 40);
    begin(t);
    put(t, 0x2504c6, 3);
    put(t, CODE + at, 4);
    put_immediate(t, below(t, 4) ? below(t, 128) : 0x90, 1);
}

static void branch(struct text *t)
{
    u32 to = t->starts > 8 && below(t, 3) == 0 ? t->start[t->starts - 1 - below(t, 8)]
                                               : t->used + 2 + (u32)below(t, 30);
    unsigned kind = (unsigned)below(t, 8);
    begin(t);
    if (kind == 0)
        put(t, 0xe9, 1);
    else if (kind == 1)
        put(t, 0xe8, 1);
    else
        put(t, 0x800f | below(t, 16) << 8, 2);
    put(t, to - (t->used + 4), 4);
}

/* JMP by a register, sometimes over the end of a line, sometimes to an address that is none. */
static void jump(struct text *t)
{
    u64 nowhere = below(t, 2) ? 1ull << 60 : 0;
    unsigned reg = a_register(t) & 3;
    for (bool over = below(t, 2); over && (t->used + 10) % 64 != 63;) {
        begin(t);
        put(t, 0x90, 1);
    }
    begin(t);
    put(t, 0x48, 1);
    put(t, 0xb8 | reg, 1);
    put(t, nowhere | (CODE + t->used + 10 + below(t, 30)), 8);
    begin(t);
    put(t, 0xe0ff | reg << 8, 2);
}

static void rare(struct text *t)
{
    static const struct {
        u32 bytes;
        u8 n;
    } insn[] = {{0x0b0f, 2},   {0xcc, 1},     {0xa20f, 2}, {0xf0ae0f, 3}, {0x80cd, 2}, {0xd8200f, 3},
                {0x3e010f, 3}, {0xdb8766, 3}, {0xc3, 1},   {0x310f, 2},   {0x010f, 2}};
    unsigned i = (unsigned)below(t, sizeof insn / sizeof *insn);
    begin(t);
    put(t, insn[i].bytes, insn[i].n);
    if (insn[i].bytes == 0xd8200f) /* MOV RAX, CR3 and back: the TLBs are empty */
        put(t, 0xd8220f, 3);
}

static void make_text(struct text *t, u64 seed)
{
    static void (*const kind[])(struct text *) = {
        two_operands,   two_operands,   two_operands, arithmetic, arithmetic, arithmetic,
        with_immediate, with_immediate, one_operand,  shift,      condition,  bits,
        stack,          small,          pointers,     branch,     branch};
    static void (*const seldom[])(struct text *) = {flags, string, rewrite, rare, string, rewrite, jump};
    memset(t, 0, sizeof *t);
    t->random = seed * 0x9e3779b97f4a7c15u | 1;
    pointers(t);
    while (t->used < CODE_BYTES - 128 && t->starts < 1900 && t->immediates < 2000)
        (below(t, 12) ? kind[below(t, sizeof kind / sizeof *kind)]
                      : seldom[below(t, sizeof seldom / sizeof *seldom)])(t);
}

/* ---- the machine ---- */

/* Handlers: a fault goes on elsewhere, #DB without TF, the timer's interrupt is acknowledged. */
static void put_handler(struct bare *b, unsigned vector, u64 elsewhere)
{
    char code[16] = {0};
    size_t n = 0;
    bool error = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
    if (vector == 1) {
        memcpy(code, "\x81\x64\x24\x10\xff\xfe\xff\xff", 8);
        n = 8;
    } else if (vector == TIMER) {
        memcpy(code, "\x67\xc7\x04\x25\xb0\x00\xe0\xfe\0\0\0\0", 12);
        n = 12;
    } else {
        memcpy(code, "\x48\x83\xc4\x08", 4);
        n = error ? 4 : 0;
        memcpy(code + n, "\x48\xc7\x04\x24", 4);
        for (unsigned i = 0; i < 4; i++)
            code[n + 4 + i] = (char)(elsewhere >> 8 * i);
        n += 8;
    }
    memcpy(code + n, "\x48\xcf", 2);
    bare_put(b, BARE_HANDLER + 16 * vector, code, 16);
    bare_gate(b, vector, BARE_HANDLER + 16 * vector, BARE_CS0, SEG_P | SYS_INTERRUPT_GATE, 1);
}

static void map_pages(struct bare *b, struct text *t)
{
    u64 pd = BARE_PML4 + 0x2000;
    bare_set_u64(b, pd + 8 * 4, PAGED_TABLE | PTE_P | PTE_W);
    for (u64 i = 0; i < PAGED_PAGES; i++) {
        u64 kind = below(t, 16), flag = kind == 0 ? 0 : kind == 1 ? PTE_P : PTE_P | PTE_W;
        bare_set_u64(b, PAGED_TABLE + 8 * i, (FRAMES + i * 7 % PAGED_PAGES * 4096) | flag);
    }
    bare_set_u64(b, BARE_PML4 + 0x1000 + 8 * 3, 0xc0000000 | PTE_P | PTE_W | PTE_PS); /* the APIC's page */
}

/* Small stores now and then, so that everything misses and is evicted. */
static void set_sizes(struct bare *b, struct text *t)
{
    struct params *p = &b->machine->p;
    if (below(t, 2))
        return;
    p->dtlb_entries = 4 + below(t, 8);
    p->dtlb_ways = 2;
    p->itlb_entries = 2;
    p->itlb_ways = 1;
    p->stlb_entries = 16;
    p->l1d_bytes = 4096;
    p->l1i_bytes = 4096;
    p->store_buffer = 1 + below(t, 4);
    p->mem_latency = below(t, 30);
    p->btb_entries = 1 + below(t, 64);
    p->predictor_entries = 1 + below(t, 64);
    p->ras_entries = 1 + below(t, 4);
}

static void start_timer(struct bare *b, struct text *t)
{
    apic_write(b->core, APIC_SVR, APIC_SVR_ENABLE | 0xff);
    apic_write(b->core, APIC_TIMER_DIVIDE, 0xb);
    apic_write(b->core, APIC_LVT_TIMER, APIC_TIMER_PERIODIC | TIMER);
    apic_write(b->core, APIC_TIMER_INITIAL, 150 + below(t, 3000));
}

static void open_machine(struct bare *b, struct text *t)
{
    bare_open(b, RS_FW_XD);
    set_sizes(b, t);
    rs_drop_derived(b->world);
    map_pages(b, t);
    for (unsigned v = 0; v < 256; v++)
        put_handler(b, v, CODE + t->start[below(t, t->starts)]);
    bare_put(b, CODE, (const char *)t->bytes, sizeof t->bytes);
    start_timer(b, t);
    b->core->s.rip = CODE;
    b->core->s.rflags |= FLAG_IF;
    b->core->s.cr0 |= CR0_WP;
}

/* ---- ways to run ---- */

enum way { GENERAL, BLOCKS, PIECES, WAYS };

static void nothing(const struct rs_event *e, void *arg)
{
    (void)e;
    (void)arg;
}

static void run(struct bare *b, enum way way, u64 atoms, u64 *random)
{
    u64 end = b->core->s.atom + atoms;
    while (b->core->s.atom < end && !b->machine->b.halted) {
        u64 left = end - b->core->s.atom, piece = way == PIECES ? 1 + *random % 97 : left;
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        if (way == PIECES && *random >> 60 == 0)
            rs_drop_derived(b->world);
        cpu_run(b->core, piece < left ? piece : left, way == PIECES ? b->core->s.cycle + 500 : UINT64_MAX);
    }
}

/* Where two machines differ: a field of their state, or memory. */
static const char *difference(const struct bare *a, const struct bare *b)
{
    static char text[128];
    for (size_t i = 0; i < rs_state_count(); i++) {
        const struct rs_state_info *info = rs_state_info(i);
        for (size_t k = 0; k < info->count; k++) {
            u64 x = 0, y = 0;
            rs_state_get(a->machine, 0, info->name, k, &x);
            rs_state_get(b->machine, 0, info->name, k, &y);
            if (x != y) {
                snprintf(text, sizeof text, "%s[%zu] %llx, not %llx", info->name, k, (unsigned long long)x,
                         (unsigned long long)y);
                return text;
            }
        }
    }
    for (u64 hpa = 0; hpa < rs_ram_bytes(a->machine); hpa += 8)
        if (bare_u64(a, hpa) != bare_u64(b, hpa)) {
            snprintf(text, sizeof text, "memory at %llx: %llx, not %llx", (unsigned long long)hpa,
                     (unsigned long long)bare_u64(a, hpa), (unsigned long long)bare_u64(b, hpa));
            return text;
        }
    return "hash alone";
}

/* To another place of the program: some parts would never be reached. */
static void move_on(struct bare *b, u64 rip)
{
    b->core->s.rip = rip;
    b->core->s.event_valid = b->core->s.shadow_sti = b->core->s.shadow_ss = b->core->s.pending_debug = 0;
    b->core->rt.look_again = 0;
}

#define ROUNDS 60
#define ATOMS  400

static void compare(u64 seed)
{
    struct bare b[WAYS];
    struct text t;
    make_text(&t, seed);
    u64 random = t.random;
    for (enum way way = 0; way < WAYS; way++) {
        t.random = random;
        open_machine(&b[way], &t);
    }
    rs_watch(b[GENERAL].world, RS_PROBE_insn, false, nothing, NULL);
    b[GENERAL].machine->watched |= (u64)1 << RS_PROBE_insn;
    for (unsigned round = 0; round < ROUNDS && !b[GENERAL].machine->b.halted; round++) {
        for (enum way way = 0; way < WAYS; way++) {
            run(&b[way], way, ATOMS, &random);
            if (rs_hash(b[way].world, RS_HASH_ALL) != rs_hash(b[GENERAL].world, RS_HASH_ALL))
                ck_abort_msg("program %llu, round %u, way %d, rip %llx: %s", (unsigned long long)seed, round,
                             (int)way, (unsigned long long)b[way].core->s.rip,
                             difference(&b[way], &b[GENERAL]));
        }
        u64 next = CODE + t.start[below(&t, t.starts)];
        for (enum way way = 0; way < WAYS; way++)
            move_on(&b[way], next);
    }
    for (enum way way = 0; way < WAYS; way++)
        bare_close(&b[way]);
}

#define PROGRAMS 10 /* a test */

START_TEST(random_programs)
{
    for (u64 i = 0; i < PROGRAMS; i++)
        compare((u64)_i * PROGRAMS + i + 1);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blocks");
    TCase *c = tcase_create("random programs");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, random_programs, 0, 8);
    suite_add_tcase(s, c);
    return suite_run(s);
}
