/* session.c - the packets that move the machine and look at it; queries are in query.c.
 *
 * gdb's manual, "Remote Protocol", "Packets".  What is not known is answered by an empty packet. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "session.h"

#define ERROR_ARGUMENT "E16" /* 22, EINVAL */
#define ERROR_ADDRESS  "E0e" /* 14, EFAULT */

/* ------------------------------------------------------------------ replies */

void session_reply_bytes(struct gdb *g, const struct bytes *b)
{
    g->last.n = 0;
    packet_put(&g->last, b->n ? b->at : "", b->n);
    bytes_add(&g->out, g->last.at, g->last.n);
}

void session_reply(struct gdb *g, const char *text)
{
    struct bytes b = {.at = (char *)(uintptr_t)text, .n = strlen(text)};
    session_reply_bytes(g, &b);
}

static void reply_error(struct gdb *g, const struct rs_error *err)
{
    char text[sizeof err->text + 8];
    snprintf(text, sizeof text, "E.%s", err->text);
    session_reply(g, text);
}

void session_note(struct gdb *g, const char *text)
{
    fprintf(stderr, "ringside: gdb: %s\n", text);
    bytes_addf(&g->note, "ringside: %s\n", text);
}

void session_console(struct gdb *g, struct bytes *text)
{
    size_t most = (PACKET_MAX - 1) / 2;
    for (size_t done = 0; done < text->n; done += most) {
        struct bytes packet = {NULL, 0, 0};
        size_t n = text->n - done < most ? text->n - done : most;
        bytes_add(&packet, "O", 1);
        bytes_add_hex(&packet, text->at + done, n);
        session_reply_bytes(g, &packet);
        bytes_free(&packet);
    }
    text->n = 0;
}

/* ------------------------------------------------------------------ stop replies */

static void add_point(const struct gdb *g, const struct point *p, struct bytes *b)
{
    static const char *const watch[] = {
        [POINT_WRITE] = "watch", [POINT_READ] = "rwatch", [POINT_ACCESS] = "awatch"};
    if (p->kind >= POINT_WRITE)
        bytes_addf(b, "%s:%" PRIx64 ";", watch[p->kind], p->address);
    else if (p->kind == POINT_SOFT && g->knows_swbreak)
        bytes_addf(b, "swbreak:;");
    else if (p->kind == POINT_HARD && g->knows_hwbreak)
        bytes_addf(b, "hwbreak:;");
}

static void send_stop(struct gdb *g)
{
    const struct stop *s = &g->stop;
    struct bytes b = {NULL, 0, 0};
    bytes_addf(&b, "T%02xthread:%x;", s->signal, s->core + 1);
    if (s->at_point)
        add_point(g, &s->point, &b);
    if (s->begin)
        bytes_addf(&b, "replaylog:begin;");
    session_reply_bytes(g, &b);
    bytes_free(&b);
}

void session_stop_reply(struct gdb *g)
{
    if (!g->awaiting || g->client < 0)
        return;
    session_console(g, &g->note);
    g->awaiting = false;
    send_stop(g);
}

/* ------------------------------------------------------------------ going */

static void go(struct gdb *g, bool step, uint32_t core, uint64_t low, uint64_t high)
{
    g->look.stepping = step;
    g->look.core = g->step_core = core;
    g->look.low = low;
    g->look.high = high;
    g->awaiting = true;
    motion_resume(g);
}

/* s, S, c, C: an address to go on from is what nobody sends. */
static void old_resume(struct gdb *g, const char *text)
{
    bool step = text[0] == 's' || text[0] == 'S';
    const char *address = text[0] == 'S' || text[0] == 'C' ? strchr(text, ';') : text + 1;
    if (address && *address)
        session_reply(g, ERROR_ARGUMENT);
    else
        go(g, step, g->step_core, 0, 0);
}

/* "-1" all, "0" any, or a number from 1; false if there is no such core. */
static bool parse_thread(const struct gdb *g, const char **at, uint32_t *core, bool *all)
{
    uint64_t n;
    *all = strncmp(*at, "-1", 2) == 0;
    if (*all) {
        *at += 2;
        return true;
    }
    if (!hex_number(at, &n) || n > rs_cores(g->m))
        return false;
    *all = n == 0;
    *core = n ? (uint32_t)(n - 1) : g->core;
    return true;
}

struct action {
    char verb;
    uint64_t low, high;
    uint32_t core;
    bool all;
};

