/* walk.c - the page walker: one loop over the levels of a table format.
 *
 * The loop is level.h's.  A walk in two dimensions is the same one: it runs over the guest's tables, and the
 * address of each entry that it is about to read, a guest-physical one, is translated by the loop over the
 * EPT tables. */
#include "mmu/walk.h"

#include "arch/vmx.h"
#include "cpu/cpu.h"
#include "cpu/vapic.h"
#include "mmu/cache.h"
#include "mmu/coherence.h"
#include "mmu/level.h"
#include "mmu/mem.h"
#include "mmu/mmu.h"
#include "mmu/pml.h"
#include "mmu/walk_cache.h"

#define DATA_ROW  5
#define GUEST_COL 5 /* of a two-dimensional walk; a native one has a single column */

/* A walk in progress. */
struct walk {
    struct core *c; /* NULL: tables alone, no rights, no record, no cycles */
    struct mem *mem;
    struct rs_walk *rec;
    struct mmu_context x;
    u64 gva;
    unsigned access;
    bool dry;
};

/* One run of the loop. */
struct pass {
    const struct level_format *format;
    enum rs_stage stage;
    u64 root;
    u64 reserved; /* besides the format's */
    bool flags;   /* accessed and dirty flags are in use */
    bool write;   /* sets the dirty flag */
    u64 need;     /* nested: EPT rights that must be there */
    bool table;   /* nested: the address is that of a guest table's entry */
    u8 row;       /* nested: the row whose address is translated */
    struct walk_cache_tag tag;
};

/* What a pass finds. */
struct mapping {
    u64 frame, perms;
    unsigned reach;
};

/* Where an entry is, and what EPT allows there. */
struct place {
    u64 gpa, hpa, perms;
};

static bool nested_translate(struct walk *w, u8 row, u64 gpa, bool table, struct mapping *out);

/* ---- the record ---- */

INLINED u8 row_of(const struct pass *s, unsigned level)
{
    return s->stage == RS_GUEST ? (u8)(DATA_ROW - level) : s->row;
}

INLINED u8 col_of(const struct walk *w, const struct pass *s, unsigned level)
{
    if (s->stage == RS_NESTED)
        return (u8)(GUEST_COL - level);
    return w->rec->cols;
}

/* No cell is skipped twice, so there is room. */
INLINED void skip_cells(struct rs_walk *rec, u8 row, u8 first_col, u8 last_col, enum rs_skip by)
{
    struct rs_walk_skip *to = rec->skip + rec->skip_count;
    rec->skip_count += (u8)(last_col + 1 - first_col);
    for (u8 col = first_col; col <= last_col; col++)
        *to++ = (struct rs_walk_skip){row, col, by};
}

/* ---- entries ---- */

/* A dry walk sees the bits that it would have set. */
INLINED u64 entry_now(const struct walk *w, u64 hpa)
{
    if (w->dry)
        for (u8 i = w->rec->ref_count; i--;)
            if (w->rec->ref[i].hpa == hpa)
                return w->rec->ref[i].entry;
    return mem_read(w->mem, hpa, 8);
}

/* Reads an entry through the L1D (rule T2) and writes the reference down.  NULL where nobody keeps a record.
 */
INLINED struct rs_walk_ref *reference(struct walk *w, const struct pass *s, const struct cursor *at,
                                      const struct place *p, u64 *entry)
{
    *entry = entry_now(w, p->hpa);
    if (!w->c)
        return NULL;
    enum rs_hit from;
    u64 cycles = w->c->m->p.l1_latency + cache_read(w->c, p->hpa, &from);
    stall(w->c, &w->c->s.count.stall_walk, cycles);
    w->c->s.count.walk_refs++;
    w->c->s.count.walk_refs_nested += s->stage == RS_NESTED;
    struct rs_walk_ref *ref = &w->rec->ref[w->rec->ref_count++];
    *ref = (struct rs_walk_ref){
        .stage = s->stage,
        .n = w->rec->ref_count,
        .level = (u8)at->level,
        .row = row_of(s, at->level),
        .col = col_of(w, s, at->level),
        .gpa = p->gpa,
        .hpa = p->hpa,
        .before = *entry,
        .entry = *entry,
        .cycles = cycles,
        .from = from,
        .base_ref = at->base_ref,
        .index = (uint16_t)((p->hpa & 0xfff) >> 3),
    };
    return ref;
}

