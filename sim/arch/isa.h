/* isa.h - the words that the columns of isa.def use.  Freestanding: the hypervisor's decoder uses them too.
 */
#ifndef ARCH_ISA_H
#define ARCH_ISA_H

/* Opcode maps (SDM vol. 2, A.3 "One, Two, and Three-Byte Opcode Maps"). */
enum isa_map { ISA_MAP_ONE, ISA_MAP_0F, ISA_MAP_0F38, ISA_MAP_0F3A, ISA_MAPS };

/* Prefixes that select a row. */
enum isa_prefix {
    ISA_PREFIX_ANY, /* 66, F2, F3 select nothing */
    ISA_PREFIX_NP,  /* none of 66, F2, F3 */
    ISA_PREFIX_66,  /* 66, and neither F2 nor F3 */
    ISA_PREFIX_F3,
    ISA_PREFIX_NR,  /* neither F2 nor F3 */
    ISA_PREFIX_W,   /* REX.W */
    ISA_PREFIX_NOB, /* REX.B clear: 90 is NOP */
    ISA_PREFIX_F3NOB
};

/* The ModRM byte: absent, /r, /digit, or the whole byte. */
enum isa_modrm {
    ISA_MODRM_NO,
    ISA_MODRM_R,
    ISA_MODRM_D0 = 8,
    ISA_MODRM_D1,
    ISA_MODRM_D2,
    ISA_MODRM_D3,
    ISA_MODRM_D4,
    ISA_MODRM_D5,
    ISA_MODRM_D6,
    ISA_MODRM_D7,
    ISA_MODRM_XC1 = 0xc1,
    ISA_MODRM_XC2,
    ISA_MODRM_XC3,
    ISA_MODRM_XC4,
    ISA_MODRM_XCA = 0xca,
    ISA_MODRM_XCB,
    ISA_MODRM_XD4 = 0xd4,
    ISA_MODRM_XF8 = 0xf8,
    ISA_MODRM_XF9,
    ISA_MODRM_XFA
};

/* What the ModRM byte's mod must say. */
enum isa_mod {
    ISA_MOD_ANY,
    ISA_MOD_MEM,
    ISA_MOD_REG,
    ISA_MOD_FORCED /* a register whatever mod says: MOV CR, MOV DR */
};

/* Operand size. */
enum isa_size {
    ISA_SIZE_B, /* 1 */
    ISA_SIZE_W, /* 2 */
    ISA_SIZE_Q, /* 8: forced, as for near branches */
    ISA_SIZE_V, /* 4, 2 by 66, 8 by REX.W */
    ISA_SIZE_Z, /* 4, 2 by 66: immediates and ports have no 8 */
    ISA_SIZE_Y, /* 4, 8 by REX.W */
    ISA_SIZE_S  /* stack: 8, 2 by 66 */
};

/* The immediate that follows. */
enum isa_imm {
    ISA_IMM_NO,
    ISA_IMM_IB, /* 1 byte, sign-extended */
    ISA_IMM_UB, /* 1 byte, zero-extended */
    ISA_IMM_UW, /* 2 bytes, zero-extended */
    ISA_IMM_IZ, /* 2 or 4 bytes by operand size, sign-extended */
    ISA_IMM_ID, /* 4 bytes, sign-extended */
    ISA_IMM_IV, /* 2, 4 or 8 bytes by operand size */
    ISA_IMM_EN, /* ENTER: 2 bytes in bits 15:0, 1 byte in 23:16 */
    ISA_IMM_O   /* an address of address size */
};

/* Operands, destination first.  E: ModRM's register or memory; G: ModRM's reg; M: memory; Z: register in the
 * opcode; A: accumulator; I: immediate; J: displacement from the next instruction; O: address in the
 * immediate; X: [RSI]; Y: [RDI]; C after E: CL; 1: one; CR, DR, S: control, debug, segment register by reg;
 * DX: a port. */
enum isa_operands {
    ISA_OPS_NO,
    ISA_OPS_E,
    ISA_OPS_M,
    ISA_OPS_E_G,
    ISA_OPS_G_E,
    ISA_OPS_G_M,
    ISA_OPS_E_I,
    ISA_OPS_G_E_I,
    ISA_OPS_E_G_I,
    ISA_OPS_E_G_C,
    ISA_OPS_E_C,
    ISA_OPS_E_1,
    ISA_OPS_A_I,
    ISA_OPS_I_A,
    ISA_OPS_A_O,
    ISA_OPS_O_A,
    ISA_OPS_Z,
    ISA_OPS_Z_I,
    ISA_OPS_Z_A,
    ISA_OPS_I,
    ISA_OPS_J,
    ISA_OPS_Y_X,
    ISA_OPS_X_Y,
    ISA_OPS_Y_A,
    ISA_OPS_A_X,
    ISA_OPS_A_Y,
    ISA_OPS_Y_DX,
    ISA_OPS_DX_X,
    ISA_OPS_A_DX,
    ISA_OPS_DX_A,
    ISA_OPS_E_CR,
    ISA_OPS_CR_E,
    ISA_OPS_E_DR,
    ISA_OPS_DR_E,
    ISA_OPS_E_S,
    ISA_OPS_S_E
};

/* Prefixes that a row may carry besides those that select it. */
enum isa_may { ISA_MAY_NO, ISA_MAY_LOCK, ISA_MAY_REP };

/* Registers that form the address of an implicit operand: a bit each, in encoding order. */
enum isa_addr {
    ISA_ADDR_NO = 0,
    ISA_ADDR_SP = 1 << 4,
    ISA_ADDR_BP = 1 << 5,
    ISA_ADDR_SI = 1 << 6,
    ISA_ADDR_DI = 1 << 7,
    ISA_ADDR_SIDI = 3 << 6,
    ISA_ADDR_BXA = 1 << 3 | 1
};

/* Registers written: E (if it is a register), G, and implicit ones.  C of string instructions counts with REP
 * only. */
enum isa_writes {
    ISA_WRITES_NO = 0,
    ISA_WRITES_A = 1,
    ISA_WRITES_C = 2,
    ISA_WRITES_D = 4,
    ISA_WRITES_AD = 5,
    ISA_WRITES_ACD = 7,
    ISA_WRITES_ABCD = 15,
    ISA_WRITES_SP = 16,
    ISA_WRITES_SPBP = 48,
    ISA_WRITES_DIC = 128 | 2,
    ISA_WRITES_SIC = 64 | 2,
    ISA_WRITES_SIDIC = 192 | 2,
    ISA_WRITES_ASIC = 1 | 64 | 2,
    ISA_WRITES_C11 = 2 | 1 << 11,
    ISA_WRITES_E = 1 << 16,
    ISA_WRITES_G = 1 << 17,
    ISA_WRITES_EG = 3 << 16,
    ISA_WRITES_EA = 1 << 16 | 1
};

/* ROW_mov_Ev_Gv, ...: one for each row of isa.def. */
enum isa_row {
#define INSN(row, name, map, opcode, prefix, modrm, mod, size, imm, ops, may, addr, writes, latency, cpl, \
             flags, fn) \
    ROW_##row,
#include "isa.def"
    ISA_ROWS
};

#endif
