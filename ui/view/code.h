/* code.h - the instructions around RIP. */
#ifndef VIEW_CODE_H
#define VIEW_CODE_H

#include "doc.h"
#include "ringside.h"

/* `lines` lines, some of them before RIP; the current one is marked with '>'.  symbols may be NULL. */
void code_doc(rs_machine *m, uint32_t core, const struct rs_symbols *symbols, int lines, struct doc *d);

#endif
