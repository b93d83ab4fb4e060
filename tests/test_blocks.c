/* test_blocks.c - blocks change nothing: random programs end in the same state, with the same cycles and
 * counters, whether each atom runs the general way, or blocks run in one go, or in pieces with derived data
 * dropped and pages shared. */
#include "arch/apic.h"
#include "cpu/cpu.h"
#include "lib/guest.h"
#include "lib/same.h"
#include "lib/suite.h"
#include "mmu/cache.h"
#include "mmu/mem.h"

#include <check.h>
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

/* Every page is shared from now on, until it is written. */
static void share(struct bare *b, struct mem_image **image)
{
    mem_image_free(*image);
    *image = mem_freeze(b->machine->mem);
}

static void run(struct bare *b, enum way way, u64 atoms, u64 *random)
{
    struct mem_image *image = NULL;
    u64 end = b->core->s.atom + atoms;
    while (b->core->s.atom < end && !b->machine->b.halted) {
        u64 left = end - b->core->s.atom, piece = way == PIECES ? 1 + *random % 97 : left;
        *random = *random * 6364136223846793005u + 1442695040888963407u;
        if (way == PIECES && *random >> 60 == 0)
            rs_drop_derived(b->world);
        if (way == PIECES && *random >> 60 == 1)
            share(b, &image);
        cpu_run(b->core, piece < left ? piece : left, way == PIECES ? b->core->s.cycle + 500 : UINT64_MAX);
    }
    mem_image_free(image);
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
    watch_each(&b[GENERAL]);
    if (seed % 2)
        watch_accesses(&b[GENERAL]);
    for (unsigned round = 0; round < ROUNDS && !b[GENERAL].machine->b.halted; round++) {
        for (enum way way = 0; way < WAYS; way++) {
            run(&b[way], way, ATOMS, &random);
            if (rs_hash(b[way].world, RS_HASH_ALL) != rs_hash(b[GENERAL].world, RS_HASH_ALL))
                ck_abort_msg("program %llu, round %u, way %d, rip %llx: %s", (unsigned long long)seed, round,
                             (int)way, (unsigned long long)b[way].core->s.rip,
                             difference(&b[way], &b[GENERAL]));
            ck_assert_uint_eq(b[way].core->rt.atom.micros, b[GENERAL].core->rt.atom.micros);
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

/* ---- what an instruction in a block changes for those behind it ---- */

static void open_program(struct bare *b, u64 at, const char *code, size_t n)
{
    bare_open(b, RS_FW_XD);
    bare_put(b, at, code, n);
    b->core->s.rip = at;
}

/* In blocks and without. */
static void same_both_ways(void (*open)(struct bare *), u64 atoms, u64 rax)
{
    struct bare b[2];
    for (int i = 0; i < 2; i++) {
        open(&b[i]);
        if (i == 0)
            watch_each(&b[i]);
        cpu_run(b[i].core, atoms, UINT64_MAX);
    }
    ck_assert_uint_eq(b[0].core->s.gpr[RAX], rax);
    same_state(&b[1], &b[0]);
    bare_close(&b[0]);
    bare_close(&b[1]);
}

/* Its linear address and that of the block before stay as they are; the frame is now one, now the other. */
enum {
    ELSEWHERE = 0x600000,
    OTHER_FRAME = 0x400000,
    IN_PAGE = 64,
    ELSEWHERE_PDE = BARE_PML4 + 0x2000 + 8 * 3
};

static void open_code_that_moves(struct bare *b)
{
    static const char loop[] = "\x4c\x89\x06"                         /* L: mov [rsi], r8 */
                               "\x0f\x01\x3f"                         /*    invlpg [rdi] */
                               "\xb9\x0c\0\0\0"                       /*    mov ecx, 12 */
                               "\xe9\x30\x00\x5e\x00"                 /* M: jmp ELSEWHERE + IN_PAGE */
                               "\xff\xc9\x75\xf7"                     /* N: dec ecx; jnz M */
                               "\x4d\x87\xc8"                         /*    xchg r8, r9 */
                               "\xff\xca\x75\xe5";                    /*    dec edx; jnz L */
    static const char one[] = "\x48\x83\xc0\x01\xe9\xc7\xff\xa1\xff"; /* add rax, 1; jmp N */
    static const char two[] = "\x48\x83\xc0\x02\xe9\xc7\xff\xa1\xff";
    open_program(b, BARE_CODE, loop, sizeof loop - 1);
    bare_put(b, ELSEWHERE + IN_PAGE, one, sizeof one - 1);
    bare_put(b, OTHER_FRAME + IN_PAGE, two, sizeof two - 1);
    b->core->s.gpr[RAX] = 0;
    b->core->s.gpr[RDX] = 6;
    b->core->s.gpr[RSI] = ELSEWHERE_PDE;
    b->core->s.gpr[RDI] = ELSEWHERE;
    b->core->s.gpr[8] = ELSEWHERE | PTE_P | PTE_W | PTE_PS;
    b->core->s.gpr[9] = OTHER_FRAME | PTE_P | PTE_W | PTE_PS;
}

START_TEST(what_follows_a_block_is_where_it_is_mapped)
{
    same_both_ways(open_code_that_moves, 6 * 66, 3 * 12 * (1 + 2));
}
END_TEST

/* A loop over a page's end, with an immediate behind it.  That page of 4 KiB moves, or its first bytes
 * change. */
enum {
    OVER = ELSEWHERE - 5,
    OVER_TURNS = 6,
    OVER_LOOPS = 1000,
    OVER_ATOMS = OVER_TURNS * 56,
    OVER_CODE = BARE_CODE + 128, /* three lines of code that do not take each other's place */
    NEXT_FRAME = ELSEWHERE + 0x1000,
    OVER_TABLE = 0x40000
};
#define BEHIND(n) ((n) | 0xf375c9ffull << 32) /* the immediate; dec ecx; jnz M */

static void open_loop_over_pages(struct bare *b, u64 at, u64 one, u64 two)
{
    static const char loop[] = "\x4c\x89\x06"          /* L: mov [rsi], r8 */
                               "\x0f\x01\x3f"          /*    invlpg [rdi] */
                               "\xb9\x0c\0\0\0"        /*    mov ecx, 12 */
                               "\xe9\x6b\xff\x5d\x00"  /*    jmp M */
                               "\x4d\x87\xc8"          /* N: xchg r8, r9 */
                               "\xff\xca\x75\xe9";     /*    dec edx; jnz L */
    static const char over[] = "\x0f\x1f\x00\x48\x05"; /* M: nop; add rax, ... */
    static const char back[] = "\xe9\x83\x00\xa2\xff"; /* jmp N */
    open_program(b, OVER_CODE, loop, sizeof loop - 1);
    bare_put(b, OVER, over, sizeof over - 1);
    for (u64 i = 0; i < 2; i++) {
        bare_set_u64(b, i ? NEXT_FRAME : ELSEWHERE, BEHIND(1 + i));
        bare_put(b, (i ? NEXT_FRAME : ELSEWHERE) + 8, back, sizeof back - 1);
    }
    bare_set_u64(b, ELSEWHERE_PDE, OVER_TABLE | PTE_P | PTE_W);
    bare_set_u64(b, OVER_TABLE, ELSEWHERE | PTE_P | PTE_W);
    b->core->s.gpr[RAX] = 0;
    b->core->s.gpr[RDX] = OVER_TURNS;
    b->core->s.gpr[RSI] = at;
    b->core->s.gpr[RDI] = ELSEWHERE;
    b->core->s.gpr[8] = one;
    b->core->s.gpr[9] = two;
}

static void open_page_behind_moves(struct bare *b)
{
    open_loop_over_pages(b, OVER_TABLE, ELSEWHERE | PTE_P | PTE_W, NEXT_FRAME | PTE_P | PTE_W);
}

static void open_page_behind_changes(struct bare *b)
{
    open_loop_over_pages(b, ELSEWHERE, BEHIND(1), BEHIND(2));
    b->core->s.gpr[RDI] = 0; /* so that nobody looks at the code but the block */
}

START_TEST(a_block_goes_on_in_the_next_page)
{
    same_both_ways(open_page_behind_moves, OVER_ATOMS, OVER_TURNS / 2 * 12 * (1 + 2));
    same_both_ways(open_page_behind_changes, OVER_ATOMS, OVER_TURNS / 2 * 12 * (1 + 2));
}
END_TEST

/* The loop leaves before the page's end a few times first, so that its block is built when nothing behind
 * that end has been fetched. */
static void open_late_next_page(struct bare *b)
{
    static const char over[] = "\xff\xcb\x7f\xfc"                /* M: dec ebx; jg M */
                               "\x0f\x1f\x44\0\0\x48\x05";       /*    nop; add rax, ... */
    static const char back[] = "\x01\0\0\0\xff\xc9\x75\xed\xf4"; /* 1; dec ecx; jnz M; hlt */
    open_program(b, ELSEWHERE - (sizeof over - 1), over, sizeof over - 1);
    bare_put(b, ELSEWHERE, back, sizeof back - 1);
    b->core->s.gpr[RAX] = 0;
    b->core->s.gpr[RBX] = 10;
    b->core->s.gpr[RCX] = OVER_LOOPS;
}

START_TEST(a_block_that_was_cut_is_built_again)
{
    struct bare b;
    same_both_ways(open_late_next_page, 18 + OVER_LOOPS * 6, OVER_LOOPS);
    open_late_next_page(&b);
    cpu_run(b.core, 18 + OVER_LOOPS * 6, UINT64_MAX);
    ck_assert_uint_lt(b.core->rt.general_atoms, OVER_LOOPS / 10);
    bare_close(&b);
}
END_TEST

/* Sixty times lea rax, [rax + 1], more than a block holds; dec ecx; jnz to the first. */
static void open_late_addresses(struct bare *b)
{
    static const char end[] = "\xff\xc9\x0f\x85\x08\xff\xff\xff";
    open_program(b, BARE_CODE, "", 0);
    for (u64 i = 0; i < 60; i++)
        bare_put(b, BARE_CODE + 4 * i, "\x48\x8d\x40\x01", 4);
    bare_put(b, BARE_CODE + 4 * 60, end, sizeof end - 1);
    b->core->s.gpr[RAX] = 0;
    b->core->s.gpr[RCX] = 8;
}

START_TEST(an_address_waits_for_the_block_before)
{
    same_both_ways(open_late_addresses, 8 * 62, 8 * 60);
}
END_TEST

/* An access that misses, and sets flags in its PDE, between two reads of that PDE; 200 turns. */
/* clang-format off */
#define TABLE_LOOP(access) \
    "\x48\x8b\x1e"         /* L: mov rbx, [rsi] */ \
    "\x48\x8b\x1e"         /*    mov rbx, [rsi] */ access /* with [rdi] */ \
    "\x48\x8b\x1e"         /*    mov rbx, [rsi] */ \
    "\x48\x01\xda"         /*    add rdx, rbx */ \
    "\x48\x81\xc7\0\0\x20\0" /*    add rdi, 2 MiB */ \
    "\x48\x83\xc6\x08"     /*    add rsi, 8 */ \
    "\xff\xc9"             /*    dec ecx */ \
    "\x75\xe2"             /*    jnz L */
/* clang-format on */

enum { TABLE = BARE_PML4 + 0x2000, FIRST = 128, TURNS = 200, TURN_ATOMS = 9, FRAME = 0x400000 };

static void open_table_loop(struct bare *b, const char *access)
{
    char code[] = TABLE_LOOP("\x90\x90\x90");
    memcpy(code + 6, access, 3);
    open_program(b, BARE_CODE, code, sizeof code - 1);
    for (u64 i = FIRST; i < FIRST + TURNS; i++)
        bare_set_u64(b, TABLE + 8 * i, FRAME | PTE_P | PTE_W | PTE_PS);
    b->core->s.gpr[RSI] = TABLE + 8 * FIRST;
    b->core->s.gpr[RDI] = FIRST * 0x200000;
    b->core->s.gpr[RCX] = TURNS;
    b->core->s.gpr[RDX] = 0;
}

/* All pages are shared again and again, so that tables and data move when they are written. */
static void run_shared(struct bare *b, u64 atoms)
{
    struct mem_image *image = NULL;
    u64 end = b->core->s.atom + atoms;
    for (u64 i = 0; b->core->s.atom < end; i++) {
        share(b, &image);
        cpu_run(b->core, min(end - b->core->s.atom, 5 + i * 7 % 60), UINT64_MAX);
    }
    mem_image_free(image);
}

/* A load that misses inside a block, an instruction that the block leaves, a store; in blocks and without. */
START_TEST(pages_that_move_are_read_where_they_are)
{
    static const char *const access[] = {"\x48\x8b\x07", "\x48\x03\x07", "\x48\x89\x07"};
    struct bare want, got;
    open_table_loop(&want, access[_i / 2]);
    open_table_loop(&got, access[_i / 2]);
    watch_each(&want);
    if (_i % 2)
        watch_each(&got);
    cpu_run(want.core, TURNS * TURN_ATOMS, UINT64_MAX);
    run_shared(&got, TURNS * TURN_ATOMS);
    ck_assert_uint_eq(want.core->s.gpr[RCX], 0);
    ck_assert_uint_eq(want.core->s.gpr[RBX] & PTE_A, PTE_A);
    same_state(&got, &want);
    bare_close(&want);
    bare_close(&got);
}
END_TEST

/* The page is a page directory: the immediate of its MOV is PDE 67. */
enum { CODE_PD = 0x40000, CODE_PDE = 0x218, ADDRESSES = 0x300000, OLD_TURNS = 9 };

static void open_code_in_table(struct bare *b, const char *access)
{
    char code[] = "\x48\x8b\x3e"             /* L: mov rdi, [rsi] */
                  "\x48\x83\xc6\x08"         /*    add rsi, 8 */
                  "\x90\x90\x90"             /*    an access to [rdi] */
                  "\x48\xbb\0\0\0\0\0\0\0\0" /*    mov rbx, the PDE */
                  "\x48\x01\xda"             /*    add rdx, rbx */
                  "\xff\xc9"                 /*    dec ecx */
                  "\x75\xe5";                /*    jnz L */
    memcpy(code + 7, access, 3);
    open_program(b, CODE_PD + CODE_PDE - 12, code, sizeof code - 1);
    bare_set_u64(b, CODE_PD + CODE_PDE, FRAME | PTE_P | PTE_W | PTE_PS);
    bare_set_u64(b, BARE_PML4 + 0x1000 + 8 * 2, CODE_PD | PTE_P | PTE_W);
    for (u64 i = 0; i < OLD_TURNS; i++)
        bare_set_u64(b, ADDRESSES + 8 * i, FRAME);
    bare_set_u64(b, ADDRESSES + 8 * OLD_TURNS, 0x80000000 + CODE_PDE / 8 * 0x200000);
    b->core->s.gpr[RSI] = ADDRESSES;
    b->core->s.gpr[RCX] = OLD_TURNS + 1;
}

/* The walk sets A in the instruction behind: the block has become another. */
START_TEST(a_walk_changes_the_code_of_its_block)
{
    static const char *const access[] = {"\x48\x8b\x07", "\x48\x03\x07"};
    struct bare b[2];
    for (int i = 0; i < 2; i++) {
        open_code_in_table(&b[i], access[_i]);
        if (i == 0)
            watch_each(&b[i]);
        cpu_run(b[i].core, 7 * (OLD_TURNS + 1), UINT64_MAX);
        ck_assert_uint_eq(b[i].core->s.gpr[RBX], FRAME | PTE_P | PTE_W | PTE_PS | PTE_A);
    }
    same_state(&b[1], &b[0]);
    bare_close(&b[0]);
    bare_close(&b[1]);
}
END_TEST

/* What stands between two instructions that set RDI and two that close the loop. */
struct body {
    const char *code;
    unsigned insns;
};

static const struct body bodies[] = {
    {"\x48\x89\xfb\x48\x8b\x07", 2}, /* mov rbx, rdi; mov rax, [rdi] */
    {"\x48\x8b\x07\x48\x89\xfb", 2}, /* mov rax, [rdi]; mov rbx, rdi */
    {"\x48\x89\xff\x48\x8b\x07", 2}, /* mov rdi, rdi; mov rax, [rdi]: an address that comes late */
    {"\x48\x8b\x07\x67\x8d\x09", 2}, /* mov rax, [rdi]; lea ecx, [ecx], not in blocks */
    {"\x03\x06\x48\x8b\x07", 2},     /* add eax, [rsi]; ... */
    {"\x48\x39\xc3\x48\x13\x07", 2}, /* cmp rbx, rax; adc rax, [rdi]: flags come and go */
    {"\x48\x29\xf3\x48\x3b\x07\x0f\x92\xc3", 3}, /* sub rbx, rsi; cmp rax, [rdi]; setb bl */
    {"\x48\x85\x37\x48\x8b\x07", 2},             /* test [rdi], rsi; ... */
    {"\x67\x48\x8b\x7e\xf8\x48\x8b\x07", 2},     /* mov rdi, [esi - 8], not in blocks; ... */
    {"\x48\x89\xfb\x48\x8b\x07\x67\x8d\x09", 3}, /* mov rbx, rdi; ... */
};

#define BODIES ((int)(sizeof bodies / sizeof *bodies))

static unsigned turn_atoms(const struct body *body)
{
    return 3 + body->insns + 2;
}

static void put_turn(struct bare *b, const struct body *body)
{
    static const char start[] = "\x48\x8b\x3e"     /* L: mov rdi, [rsi] */
                                "\x48\x83\xc6\x08" /*    add rsi, 8 */
                                "\xeb\x01\xcc";    /*    jmp over a byte */
    size_t size = sizeof start - 1, n = strlen(body->code);
    const char close[] = {'\xff', '\xc9', '\x75', (char)-(size + n + 4)}; /* dec ecx; jnz L */
    bare_put(b, GUEST_CODE, start, size);
    bare_put(b, GUEST_CODE + size, body->code, n);
    bare_put(b, GUEST_CODE + size + n, close, sizeof close);
}

/* In a guest: nine turns that miss the L1D, and in the tenth a fault.  Two branches share the one entry of
 * the branch target buffer, so each is mispredicted.  What lies behind the table's last word is in another
 * line. */
static void open_faulting(struct bare *b, const struct body *body, bool exits)
{
    u64 addresses = ADDRESSES - 8 * (OLD_TURNS + 1);
    guest_open(b);
    b->machine->p.btb_entries = 1;
    rs_drop_derived(b->world);
    put_handler(b, VEC_PF, GUEST_CODE);
    put_turn(b, body);
    for (u64 i = 0; i < OLD_TURNS; i++)
        bare_set_u64(b, addresses + 8 * i, FRAME + LINE_BYTES * i);
    bare_set_u64(b, addresses + 8 * OLD_TURNS, BARE_UNMAPPED);
    guest_set(b->core, VMCS_EXCEPTION_BITMAP, exits ? 1u << VEC_PF : 0);
    guest_launch(b);
    b->core->s.gpr[RSI] = addresses;
    b->core->s.gpr[RCX] = OLD_TURNS + 1;
}

/* What the general way has at each atom of the last turns, whether the load leaves by a fault or an exit. */
START_TEST(a_load_leaves_its_block)
{
    const struct body *body = &bodies[_i / 2];
    unsigned turn = turn_atoms(body);
    for (unsigned atoms = 7 * turn; atoms < 10 * turn + 2; atoms++) {
        struct bare b[2];
        for (int i = 0; i < 2; i++) {
            open_faulting(&b[i], body, _i % 2);
            if (i == 0)
                watch_each(&b[i]);
            cpu_run(b[i].core, atoms, UINT64_MAX);
        }
        same_state(&b[1], &b[0]);
        ck_assert_uint_eq(b[1].core->rt.atom.micros, b[0].core->rt.atom.micros);
        bare_close(&b[0]);
        bare_close(&b[1]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("blocks");
    TCase *c = tcase_create("random programs");
    tcase_set_timeout(c, 120);
    tcase_add_loop_test(c, random_programs, 0, 8);
    suite_add_tcase(s, c);
    TCase *f = tcase_create("what follows");
    tcase_add_test(f, what_follows_a_block_is_where_it_is_mapped);
    tcase_add_test(f, a_block_goes_on_in_the_next_page);
    tcase_add_test(f, a_block_that_was_cut_is_built_again);
    tcase_add_test(f, an_address_waits_for_the_block_before);
    suite_add_tcase(s, f);
    TCase *p = tcase_create("behind an access");
    tcase_add_loop_test(p, pages_that_move_are_read_where_they_are, 0, 6);
    tcase_add_loop_test(p, a_load_leaves_its_block, 0, 2 * BODIES);
    tcase_add_loop_test(p, a_walk_changes_the_code_of_its_block, 0, 2);
    suite_add_tcase(s, p);
    return suite_run(s);
}
