#include "vtx/lib/guest.h"

#include "arch/insn.h"
#include "lib/string.h"
#include "vtx/lib/check.h"
#include "vtx/lib/instructions.h"
#include "vtx/lib/world.h"

#define STACK_BYTES  8192
#define VMCALL_BYTES 3

volatile uint64_t seen[4];
uint64_t guest_registers[16];
struct event event;
volatile bool guest_is_running;

static bool launched;
static uint8_t stack[STACK_BYTES] __attribute__((aligned(16)));

uint64_t guest_enter(uint64_t *registers, uint64_t resume); /* switch.S */
extern const char guest_return[];

void guest_reset(void)
{
    memset(guest_registers, 0, sizeof guest_registers);
    memset(stack, 0, sizeof stack);
    event = (struct event){0};
    launched = false;
    for (unsigned i = 0; i < sizeof seen / sizeof *seen; i++)
        seen[i] = 0;
}

void guest_at(void (*fn)(void))
{
    uint64_t *top = (uint64_t *)(void *)(stack + STACK_BYTES) - 1;

    *top = (uint64_t)guest_return;
    vmwrite(VMCS_GUEST_RSP, (uint64_t)top);
    vmwrite(VMCS_GUEST_RIP, (uint64_t)fn);
}

void guest_at_ring3(void (*fn)(void))
{
    guest_at(fn);
    vmwrite(VMCS_GUEST_CS_SELECTOR, SEL_USER_CODE);
    vmwrite(VMCS_GUEST_CS_ACCESS_RIGHTS, SEG_ATTR_CODE64 | AR_DPL);
    vmwrite(VMCS_GUEST_SS_SELECTOR, SEL_USER_DATA);
    vmwrite(VMCS_GUEST_SS_ACCESS_RIGHTS, SEG_ATTR_DATA | AR_DPL);
}

/* ---- in non-root operation ---- */

void guest_trap(struct trap_frame *frame)
{
    event.count++;
    event.vector = frame->vector;
    event.error = frame->error;
    event.cr2 = read_cr2();
    event.dr6 = read_dr6();
    event.rflags = frame->rflags;
    event.rip = frame->rip;
    event.rsp = frame->rsp;
    event.frame = frame;
    __asm__ volatile("vmcall" : : "a"(GUEST_EVENT) : "memory");
}

void event_skips(unsigned bytes)
{
    event.frame->rip += bytes;
}

/* ---- entries ---- */

uint64_t guest_try(void)
{
    uint64_t flags;

    guest_is_running = true;
    flags = guest_enter(guest_registers, launched);
    guest_is_running = false;
    if (!flags && !(vmread(VMCS_EXIT_REASON) & EXIT_ENTRY_FAILURE))
        launched = true;
    return flags & FLAGS_STATUS;
}

static const char *reason_name(uint64_t reason)
{
    switch (reason & 0xffff) {
/* clang-format off */
#define EXIT_REASON(ID, number, name) case number: return name;
#include "arch/exit_reasons.def"
        /* clang-format on */
    default: return "an unknown reason";
    }
}

/* Nothing of where the image lies: other machines' lines are compared with it. */
static void print_exit(void)
{
    uint64_t reason = vmread(VMCS_EXIT_REASON), qualification = vmread(VMCS_EXIT_QUALIFICATION);

    if (reason == EXIT_EXCEPTION_NMI)
        print("the exit is of %s (qualification 0x%lx)", trap_name(vmread(VMCS_EXIT_INTR_INFO) & INTR_VECTOR),
              qualification);
    else if (reason == EXIT_VMCALL && guest_registers[REG_RAX] == GUEST_DONE)
        print("the guest runs to its end");
    else if (reason == EXIT_VMCALL && guest_registers[REG_RAX] == GUEST_EVENT)
        print("%s is delivered to the guest",
              event.vector < VEC_EXTERNAL_MIN ? trap_name(event.vector) : "an interrupt");
    else
        print("the exit is \"%s\" (0x%lx, qualification 0x%lx)", reason_name(reason), reason, qualification);
}

static _Noreturn void fail_exit(const char *want)
{
    test_fails();
    print_exit();
    print(", must be \"%s\"", want);
    test_over(FAILED);
}

static void enter(void)
{
    uint64_t flags = guest_try();

    if (flags == FAIL_VALID)
        FAIL("VM entry fails with error %u", (unsigned)vmread(VMCS_INSTRUCTION_ERROR));
    if (flags)
        FAIL("VM entry ends with flags 0x%lx", flags);
}

static void expect_reason(uint32_t reason, const char *want)
{
    enter();
    if (vmread(VMCS_EXIT_REASON) != reason)
        fail_exit(want);
}

void expect_exit(uint32_t reason)
{
    expect_reason(reason, reason_name(reason));
}

static void expect_vmcall(uint64_t rax, const char *want)
{
    expect_reason(EXIT_VMCALL, want);
    if (guest_registers[REG_RAX] != rax)
        fail_exit(want);
    vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + VMCALL_BYTES);
}

void expect_done(void)
{
    expect_vmcall(GUEST_DONE, "the end of the guest's function");
}

void expect_event(uint64_t vector)
{
    unsigned before = event.count;

    expect_vmcall(GUEST_EVENT, "an event of the guest");
    check_eq("the vector of the guest's event", event.vector, vector);
    check_eq("the count of the guest's events", event.count, before + 1);
}

void expect_exception(uint64_t vector)
{
    expect_reason(EXIT_EXCEPTION_NMI, trap_name(vector));
    if ((vmread(VMCS_EXIT_INTR_INFO) & (INTR_VALID | INTR_VECTOR)) != (INTR_VALID | vector))
        fail_exit(trap_name(vector));
}

void expect_entry_error(enum vmx_error error)
{
    uint64_t flags = guest_try();

    if (!flags)
        FAIL("VM entry does not fail, its exit is \"%s\" (0x%lx)", reason_name(vmread(VMCS_EXIT_REASON)),
             vmread(VMCS_EXIT_REASON));
    expect_fail_valid(flags, error);
}

void expect_entry_failure(uint32_t reason, uint64_t qualification)
{
    expect_reason(reason | EXIT_ENTRY_FAILURE, reason_name(reason));
    check_field(VMCS_EXIT_QUALIFICATION, qualification);
}

void guest_skip(void)
{
    vmwrite(VMCS_GUEST_RIP, vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_INSN_LENGTH));
}

void run_to_exit(void (*fn)(void), uint32_t reason)
{
    guest_at(fn);
    expect_exit(reason);
}

void run_to_done(void (*fn)(void))
{
    guest_at(fn);
    expect_done();
}

void run_to_instruction(void (*fn)(void), uint32_t reason, unsigned bytes)
{
    run_to_exit(fn, reason);
    check_field(VMCS_EXIT_INSN_LENGTH, bytes);
}
