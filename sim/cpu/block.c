/* block.c - builds blocks and finds them again. */
#include "cpu/block.h"

#include <stdlib.h>
#include <string.h>

#include "cpu/exec.h"
#include "hostile.h"
#include "mmu/derived.h"
#include "mmu/mem.h"

#define SLOTS       HOSTILE_OR(1u, 16384u)
#define ARENA_BYTES (8u << 20)
#define INSNS       65536u
#define BLOCK_MAX   (sizeof(struct block) + BLOCK_OPS * sizeof(struct op))
#define CYCLES_MAX  200 /* sums are u8: a block ends before */
#define RSP_BIT     (1u << REG_RSP)

/* A slot knows the code that was asked for last, whether there is a block of it or not. */
struct slot {
    u64 hpa, gva;
    struct block *block;
};

struct blocks {
    size_t used; /* of arena */
    unsigned insns;
    u64 forgotten; /* times */
    struct slot slot[SLOTS];
    struct insn insn[INSNS]; /* of ops with general handlers */
    _Alignas(64) u8 arena[ARENA_BYTES];
};

/* ---- life ---- */

static void forget(struct blocks *bs)
{
    bs->used = bs->insns = 0;
    bs->forgotten++;
    memset(bs->slot, 0, sizeof bs->slot);
}

static struct blocks *blocks_of(struct core *c)
{
    if (unlikely(!c->rt.blocks) && !(c->rt.blocks = calloc(1, sizeof *c->rt.blocks)))
        abort();
    return c->rt.blocks;
}

void blocks_drop(struct core *c)
{
    if (c->rt.blocks && c->rt.blocks->used)
        forget(c->rt.blocks);
}

void blocks_free(struct core *c)
{
    free(c->rt.blocks);
    c->rt.blocks = NULL;
}

/* ---- building ---- */

/* A block in the making: the op to be written, and the instruction before it. */
struct builder {
    struct core *c;
    struct block *block;
    struct op *op;
    u8 code[BLOCK_BYTES + INSN_BYTES_MAX];
    unsigned bytes;    /* of code that are known */
    u64 gva, line;     /* of the next instruction; number of the line fetched last */
    u16 written;       /* by the instruction before */
    struct op *setter; /* replaced the flags that stand, which nobody has needed yet; NULL: none did */
    op_run *quiet;     /* its handler if nobody ever does */
};

/* The op after this one starts with its sums. */
static void next_op(struct builder *b, unsigned bytes, unsigned cycles)
{
    struct op *op = b->op++;
    *b->op = (struct op){.offset = (u8)(op->offset + bytes),
                         .insns = op->insns,
                         .cycles = (u8)(op->cycles + cycles),
                         .exec = op->exec,
                         .loads = op->loads,
                         .stores = op->stores,
                         .lines = op->lines,
                         .ages = op->ages,
                         .branches = op->branches};
}

/* Where the line at gva lies: in the block's page, or in the one behind it. */
static u64 line_hpa(const struct block *b, u64 gva)
{
    if ((gva ^ b->gva) / PAGE_BYTES)
        return b->next_frame | (gva & (PAGE_BYTES - 1));
    return b->hpa + (gva - b->gva);
}

/* An op about the line of gva; src: its age, if it is taken after its instruction. */
static void add_line(struct builder *b, op_run *run, u64 gva, u8 age)
{
    b->op->run = run;
    b->op->imm = gva & ~(u64)(LINE_BYTES - 1);
    b->op->disp = line_hpa(b->block, b->op->imm);
    b->op->src = age;
    b->op->writes = b->written;
    next_op(b, 0, 0);
    if (run != run_line_taken) {
        b->op->lines++;
        b->op->ages += 2;
    }
    b->line = gva >> LINE_SHIFT;
    b->setter = NULL; /* the block may be left here */
}

/* The registers that the next instruction finds late (A1). */
static u16 late_registers(const struct insn *in)
{
    return in->flags & INSN_STACK ? in->write_regs & (u16)~RSP_BIT : in->write_regs;
}

