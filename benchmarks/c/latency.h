/* SPDX-License-Identifier: MIT
 *
 * How long each operation took, and what came of all of them.
 */
#include <stdio.h>
#include <stdlib.h>

static float *latencies;
static size_t operations, room;


static void
note_latency (double seconds)
{
  if (operations == room)
  {
    room += 1 << 20;
    latencies = realloc (latencies, room * sizeof (*latencies));
    if (NULL == latencies)
      abort ();
  }
  latencies[operations++] = (float) (seconds * 1e6);
}


static int
compare (const void *a,
         const void *b)
{
  const float x = *(const float *) a, y = *(const float *) b;

  return (x > y) - (x < y);
}


static void
report_latencies (double seconds,
                  unsigned long errors)
{
  qsort (latencies, operations, sizeof (*latencies), &compare);
  printf ("{\"operations\": %zu, \"seconds\": %.6f, \"errors\": %lu, "
          "\"p50_us\": %.1f, \"p99_us\": %.1f}\n",
          operations, seconds, errors,
          operations ? (double) latencies[operations / 2] : 0.0,
          operations ? (double) latencies[operations * 99 / 100] : 0.0);
  (void) fflush (stdout);
}
