/* SPDX-License-Identifier: MIT
 *
 * Under valgrind's callgrind: counts the instructions between two calls.
 */
#include <valgrind/callgrind.h>


void
count_from_here (void)
{
  CALLGRIND_DUMP_STATS_AT ("before");
  CALLGRIND_ZERO_STATS;
}


/* Writes what was counted into a file, which has this name in it. */
void
count_up_to_here (const char *name)
{
  CALLGRIND_DUMP_STATS_AT (name);
}
