/* SPDX-License-Identifier: MIT
 *
 * libmicrohttpd in select mode, driven by pymhd_pump() or by the
 * application's own select().  Our epoll descriptor is one more to watch: all that is
 * not libmicrohttpd's stays as it is.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/select.h>

#include "engine/select.h"
#include "api/pump.h"
#include "base/fdsets.h"
#include "engine/driver.h"
#include "upgrade/session.h"

/* The sets of everything to watch.  The highest descriptor. */
static int
select_fill (struct pymhd_driver *driver)
{
  struct fdsets *const sets = &driver->select.sets;
  MHD_socket highest = driver->server.poller.fd;

  FD_ZERO (&sets->read);
  FD_ZERO (&sets->write);
  FD_ZERO (&sets->except);
  (void) MHD_get_fdset (driver->server.mhd, &sets->read, &sets->write, &sets->except,
                        &highest);
  /* It believes that it still reads those that TLS has been taken over of. */
  if (driver->server.config.tls)
    sessions_unset (&driver->sessions, sets);
  FD_SET (driver->server.poller.fd, &sets->read);
  return highest;
}


/* 0, or the errno of what failed. */
int
select_open (struct pymhd_driver *driver)
{
  return FD_SETSIZE > driver->server.poller.fd ? 0 : EMFILE;
}


/* The pump's thread.  True if our epoll descriptor is readable. */
bool
select_wait (struct pymhd_driver *driver,
             int timeout_ms)
{
  struct fdsets *const sets = &driver->select.sets;
  struct timeval limit = { timeout_ms / 1000, 1000L * (timeout_ms % 1000) };
  const int highest = select_fill (driver);

  driver->select.known = 0 <= select (highest + 1, &sets->read, &sets->write,
                                      &sets->except,
                                      0 > timeout_ms ? NULL : &limit);
  return (driver->select.known) &&
         (FD_ISSET (driver->server.poller.fd, &sets->read));
}


/* The pump's thread: runs libmicrohttpd with what select() has said.  Each answer
   serves once: without one, MHD_run() asks the system itself. */
void
select_run (struct pymhd_driver *driver)
{
  struct fdsets *const sets = &driver->select.sets;

  if (driver->select.known)
    (void) MHD_run_from_select (driver->server.mhd, &sets->read, &sets->write,
                                &sets->except);
  else
    (void) MHD_run (driver->server.mhd);
  driver->select.known = false;
}


/* The pump's thread: what a select() would have to watch, a byte of
   PYMHD_FDSET_… for each of size descriptors. */
void
pymhd_pump_fdset (struct pymhd_driver *driver,
                  unsigned char *watched,
                  int size)
{
  const struct fdsets *const sets = &driver->select.sets;
  int highest;
  int fd;

  memset (watched, 0, (size_t) size);
  if ( (NULL == driver->server.mhd) ||
       (atomic_load (&driver->server.life.dead)) )
    return;
  highest = select_fill (driver);
  for (fd = 0; (fd <= highest) && (fd < size); fd++)
    watched[fd] = (unsigned char)
                  ((FD_ISSET (fd, &sets->read) ? PYMHD_FDSET_READ : 0)
                   | (FD_ISSET (fd, &sets->write) ? PYMHD_FDSET_WRITE : 0)
                   | (FD_ISSET (fd, &sets->except) ? PYMHD_FDSET_EXCEPT : 0));
}
