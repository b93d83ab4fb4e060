/* term.c - the terminal, by ncursesw. */
#if !defined(_XOPEN_SOURCE_EXTENDED) && !defined(NCURSES_WIDECHAR)
#define NCURSES_WIDECHAR 1
#endif
#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <term.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "term.h"

static struct {
    SCREEN *screen;
    bool utf8, colour;
    const char *paste_on, *paste_off; /* NULL: the terminal does not mark what is pasted */
    char pasted[64];
    struct termios before;
    sigset_t mask;     /* with SIGWINCH, which comes only while somebody waits for a key */
    char restore[256]; /* what puts the screen back */
    size_t restore_bytes;
} term;

/* ---- how styles look ---- */

/* Without colour the attributes alone must do; with it they stay, so no meaning rests on the colour. */
static const struct {
    attr_t attributes;
    short colour;
} LOOK[STYLE_COUNT] = {
    [STYLE_TEXT] = {A_NORMAL, -1},
    [STYLE_DIM] = {A_DIM, -1},
    [STYLE_TITLE] = {A_BOLD, -1},
    [STYLE_GUEST] = {A_NORMAL, COLOR_CYAN},
    [STYLE_NESTED] = {A_NORMAL, COLOR_YELLOW},
    [STYLE_SAVED] = {A_NORMAL, COLOR_GREEN},
    [STYLE_CURRENT] = {A_REVERSE, -1},
    [STYLE_CHANGED] = {A_BOLD, COLOR_YELLOW},
    [STYLE_GOOD] = {A_BOLD, COLOR_GREEN},
    [STYLE_BAD] = {A_BOLD, COLOR_RED},
    [STYLE_ALERT] = {A_REVERSE | A_BOLD, COLOR_MAGENTA},
    [STYLE_BAR] = {A_REVERSE, -1},
};

static void start_colours(const struct tui_options *options)
{
    const char *no_color = getenv("NO_COLOR");
    term.colour = !(options && options->mono) && !(no_color && *no_color) && has_colors();
    if (!term.colour)
        return;
    start_color();
    use_default_colors();
    for (int i = 0; i < STYLE_COUNT; i++)
        init_pair((short)(i + 1), LOOK[i].colour, -1);
}

/* ---- signals: put the terminal back, then die as one would have ---- */

/* A sequence of the terminal's, NULL if it has none. */
static const char *capability(const char *name)
{
    char copy[8];
    snprintf(copy, sizeof copy, "%s", name); /* tigetstr takes no const */
    const char *sequence = tigetstr(copy);
    return sequence && sequence != (char *)-1 && *sequence ? sequence : NULL;
}

static int keep_byte(int byte)
{
    if (term.restore_bytes < sizeof term.restore)
        term.restore[term.restore_bytes++] = (char)byte;
    return byte;
}

static void keep_restore_sequences(void)
{
    static const char *const NAMES[] = {"BD", "rmkx", "sgr0", "cnorm", "rmcup"};
    term.restore_bytes = 0;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (capability(NAMES[i]))
            tputs(capability(NAMES[i]), 1, keep_byte);
}

static void on_fatal_signal(int number)
{
    ssize_t written = write(STDOUT_FILENO, term.restore, term.restore_bytes);
    (void)written;
    tcsetattr(STDIN_FILENO, TCSANOW, &term.before);
    signal(number, SIG_DFL);
    raise(number);
}

static void catch_signals(void)
{
    static const int FATAL[] = {SIGABRT, SIGBUS,  SIGFPE,  SIGHUP,  SIGILL,
                                SIGINT,  SIGQUIT, SIGSEGV, SIGTERM, SIGXCPU};
    struct sigaction action = {.sa_handler = on_fatal_signal, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof FATAL / sizeof *FATAL; i++)
        sigaction(FATAL[i], &action, NULL);
}

/* ncurses asks whether the size has changed and then waits for a key: a signal in between would be noticed
 * with the next key. */
static void hold_resize(void)
{
    sigset_t resize;
    sigemptyset(&resize);
    sigaddset(&resize, SIGWINCH);
    sigprocmask(SIG_BLOCK, &resize, &term.mask);
    sigdelset(&term.mask, SIGWINCH);
}

/* ---- open and close ---- */

/* Far from those behind KEY_MAX that ncurses gives to the other keys of a terminfo entry. */
enum { KEY_PASTE = 30000, KEY_PASTE_END };

/* What is pasted comes between two marks, if the terminal is asked for them. */
static void start_paste_marks(void)
{
    const char *begin = capability("PS"), *end = capability("PE");
    term.paste_on = capability("BE");
    term.paste_off = capability("BD");
    if (!begin || !end || !term.paste_off)
        term.paste_on = NULL;
    if (!term.paste_on)
        return;
    define_key(begin, KEY_PASTE);
    define_key(end, KEY_PASTE_END);
}

static void mark_pastes(bool on)
{
    if (term.paste_on)
        putp(on ? term.paste_on : term.paste_off);
    fflush(stdout);
}

const char *term_open(const struct tui_options *options)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return "standard input and output must be a terminal; `ringside run` needs none";
    if (tcgetattr(STDIN_FILENO, &term.before))
        return "the terminal's settings cannot be read";
    setlocale(LC_CTYPE, "");
    term.utf8 = !(options && options->ascii) && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    term.screen = newterm(NULL, stdout, stdin);
    if (!term.screen)
        return "the terminal type in TERM is unknown; try TERM=xterm";
    if (!capability("cup")) {
        term_close();
        return "the terminal type in TERM cannot place its cursor; try TERM=xterm";
    }
    keep_restore_sequences();
    catch_signals();
    hold_resize();
    atexit(term_close);
    raw();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    set_escdelay(50);
    curs_set(0);
    start_colours(options);
    start_paste_marks();
    mark_pastes(true);
    return NULL;
}

