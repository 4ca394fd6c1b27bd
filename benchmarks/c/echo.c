/* SPDX-License-Identifier: MIT
 *
 * The anchor of the echo loads: a C program on libmicrohttpd that upgrades each
 * connection and sends back what comes.  libmicrohttpd has one epoll thread,
 * and a second thread with an epoll of its own has the upgraded connections.
 *
 * usage: echo PORT [POOL_BYTES]
 */
#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256

struct upgraded
{
  int fd;
  struct MHD_UpgradeResponseHandle *handle;
};

static int epoll_fd;
static struct MHD_Response *response;


static bool
send_all (int fd,
          const char *data,
          size_t size)
{
  while (size > 0)
  {
    const ssize_t sent = send (fd, data, size, MSG_NOSIGNAL);

    if (sent > 0)
    {
      data += sent;
      size -= (size_t) sent;
    }
    else if (EAGAIN == errno)
    {
      struct pollfd writable = { .fd = fd, .events = POLLOUT };

      (void) poll (&writable, 1, -1);
    }
    else
      return false;
  }
  return true;
}


static void
on_upgrade (void *cls,
            struct MHD_Connection *connection,
            void *context,
            const char *early,
            size_t early_size,
            MHD_socket fd,
            struct MHD_UpgradeResponseHandle *handle)
{
  struct upgraded *const upgraded = malloc (sizeof (*upgraded));
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = upgraded };

  (void) cls;
  (void) connection;
  (void) context;
  if (NULL == upgraded)
    abort ();
  upgraded->fd = fd;
  upgraded->handle = handle;
  (void) send_all (fd, early, early_size);
  (void) epoll_ctl (epoll_fd, EPOLL_CTL_ADD, fd, &event);
}


static void
echo (struct upgraded *upgraded)
{
  static char buffer[1 << 17];
  const ssize_t size = recv (upgraded->fd, buffer, sizeof (buffer), 0);

  if ( ( (size > 0) &&
         (send_all (upgraded->fd, buffer, (size_t) size)) ) ||
       ( (size < 0) &&
         (EAGAIN == errno) ) )
    return;
  (void) epoll_ctl (epoll_fd, EPOLL_CTL_DEL, upgraded->fd, NULL);
  (void) MHD_upgrade_action (upgraded->handle, MHD_UPGRADE_ACTION_CLOSE);
  free (upgraded);
}


static void *
serve_upgraded (void *unused)
{
  (void) unused;
  for (;;)
  {
    struct epoll_event events[EVENTS];
    const int count = epoll_wait (epoll_fd, events, EVENTS, -1);
    int i;

    for (i = 0; i < count; i++)
      echo (events[i].data.ptr);
  }
  return NULL;
}


static enum MHD_Result
on_request (void *cls,
            struct MHD_Connection *connection,
            const char *url,
            const char *method,
            const char *version,
            const char *data,
            size_t *size,
            void **context)
{
  static int seen;

  (void) cls;
  (void) url;
  (void) method;
  (void) version;
  (void) data;
  (void) size;
  if (NULL == *context)
  {
    *context = &seen;
    return MHD_YES;
  }
  return MHD_queue_response (connection,
                             MHD_HTTP_SWITCHING_PROTOCOLS,
                             response);
}


int
main (int argc,
      char **argv)
{
  struct MHD_OptionItem pool[2] = {
    { MHD_OPTION_CONNECTION_MEMORY_LIMIT, argc > 2 ? atol (argv[2]) : 0, NULL },
    { MHD_OPTION_END, 0, NULL },
  };
  pthread_t thread;

  if (argc < 2)
    return 2;
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  response = MHD_create_response_for_upgrade (&on_upgrade, NULL);
  (void) MHD_add_response_header (response, MHD_HTTP_HEADER_UPGRADE, "raw");
  if ( (0 != pthread_create (&thread, NULL, &serve_upgraded, NULL)) ||
       (NULL == MHD_start_daemon (MHD_USE_EPOLL_INTERNAL_THREAD
                                  | MHD_ALLOW_UPGRADE,
                                  (uint16_t) atoi (argv[1]),
                                  NULL, NULL,
                                  &on_request, NULL,
                                  MHD_OPTION_CONNECTION_LIMIT, 20000u,
                                  MHD_OPTION_ARRAY, pool + (argc < 3),
                                  MHD_OPTION_END)) )
  {
    fprintf (stderr, "libmicrohttpd does not start\n");
    return 1;
  }
  return pause ();
}
