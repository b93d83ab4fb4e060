/* test_lockstep.c - instructions on the machine and on the processor under the tests, where that is an x86-64
 * under Linux: random sequences, chosen programs, and that every row of isa.def has taken part. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "lib/generate.h"
#include "lib/shrink.h"
#include "lib/suite.h"

#define SEQUENCES 200000u

/* False, and said so, on other hosts. */
static bool open_or_say(void)
{
    if (!native_is_here()) {
        printf("lockstep: skipped, it takes an x86-64 processor under Linux to compare with\n");
        return false;
    }
    ck_assert(lockstep_open());
    return true;
}

static void run_same(struct sequence *s, const char *what)
{
    enum verdict verdict = lockstep_run(s);
    if (verdict == VERDICT_DIFFERS) {
        sequence_shrink(s);
        sequence_report(stdout, s);
        ck_abort_msg("%s: %s", what, lockstep_difference());
    }
}

/* ---- programs ---- */

struct listing {
    const char *text;
    unsigned bytes;
    const char *code;
};

#define LISTING(text, code) \
    { \
        text, sizeof code - 1, code \
    }

/* Entered with RSI and RDI in the data, RBX in its middle, ECX 5, RDX random. */
static const struct listing listings[] = {
    LISTING("rep movsb", "\xf3\xa4"),
    LISTING("rep movsq", "\xf3\x48\xa5"),
    LISTING("std; rep movsw; cld", "\xfd\xf3\x66\xa5\xfc"),
    LISTING("rep stosd", "\xf3\xab"),
    LISTING("addr32 rep stosb", "\x67\xf3\xaa"),
    LISTING("lodsb; lodsq; std; lodsd; cld", "\xac\x48\xad\xfd\xad\xfc"),
    LISTING("repe cmpsb", "\xf3\xa6"),
    LISTING("push rsi; pop rdi; repe cmpsd", "\x56\x5f\xf3\xa7"),
    LISTING("repne scasb", "\xf2\xae"),
    LISTING("xor ecx, ecx; repne scasq", "\x31\xc9\xf2\x48\xaf"),
    LISTING("movsb; stosw; scasd; cmpsq", "\xa4\x66\xab\xaf\x48\xa7"),
    LISTING("loop $; mov eax, ecx", "\xe2\xfe\x89\xc8"),
    LISTING("dec edx; loopne $-2", "\xff\xca\xe0\xfc"),
    LISTING("cmp rdx, rdx; loope $-3", "\x48\x39\xd2\xe1\xfb"),
    LISTING("bts rcx, 40; addr32 loop $-6; nop", "\x48\x0f\xba\xe9\x28\x67\xe2\xfd\x90"),
    LISTING("jrcxz +2; inc eax; xor ecx, ecx; jrcxz +2; inc eax; nop",
            "\xe3\x02\xff\xc0\x31\xc9\xe3\x02\xff\xc0\x90"),
    LISTING("call +2; jmp +4; inc rax; ret; nop", "\xe8\x02\x00\x00\x00\xeb\x04\x48\xff\xc0\xc3\x90"),
    LISTING("lea rax, [rip+4]; call rax; jmp +4; ret 8; nop",
            "\x48\x8d\x05\x04\x00\x00\x00\xff\xd0\xeb\x03\xc2\x08\x00\x90"),
    LISTING("lea rax, [rip+5]; push rax; jmp [rsp]; nop; pop rdx",
            "\x48\x8d\x05\x05\x00\x00\x00\x50\xff\x24\x24\x90\x5a"),
    LISTING("push rsp; pop rax; push rax; pop rsp; pushw 5; popw ax", "\x54\x58\x50\x5c\x66\x6a\x05\x66\x58"),
    LISTING("push rdx; pop [rsp+16]; push [rbx]; pop [rbx+8]", "\x52\x8f\x44\x24\x10\xff\x33\x8f\x43\x08"),
    LISTING("mov rbp, rsp; enter 16, 0; leave", "\x48\x89\xe5\xc8\x10\x00\x00\xc9"),
    LISTING("mov rbp, rsp; enter 32, 3; mov rax, [rbp-8]; leave",
            "\x48\x89\xe5\xc8\x20\x00\x03\x48\x8b\x45\xf8\xc9"),
    LISTING("lea rbp, [rsp+64]; enterw 8, 2; leavew", "\x48\x8d\x6c\x24\x40\x66\xc8\x08\x00\x02\x66\xc9"),
    LISTING("bts [rbx], -777; bt [rbx], ecx; btc word [rbx], 300",
            "\x48\xc7\xc0\xf7\xfc\xff\xff\x48\x0f\xab\x03\x0f\xa3\x0b\x66\xb8\x2c\x01\x66\x0f\xbb\x03"),
    LISTING("mov rax, [moffs]; mov [moffs], ax",
            "\x48\xa1\x40\x08\x00\x20\x00\x00\x00\x00\x66\xa3\x80\x08\x00\x20\x00\x00\x00\x00"),
    LISTING("addr32 mov al, [moffs]", "\x67\xa0\x40\x08\x00\x20"),
    LISTING("mov eax, [rip-6]", "\x8b\x05\xfa\xff\xff\xff"),
    LISTING("cqo; idiv rcx", "\x48\x99\x48\xf7\xf9"),
    LISTING("xor edx, edx; div rcx", "\x31\xd2\x48\xf7\xf1"),
    LISTING("mov edx, 4; div rcx", "\xba\x04\x00\x00\x00\x48\xf7\xf1"),
    LISTING("mov edx, 5; div rcx overflows", "\xba\x05\x00\x00\x00\x48\xf7\xf1"),
    LISTING("mov rdx, -3; idiv rcx", "\x48\xc7\xc2\xfd\xff\xff\xff\x48\xf7\xf9"),
    LISTING("mov rdx, -3; neg rcx; idiv rcx", "\x48\xc7\xc2\xfd\xff\xff\xff\x48\xf7\xd9\x48\xf7\xf9"),
    LISTING("mov rax, 1 << 63; cqo; mov ecx, -1; movsxd rcx, ecx; idiv rcx overflows",
            "\x48\xb8\x00\x00\x00\x00\x00\x00\x00\x80\x48\x99\xb9\xff\xff\xff\xff\x48\x63\xc9\x48\xf7\xf9"),
    LISTING("mov ax, -128*3; mov cl, 3; idiv cl", "\x66\xb8\x80\xfe\xb1\x03\xf6\xf9"),
    LISTING("mov ax, -129; mov cl, 1; idiv cl overflows", "\x66\xb8\x7f\xff\xb1\x01\xf6\xf9"),
    LISTING("mov ax, 128; mov cl, 1; idiv cl overflows", "\x66\xb8\x80\x00\xb1\x01\xf6\xf9"),
    LISTING("cmpxchg16b [rbx]", "\x48\x0f\xc7\x0b"),
    LISTING("lock cmpxchg16b [rbx] with the value that is there",
            "\x48\x8b\x03\x48\x8b\x53\x08\xf0\x48\x0f\xc7\x0b"),
    LISTING("mov eax, [rbx]; mov edx, [rbx+4]; lock cmpxchg8b [rbx]", "\x8b\x03\x8b\x53\x04\xf0\x0f\xc7\x0b"),
    LISTING("cmpxchg16b [rbx+8], not aligned", "\x48\x0f\xc7\x4b\x08"),
    LISTING("mov eax, ebp; cmpxchg ebp, edx", "\x89\xe8\x0f\xb1\xd5"),
    LISTING("mov eax, ebp; inc eax; cmpxchg ebp, edx", "\x89\xe8\xff\xc0\x0f\xb1\xd5"),
    LISTING("f3 xchg r8, rax", "\xf3\x49\x90"),
    LISTING("66 call +2 has 32 bits; pop rax", "\xe8\x00\x00\x00\x00\x58"),
    LISTING("a non-canonical load", "\x48\xb8\x00\x00\x00\x00\x00\x00\x00\x80\x48\x8b\x00"),
    LISTING("a jump to a non-canonical address", "\x48\xb8\x00\x00\x00\x00\x00\x00\x00\x80\xff\xe0"),
    LISTING("ud2", "\x0f\x0b"),
    LISTING("push cs; push rip; retfq", "\x6a\x33\x48\x8d\x05\x03\x00\x00\x00\x50\x48\xcb"),
    LISTING("push cs; push rip; retfq 8", "\x6a\x33\x48\x8d\x05\x05\x00\x00\x00\x50\x48\xca\x08\x00"),
    LISTING("mov [rsp], eip; mov [rsp+4], cs; retfd",
            "\x48\x8d\x05\x0c\x00\x00\x00\x89\x04\x24\xc7\x44\x24\x04\x33\x00\x00\x00\xcb"),
    LISTING("mov [rsp], eip; mov [rsp+4], cs; retfd 16",
            "\x48\x8d\x05\x0e\x00\x00\x00\x89\x04\x24\xc7\x44\x24\x04\x33\x00\x00\x00\xca\x10\x00"),
    LISTING("push ss; push rsp; pushf; push cs; push rip; iretq",
            "\x6a\x2b\x54\x9c\x6a\x33\x48\x8d\x05\x03\x00\x00\x00\x50\x48\xcf"),
    LISTING("iretq with TF: one instruction on",
            "\x6a\x2b\x54\x68\xd7\x03\x00\x00\x6a\x33\x48\x8d\x05\x03\x00\x00\x00\x50\x48\xcf\x90\x90"),
    LISTING("iretd", "\x48\x8d\x05\x29\x00\x00\x00\x89\x04\x24\xc7\x44\x24\x04\x33\x00\x00\x00"
                     "\xc7\x44\x24\x08\x95\x0e\x00\x00\x48\x8d\x44\x24\x40\x89\x44\x24\x0c"
                     "\xc7\x44\x24\x10\x2b\x00\x00\x00\x90\x90\x90\x90\xcf"),
    LISTING("pushf with NT; popf; iretq", "\x68\x02\x42\x00\x00\x9d\x48\xcf"),
    LISTING("popf with TF; nop; nop", "\x68\x02\x03\x00\x00\x9d\x90\x90"),
    LISTING("popf with TF; rep movsb stops after one", "\x68\x02\x03\x00\x00\x9d\xf3\xa4\x90"),
    LISTING("mov eax, ss; popf with TF; mov ss, eax; nop; nop: MOV SS holds the trap back",
            "\x8c\xd0\x68\x02\x03\x00\x00\x9d\x8e\xd0\x90\x90"),
    LISTING("mov byte [rip+1], 0xc1; inc eax, which is inc ecx by then",
            "\xc6\x05\x01\x00\x00\x00\xc1\xff\xc0\x90"),
    LISTING("mov gs, 0; mov eax, gs", "\x31\xc0\x8e\xe8\x8c\xe8"),
    LISTING("popf with AC; mov eax, [rbx+1]", "\x68\x02\x02\x04\x00\x9d\x8b\x43\x01"),
    LISTING("popf with AC; push rax; movzx eax, byte [rbx+1]; mov eax, [rbx+4]",
            "\x68\x02\x02\x04\x00\x9d\x50\x0f\xb6\x43\x01\x8b\x43\x04"),
    LISTING("int 0x20", "\xcd\x20"),
    LISTING("int 3", "\xcd\x03"),
    LISTING("int3", "\xcc"),
    LISTING("into", "\xce"),
    LISTING("salc", "\xd6"),
};

