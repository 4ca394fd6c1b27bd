/* SPDX-License-Identifier: MIT
 *
 * A descriptor that any thread makes readable, to wake the one that waits for it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/wakeup.h"


void
wakeup_init (struct wakeup *wakeup)
{
  (void) pthread_mutex_init (&wakeup->lock, NULL);
}


int
wakeup_open (struct wakeup *wakeup)
{
  wakeup->fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return -1 == wakeup->fd ? errno : 0;
}


void
wakeup_signal (struct wakeup *wakeup)
{
  const uint64_t one = 1;

  (void) pthread_mutex_lock (&wakeup->lock);
  /* Full means that it is readable, which is all that is wanted. */
  if (-1 != wakeup->fd)
    (void) ! write (wakeup->fd, &one, sizeof (one));
  (void) pthread_mutex_unlock (&wakeup->lock);
}


void
wakeup_clear (struct wakeup *wakeup)
{
  uint64_t count;

  (void) ! read (wakeup->fd, &count, sizeof (count));
}


void
wakeup_close (struct wakeup *wakeup)
{
  (void) pthread_mutex_lock (&wakeup->lock);
  if (-1 != wakeup->fd)
    (void) close (wakeup->fd);
  wakeup->fd = -1;
  (void) pthread_mutex_unlock (&wakeup->lock);
}
