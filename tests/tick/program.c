/* program.c - random programs. */
#include "tick/program.h"

#include "tick/emit.h"

#include <string.h>

/* Pointers always hold an address in the data, the index a small multiple of 8; the rest is free. */
static const int data_regs[] = {RAX, RDX, R8, R9, R10, R11, R15, RBX};
static const int pointer_regs[] = {RSI, RDI, RBP, R12, R13};
#define CHAIN_REG R13 /* after program_make's prologue it may leave the chain, like any pointer */
#define INDEX_REG R14

#define SEQUENCE_BYTES 0x800u   /* room for one */
#define FUNCTIONS_AT   0x30000u /* offset */

u64 program_random(struct program *p, u64 n)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return (p->random >> 11) % n;
}

static int a_data(struct program *p)
{
    return data_regs[program_random(p, 8)];
}

static int a_pointer(struct program *p)
{
    return pointer_regs[program_random(p, 4)];
}

/* ---- page tables ---- */

static u64 *table_at(struct program *p, u64 hpa)
{
    return (u64 *)(void *)(p->tables + (hpa - PROGRAM_TABLES_HPA));
}

static u64 new_table(struct program *p)
{
    u64 hpa = PROGRAM_TABLES_HPA + p->tables_used;
    p->tables_used += 4096;
    return hpa;
}

/* Maps a page in the tables at root, whose entries hold hPA + `physical`; flags: of entries that point to
 * tables. */
static void map_in(struct program *p, u64 root, u64 physical, u64 address, unsigned leaf, u64 entry,
                   u64 flags)
{
    u64 table = root;
    for (unsigned shift = 39; shift > leaf; shift -= 9) {
        u64 *at = table_at(p, table) + (address >> shift & 511);
        if (!*at)
            *at = (new_table(p) + physical) | flags;
        table = (*at & ~4095ull) - physical;
    }
    table_at(p, table)[address >> leaf & 511] = entry;
}

static void map(struct program *p, u64 gva, u64 hpa, u64 bytes)
{
    unsigned leaf = bytes == 4096 ? 12 : 21;
    map_in(p, PROGRAM_TABLES_HPA, p->physical, gva, leaf, (hpa + p->physical) | (leaf == 21 ? 0x83 : 3), 7);
}

/* The low 32 MiB for the guest at `physical`; each 2 MiB of them as one page or as 512. */
static void make_ept(struct program *p)
{
    u64 root = new_table(p);
    for (u64 block = 0; block < 0x2000000; block += 2 << 20) {
        bool large = program_random(p, 2);
        for (u64 hpa = block; hpa < block + (2 << 20); hpa += large ? 2 << 20 : 4096)
            map_in(p, root, 0, hpa + p->physical, large ? 21 : 12, hpa | 0x37 | (large ? 0x80 : 0), 7);
    }
    p->eptp = root | 0x1e | (program_random(p, 2) ? 0x40 : 0);
}

static void map_range(struct program *p, u64 gva, u64 hpa, u64 range, u64 page)
{
    for (u64 i = 0; i < range; i += page)
        map(p, gva + i, hpa + i, page);
}

static void make_tables(struct program *p)
{
    p->tables_used = 4096;
    if (p->physical)
        make_ept(p);
    map_range(p, 0, 0, 4 << 20, 2 << 20);
    map_range(p, PROGRAM_CODE_GVA, PROGRAM_CODE_HPA, PROGRAM_CODE_BYTES, 4096);
    map_range(p, PROGRAM_CHAIN_GVA, PROGRAM_CHAIN_HPA, PROGRAM_CHAIN_BYTES, 4096);
    /* Neighbours here are not neighbours there. */
    for (u64 i = 0; i < PROGRAM_DATA_BYTES; i += 4096)
        map(p, PROGRAM_DATA_GVA + i, PROGRAM_DATA_HPA + i * 7 % PROGRAM_DATA_BYTES, 4096);
    map_range(p, PROGRAM_STACK_GVA - 0x10000, PROGRAM_STACK_HPA, 0x10000, 4096);
    map_range(p, PROGRAM_BIG_GVA, PROGRAM_BIG_HPA, PROGRAM_BIG_BYTES, 2 << 20);
}

/* ---- items ---- */

