/* machine.h - the machine from inside: state, derived data, probes.  Only sim/ includes this. */
#ifndef RINGSIDE_MACHINE_H
#define RINGSIDE_MACHINE_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/x86.h"
#include "iommu/iommu_state.h"
#include "dev/e1000_state.h"
#include "dev/link_state.h"
#include "dev/virtio_state.h"
#include "ringside.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;

#if defined(__GNUC__)
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define prefetch(p) __builtin_prefetch(p) /* the host will soon read there; any address will do */
#define INLINED     static inline __attribute__((always_inline)) /* one copy for each caller's constants */
#else
#define likely(x)   (x)
#define unlikely(x) (x)
#define prefetch(p) ((void)(p))
#define INLINED     static inline
#endif

static inline u64 min(u64 a, u64 b)
{
    return a < b ? a : b;
}

static inline u64 max(u64 a, u64 b)
{
    return a > b ? a : b;
}

/* What n % sets is an AND with, if it is one; else 0. */
static inline u32 sets_mask(u32 sets)
{
    return sets & (sets - 1) ? 0 : sets - 1;
}

/* ---- structs that state.def names; u64 fields only ---- */

#include "dev/pic_state.h"
#include "dev/pit_state.h"
#include "dev/ps2_state.h"

/* A segment register with its hidden part.  attr: VMX access rights format (SDM vol. 3, 24.4.1). */
struct segment {
    u64 selector, base, limit, attr;
};

/* One mapping of a TLB or walk cache.  Fields are documented in mmu/tlb.h. */
struct tlb_entry {
    u64 tag;   /* page number + 1 of its size, 0: invalid */
    u64 space; /* VPID, PCID, kind and page size, packed by tlb_space() */
    u64 eptp;  /* EP4TA (EPTP bits 51:12) of guest-physical and combined mappings, else 0 */
    u64 frame; /* hPA of the page, or of the table for a walk cache; in linear walk caches under EPT a gPA */
    u64 perms; /* enum tlb_perm */
    u64 stamp; /* age clock at its last use */
};

struct cache_line {
    u64 tag; /* hPA / 64 + 1, 0: invalid */
    u64 stamp;
};

struct btb_entry {
    u64 rip; /* address of the branch + 1, 0: invalid */
    u64 target;
    u64 kind; /* enum branch_kind */
};

struct counters {
#define COUNTER(name, help) u64 name;
#include "counters.def"
#undef COUNTER
};

/* Controls and addresses that VM entry reads from the VMCS, for use until the exit. */
struct vmx_controls {
    u64 pin, proc, proc2, exit, entry;
    u64 exception_bitmap, pf_mask, pf_match;
    u64 cr0_mask, cr0_shadow, cr4_mask, cr4_shadow;
    u64 cr3_target[4], cr3_target_count;
    u64 io_bitmap_a, io_bitmap_b, msr_bitmap;
    u64 eptp, vpid;
    u64 tsc_offset, tsc_multiplier;
    u64 ple_gap, ple_window;
    u64 virtual_apic, apic_access, tpr_threshold, eoi_exit[4];
    u64 posted_vector, posted_descriptor;
    u64 vmread_bitmap, vmwrite_bitmap, link; /* of VMCS shadowing */
    u64 ve_information, eptp_index;
    u64 vm_functions, eptp_list; /* none are enabled without "enable VM functions" */
    u64 pml_address, pml_index;  /* the index is saved at the exit */
};

/* 16550 UART.  The transmitter is always ready; `wire` holds input that the receive FIFO has no room for. */
#define UART_WIRE_BYTES 4096
struct uart {
    u64 ier, fcr, lcr, mcr, scr, divisor;
    u64 thr_empty;                 /* as an interrupt that has not been taken note of */
    u64 out_bytes;                 /* written since power-on; the bytes are in struct machine's log */
    u64 wire_head, wire_tail;      /* bytes put in and taken out */
    u64 wire[UART_WIRE_BYTES / 8]; /* byte i at bits 8 (i mod 8) */
};

/* A PCI function: configuration space and interrupts (dev/pci.h). */
#define PCI_MSIX_MAX 8
struct pci_function {
    u64 config[32];             /* byte i at bits 8 (i mod 8) */
    u64 msix[2 * PCI_MSIX_MAX]; /* each vector's address; data, and vector control in the upper half */
    u64 msix_pending;           /* a bit for each vector */
    u64 send;                   /* vectors whose messages wait to be sent */
    u64 wants;                  /* its interrupt logic asks for an interrupt */
    u64 intx;                   /* INTA# is asserted */
    u64 due;                    /* cycle at which the model wants an atom; 0: none */
};