/* ";s:1", ";r401000,401010:1", ";C05", ... */
static bool parse_action(const struct gdb *g, const char **at, struct action *a)
{
    uint64_t signal;
    *a = (struct action){.all = true, .core = g->step_core};
    if (**at != ';')
        return false;
    a->verb = *++*at;
    ++*at;
    if ((a->verb == 'S' || a->verb == 'C') && !hex_number(at, &signal))
        return false;
    if (a->verb == 'r' && (!hex_number(at, &a->low) || *(*at)++ != ',' || !hex_number(at, &a->high)))
        return false;
    if (**at == ':') {
        ++*at;
        return parse_thread(g, at, &a->core, &a->all);
    }
    return true;
}

static bool is_step(const struct action *a)
{
    return a->verb == 's' || a->verb == 'S' || a->verb == 'r';
}

/* Time passes for all cores together: the first action that steps decides, else one that goes on. */
static void resume_by_actions(struct gdb *g, const char *at)
{
    struct action a, step = {0}, go_on = {0};
    while (*at) {
        if (!parse_action(g, &at, &a) || !strchr("sScCrt", a.verb)) {
            session_reply(g, ERROR_ARGUMENT);
            return;
        }
        if (is_step(&a) && !step.verb)
            step = a;
        if ((a.verb == 'c' || a.verb == 'C') && !go_on.verb)
            go_on = a;
    }
    if (step.verb)
        go(g, true, step.all ? g->step_core : step.core, step.low, step.high);
    else if (go_on.verb)
        go(g, false, go_on.all ? g->step_core : go_on.core, 0, 0);
    else
        send_stop(g); /* t: it stands already */
}

static void verbose(struct gdb *g, const char *text)
{
    if (strcmp(text, "vCont?") == 0)
        session_reply(g, "vCont;c;C;s;S;t;r");
    else if (strncmp(text, "vCont;", 6) == 0)
        resume_by_actions(g, text + 5);
    else if (strncmp(text, "vKill", 5) == 0) {
        session_reply(g, "OK");
        g->killed = true;
    } else
        session_reply(g, "");
}

static void backwards(struct gdb *g, const char *text)
{
    if (text[1] != 's' && text[1] != 'c') {
        session_reply(g, "");
        return;
    }
    g->awaiting = true;
    motion_reverse(g, text[1] == 's');
}

/* ------------------------------------------------------------------ looking */

static void all_registers(struct gdb *g, const char *text)
{
    struct bytes hex = {NULL, 0, 0};
    (void)text;
    registers_get_all(g, &hex);
    session_reply_bytes(g, &hex);
    bytes_free(&hex);
}

static void set_all_registers(struct gdb *g, const char *text)
{
    struct rs_error err;
    if (registers_set_all(g, text + 1, &err) == RS_OK)
        session_reply(g, "OK");
    else
        reply_error(g, &err);
}

static void one_register(struct gdb *g, const char *text)
{
    const char *at = text + 1;
    struct bytes hex = {NULL, 0, 0};
    uint64_t number;
    if (hex_number(&at, &number) && number < 256 && registers_get(g, (unsigned)number, &hex))
        session_reply_bytes(g, &hex);
    else
        session_reply(g, ERROR_ARGUMENT);
    bytes_free(&hex);
}

static void set_register(struct gdb *g, const char *text)
{
    const char *at = text + 1;
    uint64_t number;
    uint8_t value[16];
    size_t n;
    struct rs_error err;
    if (!hex_number(&at, &number) || number > 255 || *at != '=' ||
        !hex_bytes(at + 1, value, sizeof value, &n))
        session_reply(g, ERROR_ARGUMENT);
    else if (registers_set(g, (unsigned)number, value, n, &err) == RS_OK)
        session_reply(g, "OK");
    else
        reply_error(g, &err);
}

/* "ADDRESS,LENGTH" behind the letter, moving *at behind it. */
static bool parse_range(const char **at, uint64_t *address, uint64_t *length)
{
    ++*at;
    return hex_number(at, address) && *(*at)++ == ',' && hex_number(at, length);
}

#define MEMORY_MAX ((PACKET_MAX - 16) / 2)