/* A linear address with 4 KiB to spare on both sides. */
static u64 data_address(struct program *p)
{
    if (program_random(p, 4) == 0)
        return PROGRAM_BIG_GVA + 4096 + program_random(p, PROGRAM_BIG_BYTES - 8192);
    return PROGRAM_DATA_GVA + 4096 + program_random(p, PROGRAM_DATA_BYTES - 8192);
}

static struct operand an_operand(struct program *p, u64 bytes, enum tick_access_kind kind)
{
    struct operand o = {.base = a_pointer(p), .index = NO_REG, .bytes = bytes, .kind = kind};
    o.disp = (i64)program_random(p, 256) - 128;
    if (program_random(p, 3) == 0)
        o.disp *= 8;
    if (program_random(p, 3) == 0) {
        o.index = INDEX_REG;
        o.scale = (unsigned)program_random(p, 4);
    }
    if (program_random(p, 2))
        o.disp &= ~7;
    return o;
}

static void item_alu(struct program *p)
{
    static const unsigned opcode[] = {0x01, 0x09, 0x21, 0x29, 0x31, 0x39, 0x89};
    emit_reg(p, program_random(p, 2), opcode[program_random(p, 7)], a_data(p), a_data(p));
}

static void item_slow(struct program *p)
{
    emit_reg(p, true, 0x0faf, a_data(p), a_data(p)); /* IMUL */
}

static void item_pointer(struct program *p)
{
    if (program_random(p, 3))
        emit_set(p, a_pointer(p), data_address(p));
    else
        emit_reg(p, true, 0x89, a_pointer(p), a_pointer(p));
}

static void item_index(struct program *p)
{
    emit_set(p, INDEX_REG, program_random(p, 32) * 8);
}

static void item_load(struct program *p)
{
    struct operand o = an_operand(p, 8, TICK_LOAD);
    unsigned kind = (unsigned)program_random(p, 5);
    static const u64 bytes[] = {1, 2, 4, 8, 8};
    static const unsigned opcode[] = {0x0fb6, 0x0fb7, 0x8b, 0x8b, 0x03};
    o.bytes = bytes[kind];
    emit_mem(p, 0, kind >= 3, opcode[kind], a_data(p), &o);
}

static void item_store(struct program *p)
{
    struct operand o = an_operand(p, 8, TICK_STORE);
    unsigned kind = (unsigned)program_random(p, 4);
    o.bytes = 1u << kind;
    emit_mem(p, kind == 1 ? 0x66 : 0, kind == 3, kind ? 0x89 : 0x88, a_data(p), &o);
}

static void item_update(struct program *p)
{
    struct operand o = an_operand(p, 8, TICK_UPDATE);
    unsigned kind = (unsigned)program_random(p, 6);
    if (kind == 0)
        emit_mem(p, 0, true, 0x87, a_data(p), &o); /* XCHG */
    else if (kind == 1)
        emit_mem(p, 0xf0, true, 0x01, a_data(p), &o); /* LOCK ADD */
    else
        emit_mem(p, 0, true, 0x01 | (kind & 3) << 3, a_data(p), &o);
}

/* MOV reg, [reg] through the chain, then back to a pointer of the data. */
static void item_chase(struct program *p)
{
    struct operand o = {.base = CHAIN_REG, .index = NO_REG, .bytes = 8, .kind = TICK_LOAD};
    for (u64 n = 1 + program_random(p, 6); n; n--)
        emit_mem(p, 0, true, 0x8b, CHAIN_REG, &o);
}

static void item_stack(struct program *p)
{
    int reg = a_data(p);
    emit_push(p, reg);
    for (u64 n = program_random(p, 3); n; n--)
        item_alu(p);
    if (program_random(p, 2)) {
        struct operand o = {.base = RSP, .index = NO_REG, .disp = 0, .bytes = 8, .kind = TICK_LOAD};
        emit_mem(p, 0, true, 0x8b, a_data(p), &o);
    }
    emit_pop(p, reg);
}