INLINED void tell_reference(struct walk *w, const struct rs_walk_ref *ref)
{
    w->rec->cycles = w->c->s.cycle - w->rec->start_cycle;
    PROBE(w->c, RS_PROBE_walk_ref, w->gva, w->rec->access, ref->n, ref->stage, ref->level, ref->row, ref->col,
          ref->gpa, ref->hpa, ref->entry, ref->cycles, ref->from);
    micro(w->c, MICRO_WALK_REF);
}

/* Rule C5. */
static u64 update_takes(struct walk *w, const struct rs_walk_ref *ref)
{
    u64 line = ref->hpa >> LINE_SHIFT;
    return w->dry ? coherence_write_cost(w->c, line, ref->from) : coherence_write(w->c, line, ref->from);
}

/* Sets A or D: a locked update, which is no reference of its own.  One of D in EPT is logged. */
static void update_flags(struct walk *w, const struct pass *s, const struct rs_walk_ref *ref)
{
    if (!w->dry)
        mem_write(w->mem, ref->hpa, 8, ref->entry);
    w->c->s.count.ad_updates++;
    stall(w->c, &w->c->s.count.stall_walk, w->c->m->p.ad_update_cycles);
    stall(w->c, &w->c->s.count.stall_walk, update_takes(w, ref));
    w->rec->cycles = w->c->s.cycle - w->rec->start_cycle;
    micro(w->c, MICRO_AD_UPDATE);
    if (s->stage == RS_NESTED && ref->entry & ~ref->before & EPT_D)
        pml_log(w->c, ref->gpa, w->dry);
}

/* ---- failing ---- */

static void fail_guest(struct walk *w, enum guest_fault fault)
{
    w->rec->owner = RS_GUEST_FAULT;
    w->rec->error = rights_error_code(w->c, fault, w->access);
    w->rec->fault_text = walk_text_guest(w->c, fault, w->rec->error);
}

/* Exit qualification (SDM vol. 3, table 27-7 "Exit Qualification for EPT Violations"). */
static u64 qualification(u64 access_bits, u64 perms, bool table)
{
    return access_bits | (perms & PERM_EPT_R ? QUAL_EPT_READABLE : 0) |
           (perms & PERM_EPT_W ? QUAL_EPT_WRITABLE : 0) | (perms & PERM_EPT_X ? QUAL_EPT_EXECUTABLE : 0) |
           QUAL_EPT_LINEAR_VALID | (table ? 0 : QUAL_EPT_TRANSLATED);
}

/* Other reasons than an EPT violation. */
static void fail_nested(struct walk *w, enum rs_walk_owner owner, u64 gpa)
{
    w->rec->owner = owner;
    w->rec->fault_text = walk_text_nested(owner);
    w->rec->fault_gpa = gpa;
}

/* suppress: bit 63 of the entry that decides whether the violation may become #VE. */
static void fail_ept(struct walk *w, enum ept_fault fault, u64 gpa, u64 qual, bool suppress)
{
    w->rec->convertible = !suppress && vmx_converts(w->c);
    bool converted = w->rec->convertible && !vmx_ve_is_busy(w->c);
    w->rec->owner = converted ? RS_EPT_VE : RS_EPT_VIOLATION;
    w->rec->qualification = qual;
    w->rec->fault_text = walk_text_ept(w->c, fault, converted);
    w->rec->fault_gpa = gpa;
}

/* The entry's flags stay: EPT refuses to have a guest's set, which is to read and to write, or the log has no
 * room for its own. */
