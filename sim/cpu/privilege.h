/* privilege.h - checks of privilege that some instructions make besides the CPL of their row in isa.def. They
 * come before VM exits (SDM vol. 3, 25.1.1 "Relative Priority of Faults and VM Exits"). */
#ifndef RINGSIDE_PRIVILEGE_H
#define RINGSIDE_PRIVILEGE_H

#include "cpu/cpu.h"

/* SGDT, SIDT, SLDT, SMSW, STR: #GP(0) at CPL > 0 with CR4.UMIP. */
void require_no_umip(struct core *c);
/* RDTSC, RDTSCP: #GP(0) at CPL > 0 with CR4.TSD. */
void require_tsc(struct core *c);
/* CLI, STI, POPF of IF: CPL <= IOPL. */
bool has_io_privilege(const struct core *c);
/* IN, OUT, INS, OUTS: #GP(0) unless CPL <= IOPL or the TSS's I/O permission bitmap lets n bytes pass. */
void require_port(struct core *c, u16 port, unsigned n);

#endif
