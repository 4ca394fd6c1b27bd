/* SPDX-License-Identifier: MIT
 *
 * Descriptors that one thread waits for, with epoll.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Who is told of a descriptor: the first member of its owner. */
struct watcher
{
  void (*ready) (struct watcher *watcher, uint32_t events);
};

struct poller
{
  int fd;                       /* epoll's own, readable if a descriptor is ready; -1 */
};

/* 0, or the errno of what failed. */
int
poller_open (struct poller *poller);

void
poller_close (struct poller *poller);

/* Any thread, as the next two: watches fd for epoll's events.  The watcher must
   outlive that.  False with an errno. */
bool
poller_watch (const struct poller *poller,
              int fd,
              uint32_t events,
              struct watcher *watcher);

/* Tells another watcher of other events of what is watched already. */
bool
poller_rewatch (const struct poller *poller,
                int fd,
                uint32_t events,
                struct watcher *watcher);

void
poller_unwatch (const struct poller *poller,
                int fd);

/* Waits for so long at most (-1: for ever) and tells the watchers of what is
   ready, on this thread. */
void
poller_wait (const struct poller *poller,
             int timeout_ms);
