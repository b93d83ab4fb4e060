/* params.h - parameters of a machine, from params.def and timing.def. */
#ifndef RINGSIDE_PARAMS_H
#define RINGSIDE_PARAMS_H

#include "machine.h"

struct rs_params {
    struct params p;
};

void params_default(struct params *p);

/* Equal for equal parameters: part of rs_hash, since they are part of what happens next. */
u64 params_hash(const struct params *p);

/* Parameters that only make sense together: sizes that divide.  RS_FAILED names the one to change. */
enum rs_status params_check(const struct params *p, struct rs_error *err);

#endif
