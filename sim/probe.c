/* probe.c - telling the watchers. */
#include <string.h>

#include "arch/vmx.h"
#include "cpu/cpu.h"
#include "cpu/vapic.h"
#include "dev/link.h"
#include "iommu/iommu.h"
#include "mmu/derived.h"
#include "mmu/mmu.h"
#include "mmu/walk.h"
#include "schedule.h"
#include "trail.h"
#include "world.h"

/* ---- what there is to watch, from probes.def ---- */

enum {
    HEX = RS_HEX,
    DEC = RS_DEC,
    BOOL = RS_BOOL,
    EXIT = RS_EXIT_REASON,
    VEC = RS_VECTOR,
    ACC = RS_ACCESS,
    TLB = RS_TLB,
    FLUSH = RS_FLUSH,
    HIT = RS_HIT,
    IPI = RS_IPI,
    VAPIC = RS_VAPIC,
    STAGE = RS_STAGE,
    INPUT = RS_INPUT,
    HALT = RS_HALT,
    RULE = RS_RULE,
    VMXERR = RS_VMX_ERROR,
    IOMMU = RS_IOMMU_REASON,
    FRAME = RS_FRAME,
    FATE = RS_FATE,
    NIC = RS_NIC_NUMBER,
    CORE = RS_CORE_NUMBER
};

#define F(name, format, help)  {#name, (enum rs_format)format, help},
#define P(id, lua, when, help) static const struct rs_field_info fields_##id[] = {PROBE_FIELDS_##id(F)};
PROBES(P)
#undef P
#undef F

const struct rs_probe_info rs_probe_info[RS_PROBES] = {
#define P(id, lua, when, help) {lua, when, help, sizeof fields_##id / sizeof *fields_##id, fields_##id},
    PROBES(P)
#undef P
};

/* ---- words ---- */

static const char *const access_word[] = {"read", "write", "fetch"};
static const char *const tlb_word[] = {"itlb", "dtlb", "stlb", "pwc", "npwc", "ntlb"};
static const char *const flush_word[] = {"MOV CR3",      "MOV CR0/CR4", "INVLPG",  "INVPCID",       "INVEPT",
                                         "INVVPID",      "VM entry",    "VM exit", "EPT violation", "fault",
                                         "start-up IPI", "APIC base",   "VMFUNC"};
static const char *const hit_word[RS_HITS] = {"l1", "l2", "mem", "core"};
static const char *const ipi_word[] = {"fixed", "lowest priority", "SMI", "reserved", "NMI",
                                       "INIT",  "start-up"};
static const char *const vapic_word[] = {"read", "write", "EOI", "self-IPI", "delivery", "posted"};
_Static_assert(sizeof vapic_word / sizeof *vapic_word == VAPIC_EVENTS, "a word for each event");
static const char *const frame_word[] = {"sent", "received", "dropped"};
_Static_assert(sizeof frame_word / sizeof *frame_word == FRAME_EVENTS, "a word for each event");
static const char *const fate_word[] = {
#define X(id, word) word,
    FRAME_ENDS(X)
#undef X
};
static const char *const stage_word[] = {"guest", "nested", "root", "context", "second"};
static const char *const halt_word[] = {"running",   "debug-exit",   "shutdown",    "halted for ever",
                                        "VMX abort", "bad start-up", "switched off"};
_Static_assert(sizeof halt_word / sizeof *halt_word == HALT_CAUSES, "a word for each cause");
static const char *const vector_word[] = {
#define V(vector, mnemonic, ...) [vector] = mnemonic,
    X86_VECTORS(V)
#undef V
};
static const char *const vmx_error_word[] = {
#define VMX_ERROR(id, number, text) [number] = text,
#include "arch/vmx_errors.def"
#undef VMX_ERROR
};
_Static_assert(sizeof flush_word / sizeof *flush_word == FLUSH_CAUSES, "a word for each cause");

#define WORD(table, value) ((value) < sizeof(table) / sizeof *(table) ? (table)[value] : NULL)