#define LISTINGS (sizeof listings / sizeof *listings)

/* Cut into pieces without a look at the instructions. */
static void make_listing(struct sequence *s, const struct listing *l, u64 seed)
{
    sequence_make(s, seed);
    s->at = 0x800;
    s->count = 0;
    for (unsigned at = 0; at < l->bytes; at += s->insn[s->count++].n) {
        struct piece *p = &s->insn[s->count];
        p->n = (u8)(l->bytes - at < 15 ? l->bytes - at : 15);
        memcpy(p->bytes, l->code + at, p->n);
    }
    s->gpr[REG_RBX] = NATIVE_DATA + 0x1000;
    s->gpr[REG_RSP] = NATIVE_DATA + 0x1200;
    s->gpr[REG_RSI] = NATIVE_DATA + 0xe00;
    s->gpr[REG_RDI] = NATIVE_DATA + 0xe40;
    s->gpr[REG_RCX] = 5;
    s->rflags &= ~(u64)FLAG_DF;
}

static void run_listing(const struct listing *l)
{
    static struct sequence s;
    for (u64 seed = 0; seed < 50; seed++) {
        make_listing(&s, l, seed);
        run_same(&s, l->text);
    }
}

START_TEST(programs)
{
    if (!open_or_say())
        return;
    run_listing(&listings[_i]);
    lockstep_close();
}
END_TEST

