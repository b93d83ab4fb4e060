/* hostile.h - a build that is as forgetful as it may be: `make hostile` runs all tests on it.
 *
 * Whatever is kept besides state is kept in one entry, dropped at random, and checkpoints fall close
 * together. No result may change. */
#ifndef RINGSIDE_HOSTILE_H
#define RINGSIDE_HOSTILE_H

#if defined(HOSTILE)
#define HOSTILE_OR(hostile, usual) (hostile)
#else
#define HOSTILE_OR(hostile, usual) (usual)
#endif

#endif
