#include "vtx/lib/check.h"

#include "arch/vmx.h"
#include "vtx/lib/instructions.h"
#include "vtx/lib/jump.h"
#include "vtx/lib/world.h"

static struct jump end;
static const struct test *current;

void test_fails(void)
{
    print("FAIL %s: ", current->name);
}

void test_skips(void)
{
    print("SKIP %s: ", current->name);
}

void test_over(enum outcome outcome)
{
    if (outcome == FAILED)
        print("; %s (SDM vol. 3, %s)", current->rule, current->section);
    print("\n");
    jump_to(&end, 1 + (int)outcome);
}

enum outcome test_run(const struct test *test)
{
    int ended;

    current = test;
    ended = jump_set(&end);
    if (ended)
        return (enum outcome)(ended - 1);
    world_reset();
    test->run();
    print("PASS %s\n", test->name);
    return PASSED;
}

void check_eq(const char *what, uint64_t got, uint64_t want)
{
    if (got != want)
        FAIL("%s is 0x%lx, must be 0x%lx", what, got, want);
}

void check(bool so, const char *what)
{
    if (!so)
        FAIL("it is not so that %s", what);
}

void check_field(uint32_t field, uint64_t want)
{
    check_eq(field_name(field), vmread(field), want);
}

const char *field_name(uint32_t field)
{
    switch (field) {
/* clang-format off */
#define VMCS_FIELD(ID, name, encoding, group, processors) case encoding: return #name;
#include "arch/vmcs_fields.def"
        /* clang-format on */
    default: return "a field";
    }
}