/* ---- random sequences ---- */

static const char *const row_name[] = {
#define INSN(row, name, map, opcode, prefix, modrm, mod, size, imm, ops, may, addr, writes, latency, cpl, \
             flags, fn) \
#row,
#include "arch/isa.def"
};

/* What cannot run: a RIP of 16 bits, which Linux does not map; a result that is not defined; and far pointers
 * of 64 bits, which not every vendor has. */
static bool cannot_run(unsigned row, unsigned op_bytes)
{
    bool to_16_bits = op_bytes == 2 && (row == ROW_iret || row == ROW_retf || row == ROW_retf_Iw);
    bool far_64 = op_bytes == 8 && row >= ROW_lss && row <= ROW_jmp_far;
    return to_16_bits || (row == ROW_bswap && op_bytes == 2) ||
           (far_64 && !(native_features() & NATIVE_INTEL));
}

static void every_row_has_run(void)
{
    for (unsigned row = 0; row < ISA_ROWS; row++)
        for (unsigned n = 1; n <= 8; n *= 2)
            if (lockstep_may_run(row) && lockstep_sizes(row) & n && !cannot_run(row, n))
                ck_assert_msg(lockstep_covered(row, n) > 0, "%s of %u bytes was never run", row_name[row], n);
}

START_TEST(random_sequences)
{
    static struct sequence s;
    u64 skipped = 0;
    if (!open_or_say())
        return;
    for (unsigned i = 0; i < LISTINGS; i++)
        run_listing(&listings[i]);
    for (u64 seed = 0, n = 0; n < SEQUENCES; seed++) {
        sequence_make(&s, seed);
        enum verdict verdict = lockstep_run(&s);
        n += verdict == VERDICT_SAME;
        skipped += verdict == VERDICT_SKIPPED;
        if (verdict == VERDICT_DIFFERS)
            run_same(&s, "random");
    }
    ck_assert_uint_lt(skipped, SEQUENCES / 20);
    every_row_has_run();
    lockstep_close();
}
END_TEST

