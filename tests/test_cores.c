/* test_cores.c - several cores: whose atom is next, interrupts between them, INIT and start-up, lines that
 * travel (docs/machine.md, "Several cores"). */
#include "arch/apic.h"
#include "cpu/cpu.h"
#include "cpu/ipi.h"
#include "lib/bare.h"
#include "lib/suite.h"
#include "mmu/cache.h"
#include "schedule.h"
#include "world.h"

#include <check.h>

#define FIRMWARE (RS_FW_VTX | RS_FW_XD | RS_FW_EPT | RS_FW_LOCK)
#define CORES    4
#define VECTOR   0x44
#define LATENCY  150 /* ipi_latency */
#define SNOOP    40
#define L2       10
#define MEM      170

#define HLT      "\xf4"
#define NOP      "\x90"
#define SPIN     "\xeb\xfe"
#define STI_SPIN "\xfb\xeb\xfe"
#define STI_HLT  "\xfb\xf4"

static struct bare b;
static struct core *c[RS_CORES_MAX];

static void open_cores(u64 cores)
{
    bare_open_cores(&b, FIRMWARE, cores);
    for (u32 i = 0; i < cores; i++)
        c[i] = b.machine->core[i];
}

static void set_up(void)
{
    open_cores(CORES);
}

static void tear_down(void)
{
    bare_close(&b);
}

/* Code for a core; it takes part from now on, with its APIC on. */
static void start(u32 i, const char *code, size_t n)
{
    bare_put(&b, BARE_CODE + BARE_PART * i, code, n);
    c[i]->s.activity = ACTIVITY_ACTIVE;
    apic_write(c[i], APIC_SVR, APIC_SVR_ENABLE | 0xff);
}

#define START(i, code) start((i), (code), sizeof(code) - 1)

static void run_atoms(u64 n)
{
    machine_run(b.machine, n, UINT64_MAX);
}

static void run_until(u64 cycle)
{
    ck_assert_int_ne(machine_run(b.machine, 100000, cycle), RUN_STOPPED_INSIDE);
}

/* ---- order (C1) ---- */

static struct rs_event seen[4096];
static unsigned seen_count;

static void keep(const struct rs_event *e, void *arg)
{
    (void)arg;
    if (seen_count < sizeof seen / sizeof *seen)
        seen[seen_count++] = *e;
}

static void watch(enum rs_probe probe)
{
    seen_count = 0;
    rs_watch(b.world, probe, true, keep, NULL);
}

static u64 start_of(const struct rs_event *insn)
{
    return insn->cycle - insn->field[2];
}

START_TEST(atoms_run_by_start_and_number)
{
    /* of different lengths: DIV, MUL, NOPs, a chase of loads */
    START(0, "\x48\xf7\xf1\xeb\xfb");                     /* div %rcx */
    START(1, "\x48\xf7\xe1\x90\xeb\xfa");                 /* mul %rcx; nop */
    START(2, "\x90\x90\x90\xeb\xfb");                     /* nops */
    START(3, "\x48\x8b\x04\x0f\x48\x83\xc1\x40\xeb\xf6"); /* mov (%rdi,%rcx), %rax; add $64, %rcx */
    for (u32 i = 0; i < CORES; i++) {
        c[i]->s.gpr[REG_RCX] = 3;
        c[i]->s.gpr[REG_RDX] = 0;
    }
    watch(RS_PROBE_insn);
    run_atoms(3000);
    ck_assert_uint_eq(seen_count, 3000);
    u64 of_core[CORES] = {0};
    for (unsigned k = 1; k < seen_count; k++) {
        u64 before = start_of(&seen[k - 1]), now = start_of(&seen[k]);
        ck_assert_msg(now > before || (now == before && seen[k].core > seen[k - 1].core),
                      "core %u at %llu runs after core %u at %llu", seen[k].core, (unsigned long long)now,
                      seen[k - 1].core, (unsigned long long)before);
        ck_assert_uint_eq(seen[k].atom, seen[k - 1].atom + 1);
        of_core[seen[k].core]++;
    }
    for (u32 i = 0; i < CORES; i++)
        ck_assert_uint_gt(of_core[i], 20);
    ck_assert_uint_eq(machine_atom(b.machine), 3000);
}
END_TEST