static void describe_branch(struct builder *b, struct op *op, const struct insn *in)
{
    op->disp = b->gva + in->length;
    op->imm = op->disp + in->imm;
    op->btb = (u16)(b->gva % b->c->m->p.btb_entries);
    op->direction = (u16)(b->gva % b->c->m->p.predictor_entries);
}

static void describe(struct builder *b, const struct insn *in)
{
    struct op *op = b->op;
    bool rip = in->base == 0xfe;
    op->imm = in->imm;
    op->disp = (u64)(i64)in->disp + (rip ? b->gva + in->length : 0);
    op->base = rip ? 0xff : in->base;
    op->index = in->index;
    op->scale = in->scale;
    op->length = in->length;
    op->writes = late_registers(in);
    op->late = b->block->insns && (in->address_regs & b->written);
    op->issued = op->cycles + op->late;
    if (in->flags & INSN_BRANCH)
        describe_branch(b, op, in);
}

/* What the accesses of an instruction add to the sums. */
static void count_accesses(struct builder *b, const struct insn *in)
{
    enum op_access access = op_accesses(in);
    bool load = access & ACCESS_LOAD, store = access & ACCESS_STORE;
    b->op->loads += load;
    b->op->stores += store;
    b->op->ages += (u8)(load + store + (load || store));
}

/* Whoever replaces flags that nobody has needed makes their setting idle. */
static void follow_flags(struct builder *b, const struct insn *in)
{
    op_run *quiet;
    enum op_flags flags = op_flags(in, &quiet);
    if (flags == FLAGS_KEPT)
        return;
    if (flags == FLAGS_SET && b->setter)
        b->setter->run = b->quiet;
    b->setter = flags == FLAGS_SET ? b->op : NULL;
    b->quiet = quiet;
}

static bool crosses(const struct builder *b, u64 last)
{
    return (b->gva ^ last) >> LINE_SHIFT;
}

static const struct insn *keep(struct core *c, const struct insn *in)
{
    struct blocks *bs = c->rt.blocks;
    bs->insn[bs->insns] = *in;
    return &bs->insn[bs->insns++];
}

/* A handler gives up where an access does not hit, or a jump's target is not canonical. */
static bool may_give_up(const struct insn *in)
{
    return op_accesses(in) != ACCESS_NONE || in->execute == exec_jmp_E;
}

struct sums sums_before(const struct op *op)
{
    unsigned late = op->cycles - op->exec - op->insns;
    unsigned accesses = op->ages - 2u * op->lines - op->loads - op->stores;
    return (struct sums){{
        (u64)op->insns << SUM_SHIFT(SUM_INSNS) | (u64)op->exec << SUM_SHIFT(SUM_EXEC) |
            (u64)late << SUM_SHIFT(SUM_LATE) | (u64)op->lines << SUM_SHIFT(SUM_LINES),
        (u64)op->loads << SUM_SHIFT(SUM_LOADS) | (u64)op->stores << SUM_SHIFT(SUM_STORES) |
            (u64)accesses << SUM_SHIFT(SUM_ACCESSES) | (u64)op->branches << SUM_SHIFT(SUM_BRANCHES),
    }};
}

/* Follows no block, for no code is at its address. */
static struct block no_block = {.gva = (u64)1 << 62, .code_changes = UINT64_MAX};

static void add_exit(struct builder *b, op_run *run)
{
    struct op *op = b->op;
    op->run = run;
    op->writes = b->written;
    op->exits = true;
    op->to = &b->block->exit[b->block->exits++];
    *op->to = (struct block_exit){.sums = sums_before(op),
                                  .next = {&no_block, &no_block},
                                  .cycles = op->cycles,
                                  .ages = op->ages,
                                  .writes = op->writes};
}

/* Of the branches that have a handler for blocks. */
static bool is_conditional(const struct insn *in)
{
    return !(in->flags & INSN_STACK) && in->execute != exec_jmp_J && in->execute != exec_jmp_E;
}

/* The way out of the conditional branch that has just been added; false: there is to be no other but the end.
 */
static bool leave_by(struct builder *b)
{
    add_exit(b, run_exit);
    next_op(b, 0, 0);
    return b->block->exits < BLOCK_EXITS - 1;
}

