/* test_pipeline.c - the machine's cycles against the ticking model, and against sums done by hand. */
#include "arch/vmx.h"
#include "cpu/decode.h"
#include "lib/elf_image.h"
#include "lib/suite.h"
#include "machine.h"
#include "tick/emit.h"
#include "tick/program.h"
#include "tick/tick.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a machine that runs a program, and what it retires ---- */

struct seen {
    u64 rip, cycles;
};

struct bench {
    rs_world *world;
    rs_machine *machine;
    const struct program *program;
    struct tick *tick;
    u8 *memory;  /* as the model sees the tables */
    u64 gpr[16]; /* before the instruction */
    struct seen *seen;
    size_t retired, room;
    struct counters count; /* after the last instruction */
    bool done;
};

#define MEMORY_BYTES (PROGRAM_TABLES_HPA + PROGRAM_TABLES_BYTES)

static u64 offset_of(u64 rip)
{
    return rip - (rip >= PROGRAM_CODE_GVA ? PROGRAM_CODE_GVA : PROGRAM_CODE_HPA);
}

static const struct note *note_at(const struct bench *b, u64 rip)
{
    u64 offset = offset_of(rip);
    ck_assert_uint_lt(offset, PROGRAM_CODE_BYTES);
    const struct note *n = &b->program->note[offset];
    ck_assert_msg(n->here, "the machine is at %#llx, where the program has no instruction",
                  (unsigned long long)rip);
    return n;
}

static u64 operand_address(const struct bench *b, const struct operand *o)
{
    u64 index = o->index == NO_REG ? 0 : b->gpr[o->index] << o->scale;
    return b->gpr[o->base] + index + (u64)o->disp;
}

static void describe(const struct bench *b, const struct rs_event *e, struct tick_insn *t)
{
    const struct note *n = note_at(b, e->field[0]);
    struct insn in;
    u8 bytes[INSN_BYTES_MAX];
    memcpy(bytes, b->program->code + (n - b->program->note), sizeof bytes);
    ck_assert_int_eq(decode(bytes, sizeof bytes, &in), DECODE_OK);
    *t = (struct tick_insn){.rip = e->field[0],
                            .length = in.length,
                            .next_rip = b->machine->core[0]->s.rip,
                            .latency = in.latency,
                            .serialising = in.flags & INSN_SERIALISING,
                            .fence = in.flags & INSN_FENCE,
                            .stack = in.flags & INSN_STACK,
                            .address_regs = in.address_regs,
                            .write_regs = in.write_regs,
                            .branch = n->branch,
                            .accesses = n->repeated && b->gpr[1] == 0 ? 0 : n->operands,
                            .device = n->device,
                            .flush = n->flush,
                            .flush_value = b->gpr[n->flush_reg]};
    for (unsigned i = 0; i < n->operands; i++)
        t->access[i] =
            (struct tick_access){operand_address(b, &n->operand[i]), n->operand[i].bytes, n->operand[i].kind};
}

static void note_seen(struct bench *b, const struct rs_event *e)
{
    if (b->retired == b->room) {
        b->room = b->room ? 2 * b->room : 1024;
        b->seen = realloc(b->seen, b->room * sizeof *b->seen);
    }
    b->seen[b->retired++] = (struct seen){e->field[0], e->field[2]};
}

static void on_insn(const struct rs_event *e, void *arg)
{
    struct bench *b = arg;
    struct tick_insn in;
    note_at(b, e->field[0]);
    if (b->program->code[offset_of(e->field[0])] == 0xf4) {
        b->done = true; /* HLT */
        return;
    }
    describe(b, e, &in);
    tick_feed(b->tick, &in);
    note_seen(b, e);
    memcpy(b->gpr, b->machine->core[0]->s.gpr, sizeof b->gpr);
    b->count = b->machine->core[0]->s.count;
}

