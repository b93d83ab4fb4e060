/* tick.c - the ticking model: five stages, one cycle at a time.
 *
 * The pipeline advances as a whole, so a stall is a loop that lets cycles pass (tick_hold), and stages are
 * served oldest first.  What is not an instruction in a stage is a bubble, which carries the counter that it
 * is charged to when it reaches the end, and the atom whose cycles it belongs to.  An atom that retires
 * nothing is a bubble itself: the first of the three behind which the next instruction is fetched.
 */
#include "tick/inside.h"

#include "arch/apic.h"

#include <stdlib.h>
#include <string.h>

/* ---- making one ---- */

static void init_tables(struct tick *t)
{
    const struct params *p = t->p;
    lru_init(&t->itlb, p->itlb_entries, p->itlb_ways, &t->age);
    lru_init(&t->dtlb, p->dtlb_entries, p->dtlb_ways, &t->age);
    lru_init(&t->stlb, p->stlb_entries, p->stlb_ways, &t->age);
    for (int i = 0; i < 3; i++)
        lru_init(&t->pwc[i], p->pwc_entries, p->pwc_entries, &t->age);
    for (int i = 0; i < 3; i++)
        lru_init(&t->npwc[i], p->npwc_entries, p->npwc_entries, &t->age);
    lru_init(&t->ntlb, p->ntlb_entries, p->ntlb_entries, &t->age);
    lru_init(&t->l1i, p->l1i_bytes / 64, p->l1i_ways, &t->age);
    lru_init(&t->l1d, p->l1d_bytes / 64, p->l1d_ways, &t->age);
    lru_init(&t->l2, p->l2_bytes / 64, p->l2_ways, &t->age);
    lru_init(&t->btb, p->btb_entries, 1, &t->age);
    t->direction = malloc(p->predictor_entries);
    memset(t->direction, 1, p->predictor_entries);
}

struct tick *tick_new(const struct params *p, u8 *tables, u64 bytes, u64 ram_bytes)
{
    struct tick *t = calloc(1, sizeof *t);
    t->p = p;
    t->tables = tables;
    t->tables_bytes = bytes;
    t->ram_bytes = ram_bytes;
    init_tables(t);
    return t;
}

void tick_free(struct tick *t)
{
    struct lru *all[] = {&t->itlb,    &t->dtlb,    &t->stlb, &t->pwc[0], &t->pwc[1], &t->pwc[2], &t->npwc[0],
                         &t->npwc[1], &t->npwc[2], &t->ntlb, &t->l1i,    &t->l1d,    &t->l2,     &t->btb};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        lru_free(all[i]);
    free(t->direction);
    free(t->atom_cycles);
    free(t);
}

/* ---- time ---- */

static const struct tick_atom *atom_of(const struct tick *t, size_t number)
{
    return &t->atom[number % TICK_ATOMS];
}

static void charge(struct tick *t, size_t number, u64 *counter)
{
    if (number >= t->atom_room) {
        size_t room = (number + 1) * 2;
        t->atom_cycles = realloc(t->atom_cycles, room * sizeof(u64));
        memset(t->atom_cycles + t->atom_room, 0, (room - t->atom_room) * sizeof(u64));
        t->atom_room = room;
    }
    t->atom_cycles[number]++;
    t->count.cycles_guest += atom_of(t, number)->space.guest;
    ++*counter;
}

void tick_hold(struct tick *t, enum stage s, u64 *counter, u64 n)
{
    while (n--) {
        charge(t, t->stage[s].number, counter);
        t->clock++;
    }
}

u64 tick_now(const struct tick *t, enum stage s)
{
    return t->clock - s;
}

static void trouble(struct tick *t, const char *what)
{
    if (!t->trouble)
        t->trouble = what;
}

/* ---- F ---- */

/* B1, B2. */
static u64 predict(struct tick *t, const struct tick_atom *in)
{
    u64 on = in->rip + in->length;
    const struct lru_entry *e = lru_peek(&t->btb, in->rip, (struct lru_key){.tag = in->rip});
    if (!e)
        return on;
    if (in->branch == TICK_RETURN)
        return t->ras[(t->ras_top + t->p->ras_entries - 1) % t->p->ras_entries];
    if (in->branch == TICK_CONDITIONAL && t->direction[in->rip % t->p->predictor_entries] < 2)
        return on;
    return e->value;
}

