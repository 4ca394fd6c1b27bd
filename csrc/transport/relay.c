/* SPDX-License-Identifier: MIT
 *
 * Between an upgraded TLS connection and a socket in Python's hands.
 *
 * Python gets one end of a socket pair and uses it as it would the connection
 * itself; the driver has the other end and the TLS session, and moves bytes
 * without Python.  Each direction holds one record at most in our memory, and
 * only while somebody does not take it.
 */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include "transport/relay.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/life.h"
#include "base/wakeup.h"
#include "transport/tls.h"

/* As large as a TLS record, so that GnuTLS never keeps a part of one. */
#define PIECE 16384
/* How many of them one connection may move before it is another one's turn. */
#define PIECES 16

/* After Python's close(): how long a peer is waited for that takes nothing, once
   stop() has begun; how long it may take for all at most, beyond that, which is what
   the pair's buffer holds at 4 KiB a second; and how much of what it still sends is
   read and forgotten. */
#define TIMEOUT_AT_STOP_MS 500
#define ALL_MS 64000
#define DISCARD_BYTES ((size_t) 1 << 20)


struct relay *
relay_new (struct relays *relays,
           struct MHD_Connection *connection,
           int *fd)
{
  struct relay *const relay = calloc (1, sizeof (*relay));
  int pair[2];

  if (NULL == relay)
    return NULL;
  relay->wakeup.fd = -1;
  wakeup_init (&relay->wakeup);
  if ( ( (relays->per_connection) &&
         (0 != wakeup_open (&relay->wakeup)) ) ||
       (-1 == socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) )
  {
    const int error = errno;

    wakeup_close (&relay->wakeup);
    free (relay);
    errno = error;
    return NULL;
  }
  if (! tls_take_over (&relay->tls, connection))
  {
    (void) close (pair[0]);
    (void) close (pair[1]);
    wakeup_close (&relay->wakeup);
    free (relay);
    errno = ENOTCONN;
    return NULL;
  }
  relay->relays = relays;
  relay->peer = (struct side) { { &relay_ready }, relay, relay->tls.fd, 0, 0 };
  relay->app = (struct side) { { &relay_ready }, relay, pair[0], 0, 0 };
  *fd = pair[1];
  return relay;
}


void
relay_fail (struct relay *relay)
{
  atomic_store (&relay->error, relay->tls.error);
  relay_set_up (relay, UP_ENDED);
  relay_end_down (relay);
  (void) shutdown (relay->app.fd, SHUT_RDWR);
}


static bool
relay_waits_for_app (const struct relay *relay)
{
  return relay->given != relay->kept.size;
}


