/* message.c - see message.h. */
#include "cpu/message.h"

#include "arch/apic.h"
#include "arch/pci.h"
#include "cpu/cpu.h"
#include "cpu/ipi.h"

struct message message_of(u64 address, u32 data)
{
    return (struct message){
        .destination = (u32)(address >> MSI_DESTINATION_SHIFT & 0xff),
        .broadcast = 0xff,
        .logical = address & MSI_LOGICAL,
        .lowest = address & MSI_REDIRECTION,
        .level = data & MSI_LEVEL,
        .delivery = data & MSI_DELIVERY,
        .vector = (u8)data,
    };
}

static bool is_for(const struct message *message, const struct core *c)
{
    return apic_is_destination(c, message->destination, message->logical, message->broadcast);
}

static void send_to(struct machine *m, struct core *to, const struct message *message, u64 arrival)
{
    bool level =
        message->level && (message->delivery == APIC_ICR_FIXED || message->delivery == APIC_ICR_LOWEST);
    ipi_from_board(m, to, message->delivery, message->vector, level, arrival);
}

void message_send(struct machine *m, const struct message *message, u64 arrival)
{
    struct core *lowest = NULL;
    bool one = message->lowest || message->delivery == APIC_ICR_LOWEST;
    for (u32 i = 0; i < m->cores; i++) {
        if (!is_for(message, m->core[i]))
            continue;
        if (one)
            lowest = apic_lowest(lowest, m->core[i]);
        else
            send_to(m, m->core[i], message, arrival);
    }
    if (lowest)
        send_to(m, lowest, message, arrival);
}