/* B4. */
static void train(struct tick *t, const struct tick_atom *in)
{
    u64 on = in->rip + in->length, n = t->p->ras_entries;
    bool taken = in->branch != TICK_CONDITIONAL || in->next_rip != on;
    u8 *d = &t->direction[in->rip % t->p->predictor_entries];
    if (in->branch == TICK_CONDITIONAL)
        *d = taken ? (*d < 3 ? *d + 1 : 3) : (*d > 0 ? *d - 1 : 0);
    if (taken)
        lru_put(&t->btb, in->rip, (struct lru_key){.tag = in->rip})->value = in->next_rip;
    if (in->branch == TICK_CALL) {
        t->ras[t->ras_top] = on;
        t->ras_top = (t->ras_top + 1) % n;
    } else if (in->branch == TICK_RETURN) {
        t->ras_top = (t->ras_top + n - 1) % n;
    }
}

/* B1 to B4, at F: older branches count as compared. */
static bool mispredicted(struct tick *t, const struct tick_atom *in)
{
    if (in->branch == TICK_NO_BRANCH || in->end != TICK_RETIRES)
        return false;
    bool wrong = predict(t, in) != in->next_rip;
    train(t, in);
    t->count.branches++;
    t->count.mispredicts += wrong;
    return wrong;
}

/* F2: true if this line can be had at once. */
static bool fetch_hits(const struct tick *t, const struct tick_atom *in, u64 line)
{
    u64 hpa;
    if (!tick_peek(t, in, line * 64, &hpa))
        return false;
    return hpa >= t->ram_bytes ||
           (t->p->caches && lru_peek(&t->l1i, hpa / 64, (struct lru_key){.tag = hpa / 64}));
}

/* F1, F4. */
static enum found fetch_line(struct tick *t, const struct tick_atom *in, u64 line)
{
    u64 hpa;
    struct want want = {.gva = line * 64, .fetch = true, .user = in->user};
    enum found found = tick_translate(t, F, &want, &hpa);
    if (found != FOUND)
        return found;
    if (hpa < t->ram_bytes)
        tick_hold(t, F, &t->count.stall_fetch, tick_l1i(t, hpa, tick_now(t, F)));
    t->line = line + 1;
    return FOUND;
}

static void let_bubble_in(struct tick *t, u64 *counter, size_t number);

/* F1, F3: the bytes of the instruction in F. */
static enum found fetch(struct tick *t)
{
    const struct tick_atom *in = t->stage[F].in;
    u64 first = in->rip / 64, last = (in->rip + in->length - 1) / 64;
    for (u64 line = first; line <= last; line++) {
        if (t->line == line + 1)
            continue;
        while (!fetch_hits(t, in, line) && (t->stage[D].full || t->stage[M].full))
            let_bubble_in(t, &t->count.stall_fetch, t->stage[F].number);
        enum found found = fetch_line(t, in, line);
        if (found != FOUND)
            return found;
    }
    return FOUND;
}

/* ---- M ---- */

/* An iteration of REP that another follows. */
static bool repeats(const struct tick_atom *in)
{
    return in->next_rip == in->rip && in->branch == TICK_NO_BRANCH;
}

/* A1; the rest of A2 follows from who is in X. */
static void address(struct tick *t)
{
    const struct slot *before = &t->stage[X], *self = &t->stage[M];
    if (!before->full || !before->retires || repeats(before->in))
        return;
    u64 late = before->in->write_regs;
    if (before->in->stack)
        late &= ~(1ull << REG_RSP);
    if (late & self->in->address_regs)
        tick_hold(t, M, &t->count.stall_agi, 1);
}

/* Where the lines of an access are. */
struct piece {
    u64 hpa[2];
    unsigned lines;
};

/* M1, S1: all its pages. */
static enum found look_up_pages(struct tick *t, const struct tick_access *a, struct piece *piece)
{
    u64 last = a->gva + a->bytes - 1, crossing = last & ~63ull;
    struct want want = {.gva = a->gva, .write = a->kind != TICK_LOAD};
    want.user = t->stage[M].in->user && !a->system;
    piece->lines = 1;
    enum found found = tick_translate(t, M, &want, &piece->hpa[0]);
    if (found == FOUND && crossing > a->gva) {
        piece->lines = 2;
        piece->hpa[1] = piece->hpa[0] + (crossing - a->gva);
    }
    if (found != FOUND || last >> 12 == a->gva >> 12)
        return found;
    want.gva = last & ~4095ull;
    return tick_translate(t, M, &want, &piece->hpa[1]);
}

static bool is_ram(const struct tick *t, u64 hpa)
{
    return hpa < t->ram_bytes;
}

/* E5. */
static bool is_apic(const struct tick *t, u64 hpa)
{
    return t->stage[M].in->space.apic && hpa >> 12 == APIC_PHYS_BASE >> 12;
}

