/* SPDX-License-Identifier: MIT
 *
 * What a link does with its input and its output, and how it ends: from where to
 * where, and who moves it.
 */
#include "base/moves.h"
#include "hub/hub.h"

static const unsigned int lives[] = {
  /* hub_lose(); Python may release it before it has been told of that. */
  [LINK_OPEN] = TO (LINK_LOST) | TO (LINK_RELEASED),
  /* input_attend() tells Python. */
  [LINK_LOST] = TO (LINK_TOLD) | TO (LINK_RELEASED),
  /* pymhd_hub_release() */
  [LINK_TOLD] = TO (LINK_RELEASED),
  [LINK_RELEASED] = 0,
};

static const unsigned int inputs[] = {
  /* pymhd_hub_pause(); the peer's end, in input_read_some(). */
  [INPUT_OPEN] = TO (INPUT_OPEN) | TO (INPUT_PAUSED) | TO (INPUT_ENDED),
  /* pymhd_hub_pause() */
  [INPUT_PAUSED] = TO (INPUT_PAUSED) | TO (INPUT_OPEN),
  [INPUT_ENDED] = 0,
};

static const unsigned int outputs[] = {
  /* pymhd_hub_shut(), pymhd_hub_close(), hub_cut() */
  [OUTPUT_OPEN] = TO (OUTPUT_SHUTTING) | TO (OUTPUT_CLOSING) | TO (OUTPUT_ABORTED),
  [OUTPUT_SHUTTING] = TO (OUTPUT_CLOSING) | TO (OUTPUT_ABORTED),
  [OUTPUT_CLOSING] = TO (OUTPUT_ABORTED),
  [OUTPUT_ABORTED] = 0,
};


void
link_enter (struct link *link,
            enum link_life life)
{
  ASSERT_MOVE (lives, link->life, life);
  link->life = life;
}


/* The peer's end is for good: who pauses or resumes after that changes nothing. */
void
link_set_input (struct link *link,
                enum link_input input)
{
  if (INPUT_ENDED == link->input)
    return;
  ASSERT_MOVE (inputs, link->input, input);
  link->input = input;
}


/* Whoever wants less than what is wanted already changes nothing. */
void
link_set_output (struct link *link,
                 enum link_output output)
{
  if (output <= link->output)
    return;
  ASSERT_MOVE (outputs, link->output, output);
  link->output = output;
}
