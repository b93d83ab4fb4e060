/* block.h - blocks: decoded instructions that follow each other, with their times worked out
 * beforehand.
 *
 * Because the core is in order, the cycle at which each instruction of a block starts is known when the block
 * is built, as long as nothing misses: so a block holds sums, and its handlers only touch what they work on.
 * A handler either does all that its instruction does, by the way that hits everywhere, and goes on to the
 * next one; or it has changed nothing and returns itself.  Then that instruction is done the general way,
 * with misses, faults, probes and stops, and the block goes on behind it if all is as before (run.c); else
 * the run loop does (atom.c).  A move whose load misses calls the general handler from within the block.  So
 * there is no second set of rules: a block is what the rules of docs/machine.md give for hits, added up.
 *
 * Blocks are derived: they may be dropped at any moment without changing a result. */
#ifndef RINGSIDE_BLOCK_H
#define RINGSIDE_BLOCK_H

#include "cpu/decode.h"
#include "machine.h"

struct op;
struct block_exit;

/* Runs the op and those after it; returns the one that could not be run, or the block's last (end of it). */
typedef const struct op *op_run(struct core *c, const struct op *op);

/* An instruction in a block, the fetch of a line, or an exit: the way out of a conditional branch that is
 * taken, right behind it, or the end.  The sums are of all ops before this one. */
struct op {
    op_run *run;
    u64 imm;  /* of branches the target; of the end the address that follows */
    u64 disp; /* of memory operands, with RIP in it; of branches the address that follows */
    union {
        const struct insn *in; /* NULL: it is the fetch of a line */
        struct block_exit *to; /* of an exit */
    };
    u8 dst, src;           /* registers */
    u8 base, index, scale; /* as in struct insn, but RIP is in disp */
    u8 late;               /* 1: its address waits for the instruction before (A1) */
    u8 offset;             /* sums: bytes */
    u8 insns;
    u8 cycles;        /* all of them */
    u8 issued;        /* cycles with that of `late` */
    u8 exec;          /* of those, stall_exec */
    u8 loads, stores; /* data accesses */
    u8 lines;         /* fetched */
    u8 ages;          /* look-ups in TLBs and L1: steps of the age clock */
    u8 branches;
    u8 length;
    bool exits;         /* it is an exit */
    u16 writes;         /* registers written, as the next instruction sees it (A1) */
    u16 btb, direction; /* of branches: their entries in the predictor */
};

/* Data accesses of an instruction that has a handler for blocks.  Values are bits. */
enum op_access { ACCESS_NONE, ACCESS_LOAD = 1, ACCESS_STORE = 2, ACCESS_BOTH = 3 };

/* What an instruction has to do with the status flags: it needs them, or may leave the block and show them;
 * it neither needs nor changes them; it replaces them all. */
enum op_flags { FLAGS_USED, FLAGS_KEPT, FLAGS_SET };

#define BLOCK_OPS   48  /* with lines and the end */
#define BLOCK_BYTES 128 /* of code */

/* What instructions count, besides cycles and ages: a field of 16 bits each, so that two additions do for
 * all. */
enum { SUM_INSNS, SUM_EXEC, SUM_LATE, SUM_LINES, SUM_LOADS, SUM_STORES, SUM_ACCESSES, SUM_BRANCHES, SUMS };
#define SUM_BITS         16
#define SUM_CYCLES       16384 /* no field overflows in as many cycles */
#define SUM_SHIFT(field) ((field) % 4 * SUM_BITS)
struct sums {
    u64 word[SUMS / 4];
};

/* A way out of a block: its sums, and the blocks that have followed last, no_block if none. */
struct block_exit {
    struct sums sums;
    struct block *next[2];
    u16 cycles, ages;
    u16 writes; /* as in struct op, of the instruction before */
};

#define BLOCK_EXITS 4

struct block {
    u64 gva, line, line_hpa; /* of its first instruction; its line as fetch_line and fetch_hpa have it */
    u64 code_changes;        /* of memory, of which this block knows */
    u16 cycles;              /* that it takes at most */
    u16 address_regs;        /* of its first instruction */
    u8 insns, bytes, exits;
    const struct insn *bulk; /* a REP string instruction, alone: run_string; NULL: ordinary ones */
    const struct insn *tail; /* what follows the last one, for the run loop; NULL: it is not known */
    u64 hpa, next_frame;     /* of the page behind it, if its code goes on there */
    struct block_exit exit[BLOCK_EXITS];
    u8 code[BLOCK_BYTES];
    struct op op[];
};

/* The sums of the ops before this one. */
struct sums sums_before(const struct op *op);

/* The block at RIP, whose line is in the fetch buffer at fetch_hpa.  It is built when it is asked for the
 * second time; NULL: there is none. */
struct block *block_at_rip(struct core *c);

/* The same, remembered as one that follows `before`: blocks that do are not looked for again. */
struct block *block_after(struct core *c, struct block_exit *before);

/* A string instruction whose iterations can be done together, if they hit.  run_string.c */
bool is_bulk(const struct insn *in);

void blocks_drop(struct core *c);
void blocks_free(struct core *c);

/* The end of a block, and its other exits.  run.c */
op_run run_end, run_exit;
/* The fetch of the line that the next instruction begins or ends in: gva in imm, hPA in disp.  An instruction
 * that ends there and may yet give up stands between two ops: the first sees whether the line will hit, the
 * second, with the age at which it did in src, says that it has. */
op_run run_line, run_line_try, run_line_taken;
/* The end of a block before an instruction that is for the run loop, and decoded already: it is in no sum. */
op_run run_tail;

/* The handler for an instruction, with dst and src set; NULL: it is one for the run loop.  choose.c */
op_run *choose_run(const struct insn *in, struct op *op);
enum op_access op_accesses(const struct insn *in);
/* *quiet: the handler for when nobody will see the flags that it sets; NULL: there is none. */
enum op_flags op_flags(const struct insn *in, op_run **quiet);

#endif