const char *rs_word(enum rs_format format, uint64_t value)
{
    switch (format) {
    case RS_EXIT_REASON: return vmx_reason_name((u32)value);
    case RS_VECTOR: return WORD(vector_word, value);
    case RS_ACCESS: return WORD(access_word, value);
    case RS_TLB: return WORD(tlb_word, value);
    case RS_FLUSH: return WORD(flush_word, value);
    case RS_HIT: return WORD(hit_word, value);
    case RS_IPI: return WORD(ipi_word, value);
    case RS_VAPIC: return WORD(vapic_word, value);
    case RS_STAGE: return WORD(stage_word, value);
    case RS_INPUT: return value < INPUT_KINDS ? input_kind_name((enum input_kind)value) : NULL;
    case RS_VMX_ERROR: return WORD(vmx_error_word, value);
    case RS_RULE: return vmx_rule_text((u32)value);
    case RS_IOMMU_REASON: return iommu_reason_text((u32)value);
    case RS_FRAME: return WORD(frame_word, value);
    case RS_FATE: return WORD(fate_word, value);
    case RS_HALT: return WORD(halt_word, value);
    default: return NULL;
    }
}

uint64_t rs_number(enum rs_format format, uint64_t value)
{
    return format == RS_CORE_NUMBER || format == RS_NIC_NUMBER ? value + 1 : value;
}

/* ---- watchers ---- */

/* Accesses by a short cut are not told of: while someone watches them there are none. */
static void set_watched(struct machine *m, u64 watched)
{
    u64 changed = m->watched ^ watched;
    m->watched = watched;
    for (u32 i = 0; i < m->cores && changed >> RS_PROBE_access & 1; i++)
        derived_drop_shortcuts(m->core[i]);
}

/* Whether the watcher wants what happens now, which is new or not to the world, and to the script.  An input
 * that comes while nobody moves is new to the script if it is made where that stands. */
static bool watches(const struct rs_world *w, const struct watcher *watcher, bool news, bool news_to_script)
{
    if (watcher->script)
        return news_to_script && (w->script || w->move.kind == MOVE_NONE);
    return watcher->always || news;
}

/* The atom in which the run has got furthest counts as new: probe_fire knows its micros apart. */
void world_update_watched(struct rs_world *w)
{
    u64 watched = w->hunted;
    const struct history *h = &w->history;
    u64 atom = w->machine ? history_position(w).atom : 0;
    for (unsigned i = 0; i < w->watchers && !w->muted; i++)
        if (w->watcher[i].id &&
            watches(w, &w->watcher[i], atom >= h->furthest.atom, atom >= h->script_furthest.atom))
            watched |= UINT64_C(1) << w->watcher[i].probe;
    if (w->machine)
        set_watched(w->machine, watched);
}

static int watch(rs_world *w, struct watcher watcher)
{
    for (unsigned i = 0; i < WATCHERS_MAX; i++)
        if (!w->watcher[i].id) {
            watcher.id = ++w->next_watcher;
            w->watcher[i] = watcher;
            w->watchers = i < w->watchers ? w->watchers : i + 1;
            world_update_watched(w);
            return w->next_watcher;
        }
    return 0;
}

int rs_watch(rs_world *w, enum rs_probe probe, bool always, rs_watcher *fn, void *arg)
{
    return watch(w, (struct watcher){.probe = probe, .always = always, .fn = fn, .arg = arg});
}

int rs_watch_script(rs_world *w, enum rs_probe probe, rs_watcher *fn, void *arg)
{
    return watch(w, (struct watcher){.probe = probe, .script = true, .fn = fn, .arg = arg});
}

void rs_unwatch(rs_world *w, int id)
{
    for (unsigned i = 0; i < w->watchers; i++)
        if (w->watcher[i].id == id)
            w->watcher[i].id = 0;
    while (w->watchers && !w->watcher[w->watchers - 1].id)
        w->watchers--;
    world_update_watched(w);
}

static struct atom *atom_running(struct machine *m)
{
    if (m->running)
        return &m->running->rt.atom;
    return m->devices.running ? &m->devices.atom : machine_next(m);
}

