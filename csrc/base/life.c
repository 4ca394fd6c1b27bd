/* SPDX-License-Identifier: MIT
 *
 * Where a driver is in its life.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/life.h"


void
life_go_on (const struct life *life)
{
  if (atomic_load (&life->dead))
    _exit (EXIT_SUCCESS);       /* what atexit() would run is the parent's */
}
