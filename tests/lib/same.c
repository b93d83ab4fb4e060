/* same.c - see same.h. */
#include "lib/same.h"

#include <check.h>
#include <stdio.h>

static void nothing(const struct rs_event *e, void *arg)
{
    (void)e;
    (void)arg;
}

void watch_each(struct bare *b)
{
    rs_watch(b->world, RS_PROBE_insn, false, nothing, NULL);
    b->machine->watched |= PROBE_BIT(insn);
}

void watch_accesses(struct bare *b)
{
    rs_watch(b->world, RS_PROBE_access, false, nothing, NULL);
    b->machine->watched |= PROBE_BIT(access);
    rs_drop_derived(b->world);
}

const char *difference(const struct bare *a, const struct bare *b)
{
    static char text[128];
    for (size_t i = 0; i < rs_state_count(); i++) {
        const struct rs_state_info *info = rs_state_info(i);
        for (size_t k = 0; k < info->count; k++) {
            u64 x = 0, y = 0;
            rs_state_get(a->machine, 0, info->name, k, &x);
            rs_state_get(b->machine, 0, info->name, k, &y);
            if (x != y) {
                snprintf(text, sizeof text, "%s[%zu] %llx, not %llx", info->name, k, (unsigned long long)x,
                         (unsigned long long)y);
                return text;
            }
        }
    }
    for (u64 hpa = 0; hpa < rs_ram_bytes(a->machine); hpa += 8)
        if (bare_u64(a, hpa) != bare_u64(b, hpa)) {
            snprintf(text, sizeof text, "memory at %llx: %llx, not %llx", (unsigned long long)hpa,
                     (unsigned long long)bare_u64(a, hpa), (unsigned long long)bare_u64(b, hpa));
            return text;
        }
    return "hash alone";
}

void same_state(const struct bare *got, const struct bare *want)
{
    if (rs_hash(got->world, RS_HASH_ALL) != rs_hash(want->world, RS_HASH_ALL))
        ck_abort_msg("%s", difference(got, want));
}