/* REP MOVSQ and REP STOSB. */
static void item_string(struct program *p)
{
    static const struct operand from = {.base = RSI, .index = NO_REG, .bytes = 8, .kind = TICK_LOAD};
    static const struct operand to = {.base = RDI, .index = NO_REG, .bytes = 8, .kind = TICK_STORE};
    bool copy = program_random(p, 2);
    emit_set(p, RSI, data_address(p));
    emit_set(p, RDI, data_address(p));
    emit_push(p, RCX);
    emit_set(p, RCX, program_random(p, 12));
    struct note *n = emit_insn(p);
    n->repeated = true;
    if (copy)
        n->operand[n->operands++] = from;
    n->operand[n->operands] = to;
    n->operand[n->operands++].bytes = copy ? 8 : 1;
    emit_value(p, copy ? 0xa548f3 : 0xaaf3, copy ? 3 : 2);
    emit_pop(p, RCX);
}

/* PUSH and POP of memory. */
static void item_stack_memory(struct program *p)
{
    struct operand from = an_operand(p, 8, TICK_LOAD), to = an_operand(p, 8, TICK_STORE);
    struct note *n = emit_mem(p, 0, false, 0xff, 6, &from);
    n->operand[n->operands++] = emit_pushed;
    n = emit_mem(p, 0, false, 0x8f, 0, &to);
    n->operand[1] = n->operand[0];
    n->operand[0] = emit_popped;
    n->operands = 2;
}

static void load_cr3(struct program *p)
{
    emit_set(p, RAX, PROGRAM_TABLES_HPA + p->physical);
    struct note *n = emit_insn(p);
    n->flush = TICK_FLUSH_CR3;
    n->flush_reg = RAX;
    emit_value(p, 0xd8220f, 3);
}

/* CPUID, MFENCE, INVLPG, OUT and MOV CR3. */
static void item_system(struct program *p)
{
    unsigned kind = (unsigned)program_random(p, 5);
    if (kind == 0 && !p->physical) { /* exits in a guest */
        emit_push(p, RCX);
        emit_insn(p);
        emit_value(p, 0xa20f, 2);
        emit_pop(p, RCX);
    } else if (kind == 1) {
        emit_insn(p);
        emit_value(p, 0xf0ae0f, 3);
    } else if (kind == 2) {
        struct operand o = {.base = RSI, .index = NO_REG};
        struct note *n = emit_mem(p, 0, false, 0x0f01, 7, &o);
        n->operands = 0; /* it is not read */
        n->flush = TICK_FLUSH_PAGE;
        n->flush_reg = RSI;
    } else if (kind == 3) {
        emit_insn(p)->device = true;
        emit_value(p, 0xe9e6, 2);
    } else {
        load_cr3(p);
    }
}

static void items(struct program *p, unsigned n, bool may_loop, unsigned callee);

static void item_skip(struct program *p, bool may_loop, unsigned callee)
{
    u64 over = emit_branch(p, 0x0f80 | (unsigned)program_random(p, 16), TICK_CONDITIONAL);
    item_alu(p); /* a jump to the next instruction would not show whether it was taken */
    items(p, (unsigned)program_random(p, 4), may_loop, callee);
    emit_to(p, over, p->at);
}

static void item_loop(struct program *p, unsigned callee)
{
    emit_set(p, RCX, 1 + program_random(p, 9));
    u64 top = p->at;
    items(p, 1 + (unsigned)program_random(p, 6), false, callee);
    if (program_random(p, 2) && p->at - top < 100) {
        struct note *n = emit_insn(p);
        n->branch = TICK_CONDITIONAL;
        emit_byte(p, 0xe2); /* LOOP */
        emit_byte(p, (unsigned)(top - (p->at + 1)) & 0xff);
    } else {
        emit_reg(p, true, 0xff, 1, RCX); /* DEC */
        emit_to(p, emit_branch(p, 0x0f85, TICK_CONDITIONAL), top);
    }
}

static void item_call(struct program *p, unsigned callee)
{
    if (callee >= p->functions)
        return;
    u64 target = p->function[callee + program_random(p, p->functions - callee)];
    emit_push(p, RCX);
    if (program_random(p, 3) == 0) {
        emit_set(p, RAX, PROGRAM_CODE_GVA + target);
        struct note *n = emit_insn(p);
        n->branch = TICK_CALL;
        n->operand[n->operands++] = emit_pushed;
        emit_value(p, 0xd0ff, 2); /* CALL RAX */
    } else {
        emit_to(p, emit_branch(p, 0xe8, TICK_CALL), target);
    }
    emit_pop(p, RCX);
}