static void boot(struct bench *b, const struct program *p, struct rs_params *params)
{
    char path[256];
    struct rs_error err;
    struct rs_config config;
    struct elf_segment segment[] = {{PROGRAM_CODE_HPA, p->code, sizeof p->code},
                                    {PROGRAM_TABLES_HPA, p->tables, sizeof p->tables},
                                    {PROGRAM_CHAIN_HPA, p->chain, sizeof p->chain}};
    ck_assert(elf_image_temporary(path, PROGRAM_CODE_HPA, segment, 3));
    rs_config_init(&config);
    config.params = params;
    b->world = rs_world_new();
    b->machine = rs_machine_new(b->world, &config, &err);
    ck_assert_msg(b->machine != NULL, "%s", err.text);
    struct rs_boot image = {.path = path, .cmdline = "program"};
    ck_assert_msg(rs_boot(b->machine, &image, &err) == RS_OK, "%s", err.text);
    unlink(path);
}

/* As after a VM entry: EPT and VPID, nothing that exits. */
static void enter_guest(struct core *c, const struct program *p)
{
    c->s.vmx_on = c->s.vmx_guest = 1;
    c->s.vmx.proc = PROC_SECONDARY;
    c->s.vmx.proc2 = PROC2_EPT | PROC2_VPID;
    c->s.vmx.eptp = p->eptp;
    c->s.vmx.vpid = 1;
    c->s.cr3 = PROGRAM_TABLES_HPA + p->physical;
    c->s.rip = PROGRAM_CODE_GVA;
}

static void run_both(struct bench *b, const struct program *p, struct rs_params *params)
{
    memset(b, 0, sizeof *b);
    b->program = p;
    boot(b, p, params);
    if (p->eptp)
        enter_guest(b->machine->core[0], p);
    const struct core_state *s = &b->machine->core[0]->s;
    b->memory = malloc(MEMORY_BYTES);
    ck_assert(rs_read(b->machine, 0, b->memory, MEMORY_BYTES) == RS_OK);
    memcpy(b->gpr, s->gpr, sizeof b->gpr);
    b->tick = tick_new(&b->machine->p, s->cr3, b->memory, 0, MEMORY_BYTES);
    if (p->eptp)
        tick_under_ept(b->tick, p->eptp);
    rs_watch(b->world, RS_PROBE_insn, false, on_insn, b);
    rs_begin_run(b->world, 1000000000);
    while (rs_continue(b->world, 100000) == RS_SLICE)
        ;
    ck_assert_msg(b->done, "the program did not reach its end: %s", rs_halt_text(b->machine));
    tick_finish(b->tick);
}

static void end(struct bench *b)
{
    tick_free(b->tick);
    rs_world_free(b->world);
    free(b->memory);
    free(b->seen);
}

/* ---- comparing ---- */

static void show(const struct bench *b, size_t i)
{
    char text[96];
    u64 offset = b->seen[i].rip & (PROGRAM_CODE_BYTES - 1);
    rs_disassemble(b->program->code + offset, INSN_BYTES_MAX, b->seen[i].rip, NULL, text, sizeof text);
    fprintf(stderr, "%6zu %#llx %-48s machine %4llu model %4llu\n", i, (unsigned long long)b->seen[i].rip,
            text, (unsigned long long)b->seen[i].cycles, (unsigned long long)tick_insn_cycles(b->tick, i));
}

/* Shows the instructions around the first on which the two differ. */
static bool same_cycles(const struct bench *b)
{
    for (size_t i = 0; i < b->retired; i++) {
        if (b->seen[i].cycles == tick_insn_cycles(b->tick, i))
            continue;
        for (size_t j = i > 8 ? i - 8 : 0; j <= i; j++)
            show(b, j);
        return false;
    }
    return true;
}

static bool same_counters(const struct bench *b)
{
    struct counters all = *tick_counters(b->tick), *model = &all;
    const struct counters *machine = &b->count;
    bool same = true;
    if (b->program->eptp) { /* it is in the guest from first to last */
        all.insns_guest = all.insns;
        all.cycles_guest =
            tick_cycles(b->tick) - b->seen[b->retired - 1].cycles; /* an atom's come when it is over */
    }
#define COUNTER(name, help) \
    if (model->name != machine->name) { \
        fprintf(stderr, "%s: machine %llu, model %llu\n", #name, (unsigned long long)machine->name, \
                (unsigned long long)model->name); \
        same = false; \
    }
#include "counters.def"
#undef COUNTER
    return same;
}

static u64 all_cycles(const struct bench *b)
{
    u64 sum = 0;
    for (size_t i = 0; i < b->retired; i++)
        sum += b->seen[i].cycles;
    return sum;
}