/* M1, M2, M3, M5. */
static enum found read_access(struct tick *t, const struct tick_access *a, struct piece *piece)
{
    enum found found = look_up_pages(t, a, piece);
    if (found != FOUND || a->kind == TICK_STORE || a->kind == TICK_PROBE)
        return found;
    t->count.loads++;
    for (unsigned i = 0; i < piece->lines; i++) {
        if (!is_ram(t, piece->hpa[i])) {
            tick_device(t, is_apic(t, piece->hpa[i]));
            break;
        }
        tick_hold(t, M, &t->count.stall_load, i); /* M3 */
        tick_hold(t, M, &t->count.stall_load, tick_l1d(t, piece->hpa[i], tick_now(t, M)));
    }
    return FOUND;
}

/* S1, M5. */
static void commit(struct tick *t, const struct piece *piece)
{
    t->count.stores++;
    for (unsigned i = 0; i < piece->lines; i++) {
        if (!is_ram(t, piece->hpa[i])) {
            tick_device(t, is_apic(t, piece->hpa[i]));
            break;
        }
        tick_store_line(t, piece->hpa[i]);
    }
}

/* E6. */
static void physical(struct tick *t, const struct tick_physical *p, unsigned n)
{
    for (; n--; p++)
        tick_hold(t, M, &t->count.stall_vmx, tick_l1d(t, p->hpa, tick_now(t, M)));
}

/* All reads, then the port or what a VMX instruction costs, then all stores. */
static enum found accesses(struct tick *t, const struct tick_atom *in)
{
    struct piece piece[TICK_ACCESSES];
    for (unsigned i = 0; i < in->accesses; i++) {
        enum found found = read_access(t, &in->access[i], &piece[i]);
        if (found != FOUND)
            return found;
    }
    if (in->port && in->end == TICK_RETIRES)
        tick_device(t, false);
    tick_hold(t, M, &t->count.stall_vmx, in->vmx_cycles);
    if (in->end == TICK_RETIRES || in->end == TICK_DELIVERS)
        for (unsigned i = 0; i < in->accesses; i++)
            if (in->access[i].kind == TICK_STORE || in->access[i].kind == TICK_UPDATE)
                commit(t, &piece[i]);
    return FOUND;
}

static bool is_delivery(const struct tick_atom *in)
{
    return in->end == TICK_DELIVERS || in->end == TICK_DELIVERY_FAULTS;
}

/* E1. */
static void deliver(struct tick *t, const struct tick_atom *in)
{
    t->count.interrupts += in->interrupt;
    tick_hold(t, M, &t->count.stall_event, t->p->event_cycles);
    if (accesses(t, in) != FOUND)
        trouble(t, "a page fault in the delivery of an event");
    t->count.faults += in->end == TICK_DELIVERY_FAULTS;
    if (in->end == TICK_DELIVERS)
        tick_drain(t, M);
}

/* E2: a VM exit's parts, and the lists of MSRs (E6). */
static void leave_guest(struct tick *t, const struct tick_atom *in)
{
    const struct tick_physical *p = in->physical + in->bitmaps;
    u64 n = t->p->vm_exit_cycles;
    tick_hold(t, M, &t->count.stall_vmx, n * 2 / 3);
    physical(t, p, in->stored);
    tick_hold(t, M, &t->count.stall_vmx, n - n * 2 / 3);
    physical(t, p + in->stored, in->loaded);
    tick_drain(t, M);
    t->count.vm_exits++;
}

/* E2: a VM entry's parts. */
static void enter_guest(struct tick *t, const struct tick_atom *in)
{
    u64 n = t->p->vm_entry_cycles;
    tick_hold(t, M, &t->count.stall_vmx, in->enters ? n : n * in->entry_parts / 4);
    physical(t, in->physical, in->loaded);
    t->count.vm_entries += in->enters;
}

static bool is_exit(const struct tick_atom *in)
{
    return in->end == TICK_EXITS || in->end == TICK_EPT_VIOLATION;
}

/* E3: what is delivered by the next atom. */
static bool is_fault(const struct tick_atom *in)
{
    return in->end == TICK_FAULTS || in->end == TICK_INT || in->end == TICK_PAGE_FAULTS ||
           in->end == TICK_DELIVERY_FAULTS;
}

static void check_end(struct tick *t, const struct tick_atom *in, enum found found)
{
    if ((found == PAGE_FAULT) != (in->end == TICK_PAGE_FAULTS))
        trouble(t, "whether there is a page fault");
    if ((found == EPT_VIOLATION) != (in->end == TICK_EPT_VIOLATION))
        trouble(t, "whether there is an EPT violation");
}