/* Gives bytes to Python; keeps what it does not take. */
static void
relay_give (struct relay *relay,
            const char *data,
            size_t size)
{
  ssize_t taken = send (relay->app.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

  if ( (-1 == taken) &&
       (EAGAIN != errno) )
  {
    relay_set_up (relay, UP_DEAF);
    taken = (ssize_t) size;
  }
  if (-1 == taken)
    taken = 0;
  if (relay_waits_for_app (relay))
    relay->given += (size_t) taken;
  else if (! buffer_add (&relay->kept, data + taken, size - (size_t) taken))
  {
    relay->tls.error = ENOMEM;
    relay_fail (relay);
  }
}


/* After Python's close(): the peer may have to get rid of what it sends before
   it reads.  Nobody decrypts that. */
static bool
relay_discard (struct relay *relay)
{
  char piece[PIECE];
  ssize_t size;

  if ( (UP_ENDED == relay->up) ||
       (DISCARD_BYTES <= relay->discarded) )
    return false;
  size = recv (relay->peer.fd, piece, sizeof (piece), MSG_DONTWAIT);
  if (0 < size)
    relay->discarded += (size_t) size;
  else if ( (0 == size) ||
            (EAGAIN != errno) )
    relay_set_up (relay, UP_ENDED);
  return 0 < size;
}


/* One piece from the peer to Python.  False if there was none to move. */
static bool
relay_move_up (struct relay *relay)
{
  char piece[PIECE];
  ssize_t size;

  if (relay->closing)
    return relay_discard (relay);
  if (relay_waits_for_app (relay))
  {
    relay_give (relay, relay->kept.at + relay->given, relay->kept.size - relay->given);
    if (relay_waits_for_app (relay))
      return false;
    free (relay->kept.at);
    relay->kept = (struct buffer) { 0 };
    relay->given = 0;
  }
  if (UP_OPEN != relay->up)
    return false;
  size = tls_recv (&relay->tls, piece, sizeof (piece));
  if (0 < size)
  {
    relay_give (relay, piece, (size_t) size);
    return true;
  }
  if (0 == size)
  {
    relay_set_up (relay, UP_ENDED);
    (void) shutdown (relay->app.fd, SHUT_WR);
  }
  else if (EAGAIN != errno)
    relay_fail (relay);
  return false;
}


/* Python writes no more: the peer hears of it behind what has been written, and may
   go on sending (RFC 8446, section 6.1). */
static void
relay_say_end (struct relay *relay)
{
  tls_bye (&relay->tls);
  if (tls_waits (&relay->tls))
    return;                     /* once more when that has gone */
  relay->says_end = false;
  (void) shutdown (relay->peer.fd, SHUT_WR);
}


/* One piece from Python to the peer.  False if there was none to move. */
static bool
relay_move_down (struct relay *relay)
{
  char piece[PIECE];
  ssize_t size;

  if ( (tls_waits (&relay->tls)) &&
       (0 != tls_flush (&relay->tls)) )
  {
    if (EAGAIN != errno)
      relay_fail (relay);
    return false;
  }
  if (relay->says_end)
    relay_say_end (relay);
  if (DOWN_ENDED == relay->down)
    return false;
  size = recv (relay->app.fd, piece, sizeof (piece), MSG_DONTWAIT);
  relay->app_idle = 0 >= size;
  if (0 < size)
  {
    if (size == tls_send (&relay->tls, piece, (size_t) size))
      return true;
    relay_fail (relay);
  }
  /* ECONNRESET: Python had not read everything when it closed its end. */
  else if ( (0 == size) ||
            (EAGAIN != errno) )
  {
    relay->says_end = 0 == size;
    relay_end_down (relay);
    if (relay->says_end)
      relay_say_end (relay);
  }
  return false;
}


static void
relay_want (struct relay *relay)
{
  relay->peer.wanted = relay->app.wanted = 0;
  if (0 != relay->tls.error)
    return;
  if (tls_waits (&relay->tls))
    relay->peer.wanted |= EPOLLOUT;
  else if (DOWN_OPEN == relay->down)
    relay->app.wanted |= EPOLLIN;
  if (relay_waits_for_app (relay))
    relay->app.wanted |= EPOLLOUT;
  else if ( (UP_OPEN == relay->up) ||
            ( (UP_DISCARDED == relay->up) &&
              (DISCARD_BYTES > relay->discarded) ) )
    relay->peer.wanted |= EPOLLIN;
}


bool
relay_is_through (const struct relay *relay)
{
  return (0 != relay->tls.error) ||
         ( (relay->app_idle) && (! tls_waits (&relay->tls)) );
}


void
relay_move (struct relay *relay)
{
  const size_t waiting = relay->tls.out.size - relay->tls.sent;
  bool up = true;
  bool down = true;
  int pieces;

  relay->app_idle = DOWN_ENDED == relay->down;
  for (pieces = 0; (pieces < PIECES) && (up || down); pieces++)
  {
    up = up && relay_move_up (relay);
    down = down && relay_move_down (relay);
  }
  if ( (1 < pieces) ||
       (waiting != relay->tls.out.size - relay->tls.sent) )
    relay->progress_ms = monotonic_ms ();
  if ( (relay->closing) &&
       (relay_is_through (relay)) )
    tls_bye (&relay->tls);      /* which may have to wait, too */
  relay_want (relay);
}


void
relay_close (struct relay *relay)
{
  relay->closing = true;
  relay_set_up (relay, UP_DISCARDED);
  /* Wakes who is blocked in recv(): the peer may take its time. */
  (void) shutdown (relay->app.fd, SHUT_WR);
  free (relay->kept.at);
  relay->kept = (struct buffer) { 0 };
  relay->given = 0;
  relay->progress_ms = monotonic_ms ();
  relay->latest_ms = relay->progress_ms + relay->relays->close_ms + ALL_MS;
}


int
relay_timeout (const struct relay *relay)
{
  const bool stopping = atomic_load (&relay->relays->life->refusing);
  const int64_t most = stopping ? TIMEOUT_AT_STOP_MS
                                : relay->relays->close_ms;
  const int64_t last = relay->progress_ms + most;
  const int64_t now = monotonic_ms ();
  int64_t left = (last < relay->latest_ms ? last : relay->latest_ms) - now;

  if (0 == most)
    left = INT_MAX;             /* as long as it wants */
  if (left > INT_MAX)
    left = INT_MAX;
  return 0 < left ? (int) left : 0;
}


void
relay_shutdown (struct relay *relay,
                int how)
{
  (void) shutdown (relay->app.fd, SHUT_RD == how ? SHUT_WR : how);
}


void
relay_forked (struct relay *relay)
{
  (void) close (relay->app.fd);
  wakeup_init (&relay->wakeup);
  wakeup_close (&relay->wakeup);
}


void
relay_free (struct relay *relay)
{
  struct relay **at = &relay->relays->ready;

  if (! relay->relays->per_connection)
  {
    relay_unwatch (relay);
    while ( (relay->ready) && (relay != *at) )
      at = &(*at)->next_ready;
    if (relay->ready)
      *at = relay->next_ready;
  }
  tls_release (&relay->tls);
  /* Python's end may stay open as long as a call is blocked on it. */
  (void) shutdown (relay->app.fd, SHUT_RDWR);
  (void) close (relay->app.fd);
  wakeup_close (&relay->wakeup);
  free (relay->kept.at);
  free (relay);
}