/* ---- that a difference is found ---- */

/* Until one differs, which must be before 20,000. */
static void find_difference(struct sequence *s)
{
    for (u64 seed = 0; seed < 20000; seed++) {
        sequence_make(s, seed);
        if (lockstep_run(s) == VERDICT_DIFFERS)
            return;
    }
    ck_abort_msg("a wrong instruction was not found");
}

/* One bit wrong after one instruction: found, and cut down to that instruction. */
START_TEST(a_wrong_bit)
{
    static const unsigned wrong[] = {ROW_adc_Ev_Gv, ROW_bsr, ROW_cmps_v, ROW_setle, ROW_xadd_Eb_Gb};
    static struct sequence s;
    if (!open_or_say())
        return;
    lockstep_break(wrong[_i], 1 << 3);
    find_difference(&s);
    sequence_shrink(&s);
    ck_assert_uint_le(s.count, 2);
    ck_assert_uint_ge(s.count, 1);
    lockstep_break(ISA_ROWS, 0);
    ck_assert_int_eq(lockstep_run(&s), VERDICT_SAME);
    lockstep_close();
}
END_TEST

/* A seed is a sequence: what a report says can be run again. */
START_TEST(seeds)
{
    static struct sequence a, b, other;
    if (!open_or_say())
        return;
    for (u64 seed = 0; seed < 100; seed++) {
        memset(&a, 0, sizeof a);
        memset(&b, 0, sizeof b);
        sequence_make(&a, seed);
        sequence_make(&other, seed + 1000);
        sequence_make(&b, seed);
        ck_assert_mem_eq(&a, &b, sizeof a);
    }
    lockstep_close();
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("lockstep");
    TCase *t = tcase_create("lockstep");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, random_sequences);
    tcase_add_loop_test(t, programs, 0, (int)LISTINGS);
    tcase_add_loop_test(t, a_wrong_bit, 0, 5);
    tcase_add_test(t, seeds);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return suite_run(suite());
}
