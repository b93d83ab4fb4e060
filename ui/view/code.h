/* code.h - the instructions around RIP. */
#ifndef VIEW_CODE_H
#define VIEW_CODE_H

#include "doc.h"
#include "ringside.h"

/* One instruction at gva as the core would fetch it now, without side effects; its length, 0 if it cannot be
 * read. */
size_t code_at(rs_machine *m, uint32_t core, uint64_t gva, char *text, size_t size);
/* "main+12", "" without a symbol. */
void code_place(const struct rs_symbols *symbols, uint64_t address, char *text, size_t size);
/* `lines` lines, some of them before RIP; the current one is marked with '>'.  symbols may be NULL. */
void code_doc(rs_machine *m, uint32_t core, const struct rs_symbols *symbols, int lines, struct doc *d);

#endif
