/* pml.h - the page-modification log (SDM vol. 3, 28.3.6 "Page-Modification Logging"). */
#ifndef RINGSIDE_MMU_PML_H
#define RINGSIDE_MMU_PML_H

#include "machine.h"

/* Pages are logged, and the index has left the log: no accessed or dirty flag of EPT may be set. */
bool pml_is_full(const struct core *c);

/* A dirty flag of EPT has been set for this gPA: into the log, if pages are logged.  dry: the core is a
 * scratch one, and memory stays. */
void pml_log(struct core *c, u64 gpa, bool dry);

#endif
