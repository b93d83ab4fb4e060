/* tlbs.h - what the TLBs and walk caches hold. */
#ifndef VIEW_TLBS_H
#define VIEW_TLBS_H

#include "doc.h"
#include "ringside.h"

void tlbs_doc(const rs_machine *m, uint32_t core, int width, struct doc *d);
/* One entry as a line: "ffff800000400000 -> h:1f3000 2 MiB ... RWX-D- 12". */
void tlb_entry_words(const struct rs_tlb_view *e, char *text, size_t size);

#endif
