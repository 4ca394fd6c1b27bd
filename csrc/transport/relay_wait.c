/* SPDX-License-Identifier: MIT
 *
 * When a relay moves: the pump has epoll watch for what it wants; with
 * "per-connection" the connection's own thread waits by poll().  Neither is
 * told of what the relay does not want, so idle ones cost no time.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>

#include "base/life.h"
#include "base/poller.h"
#include "base/wakeup.h"
#include "transport/relay.h"


/* Whether epoll watches as it should. */
static bool
relay_watch_side (struct relays *relays,
                  struct side *side)
{
  if (side->wanted == side->watched)
    return true;
  if (0 != side->watched)
    poller_unwatch (relays->poller, side->fd);
  /* Not for nothing: epoll would tell of a hang-up again and again. */
  side->watched = 0;
  if ( (0 != side->wanted) &&
       (! poller_watch (relays->poller, side->fd, side->wanted, &side->watcher)) )
    return false;
  side->watched = side->wanted;
  return true;
}


void
relay_watch (struct relay *relay)
{
  if ( (relay_watch_side (relay->relays, &relay->peer)) &&
       (relay_watch_side (relay->relays, &relay->app)) )
    return;
  relay->tls.error = errno;
  relay_fail (relay);
  relay_unwatch (relay);
}


void
relay_unwatch (struct relay *relay)
{
  relay->peer.wanted = relay->app.wanted = 0;
  (void) relay_watch_side (relay->relays, &relay->peer);
  (void) relay_watch_side (relay->relays, &relay->app);
}


void
relay_queue (struct relay *relay)
{
  if (relay->ready)
    return;
  relay->ready = true;
  relay->next_ready = relay->relays->ready;
  relay->relays->ready = relay;
}


void
relay_ready (struct watcher *watcher,
             uint32_t events)
{
  (void) events;
  relay_queue (((struct side *) watcher)->relay);
}


struct relay *
relay_next_ready (struct relays *relays)
{
  struct relay *const relay = relays->ready;

  if (NULL == relay)
    return NULL;
  relays->ready = relay->next_ready;
  relay->ready = false;
  return relay;
}


void
relay_wait (struct relay *relay)
{
  while ( (! atomic_load (&relay->relays->life->late)) &&
          (! atomic_load (&relay->relays->life->dead)) )
  {
    struct pollfd watched[] = {
      { .fd = relay->wakeup.fd, .events = POLLIN },
      { .fd = relay->peer.fd },
      { .fd = relay->app.fd },
    };

    relay_move (relay);
    if ( (relay->closing) &&
         ( (relay_is_through (relay)) || (0 == relay_timeout (relay)) ) )
      break;
    watched[1].events = (short) relay->peer.wanted;
    watched[2].events = (short) relay->app.wanted;
    /* poll() would tell of a hang-up again and again. */
    if (0 == relay->peer.wanted)
      watched[1].fd = -1;
    if (0 == relay->app.wanted)
      watched[2].fd = -1;
    (void) poll (watched, 3, relay->closing ? relay_timeout (relay) : -1);
    if (0 == watched[0].revents)
      continue;
    wakeup_clear (&relay->wakeup);
    if (! relay->closing)
      relay_close (relay);
  }
}


void
relay_ask_to_close (struct relay *relay)
{
  wakeup_signal (&relay->wakeup);
}