void term_close(void)
{
    if (!term.screen)
        return;
    mark_pastes(false);
    endwin();
    delscreen(term.screen);
    term.screen = NULL;
    tcsetattr(STDIN_FILENO, TCSANOW, &term.before);
}

void term_size(int *width, int *height)
{
    getmaxyx(stdscr, *height, *width);
}

/* ---- painting ---- */

static void paint_wide(int y, int x, uint32_t ch, attr_t attributes, short pair)
{
    wchar_t text[2] = {(wchar_t)ch, 0};
    cchar_t cell;
    setcchar(&cell, text, attributes, pair, NULL);
    mvadd_wch(y, x, &cell);
}

static void paint_cell(int y, int x, const struct cell *cell)
{
    attr_t attributes = LOOK[cell->style].attributes;
    short pair = term.colour ? (short)(cell->style + 1) : 0;
    if (term.utf8)
        paint_wide(y, x, cell->ch, attributes, pair);
    else
        mvaddch(y, x, (chtype)(unsigned char)ascii_for(cell->ch) | attributes | (chtype)COLOR_PAIR(pair));
}

void term_paint(const struct canvas *c)
{
    erase();
    for (int y = 0; y < c->height; y++)
        for (int x = 0; x < c->width; x++) {
            const struct cell *cell = &c->cell[(size_t)y * (size_t)c->width + (size_t)x];
            if (cell->ch)
                paint_cell(y, x, cell);
        }
    refresh();
}

void term_redraw(void)
{
    clearok(stdscr, TRUE);
}

/* ncurses has a handler that puts the terminal back and takes it again. */
void term_suspend(void)
{
    mark_pastes(false);
    raise(SIGTSTP);
    mark_pastes(true);
    term_redraw();
}

/* ---- keys ---- */

void term_forget_keys(void)
{
    flushinp();
}

static int special_key(int key)
{
    static const struct {
        int curses, key;
    } KEYS[] = {
        {KEY_UP, TERM_UP},         {KEY_DOWN, TERM_DOWN},
        {KEY_LEFT, TERM_LEFT},     {KEY_RIGHT, TERM_RIGHT},
        {KEY_PPAGE, TERM_PAGE_UP}, {KEY_NPAGE, TERM_PAGE_DOWN},
        {KEY_HOME, TERM_HOME},     {KEY_END, TERM_END},
        {KEY_ENTER, TERM_ENTER},   {KEY_BACKSPACE, TERM_BACKSPACE},
        {KEY_BTAB, TERM_BACKTAB},  {KEY_RESIZE, TERM_RESIZE},
    };
    for (size_t i = 0; i < sizeof KEYS / sizeof *KEYS; i++)
        if (KEYS[i].curses == key)
            return KEYS[i].key;
    return 0;
}

static int plain_key(wint_t key)
{
    switch (key) {
    case '\r':
    case '\n': return TERM_ENTER;
    case 0x7f:
    case '\b': return TERM_BACKSPACE;
    case 0x1b: return TERM_ESCAPE;
    case 0x03: return TERM_INTERRUPT;
    case 0x1a: return TERM_SUSPEND;
    default: return (int)key;
    }
}

#define PASTE_MS 300 /* without a byte, a paste whose end does not come is over */

/* Reads what is pasted up to its end; keeps the first printable characters. */
static int read_paste(void)
{
    size_t n = 0;
    wint_t key;
    int kind;
    timeout(PASTE_MS);
    while ((kind = get_wch(&key)) != ERR && !(kind == KEY_CODE_YES && key == KEY_PASTE_END))
        if (kind == OK && key >= ' ' && key < 0x7f && n + 1 < sizeof term.pasted)
            term.pasted[n++] = (char)key;
    term.pasted[n] = 0;
    return TERM_PASTE;
}

const char *term_pasted(void)
{
    return term.pasted;
}

/* The terminal has been closed, so that no key can come any more. */
static bool gone(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return poll(&input, 1, 0) > 0 && (input.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* Waits for bytes or another size; milliseconds < 0: as long as it takes. */
static void wait_for_input(int milliseconds)
{
    struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    fd_set input;
    FD_ZERO(&input);
    FD_SET(STDIN_FILENO, &input);
    pselect(STDIN_FILENO + 1, &input, NULL, NULL, milliseconds < 0 ? NULL : &limit, &term.mask);
}

int term_key(int milliseconds)
{
    wint_t key = 0;
    timeout(0);
    int kind = get_wch(&key); /* ncurses may have read ahead */
    if (kind == ERR) {
        wait_for_input(milliseconds);
        kind = get_wch(&key);
    }
    if (kind == KEY_CODE_YES && key == KEY_RESIZE)
        term_redraw(); /* what was on its way may have been drawn into the new size, and scrolled it */
    if (kind == KEY_CODE_YES && key == KEY_PASTE && term.paste_on)
        return read_paste();
    if (kind == KEY_CODE_YES)
        return special_key((int)key);
    if (kind == OK)
        return plain_key(key);
    return gone() ? TERM_GONE : 0;
}
