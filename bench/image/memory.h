/* memory.h - the addresses and sizes that the hand-written loops and their preparation share. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#define CHASE_GVA        0x8000000000 /* PML4 index 1 */
#define CHASE_PAGES      8192
#define CHASE_STRIDE     64 /* page i has its pointer at offset i * CHASE_STRIDE, modulo the page */
#define TOUCHED_PAGES    8
#define STRING_WORDS     1024
#define INTERRUPT_VECTOR 0x40

#endif