static void fail_update(struct walk *w, const struct pass *s, const struct place *p)
{
    if (s->stage == RS_GUEST)
        fail_ept(w, EPT_REFUSES_TABLE_WRITE, p->gpa,
                 qualification(QUAL_EPT_READ | QUAL_EPT_WRITE, p->perms, true), p->perms & PERM_SUPPRESS_VE);
    else
        fail_nested(w, RS_PML_FULL, p->gpa);
}

static u64 access_bits(const struct pass *s)
{
    return (s->need & PERM_EPT_R ? QUAL_EPT_READ : 0) | (s->need & PERM_EPT_W ? QUAL_EPT_WRITE : 0) |
           (s->need & PERM_EPT_X ? QUAL_EPT_FETCH : 0);
}

static enum ept_fault refused_as(u64 missing)
{
    if (missing & PERM_EPT_R)
        return EPT_REFUSES_READ;
    return missing & PERM_EPT_W ? EPT_REFUSES_WRITE : EPT_REFUSES_FETCH;
}

/* ---- one entry ---- */

enum verdict { ENTRY_OK, ENTRY_NOT_PRESENT, ENTRY_MALFORMED, ENTRY_REFUSED };

/* 1 GiB pages of linear addresses are there if CPUID says so (SDM vol. 3, 4.1.4). */
INLINED bool large_page_absent(const struct walk *w, const struct pass *s, unsigned level, u64 entry)
{
    if (s->stage != RS_GUEST || level != 3 || !(entry & PTE_PS) || !w->c)
        return false;
    u32 cpuid[4];
    sys_cpuid(w->c, 0x80000001, 0, cpuid);
    return !(cpuid[3] & CPUID_EXT1_EDX_PAGE1GB);
}

INLINED enum guest_fault guest_refusal(const struct walk *w, u64 perms)
{
    return w->c ? rights_guest(w->c, perms, w->access) : FAULT_NONE;
}

INLINED enum verdict judge(const struct walk *w, const struct pass *s, unsigned level, u64 entry, u64 perms)
{
    const struct level_format *f = s->format;
    if (!(entry & f->present))
        return ENTRY_NOT_PRESENT;
    if (entry & s->reserved || !level_well_formed(f, level, entry) || large_page_absent(w, s, level, entry))
        return ENTRY_MALFORMED;
    if (!level_is_leaf(f, level, entry))
        return ENTRY_OK;
    bool refused = s->stage == RS_GUEST ? guest_refusal(w, perms) != FAULT_NONE : (s->need & ~perms) != 0;
    return refused ? ENTRY_REFUSED : ENTRY_OK;
}

/* Takes the pass by value: where nothing fails, its fields stay in registers. */
static bool failed(struct walk *w, struct pass s, enum verdict v, u64 gpa, u64 perms, u64 entry)
{
    static const enum guest_fault simple[] = {FAULT_NONE, FAULT_NOT_PRESENT, FAULT_RESERVED};
    if (!w->c)
        return false;
    if (s.stage == RS_GUEST)
        fail_guest(w, v == ENTRY_REFUSED ? guest_refusal(w, perms) : simple[v]);
    else if (v == ENTRY_MALFORMED)
        fail_nested(w, RS_EPT_MISCONFIG, gpa);
    else
        fail_ept(w, v == ENTRY_NOT_PRESENT ? EPT_NOT_PRESENT : refused_as(s.need & ~perms), gpa,
                 qualification(access_bits(&s), perms, s.table), entry & EPT_SUPPRESS_VE);
    return false;
}

/* Accessed and dirty flags that using this entry sets (SDM vol. 3, 4.8 and 28.3.5). */
INLINED u64 with_flags(const struct pass *s, unsigned level, u64 entry)
{
    if (!s->flags)
        return entry;
    bool dirty = s->write && level_is_leaf(s->format, level, entry);
    return entry | s->format->accessed | (dirty ? s->format->dirty : 0);
}

