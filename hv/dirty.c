#include "dirty.h"

#include "vm.h"

static struct {
    stats_line *line;
    uint64_t start, end; /* the run of dirty pages that grows */
    uint64_t accessed, dirty, runs;
} sum;

static void end_run_of_pages(void)
{
    if (sum.end == 0)
        return;
    if (sum.runs++ < DIRTY_RUNS)
        sum.line("from=0x%lx to=0x%lx", sum.start, sum.end);
    sum.end = 0;
}

static void add(uint64_t gpa, uint64_t bytes, bool dirty)
{
    sum.accessed += bytes;
    if (!dirty)
        return;
    sum.dirty += bytes;
    if (sum.end == 0 || gpa != sum.end) {
        end_run_of_pages();
        sum.start = gpa;
    }
    sum.end = gpa + bytes;
}

void dirty_show(struct vm *vm, stats_line *line)
{
    sum.line = line;
    sum.end = sum.accessed = sum.dirty = sum.runs = 0;
    pager_harvest(vm, add);
    end_run_of_pages();
    line("accessed=%luK dirty=%luK runs=%lu page=%luK", sum.accessed >> 10, sum.dirty >> 10, sum.runs,
         vm->config.page_bytes >> 10);
}
