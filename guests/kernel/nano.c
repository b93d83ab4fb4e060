/* nano.c - the nanobenchmarks of ring 0.  Each runs between mark 1 and mark 2; what it prepares lies outside.
 */
#include "kernel/nano.h"

#include "arch/board.h"
#include "arch/insn.h"
#include "kernel/memory.h"
#include "kernel/timer.h"
#include "kernel/trap.h"
#include "lib/mark.h"

#define SCRATCH   0x5a
#define ENTRIES   512 /* of the page table that ptemod writes: one page of RAM, mapped that often */
#define RELOADED  16  /* of them that are in use while CR3 is loaded: as many as a small process has */
#define NANO_VA   UINT64_C(0xffffffffc0000000)
#define TABLES    16                            /* of one page each, behind that table */
#define NOT_THERE (NANO_VA + PAGE_2M + PAGE_4K) /* in the first of them */

enum {
#define N(number, name, ring, what) NANO_##name = number,
#include "kernel/nano.def"
#undef N
};

#define TURNS_MAX (UINT64_C(1) << 24) /* nobody else has a turn meanwhile */

static uint64_t faults;

/* ---- ports and registers ---- */

static uint64_t in(uint64_t n)
{
    uint64_t sum = 0;

    out8(PORT_CONSOLE + UART_SCR, SCRATCH);
    mark(1, NANO_in, n);
    for (uint64_t i = 0; i < n; i++)
        sum += in8(PORT_CONSOLE + UART_SCR);
    mark(2, NANO_in, n);
    return sum;
}

static uint64_t cr8wr(uint64_t n)
{
    uint64_t cr8;

    mark(1, NANO_cr8wr, n);
    for (uint64_t i = 0; i < n; i++)
        __asm__ volatile("movq %0, %%cr8" : : "r"(i & 1));
    mark(2, NANO_cr8wr, n);
    __asm__ volatile("movq %%cr8, %0" : "=r"(cr8));
    __asm__ volatile("movq %0, %%cr8" : : "r"(UINT64_C(0)));
    return cr8;
}

static uint64_t cr3wr(uint64_t n)
{
    uint64_t cr3 = read_cr3();

    write_cr3(cr3); /* the first has done what earlier changes have left to do */
    mark(1, NANO_cr3wr, n);
    for (uint64_t i = 0; i < n; i++)
        write_cr3(cr3);
    mark(2, NANO_cr3wr, n);
    return read_cr3() == cr3;
}

/* ---- exceptions: the instruction is followed by the label whose address is in RBX ---- */

static void step_over(struct trap_frame *frame)
{
    faults++;
    frame->rip = frame->rbx;
}

static void load_absent(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        __asm__ volatile("leaq 1f(%%rip), %%rbx\n\tmovb (%0), %%al\n1:"
                         :
                         : "r"(NOT_THERE)
                         : "rax", "rbx", "memory");
}

static void divide_by_zero(uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        __asm__ volatile("leaq 1f(%%rip), %%rbx\n\tdivl %0\n1:"
                         :
                         : "r"(0)
                         : "rax", "rbx", "rdx", "cc", "memory");
}

static uint64_t exceptions(unsigned which, void run(uint64_t n), uint64_t n)
{
    kernel_trap_hook = step_over;
    faults = 0;
    mark(1, which, n);
    run(n);
    mark(2, which, n);
    kernel_trap_hook = NULL;
    return faults;
}

/* The page is missing, its table is not: as with most that a program touches. */
static int64_t page_faults(uint64_t n)
{
    if (!tables_entry(read_cr3() & CR3_ADDR, NOT_THERE, PAGE_4K))
        return -1;
    return (int64_t)exceptions(NANO_pgfault, load_absent, n);
}

/* ---- page-table entries ---- */

