/* process.c - processes and turns.
 *
 * The scheduler has the stack that the kernel started with; each process has one of its own, at whose top
 * lies the frame of its last system call or trap.  The kernel runs with interrupts off, so nothing here needs
 * a lock. */
#include "kernel/process.h"

#include "arch/insn.h"
#include "kernel/clock.h"
#include "kernel/device.h"
#include "kernel/exec.h"
#include "kernel/file.h"
#include "kernel/fs.h"
#include "kernel/memory.h"
#include "kernel/panic.h"
#include "kernel/segments.h"
#include "lib/end_run.h"
#include "lib/string.h"

#define STACK_BYTES     8192
#define SAVED_REGISTERS 6 /* by switch_stacks() */

struct process *current;

static struct process table[PROCESSES];
static uint8_t stacks[PROCESSES][STACK_BYTES] __attribute__((aligned(16)));
static uint64_t scheduler_rsp;
static int last_id;
static uint64_t soonest = CLOCK_NEVER; /* no deadline is before it */

void switch_stacks(uint64_t *save_rsp, uint64_t rsp); /* syscall_entry.S */
void syscall_return(void);

static uint64_t stack_top(const struct process *p)
{
    return (uint64_t)stacks[p - table] + STACK_BYTES;
}

/* A process whose first turn begins with the way out of a system call. */
static struct process *new_process(void)
{
    for (struct process *p = table; p < table + PROCESSES; p++) {
        uint64_t *stack;

        if (p->state != FREE)
            continue;
        *p = (struct process){.state = READY, .id = ++last_id, .parent = current};
        p->frame = (struct trap_frame *)stack_top(p) - 1;
        stack = (uint64_t *)p->frame - 1;
        *stack = (uint64_t)syscall_return;
        p->rsp = (uint64_t)(stack - SAVED_REGISTERS);
        return p;
    }
    return NULL;
}

/* ---- turns ---- */

static struct process *next_ready(struct process *after)
{
    for (unsigned i = 0; i < PROCESSES; i++) {
        if (++after == table + PROCESSES)
            after = table;
        if (after->state == READY)
            return after;
    }
    return NULL;
}

static bool any_waits_for_device(void)
{
    for (const struct process *p = table; p < table + PROCESSES; p++)
        if (p->state == WAITING && p->deadline)
            return true;
    return false;
}

/* Whoever waits for input is ready all the time. */
static struct process *wait_for_next(struct process *after)
{
    struct process *p;

    while (!(p = next_ready(after))) {
        if (!any_waits_for_device())
            panic("every process waits for another");
        device_wait();
        process_tick();
    }
    return p;
}

static _Noreturn void schedule(void)
{
    for (struct process *p = table;;) {
        p = wait_for_next(p);
        p->state = RUNNING;
        current = p;
        segments_set_kernel_stack(stack_top(p));
        tables_load(p->space.pml4);
        switch_stacks(&scheduler_rsp, p->rsp);
    }
}

static void end_turn(enum process_state state)
{
    current->state = state;
    switch_stacks(&current->rsp, scheduler_rsp);
}

void process_yield(void)
{
    end_turn(READY);
}

bool process_others_ready(void)
{
    return next_ready(current) != NULL;
}

static void wait_for(const void *what, uint64_t deadline)
{
    if (current->killed)
        return;
    current->waits_for = what;
    current->deadline = deadline;
    if (deadline && deadline < soonest)
        soonest = deadline;
    end_turn(WAITING);
}

void process_wait_for(const void *what)
{
    wait_for(what, 0);
}

void process_wait_until(const void *what, uint64_t deadline)
{
    wait_for(what, deadline);
}

void process_tick(void)
{
    uint64_t now;

    if (soonest == CLOCK_NEVER || (now = clock_ns()) < soonest)
        return;
    soonest = CLOCK_NEVER;
    for (struct process *p = table; p < table + PROCESSES; p++)
        if (p->state == WAITING && p->deadline && p->deadline <= now)
            p->state = READY;
        else if (p->state == WAITING && p->deadline && p->deadline < soonest)
            soonest = p->deadline;
}

void process_wake(const void *what)
{
    for (struct process *p = table; p < table + PROCESSES; p++)
        if (p->state == WAITING && p->waits_for == what)
            p->state = READY;
}

/* ---- life and death ---- */

int process_fork(void)
{
    struct process *child = new_process();

    if (!child)
        return -1;
    if (!space_copy(&child->space, &current->space)) {
        child->state = FREE;
        return -1;
    }
    *child->frame = *current->frame;
    child->frame->rax = 0;
    memcpy(child->name, current->name, sizeof child->name);
    for (unsigned i = 0; i < FILES; i++)
        child->file[i] = file_hold(current->file[i]);
    return child->id;
}

void process_exit(int status)
{
    if (current == table) {
        fs_end();
        end_run((uint32_t)status);
    }
    for (unsigned i = 0; i < FILES; i++)
        file_close(current->file[i]);
    for (struct process *p = table; p < table + PROCESSES; p++)
        if (p->parent == current)
            p->parent = table; /* process 1 waits for all that have nobody else */
    current->status = status;
    process_wake(current->parent);
    process_wake(table);
    end_turn(ENDED);
    panic("a process that has ended had a turn");
}

void process_end_if_killed(void)
{
    if (current->killed)
        process_exit(STATUS_KILLED);
}

static int reap(struct process *child, int *status)
{
    *status = child->status;
    space_free(&child->space);
    child->state = FREE;
    return child->id;
}

int process_wait(int *status)
{
    for (;;) {
        bool any = false;

        for (struct process *p = table; p < table + PROCESSES; p++)
            if (p->state != FREE && p->parent == current && p != current) {
                if (p->state == ENDED)
                    return reap(p, status);
                any = true;
            }
        if (!any || current->killed)
            return -1;
        process_wait_for(current);
    }
}

int process_kill(int id)
{
    for (struct process *p = table; p < table + PROCESSES; p++)
        if (p->state != FREE && p->state != ENDED && p->id == id) {
            p->killed = true;
            if (p->state == WAITING)
                p->state = READY;
            return 0;
        }
    return -1;
}

/* ---- the first ---- */

static void exec_shell(const char *command_line)
{
    struct arguments args = {0};

    exec_add_argument(&args, "sh");
    if (*command_line) {
        exec_add_argument(&args, "-c");
        exec_add_argument(&args, command_line);
    }
    if (exec_image(&args) < 0)
        panic("no shell that could be started");
}

void process_run(const char *command_line)
{
    current = new_process();
    current->parent = current;
    if (!space_new(&current->space))
        panic("no memory for process 1");
    for (unsigned i = 0; i < 3; i++)
        current->file[i] = file_console();
    exec_shell(command_line);
    schedule();
}