/* The I/O APIC (dev/ioapic.h). */
struct ioapic {
    u64 select, id;
    u64 entry[24];
    u64 lines; /* asserted, a bit a pin */
    u64 send;  /* pins whose messages wait to be sent */
};

/* The edu device (dev/edu.h). */
#define EDU_BUFFER 4096
struct edu {
    u64 liveness, factorial, status, irq_status;
    u64 computed; /* cycle at which the factorial is there; 0: none is under way */
    u64 dma_source, dma_destination, dma_count, dma_command;
    u64 dma_moved; /* bytes of the transfer under way */
    u64 buffer[EDU_BUFFER / 8];
};

enum activity {
    ACTIVITY_ACTIVE,
    ACTIVITY_HLT,
    ACTIVITY_SHUTDOWN,
    ACTIVITY_WAIT_SIPI
}; /* SDM vol. 3, 24.4.2 */

enum halt_cause {
    HALT_NONE,
    HALT_DEBUG_EXIT,
    HALT_SHUTDOWN,
    HALT_FOREVER,
    HALT_VMX_ABORT,
    HALT_STARTUP,
    HALT_POWER_OFF,
    HALT_CAUSES
};
#define HALT_STATUS 255 /* of a run that does not end by debug-exit */

/* ---- state ---- */

struct core_state {
#define CORE(kind, type, name)          type name;
#define CORE_N(kind, type, name, count) type name[count];
#include "state.def"
};

struct board_state {
#define BOARD(kind, type, name)          type name;
#define BOARD_N(kind, type, name, count) type name[count];
#include "state.def"
};

struct params {
#define PARAM(name, def, min, max, unit, help) u64 name;
#include "params.def"
#undef PARAM
};

/* ---- a core ---- */

struct machine;
struct insn;         /* cpu/decode.h */
struct decode_cache; /* cpu/decode.c: derived */
struct sole;         /* mmu/coherence.h: derived */
struct fast_tlb;     /* mmu/derived.c: derived */
struct shortcuts;    /* mmu/derived.h */
struct blocks;       /* cpu/block.c: derived */

/* Why the atom in progress was left early, by longjmp to core_rt.atom.jmp. */
enum atom_left { ATOM_DONE = 1, ATOM_STOPPED };

/* The clock after each micro of an atom; atoms with more micros than that have no boundaries behind them. */
#define CLOCK_MICROS 1024
struct micro_clock {
    u64 n, cycle[CLOCK_MICROS];
};

/* The atom in progress of a core, or of the devices. */
struct atom {
    u64 micro;                 /* micros so far */
    u64 micro_stop;            /* leave it after this many; 0: never; ATOM_END: stop when it is over */
    struct micro_clock *clock; /* notes the clock at each micro; NULL: nobody asks */
    u64 micros;                /* of the last whole atom */
    u32 last_micro;            /* enum micro_kind */
    struct rs_event event;     /* the event being told */
    jmp_buf jmp;               /* the run loop */
};

/* What the handlers of blocks work with, while blocks run (cpu/run.h). */
struct block_run {
    u64 result, carries; /* the status flags as yet */
    bool flags_kept;     /* they are in RFLAGS, and there only */
    u64 redirected;      /* cycle at which a branch emptied the front end; the same of a load that missed: */
    u64 missed;
    bool repeats;            /* the last instruction is a string instruction that goes on */
    bool stopped;            /* a stop was asked for at the end of the last instruction */
    bool cautious;           /* somebody watches what a load that misses does */
    bool leave;              /* what comes next is for the run loop */
    const struct insn *tail; /* what comes next, for the run loop; NULL: it is to be fetched */
    const struct block *block;
    const struct op *missing; /* the move whose load is missing; NULL: none */
    u64 late;                 /* cycles that the block's first instruction has waited (A1) */
    u64 limit;                /* blocks that end before this cycle need not ask what is due */
    u64 sums[2];              /* struct sums (cpu/block.h) of what has run and is not yet counted */
    u64 micros;               /* of the load that missed; of the last instruction when blocks are left */
    u64 done, told; /* instructions since the run loop was left; of those, what it would know by now */
    u64 cycle;      /* at which the first one began that is not told */
    struct shortcuts *read, *write, *fetch;
    struct cache_line **line; /* of L1D */
    u64 store_last;           /* entry of the store buffer */
    const struct sole *sole;  /* NULL: there is one core */
};