/* The instruction behind the block's, for the run loop: known if its bytes lie in a line that is fetched. */
static void note_tail(struct builder *b, const struct insn *in)
{
    bool fits = b->gva - b->block->gva + in->length <= BLOCK_BYTES;
    if (fits && !is_bulk(in) && (b->gva + in->length - 1) >> LINE_SHIFT == b->line)
        b->block->tail = keep(b->c, in);
}

/* Adds the next instruction, if it is one for blocks. */
static bool add_insn(struct builder *b, const struct insn *in)
{
    struct block *block = b->block;
    unsigned at = (unsigned)(b->gva - block->gva);
    u64 last = b->gva + in->length - 1;
    struct op described = {0};
    op_run *run = choose_run(in, &described);
    if (!block->insns && is_bulk(in) && !crosses(b, last)) {
        block->bulk = keep(b->c, in);
        b->op->offset = in->length;
        return false;
    }
    if (!run)
        note_tail(b, in);
    if (!run || at + in->length > BLOCK_BYTES || b->op->cycles + in->latency + 1 > CYCLES_MAX)
        return false;
    bool enters = last >> LINE_SHIFT != b->line, tries = enters && crosses(b, last) && may_give_up(in);
    u8 age = b->op->ages;
    if (tries && in->flags & INSN_BRANCH)
        return false;
    if (enters)
        add_line(b, tries ? run_line_try : run_line, last, age);
    b->op->run = run;
    b->op->dst = described.dst;
    b->op->src = described.src;
    b->op->in = keep(b->c, in);
    describe(b, in);
    follow_flags(b, in);
    if (!block->insns++)
        block->address_regs = in->address_regs;
    b->written = b->op->writes;
    unsigned late = b->op->late;
    next_op(b, in->length, late + in->latency);
    b->op->exec += in->latency - 1;
    b->op->insns++;
    b->op->branches += (in->flags & INSN_BRANCH) != 0;
    count_accesses(b, in);
    if (tries)
        add_line(b, run_line_taken, last, age);
    b->gva += in->length;
    return !(in->flags & INSN_BRANCH) || (is_conditional(in) && leave_by(b));
}

static void fill(struct builder *b)
{
    struct insn in;
    while (b->op < b->block->op + BLOCK_OPS - 5) {
        unsigned at = (unsigned)(b->gva - b->block->gva);
        if (at >= b->bytes || decode(b->code + at, b->bytes - at, &in) != DECODE_OK || !add_insn(b, &in))
            break;
    }
    b->op->imm = b->gva;
    add_exit(b, b->block->tail ? run_tail : run_end);
}

/* Of n bytes from an hPA on, those in its page. */
static unsigned in_page(u64 hpa, unsigned n)
{
    unsigned room = (unsigned)(PAGE_BYTES - (hpa & (PAGE_BYTES - 1)));
    return n < room ? n : room;
}

/* Its code is looked at: whoever writes there says so (mmu/mem.h). */
static void mark(struct core *c, struct block *b)
{
    unsigned here = in_page(b->hpa, b->bytes);
    mem_mark_code(c->m->mem, b->hpa, here ? here : 1);
    if (b->bytes > here)
        mem_mark_code(c->m->mem, b->next_frame, b->bytes - here);
    b->code_changes = *mem_code_changes(c->m->mem);
    shortcuts_settle(c);
}

/* The page behind the block's, if code can be fetched from it at a glance. */
static const struct shortcut *behind(const struct core *c, const struct block *b)
{
    u64 page = b->gva / PAGE_BYTES + 1;
    const struct shortcut *s = &c->rt.run.fetch->row[page & (SHORTCUTS - 1)];
    return s->page == page ? s : NULL;
}

/* That page is part of the block, whose fetch of a line there sees whether it still leads to that frame. */
static const u8 *next_page(struct core *c, struct block *b)
{
    const struct shortcut *s = behind(c, b);
    if (!s)
        return NULL;
    b->next_frame = s->frame;
    return mem_read_page(c->m->mem, s->frame);
}