/* Finds the entry for the cursor's level: its address, through EPT if that is in use. */
INLINED bool locate(struct walk *w, const struct pass *s, const struct cursor *at, u64 address,
                    struct place *p)
{
    u64 entry = at->table + 8 * level_index(s->format, at->level, address);
    *p = (struct place){.gpa = s->stage == RS_NESTED ? address : 0, .hpa = entry, .perms = PERM_EPT};
    if (s->stage == RS_NESTED || !w->x.nested)
        return true;
    struct mapping m;
    if (!nested_translate(w, row_of(s, at->level), entry, true, &m))
        return false;
    *p =
        (struct place){.gpa = entry, .hpa = m.frame | (entry & (reach_bytes(m.reach) - 1)), .perms = m.perms};
    if (w->c && vapic_virtualises(w->c, p->hpa)) {
        fail_nested(w, RS_APIC_ACCESS, entry);
        return false;
    }
    return true;
}

/* Reads the cursor's entry, judges it and sets its flags.  *entry: as it stands then. */
INLINED bool visit(void *walk, const void *pass, struct cursor *at, u64 address, u64 *entry)
{
    struct walk *w = walk;
    const struct pass *s = pass;
    struct place p;
    if (!locate(w, s, at, address, &p))
        return false;
    struct rs_walk_ref *ref = reference(w, s, at, &p, entry);
    at->perms &= s->format->perms(*entry);
    enum verdict v = judge(w, s, at->level, *entry, at->perms);
    if (!ref)
        return v == ENTRY_OK;
    u64 flagged = v == ENTRY_OK ? with_flags(s, at->level, *entry) : *entry;
    bool forbidden =
        flagged != *entry && (!(p.perms & PERM_EPT_W) || (s->stage == RS_NESTED && pml_is_full(w->c)));
    ref->leaf = v == ENTRY_OK && level_is_leaf(s->format, at->level, *entry);
    ref->entry = forbidden ? *entry : flagged;
    at->base_ref = ref->n;
    bool update = ref->entry != *entry;
    *entry = ref->entry;
    tell_reference(w, ref);
    if (v != ENTRY_OK)
        return failed(w, *s, v, p.gpa, at->perms, *entry);
    if (forbidden)
        fail_update(w, s, &p);
    else if (update)
        update_flags(w, s, ref);
    return !forbidden;
}

/* ---- the loop ---- */

INLINED void note_skipped(struct walk *w, const struct pass *s, unsigned level)
{
    if (s->stage == RS_NESTED)
        skip_cells(w->rec, s->row, col_of(w, s, LEVELS), col_of(w, s, level), RS_BY_NPWC);
    else
        for (unsigned skipped = LEVELS; skipped >= level; skipped--)
            skip_cells(w->rec, row_of(s, skipped), 1, w->rec->cols, RS_BY_PWC);
}

/* The root, or what a walk cache remembers further down. */
INLINED struct cursor start(struct walk *w, const struct pass *s, u64 address)
{
    struct cursor at = {
        .level = LEVELS, .table = s->root, .perms = s->stage == RS_GUEST ? PERM_GUEST : PERM_EPT};
    struct tlb_entry e;
    enum walk_cache which = s->stage == RS_GUEST ? CACHE_OF_GUEST : CACHE_OF_EPT;
    unsigned level = w->c ? walk_cache_look_up(w->c, which, address, s->tag, &e) : 0;
    if (!level)
        return at;
    note_skipped(w, s, level);
    return (struct cursor){.level = level - 1, .table = e.frame, .perms = e.perms};
}

INLINED void remember(void *walk, const void *pass, const struct cursor *at, u64 address, u64 table)
{
    struct walk *w = walk;
    const struct pass *s = pass;
    enum walk_cache which = s->stage == RS_GUEST ? CACHE_OF_GUEST : CACHE_OF_EPT;
    if (w->c)
        walk_cache_fill(w->c, which, at->level, address, s->tag, table, at->perms);
}

INLINED struct mapping mapping_of(const struct pass *s, const struct cursor *at, u64 entry)
{
    bool dirty = !s->flags || entry & s->format->dirty;
    return (struct mapping){
        .frame = level_frame(s->format, at->level, entry),
        .perms = at->perms | (dirty ? PERM_DIRTY : 0) |
                 (s->stage == RS_GUEST && entry & PTE_G ? PERM_GLOBAL : 0) |
                 (s->stage == RS_NESTED && entry & EPT_SUPPRESS_VE ? PERM_SUPPRESS_VE : 0),
        .reach = at->level - 1,
    };
}

