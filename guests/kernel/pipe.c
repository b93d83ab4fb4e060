/* pipe.c - readers wait on `taken`, writers on `put`: each wakes the other. */
#include "kernel/pipe.h"

#include "kernel/process.h"

#define PIPES      16
#define PIPE_BYTES 512

struct pipe {
    uint8_t byte[PIPE_BYTES];
    uint64_t put, taken; /* how many so far */
    bool reader, writer;
};

static struct pipe pipes[PIPES];

struct pipe *pipe_new(void)
{
    for (struct pipe *p = pipes; p < pipes + PIPES; p++)
        if (!p->reader && !p->writer) {
            p->put = p->taken = 0;
            p->reader = p->writer = true;
            return p;
        }
    return NULL;
}

void pipe_close(struct pipe *pipe, bool writer)
{
    if (writer)
        pipe->writer = false;
    else
        pipe->reader = false;
    process_wake(&pipe->taken);
    process_wake(&pipe->put);
}

int64_t pipe_read(struct pipe *pipe, uint64_t va, uint64_t n)
{
    uint64_t done = 0;

    while (pipe->put == pipe->taken && pipe->writer) {
        process_wait_for(&pipe->taken);
        if (current->killed)
            return -1;
    }
    for (; done < n && pipe->taken < pipe->put; pipe->taken++, done++)
        if (!copy_out(&current->space, va + done, &pipe->byte[pipe->taken % PIPE_BYTES], 1))
            return -1;
    process_wake(&pipe->put);
    return (int64_t)done;
}

static bool wait_for_room(const struct pipe *pipe)
{
    while (pipe->reader && pipe->put - pipe->taken == PIPE_BYTES) {
        process_wake(&pipe->taken);
        process_wait_for(&pipe->put);
        if (current->killed)
            return false;
    }
    return pipe->reader;
}

int64_t pipe_write(struct pipe *pipe, uint64_t va, uint64_t n)
{
    for (uint64_t done = 0; done < n; done++, pipe->put++)
        if (!wait_for_room(pipe) ||
            !copy_in(&current->space, &pipe->byte[pipe->put % PIPE_BYTES], va + done, 1))
            return -1;
    process_wake(&pipe->taken);
    return (int64_t)n;
}
