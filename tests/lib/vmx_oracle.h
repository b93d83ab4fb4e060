/* vmx_oracle.h - may a VMCS be entered?  SDM vol. 3, 26.2 and 26.3, written a second time: from the manual,
 * with the capability MSRs, and without a look at the machine's own rules. */
#ifndef TESTS_LIB_VMX_ORACLE_H
#define TESTS_LIB_VMX_ORACLE_H

#include "cpu/vmcs.h"

/* A VMCS as it was before the entry, and what the processor says that it can do. */
struct oracle {
    u8 region[VMCS_BYTES];
    u64 hpa;
    u64 cap[5]; /* pin, processor-based, secondary, exit, entry: the TRUE capability MSRs */
    u64 cr0_fixed[2], cr4_fixed[2], misc, functions;
    u32 link_head; /* the first four bytes of the region that the link pointer names; ones: there is none */
    u64 vtpr;      /* bits 7:0 of the virtual-APIC page's TPR */
    bool nx;
};

/* Takes a picture of the current VMCS. */
void oracle_look(struct oracle *o, struct core *c);

u64 oracle_field(const struct oracle *o, enum vmcs_slot slot);
#define ORACLE(o, ID) oracle_field((o), SLOT_##ID)

/* The processor offers no control that has rules of its own which this oracle does not have. */
bool oracle_knows_all(const struct oracle *o);

/* NULL, or the first thing that is wrong. */
const char *oracle_controls(const struct oracle *o);
const char *oracle_injection(const struct oracle *o); /* of the controls, what is about the injected event */
const char *oracle_host(const struct oracle *o);
const char *oracle_guest(const struct oracle *o);

#endif
