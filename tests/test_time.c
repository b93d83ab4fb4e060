/* test_time.c - the sums that docs/machine.md works out by hand ("Time by hand"), and the round trips of the
 * presets. */
#include "arch/board.h"
#include "lib/suite.h"
#include "tick/emit.h"
#include "tick/pair.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- running what is worked out ---- */

static struct program *new_program(void)
{
    struct program *p = calloc(1, sizeof *p);
    p->code_gva = PROGRAM_CODE_HPA; /* by the boot protocol's tables */
    p->system_gva = PROGRAM_SYSTEM_HPA;
    return p;
}

static void print_all(const struct pair *r, const u64 *cycles, size_t n)
{
    for (size_t i = 0; i < r->atoms; i++)
        fprintf(stderr, "%2zu: machine %llu, by hand %llu\n", i + 1, (unsigned long long)r->seen[i].cycles,
                (unsigned long long)(i < n ? cycles[i] : 0));
}

/* Runs a program, compares the cycles of its atoms from the first on, and runs it again in one go. */
static void by_hand_with(void (*make)(struct program *), const char *name, u64 value, const u64 *cycles,
                         size_t n)
{
    struct program *p = new_program();
    struct rs_params *params = rs_params_new();
    struct rs_error err;
    struct pair r;
    make(p);
    emit_plain(p, ROW_hlt);
    if (name)
        ck_assert_msg(rs_params_set(params, name, value, &err) == RS_OK, "%s", err.text);
    pair_run(&r, p, params);
    bool same = r.atoms == n;
    for (size_t i = 0; same && i < n; i++)
        same = r.seen[i].cycles == cycles[i];
    if (!same)
        print_all(&r, cycles, n);
    ck_assert(same);
    ck_assert(pair_agrees(&r));
    ck_assert(pair_again(&r, params));
    pair_end(&r);
    rs_params_free(params);
    free(p);
}

static void by_hand(void (*make)(struct program *), const u64 *cycles, size_t n)
{
    by_hand_with(make, NULL, 0, cycles, n);
}

static struct operand at(int base, i64 disp)
{
    return (struct operand){.base = base, .index = NO_REG, .disp = disp};
}

/* ---- memory ---- */

static void make_memory(struct program *p)
{
    struct operand here = at(RSI, 0), crossing = at(RSI, 0x3c), far_store = at(RSI, 0x80);
    emit_set(p, RSI, 0x600000);
    emit_mem(p, ROW_mov_Gv_Ev, RAX, &here);
    emit_mem(p, ROW_mov_Gv_Ev, RAX, &here);
    emit_mem(p, ROW_mov_Gv_Ev, RDX, &crossing);
    emit_reg(p, ROW_imul_Gv_Ev, RAX, RAX);
    emit_mem(p, ROW_mov_Ev_Gv, RAX, &here);
    emit_mem(p, ROW_mov_Ev_Gv, RAX, &far_store);
    emit_plain(p, ROW_mfence);
}

START_TEST(memory)
{
    static const u64 cycles[] = {757, 195, 1, 182, 3, 14, 1, 181};
    by_hand(make_memory, cycles, COUNT(cycles));
}
END_TEST

static void make_store_buffer(struct program *p)
{
    emit_set(p, RSI, 0x600000);
    for (int i = 0; i < 4; i++) {
        struct operand o = at(RSI, i * 0x40);
        emit_mem(p, ROW_mov_Ev_Gv, RAX, &o);
    }
}

START_TEST(store_buffer)
{
    static const u64 cycles[] = {757, 15, 1, 180, 190};
    by_hand_with(make_store_buffer, "store_buffer", 2, cycles, COUNT(cycles));
}
END_TEST

static void make_invlpg(struct program *p)
{
    struct operand o = at(RSI, 0);
    emit_set(p, RSI, 0x600000);
    emit_mem(p, ROW_mov_Gv_Ev, RAX, &o);
    struct note *n = emit(p, ROW_invlpg, (struct form){.mem = &o});
    n->flush.kind = TICK_FLUSH_PAGE;
    n->flush_reg = RSI;
    emit_mem(p, ROW_mov_Gv_Ev, RAX, &o);
}

START_TEST(invlpg)
{
    static const u64 cycles[] = {757, 195, 103, 13};
    by_hand(make_invlpg, cycles, COUNT(cycles));
}
END_TEST

static void emit_rep_movs(struct program *p)
{
    struct note *n = emit(p, ROW_movs_v, (struct form){.size = 8, .rep = true});
    emit_access(n, at(RSI, 0), 8, TICK_LOAD);
    emit_access(n, at(RDI, 0), 8, TICK_STORE);
}

