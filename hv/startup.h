/* startup.h - the other virtual CPUs of a VM: INIT, and the 64-bit start-up IPI (docs/machine.md, "Start of
 * the other cores"). */
#ifndef HV_STARTUP_H
#define HV_STARTUP_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

struct startup {
    bool waits; /* for a start-up IPI: all others but the first one do so when the VM starts */
    bool begin; /* one has come; the core that runs it next sees to it, since its VMCS must be current */
};

/* The VM offers start-up IPIs, and its MSR IA32_SIPI_ENTRY_STRUCT_PTR: it has something to start. */
bool startup_offered(const struct vcpu *v);
/* False: #GP(0). */
bool startup_write_msr(struct vcpu *v, uint64_t value);

/* What arrives at v, wherever it is. */
void startup_init(struct vcpu *v);
void startup_ipi(struct vcpu *v);

/* Waits, and need not be run. */
static inline bool startup_idle(const struct startup *s)
{
    return s->waits && !s->begin;
}

/* v, whose VMCS is current, has got a start-up IPI: its registers are set for its first instruction. */
void startup_begin(struct vcpu *v);

#endif
