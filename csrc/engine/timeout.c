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
#include "mhd/runs.h"
#include "upgrade/session.h"

/* How soon it is looked again whether a client's last bytes have been read, where
   nobody tells us. */
#define AGAIN_MS 20


/* The earlier of two limits in milliseconds, of which -1 is none. */
static int64_t
sooner (int64_t one,
        int64_t other)
{
  if ( (0 > one) ||
       ( (0 <= other) && (other < one) ) )
    return other;
  return one;
}


/* How long libmicrohttpd lets us wait; -1: for ever. */
static int64_t
patience_of_mhd (struct pymhd_daemon *daemon)
{
  return sooner (runs_timeout (&daemon->runs, daemon->mhd),
                 accept_patience (daemon));
}


/* The same where it has threads of its own; does what is to do beside them. */
static int64_t
patience_beside_mhd (struct pymhd_daemon *daemon)
{
  response_drain ();
  return clients_tend (daemon) ? AGAIN_MS : -1;
}


int
pump_patience (struct pymhd_daemon *daemon,
               int64_t limit_ms)
{
  const int64_t sessions = sooner (sessions_linger (daemon),
                                   sessions_idle (daemon));
  const int64_t closing = hub_overdue (daemon);
  const int64_t mhd = config_calls_back (&daemon->config)
                      ? patience_beside_mhd (daemon) : patience_of_mhd (daemon);

  if (hub_is_ready (daemon))
    return 0;
  limit_ms = sooner (sooner (limit_ms, sooner (sessions, closing)), mhd);
  return (int) (limit_ms < INT_MAX ? limit_ms : INT_MAX);
}