/* The atom in M. */
static void memory(struct tick *t)
{
    struct slot *self = &t->stage[M];
    const struct tick_atom *in = self->in;
    enum found found = self->fetched;
    if (is_delivery(in)) {
        deliver(t, in);
        return;
    }
    if (found == FOUND) {
        address(t);
        if (in->fence)
            tick_drain(t, M);
        physical(t, in->physical, in->bitmaps);
        found = accesses(t, in);
    }
    check_end(t, in, found);
    t->count.faults += in->end == TICK_FAULTS || in->end == TICK_PAGE_FAULTS;
    if (in->enters || in->entry_parts)
        enter_guest(t, in);
    if (is_exit(in))
        leave_guest(t, in);
    tick_flush(t, in);
}

/* ---- X ---- */

/* X1, Z1. */
static void execute(struct tick *t)
{
    const struct tick_atom *in = t->stage[X].in;
    if (in->end != TICK_RETIRES)
        return;
    tick_hold(t, X, &t->count.stall_exec, in->latency - 1);
    if (in->serialising)
        tick_drain(t, X);
}

/* ---- all of it ---- */

static void retire(struct tick *t)
{
    struct slot *s = &t->stage[W];
    if (s->full && s->retires) {
        charge(t, s->number, &t->count.insns);
        t->count.insns_guest += s->in->space.guest;
    } else if (s->full) {
        charge(t, s->number, &t->count.stall_serial);
    } else if (s->counter) {
        charge(t, s->number, s->counter);
    }
}

/* What F idles behind; NULL if nothing is on its way. */
static const struct slot *redirecting(const struct tick *t)
{
    for (int s = X; s > F; s--)
        if (t->stage[s].full && t->stage[s].redirects >= (enum stage)s)
            return &t->stage[s];
    return NULL;
}

/* Everything moves on by a stage; `in` is what leaves F. */
static void advance(struct tick *t, struct slot leaves_f)
{
    retire(t);
    t->clock++;
    t->stage[W] = t->stage[X];
    t->stage[X] = t->stage[M];
    t->stage[M] = t->stage[D];
    t->stage[D] = leaves_f;
    if (t->stage[X].full)
        execute(t);
    if (t->stage[M].full)
        memory(t);
}

static void let_bubble_in(struct tick *t, u64 *counter, size_t number)
{
    advance(t, (struct slot){.counter = counter, .number = number});
}

/* F5, B3, Z1: F idles behind what redirects it. */
static void idle(struct tick *t)
{
    const struct slot *s;
    while ((s = redirecting(t)) != NULL)
        let_bubble_in(t, s->mispredicted ? &t->count.stall_branch : &t->count.stall_serial, s->number);
}

/* E3: what faulted stands in M and retires nothing; the delivery takes its place, and the bubble behind. */
static bool take_over(struct tick *t, size_t number)
{
    struct slot *s = &t->stage[M];
    if (!s->full || s->redirects != D)
        return false;
    if (!is_delivery(atom_of(t, number)))
        trouble(t, "a fault that nothing delivers");
    s->in = atom_of(t, number);
    s->redirects = is_fault(atom_of(t, number)) ? D : M;
    s->number = t->stage[D].number = number;
    deliver(t, s->in);
    t->line = 0;
    idle(t);
    return true;
}

/* E4. */
static void sleep_until(struct tick *t, u64 wake, size_t number)
{
    t->stage[F].number = number;
    if (wake > tick_now(t, F))
        tick_hold(t, F, &t->count.cycles_halted, wake - tick_now(t, F));
}

void tick_feed(struct tick *t, const struct tick_atom *atom)
{
    size_t number = t->fed++;
    struct tick_atom *in = &t->atom[number % TICK_ATOMS];
    *in = *atom;
    if (take_over(t, number))
        return;
    if (in->end == TICK_WAITS) {
        sleep_until(t, in->wake, number);
        return;
    }
    t->stage[F] = (struct slot){.full = true, .in = in, .number = number};
    struct slot *s = &t->stage[F];
    s->retires = in->end == TICK_RETIRES;
    if (!is_delivery(in))
        s->fetched = fetch(t);
    s->mispredicted = mispredicted(t, in);
    if (!s->retires)
        s->redirects = is_fault(in) ? D : M;
    else if (s->mispredicted || in->serialising)
        s->redirects = X;
    if (in->serialising || !s->retires)
        t->line = 0;
    advance(t, *s);
    idle(t);
}

void tick_finish(struct tick *t)
{
    for (int i = 0; i < STAGES - 1; i++)
        let_bubble_in(t, NULL, 0);
}

u64 tick_cycles(const struct tick *t)
{
    return t->clock - (STAGES - 1);
}

const struct counters *tick_counters(const struct tick *t)
{
    return &t->count;
}

u64 tick_atom_cycles(const struct tick *t, size_t i)
{
    return i < t->atom_room ? t->atom_cycles[i] : 0;
}

const char *tick_trouble(const struct tick *t)
{
    return t->trouble;
}