/* From the root to the entry that maps the address: every format, both dimensions. */
INLINED bool read_tables(struct walk *w, const struct pass *s, u64 address, struct mapping *out)
{
    struct cursor at = start(w, s, address);
    u64 entry;
    if (!level_loop(s->format, visit, remember, w, s, &at, address, &entry))
        return false;
    *out = mapping_of(s, &at, entry);
    return true;
}

/* ---- the nested dimension ---- */

/* Accesses to the guest's tables are reads; with the accessed and dirty flags for EPT they count as writes
 * (SDM vol. 3, 28.3.5 "Accessed and Dirty Flags for EPT"). */
static u64 ept_rights_needed(const struct walk *w, bool table)
{
    if (table)
        return PERM_EPT_R | (w->x.ept_flags ? PERM_EPT_W : 0);
    return rights_ept_needed(w->access);
}

/* Tables in EPT format, and nothing else of what the walk is about. */
static bool read_ept_tables(const struct mem *mem, u64 root, u64 gpa, struct mapping *out)
{
    struct walk w = {.mem = (struct mem *)mem};
    struct pass s = {.format = &format_ept, .stage = RS_NESTED, .root = root & PTE_ADDR & PHYS_MASK};
    return !(gpa >> (format_ept.shift[LEVELS] + 9)) && read_tables(&w, &s, gpa, out);
}

static bool nested_translate(struct walk *w, u8 row, u64 gpa, bool table, struct mapping *out)
{
    if (!w->c)
        return read_ept_tables(w->mem, w->x.eptp, gpa, out);
    u64 need = ept_rights_needed(w, table);
    bool write = need & PERM_EPT_W;
    struct tlb_entry e;
    w->rec->row_gpa[row] = gpa;
    if (nested_tlb_look_up(w->c, gpa, need | (write ? PERM_DIRTY : 0), w->x.eptp, &e)) {
        skip_cells(w->rec, row, 1, GUEST_COL - 1, RS_BY_NTLB);
        *out = (struct mapping){.frame = e.frame, .perms = e.perms, .reach = entry_reach(&e)};
        return true;
    }
    struct pass s = {
        .format = &format_ept,
        .stage = RS_NESTED,
        .root = w->x.eptp & PHYS_MASK,
        .flags = w->x.ept_flags,
        .write = write,
        .need = need,
        .table = table,
        .row = row,
        .tag = {tlb_space(KIND_GUEST_PHYSICAL, 0, 0), w->x.eptp},
    };
    if (!read_tables(w, &s, gpa, out))
        return false;
    nested_tlb_fill(w->c, gpa, out->reach, w->x.eptp, out->frame, out->perms);
    return true;
}

/* ---- the whole walk ---- */

static enum rs_access access_of(unsigned access)
{
    if (access & MMU_FETCH)
        return RS_FETCH;
    return access & MMU_WRITE ? RS_WRITE : RS_READ;
}

INLINED void begin_record(struct walk *w)
{
    const struct core_state *s = &w->c->s;
    struct rs_walk *rec = w->rec;
    w->c->rt.short_walk.noted = false;
    rec->valid = rec->paging = true;
    rec->ended = false;
    rec->nested = w->x.nested;
    rec->guest = s->vmx_guest;
    rec->access = access_of(w->access);
    rec->user = (w->access & (MMU_USER | MMU_IMPLICIT)) == MMU_USER;
    rec->gva = w->gva;
    rec->gpa = rec->hpa = rec->fault_gpa = 0;
    rec->gpa_known = rec->convertible = false;
    rec->cr3 = s->cr3;
    rec->eptp = w->x.nested ? s->vmx.eptp : 0;
    rec->vpid = w->x.space >> SPACE_VPID_SHIFT & 0xffff;
    rec->pcid = w->x.space & SPACE_PCID;
    rec->rip = s->rip;
    rec->rows = DATA_ROW;
    rec->cols = w->x.nested ? GUEST_COL : 1;
    rec->ref_count = rec->skip_count = 0;
    for (unsigned row = 0; row <= RS_WALK_ROWS; row++)
        rec->row_gpa[row] = 0;
    rec->start_cycle = s->cycle;
    rec->cycles = rec->qualification = rec->page_bytes = 0;
    rec->owner = RS_NO_FAULT;
    rec->error = 0;
    rec->fault_text = NULL;
}

