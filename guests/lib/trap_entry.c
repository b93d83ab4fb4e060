#include "lib/trap_entry.h"

#include "arch/boot.h"

#define GATE_PRESENT 0x80

extern const char trap_stubs[];

struct gate64 trap_gate(unsigned vector, uint8_t ist)
{
    uint64_t address = (uint64_t)trap_stubs + vector * TRAP_STUB_BYTES;

    return (struct gate64){
        .offset_low = (uint16_t)address,
        .selector = BOOT_CS,
        .ist = ist,
        .type = GATE_PRESENT | SYS_INTERRUPT_GATE,
        .offset_mid = (uint16_t)(address >> 16),
        .offset_high = (uint32_t)(address >> 32),
    };
}

const char *trap_name(uint64_t vector)
{
    switch (vector) {
#define V(number, mnemonic, has_error) \
    case number: return mnemonic;
        X86_VECTORS(V)
#undef V
    default: return "reserved vector";
    }
}