/* Both have set the same A and D bits. */
static bool same_tables(const struct bench *b)
{
    u8 *now = malloc(PROGRAM_TABLES_BYTES);
    ck_assert(rs_read(b->machine, PROGRAM_TABLES_HPA, now, PROGRAM_TABLES_BYTES) == RS_OK);
    bool same = memcmp(now, b->memory + PROGRAM_TABLES_HPA, PROGRAM_TABLES_BYTES) == 0;
    free(now);
    return same;
}

/* ---- random programs ---- */

struct setting {
    const char *name;
    u64 value;
};

static void set(struct rs_params *p, const char *name, u64 value)
{
    struct rs_error err;
    ck_assert_msg(rs_params_set(p, name, value, &err) == RS_OK, "%s", err.text);
}

/* Sizes that divide: n sets of ways. */
static void set_table(struct rs_params *params, struct program *r, const char *entries, const char *ways,
                      u64 max)
{
    char name[64];
    u64 w = 1 + program_random(r, 4), sets = 1 + program_random(r, max / w);
    snprintf(name, sizeof name, "%s", ways);
    set(params, name, w);
    set(params, entries, w * sets);
}

static void set_cache(struct rs_params *params, struct program *r, const char *bytes, const char *ways,
                      u64 least, u64 n)
{
    u64 w = 1u << program_random(r, 4);
    set(params, ways, w);
    set(params, bytes, least << program_random(r, n));
}

/* Small and odd, so that everything overflows. */
static void random_params(struct rs_params *params, struct program *r)
{
    set_table(params, r, "itlb_entries", "itlb_ways", 8);
    set_table(params, r, "dtlb_entries", "dtlb_ways", 16);
    set_table(params, r, "stlb_entries", "stlb_ways", 40);
    set_cache(params, r, "l1i_bytes", "l1i_ways", 4096, 3);
    set_cache(params, r, "l1d_bytes", "l1d_ways", 4096, 3);
    set_cache(params, r, "l2_bytes", "l2_ways", 8192, 4);
    set(params, "stlb", program_random(r, 4) != 0);
    set(params, "pwc", program_random(r, 4) != 0);
    set(params, "walk_caches", program_random(r, 4) != 0);
    set(params, "caches", program_random(r, 8) != 0);
    set(params, "pwc_entries", 1 + program_random(r, 4));
    set(params, "npwc", program_random(r, 4) != 0);
    set(params, "npwc_entries", 1 + program_random(r, 4));
    set(params, "ntlb", program_random(r, 4) != 0);
    set(params, "ntlb_entries", 1 + program_random(r, 8));
    set(params, "store_buffer", 1 + program_random(r, 16));
    set(params, "predictor_entries", 1 + program_random(r, 64));
    set(params, "btb_entries", 1 + program_random(r, 64));
    set(params, "ras_entries", 1 + program_random(r, 4));
    set(params, "l1_latency", 1 + program_random(r, 5));
    set(params, "l2_latency", program_random(r, 20));
    set(params, "mem_latency", program_random(r, 200));
    set(params, "mem_busy", program_random(r, 60));
    set(params, "stlb_latency", program_random(r, 10));
    set(params, "walk_cache_latency", program_random(r, 3));
    set(params, "ad_update_cycles", program_random(r, 10));
}

static void compare(u64 seed, bool guest, bool odd)
{
    struct program *p = malloc(sizeof *p);
    struct rs_params *params = rs_params_new();
    struct bench b;
    if (guest)
        program_make_guest(p, seed, 50, 50);
    else
        program_make(p, seed, 50, 50);
    if (odd)
        random_params(params, p);
    run_both(&b, p, params);
    bool cycles = same_cycles(&b), counters = same_counters(&b), tables = same_tables(&b);
    ck_assert_msg(cycles && counters && tables, "program %llu: cycles %s, counters %s, page tables %s",
                  (unsigned long long)seed, cycles ? "agree" : "differ", counters ? "agree" : "differ",
                  tables ? "agree" : "differ");
    ck_assert_uint_eq(tick_cycles(b.tick), all_cycles(&b));
    end(&b);
    rs_params_free(params);
    free(p);
}

