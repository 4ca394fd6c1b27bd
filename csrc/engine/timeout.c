/* SPDX-License-Identifier: MIT
 *
 * How long the pump may wait.  All on the pump's thread; no lock.
 */
#include <limits.h>

#include "engine/driver.h"
#include "engine/pump.h"
#include "http/response.h"
#include "hub/hub.h"
#include "mhd/accept.h"
#include "mhd/client.h"
#include "mhd/config.h"
#include "mhd/listeners.h"
#include "mhd/runs.h"
#include "mhd/server.h"
#include "transport/handshake.h"
#include "upgrade/session.h"

/* How soon it is looked again whether a client's last bytes have been read, where
   nobody tells us. */
#define AGAIN_MS 20


/* The earlier of two limits in milliseconds, of which -1 is none. */
static int64_t
timeout_sooner (int64_t one,
                int64_t other)
{
  if ( (0 > one) ||
       ( (0 <= other) && (other < one) ) )
    return other;
  return one;
}


/* How long libmicrohttpd lets us wait; -1: for ever. */
static int64_t
timeout_of_mhd (struct pymhd_driver *driver)
{
  struct server *const server = &driver->server;
  const int64_t handshakes = handshakes_overdue (&server->handshakes);

  /* Each look at their ends follows a run. */
  if (NULL != server->clients.ending)
  {
    runs_again (&server->runs, 1);
    return server->runs.unfinished ? 0 : 1;
  }
  return timeout_sooner (timeout_sooner (runs_timeout (&server->runs, server->mhd),
                                         accept_timeout (server)),
                         handshakes);
}


/* How long the pump may wait where libmicrohttpd has threads of its own; does what the
   pump has to do beside them. */
static int64_t
timeout_beside_mhd (struct pymhd_driver *driver)
{
  response_drain ();
  clients_free_gone (&driver->server);
  return clients_tend (&driver->server) ? AGAIN_MS : -1;
}


int
pump_timeout (struct pymhd_driver *driver,
              int64_t limit_ms)
{
  const int64_t sessions = timeout_sooner (sessions_linger (&driver->sessions),
                                           sessions_idle (&driver->sessions));
  const int64_t files = sending_tend (&driver->server);
  const int64_t clients
    = timeout_sooner (files, timeout_sooner (deadline_tend (&driver->server),
                                             leaving_tend (&driver->server)));
  const int64_t closing = hub_overdue (&driver->hub);
  const int64_t accepting = listeners_timeout (&driver->server);
  const int64_t mhd = config_calls_back (&driver->server.config)
                      ? timeout_beside_mhd (driver) : timeout_of_mhd (driver);

  if (hub_is_ready (&driver->hub))
    return 0;
  limit_ms = timeout_sooner (limit_ms, timeout_sooner (clients, mhd));
  limit_ms = timeout_sooner (limit_ms, timeout_sooner (sessions, closing));
  limit_ms = timeout_sooner (limit_ms, accepting);
  return (int) (limit_ms < INT_MAX ? limit_ms : INT_MAX);
}
