/* SPDX-License-Identifier: MIT
 *
 * SIGPIPE, which sendfile() cannot be asked not to raise.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>

/* Of one thread: what it held back before we did. */
struct sigpipe
{
  bool held;
  sigset_t before;
};

/* The calling thread gets none from now on. */
void
sigpipe_hold (struct sigpipe *sigpipe);

/* The same thread: forgets one that has come meanwhile; it gets them again as before.
   Nothing happens unless they are held. */
void
sigpipe_release (struct sigpipe *sigpipe);
