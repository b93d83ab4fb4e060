/* message.h - interrupts that the board sends to local APICs (SDM vol. 3, 10.11 "Message Signalled
 * Interrupts"). */
#ifndef RINGSIDE_CPU_MESSAGE_H
#define RINGSIDE_CPU_MESSAGE_H

#include "machine.h"

struct message {
    u32 destination; /* APIC ID, or logical destination */
    u32 broadcast;   /* the destination that means all */
    bool logical;
    bool lowest;  /* redirection hint: the one of lowest priority among those named */
    bool level;   /* its EOI goes to the board */
    u64 delivery; /* as in ICR: APIC_ICR_FIXED, ... */
    u8 vector;
};

/* What a write of `data` to the address says, in the compatibility format (10.11.1 and 10.11.2). */
struct message message_of(u64 address, u32 data);

/* Arrives at the local APICs that it names at cycle `arrival` (rule D5).  Delivery modes that the manual
 * reserves, and SMI and ExtINT, go nowhere. */
void message_send(struct machine *m, const struct message *message, u64 arrival);

#endif
