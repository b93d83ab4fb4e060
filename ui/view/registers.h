/* registers.h - the registers of a core, with those marked that differ from an earlier reading, and its
 * breakpoints. */
#ifndef VIEW_REGISTERS_H
#define VIEW_REGISTERS_H

#include "doc.h"
#include "ringside.h"

#define REGISTERS_MAX 32

struct registers {
    size_t count;
    struct {
        const char *name;
        uint64_t value;
    } reg[REGISTERS_MAX];
    uint64_t dr[4], dr7;
};

void registers_read(const rs_machine *m, uint32_t core, struct registers *r);
/* As lines `width` wide; a changed value has a '*' after it.  Each enabled breakpoint has a line. */
void registers_doc(const struct registers *now, const struct registers *before, int width, struct doc *d);

#endif
