/* SPDX-License-Identifier: MIT
 *
 * The two directions of a relay: from where to where each goes, and who moves it.
 */
#include "base/moves.h"
#include "transport/relay.h"

static const unsigned int ups[] = {
  /* relay_give(), when Python has ended its input; relay_close(); the peer's end, or
     an error. */
  [UP_OPEN] = TO (UP_DEAF) | TO (UP_DISCARDED) | TO (UP_ENDED),
  [UP_DEAF] = TO (UP_DEAF) | TO (UP_DISCARDED) | TO (UP_ENDED),
  /* relay_discard(), or an error */
  [UP_DISCARDED] = TO (UP_ENDED),
  [UP_ENDED] = 0,
};

static const unsigned int downs[] = {
  /* relay_move_down(), at Python's end; or an error */
  [DOWN_OPEN] = TO (DOWN_ENDED),
  [DOWN_ENDED] = 0,
};


/* An end is for good: nothing comes any more that could be discarded or not. */
void
relay_set_up (struct relay *relay,
              enum relay_up up)
{
  if (UP_ENDED == relay->up)
    return;
  ASSERT_MOVE (ups, relay->up, up);
  relay->up = up;
}


void
relay_end_down (struct relay *relay)
{
  if (DOWN_ENDED == relay->down)
    return;
  ASSERT_MOVE (downs, relay->down, DOWN_ENDED);
  relay->down = DOWN_ENDED;
}