/* What mmu/walk_short.c notes of a walk, from which its record is made when somebody asks. */
struct short_walk {
    bool noted; /* it is the last walk, and has no record yet */
    u32 access; /* enum mmu_access */
    u64 gva, hpa, rip, cr3, space, guest;
    u64 start_cycle, cycles, ref_hpa, ref_cycles, entry;
    enum rs_hit from;
};

/* What is derived from state, or lives no longer than an atom.  Droppable between atoms. */
struct core_rt {
    struct atom atom;
    u64 general_atoms;    /* that did not run in blocks: what a rerun of them costs is not little */
    u64 atom_cycle;       /* cycle at which this atom began */
    u64 atom_guest;       /* 1 if it began in VMX non-root operation */
    u64 next_rip;         /* where this atom will leave RIP: handlers of branches change it */
    bool fetch_waited;    /* this atom's fetch has waited (rule F3) */
    bool registers_stand; /* the short cuts were found to be those of this atom's registers */
    u64 vapic_write; /* offset and size of the atom's virtualised write to the APIC-access page; 0: none */
    bool delivering; /* with s.event_valid: `delivered` is being delivered; a VM exit records it as */
    struct delivered {
        u64 vector, type, has_error, error, next_rip;
        u64 rflags; /* the image on its stack */
    } delivered;    /* IDT-vectoring information */
    u32 vmx_rule;   /* number of the rule that the last VM entry broke: vmx_rule_text(); 0: none */
    u64 debug_hits; /* B0 to B3 that this atom has made pending, while a breakpoint is enabled */
    u64 look_again; /* cycle at which interrupts and timers must be looked at again; 0: now */
    u64 until;      /* cpu_run starts no atom at this cycle or later; an atom may lower it */
    u64 turn;       /* another core's atom comes before those that would start here at this cycle or later */
    struct decode_cache *decoded;
    struct blocks *blocks;
    struct block_run run;
    struct fast_tlb *fast;
    struct sole *sole;
    struct vmcs_page { /* a region that is written, for as long as the layout of memory stands: vmcs.h */
        u64 hpa, layout;
        const u64 *layout_now;
        u8 *bytes; /* NULL: none */
    } vmcs;
    struct vmx_kept *vmx_kept;
    struct rs_walk walk; /* the walk in progress, or the last one: walk_of() */
    struct short_walk short_walk;
};

struct core {
    struct core_state s; /* all of it in state.def */
    struct core_rt rt;
    struct machine *m;
    u32 id;
};

/* ---- a machine ---- */

struct mem;
struct pci_device; /* dev/pci.h */
struct disk;       /* dev/disk.h */
#define DISKS_MAX 4

/* Whose a network port is; what does not change while the machine is on (dev/link.h). */
struct port_model;
struct port_owner {
    struct pci_device *device;
    const struct port_model *model;
    u8 mac[6];
};

/* What the devices' atoms need while they run (dev/device.h). */
struct devices {
    struct atom atom;
    bool running;
    u64 cycle;       /* the clock of the atom in progress */
    u64 first_due;   /* the earliest of state.def's device_due; 0: none.  Derived */
    const u8 *frame; /* the one that is being told of */
};

struct machine {
    char name[RS_NAME_MAX];
    struct params p;
    struct board_state b;
    struct mem *mem;
    struct core *core[RS_CORES_MAX];
    u32 cores;
    struct core *running; /* the core that is running an atom; NULL: none */
    bool event_sent;      /* by the atom in progress, to another core or a device: whose turn it is must be
                             asked anew */
    struct devices devices;
    struct pci_device *pci[32]; /* by slot; NULL: empty */
    struct rs_walk iommu_walk;  /* the IOMMU's last one, or that in progress */
    struct port_owner port[PORTS];
    u32 ports;
    struct disk *disk[DISKS_MAX]; /* by instance of virtio-blk; NULL: none.  Their contents are state */
    u64 ram_bytes;
    u64 firmware;          /* enum rs_firmware: what a power cycle sets */
    struct booted *booted; /* loader.c: the image, to enter it again after a reset; NULL before boot */
    u64 watched;           /* a bit per probe that someone watches; 0 while a replay is muted */
    struct rs_world *world;
    struct console_log {
        u8 *bytes;
        u64 size, capacity;
    } log[3]; /* uart 0, uart 1, port 0xe9: bytes ever written */
};

