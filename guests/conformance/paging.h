/* paging.h - cases of page tables. */
#ifndef CONFORMANCE_PAGING_H
#define CONFORMANCE_PAGING_H

void paging_cases(void);

#endif
