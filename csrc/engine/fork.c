/* SPDX-License-Identifier: MIT
 *
 * A fork's child: all that it has is its parent's.
 */
#include <stdatomic.h>

#include "api/process.h"
#include "base/log.h"
#include "engine/driver.h"
#include "http/zero_copy.h"
#include "mhd/accept.h"
#include "mhd/client.h"
#include "upgrade/session.h"

/* A fork's child closes its copies and touches nothing else of its parent's:
   shutdown() or epoll_ctl() would act on the parent's sockets. */
static void
fork_disown (struct pymhd_driver *driver)
{
  atomic_store (&driver->server.life.dead, true);
  driver_init_locks (driver);
  clients_forked (&driver->server);
  leaving_forked (&driver->server);
  listening_forked (&driver->server.listening);
  driver_close_descriptors (driver);
}


/* The child of os.fork(), its only thread. */
void
pymhd_forked (void)
{
  drivers_disown (&fork_disown);
  sessions_forked ();
  zero_copy_forked ();
  log_forked ();
}
