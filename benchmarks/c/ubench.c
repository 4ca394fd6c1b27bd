/* SPDX-License-Identifier: MIT
 *
 * A load client for servers that echo on upgraded connections.
 *
 * usage: ubench raw|ws PORT CONNECTIONS BYTES SECONDS [churn]
 *
 * It upgrades all connections, says "ready", waits for a line on its standard
 * input, and plays ping-pong on each of them for so long: one message out, as
 * many bytes back, the next message out.  `ws` sends masked binary frames of
 * RFC 6455 and expects unmasked ones.  Then it prints a line of JSON, and keeps
 * the connections until its standard input ends, so that somebody can look at
 * the server's memory.  With `churn` each connection upgrades, echoes once and
 * is reset, over and over: an operation is a handshake with one echo.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "latency.h"

#define EVENTS 512
#define HEAD_BYTES 2048
/* So many handshakes at once, lest a listening queue overflow. */
#define DIALING 64
#define READY_SECONDS 60.0

struct connection
{
  int fd;
  bool upgraded;
  size_t sent, received;
  double asked;
  char head[HEAD_BYTES];
};

static const char *const request
  = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: %s\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n";

static struct connection *connections;
static int epoll_fd, count, dialed, upgraded, port;
static bool frames, churn;
static char *message, scratch[1 << 18];
static size_t message_size, answer_size;
static unsigned long lost;


static double
now (void)
{
  struct timespec time;

  (void) clock_gettime (CLOCK_MONOTONIC, &time);
  return (double) time.tv_sec + (double) time.tv_nsec / 1e9;
}


static void
fail (const char *what)
{
  fprintf (stderr, "ubench: %s\n", what);
  exit (1);
}


static void
build_message (size_t bytes)
{
  static const char mask[4] = { 0x12, 0x34, 0x56, 0x78 };
  size_t head = 0;
  size_t i;

  message = malloc (bytes + 14);
  if (NULL == message)
    fail ("memory is short");
  if (frames)
  {
    message[head++] = (char) 0x82;
    message[head++] = (char) (0x80 | (bytes < 126 ? bytes : 126));
    if (bytes >= 65536)
      fail ("frames have less than 64 KiB here");
    if (bytes >= 126)
    {
      message[head++] = (char) (bytes >> 8);
      message[head++] = (char) bytes;
    }
    answer_size = head + bytes;
    memcpy (message + head, mask, sizeof (mask));
    head += sizeof (mask);
  }
  else
    answer_size = bytes;
  message_size = head + bytes;
  for (i = 0; i < bytes; i++)
    message[head + i] = (char) (frames ? 'x' ^ mask[i & 3] : 'x');
}


static void
watch (struct connection *c,
       int operation,
       uint32_t events)
{
  struct epoll_event event = { .events = events, .data.ptr = c };

  (void) epoll_ctl (epoll_fd, operation, c->fd, &event);
}


static void
drop (struct connection *c)
{
  (void) close (c->fd);
  c->fd = -1;
}


static void
push (struct connection *c)
{
  while (c->sent < message_size)
  {
    const ssize_t sent = send (c->fd, message + c->sent, message_size - c->sent,
                               MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent < 0)
    {
      if (EAGAIN == errno)
        watch (c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
      return;                   /* if it is lost, recv() says so */
    }
    c->sent += (size_t) sent;
  }
}


static void
ask (struct connection *c)
{
  c->sent = c->received = 0;
  if (! churn)                  /* there it counts from the first SYN on */
    c->asked = now ();
  push (c);
}


static void
dial (struct connection *c)
{
  const struct linger reset = { .l_onoff = 1 };
  const int one = 1;
  struct sockaddr_in address = {
    .sin_family = AF_INET,
    .sin_port = htons ((uint16_t) port),
    .sin_addr.s_addr = htonl (INADDR_LOOPBACK)
  };
  char text[512];
  const int size = snprintf (text, sizeof (text), request,
                             frames ? "websocket" : "raw");

  memset (c, 0, sizeof (*c));
  c->asked = now ();
  c->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if ( (-1 == c->fd) ||
       (0 != connect (c->fd, (struct sockaddr *) &address, sizeof (address))) )
    fail (strerror (errno));
  (void) setsockopt (c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof (one));
  if (churn)
    (void) setsockopt (c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof (reset));
  if (size != send (c->fd, text, (size_t) size, MSG_NOSIGNAL))
    fail ("a request was not taken");
  watch (c, EPOLL_CTL_ADD, EPOLLIN);
}


static void
read_head (struct connection *c)
{
  const ssize_t size = recv (c->fd, c->head + c->received,
                             HEAD_BYTES - 1 - c->received, MSG_DONTWAIT);

  if ( (size < 0) &&
       (EAGAIN == errno) )
    return;
  if (size <= 0)
    fail ("a connection ended before its 101");
  c->received += (size_t) size;
  if (NULL == strstr (c->head, "\r\n\r\n"))
    return;
  if (0 != strncmp (c->head, "HTTP/1.1 101", 12))
    fail (c->head);
  c->upgraded = true;
  upgraded++;
  if (churn)
    ask (c);
}


static void
read_echo (struct connection *c)
{
  const ssize_t size = recv (c->fd, scratch, sizeof (scratch), MSG_DONTWAIT);

  if ( (size < 0) &&
       (EAGAIN == errno) )
    return;
  if (size <= 0)
  {
    lost++;
    drop (c);
    return;
  }
  c->received += (size_t) size;
  if (c->received < answer_size)
    return;
  note_latency (now () - c->asked);
  if (churn)
  {
    drop (c);
    dial (c);
  }
  else
    ask (c);
}


static void
step (void)
{
  struct epoll_event events[EVENTS];
  const int ready = epoll_wait (epoll_fd, events, EVENTS, 100);
  int i;

  for (i = 0; i < ready; i++)
  {
    struct connection *const c = events[i].data.ptr;

    if (0 != (events[i].events & EPOLLOUT))
    {
      watch (c, EPOLL_CTL_MOD, EPOLLIN);
      push (c);
    }
    if (0 == (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
      continue;
    if (c->upgraded)
      read_echo (c);
    else
      read_head (c);
  }
}


int
main (int argc,
      char **argv)
{
  double begun = now ();
  double seconds;
  int i;

  if (argc < 6)
    fail ("usage: ubench raw|ws PORT CONNECTIONS BYTES SECONDS [churn]");
  frames = 0 == strcmp (argv[1], "ws");
  port = atoi (argv[2]);
  count = atoi (argv[3]);
  build_message ((size_t) atol (argv[4]));
  seconds = atof (argv[5]);
  churn = argc > 6;
  connections = calloc ((size_t) count, sizeof (*connections));
  epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (NULL == connections)
    fail ("memory is short");
  while ( (! churn) &&
          (upgraded < count) )
  {
    while ( (dialed < count) &&
            (dialed - upgraded < DIALING) )
      dial (&connections[dialed++]);
    step ();
    if (now () - begun > READY_SECONDS)
      fail ("the connections were not upgraded in time");
  }
  puts ("ready");
  (void) fflush (stdout);
  if ('\n' != getchar ())
    return 0;
  begun = now ();
  for (i = 0; seconds > 0 && i < count; i++)
    if (churn)
      dial (&connections[i]);
    else
      ask (&connections[i]);
  while (now () - begun < seconds)
    step ();
  report_latencies (now () - begun, lost);
  return EOF == getchar () ? 0 : 1;
}
