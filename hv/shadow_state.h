/* shadow_state.h - what a VM and a virtual CPU hold for the shadow pager. */
#ifndef HV_SHADOW_STATE_H
#define HV_SHADOW_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define SHADOW_SLOTS  2048 /* tables that a VM may have, 0 not among them */
#define SHADOW_FRAMES 512  /* of a chunk: 2 MiB */
#define SHADOW_CHUNKS 2048 /* 4 GiB: RAM, and the APIC's page */
#define SHADOW_TABLES 32   /* struct shadow_table in a page */
#define SHADOW_UNSYNC 32

/* An entry of a shadow table has a number: slot * 512 + index.  Entries that lead to the same page, or to the
 * same table, are in a list, so that they are found when that page becomes a table, or that table goes. */
struct shadow_link {
    uint64_t next : 20, prev : 20; /* 0: none */
    uint64_t of : 24;              /* the page's frame, or the table's slot */
};

/* A page of the guest's RAM, or its APIC's. */
struct shadow_frame {
    uint64_t mappings : 20;           /* the first entry that maps it */
    uint64_t tables : 12;             /* the first shadow table that stands for it */
    uint64_t traced : 1;              /* a table of the guest's that nobody can write to unnoticed */
    uint64_t unsync : 1;              /* one that was written to; it is in the list */
    uint64_t accessed : 1, dirty : 1; /* by entries that are gone */
};

struct shadow_table;
struct vcpu;
struct vm;

struct shadow {
    struct shadow_frame *frame[SHADOW_CHUNKS]; /* a page for each 2 MiB that has any */
    uint16_t tables_in[SHADOW_CHUNKS];         /* frames among them that are tables of the guest's */
    struct shadow_table *table[SHADOW_SLOTS / SHADOW_TABLES];
    uint64_t slots, limit; /* that were ever used; that may be */
    uint64_t hand;         /* of the clock that evicts */
    uint64_t walk;         /* number of the fault being handled */
    uint16_t free;         /* the first free one */
    bool stale;            /* something that the processor may have cached is no longer true */
    bool stale_global;     /* also of what a MOV to CR3 leaves */
    uint64_t nowhere;      /* hpa of an empty table */
    struct vm *vm;         /* whose it is */
    bool several;          /* it has more than one virtual CPU */
    bool lingering;        /* other cores may write by entries that are gone */
    struct vcpu *lender;   /* the one that has lent pages: the others wait */
    bool unsync_upper;     /* one of these may be an upper table */
    bool unsync_missed;    /* INVLPG may have to do with one that it has not found */
    unsigned unsync_count;
    uint32_t unsync[SHADOW_UNSYNC];
};

#define SHADOW_LENT 4 /* what one instruction writes: two operands, each across two pages */

struct shadow_cpu {
    uint16_t root;       /* slot of the table that CR3 points to; 0: CR3 leads outside RAM */
    uint16_t lent_count; /* pages that are mapped for one instruction */
    uint64_t lent[SHADOW_LENT];
    uint64_t refused, refused_walk; /* an address that SMAP has perhaps refused, and at which fault */
};

#endif
