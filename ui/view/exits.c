/* exits.c - the log of VM exits. */
#include "exits.h"

#include <stdio.h>
#include <string.h>

#include "words.h"

typedef unsigned long long ull;

#define WHO_MAX   12 /* columns for the VM's name */
#define WORDS_MIN 28 /* columns beside the others that are worth a column of their own */

/* Basic exit reasons whose qualification is told in words (SDM vol. 3, appendix C "VMX
 * Basic Exit Reasons"). */
enum { EXIT_EXTERNAL = 1, EXIT_CR = 28, EXIT_IO = 30, EXIT_EPT_VIOLATION = 48, EXIT_EPT_MISCONFIG = 49 };

void exit_log_add(struct exit_log *log, const struct exit_entry *e)
{
    if (log->count == EXITS_MAX) {
        memmove(log->entry, log->entry + EXITS_MAX / 2, EXITS_MAX / 2 * sizeof *log->entry);
        log->count = EXITS_MAX / 2;
        log->dropped += EXITS_MAX / 2;
    }
    log->entry[log->count++] = *e;
}

/* Where field `name` stands among the probe's fields. */
static uint64_t field(const struct rs_event *event, const char *name)
{
    const struct rs_probe_info *info = &rs_probe_info[event->probe];
    for (size_t i = 0; i < info->fields; i++)
        if (strcmp(info->field[i].name, name) == 0)
            return event->field[i];
    return 0;
}

struct exit_entry exit_entry_from(const struct rs_event *event, const char *who)
{
    struct exit_entry e = {
        .cycle = event->cycle,
        .core = event->core,
        .number = field(event, "number"),
        .qualification = field(event, "qualification"),
        .gpa = field(event, "gpa"),
        .gva = field(event, "gva"),
        .rip = field(event, "guest_rip"),
        .cycles = field(event, "cycles"),
    };
    snprintf(e.who, sizeof e.who, "%s", who);
    return e;
}

/* Exit qualification for I/O instructions (SDM vol. 3, table 27-5). */
static void io_words(uint64_t q, char *text, size_t size)
{
    snprintf(text, size, ": %s port %llx", q & 8 ? "IN from" : "OUT to", (ull)(q >> 16 & 0xffff));
}

/* Exit qualification for control-register accesses (SDM vol. 3, table 27-3). */
static void cr_words(uint64_t q, char *text, size_t size)
{
    static const char *const TYPE[] = {"MOV to", "MOV from", "CLTS", "LMSW"};
    snprintf(text, size, ": %s CR%llu", TYPE[q >> 4 & 3], (ull)(q & 15));
}

void exit_words(const struct exit_entry *e, char *text, size_t size)
{
    const char *reason = rs_word(RS_EXIT_REASON, e->number);
    char more[128] = "", access[80];
    if (e->number == EXIT_IO)
        io_words(e->qualification, more, sizeof more);
    else if (e->number == EXIT_CR)
        cr_words(e->qualification, more, sizeof more);
    else if (e->number == EXIT_EPT_VIOLATION) {
        word_ept_violation(e->qualification, access, sizeof access);
        snprintf(more, sizeof more, " at g:%llx: %s", (ull)e->gpa, access);
    } else if (e->number == EXIT_EPT_MISCONFIG)
        snprintf(more, sizeof more, " at g:%llx", (ull)e->gpa);
    else if (e->qualification)
        snprintf(more, sizeof more, ": qualification %llx", (ull)e->qualification);
    snprintf(text, size, "%s%s", reason ? reason : "unknown reason", more);
}

/* Widths of the columns that depend on what they hold. */
struct columns {
    bool core;
    int cycle, who, rip;
};

static int at_least(int width, int needed)
{
    return needed > width ? needed : width;
}

static struct columns columns_of(const struct exit_log *log, bool core)
{
    struct columns w = {core, (int)strlen("cycle"), (int)strlen("VM"), (int)strlen("guest RIP")};
    char text[32];
    for (size_t i = 0; i < log->count; i++) {
        const struct exit_entry *e = &log->entry[i];
        w.cycle = at_least(w.cycle, (int)strlen(word_count(e->cycle, text)));
        w.who = at_least(w.who, (int)strlen(e->who));
        w.rip = at_least(w.rip, snprintf(text, sizeof text, "%llx", (ull)e->rip));
    }
    w.who = w.who < WHO_MAX ? w.who : WHO_MAX;
    return w;
}

/* What no line may lose stands first: the RIP, and the gPA that begins the words of an EPT violation. */
static void exit_line(const struct exit_entry *e, struct columns w, enum style style, int width,
                      struct doc *d)
{
    char words[192], cycle[32], core[16] = "", line[320];
    exit_words(e, words, sizeof words);
    if (w.core)
        snprintf(core, sizeof core, "%4u  ", e->core + 1);
    int indent = w.cycle + 2 + (int)strlen(core) + w.who + 1 + 3 + 2 + w.rip + 2;
    snprintf(line, sizeof line, "%*s  %s%-*.*s %3llu  %-*llx  %s", w.cycle, word_count(e->cycle, cycle), core,
             w.who, w.who, e->who, (ull)e->number, w.rip, (ull)e->rip, words);
    doc_wrap(d, style, line, width, width - indent >= WORDS_MIN ? indent : 4);
}

void exits_doc(const struct exit_log *log, uint64_t cores, uint64_t counted, int width, struct doc *d)
{
    uint64_t older = counted > log->count + log->dropped ? counted - log->count : log->dropped;
    struct columns w = columns_of(log, cores > 1);
    doc_line(d, STYLE_TITLE, "%*s  %s%-*s %3s  %-*s  %s", w.cycle, "cycle", w.core ? "core  " : "", w.who,
             "VM", "no.", w.rip, "guest RIP", "reason");
    if (older)
        doc_line(d, STYLE_DIM, "%*s  (%llu older ones are not kept)", w.cycle, "", (ull)older);
    else if (!log->count)
        doc_line(d, STYLE_DIM, "no VM exit up to here");
    for (size_t i = 0; i < log->count; i++)
        exit_line(&log->entry[i], w, i + 1 == log->count ? STYLE_CHANGED : STYLE_TEXT, width, d);
}
