/* exits.h - the log of VM exits up to the present position. */
#ifndef VIEW_EXITS_H
#define VIEW_EXITS_H

#include "doc.h"
#include "ringside.h"

#define EXITS_MAX 1024 /* older ones are dropped */

struct exit_entry {
    uint64_t cycle;
    uint32_t core;
    uint64_t number, qualification, gpa, gva, rip, cycles;
    char who[RS_NAME_MAX];
};

/* Goes with the position, as struct walk_log. */
struct exit_log {
    size_t count;
    uint64_t dropped;
    struct exit_entry entry[EXITS_MAX];
};

void exit_log_add(struct exit_log *log, const struct exit_entry *e);
/* An exit of event vm.exit; who: the VM's name. */
struct exit_entry exit_entry_from(const struct rs_event *event, const char *who);
/* In words: "EPT violation at g:1000: write; EPT has no mapping". */
void exit_words(const struct exit_entry *e, char *text, size_t size);
/* As lines of at most `width` columns.  cores: of the machine; if there are several, each exit names its own.
 * counted: exits that it has made, of which the log may lack the oldest. */
void exits_doc(const struct exit_log *log, uint64_t cores, uint64_t counted, int width, struct doc *d);

#endif