/* ---- atoms and micros (docs/machine.md, "Atoms and micros") ---- */

enum micro_kind {
    MICRO_WALK_REF,
    MICRO_AD_UPDATE,
    MICRO_TLB,
    MICRO_CACHE,
    MICRO_VMCS,
    MICRO_DEVICE,
    MICRO_FAULT,
    MICRO_EVENT,
    MICRO_EXIT,
    MICRO_ENTRY,
    MICRO_RETIRE
};

#define ATOM_END UINT64_MAX

/* Leaves the atom: its work so far is the position (atom, micro). */
_Noreturn void micro_stop(struct atom *a);

static inline void note_clock(struct atom *a, u64 cycle)
{
    if (a->clock->n < CLOCK_MICROS)
        a->clock->cycle[a->clock->n++] = cycle;
}

static inline void atom_micro(struct atom *a, u64 cycle, enum micro_kind kind)
{
    a->last_micro = kind;
    if (unlikely(a->clock != NULL))
        note_clock(a, cycle);
    if (unlikely(++a->micro == a->micro_stop))
        micro_stop(a);
}

/* The atom's last micro, after which it is whole.  True if a stop was asked for there. */
static inline bool atom_end(struct atom *a, u64 cycle)
{
    a->last_micro = MICRO_RETIRE;
    if (unlikely(a->clock != NULL))
        note_clock(a, cycle);
    bool stop = ++a->micro == a->micro_stop || a->micro_stop == ATOM_END;
    a->micros = a->micro;
    a->micro = a->micro_stop = 0;
    return stop;
}

/* Reports one micro, after its effect and its event. */
static inline void micro(struct core *c, enum micro_kind kind)
{
    atom_micro(&c->rt.atom, c->s.cycle, kind);
}

/* n micros of a kind, with nothing between them that anybody could see. */
static inline void micros(struct core *c, enum micro_kind kind, u64 n)
{
    if (unlikely(c->rt.atom.clock || c->rt.atom.micro_stop)) {
        while (n--)
            micro(c, kind);
        return;
    }
    c->rt.atom.last_micro = kind;
    c->rt.atom.micro += n;
}

/* Ends the atom early: a fault is pending, or an exit has been made. */
static inline _Noreturn void atom_leave(struct core *c, enum atom_left how)
{
    longjmp(c->rt.atom.jmp, how);
}

/* Adds `cycles` to the core's clock under a stall counter: stall(c, &c->s.count.stall_walk, 12). */
static inline void stall(struct core *c, u64 *counter, u64 cycles)
{
    *counter += cycles;
    c->s.cycle += cycles;
}

/* ---- probes ---- */

static inline bool watched(const struct core *c, enum rs_probe probe)
{
    return unlikely(c->m->watched >> probe & 1);
}

/* A bit of a set of probes. */
#define PROBE_BIT(probe) ((u64)1 << RS_PROBE_##probe)

/* Tells the watchers of `probe`.  fields: as many as probes.def lists, in its order.  Call only if watched().
 * Every event is followed by its micro(), so that a watcher that asks for a stop gets it right there. */
void probe_fire(struct core *c, enum rs_probe probe, const u64 *fields);
/* The same of the devices' atom. */
void probe_fire_device(struct machine *m, enum rs_probe probe, const u64 *fields);

#define PROBE(c, probe, ...) \
    do { \
        if (watched((c), (probe))) \
            probe_fire((c), (probe), (const u64[]){__VA_ARGS__}); \
    } while (0)

#define PROBE_DEVICE(m, probe, ...) \
    do { \
        if (unlikely((m)->watched >> (probe)&1)) \
            probe_fire_device((m), (probe), (const u64[]){__VA_ARGS__}); \
    } while (0)

/* ---- modes ---- */

static inline unsigned cpl(const struct core *c)
{
    return (unsigned)(c->s.seg[SEG_SS].attr >> 5 & 3);
}

static inline u64 tsc_now(const struct core *c)
{
    return c->s.cycle - c->s.tsc_reset_cycle + c->s.tsc_adjust;
}

#endif
