/* lock.h - one lock for all of the hypervisor. */
#ifndef HV_LOCK_H
#define HV_LOCK_H

/* Whoever runs C code of the hypervisor holds it: a core takes it after each VM exit and gives it back just
 * before the next VM entry, and when it sleeps.  So no two handlers run at once, and none needs a lock of its
 * own; cores whose guests exit at the same time wait for each other. */
void lock_take(void);
void lock_give(void);

#endif
