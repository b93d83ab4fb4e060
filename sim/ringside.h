/* ringside.h - the machine as a library: everything that a face may use.
 *
 * A world holds machines.  It changes only by running and by inputs (rs_input_*), so the same images and
 * the same inputs make the same world, bit for bit.  A face runs it in slices, watches it through probes
 * and reads what it likes; reading and watching change nothing.
 *
 * Functions that can fail return an enum rs_status and, where they take a struct rs_error, leave a message
 * in it that names the place, the cause and the cure.  Nothing in sim/ prints or exits.
 * Addresses and sizes are in bytes, times in cycles of the machine.  hpa is a host-physical, gpa a
 * guest-physical and gva a linear address.
 */
#ifndef RINGSIDE_H
#define RINGSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RS_VERSION   "0.1.0"
#define RS_NAME_MAX  32
#define RS_CORES_MAX 8

typedef struct rs_world rs_world;
typedef struct machine rs_machine;

enum rs_status { RS_OK, RS_FAILED };

struct rs_error {
    char text[1024];
};

/* Writes a message; always returns RS_FAILED, so that `return rs_fail(err, ...)` reads well. */
enum rs_status rs_fail(struct rs_error *err, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* ------------------------------------------------------------------ world and machines */

rs_world *rs_world_new(void);
void rs_world_free(rs_world *w);

/* Firmware settings: what IA32_FEATURE_CONTROL, IA32_MISC_ENABLE and CPUID offer. */
enum rs_firmware { RS_FW_VTX = 1, RS_FW_XD = 2, RS_FW_EPT = 4, RS_FW_VTD = 8, RS_FW_LOCK = 16 };

/* A device on the machine's PCI bus. */
struct rs_device {
    const char *kind; /* one of rs_device_kind */
    uint64_t slot;    /* 1 to 31; 0: the first that is free */
    uint8_t mac[6];   /* of a NIC; all 0: 52:54:00:12:34:56 for the first, ..:57 for the second */
    const char *file; /* of a disk: its raw image; NULL of others, and of a disk that is in no file: */
    uint64_t bytes;   /* it has so many, all zeros, and goes when the machine goes; 0 of others */
    /* Of a disk: the file that a commit writes, made then if it is not there; `file` stays as it is.  NULL:
     * none
     */
    const char *overlay;
    bool readonly; /* of a disk: it cannot be written */
};

struct rs_config {
    char name[RS_NAME_MAX];   /* "A" */
    uint64_t cores;           /* 1 */
    uint64_t ram_bytes;       /* 64 MiB; a multiple of 4 KiB */
    uint64_t firmware;        /* enum rs_firmware; default vtx, xd, ept, lock */
    struct rs_params *params; /* opaque; NULL: the default preset */
    const struct rs_device *device;
    size_t device_count;
    size_t *misfit; /* set, unless NULL, to the index of the device that cannot be had, if there is one */
};

void rs_config_init(struct rs_config *config);

/* The kinds of devices that there are; NULL after the last. */
const char *rs_device_kind(size_t i, const char **help);

/* Parameters (params.def) by name.  A preset is applied first, single values over it. */
struct rs_params *rs_params_new(void);
void rs_params_free(struct rs_params *p);
enum rs_status rs_params_preset(struct rs_params *p, const char *preset_name, struct rs_error *err);
enum rs_status rs_params_set(struct rs_params *p, const char *name, uint64_t value, struct rs_error *err);
struct rs_param_info {
    const char *name, *unit, *help;
    uint64_t def, min, max;
};
size_t rs_param_count(void);
const struct rs_param_info *rs_param_info(size_t i);
uint64_t rs_param_get(const rs_machine *m, size_t i);
/* Preset names, NULL after the last. */
const char *rs_preset_name(size_t i);

rs_machine *rs_machine_new(rs_world *w, const struct rs_config *config, struct rs_error *err);
rs_machine *rs_world_machine(const rs_world *w, size_t i); /* NULL after the last */
const char *rs_machine_name(const rs_machine *m);
uint64_t rs_ram_bytes(const rs_machine *m);
uint64_t rs_cores(const rs_machine *m);

/* Boots an ELF64 image by the boot protocol (docs/machine.md).  May be called once on a machine, or again
 * after rs_power_cycle. */
struct rs_boot_module {
    const char *path;
    const char *string;
};
struct rs_boot {
    const char *path;    /* the image's file */
    const char *cmdline; /* image name first */
    const char *entry;   /* a symbol to enter at, or NULL for e_entry */
    /* General registers that are to hold something else than the boot protocol says: "rbx=0,rsi=0x1000";
     * NULL: none. */
    const char *registers;
    const struct rs_boot_module *modules;
    size_t module_count;
};
enum rs_status rs_boot(rs_machine *m, const struct rs_boot *boot, struct rs_error *err);

/* RESET: RAM and the lock of IA32_FEATURE_CONTROL stay; then the image and its modules are loaded again, as
 * firmware would, and entered. */
void rs_reset(rs_machine *m);
/* RAM and all state cleared; boot again. */
void rs_power_cycle(rs_machine *m);

/* New parameters for a machine that is switched off: before rs_boot, or after rs_power_cycle.  rs_params_of
 * gives a copy of those that it has. */
struct rs_params *rs_params_of(const rs_machine *m);
enum rs_status rs_set_params(rs_machine *m, const struct rs_params *p, struct rs_error *err);

/* Firmware settings (enum rs_firmware) from the next power cycle on, and those of now or then. */
void rs_set_firmware(rs_machine *m, uint64_t firmware);
uint64_t rs_firmware(const rs_machine *m);

/* ------------------------------------------------------------------ disks */

/* The machine's disks count from 0, in the order of its configuration.  Their contents are state, and go
 * through time with it; the file is as it was until a commit.  A power cycle keeps them. */
struct rs_disk {
    const char *path; /* of what a commit writes: the image, or its overlay; NULL: it is in no file */
    bool overlay;
    uint64_t sectors; /* of 512 bytes */
    bool readonly;
    bool changed; /* the disk is not as its file, or not all zeros: what a commit would write */
    bool cached;  /* it is not as at its last flush: what a power cut may lose */
};
bool rs_disk(const rs_machine *m, size_t i, struct rs_disk *disk); /* false after the last */
/* n bytes at a byte's number; RS_FAILED if they are not all there. */
enum rs_status rs_disk_read(const rs_machine *m, size_t i, uint64_t at, void *bytes, size_t n);
/* Writes the disk as it stands to its file: whole, or not at all.  The world does not change. */
enum rs_status rs_disk_commit(rs_machine *m, size_t i, struct rs_error *err);
/* A power cycle by a failure of power: of what was written and not flushed, each sector is lost or not, as
 * `seed` chooses; 0: all is lost. */
void rs_power_cut(rs_machine *m, uint64_t seed);

/* ------------------------------------------------------------------ position and running */

/* A position in a run: after `atom` whole atoms and `micro` micros of the next. */
struct rs_position {
    uint64_t atom, micro;
};

struct rs_position rs_position(const rs_machine *m);
/* "A:120.13", also "A:120".  Text to position; the name must be the machine's. */
enum rs_status rs_position_parse(const rs_machine *m, const char *text, struct rs_position *at,
                                 struct rs_error *err);
void rs_position_format(const rs_machine *m, struct rs_position at, char text[64]);

enum rs_unit { RS_CYCLE, RS_MICRO, RS_INSN, RS_WALK, RS_EXIT, RS_UNITS };
extern const char *const rs_unit_name[RS_UNITS];

enum rs_why {
    RS_SLICE,   /* the slice is used up: call again */
    RS_DONE,    /* the step, seek or run has reached its end */
    RS_STOPPED, /* a watcher asked for it: rs_stop_here */
    RS_HALTED,  /* debug-exit, shutdown, or HLT with nothing (but an input: rs_awaits) to wake it */
    RS_LIMIT    /* rs_set_max_cycles reached */
};

/* Begins a movement; rs_continue carries it on in slices of about `atoms` atoms until it returns something
 * else than RS_SLICE.  The point at which it began is what rs_undo returns to. */
void rs_begin_run(rs_world *w, uint64_t until_cycle); /* UINT64_MAX: no limit */
void rs_begin_step(rs_world *w, uint64_t n, enum rs_unit unit);
/* To the n-th earlier boundary; to the start of the run if there are not so many. */
void rs_begin_back(rs_world *w, uint64_t n, enum rs_unit unit);
/* Back to the last earlier position that a watcher (an `always` one) names by rs_land_at while the past is
 * searched: RS_STOPPED; or, if none does, to the start of the run: RS_DONE. */
void rs_begin_search_back(rs_world *w);
void rs_begin_seek(rs_world *w, struct rs_position at);
void rs_begin_undo(rs_world *w);
/* The movement just begun is the rest of one before, or that one made again: undo returns to where that
 * began. */
void rs_begun_again(rs_world *w);
enum rs_why rs_continue(rs_world *w, uint64_t atoms);
void rs_cancel(rs_world *w); /* abandons a movement where it is; a seek or back returns to where it began */

/* From a handler: stop right after this event, at its micro.  False where nothing is stopped: while the past
 * is run again to show or to find a position. */
bool rs_stop_here(rs_world *w);

/* From a handler, in the order of positions: one to go back to.  The last for which this returns true is gone
 * to.  False, and no effect, but while rs_begin_search_back searches, before where it began. */
bool rs_land_at(rs_world *w, struct rs_position at);

void rs_set_max_cycles(rs_world *w, uint64_t cycles); /* 0: none */

/* In words, with the cause: "debug-exit with status 33"; NULL while running.  Status: 2v+1, 0 if software
 * switched the machine off, or 255. */
const char *rs_halt_text(const rs_machine *m);
int rs_halt_status(const rs_machine *m);
/* The core that stopped it, or that waits; 0 while running. */
uint32_t rs_halt_core(const rs_machine *m);

/* A machine on which nothing else happens any more may wait for an input that interrupts: it stands still,
 * and no time passes, until one is made.  Which it would hear; 0: it does not wait. */
enum rs_awaited { RS_AWAITS_CONSOLE = 1, RS_AWAITS_MANAGEMENT = 2, RS_AWAITS_KEYS = 4, RS_AWAITS_FRAMES = 8 };
unsigned rs_awaits(const rs_machine *m);

/* True if the position lies before the furthest one that was reached. */
bool rs_in_past(const rs_world *w);
struct rs_position rs_furthest(const rs_world *w);

/* A face may drive a script and let a person move the world in between.  The script is to return to where it
 * stood (rs_begin_seek, as the person) and notices nothing but inputs: for it the new cycles
 * (rs_watch_script) and movements (rs_begin_undo) are those made while it moves.  A person's undo goes on
 * from the script's. */
void rs_script_moves(rs_world *w, bool script);
struct rs_position rs_script_furthest(const rs_world *w);

/* ------------------------------------------------------------------ probes */

#include "probes.def"

enum rs_probe {
#define P(id, lua, when, help) RS_PROBE_##id,
    PROBES(P)
#undef P
        RS_PROBES
};

#define RS_EVENT_FIELDS_MAX 12

struct rs_walk;

#define RS_NO_CORE UINT32_MAX /* a device's event */

struct rs_event {
    enum rs_probe probe;
    uint64_t cycle, atom, micro;
    const rs_machine *machine;
    uint32_t core; /* RS_NO_CORE: it is a device's, and what follows up to rip is 0 */
    bool guest;    /* VMX non-root operation */
    uint64_t vmcs, eptp, vpid, cr3, rip;
    uint64_t field[RS_EVENT_FIELDS_MAX]; /* as probes.def lists */
    const struct rs_walk *walk;          /* walk.*, iommu.ref and iommu.end only */
    const uint8_t *frame;                /* frame only: its bytes */
};

enum rs_format {
    RS_HEX,
    RS_DEC,
    RS_BOOL,
    RS_EXIT_REASON,
    RS_VECTOR,
    RS_ACCESS,
    RS_TLB,
    RS_FLUSH,
    RS_HIT,
    RS_STAGE,
    RS_IPI,
    RS_VAPIC,
    RS_INPUT,
    RS_HALT,
    RS_RULE,
    RS_VMX_ERROR,
    RS_IOMMU_REASON,
    RS_FRAME,
    RS_FATE,
    RS_NIC_NUMBER, /* from 0, likewise */
    RS_CORE_NUMBER /* from 0, as in struct rs_event; people count from 1: rs_number */
};

struct rs_field_info {
    const char *name;
    enum rs_format format;
    const char *help;
};
struct rs_probe_info {
    const char *name, *when, *help;
    size_t fields;
    const struct rs_field_info *field;
};
extern const struct rs_probe_info rs_probe_info[RS_PROBES];

/* The word for a field's value, or NULL where the format is a number: rs_word(RS_ACCESS, 2) is "fetch". */
const char *rs_word(enum rs_format format, uint64_t value);

/* A field's value as people are shown it where it is a number: cores count from 1. */
uint64_t rs_number(enum rs_format format, uint64_t value);

typedef void rs_watcher(const struct rs_event *event, void *arg);

/* Handlers fire once per new cycle and never in replay, unless `always`: views want replay as well. */
int rs_watch(rs_world *w, enum rs_probe probe, bool always, rs_watcher *fn, void *arg);
/* For a script: fires once per cycle that is new to it, and while it moves. */
int rs_watch_script(rs_world *w, enum rs_probe probe, rs_watcher *fn, void *arg);
void rs_unwatch(rs_world *w, int id);

/* n bytes of a face's own that go through time with the world: what they hold is kept with each position that
 * can be gone back to, and put back there.  So what an `always` handler adds up in them, and in nothing else,
 * is the same at a position on every way to it.  They are set to 0 where nothing was kept: by a power cycle,
 * before this call, and where a snapshot from a file is restored.  They must stay until rs_unkeep.  Returns
 * an id, 0 if there are too many (8). */
int rs_keep(rs_world *w, void *bytes, size_t n);
void rs_unkeep(rs_world *w, int id);

/* ------------------------------------------------------------------ page walks */

enum rs_access { RS_READ, RS_WRITE, RS_FETCH };
enum rs_stage { RS_GUEST, RS_NESTED, RS_ROOT, RS_CONTEXT, RS_SECOND }; /* from root on: the IOMMU's */
enum rs_hit { RS_L1, RS_L2, RS_MEM, RS_CORE, RS_HITS };                /* core: from another core's caches */
enum rs_walk_owner {
    RS_NO_FAULT,
    RS_GUEST_FAULT,
    RS_EPT_VIOLATION,
    RS_EPT_MISCONFIG,
    RS_NON_CANONICAL,
    RS_APIC_ACCESS, /* a guest table lies in the APIC-access page */
    RS_PML_FULL,    /* the page-modification log has no room */
    RS_EPT_VE,      /* an EPT violation that becomes #VE */
    RS_IOMMU_FAULT
};

#define RS_WALK_ROWS 7 /* gL5..gL1 and the data address; the IOMMU's: root, context, L4..L1 and the data */
#define RS_WALK_COLS 6 /* nL5..nL1 and the guest's own reference */
#define RS_WALK_REFS (RS_WALK_ROWS * RS_WALK_COLS)

/* One memory reference of a walk.  Rows: 1 is the highest guest level, the last the data address; columns: 1
 * is the highest nested level, the last the guest's own entry.  A native walk, and the IOMMU's, uses the last
 * column alone. */
struct rs_walk_ref {
    enum rs_stage stage;
    uint8_t n, level, row, col; /* n from 1 */
    uint64_t gpa;               /* guest: of the entry; nested: the address being translated; native: 0 */
    uint64_t hpa;               /* of the entry */
    uint64_t before;            /* the entry as read */
    uint64_t entry;             /* as it stands after A/D updates */
    uint64_t high;              /* root and context entries: their upper 8 bytes */
    uint64_t cycles;
    enum rs_hit from;
    uint8_t
        base_ref;   /* number of the reference that gave the table's address; 0: CR3, EPTP or a walk cache */
    uint16_t index; /* into the table: address of entry = base + 8 index */
    bool leaf;
};

struct rs_walk_skip {
    uint8_t row, col;
    enum rs_skip { RS_BY_PWC, RS_BY_NPWC, RS_BY_NTLB, RS_BY_CONTEXT_CACHE, RS_BY_IOTLB } by;
};

struct rs_walk {
    bool valid, ended;
    bool nested; /* two-dimensional */
    bool guest;  /* VMX non-root operation */
    bool paging; /* false: linear addresses are physical */
    enum rs_access access;
    bool user;
    uint64_t gva, gpa, hpa; /* hpa: if there is no fault */
    bool gpa_known;         /* else gpa is 0: before the guest's tables end, and by a combined TLB entry */
    uint64_t cr3, eptp, vpid, pcid, rip;
    uint8_t rows, cols; /* of its grid: 5 x 5; native 5 x 1 */
    uint8_t ref_count, skip_count;
    struct rs_walk_ref ref[RS_WALK_REFS];
    struct rs_walk_skip skip[RS_WALK_REFS];
    uint64_t row_gpa[RS_WALK_ROWS + 1]; /* the gPA that row r translates, from 1 */
    uint64_t start_cycle, cycles;
    enum rs_walk_owner owner;
    uint32_t error;         /* #PF error code */
    uint64_t qualification; /* EPT violation */
    bool convertible;       /* EPT violation: #VE, unless its information area is busy */
    uint64_t fault_gpa;     /* EPT violation and misconfiguration, log full: of which gPA */
    uint64_t page_bytes;    /* of the composite entry */
    const char *fault_text; /* in words, or NULL */
    bool device;            /* the IOMMU's, for a device: gva is the address as the device has it */
    uint16_t requester;     /* who: bus, device and function number */
    bool domain_known;      /* the context entry has been read */
    uint16_t domain;
    uint8_t levels;  /* of the domain's tables, with domain_known: 3 or 4; 0: it has none, addresses pass */
    uint32_t reason; /* RS_IOMMU_FAULT: the VT-d specification's fault reason */
};

/* Translates without side effects.  caches: use and show the TLB and walk caches as they stand (a TLB hit
 * gives a walk of no references); otherwise walk in full. */
void rs_translate(rs_machine *m, uint32_t core, uint64_t gva, enum rs_access access, bool caches,
                  struct rs_walk *walk);
/* The walk in progress at this position, or the last one; NULL if there has been none since the machine was
 * loaded or moved. */
const struct rs_walk *rs_last_walk(const rs_machine *m, uint32_t core);
/* The same for a device's access, by its requester ID; RS_FAILED: the machine has no IOMMU (firmware setting
 * vtd), or it does not translate. */
enum rs_status rs_translate_device(rs_machine *m, uint16_t requester, uint64_t address, bool write,
                                   bool caches, struct rs_walk *walk);
/* What has that requester ID: "e1000"; NULL: nothing. */
const char *rs_requester(const rs_machine *m, uint16_t requester);
/* The IOMMU's walk in progress at this position, or its last one; NULL likewise. */
const struct rs_walk *rs_last_iommu_walk(const rs_machine *m);
/* gPA to hPA by tables in EPT format; RS_FAILED if not mapped. */
enum rs_status rs_gpa_to_hpa(const rs_machine *m, uint64_t root_hpa, uint64_t gpa, uint64_t *hpa);

/* ------------------------------------------------------------------ reading */

/* RAM only, no side effects; RS_FAILED if any byte lies outside. */
enum rs_status rs_read(const rs_machine *m, uint64_t hpa, void *bytes, size_t n);

/* The machine's time: the cycle at which its next atom starts; inside an atom, the clock of the core that it
 * is of.  With one core that is its clock. */
uint64_t rs_now(const rs_machine *m);
/* The core whose atom is half done or next: what a step moves.  RS_NO_CORE: that is an atom of the devices.
 */
uint32_t rs_next_core(const rs_machine *m);
uint64_t rs_cycles(const rs_machine *m, uint32_t core); /* a core's own clock */
uint64_t rs_insns(const rs_machine *m, uint32_t core);

/* Registers and the rest of a core by the names of state.def, arrays by index ("gpr", 0). */
struct rs_state_info {
    const char *name;
    bool arch;
    size_t count;
    size_t element_bytes;
};
size_t rs_state_count(void);
const struct rs_state_info *rs_state_info(size_t i);
enum rs_status rs_state_get(const rs_machine *m, uint32_t core, const char *name, size_t index,
                            uint64_t *value);
/* "rax".."r15", "rip", "rflags", "cr0".."cr8", "cs".."gs" (selectors), "efer", ...; RS_FAILED if unknown. */
enum rs_status rs_reg(const rs_machine *m, uint32_t core, const char *name, uint64_t *value);
extern const char *const rs_gpr_name[16];
bool rs_guest_mode(const rs_machine *m, uint32_t core); /* VMX non-root operation */
unsigned rs_cpl(const rs_machine *m, uint32_t core);

/* Where a linear address lies for the core now, ignoring permissions; RS_FAILED if it is not mapped. */
enum rs_status rs_linear_to_hpa(rs_machine *m, uint32_t core, uint64_t gva, uint64_t *hpa);
/* Reads linear memory as the core would now, ignoring permissions; RS_FAILED at the first unmapped byte. */
enum rs_status rs_read_linear(rs_machine *m, uint32_t core, uint64_t gva, void *bytes, size_t n);

/* VMCS fields by the manual's name in lower case with underscores ("guest_rip") of the VMCS at hpa. */
struct rs_vmcs_info {
    const char *name;
    uint32_t encoding;
    const char *group;
};
size_t rs_vmcs_count(void);
const struct rs_vmcs_info *rs_vmcs_info(size_t i);
enum rs_status rs_vmcs_get(const rs_machine *m, uint64_t vmcs_hpa, const char *name, uint64_t *value);
uint64_t rs_current_vmcs(const rs_machine *m, uint32_t core); /* all ones: none */

enum rs_tlb { RS_ITLB, RS_DTLB, RS_STLB, RS_PWC, RS_NPWC, RS_NTLB, RS_TLBS };
struct rs_tlb_view {
    enum rs_tlb which;
    uint64_t va; /* first address that it maps: linear, or guest-physical in npwc and ntlb */
    uint64_t pa; /* frame or table */
    uint64_t page_bytes;
    uint64_t vpid, pcid, eptp;
    uint64_t age; /* look-ups since its last use */
    bool global, writable, user, executable, dirty;
    const char *kind; /* "linear", "guest-physical", "combined" */
};
/* The i-th valid entry; false after the last. */
bool rs_tlb_get(const rs_machine *m, uint32_t core, enum rs_tlb which, size_t i, struct rs_tlb_view *view);

/* The IOMMU's caches of what concerns devices' accesses. */
enum rs_iommu_cache { RS_IOTLB, RS_IOMMU_PWC, RS_CONTEXT_CACHE, RS_IOMMU_CACHES };
struct rs_iommu_cache_view {
    uint16_t domain;
    uint16_t requester;  /* context cache; else 0 */
    uint64_t address;    /* first one that it maps, as devices have it; context cache: 0 */
    uint64_t to;         /* frame or table; context cache: the top table, 0 of what passes */
    uint64_t page_bytes; /* context cache: 0 */
    bool readable, writable;
    uint64_t age; /* look-ups since its last use */
};
/* The i-th valid entry; false after the last. */
bool rs_iommu_cache_get(const rs_machine *m, enum rs_iommu_cache which, size_t i,
                        struct rs_iommu_cache_view *view);

struct rs_counter_info {
    const char *name, *help;
};
size_t rs_counter_count(void);
const struct rs_counter_info *rs_counter_info(size_t i);
uint64_t rs_counter(const rs_machine *m, uint32_t core, size_t i);

/* Those of the IOMMU: sim/iommu/counters.def. */
size_t rs_iommu_counter_count(void);
const struct rs_counter_info *rs_iommu_counter_info(size_t i);
uint64_t rs_iommu_counter(const rs_machine *m, size_t i);

/* What a console's transmitter has sent up to this position.  uart: 0 console, 1 management, 2 port 0xe9. */
const uint8_t *rs_console(const rs_machine *m, unsigned uart, size_t *n);

/* What a VGA in text mode shows of the buffer at 0xb8000: cells of a character (code page 437) in 7:0 and its
 * attribute in 15:8. */
struct rs_text_screen {
    uint16_t cell[25][80];
    bool cursor; /* it is on, and on the screen: there */
    unsigned row, column;
};
void rs_text_screen(const rs_machine *m, struct rs_text_screen *screen);

/* Symbols of an ELF64 file. */
struct rs_symbols;
struct rs_symbols *rs_symbols_load(const char *path, struct rs_error *err);
void rs_symbols_free(struct rs_symbols *s);
/* Tells apart all that were ever loaded; 0 for NULL. */
uint64_t rs_symbols_id(const struct rs_symbols *s);
enum rs_status rs_symbol_address(const struct rs_symbols *s, const char *name, uint64_t *address,
                                 uint64_t *size);
/* The symbol at or before address: "main", offset 12; NULL if none. */
const char *rs_symbol_at(const struct rs_symbols *s, uint64_t address, uint64_t *offset);
/* The same as text: "main", "main+12"; empty if there is none.  symbols may be NULL. */
void rs_symbol_format(const struct rs_symbols *s, uint64_t address, char *text, size_t size);
/* Symbols of the booted image, NULL before boot. */
const struct rs_symbols *rs_machine_symbols(const rs_machine *m);

/* One instruction as text by Zydis, Intel syntax, addresses with their symbols: "call 0x101064 <main+12>".
 * bytes: up to 15.  symbols may be NULL.  Returns its length, 0 and no text if undecodable.  What this
 * processor lacks and answers with #UD, such as SSE, has its text as well. */
size_t rs_disassemble(const uint8_t *bytes, size_t n, uint64_t rip, const struct rs_symbols *symbols,
                      char *text, size_t size);
/* That at gva as the core would fetch it now.  0 and why in brackets if it can't be read or decoded. */
size_t rs_disassemble_at(rs_machine *m, uint32_t core, uint64_t gva, const struct rs_symbols *symbols,
                         char *text, size_t size);

/* ------------------------------------------------------------------ inputs */

/* Each is logged with its position and applied at once (machines stand at an atom's end when a face acts; an
 * input inside an atom, and one that a watcher makes, is applied at its end).  An input in the past cuts the
 * log there: rs_log_was_cut says so once.  To a script the past is its own, and inputs that are cut. */
enum rs_status rs_input_console(rs_machine *m, unsigned uart, const void *bytes, size_t n,
                                struct rs_error *err);
enum rs_status rs_input_poke(rs_machine *m, uint64_t hpa, const void *bytes, size_t n, struct rs_error *err);
/* Keys of the PS/2 keyboard, pressed and released: one by its name, or several held together, "ctrl+c"; or
 * those that type a text on a US keyboard. */
enum rs_status rs_input_key(rs_machine *m, const char *keys, struct rs_error *err);
enum rs_status rs_input_type(rs_machine *m, const char *text, size_t n, struct rs_error *err);
const char *rs_key_name(size_t i); /* NULL after the last */
/* Sets a register between two instructions: "rax".."r15", "rip", "rflags", "fs_base", "gs_base",
 * "kernel_gs_base", "cr2".  Fails for others (software sets them, with what hardware does then), for a value
 * that hardware would refuse, and inside an atom. */
enum rs_status rs_input_reg(rs_machine *m, uint32_t core, const char *name, uint64_t value,
                            struct rs_error *err);
bool rs_log_was_cut(rs_world *w);

/* ------------------------------------------------------------------ the network */

/* NICs count from 0 here, in the order of rs_config's devices; people count from 1. */
#define RS_OUTSIDE SIZE_MAX

struct rs_link {
    uint64_t bandwidth; /* bits a second: 10 kbit to 1 Tbit; 1 Gbit */
    uint64_t latency;   /* picoseconds, at most 10 s; 1 us */
    uint64_t loss;      /* frames of a million that are lost; 0 */
    uint64_t seed;      /* which ones; 1 */
    uint64_t cut;       /* 1: nothing comes through, and both NICs know that their link is down; 0 */
};
void rs_link_init(struct rs_link *link);
size_t rs_nics(const rs_machine *m);
/* Its kind and address; NULL if there are not so many. */
const char *rs_nic(const rs_machine *m, size_t nic, uint8_t mac[6]);
/* Joins two NICs, or one to the outside (b is NULL) as all are at first; or changes the link between them.
 * What they were linked to before is left to the outside.  Of a machine that has booted that is an input. */
enum rs_status rs_link(rs_machine *a, size_t nic_a, rs_machine *b, size_t nic_b, const struct rs_link *link,
                       struct rs_error *err);
/* peer: RS_OUTSIDE, or the NIC at the other end. */
enum rs_status rs_link_of(const rs_machine *m, size_t nic, struct rs_link *link, size_t *peer);
/* An input: a frame of 14 to 1518 bytes, without FCS, arrives at a NIC from outside. */
enum rs_status rs_input_frame(rs_machine *m, size_t nic, const void *bytes, size_t n, struct rs_error *err);

/* The files of a run, in the order of enum rs_file: the three streams are used by every run. */
enum rs_file {
    RS_FILE_STDIN,
    RS_FILE_STDOUT,
    RS_FILE_STDERR,
    RS_FILE_SCENARIO,
    RS_FILE_IMAGE,
    RS_FILE_MODULE,
    RS_FILE_DISK, /* that a commit may write */
    RS_FILE_DISK_READ,
    RS_FILE_REPLAY,
    RS_FILE_RECORD,
    RS_FILE_TRACE,
    RS_FILE_SNAPSHOT, /* to be written; taken note of no longer than that */
    RS_FILE_PCAP,
    RS_FILES
};
/* Takes note of what the run reads or writes; fails if one that is written would be another as well, by
 * whatever name.  rs_boot, rs_record and rs_replay call it themselves: a face calls it before, for all that
 * it knows, so that nothing is written before all are known to be apart. */
enum rs_status rs_use_file(rs_world *w, enum rs_file use, const char *path, struct rs_error *err);

/* Whether the two are one file, also by links, or would be once they are made. */
bool rs_same_file(const char *a, const char *b);

/* Writes the inputs to come.  The file is new, empty or an older log, which stays as it is until a machine
 * boots. */
enum rs_status rs_record(rs_world *w, const char *path, struct rs_error *err);
/* NULL while everything has been written. */
const char *rs_record_trouble(const rs_world *w);
/* Before boot.  Inputs come from the file at their positions; those that the face makes are dropped.  If the
 * log turns out not to fit, rs_boot fails, and rs_replay_trouble says why from then on. */
enum rs_status rs_replay(rs_world *w, const char *path, struct rs_error *err);
/* NULL while the log fits. */
const char *rs_replay_trouble(const rs_world *w);

/* ------------------------------------------------------------------ snapshots and hashes */

typedef struct rs_snapshot rs_snapshot;

rs_snapshot *rs_snapshot_take(rs_world *w);
enum rs_status rs_snapshot_restore(rs_world *w, const rs_snapshot *s, struct rs_error *err);
void rs_snapshot_free(rs_snapshot *s);
enum rs_status rs_snapshot_save(const rs_snapshot *s, const char *path, struct rs_error *err);
rs_snapshot *rs_snapshot_load(rs_world *w, const char *path, struct rs_error *err);

enum rs_hash { RS_HASH_ALL, RS_HASH_ARCH };
uint64_t rs_hash(rs_world *w, enum rs_hash kind);

/* Drops everything derived (decoded instructions, host pointers) of all machines.  No result changes. */
void rs_drop_derived(rs_world *w);
/* For tests: drop it before every n-th atom, at random from `seed`; 0: never. */
void rs_drop_derived_at_random(rs_world *w, uint64_t n, uint64_t seed);

#endif
