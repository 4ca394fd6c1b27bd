/* SPDX-License-Identifier: MIT
 *
 * What libmicrohttpd is owed: when it must run, whatever it says itself.
 */
#include <limits.h>

#include "mhd/runs.h"
#include "mhd/config.h"

/* After so many runs in vain, one a millisecond is enough. */
#define VAIN_RUNS 1000


void
runs_again (struct runs *runs,
            int times)
{
  if (runs->left < times)
    runs->left = times;
}


void
runs_begin (struct runs *runs)
{
  runs->ready = false;
  if (0 < runs->left)
    runs->left--;
}


void
runs_end (struct runs *runs,
          struct MHD_Daemon *mhd)
{
  MHD_UNSIGNED_LONG_LONG ms;

  runs->count++;
  runs->unfinished = (MHD_YES == MHD_get_timeout (mhd, &ms)) &&
                     (0 == ms);
  if (! runs->unfinished)
    runs->in_vain = 0;
  else if (VAIN_RUNS >= runs->in_vain)
    runs->in_vain++;
}


void
runs_succeed (struct runs *runs)
{
  runs->in_vain = 0;
}


bool
runs_are_due (const struct runs *runs)
{
  return (runs->ready) ||
         (runs->unfinished) ||
         (0 < runs->left);
}


/* Before 1.0 it wants to run at once, for ever, if a client fills its memory with the
   line of a chunk that does not end. */
int64_t
runs_timeout (const struct runs *runs,
              struct MHD_Daemon *mhd)
{
  MHD_UNSIGNED_LONG_LONG ms;

  if (0 != runs->left)
    return 0;
  if (runs->unfinished)
    return VAIN_RUNS < runs->in_vain ? 1 : 0;
  if (MHD_YES != MHD_get_timeout (mhd, &ms))
    return -1;
  return (int64_t) (ms < INT_MAX ? ms : INT_MAX);
}


void
runs_close (struct runs *runs,
            const struct config *config,
            struct MHD_UpgradeResponseHandle *urh)
{
  (void) MHD_upgrade_action (urh, MHD_UPGRADE_ACTION_CLOSE);
  /* Over TLS it first ends the forwarding that it believes in. */
  if (! config_calls_back (config))
    runs_again (runs, config->tls ? 2 : 1);
}
