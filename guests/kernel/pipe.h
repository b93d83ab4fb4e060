/* pipe.h - a ring of bytes between processes. */
#ifndef KERNEL_PIPE_H
#define KERNEL_PIPE_H

#include <stdbool.h>
#include <stdint.h>

struct pipe;

struct pipe *pipe_new(void); /* NULL when all are in use */
void pipe_close(struct pipe *pipe, bool writer);
/* A reader waits for a byte or for the last writer's end; a writer until all is written.  -1 if nobody reads,
 * if the memory is not the process's, or if it is killed. */
int64_t pipe_read(struct pipe *pipe, uint64_t va, uint64_t n);
int64_t pipe_write(struct pipe *pipe, uint64_t va, uint64_t n);

#endif
