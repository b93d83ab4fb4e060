/* tlbs.c - what the TLBs and walk caches hold. */
#include "tlbs.h"

#include <stdio.h>

#include "words.h"

typedef unsigned long long ull;

static const struct {
    enum rs_tlb which;
    bool table;
    const char *title;
} TLBS[] = {
    {RS_ITLB, false, "ITLB: instruction TLB"},
    {RS_DTLB, false, "DTLB: data TLB"},
    {RS_STLB, false, "STLB: second-level TLB"},
    {RS_PWC, true, "PWC: paging-structure caches, guest dimension"},
    {RS_NPWC, true, "nPWC: paging-structure caches, nested dimension"},
    {RS_NTLB, false, "nTLB: guest-physical to host-physical"},
};

void tlb_entry_words(const struct rs_tlb_view *e, char *text, size_t size)
{
    char bytes[24], eptp[24] = "-";
    bool physical = e->which == RS_NPWC || e->which == RS_NTLB;
    if (e->eptp)
        snprintf(eptp, sizeof eptp, "h:%llx", (ull)e->eptp);
    snprintf(text, size, "%s%0*llx -> %c:%-9llx %-7s %-8s %2llu %3llu  %-9s %c%c%c%c%c  %llu",
             physical ? "g:" : "", physical ? 14 : 16, (ull)e->va, e->which == RS_PWC && e->eptp ? 'g' : 'h',
             (ull)e->pa, word_bytes(e->page_bytes, bytes), e->kind, (ull)e->vpid, (ull)e->pcid, eptp,
             e->writable ? 'W' : '-', e->executable ? 'X' : '-', e->user ? 'U' : '-', e->dirty ? 'D' : '-',
             e->global ? 'G' : '-', (ull)e->age);
}

static size_t count_entries(const rs_machine *m, uint32_t core, enum rs_tlb which)
{
    struct rs_tlb_view e;
    size_t n = 0;
    while (rs_tlb_get(m, core, which, n, &e))
        n++;
    return n;
}

void tlbs_doc(const rs_machine *m, uint32_t core, struct doc *d)
{
    struct rs_tlb_view e;
    char text[192];
    doc_line(d, STYLE_DIM, "%-16s -> %-11s %-7s %-8s VPID PCID EP4TA  rights age", "address", "frame", "size",
             "kind");
    for (size_t t = 0; t < sizeof TLBS / sizeof *TLBS; t++) {
        size_t n = count_entries(m, core, TLBS[t].which);
        doc_line(d, STYLE_TITLE, "%s, %zu %s%s", TLBS[t].title, n, n == 1 ? "entry" : "entries",
                 TLBS[t].table ? " (-> a table)" : "");
        for (size_t i = 0; rs_tlb_get(m, core, TLBS[t].which, i, &e); i++) {
            tlb_entry_words(&e, text, sizeof text);
            doc_line(d, STYLE_TEXT, "%s", text);
        }
    }
    doc_line(d, STYLE_DIM,
             "W writable, X executable, U user, D dirty, G global; age: look-ups since its last use");
}
