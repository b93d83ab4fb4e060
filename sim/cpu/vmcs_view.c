/* vmcs_view.c - VMCS fields by name, for whoever looks at the machine from outside. */
#include <string.h>

#include "cpu/vmcs.h"
#include "mmu/mem.h"

static const struct rs_vmcs_info info[VMCS_SLOTS] = {
#define VMCS_FIELD(ID, name, encoding, group, processors) {#name, encoding, group},
#include "arch/vmcs_fields.def"
};

size_t rs_vmcs_count(void)
{
    return VMCS_SLOTS;
}

const struct rs_vmcs_info *rs_vmcs_info(size_t i)
{
    return i < VMCS_SLOTS ? &info[i] : NULL;
}

enum rs_status rs_vmcs_get(const rs_machine *m, uint64_t vmcs_hpa, const char *name, uint64_t *value)
{
    if ((vmcs_hpa & (VMCS_BYTES - 1)) || !mem_has(m->mem, vmcs_hpa, VMCS_BYTES))
        return RS_FAILED;
    for (unsigned slot = 0; slot < VMCS_SLOTS; slot++) {
        if (strcmp(info[slot].name, name) == 0) {
            *value = mem_read(m->mem, vmcs_hpa + VMCS_SLOT_OFFSET(slot), 8);
            return RS_OK;
        }
    }
    return RS_FAILED;
}
