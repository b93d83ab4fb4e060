/* rows.h - the rows of isa.def as the tests need them: encoding, registers, latency and kind. */
#ifndef TESTS_TICK_ROWS_H
#define TESTS_TICK_ROWS_H

#include "machine.h"

#include "arch/isa.h"

/* The words of isa.def's column `flags`. */
enum row_flags {
    ROW_FLAG_NO = 0,
    ROW_FLAG_SER = 1, /* serialising */
    ROW_FLAG_ICP = 2, /* may cause a VM exit */
    ROW_FLAG_SIC = 3,
    ROW_FLAG_BR = 4,
    ROW_FLAG_STK = 8, /* its use of RSP is not an address register */
    ROW_FLAG_BST = 12,
    ROW_FLAG_FEN = 16, /* waits for stores */
    ROW_FLAG_EVT = 33  /* raises an event; serialising */
};

struct row {
    const char *name;
    enum isa_map map;
    unsigned opcode;
    enum isa_prefix prefix;
    enum isa_modrm modrm;
    enum isa_mod mod;
    enum isa_size size;
    enum isa_imm imm;
    enum isa_operands ops;
    enum isa_may may;
    u64 addr, writes;
    u64 latency;
    unsigned cpl;
    unsigned flags;
};

extern const struct row rows[ISA_ROWS];

/* What an operand in memory is used for: a load, a store, both, or nothing (enum tick_access_kind; -1). */
int row_access(const struct row *r);
/* Bytes of the operand in memory; size: operand size of rows that have a choice. */
u64 row_bytes(const struct row *r, u64 size);
/* True if any values may go in and the instruction does nothing but compute: for random programs. */
bool row_is_plain(enum isa_row row);

#endif
