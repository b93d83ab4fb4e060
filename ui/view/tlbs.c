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

/* ---- the IOMMU's ---- */

static const char *const IOMMU_CACHES[RS_IOMMU_CACHES] = {
    [RS_IOTLB] = "IOTLB: devices' addresses to host-physical",
    [RS_IOMMU_PWC] = "PWC: the IOMMU's paging-structure caches (-> a table)",
    [RS_CONTEXT_CACHE] = "context cache: devices (-> the domain's table)",
};

static void io_entry_words(const struct rs_iommu_cache_view *e, enum rs_iommu_cache which, char *text,
                           size_t size)
{
    char what[24], bytes[24] = "", to[24] = "passed", age[24];
    if (which == RS_CONTEXT_CACHE)
        snprintf(what, sizeof what, "%02x:%02x.%x", e->requester >> 8, e->requester >> 3 & 31,
                 e->requester & 7);
    else
        snprintf(what, sizeof what, "%016llx", (ull)e->address);
    if (which != RS_CONTEXT_CACHE || e->to)
        snprintf(to, sizeof to, "h:%llx", (ull)e->to);
    if (e->page_bytes)
        word_bytes(e->page_bytes, bytes);
    snprintf(text, size, "%-16s -> %-11s %-7s domain %-5u %c%c %s", what, to, bytes, e->domain,
             e->readable ? 'R' : '-', e->writable ? 'W' : '-', word_age(e->age, age));
}

static void iommu_doc(const rs_machine *m, struct doc *d)
{
    struct rs_iommu_cache_view e;
    char text[192];
    for (unsigned c = 0; c < RS_IOMMU_CACHES; c++) {
        enum rs_iommu_cache which = (enum rs_iommu_cache)c;
        size_t n = 0;
        while (rs_iommu_cache_get(m, which, n, &e))
            n++;
        doc_line(d, STYLE_TITLE, "%s, %zu %s", IOMMU_CACHES[c], n, n == 1 ? "entry" : "entries");
        for (size_t i = 0; rs_iommu_cache_get(m, which, i, &e); i++) {
            io_entry_words(&e, which, text, sizeof text);
            doc_line(d, STYLE_TEXT, "%s", text);
        }
    }
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
    if (rs_firmware(m) & RS_FW_VTD)
        iommu_doc(m, d);
}