static void make_rep_movs(struct program *p)
{
    emit_set(p, RSI, 0x600038);
    emit_set(p, RDI, 0x600100);
    emit_set(p, RCX, 3);
    emit_rep_movs(p);
}

START_TEST(rep_movs)
{
    static const u64 cycles[] = {757, 1, 1, 207, 190, 1};
    by_hand(make_rep_movs, cycles, COUNT(cycles));
}
END_TEST

#define TURNS 50

static void make_copies(struct program *p)
{
    emit_set(p, RBX, TURNS);
    u64 top = p->at;
    emit_set(p, RCX, 8);
    emit_set(p, RSI, 0x600000);
    emit_set(p, RDI, 0x601000);
    emit_rep_movs(p);
    emit_reg(p, ROW_dec_Ev, 0, RBX);
    emit_to(p, emit_branch(p, ROW_jne_Jz), top);
}

/* In one go the iterations of a line run together, from the fourth turn on; before it stores have not
 * drained. */
START_TEST(copies)
{
    static const u64 first[] = {1, 1, 1, 208, 1, 1, 1, 1, 1, 1, 1, 1, 4},
                     second[] = {1, 1, 1, 166, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                     later[] = {1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    u64 cycles[1 + TURNS * COUNT(later)] = {757};
    for (size_t i = 0; i < TURNS; i++)
        memcpy(&cycles[1 + i * COUNT(later)], i > 1 ? later : i ? second : first, sizeof later);
    cycles[COUNT(cycles) - 1] = 4;
    by_hand(make_copies, cycles, COUNT(cycles));
}
END_TEST

/* ---- branches ---- */

static void make_branches(struct program *p)
{
    emit_set(p, RCX, 3);
    u64 top = p->at;
    emit_reg(p, ROW_dec_Ev, 0, RCX);
    emit_to(p, emit_branch(p, ROW_jne_Jz), top);
    size_t first = emit_branch(p, ROW_call_J), second = emit_branch(p, ROW_call_J);
    emit_plain(p, ROW_cpuid);
    size_t over = emit_branch(p, ROW_jmp_Jz);
    emit_to(p, first, p->at);
    emit_to(p, second, p->at);
    emit_branch_note(emit_plain(p, ROW_ret));
    emit_to(p, over, p->at);
}

START_TEST(branches)
{
    static const u64 cycles[] = {757, 1, 4, 1, 1, 1, 4, 17, 4, 4, 1, 173, 4};
    by_hand(make_branches, cycles, COUNT(cycles));
}
END_TEST

/* The stack of return addresses is empty: it predicts 0 (B4), whatever the BTB has. */
static void make_returns(struct program *p)
{
    emit_set(p, RAX, 0);
    u64 place = p->at;
    emit_set(p, RCX, 2);
    u64 top = p->at;
    emit_push(p, RAX);
    emit_branch_note(emit_plain(p, ROW_ret));
    u64 back = p->at;
    emit_reg(p, ROW_dec_Ev, 0, RCX);
    emit_to(p, emit_branch(p, ROW_jne_Jz), top);
    u64 end = p->at, target = p->code_gva + back;
    for (unsigned i = 0; i < 8; i++)
        p->code[place - 8 + i] = (u8)(target >> 8 * i);
    p->at = end;
}

START_TEST(returns_to_nobody)
{
    static const u64 cycles[] = {757, 1, 14, 1, 1, 4, 1, 4, 1, 4};
    by_hand(make_returns, cycles, COUNT(cycles));
}
END_TEST

/* ---- an exception and its handler ---- */

static void make_exception(struct program *p)
{
    struct operand gdt = at(RAX, 0), idt = at(RAX, 16), rip = at(RSP, 0);
    program_system(p);
    emit_set(p, RAX, PROGRAM_SYSTEM_HPA + SYSTEM_POINTERS);
    emit_two(emit(p, ROW_lgdt, (struct form){.mem = &gdt}), gdt, 2, 8, TICK_LOAD);
    emit_two(emit(p, ROW_lidt, (struct form){.mem = &idt}), idt, 2, 8, TICK_LOAD);
    emit_plain(p, ROW_ud2);
    emit_plain(p, ROW_ud2);
    u64 end = p->at;
    p->at = event_handler(p, VEC_UD) - p->code_gva;
    emit(p, ROW_add_Ev_Ib, (struct form){.size = 8, .mem = &rip, .imm = p->note[p->notes - 1].length});
    struct note *n = emit(p, ROW_iret, (struct form){.size = 8});
    for (int i = 0; i < 5; i++)
        emit_access(n, at(RSP, 8 * i), 8, TICK_LOAD);
    n->loads_segments = true;
    p->at = end;
}

START_TEST(exception)
{
    static const u64 cycles[] = {757, 211, 23, 0, 601, 181, 33, 0, 48, 1, 33};
    by_hand(make_exception, cycles, COUNT(cycles));
}
END_TEST

/* ---- devices ---- */

static void make_device(struct program *p)
{
    struct operand o = at(RSI, 0);
    emit_set(p, RSI, 0x600000);
    emit_mem(p, ROW_mov_Gv_Ev, RAX, &o);
    for (int i = 0; i < 2; i++)
        emit_port(emit(p, ROW_out_I_A_b, (struct form){.imm = PORT_DEBUG_CONSOLE}), PORT_DEBUG_CONSOLE, 1);
}

START_TEST(device_behind_memory)
{
    static const u64 cycles[] = {1081, 300, 320, 300};
    by_hand_with(make_device, "mem_busy", 300, cycles, COUNT(cycles));
}
END_TEST

/* ---- VM exits and entries ---- */

/* A guest that does nothing but exit, and a hypervisor that does nothing but resume it. */
static void make_vmcalls(struct program *p)
{
    struct operand o = at(RAX, 0);
    p->guest = true;
    p->physical = PROGRAM_MOVED;
    p->vpid = true;
    program_tables(p);
    program_system(p);
    p->exit_stores = p->exit_loads = p->entry_loads = 0;
    p->vpid = true;
    p->at = p->resume_from = 0x1000;
    emit_set(p, RCX, 0x681e); /* guest RIP */
    emit_reg(p, ROW_vmwrite, RCX, RBX);
    emit_plain(p, ROW_vmresume);
    p->at = 0;
    emit_set(p, RAX, p->host_root);
    emit(p, ROW_mov_CR_E, (struct form){.reg = 3, .rm = RAX})->flush.kind = TICK_FLUSH_PCID;
    emit_set(p, RAX, 0x2020); /* CR4: PAE, VMXE */
    emit(p, ROW_mov_CR_E, (struct form){.reg = 4, .rm = RAX});
    emit_set(p, RAX, PROGRAM_SYSTEM_HPA + SYSTEM_POINTERS + 32);
    emit(p, ROW_vmxon, (struct form){.size = 8, .mem = &o});
    emit_set(p, RAX, PROGRAM_SYSTEM_HPA + SYSTEM_POINTERS + 40);
    emit(p, ROW_vmptrld, (struct form){.size = 8, .mem = &o});
    emit_plain(p, ROW_vmlaunch);
    p->guest_entry = p->at;
    p->code_gva = PROGRAM_CODE_GVA;
    for (int i = 0; i < 4; i++) {
        u64 later = emit_set_later(p, RBX);
        emit_plain(p, ROW_vmcall);
        emit_here(p, later);
    }
    emit_plain(p, ROW_hlt);
}

struct trip {
    const char *preset;
    u64 cycles; /* Agesen et al., "Software Techniques for Avoiding Hardware Virtualization Exits" */
};

static const struct trip trips[] = {{"prescott", 3963}, {"merom", 1579},   {"penryn", 1266},
                                    {"nehalem", 1009},  {"westmere", 761}, {"sandybridge", 784},
                                    {"skylake", 740}};

/* The last exit and the entry before it are warm: what they cost besides is Z1, twice, and the entry's own
 * cycle. */
START_TEST(round_trips)
{
    struct program *p = new_program();
    struct rs_params *params = rs_params_new();
    struct rs_error err;
    struct pair r;
    make_vmcalls(p);
    ck_assert(rs_params_preset(params, trips[_i].preset, &err) == RS_OK);
    pair_run(&r, p, params);
    ck_assert(pair_agrees(&r));
    const struct seen *exit = &r.seen[r.atoms - 4], *entry = &r.seen[r.atoms - 1];
    ck_assert_uint_eq(exit->end, TICK_EXITS);
    ck_assert_uint_eq(exit->cycles - 3 + entry->cycles - 3 - 1, trips[_i].cycles);
    ck_assert_uint_eq(exit->cycles - 3, r.machine->p.vm_exit_cycles);
    pair_end(&r);
    rs_params_free(params);
    free(p);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("time");
    TCase *hand = tcase_create("by hand");
    tcase_add_test(hand, memory);
    tcase_add_test(hand, store_buffer);
    tcase_add_test(hand, invlpg);
    tcase_add_test(hand, rep_movs);
    tcase_add_test(hand, copies);
    tcase_add_test(hand, branches);
    tcase_add_test(hand, returns_to_nobody);
    tcase_add_test(hand, exception);
    tcase_add_test(hand, device_behind_memory);
    tcase_add_loop_test(hand, round_trips, 0, COUNT(trips));
    suite_add_tcase(s, hand);
    return suite_run(s);
}
