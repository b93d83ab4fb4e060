/* test_words.c - the words of an event's gate, descriptors and frame: they lie in one line or two, in one
 * page or two, or one of them in two, and nothing changes if those that hit are accessed together. */
#include "cpu/cpu.h"
#include "lib/same.h"
#include "lib/suite.h"

#include <check.h>

enum { EVENT_VECTOR = 0x80, EVENT_IDT = 0x90000, EVENT_GDT = 0xa0000, EVENT_TSS = 0xb0000, EVENT_TURNS = 12 };

/* Where a page ends, less this: the gate, the descriptors, the stack from which the program comes and the
 * one where the handler gets its. */
struct places {
    u16 gate, gdt, stack, tss;
};

static const struct places places[] = {
    {0x800, 0x800, 0x800, 0x800}, {8, 0x800, 0x800, 0x800},  {4, 0x800, 0x800, 0x800},
    {0x848, 0x800, 0x800, 0x800}, {0x800, 12, 0x800, 0x800}, {0x800, 0x824, 0x800, 0x800},
    {0x800, 0x800, 16, 0x800},    {0x800, 0x800, 8, 0x800},  {0x800, 0x800, 0x804, 0x800},
    {0x800, 0x800, 0x818, 0x800}, {0x800, 0x800, 0, 0x800},  {0x800, 0x800, 0x828, 36},
    {0x800, 0x800, 0xff8, 0x800}, {0x800, 0x800, 0xfd9, 8},  {0x828, 0x834, 0x838, 0x818},
    {0x804, 0x800, 0x800, 0x800}, {0x800, 0x804, 0x800, 4},  {0x80c, 0x80c, 0x800, 0x804},
};

#define PLACES ((int)(sizeof places / sizeof *places))

static void move_tables(struct bare *b, const struct places *p)
{
    u64 idt = EVENT_IDT - p->gate - 16 * EVENT_VECTOR, gdt = EVENT_GDT - p->gdt - BARE_CS0;
    for (u64 i = 0; i < 16; i += 8)
        bare_set_u64(b, EVENT_IDT - p->gate + i, bare_u64(b, BARE_IDT + 16 * EVENT_VECTOR + i));
    for (u64 i = 0; i < BARE_GDT_BYTES; i += 8)
        bare_set_u64(b, gdt + i, bare_u64(b, BARE_GDT + i));
    b->core->s.idtr_base = idt;
    b->core->s.gdtr_base = gdt;
    b->core->s.seg[SEG_TR].base = EVENT_TSS - p->tss - TSS_RSP0;
    bare_set_u64(b, EVENT_TSS - p->tss, BARE_RSP0 - 8);
}

/* Turns of INT and IRETQ; the store buffer may be full, and interrupts allowed. */
static void open_events(struct bare *b, const struct places *p, bool user, unsigned variant)
{
    bare_open(b, RS_FW_XD);
    b->machine->p.store_buffer = 1 + variant * 3 % 8;
    b->machine->p.l1d_bytes = variant & 1 ? 4096 : 32768;
    b->machine->p.event_cycles = variant & 2 ? 0 : 40;
    rs_drop_derived(b->world);
    bare_gate(b, EVENT_VECTOR, bare_handler(EVENT_VECTOR), BARE_CS0,
              SEG_P | SEG_DPL | (variant & 4 ? SYS_TRAP_GATE : SYS_INTERRUPT_GATE), 0);
    bare_put(b, bare_handler(EVENT_VECTOR), "\x48\xff\xc0\x48\xcf", 5); /* inc rax; iretq */
    move_tables(b, p);
    if (user)
        bare_enter_user(b);
    b->core->s.gpr[REG_RSP] -= p->stack;
    b->core->s.rflags |= variant & 1 ? FLAG_IF : 0;
    BARE_INSN(b, "\xcd\x80\x48\xff\xc9\x75\xf9"); /* L: int 0x80; dec rcx; jnz L */
}

/* Whether each access is made on its own, or those that hit are made together, in pieces of any length. */
START_TEST(words_of_events)
{
    for (unsigned variant = 0; variant < 8; variant++)
        for (unsigned piece = 1; piece < 10; piece += 4) {
            struct bare b[2];
            for (int i = 0; i < 2; i++)
                open_events(&b[i], &places[_i / 2], _i % 2, variant);
            watch_each(&b[0]);
            watch_accesses(&b[0]);
            for (unsigned done = 0; done < 6 * EVENT_TURNS; done += piece) {
                for (int i = 0; i < 2; i++)
                    cpu_run(b[i].core, piece, UINT64_MAX);
                same_state(&b[1], &b[0]);
                ck_assert_uint_eq(b[1].core->rt.atom.micros, b[0].core->rt.atom.micros);
            }
            ck_assert_uint_ge(b[1].core->s.gpr[REG_RAX], EVENT_TURNS - 1);
            bare_close(&b[0]);
            bare_close(&b[1]);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("words");
    TCase *c = tcase_create("events");
    tcase_set_timeout(c, 60);
    tcase_add_loop_test(c, words_of_events, 0, 2 * PLACES);
    suite_add_tcase(s, c);
    return suite_run(s);
}
