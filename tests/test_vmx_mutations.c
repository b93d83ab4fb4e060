/* test_vmx_mutations.c - a million VMCSs with rubbish in them: none hurts the machine, and whatever is
 * entered is legal (SDM vol. 3, 26 "VM Entries").
 *
 * MUTATIONS=N in the environment makes it as many as one likes, SEED=S begins there: `make mutations`. */
#include "lib/mutate.h"
#include "lib/mutate_apic.h"
#include "lib/mutate_nonroot.h"
#include "lib/mutate_vmx.h"
#include "lib/mutate_walk.h"
#include "lib/suite.h"

#include <stdio.h>
#include <stdlib.h>

#define A_RUN 10000u /* mutations of a seed */
#define USUAL 1000000u

static u64 setting(const char *name, u64 usual)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : usual;
}

/* Seed after seed, until `sum` says that as many have been made as are wanted: one in `part`. */
#define MUTATE(mutate_seed, sum, part) \
    for (u64 seed = setting("SEED", 1), count = setting("MUTATIONS", USUAL) / (part); sum.made < count;) \
    mutate_seed(seed++, A_RUN, &sum)

START_TEST(rubbish_is_answered)
{
    struct mutations sum = {.made = 0};
    MUTATE(mutate, sum, 1);
    u64 rules = 0;
    for (unsigned i = 1; i < 512; i++)
        rules += sum.rules[i / 64] >> i % 64 & 1;
    printf("%llu mutations: %llu entered, %llu bad controls, %llu bad host state, %llu bad guest state, %llu "
           "bad MSRs; "
           "%llu exits (%llu from deliveries), %llu resumed, %llu aborts; %llu rules\n",
           (unsigned long long)sum.made, (unsigned long long)sum.entered, (unsigned long long)sum.controls,
           (unsigned long long)sum.host, (unsigned long long)sum.guest, (unsigned long long)sum.msrs,
           (unsigned long long)sum.exits, (unsigned long long)sum.again, (unsigned long long)sum.resumed,
           (unsigned long long)sum.aborts, (unsigned long long)rules);
    if (sum.made < A_RUN)
        return;
    ck_assert_uint_gt(sum.entered, sum.made / 10);
    ck_assert_uint_gt(sum.exits, sum.entered / 10);
    ck_assert(sum.controls && sum.host && sum.guest && sum.msrs && sum.aborts && sum.resumed && sum.again);
    ck_assert_uint_gt(rules, 100);
}
END_TEST

START_TEST(walks_over_rubbish_end_as_they_should)
{
    struct walk_mutations sum = {.made = 0};
    MUTATE(mutate_walk, sum, 4);
    printf("%llu walks: %llu land, %llu page faults, %llu violations (%llu #VE), %llu misconfigurations, "
           "%llu full "
           "logs, %llu logged; %llu in two ways\n",
           (unsigned long long)sum.made, (unsigned long long)sum.ends[0], (unsigned long long)sum.ends[1],
           (unsigned long long)sum.ends[2], (unsigned long long)sum.converted,
           (unsigned long long)sum.ends[3], (unsigned long long)sum.ends[4], (unsigned long long)sum.logged,
           (unsigned long long)sum.twofold);
    if (sum.made < A_RUN)
        return;
    for (unsigned i = 0; i < 5; i++)
        ck_assert_uint_gt(sum.ends[i], sum.made / 200);
    ck_assert(sum.converted && sum.logged);
    ck_assert_uint_lt(sum.twofold, sum.made / 10);
}
END_TEST

START_TEST(instructions_end_as_they_should)
{
    struct vmx_mutations sum = {.made = 0};
    MUTATE(mutate_vmx, sum, 4);
    printf("%llu VMX instructions: %llu faults, %llu VMfailInvalid, %llu VMsucceed; errors %#llx\n",
           (unsigned long long)sum.made, (unsigned long long)sum.faults, (unsigned long long)sum.invalid,
           (unsigned long long)sum.succeeded, (unsigned long long)sum.errors);
    if (sum.made < A_RUN)
        return;
    ck_assert(sum.faults && sum.invalid && sum.succeeded);
    ck_assert_uint_eq(sum.errors, 0x14009ebe); /* 1 to 5, 7, 9 to 12, 15, 26, 28 */
}
END_TEST

START_TEST(instructions_of_guests_end_as_they_should)
{
    struct nonroot_mutations sum = {.made = 0};
    MUTATE(mutate_nonroot, sum, 4);
    printf("%llu of guests: %llu exits, %llu faults, %llu VMfail, %llu succeed, %llu of them VMFUNC\n",
           (unsigned long long)sum.made, (unsigned long long)sum.exits, (unsigned long long)sum.faults,
           (unsigned long long)sum.failed, (unsigned long long)sum.succeeded,
           (unsigned long long)sum.switched);
    if (sum.made < A_RUN)
        return;
    ck_assert(sum.exits && sum.faults && sum.failed && sum.succeeded > sum.switched && sum.switched);
}
END_TEST

START_TEST(virtual_apics_do_as_they_should)
{
    struct apic_mutations sum = {.made = 0};
    MUTATE(mutate_apic, sum, 4);
    printf("%llu of virtual APICs: %llu faults, %llu recognise an interrupt;", (unsigned long long)sum.made,
           (unsigned long long)sum.faults, (unsigned long long)sum.recognised);
    for (unsigned i = 0; i < 64; i++)
        if (sum.exits[i])
            printf(" %llu by %u", (unsigned long long)sum.exits[i], i);
    printf("\n");
    if (sum.made < A_RUN)
        return;
    ck_assert(sum.faults && sum.recognised && sum.delivered && sum.exits[43] && sum.exits[44] &&
              sum.exits[45] && sum.exits[56]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vmx mutations");
    TCase *t = tcase_create("mutations");
    tcase_set_timeout(t, 0);
    tcase_add_test(t, rubbish_is_answered);
    tcase_add_test(t, instructions_end_as_they_should);
    tcase_add_test(t, instructions_of_guests_end_as_they_should);
    tcase_add_test(t, virtual_apics_do_as_they_should);
    tcase_add_test(t, walks_over_rubbish_end_as_they_should);
    suite_add_tcase(s, t);
    return suite_run(s);
}
