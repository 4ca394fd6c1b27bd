/* SPDX-License-Identifier: MIT
 *
 * Two kinds of sessions, whose descriptor Python has: a plain one, and one with a
 * relay between Python's descriptor and TLS.  The third kind is the hub's.
 */
#include <sys/socket.h>

#include "transport/relay.h"
#include "upgrade/session.h"


static void
plain_shutdown (struct session *session,
                int how)
{
  (void) shutdown (session->fd, how);
}


static void
plain_expire (struct session *session)
{
  (void) shutdown (session->fd, SHUT_RDWR);
}


static void
plain_release (struct session *session)
{
  (void) session;
}


const struct session_ops plain_ops = {
  .shutdown = &plain_shutdown,
  .expire = &plain_expire,
  .release = &plain_release,
};


static void
relayed_shutdown (struct session *session,
                  int how)
{
  relay_shutdown (session->relay, how);
}


/* The relay may be moving bytes on the connection's thread. */
static void
relayed_expire (struct session *session)
{
  relay_shutdown (session->relay, SHUT_RDWR);
}


static void
relayed_flush (struct session *session)
{
  relay_close (session->relay);
  relay_queue (session->relay);
}


static void
relayed_release (struct session *session)
{
  relay_free (session->relay);
}


const struct session_ops relayed_ops = {
  .shutdown = &relayed_shutdown,
  .expire = &relayed_expire,
  .flush = &relayed_flush,
  .release = &relayed_release,
};