START_TEST(a_tie_goes_to_the_lower_number)
{
    for (u32 i = 0; i < CORES; i++)
        START(i, SPIN);
    for (u32 i = 0; i < CORES; i++) {
        ck_assert_uint_eq(machine_next_core(b.machine)->id, i);
        run_atoms(1);
        ck_assert_uint_eq(c[i]->s.atom, 1);
    }
    for (u32 i = 0; i < CORES; i++)
        c[i]->s.cycle = 5000 - (i == 2);
    ck_assert_uint_eq(machine_next_core(b.machine)->id, 2);
    ck_assert_uint_eq(machine_cycle(b.machine), 4999);
}
END_TEST

START_TEST(cores_that_were_not_started_take_no_part)
{
    START(0, SPIN);
    run_atoms(500);
    ck_assert_uint_eq(c[0]->s.atom, 500);
    for (u32 i = 1; i < CORES; i++)
        ck_assert(c[i]->s.atom == 0 && c[i]->s.cycle == 0 && c[i]->s.count.insns == 0);
}
END_TEST

/* The bound of a run is a cycle of the machine, not of a core. */
START_TEST(runs_end_at_a_cycle_of_the_machine)
{
    for (u32 i = 0; i < CORES; i++)
        START(i, SPIN);
    run_until(5000);
    ck_assert_uint_ge(machine_cycle(b.machine), 5000);
    for (u32 i = 0; i < CORES; i++)
        ck_assert(c[i]->s.cycle >= 5000 && c[i]->s.cycle < 5010);
}
END_TEST

START_TEST(one_core_in_hlt_does_not_stop_the_others)
{
    START(0, HLT);
    START(1, SPIN);
    run_until(3000);
    ck_assert_uint_eq(b.machine->b.halted, HALT_NONE);
    ck_assert_uint_eq(c[0]->s.count.insns, 1);
    ck_assert_uint_gt(c[1]->s.count.insns, 1000);
    bare_put(&b, c[1]->s.rip, HLT, 1);
    run_atoms(20);
    ck_assert_uint_eq(b.machine->b.halted, HALT_FOREVER);
    ck_assert_uint_eq(b.machine->b.halt_core, 0);
    ck_assert(strstr(rs_halt_text(b.machine), "any core") != NULL);
}
END_TEST