static void take_code(struct builder *b, const u8 *page)
{
    b->bytes = in_page(b->block->hpa, sizeof b->code);
    memcpy(b->code, page + (b->block->hpa & (PAGE_BYTES - 1)), b->bytes);
    const u8 *next = b->bytes < sizeof b->code ? next_page(b->c, b->block) : NULL;
    if (!next)
        return;
    memcpy(b->code + b->bytes, next, sizeof b->code - b->bytes);
    b->bytes = sizeof b->code;
}

static struct block *build(struct core *c, u64 hpa)
{
    struct blocks *bs = blocks_of(c);
    const u8 *page = mem_read_page(c->m->mem, hpa);
    if (!page)
        return NULL;
    if (bs->used + BLOCK_MAX > ARENA_BYTES || bs->insns + BLOCK_OPS > INSNS)
        forget(bs);
    struct block *block = (struct block *)(void *)(bs->arena + bs->used);
    *block = (struct block){.hpa = hpa,
                            .gva = c->s.rip,
                            .line = (c->s.rip >> LINE_SHIFT) + 1,
                            .line_hpa = hpa & ~(u64)(LINE_BYTES - 1)};
    block->op[0] = (struct op){0};
    struct builder b = {
        .c = c, .block = block, .op = block->op, .gva = c->s.rip, .line = c->s.rip >> LINE_SHIFT};
    take_code(&b, page);
    fill(&b);
    block->cycles = (u16)(b.op->cycles + REDIRECT_CYCLES * (block->exits - 1u));
    block->bytes = (u8)(b.op->offset + (block->tail ? block->tail->length : 0));
    memcpy(block->code, b.code, block->bytes);
    bs->used += sizeof *block + (size_t)(b.op + 1 - block->op) * sizeof(struct op);
    bs->used = (bs->used + 63) & ~(size_t)63;
    mark(c, block);
    return block;
}

/* ---- finding ---- */

static bool same_bytes(struct core *c, u64 hpa, const u8 *bytes, unsigned n)
{
    const u8 *page = n ? mem_read_page(c->m->mem, hpa) : NULL;
    return page && memcmp(page + (hpa & (PAGE_BYTES - 1)), bytes, n) == 0;
}

static bool still_same(struct core *c, struct block *b)
{
    unsigned here = in_page(b->hpa, b->bytes), there = b->bytes - here;
    if (!same_bytes(c, b->hpa, b->code, here) ||
        (there && !same_bytes(c, b->next_frame, b->code + here, there)))
        return false;
    mark(c, b);
    return true;
}

/* An instruction lies over the page's end, and what is behind it was not known when it was asked for. */
static bool was_cut(struct core *c, const struct block *b)
{
    return !b->bytes && in_page(b->hpa, INSN_BYTES_MAX) < INSN_BYTES_MAX && !b->next_frame && behind(c, b);
}

struct block *block_at_rip(struct core *c)
{
    u64 rip = c->s.rip, hpa = c->s.fetch_hpa | (rip & (LINE_BYTES - 1));
    struct slot *s = &blocks_of(c)->slot[(hpa ^ hpa >> 14) & (SLOTS - 1)];
    if (unlikely(s->hpa != hpa || s->gva != rip)) {
        *s = (struct slot){hpa, rip, NULL};
        return NULL;
    }
    if (unlikely(!s->block) || unlikely(was_cut(c, s->block)) ||
        unlikely(s->block->code_changes != *mem_code_changes(c->m->mem) && !still_same(c, s->block))) {
        struct block *b = build(c, hpa);
        *s = (struct slot){hpa, rip, b}; /* building may have emptied the slots */
    }
    return likely(s->block && s->block->bytes) ? s->block : NULL;
}

/* One can follow another at a glance if no address of its first instruction may have to wait (A1). */
static void link_blocks(struct block_exit *before, struct block *after)
{
    if (before->writes || after->bulk || before->next[0] == after || before->next[1] == after)
        return;
    before->next[1] = before->next[0];
    before->next[0] = after;
}

struct block *block_after(struct core *c, struct block_exit *before)
{
    u64 forgotten = c->rt.blocks->forgotten;
    struct block *b = block_at_rip(c);
    if (b && c->rt.blocks->forgotten == forgotten)
        link_blocks(before, b);
    return b;
}
