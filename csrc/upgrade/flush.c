/* SPDX-License-Identifier: MIT
 *
 * Sessions over TLS whose relay moves bytes, and how they flush: what Python wrote
 * before it closed goes out before they linger.
 */
#include "transport/relay.h"
#include "upgrade/session.h"


/* The pump's thread. */
void
session_begin (struct session *session)
{
  if (NULL == session->relay)
    return;
  relay_move (session->relay);
  relay_watch (session->relay);
}


/* Moves a relay whose session flushes, and lets it linger when it is through. */
static void
flush_move (struct relay *relay)
{
  struct session *const session = relay->session;
  const int64_t before = relay->progress_ms;

  relay_move (relay);
  if (relay_is_through (relay))
  {
    relay_unwatch (relay);
    waiting_leave (session);
    linger_begin (session);
    return;
  }
  relay_watch (relay);
  if (0 == relay_timeout (relay))
    linger_end (session);
  else if (before != relay->progress_ms)
  {
    waiting_leave (session);
    waiting_enter (session);
  }
}


/* The pump's thread. */
void
sessions_relay (struct sessions *sessions)
{
  struct relay *relay;

  while (NULL != (relay = relay_next_ready (&sessions->relays)))
  {
    if (FLUSHING == relay->session->state)
      flush_move (relay);
    else
    {
      relay_move (relay);
      relay_watch (relay);
    }
  }
}
