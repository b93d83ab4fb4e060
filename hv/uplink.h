/* uplink.h - the machine's own NICs (82540EM) behind the virtual switch: uplinks=SLOT[,SLOT] on the
 * hypervisor's command line. */
#ifndef HV_UPLINK_H
#define HV_UPLINK_H

#include "boot_info.h"

/* Takes the NICs that the command line names, and plugs them into the switch; bond=failover|spread says what
 * two of them do.  Ends the run with a message if there is no such NIC. */
void uplinks_start(const struct boot_info *info);

#endif
