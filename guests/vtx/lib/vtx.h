/* vtx.h - all that a test uses. */
#ifndef VTX_H
#define VTX_H

#include "arch/apic.h"
#include "arch/insn.h"
#include "arch/vmx.h"
#include "vtx/lib/check.h"
#include "vtx/lib/guest.h"
#include "vtx/lib/instructions.h"
#include "vtx/lib/tables.h"
#include "vtx/lib/vmcs.h"
#include "vtx/lib/world.h"

#endif
