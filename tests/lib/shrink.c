/* shrink.c - see shrink.h. */
#include "lib/shrink.h"

#include <string.h>

static bool differs(const struct sequence *s)
{
    return lockstep_run(s) == VERDICT_DIFFERS;
}

/* Takes `smaller` for s if it differs as well. */
static bool accept(struct sequence *s, const struct sequence *smaller)
{
    if (!differs(smaller))
        return false;
    *s = *smaller;
    return true;
}

static bool without_insn(struct sequence *s, unsigned i)
{
    struct sequence smaller = *s;
    smaller.count--;
    memmove(&smaller.insn[i], &smaller.insn[i + 1], (smaller.count - i) * sizeof *smaller.insn);
    return accept(s, &smaller);
}

static bool with_zero(struct sequence *s, u64 *value)
{
    struct sequence smaller = *s;
    size_t offset = (size_t)((const char *)value - (const char *)s);
    if (*value == 0)
        return false;
    *(u64 *)((char *)&smaller + offset) = 0;
    return accept(s, &smaller);
}

void sequence_shrink(struct sequence *s)
{
    for (bool again = true; again;) {
        again = false;
        for (unsigned i = s->count; i-- > 0;)
            again |= without_insn(s, i);
        for (unsigned i = 0; i < 16; i++)
            again |= with_zero(s, &s->gpr[i]);
        for (unsigned i = 0; i < SEQUENCE_STACK; i++)
            again |= with_zero(s, &s->stack[i]);
        again |= with_zero(s, &s->rflags);
    }
    lockstep_run(s); /* its difference is the last */
}

static void report_insn(FILE *to, u64 at, const struct piece *p)
{
    char text[128] = "?";
    rs_disassemble(p->bytes, p->n, at, NULL, text, sizeof text);
    fprintf(to, "  %08llx  ", (unsigned long long)at);
    for (unsigned i = 0; i < sizeof p->bytes; i++)
        fprintf(to, i < p->n ? "%02x " : "   ", p->bytes[i]);
    fprintf(to, " %s\n", text);
}

void sequence_report(FILE *to, const struct sequence *s)
{
    u64 at = NATIVE_CODE + s->at;
    fprintf(to, "seed %llu: %s\n", (unsigned long long)s->seed, lockstep_difference());
    for (unsigned i = 0; i < s->count; i++) {
        report_insn(to, at, &s->insn[i]);
        at += s->insn[i].n;
    }
    for (unsigned i = 0; i < 16; i++)
        if (s->gpr[i])
            fprintf(to, "  %s = %llx\n", rs_gpr_name[i], (unsigned long long)s->gpr[i]);
    fprintf(to, "  rflags = %llx, data from %x in the pool\n", (unsigned long long)s->rflags, s->data);
}
