/* choose.c - which handler a block has for an instruction. */
#include "cpu/exec.h"
#include "cpu/run.h"

/* ---- the handlers by operand size: 1, 2, 4, 8 ---- */

#define SIZES_1(run) \
    { \
        run##_1 \
    }
#define SIZES_4(run) \
    { \
        NULL, NULL, run##_4 \
    }
#define SIZES_8(run) \
    { \
        NULL, NULL, NULL, run \
    }
#define SIZES_48(run) \
    { \
        NULL, NULL, run##_4, run##_8 \
    }
#define SIZES_248(run) \
    { \
        NULL, run##_2, run##_4, run##_8 \
    }
#define SIZES_1248(run) \
    { \
        run##_1, run##_2, run##_4, run##_8 \
    }

#define DECLARE_1(run)    op_run run##_1;
#define DECLARE_4(run)    op_run run##_4;
#define DECLARE_8(run)    op_run run;
#define DECLARE_48(run)   op_run run##_4, run##_8;
#define DECLARE_248(run)  op_run run##_2, run##_4, run##_8;
#define DECLARE_1248(run) op_run run##_1, run##_2, run##_4, run##_8;

#define FORM(handler, order, registers, memory, accesses) \
    DECLARE_1248(run_##registers) \
    DECLARE_1248(run_##memory)
#define FORM_R(handler, order, sizes, registers)        DECLARE_##sizes(run_##registers)
#define FORM_M(handler, order, sizes, memory, accesses) DECLARE_##sizes(run_##memory)
#define QUIET(handler, sizes, registers)                DECLARE_##sizes(run_quiet_##registers)
#include "cpu/run.def"
op_run run_general, run_general_flags, run_nop;

/* ---- the list ---- */

enum order { ORDER_E, ORDER_G, ORDER_I, ORDER_GENERAL };

struct form {
    insn_handler *execute;
    enum order order;
    bool memory;
    enum op_access access;
    op_run *run[4];
};

static const struct form form[] = {
#define FORM(handler, order, registers, memory, accesses) \
    {exec_##handler, ORDER_##order, false, ACCESS_NONE, SIZES_1248(run_##registers)}, \
        {exec_##handler, ORDER_##order, true, ACCESS_##accesses, SIZES_1248(run_##memory)},
#define FORM_R(handler, order, sizes, registers) \
    {exec_##handler, ORDER_##order, false, ACCESS_NONE, SIZES_##sizes(run_##registers)},
#define FORM_M(handler, order, sizes, memory, accesses) \
    {exec_##handler, ORDER_##order, true, ACCESS_##accesses, SIZES_##sizes(run_##memory)},
#define GENERAL(handler, how) \
    {exec_##handler, ORDER_GENERAL, false, ACCESS_NONE, {run_##how, run_##how, run_##how, run_##how}},
#include "cpu/run.def"
};

#define FORMS (sizeof form / sizeof *form)

/* Of the handler for its operands' size. */
static unsigned size_number(const struct insn *in)
{
    return in->op_bytes == 8 ? 3 : in->op_bytes >> 1;
}

static const struct form *form_of(const struct insn *in)
{
    unsigned size = size_number(in);
    for (size_t i = 0; i < FORMS; i++)
        if (form[i].execute == in->execute && form[i].memory == is_memory(in) && form[i].run[size])
            return &form[i];
    return NULL;
}

/* ---- what blocks leave to the general way, whatever the handler ---- */

/* AH to BH, as an operand or as the source of an extension. */
static bool uses_high_byte(const struct form *f, const struct insn *in)
{
    bool extends = in->execute == exec_movzx_Gv_Eb || in->execute == exec_movsx_Gv_Eb;
    bool bytes = in->op_bytes == 1;
    if (f->order == ORDER_GENERAL)
        return false;
    if (in->mod == 3 && (bytes || extends) && is_high_byte(in, in->rm))
        return true;
    return f->order != ORDER_I && bytes && is_high_byte(in, in->reg);
}

static bool is_marker(const struct insn *in)
{
    return in->execute == exec_xchg_E_G && in->op_bytes == 2;
}

static bool is_shift_by_zero(const struct insn *in)
{
    bool shift = in->execute == exec_shl_E_I || in->execute == exec_shr_E_I || in->execute == exec_sar_E_I ||
                 in->execute == exec_rol_E_I || in->execute == exec_ror_E_I;
    return shift && (in->imm & (in->op_bytes == 8 ? 63 : 31)) == 0;
}

static bool left_out(const struct insn *in)
{
    bool far_operand = is_memory(in) && (in->addr_bytes != 8 || in->seg >= SEG_FS);
    return far_operand || in->lock || in->rep ||
           in->flags & (INSN_SERIALISING | INSN_INTERCEPT | INSN_FENCE) || in->privilege != 3 ||
           is_marker(in) || is_shift_by_zero(in);
}

/* ---- choosing ---- */

op_run *choose_run(const struct insn *in, struct op *op)
{
    if (left_out(in))
        return NULL;
    if (in->execute == exec_nop)
        return run_nop;
    const struct form *f = form_of(in);
    if (!f || uses_high_byte(f, in))
        return NULL;
    op->dst = f->order == ORDER_G ? in->reg : in->rm;
    op->src = f->order == ORDER_G ? in->rm : in->reg;
    return f->run[size_number(in)];
}

/* ---- flags ---- */

struct flags_form {
    insn_handler *execute;
    enum op_flags flags;
    op_run *quiet[4];
};

static const struct flags_form flags_form[] = {
#define QUIET(handler, sizes, registers) {exec_##handler, FLAGS_SET, SIZES_##sizes(run_quiet_##registers)},
#define KEEPS(handler)                   {exec_##handler, FLAGS_KEPT, {NULL}},
#include "cpu/run.def"
};

enum op_flags op_flags(const struct insn *in, op_run **quiet)
{
    *quiet = NULL;
    if (in->execute == exec_nop)
        return FLAGS_KEPT;
    if (op_accesses(in) != ACCESS_NONE)
        return FLAGS_USED;
    for (size_t i = 0; i < sizeof flags_form / sizeof *flags_form; i++)
        if (flags_form[i].execute == in->execute) {
            *quiet = flags_form[i].quiet[size_number(in)];
            return flags_form[i].flags == FLAGS_SET && !*quiet ? FLAGS_USED : flags_form[i].flags;
        }
    return FLAGS_USED;
}

enum op_access op_accesses(const struct insn *in)
{
    if (in->execute == exec_push_E || in->execute == exec_push_I || in->execute == exec_call_J ||
        in->execute == exec_call_E)
        return ACCESS_STORE;
    if (in->execute == exec_pop_E || in->execute == exec_ret || in->execute == exec_leave)
        return ACCESS_LOAD;
    const struct form *f = in->execute == exec_nop ? NULL : form_of(in);
    return f ? f->access : ACCESS_NONE;
}