static uint64_t *nano_table(uint64_t pml4, uint64_t page)
{
    for (uint64_t i = 0; i < ENTRIES; i++) {
        uint64_t *entry = tables_entry(pml4, NANO_VA + i * PAGE_4K, PAGE_4K);

        if (!entry)
            return NULL;
        *entry = page | PTE_P | PTE_W | tables_no_execute();
    }
    return tables_find(pml4, NANO_VA);
}

static uint64_t load(uint64_t i)
{
    return *(volatile uint64_t *)(NANO_VA + i * PAGE_4K);
}

/* Reads through what the first n entries map, so that whoever keeps copies of them has them. */
static uint64_t touch(const volatile uint64_t *table, uint64_t n)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < n; i++)
        if (table[i] & PTE_P)
            sum += load(i);
    return sum;
}

static void set(volatile uint64_t *table, uint64_t n, uint64_t value)
{
    for (uint64_t i = 0; i < n; i++)
        table[i] = value;
    write_cr3(read_cr3());
}

/* The turns: entry i becomes `value`, and that takes effect as the row says. */
static void write_entries(unsigned which, volatile uint64_t *table, uint64_t n, uint64_t value, uint64_t cr3)
{
    bool reload = which == NANO_pte_reload || which == NANO_pte_wide || which == NANO_pte_change;

    if (which == NANO_pte_unmap)
        for (uint64_t i = 0; i < n; i++) {
            table[i] = value;
            invlpg(NANO_VA + i * PAGE_4K);
        }
    else if (reload)
        for (uint64_t i = 0; i < n; i++) {
            table[i] = value;
            write_cr3(cr3);
        }
    else
        for (uint64_t i = 0; i < n; i++)
            table[i] = value;
}

/* A round writes each entry once at most; between rounds, outside the marks, they become what they were. */
static uint64_t ptemod(unsigned which, volatile uint64_t *table, uint64_t page, uint64_t n)
{
    uint64_t on = page | PTE_P | PTE_W | PTE_A | tables_no_execute(), off = on & ~(uint64_t)PTE_P;
    bool cleared = which == NANO_pte_clear || which == NANO_pte_unmap || which == NANO_pte_change;
    uint64_t before = which == NANO_pte_set ? off : on, after = cleared ? off : on, sum = 0, turns;
    uint64_t limit = which == NANO_pte_reload || which == NANO_pte_change ? RELOADED : ENTRIES;
    uint64_t cr3 = read_cr3(); /* here: a VM may exit for it */

    for (; n > 0; n -= turns) {
        turns = n < limit ? n : limit;
        set(table, turns, before);
        touch(table, which == NANO_pte_wide ? ENTRIES : turns);
        mark(1, which, turns);
        write_entries(which, table, turns, after, cr3);
        mark(2, which, turns);
        write_cr3(cr3);
        sum += touch(table, turns);
    }
    return sum;
}

/* The copies of the entries go when these do; they become present again before the marks. */
static uint64_t first_loads(volatile uint64_t *table, uint64_t page, uint64_t n)
{
    uint64_t on = page | PTE_P | PTE_W | tables_no_execute(), sum = 0, turns;

    for (; n > 0; n -= turns) {
        turns = n < ENTRIES ? n : ENTRIES;
        set(table, turns, 0);
        set(table, turns, on);
        mark(1, NANO_pte_first, turns);
        for (uint64_t i = 0; i < turns; i++)
            sum += load(i);
        mark(2, NANO_pte_first, turns);
    }
    return sum;
}

/* ---- page tables ---- */

/* The entry that leads to the page table of va. */
static uint64_t *table_entry(uint64_t pml4, uint64_t va)
{
    const uint64_t *top = direct(pml4), *next = direct(top[va >> 39 & (ENTRIES - 1)] & PTE_ADDR);

    return (uint64_t *)direct(next[va >> 30 & (ENTRIES - 1)] & PTE_ADDR) + (va >> 21 & (ENTRIES - 1));
}