static void read_memory(struct gdb *g, const char *text)
{
    uint64_t address, n;
    uint8_t bytes[MEMORY_MAX];
    if (!parse_range(&text, &address, &n) || *text) {
        session_reply(g, ERROR_ARGUMENT);
        return;
    }
    size_t got = memory_read(g, address, bytes, n < MEMORY_MAX ? (size_t)n : MEMORY_MAX);
    struct bytes hex = {NULL, 0, 0};
    bytes_add_hex(&hex, bytes, got);
    if (got || n == 0)
        session_reply_bytes(g, &hex);
    else
        session_reply(g, ERROR_ADDRESS);
    bytes_free(&hex);
}

/* gdb makes "Cannot access memory" of any error here, and takes console output for an answer: stderr has the
 * reason at once, gdb's console with the next stop or monitor command. */
static void write_bytes(struct gdb *g, uint64_t address, const uint8_t *bytes, size_t n)
{
    struct rs_error err;
    if (memory_write(g, address, bytes, n, &err) == RS_OK) {
        session_reply(g, "OK");
        return;
    }
    session_note(g, err.text);
    reply_error(g, &err);
}

static void write_memory(struct gdb *g, const char *text)
{
    uint64_t address, n;
    uint8_t bytes[PACKET_MAX / 2];
    size_t given;
    if (!parse_range(&text, &address, &n) || *text != ':' ||
        !hex_bytes(text + 1, bytes, sizeof bytes, &given) || given != n)
        session_reply(g, ERROR_ARGUMENT);
    else
        write_bytes(g, address, bytes, given);
}

static void write_binary(struct gdb *g, const char *text, size_t size)
{
    const char *at = text;
    uint64_t address, n;
    if (!parse_range(&at, &address, &n) || *at != ':' || n != size - (size_t)(at + 1 - text))
        session_reply(g, ERROR_ARGUMENT);
    else
        write_bytes(g, address, (const uint8_t *)at + 1, (size_t)n);
}

static void point(struct gdb *g, const char *text)
{
    bool set = text[0] == 'Z';
    int kind = hex_digit(text[1]);
    const char *at = text + 2;
    struct point p;
    if (kind < 0 || kind >= POINT_KINDS) {
        session_reply(g, "");
        return;
    }
    if (*at != ',' || !parse_range(&at, &p.address, &p.length) || (kind >= POINT_WRITE && p.length == 0)) {
        session_reply(g, ERROR_ARGUMENT);
        return;
    }
    p.kind = (enum point_kind)kind;
    if (kind < POINT_WRITE)
        p.length = 1;
    if (!set)
        points_clear(&g->points, p);
    else if (!points_set(&g->points, p)) {
        session_reply(g, "E1c"); /* 28, ENOSPC */
        return;
    }
    session_reply(g, "OK");
}

/* ------------------------------------------------------------------ threads, and the end */

static void choose_thread(struct gdb *g, const char *text)
{
    const char *at = text + 2;
    bool all;
    uint32_t core = g->core;
    if ((text[1] != 'g' && text[1] != 'c') || !parse_thread(g, &at, &core, &all) || *at) {
        session_reply(g, ERROR_ARGUMENT);
        return;
    }
    if (!all && text[1] == 'g')
        g->core = core;
    if (!all && text[1] == 'c')
        g->step_core = core;
    session_reply(g, "OK");
}

static void thread_lives(struct gdb *g, const char *text)
{
    const char *at = text + 1;
    uint64_t n;
    bool lives = hex_number(&at, &n) && n >= 1 && n <= rs_cores(g->m);
    session_reply(g, lives ? "OK" : ERROR_ARGUMENT);
}

static void detach(struct gdb *g)
{
    session_reply(g, "OK");
    server_flush(g);
    server_hang_up(g);
    motion_forget(g, true);
}

void session_packet(struct gdb *g, const char *text, size_t n)
{
    switch (text[0]) {
    case '?': send_stop(g); break;
    case 'g': all_registers(g, text); break;
    case 'G': set_all_registers(g, text); break;
    case 'p': one_register(g, text); break;
    case 'P': set_register(g, text); break;
    case 'm': read_memory(g, text); break;
    case 'M': write_memory(g, text); break;
    case 'X': write_binary(g, text, n); break;
    case 'Z':
    case 'z': point(g, text); break;
    case 's':
    case 'S':
    case 'c':
    case 'C': old_resume(g, text); break;
    case 'b': backwards(g, text); break;
    case 'v': verbose(g, text); break;
    case 'H': choose_thread(g, text); break;
    case 'T': thread_lives(g, text); break;
    case 'q':
    case 'Q': session_query(g, text); break;
    case 'D': detach(g); break;
    case 'k': g->killed = true; break;
    default: session_reply(g, "");
    }
}