/* A large page is kept whole only if all of it is RAM; else what is kept is the 4 KiB piece, as processors do
 * where memory types differ inside a page (SDM vol. 3, 11.11.9 "Large Page Size Considerations"). */
static bool all_ram(const struct core *c, u64 frame, u64 bytes)
{
    u64 apic = c->s.apic_base & PHYS_MASK & ~(u64)0xfff, access = c->s.vmx.apic_access;
    bool holds_apic = apic >= frame && apic - frame < bytes;
    bool virtualised = access - frame < bytes && vapic_virtualises(c, access);
    return board_is_ram(c->m, frame, bytes) && !holds_apic && !virtualised;
}

/* The entry of both dimensions together: rights of both, the smaller page (SDM vol. 3, 28.4.1). */
static void compose(struct walk *w, const struct mapping *guest, const struct mapping *nested,
                    struct tlb_entry *out)
{
    u64 offset = w->gva & (reach_bytes(guest->reach) - 1);
    u64 gpa = guest->frame | offset;
    u64 hpa = nested->frame | (gpa & (reach_bytes(nested->reach) - 1));
    unsigned reach = nested->reach < guest->reach ? nested->reach : guest->reach;
    enum page_kind kind = board_page_kind(w->c, hpa);
    if (kind != PAGE_RAM ||
        (reach != REACH_4K && !all_ram(w->c, hpa & ~(reach_bytes(reach) - 1), reach_bytes(reach))))
        reach = REACH_4K;
    u64 perms = (guest->perms & PERM_GUEST) | (nested->perms & PERM_EPT) |
                (guest->perms & nested->perms & PERM_DIRTY) |
                (w->c->s.cr4 & CR4_PGE ? guest->perms & PERM_GLOBAL : 0) | (u64)kind << PERM_KIND_SHIFT |
                (u64)guest->reach << PERM_REACH_SHIFT;
    *out = (struct tlb_entry){
        .tag = (w->gva >> reach_shift(reach)) + 1,
        .space = w->x.space | (u64)reach << SPACE_REACH_SHIFT,
        .eptp = w->x.eptp,
        .frame = hpa & ~(reach_bytes(reach) - 1),
        .perms = perms,
    };
    w->rec->hpa = hpa;
    w->rec->page_bytes = reach_bytes(reach);
    cache_expect(w->c, hpa);
}

static struct pass guest_pass(const struct core *c, const struct walk *w)
{
    return (struct pass){
        .format = &format_ia32e,
        .stage = RS_GUEST,
        .root = c->s.cr3 & PTE_ADDR & PHYS_MASK,
        .flags = true,
        .reserved = c->s.efer & EFER_NXE ? 0 : PTE_NX,
        .write = w->access & MMU_WRITE,
        .tag = {w->x.space, w->x.eptp},
    };
}

static bool walk_guest(struct walk *w, struct tlb_entry *out)
{
    struct pass s = guest_pass(w->c, w);
    struct mapping guest, nested = {.reach = REACH_512G, .perms = PERM_EPT | PERM_DIRTY};
    if (!read_tables(w, &s, w->gva, &guest))
        return false;
    w->rec->gpa = guest.frame | (w->gva & (reach_bytes(guest.reach) - 1));
    w->rec->gpa_known = true;
    if (w->x.nested) {
        if (!nested_translate(w, DATA_ROW, w->rec->gpa, false, &nested))
            return false;
    } else {
        nested.frame = w->rec->gpa & ~(reach_bytes(REACH_512G) - 1);
    }
    compose(w, &guest, &nested, out);
    return true;
}

