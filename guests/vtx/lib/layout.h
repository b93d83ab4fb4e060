/* layout.h - for assembly and C: selectors, vectors, and what a guest's VMCALL may mean. */
#ifndef VTX_LAYOUT_H
#define VTX_LAYOUT_H

/* Selectors of the one GDT, the host's and the guest's. */
#define SEL_CODE      0x08
#define SEL_DATA      0x10
#define SEL_USER_DATA 0x1b
#define SEL_USER_CODE 0x23
#define SEL_TSS       0x28

/* Vectors without a meaning, for tests to take, and those that the library takes itself. */
#define INT_FIRST    0x40
#define INT_SECOND   0x41
#define INT_LEAVE    0x4e /* ends what runs in ring 3 */
#define INT_SPURIOUS 0x4f

/* RAX of the library's own VMCALLs. */
#define GUEST_DONE  0x600d0001 /* the guest's function has returned */
#define GUEST_EVENT 0x600d0002 /* an event was delivered: `event` */

#endif