START_TEST(random_programs)
{
    compare((u64)_i + 1, false, false);
}
END_TEST

START_TEST(random_programs_odd_sizes)
{
    compare((u64)_i + 1001, false, true);
}
END_TEST

START_TEST(random_guests)
{
    compare((u64)_i + 2001, true, false);
}
END_TEST

START_TEST(random_guests_odd_sizes)
{
    compare((u64)_i + 3001, true, true);
}
END_TEST

/* ---- sums done by hand: docs/machine.md, "Time by hand" ---- */

/* Runs what `make` emits by the boot protocol's tables and compares each instruction's cycles. */
static void by_hand(void (*make)(struct program *), const u64 *cycles, size_t n)
{
    struct program *p = calloc(1, sizeof *p);
    struct bench b;
    make(p);
    emit_insn(p);
    emit_byte(p, 0xf4); /* HLT */
    run_both(&b, p, NULL);
    ck_assert_uint_eq(b.retired, n);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(b.seen[i].cycles == cycles[i], "instruction %zu: %llu cycles, by hand %llu", i + 1,
                      (unsigned long long)b.seen[i].cycles, (unsigned long long)cycles[i]);
    ck_assert(same_cycles(&b));
    end(&b);
    free(p);
}

static struct operand at_rsi(i64 disp, enum tick_access_kind kind)
{
    return (struct operand){.base = RSI, .index = NO_REG, .disp = disp, .bytes = 8, .kind = kind};
}

static void make_memory(struct program *p)
{
    struct operand load = at_rsi(0, TICK_LOAD), crossing = at_rsi(0x3c, TICK_LOAD);
    struct operand store = at_rsi(0, TICK_STORE), far_store = at_rsi(0x80, TICK_STORE);
    emit_set(p, RSI, 0x600000);
    emit_mem(p, 0, true, 0x8b, RAX, &load);
    emit_mem(p, 0, true, 0x8b, RAX, &load);
    emit_mem(p, 0, true, 0x8b, RDX, &crossing);
    emit_reg(p, true, 0x0faf, RAX, RAX);
    emit_mem(p, 0, true, 0x89, RAX, &store);
    emit_mem(p, 0, true, 0x89, RAX, &far_store);
    emit_insn(p);
    emit_value(p, 0xf0ae0f, 3);
}

START_TEST(memory_by_hand)
{
    static const u64 cycles[] = {757, 195, 1, 182, 3, 14, 1, 181};
    by_hand(make_memory, cycles, sizeof cycles / sizeof *cycles);
}
END_TEST

static void make_branches(struct program *p)
{
    emit_set(p, RCX, 3);
    u64 top = p->at;
    emit_reg(p, true, 0xff, 1, RCX);
    emit_to(p, emit_branch(p, 0x0f85, TICK_CONDITIONAL), top);
    u64 first = emit_branch(p, 0xe8, TICK_CALL), second = emit_branch(p, 0xe8, TICK_CALL);
    emit_insn(p);
    emit_value(p, 0xa20f, 2); /* CPUID */
    u64 over = emit_branch(p, 0xe9, TICK_JUMP);
    emit_to(p, first, p->at);
    emit_to(p, second, p->at);
    emit_branch(p, 0xc3, TICK_RETURN);
    emit_to(p, over, p->at);
}

START_TEST(branches_by_hand)
{
    static const u64 cycles[] = {757, 1, 4, 1, 1, 1, 4, 17, 4, 4, 1, 173, 4};
    by_hand(make_branches, cycles, sizeof cycles / sizeof *cycles);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pipeline");
    TCase *model = tcase_create("model");
    tcase_set_timeout(model, 120);
    tcase_add_loop_test(model, random_programs, 0, 8);
    tcase_add_loop_test(model, random_programs_odd_sizes, 0, 32);
    tcase_add_loop_test(model, random_guests, 0, 8);
    tcase_add_loop_test(model, random_guests_odd_sizes, 0, 32);
    suite_add_tcase(s, model);
    TCase *hand = tcase_create("by hand");
    tcase_add_test(hand, memory_by_hand);
    tcase_add_test(hand, branches_by_hand);
    suite_add_tcase(s, hand);
    return suite_run(s);
}
