/* manage.h - the management line: commands on the second UART, one a line; every reply ends with `ok` or
 * `error: why`. */
#ifndef HV_MANAGE_H
#define HV_MANAGE_H

void manage_start(void);
/* Takes what has been received and carries out complete lines.  Called after every quantum, so at most that
 * late: looking at the UART costs as much as many an exit, and would be paid at each of them. */
void manage_poll(void);

#endif
