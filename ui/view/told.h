/* told.h - what has been told: by consoles, and by the scenario. */
#ifndef VIEW_TOLD_H
#define VIEW_TOLD_H

#include "doc.h"
#include "ringside.h"

struct scenario;

/* Adds bytes of a console as lines; what is not text becomes '.'. */
void console_text(struct doc *d, const uint8_t *bytes, size_t n);
/* The text screen of the machine, its cursor marked, and every console of it and its VMs, if something has
 * been written there. */
void consoles_doc(const struct scenario *s, const rs_machine *m, struct doc *d);
/* Narration, checks, and the question or pause that it stands at. */
void lesson_doc(const struct scenario *s, int width, struct doc *d);

#endif
