/* told.h - what has been told: by consoles, and by the scenario. */
#ifndef VIEW_TOLD_H
#define VIEW_TOLD_H

#include "doc.h"
#include "ringside.h"

struct scenario;

/* Adds bytes of a console as lines; what is not text becomes '.'. */
void console_text(struct doc *d, const uint8_t *bytes, size_t n);
/* Every console of the machine and its VMs that has written something. */
void consoles_doc(const struct scenario *s, const rs_machine *m, struct doc *d);
/* Narration, checks, and the question or pause that it stands at. */
void lesson_doc(const struct scenario *s, int width, struct doc *d);

#endif
