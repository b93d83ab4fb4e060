/* uart - the console's 16550 through accesses of one, two and four bytes, also across its ends, in loopback
 * and by string instructions.  A wide access is one of each byte, the lowest port first. */
#include "lib/guest.h"

#include "arch/insn.h"
#include "lib/print.h"

#define RESULTS_MAX       20
#define PORT(reg)         (PORT_CONSOLE + (reg))
#define BEFORE            (PORT_CONSOLE - 1)
#define BYTES(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define WORD(a, b)        (uint16_t) BYTES(a, b, 0, 0)
#define LCR_DIVISOR       (UART_LCR_8N1 | UART_LCR_DLAB)

/* What comes back is kept and printed at the end: the console is under test. */
static struct result {
    const char *what;
    uint32_t value;
} results[RESULTS_MAX];
static unsigned result_count;

static void keep(const char *what, uint32_t value)
{
    results[result_count++] = (struct result){what, value};
}

static void show_results(void)
{
    for (unsigned i = 0; i < result_count; i++)
        print("%s: 0x%x\n", results[i].what, results[i].value);
}

/* ---- to the console ---- */

/* Each word is a character and what IER gets. */
static void say_by_words(void)
{
    static const uint16_t words[] = {'b', 'y', ' ', 'w', 'o', 'r', 'd', 's', '\n'};
    const uint16_t *from = words;
    uint64_t n = sizeof words / sizeof words[0];

    out16(PORT(UART_THR), WORD('w', 0));
    out16(BEFORE, WORD('x', '!'));
    out32(PORT(UART_THR), BYTES('\n', 0, UART_FCR_ENABLE, UART_LCR_8N1));
    __asm__ volatile("rep outsw" : "+S"(from), "+c"(n) : "d"(PORT(UART_THR)) : "memory");
}

/* ---- registers ---- */

static void try_registers(void)
{
    out16(PORT(UART_SCR), WORD(0x5a, 0x12));
    keep("scratch register", in8(PORT(UART_SCR)));
    keep("with what follows", in16(PORT(UART_SCR)));
    keep("line and modem status, scratch, and what follows", in32(PORT(UART_LSR)));
    out8(PORT(UART_IER), 0xff);
    keep("IER of 0xff", in8(PORT(UART_IER)));
    keep("then the cause", in8(PORT(UART_IIR)));
    out8(PORT(UART_IER), 0);
}

static void try_divisor(void)
{
    uint16_t before;

    out8(PORT(UART_LCR), LCR_DIVISOR);
    before = in16(PORT(UART_DLL));
    keep("divisor at first", before);
    out16(PORT(UART_DLL), 0x0c30);
    keep("divisor", in16(PORT(UART_DLL)));
    out16(PORT(UART_DLL), before);
    out8(PORT(UART_LCR), UART_LCR_8N1);
    keep("IER behind it", in8(PORT(UART_IER)));
}

/* ---- loopback ---- */

static void try_loopback(void)
{
    uint16_t words[2] = {0, 0}, *to = words;
    uint64_t n = 2;

    out32(PORT(UART_IER), BYTES(UART_IER_RECEIVE, UART_FCR_ENABLE, UART_LCR_8N1, 0xff));
    keep("IER, cause, LCR and MCR", in32(PORT(UART_IER)));
    keep("modem status in loopback", in8(PORT(UART_MSR)));
    out16(BEFORE, WORD('-', 'a'));
    out8(PORT(UART_THR), 'b');
    out8(PORT(UART_THR), 'c');
    keep("three bytes on the way", in16(PORT(UART_IIR)));
    keep("the first, and what is before it", in32(BEFORE - 2));
    __asm__ volatile("rep insw" : "+D"(to), "+c"(n) : "d"(PORT(UART_RBR)) : "memory");
    keep("the others, with IER", BYTES(words[0], words[0] >> 8, words[1], words[1] >> 8));
    out8(PORT(UART_THR), 'd');
    out8(PORT(UART_FCR), UART_FCR_ENABLE | UART_FCR_CLEAR_RECEIVE);
    keep("line status after a FIFO reset", in8(PORT(UART_LSR)));
    keep("the last, IER, cause and LCR", in32(PORT(UART_RBR)));
    out8(PORT(UART_MCR), UART_MCR_LOOP | UART_MCR_RTS);
    keep("modem status with RTS alone", in8(PORT(UART_MSR)));
    out32(PORT(UART_IER), BYTES(0, UART_FCR_ENABLE, UART_LCR_8N1, 0));
    keep("modem status at last", in8(PORT(UART_MSR)));
}

uint32_t guest_main(const char *args)
{
    (void)args;
    say_by_words();
    try_registers();
    try_divisor();
    try_loopback();
    show_results();
    return 0;
}