static uint64_t load_through(uint64_t n)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < n; i++)
        sum += *(volatile uint64_t *)(NANO_VA + (i + 1) * PAGE_2M);
    return sum;
}

/* A round: the tables are taken out, written to, put back, and used.  Those who keep copies of tables have no
 * use for the old ones by then. */
static uint64_t tables_round(unsigned which, uint64_t pml4, uint64_t n, uint64_t *const first[TABLES])
{
    volatile uint64_t *upper = table_entry(pml4, NANO_VA + PAGE_2M);
    uint64_t held[TABLES], entry = *first[0], cr3 = read_cr3(), sum;

    for (uint64_t i = 0; i < n; i++) {
        held[i] = upper[i];
        upper[i] = 0;
    }
    write_cr3(cr3);
    if (which == NANO_tab_reuse)
        mark(1, which, n);
    for (uint64_t i = 0; i < n; i++)
        *(volatile uint64_t *)first[i] = entry;
    if (which == NANO_tab_reuse)
        mark(2, which, n);
    for (uint64_t i = 0; i < n; i++)
        upper[i] = held[i];
    write_cr3(cr3);
    if (which == NANO_tab_first)
        mark(1, which, n);
    sum = load_through(n);
    if (which == NANO_tab_first)
        mark(2, which, n);
    return sum;
}

static int64_t with_tables(unsigned which, uint64_t pml4, uint64_t page, uint64_t n)
{
    uint64_t *first[TABLES], sum = 0, turns;

    for (uint64_t i = 0; i < TABLES; i++) {
        first[i] = tables_entry(pml4, NANO_VA + (i + 1) * PAGE_2M, PAGE_4K);
        if (!first[i])
            return -1;
        *first[i] = page | PTE_P | PTE_W | PTE_A | tables_no_execute();
    }
    write_cr3(read_cr3());
    load_through(TABLES);
    for (; n > 0; n -= turns) {
        turns = n < TABLES ? n : TABLES;
        sum += tables_round(which, pml4, turns, first);
    }
    return (int64_t)sum;
}

/* The page that all entries map holds 1: the check is how many were present. */
static int64_t with_table(unsigned which, uint64_t n)
{
    static uint64_t page; /* and the table stay: later runs find them */
    uint64_t pml4 = read_cr3() & CR3_ADDR, *table;

    if (!page && !(page = page_new(PAGE_4K)))
        return -1;
    *(uint64_t *)direct(page) = 1;
    table = nano_table(pml4, page);
    if (!table)
        return -1;
    if (which == NANO_tab_first || which == NANO_tab_reuse)
        return with_tables(which, pml4, page, n);
    if (which == NANO_pte_first)
        return (int64_t)first_loads(table, page, n);
    return (int64_t)ptemod(which, table, page, n);
}

static int64_t run(unsigned which, uint64_t n)
{
    switch (which) {
    case NANO_in: return (int64_t)in(n);
    case NANO_cr8wr: return (int64_t)cr8wr(n);
    case NANO_cr3wr: return (int64_t)cr3wr(n);
    case NANO_pgfault: return page_faults(n);
    case NANO_divzero: return (int64_t)exceptions(which, divide_by_zero, n);
    case NANO_pte_same:
    case NANO_pte_clear:
    case NANO_pte_set:
    case NANO_pte_first:
    case NANO_pte_unmap:
    case NANO_pte_reload:
    case NANO_pte_wide:
    case NANO_pte_change:
    case NANO_tab_first:
    case NANO_tab_reuse: return with_table(which, n);
    default: return -1;
    }
}

/* In a VM an interrupt that waits until the kernel will take it makes every exit longer: one that does is
 * taken before, and then there is none. */
int64_t nano_run(unsigned which, uint64_t n)
{
    int64_t result;

    if (n > TURNS_MAX)
        return -1;
    timer_hold(true);
    __asm__ volatile("sti\n\tnop\n\tcli" : : : "memory");
    result = run(which, n);
    timer_hold(false);
    return result;
}
