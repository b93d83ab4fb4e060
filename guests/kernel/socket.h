/* socket.h - datagrams of a port, for whoever has it open. */
#ifndef KERNEL_SOCKET_H
#define KERNEL_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/net_call.h"

struct socket;

/* port 0: one that is free.  NULL, and *why a negative number, when there is none. */
struct socket *socket_new(uint64_t protocol, uint64_t port, int64_t *why);
void socket_close(struct socket *socket);

enum socket_delivery { SOCKET_DELIVERED, SOCKET_NOBODY, SOCKET_FULL };

/* A datagram for a port, from `other`. */
enum socket_delivery socket_deliver(uint8_t protocol, uint16_t port, const struct net_datagram *other,
                                    const uint8_t *data, uint32_t bytes);

/* From and to the memory of `current`: struct net_datagram and data.  A reader waits for a datagram, and
 * loses what of it does not fit.  How many bytes; negative: -1, or NET_... */
int64_t socket_read(struct socket *socket, uint64_t va, uint64_t n);
int64_t socket_write(struct socket *socket, uint64_t va, uint64_t n);
/* Until there is something to read, 1, or the time is up, 0; -1 if it is killed. */
int64_t socket_await(struct socket *socket, uint64_t deadline);

#endif
