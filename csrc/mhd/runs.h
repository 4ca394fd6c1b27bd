/* SPDX-License-Identifier: MIT
 *
 * What libmicrohttpd is owed: when it must run, whatever it says itself.  The pump's
 * thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <microhttpd.h>

struct config;

struct runs
{
  bool ready;                   /* epoll has told of its descriptors */
  bool unfinished;              /* it wants to run again at once */
  int in_vain;                  /* how many runs in a row brought Python nothing
                                   and left it unfinished */
  unsigned int count;           /* how many there have been */
  int left;                     /* how many runs it needs for what has been closed */
};

/* It must run so often from now on. */
void
runs_again (struct runs *runs,
            int times);

/* It is about to run. */
void
runs_begin (struct runs *runs);

/* It has run: learns whether it wants more. */
void
runs_end (struct runs *runs,
          struct MHD_Daemon *mhd);

/* It has had something for us. */
void
runs_succeed (struct runs *runs);

/* Whether it has something to do. */
bool
runs_are_due (const struct runs *runs);

/* How many milliseconds it can wait; -1: for ever. */
int64_t
runs_timeout (const struct runs *runs,
              struct MHD_Daemon *mhd);

/* Says CLOSE to an upgraded connection, and sees that it is carried
   out.  The driver. */
void
runs_close (struct runs *runs,
            const struct config *config,
            struct MHD_UpgradeResponseHandle *urh);
