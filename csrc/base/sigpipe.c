/* SPDX-License-Identifier: MIT
 *
 * SIGPIPE, which sendfile() cannot be asked not to raise.
 *
 * Python ignores it, but a program may have given it its default action back, which is
 * the end of the process.  It is held back only while it may come: handlers and the
 * processes that they start have their signals as the program wants them.
 */
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "base/sigpipe.h"


static void
sigpipe_alone (sigset_t *set)
{
  (void) sigemptyset (set);
  (void) sigaddset (set, SIGPIPE);
}


void
sigpipe_hold (struct sigpipe *sigpipe)
{
  sigset_t set;

  if (sigpipe->held)
    return;
  sigpipe_alone (&set);
  sigpipe->held = 0 == pthread_sigmask (SIG_BLOCK, &set, &sigpipe->before);
}


/* One that was held back before we came is the program's, and stays. */
void
sigpipe_release (struct sigpipe *sigpipe)
{
  const struct timespec now = { 0 };
  sigset_t set;

  if (! sigpipe->held)
    return;
  sigpipe->held = false;
  if (1 == sigismember (&sigpipe->before, SIGPIPE))
    return;
  sigpipe_alone (&set);
  while ( (-1 == sigtimedwait (&set, NULL, &now)) &&
          (EINTR == errno) )
    ;
  (void) pthread_sigmask (SIG_SETMASK, &sigpipe->before, NULL);
}
