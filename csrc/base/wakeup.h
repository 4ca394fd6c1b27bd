/* SPDX-License-Identifier: MIT
 *
 * A descriptor that any thread makes readable, to wake the one that waits for it.
 */
#pragma once

#include <pthread.h>

struct wakeup
{
  pthread_mutex_t lock;         /* a leaf: guards fd against its end */
  int fd;                       /* -1 before it is opened and when it has ended */
};

/* Before anything else, and in a fork's child, where another thread of the parent's
   may have held the lock. */
void
wakeup_init (struct wakeup *wakeup);

/* 0, or the errno of what failed. */
int
wakeup_open (struct wakeup *wakeup);

/* Any thread, and inside finalizers: it is readable from now on.  Nothing happens
   when it has ended. */
void
wakeup_signal (struct wakeup *wakeup);

/* The thread that waits for it: it is readable no more. */
void
wakeup_clear (struct wakeup *wakeup);

void
wakeup_close (struct wakeup *wakeup);
