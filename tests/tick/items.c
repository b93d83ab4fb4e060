/* items.c - the items of a random program that compute, load, store and branch. */
#include "tick/emit.h"

/* Pointers always hold an address in the data, the index a small multiple of 8; RBX is where a fault's
 * handler resumes, RCX counts; the rest is free. */
static const int data_regs[] = {RAX, RDX, R8, R9, R10, R11, R15};
static const int pointer_regs[] = {RSI, RDI, RBP, R12};
#define CHAIN_REG R13
#define INDEX_REG R14

static int a_data(struct program *p)
{
    return data_regs[program_random(p, 7)];
}

static int a_pointer(struct program *p)
{
    return pointer_regs[program_random(p, 4)];
}

u64 item_address(struct program *p)
{
    u64 kind = program_random(p, 16);
    if (kind < 4)
        return PROGRAM_BIG_GVA + 4096 + program_random(p, PROGRAM_BIG_BYTES - 8192);
    if (kind == 4)
        return PROGRAM_HUGE_GVA + PROGRAM_BIG_HPA + 4096 + program_random(p, PROGRAM_BIG_BYTES - 8192);
    return PROGRAM_DATA_GVA + 4096 + program_random(p, PROGRAM_DATA_BYTES - 8192);
}

static struct operand an_operand(struct program *p)
{
    struct operand o = {.base = a_pointer(p), .index = NO_REG};
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

/* ---- what computes ---- */

static u64 a_size(struct program *p)
{
    static const u64 sizes[] = {2, 4, 8, 8};
    return sizes[program_random(p, 4)];
}

/* AH or DH instead of AL or DL: such an encoding has no REX prefix. */
static void use_high_bytes(struct program *p, const struct row *r, struct form *f)
{
    if (r->size != ISA_SIZE_B || f->reg > 3 || f->rm > 3 || (f->mem && f->mem->base > 7) ||
        (f->mem && f->mem->index > 7))
        return;
    f->high_bytes = true;
    f->reg += program_random(p, 2) ? 4 : 0;
    f->rm += program_random(p, 2) ? 4 : 0;
}

static bool has_bit_string(enum isa_row row)
{
    return row == ROW_bt_Ev_Gv || row == ROW_bts_Ev_Gv || row == ROW_btr_Ev_Gv || row == ROW_btc_Ev_Gv;
}

/* Any row of isa.def that only computes. */
static void item_row(struct program *p)
{
    enum isa_row row;
    do {
        row = (enum isa_row)program_random(p, ISA_ROWS);
    } while (!row_is_plain(row));
    const struct row *r = &rows[row];
    struct operand o = an_operand(p);
    struct form f = {
        .size = a_size(p), .reg = a_data(p), .rm = a_data(p), .imm = program_random(p, 1u << 31)};
    bool has_modrm = r->modrm != ISA_MODRM_NO && r->modrm < ISA_MODRM_XC1;
    if (has_modrm && r->mod != ISA_MOD_REG && (r->mod == ISA_MOD_MEM || program_random(p, 2)))
        f.mem = &o;
    if (f.mem && has_bit_string(row)) {
        emit_set(p, f.reg, program_random(p, 4096));
        o.disp &= 0xff;
    }
    if (row == ROW_xchg_Zv_eAX && f.reg == RAX)
        f.reg = RDX; /* else it is NOP */
    if (r->ops == ISA_OPS_E_S)
        f.reg = (int)program_random(p, 6);
    f.lock = f.mem && r->may == ISA_MAY_LOCK && program_random(p, 4) == 0;
    use_high_bytes(p, r, &f);
    emit(p, row, f);
}

/* Divisions that do not overflow. */
static void item_divide(struct program *p)
{
    static const enum isa_row divide[] = {ROW_div_Eb,  ROW_idiv_Eb, ROW_div_Eq,
                                          ROW_idiv_Eq, ROW_div_Ev,  ROW_idiv_Ev};
    unsigned i = (unsigned)program_random(p, 6);
    emit_set(p, RDX, 0);
    emit_set(p, RAX, program_random(p, 100));
    emit_set(p, R8, 1 + program_random(p, 100));
    if (program_random(p, 2)) {
        struct operand o = an_operand(p);
        emit_mem(p, ROW_mov_Ev_Gv, R8, &o);
        emit(p, divide[i], (struct form){.size = i < 4 ? 8 : 4, .mem = &o});
    } else {
        emit(p, divide[i], (struct form){.size = i < 4 ? 8 : 4, .rm = R8});
    }
}

void item_compute(struct program *p)
{
    if (program_random(p, 12) == 0)
        item_divide(p);
    else
        item_row(p);
}

static void item_pointer(struct program *p)
{
    if (program_random(p, 3))
        emit_set(p, a_pointer(p), item_address(p));
    else
        emit_reg(p, ROW_mov_Ev_Gv, a_pointer(p), a_pointer(p));
}

static void item_index(struct program *p)
{
    emit_set(p, INDEX_REG, program_random(p, 32) * 8);
}

static void item_load(struct program *p)
{
    static const enum isa_row load[] = {ROW_movzx_Gv_Eb, ROW_movzx_Gv_Ew, ROW_mov_Gv_Ev, ROW_mov_Gb_Eb,
                                        ROW_add_Gv_Ev};
    struct operand o = an_operand(p);
    emit(p, load[program_random(p, 5)], (struct form){.size = a_size(p), .reg = a_data(p), .mem = &o});
}

static void item_store(struct program *p)
{
    struct operand o = an_operand(p);
    enum isa_row row = program_random(p, 4) ? ROW_mov_Ev_Gv : ROW_mov_Eb_Gb;
    emit(p, row, (struct form){.size = a_size(p), .reg = a_data(p), .mem = &o});
}

/* Absolute addresses, XLAT, 16-byte exchanges. */
static void item_odd(struct program *p)
{
    u64 address = item_address(p);
    struct operand here = {.base = RSI, .index = NO_REG}, table = {.base = RBX, .index = NO_REG};
    struct note *n;
    switch (program_random(p, 5)) {
    case 0:
        n = emit(p, ROW_mov_eAX_Ov, (struct form){.size = 8, .imm = address});
        emit_access(n, (struct operand){.base = NO_REG, .index = NO_REG, .disp = (i64)address}, 8, TICK_LOAD);
        break;
    case 1:
        n = emit(p, ROW_mov_Ob_AL, (struct form){.imm = address});
        emit_access(n, (struct operand){.base = NO_REG, .index = NO_REG, .disp = (i64)address}, 1,
                    TICK_STORE);
        break;
    case 2:
        emit_set(p, RBX, address);
        emit_set(p, RAX, program_random(p, 256));
        table.disp = 0;
        table.index = RAX;
        emit_access(emit_plain(p, ROW_xlat), table, 1, TICK_LOAD);
        break;
    default:
        emit_set(p, RSI, address & ~15ull);
        bool lock = program_random(p, 2);
        n = emit(p, program_random(p, 2) ? ROW_cmpxchg16b : ROW_cmpxchg8b,
                 (struct form){.size = 4, .mem = &here, .lock = lock});
        if (n->row == ROW_cmpxchg16b)
            emit_two(n, here, 8, 8, TICK_UPDATE);
    }
}

/* MOV reg, [reg] through the chain. */
static void item_chase(struct program *p)
{
    struct operand o = {.base = CHAIN_REG, .index = NO_REG};
    for (u64 n = 1 + program_random(p, 6); n; n--)
        emit_mem(p, ROW_mov_Gv_Ev, CHAIN_REG, &o);
}

/* ---- the stack ---- */

static void item_push_pop(struct program *p)
{
    int reg = a_data(p);
    if (program_random(p, 4) == 0) {
        struct note *n =
            emit(p, program_random(p, 2) ? ROW_push_Iz : ROW_push_Ib, (struct form){.imm = 0x1234});
        emit_access(n, emit_pushed, 8, TICK_STORE);
    } else {
        emit_push(p, reg);
    }
    for (u64 n = program_random(p, 3); n; n--)
        item_row(p);
    if (program_random(p, 2)) {
        struct operand o = {.base = RSP, .index = NO_REG};
        emit_mem(p, ROW_mov_Gv_Ev, a_data(p), &o);
    }
    emit_pop(p, reg);
}

/* PUSH and POP of memory, of flags, of 2 bytes. */
static void item_stack_memory(struct program *p)
{
    struct operand from = an_operand(p), to = an_operand(p), word = emit_pushed;
    struct note *n;
    switch (program_random(p, 4)) {
    case 3: /* RSP back to what it was */
        emit_push(p, RSP);
        emit_pop(p, RSP);
        emit_mem(p, ROW_mov_Gv_Ev, a_data(p), &(struct operand){.base = RSP, .index = NO_REG});
        break;
    case 0:
        emit_access(emit(p, ROW_push_E, (struct form){.mem = &from}), emit_pushed, 8, TICK_STORE);
        n = emit(p, ROW_pop_E, (struct form){.mem = &to});
        n->operands = 0;
        emit_access(n, emit_popped, 8, TICK_LOAD);
        emit_access(n, to, 8, TICK_STORE);
        break;
    case 1:
        emit_access(emit_plain(p, ROW_pushf), emit_pushed, 8, TICK_STORE);
        emit_access(emit_plain(p, ROW_popf), emit_popped, 8, TICK_LOAD);
        break;
    default:
        word.disp = -2;
        emit_access(emit(p, ROW_push_Z, (struct form){.size = 2, .reg = RAX}), word, 2, TICK_STORE);
        emit_access(emit(p, ROW_pop_Z, (struct form){.size = 2, .reg = RDX}), emit_popped, 2, TICK_LOAD);
    }
}

/* ENTER and LEAVE: RBP is a pointer and comes back as one. */
static void item_frame(struct program *p)
{
    struct operand frame = {.base = RBP, .index = NO_REG};
    u64 bytes = program_random(p, 100) * 8;
    struct operand last = {.base = RSP, .index = NO_REG, .disp = -8 - (i64)bytes};
    struct note *n = emit(p, ROW_enter, (struct form){.imm = bytes});
    emit_access(n, emit_pushed, 8, TICK_STORE);
    emit_access(n, last, 8, TICK_PROBE);
    for (u64 i = program_random(p, 3); i; i--)
        item_index(p); /* RBP points to the stack */
    emit_access(emit_plain(p, ROW_leave), frame, 8, TICK_LOAD);
}

/* ---- strings ---- */

struct string_row {
    enum isa_row row;
    bool reads_si, reads_di, writes_di, byte;
};

static const struct string_row strings[] = {
    {ROW_movs_b, true, false, true, true},  {ROW_movs_v, true, false, true, false},
    {ROW_cmps_b, true, true, false, true},  {ROW_cmps_v, true, true, false, false},
    {ROW_stos_b, false, false, true, true}, {ROW_stos_v, false, false, true, false},
    {ROW_lods_b, true, false, false, true}, {ROW_lods_v, true, false, false, false},
    {ROW_scas_b, false, true, false, true}, {ROW_scas_v, false, true, false, false}};

static void item_string(struct program *p)
{
    const struct string_row *r = &strings[program_random(p, 10)];
    struct operand si = {.base = RSI, .index = NO_REG}, di = {.base = RDI, .index = NO_REG};
    u64 size = r->byte ? 1 : a_size(p);
    bool rep = program_random(p, 3);
    emit_set(p, RSI, item_address(p));
    emit_set(p, RDI, item_address(p));
    emit_push(p, RCX);
    emit_set(p, RCX, program_random(p, 12));
    struct note *n = emit(p, r->row, (struct form){.size = size, .rep = rep});
    if (r->reads_si)
        emit_access(n, si, size, TICK_LOAD);
    if (r->reads_di || r->writes_di)
        emit_access(n, di, size, r->writes_di ? TICK_STORE : TICK_LOAD);
    emit_pop(p, RCX);
}

/* ---- branches ---- */

static void item_skip(struct program *p, bool may_loop, unsigned callee)
{
    enum isa_row row = (enum isa_row)(ROW_jo_Jz + 4 * (int)program_random(p, 16));
    size_t over = emit_branch(p, row);
    item_row(p); /* a jump to the next instruction would not show whether it was taken */
    items(p, (unsigned)program_random(p, 4), may_loop, callee);
    emit_to(p, over, p->at);
}

static void item_loop(struct program *p, unsigned callee)
{
    static const enum isa_row loop[] = {ROW_loop, ROW_loope, ROW_loopne};
    emit_set(p, RCX, 1 + program_random(p, 9));
    u64 top = p->at;
    items(p, 1 + (unsigned)program_random(p, 6), false, callee);
    if (program_random(p, 2) && p->at - top < 100) {
        emit_to(p, emit_branch(p, loop[program_random(p, 3)]), top);
    } else {
        emit_reg(p, ROW_dec_Ev, 0, RCX);
        emit_to(p, emit_branch(p, ROW_jne_Jz), top);
    }
}

static void item_call(struct program *p, unsigned callee)
{
    if (callee >= p->functions || p->in_user)
        return;
    u64 target = p->function[callee + program_random(p, p->functions - callee)];
    emit_push(p, RCX);
    if (program_random(p, 3) == 0) {
        emit_set(p, RAX, p->code_gva + target);
        emit_branch_note(emit(p, ROW_call_E, (struct form){.rm = RAX}));
    } else {
        emit_to(p, emit_branch(p, ROW_call_J), target);
    }
    emit_pop(p, RCX);
}

static void item_jump(struct program *p)
{
    size_t over;
    switch (program_random(p, 3)) {
    case 0:
        over = emit_branch(p, ROW_jrcxz);
        item_row(p);
        emit_to(p, over, p->at);
        break;
    case 1: {
        u64 later = emit_set_later(p, R8);
        emit_branch_note(emit(p, ROW_jmp_E, (struct form){.rm = R8}));
        p->at += program_random(p, 100);
        emit_here(p, later);
        break;
    }
    default:
        over = emit_branch(p, ROW_jmp_Jz);
        p->at += program_random(p, 100);
        emit_to(p, over, p->at);
    }
}

/* ---- any of them ---- */

static void item_straight(struct program *p)
{
    static void (*const kinds[])(struct program *) = {
        item_load,  item_load,     item_load,         item_load,    item_store,
        item_store, item_store,    item_pointer,      item_pointer, item_chase,
        item_index, item_push_pop, item_stack_memory, item_odd,     item_frame};
    kinds[program_random(p, sizeof kinds / sizeof *kinds)](p);
}

static void item(struct program *p, bool may_loop, unsigned callee)
{
    u64 kind = program_random(p, 100);
    if (kind < 30)
        item_compute(p);
    else if (kind < 76)
        item_straight(p);
    else if (kind < 78)
        item_string(p);
    else if (kind < 80)
        system_item(p);
    else if (kind < 84)
        event_item(p);
    else if (kind < 88)
        item_skip(p, may_loop, callee);
    else if (kind < 92 && may_loop)
        item_loop(p, callee);
    else if (kind < 96)
        item_call(p, callee);
    else
        item_jump(p);
}

/* callee: functions before this one may not be called, so that nothing recurs. */
void items(struct program *p, unsigned n, bool may_loop, unsigned callee)
{
    while (n-- && p->at < p->limit)
        item(p, may_loop, callee);
}

void item_set_up(struct program *p)
{
    emit_set(p, RSP, PROGRAM_STACK_GVA);
    emit_set(p, INDEX_REG, 0);
    emit_set(p, RCX, 1);
    for (int i = 0; i < 4; i++)
        emit_set(p, pointer_regs[i], item_address(p));
    emit_set(p, CHAIN_REG, PROGRAM_CHAIN_GVA);
}
