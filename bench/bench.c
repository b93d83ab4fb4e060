#include "own.h"
#include <stdio.h>
#include <inttypes.h>
int main(int argc, char **argv)
{
    struct plan plan = {argv[1], argc > 2 ? argv[2] : ""};
    struct result r = {.trouble = ""};
    struct counted c[PHASES] = {0};
    own_run(&plan, &r, c);
    printf("%s total %.2f\n", r.trouble, r.seconds);
    for (int i = 0; i < PHASES; i++)
        if (r.phase[i].ended)
        printf("%-10s %6.3f s printed %10" PRIu64 " counted %10" PRIu64 " it %10" PRIu64 " tsc %10" PRIu64 " cycles %10" PRIu64 " MIPS %.1f\n", phase_name[i],
               r.phase[i].seconds, r.phase[i].insns, c[i].insns, r.phase[i].iterations, r.phase[i].tsc, c[i].cycles, phase_millions(&r.phase[i])/r.phase[i].seconds);
    return 0;
}
