/* SPDX-License-Identifier: MIT
 *
 * Descriptors that one thread waits for, with epoll.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/poller.h"

/* As many are told of at most before the caller has its turn. */
#define READY 256


int
poller_open (struct poller *poller)
{
  poller->fd = epoll_create1 (EPOLL_CLOEXEC);
  return -1 == poller->fd ? errno : 0;
}


void
poller_close (struct poller *poller)
{
  if (-1 != poller->fd)
    (void) close (poller->fd);
  poller->fd = -1;
}


static bool
poller_control (const struct poller *poller,
                int operation,
                int fd,
                uint32_t events,
                struct watcher *watcher)
{
  struct epoll_event event = { .events = events, .data.ptr = watcher };

  return 0 == epoll_ctl (poller->fd, operation, fd, &event);
}


bool
poller_watch (const struct poller *poller,
              int fd,
              uint32_t events,
              struct watcher *watcher)
{
  return poller_control (poller, EPOLL_CTL_ADD, fd, events, watcher);
}


bool
poller_rewatch (const struct poller *poller,
                int fd,
                uint32_t events,
                struct watcher *watcher)
{
  return poller_control (poller, EPOLL_CTL_MOD, fd, events, watcher);
}


void
poller_unwatch (const struct poller *poller,
                int fd)
{
  (void) epoll_ctl (poller->fd, EPOLL_CTL_DEL, fd, NULL);
}


void
poller_wait (const struct poller *poller,
             int timeout_ms)
{
  struct epoll_event ready[READY];
  const int count = epoll_wait (poller->fd, ready, READY, timeout_ms);
  int i;

  for (i = 0; i < count; i++)
  {
    struct watcher *const watcher = ready[i].data.ptr;

    watcher->ready (watcher, ready[i].events);
  }
}
