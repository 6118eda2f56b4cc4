/* Pairs that a trainer of pairs holds out to measure what it learned. */
#ifndef VECNA_CLI_HOLD_OUT_H
#define VECNA_CLI_HOLD_OUT_H

#include "cli/pairs.h"

enum { HELD_OUT_OF = 20, HELD_OUT_MOST = 2000 };

/* Whole groups of pairs that share a member, directly or by others: one group in HELD_OUT_OF, at most
 * HELD_OUT_MOST pairs, and no group of more than a tenth of all, which is trained on. Of fewer than
 * 2 * HELD_OUT_OF pairs none.
 *   pair (pairs, width) members, below `members`, or NO_TEXT
 *   held (pairs)        1 for those held out */
vecna_status hold_out(const uint32_t *pair, size_t pairs, size_t width, size_t members,
                      uint64_t seed, unsigned char *held, vecna_error *err);

#endif
