/* tlbs.c - what the TLBs and walk caches hold. */
#include "tlbs.h"

#include <stdio.h>
#include <string.h>

#include "words.h"

typedef unsigned long long ull;

/* The letters are those of the walk's entries, as far as they have them. */
static const char LEGEND[] = "R read, W write, X execute, U user, D dirty (- clean), G global; age: look-ups";

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

/* At most five columns up to 99,999,999,999. */
static const char *word_age(uint64_t age, char text[24])
{
    if (age < 100000)
        snprintf(text, 24, "%llu", (ull)age);
    else if (age < 10000000)
        snprintf(text, 24, "%lluk", (ull)age / 1000);
    else
        snprintf(text, 24, "%lluM", (ull)age / 1000000);
    return text;
}

void tlb_entry_words(const struct rs_tlb_view *e, char *text, size_t size)
{
    char bytes[24], eptp[24] = "-", rights[8], age[24];
    const char *kind = strcmp(e->kind, "guest-physical") == 0 ? "g-phys." : e->kind;
    bool physical = e->which == RS_NPWC || e->which == RS_NTLB;
    if (e->eptp)
        snprintf(eptp, sizeof eptp, "h:%llx", (ull)e->eptp);
    snprintf(text, size, "%s%0*llx -> %c:%-9llx %-7s %-8s %4llu %4llu %-9s %s%c%c %s", physical ? "g:" : "",
             physical ? 14 : 16, (ull)e->va, e->which == RS_PWC && e->eptp ? 'g' : 'h', (ull)e->pa,
             word_bytes(e->page_bytes, bytes), kind, (ull)e->vpid, (ull)e->pcid, eptp, word_rights(e, rights),
             e->dirty ? 'D' : '-', e->global ? 'G' : '-', word_age(e->age, age));
}

static size_t count_entries(const rs_machine *m, uint32_t core, enum rs_tlb which)
{
    struct rs_tlb_view e;
    size_t n = 0;
    while (rs_tlb_get(m, core, which, n, &e))
        n++;
    return n;
}

void tlbs_doc(const rs_machine *m, uint32_t core, int width, struct doc *d)
{
    struct rs_tlb_view e;
    char text[192];
    doc_wrap(d, STYLE_DIM, LEGEND, width, 2);
    doc_line(d, STYLE_DIM, "%-16s -> %-11s %-7s %-8s VPID PCID EP4TA     rights age", "address", "frame",
             "size", "kind");
    for (size_t t = 0; t < sizeof TLBS / sizeof *TLBS; t++) {
        size_t n = count_entries(m, core, TLBS[t].which);
        doc_line(d, STYLE_TITLE, "%s, %zu %s%s", TLBS[t].title, n, n == 1 ? "entry" : "entries",
                 TLBS[t].table ? " (-> a table)" : "");
        for (size_t i = 0; rs_tlb_get(m, core, TLBS[t].which, i, &e); i++) {
            tlb_entry_words(&e, text, sizeof text);
            doc_line(d, STYLE_TEXT, "%s", text);
        }
    }
}