static void item_jump(struct program *p)
{
    u64 over = emit_branch(p, 0xe9, TICK_JUMP);
    p->at += program_random(p, 100);
    emit_to(p, over, p->at);
}

static void item(struct program *p, bool may_loop, unsigned callee)
{
    u64 kind = program_random(p, 100);
    if (kind < 20)
        item_alu(p);
    else if (kind < 24)
        item_slow(p);
    else if (kind < 34)
        item_pointer(p);
    else if (kind < 38)
        item_index(p);
    else if (kind < 56)
        item_load(p);
    else if (kind < 68)
        item_store(p);
    else if (kind < 74)
        item_update(p);
    else if (kind < 79)
        item_chase(p);
    else if (kind < 82)
        item_stack(p);
    else if (kind < 83)
        item_stack_memory(p);
    else if (kind < 84)
        item_string(p);
    else if (kind < 85)
        item_system(p);
    else if (kind < 91)
        item_skip(p, may_loop, callee);
    else if (kind < 94 && may_loop)
        item_loop(p, callee);
    else if (kind < 97)
        item_call(p, callee);
    else
        item_jump(p);
}

/* callee: functions before this one may not be called, so that nothing recurs. */
static void items(struct program *p, unsigned n, bool may_loop, unsigned callee)
{
    while (n-- && p->at < p->limit)
        item(p, may_loop, callee);
}

/* ---- the whole ---- */

static void make_functions(struct program *p)
{
    p->functions = 8;
    for (unsigned i = 0; i < p->functions; i++)
        p->function[i] = FUNCTIONS_AT + i * 0x2000 + program_random(p, 0x1000);
    for (unsigned i = 0; i < p->functions; i++) {
        p->at = p->function[i];
        p->limit = p->at + 0x400;
        items(p, 1 + (unsigned)program_random(p, 10), false, i + 1 + (unsigned)program_random(p, 3));
        emit_branch(p, 0xc3, TICK_RETURN);
    }
}

static void make_chain(struct program *p)
{
    for (size_t i = 0; i < PROGRAM_CHAIN_BYTES / 8; i++)
        p->chain[i] = PROGRAM_CHAIN_GVA + program_random(p, PROGRAM_CHAIN_BYTES / 8) * 8;
}

/* Entered where it is loaded, goes on where its own tables map it. */
static void make_prologue(struct program *p)
{
    load_cr3(p);
    emit_set(p, RAX, PROGRAM_CODE_GVA + p->at + 12);
    emit_insn(p)->branch = TICK_JUMP;
    emit_value(p, 0xe0ff, 2); /* JMP RAX */
    emit_set(p, RSP, PROGRAM_STACK_GVA);
    emit_set(p, INDEX_REG, 0);
    for (int i = 0; i < 4; i++)
        emit_set(p, pointer_regs[i], data_address(p));
    emit_set(p, CHAIN_REG, PROGRAM_CHAIN_GVA);
}

static void make(struct program *p, u64 physical, u64 seed, unsigned sequences, unsigned length)
{
    memset(p, 0, sizeof *p);
    p->physical = physical;
    p->random = seed * 0x9e3779b97f4a7c15u | 1;
    make_tables(p);
    make_chain(p);
    make_functions(p);
    u64 slots = FUNCTIONS_AT / SEQUENCE_BYTES,
        stride = 6 * program_random(p, slots / 6) + 1; /* prime to 96 slots */
    p->at = 0;
    make_prologue(p);
    for (unsigned i = 0; i < sequences; i++) {
        p->limit = (p->at / SEQUENCE_BYTES) * SEQUENCE_BYTES + SEQUENCE_BYTES / 2;
        items(p, length, true, 0);
        u64 next = (1 + i) * stride % slots * SEQUENCE_BYTES + program_random(p, 64);
        if (i + 1 < sequences) {
            emit_to(p, emit_branch(p, 0xe9, TICK_JUMP), next);
            p->at = next;
        }
    }
    emit_insn(p);
    emit_byte(p, 0xf4); /* HLT */
}

void program_make(struct program *p, u64 seed, unsigned sequences, unsigned length)
{
    make(p, 0, seed, sequences, length);
}

void program_make_guest(struct program *p, u64 seed, unsigned sequences, unsigned length)
{
    make(p, 0x40000000, seed, sequences, length);
}
