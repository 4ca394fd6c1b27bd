/* SPDX-License-Identifier: MIT
 *
 * How an upgraded connection comes to the hub: the upgrade handler, on the driver's
 * thread, and the session that it makes.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "api/hub.h"
#include "api/session.h"
#include "api/upgrade.h"
#include "base/buffer.h"
#include "base/wakeup.h"
#include "http/request.h"
#include "http/response.h"
#include "hub/hub.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "mhd/server.h"
#include "transport/stream.h"
#include "transport/tls.h"
#include "upgrade/due.h"
#include "upgrade/session.h"
#include "upgrade/upgrade.h"


/* Bytes have moved over a UNIX socket, for which the kernel does not keep the time: the
   session keeps it, if any of them has an idle timeout. */
static void
link_moved (const struct stream *stream)
{
  const struct link *const link
    = (const void *) ((const char *) stream - offsetof (struct link, stream));

  if (0 != atomic_load (&link->hub->sessions->idle_due_ms))
    pymhd_session_touch (link->session);
}


static struct link *
link_new (struct hub *hub,
          int fd,
          const char *early,
          size_t early_size)
{
  struct link *const link = malloc (sizeof (*link));

  if (NULL == link)
    return NULL;
  *link = (struct link) {
    .watcher = { &hub_ready },
    .hub = hub,
    .stream.fd = fd,
    .early_size = early_size,
    .high = PYMHD_HUB_HIGH_WATER,
    .low = PYMHD_HUB_LOW_WATER,
  };
  if (0 == early_size)
    return link;
  link->early = malloc (early_size);
  if (NULL == link->early)
  {
    free (link);
    return NULL;
  }
  memcpy (link->early, early, early_size);
  return link;
}


/* Makes the link, with what came early: over TLS GnuTLS may hold more of that.  NULL if
   memory is short, or there is no TLS where there should be. */
static struct link *
link_make (struct hub *hub,
           int fd,
           struct tls *tls,
           const char *extra,
           size_t extra_size)
{
  struct buffer early = { 0 };
  struct link *link = NULL;

  if (! hub->server->config.tls)
    return link_new (hub, fd, extra, extra_size);
  if ( (NULL != tls) &&
       (buffer_add (&early, extra, extra_size)) &&
       (tls_take_early (tls, &early)) )
    link = link_new (hub, fd, early.at, early.size);
  if (NULL != link)
    link->stream.tls = tls;
  free (early.at);
  return link;
}


/* Leaves the link to the pump.  False if that has ended. */
static bool
link_arrive (struct link *link)
{
  struct hub *const hub = link->hub;
  bool taken;

  (void) pthread_mutex_lock (&hub->lock);
  taken = ! hub->ended;
  if (taken)
  {
    if (NULL == hub->arrived_last)
      hub->arrived = link;
    else
      hub->arrived_last->next = link;
    hub->arrived_last = link;
    atomic_store (&hub->has_arrived, true);
  }
  (void) pthread_mutex_unlock (&hub->lock);
  if (! taken)
    link_free (link);
  else if (config_calls_back (&hub->server->config))
    wakeup_signal (&hub->server->wakeup);
  return taken;
}


/* Nobody is blocked on it, and it may have output to send when it has had its end of
   input. */
static void
hub_session_shutdown (struct session *session,
                      int how)
{
  if (SHUT_RD == how)
    (void) shutdown (session->fd, SHUT_RD);
}


/* The protocol is told why, instead of an end of input. */
static void
hub_session_expire (struct session *session)
{
  if (NULL != session->tls)
    tls_bye (session->tls);
  (void) shutdown (session->fd, SHUT_RDWR);
  due_remove (&session->sessions->due, session);        /* the hub ends it */
  hub_lose (session->link, ETIMEDOUT);
}


static void
hub_session_release (struct session *session)
{
  if (NULL != session->tls)
    tls_free (session->tls);
}


static const struct session_ops hub_ops = {
  .shutdown = &hub_session_shutdown,
  .expire = &hub_session_expire,
  .release = &hub_session_release,
};


/* MHD_UpgradeHandler of responses that give their connections to the hub: the
   driver's thread, no lock of libmicrohttpd's.  In "per-connection" that
   thread waits in here for the session's end. */
static void
hub_begin (void *cls,
           struct MHD_Connection *connection,
           void *req_cls,
           const char *extra_in,
           size_t extra_in_size,
           MHD_socket sock,
           struct MHD_UpgradeResponseHandle *urh)
{
  const int on = 1;
  int64_t request;
  struct hub *const hub = request_of_upgrade (req_cls, &request)->hub;
  struct tls *const tls = hub->server->config.tls ? tls_new (connection) : NULL;
  const int fd = NULL == tls ? sock : tls->fd;
  struct link *const link = link_make (hub, fd, tls, extra_in, extra_in_size);
  const struct session kind = {
    .ops = &hub_ops, .fd = fd, .tls = tls, .link = link
  };
  struct session *session = NULL;
  bool handed_over;
  int64_t token;

  (void) cls;
  if (NULL != link)
  {
    /* Fails on a UNIX socket, which has nothing to switch off. */
    if (0 != setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof (on)))
      link->stream.moved = &link_moved;
    session = session_new (hub->sessions, urh, &kind, &token);
  }
  request_upgraded (req_cls, NULL != session);
  handed_over = client_upgraded (hub->server, connection, NULL != session);
  if (NULL == session)
  {
    if (NULL != link)
      link_free (link);
    if (NULL != tls)
      tls_free (tls);
    upgrade_give_up (hub->sessions, request, urh, "out of memory, or stop()");
    return;
  }
  /* stop() has looked at the table before this session was in it. */
  if (atomic_load (&hub->server->life.refusing))
    (void) shutdown (fd, SHUT_RD);
  link->request = request;
  link->session = token;
  link->handed_over = handed_over;
  if (! link_arrive (link))
    (void) pymhd_session_close (token);
  if (config_is_per_connection (&hub->server->config))
    session_wait (session);
}


/* Any thread; no Python inside.  NULL if memory is short or libmicrohttpd refuses a
   field. */
struct pymhd_response *
pymhd_response_new_hub (const char *fields,
                        size_t fields_size)
{
  return response_for_upgrade (&hub_begin, fields, fields_size);
}