/* A timer that nobody takes (IF is 0) wakes no one, and the machine is not over while another core runs. */
START_TEST(an_event_that_wakes_no_one)
{
    START(0, HLT);
    START(1, SPIN);
    apic_write(c[0], APIC_LVT_TIMER, VECTOR);
    apic_write(c[0], APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(c[0], APIC_TIMER_INITIAL, 2000);
    run_until(4000);
    ck_assert_uint_eq(b.machine->b.halted, HALT_NONE);
    ck_assert_uint_eq(c[0]->s.cycle, 2000);
    ck_assert_uint_eq(c[0]->s.activity, ACTIVITY_HLT);
    ck_assert_int_eq(apic_pending_vector(c[0]), VECTOR);
}
END_TEST

/* Nor does it move on to the timer's next period before the others come to it. */
START_TEST(waits_end_in_their_turn)
{
    START(0, HLT);
    START(1, SPIN);
    apic_write(c[0], APIC_LVT_TIMER, APIC_TIMER_PERIODIC | VECTOR);
    apic_write(c[0], APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    apic_write(c[0], APIC_TIMER_INITIAL, 1000);
    run_until(1500);
    for (unsigned k = 0; k < 6000; k++) {
        run_atoms(1);
        ck_assert_uint_le(c[0]->s.cycle, machine_cycle(b.machine));
    }
    ck_assert_uint_ge(c[0]->s.cycle, 5000);
}
END_TEST

/* ---- interrupts between cores (C6) ---- */

static void icr(struct core *from, u64 value)
{
    apic_write(from, APIC_ICR_HIGH, value >> 32);
    apic_write(from, APIC_ICR_LOW, (value & 0xffffffff) | APIC_ICR_ASSERT);
}

#define TO(id) ((u64)(id) << 56)

START_TEST(an_interrupt_arrives_after_its_latency)
{
    bare_put(&b, BARE_HANDLER + 16 * VECTOR, HLT, 1);
    START(0, SPIN);
    if (_i)
        START(1, STI_SPIN);
    else
        START(1, STI_HLT);
    run_until(4000);
    c[0]->s.cycle = 4100;
    watch(RS_PROBE_interrupt);
    icr(c[0], TO(1) | VECTOR);
    ck_assert_uint_eq(c[1]->s.ipi_due[VECTOR], 4100 + LATENCY);
    ck_assert_uint_eq(c[1]->s.ipi_first_due, 4100 + LATENCY);
    ck_assert_int_eq(apic_pending_vector(c[1]), -1);
    run_until(5000);
    ck_assert_uint_eq(seen_count, 1);
    ck_assert_uint_eq(seen[0].core, 1);
    ck_assert_uint_eq(seen[0].cycle, 4100 + LATENCY);
    ck_assert_uint_eq(c[1]->s.count.interrupts, 1);
    ck_assert(!c[1]->s.ipi_due[VECTOR] && !c[1]->s.ipi_first_due);
    ck_assert_uint_eq(c[0]->s.count.ipis, 1);
}
END_TEST

/* What a core sends in the middle of a run is in time for a core that sleeps. */
START_TEST(a_run_gives_way_to_whom_it_wakes)
{
    static const char send[] = "\x0f\x30\xeb\xfe"; /* wrmsr; spin */
    bare_put(&b, BARE_HANDLER + 16 * VECTOR, HLT, 1);
    START(0, send);
    START(1, STI_HLT);
    ck_assert(sys_write_msr(c[0], MSR_APIC_BASE, c[0]->s.apic_base | APIC_BASE_X2APIC));
    c[0]->s.gpr[REG_RCX] = X2APIC_MSR(APIC_ICR_LOW);
    c[0]->s.gpr[REG_RDX] = 1;
    c[0]->s.gpr[REG_RAX] = APIC_ICR_ASSERT | VECTOR;
    c[0]->s.cycle = 2000; /* core 1 sleeps long before */
    watch(RS_PROBE_interrupt);
    machine_run(b.machine, 5000, UINT64_MAX);
    ck_assert_uint_eq(seen_count, 1);
    u64 arrival = seen[0].cycle;
    ck_assert_uint_lt(arrival, 4000);
    ck_assert_uint_eq(c[1]->s.count.interrupts, 1);
    ck_assert_uint_gt(c[0]->s.count.insns, 4000);
    ck_assert_uint_lt(seen[0].atom, 300); /* and not after core 0 has used its budget */
}
END_TEST

START_TEST(two_of_a_vector_are_one)
{
    icr(c[0], TO(1) | VECTOR);
    c[2]->s.cycle = 50;
    apic_write(c[2], APIC_SVR, APIC_SVR_ENABLE | 0xff);
    icr(c[2], TO(1) | VECTOR);
    ck_assert_uint_eq(c[1]->s.ipi_due[VECTOR], LATENCY);
    icr(c[2], TO(1) | (VECTOR + 1));
    ck_assert_uint_eq(c[1]->s.ipi_due[VECTOR + 1], LATENCY + 50);
    ck_assert_uint_eq(c[1]->s.ipi_first_due, LATENCY);
}
END_TEST

/* Which cores a destination means, as a set of bits. */
static unsigned reached(struct core *from, u64 value, unsigned vector)
{
    unsigned set = 0;
    icr(from, value | vector);
    for (u32 i = 0; i < CORES; i++) {
        bool self = c[i]->s.apic_reg[(APIC_IRR + (vector >> 5 << 4)) >> 4] >> (vector & 31) & 1;
        set |= (unsigned)(self || c[i]->s.ipi_due[vector]) << i;
        c[i]->s.ipi_due[vector] = 0;
        c[i]->s.apic_reg[(APIC_IRR + (vector >> 5 << 4)) >> 4] = 0;
    }
    return set;
}

START_TEST(destinations_of_xapic)
{
    for (u32 i = 0; i < CORES; i++) {
        apic_write(c[i], APIC_SVR, APIC_SVR_ENABLE | 0xff);
        apic_write(c[i], APIC_LDR, 1u << (24 + i));
    }
    ck_assert_uint_eq(reached(c[0], TO(2), VECTOR), 4);
    ck_assert_uint_eq(reached(c[1], TO(1), VECTOR), 2);
    ck_assert_uint_eq(reached(c[0], TO(9), VECTOR), 0);
    ck_assert_uint_eq(reached(c[0], TO(0xff), VECTOR), 15);
    ck_assert_uint_eq(reached(c[0], TO(10) | APIC_ICR_LOGICAL, VECTOR), 10);
    ck_assert_uint_eq(reached(c[3], APIC_ICR_TO_SELF, VECTOR), 8);
    ck_assert_uint_eq(reached(c[3], APIC_ICR_TO_ALL, VECTOR), 15);
    ck_assert_uint_eq(reached(c[3], APIC_ICR_TO_OTHERS, VECTOR), 7);
    apic_write(c[2], APIC_DFR, 0);
    apic_write(c[2], APIC_LDR, 0x24000000); /* the cluster model: member 2 of cluster 2 */
    ck_assert_uint_eq(reached(c[0], TO(0x26) | APIC_ICR_LOGICAL, VECTOR) & 4, 4);
    ck_assert_uint_eq(reached(c[0], TO(0x16) | APIC_ICR_LOGICAL, VECTOR) & 4, 0);
    apic_write(c[1], APIC_ID, 7u << 24); /* software may change it */
    ck_assert_uint_eq(reached(c[0], TO(7), VECTOR), 2);
    c[3]->s.apic_base &= ~(u64)APIC_BASE_ENABLE;
    ck_assert_uint_eq(reached(c[0], TO(0xff), VECTOR), 7);
}
END_TEST

START_TEST(destinations_of_x2apic)
{
    for (u32 i = 0; i < CORES; i++) {
        ck_assert(sys_write_msr(c[i], MSR_APIC_BASE, c[i]->s.apic_base | APIC_BASE_X2APIC));
        ck_assert(sys_write_msr(c[i], X2APIC_MSR(APIC_SVR), APIC_SVR_ENABLE | 0xff));
    }
    static const struct {
        u64 value;
        unsigned set;
    } cases[] = {
        {(u64)2 << 32, 4},
        {(u64)0xffffffff << 32, 15},
        {(u64)0xff << 32, 0},
        {(u64)5 << 32 | APIC_ICR_LOGICAL, 5},       /* cluster 0, members 0 and 2 */
        {(u64)0x10005 << 32 | APIC_ICR_LOGICAL, 0}, /* cluster 1 */
        {(u64)0xffffffff << 32 | APIC_ICR_LOGICAL, 15},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        unsigned set = 0;
        ck_assert(sys_write_msr(c[1], X2APIC_MSR(APIC_ICR_LOW), cases[k].value | APIC_ICR_ASSERT | VECTOR));
        for (u32 i = 0; i < CORES; i++) {
            set |= (unsigned)(c[i]->s.ipi_due[VECTOR] || apic_pending_vector(c[i]) == VECTOR) << i;
            c[i]->s.ipi_due[VECTOR] = 0;
            c[i]->s.apic_reg[(APIC_IRR + 0x20) >> 4] = 0;
        }
        ck_assert_uint_eq(set, cases[k].set);
    }
}
END_TEST

START_TEST(lowest_priority_takes_one)
{
    for (u32 i = 0; i < CORES; i++)
        apic_write(c[i], APIC_SVR, APIC_SVR_ENABLE | 0xff);
    ck_assert_uint_eq(reached(c[2], TO(0xff) | APIC_ICR_LOWEST, VECTOR), 1);
    apic_write(c[0], APIC_TPR, 0x40);
    apic_write(c[1], APIC_TPR, 0x30);
    apic_write(c[2], APIC_TPR, 0x30);
    ck_assert_uint_eq(reached(c[0], TO(0xff) | APIC_ICR_LOWEST, VECTOR), 8);
    apic_write(c[3], APIC_TPR, 0x40);
    ck_assert_uint_eq(reached(c[0], TO(0xff) | APIC_ICR_LOWEST, VECTOR), 2);
    ck_assert_uint_eq(reached(c[1], APIC_ICR_TO_OTHERS | APIC_ICR_LOWEST, VECTOR), 4);
    ck_assert_uint_eq(reached(c[1], APIC_ICR_TO_ALL | APIC_ICR_LOWEST, VECTOR), 0); /* invalid */
}
END_TEST

START_TEST(nmi_goes_to_another_core)
{
    START(0, SPIN);
    START(1, SPIN);
    bare_put(&b, BARE_HANDLER + 16 * VEC_NMI, SPIN, 2);
    run_until(4000);
    icr(c[0], TO(1) | APIC_ICR_NMI);
    ck_assert_uint_eq(c[1]->s.nmi_pending, 0);
    run_until(5000);
    ck_assert_uint_eq(c[1]->s.nmi_blocked, 1);
    ck_assert_uint_eq(c[1]->s.rip, BARE_HANDLER + 16 * VEC_NMI);
    icr(c[0], APIC_ICR_TO_SELF | APIC_ICR_NMI); /* invalid */
    ck_assert_uint_eq(c[0]->s.nmi_pending, 0);
}
END_TEST

START_TEST(a_low_vector_is_an_error_of_the_sender)
{
    apic_write(c[0], APIC_SVR, APIC_SVR_ENABLE | 0xff);
    icr(c[0], TO(1) | 7);
    ck_assert_uint_eq(c[1]->s.ipi_due[7], 0);
    apic_write(c[0], APIC_ESR, 0);
    ck_assert_uint_eq(apic_read(c[0], APIC_ESR), APIC_ESR_SEND_VECTOR);
}
END_TEST

/* ---- INIT ---- */

START_TEST(init_resets_what_the_manual_says)
{
    START(0, SPIN);
    START(1, SPIN);
    run_until(4000);
    c[1]->s.lstar = 0x1234;
    c[1]->s.tsc_adjust = 99;
    c[1]->s.cr0 |= CR0_CD;
    c[1]->s.gpr[REG_RBX] = 7;
    c[1]->s.nmi_pending = c[1]->s.nmi_blocked = 1;
    apic_raise(c[1], VECTOR);
    u64 reset_cycle = c[1]->s.tsc_reset_cycle, before = c[1]->s.count.stall_event;
    icr(c[0], TO(1) | APIC_ICR_INIT);
    run_until(6000);
    ck_assert_uint_eq(c[1]->s.count.stall_event - before, 40); /* C10 */
    ck_assert_uint_eq(c[1]->s.activity, ACTIVITY_WAIT_SIPI);
    ck_assert_uint_eq(c[1]->s.gpr[REG_RBX], 0);
    ck_assert_uint_eq(c[1]->s.cr3, 0);
    ck_assert_uint_eq(c[1]->s.cr0 & (CR0_CD | CR0_WP), CR0_CD);
    ck_assert_uint_eq(c[1]->s.idtr_base, 0);
    ck_assert(c[1]->s.lstar == 0x1234 && c[1]->s.tsc_adjust == 99 && c[1]->s.tsc_reset_cycle == reset_cycle);
    ck_assert_uint_eq(c[1]->s.nmi_pending, 0);
    ck_assert_uint_eq(c[1]->s.apic_reg[APIC_SVR >> 4], 0xff);
    ck_assert_uint_eq(c[1]->s.apic_reg[APIC_ID >> 4], 1u << 24);
    ck_assert_uint_eq(c[1]->s.apic_reg[(APIC_IRR + 0x20) >> 4], 0);
    ck_assert(cache_has(c[1], CACHE_L1I, (BARE_CODE + BARE_PART) >> LINE_SHIFT)); /* caches stay */
    ck_assert_uint_lt(c[1]->s.cycle, 4000 + LATENCY + 300);                       /* and it takes no part */
}
END_TEST

/* Of an INIT and interrupts under way: what comes before it is lost, what comes after is not. */
START_TEST(init_and_interrupts_in_order_of_arrival)
{
    START(0, SPIN);
    START(1, SPIN);
    ck_assert(sys_write_msr(c[1], MSR_APIC_BASE, c[1]->s.apic_base | APIC_BASE_X2APIC));
    run_until(4000);
    c[1]->s.ipi_due[0x51] = c[1]->s.ipi_first_due = 4100;
    c[1]->s.ipi_nmi_due = 4300;
    c[1]->s.ipi_init_due = 4200;
    c[1]->s.cycle = 4400; /* a long atom has just ended */
    c[1]->rt.look_again = 0;
    run_until(5000);
    ck_assert_uint_eq(c[1]->s.activity, ACTIVITY_WAIT_SIPI);
    ck_assert_uint_eq(c[1]->s.ipi_due[0x51], 0);
    ck_assert_uint_eq(c[1]->s.ipi_nmi_due, 4300); /* looked at when the core runs again */
    ck_assert_uint_eq(c[1]->s.apic_reg[APIC_ID >> 4], 1);
    ck_assert_uint_eq(c[1]->s.apic_reg[APIC_LDR >> 4], 2);
}
END_TEST

START_TEST(a_deasserted_init_is_no_init)
{
    apic_write(c[0], APIC_ICR_LOW, APIC_ICR_TO_OTHERS | APIC_ICR_INIT | APIC_ICR_LEVEL);
    ck_assert_uint_eq(c[1]->s.ipi_init_due, 0);
    icr(c[0], APIC_ICR_TO_ALL | APIC_ICR_INIT); /* invalid */
    ck_assert_uint_eq(c[1]->s.ipi_init_due, 0);
    icr(c[0], APIC_ICR_TO_OTHERS | APIC_ICR_INIT);
    ck_assert_uint_eq(c[1]->s.ipi_init_due, LATENCY);
    ck_assert_uint_eq(c[0]->s.ipi_init_due, 0);
}
END_TEST

/* ---- start-up ---- */

enum { ENTRY = 0x7000 };

static void fill_entry(u64 features, u64 rip, u64 cr3, u64 cr0, u64 cr4)
{
    const u64 word[SIPI_ENTRY_WORDS] = {features, rip, cr3, cr0, cr4};
    for (unsigned i = 0; i < SIPI_ENTRY_WORDS; i++)
        bare_set_u64(&b, ENTRY + 8 * i, word[i]);
    ck_assert(sys_write_msr(c[0], MSR_SIPI_ENTRY_STRUCT_PTR, ENTRY));
}

static void good_entry(void)
{
    fill_entry(1, BARE_CODE + BARE_PART, BARE_PML4, c[0]->s.cr0 | CR0_WP, CR4_PAE | CR4_PGE);
}

static void init_and_sipi(void)
{
    START(0, SPIN);
    bare_put(&b, BARE_CODE + BARE_PART, SPIN, 2);
    run_until(4000);
    c[0]->s.cycle = 4000;
    icr(c[0], TO(1) | APIC_ICR_STARTUP | 0x9a);
}

START_TEST(a_core_starts)
{
    watch(RS_PROBE_core_start);
    good_entry();
    init_and_sipi();
    ck_assert_uint_eq(c[1]->s.ipi_sipi_due[0], 4000 + LATENCY);
    run_until(6000);
    ck_assert_uint_eq(seen_count, 1);
    ck_assert_uint_eq(seen[0].core, 1);
    ck_assert_uint_eq(seen[0].field[0], 0x9a);
    ck_assert_uint_eq(seen[0].field[1], BARE_CODE + BARE_PART);
    /* 40 for the event; the structure's line, whose first reader gets it from memory, 180 */
    ck_assert_uint_eq(seen[0].cycle, 4000 + LATENCY + 40 + L2 + MEM);
    ck_assert_uint_eq(c[1]->s.count.stall_event, 40 + L2 + MEM);
    ck_assert_uint_eq(c[1]->s.count.cycles_halted, 4000 + LATENCY);
    ck_assert_uint_eq(c[1]->s.count.stall_serial, 3);
    ck_assert_uint_eq(c[1]->s.rip, BARE_CODE + BARE_PART);
    ck_assert_uint_eq(c[1]->s.cr3, BARE_PML4);
    ck_assert_uint_eq(c[1]->s.cr4, CR4_PAE | CR4_PGE);
    ck_assert(c[1]->s.cr0 & CR0_WP);
    ck_assert_uint_eq(cpl(c[1]), 0);
    ck_assert_uint_gt(c[1]->s.count.insns, 100);
    ck_assert_uint_eq(c[2]->s.activity, ACTIVITY_WAIT_SIPI);
    u64 insns = c[1]->s.count.insns;
    icr(c[0], TO(1) | APIC_ICR_STARTUP); /* it does not wait for one any more */
    run_until(7000);
    ck_assert_uint_gt(c[1]->s.count.insns, insns + 100);
    ck_assert_uint_eq(c[1]->s.ipi_sipi_due[0], 0);
    ck_assert_uint_eq(seen_count, 1);
}
END_TEST

/* The structure that core 0 has just written comes from its caches. */
START_TEST(the_structure_comes_from_the_core_that_wrote_it)
{
    enum rs_hit from;
    good_entry();
    START(0, SPIN);
    cache_read(c[0], ENTRY, &from);
    init_and_sipi();
    run_until(6000);
    ck_assert_uint_eq(c[1]->s.count.stall_event, 40 + L2 + SNOOP);
}
END_TEST

/* What a core had in its TLBs before INIT is dropped at its start, pages that are global as well (C10). */
START_TEST(a_start_drops_translations)
{
    enum { OTHER = 0x610000, ONE = 0x200000, TWO = 0x400000 }; /* two pages, in other tables the other way */
    const u64 table = PTE_P | PTE_W, page = table | PTE_PS;
    START(0, SPIN);
    /* mov ONE, %rax; mov TWO, %rbx; jmp . */
    START(1, "\x48\x8b\x04\x25\x00\x00\x20\x00\x48\x8b\x1c\x25\x00\x00\x40\x00\xeb\xfe");
    c[1]->s.cr4 |= CR4_PGE;
    bare_set_u64(&b, BARE_PML4 + 0x2000 + 8, ONE | page | PTE_G);
    bare_set_u64(&b, OTHER, (OTHER + 0x1000) | table);
    bare_set_u64(&b, OTHER + 0x1000, (OTHER + 0x2000) | table);
    bare_set_u64(&b, OTHER + 0x2000, page);
    bare_set_u64(&b, OTHER + 0x2000 + 8, TWO | page | PTE_G);
    bare_set_u64(&b, OTHER + 0x2000 + 16, ONE | page);
    bare_set_u64(&b, ONE, 1);
    bare_set_u64(&b, TWO, 2);
    run_until(4000);
    ck_assert(c[1]->s.gpr[REG_RAX] == 1 && c[1]->s.gpr[REG_RBX] == 2);
    icr(c[0], TO(1) | APIC_ICR_INIT);
    run_until(6000);
    fill_entry(1, BARE_CODE + BARE_PART, OTHER, c[0]->s.cr0, CR4_PAE | CR4_PGE);
    icr(c[0], TO(1) | APIC_ICR_STARTUP);
    run_until(9000);
    ck_assert_uint_eq(c[1]->s.cr3, OTHER);
    ck_assert_uint_eq(c[1]->s.gpr[REG_RAX], 2);
    ck_assert_uint_eq(c[1]->s.gpr[REG_RBX], 1);
}
END_TEST

START_TEST(a_structure_that_is_switched_off_starts_no_one)
{
    fill_entry(0, BARE_CODE + BARE_PART, BARE_PML4, c[0]->s.cr0, CR4_PAE);
    init_and_sipi();
    run_until(6000);
    ck_assert_uint_eq(c[1]->s.activity, ACTIVITY_WAIT_SIPI);
    ck_assert_uint_eq(c[1]->s.ipi_sipi_due[0], 0);
    ck_assert_uint_eq(b.machine->b.halted, HALT_NONE);
}
END_TEST

START_TEST(a_bad_structure_shuts_down)
{
    u64 cr0 = c[0]->s.cr0, rip = BARE_CODE;
    const u64 bad[][SIPI_ENTRY_WORDS] = {
        {3, rip, BARE_PML4, cr0, CR4_PAE},
        {1, (u64)1 << 60, BARE_PML4, cr0, CR4_PAE},
        {1, rip, (u64)1 << PHYS_BITS, cr0, CR4_PAE},
        {1, rip, BARE_PML4, cr0 & ~(u64)CR0_PG, CR4_PAE},
        {1, rip, BARE_PML4, cr0 | (u64)1 << 32, CR4_PAE},
        {1, rip, BARE_PML4, cr0 | CR0_NW, CR4_PAE},
        {1, rip, BARE_PML4, cr0, 0},
        {1, rip, BARE_PML4, cr0, CR4_PAE | CR4_LA57},
        {1, rip, BARE_PML4 | 8, cr0, CR4_PAE | CR4_PCIDE},
    };
    fill_entry(bad[_i][0], bad[_i][1], bad[_i][2], bad[_i][3], bad[_i][4]);
    init_and_sipi();
    run_until(6000);
    ck_assert_uint_eq(b.machine->b.halted, HALT_STARTUP);
    ck_assert_uint_eq(b.machine->b.halt_core, 1);
    ck_assert(strstr(rs_halt_text(b.machine), "0x7000") != NULL);
}
END_TEST

START_TEST(the_pointer_is_one_for_all)
{
    u64 value = 1;
    ck_assert(!sys_write_msr(c[0], MSR_SIPI_ENTRY_STRUCT_PTR, 4));
    ck_assert(!sys_write_msr(c[0], MSR_SIPI_ENTRY_STRUCT_PTR, (u64)1 << PHYS_BITS));
    ck_assert(sys_read_msr(c[2], MSR_SIPI_ENTRY_STRUCT_PTR, &value) && value == 0);
    ck_assert(sys_write_msr(c[3], MSR_SIPI_ENTRY_STRUCT_PTR, 0x5008));
    ck_assert(sys_read_msr(c[2], MSR_SIPI_ENTRY_STRUCT_PTR, &value) && value == 0x5008);
}
END_TEST

START_TEST(each_core_says_who_it_is)
{
    u32 r[4];
    for (u32 i = 0; i < CORES; i++) {
        sys_cpuid(c[i], 1, 0, r);
        ck_assert_uint_eq(r[1] >> 24, i);
        ck_assert_uint_eq(r[1] >> 16 & 0xff, CORES);
        ck_assert(r[3] & CPUID_1_EDX_HTT);
        sys_cpuid(c[i], 0xb, 1, r);
        ck_assert(r[0] == 2 && r[1] == CORES && r[3] == i);
        sys_cpuid(c[i], 4, 0, r);
        ck_assert_uint_eq(r[0] >> 26, CORES - 1);
        sys_cpuid(c[i], 7, 0, r);
        ck_assert_uint_eq(r[0], 1);
        sys_cpuid(c[i], 7, 1, r);
        ck_assert_uint_eq(r[2], CPUID_7_1_ECX_SIPI64);
        ck_assert_uint_eq(!!(c[i]->s.apic_base & APIC_BASE_BSP), i == 0);
    }
}
END_TEST

/* ---- reset and power ---- */

START_TEST(reset_puts_the_others_back_to_waiting)
{
    for (u32 i = 0; i < CORES; i++)
        START(i, SPIN);
    run_until(5000);
    c[2]->s.cycle = 9000;
    icr(c[0], TO(1) | VECTOR);
    ck_assert(sys_write_msr(c[0], MSR_SIPI_ENTRY_STRUCT_PTR, 0x7000));
    rs_reset(b.machine);
    for (u32 i = 0; i < CORES; i++) {
        ck_assert_uint_eq(c[i]->s.activity, i ? ACTIVITY_WAIT_SIPI : ACTIVITY_ACTIVE);
        ck_assert_uint_eq(c[i]->s.cycle, 9000);
        ck_assert_uint_eq(tsc_now(c[i]), 0);
        ck_assert(!c[i]->s.ipi_due[VECTOR] && !c[i]->s.ipi_first_due);
    }
    ck_assert_uint_eq(b.machine->b.sipi_entry_struct, 0);
    rs_power_cycle(b.machine);
    for (u32 i = 0; i < CORES; i++)
        ck_assert_uint_eq(c[i]->s.cycle, 9000);
}
END_TEST

START_TEST(numbers_of_cores)
{
    struct rs_config config;
    struct rs_error err;
    rs_config_init(&config);
    rs_world *w = rs_world_new();
    config.cores = 0;
    ck_assert_ptr_null(rs_machine_new(w, &config, &err));
    config.cores = 9;
    ck_assert_ptr_null(rs_machine_new(w, &config, &err));
    ck_assert(strstr(err.text, "1 to 8") != NULL);
    config.cores = 8;
    rs_machine *m = rs_machine_new(w, &config, &err);
    ck_assert_uint_eq(rs_cores(m), 8);
    rs_world_free(w);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cores");
    TCase *t = tcase_create("cores");
    tcase_add_checked_fixture(t, set_up, tear_down);
    const TTest *const tests[] = {
        atoms_run_by_start_and_number,
        a_tie_goes_to_the_lower_number,
        cores_that_were_not_started_take_no_part,
        runs_end_at_a_cycle_of_the_machine,
        one_core_in_hlt_does_not_stop_the_others,
        an_event_that_wakes_no_one,
        waits_end_in_their_turn,
        a_run_gives_way_to_whom_it_wakes,
        two_of_a_vector_are_one,
        destinations_of_xapic,
        destinations_of_x2apic,
        lowest_priority_takes_one,
        nmi_goes_to_another_core,
        a_low_vector_is_an_error_of_the_sender,
        init_resets_what_the_manual_says,
        init_and_interrupts_in_order_of_arrival,
        a_deasserted_init_is_no_init,
        a_core_starts,
        the_structure_comes_from_the_core_that_wrote_it,
        a_start_drops_translations,
        a_structure_that_is_switched_off_starts_no_one,
        the_pointer_is_one_for_all,
        each_core_says_who_it_is,
        reset_puts_the_others_back_to_waiting,
        numbers_of_cores,
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(t, tests[i]);
    tcase_add_loop_test(t, an_interrupt_arrives_after_its_latency, 0, 2);
    tcase_add_loop_test(t, a_bad_structure_shuts_down, 0, 9);
    suite_add_tcase(s, t);
    return suite_run(s);
}