bool walk_page(struct core *c, const struct mmu_context *x, u64 gva, unsigned access, bool dry,
               struct tlb_entry *out)
{
    struct walk w = {
        .c = c, .mem = c->m->mem, .rec = &c->rt.walk, .x = *x, .gva = gva, .access = access, .dry = dry};
    begin_record(&w);
    c->s.count.walks++;
    PROBE(c, RS_PROBE_walk_begin, gva, w.rec->access);
    micro(c, MICRO_TLB);
    bool found = walk_guest(&w, out);
    w.rec->cycles = c->s.cycle - w.rec->start_cycle;
    return found;
}

void walk_end(struct core *c)
{
    struct rs_walk *rec = &c->rt.walk;
    rec->ended = true;
    PROBE(c, RS_PROBE_walk_end, rec->gva, rec->access, rec->gpa, rec->hpa, rec->ref_count, rec->cycles,
          rec->owner != RS_NO_FAULT);
    micro(c, MICRO_TLB);
}

void walk_record_hit(struct core *c, u64 gva, unsigned access, const struct tlb_entry *e)
{
    struct walk w = {.c = c, .rec = &c->rt.walk, .x = mmu_context(c), .gva = gva, .access = access};
    begin_record(&w);
    w.rec->ended = true;
    w.rec->hpa = entry_hpa(e, gva);
    w.rec->gpa_known = !w.x.nested;
    w.rec->gpa = w.x.nested ? 0 : w.rec->hpa;
    w.rec->page_bytes = reach_bytes(entry_reach(e));
}

void walk_record_short(struct core *c, const struct short_walk *n)
{
    struct walk w = {.c = c, .rec = &c->rt.walk, .x.space = n->space, .gva = n->gva, .access = n->access};
    struct pass s = guest_pass(c, &w);
    struct rs_walk *rec = w.rec;
    begin_record(&w);
    note_skipped(&w, &s, 2);
    rec->guest = n->guest;
    rec->cr3 = n->cr3;
    rec->rip = n->rip;
    rec->start_cycle = n->start_cycle;
    rec->cycles = n->cycles;
    rec->gpa = rec->hpa = n->hpa;
    rec->gpa_known = rec->ended = true;
    rec->page_bytes = PAGE_BYTES;
    rec->ref[rec->ref_count++] = (struct rs_walk_ref){
        .stage = RS_GUEST,
        .n = 1,
        .level = 1,
        .row = row_of(&s, 1),
        .col = rec->cols,
        .hpa = n->ref_hpa,
        .before = n->entry,
        .entry = n->entry,
        .cycles = n->ref_cycles,
        .from = n->from,
        .index = (uint16_t)((n->ref_hpa & 0xfff) >> 3),
        .leaf = true,
    };
}

void walk_record_non_canonical(struct core *c, u64 gva, unsigned access)
{
    struct walk w = {.c = c, .rec = &c->rt.walk, .x = mmu_context(c), .gva = gva, .access = access};
    begin_record(&w);
    w.rec->ended = true;
    w.rec->owner = RS_NON_CANONICAL;
    w.rec->fault_text = "address not canonical: no walk (#GP)";
}

static u64 address_in(const struct mapping *m, u64 address)
{
    return m->frame | (address & (reach_bytes(m->reach) - 1));
}

bool walk_ept_tables(const struct machine *m, u64 root_hpa, u64 gpa, u64 *hpa)
{
    struct mapping found;
    if (!read_ept_tables(m->mem, root_hpa, gpa, &found))
        return false;
    *hpa = address_in(&found, gpa);
    return true;
}

bool walk_tables(const struct core *c, u64 gva, u64 *hpa)
{
    struct walk w = {.mem = c->m->mem, .x = mmu_context(c), .gva = gva};
    struct pass s = guest_pass(c, &w);
    struct mapping found;
    if (!sys_canonical(gva) || !read_tables(&w, &s, gva, &found))
        return false;
    *hpa = address_in(&found, gva);
    return !w.x.nested || walk_ept_tables(c->m, w.x.eptp, *hpa, hpa);
}
