/* operate.h - arithmetic of an emulated instruction: a result and flags (SDM vol. 1, appendix A "EFLAGS
 * Cross-Reference"). */
#ifndef HV_OPERATE_H
#define HV_OPERATE_H

#include <stdint.h>

enum operation {
    OPERATION_UNKNOWN,
    OPERATION_MOVE,
    OPERATION_MOVE_SIGNED, /* from fewer bytes */
    OPERATION_EXCHANGE,
    OPERATION_ADD,
    OPERATION_OR,
    OPERATION_ADC,
    OPERATION_SBB,
    OPERATION_AND,
    OPERATION_SUB,
    OPERATION_XOR,
    OPERATION_CMP,
    OPERATION_TEST,
    OPERATION_INC,
    OPERATION_DEC,
    OPERATION_NEG,
    OPERATION_NOT,
    OPERATION_BT,
    OPERATION_BTS,
    OPERATION_BTR,
    OPERATION_BTC
};

/* a op b, of n bytes: 1, 2, 4 or 8; higher bits of both mean nothing, and so do those of the result.  Changes
 * *rflags as the instruction does; AF is clear where the manual leaves it open. */
uint64_t operate(enum operation op, uint64_t a, uint64_t b, unsigned n, uint64_t *rflags);

#endif