bool rs_stop_here(rs_world *w)
{
    struct machine *m = w->machine;
    struct atom *a = atom_running(m);
    if (w->settling || w->move.kind == MOVE_BACK)
        return false;
    w->stop_requested = true;
    w->input_waits = false;
    a->micro_stop = a->micro + 1;
    return true;
}

/* Whoever stops in this atom for another reason comes by the input anyway. */
void world_stop_for_input(struct rs_world *w)
{
    struct atom *a = atom_running(w->machine);
    if (a->micro_stop)
        return;
    a->micro_stop = ATOM_END;
    w->input_waits = true;
}

bool rs_land_at(rs_world *w, struct rs_position at)
{
    if (!w->move.search || !w->trail || !position_before(at, w->move.origin))
        return false;
    trail_add(w->trail, at);
    return true;
}

/* The search of a step or back: leaves the event's position in the trail, or counts it down if it is later
 * than where the step began (an atom that is half done begins anew). */
static void hunt(struct rs_world *w, struct atom *a)
{
    struct rs_position at = {machine_atom(w->machine), a->micro + 1};
    if (w->trail)
        trail_add(w->trail, at);
    else if (w->hunt_left && position_before(w->move.origin, at) && --w->hunt_left == 0) {
        a->micro_stop = at.micro;
        w->input_waits = false;
    }
}

/* A device's address that the IOMMU's caches know by themselves takes no walk, as one of a TLB's takes none.
 */
static bool is_hunted(const struct rs_world *w, enum rs_probe probe)
{
    const struct rs_walk *last = &w->machine->iommu_walk;
    bool saved = probe == RS_PROBE_iommu_end && !last->ref_count && last->owner == RS_NO_FAULT;
    return w->hunted >> probe & 1 && !saved;
}

static void core_event(struct core *c, enum rs_probe probe)
{
    struct rs_event *e = &c->rt.atom.event;
    *e = (struct rs_event){.cycle = c->s.cycle,
                           .machine = c->m,
                           .core = c->id,
                           .guest = c->s.vmx_guest,
                           .vmcs = c->s.vmcs_hpa,
                           .cr3 = c->s.cr3,
                           .rip = c->s.rip};
    if (c->s.vmx_guest) {
        e->eptp = c->s.vmx.eptp;
        e->vpid = c->s.vmx.vpid;
    }
    if (probe == RS_PROBE_walk_begin || probe == RS_PROBE_walk_ref || probe == RS_PROBE_walk_end)
        e->walk = walk_of(c);
}

/* Tells of an event whose atom has filled in what its maker knows. */
static void tell(struct machine *m, struct atom *a, enum rs_probe probe, const u64 *fields)
{
    struct rs_world *w = m->world;
    struct rs_position now = history_position(w);
    bool news = !position_before(now, w->history.furthest);
    bool here = w->script || !position_before(w->history.script_furthest, now);
    bool news_to_script = here && !position_before(now, w->history.script_furthest);
    if (is_hunted(w, probe))
        hunt(w, a);
    a->event.probe = probe;
    a->event.atom = machine_atom(m);
    a->event.micro = a->micro + 1;
    memcpy(a->event.field, fields, rs_probe_info[probe].fields * sizeof *fields);
    for (unsigned i = 0; i < w->watchers; i++) {
        struct watcher watcher = w->watcher[i];
        if (watcher.id && watcher.probe == probe && watches(w, &watcher, news, news_to_script))
            watcher.fn(&a->event, watcher.arg);
    }
}

void probe_fire(struct core *c, enum rs_probe probe, const u64 *fields)
{
    core_event(c, probe);
    tell(c->m, &c->rt.atom, probe, fields);
}

void probe_fire_device(struct machine *m, enum rs_probe probe, const u64 *fields)
{
    struct atom *a = &m->devices.atom;
    a->event = (struct rs_event){
        .cycle = m->devices.cycle, .machine = m, .core = RS_NO_CORE, .frame = m->devices.frame};
    if (probe == RS_PROBE_iommu_ref || probe == RS_PROBE_iommu_end)
        a->event.walk = &m->iommu_walk;
    tell(m, a, probe, fields);
}
