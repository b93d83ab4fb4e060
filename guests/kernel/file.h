/* file.h - what descriptors stand for: the console, a file of the initrd or of the disk, the disk itself, an
 * end of a pipe, a socket. */
#ifndef KERNEL_FILE_H
#define KERNEL_FILE_H

#include <stdint.h>

struct file;

/* NULL when all are in use. */
struct file *file_console(void);
struct file *file_open(const char *name);
/* Of the disk, made or emptied. */
struct file *file_create(const char *path);
/* What follows "/disk" in a path, or NULL. */
const char *file_disk_path(const char *path);
/* Two ends: [0] to read from, [1] to write to.  -1 when there is no room. */
int file_pipe(struct file *end[2]);

/* A socket, as socket_new(). */
struct file *file_socket(uint64_t protocol, uint64_t port, int64_t *why);

/* One more descriptor for it, one less.  NULL is no file. */
struct file *file_hold(struct file *file);
void file_close(struct file *file);

/* From and to the memory of `current`; the bytes done, 0 at the end, -1 on failure. */
int64_t file_read(struct file *file, uint64_t va, uint64_t n);
int64_t file_write(struct file *file, uint64_t va, uint64_t n);
/* Until a socket can be read, as socket_await(); -1: it is none. */
int64_t file_await(struct file *file, uint64_t deadline);
/* The next byte to be read or written, of files; UINT64_MAX: the one behind the last.  Gives it, or -1. */
int64_t file_seek(struct file *file, uint64_t offset);

#endif
