/* device.h - devices on PCI's bus 0: where their registers are seen, and how they call. */
#ifndef KERNEL_DEVICE_H
#define KERNEL_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

/* True: there is more to do than it has done, and no interrupt will come of it. */
typedef bool device_call(void *of);

/* Whether there is a bus; asked before the drivers of guests/lib are told to look. */
bool device_init(void);
/* Makes the memory BARs of that slot seen where these drivers will use them. */
void device_map(uint32_t slot);
/* From now on `call(of)`, with interrupts off, when the device has something to say: by the first entry of
 * its MSI-X table, by MSI, or, where it has neither, from time to time.  "MSI-X", "MSI", "polled"; NULL:
 * there are too many devices. */
const char *device_attach(uint32_t slot, device_call *call, void *of);
/* Another entry of the MSI-X table of a device that has been attached; false: it has none, or there are too
 * many. */
bool device_attach_entry(uint32_t slot, unsigned entry, device_call *call, void *of);

/* An interrupt of that vector; false: it is no device's. */
bool device_interrupt(uint64_t vector);
/* Calls those that do not call themselves, or had more to do; whether there are any. */
bool device_poll(void);
/* Nobody has anything to do until a device, or the timer, interrupts; or until a look at the others. */
void device_wait(void);

#endif
