/* trap.c - exceptions and interrupts: page faults of processes are what their memory is made by, the timer
 * and devices end turns, and any other exception ends the process. */
#include "kernel/trap.h"

#include "arch/insn.h"
#include "kernel/device.h"
#include "kernel/panic.h"
#include "kernel/process.h"
#include "kernel/segments.h"
#include "kernel/timer.h"
#include "lib/print.h"

#define IST_OF_DF 1

trap_hook *kernel_trap_hook;

static struct gate64 idt[TRAP_VECTORS];

void syscall_entry(void); /* syscall_entry.S */

static void load_idt(void)
{
    struct {
        uint16_t pad[3], limit;
        uint64_t base;
    } idtr = {.limit = sizeof idt - 1, .base = (uint64_t)idt};

    for (unsigned v = 0; v < TRAP_VECTORS; v++)
        idt[v] = trap_gate(v, v == VEC_DF || v == VEC_NMI ? IST_OF_DF : 0);
    __asm__ volatile("lidt %0" : : "m"(idtr.limit), "m"(idtr.base));
}

/* SDM vol. 3, 5.8.8 "Fast System Calls in 64-Bit Mode". */
static void enable_syscall(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    wrmsr(MSR_STAR, (uint64_t)SEL_SYSRET_BASE << 48 | (uint64_t)SEL_KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_FMASK, FLAG_IF | FLAG_TF | FLAG_DF | FLAG_AC | FLAG_NT);
}

void trap_init(void)
{
    load_idt();
    enable_syscall();
}

static _Noreturn void panic_on(const struct trap_frame *frame)
{
    print("kernel: unexpected %s at 0x%lx, error code 0x%lx, cr2 0x%lx\n", trap_name(frame->vector),
          frame->rip, frame->error, read_cr2());
    panic("an exception of its own");
}

/* The timer's, a device's, or one that is nobody's; false: it is an exception. */
static bool interrupt(uint64_t vector)
{
    if (vector == VECTOR_TIMER) {
        timer_acknowledge();
        device_poll();
        process_tick();
        return true;
    }
    return vector == VECTOR_SPURIOUS || device_interrupt(vector);
}

/* Interrupts of the kernel come while it waits for one. */
static void of_kernel(struct trap_frame *frame)
{
    if (interrupt(frame->vector))
        return;
    if (kernel_trap_hook)
        kernel_trap_hook(frame);
    else
        panic_on(frame);
}

static void page_fault(const struct trap_frame *frame)
{
    uint64_t va = read_cr2();
    enum fault_result result = space_fault(&current->space, va, frame->error & (PF_W | PF_I));

    if (result == FAULT_DONE)
        return;
    if (result == FAULT_NO_MEMORY)
        print("%s: killed, since there is no memory left\n", current->name);
    else
        print("%s: killed by #PF, address 0x%lx\n", current->name, va);
    current->killed = true;
}

static void of_process(const struct trap_frame *frame)
{
    if (frame->vector == VEC_PF) {
        page_fault(frame);
    } else if (interrupt(frame->vector)) {
        process_yield(); /* also to those who have waited for a device */
    } else {
        print("%s: killed by %s\n", current->name, trap_name(frame->vector));
        current->killed = true;
    }
}

void trap_dispatch(struct trap_frame *frame)
{
    if ((frame->cs & SELECTOR_RPL) == 0) {
        of_kernel(frame);
        return;
    }
    of_process(frame);
    process_end_if_killed();
}
